//! Numbers that say how they were found and how far off they may be.

use crate::codegen::interpret::number::{Arithmetic, Scaled, WithScale};
use crate::ir::Prim;

/// How a number was found, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Nothing random is in it.
    #[default]
    Exact,
    /// It is 0 because its terms change their sign with initial symbols.
    Symmetry,
    /// By formulas.
    ClosedForm,
    /// By integrals of up to three dimensions.
    Quadrature,
    /// By means over particles.
    Particles,
    /// By means over draws of Gaussian numbers.
    Draws,
}

impl Method {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Symmetry => "symmetry",
            Self::ClosedForm => "closed form",
            Self::Quadrature => "quadrature",
            Self::Particles => "particles",
            Self::Draws => "draws",
        }
    }
}

/// A number, a bound of its error to first order, and how it was found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Number {
    /// The number.
    pub value: f64,
    /// What it may be off by.
    pub error: f64,
    /// The least good method that is in it.
    pub method: Method,
}

/// An error that does not count beside numbers near 1.
const NEGLIGIBLE: f64 = 1e-11;
/// One rounding error.
const UNIT: f64 = f64::EPSILON;
/// The arithmetic that carries errors.
const ARITHMETIC: WithScale = WithScale { tolerance: UNIT };

impl Number {
    /// A number of the program.
    pub fn exact(value: f64) -> Self {
        Self { value, error: 0.0, method: Method::Exact }
    }

    /// Whether it is 0 up to rounding; what has a larger error is kept with it.
    pub fn is_negligible(self) -> bool {
        self.may_be_zero() && self.error <= NEGLIGIBLE
    }

    /// Whether it may be 0.
    pub fn may_be_zero(self) -> bool {
        self.value.abs() <= self.error
    }

    /// An entrywise operation; its error is infinite near a jump or a pole.
    pub fn map(op: Prim, args: &[Self]) -> Self {
        let mut scaled = [Scaled { value: 0.0, scale: 0.0 }; Prim::MOST_ARGUMENTS];
        for (scaled, x) in scaled.iter_mut().zip(args) {
            *scaled = Scaled { value: x.value, scale: x.error / UNIT };
        }
        let Scaled { value, scale } = ARITHMETIC.map(op, &scaled[..args.len()]);
        let method = args.iter().map(|x| x.method).max().unwrap_or_default();
        let exact = args.iter().all(|x| x.error == 0.0);
        let free =
            method == Method::Exact && exact && (is_whole(value) || is_rounded_to(op, args, value));
        Self { value, error: if free { 0.0 } else { scale * UNIT }, method }
    }

    /// x + y.
    pub fn plus(self, other: Self) -> Self {
        Self::map(Prim::Add, &[self, other])
    }

    /// x · y.
    pub fn times(self, other: Self) -> Self {
        Self::map(Prim::Mul, &[self, other])
    }

    /// The sum, in order.
    pub fn sum(terms: impl Iterator<Item = Self>) -> Self {
        terms.fold(Self::default(), Self::plus)
    }
}

/// Whether a sum or a product is exactly this.
fn is_rounded_to(op: Prim, args: &[Number], value: f64) -> bool {
    let of = |k: usize| args[k].value;
    match op {
        Prim::Mul => libm::fma(of(0), of(1), -value) == 0.0,
        // what is added comes back, and so does what it is added to (Knuth's two-sum)
        Prim::Add => value - of(0) == of(1) && value - of(1) == of(0),
        Prim::Sub => of(0) - value == of(1) && value + of(1) == of(0),
        _ => false,
    }
}

/// Whether a result of numbers without error has none itself: whole numbers of moderate size.
fn is_whole(value: f64) -> bool {
    value.fract() == 0.0 && value.abs() < 4.5e15
}
