//! Limits at the places where leading terms cancel or vanish: what is smaller decides there.

use super::{assert_limits, limits};

/// E|z| of a standard normal number.
const ABSOLUTE: f64 = 0.797_884_560_802_865_4;

#[test]
fn terms_that_cancel_leave_the_smaller_ones() {
    let text = "
data c : scalar[2] = [1, -1];
init W : mat ~ N(0, 1/n);
init x, y, b : vec ~ N(0, 1);
let s = sum[i](c[i] * x);
output avg(sign(s + n^(-1/2) * y) * y) as \"static sum\";
let k = W @ (2 * x) - 2 * (W @ x) + n^(-1/2) * b;
output avg(sign(k) * b) as \"image of a multiple\";
let m = avg(x^2) * (W @ (x + y)) - W @ (avg(x^2) * x) - avg(x^2) * (W @ y) + n^(-1/2) * b;
output avg(sign(m) * b) as \"image of a combination\";
let z = W @ (x + y) - W @ x - W @ y;
output avg(sign(z)^2) as \"nothing\";
";
    let known = [
        ("static sum", ABSOLUTE),
        ("image of a multiple", ABSOLUTE),
        ("image of a combination", ABSOLUTE),
        ("nothing", 0.0),
    ];
    assert_limits(text, 4096, 0.01, &known);
}

#[test]
fn constants_that_cancel_leave_powers_of_n() {
    let text = "
data c : scalar[2] = [1, -1];
let s = sum[i](c[i]);
output sign(s + 1/n) as \"sign\";
output if s + 1/n > 0 then 1 else 2 as \"branch\";
";
    for (_, (value, error)) in limits(text, 256) {
        assert!((value - 1.0).abs() < 1e-9 && error < 1e-9, "{value} ± {error}");
    }
}

/// Atoms at 0 do no harm where the divisor stays away from 0, or where no smaller term is there.
#[test]
fn divisors_that_stay_away_from_zero_are_allowed() {
    let text = "
data z : scalar[2] = [0, 1];
init x, y : vec ~ N(0, 1);
init W : mat ~ N(0, 1/n);
let g = relu(x) + n^(-1/2) * y;
output avg(g / sqrt(g^2 + 1)) as \"quotient\";
output avg(1 / (1 + g^2)) as \"inverse\";
output avg(sign(relu(x))) as \"nothing smaller\";
let h[i] = W @ (z[i] * x) + W @ y + n^(-1/2) * x;
output avg(sign(h[0]) * (W @ y)) as \"a hat is left\";
";
    // E|z|/√(1 + z²) and E 1/(1 + z²)
    let tail = libm::exp(0.5) * libm::erfc(0.5_f64.sqrt());
    let known = [
        ("quotient", tail / 2.0),
        ("inverse", 0.5 + (std::f64::consts::PI / 2.0).sqrt() * tail / 2.0),
        ("nothing smaller", 0.5),
        ("a hat is left", ABSOLUTE),
    ];
    assert_limits(text, 4096, 0.01, &known);
}

/// Of two scales the sign of the larger one decides.
#[test]
fn extrema_of_different_scales() {
    let text = "
init x : vec ~ N(0, 1);
output min(n, 1) as \"min\";
output max(-n, 2) as \"max\";
output clamp(n, 0, 3) as \"clamp\";
output avg(min(n * (x^2 + 1), x^2)) as \"vec\";
output max(n, 1) / n as \"large\";
";
    let known = [("min", 1.0), ("max", 2.0), ("clamp", 3.0), ("vec", 1.0), ("large", 1.0)];
    assert_limits(text, 1024, 1e-9, &known);
}

#[test]
fn initial_matrices_stand_in_arrays() {
    let text = "
init A, B : mat ~ N(0, 1/n);
init x : vec ~ N(0, 1);
let W = [A, 2 * B];
let q[l] = W[l] @ x;
let s[l] = avg(q[l]^2);
output s[0] as \"first\";
output s[1] as \"second\";
output avg(x * (A.T @ (W[0] @ x))) as \"the same matrix\";
output avg(x * (A.T @ (W[1] @ x))) as \"another\";
";
    let known = [("first", 1.0), ("second", 4.0), ("the same matrix", 1.0), ("another", 0.0)];
    assert_limits(text, 1024, 1e-9, &known);
}

#[test]
fn laws_are_divided_and_negated() {
    let text = "
init x : vec ~ rademacher() / 2;
init W : mat ~ -rademacher() / n^(1/2);
init V : mat ~ uniform(-1, 1) / n^(1/2);
init y : vec ~ -uniform(0, 1) * 2;
output avg(x^2) as \"half a sign\";
output avg((W @ x)^2) as \"signs\";
output avg((V @ x)^2) as \"uniform\";
output avg(y) as \"negative\";
";
    let known =
        [("half a sign", 0.25), ("signs", 0.25), ("uniform", 0.25 / 3.0), ("negative", -1.0)];
    assert_limits(text, 1024, 1e-3, &known);
}

/// Poles and exponentials are measured, not forbidden.
#[test]
fn heavy_values_with_a_mean_have_a_limit() {
    let text = "
init x : vec ~ N(0, 1);
output avg(sin(x) / x) as \"removable\";
output avg(abs(x)^(-1/2)) as \"weak pole\";
output avg(exp(x^2 / 4)) as \"slow exponential\";
";
    // ∫₀¹ exp(−t²/2) dt; 2^(−1/4) Γ(1/4)/√π; √2
    let known = [
        ("removable", 0.855_624_391_892_149),
        ("weak pole", 1.720_079_974_649_476),
        ("slow exponential", std::f64::consts::SQRT_2),
    ];
    assert_limits(text, 8192, 0.05, &known);
}

/// A changed pre-activation h + relu′(h) … has no atom at 0, though it is not analytic and terms were dropped from it.
#[test]
fn networks_of_relus_learn() {
    let text = "
init W : mat ~ N(0, 2/n);
init U, v : vec ~ N(0, 1);
data xs : scalar[2] = [1, -0.5];
var A = W;
var B = U;
for t in 0..3 {
  let h1[i] = xs[i] * B;
  let h2 = A @ relu(h1);
  let f[i] = avg(v * relu(h2[i]));
  let loss = sum[i]((f[i] - 1)^2) / 2;
  let (gA, gB) = (n * grad(loss, A), n * grad(loss, B));
  A := A - 0.5/n * gA / sqrt(gA^2 + 0.01);
  B := B - 0.5 * gB;
}
output avg(B^2) as \"moved\";
";
    let (value, error) = limits(text, 512)["moved"];
    assert!(value > 1.0 && value < 10.0 && error < 1.0, "{value} ± {error}");
}

/// A dropped term that is 0 wherever the leading ones are decides no jump: both have the same masks.
#[test]
fn dropped_terms_may_share_the_zeros_of_the_leading_ones() {
    let text = "
init x, y, z, u, v : vec ~ N(0, 1);
init W : mat ~ N(0, 1/n);
let one = x * step(u) + n^(-1/2) * z * step(u)^2;
output avg(sign(one) * x) as \"one mask\";
let two = x * step(u) + y * step(v) + n^(-1/2) * (z * step(u) + x * step(v));
output avg(sign(two) * x) as \"two masks\";
let h = u + n^(-1/2) * z;
output avg(sign(x * relu(h) + y * step(h)) * x) as \"a mask with an error\";
let changed = W @ relu(u) + x * step(v);
output avg(sign((changed + n^(-1/2) * z) * step(h)) * (W @ relu(u))) as \"a hat\";
";
    // E sign(s x + y) x = √(2/π) s/√(1 + s²); the mean of s/√(1 + s²) over normal s > 0; the hat has variance 1/2
    let half = 0.5_f64.sqrt();
    let positive = libm::exp(0.5) * libm::erfc(half) / 2.0;
    let known = [
        ("one mask", ABSOLUTE / 2.0),
        ("two masks", ABSOLUTE * (1.0 + half) / 4.0),
        ("a mask with an error", ABSOLUTE * positive),
        ("a hat", ABSOLUTE * half * (1.0 + 1.0 / 3.0_f64.sqrt()) / 4.0),
    ];
    assert_limits(text, 4096, 0.01, &known);
}
