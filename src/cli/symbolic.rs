//! `tpc limit --symbolic` and `--latex`.

use super::args::{Format, LimitArgs};
use super::output::{self, Report};
use super::session::{Session, complain, print};
use super::{exit, files};
use crate::limit::symbolic::{self, Formula};
use serde_json::{Value, json};

/// Prints the limit in symbols and writes it to the file that was asked for.
pub(super) fn deliver(session: &Session<'_>, formulas: &[Formula], args: &LimitArgs) -> i32 {
    let latex = symbolic::latex(formulas);
    let extension = args.results.output.as_ref().map(|path| path.extension().unwrap_or_default());
    let report = Report {
        text: if args.latex { latex.clone() } else { symbolic::unicode(formulas) },
        json: json_of(session, formulas),
        rows: rows(formulas),
        arrays: Vec::new(),
    };
    let delivered = match (&args.results.output, extension) {
        (Some(path), Some(extension)) if extension == "tex" => {
            match args.results.format {
                Format::Human => print(&report.text),
                Format::Json => print(&output::pretty(&report.json)),
            }
            files::write(path, latex.as_bytes(), args.results.force)
        }
        (Some(path), Some(extension)) if extension != "json" && extension != "csv" => {
            Err(format!("`{}`: formulas are written as .tex, .json or .csv", path.display()))
        }
        _ => match output::deliver(&report, &args.results) {
            Ok(()) => Ok(()),
            Err(code) => return code,
        },
    };
    match delivered {
        Ok(()) => exit::FINE,
        Err(problem) => {
            complain(&format!("error: {problem}"));
            exit::USAGE
        }
    }
}

fn json_of(session: &Session<'_>, formulas: &[Formula]) -> Value {
    let line = |formula: &Formula| json!({"name": formula.name, "unicode": formula.unicode, "latex": formula.latex});
    json!({
        "command": "limit",
        "file": session.name(),
        "symbolic": formulas.iter().map(line).collect::<Vec<_>>(),
        "provenance": output::provenance(session),
    })
}

fn rows(formulas: &[Formula]) -> Vec<Vec<String>> {
    let header = ["name", "unicode", "latex"].map(str::to_owned).to_vec();
    let row = |formula: &Formula| {
        vec![formula.name.clone(), formula.unicode.clone(), formula.latex.clone()]
    };
    std::iter::once(header).chain(formulas.iter().map(row)).collect()
}
