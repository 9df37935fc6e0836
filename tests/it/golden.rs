//! Programs that must fail, and how: `tests/errors/CODE/NAME.tp` with what is printed in `NAME.txt`.
//!
//! The first line of a case is `//? E0203 2:12 W0502 4:1`: all its diagnostics in order, with line and column. It is written
//! by hand and no update touches it; `run=64` before the codes runs the program at that width. `UPDATE_EXPECT=1` rewrites the texts. `TPC_TEST=word` runs the cases whose path
//! contains the word. All failures are shown, not only the first.

use crate::tidy::{complain, files, read, root, shown};
use std::fs;
use std::path::{Path, PathBuf};
use tpc::diag::render::{Format, render};
use tpc::diag::{Diags, codes};
use tpc::finite::RunOptions;
use tpc::limit::{LimitOptions, Rungs};
use tpc::source::{Loader, SourceMap};

/// Stages that [`diagnose`] runs: the first digits of their codes.
const AVAILABLE: &[&str] =
    &["E01", "E02", "E03", "E04", "E05", "E06", "E07", "E08", "E09", "W05", "W06", "W07"];

/// Codes whose example is a command, not a program: they are shown in `tests/it/cli.rs`.
pub const COMMANDS: &[&str] = &["E0001", "E0330", "E0805"];

/// What `tpc check` says about a program.
pub fn diagnose(name: &str, text: &str, folder: &Path) -> (Diags, SourceMap) {
    let mut sources = SourceMap::default();
    let id = sources.add(name, text);
    let mut diags = Diags::default();
    let loader = Beside(folder.to_owned());
    tpc::driver::judge(&mut sources, id, &loader, &tpc::driver::Settings::default(), &mut diags);
    (diags, sources)
}

/// What `tpc run --width WIDTH` says about a program, with 2 seeds, single precision and 1 GiB.
fn diagnose_run(name: &str, text: &str, folder: &Path, width: usize) -> (Diags, SourceMap) {
    let mut sources = SourceMap::default();
    let id = sources.add(name, text);
    let mut diags = Diags::default();
    let loader = Beside(folder.to_owned());
    let settings = tpc::driver::Settings::default();
    let precision = tpc::finite::Precision::F32;
    let options = RunOptions { width, seed: 0, seeds: 2, precision, memory: 1 << 30, force: false };
    if let Some(program) = tpc::driver::lowered(&mut sources, id, &loader, &settings, &mut diags)
        && let Err(diagnostic) = tpc::finite::simulate(&program, &options, &|| ())
    {
        diags.push(*diagnostic);
    }
    (diags, sources)
}

/// What `tpc limit` says about a program, perhaps with `--method exact`.
fn diagnose_limit(name: &str, text: &str, folder: &Path, exact: bool) -> (Diags, SourceMap) {
    let mut sources = SourceMap::default();
    let id = sources.add(name, text);
    let mut diags = Diags::default();
    let loader = Beside(folder.to_owned());
    let settings = tpc::driver::Settings::default();
    if let Some(checked) = tpc::driver::check(&mut sources, id, &loader, &settings, &mut diags) {
        let leading = &checked.facts.leading;
        let rungs = if exact { Rungs::Exact } else { Rungs::All };
        let options = LimitOptions { particles: 512, rungs, ..Default::default() };
        if let Err(error) = tpc::limit::evaluate(leading, &options) {
            diags.push(tpc::limit::explain(leading, &error));
        }
    }
    (diags, sources)
}

/// Checks a program, or runs it where `how` contains `run=WIDTH`, or takes its limit where it contains `limit`.
fn diagnose_as(how: &str, name: &str, text: &str, folder: &Path) -> (Diags, SourceMap) {
    let width = how.split_whitespace().find_map(|word| word.strip_prefix("run="));
    match width.and_then(|width| width.parse().ok()) {
        Some(width) => diagnose_run(name, text, folder, width),
        None if how.split_whitespace().any(|word| word == "limit") => {
            diagnose_limit(name, text, folder, how.contains("method=exact"))
        }
        None => diagnose(name, text, folder),
    }
}

/// Files beside a program.
pub struct Beside(pub PathBuf);

impl Loader for Beside {
    fn load(&self, from: &str, path: &str) -> Result<Vec<u8>, String> {
        fs::read(self.0.join(tpc::source::beside(from, path)))
            .map_err(|_| "no such file".to_owned())
    }
}

/// All diagnostics as in the first line of a case.
fn signature(diags: &Diags, sources: &SourceMap) -> String {
    let one = |diagnostic: &&tpc::diag::Diagnostic| {
        let place = diagnostic.primary.as_ref().map(|label| sources.line_column(label.span));
        match place {
            Some((line, column)) => format!("{} {line}:{column}", diagnostic.code),
            None => format!("{} -", diagnostic.code),
        }
    };
    diags.sorted().iter().map(one).collect::<Vec<_>>().join(" ")
}

fn cases() -> Vec<PathBuf> {
    let wanted = std::env::var("TPC_TEST").unwrap_or_default();
    let folder = files("tests/errors", "tp").into_iter();
    folder.filter(|path| path.to_str().is_some_and(|path| path.contains(&wanted))).collect()
}

fn folder_code(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name);
    folder.and_then(|name| name.to_str()).unwrap_or_default().to_owned()
}

fn is_available(code: &str) -> bool {
    AVAILABLE.iter().any(|stage| code.starts_with(stage))
}

#[test]
fn failing_programs_fail_as_they_say() {
    let mut problems = Vec::new();
    for path in cases() {
        let (code, text) = (folder_code(&path), read(&path));
        let Some(header) = text.lines().next().and_then(|line| line.strip_prefix("//? ")) else {
            problems
                .push(format!("{}: the first line is not `//? CODE LINE:COLUMN`", shown(&path)));
            continue;
        };
        if !header.contains(&code) {
            problems.push(format!("{}: its first line does not name {code}", shown(&path)));
        }
        if !is_available(&code) {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (diags, sources) = diagnose_as(header, name, &text, path.parent().unwrap_or(&path));
        let found = signature(&diags, &sources);
        let how =
            |word: &&str| word.starts_with("run=") || ["limit", "method=exact"].contains(word);
        let said = header.split_whitespace().filter(|word| !how(word));
        if found != said.collect::<Vec<_>>().join(" ") {
            problems.push(format!("{}\n  says:  {header}\n  found: {found}", shown(&path)));
        }
        problems
            .extend(compare(&path.with_extension("txt"), &render(&diags, &sources, Format::Human)));
    }
    complain(&problems);
}

/// Compares with a golden file, or writes it with `UPDATE_EXPECT=1`.
pub fn compare(golden: &Path, found: &str) -> Option<String> {
    let expected = fs::read_to_string(golden).unwrap_or_default();
    if expected == found {
        return None;
    }
    if std::env::var("UPDATE_EXPECT").is_ok() {
        let written = fs::write(golden, found);
        return written.err().map(|error| format!("{}: {error}", shown(golden)));
    }
    Some(format!(
        "{} differs; UPDATE_EXPECT=1 rewrites it\n-- expected\n{expected}\n-- found\n{found}",
        shown(golden)
    ))
}

#[test]
fn no_golden_is_an_orphan() {
    let mut problems = Vec::new();
    for path in files("tests/errors", "txt") {
        if !path.with_extension("tp").exists() {
            problems.push(format!("{}: no program beside it", shown(&path)));
        }
    }
    for path in files("tests/errors", "tp") {
        if is_available(&folder_code(&path)) && !path.with_extension("txt").exists() {
            problems.push(format!("{}: no text beside it, run with UPDATE_EXPECT=1", shown(&path)));
        }
        if codes::TABLE.iter().all(|entry| entry.code.0 != folder_code(&path)) {
            problems.push(format!("{}: its folder is no code", shown(&path)));
        }
    }
    complain(&problems);
}

/// The fenced blocks of a page whose first line begins with `tp`, as (rest of that line, text).
pub fn blocks(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```tp") {
            let body: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            found.push((info.trim().to_owned(), body.join("\n") + "\n"));
        }
    }
    found
}

/// Blocks marked `tp ignore` need a command line, several files or a long time.
#[test]
fn examples_on_error_pages_fail_with_their_code() {
    let mut problems = Vec::new();
    for entry in codes::TABLE.iter().filter(|entry| is_available(entry.code.0)) {
        let mut failing = usize::from(entry.page.contains("no longer emitted"));
        for (info, text) in blocks(entry.page) {
            if info == "ignore" {
                failing += 1;
                continue;
            }
            let folder = root().join("programs");
            let (diags, sources) = diagnose_as(&info, "example.tp", &text, &folder);
            let found = signature(&diags, &sources);
            let expected = info.split_whitespace().find_map(|word| word.strip_prefix("fails="));
            failing += usize::from(expected.is_some());
            if expected.is_some_and(|code| !found.contains(code))
                || expected.is_none() && diags.has_errors()
            {
                problems.push(format!("{}: `{info}` gives {found}\n{text}", entry.code));
            }
        }
        if failing == 0 && !COMMANDS.contains(&entry.code.0) {
            problems.push(format!("{}: no block `tp fails={}`", entry.code, entry.code));
        }
    }
    complain(&problems);
}

#[test]
fn formatting_keeps_the_tree_and_is_stable() {
    let mut problems = Vec::new();
    let programs = files("programs", "tp").into_iter().map(|path| (shown(&path), read(&path)));
    let pages = files("docs", "md").into_iter().flat_map(|path| {
        let name = shown(&path);
        blocks(&read(&path)).into_iter().map(move |(_, text)| (name.clone(), text))
    });
    for (name, text) in programs.chain(pages) {
        problems.extend(
            crate::mutate::check_format(&text).err().map(|problem| format!("{name}: {problem}")),
        );
    }
    complain(&problems);
}

/// Every program of the repository is as `tpc fmt` writes it; `UPDATE_EXPECT=1` formats them.
#[test]
fn programs_are_formatted() {
    let mut problems = Vec::new();
    for path in files("programs", "tp") {
        let mut sources = SourceMap::default();
        let id = sources.add(shown(&path), read(&path));
        let mut diags = Diags::default();
        match tpc::syntax::format(sources.get(id), &mut diags) {
            Some(formatted) => problems.extend(compare(&path, &formatted)),
            None => problems.push(render(&diags, &sources, Format::Human)),
        }
    }
    complain(&problems);
}
