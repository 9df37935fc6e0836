//! Limits that need no sample: to rounding, and with the method that is said.

use super::limits_by;
use crate::sketch::check;
use std::f64::consts::{FRAC_2_PI, PI};
use tpc::limit::{LimitOptions, Limits, Rungs, evaluate};
use tpc::num::quadrature::{POINTS, Values, integrate};
use tpc::num::special::{normal_cdf, normal_density};

/// The limit without particles; an error where they would be needed.
fn exact(text: &str) -> Limits {
    let (checked, _) = check(text).unwrap_or_else(|codes| panic!("{codes:?}\n{text}"));
    let options = LimitOptions { rungs: Rungs::Exact, ..LimitOptions::default() };
    let limits = evaluate(&checked.facts.leading, &options);
    let limits = limits.unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(limits.particles, 0, "nothing is sampled");
    limits
}

/// Whole numbers, found in closed form.
fn assert_whole(text: &str, known: &[u64]) {
    let limits = exact(text);
    assert_eq!(limits.outputs.len(), known.len());
    for (output, known) in limits.outputs.iter().zip(known) {
        let (value, error) = (output.values[0], output.errors[0]);
        let size = (*known as f64).max(1.0);
        assert!((value - *known as f64).abs() <= error, "{}: {value} ± {error:e}", output.name);
        assert!(error < 1e-11 * size && value.round() == *known as f64, "{value} ± {error:e}");
        let method = if *known == 0 { "symmetry" } else { "closed form" };
        assert_eq!(output.methods.to_vec(), [method], "{}", output.name);
    }
}

fn catalan(k: u64) -> u64 {
    (0..k).fold(1, |c, k| c * 2 * (2 * k + 1) / (k + 2))
}

#[test]
fn moments_of_singular_values_are_whole() {
    let mut text = "init v : vec ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\nlet x0 = v;\n".to_owned();
    for k in 1..=10 {
        text += &format!("let x{k} = W.T @ W @ x{};\noutput avg(v * x{k}) as \"{k}\";\n", k - 1);
    }
    assert_whole(&text, &(1..=10).map(catalan).collect::<Vec<_>>());
}

#[test]
fn moments_of_eigenvalues_are_whole() {
    let mut text = "init v : vec ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\nlet x0 = v;\n".to_owned();
    for k in 1..=16 {
        let x = format!("x{}", k - 1);
        text += &format!(
            "let x{k} = (W @ {x} + W.T @ {x}) / sqrt(2);\noutput avg(v * x{k}) as \"{k}\";\n"
        );
    }
    let moment = |k: u64| if k.is_multiple_of(2) { catalan(k / 2) } else { 0 };
    assert_whole(&text, &(1..=16).map(moment).collect::<Vec<_>>());
}

/// E f(Z), to rounding.
fn normal_mean(f: &dyn Fn(f64) -> f64) -> f64 {
    let mut on_panel = |points: &[f64; POINTS], values: &mut Values| {
        *values = Values::plain(points.map(|x| f(x) * normal_density(x)));
    };
    integrate(&mut on_panel, &[-12.0, -6.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 12.0], 1e-15, 400).value
}

/// E φφ and E φ′φ′ for variances a, b and covariance c: relu by angles (Cho & Saul 2009), erf by Williams'
/// formula (1997), gelu and tanh by integrals.
fn kernels(function: &str, (a, b, c): (f64, f64, f64)) -> (f64, f64) {
    match function {
        "relu" => {
            let size = (a * b).sqrt();
            let angle = libm::acos((c / size).clamp(-1.0, 1.0));
            let first = size / (2.0 * PI) * (libm::sin(angle) + (PI - angle) * libm::cos(angle));
            (first, (PI - angle) / (2.0 * PI))
        }
        "erf" => {
            let size = (1.0 + 2.0 * a) * (1.0 + 2.0 * b);
            let slopes = 4.0 / PI / (size - 4.0 * c * c).sqrt();
            (FRAC_2_PI * libm::asin(2.0 * c / size.sqrt()), slopes)
        }
        "gelu" => gelu_kernels(a, b, c),
        _ => double(&libm::tanh, &|x| 1.0 - libm::tanh(x).powi(2), (a, b, c)),
    }
}

/// Of u Φ(u): the mean over v given u in closed form, E (m + sY) Φ(m + sY) = m Φ(k) + s² φ(k)/q with q² = 1 + s², k = m/q.
fn gelu_kernels(a: f64, b: f64, c: f64) -> (f64, f64) {
    let (slope, rest) = (c / a, (b - c * c / a).max(0.0));
    let q = (1.0 + rest).sqrt();
    let first = |x: f64| {
        let (u, k) = (a.sqrt() * x, slope * a.sqrt() * x / q);
        u * normal_cdf(u) * (slope * u * normal_cdf(k) + rest * normal_density(k) / q)
    };
    let second = |x: f64| {
        let (u, k) = (a.sqrt() * x, slope * a.sqrt() * x / q);
        let given = normal_cdf(k) + k * normal_density(k) / (q * q);
        (normal_cdf(u) + u * normal_density(u)) * given
    };
    (normal_mean(&first), normal_mean(&second))
}

/// E f(u) f(v) and E g(u) g(v) by the trapezoidal rule, which converges exponentially for analytic functions.
fn double(
    f: &dyn Fn(f64) -> f64,
    g: &dyn Fn(f64) -> f64,
    (a, b, c): (f64, f64, f64),
) -> (f64, f64) {
    let slope = c / a;
    let rest = (b - c * slope).max(0.0).sqrt();
    let step = 0.1;
    let nodes: Vec<(f64, f64)> = (-90..=90)
        .map(|k| (f64::from(k) * step, step * normal_density(f64::from(k) * step)))
        .collect();
    let (mut first, mut second) = (0.0, 0.0);
    for (x, weight) in &nodes {
        let u = a.sqrt() * x;
        let (mut inner, mut slopes) = (0.0, 0.0);
        for (y, weight) in &nodes {
            let v = slope * u + rest * y;
            inner += weight * f(v);
            slopes += weight * g(v);
        }
        first += weight * f(u) * inner;
        second += weight * g(u) * slopes;
    }
    (first, second)
}

/// NNGP and NTK of a network with biases of variance β² = 0.04 and weights of variance σ² = 1.8, maybe with residual branches;
/// three inputs, `layers` hidden layers. By the recursions of Jacot et al. (2018).
fn recursion(function: &str, layers: usize, residual: bool) -> [Vec<f64>; 2] {
    let inputs = INPUTS.map(|x| INPUTS.map(|y| x[0] * y[0] + x[1] * y[1]));
    let (weight, bias) = (1.8, 0.04);
    // h = W x + b
    let mut h = inputs.map(|row| row.map(|c| weight * c + bias));
    let (mut ntk, mut nngp) = (Vec::new(), Vec::new());
    let mut grams = vec![inputs];
    let mut slopes = Vec::new();
    for _ in 0..layers {
        let of = |i: usize, j: usize| kernels(function, (h[i][i], h[j][j], h[i][j]));
        let both: [[(f64, f64); 3]; 3] =
            std::array::from_fn(|i| std::array::from_fn(|j| of(i.min(j), i.max(j))));
        let gram: [[f64; 3]; 3] = both.map(|row| row.map(|(first, _)| first));
        slopes.push(both.map(|row| row.map(|(_, second)| second)));
        grams.push(gram);
        let next: [[f64; 3]; 3] = gram.map(|row| row.map(|c| weight * c + bias));
        h = std::array::from_fn(|i| {
            std::array::from_fn(|j| next[i][j] + if residual { h[i][j] } else { 0.0 })
        });
    }
    for i in 0..3 {
        for j in 0..3 {
            let last = grams[layers][i][j];
            nngp.push(last);
            // the gradient towards h of the last layer, then down
            let mut back = slopes[layers - 1][i][j];
            let mut total = last;
            for layer in (0..layers).rev() {
                total += back * (weight * grams[layer][i][j] + bias);
                if layer > 0 {
                    let through = weight * back * slopes[layer - 1][i][j];
                    back = through + if residual { back } else { 0.0 };
                }
            }
            ntk.push(total);
        }
    }
    [nngp, ntk]
}

const INPUTS: [[f64; 2]; 3] = [[1.0, 0.2], [0.6, 0.8], [-0.9, 0.1]];

/// The same network as a program: the readout has weights of variance 1 and no bias.
fn network(function: &str, layers: usize, residual: bool) -> String {
    let mut text = format!(
        "data xs : scalar[3, 2] = {INPUTS:?};\ninit U : vec[2] ~ N(0, 1);\ninit b : vec[{layers}] ~ N(0, 1);\n\
         init v : vec ~ N(0, 1);\nconst s = sqrt(1.8);\nlet h0[i] = s * sum[k](xs[i, k] * U[k]) + 0.2 * b[0];\n"
    );
    if layers > 1 {
        text += &format!("init W : mat[{}] ~ N(0, 1/n);\n", layers - 1);
    }
    for l in 1..layers {
        let kept = if residual { format!("h{} + ", l - 1) } else { String::new() };
        text += &format!(
            "let x{} = {function}(h{0});\nlet h{l} = {kept}s * (W[{0}] @ x{0}) + 0.2 * b[{l}];\n",
            l - 1
        );
    }
    let last = layers - 1;
    text +=
        &format!("let x{last} = {function}(h{last});\nlet d{last} = v * {function}'(h{last});\n");
    for l in (0..last).rev() {
        let kept = if residual { format!("d{} + ", l + 1) } else { String::new() };
        text += &format!("let d{l} = {kept}{function}'(h{l}) * s * (W[{l}].T @ d{});\n", l + 1);
    }
    text += &format!("let nngp[i, j] = avg(x{last}[i] * x{last}[j]);\n");
    let inputs = "1.8 * sum[k](xs[i, k] * xs[j, k]) + 0.04";
    let mut ntk = format!("let ntk[i, j] = nngp[i, j] + avg(d0[i] * d0[j]) * ({inputs})");
    for l in 1..layers {
        ntk += &format!(" + avg(d{l}[i] * d{l}[j]) * (1.8 * avg(x{0}[i] * x{0}[j]) + 0.04)", l - 1);
    }
    text + &ntk + ";\noutput nngp, ntk;\n"
}

fn assert_deep(function: &str, layers: usize, residual: bool) {
    let limits = exact(&network(function, layers, residual));
    for (output, known) in limits.outputs.iter().zip(recursion(function, layers, residual)) {
        for (k, (value, known)) in output.values.iter().zip(known).enumerate() {
            let what = format!("{function}, {layers} layers, {}[{k}]", output.name);
            assert!(
                (value - known).abs() < 1e-10 * known.abs().max(1e-3),
                "{what}: {value}, not {known}"
            );
            assert!(
                output.errors[k] < 1e-10 * known.abs().max(1.0),
                "{what} ± {:e}",
                output.errors[k]
            );
        }
        let method = if function == "tanh" { "quadrature" } else { "closed form" };
        assert!(output.methods.iter().all(|own| own == method), "{:?}", output.methods);
    }
}

#[test]
fn deep_kernels_follow_their_recursions() {
    for function in ["relu", "erf", "gelu"] {
        for (layers, residual) in [(1, false), (2, false), (4, true), (10, false), (10, true)] {
            assert_deep(function, layers, residual);
        }
    }
    assert_deep("tanh", 3, true);
    assert_deep("tanh", 10, false);
}

/// A matrix that is used in every layer: forward the hats of all layers are independent where their inputs are orthogonal, and
/// correlated else; the recursion is that of covariances between layers (Yang 2020).
#[test]
fn tied_weights_follow_their_recursion() {
    let text = "data xs : scalar[3] = [1, -0.5, 0.8];\ninit W : mat ~ N(0, 1.8/n);\ninit U : vec ~ N(0, 1);\n\
         var h = xs[0] * U;\nfor t in 1..3 { h := W @ relu(h) + xs[t] * U; }\nlet x = relu(h);\noutput avg(x * x) as \"x\";\n";
    let relu = |a: f64, b: f64, c: f64| kernels("relu", (a, b, c)).0;
    let xs = [1.0, -0.5, 0.8];
    let mut covariance = [[0.0; 3]; 3];
    for t in 0..3 {
        for s in 0..=t {
            let mut c = xs[t] * xs[s];
            if s > 0 {
                let (a, b) = (covariance[t - 1][t - 1], covariance[s - 1][s - 1]);
                c += 1.8 * relu(a, b, covariance[t - 1][s - 1]);
            }
            covariance[t][s] = c;
            covariance[s][t] = c;
        }
    }
    let known = relu(covariance[2][2], covariance[2][2], covariance[2][2]);
    let (value, error) = limits_by(text, 64, Rungs::Exact)["x"];
    assert!((value - known).abs() < 1e-12 && error < 1e-12, "{value} ± {error:e}, not {known}");
}

/// State evolution of approximate message passing on a spiked matrix (Bayati & Montanari 2011), by quadrature of its own.
#[test]
fn message_passing_follows_state_evolution() {
    let text = std::fs::read_to_string(crate::tidy::root().join("programs/amp_onsager.tp"));
    let limits = exact(&text.expect("the program is there"));
    let (mut overlap, mut deviation) = (0.5_f64, 1.0_f64);
    for t in 0..5 {
        let mean = |f: &dyn Fn(f64) -> f64| {
            let both = |z: f64| 0.5 * (f(overlap + deviation * z) + f(overlap - deviation * z));
            normal_mean(&both)
        };
        let next = 1.5 * mean(&libm::tanh);
        let square = mean(&|x| libm::tanh(x).powi(2));
        (overlap, deviation) = (next, square.sqrt());
        for (name, known) in [(format!("overlap[{t}]"), next), (format!("variance[{t}]"), square)] {
            let (base, _) = name.split_once('[').expect("it has an index");
            let outputs = limits.outputs.iter().filter(|output| output.name.starts_with(base));
            let found: Vec<f64> = outputs.flat_map(|output| output.values.clone()).collect();
            assert!((found[t] - known).abs() < 1e-10, "{name}: {}, not {known}", found[t]);
        }
    }
}

/// f = ⟨v|U⟩·x in µP under gradient descent: u, v stay in the span of U and v, a recursion of two by two numbers.
#[test]
fn linear_training_follows_its_recursion() {
    let text = "const T = 50;\nconst lr = 0.1;\ndata xs : scalar[3] = [1, -0.5, 0.8];\ndata ys : scalar[3] = [0.7, -0.2, 0.4];\n\
         init U : vec ~ N(0, 1);\ninit V : vec ~ N(0, 1);\nvar u = U;\nvar v = V;\nfor t in 0..T {\n  \
         let f[i] = avg(v * u) * xs[i];\n  let loss = sum[i]((f[i] - ys[i])^2) / 2;\n  output loss;\n  \
         let gu = n * grad(loss, u);\n  let gv = n * grad(loss, v);\n  u := u - lr * gu;\n  v := v - lr * gv;\n}\n";
    let (xs, ys) = ([1.0, -0.5, 0.8], [0.7, -0.2, 0.4]);
    // u and v by their coefficients of U and V
    let (mut u, mut v) = ([1.0, 0.0], [0.0, 1.0]);
    let limits = exact(text);
    let found: Vec<f64> = limits.outputs.iter().flat_map(|output| output.values.clone()).collect();
    assert_eq!(found.len(), 50);
    for (t, found) in found.iter().enumerate() {
        let slope = u[0] * v[0] + u[1] * v[1];
        let errors: [f64; 3] = std::array::from_fn(|i| slope * xs[i] - ys[i]);
        let loss = errors.iter().map(|e| e * e).sum::<f64>() / 2.0;
        assert!((found - loss).abs() < 1e-9 * loss.max(1e-3), "step {t}: {found}, not {loss}");
        let pull = 0.1 * errors.iter().zip(xs).map(|(e, x)| e * x).sum::<f64>();
        let (old_u, old_v) = (u, v);
        u = std::array::from_fn(|k| old_u[k] - pull * old_v[k]);
        v = std::array::from_fn(|k| old_v[k] - pull * old_u[k]);
    }
}

/// Whole matrices have the entries that smaller arrays have one by one, within their errors.
fn assert_entries(large: &str, small: &str) {
    let (large, small) = (exact(large), exact(small));
    for (whole, part) in large.outputs.iter().zip(&small.outputs) {
        assert_eq!(whole.errors.distinct().len(), 1, "{} is a whole matrix", whole.name);
        let (rows, columns) = (part.shape[0], part.shape[1]);
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            let (at, own) = (i * whole.shape[1] + j, i * columns + j);
            let (value, known) = (whole.values[at], part.values[own]);
            let allowed = whole.errors[at] + part.errors[own];
            let what = format!("{}[{i}, {j}]", whole.name);
            assert!((value - known).abs() <= allowed, "{what}: {value}, not {known} ± {allowed:e}");
            assert!((value - known).abs() <= 1e-12, "{what}: {value}, not {known}");
            assert!(allowed < 1e-8, "{what}: {allowed:e}");
        }
    }
}

#[test]
fn gram_matrices_have_the_entries_of_single_pairs() {
    let text = include_str!("../../../benches/gram.tp");
    for bias in ["sigma_b = 0", "sigma_b = 0.1"] {
        let of = |inputs: &str| {
            text.replace("M = 1024", inputs).replace("D = 32", "D = 5").replace("sigma_b = 0", bias)
        };
        assert_entries(&of("M = 150"), &of("M = 9"));
    }
}

#[test]
fn kernels_between_two_arrays_have_the_entries_of_single_pairs() {
    // the first of both arrays are the same input: the kernels of a number with itself stand beside others
    let of = |a: usize, b: usize| {
        format!(
            "init one : scalar[{a}, 3] ~ constant(1);\ninit other : scalar[{b}, 3] ~ constant(1);\n\
             init U : vec[3] ~ N(0, 1);\ninit W : mat ~ N(0, 2/n);\n\
             let x[i, k] = one[i, k] * sin(1 + i + 2.1 * k * i + k);\n\
             let y[j, k] = other[j, k] * sin(1 + 1.7 * j * (1 + k) + k);\n\
             let h[i] = sum[k](x[i, k] * U[k]);\nlet g[j] = sum[k](y[j, k] * U[k]);\n\
             let p = relu(h);\nlet q = relu(g);\nlet h2 = W @ p;\nlet g2 = W @ q;\n\
             let first[i, j] = avg(p[i] * q[j]);\n\
             let second[i, j] = avg(relu(h2[i]) * relu(g2[j])) - 3 * first[i, j];\n\
             let steps[i, j] = first[i, j] * avg(step(h[i]) * step(g[j])) + 1;\n\
             let scaled[i, j] = avg((1 + i) * h2[i] * g2[j]);\n\
             let turned[j, i] = 1 - second[i, j] * steps[i, j];\n\
             output first, second, steps, scaled, turned;"
        )
    };
    assert_entries(&of(140, 45), &of(7, 5));
}
