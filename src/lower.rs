//! From syntax to graph: walks the unrolled program, checks kinds and shapes, and builds the IR.
//!
//! `for` loops and static `if`s are executed, `def`s and `fn`s inlined and `grad` expanded on the way, because a `var` may
//! change kind and shape at each assignment, and `W[l]` has a type only for a known l. A message is given once per place.

mod arrays;
mod assign;
mod binder;
mod builtin;
mod call;
mod combine;
mod data;
mod declare;
mod expr;
mod gradient;
mod infer;
mod init;
mod net;
mod number;
mod output;
mod scope;
mod stmt;
mod subscript;
mod value;

use crate::diag::{Code, Diagnostic, Diags};
use crate::ir::passes::entries::take_mats_apart;
use crate::ir::passes::erase::erase_bindings;
use crate::ir::{Expect, Ir, Named, Program};
use crate::source::{Loader, SourceMap, Span};
use crate::syntax::ast;
use output::Emitted;
use scope::{Functions, Scope};
use std::collections::BTreeMap;
use value::Value;

/// A program may not unroll to more nodes than this.
const NODE_LIMIT: usize = 1_000_000;
/// A static array may not have more entries than this.
const SIZE_LIMIT: usize = 1 << 28;
/// `def`s and `fn`s may not be nested deeper than this.
const DEPTH_LIMIT: usize = 64;

/// A program may not inline more `fn`s and `def`s than this.
const CALL_LIMIT: usize = 300_000;

/// Values given on the command line for constants (`--set M=8`).
pub type Overrides = BTreeMap<String, String>;

/// Lowers a parsed file, and what it uses, to a graph without bindings; `None` if something was wrong.
pub fn lower(
    program: &ast::Program,
    sources: &mut SourceMap,
    loader: &dyn Loader,
    overrides: &Overrides,
    diags: &mut Diags,
) -> Option<Program> {
    let mut lowerer = Lowerer {
        ir: Ir::default(),
        diags,
        sources,
        loader,
        overrides,
        nets: &program.nets,
        consts: Vec::new(),
        scopes: vec![Scope::default()],
        indices: scope::Indices::default(),
        functions: Functions::default(),
        emitted: Vec::new(),
        expects: Vec::new(),
        named: Vec::new(),
        loops: Vec::new(),
        depth: 0,
        calls: 0,
        full: false,
        returned: None,
    };
    lowerer.file(program);
    lowerer.finish()
}

struct Lowerer<'a> {
    ir: Ir,
    diags: &'a mut Diags,
    sources: &'a mut SourceMap,
    loader: &'a dyn Loader,
    overrides: &'a Overrides,
    nets: &'a [ast::PlainNet],
    /// The constants met so far.
    consts: Vec<String>,
    /// Innermost last; the first is the top level.
    scopes: Vec<Scope>,
    indices: scope::Indices,
    functions: Functions,
    emitted: Vec<Emitted>,
    expects: Vec<Expect>,
    named: Vec<Named>,
    /// Current iteration and length of each enclosing loop.
    loops: Vec<(usize, usize)>,
    depth: usize,
    /// How many `fn`s and `def`s have been inlined.
    calls: usize,
    /// The program has become too large; nothing more is lowered.
    full: bool,
    /// What the `def` being expanded returns, and where.
    returned: Option<(Value, Span)>,
}

impl Lowerer<'_> {
    fn file(&mut self, program: &ast::Program) {
        self.collect_functions(&program.stmts);
        self.stmts(&program.stmts);
    }

    fn finish(mut self) -> Option<Program> {
        self.check_overrides();
        let outputs = self.collect_outputs();
        if self.diags.has_errors() {
            return None;
        }
        let (ir, expects, named) = (self.ir, self.expects, self.named);
        Some(take_mats_apart(&erase_bindings(&Program {
            ir,
            outputs,
            expects,
            named,
            ..Program::default()
        })))
    }

    /// Reports an error and gives the value that every rule accepts silently.
    fn fail(&mut self, diagnostic: Diagnostic) -> Value {
        self.diags.push(diagnostic);
        Value::Error
    }

    /// Starts a diagnostic with the title of its code.
    fn problem(&self, code: Code, span: Span) -> Diagnostic {
        Diagnostic::new(code, span, code.title())
    }

    fn text(&self, span: Span) -> &str {
        self.sources.text(span)
    }
}

#[cfg(test)]
mod tests;
