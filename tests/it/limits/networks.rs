//! Networks and algorithms whose limit is a recursion of a few numbers: kernels, training, message passing.

use super::{assert_limits, limits};
use crate::quadrature::{even_nodes, normal_mean};
use std::f64::consts::PI;

/// ⟨h|h⟩, ⟨h|h′⟩, ⟨h′|h′⟩ of two inputs.
type Kernel = [f64; 3];

/// E φ(u)φ(v) and E φ′(u)φ′(v) for all three pairs.
type Dual = fn(Kernel) -> (Kernel, Kernel);

/// Both arc-cosine kernels.
fn relu(k: Kernel) -> (Kernel, Kernel) {
    let angle = (k[1] / (k[0] * k[2]).sqrt()).acos();
    let joint =
        (k[0] * k[2]).sqrt() * (libm::sin(angle) + (PI - angle) * libm::cos(angle)) / (2.0 * PI);
    ([k[0] / 2.0, joint, k[2] / 2.0], [0.5, (PI - angle) / (2.0 * PI), 0.5])
}

/// The arcsine kernel.
fn erf(k: Kernel) -> (Kernel, Kernel) {
    let pair = |a: f64, c: f64, b: f64| {
        let (a, b) = (1.0 + 2.0 * a, 1.0 + 2.0 * b);
        let value = 2.0 / PI * (2.0 * c / (a * b).sqrt()).asin();
        (value, 4.0 / PI / (a * b - 4.0 * c * c).sqrt())
    };
    let all = [pair(k[0], k[0], k[0]), pair(k[0], k[1], k[2]), pair(k[2], k[2], k[2])];
    (all.map(|pair| pair.0), all.map(|pair| pair.1))
}

/// Two inputs, an input layer, hidden layers, their kernels and, by `grad`, every layer's part of the tangent kernel.
fn deep(activation: &str, depth: usize, variance: f64) -> String {
    let mut text = format!(
        "data xs : scalar[2, 3] = [[1, 0.5, -0.2], [0.3, 1.2, 0.6]];\n\
         init U : vec[3] ~ N(0, 1);\ninit v : vec ~ N(0, 1);\n\
         let h1[i] = sum[j](xs[i, j] * U[j]);\nlet x1 = {activation}(h1);\n"
    );
    for l in 2..=depth {
        text += &format!("init W{l} : mat ~ N(0, {variance}/n);\n");
        text += &format!("let h{l} = W{l} @ x{};\nlet x{l} = {activation}(h{l});\n", l - 1);
    }
    text += &format!("let f[i] = avg(v * x{depth}[i]);\n");
    for (i, j) in [(0, 0), (0, 1), (1, 1)] {
        text += &format!("output avg(x{depth}[{i}] * x{depth}[{j}]) as \"v {i}{j}\";\n");
        for l in 2..=depth {
            text += &format!(
                "let G{l}{i}{j} = n * grad(f[{i}], W{l});\nlet H{l}{i}{j} = n * grad(f[{j}], W{l});\n\
                 output mean[a, b](G{l}{i}{j}[a, b] * H{l}{i}{j}[a, b]) as \"W{l} {i}{j}\";\n"
            );
        }
        text += &format!(
            "let g{i}{j} = n * grad(f[{i}], U);\nlet k{i}{j} = n * grad(f[{j}], U);\n\
             output sum[c](avg(g{i}{j}[c] * k{i}{j}[c])) as \"U {i}{j}\";\n"
        );
    }
    text
}

/// The recursions of the two kernels: ⟨x|x′⟩ forwards, ⟨dh|dh′⟩ backwards.
fn recursion(dual: Dual, depth: usize, variance: f64) -> Vec<(String, f64)> {
    let xs = [[1.0, 0.5, -0.2], [0.3, 1.2, 0.6]];
    let dot = |i: usize, j: usize| (0..3).map(|k| xs[i][k] * xs[j][k]).sum::<f64>();
    let inputs = [dot(0, 0), dot(0, 1), dot(1, 1)];
    let mut forward = vec![inputs];
    let mut slopes = Vec::new();
    let mut kernel = inputs;
    for _ in 1..=depth {
        let (values, slope) = dual(kernel);
        forward.push(values);
        slopes.push(slope);
        kernel = values.map(|x| variance * x);
    }
    let mut known = Vec::new();
    for (k, pair) in ["00", "01", "11"].iter().enumerate() {
        known.push((format!("v {pair}"), forward[depth][k]));
        let mut backward = slopes[depth - 1][k];
        for l in (2..=depth).rev() {
            known.push((format!("W{l} {pair}"), backward * forward[l - 1][k]));
            backward *= variance * slopes[l - 2][k];
        }
        known.push((format!("U {pair}"), backward * inputs[k]));
    }
    known
}

#[test]
fn deep_networks_have_the_kernels_of_their_recursions() {
    for (name, dual, variance) in [("relu", relu as Dual, 2.0), ("erf", erf as Dual, 1.5)] {
        let known = recursion(dual, 4, variance);
        let known: Vec<(&str, f64)> = known.iter().map(|(name, x)| (name.as_str(), *x)).collect();
        assert_limits(&deep(name, 4, variance), 8192, 0.05, &known);
    }
}

/// A linear network h = Wx, f = ⟨v|h⟩, both layers trained: f, ⟨v|v⟩ and ⟨h|h⟩ move by themselves.
#[test]
fn gradient_descent_on_a_linear_network() {
    let (rate, target, steps) = (0.3_f64, 1.5, 5);
    let text = format!(
        "const lr = {rate};\ninit x, v0 : vec ~ N(0, 1);\ninit W0 : mat ~ N(0, 1/n);\n\
         var W = W0;\nvar v = v0;\nfor t in 0..{steps} {{\n\
         let f = avg(v * (W @ x));\nlet loss = (f - {target})^2 / 2;\n\
         let G = n * grad(loss, W);\nlet g = n * grad(loss, v);\n\
         W := W - lr / n * G;\nv := v - lr * g;\n}}\n\
         let h = W @ x;\noutput avg(v * h) as \"f\";\noutput avg(v^2) as \"v\";\n\
         output avg(h^2) as \"h\";\noutput avg((W.T @ v)^2) as \"back\";\n\
         output avg(x * (W.T @ v)) as \"back x\";\n"
    );
    let (mut f, mut a, mut b) = (0.0_f64, 1.0_f64, 1.0);
    // back = Wᵀv = W0ᵀv + k x, where v = p v0 + q h0 and h = r v0 + s h0 in terms of the initial kets
    let (mut p, mut q, mut r, mut s) = (1.0, 0.0, 0.0, 1.0);
    for _ in 0..steps {
        let step = rate * (f - target);
        (p, q, r, s) = (p - step * r, q - step * s, r - step * p, s - step * q);
        (f, a, b) = (p * r + q * s, p * p + q * q, r * r + s * s);
    }
    // Wᵀ = W0ᵀ + x (r v0 + (s − 1) h0)ᵀ/n on the span of v0 and h0, and W0ᵀ h0 = hat + x
    let along = q + r * p + (s - 1.0) * q;
    let known =
        [("f", f), ("v", a), ("h", b), ("back", p * p + q * q + along * along), ("back x", along)];
    assert!((f - target).abs() < 0.05 && (b - 1.0).abs() > 0.3, "it learns: {f} {b}");
    assert_limits(&text, 4096, 1e-6, &known);
}

/// One entrywise step on the matrix: an outer product that does not factor.
#[test]
fn one_step_of_sign_descent_on_a_matrix() {
    let (rate, target, eps) = (0.8, 1.2, 0.4);
    let text = format!(
        "init x, v : vec ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\n\
         let h = W @ x;\nlet f = avg(v * tanh(h));\nlet loss = (f - {target})^2 / 2;\n\
         let G = n * grad(loss, W);\nlet M = W - {rate}/n * (G / sqrt(G^2 + {eps}^2));\n\
         let h1 = M @ x;\noutput avg(v * tanh(h1)) as \"f\";\noutput avg(h1^2) as \"h\";\n\
         output avg(x * (M.T @ v)) as \"back\";\n"
    );
    // small eps is nearly a jump, for which Gauss–Hermite nodes are too far apart
    let (nodes, fine) = (even_nodes(0.05), even_nodes(0.02));
    let q = |s: f64| -> f64 {
        fine.iter().map(|(x, w)| w * x * s * x / (s * s * x * x + eps * eps).sqrt()).sum()
    };
    let (mut f, mut square, mut back) = (0.0, 0.0, 0.0);
    for (v, wv) in &nodes {
        for (h, wh) in &nodes {
            // the error is f − target = −target
            let update = q(-target * v * (1.0 - libm::tanh(*h).powi(2)));
            let new = h - rate * update;
            f += wv * wh * v * libm::tanh(new);
            square += wv * wh * new * new;
            back -= wv * wh * v * rate * update;
        }
    }
    assert!(f > 0.2 && square > 1.1, "the step moves it: {f} {square}");
    assert_limits(&text, 2048, 0.02, &[("f", f), ("h", square), ("back", back)]);
}

/// Approximate message passing on a spiked symmetric matrix: the Onsager term cancels the dot, so the iterates are
/// signal plus independent noise, and two numbers describe them (state evolution).
#[test]
fn message_passing_follows_state_evolution() {
    let (snr, steps) = (1.6, 5);
    let program = |onsager: f64| {
        let mut text = format!(
            "init s : vec ~ rademacher();\ninit g : vec ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\n\
             let P[a, b] = {snr}/n * s[a] * s[b];\nlet A = (W + W.T) / sqrt(2) + P;\n\
             let x0 = 0.5 * s + g;\nlet f0 = tanh(x0);\nlet x1 = A @ f0;\nlet f1 = tanh(x1);\n"
        );
        for t in 2..=steps {
            let (x, f, g) = (t - 1, t - 1, t - 2);
            text += &format!(
                "let x{t} = A @ f{f} - {onsager} * avg(1 - tanh(x{x})^2) * f{g};\nlet f{t} = tanh(x{t});\n"
            );
        }
        for t in 1..=steps {
            text += &format!("output avg(s * x{t}) as \"signal {t}\";\n");
            text += &format!("output avg((x{t} - avg(s * x{t}) * s)^2) as \"noise {t}\";\n");
        }
        text
    };
    let (mut signal, mut noise) = (0.5, 1.0);
    let mut known = Vec::new();
    for t in 1..=steps {
        // tanh is odd, so s = 1 may be assumed
        let input = |z: f64| libm::tanh(signal + f64::sqrt(noise) * z);
        (signal, noise) = (snr * normal_mean(input), normal_mean(|z| input(z).powi(2)));
        known.extend([(format!("signal {t}"), signal), (format!("noise {t}"), noise)]);
    }
    let known: Vec<(&str, f64)> = known.iter().map(|(name, x)| (name.as_str(), *x)).collect();
    assert_limits(&program(1.0), 16_384, 0.02, &known);
    // without the term the dots stay
    let plain = limits(&program(0.0), 4096);
    let (value, error) = plain["noise 2"];
    assert!((value - known[3].1).abs() > 10.0 * error.max(0.01), "{value} ± {error}");
}
