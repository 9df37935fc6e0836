//! Sizes through entrywise operations, for the net at rest and for the change that training makes.
//!
//! A change is at most what is given here. It has that size for generic data, since steps and what they act on are
//! correlated; nothing is assumed to cancel.

use super::size::{Size, Sizes};
use crate::ir::{Exponent, Prim};
use num_traits::{Signed, Zero};

const HALF: Exponent = Exponent::new_raw(1, 2);

/// The size of op(x, …) from those of its operands.
pub(super) fn base(op: Prim, x: &[Size]) -> Size {
    let largest = || x.iter().copied().max().unwrap_or(Size::Zero);
    match op {
        Prim::Id | Prim::Neg | Prim::Abs | Prim::Relu => x[0],
        Prim::Add | Prim::Sub | Prim::Min | Prim::Max => largest(),
        Prim::Mul => x[0].times(x[1]),
        Prim::Div => x[0].over(x[1]),
        Prim::Sqrt => x[0].raised(HALF),
        Prim::Pow(p) => x[0].raised(p),
        Prim::Sign | Prim::Step => match x[0] {
            Size::Zero => Size::Zero,
            Size::Power(_) => Size::ONE,
            Size::Diverges => Size::Diverges,
        },
        Prim::Sin | Prim::Tanh | Prim::Erf => {
            if x[0].bounded() {
                x[0]
            } else {
                Size::Diverges
            }
        }
        Prim::Exp | Prim::Cos | Prim::Sigmoid | Prim::Softplus => {
            if x[0].bounded() {
                Size::ONE
            } else {
                Size::Diverges
            }
        }
        // a logarithm of n is no power of n
        Prim::Log => {
            if x[0] == Size::ONE {
                Size::ONE
            } else {
                Size::Diverges
            }
        }
        Prim::Powf => {
            if largest().bounded() {
                Size::ONE
            } else {
                Size::Diverges
            }
        }
        Prim::Lt | Prim::Le | Prim::Eq | Prim::And | Prim::Or | Prim::Not => {
            if largest() == Size::Diverges { Size::Diverges } else { Size::ONE }
        }
        Prim::Select => match x[0] {
            Size::Diverges => Size::Diverges,
            Size::Zero | Size::Power(_) => x[1].max(x[2]),
        },
    }
}

/// The size of the change of op(x, …).
pub(super) fn change(op: Prim, x: &[Sizes]) -> Size {
    if x.iter().all(|x| x.change == Size::Zero) {
        return Size::Zero;
    }
    let largest = || x.iter().map(|x| x.change).max().unwrap_or(Size::Zero);
    let total = || x.iter().map(|x| x.total()).max().unwrap_or(Size::Zero);
    match op {
        // Lipschitz with constant 1
        Prim::Id | Prim::Neg | Prim::Abs | Prim::Relu => x[0].change,
        Prim::Add | Prim::Sub | Prim::Min | Prim::Max => largest(),
        Prim::Mul => x[0].times(x[1]).change,
        Prim::Div => x[0].over(x[1]).change,
        Prim::Sqrt => root(HALF, x[0]),
        Prim::Pow(p) if p.is_integer() && p.is_positive() => {
            let rest = p - Exponent::from_integer(1);
            x[0].change.times(if rest.is_zero() { Size::ONE } else { x[0].total().raised(rest) })
        }
        Prim::Pow(p) => root(p, x[0]),
        Prim::Sign | Prim::Step => flips(x[0]),
        Prim::Sin | Prim::Tanh | Prim::Erf | Prim::Exp | Prim::Sigmoid | Prim::Softplus => {
            if total().bounded() { x[0].change } else { Size::Diverges }
        }
        // cos′(0) = 0
        Prim::Cos => {
            if total().bounded() {
                x[0].change.times(total())
            } else {
                Size::Diverges
            }
        }
        Prim::Log => {
            if total() == Size::ONE {
                x[0].change.over(x[0].base)
            } else {
                Size::Diverges
            }
        }
        Prim::Powf => {
            if total().bounded() {
                largest()
            } else {
                Size::Diverges
            }
        }
        Prim::Lt | Prim::Le | Prim::Eq => flips(difference(x[0], x[1])),
        Prim::And | Prim::Or | Prim::Not => largest(),
        Prim::Select => {
            let branches = x[1].total().max(x[2].total());
            x[1].change.max(x[2].change).max(x[0].change.times(branches))
        }
    }
}

/// x − y before it is compared with 0.
fn difference(x: Sizes, y: Sizes) -> Sizes {
    Sizes { base: x.base.max(y.base), change: x.change.max(y.change) }
}

/// x^p with a kink or a pole at 0: by the slope where the change is relatively small, else by homogeneity.
fn root(p: Exponent, x: Sizes) -> Size {
    if x.change < x.base {
        x.change.times(x.base.raised(p)).over(x.base)
    } else if p.is_positive() {
        x.change.raised(p)
    } else {
        x.total().raised(p).max(if x.base == Size::Zero { Size::Zero } else { x.base.raised(p) })
    }
}

/// A jump at 0: a change δ of values of size 1 flips a fraction δ of them, δ^(1/2) in root mean square.
fn flips(x: Sizes) -> Size {
    match (x.base, x.change) {
        (_, Size::Zero) => Size::Zero,
        (Size::Diverges, _) | (_, Size::Diverges) => Size::Diverges,
        (base, change) if change >= base => Size::ONE,
        (base, change) => change.over(base).raised(HALF),
    }
}
