//! An `optimizer` becomes a `def` of its hyperparameters, the entry, the gradient, the step and its state.

use super::net::Weight;
use super::quote::quote;
use super::{Expander, meant};
use crate::diag::{Diags, codes};
use crate::resolve::modules::library;
use crate::source::Span;
use crate::syntax::ast::{
    Arg, ArgValue, Block, Expr, ExprKind, Hyper, Name, Param, Row, Stmt, StmtKind,
};
use crate::syntax::parse;

/// A declared optimizer.
#[derive(Clone)]
pub(super) struct Optimizer {
    pub(super) name: Name,
    pub(super) hypers: Vec<Hyper>,
    pub(super) states: Vec<Hyper>,
    /// The gradient and the step.
    update: [Name; 2],
    body: Block,
    /// Whether a second value is returned: the decay λ.
    pub(super) decays: bool,
}

/// An optimizer with its hyperparameters, as one parameter is trained by it.
#[derive(Clone)]
pub(super) struct Rule {
    pub(super) optimizer: String,
    /// In the order of the declaration.
    pub(super) values: Vec<Expr>,
}

impl Expander<'_> {
    pub(super) fn collect_optimizer(&mut self, stmt: &Stmt) {
        let StmtKind::Optimizer { name, params, body } = &stmt.kind else { return };
        let mut states = Vec::new();
        let mut updates = Vec::new();
        for inner in &body.stmts {
            match &inner.kind {
                StmtKind::State(items) => states.extend(items.iter().cloned()),
                StmtKind::Update { params, body } => updates.push((params.clone(), body.clone())),
                _ => {}
            }
        }
        let lacks = match updates.as_slice() {
            [] => Some("it has no `update`"),
            [_, _, ..] => Some("it has more than one `update`"),
            [(params, _)] if params.len() != 2 => {
                Some("its `update` needs the gradient and the step")
            }
            [(_, body)] if returned(&body.stmts).is_empty() => Some("its `update` returns nothing"),
            [_] if states.iter().any(|state| state.value.is_none()) => {
                Some("a state has no first value")
            }
            [_] => None,
        };
        let (Some((update, body)), None) = (updates.into_iter().next(), lacks) else {
            self.broken.push(name.text.clone());
            let problem = self
                .problem(codes::OPTIMIZER_BODY, name.span)
                .here(lacks.unwrap_or_default())
                .help("write `optimizer sgd(lr) { update(g, t) { return lr * g; } }`; state is declared by `state m = 0;`");
            return self.fail(problem);
        };
        let counts: Vec<usize> =
            returned(&body.stmts).iter().map(|value| values(value).len()).collect();
        if counts.iter().any(|count| *count != counts[0] || *count > 2) {
            self.broken.push(name.text.clone());
            let problem = self
                .problem(codes::OPTIMIZER_BODY, name.span)
                .here("its `update` returns different numbers of values")
                .help("return the step, or the step and the decay: `return (step, lr * decay);`");
            return self.fail(problem);
        }
        let [g, t] = <[Name; 2]>::try_from(update).unwrap_or_else(|names| {
            // counted above
            [names[0].clone(), names[0].clone()]
        });
        let optimizer = Optimizer {
            name: name.clone(),
            hypers: params.clone(),
            states,
            update: [g, t],
            body,
            decays: counts[0] == 2,
        };
        self.optimizers.insert(name.text.clone(), optimizer);
    }

    /// The optimizers of the library, for names that the program does not declare.
    fn library_optimizers(&mut self) {
        let Some(text) = library("optim") else { return };
        let id = self.sources.add("std.optim", text);
        let source = self.sources.get(id).clone();
        let program = parse(&source, &mut Diags::default());
        for stmt in &program.stmts {
            if let StmtKind::Optimizer { name, .. } = &stmt.kind
                && !self.optimizers.contains_key(&name.text)
            {
                self.collect_optimizer(stmt);
            }
        }
    }

    /// The rule of each parameter; a row of the item changes some hyperparameters of one.
    pub(super) fn rules(
        &mut self,
        params: &[Weight],
        (value, rows): (Option<&Expr>, &[Row]),
        at: Span,
    ) -> Option<Vec<Rule>> {
        let (name, args): (&str, &[Arg]) = match value.map(|value| &value.kind) {
            Some(ExprKind::Name(name)) => (name, &[]),
            Some(ExprKind::Call { callee, args }) => match &callee.kind {
                ExprKind::Name(name) => (name, args),
                _ => ("", args),
            },
            _ => ("", &[]),
        };
        let at = value.map_or(at, |value| value.span);
        if self.broken.iter().any(|broken| broken == name) {
            return None;
        }
        if !self.optimizers.contains_key(name) {
            self.library_optimizers();
        }
        let Some(optimizer) = self.optimizers.get(name).cloned() else {
            let known = self.optimizers.keys().map(String::as_str);
            let help = meant(name, known);
            let problem = self.problem(codes::UNKNOWN_OPTIMIZER, at).here("no such optimizer");
            self.fail(problem.help(help));
            return None;
        };
        let mut given = vec![None; optimizer.hypers.len()];
        self.arguments(&optimizer, args, &mut given)?;
        let mut rules = vec![given; params.len()];
        for row in rows {
            let place = params.iter().position(|weight| weight.name.text == row.name.text);
            let Some(place) = place else {
                self.unknown_parameter(params, row);
                return None;
            };
            self.arguments(&optimizer, &row.args, &mut rules[place])?;
        }
        rules.into_iter().map(|given| self.rule(&optimizer, given, at)).collect()
    }

    /// Puts arguments into the places of the hyperparameters.
    fn arguments(
        &mut self,
        optimizer: &Optimizer,
        args: &[Arg],
        given: &mut [Option<Expr>],
    ) -> Option<()> {
        for (k, arg) in args.iter().enumerate() {
            let name = arg.name.as_ref().map(|name| name.text.as_str());
            let place = match name {
                Some(name) => optimizer.hypers.iter().position(|hyper| hyper.name.text == name),
                None => Some(k).filter(|k| *k < optimizer.hypers.len()),
            };
            let (Some(place), ArgValue::Expr(value)) = (place, &arg.value) else {
                let known = optimizer.hypers.iter().map(|hyper| hyper.name.text.as_str());
                let problem = self
                    .problem(codes::OPTIMIZER_ARGUMENT, arg.value.span())
                    .here(format!("`{}` does not take this", optimizer.name.text))
                    .help(meant(name.unwrap_or_default(), known));
                self.fail(problem);
                return None;
            };
            given[place] = Some(value.clone());
        }
        Some(())
    }

    fn rule(&mut self, optimizer: &Optimizer, given: Vec<Option<Expr>>, at: Span) -> Option<Rule> {
        let mut values = Vec::new();
        for (hyper, given) in optimizer.hypers.iter().zip(given) {
            let Some(value) = given.or_else(|| hyper.value.clone()) else {
                let problem = self
                    .problem(codes::OPTIMIZER_ARGUMENT, at)
                    .here(format!("`{}` is missing", hyper.name.text))
                    .help(format!("write `{}({} = …)`", optimizer.name.text, hyper.name.text));
                self.fail(problem);
                return None;
            };
            values.push(value);
        }
        Some(Rule { optimizer: optimizer.name.text.clone(), values })
    }

    /// The optimizer as a `def`, once.
    pub(super) fn write_optimizer(&mut self, name: &str) {
        let key = format!("{name} optimizer");
        if self.written.contains(&key) {
            return;
        }
        let optimizer = &self.optimizers[name];
        let param = |name: &Name| Param { name: name.clone(), ty: None };
        let span = optimizer.name.span;
        let old = |state: &Hyper| Name { text: format!("{}_old", state.name.text), span };
        let weight = Name { text: "w".to_owned(), span };
        let params = optimizer.hypers.iter().map(|hyper| param(&hyper.name));
        let params = params.chain([param(&weight)]).chain(optimizer.update.iter().map(param));
        let params = params.chain(optimizer.states.iter().map(|state| param(&old(state))));
        let mut stmts = Vec::new();
        for state in &optimizer.states {
            let text = format!("var {} = {};", state.name.text, old(state).text);
            stmts.extend(quote(&text, state.name.span, &[]));
        }
        let states: Vec<Expr> = optimizer
            .states
            .iter()
            .map(|state| Expr { kind: ExprKind::Name(state.name.text.clone()), span })
            .collect();
        let mut body = optimizer.body.stmts.clone();
        with_states(&mut body, &states);
        stmts.extend(body);
        let body = Block { stmts, span: optimizer.body.span };
        let kind = StmtKind::Def { name: optimizer.name.clone(), params: params.collect(), body };
        self.out.push(Stmt { kind, span });
        self.written.push(key);
    }
}

/// Everything that is returned.
fn returned(stmts: &[Stmt]) -> Vec<&Expr> {
    let mut all = Vec::new();
    for stmt in stmts {
        match &stmt.kind {
            StmtKind::Return(value) => all.push(value),
            StmtKind::If { then, otherwise, .. } => {
                all.extend(returned(&then.stmts));
                all.extend(otherwise.iter().flat_map(|block| returned(&block.stmts)));
            }
            StmtKind::For { body, .. } => all.extend(returned(&body.stmts)),
            _ => {}
        }
    }
    all
}

fn values(value: &Expr) -> Vec<Expr> {
    match &value.kind {
        ExprKind::Tuple(parts) => parts.clone(),
        _ => vec![value.clone()],
    }
}

/// Returns the states beside what is returned.
fn with_states(stmts: &mut [Stmt], states: &[Expr]) {
    for stmt in stmts {
        match &mut stmt.kind {
            StmtKind::Return(value) if !states.is_empty() => {
                let mut all = values(value);
                all.extend(states.iter().cloned());
                *value = Expr { kind: ExprKind::Tuple(all), span: value.span };
            }
            StmtKind::If { then, otherwise, .. } => {
                with_states(&mut then.stmts, states);
                otherwise.iter_mut().for_each(|block| with_states(&mut block.stmts, states));
            }
            StmtKind::For { body, .. } => with_states(&mut body.stmts, states),
            _ => {}
        }
    }
}
