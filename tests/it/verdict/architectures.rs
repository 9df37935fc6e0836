//! Other nets than perceptrons under the tables by kind of parameter (Defs 2.9.11–12 of [TP4b]).

use super::perceptron::{Net, Optimizer, Param, lower};
use super::theorem::{frac, int};
use tpc::analyze::verdict::{Regime, Size, Track, Verdict, verdict};
use tpc::ir::Exponent;

/// An archetype: exponents of mats, vecs and scalars, and a_out.
#[derive(Clone, Copy)]
struct Kinds {
    mat: [Exponent; 4],
    vec: [Exponent; 4],
    out: Exponent,
}

fn mup() -> Kinds {
    let (zero, half, one) = (int(0), frac(1, 2), int(1));
    Kinds { mat: [zero, half, one, one], vec: [zero, zero, zero, one], out: one }
}

fn ntp() -> Kinds {
    let (zero, half, one) = (int(0), frac(1, 2), int(1));
    Kinds { mat: [half, zero, one, one], vec: [zero, zero, half, half], out: half }
}

/// A net by the names of its vecs, mats and scalars; `{out}` stands for the factor of the output.
fn net(kinds: Kinds, vecs: &[&str], mats: &[&str], scalars: &[&str], forward: &str) -> Net {
    let mut params = Vec::new();
    for name in vecs {
        let (name, kind) = name.split_once(':').unwrap_or((name, "vec"));
        params.push(Param::new(name, kind, kinds.vec));
    }
    params.extend(mats.iter().map(|name| Param::new(name, "mat", kinds.mat)));
    params.extend(scalars.iter().map(|name| Param::new(name, "scalar", [int(0); 4])));
    let forward = forward.replace("{out}", &format!("n^({})", -kinds.out));
    Net { params, forward: forward + "\n", out: kinds.out }
}

const RESIDUAL: &str = "
  let z0[i] = sum[j](xs[i, j] * wU[j]);
  let z1 = z0 + wV @ tanh(z0);
  let z2 = z1 + wW @ tanh(z1);
  let f[i] = {out} * sum[a](wv[a] * z2[i, a]);";
const TIED: &str = "
  let h1[i] = sum[j](xs[i, j] * wU[j]);
  let h2 = wW @ tanh(h1);
  let h3 = wW @ tanh(h2);
  let h4 = wW.T @ tanh(h3);
  let f[i] = {out} * sum[a](wv[a] * tanh(h4[i, a]));";
const NORMALISED: &str = "
  let h1[i] = sum[j](xs[i, j] * wU[j]);
  let h2 = wW @ relu(h1);
  let m[i] = avg(h2[i]);
  let s[i] = avg((h2[i] - m[i])^2);
  let z[i, a] = wg[a] * (h2[i, a] - m[i]) / sqrt(s[i] + 1e-5);
  let f[i] = {out} * sum[a](wv[a] * relu(z[i, a]));";
const BIASES: &str = "
  let h1[i] = sum[j](xs[i, j] * wU[j]) + wb;
  let h2[i, a] = (wW @ gelu(h1[i]))[a] + wc[a];
  let f[i] = {out} * sum[a](wv[a] * gelu(h2[i, a]));";
const SCALED: &str = "
  let h1[i] = sum[j](xs[i, j] * wU[j]);
  let h2 = wW @ ((1 + ws) * tanh(h1));
  let f[i] = {out} * sum[a](wv[a] * tanh(h2[i, a]));";
const LINEAR: &str = "
  let h1[i] = sum[j](xs[i, j] * wU[j]);
  let h2 = wW @ h1;
  let f[i] = {out} * sum[a](wv[a] * h2[i, a]);";

fn nets(kinds: Kinds) -> Vec<(&'static str, Net)> {
    let plain = ["U:vec[2]", "v"];
    vec![
        ("residual", net(kinds, &plain, &["V", "W"], &[], RESIDUAL)),
        ("tied", net(kinds, &plain, &["W"], &[], TIED)),
        ("normalised", net(kinds, &["U:vec[2]", "v", "g"], &["W"], &[], NORMALISED)),
        ("biases", net(kinds, &["U:vec[2]", "v", "b", "c"], &["W"], &[], BIASES)),
        ("scaled", net(kinds, &plain, &["W"], &["s"], SCALED)),
        ("linear", net(kinds, &plain, &["W"], &[], LINEAR)),
    ]
}

/// All sizes, for a message.
fn sizes(verdict: &Verdict) -> String {
    let text = |sizes: &[Size]| sizes.iter().map(|s| s.text()).collect::<Vec<_>>().join(" ");
    let track = |track: &Track| {
        format!("{:?} {} | {}\n", track.name, track.initial.text(), text(&track.changes))
    };
    let features: String = verdict.features.iter().map(|f| track(&f.track)).collect();
    let params = verdict
        .params
        .iter()
        .map(|p| format!("{} r {:?} {:?} | {}\n", p.name, p.r, p.degree, text(&p.gradient)));
    features + &track(&verdict.prediction) + &params.collect::<String>()
}

#[test]
fn tables_by_kind_give_their_regime() {
    let mut problems = Vec::new();
    for optimizer in [Optimizer::Sgd, Optimizer::SignSgd, Optimizer::Adam] {
        for (kinds, regime, r) in
            [(mup(), Regime::FeatureLearning, int(0)), (ntp(), Regime::Operator, frac(1, 2))]
        {
            for (name, net) in nets(kinds) {
                let verdict = net.verdict(optimizer);
                // a scalar parameter moves by Θ(1), and what it multiplies with it: Theorem 2.9.19 leaves scalars out
                let scaled = name == "scaled";
                let regime = if scaled { Regime::FeatureLearning } else { regime };
                let r = if scaled { int(0) } else { r };
                if verdict.regime != regime
                    || verdict.r != Some(r)
                    || !verdict.failures().is_empty()
                {
                    problems.push(format!(
                        "{name} {optimizer:?} {}: {}, r {:?}, {:?}\n{}",
                        regime.name(),
                        verdict.regime.name(),
                        verdict.r,
                        verdict.failures(),
                        sizes(&verdict),
                    ));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn pre_activations_have_names_and_places() {
    let (_, net) = nets(mup()).swap_remove(1);
    let verdict = net.verdict(Optimizer::Adam);
    let names: Vec<_> =
        verdict.features.iter().map(|f| f.track.name.clone().unwrap_or_default()).collect();
    assert_eq!(names, ["h1", "h2", "h3", "h4"]);
    assert!(verdict.features.iter().all(|f| f.track.span.is_some() && f.nonlinear));
    let (_, net) = nets(mup()).swap_remove(0);
    let names: Vec<_> = net
        .verdict(Optimizer::Sgd)
        .features
        .into_iter()
        .map(|f| f.track.name.unwrap_or_default())
        .collect();
    assert_eq!(names, ["z0", "z1", "z2"]);
}

fn attention(kinds: Kinds, scale: &str) -> Net {
    let text = "
  let h[i] = sum[j](xs[i, j] * wU[j]);
  let q = wQ @ h;
  let k = wK @ h;
  let e[i, j] = exp({scale} * sum[a](q[i, a] * k[j, a]));
  let p[i, j] = e[i, j] / sum[l](e[i, l]);
  let x = wV @ h;
  let o[i, a] = sum[j](p[i, j] * x[j, a]);
  let f[i] = {out} * sum[a](wv[a] * o[i, a]);";
    net(kinds, &["U:vec[2]", "v"], &["Q", "K", "V"], &[], &text.replace("{scale}", scale))
}

#[test]
fn attention_scores_move_by_their_own_rule() {
    // µP with 1/n, the gradient of Q and K vanishes by symmetry at first
    let verdict = attention(mup(), "n^(-1)").verdict(Optimizer::Adam);
    assert_eq!(verdict.regime, Regime::FeatureLearning, "{}", sizes(&verdict));
    // with 1/√n aligned updates let the scores grow like n^(1/2)
    assert!(!attention(mup(), "n^(-1/2)").verdict(Optimizer::Adam).stable);
    // NTP with 1/√n: scores move by Θ(1) although every r is 1/2, and so does what they weight
    let verdict = attention(ntp(), "n^(-1/2)").verdict(Optimizer::Adam);
    assert!(verdict.stable && verdict.faithful && verdict.nontrivial, "{}", sizes(&verdict));
    assert_eq!(verdict.prediction.changes, [Size::ONE, Size::ONE]);
    assert_eq!(verdict.regime, Regime::FeatureLearning);
}

#[test]
fn arrays_of_mats_are_taken_apart() {
    let text = "
  let h1[i] = sum[j](xs[i, j] * wU[j]);
  let h2 = wW[0] @ tanh(h1);
  let h3 = wW[1] @ tanh(h2);
  let f[i] = {out} * sum[a](wv[a] * tanh(h3[i, a]));";
    for (kinds, regime) in [(mup(), Regime::FeatureLearning), (ntp(), Regime::Operator)] {
        let mut net = net(kinds, &["U:vec[2]", "v"], &["W"], &[], text);
        net.params[2].kind = "mat[2]".to_owned();
        let verdict = net.verdict(Optimizer::Adam);
        assert_eq!(verdict.regime, regime, "{}", sizes(&verdict));
        net.params[2].abcd[2] -= frac(1, 4);
        let verdict = net.verdict(Optimizer::Adam);
        let failures = verdict.failures();
        assert_eq!(failures.len(), 1, "{failures:?}\n{}", sizes(&verdict));
        let repair = failures[0].repair.clone().expect("one exponent is off").text();
        assert_eq!(repair, "raise c of `W` by 1/4, to 1");
    }
}

#[test]
fn decay_is_no_change_and_a_zero_start_is_allowed() {
    for (kinds, regime) in [(mup(), Regime::FeatureLearning), (ntp(), Regime::Operator)] {
        let (_, net) = nets(kinds).swap_remove(1);
        let text = net.program(Optimizer::Adam).replace(" := p", " := 0.9 * p");
        let decayed = verdict(&lower(&text), &net.training());
        assert_eq!(decayed.regime, regime, "{}", sizes(&decayed));
    }
    // a readout that starts at 0: hidden layers learn from the second update on
    let (_, net) = nets(mup()).swap_remove(1);
    let text = net.program(Optimizer::Adam).replace("var pv = iv", "var pv = 0 * iv");
    let zero = verdict(&lower(&text), &net.training());
    assert_eq!(zero.regime, Regime::FeatureLearning, "{}", sizes(&zero));
    assert_eq!(zero.features[0].track.changes, [Size::Zero, Size::ONE]);
    assert!(zero.good() && zero.failures().is_empty());
}
