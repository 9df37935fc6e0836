//! Limits that need the coefficient below the leading one, where leading terms cancel.

use super::assert_limits;
use crate::quadrature::normal_mean;

/// tanh′ at z.
fn slope(z: f64) -> f64 {
    1.0 - libm::tanh(z).powi(2)
}

#[test]
fn changes_of_a_smooth_function_are_its_derivatives() {
    let text = "
init x, y, r : vec ~ N(0, 1);
let d = tanh(x + n^(-1/2) * y) - tanh(x);
output n * avg(d^2) as \"first\", n^(1/2) * avg(d * y) as \"projected\";
let a = (x + n^(-1/4) * y) / (1 + x^2 + n^(-1/4) * r) - x / (1 + x^2);
output n^(1/2) * avg(a^2) as \"quotient\";
let b = 1 / (1 + n^(-1/4) * y) - 1 + n^(-1/4) * y;
output n * avg(b^2) as \"second squared\", n^(1/2) * avg(b) as \"second\";
output n^(1/2) * avg(x - x) as \"nothing\";
";
    let inverse = |z: f64| 1.0 / (1.0 + z * z);
    let quotient = normal_mean(|z| inverse(z).powi(2) + z * z * inverse(z).powi(4));
    let known = [
        ("first", normal_mean(|z| slope(z).powi(2))),
        ("projected", normal_mean(slope)),
        ("quotient", quotient),
        ("second squared", 3.0),
        ("second", 1.0),
        ("nothing", 0.0),
    ];
    assert_limits(text, 4096, 0.02, &known);
}

/// Where the first order is taken away, half of the second derivative is left; of relu the first order is its slope.
#[test]
fn second_orders_and_slopes() {
    let text = "
init x, z : vec ~ N(0, 1);
let t = tanh(x + n^(-1/2) * z) - tanh(x) - (1 - tanh(x)^2) * n^(-1/2) * z;
let s = sin(x + n^(-1/2) * z) - sin(x) - cos(x) * n^(-1/2) * z;
output n^2 * avg(t^2) as \"tanh\", n^2 * avg(s^2) as \"sin\";
output n * avg((relu(x + n^(-1/2) * z) - relu(x))^2) as \"relu\";
output n * avg((abs(x + n^(-1/2) * z) - abs(x))^2) as \"abs\";
";
    let second = |z: f64| (libm::tanh(z) * slope(z)).powi(2);
    let known = [
        ("tanh", 3.0 * normal_mean(second)),
        ("sin", 3.0 / 8.0 * (1.0 - libm::exp(-2.0))),
        ("relu", 0.5),
        ("abs", 1.0),
    ];
    assert_limits(text, 4096, 0.02, &known);
}

/// A head and its hidden layer move together, as in the neural-tangent parametrization.
#[test]
fn a_random_output_cancels_from_its_change() {
    let text = "
init W : mat ~ N(0, 1/n);
init x, v : vec ~ N(0, 1);
let h = W @ x;
let f0 = n^(1/2) * avg(v * tanh(h));
let f1 = n^(1/2) * avg((v + n^(-1/2) * tanh(h)) * tanh(h + n^(-1/2) * v));
output f1 - f0 as \"change\";
";
    assert_limits(text, 4096, 0.02, &[("change", 1.0)]);
}

/// Means over other neurons are smooth in a smaller term while it is larger than their fluctuations.
#[test]
fn means_over_other_neurons_change() {
    let text = "
init x, z : vec ~ N(0, 1);
let y[a] = mean[b](tanh(x[a] * x[b] + n^(-1/4) * z[b]^2)) - mean[b](tanh(x[a] * x[b]));
output n^(1/2) * avg(y^2) as \"inner\";
let K[a, b] = tanh(x[a] * x[b] + n^(-1/2) * z[a] * z[b]);
let K0[a, b] = tanh(x[a] * x[b]);
output n^(1/2) * mean[a, b]((K[a, b] - K0[a, b]) * z[a] * z[b]) as \"outer\";
";
    let inner = |a: f64| normal_mean(|b| slope(a * b));
    let known = [("inner", normal_mean(|a| inner(a).powi(2))), ("outer", normal_mean(inner))];
    assert_limits(text, 512, 0.1, &known);
}

/// A mean of squares stays away from 0, so that functions of it are smooth.
#[test]
fn norms_change_smoothly() {
    let text = "
init x : vec ~ N(0, 1);
let q = avg(x^2);
let y = x / sqrt(q + n^(-1/4)) - x / sqrt(q);
output n^(1/4) * avg(x * y) as \"norm\", n^(1/4) * (log(q + n^(-1/4)) - log(q)) as \"log\";
";
    assert_limits(text, 4096, 0.02, &[("norm", -0.5), ("log", 1.0)]);
}

/// Matrices that are split into parts have no size of their own; exponents that come later count all the same.
#[test]
fn exponents_after_a_matrix_are_found() {
    let text = "
init W : mat ~ N(0, 1/n);
init x, z, u, w : vec ~ N(0, 1);
let K[a, b] = tanh(x[a]) * z[b];
let h = (W - K / n) @ x;
let d = n^(1/4) * (tanh(h + n^(-1/4) * u) - tanh(h)) + n^(-1/3) * w;
output avg(d * u) as \"slope\";
";
    assert_limits(text, 4096, 0.02, &[("slope", normal_mean(slope))]);
}

/// A part of the entries whose argument does not change, or stays away from the kink.
#[test]
fn kinks_have_a_first_order() {
    let text = "
init x, y : vec ~ N(0, 1);
init r : vec ~ rademacher();
let d = relu(x + n^(-1/2) * y) - relu(x);
output n * avg(d^2) as \"relu\";
let a = abs(r + 2 + n^(-1/2) * y) - abs(r + 2);
output n^(1/2) * avg(a * y) as \"abs\";
let s = sqrt(r + 2 + n^(-1/2) * y) - sqrt(r + 2);
output n^(1/2) * avg(s * y) as \"sqrt\";
";
    let root = (1.0 + 1.0 / 3f64.sqrt()) / 4.0;
    assert_limits(text, 4096, 0.02, &[("relu", 0.5), ("abs", 1.0), ("sqrt", root)]);
}
