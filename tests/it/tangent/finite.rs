//! The neural-tangent limit beside finite networks: how fast they come near it, and given their own first outputs.

use crate::sketch::check;
use crate::training::compared;
use tpc::finite::{Precision, RunOptions, simulate};
use tpc::limit::{LimitOptions, evaluate};

/// A net trained in a parametrization by an optimizer, without `center` where `rest` has none.
fn program(scheme: &str, optimizer: &str, layers: &str, rest: &str) -> String {
    format!(
        "data xs : scalar[2, 2] = [[0.8, -0.4], [-0.3, 1.1]];\ndata ys : scalar[2] = [1, -1.5];\n\
         net f(x : scalar[d]) {{\n  param U : vec[d];\n{layers}}}\ntrain f on (xs, ys) {{\n  \
         parametrization {scheme};\n  optimizer {optimizer};\n  steps 2;\n{rest}}}\noutput f.train;\n"
    )
}

/// One hidden layer.
const SHALLOW: &str =
    "  param v : vec;\n  let h = sum[j](U[j] * x[j]);\n  return sum[a](v[a] * tanh(h[a]));\n";

/// In UP_s the first correction n^(−s) vanishes by symmetry, and the second, n^(−2s), is larger than fluctuations where s < 1/4:
/// the power of the deviation is known from the series, and is that of finite networks.
#[test]
fn the_deviation_of_unit_parametrizations_has_the_power_of_its_series() {
    for (s, predicted) in [("1/8", -0.25), ("3/16", -0.375), ("1/4", -0.5)] {
        let text = program(&format!("ups({s})"), "sgd(lr = 0.5)", SHALLOW, "  center;\n");
        let report = compared(&text, [1 << 16, 16], "4096,16384,65536,262144").expect("it runs");
        assert_eq!(report["predicted_power"].as_f64(), Some(predicted), "s = {s}");
        let fitted = report["power"].as_f64().expect("a power was fitted");
        assert!((fitted - predicted).abs() < 0.12, "s = {s}: n^({fitted}), not n^({predicted})");
    }
}

/// What finite networks do after their own first outputs is the limit given these: what is left is the fluctuation
/// n^(−1/2), far less than the outputs vary.
#[test]
fn outputs_follow_from_the_first_outputs() {
    let deep = "  param W : mat;\n  param v : vec;\n  let h = W @ tanh(sum[j](U[j] * x[j]));\n  \
         return sum[a](v[a] * tanh(h[a]));\n";
    let normed = "  param W : mat;\n  param b : vec;\n  param v : vec;\n  \
         let h = W @ tanh(sum[j](U[j] * x[j])) + b;\n  let c = h - avg(h);\n  \
         let g = c / sqrt(avg(c^2) + 0.01);\n  return sum[a](v[a] * tanh(g[a]));\n";
    for (optimizer, layers) in [
        ("sgd(lr = 0.3)", deep),
        ("adam(lr = 0.3, eps = 0.1)", deep),
        ("adamw(lr = 0.3, eps = 0.1, decay = 0.2)", SHALLOW),
        ("sgd(lr = 0.3)", normed),
    ] {
        let text = program("ntp", optimizer, layers, "");
        let (checked, _) = check(&text).unwrap_or_else(|codes| panic!("{codes:?}\n{text}"));
        let sizes: Vec<[f64; 2]> = [128, 2048].map(|width| left(&checked, width)).to_vec();
        let [[small, varied], [large, _]] = [sizes[0], sizes[1]];
        assert!(large < 0.12 * varied, "{optimizer}: {large} is left of {varied}");
        assert!(large < 0.6 * small, "{optimizer}: {small} is left, then {large}");
    }
}

/// Root mean square over seeds of what the limit given the first outputs leaves of the last ones, and of these.
fn left(checked: &tpc::driver::Checked, width: usize) -> [f64; 2] {
    let options = RunOptions {
        width,
        seed: 5,
        seeds: 8,
        precision: Precision::F32,
        memory: 1 << 33,
        force: false,
    };
    let run = simulate(&checked.program, &options, &|| ()).expect("it runs");
    let (mut off, mut size) = (0.0, 0.0);
    for values in &run.outputs[0].values {
        let given = vec![("f".to_owned(), values[..2].to_vec())];
        let leading = checked.facts.undrawn.drawn(&given).expect("first outputs are Gaussian");
        let options = LimitOptions { particles: 2048, draws: 8, ..LimitOptions::default() };
        let limits = evaluate(&leading, &options).expect("it has a limit");
        let known = &limits.outputs[0].values;
        off += values[4..].iter().zip(&known[4..]).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
        size += values[4..].iter().map(|x| x * x).sum::<f64>();
    }
    [off, size].map(|sum| (sum / (2 * run.seeds.len()) as f64).sqrt())
}
