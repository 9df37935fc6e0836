//! Goldens of `tpc limit --symbolic` and `--latex`: `tests/golden/symbolic/NAME.tp` with `NAME.txt` and `NAME.tex`.
//!
//! `UPDATE_EXPECT=1` rewrites them; `TPC_TEST=word` runs the cases whose path contains the word.

use crate::golden::{Beside, compare};
use crate::tidy::{complain, files, read, root, shown};
use tpc::diag::Diags;
use tpc::diag::render::{Format, render};
use tpc::driver::Settings;
use tpc::limit::symbolic::{Formula, latex, symbolic, unicode};
use tpc::source::SourceMap;

/// The formulas of a program, or what is wrong with it.
fn formulas(path: &std::path::Path) -> Result<Vec<Formula>, String> {
    let mut sources = SourceMap::default();
    let id = sources.add(shown(path), read(path));
    let mut diags = Diags::default();
    let loader = Beside(root().to_owned());
    let settings = Settings::default();
    let checked = tpc::driver::check(&mut sources, id, &loader, &settings, &mut diags);
    match checked {
        Some(checked) => Ok(symbolic(&checked.program, &checked.facts)),
        None => Err(render(&diags, &sources, Format::Human)),
    }
}

#[test]
fn symbolic_limits_are_as_recorded() {
    let wanted = std::env::var("TPC_TEST").unwrap_or_default();
    let mut problems = Vec::new();
    for path in files("tests/golden/symbolic", "tp") {
        if !path.to_str().is_some_and(|path| path.contains(&wanted)) {
            continue;
        }
        match formulas(&path) {
            Ok(formulas) => {
                problems.extend(compare(&path.with_extension("txt"), &unicode(&formulas)));
                problems.extend(compare(&path.with_extension("tex"), &latex(&formulas)));
            }
            Err(problem) => problems.push(problem),
        }
    }
    for golden in ["txt", "tex"].iter().flat_map(|e| files("tests/golden/symbolic", e)) {
        if !golden.with_extension("tp").exists() {
            problems.push(format!("{}: no program beside it", shown(&golden)));
        }
    }
    complain(&problems);
}

/// What a LaTeX parser says against a document; it knows the commands and environments of amsmath and amssymb.
fn latex_problem(document: &str) -> Option<String> {
    let storage = pulldown_latex::Storage::new();
    let parser = pulldown_latex::Parser::new(document, &storage);
    parser.into_iter().find_map(Result::err).map(|error| error.to_string())
}

#[test]
fn broken_latex_is_found() {
    let document = |line: &str| format!("\\begin{{align*}}\n{line}\n\\end{{align*}}\n");
    assert_eq!(latex_problem(&document("\\kappa_{0} &= \\mathcal{N}(0, 2/n)")), None);
    for line in [
        "x &= \\unheard{y}",
        "x_{1 &= y",
        "x} &= y",
        "x &= \\frac{1}",
        "x &= y^{2}^{3}",
        "\\left( x &= y",
        "x &= y \\end{aligned}",
    ] {
        assert!(latex_problem(&document(line)).is_some(), "{line}");
    }
}

/// Every formula of every program can be written, in both notations, as LaTeX that can be read, with balanced delimiters and no value left out.
#[test]
fn programs_have_symbolic_limits() {
    let mut problems = Vec::new();
    for path in
        files("programs", "tp").iter().filter(|path| path.starts_with(root().join("programs")))
    {
        let formulas = match formulas(path) {
            Ok(formulas) => formulas,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let (unicode, latex) = (unicode(&formulas), latex(&formulas));
        if let Some(problem) = latex_problem(&latex) {
            problems.push(format!("{}: {problem}", shown(path)));
        }
        for (text, pairs) in [(&unicode, &["()", "[]"][..]), (&latex, &["{}", "()"][..])] {
            for pair in pairs {
                let count =
                    |k: usize| text.chars().filter(|c| pair.chars().nth(k) == Some(*c)).count();
                if count(0) != count(1) {
                    problems.push(format!("{}: {pair} do not balance", shown(path)));
                }
            }
            if text.contains('?') || !text.is_ascii() && text == &latex {
                problems.push(format!("{}: a part cannot be written:\n{text}", shown(path)));
            }
        }
    }
    complain(&problems);
}
