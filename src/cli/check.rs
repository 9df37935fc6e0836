//! `tpc check`.

use super::args::{CheckArgs, DiagnosticFormat, Shown};
use super::session::{Session, print};
use super::{exit, output, table, trained};
use crate::analyze::{Scale, power};
use crate::diag::render::{Format, json as diagnostics, render};
use crate::driver::Checked;
use crate::ir::Shape;
use serde_json::{Value, json};

pub(super) fn main(args: &CheckArgs, shown: &Shown) -> i32 {
    let mut session = match Session::open(&args.input, shown) {
        Ok(session) => session,
        Err(code) => return code,
    };
    let (checked, verdicts) = session.judged();
    let format = match args.format {
        DiagnosticFormat::Human => {
            session.report();
            if args.types
                && let Some(checked) = &checked
            {
                print(&types(checked));
            }
            for verdict in &verdicts {
                print(&trained::table(verdict, &session.sources));
            }
            return if checked.is_some() { exit::FINE } else { exit::WRONG };
        }
        DiagnosticFormat::Json => {
            let values = checked.as_ref().map_or_else(Vec::new, values);
            let report = json!({
                "command": "check",
                "file": session.name(),
                "diagnostics": diagnostics(&session.diags, &session.sources),
                "values": values,
                "hypotheses": checked.as_ref().map(|checked| checked.facts.setup.name()),
                "trained": verdicts.iter().map(trained::json).collect::<Vec<_>>(),
            });
            print(&output::pretty(&report));
            return if checked.is_some() { exit::FINE } else { exit::WRONG };
        }
        DiagnosticFormat::Short => Format::Short,
        DiagnosticFormat::Sarif => Format::Sarif,
        DiagnosticFormat::Github => Format::Github,
    };
    print(&render(&session.diags, &session.sources, format));
    if checked.is_some() { exit::FINE } else { exit::WRONG }
}

fn kind(shape: &Shape) -> &'static str {
    ["scalar", "vec", "mat"].get(shape.width).copied().unwrap_or("tensor")
}

/// The scale as text; an upper bound is marked.
fn scale_text(scale: &Scale) -> String {
    match scale.entry {
        None => "0".to_owned(),
        Some(entry) if scale.bound => format!("≤ {}", power(entry)),
        Some(entry) => power(entry),
    }
}

fn types(checked: &Checked) -> String {
    let named = checked.program.named.iter().zip(&checked.facts.scales);
    let rows: Vec<Vec<String>> = named
        .map(|(named, scale)| {
            let shape = checked.program.ir.shape(named.node);
            let action = scale.as_ref().and_then(|scale| scale.action).map(power);
            vec![
                named.name.clone(),
                kind(shape).to_owned(),
                format!("{:?}", shape.stat),
                scale.as_ref().map_or_else(String::new, scale_text),
                action.unwrap_or_default(),
            ]
        })
        .collect();
    let table = table::table(&["name", "kind", "shape", "scale", "action"], &rows);
    format!("{table}\nhypotheses: {}\n", checked.facts.setup.name())
}

fn values(checked: &Checked) -> Vec<Value> {
    let named = checked.program.named.iter().zip(&checked.facts.scales);
    named
        .map(|(named, scale)| {
            let shape = checked.program.ir.shape(named.node);
            let text = |e: Option<crate::ir::Exponent>| e.map(|e| e.to_string());
            json!({
                "name": named.name,
                "kind": kind(shape),
                "shape": shape.stat,
                "scale": scale.as_ref().and_then(|scale| text(scale.entry)),
                "bound": scale.as_ref().is_some_and(|scale| scale.bound),
                "action": scale.as_ref().and_then(|scale| text(scale.action)),
            })
        })
        .collect()
}
