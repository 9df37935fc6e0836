//! What a primitive operation means on numbers: the reference for every engine.

use super::{Exponent, Prim};
use crate::num::special;

/// A number as a condition's result.
fn truth(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

/// An exact rational as a floating-point number.
pub fn to_f64(power: Exponent) -> f64 {
    *power.numer() as f64 / *power.denom() as f64
}

impl Prim {
    /// The value on numbers, one per operand.
    pub fn eval(self, args: &[f64]) -> f64 {
        let x = args[0];
        let y = args.get(1).copied().unwrap_or(0.0);
        match self {
            Self::Id => x,
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Sign => truth(x > 0.0) - truth(x < 0.0),
            Self::Step => truth(x > 0.0),
            Self::Relu => x.max(0.0),
            Self::Sqrt => x.sqrt(),
            Self::Exp => libm::exp(x),
            Self::Log => libm::log(x),
            Self::Sin => libm::sin(x),
            Self::Cos => libm::cos(x),
            Self::Tanh => libm::tanh(x),
            Self::Erf => libm::erf(x),
            Self::Sigmoid => special::sigmoid(x),
            Self::Softplus => special::softplus(x),
            Self::Not => truth(x == 0.0),
            Self::Pow(p) => special::power(x, to_f64(p)),
            Self::Add => x + y,
            Self::Sub => x - y,
            Self::Mul => x * y,
            Self::Div => x / y,
            Self::Min => x.min(y),
            Self::Max => x.max(y),
            Self::Powf => special::power(x, y),
            Self::Lt => truth(x < y),
            Self::Le => truth(x <= y),
            Self::Eq => truth(x == y),
            Self::And => truth(x != 0.0 && y != 0.0),
            Self::Or => truth(x != 0.0 || y != 0.0),
            Self::Select => args[if x != 0.0 { 1 } else { 2 }],
        }
    }
}
