//! Diagnostics for machines: JSON as documented for `check --format json`, SARIF, and GitHub workflow commands.

use crate::diag::{Diagnostic, Diags, Label, Severity, codes};
use crate::source::{SourceMap, Span};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The array `diagnostics` of `tpc check --format json`: all diagnostics in order. The first label is the primary one,
/// if it says something; a label has `file` only when that differs from the diagnostic's.
pub fn json(diags: &Diags, sources: &SourceMap) -> Value {
    Value::Array(diags.sorted().into_iter().map(|diagnostic| one(diagnostic, sources)).collect())
}

fn one(diagnostic: &Diagnostic, sources: &SourceMap) -> Value {
    let span = diagnostic.primary.as_ref().map(|label| label.span);
    let mut object = Map::new();
    object.insert("code".to_owned(), json!(diagnostic.code.0));
    object.insert("severity".to_owned(), json!(word(diagnostic.severity)));
    object.insert("message".to_owned(), json!(diagnostic.title));
    object.insert("file".to_owned(), json!(span.map(|span| &sources.get(span.file).name)));
    object.extend(position(span, sources));
    let primary = diagnostic.primary.iter().filter(|label| !label.message.is_empty());
    let labels = primary.chain(&diagnostic.labels).map(|label| {
        let mut object = Map::new();
        if span.is_some_and(|span| span.file != label.span.file) {
            object.insert("file".to_owned(), json!(sources.get(label.span.file).name));
        }
        object.extend(position(Some(label.span), sources));
        object.insert("message".to_owned(), json!(label.message));
        Value::Object(object)
    });
    object.insert("labels".to_owned(), Value::Array(labels.collect()));
    object.insert("notes".to_owned(), json!(diagnostic.notes));
    Value::Object(object)
}

/// One-based lines and columns in characters; the end is exclusive. Null without a place.
fn position(span: Option<Span>, sources: &SourceMap) -> Map<String, Value> {
    let start = span.map(|span| sources.line_column(span));
    let end = span.map(|span| sources.line_column(Span { start: span.end, ..span }));
    let entries = [
        ("line", start.map(|(line, _)| line)),
        ("column", start.map(|(_, column)| column)),
        ("end_line", end.map(|(line, _)| line)),
        ("end_column", end.map(|(_, column)| column)),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect()
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A SARIF 2.1.0 log with one run.
pub fn sarif(diags: &Diags, sources: &SourceMap) -> Value {
    let sorted = diags.sorted();
    let used: BTreeSet<_> = sorted.iter().map(|diagnostic| diagnostic.code).collect();
    let rules = codes::TABLE.iter().filter(|entry| used.contains(&entry.code)).map(|entry| {
        json!({
            "id": entry.code.0,
            "shortDescription": {"text": entry.title},
            "help": {"text": entry.page, "markdown": entry.page},
        })
    });
    let results = sorted.iter().map(|diagnostic| {
        let place = |label: &Label| sarif_location(label, sources);
        json!({
            "ruleId": diagnostic.code.0,
            "level": word(diagnostic.severity),
            "message": {"text": whole_text(diagnostic)},
            "locations": diagnostic.primary.iter().map(place).collect::<Vec<_>>(),
            "relatedLocations": diagnostic.labels.iter().map(place).collect::<Vec<_>>(),
        })
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "tpc",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn sarif_location(label: &Label, sources: &SourceMap) -> Value {
    let (line, column) = sources.line_column(label.span);
    let (end_line, end_column) = sources.line_column(Span { start: label.span.end, ..label.span });
    json!({
        "message": {"text": label.message},
        "physicalLocation": {
            "artifactLocation": {"uri": sources.get(label.span.file).name},
            "region": {
                "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column,
            },
        },
    })
}

/// Title, fact and notes in one text.
fn whole_text(diagnostic: &Diagnostic) -> String {
    let fact = diagnostic.primary.as_ref().map(|label| label.message.as_str()).unwrap_or_default();
    let mut text = diagnostic.title.clone();
    if !fact.is_empty() {
        text.push_str(&format!(": {fact}"));
    }
    diagnostic.notes.iter().for_each(|note| text.push_str(&format!("\n{note}")));
    text
}

/// Lines such as `::error file=m.tp,line=3,col=1,endLine=3,endColumn=4,title=E0203::missing semicolon`.
pub(super) fn github(sorted: &[&Diagnostic], sources: &SourceMap) -> String {
    let mut text = String::new();
    for diagnostic in sorted {
        let level = if diagnostic.severity == Severity::Note {
            "notice"
        } else {
            word(diagnostic.severity)
        };
        let mut properties = String::new();
        if let Some(label) = &diagnostic.primary {
            let file = escaped(&sources.get(label.span.file).name, &[(',', "%2C"), (':', "%3A")]);
            let (line, column) = sources.line_column(label.span);
            let (end_line, end_column) =
                sources.line_column(Span { start: label.span.end, ..label.span });
            properties = format!(
                "file={file},line={line},col={column},endLine={end_line},endColumn={end_column},"
            );
        }
        let message = escaped(&whole_text(diagnostic), &[]);
        text.push_str(&format!("::{level} {properties}title={}::{message}\n", diagnostic.code));
    }
    text
}

fn escaped(text: &str, more: &[(char, &str)]) -> String {
    let always = [('%', "%25"), ('\r', "%0D"), ('\n', "%0A")];
    let code = |c: char| always.iter().chain(more).find(|(special, _)| *special == c);
    text.chars()
        .map(|c| code(c).map_or_else(|| c.to_string(), |(_, code)| (*code).to_owned()))
        .collect()
}

pub(super) fn text(value: &Value) -> String {
    format!("{value:#}\n")
}
