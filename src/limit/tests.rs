//! Known limits, from programs built by hand.

use super::*;
use crate::codegen::{Matrices, MatrixRef};
use crate::ir::{Init, InitId, Law, Shape};
use crate::source::{FileId, Span};

fn init(width: usize) -> Init {
    let span = Span::new(FileId(0), 0, 0);
    Init { name: "x".into(), shape: Shape::new([], width), law: Law::Normal, stream: 0, span }
}

fn mean(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / x.len() as f64
}

const W: MatrixRef = MatrixRef { init: InitId(1), entry: 0 };

#[test]
fn catalan_numbers_are_exact() {
    let mut particles = Particles::new(&[init(1), init(2)], 256, 0, 0);
    let v = particles.initial(InitId(0));
    let mut x = v.clone();
    for want in [1.0, 2.0, 5.0, 14.0, 42.0] {
        let wx = particles.apply(W, false, &x);
        x = particles.apply(W, true, &wx);
        assert!((mean(&v, &x) - want).abs() < 1e-9, "{} is not {want}", mean(&v, &x));
    }
}

#[test]
fn dot_of_a_nonlinear_image_is_the_mean_derivative() {
    let mut particles = Particles::new(&[init(1), init(2)], 1 << 16, 0, 1);
    let v = particles.initial(InitId(0));
    let h = particles.apply(W, false, &v);
    for (name, phi, derivative) in [
        ("tanh", libm::tanh as fn(f64) -> f64, 0.605_705_5),
        ("sign", |x: f64| x.signum(), (2.0 / std::f64::consts::PI).sqrt()),
        ("relu", |x: f64| x.max(0.0), 0.5),
    ] {
        let phi: Vec<f64> = h.iter().map(|x| phi(*x)).collect();
        let back = particles.apply(W, true, &phi);
        let got = mean(&v, &back);
        assert!((got - derivative).abs() < 6e-3, "{name}: {got} is not {derivative}");
    }
}

#[test]
fn the_same_matrix_twice_has_no_dot() {
    let mut particles = Particles::new(&[init(1), init(2)], 1024, 0, 2);
    let v = particles.initial(InitId(0));
    let wv = particles.apply(W, false, &v);
    let wwv = particles.apply(W, false, &wv);
    assert!(mean(&v, &wwv).abs() < 1e-10 && (mean(&wwv, &wwv) - 1.0).abs() < 1e-10);
}
