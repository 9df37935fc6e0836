//! Hygiene: each check stands against a decay that compilers are known to fall into.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by layer: a module uses its own layer's folder and lower layers only (docs/architecture.md).
const LAYERS: &[&[&str]] = &[
    &["source", "stack", "num"],
    &["diag"],
    &["syntax"],
    &["hir", "resolve"],
    &["check"],
    &["ir"],
    &["expand", "lower", "analyze"],
    &["codegen"],
    &["finite", "limit"],
    &["driver"],
    &["cli"],
];

/// Beyond the layers: the theory never sees the syntax, the two engines never see each other.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("ir", &["syntax", "hir", "resolve", "check", "diag"]),
    ("expand", &["lower", "analyze"]),
    ("lower", &["expand"]),
    ("analyze", &["syntax", "hir", "resolve", "check", "expand", "lower"]),
    ("codegen", &["syntax", "hir", "resolve", "check", "lower", "analyze"]),
    ("finite", &["syntax", "hir", "resolve", "check", "lower", "limit"]),
    ("limit", &["syntax", "hir", "resolve", "check", "lower", "finite"]),
    ("num", &["source"]),
    ("source", &["num"]),
];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` with this extension, sorted.
pub fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![root().join(folder)];
    while let Some(folder) = pending.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The top-level module of a source file; `None` for lib.rs and main.rs.
fn module(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root().join("src")).ok()?;
    let first = inside.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

pub fn complain(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// Source text without unit tests, which may look at any layer.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[test]
fn layers_are_one_way() {
    let mut problems = Vec::new();
    for path in files("src", "rs") {
        let Some(own) = module(&path) else { continue };
        if path.ends_with("tests.rs") || path.components().any(|c| c.as_os_str() == "tests") {
            continue;
        }
        let Some(own_layer) = layer(&own) else {
            problems
                .push(format!("{}: module `{own}` has no layer in tests/it/tidy.rs", shown(&path)));
            continue;
        };
        let text = read(&path);
        for used in without_tests(&text).split("crate::").skip(1) {
            let used: String =
                used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let Some(used_layer) = layer(&used) else { continue };
            let forbidden =
                FORBIDDEN.iter().any(|(from, to)| *from == own && to.contains(&used.as_str()));
            if used != own && (used_layer > own_layer || forbidden) {
                problems.push(format!("{}: `{own}` must not use `{used}`", shown(&path)));
            }
        }
    }
    complain(&problems);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut problems = Vec::new();
    for path in files("src", "rs").into_iter().chain(files("tests/it", "rs")) {
        let text = read(&path);
        let lines = text.lines().count();
        if lines > 600 {
            problems
                .push(format!("{}: {lines} lines, split it by concept (limit 600)", shown(&path)));
        }
        if !text.starts_with("//!") {
            problems.push(format!("{}: starts with no `//!` sentence", shown(&path)));
        }
        let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        if ["utils", "util", "helpers", "common", "misc"].contains(&name) {
            problems.push(format!("{}: a file is named after what it holds", shown(&path)));
        }
    }
    complain(&problems);
}

#[test]
fn unsafe_code_stays_in_two_files() {
    let allowed = ["src/codegen/jit.rs", "src/codegen/simd.rs"];
    let mut problems = Vec::new();
    for path in files("src", "rs") {
        let name = shown(&path);
        let inside = allowed.iter().any(|file| name.starts_with(file.trim_end_matches(".rs")));
        let code = read(&path);
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        if !inside
            && code
                .clone()
                .any(|line| line.contains("unsafe ") || line.contains("allow(unsafe_code)"))
        {
            problems.push(format!("{name}: unsafe code outside {}", allowed.join(" and ")));
        }
    }
    complain(&problems);
}

#[test]
fn only_cli_touches_the_outside() {
    let words = ["println!", "eprintln!", "print!(", "std::env", "std::fs", "std::process"];
    let mut problems = Vec::new();
    for path in files("src", "rs") {
        if matches!(module(&path).as_deref(), Some("cli") | None) {
            continue;
        }
        let text = read(&path);
        for word in words.iter().filter(|word| without_tests(&text).contains(**word)) {
            problems.push(format!("{}: `{word}` outside cli", shown(&path)));
        }
    }
    complain(&problems);
}

#[test]
fn every_code_has_page_index_row_and_case() {
    let table = tpc::diag::codes::TABLE;
    let index = read(&root().join("docs/errors/README.md"));
    let sources: String =
        files("src", "rs").iter().filter(|p| !p.ends_with("codes.rs")).map(|p| read(p)).collect();
    let names = read(&root().join("src/diag/codes.rs"));
    let mut problems = Vec::new();
    for entry in table {
        let code = entry.code.0;
        let name = names
            .lines()
            .find_map(|line| {
                line.trim().split_once(&format!(" = \"{code}\"")).map(|(name, _)| name.to_owned())
            })
            .unwrap_or_default();
        let retired = entry.page.contains("no longer emitted");
        if entry.title.chars().count() > 60 {
            problems.push(format!("{code}: title longer than 60 characters"));
        }
        if !index.contains(code) {
            problems.push(format!("{code}: not in docs/errors/README.md"));
        }
        if !retired && !sources.contains(&name) {
            problems.push(format!("{code}: `{name}` is emitted nowhere"));
        }
        let case = root().join("tests/errors").join(code);
        let by_command = crate::golden::COMMANDS.contains(&code);
        if !retired
            && !by_command
            && !fs::read_dir(&case).is_ok_and(|mut entries| entries.next().is_some())
        {
            problems.push(format!("{code}: no case in tests/errors/{code}"));
        }
        if !retired && !entry.page.contains("```") {
            problems.push(format!("{code}: its page shows no failing example"));
        }
    }
    let known: BTreeSet<_> = table.iter().map(|entry| format!("{}.md", entry.code.0)).collect();
    for page in files("docs/errors", "md") {
        let name = page.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name != "README.md" && !known.contains(name) {
            problems.push(format!("docs/errors/{name}: a page without a code"));
        }
    }
    complain(&problems);
}

#[test]
fn every_program_states_what_to_expect() {
    let readable: String = files("docs", "md")
        .iter()
        .map(|p| read(p))
        .chain([read(&root().join("README.md"))])
        .collect();
    let mut problems = Vec::new();
    for path in files("programs", "tp") {
        if path.parent().is_some_and(|p| p.ends_with("std")) {
            continue;
        }
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if !read(&path).contains("expect ") {
            problems.push(format!("{}: no `expect`", shown(&path)));
        }
        if !readable.contains(name) {
            problems.push(format!("{}: named nowhere in the docs", shown(&path)));
        }
    }
    complain(&problems);
}

#[test]
fn paths_named_in_docs_exist() {
    let mut problems = Vec::new();
    for page in files("docs", "md").into_iter().chain([root().join("README.md")]) {
        let text = read(&page);
        let quoted = text.split('`').skip(1).step_by(2);
        for path in quoted.filter(|word| {
            ["src/", "docs/", "tests/", "programs/", "benches/", "grammar/"]
                .iter()
                .any(|top| word.starts_with(top))
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
        }) {
            if !root().join(path).exists() {
                problems.push(format!("{}: `{path}` does not exist", shown(&page)));
            }
        }
    }
    complain(&problems);
}

#[test]
fn nothing_names_a_machine() {
    let marks = ["work", "root", "tmp", "home"].map(|top| format!("/{top}/"));
    let mut problems = Vec::new();
    let texts = ["md", "rs", "tp", "py", "toml"];
    let folders = ["src", "docs", "tests", "programs", "benches", "grammar"];
    for (folder, extension) in folders.iter().flat_map(|f| texts.iter().map(move |e| (f, e))) {
        for path in files(folder, extension).into_iter().filter(|path| !path.ends_with("tidy.rs")) {
            for mark in marks.iter().filter(|mark| read(&path).contains(mark.as_str())) {
                problems.push(format!("{}: names a place on one machine: {mark}", shown(&path)));
            }
        }
    }
    complain(&problems);
}
