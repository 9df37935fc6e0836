//! Calls: binders, built-ins, `fn`s and their derivatives, `def`s, and the few forms with rules of their own.

use super::scope::{Binding, Def, Function, How, Scope};
use super::value::{At, Val, Value};
use super::{CALL_LIMIT, DEPTH_LIMIT, Lowerer, builtin};
use crate::diag::codes;
use crate::ir::passes::derive;
use crate::ir::{Arg, NodeId, Prim, ReduceOp, Shape};
use crate::resolve::suggest;
use crate::source::Span;
use crate::syntax::ast::{self, ArgValue, Expr, ExprKind};
use std::rc::Rc;

/// A function of real numbers: built in or a `fn`.
#[derive(Clone)]
enum Callee {
    Builtin(String, usize),
    Fn(Rc<Function>),
}

impl Lowerer<'_> {
    pub(super) fn call(&mut self, callee: &Expr, args: &[ast::Arg], span: Span) -> Value {
        match &callee.kind {
            ExprKind::Name(name) => self.call_name(name, callee.span, args, span),
            ExprKind::Index { base, subscripts } => match (&base.kind, args) {
                (ExprKind::Name(name), [ast::Arg { name: None, value: ArgValue::Expr(body) }])
                    if super::binder::is_binder(name) =>
                {
                    self.binder(name, subscripts, body, span)
                }
                _ => self.not_callable(callee.span),
            },
            ExprKind::Prime(_) => {
                let mut order = 0;
                let mut inner = callee;
                while let ExprKind::Prime(next) = &inner.kind {
                    order += 1;
                    inner = next;
                }
                match &inner.kind {
                    ExprKind::Name(name) => {
                        self.call_derivative((name, inner.span), &vec![0; order], args, span)
                    }
                    _ => self.not_callable(callee.span),
                }
            }
            ExprKind::Call { callee: outer, args: which } => match &outer.kind {
                ExprKind::Name(name) if name == "diff" => {
                    self.call_diff(which, outer.span, args, span)
                }
                _ => self.not_callable(callee.span),
            },
            ExprKind::Error => Value::Error,
            _ => self.not_callable(callee.span),
        }
    }

    fn not_callable(&mut self, span: Span) -> Value {
        let problem = self
            .problem(codes::NOT_CALLABLE, span)
            .here("this is no function")
            .help("functions are built in, or declared by `fn f(z) = …;` and `def f(x) { … }`");
        self.fail(problem)
    }

    fn call_name(&mut self, name: &str, at: Span, args: &[ast::Arg], span: Span) -> Value {
        if self.find(name).is_some() || self.indices.find(name).is_some() {
            let problem = self
                .problem(codes::NOT_CALLABLE, at)
                .here("this is a value")
                .help(format!("for a product write `{name} * (…)`, for an entry `{name}[…]`"));
            return self.fail(problem);
        }
        if let Some(def) = self.functions.defs.get(name).cloned() {
            return self.call_def(name, &def, args, span);
        }
        if let Some(function) = self.function(name) {
            return match self.positional(name, args, span) {
                Some(args) => self.call_function(name, &function, &args, span),
                None => Value::Error,
            };
        }
        match name {
            "avg" => self.avg(args, span),
            "grad" => self.grad(args, span),
            "stack" => match self.positional(name, args, span) {
                Some(args) if !args.is_empty() => self.stacked(&args, span),
                Some(_) => self.arity(name, span, "at least 1", 0),
                None => Value::Error,
            },
            "shape" => self.shape_of(args, span),
            "sum" | "row" | "col" | "all" | "append" | "cycle" | "len" | "mod" => {
                self.array_form(name, args, span)
            }
            "csv" | "npy" => {
                let problem = self
                    .problem(codes::DATA_ONLY, span)
                    .here(format!("`{name}` reads a file"))
                    .help(
                        "files are read by declarations: `data xs : scalar[M, 64] = csv(\"…\");`",
                    );
                self.fail(problem)
            }
            "N" | "uniform" | "rademacher" | "constant" => {
                let problem = self
                    .problem(codes::LAW_AS_VALUE, span)
                    .here(format!("`{name}` is a law"))
                    .help(format!("draw from it by `init x : vec ~ {name}(…);`"));
                self.fail(problem)
            }
            _ => self.unknown_function(name, at),
        }
    }

    fn unknown_function(&mut self, name: &str, at: Span) -> Value {
        let builtins = builtin::FUNCTIONS.iter().map(|(known, _)| *known);
        let forms = super::arrays::FORMS.iter().copied();
        let forms = forms.chain(["avg", "grad", "stack", "shape", "diff"]);
        let own = self.functions.fns.keys().chain(self.functions.defs.keys()).map(String::as_str);
        let near = suggest::nearest(name, builtins.chain(forms).chain(own)).map(str::to_owned);
        let help = builtin::suggestion(name)
            .or_else(|| near.map(|near| format!("did you mean `{near}`?")));
        let help = help.unwrap_or_else(|| {
            format!("declare it: `fn {name}(z) = …;` or `def {name}(x) {{ … }}`")
        });
        let fact = match name {
            "kernel" => "`kernel` only stands in `output`, with the name of a trained net",
            _ => "no function of this name",
        };
        let problem = self.problem(codes::UNKNOWN_FUNCTION, at).here(fact).help(help);
        self.fail(problem)
    }

    fn function(&self, name: &str) -> Option<Callee> {
        if let Some(function) = self.functions.fns.get(name) {
            return Some(Callee::Fn(function.clone()));
        }
        let known = builtin::FUNCTIONS.iter().find(|(known, _)| *known == name)?;
        Some(Callee::Builtin(name.to_owned(), known.1))
    }

    /// Positional arguments that are tensors; `None` after a diagnostic.
    pub(super) fn positional(
        &mut self,
        name: &str,
        args: &[ast::Arg],
        span: Span,
    ) -> Option<Vec<At>> {
        let exprs: Option<Vec<&Expr>> = args
            .iter()
            .map(|arg| match arg {
                ast::Arg { name: None, value: ArgValue::Expr(expr) } => Some(expr),
                _ => None,
            })
            .collect();
        let Some(exprs) = exprs else {
            let problem = self
                .problem(codes::NAMED_ARGUMENT, span)
                .here(format!("`{name}` takes values in order"))
                .help(format!("write `{name}(x, …)` without names and ranges"));
            self.diags.push(problem);
            return None;
        };
        let vals: Vec<Option<At>> = exprs.into_iter().map(|expr| self.at(expr)).collect();
        vals.into_iter().collect()
    }

    pub(super) fn arity(&mut self, name: &str, span: Span, expected: &str, found: usize) -> Value {
        let problem = self
            .problem(codes::ARGUMENT_COUNT, span)
            .here(format!("`{name}` is called here"))
            .note(format!("found:    {found} argument{}", if found == 1 { "" } else { "s" }))
            .note(format!("expected: {expected}"));
        self.fail(problem)
    }

    fn call_function(&mut self, name: &str, callee: &Callee, args: &[At], span: Span) -> Value {
        let expected = match callee {
            Callee::Builtin(_, count) => *count,
            Callee::Fn(function) => function.params.len(),
        };
        let many = ["min", "max"].contains(&name) && args.len() > 2;
        if args.len() != expected && !many {
            return self.arity(name, span, &expected.to_string(), args.len());
        }
        match callee {
            Callee::Builtin(name, _) if many => self.fold_builtin(name, args, span),
            Callee::Builtin(name, _) => self.builtin(name, args, span),
            Callee::Fn(function) => self.inline(name, function, args, span),
        }
    }

    fn fold_builtin(&mut self, name: &str, args: &[At], span: Span) -> Value {
        let mut total = args[0].clone();
        for arg in &args[1..] {
            match self.builtin(name, &[total, arg.clone()], span) {
                Value::Tensor(val) => total = At { val, span },
                other => return other,
            }
        }
        Value::Tensor(total.val)
    }

    /// The body of a `fn` with its parameters bound; a body sees constants and data besides.
    fn inline(&mut self, name: &str, function: &Function, args: &[At], span: Span) -> Value {
        let bound = function.params.iter().zip(args);
        let scope: Vec<(ast::Name, Value)> =
            bound.map(|(param, at)| (param.clone(), Value::Tensor(at.val.clone()))).collect();
        self.in_body(name, span, scope, |this| this.expr(&function.body))
    }

    /// Runs a body that sees the top level and its parameters only.
    fn in_body(
        &mut self,
        name: &str,
        span: Span,
        params: Vec<(ast::Name, Value)>,
        run: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        if self.depth >= DEPTH_LIMIT {
            let problem = self
                .problem(codes::RECURSION, span)
                .here(format!("`{name}` calls itself, directly or through others"))
                .help("functions are inlined; repeat with `for` instead");
            return self.fail(problem);
        }
        if self.has_too_many_calls(span) {
            return Value::Error;
        }
        self.depth += 1;
        let inner = self.scopes.split_off(1);
        let active = std::mem::take(&mut self.indices.active);
        self.scopes.push(Scope::default());
        for (param, value) in params {
            let identity = match &value {
                Value::Tensor(val) if val.is_closed() => Some(val.node),
                Value::Tensor(_) | Value::Tuple(_) | Value::Error => None,
            };
            let span = param.span;
            self.bind(&param, Binding { value, how: How::Fixed, identity, span, version: 0 });
        }
        let result = run(self);
        self.scopes.truncate(1);
        self.scopes.extend(inner);
        self.indices.active = active;
        self.depth -= 1;
        result
    }

    /// Counts calls: a body that calls twice, which calls twice, … is exponentially long.
    fn has_too_many_calls(&mut self, span: Span) -> bool {
        self.calls += 1;
        if self.calls > CALL_LIMIT && !self.full {
            self.full = true;
            let problem = self
                .problem(codes::PROGRAM_TOO_LARGE, span)
                .here(format!("here more than {CALL_LIMIT} calls are inlined"))
                .help("give what is needed twice a name: `let y = f(x);`");
            self.diags.push(problem);
        }
        self.full
    }

    fn call_def(&mut self, name: &str, def: &Rc<Def>, args: &[ast::Arg], span: Span) -> Value {
        if args.len() != def.params.len() {
            return self.arity(name, span, &def.params.len().to_string(), args.len());
        }
        let Some(args) = self.positional(name, args, span) else { return Value::Error };
        let mut params = Vec::new();
        for (param, at) in def.params.iter().zip(args) {
            if param.ty.as_ref().is_some_and(|ty| !self.holds(ty, &at.val, at.span)) {
                return Value::Error;
            }
            let node = self.ir.bind(&param.name.text, param.name.span, at.val.node);
            params.push((param.name.clone(), Value::Tensor(Val { node, ..at.val })));
        }
        let def = def.clone();
        let outer = self.returned.take();
        let loops = std::mem::take(&mut self.loops);
        let result = self.in_body(name, span, params, |this| {
            this.stmts(&def.body.stmts);
            match this.returned.take() {
                Some(returned) => this.net_value(name, returned),
                None if this.full => Value::Error,
                None => {
                    let problem = this
                        .problem(codes::NO_RETURN, def.span)
                        .here("ends without `return`")
                        .label(span, "called here")
                        .help("end the block with `return e;`");
                    this.fail(problem)
                }
            }
        });
        self.loops = loops;
        self.returned = outer;
        result
    }

    /// `avg(e)`: the Avg instruction of Def. 2.6.1 for each static entry.
    fn avg(&mut self, args: &[ast::Arg], span: Span) -> Value {
        let Some(args) = self.positional("avg", args, span) else { return Value::Error };
        let [at] = args.as_slice() else { return self.arity("avg", span, "1", args.len()) };
        let axes = at.val.bare_width();
        let [axis] = axes.as_slice() else {
            let found = self.type_of(&at.val);
            let problem = self
                .problem(codes::AVG_KIND, at.span)
                .here(format!("this is a {found}"))
                .note(format!("found:    {found}"))
                .note("expected: vec")
                .help("over other axes: `mean[i](x[i])`, `mean[a, b](K[a, b])`");
            return self.fail(problem);
        };
        self.ir.here = Some(span);
        let node = self.ir.reduce(ReduceOp::Mean, at.val.node, vec![], vec![*axis]);
        let mut width = at.val.width.clone();
        width.remove(*axis);
        Value::Tensor(Val { node, stat: at.val.stat.clone(), width, known: None })
    }

    fn shape_of(&mut self, args: &[ast::Arg], span: Span) -> Value {
        let Some(args) = self.positional("shape", args, span) else { return Value::Error };
        let [at] = args.as_slice() else { return self.arity("shape", span, "1", args.len()) };
        let sizes = self.ir.shape(at.val.node).stat.clone();
        let sizes: Vec<At> = at
            .val
            .bare_stat()
            .into_iter()
            .filter_map(|axis| match self.integer(sizes[axis] as i64) {
                Value::Tensor(val) => Some(At { val, span }),
                Value::Tuple(_) | Value::Error => None,
            })
            .collect();
        match sizes.as_slice() {
            [] => {
                let problem =
                    self.problem(codes::SHAPE_OF_SCALAR, at.span).here("this has no static axes");
                self.fail(problem)
            }
            [one] => Value::Tensor(one.val.clone()),
            _ => Value::Tuple(sizes.into_iter().map(|at| Value::Tensor(at.val)).collect()),
        }
    }

    fn call_diff(&mut self, which: &[ast::Arg], at: Span, args: &[ast::Arg], span: Span) -> Value {
        let parts: Vec<&Expr> = which
            .iter()
            .filter_map(|arg| match &arg.value {
                ArgValue::Expr(expr) => Some(expr),
                ArgValue::Range(_) => None,
            })
            .collect();
        let [Expr { kind: ExprKind::Name(name), span: name_span }, position] = parts.as_slice()
        else {
            return self.arity(
                "diff",
                at,
                "a function and the number of an argument: `diff(f, 0)(x, y)`",
                which.len(),
            );
        };
        match self.static_integer(position).map(usize::try_from) {
            Some(Ok(k)) => self.call_derivative((name, *name_span), &[k], args, span),
            Some(Err(_)) => self.arity("diff", at, "a number of an argument, from 0", which.len()),
            None => Value::Error,
        }
    }

    /// Partial derivatives of a function of real numbers, one for each entry of `order`.
    fn call_derivative(
        &mut self,
        (name, at): (&str, Span),
        order: &[usize],
        args: &[ast::Arg],
        span: Span,
    ) -> Value {
        let Some(callee) = self.function(name) else {
            if self.find(name).is_some() {
                let problem = self.problem(codes::NOT_CALLABLE, at).here("this is a value").help(
                    format!("`'` differentiates functions; for values write `grad(s, {name})`"),
                );
                return self.fail(problem);
            }
            return self.unknown_function(name, at);
        };
        let Some(args) = self.positional(name, args, span) else { return Value::Error };
        if order.iter().any(|k| *k >= args.len()) {
            return self.arity("diff", at, "the number of an argument, from 0", args.len());
        }
        let params: Vec<At> = (0..args.len())
            .map(|k| {
                let node = self.ir.param(u32::try_from(k).expect("few arguments"));
                At { val: Val::bare(node, 0, 0), span }
            })
            .collect();
        let Value::Tensor(body) = self.call_function(name, &callee, &params, span) else {
            return Value::Error;
        };
        if !body.stat.is_empty() || !body.width.is_empty() {
            let problem =
                self.problem(codes::FN_NOT_REAL, at).here("its value has axes of its own");
            return self.fail(problem);
        }
        let mut node = body.node;
        for k in order {
            node =
                derive::derivative(&mut self.ir, node, u32::try_from(*k).expect("few arguments"));
        }
        self.substituted(node, &args, span)
    }

    /// A scalar function of `Param`s on labelled arguments.
    fn substituted(&mut self, body: NodeId, args: &[At], span: Span) -> Value {
        let mut all = Value::Tensor(args[0].val.clone());
        for arg in &args[1..] {
            let Value::Tensor(val) = all else { return all };
            all = self.combine(Prim::Add, &[At { val, span }, arg.clone()], span);
        }
        let Value::Tensor(layout) = all else { return all };
        let layout = At { val: layout, span };
        let mut operands = Vec::new();
        for arg in args {
            let zero = self.ir.constant(0.0);
            let zero = At { val: Val::bare(zero, 0, 0), span };
            let Value::Tensor(zeros) = self.combine(Prim::Mul, &[zero, layout.clone()], span)
            else {
                return Value::Error;
            };
            match self.combine(Prim::Add, &[arg.clone(), At { val: zeros, span }], span) {
                Value::Tensor(val) => operands.push(self.aligned(&val, &layout.val)),
                other => return other,
            }
        }
        self.ir.here = Some(span);
        let shape: Shape = self.ir.shape(layout.val.node).clone();
        let node = derive::substitute(&mut self.ir, body, &operands, &shape);
        Value::Tensor(Val { node, known: None, ..layout.val })
    }

    /// A value with the same labels as another, its axes mapped to the other's.
    fn aligned(&mut self, val: &Val, layout: &Val) -> Arg {
        let place = |own: &[super::value::Axis], other: &[super::value::Axis]| {
            let mut used = vec![false; other.len()];
            own.iter()
                .map(|label| {
                    let open = (0..other.len()).find(|axis| !used[*axis] && other[*axis] == *label);
                    let axis = open.expect("the layout has the labels of every argument");
                    used[axis] = true;
                    axis
                })
                .collect::<Vec<_>>()
        };
        let arg = Arg {
            node: val.node,
            stat: place(&val.stat, &layout.stat),
            width: place(&val.width, &layout.width),
        };
        self.ir.through_copies(arg)
    }
}
