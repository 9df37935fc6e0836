//! A `net` becomes a `def` of its parameters and inputs; its parameters become initial objects.

use super::Expander;
use super::contracted::is_contracted;
use super::quote::{factor, quote};
use crate::diag::codes;
use crate::syntax::ast::{Block, Expr, ExprKind, Kind, Name, Param, Stmt, StmtKind, Type};

/// A declared network.
pub(super) struct Net {
    pub(super) name: Name,
    pub(super) inputs: Vec<Param>,
    pub(super) params: Vec<Weight>,
    body: Block,
}

/// A declared parameter.
#[derive(Clone)]
pub(super) struct Weight {
    pub(super) name: Name,
    pub(super) ty: Type,
    /// Whether the network contracts its width axis, as the last layer does.
    pub(super) contracted: bool,
}

impl Weight {
    /// How many width axes it has.
    pub(super) fn width(&self) -> usize {
        match self.ty.kind {
            Kind::Scalar | Kind::Error => 0,
            Kind::Vec => 1,
            Kind::Mat => 2,
        }
    }
}

impl Expander<'_> {
    pub(super) fn collect_net(&mut self, stmt: &Stmt) {
        let StmtKind::Net { name, inputs, body } = &stmt.kind else { return };
        if let Some(first) = self.nets.get(&name.text) {
            let problem = self.problem(codes::DUPLICATE_NAME, name.span);
            let problem = problem.here("a second network of this name");
            let problem = problem.label(first.name.span, "the first");
            return self.fail(problem);
        }
        let mut params = Vec::new();
        let mut rest = Vec::new();
        for inner in &body.stmts {
            match &inner.kind {
                StmtKind::Param { names, ty } => {
                    let contracted = |name: &Name| is_contracted(name, ty.sizes.len(), &body.stmts);
                    params.extend(names.iter().map(|name| Weight {
                        name: name.clone(),
                        ty: ty.clone(),
                        contracted: contracted(name),
                    }));
                }
                _ => rest.push(inner.clone()),
            }
        }
        let lacks = if params.is_empty() {
            Some(("it has no parameters", "declare what is trained: `param v : vec;`"))
        } else if !rest.iter().any(returns) {
            Some(("it returns nothing", "end it with `return e;`"))
        } else if inputs.is_empty() {
            Some(("it has no input", "write `net f(x : scalar[d]) { … }`"))
        } else {
            None
        };
        if let Some((fact, help)) = lacks {
            let problem = self.problem(codes::NET_BODY, name.span).here(fact).help(help);
            self.fail(problem);
        }
        let body = Block { stmts: rest, span: body.span };
        let net = Net { name: name.clone(), inputs: inputs.clone(), params, body };
        self.nets.insert(name.text.clone(), net);
    }

    /// The network as a `def`.
    pub(super) fn write_net(&mut self, name: &str) {
        let net = &self.nets[name];
        let weight = |weight: &Weight| Param { name: weight.name.clone(), ty: None };
        let params = net.params.iter().map(weight).chain(net.inputs.iter().cloned());
        let kind = StmtKind::Def {
            name: net.name.clone(),
            params: params.collect(),
            body: net.body.clone(),
        };
        self.out.push(Stmt { kind, span: net.name.span });
    }

    /// The data, sizes, initial objects and variables of a trained network, once.
    pub(super) fn write_params(&mut self, name: &str) {
        let key = format!("{name} parameters");
        let Some(plan) = self.plan_of(name).cloned() else { return };
        if self.written.contains(&key) {
            return;
        }
        let mut stmts = Vec::new();
        let on: Vec<(String, &Expr)> =
            plan.inputs.iter().enumerate().map(|(k, expr)| (format!("_{k}"), expr)).collect();
        for (k, (hole, expr)) in on.iter().enumerate() {
            let part = self.names.of_part(name, &input_part(k, on.len()));
            stmts.extend(quote(&format!("let {part} = {hole};"), expr.span, &[(hole, expr)]));
        }
        let targets = self.names.of_part(name, "targets");
        let text = format!("let {targets} = _y;");
        stmts.extend(quote(&text, plan.targets.span, &[("_y", &plan.targets)]));
        stmts.extend(self.sizes(name));
        let net = &self.nets[name];
        for ((weight, abcd), sigma) in net.params.iter().zip(&plan.scheme.params).zip(&plan.sigma) {
            let first = self.names.of_part(name, &format!("{}_0", weight.name.text));
            let now = self.names.of_part(name, &weight.name.text);
            let variance = match sigma {
                Some(_) => format!("{}_s^2", factor(-abcd[1] * 2)),
                None => format!("{}1", factor(-abcd[1] * 2)),
            };
            let variance = variance.replace(" * 1", "");
            let text = format!("init {first} : vec ~ N(0, {variance}); var {now} = {first};");
            let holes: Vec<(&str, &Expr)> = sigma.iter().map(|sigma| ("_s", sigma)).collect();
            let mut pair = quote(&text, weight.name.span, &holes);
            if let Some(StmtKind::Init { ty, .. }) = pair.first_mut().map(|stmt| &mut stmt.kind) {
                *ty = weight.ty.clone();
            }
            stmts.extend(pair);
        }
        self.out.extend(stmts);
        self.written.push(key);
    }

    /// Sizes of inputs that nothing in the program declares: they come from the data.
    fn sizes(&self, name: &str) -> Vec<Stmt> {
        let net = &self.nets[name];
        let mut known: Vec<String> = Vec::new();
        let mut stmts = Vec::new();
        for (k, input) in net.inputs.iter().enumerate() {
            let sizes = input.ty.as_ref().map_or(&[][..], |ty| ty.sizes.as_slice());
            let open = |size: &Expr| match &size.kind {
                ExprKind::Name(text) => {
                    (!self.declared.contains(text) && !known.contains(text)).then(|| text.clone())
                }
                _ => None,
            };
            let names: Vec<Option<String>> = sizes.iter().map(open).collect();
            if names.iter().all(Option::is_none) {
                continue;
            }
            let unused = |axis: usize| self.names.of_part(name, &format!("size{k}{axis}"));
            let targets: Vec<String> = (names.iter().enumerate())
                .map(|(axis, open)| open.clone().unwrap_or_else(|| unused(axis)))
                .collect();
            known.extend(names.into_iter().flatten());
            let left = match targets.as_slice() {
                [one] => one.clone(),
                _ => format!("({})", targets.join(", ")),
            };
            let data = self.names.of_part(name, &input_part(k, net.inputs.len()));
            let span = input.name.span;
            stmts.extend(quote(&format!("let {left} = shape({data}[0]);"), span, &[]));
        }
        stmts
    }
}

/// The name of the k-th array of inputs.
pub(super) fn input_part(k: usize, count: usize) -> String {
    if count == 1 { "inputs".to_owned() } else { format!("inputs{k}") }
}

fn returns(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Return(_) => true,
        StmtKind::If { then, otherwise, .. } => {
            then.stmts.iter().any(returns)
                || otherwise.iter().any(|block| block.stmts.iter().any(returns))
        }
        StmtKind::For { body, .. } => body.stmts.iter().any(returns),
        _ => false,
    }
}
