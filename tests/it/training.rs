//! Training: the library's optimizers against an independent implementation, and deep networks against their limits.

use crate::tidy::{complain, read, root};
use std::process::Command;
use tpc::driver::{self, Settings};
use tpc::finite::{Precision, RunOptions, simulate};
use tpc::num::stats::sidak;
use tpc::source::{MemoryLoader, SourceMap};

/// Every optimizer, in f32 at width 64 over five steps, against numbers from PyTorch, or NumPy where PyTorch lacks it;
/// `tests/data/optimizers.py` makes them.
#[test]
fn optimizers_agree_with_independent_implementations() {
    let text = read(&root().join("tests/data/optimizers.json"));
    let reference: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let program = reference["program"].as_str().expect("a program");
    let cases = reference["cases"].as_array().expect("cases");
    assert!(cases.len() >= 30);
    let mut problems = Vec::new();
    let library = read(&root().join("programs/std/optim.tp"));
    for line in library.lines().filter_map(|line| line.strip_prefix("optimizer ")) {
        let name = line.split('(').next().unwrap_or_default();
        let tested = |case: &serde_json::Value| {
            case["optimizer"].as_str().is_some_and(|text| text.starts_with(&format!("{name}(")))
        };
        if !cases.iter().any(tested) {
            problems.push(format!("`{name}` has no reference"));
        }
    }
    for case in cases {
        let optimizer = case["optimizer"].as_str().expect("a name");
        let found = trained(&program.replace("OPT", optimizer));
        let expected = case["train"].as_array().expect("rows").iter();
        let expected: Vec<f64> = expected
            .flat_map(|row| row.as_array().expect("a row"))
            .map(|value| value.as_f64().expect("a number"))
            .collect();
        assert_eq!(found.len(), expected.len());
        let off = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if off > 1e-5 {
            problems.push(format!("{optimizer}: off by {off:.1e}"));
        }
    }
    complain(&problems);
}

/// `f.train` at width 64.
fn trained(program: &str) -> Vec<f64> {
    let mut sources = SourceMap::default();
    let id = sources.add("test.tp", program);
    let mut diags = tpc::diag::Diags::default();
    let loader = MemoryLoader::default();
    let lowered = driver::lowered(&mut sources, id, &loader, &Settings::default(), &mut diags);
    let lowered = lowered.unwrap_or_else(|| panic!("{program}\n{:?}", diags.sorted()));
    let precision = Precision::F32;
    let options =
        RunOptions { width: 64, seed: 0, seeds: 1, precision, memory: 1 << 30, force: false };
    simulate(&lowered, &options, &|| ()).expect("it runs").outputs[0].values[0].clone()
}

/// One deep network.
struct Deep {
    layers: usize,
    optimizer: &'static str,
    function: &'static str,
}

const OPTIMIZERS: &[&str] = &[
    "sgd(lr = 0.5)",
    "momentum(lr = 0.3)",
    "signsgd(lr = 0.1)",
    "adam(lr = 0.1, eps = 1e-4)",
    "adamw(lr = 0.1, eps = 1e-4, decay = 0.1)",
    "lion(lr = 0.1)",
];

impl Deep {
    fn program(&self) -> String {
        let Self { layers, optimizer, function } = self;
        let (matrices, deep) = match layers - 1 {
            0 => (String::new(), String::new()),
            count => (
                format!("param W : mat[{count}];"),
                format!("for l in 0..{count} {{ z := {function}(W[l] @ z); }}"),
            ),
        };
        format!(
            "data xs : scalar[4, 3] = [[1, 0.5, -0.2], [0.3, -1, 0.4], [0.1, 0.2, 0.9], [-0.5, 0.5, 0.5]];
data ys : scalar[4] = [1, -1, 0.5, -0.3];
net f(x : scalar[3]) {{
  param U : vec[3];
  {matrices}
  param v : vec;
  var z = {function}(sum[j](U[j] * x[j]));
  {deep}
  return sum[a](v[a] * z[a]);
}}
train f on (xs, ys) {{ parametrization mup; optimizer {optimizer}; steps 3; }}
output f.train, f.loss;
"
        )
    }

    /// All |z| of `tpc compare` at one width.
    fn z(&self, particles: usize, width: usize, seeds: usize) -> Result<Vec<f64>, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let file = folder.path().join("deep.tp");
        std::fs::write(&file, self.program()).map_err(|error| error.to_string())?;
        let numbers = [particles, width, seeds].map(|number| number.to_string());
        let output = Command::new(env!("CARGO_BIN_EXE_tpc"))
            .args(["compare", "--quiet", "--format", "json", "--particles", &numbers[0]])
            .args(["--width", &numbers[1], "--seeds", &numbers[2]])
            .arg(&file)
            .output()
            .map_err(|error| error.to_string())?;
        let report: serde_json::Value =
            serde_json::from_slice(&output.stdout).map_err(|error| failed(&error, &output))?;
        let outputs = report["outputs"].as_array().ok_or("no outputs")?;
        let widths = outputs.iter().filter_map(|output| output["widths"].as_array()).flatten();
        let z = widths.filter_map(|width| width["z"].as_array()).flatten();
        Ok(z.filter_map(serde_json::Value::as_f64).map(f64::abs).collect())
    }
}

/// The report of `tpc compare` with so many particles and seeds.
pub fn compared(
    program: &str,
    numbers: [usize; 2],
    widths: &str,
) -> Result<serde_json::Value, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("net.tp");
    std::fs::write(&file, program).map_err(|error| error.to_string())?;
    let [particles, seeds] = numbers.map(|number| number.to_string());
    let output = Command::new(env!("CARGO_BIN_EXE_tpc"))
        .args(["compare", "--quiet", "--format", "json", "--particles", &particles])
        .args(["--width", widths, "--seeds", &seeds])
        .arg(&file)
        .output()
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|error| failed(&error, &output))
}

/// What there is to say of a command that printed no report.
fn failed(error: &serde_json::Error, output: &std::process::Output) -> String {
    format!("{error}: {}, {}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// Each option of a training: finite width agrees with the limit, and would not if one engine left the option away.
#[test]
fn every_option_acts_in_both_engines() {
    let program = |items: &str| {
        let net = Deep { layers: 2, optimizer: "momentum(lr = 0.3)", function: "tanh" }.program();
        net.replace("steps 3;", &format!("steps 3; {items}"))
    };
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().into_iter().flatten().filter_map(serde_json::Value::as_f64).collect()
    };
    let size = [1024, 8];
    let plain = compared(&program(""), size, "512").expect("the plain training has a limit");
    let plain = numbers(&plain["outputs"][0]["limit"]);
    let mut problems = Vec::new();
    for items in [
        "batch (2, start = 2 * t);",
        "batch (mask = [1, 0, 2, 0]);",
        "schedule 0.5^t;",
        "weight_decay 0.2;",
        "clip 0.2;",
        "normalize;",
        "sigma 1.5;",
    ] {
        let report = compared(&program(items), size, "512").expect("it has a limit");
        let output = &report["outputs"][0];
        let at = &output["widths"][0];
        let (mean, stderr, z) = (numbers(&at["mean"]), numbers(&at["stderr"]), numbers(&at["z"]));
        let most = z.iter().map(|z| z.abs()).fold(0.0, f64::max);
        let allowed = sidak(4.0, z.len().max(1));
        if most > allowed {
            problems.push(format!("{items} |z| = {most:.2} > {allowed:.2}"));
        }
        let off = mean.iter().zip(&stderr).zip(&plain).filter(|((_, stderr), _)| **stderr > 0.0);
        let most = off.map(|((mean, e), plain)| (mean - plain).abs() / e).fold(0.0, f64::max);
        if most < 6.0 {
            problems.push(format!("{items} changes the predictions by {most:.1} errors only"));
        }
    }
    complain(&problems);
}

/// µ-limits of networks of several depths, optimizers and functions against finite width. `TPC_DEEP=full` tries them
/// all, at width 2048 with 16 seeds; without it, a few, smaller ones.
#[test]
fn deep_networks_agree_with_their_limits() {
    let full = std::env::var("TPC_DEEP").is_ok_and(|value| value == "full");
    let (particles, width, seeds) = if full { (4096, 2048, 16) } else { (1024, 512, 8) };
    let mut cells = Vec::new();
    let mut problems = Vec::new();
    for (depth, layers) in [1, 2, 3, 5].into_iter().enumerate() {
        for (o, optimizer) in OPTIMIZERS.iter().enumerate() {
            for (k, function) in ["tanh", "relu", "gelu"].into_iter().enumerate() {
                if !full && (depth + o + k) % 6 != 0 {
                    continue;
                }
                let net = Deep { layers, optimizer, function };
                let name = format!("L = {layers}, {optimizer}, {function}");
                match net.z(particles, width, seeds) {
                    Ok(z) => {
                        let most = z.iter().copied().fold(0.0, f64::max);
                        if full {
                            eprintln!("{name}: {} cells, largest |z| {most:.2}", z.len());
                        }
                        cells.extend(z.into_iter().map(|z| (z, name.clone())));
                    }
                    Err(problem) => problems.push(format!("{name}: {problem}")),
                }
            }
        }
    }
    let allowed = sidak(4.0, cells.len().max(1));
    let off = cells.iter().filter(|(z, _)| *z > allowed);
    problems.extend(off.map(|(z, name)| format!("{name}: |z| = {z:.2} > {allowed:.2}")));
    complain(&problems);
}
