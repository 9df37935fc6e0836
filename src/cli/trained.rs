//! The verdict on a trained net, for people and as JSON.

use super::table;
use crate::analyze::verdict::{Size, Track, Verdict};
use crate::ir::Exponent;
use crate::source::SourceMap;
use serde_json::{Value, json};

/// Exponents of every parameter, sizes of what is followed, and the verdict.
pub(super) fn table(verdict: &Verdict, sources: &SourceMap) -> String {
    let exponent = |e: Option<Exponent>| e.map_or_else(|| "–".to_owned(), |e| e.to_string());
    let rows: Vec<Vec<String>> = verdict
        .params
        .iter()
        .map(|param| {
            let mut row = vec![param.name.clone()];
            row.extend(param.abcd.iter().map(ToString::to_string));
            row.push(exponent(param.r));
            row.push(sizes(&param.gradient));
            row
        })
        .collect();
    let params = table::table(&["parameter", "a", "b", "c", "d", "r", "input of Q"], &rows);
    let mut rows: Vec<Vec<String>> =
        verdict.features.iter().map(|feature| followed(&feature.track, sources)).collect();
    let mut output = followed(&verdict.prediction, sources);
    output[0] = format!("{}, the output", verdict.net);
    rows.push(output);
    let values = table::table(&["value", "line", "at first", "change by step"], &rows);
    format!("{params}\n{values}\n{}\n", summary(verdict))
}

fn followed(track: &Track, sources: &SourceMap) -> Vec<String> {
    let line = track.line(sources).map(|line| line.to_string()).unwrap_or_default();
    vec![track.title(sources), line, track.initial.text(), sizes(&track.changes)]
}

/// One size where all are equal, else one after the other.
fn sizes(sizes: &[Size]) -> String {
    let mut all: Vec<String> = sizes.iter().map(|size| size.text()).collect();
    if all.iter().all(|size| *size == all[0]) {
        all.truncate(1);
    }
    all.join(", ")
}

fn summary(verdict: &Verdict) -> String {
    let holds = |(name, holds): (&str, bool)| {
        let name = name.replace('_', " ");
        if holds { name } else { format!("not {name}") }
    };
    let flags: Vec<String> = verdict.flags().into_iter().map(holds).collect();
    let r = verdict.r.map_or_else(String::new, |r| format!(", r = {r}"));
    format!("{}: {}; regime: {}{r}", verdict.net, flags.join(", "), verdict.regime.name())
}

/// The entry of `trained` in the report of `check`.
pub(super) fn json(verdict: &Verdict) -> Value {
    let text = |e: Option<Exponent>| e.map(|e| e.to_string());
    let params: Vec<Value> = verdict
        .params
        .iter()
        .map(|param| {
            let [a, b, c, d] = param.abcd.map(|e| e.to_string());
            json!({"name": param.name, "a": a, "b": b, "c": c, "d": d, "r": text(param.r)})
        })
        .collect();
    let mut entry = json!({
        "net": verdict.net,
        "regime": verdict.regime.name(),
        "r": text(verdict.r),
        "params": params,
    });
    for (name, holds) in verdict.flags() {
        entry[name] = json!(holds);
    }
    entry
}
