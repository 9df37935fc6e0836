//! Names in scope: values, index variables, functions and blocks.

use super::value::{Axis, IndexId, Val, Value};
use super::{Lowerer, value};
use crate::diag::{Diagnostic, codes};
use crate::ir::NodeId;
use crate::resolve::suggest;
use crate::source::Span;
use crate::syntax::ast;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How a name was bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// `const`, `data`, a loop variable or a parameter: nothing to differentiate by.
    Fixed,
    /// `init` or `let`.
    Once,
    /// `var`.
    Var,
}

/// A bound name.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) value: Value,
    pub(super) how: How,
    /// The `Bind` node at which `grad` cuts.
    pub(super) identity: Option<NodeId>,
    pub(super) span: Span,
    /// How often it was assigned.
    pub(super) version: usize,
}

/// The names of one block.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) names: BTreeMap<String, Binding>,
}

/// Functions of real numbers and blocks of program, top level only.
#[derive(Clone, Debug, Default)]
pub(super) struct Functions {
    pub(super) fns: BTreeMap<String, Rc<Function>>,
    pub(super) defs: BTreeMap<String, Rc<Def>>,
}

/// `fn name(params) = body;`
#[derive(Debug)]
pub(super) struct Function {
    pub(super) params: Vec<ast::Name>,
    pub(super) body: ast::Expr,
    pub(super) span: Span,
}

/// `def name(params) { … }`
#[derive(Debug)]
pub(super) struct Def {
    pub(super) params: Vec<ast::Param>,
    pub(super) body: ast::Block,
    pub(super) span: Span,
}

/// What an index variable ranges over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// 0, …, size − 1.
    Static(usize),
    /// The n positions of a width axis.
    Width,
}

/// An index variable in scope or gone.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) sort: Sort,
    pub(super) span: Span,
    /// Whether a binder introduced it, rather than the left side of a `let`.
    pub(super) bound: bool,
}

/// All index variables met, and those in scope, innermost last.
#[derive(Clone, Debug, Default)]
pub(super) struct Indices {
    pub(super) all: Vec<Index>,
    pub(super) active: Vec<IndexId>,
}

impl Indices {
    pub(super) fn get(&self, id: IndexId) -> &Index {
        &self.all[id.0]
    }

    pub(super) fn find(&self, name: &str) -> Option<IndexId> {
        self.active.iter().rev().copied().find(|id| self.get(*id).name == name)
    }

    pub(super) fn introduce(&mut self, index: Index) -> IndexId {
        let id = IndexId(self.all.len());
        self.all.push(index);
        self.active.push(id);
        id
    }
}

impl Lowerer<'_> {
    pub(super) fn find(&self, name: &str) -> Option<&Binding> {
        self.scopes.iter().rev().find_map(|scope| scope.names.get(name))
    }

    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut Binding> {
        self.scopes.iter_mut().rev().find_map(|scope| scope.names.get_mut(name))
    }

    /// Binds a name in the innermost scope; a name of the same scope may not be bound again.
    pub(super) fn bind(&mut self, name: &ast::Name, binding: Binding) {
        let scope = self.scopes.last().expect("the top level is never left");
        if let Some(known) = scope.names.get(&name.text) {
            let first = known.span;
            let problem = self
                .problem(codes::DUPLICATE_NAME, name.span)
                .here(format!("`{}` is bound a second time", name.text))
                .label(first, "first bound here")
                .help(format!(
                    "choose another name, or make it a `var` and write `{} := …`",
                    name.text
                ));
            self.diags.push(problem);
            return;
        }
        let scope = self.scopes.last_mut().expect("the top level is never left");
        scope.names.insert(name.text.clone(), binding);
    }

    /// The value of a name: an index variable, else a bound name.
    pub(super) fn name(&mut self, name: &str, span: Span) -> Value {
        if let Some(id) = self.indices.find(name) {
            return self.index_as_number(id, span);
        }
        match self.find(name) {
            Some(binding) => binding.value.clone(),
            None => {
                let problem = self.unknown_name(name, span);
                self.fail(problem)
            }
        }
    }

    fn index_as_number(&mut self, id: IndexId, span: Span) -> Value {
        let index = self.indices.get(id).clone();
        match index.sort {
            Sort::Static(size) => {
                let node = self.ir.iota(size);
                Value::Tensor(Val { node, stat: vec![Axis::Free(id)], width: vec![], known: None })
            }
            Sort::Width => {
                let problem = self
                    .problem(codes::WIDTH_INDEX_AS_NUMBER, span)
                    .here(format!("`{}` counts neurons", index.name))
                    .label(index.span, "introduced here as a width index")
                    .help("a width index only subscripts: neurons are exchangeable, so no limit can depend on their number");
                self.fail(problem)
            }
        }
    }

    fn unknown_name(&self, name: &str, span: Span) -> Diagnostic {
        let problem = self.problem(codes::UNKNOWN_NAME, span).here("not bound here");
        if let Some(builtin) = super::builtin::suggestion(name) {
            return problem.help(builtin);
        }
        if self.functions.fns.contains_key(name) || self.functions.defs.contains_key(name) {
            return problem.help(format!("`{name}` is a function: call it, `{name}(…)`"));
        }
        let bound = self.scopes.iter().flat_map(|scope| scope.names.keys());
        let indices = self.indices.active.iter().map(|id| &self.indices.get(*id).name);
        match suggest::nearest(name, bound.chain(indices).map(String::as_str)) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem
                .help(format!("bind it first: `let {name} = …;`, `init {name} : vec ~ N(0, 1);`")),
        }
    }

    /// Runs something in a scope of its own.
    pub(super) fn scoped<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> R {
        self.scopes.push(Scope::default());
        let result = run(self);
        self.scopes.pop();
        result
    }

    /// Runs something with index variables in scope, which leave it afterwards.
    pub(super) fn with_indices<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> R {
        let active = self.indices.active.len();
        let result = run(self);
        self.indices.active.truncate(active);
        result
    }

    /// A value without index variables as kind and sizes.
    pub(super) fn type_of(&self, val: &Val) -> String {
        value::type_text(val.kind(), &self.ir.shape(val.node).stat)
    }
}
