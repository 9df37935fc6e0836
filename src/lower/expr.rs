//! Expressions: literals, names, arithmetic, conditions, `@`.

use super::Lowerer;
use super::number::Num;
use super::value::{At, Axis, Val, Value, kind_word};
use crate::diag::codes;
use crate::ir::{Arg, Exponent, NodeId, Prim, passes::linear};
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Number, UnaryOp};

impl Lowerer<'_> {
    pub(super) fn expr(&mut self, expr: &Expr) -> Value {
        self.ir.here = Some(expr.span);
        match &expr.kind {
            ExprKind::Number(number) => self.number(number),
            ExprKind::Name(name) => self.name(name, expr.span),
            ExprKind::Width => {
                let node = self.ir.width(Exponent::from_integer(1));
                Value::Tensor(Val::bare(node, 0, 0))
            }
            ExprKind::Unary { op, arg } => self.unary(*op, arg, expr.span),
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right, expr.span),
            ExprKind::If { cond, then, otherwise } => self.choice(cond, then, otherwise, expr.span),
            ExprKind::Index { base, subscripts } => self.index_expr(base, subscripts, expr.span),
            ExprKind::Call { callee, args } => self.call(callee, args, expr.span),
            ExprKind::Member { base, name } => self.member(base, name),
            ExprKind::Array(parts) => self.array(parts, expr.span),
            ExprKind::Tuple(parts) => {
                Value::Tuple(parts.iter().map(|part| self.expr(part)).collect())
            }
            ExprKind::Text(_) => {
                let problem = self
                    .problem(codes::TEXT_AS_VALUE, expr.span)
                    .here("text is only a file name here");
                self.fail(problem)
            }
            ExprKind::Prime(inner) => {
                let name = self.text(inner.span).to_owned();
                let problem = self
                    .problem(codes::PRIME_WITHOUT_CALL, expr.span)
                    .here("a derivative must be called")
                    .help(format!("write `{name}'(z)`; for a value, `grad(s, {name})`"));
                self.fail(problem)
            }
            ExprKind::Error => Value::Error,
        }
    }

    /// The value of an expression that must be one tensor; `None` after a diagnostic.
    pub(super) fn tensor(&mut self, expr: &Expr) -> Option<Val> {
        match self.expr(expr) {
            Value::Tensor(val) => Some(val),
            Value::Tuple(_) => {
                let problem = self
                    .problem(codes::TUPLE_AS_VALUE, expr.span)
                    .here("several values where one is needed")
                    .help("unpack them first: `let (a, b) = …;`");
                self.diags.push(problem);
                None
            }
            Value::Error => None,
        }
    }

    pub(super) fn at(&mut self, expr: &Expr) -> Option<At> {
        self.tensor(expr).map(|val| At { val, span: expr.span })
    }

    fn number(&mut self, number: &Number) -> Value {
        let node = self.ir.constant(number.value);
        let known = Num::new(number.exact, number.value);
        Value::Tensor(Val { known: Some(known), ..Val::bare(node, 0, 0) })
    }

    fn unary(&mut self, op: UnaryOp, arg: &Expr, span: Span) -> Value {
        let Some(arg) = self.at(arg) else { return Value::Error };
        let op = match op {
            UnaryOp::Neg => Prim::Neg,
            UnaryOp::Not => Prim::Not,
        };
        self.combine(op, &[arg], span)
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: Span) -> Value {
        let (left, right) = (self.at(left), self.at(right));
        let (Some(left), Some(right)) = (left, right) else { return Value::Error };
        let (prim, swapped, negated) = match op {
            BinaryOp::MatMul => return self.matmul(&left, &right, span),
            BinaryOp::Pow => return self.power(left, right, span),
            BinaryOp::Add => (Prim::Add, false, false),
            BinaryOp::Sub => (Prim::Sub, false, false),
            BinaryOp::Mul => (Prim::Mul, false, false),
            BinaryOp::Div => (Prim::Div, false, false),
            BinaryOp::Eq => (Prim::Eq, false, false),
            BinaryOp::Ne => (Prim::Eq, false, true),
            BinaryOp::Lt => (Prim::Lt, false, false),
            BinaryOp::Gt => (Prim::Lt, true, false),
            BinaryOp::Le => (Prim::Le, false, false),
            BinaryOp::Ge => (Prim::Le, true, false),
            BinaryOp::And => (Prim::And, false, false),
            BinaryOp::Or => (Prim::Or, false, false),
        };
        let args = if swapped { [right, left] } else { [left, right] };
        match self.combine(prim, &args, span) {
            Value::Tensor(val) if negated => self.combine(Prim::Not, &[At { val, span }], span),
            value => value,
        }
    }

    /// `x ^ p`: a constant exponent keeps its exact value, which the scale analysis needs.
    pub(super) fn power(&mut self, base: At, exponent: At, span: Span) -> Value {
        if let (Some(_), Some(_)) = (base.val.known, exponent.val.known) {
            return self.combine(Prim::Powf, &[base, exponent], span);
        }
        match exponent.val.known.and_then(Num::as_exponent) {
            Some(power) => self.combine(Prim::Pow(power), &[base], span),
            None if matches!(self.ir.node(base.val.node), crate::ir::Node::Width(_)) => {
                let problem = self
                    .problem(codes::WIDTH_POWER, exponent.span)
                    .here("a power of n must be an exact rational known at compile time")
                    .help("write `n^(-1/2)`, or a `const` that is exact");
                self.fail(problem)
            }
            None => self.combine(Prim::Powf, &[base, exponent], span),
        }
    }

    /// `if c then a else b`: decided now where c is known, else entry by entry.
    fn choice(&mut self, cond: &Expr, then: &Expr, otherwise: &Expr, span: Span) -> Value {
        let Some(cond) = self.at(cond) else { return Value::Error };
        if let Some(known) = cond.val.known {
            return self.expr(if known.value != 0.0 { then } else { otherwise });
        }
        let (then, otherwise) = (self.at(then), self.at(otherwise));
        let (Some(then), Some(otherwise)) = (then, otherwise) else { return Value::Error };
        self.combine(Prim::Select, &[cond, then, otherwise], span)
    }

    fn index_expr(
        &mut self,
        base: &Expr,
        subscripts: &[crate::syntax::ast::Subscript],
        span: Span,
    ) -> Value {
        if let ExprKind::Name(name) = &base.kind
            && super::binder::is_binder(name)
            && self.find(name).is_none()
        {
            let problem = self
                .problem(codes::BINDER_WITHOUT_BODY, span)
                .here(format!("`{name}[…]` needs what it runs over"))
                .help(format!("write `{}(…)`", self.text(span)));
            return self.fail(problem);
        }
        self.subscripted(base, subscripts)
    }

    fn member(&mut self, base: &Expr, name: &crate::syntax::ast::Name) -> Value {
        let Some(val) = self.tensor(base) else { return Value::Error };
        if name.text != "T" {
            let problem = self
                .problem(codes::UNKNOWN_MEMBER, name.span)
                .here("no such member")
                .help("a mat has the transpose `.T`");
            return self.fail(problem);
        }
        let axes = val.bare_width();
        let [row, column] = axes.as_slice() else {
            let problem = self
                .problem(codes::TRANSPOSE_KIND, base.span)
                .here(format!("this is a {}", self.type_of(&val)))
                .help("only a mat has a transpose; static axes are exchanged by `let y[i, j] = x[j, i]`");
            return self.fail(problem);
        };
        let shape = self.ir.shape(val.node).clone();
        let swap = |axis: usize| match axis {
            axis if axis == *row => *column,
            axis if axis == *column => *row,
            axis => axis,
        };
        let arg = Arg {
            node: val.node,
            stat: (0..shape.stat.len()).collect(),
            width: (0..shape.width).map(swap).collect(),
        };
        let node = self.ir.map(Prim::Id, shape, vec![arg]);
        Value::Tensor(Val { node, ..val })
    }

    /// `[a, b]`: values of one kind and shape along a new static axis.
    fn array(&mut self, parts: &[Expr], span: Span) -> Value {
        let vals: Option<Vec<At>> = parts.iter().map(|part| self.at(part)).collect();
        vals.map_or(Value::Error, |vals| self.stacked(&vals, span))
    }

    /// Values along a new first static axis; what lacks an index variable or a width axis is broadcast.
    pub(super) fn stacked(&mut self, vals: &[At], span: Span) -> Value {
        let mut common = Vec::new();
        for (k, at) in vals.iter().enumerate() {
            let mut args = vec![at.clone()];
            for other in
                vals.iter().enumerate().filter(|(other, _)| *other != k).map(|(_, other)| other)
            {
                let (mine, theirs) = (self.bare_sizes(&at.val), self.bare_sizes(&other.val));
                if mine != theirs {
                    let problem = self
                        .problem(codes::STACK_MISMATCH, other.span)
                        .here(format!("static axes {theirs:?}"))
                        .label(at.span, format!("static axes {mine:?}"))
                        .help("entries of an array have one shape");
                    return self.fail(problem);
                }
                args.push(other.clone());
            }
            match self.spread(&args, span) {
                Value::Tensor(val) => common.push(val),
                other => return other,
            }
        }
        let node = self.ir.stack(common.iter().map(|val| val.node).collect());
        let stat = std::iter::once(Axis::Bare).chain(common[0].stat.iter().copied()).collect();
        Value::Tensor(Val { node, stat, width: common[0].width.clone(), known: None })
    }

    fn bare_sizes(&self, val: &Val) -> Vec<usize> {
        let stat = &self.ir.shape(val.node).stat;
        val.bare_stat().into_iter().map(|axis| stat[axis]).collect()
    }

    /// The first value with all axes of the others: first + 0·others, without the arithmetic.
    fn spread(&mut self, args: &[At], span: Span) -> Value {
        let mut result = Value::Tensor(args[0].val.clone());
        for other in &args[1..] {
            let Value::Tensor(val) = result else { return result };
            // mats must not meet entry by entry
            if (&val.stat, &val.width) == (&other.val.stat, &other.val.width) {
                result = Value::Tensor(val);
                continue;
            }
            let yes = self.ir.constant(1.0);
            let yes = At { val: Val::bare(yes, 0, 0), span };
            result = self.combine(
                Prim::Select,
                &[yes, At { val, span: args[0].span }, other.clone()],
                span,
            );
        }
        result
    }

    /// `W @ x`.
    fn matmul(&mut self, left: &At, right: &At, span: Span) -> Value {
        let problem = match (left.val.kind(), right.val.kind()) {
            (2, 1) => None,
            (2, 2) => Some(
                "a product of two mats is no Tensor Program: apply them one after the other, `A @ (B @ x)`",
            ),
            (1, 1) => Some(
                "for the mean of a product of entries write `avg(x * y)`, for an outer product `let K[a, b] = x[a] * y[b]`",
            ),
            _ => Some("`@` applies a mat to a vec; for scalars write `*`"),
        };
        if let Some(help) = problem {
            let found = format!("{} @ {}", kind_word(left.val.kind()), kind_word(right.val.kind()));
            let problem = self
                .problem(codes::MATMUL_KINDS, span)
                .here(format!("this is {found}"))
                .note(format!("found:    {found}"))
                .note("expected: mat @ vec")
                .help(help);
            return self.fail(problem);
        }
        if left.val.stat.contains(&Axis::Bare) {
            let problem = self
                .problem(codes::MATMUL_STATIC, left.span)
                .here(format!("this is a {}", self.type_of(&left.val)))
                .help("say which matrix acts on what: `let q[l, i] = W[l] @ x[i]`");
            return self.fail(problem);
        }
        let free = |axis: &Axis| axis.free().is_some();
        if let Some(at) = [left, right].into_iter().find(|at| at.val.width.iter().any(free)) {
            let problem = self
                .problem(codes::MATMUL_WIDTH_INDEX, at.span)
                .here("this is subscripted by a width index")
                .help("`@` contracts a bare width axis: bind the vec first, then subscript the product");
            return self.fail(problem);
        }
        self.ir.here = Some(span);
        if let Err(linear::NotLinear(node)) = self.linear_in_entries(left.val.node) {
            let place = self.ir.origins(node).first().copied().unwrap_or(left.span);
            let problem = self
                .problem(codes::MATRIX_NONLINEAR, place)
                .here("an initial matrix is used nonlinearly here")
                .label(left.span, "and applied here");
            return self.fail(problem);
        }
        let (node, stat) = self.product(&left.val, &right.val);
        Value::Tensor(Val { node, stat, width: vec![Axis::Bare], known: None })
    }

    /// Whether every static entry is a combination of initial matrices and an outer product.
    fn linear_in_entries(&mut self, mat: NodeId) -> Result<(), linear::NotLinear> {
        let Some(size) = self.ir.shape(mat).stat.first().copied() else {
            return linear::decompose(&mut self.ir, mat).map(|_| ());
        };
        (0..size).try_for_each(|at| {
            let entry = self.ir.index(mat, 0, at);
            self.linear_in_entries(entry)
        })
    }

    /// The product for each entry of the left side's index variables.
    fn product(&mut self, left: &Val, right: &Val) -> (NodeId, Vec<Axis>) {
        let Some(label) = left.stat.first().copied() else {
            return (self.ir.matmul(left.node, false, right.node), right.stat.clone());
        };
        let size = self.ir.shape(left.node).stat[0];
        let shared = right.stat.iter().position(|axis| *axis == label);
        let mut nodes = Vec::new();
        let mut stat = Vec::new();
        for at in 0..size {
            let mut left = Val { node: self.ir.index(left.node, 0, at), ..left.clone() };
            left.stat.remove(0);
            let mut right = right.clone();
            if let Some(axis) = shared {
                right.node = self.ir.index(right.node, axis, at);
                right.stat.remove(axis);
            }
            let (node, labels) = self.product(&left, &right);
            nodes.push(node);
            stat = labels;
        }
        stat.insert(0, label);
        (self.ir.stack(nodes), stat)
    }
}
