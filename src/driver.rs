//! Commands as functions of sources and options: the stages in order, and the barriers between them.
//!
//! Nothing here reads a file or prints; `cli` does.

pub mod compare;

pub use crate::expand::Settings;

use crate::analyze::verdict::{Verdict, verdict};
use crate::analyze::{Facts, analyze};
use crate::diag::{Diagnostic, Diags, Severity, codes};
use crate::expand::{Expanded, expand};
use crate::ir::Program;
use crate::lower::lower;
use crate::resolve::modules::inline_modules;
use crate::source::{FileId, Loader, SourceMap};
use crate::stack::deep;
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
///
/// Where scales are wrong because a net is parametrized wrongly, the verdict on the net says so, not every value that it
/// spoils; a verdict that spoils nothing is a warning.
pub fn check(
    sources: &mut SourceMap,
    file: FileId,
    loader: &dyn Loader,
    settings: &Settings,
    diags: &mut Diags,
) -> Option<Checked> {
    let program = lowered(sources, file, loader, settings, diags)?;
    let mut own = Diags::default();
    let facts = deep(|| analyze(&program, &mut own));
    let verdicts = verdicts(sources, file, loader, settings);
    let failures = failures(&verdicts);
    let spoilt = own.has_errors() && !failures.is_empty();
    for diagnostic in own.into_list() {
        if !spoilt || diagnostic.severity < Severity::Error {
            diags.push(diagnostic);
        }
    }
    for failure in failures {
        diags.push(if spoilt { failure } else { failure.as_warning() });
    }
    (!diags.has_errors()).then_some(Checked { program, facts })
}

/// The same for those who ask about parametrizations: what the verdict says against a net is an error; what only keeps
/// `limit` from evaluating a net that is judged to be sound is a warning.
pub fn judge(
    sources: &mut SourceMap,
    file: FileId,
    loader: &dyn Loader,
    settings: &Settings,
    diags: &mut Diags,
) -> (Option<Checked>, Vec<Verdict>) {
    let Some(program) = lowered(sources, file, loader, settings, diags) else {
        return (None, Vec::new());
    };
    let mut own = Diags::default();
    let facts = deep(|| analyze(&program, &mut own));
    let verdicts = verdicts(sources, file, loader, settings);
    let failures = failures(&verdicts);
    for diagnostic in own.into_list() {
        let next_order = [
            codes::MEAN_NEEDS_NEXT_ORDER,
            codes::CANCELLATION_NEEDS_NEXT_ORDER,
            codes::RANDOM_SCALAR,
        ];
        let sound = !verdicts.is_empty() && next_order.contains(&diagnostic.code);
        match (failures.is_empty(), diagnostic.severity == Severity::Error) {
            (true, _) if sound => diags.push(diagnostic.as_warning()),
            (false, true) => {}
            (_, _) => diags.push(diagnostic),
        }
    }
    failures.into_iter().for_each(|failure| diags.push(failure));
    ((!diags.has_errors()).then_some(Checked { program, facts }), verdicts)
}

/// Steps that are unrolled for a verdict: what an update does to the next one shows at the third prediction.
const JUDGED_STEPS: usize = 3;

/// The verdict on every trained net of a program; none where the program is wrong.
pub fn verdicts(
    sources: &mut SourceMap,
    file: FileId,
    loader: &dyn Loader,
    settings: &Settings,
) -> Vec<Verdict> {
    let settings = Settings { steps: Some(JUDGED_STEPS), ..settings.clone() };
    let mut diags = Diags::default();
    let Some(expanded) = expanded(sources, file, loader, &settings, &mut diags) else {
        return Vec::new();
    };
    if expanded.trained.is_empty() {
        return Vec::new();
    }
    let plain = &expanded.program;
    let program = deep(|| lower(plain, sources, loader, &settings.constants, &mut diags));
    let trained = expanded.trained.iter();
    program.map_or_else(Vec::new, |program| {
        trained.map(|training| verdict(&program, training)).collect()
    })
}

fn failures(verdicts: &[Verdict]) -> Vec<Diagnostic> {
    let of = |verdict: &Verdict| {
        verdict
            .failures()
            .iter()
            .map(|failure| failure.diagnostic(verdict.span))
            .collect::<Vec<_>>()
    };
    verdicts.iter().flat_map(of).collect()
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
    deep(|| lower(&plain, sources, loader, &settings.constants, diags))
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
