//! Constants, and functions and blocks, which are known throughout the file.

use super::Lowerer;
use super::scope::{Binding, Def, Function, How};
use super::value::Value;
use crate::diag::{Diagnostic, codes};
use crate::resolve::suggest;
use crate::syntax::ast::{self, Expr, StmtKind};
use crate::syntax::parse::parse;
use std::rc::Rc;

impl Lowerer<'_> {
    /// Functions and blocks may be used before they are declared.
    pub(super) fn collect_functions(&mut self, stmts: &[ast::Stmt]) {
        for stmt in stmts {
            match &stmt.kind {
                StmtKind::Fn { name, params, body } if self.is_new_function(name) => {
                    self.check_params(params.iter());
                    let (params, body, span) = (params.clone(), body.clone(), name.span);
                    let function = Function { params, body, span };
                    self.functions.fns.insert(name.text.clone(), Rc::new(function));
                }
                StmtKind::Def { name, params, body } if self.is_new_function(name) => {
                    self.check_params(params.iter().map(|param| &param.name));
                    let (params, body, span) = (params.clone(), body.clone(), name.span);
                    let def = Def { params, body, span };
                    self.functions.defs.insert(name.text.clone(), Rc::new(def));
                }
                _ => {}
            }
        }
    }

    fn is_new_function(&mut self, name: &ast::Name) -> bool {
        let known = self.functions.fns.get(&name.text).map(|function| function.span);
        let known = known.or_else(|| self.functions.defs.get(&name.text).map(|def| def.span));
        let builtin = super::builtin::FUNCTIONS.iter().any(|(builtin, _)| *builtin == name.text);
        let forms = ["avg", "grad", "stack", "shape", "diff", "csv", "npy", "mean", "sum", "prod"];
        if known.is_none()
            && !builtin
            && !forms.contains(&name.text.as_str())
            && !super::arrays::FORMS.contains(&name.text.as_str())
        {
            return true;
        }
        let problem = self.problem(codes::DUPLICATE_NAME, name.span);
        let problem = match known {
            Some(first) => {
                problem.here("declared a second time").label(first, "first declared here")
            }
            None => problem.here("this name is built in").help("choose another name"),
        };
        self.diags.push(problem);
        false
    }

    fn check_params<'p>(&mut self, params: impl Iterator<Item = &'p ast::Name>) {
        let mut seen: Vec<&ast::Name> = Vec::new();
        for param in params {
            if let Some(first) = seen.iter().find(|first| first.text == param.text) {
                let problem = self
                    .problem(codes::DUPLICATE_NAME, param.span)
                    .here("a second parameter of this name")
                    .label(first.span, "the first");
                self.diags.push(problem);
            }
            seen.push(param);
        }
    }

    /// `const name = value;`, unless `--set` gives another value.
    pub(super) fn constant(&mut self, name: &ast::Name, value: &Expr) {
        self.consts.push(name.text.clone());
        let replaced = self.overrides.get(&name.text).cloned();
        let result = match replaced {
            Some(text) => self.override_value(&name.text, &text),
            None => self.expr(value),
        };
        let result = match result {
            Value::Tensor(val) if val.known.is_none() => {
                let problem = self
                    .problem(codes::NOT_STATIC, value.span)
                    .here("this is not known at compile time")
                    .help(format!("bind it with `let {} = …;`; arrays are `data`", name.text));
                self.fail(problem)
            }
            other => other,
        };
        let how = How::Fixed;
        self.bind(
            name,
            Binding { value: result, how, identity: None, span: name.span, version: 0 },
        );
    }

    /// A value from the command line, read as an expression of the language.
    fn override_value(&mut self, name: &str, text: &str) -> Value {
        let file = self.sources.add(format!("--set {name}"), format!("const {name} = {text};"));
        let source = self.sources.get(file).clone();
        let program = parse(&source, self.diags);
        match program.stmts.first().map(|stmt| &stmt.kind) {
            Some(StmtKind::Const { value, .. }) => self.expr(value),
            _ => Value::Error,
        }
    }

    /// Every `--set` must name a constant.
    pub(super) fn check_overrides(&mut self) {
        for name in self.overrides.keys().filter(|name| !self.consts.contains(name)) {
            let consts = self.consts.iter().map(String::as_str);
            let mut problem =
                Diagnostic::without_place(codes::UNKNOWN_OVERRIDE, codes::UNKNOWN_OVERRIDE.title())
                    .note(format!("found:    --set {name}=…"))
                    .note("expected: the name of a `const` of the program");
            if self.scopes[0].names.contains_key(name) {
                problem = problem.help(format!("`{name}` is declared, but not by `const`"));
            } else if let Some(near) = suggest::nearest(name, consts) {
                problem = problem.help(format!("did you mean `{near}`?"));
            }
            self.diags.push(problem);
        }
    }
}
