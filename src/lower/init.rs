//! `init` declarations: standardised symbols and the linear maps that give them their laws.

use super::Lowerer;
use super::assign::kind_width;
use super::scope::How;
use super::value::{Val, Value};
use crate::diag::codes;
use crate::ir::scalar::to_f64;
use crate::ir::{Exponent, Init, Ir, Law, Node, NodeId, Prim, Shape};
use crate::source::Span;
use crate::syntax::ast::{self, ArgValue, BinaryOp, Expr, ExprKind, UnaryOp};

/// A law of one entry: mean + factor · standardised symbol; no symbol for a constant.
struct Parsed {
    law: Option<Law>,
    mean: NodeId,
    factor: NodeId,
}

impl Lowerer<'_> {
    pub(super) fn init(&mut self, names: &[ast::Name], ty: &ast::Type, law: &Expr) {
        let sizes: Option<Vec<usize>> =
            ty.sizes.iter().map(|size| self.static_size(size)).collect();
        let (Some(sizes), Some(width)) = (sizes, kind_width(ty.kind)) else {
            return self.poison(names);
        };
        let shape = Shape::new(sizes, width);
        if let Some((means, rows)) = joint(law) {
            return self.joint_init(names, &shape, (means, rows), law.span);
        }
        let Some(parsed) = self.law(law) else { return self.poison(names) };
        if width == 2 && !self.ir.is_zero(parsed.mean) {
            let problem = self
                .problem(codes::MATRIX_MEAN, law.span)
                .here("the entries of this mat have a mean")
                .help("write the mean as an outer product: `let A = W + K` with `let K[a, b] = m/n * (x[a] * y[b])`");
            self.diags.push(problem);
            return self.poison(names);
        }
        for name in names {
            self.ir.here = Some(name.span);
            let node = match parsed.law {
                Some(law) => {
                    let symbol = self.symbol(name, &shape, law);
                    self.affine(symbol, &parsed, &shape)
                }
                None => {
                    let val = self.widened_mean(parsed.mean, &shape);
                    val.node
                }
            };
            let value = Value::Tensor(Val::bare(node, shape.stat.len(), width));
            self.bind_value(name, value, How::Once);
        }
    }

    fn poison(&mut self, names: &[ast::Name]) {
        for name in names {
            self.bind_value(name, Value::Error, How::Once);
        }
    }

    fn symbol(&mut self, name: &ast::Name, shape: &Shape, law: Law) -> NodeId {
        let stream = u32::try_from(self.ir.inits.len()).expect("programs have few initial objects");
        let (shape, span) = (shape.clone(), name.span);
        self.ir.new_init(Init { name: name.text.clone(), shape, law, stream, span })
    }

    fn widened_mean(&mut self, mean: NodeId, shape: &Shape) -> Val {
        let mean = crate::ir::Arg { node: mean, stat: vec![], width: vec![] };
        let node = self.ir.map(Prim::Id, shape.clone(), vec![mean]);
        Val::bare(node, shape.stat.len(), shape.width)
    }

    /// mean + factor · symbol; the symbol of a mat has entry variance 1/n.
    fn affine(&mut self, symbol: NodeId, parsed: &Parsed, shape: &Shape) -> NodeId {
        let factor = if shape.width == 2 {
            let root = self.ir.width(Exponent::new(1, 2));
            self.times(parsed.factor, root)
        } else {
            parsed.factor
        };
        let scaled = self.ir.apply(Prim::Mul, &[factor, symbol]);
        self.ir.apply(Prim::Add, &[parsed.mean, scaled])
    }

    /// A product of c·n^p with d·n^q, the powers of n collected.
    fn times(&mut self, left: NodeId, right: NodeId) -> NodeId {
        match (monomial(&self.ir, left), monomial(&self.ir, right)) {
            (Some((c, p)), Some((d, q))) => self.monomial_node(c * d, p + q),
            _ => self.ir.apply(Prim::Mul, &[left, right]),
        }
    }

    fn monomial_node(&mut self, coefficient: f64, power: Exponent) -> NodeId {
        let (c, p) = (self.ir.constant(coefficient), self.ir.width(power));
        self.ir.apply(Prim::Mul, &[c, p])
    }

    fn law(&mut self, law: &Expr) -> Option<Parsed> {
        match &law.kind {
            ExprKind::Binary { op: BinaryOp::Mul, left, right } => {
                let (inner, factor) = if is_law(left) { (left, right) } else { (right, left) };
                let parsed = self.law(inner)?;
                let factor = self.coefficient(factor)?;
                Some(self.multiplied(parsed, factor))
            }
            ExprKind::Binary { op: BinaryOp::Div, left, right } => {
                let parsed = self.law(left)?;
                let divisor = self.coefficient(right)?;
                let one = self.ir.constant(1.0);
                let factor = match monomial(&self.ir, divisor) {
                    Some((c, p)) if c != 0.0 => self.monomial_node(1.0 / c, -p),
                    _ => self.ir.apply(Prim::Div, &[one, divisor]),
                };
                Some(self.multiplied(parsed, factor))
            }
            ExprKind::Unary { op: UnaryOp::Neg, arg } => {
                let parsed = self.law(arg)?;
                let factor = self.ir.constant(-1.0);
                Some(self.multiplied(parsed, factor))
            }
            ExprKind::Call { callee, args } => match &callee.kind {
                ExprKind::Name(name) => self.named_law(name, args, law.span),
                _ => self.not_a_law(law.span),
            },
            _ => self.not_a_law(law.span),
        }
    }

    fn multiplied(&mut self, parsed: Parsed, factor: NodeId) -> Parsed {
        Parsed {
            law: parsed.law,
            mean: self.times(parsed.mean, factor),
            factor: self.times(parsed.factor, factor),
        }
    }

    fn not_a_law(&mut self, span: Span) -> Option<Parsed> {
        let problem = self
            .problem(codes::UNKNOWN_LAW, span)
            .here("this is no law")
            .help("laws are `N(mean, variance)`, `uniform(lo, hi)`, `rademacher()` and `constant(c)`, times or over a scalar");
        self.diags.push(problem);
        None
    }

    fn named_law(&mut self, name: &str, args: &[ast::Arg], span: Span) -> Option<Parsed> {
        let parts: Option<Vec<&Expr>> = args
            .iter()
            .map(|arg| match arg {
                ast::Arg { name: None, value: ArgValue::Expr(expr) } => Some(expr),
                _ => None,
            })
            .collect();
        let expected = match name {
            "N" | "uniform" => 2,
            "rademacher" => 0,
            "constant" => 1,
            _ => return self.not_a_law(span),
        };
        let Some(parts) = parts.filter(|parts| parts.len() == expected) else {
            self.arity(name, span, &expected.to_string(), args.len());
            return None;
        };
        let (zero, one) = (self.ir.constant(0.0), self.ir.constant(1.0));
        match name {
            "N" => {
                let (mean, variance) = (self.coefficient(parts[0])?, self.coefficient(parts[1])?);
                let factor = self.root(variance, parts[1].span)?;
                Some(Parsed { law: Some(Law::Normal), mean, factor })
            }
            "uniform" => self.uniform(parts[0], parts[1], span),
            "rademacher" => Some(Parsed { law: Some(Law::Rademacher), mean: zero, factor: one }),
            _ => Some(Parsed { law: None, mean: self.coefficient(parts[0])?, factor: zero }),
        }
    }

    fn uniform(&mut self, lo: &Expr, hi: &Expr, span: Span) -> Option<Parsed> {
        let (lo, hi) = (self.coefficient(lo)?, self.coefficient(hi)?);
        let half = self.ir.constant(0.5);
        let sum = self.ir.apply(Prim::Add, &[lo, hi]);
        let mean = self.times(half, sum);
        let width = self.ir.apply(Prim::Sub, &[hi, lo]);
        if let Some((length, _)) = monomial(&self.ir, width)
            && length <= 0.0
        {
            let problem = self
                .problem(codes::LAW_ARGUMENT, span)
                .here("the bounds of this interval are not in order")
                .note("expected: `uniform(lo, hi)` with lo < hi");
            self.diags.push(problem);
            return None;
        }
        let deviation = self.ir.constant(1.0 / 12f64.sqrt());
        let factor = self.times(width, deviation);
        Some(Parsed { law: Some(Law::Uniform), mean, factor })
    }

    /// A scalar made of constants and powers of n.
    fn coefficient(&mut self, expr: &Expr) -> Option<NodeId> {
        let val = self.tensor(expr)?;
        let scalar = val.stat.is_empty() && val.width.is_empty();
        let node =
            scalar.then(|| crate::ir::passes::erase::without_bindings(&mut self.ir, val.node));
        let node = node.filter(|node| free_of_symbols(&self.ir, *node));
        if node.is_none() {
            let problem = self
                .problem(codes::LAW_ARGUMENT, expr.span)
                .here("the parameters of a law are constants and powers of n")
                .help("draw a standardised vec and transform it: `let y = m + s * x;`");
            self.diags.push(problem);
        }
        node
    }

    /// √(c n^p).
    fn root(&mut self, variance: NodeId, span: Span) -> Option<NodeId> {
        match monomial(&self.ir, variance) {
            Some((c, p)) if c >= 0.0 => Some(self.monomial_node(c.sqrt(), p / 2)),
            Some((c, _)) => {
                let problem = self
                    .problem(codes::NEGATIVE_VARIANCE, span)
                    .here(format!("this is {c} times a power of n"));
                self.diags.push(problem);
                None
            }
            None => {
                let problem = self
                    .problem(codes::LAW_ARGUMENT, span)
                    .here("a variance is a constant times a power of n")
                    .help("for a sum of variances add independent vecs: `let x = y + z;`");
                self.diags.push(problem);
                None
            }
        }
    }

    /// `init u, v : vec ~ N([0, 0], [[1, r], [r, 1]]);` by the Cholesky factor of the covariance.
    fn joint_init(
        &mut self,
        names: &[ast::Name],
        shape: &Shape,
        (means, rows): (&[Expr], Vec<&[Expr]>),
        span: Span,
    ) {
        let count = names.len();
        if means.len() != count || rows.len() != count || rows.iter().any(|row| row.len() != count)
        {
            let problem = self
                .problem(codes::JOINT_LAW_SIZE, span)
                .here(format!("a mean of {} and a covariance of {} rows", means.len(), rows.len()))
                .note(format!(
                    "expected: {count} means and {count}×{count} covariances, one for each name"
                ));
            self.diags.push(problem);
            return self.poison(names);
        }
        if shape.width == 2 {
            let problem = self
                .problem(codes::JOINT_LAW_MATRIX, span)
                .here("a joint law of mats")
                .help("combine independent mats: `let B = r * A + sqrt(1 - r^2) * C;`");
            self.diags.push(problem);
            return self.poison(names);
        }
        let numbers = |this: &mut Self, row: &[Expr]| -> Option<Vec<f64>> {
            row.iter().map(|entry| this.known_number(entry)).collect()
        };
        let means = numbers(self, means);
        let rows: Option<Vec<Vec<f64>>> = rows.into_iter().map(|row| numbers(self, row)).collect();
        let (Some(means), Some(rows)) = (means, rows) else { return self.poison(names) };
        let Some(factor) = cholesky(&rows) else {
            let problem = self
                .problem(codes::NOT_A_COVARIANCE, span)
                .here("this matrix is not symmetric and positive semidefinite");
            self.diags.push(problem);
            return self.poison(names);
        };
        let symbols: Vec<NodeId> =
            names.iter().map(|name| self.symbol(name, shape, Law::Normal)).collect();
        for (k, name) in names.iter().enumerate() {
            let mut node = self.ir.constant(means[k]);
            for (symbol, coefficient) in symbols.iter().zip(&factor[k]) {
                let coefficient = self.ir.constant(*coefficient);
                let scaled = self.ir.apply(Prim::Mul, &[coefficient, *symbol]);
                node = self.ir.apply(Prim::Add, &[node, scaled]);
            }
            let node = if self.ir.shape(node) == shape {
                node
            } else {
                self.widened_mean(node, shape).node
            };
            let value = Value::Tensor(Val::bare(node, shape.stat.len(), shape.width));
            self.bind_value(name, value, How::Once);
        }
    }

    fn known_number(&mut self, expr: &Expr) -> Option<f64> {
        let val = self.tensor(expr)?;
        if val.known.is_none() {
            let problem = self
                .problem(codes::NOT_STATIC, expr.span)
                .here("this is not known at compile time");
            self.diags.push(problem);
        }
        val.known.map(|known| known.value)
    }
}

fn is_law(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { callee, .. } => {
            matches!(&callee.kind, ExprKind::Name(name) if ["N", "uniform", "rademacher", "constant"].contains(&name.as_str()))
        }
        ExprKind::Binary { op: BinaryOp::Mul, left, right } => is_law(left) || is_law(right),
        ExprKind::Binary { op: BinaryOp::Div, left, .. } => is_law(left),
        ExprKind::Unary { op: UnaryOp::Neg, arg } => is_law(arg),
        _ => false,
    }
}

/// The means and the rows of the covariance of a joint law.
fn joint(law: &Expr) -> Option<(&[Expr], Vec<&[Expr]>)> {
    let ExprKind::Call { args, .. } = &law.kind else { return None };
    let [
        ast::Arg { value: ArgValue::Expr(Expr { kind: ExprKind::Array(means), .. }), .. },
        ast::Arg { value: ArgValue::Expr(Expr { kind: ExprKind::Array(rows), .. }), .. },
    ] = args.as_slice()
    else {
        return None;
    };
    let row = |row: &'_ Expr| match &row.kind {
        ExprKind::Array(_) => Some(()),
        _ => None,
    };
    rows.iter().all(|r| row(r).is_some()).then(|| {
        let rows = rows.iter().filter_map(|row| match &row.kind {
            ExprKind::Array(entries) => Some(entries.as_slice()),
            _ => None,
        });
        (means.as_slice(), rows.collect())
    })
}

/// c and p of a scalar c · n^p, if it is one by construction.
fn monomial(ir: &Ir, node: NodeId) -> Option<(f64, Exponent)> {
    let zero = Exponent::from_integer(0);
    match ir.node(node) {
        Node::Const(value) => Some((value.get(), zero)),
        Node::Width(power) => Some((1.0, *power)),
        Node::Map { op, args, .. } => {
            let (c, p) = monomial(ir, args[0].node)?;
            let second = || args.get(1).and_then(|arg| monomial(ir, arg.node));
            match op {
                Prim::Id => Some((c, p)),
                Prim::Neg => Some((-c, p)),
                Prim::Sqrt => Some((c.sqrt(), p / 2)),
                Prim::Pow(q) => Some((crate::num::special::power(c, to_f64(*q)), p * *q)),
                Prim::Mul => second().map(|(d, q)| (c * d, p + q)),
                Prim::Div => second().map(|(d, q)| (c / d, p - q)),
                Prim::Add => second().filter(|(_, q)| *q == p).map(|(d, _)| (c + d, p)),
                Prim::Sub => second().filter(|(_, q)| *q == p).map(|(d, _)| (c - d, p)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn free_of_symbols(ir: &Ir, node: NodeId) -> bool {
    ir.reachable(&[node])
        .iter()
        .all(|id| matches!(ir.node(*id), Node::Const(_) | Node::Width(_) | Node::Map { .. }))
}

/// A lower triangular factor of a positive semidefinite matrix; zero columns where it is singular.
fn cholesky(rows: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let count = rows.len();
    let size = rows.iter().flatten().fold(0.0_f64, |most, entry| most.max(entry.abs()));
    let tolerance = 1e-12 * size;
    let mut factor = vec![vec![0.0; count]; count];
    for i in 0..count {
        for j in 0..=i {
            if (rows[i][j] - rows[j][i]).abs() > tolerance {
                return None;
            }
            let rest: f64 = rows[i][j] - (0..j).map(|k| factor[i][k] * factor[j][k]).sum::<f64>();
            if i == j {
                if rest < -tolerance {
                    return None;
                }
                factor[i][i] = if rest > tolerance { rest.sqrt() } else { 0.0 };
            } else if factor[j][j] > 0.0 {
                factor[i][j] = rest / factor[j][j];
            } else if rest.abs() > tolerance {
                return None;
            }
        }
    }
    Some(factor)
}
