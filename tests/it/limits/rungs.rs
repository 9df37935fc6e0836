//! Closed forms against integrals: two rungs of the ladder that share no formula. A jump times a wave has no closed form: then both are
//! integrals.

use crate::sketch::check;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tpc::limit::{LimitOptions, Limits, Rungs, evaluate};

/// Functions with closed forms.
const FUNCTIONS: [&str; 18] = [
    "relu(x)",
    "relu(x) - relu(-x) / 5",
    "abs(x - 0.3)",
    "sign(x)",
    "step(x + 0.2)",
    "relu(x)^2",
    "erf(x)",
    "gelu(x)",
    "sin(x)",
    "cos(2 * x)",
    "exp(x / 2)",
    "exp(-x^2)",
    "x^3 - x",
    "x * sin(x)",
    "if x > 0 then x else exp(x) - 1",
    "max(x, 0.5)",
    "erf(x) * step(x)",
    "x^2 * exp(-x^2 / 2)",
];

fn limits(text: &str, rungs: Rungs) -> Limits {
    let (checked, _) = check(text).unwrap_or_else(|codes| panic!("{codes:?}\n{text}"));
    let options = LimitOptions { rungs, ..LimitOptions::default() };
    evaluate(&checked.facts.leading, &options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// E φ(u) ψ(v), E φ(u) ψ(v) u and E φ′(u) ψ′(v) for two functions and a law.
fn program((f, g): (&str, &str), [m1, m2, s1, s2, rho]: [f64; 5]) -> String {
    let rest = (1.0 - rho * rho).sqrt();
    format!(
        "init x, y : vec ~ N(0, 1);\nfn phi(x) = {f};\nfn psi(x) = {g};\nlet u = {m1} + {s1} * x;\n\
         let v = {m2} + {s2} * ({rho} * x + {rest} * y);\noutput avg(phi(u) * psi(v)) as \"values\";\n\
         output avg(u * phi(u) * psi(v)) as \"first\";\noutput avg(phi'(u) * psi'(v)) as \"slopes\";\n"
    )
}

fn assert_equal(text: &str) {
    let (closed, integral) = (limits(text, Rungs::Exact), limits(text, Rungs::Quadrature));
    for (a, b) in closed.outputs.iter().zip(&integral.outputs) {
        let (x, y) = (a.values[0], b.values[0]);
        let allowed = a.errors[0] + b.errors[0] + 1e-15;
        assert!((x - y).abs() <= allowed, "{}: {x}, not {y} ± {allowed:e}\n{text}", a.name);
        assert!(allowed < 1e-7 * x.abs().max(1.0), "{}: {x} ± {allowed:e}\n{text}", a.name);
    }
}

/// Random cases that went wrong once: a jump where another function jumps, and a bounded exponential taken for a growing one.
#[test]
fn closed_forms_stay_integrals() {
    let jumps = ("relu(x)^2", "sign(x)");
    assert_equal(&program(jumps, [0.0, 0.0, 0.8, 0.6, -1.0]));
    let bounded = ("erf(x) * step(x)", "x^2 * exp(-x^2 / 2)");
    assert_equal(&program(bounded, [-0.369_132_6, 0.825_245_5, 0.523_156_2, 0.446_037_5, -1.0]));
}

#[test]
fn closed_forms_are_integrals() {
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    let function = || prop::sample::select(FUNCTIONS.to_vec());
    let rho = prop_oneof![Just(1.0), Just(-1.0), Just(0.0), Just(0.999), -1.0..1.0];
    let mean = || prop_oneof![Just(0.0), -1.0..1.0];
    let cases = (function(), function(), mean(), mean(), 0.2..2.0, 0.2..2.0, rho);
    let run = |(f, g, m1, m2, s1, s2, rho)| {
        assert_equal(&program((f, g), [m1, m2, s1, s2, rho]));
        Ok(())
    };
    TestRunner::new(config).run(&cases, run).unwrap_or_else(|problem| panic!("{problem}"));
}
