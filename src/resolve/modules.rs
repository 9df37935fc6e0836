//! `use`: the statements of other files and of the library stand in place of it.

use crate::diag::{Diagnostic, Diags, codes};
use crate::source::{Loader, SourceMap, Span, beside};
use crate::syntax::ast::{Program, Stmt, StmtKind, UsePath};
use crate::syntax::parse::parse;

/// The library inside the binary: name after `std.` and text.
const LIBRARY: &[(&str, &str)] = &[
    ("optim", include_str!("../../programs/std/optim.tp")),
    ("static", include_str!("../../programs/std/static.tp")),
];

/// The text of a module of the library.
pub fn library(name: &str) -> Option<&'static str> {
    LIBRARY.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The program with every `use` replaced by what it names; a module that is used twice stands where it is used first.
pub fn inline_modules(
    program: Program,
    sources: &mut SourceMap,
    loader: &dyn Loader,
    diags: &mut Diags,
) -> Program {
    let mut inliner = Inliner { sources, loader, diags, used: Vec::new(), open: Vec::new() };
    Program { stmts: inliner.stmts(program.stmts), nets: program.nets }
}

struct Inliner<'a> {
    sources: &'a mut SourceMap,
    loader: &'a dyn Loader,
    diags: &'a mut Diags,
    used: Vec<String>,
    /// The files around the `use` that is looked at, outermost first.
    open: Vec<String>,
}

impl Inliner<'_> {
    fn stmts(&mut self, stmts: Vec<Stmt>) -> Vec<Stmt> {
        let mut all = Vec::new();
        for stmt in stmts {
            match &stmt.kind {
                StmtKind::Use(path) => all.extend(self.module(path, stmt.span)),
                _ => all.push(stmt),
            }
        }
        all
    }

    fn module(&mut self, path: &UsePath, span: Span) -> Vec<Stmt> {
        let found = match path {
            UsePath::File(file) => self.file(&file.text, span),
            UsePath::Module(parts) => {
                let parts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
                self.library(&parts.join("."), span)
            }
        };
        let Some((name, text)) = found else { return Vec::new() };
        if self.open.is_empty() {
            self.open.push(beside("", &self.sources.get(span.file).name));
        }
        if let Some(start) = self.open.iter().position(|open| *open == name) {
            let cycle: Vec<&str> = self.open[start..].iter().map(String::as_str).collect();
            let reason = format!("the files use each other: {}, {name}", cycle.join(", "));
            self.cannot_use(span, &name, &reason);
            return Vec::new();
        }
        if self.used.contains(&name) {
            return Vec::new();
        }
        self.used.push(name.clone());
        self.open.push(name.clone());
        let file = self.sources.add(name, text);
        let source = self.sources.get(file).clone();
        let program = parse(&source, self.diags);
        let stmts = self.stmts(program.stmts);
        self.open.pop();
        stmts
    }

    fn file(&mut self, path: &str, span: Span) -> Option<(String, String)> {
        let from = self.sources.get(span.file).name.clone();
        match self.loader.load(&from, path).map(String::from_utf8) {
            Ok(Ok(text)) => Some((beside(&from, path), text)),
            Ok(Err(_)) => self.cannot_use(span, path, "it is not UTF-8"),
            Err(reason) => self.cannot_use(span, path, &reason),
        }
    }

    fn library(&mut self, name: &str, span: Span) -> Option<(String, String)> {
        if let Some(text) = name.strip_prefix("std.").and_then(library) {
            return Some((name.to_owned(), text.to_owned()));
        }
        let known: Vec<String> = LIBRARY.iter().map(|(known, _)| format!("std.{known}")).collect();
        self.cannot_use(span, name, &format!("the library has {}", known.join(", ")))
    }

    fn cannot_use(&mut self, span: Span, name: &str, reason: &str) -> Option<(String, String)> {
        let problem = Diagnostic::new(codes::CANNOT_USE, span, codes::CANNOT_USE.title());
        self.diags.push(problem.here(format!("cannot use `{name}`")).note(reason));
        None
    }
}
