//! Commands as functions of sources and options: the stages in order, and the barriers between them.
//!
//! Nothing here reads a file or prints; `cli` does.

pub mod compare;

pub use crate::expand::Settings;

use crate::analyze::{Facts, analyze};
use crate::diag::Diags;
use crate::expand::{Expanded, expand};
use crate::ir::Program;
use crate::lower::lower;
use crate::resolve::modules::inline_modules;
use crate::source::{FileId, Loader, SourceMap};
use crate::syntax::parse;

/// A program that passed every check.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The program as it runs at finite width.
    pub program: Program,
    /// Scales and the leading-order program.
    pub facts: Facts,
}

/// Parses, expands, lowers and analyses a file. Diagnostics are in `diags`; `None` if one of them is an error.
pub fn check(
    sources: &mut SourceMap,
    file: FileId,
    loader: &dyn Loader,
    settings: &Settings,
    diags: &mut Diags,
) -> Option<Checked> {
    let program = lowered(sources, file, loader, settings, diags)?;
    let facts = analyze(&program, diags);
    (!diags.has_errors()).then_some(Checked { program, facts })
}

/// Parses, expands and lowers a file: what finite width needs. Scales do not matter there.
pub fn lowered(
    sources: &mut SourceMap,
    file: FileId,
    loader: &dyn Loader,
    settings: &Settings,
    diags: &mut Diags,
) -> Option<Program> {
    let plain = expanded(sources, file, loader, settings, diags)?.program;
    with_deep_stack(|| lower(&plain, sources, loader, &settings.constants, diags))
}

/// The plain program that a file stands for: modules in place, networks and training written out.
pub fn expanded(
    sources: &mut SourceMap,
    file: FileId,
    loader: &dyn Loader,
    settings: &Settings,
    diags: &mut Diags,
) -> Option<Expanded> {
    let source = sources.get(file).clone();
    let ast = parse(&source, diags);
    if diags.has_errors() {
        return None;
    }
    let ast = inline_modules(ast, sources, loader, diags);
    let expanded = expand(ast, sources, settings, diags);
    (!diags.has_errors()).then_some(expanded)
}

/// Enough for 64 `fn`s or `def`s inside each other, each with an expression of the greatest depth that is parsed.
const STACK_BYTES: usize = 128 << 20;

/// Runs on a thread of its own: how deep lowering goes must not depend on the caller's stack.
fn with_deep_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, run).expect("the system starts a thread");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
