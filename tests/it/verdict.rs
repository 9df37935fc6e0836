//! The verdict on trained nets against the theorems about perceptrons, and on other architectures.

mod architectures;
mod perceptron;
mod theorem;

use perceptron::{Optimizer, perceptron};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;
use std::collections::BTreeMap;
use theorem::{Table, classify, faithful, frac, int, mup, normalised, ntp, shifted, sp, ups};
use tpc::analyze::verdict::{Condition, Failure, Regime, Size, Verdict};
use tpc::ir::Exponent;

/// Exponents as text.
fn shown(table: &Table) -> String {
    let layer = |layer: &[Exponent; 4]| layer.map(|e| e.to_string()).join(" ");
    table.iter().map(layer).collect::<Vec<_>>().join(" | ")
}

/// What differs between the verdict and the theorems.
fn differences(table: &Table, optimizer: Optimizer, verdict: &Verdict) -> Vec<String> {
    let expected = if optimizer.linear() { classify(&normalised(table)) } else { classify(table) };
    let mut problems = Vec::new();
    let mut same = |what: &str, found: String, wanted: String| {
        if found != wanted {
            problems.push(format!("{what}: {found}, by the theorem {wanted}"));
        }
    };
    let text = |value: bool| value.to_string();
    same("stable at init", text(verdict.stable_at_init), text(expected.stable_at_init));
    if expected.stable_at_init {
        same("faithful at init", text(verdict.faithful_at_init), text(expected.faithful_at_init));
    }
    let good = expected.stable_at_init && expected.faithful_at_init;
    same("stays", text(verdict.stable && verdict.faithful), text(good && expected.stays));
    if good {
        for (param, r) in verdict.params.iter().zip(&expected.layers) {
            same(
                &format!("r of {}", param.name),
                format!("{:?}", param.r),
                format!("{:?}", Some(*r)),
            );
        }
        same("r", format!("{:?}", verdict.r), format!("{:?}", Some(expected.r)));
        if expected.stays {
            same("nontrivial", text(verdict.nontrivial), text(expected.nontrivial));
        }
    }
    same("regime", verdict.regime.name().to_owned(), expected.regime.name().to_owned());
    problems
}

/// The class of a parametrization, for counting.
fn class(table: &Table, optimizer: Optimizer) -> &'static str {
    let expected = if optimizer.linear() { classify(&normalised(table)) } else { classify(table) };
    if !expected.stable_at_init {
        "unstable at initialisation"
    } else if !expected.faithful_at_init {
        "unfaithful at initialisation"
    } else if !expected.stays {
        "unstable or unfaithful in training"
    } else if !expected.nontrivial {
        "trivial"
    } else {
        expected.regime.name()
    }
}

fn judged(table: &Table, function: &str, optimizer: Optimizer, out: Exponent) -> Verdict {
    perceptron(table, function, out).verdict(optimizer)
}

/// A multiple of 1/8.
fn eighths(rng: &mut ChaCha8Rng, lo: i64, hi: i64) -> Exponent {
    frac(rng.random_range(lo..=hi), 8)
}

/// Exponents that hold the conditions one after the other with good probability, so that all classes occur.
fn drawn(rng: &mut ChaCha8Rng, depth: usize) -> Table {
    let mut table = match rng.random_range(0..6) {
        0 => sp(depth),
        1 => ntp(depth),
        2 => mup(depth),
        3 => ups(eighths(rng, 0, 4), depth),
        4 => (0..=depth).map(|_| [0; 4].map(|_| eighths(rng, -4, 12))).collect(),
        _ => conditioned(rng, depth),
    };
    let theta: Vec<Exponent> = (0..=depth).map(|_| eighths(rng, -6, 6)).collect();
    if rng.random_bool(0.5) {
        table = shifted(&table, &theta);
    }
    for _ in 0..[0, 0, 1, 1, 2][rng.random_range(0..5)] {
        let layer = rng.random_range(0..=depth);
        table[layer][rng.random_range(0..4)] += eighths(rng, -4, 4);
    }
    table
}

/// Stable and faithful at initialisation; c at random around what is stable in training.
fn conditioned(rng: &mut ChaCha8Rng, depth: usize) -> Table {
    let mut table: Table = (0..=depth).map(|_| [0; 4].map(|_| eighths(rng, -4, 12))).collect();
    for (l, layer) in table.iter_mut().enumerate() {
        let target = if l == 0 { int(0) } else { frac(1, 2) };
        let more = if l == depth { eighths(rng, 0, 6) } else { int(0) };
        layer[1] = target + more - layer[0];
        layer[2] = int(i64::from(l > 0)) - layer[0] + eighths(rng, -1, 4);
    }
    let wanted = faithful(&table);
    table.iter_mut().zip(wanted).for_each(|(layer, d)| layer[3] = d);
    table
}

#[test]
fn equals_the_theorems_on_perceptrons() {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let optimizers = [Optimizer::Sgd, Optimizer::Momentum, Optimizer::SignSgd, Optimizer::Adam];
    let mut cases = Vec::new();
    for k in 0..800 {
        let depth = 1 + k % 4;
        let table = drawn(&mut rng, depth);
        let optimizer = optimizers[(k / 4) % 4];
        let function = ["tanh", "relu"][rng.random_range(0..2)];
        let out = [int(0), frac(1, 2), int(1)][rng.random_range(0..3)];
        cases.push((table, function, optimizer, out));
    }
    let start = std::time::Instant::now();
    let problems: Vec<String> = cases
        .par_iter()
        .filter_map(|(table, function, optimizer, out)| {
            let verdict = judged(table, function, *optimizer, *out);
            let found = differences(table, *optimizer, &verdict);
            (!found.is_empty())
                .then(|| format!("{optimizer:?} {function} {}: {found:?}", shown(table)))
        })
        .collect();
    let mut counts = BTreeMap::new();
    for (table, _, optimizer, _) in &cases {
        *counts.entry(class(table, *optimizer)).or_insert(0) += 1;
    }
    println!("{} verdicts in {:.1} s: {counts:?}", cases.len(), start.elapsed().as_secs_f64());
    assert!(
        problems.is_empty(),
        "{} differ:\n{}",
        problems.len(),
        problems[..problems.len().min(8)].join("\n")
    );
    assert!(counts.len() == 6 && counts.values().all(|count| *count >= 15), "{counts:?}");
}

/// All that a user is told in one word each.
fn summary(verdict: &Verdict) -> Vec<String> {
    let flags = [
        verdict.stable_at_init,
        verdict.faithful_at_init,
        verdict.stable,
        verdict.faithful,
        verdict.nontrivial,
    ];
    let r = verdict.params.iter().map(|param| format!("{:?}", param.r));
    let regime = verdict.regime.name().to_owned();
    flags.iter().map(ToString::to_string).chain(r).chain([regime]).collect()
}

#[test]
fn every_perturbation_of_a_good_parametrization_is_seen() {
    let mut cases = Vec::new();
    for depth in 1..=3 {
        for base in [mup(depth), ntp(depth), ups(frac(1, 4), depth)] {
            for (layer, letter, by) in (0..=depth)
                .flat_map(|layer| (0..4).map(move |letter| (layer, letter)))
                .flat_map(|(layer, letter)| [(layer, letter, 1), (layer, letter, -1)])
            {
                let mut table = base.clone();
                table[layer][letter] += frac(by, 8);
                cases.push((base.clone(), table));
            }
        }
    }
    let problems: Vec<String> = cases
        .par_iter()
        .flat_map_iter(|case| {
            [Optimizer::Sgd, Optimizer::Adam].into_iter().map(move |optimizer| (case, optimizer))
        })
        .filter_map(|((base, table), optimizer)| {
            let before = judged(base, "tanh", optimizer, int(0));
            let after = judged(table, "tanh", optimizer, int(0));
            let mut found = differences(table, optimizer, &after);
            if summary(&before) == summary(&after) {
                found.push("nothing changes".to_owned());
            }
            if after.regime == Regime::None {
                found.extend(mended(table, optimizer, &after.failures(), 1));
            }
            (!found.is_empty()).then(|| format!("{optimizer:?} {}: {found:?}", shown(table)))
        })
        .collect();
    let first = problems[..problems.len().min(12)].join("\n");
    assert!(problems.is_empty(), "{} of {}:\n{first}", problems.len(), 2 * cases.len());
}

/// Whether the theorems agree that the repairs together are a good parametrization, with at most this many.
fn mended(
    table: &Table,
    optimizer: Optimizer,
    failures: &[Failure],
    most: usize,
) -> Option<String> {
    let mut table = table.clone();
    let last = table.len() - 1;
    for failure in failures {
        let Some(repair) = &failure.repair else {
            return Some(format!(
                "no repair of {:?}: {}",
                failure.condition,
                told(failures).join("\n  ")
            ));
        };
        match (&repair.param, "abcd".find(repair.exponent)) {
            (Some(param), Some(letter)) => {
                let layer = param.parse::<usize>().expect("layers are numbered") - 1;
                table[layer][letter] += repair.by;
            }
            _ => table[last][0] += repair.by,
        }
    }
    if failures.is_empty() || failures.len() > most {
        return Some(format!("{} failures: {}", failures.len(), told(failures).join("\n  ")));
    }
    let after = if optimizer.linear() { classify(&normalised(&table)) } else { classify(&table) };
    (after.regime == Regime::None)
        .then(|| format!("not mended: {} by {}", shown(&table), told(failures).join("\n  ")))
}

#[test]
fn repairs_together_are_a_good_parametrization() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let optimizers = [Optimizer::Sgd, Optimizer::SignSgd, Optimizer::Adam];
    let cases: Vec<_> = (0..120)
        .map(|k| (drawn(&mut rng, 1 + k % 4), optimizers[k % 3], ["tanh", "relu"][(k / 3) % 2]))
        .collect();
    let problems: Vec<String> = cases
        .par_iter()
        .filter_map(|(table, optimizer, function)| {
            let verdict = judged(table, function, *optimizer, int(0));
            let failures = verdict.failures();
            if verdict.regime != Regime::None {
                return (!failures.is_empty())
                    .then(|| format!("{}: {}", shown(table), told(&failures).join("\n  ")));
            }
            let problem = mended(table, *optimizer, &failures, 40)?;
            Some(format!("{optimizer:?} {function} {}: {problem}", shown(table)))
        })
        .collect();
    println!("{} of {} are left:\n{}", problems.len(), cases.len(), problems.join("\n"));
    assert!(problems.is_empty());
}

/// What a user reads, a line for each failure.
fn told(failures: &[Failure]) -> Vec<String> {
    let line = |failure: &Failure| {
        let repair = failure.repair.as_ref().map_or_else(String::new, |repair| repair.text());
        format!("{:?}: {}; {}; {repair}", failure.condition, failure.fact, failure.found)
    };
    failures.iter().map(line).collect()
}

#[test]
fn standard_parametrization_with_adam_names_what_to_change() {
    let told = told(&judged(&sp(2), "tanh", Optimizer::Adam, int(0)).failures());
    println!("{}", told.join("\n"));
    assert!(told.iter().any(|line| line.contains("raise d of `1` by 1/2, to 1/2")), "{told:?}");
    assert!(
        told.iter().any(|line| line.starts_with("PredictionBounded")
            && line.contains("raise c of `3` by 1, to 1")),
        "{told:?}"
    );
    // its gradient of the last layer is right, and the output diverges after the first step
    let verdict = judged(&sp(2), "tanh", Optimizer::Adam, int(0));
    assert_eq!(verdict.prediction.changes[0], Size::Diverges);
    assert!(verdict.stable_at_init && !verdict.stable && !verdict.faithful_at_init);
}

#[test]
fn learning_rate_1_over_n_does_not_stabilise_sp() {
    // Remark 2.2.7 of [TP4b] says that it does; a + b + r = 1/2 < 1 in the last layer
    let mut table = sp(3);
    table.iter_mut().for_each(|layer| layer[2] = int(1));
    table[0][2] = int(0);
    let wanted = faithful(&table);
    table.iter_mut().zip(wanted).for_each(|(layer, d)| layer[3] = d);
    let verdict = judged(&table, "relu", Optimizer::SignSgd, int(0));
    assert_eq!(verdict.prediction.changes[0], Size::Power(frac(1, 2)));
    assert!(verdict.faithful_at_init && !verdict.stable);
    let conditions: Vec<Condition> = verdict.failures().iter().map(|f| f.condition).collect();
    assert!(conditions.contains(&Condition::PredictionBounded), "{conditions:?}");
}

#[test]
fn trivial_and_unfaithful_nets_say_so() {
    let mut table = mup(2);
    table.iter_mut().for_each(|layer| layer[2] += frac(1, 2));
    let trivial = told(&judged(&table, "tanh", Optimizer::Adam, int(1)).failures());
    println!("{}", trivial.join("\n"));
    assert!(trivial.len() == 1 && trivial[0].starts_with("Nontrivial"), "{trivial:?}");
    let mut table = mup(2);
    table[1][3] = int(0);
    let told = told(&judged(&table, "tanh", Optimizer::Adam, int(1)).failures());
    println!("{}", told.join("\n"));
    assert!(told.len() == 1 && told[0].contains("raise d of `2` by 1, to 1"), "{told:?}");
}
