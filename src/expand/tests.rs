//! Trainings against the programs that they stand for, written by hand.

use crate::diag::Diags;
use crate::driver::{self, Settings};
use crate::finite::{Precision, RunOptions, simulate};
use crate::source::{MemoryLoader, SourceMap};
use crate::syntax::text::text;

const DATA: &str = "
data xs : scalar[4, 2] = [[1, 0.5], [0.3, -1], [0.1, 0.2], [-0.5, 0.5]];
data ys : scalar[4] = [1, -1, 0.5, 0];
";

const NET: &str = "
net f(x : scalar[d]) {
  param U : vec[d];
  param W : mat;
  param v : vec;
  let z = tanh(W @ tanh(sum[j](U[j] * x[j])));
  return sum[a](v[a] * z[a]);
}
";

/// The same network by hand, in µP; `step` is what is done with the gradients.
fn by_hand(step: &str, batch: &str) -> String {
    format!(
        "{DATA}
init U0 : vec[2] ~ N(0, 1);
init W0 : mat ~ N(0, 1/n);
init v0 : vec ~ N(0, 1);
var U = U0; var W = W0; var v = v0; var mU = 0; var mW = 0; var mv = 0;
def g(U, W, v, x) {{
  return avg(v * tanh(W @ tanh(sum[j](U[j] * x[j]))));
}}
let first[i] = g(U, W, v, xs[i]);
var all = [first];
for t in 0..3 {{
  let y[i] = g(U, W, v, xs[i]);
  {batch}
  let gU = n * grad(loss, U); let gW = n * grad(loss, W); let gv = n * grad(loss, v);
  {step}
  let now[i] = g(U, W, v, xs[i]);
  all := append(all, now);
}}
output all;"
    )
}

const WHOLE: &str = "let loss = sum[i]((y[i] - ys[i])^2) / 2;";
const DESCENT: &str = "U := U - 0.5 * gU; W := W - 0.5 / n * gW; v := v - 0.5 * gv;";

fn trained(items: &str) -> String {
    format!(
        "{DATA}{NET}train f on (xs, ys) {{ parametrization mup; steps 3; {items} }}\noutput f.train;"
    )
}

/// The numbers of the only output at width 32.
fn values(program: &str) -> Vec<f64> {
    let mut sources = SourceMap::default();
    let id = sources.add("test.tp", program);
    let mut diags = Diags::default();
    let loader = MemoryLoader::default();
    let lowered = driver::lowered(&mut sources, id, &loader, &Settings::default(), &mut diags);
    let lowered = lowered.unwrap_or_else(|| panic!("{program}\n{:?}", diags.sorted()));
    let options = RunOptions {
        width: 32,
        seed: 0,
        seeds: 1,
        precision: Precision::F64,
        memory: 1 << 30,
        force: false,
    };
    simulate(&lowered, &options, &|| ()).expect("it runs").outputs[0].values[0].clone()
}

fn assert_same(items: &str, by_hand: &str) {
    let (a, b) = (values(&trained(items)), values(by_hand));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() < 1e-12, "{items}\n{a} {b}");
    }
}

#[test]
fn training_is_the_loop_that_one_writes_by_hand() {
    assert_same("optimizer sgd(lr = 0.5);", &by_hand(DESCENT, WHOLE));
    let momentum = "mU := 0.8 * mU + gU; mW := 0.8 * mW + gW; mv := 0.8 * mv + gv;
        U := U - 0.5 * mU; W := W - 0.5 / n * mW; v := v - 0.1 * mv;";
    let items = "optimizer momentum(lr = 0.5, beta = 0.8) { v: lr = 0.1; }";
    assert_same(items, &by_hand(momentum, WHOLE));
}

#[test]
fn batches_are_rows_counted_round_or_factors() {
    let rows = "let s = mod(3 * t, 4); let a = y[s..s + 1]; let b = ys[s..s + 1]; let loss = sum((a - b)^2) / 2;";
    assert_same("optimizer sgd(lr = 0.5); batch (1, start = 3 * t);", &by_hand(DESCENT, rows));
    let next = "let s = mod(2 * t, 4); let a = y[s..s + 2]; let b = ys[s..s + 2]; let loss = sum((a - b)^2) / 2;";
    assert_same("optimizer sgd(lr = 0.5); batch (2);", &by_hand(DESCENT, next));
    let round = "let r = mod(3 * t, 4); let s = mod(r + 1, 4); let u = mod(r + 2, 4);
        let loss = ((y[r] - ys[r])^2 + (y[s] - ys[s])^2 + (y[u] - ys[u])^2) / 2;";
    assert_same("optimizer sgd(lr = 0.5); batch (3);", &by_hand(DESCENT, round));
    let mask = "let loss = (y[0] - ys[0])^2 / 2 + (y[2] - ys[2])^2;";
    let items = "optimizer sgd(lr = 0.5); batch (mask = [1, 0, 2, 0]);";
    assert_same(items, &by_hand(DESCENT, mask));
}

#[test]
fn schedules_decay_and_limits_of_steps() {
    let schedule =
        "U := U - 0.5 * 0.9^t * gU; W := W - 0.5 * 0.9^t / n * gW; v := v - 0.5 * 0.9^t * gv;";
    assert_same("optimizer sgd(lr = 0.5); schedule 0.9^t;", &by_hand(schedule, WHOLE));
    let decay = "U := 0.9 * U - 0.5 * gU; W := 0.9 * W - 0.5 / n * gW; v := v - 0.5 * gv;";
    assert_same("optimizer sgd(lr = 0.5); weight_decay 0.1 { v: 0; }", &by_hand(decay, WHOLE));
    let norms = "let nU = sqrt(sum[j](avg(gU[j]^2))); let nW = sqrt(mean[a, b](gW[a, b]^2)); let nv = sqrt(avg(gv^2));";
    let normal = "U := U - 0.5 * gU / nU; W := W - 0.5 / n * gW / nW; v := v - 0.5 * gv / nv;";
    let normal = format!("{norms} {normal}");
    assert_same("optimizer sgd(lr = 0.5); normalize;", &by_hand(&normal, WHOLE));
    let clipped = "U := U - 0.5 * gU / max(nU / 0.1, 1); W := W - 0.5 / n * gW / max(nW / 0.1, 1);
        v := v - 0.5 * gv / max(nv / 0.4, 1);";
    let clipped = format!("{norms} {clipped}");
    assert_same("optimizer sgd(lr = 0.5); clip 0.1 { v: 0.4; }", &by_hand(&clipped, WHOLE));
}

#[test]
fn decay_that_an_optimizer_returns() {
    let own = "optimizer own(lr) { update(g, t) { return (lr * g, 0.2 * lr); } }";
    let step = "U := 0.9 * U - 0.5 * gU; W := 0.9 * W - 0.5 / n * gW; v := 0.9 * v - 0.5 * gv;";
    let program = format!("{own}{}", trained("optimizer own(lr = 0.5);"));
    let (a, b) = (values(&program), values(&by_hand(step, WHOLE)));
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} {b:?}");
}

#[test]
fn the_plain_program_parses_and_gives_the_same_numbers() {
    let items = "optimizer adafactor(lr = 0.1); batch (2); clip 0.3; weight_decay 0.01; center;
        loss mild; sigma 1.2;";
    let program = format!("fn mild(f, y) = sqrt(1 + (f - y)^2);\n{}", trained(items));
    let mut sources = SourceMap::default();
    let id = sources.add("test.tp", program.as_str());
    let mut diags = Diags::default();
    let (loader, settings) = (MemoryLoader::default(), Settings::default());
    let plain = driver::expanded(&mut sources, id, &loader, &settings, &mut diags);
    let plain = text(&plain.expect("it is correct").program);
    let words = ["net ", "train ", "optimizer "];
    assert!(words.iter().all(|word| plain.lines().all(|line| !line.starts_with(word))), "{plain}");
    assert_eq!(values(&program), values(&plain), "{plain}");
}

#[test]
fn parametrizations_are_shifts_of_each_other() {
    // (a, b, c, d) → (a + θ, b − θ, c − θ, d + θ) changes nothing, (2.5) of [TP4b]
    let shifted = "{ U: a = 1/4, b = -1/4, c = -1/4, d = 5/4; W: a = -1/2, b = 1, c = 3/2, d = 1/2;
        v: a = 1, b = -1, c = -1, d = 2; out: a = 1; }";
    let program = |scheme: &str| {
        format!(
            "{DATA}{NET}train f on (xs, ys) {{ parametrization {scheme} optimizer adam(lr = 0.1); steps 3; }}
             output f.train;"
        )
    };
    let (a, b) = (values(&program("mup;")), values(&program(shifted)));
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} {b:?}");
}

/// a, b, c, d of U, W and v, and r of the net, in a family.
fn family(name: &str) -> (Vec<String>, Option<String>) {
    let mut sources = SourceMap::default();
    let id = sources.add("test.tp", trained("optimizer adam(lr = 0.1);"));
    let settings = Settings { parametrization: Some(name.to_owned()), ..Settings::default() };
    let verdicts = driver::verdicts(&mut sources, id, &MemoryLoader::default(), &settings);
    let row = |abcd: [crate::ir::Exponent; 4]| abcd.map(|e| e.to_string()).join(" ");
    let rows = verdicts[0].params.iter().map(|param| row(param.abcd)).collect();
    (rows, verdicts[0].r.map(|r| r.to_string()))
}

/// Defs. 2.9.11 and 2.9.12 of [TP4b]; UP_s lies between.
#[test]
fn families_have_their_exponents() {
    let tables = [
        ("mup", ["0 0 0 1", "0 1/2 1 1", "0 0 0 1"], "0"),
        ("ntp", ["0 0 1/2 1/2", "1/2 0 1 1", "0 0 1/2 1/2"], "1/2"),
        ("ups(1/4)", ["0 0 1/4 3/4", "0 1/2 5/4 3/4", "0 0 1/4 3/4"], "1/4"),
        // the gradient of W is n^(-1/2), where Adam with a fixed ε is linear: n · n^(-1/2) is the change of W x
        ("sp", ["0 0 0 0", "0 1/2 0 0", "0 1/2 0 0"], "-1/2"),
    ];
    for (name, rows, r) in tables {
        let (found, found_r) = family(name);
        assert_eq!(found, rows, "{name}");
        assert_eq!(found_r.as_deref(), Some(r), "{name}");
    }
}

#[test]
fn the_fan_in_rule_reads_sums_not_how_they_are_written() {
    let program = |body: &str| {
        format!(
            "{DATA}net f(x : scalar[d]) {{\n  param U : vec[d];\n  param v : vec;\n  {body}\n}}\n\
             train f on (xs, ys) {{ parametrization sp; optimizer sgd(lr = 0.1); steps 2; }}\noutput f.train;"
        )
    };
    let nested = program("return sum[a](v[a] * tanh(sum[j](U[j, a] * x[j])));");
    let named = program("let h = sum[j](U[j] * x[j]);\n  return sum[a](v[a] * tanh(h[a]));");
    assert_eq!(values(&nested), values(&named));
}
