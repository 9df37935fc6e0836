//! Exponents: exact rationals known before anything is lowered.

use crate::diag::Diags;
use crate::ir::Exponent;
use crate::source::{FileId, Source};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Program, StmtKind, UnaryOp};
use crate::syntax::parse;
use num_rational::Ratio;
use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub, ToPrimitive, Zero};
use std::collections::BTreeMap;

/// Constants of the program that are exact.
pub(super) struct Consts(BTreeMap<String, Ratio<i128>>);

impl Consts {
    pub(super) fn of(program: &Program, overrides: &BTreeMap<String, String>) -> Self {
        let mut consts = Self(BTreeMap::new());
        for stmt in &program.stmts {
            if let StmtKind::Const { name, value } = &stmt.kind {
                let given = overrides.get(&name.text).and_then(|text| expression(text));
                if let Some(exact) = consts.exact(given.as_ref().unwrap_or(value)) {
                    consts.0.insert(name.text.clone(), exact);
                }
            }
        }
        consts
    }

    /// The exact value of an expression of numbers and constants.
    pub(super) fn exact(&self, expr: &Expr) -> Option<Ratio<i128>> {
        match &expr.kind {
            ExprKind::Number(number) => number.exact,
            ExprKind::Name(name) => self.0.get(name).copied(),
            ExprKind::Unary { op: UnaryOp::Neg, arg } => self.exact(arg).map(|value| -value),
            ExprKind::Binary { op, left, right } => {
                let (x, y) = (self.exact(left)?, self.exact(right)?);
                match op {
                    BinaryOp::Add => x.checked_add(&y),
                    BinaryOp::Sub => x.checked_sub(&y),
                    BinaryOp::Mul => x.checked_mul(&y),
                    BinaryOp::Div => (!y.is_zero()).then(|| x.checked_div(&y)).flatten(),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The same as a power of n.
    pub(super) fn exponent(&self, expr: &Expr) -> Option<Exponent> {
        let exact = self.exact(expr)?;
        let small = |part: i128| (part.abs() <= 1 << 20).then(|| part.to_i64()).flatten();
        Some(Exponent::new(small(*exact.numer())?, small(*exact.denom())?))
    }
}

/// A text as an expression.
pub(super) fn expression(text: &str) -> Option<Expr> {
    let source =
        Source { id: FileId(0), name: String::new(), text: format!("const value = {text};") };
    let mut diags = Diags::default();
    let program = parse(&source, &mut diags);
    match program.stmts.into_iter().next().map(|stmt| stmt.kind) {
        Some(StmtKind::Const { value, .. }) if !diags.has_errors() => Some(value),
        _ => None,
    }
}
