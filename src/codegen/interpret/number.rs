//! The two kinds of numbers of the interpreter: plain ones, and ones with an error scale.
//!
//! The scale s of a value bounds its rounding error to first order: if every operation is correct to a relative τ, the
//! value is off by at most τ·s. A leaf has s = |x|, an operation f adds |f| to Σ |∂f/∂xᵢ| sᵢ. Derivatives are taken
//! one-sidedly large at kinks, and within τ·s of a jump, a pole or an infinite slope s is infinite: nothing is claimed.

use crate::ir::Prim;
use crate::ir::scalar::to_f64;
use crate::num::special;

/// What the interpreter computes with.
pub trait Arithmetic {
    /// A number.
    type Number: Copy + std::fmt::Debug;
    /// Whether numbers carry a scale.
    const SCALED: bool;
    /// A number that is given.
    fn leaf(&self, value: f64) -> Self::Number;
    /// The number itself.
    fn value(&self, number: Self::Number) -> f64;
    /// An entrywise operation.
    fn map(&self, op: Prim, args: &[Self::Number]) -> Self::Number;
    /// A sum in the order given.
    fn sum(&self, terms: impl Iterator<Item = Self::Number>) -> Self::Number;
    /// Gives the columns `y` = W x (or Wᵀ x) their scales; `dense` is W where it is an array.
    fn matrix(
        &self,
        y: Vec<f64>,
        x: &[Self::Number],
        n: usize,
        dense: Option<&[f64]>,
        transpose: bool,
    ) -> Vec<Self::Number>;
}

/// The value of an operation; what is not a number stays so, except in the branch that `Select` leaves out.
fn eval(op: Prim, args: &[f64]) -> f64 {
    if op != Prim::Select && args.iter().any(|x| x.is_nan()) { f64::NAN } else { op.eval(args) }
}

/// Plain numbers.
pub struct Plain;

impl Arithmetic for Plain {
    type Number = f64;
    const SCALED: bool = false;

    fn leaf(&self, value: f64) -> f64 {
        value
    }
    fn value(&self, number: f64) -> f64 {
        number
    }
    fn map(&self, op: Prim, args: &[f64]) -> f64 {
        eval(op, args)
    }
    fn sum(&self, terms: impl Iterator<Item = f64>) -> f64 {
        terms.sum()
    }
    fn matrix(&self, y: Vec<f64>, _: &[f64], _: usize, _: Option<&[f64]>, _: bool) -> Vec<f64> {
        y
    }
}

/// A value and its error scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaled {
    /// The value.
    pub value: f64,
    /// The error per unit of relative rounding error; infinite where nothing is claimed.
    pub scale: f64,
}

/// Numbers with scales, for an implementation with this relative rounding error.
pub struct WithScale {
    /// The relative error of one operation.
    pub tolerance: f64,
}

impl Arithmetic for WithScale {
    type Number = Scaled;
    const SCALED: bool = true;

    fn leaf(&self, value: f64) -> Scaled {
        Scaled { value, scale: value.abs() }
    }

    fn value(&self, number: Scaled) -> f64 {
        number.value
    }

    fn map(&self, op: Prim, args: &[Scaled]) -> Scaled {
        let mut values = [0.0; 3];
        for (value, arg) in values.iter_mut().zip(args) {
            *value = arg.value;
        }
        let value = eval(op, &values[..args.len()]);
        let carried = self.carried(op, args, value);
        let scale = carried + value.abs();
        Scaled { value, scale: if scale.is_nan() { f64::INFINITY } else { scale } }
    }

    fn sum(&self, terms: impl Iterator<Item = Scaled>) -> Scaled {
        terms.fold(Scaled { value: 0.0, scale: 0.0 }, |sum, term| Scaled {
            value: sum.value + term.value,
            scale: sum.scale + term.scale,
        })
    }

    fn matrix(
        &self,
        y: Vec<f64>,
        x: &[Scaled],
        n: usize,
        dense: Option<&[f64]>,
        transpose: bool,
    ) -> Vec<Scaled> {
        let scale = |at: usize| {
            let Some(entries) = dense else { return f64::INFINITY };
            let (column, a) = (&x[at / n * n..][..n], at % n);
            let entry = |b: usize| entries[if transpose { b * n + a } else { a * n + b }];
            column.iter().enumerate().map(|(b, x)| 2.0 * entry(b).abs() * x.scale).sum()
        };
        y.into_iter().enumerate().map(|(at, value)| Scaled { value, scale: scale(at) }).collect()
    }
}

impl WithScale {
    /// Σ |∂f/∂xᵢ| sᵢ, or infinity near a place where f jumps.
    fn carried(&self, op: Prim, args: &[Scaled], value: f64) -> f64 {
        use Prim::*;
        let x = args[0];
        let y = args.get(1).copied().unwrap_or(Scaled { value: 0.0, scale: 0.0 });
        match op {
            Id | Neg | Abs => x.scale,
            Sign | Step | Not => self.jump(x.value, x.scale),
            Relu => {
                if x.value + self.tolerance * x.scale >= 0.0 {
                    x.scale
                } else {
                    0.0
                }
            }
            Sqrt => self.jump(x.value, x.scale) + x.scale * 0.5 / value,
            Exp => x.scale * value,
            Log => self.jump(x.value, x.scale) + x.scale / x.value.abs(),
            Sin => x.scale * libm::cos(x.value).abs(),
            Cos => x.scale * libm::sin(x.value).abs(),
            Tanh => x.scale * (1.0 - value * value),
            Erf => x.scale * libm::exp(-x.value * x.value) * std::f64::consts::FRAC_2_SQRT_PI,
            Sigmoid => x.scale * value * (1.0 - value),
            Softplus => x.scale * special::sigmoid(x.value),
            Pow(p) => self.power(x, Scaled { value: to_f64(p), scale: 0.0 }, value),
            Powf => self.power(x, y, value),
            Add | Sub => x.scale + y.scale,
            Mul => x.scale * y.value.abs() + y.scale * x.value.abs(),
            Div => {
                let pole = self.jump(y.value, y.scale);
                pole + (x.scale + y.scale * value.abs()) / y.value.abs()
            }
            Min | Max => x.scale.max(y.scale),
            Lt | Le | Eq => self.jump(x.value - y.value, x.scale + y.scale),
            And | Or => self.jump(x.value, x.scale) + self.jump(y.value, y.scale),
            Select => {
                let chosen = args[if x.value != 0.0 { 1 } else { 2 }];
                self.jump(x.value, x.scale) + chosen.scale
            }
        }
    }

    /// Infinite where x is within its error of 0; exact zeros (of products with 0, of conditions) are sure.
    fn jump(&self, value: f64, scale: f64) -> f64 {
        if scale > 0.0 && value.abs() <= self.tolerance * scale { f64::INFINITY } else { 0.0 }
    }

    /// xʸ: y xʸ⁻¹ and xʸ log x.
    fn power(&self, x: Scaled, y: Scaled, value: f64) -> f64 {
        let natural = y.scale == 0.0 && y.value >= 1.0 && y.value.fract() == 0.0;
        let edge = if natural { 0.0 } else { self.jump(x.value, x.scale) };
        let by_base = if x.scale == 0.0 { 0.0 } else { special::power(x.value, y.value - 1.0) };
        let by_power = if y.scale == 0.0 { 0.0 } else { value * libm::log(x.value.abs()) };
        edge + (y.value * by_base).abs() * x.scale + by_power.abs() * y.scale
    }
}
