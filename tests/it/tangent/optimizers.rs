//! The neural-tangent limit of adaptive optimizers: K_Q is not linear in χ, and not a sum over samples.

use super::formula::{Network, Rule, Samples};
use super::{RATE, limit, program, tangent, trained_by};
use crate::tidy::complain;
use crate::training::compared;

/// Targets, to which −χ is equal at first: of opposite signs.
const TARGETS: Samples = [0.5, -0.7];

/// UP_s is the neural-tangent limit without an initial output: for all s the same numbers, which are not those of µP, s = 0.
#[test]
fn unit_parametrizations_share_the_tangent_limit() {
    let descent = format!("sgd(lr = {RATE})");
    let mut problems = Vec::new();
    for (function, optimizer) in
        [("relu", descent.as_str()), ("erf", &descent), ("erf", "adam(lr = 0.1, eps = 0.1)")]
    {
        let text = program(function, 2, optimizer);
        let ups = |s: &str| {
            let text = text.replace("ntp;", &format!("ups({s});")).replace("  center;\n", "");
            limit(&text, 1 << 11, 8).0
        };
        let (centered, errors) = limit(&text, 1 << 11, 8);
        if optimizer == descent {
            let known = trained_by(&tangent(function, 2));
            for (values, name) in [(&known, "kernel"), (&ups("0"), "µP")] {
                let off = (1..3).map(|t| (values[t] - centered[t]).abs() / errors[t]);
                let off = off.fold(0.0, f64::max);
                if (off > 4.0) != (name == "µP") {
                    problems.push(format!("{function}, {name}: {centered:?} is off by {off:.1}"));
                }
            }
        }
        for s in ["1/8", "1/4", "1/3", "3/8"] {
            let values = ups(s);
            let equal = |t: usize| (values[t] - centered[t]).abs() < 1e-9;
            if values[0] != 0.0 || !equal(1) || !equal(2) {
                let name = format!("{function}, {optimizer}, s = {s}");
                problems.push(format!("{name}: {values:?} are not {centered:?}"));
            }
        }
    }
    complain(&problems);
}

/// The first row after the start, and later ones, of f.train by `tpc`: step, then sample.
fn train(network: &Network, rule: Rule, targets: Samples, steps: usize) -> Vec<(f64, f64)> {
    let (values, errors) = limit(&network.program(rule, targets, steps), 1 << 13, 8);
    values.into_iter().zip(errors).skip(2).collect()
}

/// Twice the targets are twice the change for gradient descent; Adam divides by the size of the gradient.
#[test]
fn two_steps_of_adam_are_those_of_the_formula() {
    let mut problems = Vec::new();
    for (layers, rule) in [
        (1, Rule::Descent { rate: 0.1 }),
        (2, Rule::Descent { rate: 0.1 }),
        (1, Rule::Adam { rate: 0.1, eps: 0.5 }),
        (2, Rule::Adam { rate: 0.1, eps: 0.5 }),
    ] {
        let network = Network::new(layers);
        let found = [1.0, 2.0].map(|scale| {
            let targets = TARGETS.map(|target| scale * target);
            let found = train(&network, rule, targets, 2);
            let known = network.trained(rule, targets, 2);
            for ((value, error), known) in found.iter().zip(known.iter().flatten()) {
                let error = error.hypot(known.stderr().expect("many draws"));
                let known = known.mean();
                if (value - known).abs() > 4.0 * error || error > 0.01 * known.abs() {
                    problems.push(format!(
                        "{layers} layers, {rule:?}, {targets:?}: {value} ± {error:.1e}, known {known}"
                    ));
                }
            }
            found
        });
        for ((one, one_error), (two, two_error)) in found[0].iter().zip(&found[1]).take(2) {
            let off = (two - 2.0 * one).abs() / two_error.hypot(2.0 * one_error);
            let as_it_should = match rule {
                Rule::Descent { .. } => off < 4.0,
                _ => off > 50.0,
            };
            if !as_it_should {
                problems.push(format!("{layers} layers, {rule:?}: {one} and {two}, off by {off}"));
            }
        }
    }
    complain(&problems);
}

/// On one sample K_Q(χ) = sign(χ) K_sign (Example 2.4.6). On a batch the sign is that of the sum over samples, and K_Q is
/// not Σ sign(χ_i) K_sign.
#[test]
fn sign_descent_on_a_batch_is_no_sum_over_samples() {
    let mut problems = Vec::new();
    for layers in [1, 2] {
        let network = Network::new(layers);
        let rule = Rule::Sign { rate: 0.1 };
        let found = train(&network, rule, TARGETS, 1);
        let known = network.moved(rule, &[TARGETS.map(|target| -target)]);
        let each = [[1.0, 0.0], [0.0, 1.0]].map(|one| network.moved(rule, &[one]));
        for i in 0..2 {
            let (value, error) = found[i];
            let sum: f64 = TARGETS.iter().zip(&each).map(|(y, k)| -y.signum() * k[i].mean()).sum();
            let both = error.hypot(known[i].stderr().expect("many draws"));
            let z = [known[i].mean(), sum].map(|known| (value - known).abs() / both);
            if z[0] > 4.0 || z[1] < 50.0 {
                problems.push(format!(
                    "{layers} layers, sample {i}: {value} ± {both:.1e}, {z:?} errors off"
                ));
            }
        }
    }
    complain(&problems);
}

/// Numbers of a report that is JSON, at any depth of arrays.
fn numbers(value: &serde_json::Value) -> Vec<f64> {
    match value {
        serde_json::Value::Array(all) => all.iter().flat_map(numbers).collect(),
        other => other.as_f64().into_iter().collect(),
    }
}

/// Finite width goes to the limit as n^(−1/2). `TPC_DEEP=full` fits the power, in some
/// minutes; without it one width is tried.
#[test]
fn adaptive_optimizers_at_finite_width() {
    let full = std::env::var("TPC_DEEP").is_ok_and(|value| value == "full");
    let (particles, widths, seeds) =
        if full { (1 << 15, "256,1024,4096", 32) } else { (1 << 11, "512", 8) };
    let mut problems = Vec::new();
    for (function, optimizer) in [
        ("relu", "signsgd(lr = 0.05)"),
        ("tanh", "rmsprop(lr = 0.05, beta = 0.9, eps = 0.1)"),
        ("tanh", "adam(lr = 0.1, eps = 0.1)"),
    ] {
        let text = program(function, 2, optimizer).replace("  test xt;\n", "");
        let text = text.replace("f.test", "f.train");
        let start = std::time::Instant::now();
        let report = compared(&text, [particles, seeds], widths).expect("it has a limit");
        let at = report["outputs"][0]["widths"].as_array().expect("widths");
        let z = at.iter().flat_map(|at| numbers(&at["z"])).map(f64::abs).fold(0.0, f64::max);
        let last = at.last().expect("a width");
        let sizes = numbers(&last["mean"]).into_iter().zip(numbers(&last["stderr"]));
        let size = sizes.skip(3).map(|(mean, error)| mean.abs() / error).fold(f64::MAX, f64::min);
        let power = report["outputs"][0]["power"].as_f64();
        if full {
            eprintln!(
                "{function}, {optimizer}: |z| {z:.2}, power {power:?}, {:.0?}",
                start.elapsed()
            );
        }
        let slow = full && !power.is_some_and(|power| (-0.65..=-0.35).contains(&power));
        if z > 4.0 || size < 10.0 || slow {
            problems.push(format!("{function}, {optimizer}: |z| {z:.2}, {size:.1}, {power:?}"));
        }
    }
    complain(&problems);
}
