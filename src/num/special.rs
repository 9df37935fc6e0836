//! Special functions of one real number, the same on every platform (through `libm`).

/// 1/(1+e⁻ˣ), without overflow.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + libm::exp(-x)) } else { libm::exp(x) / (1.0 + libm::exp(x)) }
}

/// log(1+eˣ), without overflow.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// x to an integer or real power; integer powers are exact products where `f64` allows.
pub fn power(x: f64, p: f64) -> f64 {
    if p == 2.0 {
        x * x
    } else if p == 0.5 {
        x.sqrt()
    } else {
        libm::pow(x, p)
    }
}

/// Φ(x) = P(Z ≤ x), with relative accuracy in the lower tail.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// φ(0) = 1/√(2π)
pub const DENSITY_AT_ZERO: f64 =
    0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;

/// φ(x), the density of a standard normal number.
pub fn normal_density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) * DENSITY_AT_ZERO
}

/// The x with Φ(x) = p, for 0 < p < 1; infinite at the ends.
pub fn normal_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    let x = -std::f64::consts::SQRT_2 * statrs::function::erf::erfc_inv(2.0 * p);
    if !x.is_finite() || p < 1e-290 {
        return x;
    }
    // one step of Newton's method
    x - (normal_cdf(x) - p) / normal_density(x)
}

/// The inverse of the error function on (−1, 1).
pub fn erf_inv(x: f64) -> f64 {
    if x.abs() < 0.5 {
        let y = statrs::function::erf::erf_inv(x);
        let slope = std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-y * y);
        return y - (libm::erf(y) - x) / slope;
    }
    let y = normal_quantile(0.5 * (1.0 - x.abs())) * -std::f64::consts::FRAC_1_SQRT_2;
    y.copysign(x)
}

/// P(T > t) for Student's t with `freedom` degrees of freedom, with relative accuracy in the upper tail.
pub fn student_tail(t: f64, freedom: f64) -> f64 {
    if t < 0.0 {
        return 1.0 - student_tail(-t, freedom);
    }
    0.5 * beta_regularised(freedom / (freedom + t * t), 0.5 * freedom, 0.5)
}

/// The standard normal number that is exceeded as often as `t` is by Student's t.
pub fn student_to_normal(t: f64, freedom: f64) -> f64 {
    if freedom > 1e6 {
        // Abramowitz & Stegun 26.7.8, where the logarithms of the gamma function would cancel
        return t * (1.0 - 0.25 / freedom) / (1.0 + 0.5 * t * t / freedom).sqrt();
    }
    let tail = student_tail(t.abs(), freedom);
    // beyond every double: the tail of the normal law at 37 is 6e-300
    let z = if tail < 6e-300 { 37.0 } else { -normal_quantile(tail) };
    z.copysign(t)
}

/// The regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22).
pub fn beta_regularised(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_regularised(1.0 - x, b, a);
    }
    let factor = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b)
        + a * libm::log(x)
        + b * libm::log1p(-x);
    libm::exp(factor) / (a * beta_fraction(x, a, b))
}

/// The continued fraction of [`beta_regularised`], by the modified algorithm of Lentz.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    let (mut value, mut c, mut d) = (1.0_f64, 1.0_f64, 0.0_f64);
    for step in 1..10_000 {
        let m = f64::from(step / 2);
        let coefficient = if step % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        d = 1.0 / nonzero(1.0 + coefficient * d);
        c = nonzero(1.0 + coefficient / c);
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

fn nonzero(x: f64) -> f64 {
    if x == 0.0 { 1e-300 } else { x }
}

#[cfg(test)]
mod tests;
