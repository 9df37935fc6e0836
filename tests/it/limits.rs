//! Limits that are known in closed form, or from a recursion of a few numbers.
//!
//! Each number must lie within |z| < 4 of what is known (Student's t of 8 replicates on the normal scale), and its
//! error must be small: a term that is missing is many errors away.

mod copies;
mod edges;
mod exact;
mod narrow;
mod networks;
mod random;
mod references;
mod rungs;
mod series;

use crate::quadrature::normal_mean;
use crate::sketch::check;
use std::collections::BTreeMap;
use std::f64::consts::{FRAC_2_SQRT_PI, PI};
use tpc::limit::{LimitOptions, Rungs, evaluate};
use tpc::num::special::student_to_normal;

/// The first entries of all outputs with their errors, on particles.
fn limits(text: &str, particles: usize) -> BTreeMap<String, (f64, f64)> {
    limits_by(text, particles, Rungs::Particles)
}

fn limits_by(text: &str, particles: usize, rungs: Rungs) -> BTreeMap<String, (f64, f64)> {
    let (checked, _) = check(text).unwrap_or_else(|codes| panic!("{codes:?}\n{text}"));
    let options = LimitOptions { particles, rungs, ..LimitOptions::default() };
    let limits = evaluate(&checked.facts.leading, &options);
    let limits = limits.unwrap_or_else(|error| panic!("{error}\n{text}"));
    let first = |output: &tpc::limit::LimitOutput| (output.values[0], output.errors[0]);
    limits.outputs.iter().map(|output| (output.name.clone(), first(output))).collect()
}

/// Outputs by name, on particles and by the best rung: within |z| < 4 of what is known, with errors below `bound` relative to
/// max(1, |value|).
fn assert_limits(text: &str, particles: usize, bound: f64, known: &[(&str, f64)]) {
    for rungs in [Rungs::Particles, Rungs::All] {
        assert_close(text, &limits_by(text, particles, rungs), bound, known);
    }
}

fn assert_close(
    text: &str,
    found: &BTreeMap<String, (f64, f64)>,
    bound: f64,
    known: &[(&str, f64)],
) {
    let mut problems = String::new();
    for (name, known) in known {
        let (value, error) = found[*name];
        let size = known.abs().max(1.0);
        let z = student_to_normal((value - known) / (error + 1e-9 * size), 7.0);
        if z.abs() > 4.0 || error > bound * size {
            problems += &format!("{name}: {value} ± {error:.1e}, known {known}, z {z:.1}\n");
        }
    }
    assert!(problems.is_empty(), "\n{problems}{text}");
    assert_eq!(found.len(), known.len(), "every output is known");
}

#[test]
fn moments_of_a_random_matrix_are_catalan_numbers() {
    let mut text = "init v : vec ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\nlet x0 = v;\n".to_owned();
    for k in 1..6 {
        text += &format!("let x{k} = W.T @ W @ x{};\noutput avg(v * x{k}) as \"{k}\";\n", k - 1);
    }
    let known = [("1", 1.0), ("2", 2.0), ("3", 5.0), ("4", 14.0), ("5", 42.0)];
    // no function is applied: the particles are exact
    assert_limits(&text, 2048, 1e-9, &known);
    // two independent matrices together have twice the variance: 2^k C_k
    let sum = text.replace("W.T @ W @", "(W + V).T @ (W + V) @");
    let sum = format!("init V : mat ~ N(0, 1/n);\n{sum}");
    let known = known.map(|(name, value)| (name, value * 2f64.powi(name.parse().unwrap())));
    assert_limits(&sum, 2048, 1e-9, &known);
}

/// Matrices and means are over the particles of all blocks: then identities hold as in one block. With several blocks slight
/// residuals are not orthogonal to everything, so that much smaller ones are exact only up to
/// that.
#[test]
fn blocks_of_particles_are_one_sample() {
    let text = "init v : vec ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\nlet x = W.T @ (W @ v);\n\
         let y = W.T @ (W @ x);\noutput avg(v * x) as \"1\";\noutput avg(x * x) as \"2\";\noutput avg(x * y) as \"5\";\n\
         let h = W @ tanh(v);\nlet z[a] = mean[b](tanh(h[a] + v[b]) * v[b]);\noutput avg(z * h^2) as \"pairs\";\n";
    let (checked, _) = check(text).unwrap_or_else(|codes| panic!("{codes:?}\n{text}"));
    let with = |blocks: Option<usize>| {
        let options = LimitOptions { blocks, rungs: Rungs::Particles, ..LimitOptions::default() };
        let limits = evaluate(&checked.facts.leading, &options).expect("it has a limit");
        assert_eq!((limits.particles, limits.blocks), (4096, blocks.unwrap_or(8)));
        let first = |output: &tpc::limit::LimitOutput| (output.values[0], output.errors[0]);
        limits.outputs.iter().map(first).collect::<Vec<_>>()
    };
    // where work is with pairs, blocks have 512 particles
    let (one, eight) = (with(Some(1)), with(None));
    for (k, known) in [1.0, 2.0, 5.0].into_iter().enumerate() {
        assert!((eight[k].0 - known).abs() < 1e-9, "{} is not {known}", eight[k].0);
    }
    let difference = (one[3].0 - eight[3].0).abs();
    assert!(difference < 5.0 * one[3].1.hypot(eight[3].1), "{:?} and {:?}", one[3], eight[3]);
    assert!(eight[3].1 < 3.0 * one[3].1, "{:?} and {:?}", one[3], eight[3]);
}

#[test]
fn moments_of_a_symmetric_matrix_are_those_of_the_semicircle() {
    let mut text = "init v : vec ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\n\
                    let S = (W + W.T) / sqrt(2);\nlet x0 = v;\n"
        .to_owned();
    for k in 1..9 {
        text += &format!("let x{k} = S @ x{};\noutput avg(v * x{k}) as \"{k}\";\n", k - 1);
    }
    let catalan = [("2", 1.0), ("4", 2.0), ("6", 5.0), ("8", 14.0)];
    let odd = ["1", "3", "5", "7"].map(|name| (name, 0.0));
    assert_limits(&text, 2048, 1e-9, &[catalan, odd].concat());
}

/// ⟨y|Wᵀφ(Wx)⟩ = ⟨y|x⟩ σ² E φ′(Wx), also where φ′ is no function.
#[test]
fn the_dot_of_an_image_is_the_mean_derivative() {
    let density = 1.0 / (2.0 * PI).sqrt();
    let tanh = normal_mean(|z| 1.0 - libm::tanh(z).powi(2));
    let functions = [
        ("sin(h)", libm::exp(-0.5), normal_mean(|z| libm::sin(z).powi(2))),
        ("h^3", 3.0, 15.0),
        ("tanh(h)", tanh, normal_mean(|z| libm::tanh(z).powi(2))),
        ("erf(h)", FRAC_2_SQRT_PI / 3f64.sqrt(), 2.0 / PI * (2.0_f64 / 3.0).asin()),
        ("relu(h)", 0.5, 0.5),
        ("sign(h)", 2.0 * density, 1.0),
        ("step(h)", density, 0.5),
        (
            "h * step(h - 1)",
            density * libm::exp(-0.5) + 0.158_655_253_931_457,
            density * libm::exp(-0.5) + 0.158_655_253_931_457,
        ),
    ];
    for (phi, slope, square) in functions {
        // y has ⟨y|x⟩ = 2 and ⟨y|y⟩ = 5; V is W/2 and acts on 2 x, so that its hat is that of W x
        let text = format!(
            "init x, z : vec ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\ninit V : mat ~ N(0, 1/(4 * n));\n\
             let y = 2 * x + z;\nlet h = W @ x;\nlet back = W.T @ ({phi});\n\
             output avg(y * back) as \"dot\";\noutput avg(z * back) as \"none\";\n\
             output avg(back^2) as \"square\";\n\
             let g = V @ (2 * x);\nlet other = V.T @ ({});\n\
             output avg(x * other) as \"small dot\";\n",
            phi.replace("tanh(h)", "tanh(g)")
                .replace("(h", "(g")
                .replace("h ", "g ")
                .replace("h^", "g^")
        );
        let known = [
            ("dot", 2.0 * slope),
            ("none", 0.0),
            ("square", square + slope * slope),
            ("small dot", slope / 2.0),
        ];
        assert_limits(&text, 16_384, 0.06, &known);
    }
}

/// The dot goes through functions, earlier dots and slot 0, but neither through scalars nor from hat to hat.
#[test]
fn dots_differentiate_hats_as_formal_variables() {
    let text = "
init x : vec ~ N(0, 1);
init W, V : mat ~ N(0, 1/n);
let h = W @ x;
let g = V @ h;
let y = h + V.T @ tanh(g);
output avg(x * (W.T @ y)) as \"through an earlier dot\";
output avg(x * (W.T @ tanh(g))) as \"not from hat to hat\";
output avg(x * (W.T @ (avg(h^2) * h))) as \"not through a scalar\";
output avg(x * (W @ x)) as \"no transpose\";
output avg(x * (W @ (W @ x))) as \"the same twice\";
output avg((W.T @ V @ x)^2) as \"other matrix\";
let o[a] = mean[b](sin(h[a] + h[b]));
output avg(x * (W.T @ o)) as \"through slot 0\";
let p[a] = mean[b](cos(h[b]) * h[a]);
output avg(x * (W.T @ p)) as \"not through slot 1\";
";
    let slope = normal_mean(|z| 1.0 - libm::tanh(z).powi(2));
    let known = [
        ("through an earlier dot", 1.0 + slope),
        ("not from hat to hat", 0.0),
        ("not through a scalar", 1.0),
        ("no transpose", 0.0),
        ("the same twice", 0.0),
        ("other matrix", 1.0),
        ("through slot 0", libm::exp(-1.0)),
        ("not through slot 1", libm::exp(-0.5)),
    ];
    assert_limits(text, 8192, 0.03, &known);
}

#[test]
fn outer_nonlinearities_of_gaussians() {
    let text = "
init x, z : vec ~ N(0, 1);
init W : mat ~ N(0, 1/n);
let y[a] = mean[b](exp(-(x[a] - x[b])^2 / 2));
output avg(y) as \"order 2\";
output avg(y^2) as \"its square\";
output avg(y * x^2) as \"at the same place\";
let t[a] = mean[b, c](exp(-(x[a] + x[b] + z[c])^2 / 2));
output avg(t) as \"order 3\";
output avg(t^2) as \"square of order 3\";
let s[a] = mean[b, c](sin(x[a] + x[b]) * sin(x[b] + x[c]));
output avg(s) as \"chain\";
let r[a] = mean[b](sin(x[a] * z[b]) * (x[b] + z[b]));
output avg(r * x) as \"one slot\";
let h = W @ y;
output avg(y * (W.T @ sin(h))) as \"fed to a product\";
";
    // y = e^(−u²/4)/√2; t = e^(−u²/6)/√3; ⟨y|y⟩ = 1/√8
    let y2 = 0.125_f64.sqrt();
    let known = [
        ("order 2", 0.5_f64.sqrt() / 1.5_f64.sqrt()),
        ("its square", y2),
        ("at the same place", 0.5_f64.sqrt() / 1.5_f64.powi(3).sqrt()),
        ("order 3", 1.0 / 3f64.sqrt() / (4.0_f64 / 3.0).sqrt()),
        ("square of order 3", 1.0 / 3.0 / (5.0_f64 / 3.0).sqrt()),
        // E sin(u + v) sin(v + w) = E (cos(u − w) − cos(u + 2v + w))/2
        ("chain", (libm::exp(-1.0) - libm::exp(-3.0)) / 2.0),
        // z and q are read at the same place: r = u e^(−u²/2)
        ("one slot", 0.125_f64.sqrt()),
        ("fed to a product", y2 * libm::exp(-y2 / 2.0)),
    ];
    assert_limits(text, 2048, 0.03, &known);
}

#[test]
fn the_law_of_a_matrix_does_not_matter() {
    let program = |law: &str| {
        format!(
            "init x : vec ~ N(0, 1);\ninit W : mat ~ {law};\nlet h = W @ x;\n\
             let g = W.T @ tanh(h);\nlet k = W @ (g + relu(x));\n\
             output avg(x * g) as \"dot\";\noutput avg(tanh(h) * k) as \"back\";\n\
             output avg(k^4) as \"fourth\";\n"
        )
    };
    let laws = ["N(0, 1/n)", "rademacher() * n^(-1/2)", "uniform(-(3/n)^(1/2), (3/n)^(1/2))"];
    let all = laws.map(|law| limits(&program(law), 8192));
    for (name, (value, error)) in &all[0] {
        for other in &all[1..] {
            let (other, own) = other[name];
            let z = student_to_normal((value - other) / (error.hypot(own) + 1e-9), 7.0);
            assert!(z.abs() < 4.0, "{name}: {value} ± {error} and {other} ± {own}");
            assert!(*error < 0.05 * value.abs().max(1.0), "{name}: {value} ± {error}");
        }
    }
    // and the networks of each law go there
    for law in laws {
        let (checked, _) = check(&program(law)).expect("it is a program");
        let options =
            LimitOptions { particles: 8192, rungs: Rungs::Particles, ..LimitOptions::default() };
        let limits = evaluate(&checked.facts.leading, &options).expect("it has a limit");
        let run = |width| {
            let precision = tpc::finite::Precision::F32;
            let options = tpc::finite::RunOptions {
                width,
                seed: 7,
                seeds: 8,
                precision,
                memory: 1 << 32,
                force: false,
            };
            tpc::finite::simulate(&checked.program, &options, &|| ()).expect("it runs")
        };
        let comparison = tpc::driver::compare::compare(&limits, &[run(512), run(1024)], &[]);
        let largest = comparison.largest_z();
        assert!(!comparison.z_is_off(), "{law}: |z| = {largest} > {}", comparison.threshold);
    }
}
