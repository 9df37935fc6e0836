//! Commands as functions of sources and options: the stages in order, and the barriers between them.
//!
//! Nothing here reads a file or prints; `cli` does.

use crate::analyze::{Facts, analyze};
use crate::diag::Diags;
use crate::ir::Program;
use crate::lower::{Overrides, lower};
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

/// Parses, lowers and analyses a file. Diagnostics are in `diags`; `None` if one of them is an error.
pub fn check(
    sources: &mut SourceMap,
    file: FileId,
    loader: &dyn Loader,
    overrides: &Overrides,
    diags: &mut Diags,
) -> Option<Checked> {
    let program = lowered(sources, file, loader, overrides, diags)?;
    let facts = analyze(&program, diags);
    (!diags.has_errors()).then_some(Checked { program, facts })
}

/// Parses and lowers a file: what finite width needs. Scales do not matter there.
pub fn lowered(
    sources: &mut SourceMap,
    file: FileId,
    loader: &dyn Loader,
    overrides: &Overrides,
    diags: &mut Diags,
) -> Option<Program> {
    let source = sources.get(file).clone();
    let ast = parse(&source, diags);
    if diags.has_errors() {
        return None;
    }
    lower(&ast, sources, loader, overrides, diags)
}
