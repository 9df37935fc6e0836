//! Arc-cosine kernels, without branches: loops over them become vector instructions.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// E relu(x) relu(y) and E step(x) step(y) for mean 0, from variances and covariance: the arc-cosine kernels of Cho & Saul
/// (2009), (2π)⁻¹√(ab)(sin θ + (π − θ) cos θ) and (2π)⁻¹(π − θ).
#[inline(always)]
pub fn arc_cosine(a: f64, b: f64, c: f64) -> (f64, f64) {
    let size = (a * b).sqrt();
    // ab − c² to the last digit, by Kahan's method with fused products (Jeannerod, Louvet & Muller 2013)
    let square = c * c;
    let sine = (a.mul_add(b, -square) - c.mul_add(c, -square)).max(0.0).sqrt();
    let rest = direction(sine, -c); // π − θ
    let far = rest.mul_add(c, sine);
    let first = if rest < 0.25 { size * near_opposite(rest) } else { far };
    let known = size > 0.0;
    (if known { first / (2.0 * PI) } else { 0.0 }, if known { rest / (2.0 * PI) } else { 0.0 })
}

/// sin x − x cos x for small x, without cancellation.
#[inline(always)]
fn near_opposite(x: f64) -> f64 {
    let square = x * x;
    let series = [1.0 / 3.0, -1.0 / 30.0, 1.0 / 840.0, -1.0 / 45_360.0, 1.0 / 3_991_680.0];
    x * square * polynomial(&series, square)
}

/// The angle of (x, y) from the x axis, y ≥ 0.
#[inline(always)]
fn direction(y: f64, x: f64) -> f64 {
    let (low, high) = (y.min(x.abs()), y.max(x.abs()));
    let steep = low > 0.66 * high;
    // atan t = π/4 + atan((t − 1)/(t + 1))
    let (above, below) = if steep { (low - high, low + high) } else { (low, high) };
    let small = arc_tangent(above / below);
    let eighth = if steep { FRAC_PI_4 + small } else { small };
    let quarter = if y > x.abs() { FRAC_PI_2 - eighth } else { eighth };
    if x < 0.0 { PI - quarter } else { quarter }
}

/// atan x for |x| ≤ 0.66: the rational approximation of atan.c in S. L. Moshier's Cephes library, 1.8e-16 relative.
#[inline(always)]
fn arc_tangent(x: f64) -> f64 {
    const ABOVE: [f64; 5] = [
        -6.485_021_904_942_025e1,
        -1.228_866_684_490_136_2e2,
        -7.500_855_792_314_705e1,
        -1.615_753_718_733_365e1,
        -8.750_608_600_031_904e-1,
    ];
    const BELOW: [f64; 6] = [
        1.945_506_571_482_614e2,
        4.853_903_996_359_137e2,
        4.328_810_604_912_902_7e2,
        1.650_270_098_316_988_5e2,
        2.485_846_490_142_306_3e1,
        1.0,
    ];
    let square = x * x;
    let ratio = polynomial(&ABOVE, square) / polynomial(&BELOW, square);
    (x * square).mul_add(ratio, x)
}

/// Σ cₖ xᵏ.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f64; N], x: f64) -> f64 {
    let mut sum = coefficients[N - 1];
    for k in (0..N - 1).rev() {
        sum = sum.mul_add(x, coefficients[k]);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_have_the_digits_of_atan2() {
        for k in 0..20_000 {
            let angle = f64::from(k) * 1.570_8e-4;
            let (y, x) = (3.7 * libm::sin(angle).max(0.0), 3.7 * libm::cos(angle));
            let known = libm::atan2(y, x);
            assert!((direction(y, x) - known).abs() <= 2.0 * f64::EPSILON * known, "{y}, {x}");
        }
        assert_eq!(direction(0.0, -2.0), PI);
        assert_eq!(direction(2.0, 0.0), FRAC_PI_2);
        assert_eq!(direction(1e-300, 1.0), 1e-300);
    }
}
