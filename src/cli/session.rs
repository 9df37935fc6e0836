//! One program on its way through a command: sources, diagnostics, constants, terminal.

use super::args::{Colour, Input, Shown};
use super::exit;
use super::files::{self, Disk};
use crate::analyze::verdict::Verdict;
use crate::diag::render::{Format, render, summary};
use crate::diag::{Diags, Severity, codes};
use crate::driver::{self, Checked, Settings};
use crate::expand::Expanded;
use crate::ir::Program;
use crate::source::{FileId, SourceMap};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// A program that was read, and what is said about it.
pub(super) struct Session<'a> {
    pub(super) sources: SourceMap,
    pub(super) file: FileId,
    pub(super) diags: Diags,
    settings: Settings,
    shown: &'a Shown,
}

impl<'a> Session<'a> {
    /// Reads the program; an exit code after a message if that fails.
    pub(super) fn open(input: &Input, shown: &'a Shown) -> Result<Self, i32> {
        let parametrization = input.parametrization.clone();
        let mut settings = Settings { parametrization, ..Settings::default() };
        for set in &input.set {
            let Some((name, value)) = set.split_once('=') else {
                complain(&format!("error: `--set {set}` is not NAME=VALUE"));
                return Err(exit::USAGE);
            };
            settings.constants.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        let (name, text) =
            files::source(&input.file, &input.stdin_filename).map_err(|problem| {
                complain(&format!(
                    "error[{}]: {}\n  = {problem}",
                    codes::CANNOT_READ,
                    codes::CANNOT_READ.title()
                ));
                exit::USAGE
            })?;
        let mut sources = SourceMap::default();
        let file = sources.add(name, text);
        Ok(Self { sources, file, diags: Diags::default(), settings, shown })
    }

    /// The plain program.
    pub(super) fn expanded(&mut self) -> Option<Expanded> {
        driver::expanded(&mut self.sources, self.file, &Disk, &self.settings, &mut self.diags)
    }

    /// The program for finite width.
    pub(super) fn lowered(&mut self) -> Option<Program> {
        driver::lowered(&mut self.sources, self.file, &Disk, &self.settings, &mut self.diags)
    }

    /// The program with its scales and its leading order.
    pub(super) fn checked(&mut self) -> Option<Checked> {
        driver::check(&mut self.sources, self.file, &Disk, &self.settings, &mut self.diags)
    }

    /// The same, with the verdicts on trained nets.
    pub(super) fn judged(&mut self) -> (Option<Checked>, Vec<Verdict>) {
        driver::judge(&mut self.sources, self.file, &Disk, &self.settings, &mut self.diags)
    }

    /// The file's name as it was given.
    pub(super) fn name(&self) -> &str {
        &self.sources.get(self.file).name
    }

    /// The text of the file.
    pub(super) fn text(&self) -> &str {
        &self.sources.get(self.file).text
    }

    /// Prints diagnostics to standard error.
    pub(super) fn report(&self) {
        let least = match (self.shown.quiet, self.shown.verbose) {
            (true, _) => Severity::Error,
            (false, false) => Severity::Warning,
            (false, true) => Severity::Note,
        };
        let kept = self.diags.at_least(least);
        let format = if use_colour(self.shown.color) { Format::Coloured } else { Format::Human };
        let mut text = render(&kept, &self.sources, format);
        let counts = summary(&kept);
        if !counts.is_empty() {
            text.push_str(&format!("{counts}\n"));
        }
        complain(text.trim_end_matches('\n'));
    }

    /// Warns of something that no place in the program can be given for.
    pub(super) fn warn(&self, problem: &str, help: &str) {
        if !self.shown.quiet {
            complain(&format!("warning: {}: {problem}\n = help: {help}", self.name()));
        }
    }

    /// Reports, and gives the exit code of a program that is wrong.
    pub(super) fn wrong(&self) -> i32 {
        self.report();
        exit::WRONG
    }
}

/// Whether to colour messages: the flag, then `NO_COLOR`, then the terminal.
fn use_colour(choice: Colour) -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    match choice {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => !no_colour && !dumb && std::io::stderr().is_terminal(),
    }
}

/// Writes a message to standard error.
pub(super) fn complain(message: &str) {
    if !message.is_empty() {
        // Nothing can be done about a closed standard error.
        let _ = writeln!(std::io::stderr(), "{message}");
    }
}

/// Writes results to standard output.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let written = write!(out, "{text}{end}").and_then(|()| out.flush());
    // who closes a pipe has read enough
    if written.is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe) {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Set where standard output could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// The exit code of a command, unless what it printed was lost.
pub(super) fn unless_lost(code: i32) -> i32 {
    if !LOST.load(Ordering::Relaxed) {
        return code;
    }
    complain("error: standard output cannot be written");
    exit::USAGE
}

/// Runs something on a pool of this many threads, at most 4 per core; all cores for `None`.
pub(super) fn on_threads<R: Send>(threads: Option<usize>, run: impl FnOnce() -> R + Send) -> R {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = threads.unwrap_or(0).min(4 * cores);
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(run),
        Err(_) => run(),
    }
}
