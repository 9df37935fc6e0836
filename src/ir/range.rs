//! Bounds of the values of entrywise functions.

use super::node::Prim;
use super::scalar::to_f64;
use crate::num::special::{sigmoid, softplus};
use num_traits::Signed;

/// Where values lie.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// No value is smaller.
    pub lo: f64,
    /// No value is larger.
    pub hi: f64,
}

/// Nothing is known.
pub const EVERYWHERE: Range = Range { lo: f64::NEG_INFINITY, hi: f64::INFINITY };

impl Range {
    /// The smallest that contains some values; what is not a number is left out.
    pub fn of(values: &[f64]) -> Self {
        let none = Self { lo: f64::INFINITY, hi: f64::NEG_INFINITY };
        values.iter().fold(none, |all, x| Self { lo: all.lo.min(*x), hi: all.hi.max(*x) })
    }
    /// From the smallest to the largest.
    pub fn width(self) -> f64 {
        self.hi - self.lo
    }
    /// Wider by a share of the width on each side.
    pub fn wider(self, share: f64) -> Self {
        let more = share * self.width();
        Self { lo: self.lo - more, hi: self.hi + more }
    }
    /// Whether values have bounds on both sides.
    pub fn is_bounded(self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }
    /// Whether 0 is outside.
    pub fn excludes_zero(self) -> bool {
        self.lo > 0.0 || self.hi < 0.0
    }
    /// Nowhere negative.
    pub fn is_natural(self) -> bool {
        self.lo >= 0.0
    }
    /// Nowhere negative or nowhere positive.
    pub fn has_one_sign(self) -> bool {
        self.lo >= 0.0 || self.hi <= 0.0
    }
    /// Positive everywhere.
    pub fn is_positive(self) -> bool {
        self.lo > 0.0
    }
    /// Whether values have an upper bound.
    pub fn is_bounded_above(self) -> bool {
        self.hi < f64::INFINITY
    }
}

/// Bounds of both.
pub fn union(a: Range, b: Range) -> Range {
    Range { lo: a.lo.min(b.lo), hi: a.hi.max(b.hi) }
}

/// Bounds of a function from those of its operands; `same` if both are one value.
pub fn of_map(op: Prim, args: &[Range], same: bool) -> Range {
    let x = args[0];
    let y = args.get(1).copied().unwrap_or(EVERYWHERE);
    let monotone = |f: fn(f64) -> f64| Range { lo: f(x.lo), hi: f(x.hi) };
    let square = Range { lo: 0.0, hi: (x.lo * x.lo).max(x.hi * x.hi) };
    let result = match op {
        Prim::Id => x,
        Prim::Neg => Range { lo: -x.hi, hi: -x.lo },
        Prim::Abs => Range {
            lo: if x.excludes_zero() { x.lo.abs().min(x.hi.abs()) } else { 0.0 },
            hi: x.lo.abs().max(x.hi.abs()),
        },
        Prim::Sign | Prim::Sin | Prim::Cos => Range { lo: -1.0, hi: 1.0 },
        Prim::Step | Prim::Not | Prim::Lt | Prim::Le | Prim::Eq | Prim::And | Prim::Or => {
            Range { lo: 0.0, hi: 1.0 }
        }
        Prim::Tanh => monotone(libm::tanh),
        Prim::Erf => monotone(libm::erf),
        Prim::Sigmoid => monotone(sigmoid),
        Prim::Relu => monotone(|v| v.max(0.0)),
        Prim::Sqrt => monotone(|v| v.max(0.0).sqrt()),
        Prim::Exp => monotone(libm::exp),
        Prim::Log => monotone(libm::log),
        Prim::Softplus => monotone(softplus),
        Prim::Pow(p) if p.is_integer() && p.to_integer() % 2 == 0 && p.is_positive() => Range {
            lo: if x.excludes_zero() {
                libm::pow(x.lo.abs().min(x.hi.abs()), to_f64(p))
            } else {
                0.0
            },
            hi: libm::pow(x.lo.abs().max(x.hi.abs()), to_f64(p)),
        },
        Prim::Pow(p) if p.is_integer() && p.is_positive() => {
            Range { lo: libm::pow(x.lo, to_f64(p)), hi: libm::pow(x.hi, to_f64(p)) }
        }
        Prim::Pow(_) if x.lo >= 0.0 => Range { lo: 0.0, hi: f64::INFINITY },
        Prim::Add => Range { lo: x.lo + y.lo, hi: x.hi + y.hi },
        Prim::Sub => Range { lo: x.lo - y.hi, hi: x.hi - y.lo },
        Prim::Mul if same => square,
        // 0 times what has no bound is 0
        Prim::Mul => corners(x, y, |a, b| if a == 0.0 || b == 0.0 { 0.0 } else { a * b }),
        Prim::Div if y.is_bounded() && y.excludes_zero() => corners(x, y, |a, b| a / b),
        Prim::Div if x.lo >= 0.0 && y.lo > 0.0 => Range { lo: x.lo / y.hi, hi: x.hi / y.lo },
        Prim::Min => Range { lo: x.lo.min(y.lo), hi: x.hi.min(y.hi) },
        Prim::Max => Range { lo: x.lo.max(y.lo), hi: x.hi.max(y.hi) },
        Prim::Select => union(y, args.get(2).copied().unwrap_or(EVERYWHERE)),
        Prim::Div | Prim::Pow(_) | Prim::Powf => EVERYWHERE,
    };
    if result.lo.is_nan() || result.hi.is_nan() { EVERYWHERE } else { result }
}

fn corners(x: Range, y: Range, f: fn(f64, f64) -> f64) -> Range {
    let all = [f(x.lo, y.lo), f(x.lo, y.hi), f(x.hi, y.lo), f(x.hi, y.hi)];
    Range {
        lo: all.into_iter().fold(f64::INFINITY, f64::min),
        hi: all.into_iter().fold(f64::NEG_INFINITY, f64::max),
    }
}
