//! Names for what a network stands for, and the places where a program speaks of one.

use super::Expander;
use super::quote::factor;
use crate::diag::codes;
use crate::source::Span;
use crate::syntax::ast::{
    Arg, ArgValue, Expr, ExprKind, Name, OutputItem, Program, Stmt, StmtKind, Target, Text,
};
use crate::syntax::visit::{self, Visitor};
use std::collections::{BTreeMap, BTreeSet};

/// All names that a program uses.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn of(program: &Program) -> Self {
        let mut names = Self::default();
        visit::stmts(&mut program.stmts.clone(), &mut names);
        names
    }

    /// `net_part`, with `_` behind it until nothing else has that name.
    pub(super) fn of_part(&self, net: &str, part: &str) -> String {
        let mut name = format!("{net}_{part}");
        while self.0.contains(&name) {
            name.push('_');
        }
        name
    }
}

/// Constants, data and values of the top level.
pub(super) fn declared(program: &Program) -> BTreeSet<String> {
    let one = |stmt: &Stmt| match &stmt.kind {
        StmtKind::Const { name, .. } | StmtKind::Data { name, .. } => vec![name.text.clone()],
        StmtKind::Let { target, .. } | StmtKind::Var { target, .. } => match target {
            Target::Name { name, .. } => vec![name.text.clone()],
            Target::Tuple(names) => names.iter().map(|name| name.text.clone()).collect(),
            Target::Error(_) => Vec::new(),
        },
        _ => Vec::new(),
    };
    program.stmts.iter().flat_map(one).collect()
}

/// The number of parameters of each `fn` and `def`.
pub(super) fn functions(program: &Program) -> BTreeMap<String, usize> {
    let one = |stmt: &Stmt| match &stmt.kind {
        StmtKind::Fn { name, params, .. } => Some((name.text.clone(), params.len())),
        StmtKind::Def { name, params, .. } => Some((name.text.clone(), params.len())),
        _ => None,
    };
    program.stmts.iter().filter_map(one).collect()
}

impl Visitor for Names {
    fn name(&mut self, name: &mut crate::syntax::ast::Name) {
        self.0.insert(name.text.clone());
    }

    fn expr(&mut self, expr: &mut Expr) {
        if let ExprKind::Name(name) = &expr.kind {
            self.0.insert(name.clone());
        }
    }
}

impl Expander<'_> {
    /// Replaces `f.train`, `f.W` and `f(x)` in a statement; the networks that it speaks of.
    pub(super) fn renamed(&mut self, stmt: &mut Stmt) -> Vec<String> {
        if let StmtKind::Output(items) = &mut stmt.kind {
            *items = items.drain(..).flat_map(|item| self.kernels_of(item)).collect();
            for item in items {
                self.name_output(item);
            }
        }
        let mut renamer = Renamer { expander: self, nets: Vec::new() };
        visit::stmt(stmt, &mut renamer);
        renamer.nets
    }

    /// `output kernel(f)`: the outputs before training, whose covariance is the NNGP kernel, and the tangent kernel.
    fn kernels_of(&mut self, item: OutputItem) -> Vec<OutputItem> {
        let ExprKind::Call { callee, args } = &item.value.kind else { return vec![item] };
        let (ExprKind::Name(name), [Arg { name: None, value: ArgValue::Expr(arg) }]) =
            (&callee.kind, args.as_slice())
        else {
            return vec![item];
        };
        let ExprKind::Name(net) = &arg.kind else { return vec![item] };
        if name != "kernel" || !self.nets.contains_key(net) && self.functions.contains_key(name) {
            return vec![item];
        }
        if !self.nets.contains_key(net) {
            self.unknown_net(net, arg.span);
            return Vec::new();
        }
        // the place of an output tells it from others
        let part = |part: &str, span: Span| {
            let base = Expr { kind: ExprKind::Name(net.clone()), span };
            let name = Name { text: part.to_owned(), span };
            OutputItem {
                value: Expr { kind: ExprKind::Member { base: Box::new(base), name }, span },
                name: Some(Text { text: format!("{net}.{part}"), span }),
                span,
            }
        };
        vec![part("first", callee.span), part("ntk", arg.span)]
    }

    /// An output without a name keeps its text as one.
    fn name_output(&mut self, item: &mut OutputItem) {
        let mut value = item.value.clone();
        let mut renamer = Renamer { expander: self, nets: Vec::new() };
        visit::expr(&mut value, &mut renamer);
        if item.name.is_none() && !renamer.nets.is_empty() {
            let text = self.sources.text(item.span).split_whitespace().collect::<Vec<_>>();
            item.name = Some(Text { text: text.join(" "), span: item.span });
        }
    }

    /// What `f.member` is called in the plain program.
    fn member(&mut self, net: &str, member: &str, span: Span) -> Option<String> {
        let Some(plan) = self.plan_of(net).cloned() else {
            self.not_trained(net, span);
            return None;
        };
        let params: Vec<String> =
            self.nets[net].params.iter().map(|param| param.name.text.clone()).collect();
        let known = match member {
            "train" | "loss" => true,
            "test" => plan.test.is_some(),
            "first" | "ntk" if !params.iter().any(|param| param == member) => {
                self.asked.push(net.to_owned());
                let part = if member == "ntk" { "ntk" } else { "start" };
                return Some(self.names.of_part(net, part));
            }
            _ => params.iter().any(|param| param == member),
        };
        if known {
            return Some(self.names.of_part(net, member));
        }
        let problem = self.problem(codes::UNKNOWN_MEMBER, span).here("no such member");
        let problem = problem.help(match member {
            "test" => "add `test xt;` to the `train` block".to_owned(),
            _ => format!(
                "there are `train`, `test`, `loss`, `first`, `ntk` and the parameters {}",
                params.join(", ")
            ),
        });
        self.fail(problem);
        None
    }

    /// A use of a network that no `train` names; a `train` with a mistake was reported.
    fn not_trained(&mut self, net: &str, span: Span) {
        if self.plans.contains_key(net) {
            return;
        }
        let problem = self
            .problem(codes::NOT_TRAINED, span)
            .here(format!("nothing says how `{net}` is parametrized"))
            .help(format!(
                "write `train {net} on (xs, ys) {{ … }}`; `steps 0;` leaves it as it is at first"
            ));
        self.fail(problem);
    }

    /// `f(x)` at the current parameters, or, with the suffix `_0`, at the first ones.
    pub(super) fn applied(&self, net: &str, suffix: &str, inputs: &str) -> Option<String> {
        let plan = self.plan_of(net)?;
        let params = self.nets[net].params.iter().zip(&plan.scheme.params);
        let params = params.map(|(param, abcd)| {
            let name = self.names.of_part(net, &format!("{}{suffix}", param.name.text));
            format!("{}{name}", factor(-abcd[0]))
        });
        let mut args: Vec<String> = params.collect();
        args.push(inputs.to_owned());
        Some(format!("{}{net}({})", factor(-plan.scheme.out), args.join(", ")))
    }

    fn call(&mut self, net: &str, args: &[Arg], span: Span) -> Option<Expr> {
        if self.plan_of(net).is_none() {
            self.not_trained(net, span);
            return None;
        }
        let inputs: Option<Vec<&Expr>> = args
            .iter()
            .map(|arg| match arg {
                Arg { name: None, value: ArgValue::Expr(expr) } => Some(expr),
                _ => None,
            })
            .collect();
        let expected = self.nets[net].inputs.len();
        let Some(inputs) = inputs.filter(|inputs| inputs.len() == expected) else {
            let problem = self
                .problem(codes::ARGUMENT_COUNT, span)
                .here(format!("`{net}` is called here"))
                .note(format!("expected: {expected} inputs, without names"));
            self.fail(problem);
            return None;
        };
        let holes: Vec<String> = (0..inputs.len()).map(|k| format!("_{k}")).collect();
        let text = self.applied(net, "", &holes.join(", "))?;
        let holes: Vec<(&str, &Expr)> =
            holes.iter().map(String::as_str).zip(inputs.iter().copied()).collect();
        let stmt = super::quote::quote(&format!("let value = {text};"), span, &holes).pop()?;
        match stmt.kind {
            StmtKind::Let { value, .. } => Some(value),
            _ => None,
        }
    }
}

struct Renamer<'a, 'b> {
    expander: &'a mut Expander<'b>,
    nets: Vec<String>,
}

impl Renamer<'_, '_> {
    fn is_net(&self, expr: &Expr) -> Option<String> {
        match &expr.kind {
            ExprKind::Name(name) if self.expander.nets.contains_key(name) => Some(name.clone()),
            _ => None,
        }
    }
}

impl Visitor for Renamer<'_, '_> {
    fn expr(&mut self, expr: &mut Expr) {
        let found = match &expr.kind {
            ExprKind::Member { base, .. } => self.is_net(base),
            ExprKind::Call { callee, .. } => self.is_net(callee),
            _ => None,
        };
        let Some(net) = found else { return };
        let new = match &expr.kind {
            ExprKind::Member { name, .. } => {
                self.expander.member(&net, &name.text, name.span).map(ExprKind::Name)
            }
            ExprKind::Call { args, .. } => {
                self.expander.call(&net, args, expr.span).map(|call| call.kind)
            }
            _ => None,
        };
        expr.kind = new.unwrap_or(ExprKind::Error);
        self.nets.push(net);
    }
}
