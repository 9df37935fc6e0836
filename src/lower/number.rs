//! Numbers known at compile time, exact where they can be: sizes, loop variables and powers of n must be exact.

use crate::ir::{Exponent, Prim};
use num_rational::Ratio;
use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub, Signed, ToPrimitive, Zero};

/// A compile-time number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Num {
    exact: Option<Ratio<i128>>,
    pub(super) value: f64,
}

impl Num {
    pub(super) fn exact(value: Ratio<i128>) -> Self {
        Self { exact: Some(value), value: value.to_f64().unwrap_or(f64::NAN) }
    }

    pub(super) fn new(exact: Option<Ratio<i128>>, value: f64) -> Self {
        Self { exact, value }
    }

    pub(super) fn inexact(value: f64) -> Self {
        Self { exact: None, value }
    }

    /// The number as a size or position, if it is one.
    pub(super) fn as_index(self) -> Option<i64> {
        let exact = self.exact?;
        exact.is_integer().then(|| exact.to_integer())?.to_i64()
    }

    /// The number as a power of n or a constant exponent, if it is a small exact rational.
    pub(super) fn as_exponent(self) -> Option<Exponent> {
        let exact = self.exact?;
        let small = |part: i128| (part.abs() <= 1 << 20).then(|| part.to_i64()).flatten();
        Some(Exponent::new(small(*exact.numer())?, small(*exact.denom())?))
    }

    /// An operation on known numbers; exact for `+ - * /`, negation, comparisons and small integer powers.
    pub(super) fn apply(op: Prim, args: &[Num]) -> Num {
        let values: Vec<f64> = args.iter().map(|arg| arg.value).collect();
        let exact: Option<Vec<Ratio<i128>>> = args.iter().map(|arg| arg.exact).collect();
        match exact.and_then(|args| exactly(op, &args)) {
            Some(exact) => Self::exact(exact),
            None => Self::inexact(op.eval(&values)),
        }
    }
}

fn exactly(op: Prim, args: &[Ratio<i128>]) -> Option<Ratio<i128>> {
    let truth = |condition: bool| Some(Ratio::from_integer(i128::from(condition)));
    let x = args[0];
    let y = args.get(1).copied().unwrap_or_else(Ratio::zero);
    match op {
        Prim::Id => Some(x),
        Prim::Neg => Some(-x),
        Prim::Abs => Some(x.abs()),
        Prim::Add => x.checked_add(&y),
        Prim::Sub => x.checked_sub(&y),
        Prim::Mul => x.checked_mul(&y),
        Prim::Div => (!y.is_zero()).then(|| x.checked_div(&y)).flatten(),
        Prim::Min => Some(x.min(y)),
        Prim::Max => Some(x.max(y)),
        Prim::Lt => truth(x < y),
        Prim::Le => truth(x <= y),
        Prim::Eq => truth(x == y),
        Prim::Not => truth(x.is_zero()),
        Prim::And => truth(!x.is_zero() && !y.is_zero()),
        Prim::Or => truth(!x.is_zero() || !y.is_zero()),
        Prim::Select => Some(args[if x.is_zero() { 2 } else { 1 }]),
        Prim::Pow(p) if p.is_integer() => integer_power(x, p.to_integer()),
        Prim::Powf if y.is_integer() => integer_power(x, y.to_integer().to_i64()?),
        Prim::Sign
        | Prim::Step
        | Prim::Relu
        | Prim::Sqrt
        | Prim::Exp
        | Prim::Log
        | Prim::Sin
        | Prim::Cos
        | Prim::Tanh
        | Prim::Erf
        | Prim::Sigmoid
        | Prim::Softplus
        | Prim::Pow(_)
        | Prim::Powf => None,
    }
}

fn integer_power(x: Ratio<i128>, power: i64) -> Option<Ratio<i128>> {
    if power.abs() > 256 || (x.is_zero() && power < 0) {
        return None;
    }
    let mut result = Ratio::from_integer(1);
    for _ in 0..power.abs() {
        result = result.checked_mul(&x)?;
    }
    Some(if power < 0 { result.recip() } else { result })
}
