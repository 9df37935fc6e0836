//! Sizes: the exponent of a value's entries in root mean square, and how they combine.

use crate::analyze::power;
use crate::ir::Exponent;
use num_traits::{Signed, Zero};

/// How large the entries of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// Exactly 0.
    Zero,
    /// Θ(n^e); of a change, at most that, and that size unless its coefficient happens to be 0.
    Power(Exponent),
    /// Without a power of n: a function that is not homogeneous was given an argument that grows.
    Diverges,
}

impl Size {
    /// n^0.
    pub const ONE: Self = Self::Power(Exponent::new_raw(0, 1));

    /// The exponent, if there is one.
    pub fn exponent(self) -> Option<Exponent> {
        match self {
            Self::Power(e) => Some(e),
            Self::Zero | Self::Diverges => None,
        }
    }

    /// Whether it is O(1).
    pub fn bounded(self) -> bool {
        self <= Self::ONE
    }

    /// As a user reads it.
    pub fn text(self) -> String {
        match self {
            Self::Zero => "0".to_owned(),
            Self::Power(e) => power(e),
            Self::Diverges => "diverges".to_owned(),
        }
    }

    /// The size of a product.
    pub(super) fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::Zero, _) | (_, Self::Zero) => Self::Zero,
            (Self::Power(e), Self::Power(f)) => Self::Power(e + f),
            (Self::Diverges, _) | (_, Self::Diverges) => Self::Diverges,
        }
    }

    /// Times n^e.
    pub(super) fn shifted(self, e: Exponent) -> Self {
        match self {
            Self::Power(f) if !e.is_zero() => Self::Power(e + f),
            Self::Power(_) | Self::Zero | Self::Diverges => self,
        }
    }

    /// The size of a quotient.
    pub(super) fn over(self, other: Self) -> Self {
        match (self, other) {
            (_, Self::Zero | Self::Diverges) | (Self::Diverges, _) => Self::Diverges,
            (Self::Zero, Self::Power(_)) => Self::Zero,
            (Self::Power(e), Self::Power(f)) => Self::Power(e - f),
        }
    }

    /// The size of a power.
    pub(super) fn raised(self, p: Exponent) -> Self {
        match self {
            Self::Zero if p.is_positive() => Self::Zero,
            Self::Power(e) => Self::Power(e * p),
            Self::Zero | Self::Diverges => Self::Diverges,
        }
    }
}

/// The size of a value while nothing is trained, and of the difference that training makes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// With every update replaced by 0.
    pub base: Size,
    /// The difference to that.
    pub change: Size,
}

impl Sizes {
    /// The larger of both.
    pub fn total(self) -> Size {
        self.base.max(self.change)
    }

    /// xy: (x + dx)(y + dy) − xy = dx y + x dy + dx dy.
    pub(super) fn times(self, other: Self) -> Self {
        let (x, y) = (self, other);
        let one = x.change.times(y.base).max(x.base.times(y.change));
        Self { base: x.base.times(y.base), change: one.max(x.change.times(y.change)) }
    }

    /// x/y: (dx − (x/y) dy)/(y + dy); where dy is as large as y, all that is left is the larger of both quotients.
    pub(super) fn over(self, other: Self) -> Self {
        let (x, y) = (self, other);
        let base = x.base.over(y.base);
        let change = if x.change == Size::Zero && y.change == Size::Zero {
            Size::Zero
        } else if y.change < y.base {
            x.change.over(y.base).max(base.times(y.change).over(y.base))
        } else {
            x.total().over(y.total()).max(if y.base == Size::Zero { Size::Zero } else { base })
        };
        Self { base, change }
    }
}
