//! Closed forms against what is known by heart; against integrals they are tested in `tests/it/limits`.

use super::*;
use std::f64::consts::PI;

fn law(mean: &[f64], covariance: &[&[f64]]) -> Normal {
    Normal::new(mean.to_vec(), covariance.iter().map(|row| row.to_vec()).collect())
}

fn value(powers: &[u32], factors: &[(Shape, usize)], law: &Normal) -> f64 {
    let product = Product { powers: powers.to_vec(), factors: factors.to_vec() };
    mean(&product, law).expect("it has a closed form").value
}

#[track_caller]
fn assert_near(found: f64, known: f64) {
    assert!((found - known).abs() < 4e-16 * known.abs().max(1.0), "{found}, not {known}");
}

#[test]
fn moments_are_those_of_isserlis() {
    let law = law(&[0.0, 0.5], &[&[2.0, 0.3], &[0.3, 1.0]]);
    assert_near(value(&[4, 0], &[], &law), 12.0);
    assert_near(value(&[1, 1], &[], &law), 0.3);
    // E x² y² = Var x (Var y + µ²) + 2 c²
    assert_near(value(&[2, 2], &[], &law), 2.0 * 1.25 + 2.0 * 0.09);
}

#[test]
fn orthants_are_those_of_the_angles() {
    let law = law(&[0.0; 3], &[&[1.0, 0.5, 0.0], &[0.5, 1.0, 0.0], &[0.0, 0.0, 1.0]]);
    let [x, y, z] = [0, 1, 2].map(|k| (Shape::Step, k));
    assert_near(value(&[0; 3], &[x, y], &law), 1.0 / 3.0);
    assert_near(value(&[0; 3], &[x, y, z], &law), 1.0 / 6.0);
    let [p, q, r] = [0, 1, 2].map(|k| (Shape::Sign, k));
    assert_near(value(&[0; 3], &[p, q], &law), 1.0 / 3.0);
    assert_near(value(&[0; 3], &[p, q, z], &law), 1.0 / 6.0);
    assert_near(value(&[0; 3], &[p, q, r], &law), 0.0);
    assert_near(value(&[0; 3], &[x, y, r], &law), 0.0);
}

#[test]
fn deltas_condition() {
    let law = law(&[0.0, 0.0], &[&[4.0, 2.0], &[2.0, 3.0]]);
    let density = 1.0 / (2.0 * (2.0 * PI).sqrt());
    // given x = 0, y has variance 3 − 2²/4
    assert_near(value(&[0, 2], &[(Shape::Delta, 0)], &law), 2.0 * density);
    assert_near(value(&[1, 1], &[(Shape::Delta, 0)], &law), 0.0);
}

#[test]
fn exponentials_tilt_and_bells_narrow() {
    let law = law(&[0.2, -0.1], &[&[0.5, 0.3], &[0.3, 0.8]]);
    assert_near(value(&[0, 0], &[(Shape::Exp, 0)], &law), libm::exp(0.45));
    assert_near(value(&[0, 1], &[(Shape::Exp, 0)], &law), 0.2 * libm::exp(0.45));
    let bell = libm::exp(-0.04 / 2.0) / 2.0f64.sqrt();
    assert_near(value(&[0, 0], &[(Shape::Bell, 0)], &law), bell);
    assert_near(value(&[0, 0], &[(Shape::Cos, 0)], &law), libm::exp(-0.25) * libm::cos(0.2));
}

#[test]
fn dependent_numbers_and_constants_need_no_care() {
    let same = law(&[0.0, 0.0], &[&[1.0, -1.0], &[-1.0, 1.0]]);
    assert_near(value(&[1, 1], &[(Shape::Step, 0), (Shape::Step, 1)], &same), 0.0);
    assert_near(value(&[1, 1], &[(Shape::Sign, 0), (Shape::Sign, 1)], &same), 1.0);
    // E relu(x) sign(−x): both jump at 0
    assert_near(value(&[1, 0], &[(Shape::Step, 0), (Shape::Sign, 1)], &same), -density(0.0, 1.0));
    let constant = law(&[2.0, 0.0], &[&[0.0, 0.0], &[0.0, 1.0]]);
    assert_near(value(&[3, 2], &[(Shape::Step, 0)], &constant), 8.0);
    assert_eq!(arc_cosine(1.0, 1.0, -1.0), (0.0, 0.0));
    assert_eq!(arc_cosine(4.0, 1.0, 2.0), (1.0, 0.5));
    assert_eq!(arc_cosine(0.0, 1.0, 0.0), (0.0, 0.0));
}

#[test]
fn quadrants_meet_their_limits() {
    // P(x > 0, y > 0) at correlations near ±1 and far from the origin, by one-dimensional integrals of Φ
    for (h, k, rho) in [(0.5, -0.3, 0.95), (1.0, 1.0, -0.97), (-2.0, 0.4, 0.3)] {
        let law = law(&[h, k], &[&[1.0, rho], &[rho, 1.0]]);
        let rest = (1.0f64 - rho * rho).sqrt();
        let steps = 400_000;
        let width = (12.0 + h) / f64::from(steps);
        let at = |j: i32| {
            let x = -h + (f64::from(j) + 0.5) * width;
            normal_density(x) * normal_cdf((k + rho * x) / rest)
        };
        let known: f64 = (0..steps).map(at).sum::<f64>() * width;
        assert!((quadrant(&law, 0, 1) - known).abs() < 1e-9, "{h} {k} {rho}: {known}");
    }
    // with mpmath
    let near = law(&[0.1, 0.1], &[&[1.0, 0.999_999], &[0.999_999, 1.0]]);
    assert!((quadrant(&near, 0, 1) - 0.539_603_880_766_103_3).abs() < 1e-14);
}
