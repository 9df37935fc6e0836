//! Numbers that stay random: Gaussian sums and what depends on them (docs/theory/expansion.md).
//!
//! Draws are spread evenly, so that their moments are closer to those of the law than those of a sample; bounds are for
//! a sample all the same.

use crate::quadrature::normal_mean;
use crate::sketch::check;
use std::collections::BTreeMap;
use std::f64::consts::PI;
use tpc::analyze::GivenError;
use tpc::driver::Checked;
use tpc::finite::{Precision, RunOptions, simulate};
use tpc::limit::{LimitOptions, RandomLaw, evaluate};
use tpc::num::stats::same_law;

fn checked(text: &str) -> Checked {
    check(text).unwrap_or_else(|codes| panic!("{codes:?}\n{text}")).0
}

/// The laws of all outputs, with numbers given.
fn laws(text: &str, draws: usize, given: &[(&str, f64)]) -> BTreeMap<String, RandomLaw> {
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), vec![*value])).collect();
    let leading = checked(text).facts.undrawn.drawn(&given).expect("a Gaussian number");
    let options = LimitOptions { particles: 512, most: 512, draws, ..LimitOptions::default() };
    let limits = evaluate(&leading, &options).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let law = |output: tpc::limit::LimitOutput| (output.name, output.law.expect("it is random"));
    limits.outputs.into_iter().map(law).collect()
}

/// Mean and variance of outputs: within 4 standard errors of a sample of as many draws.
fn assert_moments(found: &BTreeMap<String, RandomLaw>, known: &[(&str, f64, f64)]) {
    for (name, mean, variance) in known {
        let law = &found[*name];
        let (value, std, error) = (law.entries[0].mean, law.entries[0].std, law.errors[0][1]);
        let mean_error = std / (law.draws.len() as f64).sqrt();
        assert!((value - mean).abs() < 4.0 * mean_error, "{name}: mean {value}, known {mean}");
        let known = variance.sqrt();
        assert!((std - known).abs() < 4.0 * error, "{name}: std {std} ± {error}, known {known}");
    }
}

/// Hats of W and Wᵀ are independent, but uᵀWv and vᵀWᵀu are one number: the variance of their sum is 4, not 2; that of
/// zᵀWᵀ(v ∘ Wz) is E g⁴ = 3, not 1.
#[test]
fn sums_linear_in_one_symbol_are_one_number() {
    let text = "
init u, v, z : vec ~ N(0, 1);
init W : mat ~ N(0, 1/n);
output n^(1/2) * avg(u * (W @ v) + v * (W.T @ u)) as \"four\";
output n^(1/2) * avg(z * (W.T @ (v * (W @ z)))) as \"three\";
";
    assert_moments(&laws(text, 1024, &[]), &[("four", 0.0, 4.0), ("three", 0.0, 3.0)]);
    let text = "
init u, v : vec ~ N(0, 1);
init W : mat ~ N(0, 1/n);
let one = n^(1/2) * avg(tanh(u) * (W @ tanh(v)));
output n^(1/2) * avg(tanh(u) * (W @ tanh(v)) + tanh(v) * (W.T @ tanh(u))) as \"four\";
let same = n^(1/2) * avg(tanh(v) * (W.T @ tanh(u)));
output one - same as \"difference\";
";
    let square = normal_mean(|z| libm::tanh(z).powi(2));
    let found = laws(text, 1024, &[]);
    assert_moments(&found, &[("four", 0.0, 4.0 * square * square)]);
    let most =
        found["difference"].draws.iter().fold(0.0, |most: f64, draw| most.max(draw[0].abs()));
    assert!(most < 1e-4, "uᵀWv and vᵀWᵀu differ by {most}");
}

/// The output of a network in NTP at initialisation: covariances by the arc-cosine kernel (Cho & Saul 2009).
#[test]
fn first_outputs_have_the_covariance_of_the_kernel() {
    let inputs = [[0.8_f64, -0.4], [-0.3, 1.1], [0.5, 0.6]];
    let text = format!(
        "data xs : scalar[3, 2] = {inputs:?};\ninit U : vec[2] ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\n\
         init v : vec ~ N(0, 1);\nlet h[i] = sum[j](U[j] * xs[i, j]);\nlet g = W @ relu(h);\n\
         let f[i] = n^(1/2) * avg(v * relu(g[i]));\noutput f;\n"
    );
    let mut kernel = [[0.0_f64; 3]; 3];
    for (i, row) in kernel.iter_mut().enumerate() {
        for (j, entry) in row.iter_mut().enumerate() {
            *entry = inputs[i][0] * inputs[j][0] + inputs[i][1] * inputs[j][1];
        }
    }
    for _ in 0..2 {
        let old = kernel;
        for (i, row) in kernel.iter_mut().enumerate() {
            for (j, entry) in row.iter_mut().enumerate() {
                let size = (old[i][i] * old[j][j]).sqrt();
                let angle = (old[i][j] / size).clamp(-1.0, 1.0).acos();
                *entry = size / (2.0 * PI) * (libm::sin(angle) + (PI - angle) * libm::cos(angle));
            }
        }
    }
    let law = &laws(&text, 1024, &[])["f"];
    for (k, found) in law.covariance.iter().enumerate() {
        let (i, j) = (k / 3, k % 3);
        let known = kernel[i][j];
        let error = ((kernel[i][i] * kernel[j][j] + known * known) / 1024.0).sqrt();
        assert!((found - known).abs() < 4.0 * error, "Cov(f{i}, f{j}) is {found}, not {known}");
    }
}

/// A number that was drawn is held fixed: under v → −v it flips too, so f n^(−1/2) x beside v is not odd. Here
/// v − n^(−1/2) f x is orthogonal to x.
#[test]
fn drawn_numbers_are_held_fixed() {
    let text = "
init v, x : vec ~ N(0, 1);
let f = n^(1/2) * avg(v * x);
let rest = v - n^(-1/2) * f * x;
output n^(1/2) * avg(rest * x) as \"nothing\", n^(1/2) * avg(rest * x) + f as \"f\";
output sign(avg(v * x)) as \"sign\", n^(1/2) * avg(v * (x + n^(-1/2) * v)) as \"shifted\";
";
    let found = laws(text, 512, &[]);
    assert!(found["nothing"].entries[0].std < 1e-6, "{:?}", found["nothing"].entries[0]);
    assert_moments(&found, &[("f", 0.0, 1.0), ("sign", 0.0, 1.0), ("shifted", 1.0, 1.0)]);
}

/// A later number linear in the same symbol is drawn given the earlier, on which its weights y depend: given f,
/// g has mean f E[x y] and variance E[y²] − E[x y]². Drawn by itself it would have mean 0.
#[test]
fn later_numbers_are_drawn_given_earlier_ones() {
    let text = "
init v, x, z : vec ~ N(0, 1);
let f = n^(1/2) * avg(v * x);
output n^(1/2) * avg(v * tanh(f * x + z)) as \"g\";
";
    // the trapezoidal rule, which is exact enough with few points
    let normal = |g: &dyn Fn(f64) -> f64| {
        let weight = |z: f64| 0.25 * libm::exp(-z * z / 2.0) / (2.0 * PI).sqrt();
        (-32..=32).map(|k| 0.25 * f64::from(k)).map(|z| weight(z) * g(z)).sum::<f64>()
    };
    let size = |f: f64| (1.0 + f * f).sqrt();
    let product = |f: f64| f * normal(&|y| 1.0 - libm::tanh(size(f) * y).powi(2));
    let square = |f: f64| normal(&|y| libm::tanh(size(f) * y).powi(2));
    let mean = normal(&|f| f * product(f));
    let second = normal(&|f| (f * f - 1.0) * product(f).powi(2) + square(f));
    assert!(mean > 0.3);
    assert_moments(&laws(text, 1024, &[]), &[("g", mean, second - mean * mean)]);
}

/// Given f = c, another head of the same v has mean Σ_gf c / Σ_ff and the variance of the Schur complement.
#[test]
fn given_numbers_condition_the_others() {
    let text = "
init v, x, z : vec ~ N(0, 1);
let f = n^(1/2) * avg(v * (x + z));
let g = n^(1/2) * avg(v * x);
output g, n^(1/2) * avg(v * z) as \"h\";
";
    let found = laws(text, 1024, &[("f", 3.0)]);
    assert_moments(&found, &[("g", 1.5, 0.5), ("h", 1.5, 0.5)]);
    for (g, h) in found["g"].draws.iter().zip(&found["h"].draws) {
        assert!((g[0] + h[0] - 3.0).abs() < 1e-4, "f is {} where 3 is given", g[0] + h[0]);
    }
}

/// A given value that others determine is checked against them.
#[test]
fn given_values_do_not_contradict_each_other() {
    let text = "
init v, x, z : vec ~ N(0, 1);
let f = n^(1/2) * avg(v * x);
let g = n^(1/2) * avg(v * (x + z));
let h = n^(1/2) * avg(v * (2 * x + z));
output h;
";
    for (value, agrees) in [(3.0, true), (5.0, false)] {
        let given = [("f", 1.0), ("g", 2.0), ("h", value)];
        let given = given.map(|(name, value)| (name.to_owned(), vec![value])).to_vec();
        let leading = checked(text).facts.undrawn.drawn(&given).expect("Gaussian numbers");
        let limits = evaluate(&leading, &LimitOptions::default()).expect("it has a limit");
        let worst = limits.expects.iter().zip(&leading.expects).all(|(found, expect)| {
            found.deviations.iter().all(|deviation| deviation.abs() <= expect.tolerance)
        });
        assert_eq!(worst, agrees, "h = {value}");
    }
}

/// A number with a random covariance is no Gaussian number by itself: its value would say something about earlier ones.
#[test]
fn a_mixture_cannot_be_given() {
    let given = |names: &[&str]| {
        let given = names.iter().map(|name| ((*name).to_owned(), vec![0.5])).collect();
        checked(&attention("y[0]")).facts.undrawn.drawn(&given).map(|_| ())
    };
    assert_eq!(given(&["f"]), Err(GivenError::Mixture("f".into())));
    assert_eq!(given(&["f", "s"]), Ok(()));
    assert_eq!(given(&["s"]), Ok(()));
    assert_eq!(given(&["s", "s"]), Err(GivenError::Twice("s".into())));
    assert_eq!(given(&["e"]), Err(GivenError::NotGaussian("e".into())));
    assert_eq!(given(&["g"]), Err(GivenError::Unknown("g".into())));
}

/// Attention with scores at 1/√n: one head, two tokens that repel each other.
fn attention(readout: &str) -> String {
    format!(
        "data xs : scalar[2, 2] = [[1.5, 0], [-1.5, 0.5]];\ninit U : vec[2] ~ N(0, 1);\n\
         init Q, K, V : mat ~ N(0, 1/n);\ninit v : vec ~ N(0, 1);\nlet x[i] = sum[k](xs[i, k] * U[k]);\n\
         let q = Q @ x;\nlet k = K @ x;\nlet s[i, j] = n^(1/2) * avg(q[i] * k[j]);\nlet e = exp(s);\n\
         let p[i, j] = e[i, j] / sum[l](e[i, l]);\nlet y[i] = sum[j](p[i, j] * (V @ x[j]));\n\
         let f = n^(1/2) * avg(v * {readout});\noutput f, s;\n"
    )
}

/// The law of the output is a mixture of Gaussians: that of finite networks is not told from it, and a Gaussian of the same
/// variance is. With `TPC_DEEP=full` 10,000 networks of width 1024.
#[test]
fn attention_with_random_scores_has_the_law_of_finite_networks() {
    let full = std::env::var("TPC_DEEP").is_ok_and(|value| value == "full");
    let (width, count) = if full { (1024, 10_000) } else { (256, 2000) };
    let text = attention("y[0]");
    let found = laws(&text, count, &[]);
    let options = RunOptions {
        width,
        seed: 1,
        seeds: count,
        precision: Precision::F32,
        memory: 1 << 33,
        force: false,
    };
    let run = simulate(&checked(&text).program, &options, &|| ()).expect("it runs");
    for output in &run.outputs {
        let law = &found[&output.name];
        for entry in 0..law.entries.len() {
            let column = |all: &[Vec<f64>]| all.iter().map(|one| one[entry]).collect::<Vec<_>>();
            let (finite, draws) = (column(&output.values), column(&law.draws));
            let chance = same_law(&finite, &draws);
            assert!(chance > 0.01, "{} {entry}: {chance}", output.name);
            if full {
                eprintln!("{} {entry}: p = {chance:.3}", output.name);
            }
            if output.name == "f" {
                let normal = |k: usize| {
                    let p = (k as f64 + 0.5) / count as f64;
                    law.entries[0].std * tpc::num::special::normal_quantile(p)
                };
                let normal: Vec<f64> = (0..count).map(normal).collect();
                let chance = same_law(&finite, &normal);
                assert!(chance < 0.01, "a Gaussian is as good: {chance}");
            }
        }
    }
}
