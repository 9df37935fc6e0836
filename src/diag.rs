//! Diagnostics: what the compiler says to its user, independent of how it is rendered.
//!
//! Each pass owns the prose of its errors, next to the check that finds them, and builds a [`Diagnostic`] with a
//! [`Code`] from the one table in [`codes`]. Only `render` knows the terminal library.

pub mod codes;
pub mod render;

pub use codes::Code;

use crate::source::Span;
use std::collections::BTreeSet;

/// How bad it is. The letter of the code agrees: `E` is an error, `W` a warning; notes share the letter `W`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something the user may want to know.
    Note,
    /// The program runs, but perhaps not as meant.
    Warning,
    /// The program is wrong.
    Error,
}

/// A place and the fact that holds there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// The fact, in a few words; may be empty.
    pub message: String,
}

/// One message to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The code, which has a page (`tpc explain`).
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The problem, at most 60 characters, lower case, no full stop.
    pub title: String,
    /// The place of the problem and what is there.
    pub primary: Option<Label>,
    /// Other places that matter.
    pub labels: Vec<Label>,
    /// `found:` / `expected:` lines and `help:` lines, in order.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// An error (code `E…`) or warning (code `W…`) at a place.
    pub fn new(code: Code, span: Span, title: impl Into<String>) -> Self {
        let primary = Some(Label { span, message: String::new() });
        Self { primary, ..Self::without_place(code, title) }
    }

    /// A message that no place in a source file can be given for.
    pub fn without_place(code: Code, title: impl Into<String>) -> Self {
        let severity = if code.is_error() { Severity::Error } else { Severity::Warning };
        let (title, labels, notes) = (title.into(), Vec::new(), Vec::new());
        Self { code, severity, title, primary: None, labels, notes }
    }

    /// Turns a warning into a note.
    #[must_use]
    pub fn as_note(mut self) -> Self {
        self.severity = Severity::Note;
        self
    }

    /// Turns an error into a warning: it is one of something that was not asked for.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = self.severity.min(Severity::Warning);
        self
    }

    /// Says what is at the primary place.
    #[must_use]
    pub fn here(mut self, message: impl Into<String>) -> Self {
        if let Some(primary) = &mut self.primary {
            primary.message = message.into();
        }
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into() });
        self
    }

    /// Adds a note (`found: …`, `expected: …`, or a sentence).
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(self, help: impl AsRef<str>) -> Self {
        self.note(format!("help: {}", help.as_ref()))
    }
}

/// Collects diagnostics; the same message at the same place is kept once, because `check` walks the unrolled program.
#[derive(Debug, Default)]
pub struct Diags {
    list: Vec<Diagnostic>,
    seen: BTreeSet<(Code, Option<Span>)>,
}

impl Diags {
    /// Adds a diagnostic unless its code was already reported at its place.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let place = diagnostic.primary.as_ref().map(|label| label.span);
        if self.seen.insert((diagnostic.code, place)) {
            self.list.push(diagnostic);
        }
    }

    /// Those that are at least this bad.
    #[must_use]
    pub fn at_least(&self, severity: Severity) -> Self {
        let list = self.list.iter().filter(|d| d.severity >= severity).cloned().collect();
        Self { list, seen: BTreeSet::new() }
    }

    /// Whether an error was reported.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// All diagnostics in the order in which they were found.
    pub fn into_list(self) -> Vec<Diagnostic> {
        self.list
    }

    /// All diagnostics in order of file and position, those without a place first.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<_> = self.list.iter().collect();
        all.sort_by_key(|d| (d.primary.as_ref().map(|label| label.span), d.code));
        all
    }
}
