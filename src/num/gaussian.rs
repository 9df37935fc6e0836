//! Means of products under a Gaussian law of a few numbers, in closed form.
//!
//! The products are those of powers, steps, signs, error functions, exponentials of linear and quadratic forms, sines,
//! cosines and deltas, each of one of the numbers. Each rule takes one factor away:
//!
//! ```text
//! E zₖ F       = µₖ E F + Σⱼ Cₖⱼ E ∂ⱼF                        Stein's lemma; step′ = δ, sign′ = 2δ
//! E e^{zₖ} F   = e^{µₖ + Cₖₖ/2} E F                           under the mean µ + C·ₖ
//! E e^{−zₖ²} F = (1 + 2Cₖₖ)^{−1/2} e^{−µₖ²/(1 + 2Cₖₖ)} E F    under another mean and covariance
//! E δ(zₖ) F    = p(zₖ = 0) E F                                under the law given zₖ = 0
//! erf(zₖ)      = E sign(zₖ + ε)                               ε independent, of variance 1/2
//! ```
//!
//! What is left is the probability of a quadrant. Dependent numbers and variances of 0 need no care.

mod angle;
mod bivariate;
mod law;

pub use angle::arc_cosine;
pub use bivariate::{quadrant, signs};
pub use law::Normal;

use crate::num::special::{normal_cdf, normal_density};
use std::f64::consts::FRAC_1_SQRT_2;

/// A function of one of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// 1 where z > 0, else 0.
    Step,
    /// −1, 0, 1.
    Sign,
    /// The error function.
    Erf,
    /// eᶻ.
    Exp,
    /// e^{−z²}.
    Bell,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Dirac's δ(z).
    Delta,
}

/// Π zₖ^{powers[k]} · Π shape(zₖ).
#[derive(Clone, Debug, Default)]
pub struct Product {
    /// One for each number.
    pub powers: Vec<u32>,
    /// Functions and the positions of their arguments.
    pub factors: Vec<(Shape, usize)>,
}

/// A mean, and the sum of the absolute values it is made of: rounding is a few units of the last place of that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// The value.
    pub value: f64,
    /// What its rounding error is relative to.
    pub size: f64,
}

impl Mean {
    fn exact(value: f64) -> Self {
        Self { value, size: value.abs() }
    }

    fn plus(self, factor: f64, other: Self) -> Self {
        Self {
            value: self.value + factor * other.value,
            size: self.size + factor.abs() * other.size,
        }
    }

    fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, size: self.size * factor.abs() }
    }
}

/// Products of higher degree are left to others: Stein's lemma branches at each power.
const HIGHEST: u32 = 12;

/// E of a product; `None` where there is no closed form here.
pub fn mean(product: &Product, law: &Normal) -> Option<Mean> {
    if product.powers.iter().sum::<u32>() > HIGHEST {
        return None;
    }
    let (mut product, mut law) = (product.clone(), law.clone());
    // an exponential function multiplies the rounding error of its argument by that
    let (mut factor, mut exponents) = (1.0, 0.0);
    for k in 0..product.factors.len() {
        let (shape, z) = product.factors[k];
        match shape {
            Shape::Erf => product.factors[k] = (Shape::Sign, law.with_noise(z, 0.5)),
            Shape::Exp => {
                exponents += law.mean(z).abs() + 0.5 * law.covariance(z, z);
                factor *= law.tilt(z);
            }
            Shape::Bell => {
                exponents += law.mean(z) * law.mean(z);
                factor *= law.narrow(z);
            }
            Shape::Step | Shape::Sign | Shape::Sin | Shape::Cos | Shape::Delta => {}
        }
    }
    product.powers.resize(law.count(), 0);
    product.factors.retain(|(shape, _)| !matches!(shape, Shape::Exp | Shape::Bell));
    if !factor.is_finite() {
        return None;
    }
    let mean = by_parts(&product, &law)?.times(factor);
    Some(Mean { size: mean.size * (1.0 + exponents), ..mean })
}

/// E of a product of powers, steps, signs, sines, cosines and deltas.
fn by_parts(product: &Product, law: &Normal) -> Option<Mean> {
    if let Some(k) = product.factors.iter().position(|(shape, _)| *shape == Shape::Delta) {
        let mut rest = product.clone();
        let (_, z) = rest.factors.remove(k);
        let mut law = law.clone();
        let density = law.condition(z)?;
        return Some(by_parts(&rest, &law)?.times(density));
    }
    let Some(z) = product.powers.iter().position(|power| *power > 0) else {
        return without_powers(&product.factors, law);
    };
    let mut rest = product.clone();
    if law.is_constant(z) {
        let power = std::mem::take(&mut rest.powers[z]);
        let constant = law.mean(z).powi(power.cast_signed());
        return match constant {
            0.0 => Some(Mean::default()),
            _ => Some(by_parts(&rest, law)?.times(constant)),
        };
    }
    rest.powers[z] -= 1;
    let mut total = Mean::default();
    if law.mean(z) != 0.0 {
        total = total.plus(law.mean(z), by_parts(&rest, law)?);
    }
    for other in 0..rest.powers.len() {
        let (power, covariance) = (rest.powers[other], law.covariance(z, other));
        if power == 0 || covariance == 0.0 {
            continue;
        }
        let mut lower = rest.clone();
        lower.powers[other] -= 1;
        total = total.plus(covariance * f64::from(power), by_parts(&lower, law)?);
    }
    for k in 0..rest.factors.len() {
        let (shape, argument) = rest.factors[k];
        let covariance = law.covariance(z, argument);
        if covariance == 0.0 {
            continue;
        }
        let (slope, derivative) = match shape {
            Shape::Step => (1.0, Shape::Delta),
            Shape::Sign => (2.0, Shape::Delta),
            Shape::Sin => (1.0, Shape::Cos),
            Shape::Cos => (-1.0, Shape::Sin),
            Shape::Erf | Shape::Exp | Shape::Bell | Shape::Delta => return None,
        };
        let mut other = rest.clone();
        other.factors[k].0 = derivative;
        total = total.plus(slope * covariance, by_parts(&other, law)?);
    }
    Some(total)
}

/// E of a product of steps, signs, sines and cosines.
fn without_powers(factors: &[(Shape, usize)], law: &Normal) -> Option<Mean> {
    let mut constant = 1.0;
    let mut jumps: Vec<(Shape, usize)> = Vec::new();
    let mut waves = Vec::new();
    for (shape, z) in factors.iter().copied() {
        let list = if matches!(shape, Shape::Sin | Shape::Cos) { &mut waves } else { &mut jumps };
        if law.is_constant(z) {
            let x = law.mean(z);
            constant *= match shape {
                Shape::Step if law.is_pinned(z) => 0.5,
                Shape::Step => f64::from(u8::from(x > 0.0)),
                Shape::Sin => libm::sin(x),
                Shape::Cos => libm::cos(x),
                _ => f64::from(i8::from(x > 0.0) - i8::from(x < 0.0)),
            };
        } else {
            list.push((shape, z));
        }
    }
    if constant == 0.0 {
        return Some(Mean::default());
    }
    let mean = match (jumps.as_slice(), waves.as_slice()) {
        ([], []) => Mean::exact(1.0),
        (jumps, []) => of_jumps(jumps, law)?,
        ([], waves) => of_waves(waves, law),
        _ => return None,
    };
    Some(mean.times(constant))
}

/// E of a product of up to two steps and signs, or of three of mean 0.
fn of_jumps(jumps: &[(Shape, usize)], law: &Normal) -> Option<Mean> {
    let height = |z: usize| law.mean(z) / law.deviation(z);
    Some(match jumps {
        [(shape, z)] => {
            let h = height(*z);
            Mean::exact(match shape {
                Shape::Step => normal_cdf(h),
                _ => libm::erf(h * FRAC_1_SQRT_2),
            })
        }
        [(Shape::Step, x), (Shape::Step, y)] => Mean::exact(quadrant(law, *x, *y)),
        [(Shape::Sign, x), (Shape::Sign, y)] => signs(law, *x, *y),
        [(Shape::Step, x), (_, y)] | [(_, y), (Shape::Step, x)] => {
            let alone = Mean::exact(libm::erf(height(*y) * FRAC_1_SQRT_2));
            alone.times(0.5).plus(0.5, signs(law, *x, *y))
        }
        all if all.len() == 3 && all.iter().all(|(_, z)| law.mean(*z) == 0.0) => {
            of_centred(all, law)
        }
        _ => return None,
    })
}

/// E of a product of three steps and signs of mean 0, where step = (1 + sign)/2 and odd products of signs vanish.
fn of_centred(jumps: &[(Shape, usize)], law: &Normal) -> Mean {
    let steps = jumps.iter().filter(|(shape, _)| *shape == Shape::Step).count();
    let mut total = Mean::default();
    for chosen in 0..1usize << jumps.len() {
        let is_in = |k: usize| chosen >> k & 1 == 1;
        let all_signs = (0..jumps.len()).all(|k| jumps[k].0 == Shape::Step || is_in(k));
        let pair: Vec<usize> = (0..jumps.len()).filter(|k| is_in(*k)).map(|k| jumps[k].1).collect();
        total = match (all_signs, pair.as_slice()) {
            (true, []) => total.plus(1.0, Mean::exact(1.0)),
            (true, [x, y]) => total.plus(1.0, signs(law, *x, *y)),
            _ => total,
        };
    }
    total.times(0.5f64.powi(steps as i32))
}

/// E of a product of sines and cosines: each is a mean of two waves e^{±iz}.
fn of_waves(waves: &[(Shape, usize)], law: &Normal) -> Mean {
    let count = waves.len();
    let mut total = Mean::default();
    for choice in 0..1usize << count {
        let sign = |k: usize| if choice >> k & 1 == 0 { 1.0 } else { -1.0 };
        let (mut phase, mut variance) = (0.0, 0.0);
        // sin z = cos(z − π/2)
        let mut quarters = 0.0;
        for (k, (shape, z)) in waves.iter().enumerate() {
            phase += sign(k) * law.mean(*z);
            if *shape == Shape::Sin {
                quarters -= sign(k);
            }
            for (j, (_, other)) in waves.iter().enumerate() {
                variance += sign(k) * sign(j) * law.covariance(*z, *other);
            }
        }
        let wave = match (quarters as i32).rem_euclid(4) {
            0 => libm::cos(phase),
            1 => -libm::sin(phase),
            2 => -libm::cos(phase),
            _ => libm::sin(phase),
        };
        let height = libm::exp(-0.5 * variance.max(0.0));
        total = total.plus(height / (1usize << count) as f64, Mean { value: wave, size: 1.0 });
    }
    total
}

/// The density at 0 of a Gaussian number.
fn density(mean: f64, deviation: f64) -> f64 {
    normal_density(mean / deviation) / deviation
}

#[cfg(test)]
mod tests;
