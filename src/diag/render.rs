//! Diagnostics as text: for people, for editors and for machines.
//!
//! The only file that names the terminal library. Everything is rendered to a `String`; whether colour is wanted is
//! the caller's decision, so that the output depends on nothing but the arguments.

use super::{Diagnostic, Diags, Severity};
use crate::source::{SourceMap, Span};
use codespan_reporting::diagnostic as codespan;
use codespan_reporting::files::SimpleFiles;
use codespan_reporting::term::{self, Config, DisplayStyle, Styles, StylesWriter, termcolor::Ansi};

mod structured;

pub use structured::{json, sarif};

/// Longer lists are cut, with a count of the rest.
const MAX_SHOWN: usize = 20;

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With the lines of the source that matter.
    Human,
    /// The same in colour (ANSI escapes).
    Coloured,
    /// One line each: `file:line:column: error[E0203]: title`.
    Short,
    /// A JSON array, see [`json`].
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands that GitHub shows beside the code.
    Github,
}

/// Writes all diagnostics, sorted, at most twenty of them for people.
pub fn render(diags: &Diags, sources: &SourceMap, format: Format) -> String {
    let sorted = diags.sorted();
    match format {
        Format::Human | Format::Coloured | Format::Short => for_people(&sorted, sources, format),
        Format::Json => structured::text(&json(diags, sources)),
        Format::Sarif => structured::text(&sarif(diags, sources)),
        Format::Github => structured::github(&sorted, sources),
    }
}

/// `3 errors, 1 warning`; empty if there is neither.
pub fn summary(diags: &Diags) -> String {
    let count = |severity| diags.sorted().iter().filter(|d| d.severity == severity).count();
    let parts =
        [(Severity::Error, "error"), (Severity::Warning, "warning")].map(|(severity, word)| {
            match count(severity) {
                0 => String::new(),
                1 => format!("1 {word}"),
                many => format!("{many} {word}s"),
            }
        });
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn for_people(sorted: &[&Diagnostic], sources: &SourceMap, format: Format) -> String {
    let mut files = SimpleFiles::new();
    for source in sources.iter() {
        files.add(source.name.as_str(), source.text.as_str());
    }
    let display_style = match format {
        Format::Short => DisplayStyle::Short,
        Format::Human | Format::Coloured | Format::Json | Format::Sarif | Format::Github => {
            DisplayStyle::Rich
        }
    };
    let config = Config { display_style, ..Config::default() };
    let styles = if format == Format::Coloured { Styles::default() } else { Styles::no_color() };
    let mut bytes = Vec::new();
    for diagnostic in sorted.iter().take(MAX_SHOWN) {
        let converted = convert(diagnostic, sources);
        let result = if format == Format::Coloured {
            let mut writer = StylesWriter::new(Ansi::new(&mut bytes), &styles);
            term::emit_to_write_style(&mut writer, &config, &files, &converted)
        } else {
            term::emit_to_io_write(&mut bytes, &config, &files, &converted)
        };
        result.expect("spans were moved to character boundaries inside their files");
    }
    let mut text = String::new();
    for line in String::from_utf8_lossy(&bytes).lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if let Some(more) = sorted.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!("… and {more} more\n"));
    }
    text
}

fn convert(diagnostic: &Diagnostic, sources: &SourceMap) -> codespan::Diagnostic<usize> {
    let severity = match diagnostic.severity {
        Severity::Error => codespan::Severity::Error,
        Severity::Warning => codespan::Severity::Warning,
        Severity::Note => codespan::Severity::Note,
    };
    let place = |style, span: Span, message: &str| {
        let label = codespan::Label::new(style, span.file.0 as usize, inside(span, sources));
        label.with_message(message)
    };
    let primary = diagnostic.primary.iter();
    let primary =
        primary.map(|label| place(codespan::LabelStyle::Primary, label.span, &label.message));
    let others = diagnostic.labels.iter();
    let others =
        others.map(|label| place(codespan::LabelStyle::Secondary, label.span, &label.message));
    codespan::Diagnostic::new(severity)
        .with_code(diagnostic.code.0)
        .with_message(&diagnostic.title)
        .with_labels(primary.chain(others).collect())
        .with_notes(aligned(&diagnostic.notes))
}

/// The bytes of a span, moved to the boundaries of characters of its file.
fn inside(span: Span, sources: &SourceMap) -> std::ops::Range<usize> {
    let text = &sources.get(span.file).text;
    let boundary = |place: usize| {
        let mut place = place.min(text.len());
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        place
    };
    let start = boundary(span.start as usize);
    start..boundary(span.end as usize).max(start)
}

/// Joins `found:` and `expected:` that follow each other to one note, the values one under the other.
fn aligned(notes: &[String]) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for note in notes {
        match (note.strip_prefix("found:"), note.strip_prefix("expected:")) {
            (Some(found), _) => joined.push(format!("found:    {}", found.trim_start())),
            (_, Some(expected)) => {
                let line = format!("expected: {}", expected.trim_start());
                match joined.last_mut().filter(|last| last.starts_with("found:")) {
                    Some(last) => last.push_str(&format!("\n{line}")),
                    None => joined.push(line),
                }
            }
            (None, None) => joined.push(note.clone()),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
