//! OuterNonlins whose functions mix neurons: means over copies, tabulated in the number that is left.

use super::assert_close;
use super::limits_by;
use crate::quadrature::normal_mean;
use tpc::limit::Rungs;
use tpc::num::special::{normal_cdf, normal_density};

/// Without particles, and to 1e-10.
fn assert_exact(text: &str, known: &[(&str, f64)]) {
    let found = limits_by(text, 4096, Rungs::Exact);
    for (name, known) in known {
        let (value, error) = found[*name];
        assert!((value - known).abs() <= error + 1e-14, "{name}: {value} ± {error:e}, not {known}");
        assert!(error < 1e-10, "{name} ± {error:e}");
    }
    assert_close(text, &limits_by(text, 2048, Rungs::Particles), 0.1, known);
}

/// E f(Z) for an analytic function, by the trapezoidal rule, which is exact to rounding there and quick in two dimensions.
fn smooth_mean(f: impl Fn(f64) -> f64) -> f64 {
    let at = |k: i32| f(0.01 * f64::from(k)) * normal_density(0.01 * f64::from(k));
    0.01 * (-1200..=1200).map(at).sum::<f64>()
}

/// The same with fewer points, for means of means.
fn coarse(f: impl Fn(f64) -> f64) -> f64 {
    let at = |k: i32| f(0.05 * f64::from(k)) * normal_density(0.05 * f64::from(k));
    0.05 * (-200..=200).map(at).sum::<f64>()
}

#[test]
fn means_over_copies_are_functions_of_one_number() {
    let text = "init W : mat ~ N(0, 1/n);\ninit x, z : vec ~ N(0, 1);\n\
                let y[a] = mean[b](cos(x[a] * x[b]));\n\
                let p[a] = mean[b](relu(x[a] - z[b]) * (1 + 3 * z[b]));\n\
                let h = W @ y;\nlet back = W.T @ (h^3);\nlet both = mean[a, b](cos(x[a] * z[b]) * z[a]^2);\n\
                output avg(y) as \"y\", avg(y^2) as \"y2\", avg(h^2) as \"h2\", avg(y * back) as \"back\",\n\
                avg(p) as \"p\", avg(p * tanh(x)) as \"px\", both;";
    // E cos(t x) = e^(−t²/2); E relu(t − z) = t Φ(t) + φ(t), and E z relu(t − z) = −Φ(t)
    let y2 = 1.0 / 3.0f64.sqrt();
    let p = |t: f64| t * normal_cdf(t) + normal_density(t) - 3.0 * normal_cdf(t);
    assert_exact(
        text,
        &[
            ("y", 0.5f64.sqrt()),
            ("y2", y2),
            ("h2", y2),
            // W.T h³ = hat + 3 y E h²
            ("back", 3.0 * y2 * y2),
            ("p", normal_mean(p)),
            ("px", normal_mean(|t| p(t) * libm::tanh(t))),
            ("both", 0.5f64.sqrt()),
        ],
    );
}

#[test]
fn the_number_may_be_a_function_of_several_forms() {
    // what an adaptive optimizer does to one sample: d x/(|d x| + 1) for each pair of neurons
    let text = "init W : mat ~ N(0, 1/n);\ninit x, v, h : vec ~ N(0, 1);\nlet d = v * relu'(h);\n\
                let s[a] = mean[b](d[a] * x[b] / (abs(d[a] * x[b]) + 1) * x[b]);\nlet g = W @ s;\n\
                output avg(v * s) as \"vs\", avg(g^2) as \"g2\", avg(v * s * h) as \"vsh\";";
    let inner = |v: f64| normal_mean(|x: f64| v * x * x / ((v * x).abs() + 1.0));
    let vs = 0.5 * normal_mean(|v| v * inner(v));
    let half = 1.0 / (2.0 * std::f64::consts::PI).sqrt(); // E relu(h)
    assert_exact(
        text,
        &[("vs", vs), ("g2", 0.5 * normal_mean(|v| inner(v).powi(2))), ("vsh", 2.0 * half * vs)],
    );
}

#[test]
fn copies_of_dependent_kets_stay_dependent() {
    // g and h are hats of one matrix; each copy of them has their covariance, and copies are independent
    let text = "init W : mat ~ N(0, 1/n);\ninit x, z : vec ~ N(0, 1);\nlet g = W @ x;\nlet h = W @ (x + z);\n\
                let y[a] = mean[b](sin(g[a] * g[b]) * h[b]);\nlet q[a] = mean[b, c](cos(g[a] + g[b] * h[c]) * h[b]);\n\
                output avg(y * h) as \"yh\", avg(q * q) as \"qq\";";
    // E sin(t g) h = Cov(g, h) t e^(−t²/2); E cos(t + g h′) h = −sin t · E sin(g h′) h = −sin t · E h′ e^(−h′²/2) = 0 by h′ → −h′
    let y = |t: f64| t * libm::exp(-0.5 * t * t);
    assert_exact(text, &[("yh", normal_mean(|t| y(t) * t)), ("qq", 0.0)]);
}

#[test]
fn any_part_may_be_the_number() {
    // q + 1 and q are read through q; sin x and cos x through x; so is everything in a step of an adaptive optimizer
    let text = "init W : mat ~ N(0, 1/n);\ninit x : vec ~ N(0, 1);\nlet q = x^2;\n\
                let p[a] = mean[b](tanh(q[a] * x[b] + q[a] + 1));\n\
                let r[a] = mean[b](tanh(sin(x[a]) * x[b] + cos(x[a])));\n\
                let h = W @ x;\nlet G = n * grad(avg(tanh(h)), W);\nlet W1 = W - 0.1 / n * G / sqrt(G^2 + 0.01);\n\
                output avg(p) as \"p\", avg(r) as \"r\", avg(tanh(W1 @ x)) as \"t\";";
    let p = |z: f64| {
        let q = z * z;
        smooth_mean(|w| libm::tanh(q * w + q + 1.0))
    };
    let r = |z: f64| smooth_mean(|w| libm::tanh(libm::sin(z) * w + libm::cos(z)));
    let step = |d: f64| smooth_mean(|w: f64| d * w * w / (d * d * w * w + 0.01).sqrt());
    let t = |h: f64| libm::tanh(h - 0.1 * step(1.0 - libm::tanh(h).powi(2)));
    assert_exact(text, &[("p", smooth_mean(p)), ("r", smooth_mean(r)), ("t", smooth_mean(t))]);
}

#[test]
fn tables_reach_as_far_as_their_number() {
    // sin x is largest between any points that one may try; x³ reaches far beyond what has a noticeable density
    let text = "init x : vec ~ N(0.5, 0.25);\nlet s = sin(3 * x);\nlet q = x^3;\n\
                let y[a] = mean[b](sin(s[a] + s[b]) * x[b]);\nlet p[a] = mean[b](tanh(q[a] * x[b] + 1) * q[a]);\n\
                output avg(y) as \"y\", avg(y * s) as \"ys\", avg(p) as \"p\";";
    let x = |z: f64| 0.5 + 0.5 * z;
    let s = |z: f64| libm::sin(3.0 * x(z));
    let y = |z: f64| smooth_mean(|w| libm::sin(s(z) + s(w)) * x(w));
    let p = |z: f64| {
        let q = libm::pow(x(z), 3.0);
        q * smooth_mean(|w| libm::tanh(q * x(w) + 1.0))
    };
    let known =
        [("y", smooth_mean(y)), ("ys", smooth_mean(|z| y(z) * s(z))), ("p", smooth_mean(p))];
    assert_exact(text, &known);
}

#[test]
fn tables_know_what_a_change_of_sign_does() {
    // odd by the signs of x[b] and q[c]; even by that of x[b]; neither, because a mean of p is not 0
    let text = "init W : mat ~ N(0, 1/n);\ninit x, q : vec ~ N(0, 1);\ninit p : vec ~ N(0.5, 1);\n\
                let o[a] = mean[b, c](tanh(x[a] + x[b] * q[c]));\nlet e[a] = mean[b](exp(-(x[a] * x[b] + x[b]^2 / 2)^2));\n\
                let m[a] = mean[b](tanh(x[a] * p[b] + 1));\nlet h = W @ o;\n\
                output avg(o) as \"o\", avg(o * x) as \"ox\", avg(o^2 * x) as \"oox\", avg(e * x) as \"ex\", avg(e) as \"e\",\n\
                avg(m) as \"m\", avg(m * x) as \"mx\", avg(h^2) as \"hh\";";
    let o = |u: f64| coarse(|p| coarse(|q| libm::tanh(u + p * q)));
    let e = |u: f64| smooth_mean(|w| libm::exp(-(u * w + 0.5 * w * w).powi(2)));
    let m = |u: f64| smooth_mean(|w| libm::tanh(u * (0.5 + w) + 1.0));
    let found = limits_by(text, 256, Rungs::Exact);
    for name in ["o", "oox", "ex"] {
        assert_eq!(found[name], (0.0, 0.0), "{name} is 0 by symmetry");
    }
    let known = [
        ("o", 0.0),
        ("oox", 0.0),
        ("ex", 0.0),
        ("ox", coarse(|u| u * o(u))),
        ("hh", coarse(|u| o(u).powi(2))),
        ("e", smooth_mean(e)),
        ("m", smooth_mean(m)),
        ("mx", smooth_mean(|u| u * m(u))),
    ];
    assert_exact(text, &known);
}

#[test]
fn tables_may_be_narrow_in_their_number() {
    let text = "init x, u : vec ~ N(0, 1);\nfn f(s, v) = cos(s * v + exp(-1000 * (s^2 - 1.1)^2));\nfn g(z) = clamp(z, -1, 1);\n\
                init w : vec ~ N(-0.65, 0.03);\nlet y[a] = mean[b](f(x[a], u[b]));\nlet q[a] = mean[b](f(g(w[a]) + 0.4, u[b]));\n\
                output avg(y) as \"y\", avg(q) as \"q\";";
    // E cos(s v + b) = cos(b) exp(−s²/2)
    let bump =
        |s: f64| libm::cos(libm::exp(-1000.0 * (s * s - 1.1).powi(2))) * libm::exp(-0.5 * s * s);
    let at = |k: i32| 1e-4 * bump(1e-4 * f64::from(k)) * normal_density(1e-4 * f64::from(k));
    let y: f64 = (-90_000..=90_000).map(at).sum();
    let at = |k: i32| {
        let z = 1e-4 * f64::from(k);
        let w = -0.65 + 0.03_f64.sqrt() * z;
        1e-4 * bump(w.clamp(-1.0, 1.0) + 0.4) * normal_density(z)
    };
    let q: f64 = (-90_000..=90_000).map(at).sum();
    let found = limits_by(text, 256, Rungs::Exact);
    assert!((found["y"].0 - y).abs() < 1e-12 + found["y"].1, "{:?}, not {y}", found["y"]);
    assert!((found["q"].0 - q).abs() < 1e-8, "{:?}, not {q}", found["q"]);
}

#[test]
fn dots_of_tables_are_covariances() {
    // the first has no slope at 0, the second jumps, and the third jumps in its number's square
    let text = "init W : mat ~ N(0, 1/n);\ninit x, z : vec ~ N(0, 1);\nlet h = W @ x;\n\
                let r[a] = mean[b](sqrt(abs(h[a] * z[b])) * sign(h[a]));\nlet j[a] = mean[b](cos((h[a] + sign(h[a] - 0.7)) * z[b]));\n\
                let t[a] = mean[b]((if h[a]^2 < 1.5 then cos(h[a] * z[b]) else cos(2 * h[a] * z[b])) * h[a]);\n\
                output avg(x * (W.T @ r)) as \"r\", avg(x * (W.T @ j)) as \"j\", avg(x * (W.T @ t)) as \"t\",\n\
                avg(h * r) as \"hr\", avg(h * j) as \"hj\", avg(h * t) as \"ht\";";
    let j = |h: f64| h * libm::exp(-0.5 * (h + if h > 0.7 { 1.0 } else { -1.0 }).powi(2));
    // E |h|^(3/2) · E |z|^(1/2) = √2 Γ(5/4) Γ(3/4)/π = 1/√2
    let known = [
        ("r", 0.5_f64.sqrt()),
        ("j", normal_mean(j)),
        ("hr", 0.5_f64.sqrt()),
        ("hj", normal_mean(j)),
    ];
    let found = limits_by(text, 256, Rungs::Exact);
    for (name, known) in known {
        let (value, error) = found[name];
        assert!((value - known).abs() <= error + 1e-9, "{name}: {value} ± {error:e}, not {known}");
        assert!(error < 1e-11, "{name} ± {error:e}");
    }
    let (t, ht) = (found["t"], found["ht"]);
    assert!((t.0 - ht.0).abs() <= t.1 + ht.1 && t.0 > 0.2, "{t:?} {ht:?}");
}

#[test]
fn jumps_inside_functions_are_those_of_the_function() {
    let text = "init W : mat ~ N(0, 1/n);\ninit x : vec ~ N(0, 1);\nlet h = W @ x;\n\
                let s = tanh(2 * sign(h)) * cos(h);\nlet p = sign(h) * step(h);\nlet c = abs(if h < 0.7 then -h else 3);\n\
                output avg(x * (W.T @ s)) as \"s\", avg(x * (W.T @ p)) as \"p\", avg(x * (W.T @ c)) as \"c\",\n\
                avg(h * s) as \"hs\", avg(h * p) as \"hp\", avg(h * c) as \"hc\";";
    // E ∂s(h)/∂h = E h s(h)
    let found = limits_by(text, 256, Rungs::Exact);
    let s = normal_mean(|h: f64| h.abs() * libm::cos(h) * libm::tanh(2.0));
    let c = normal_mean(|h: f64| h * if h < 0.7 { h.abs() } else { 3.0 });
    for (name, known) in [("s", s), ("p", normal_density(0.0)), ("c", c)] {
        let (value, error) = found[name];
        assert!((value - known).abs() <= error + 1e-9, "{name}: {value} ± {error:e}, not {known}");
        let same = found[&format!("h{name}")];
        assert!((value - same.0).abs() <= error + same.1 + 1e-15, "{name}: {value}, not {same:?}");
    }
}

#[test]
fn functions_make_errors_of_tables_larger() {
    // E exp(t w) = e^(t²/2), so the logarithm is t²/2 and loses six digits
    let text = "init x : vec ~ N(0, 1);\nlet y[a] = mean[b](exp(x[a] * x[b] / 1000));\noutput avg(2e6 * log(y));";
    let (value, error) = limits_by(text, 256, Rungs::Exact)["avg(2e6 * log(y))"];
    assert!((value - 1.0).abs() <= error && error < 1e-6, "{value} ± {error:e}");
}
