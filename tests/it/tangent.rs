//! The neural-tangent limit: the same training programs as in µP, with `parametrization ntp`.
//!
//! For gradient descent it is f_{t+1} − f_t = −η Θ χ_t with Θ by the recursions of Jacot et al. (2018), written out here
//! from the arc-cosine (Cho & Saul 2009) and arcsine (Williams 1997) kernels.

mod finite;
mod formula;
mod optimizers;

use crate::sketch::check;
use ndarray::Array2;
use std::f64::consts::PI;
use tpc::limit::{LimitOptions, evaluate};

/// Inputs of the training, then one test input; targets.
const INPUTS: [[f64; 2]; 4] = [[0.8, -0.4], [-0.3, 1.1], [0.5, 0.6], [0.2, -0.9]];
const TARGETS: [f64; 3] = [0.5, -0.7, 0.9];
const RATE: f64 = 0.5;

/// A network with `layers` hidden layers, trained for two steps in NTP.
fn program(function: &str, layers: usize, optimizer: &str) -> String {
    let (matrices, deep) = match layers {
        1 => (String::new(), String::new()),
        _ => (
            format!("  param W : mat[{}];\n", layers - 1),
            format!("  for l in 0..{} {{ h := W[l] @ {function}(h); }}\n", layers - 1),
        ),
    };
    format!(
        "data xs : scalar[3, 2] = {:?};\ndata ys : scalar[3] = {TARGETS:?};\n\
         data xt : scalar[1, 2] = {:?};\nnet f(x : scalar[d]) {{\n  param U : vec[d];\n{matrices}  \
         param v : vec;\n  var h = sum[j](U[j] * x[j]);\n{deep}  return sum[a](v[a] * {function}(h[a]));\n}}\n\
         train f on (xs, ys) {{\n  parametrization ntp;\n  optimizer {optimizer};\n  steps 2;\n  test xt;\n  center;\n}}\n\
         output f.test;\n",
        &INPUTS[..3],
        &INPUTS[3..],
    )
}

/// f.test at the steps 0, 1, 2, with errors.
fn limit(text: &str, particles: usize, replicates: usize) -> (Vec<f64>, Vec<f64>) {
    let (checked, _) = check(text).unwrap_or_else(|codes| panic!("{codes:?}\n{text}"));
    let options =
        LimitOptions { particles, most: particles, replicates, ..LimitOptions::default() };
    let limits = evaluate(&checked.facts.leading, &options);
    let limits = limits.unwrap_or_else(|error| panic!("{error}\n{text}"));
    (limits.outputs[0].values.clone(), limits.outputs[0].errors.to_vec())
}

/// E φφ and E φ′φ′ of two Gaussian numbers with covariance [[a, c], [c, b]].
fn kernels(function: &str, (a, b, c): (f64, f64, f64)) -> (f64, f64) {
    if function == "relu" {
        let size = (a * b).sqrt();
        let angle = (c / size).clamp(-1.0, 1.0).acos();
        let first = size / (2.0 * PI) * (libm::sin(angle) + (PI - angle) * libm::cos(angle));
        return (first, (PI - angle) / (2.0 * PI));
    }
    let size = (1.0 + 2.0 * a) * (1.0 + 2.0 * b);
    let slope = 4.0 / PI / (size - 4.0 * c * c).sqrt();
    (2.0 / PI * (2.0 * c / size.sqrt()).asin(), slope)
}

/// The tangent kernel of all inputs.
fn tangent(function: &str, layers: usize) -> Array2<f64> {
    recursions(function, layers).1
}

/// The covariance of the first outputs for all inputs.
fn covariance(function: &str, layers: usize) -> Array2<f64> {
    recursions(function, layers).0
}

fn recursions(function: &str, layers: usize) -> (Array2<f64>, Array2<f64>) {
    let inner = |i: usize, j: usize| INPUTS[i][0] * INPUTS[j][0] + INPUTS[i][1] * INPUTS[j][1];
    let mut covariance = Array2::from_shape_fn((4, 4), |(i, j)| inner(i, j));
    let mut tangent = covariance.clone();
    for _ in 0..layers {
        let old = covariance.clone();
        for ((i, j), entry) in covariance.indexed_iter_mut() {
            let (value, slope) = kernels(function, (old[[i, i]], old[[j, j]], old[[i, j]]));
            *entry = value;
            tangent[[i, j]] = value + slope * tangent[[i, j]];
        }
    }
    (covariance, tangent)
}

/// f of the test input at the steps 0, 1, 2 of gradient descent with this tangent kernel.
fn trained_by(kernel: &Array2<f64>) -> Vec<f64> {
    let mut f = [0.0; 4];
    let mut known = vec![0.0];
    for _ in 0..2 {
        let change: Vec<f64> =
            (0..4).map(|i| (0..3).map(|j| kernel[[i, j]] * (f[j] - TARGETS[j])).sum()).collect();
        f.iter_mut().zip(change).for_each(|(f, change)| *f -= RATE * change);
        known.push(f[3]);
    }
    known
}

/// With `TPC_DEEP=full` to 1e-3, in some minutes.
#[test]
fn gradient_descent_follows_the_tangent_kernel() {
    let full = std::env::var("TPC_DEEP").is_ok_and(|value| value == "full");
    let (particles, bound) = if full { (1 << 19, 1e-3) } else { (1 << 14, 6e-3) };
    let mut problems = String::new();
    for function in ["relu", "erf"] {
        for layers in 1..=4 {
            let known = trained_by(&tangent(function, layers));
            let text = program(function, layers, &format!("sgd(lr = {RATE})"));
            let (values, errors) = limit(&text, particles, 16);
            for step in 1..3 {
                let (off, error) = ((values[step] - known[step]).abs(), errors[step]);
                if off > 4.0 * error || error > bound * known[step].abs() {
                    let (value, known) = (values[step], known[step]);
                    problems += &format!(
                        "{function}, {layers} layers, step {step}: {value} ± {error:.1e}, known {known}\n"
                    );
                }
            }
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
}

/// `kernel(f)`: the covariance of the first outputs is the NNGP kernel, beside it the tangent kernel.
#[test]
fn kernels_are_those_of_the_recursions() {
    for (function, layers) in [("relu", 1), ("erf", 3)] {
        let text = program(function, layers, "sgd(lr = 0.1)");
        let text = text.replace("output f.test;", "output kernel(f);");
        let (checked, _) = check(&text).unwrap_or_else(|codes| panic!("{codes:?}\n{text}"));
        let options = LimitOptions { particles: 1 << 13, draws: 16, ..LimitOptions::default() };
        let limits = evaluate(&checked.facts.leading, &options).expect("it has a limit");
        let [first, ntk] = limits.outputs.as_slice() else { panic!("there are two outputs") };
        let law = first.law.as_ref().expect("first outputs are random");
        let (kernel, covariance) = (tangent(function, layers), covariance(function, layers));
        for k in 0..9 {
            let at = [k / 3, k % 3];
            for (value, error, known) in [
                (ntk.values[k], ntk.errors[k], kernel[at]),
                (law.covariance[k], law.covariance_errors[k], covariance[at]),
            ] {
                let off = (value - known).abs();
                assert!(
                    off < 4.0 * error && error < 0.02,
                    "{function} {at:?}: {value} ± {error}, known {known}"
                );
            }
        }
    }
}

/// On one sample with one hidden layer SignSGD moves the output by η sign(χ) (E|erf(u)| + E|v| E erf′(u)), however large χ
/// is ([TP4b], Example 2.4.6).
#[test]
fn sign_descent_on_one_sample_sees_the_sign_of_the_loss_derivative_alone() {
    let text = "data xs : scalar[1, 1] = [[1.0]];\ndata ys : scalar[1] = [TARGET];\n\
         net f(x : scalar[d]) {\n  param U : vec[d];\n  param v : vec;\n  \
         let h = sum[j](U[j] * x[j]);\n  return sum[a](v[a] * erf(h[a]));\n}\n\
         train f on (xs, ys) {\n  parametrization ntp;\n  optimizer signsgd(lr = 0.1);\n  \
         steps 1;\n  test xs;\n  center;\n}\noutput f.test;\n";
    let size = 2.0 / PI * 2f64.sqrt().atan();
    let slope = (2.0 / PI).sqrt() * 2.0 / (3.0 * PI).sqrt();
    for (target, sign) in [(0.7, 1.0), (0.1, 1.0), (-3.0, -1.0)] {
        let (values, errors) = limit(&text.replace("TARGET", &format!("{target:?}")), 1 << 14, 8);
        let known = sign * 0.1 * (size + slope);
        let (value, error) = (values[1], errors[1]);
        assert!(
            (value - known).abs() < 4.0 * error + 1e-9 && error < 1e-3,
            "{value} ± {error} is not {known}"
        );
    }
}
