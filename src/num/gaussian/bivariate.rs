//! Probabilities of quadrants of two Gaussian numbers.

use super::law::difference_of_products;
use super::{Mean, Normal};
use crate::num::quadrature::{POINTS, Values, integrate};
use crate::num::special::normal_cdf;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, FRAC_PI_2, PI};

/// From this correlation on the integral starts at 1.
const STRONG: f64 = 0.9;

/// Two numbers in standard form: heights µ/σ, and the correlation as sine and cosine of an angle.
struct Pair {
    heights: [f64; 2],
    sine: f64,
    cosine: f64,
}

impl Pair {
    fn of(law: &Normal, x: usize, y: usize) -> Self {
        let [a, b] = [law.deviation(x), law.deviation(y)];
        let covariance = law.covariance(x, y);
        let sine = (covariance / (a * b)).clamp(-1.0, 1.0);
        let [p, q] = [law.covariance(x, x), law.covariance(y, y)];
        let rest = difference_of_products(p, q, covariance, covariance);
        let cosine = rest.max(0.0).sqrt() / (a * b);
        Self { heights: [law.mean(x) / a, law.mean(y) / b], sine, cosine }
    }

    fn is_centred(&self) -> bool {
        self.heights == [0.0, 0.0]
    }

    /// asin ρ.
    fn angle(&self) -> f64 {
        libm::atan2(self.sine, self.cosine)
    }

    /// P(x > 0, y > 0) − P(x > 0) P(y > 0), Plackett's integral of the density over the correlation (Biometrika 41, 1954).
    fn beyond_independence(&self) -> f64 {
        let [h, k] = self.heights;
        let density = |angle: f64| {
            // 1 − |sin| without cancellation
            let rest = 0.5 * (FRAC_PI_2 - angle.abs());
            let near = 2.0 * libm::sin(rest) * libm::sin(rest);
            let sign = angle.signum();
            let cosine = near * (2.0 - near);
            // (h² + k² − 2hk sin)/(2 cos²) with h² + k² ∓ 2hk = (h ∓ k)²
            let gap = h - sign * k;
            let power = (gap * gap + 2.0 * sign * h * k * near) / (2.0 * cosine);
            libm::exp(-power)
        };
        let mut density = |angles: &[f64; POINTS], values: &mut Values| {
            *values = Values::plain(angles.map(density));
        };
        let strong = self.sine.abs() > STRONG;
        let edge = if strong { FRAC_PI_2.copysign(self.sine) } else { 0.0 };
        let end = self.angle();
        let (low, high) = (edge.min(end), edge.max(end));
        let integral = integrate(&mut density, &[low, high], 1e-16, 200).value / (2.0 * PI);
        let integral = if edge > end { -integral } else { integral };
        let independent = normal_cdf(h) * normal_cdf(k);
        match (strong, self.sine > 0.0) {
            (false, _) => integral,
            (true, true) => normal_cdf(h.min(k)) - independent + integral,
            (true, false) => (normal_cdf(h) - normal_cdf(-k)).max(0.0) - independent + integral,
        }
    }
}

/// P(x > 0, y > 0); both have a variance.
pub fn quadrant(law: &Normal, x: usize, y: usize) -> f64 {
    let pair = Pair::of(law, x, y);
    if pair.is_centred() {
        // (π − θ)/2π with cos θ = ρ
        return libm::atan2(pair.cosine, -pair.sine) / (2.0 * PI);
    }
    let [h, k] = pair.heights;
    (normal_cdf(h) * normal_cdf(k) + pair.beyond_independence()).clamp(0.0, 1.0)
}

/// E sign(x) sign(y); both have a variance.
pub fn signs(law: &Normal, x: usize, y: usize) -> Mean {
    let pair = Pair::of(law, x, y);
    if pair.is_centred() {
        return Mean::exact(FRAC_2_PI * pair.angle());
    }
    let [a, b] = pair.heights.map(|h| libm::erf(h * FRAC_1_SQRT_2));
    Mean::exact(a * b).plus(4.0, Mean::exact(pair.beyond_independence()))
}
