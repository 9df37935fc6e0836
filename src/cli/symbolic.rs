//! `tpc limit --symbolic` and `--latex`.

use super::args::{Format, LimitArgs, Results};
use super::session::{Session, complain, print};
use super::{exit, files, output};
use crate::limit::symbolic::{self, Formula};
use serde_json::{Value, json};
use std::path::Path;

/// How formulas are written to a file.
#[derive(Clone, Copy)]
enum Form {
    Tex,
    Json,
    Csv,
}

fn form(path: &Path) -> Result<Form, String> {
    match path.extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "tex" => Ok(Form::Tex),
        "json" => Ok(Form::Json),
        "csv" => Ok(Form::Csv),
        _ => Err(format!("`{}`: formulas are written as .tex, .json or .csv", path.display())),
    }
}

/// Finds out whether formulas can be written where they should; an exit code after a message if not.
pub(super) fn check_target(results: &Results) -> Result<(), i32> {
    let Some(path) = &results.output else { return Ok(()) };
    refused(form(path).and_then(|_| files::may_write(path, results.force)))
}

/// Prints the limit in symbols and writes it to the file that was asked for.
pub(super) fn deliver(session: &Session<'_>, formulas: &[Formula], args: &LimitArgs) -> i32 {
    let json = output::pretty(&json_of(session, formulas));
    match args.results.format {
        Format::Human if args.latex => print(&symbolic::latex(formulas)),
        Format::Human => print(&symbolic::unicode(formulas)),
        Format::Json => print(&json),
    }
    let Some(path) = &args.results.output else { return exit::FINE };
    let bytes = form(path).and_then(|form| match form {
        Form::Tex => Ok(symbolic::latex(formulas).into_bytes()),
        Form::Json => Ok(json.into_bytes()),
        Form::Csv => output::csv_bytes(&rows(formulas), &output::provenance(session, json!({}))),
    });
    let written = bytes.and_then(|bytes| files::write(path, &bytes, args.results.force));
    refused(written).err().unwrap_or(exit::FINE)
}

/// Says why something cannot be written.
fn refused(result: Result<(), String>) -> Result<(), i32> {
    result.map_err(|problem| {
        complain(&format!("error: {problem}"));
        exit::USAGE
    })
}

fn json_of(session: &Session<'_>, formulas: &[Formula]) -> Value {
    let line = |formula: &Formula| json!({"name": formula.name, "unicode": formula.unicode, "latex": formula.latex});
    json!({
        "command": "limit",
        "file": session.name(),
        "symbolic": formulas.iter().map(line).collect::<Vec<_>>(),
        "provenance": output::provenance(session, json!({})),
    })
}

fn rows(formulas: &[Formula]) -> Vec<Vec<String>> {
    let header = ["name", "unicode", "latex"].map(str::to_owned).to_vec();
    let row = |formula: &Formula| {
        vec![formula.name.clone(), formula.unicode.clone(), formula.latex.clone()]
    };
    std::iter::once(header).chain(formulas.iter().map(row)).collect()
}
