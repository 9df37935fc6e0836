//! `tpc limit`.

use super::args::{Accuracy, LimitArgs, Method, Results, Shown};
use super::expects::failures;
use super::output::{self, Array, Needs, Report, entry_name};
use super::run::kets_json;
use super::session::{Session, complain, on_threads};
use super::{exit, table};
use crate::driver::Checked;
use crate::ir::{Node, Program};
use crate::limit::{Each, LimitOptions, LimitOutput, Limits, RandomLaw, Rungs, evaluate, explain};
use crate::num::stats::PROBABILITIES;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Larger arrays are one row for people; their numbers are in result files.
const MOST_SHOWN: usize = 1000;
/// The covariances of more entries are in result files only.
const MOST_COVARIANCES: usize = 8;

pub(super) fn main(args: &LimitArgs, shown: &Shown) -> i32 {
    let in_symbols = args.symbolic || args.latex;
    let check = if in_symbols { super::symbolic::check_target } else { output::check_target };
    if let Err(code) = check(&args.results) {
        return code;
    }
    let mut session = match Session::open(&args.input, shown) {
        Ok(session) => session,
        Err(code) => return code,
    };
    let Some(Checked { program, facts }) = session.checked() else { return session.wrong() };
    session.report();
    if program.outputs.is_empty() && program.expects.is_empty() {
        session.warn("there is nothing to evaluate", "write for example `output avg(x);`");
    }
    if in_symbols {
        let formulas = crate::limit::symbolic::symbolic(&program, &facts);
        return super::symbolic::deliver(&session, &formulas, args);
    }
    let rungs = match args.method {
        Method::Auto => Rungs::All,
        Method::Exact => Rungs::Exact,
        Method::Quadrature => Rungs::Quadrature,
        Method::Particles => Rungs::Particles,
    };
    let options = LimitOptions { rungs, ..options(&args.accuracy, args.seed) };
    let leading = match facts.undrawn.drawn(&args.given) {
        Ok(leading) => leading,
        Err(error) => {
            complain(&format!("error: --given: {error}"));
            return exit::USAGE;
        }
    };
    let mut limits = match evaluated(&mut session, &leading, &options, args.results.threads) {
        Ok(limits) => limits,
        Err(code) => return code,
    };
    name_exact(&program, &mut limits);
    if let Err(code) =
        output::deliver(&report(&session, &limits, &options, &args.results), &args.results)
    {
        return code;
    }
    let failures = failures(&session, &leading, &limits);
    complain(&failures.join("\n"));
    if limits.met && failures.is_empty() { exit::FINE } else { exit::WRONG }
}

pub(super) fn options(accuracy: &Accuracy, seed: u64) -> LimitOptions {
    let standard = LimitOptions::default();
    let particles = accuracy.particles.unwrap_or(standard.particles);
    LimitOptions {
        tol: accuracy.tol,
        seed,
        particles,
        most: standard.most.max(particles),
        blocks: accuracy.blocks,
        replicates: accuracy.replicates,
        draws: accuracy.draws,
        effort: if accuracy.particles.is_some() { f64::INFINITY } else { standard.effort },
        memory: super::files::available_memory() as f64,
        rungs: standard.rungs,
    }
}

/// A 0 in which nothing is random owes nothing to a symmetry.
pub(super) fn name_exact(program: &Program, limits: &mut Limits) {
    for (output, limit) in program.outputs.iter().zip(&mut limits.outputs) {
        let reached = program.ir.reachable(&[output.node]);
        if !reached.iter().any(|id| matches!(program.ir.node(*id), Node::Init(_))) {
            limit.methods = Each::Shared("exact", limit.methods.len());
        }
    }
}

/// Evaluates the leading-order program; an exit code after a message if that fails.
pub(super) fn evaluated(
    session: &mut Session<'_>,
    leading: &Program,
    options: &LimitOptions,
    threads: Option<usize>,
) -> Result<Limits, i32> {
    on_threads(threads, || evaluate(leading, options)).map_err(|error| {
        session.diags.push(explain(leading, &error));
        session.wrong()
    })
}

fn report<'a>(
    session: &Session<'_>,
    limits: &'a Limits,
    options: &LimitOptions,
    results: &Results,
) -> Report<'a> {
    let needs = Needs::of(results);
    let mut rows = vec![["output", "limit", "error", "method"].map(str::to_owned).to_vec()];
    let mut shown = Vec::new();
    let mut lines = String::new();
    for output in &limits.outputs {
        for (k, ket) in output.kets.iter().enumerate() {
            let name = entry_name(&output.name, &output.shape, k);
            let (errors, method) = (&output.ket_errors[k], output.methods[k]);
            lines.push_str(&format!("|{name}⟩: {}; {method}\n", table::ket(ket, Some(errors))));
            for (part, value, error) in [("mean", ket.mean, errors[0]), ("std", ket.std, errors[1])]
            {
                let cells = [format!("{value:e}"), format!("{error:e}"), method.to_owned()];
                rows.push([vec![format!("{name}.{part}")], cells.to_vec()].concat());
            }
        }
        for (k, entry) in output.law.iter().flat_map(|law| law.entries.iter().enumerate()) {
            let name = entry_name(&output.name, &output.shape, k);
            let errors = output.law.as_ref().map(|law| &law.errors[k]);
            lines.push_str(&format!("{name} is random: {}; draws\n", table::ket(entry, errors)));
            let std = [entry.std, errors.map_or(0.0, |errors| errors[1])].map(|x| format!("{x:e}"));
            rows.push([vec![format!("{name}.std")], std.to_vec(), vec!["draws".into()]].concat());
        }
        lines.push_str(&covariances(output));
        if output.values.len() > MOST_SHOWN && !needs.rows {
            shown.push(summary(output, options.tol));
            continue;
        }
        for (k, value) in output.values.iter().enumerate() {
            let (name, error) = (entry_name(&output.name, &output.shape, k), output.errors[k]);
            let method = output.methods[k];
            let note = with_tolerance(method.to_owned(), is_missed(options.tol, *value, error));
            shown.push(vec![name.clone(), table::with_error(*value, error), note]);
            rows.push(vec![name, format!("{value:e}"), format!("{error:e}"), method.to_owned()]);
        }
    }
    let table = table::table(&["output", "limit ± error", "method"], &shown);
    let table = if shown.is_empty() { String::new() } else { table + "\n" };
    let effort = match limits.particles {
        0 => "nothing had to be sampled".to_owned(),
        n => {
            let Limits { blocks, replicates, random, .. } = limits;
            let kind = if *random { "draws" } else { "replicates" };
            let blocks = if *blocks > 1 { format!(" in {blocks} blocks") } else { String::new() };
            format!("{n} particles{blocks} × {replicates} {kind}, seed {}", options.seed)
        }
    };
    let json = if needs.json {
        json_of(session, limits, options)
    } else {
        json!({"provenance": provenance(session, limits, options)})
    };
    let arrays = limits.outputs.iter().filter(|_| needs.arrays).flat_map(arrays);
    Report { text: format!("{table}{lines}{effort}"), json, rows, arrays: arrays.collect() }
}

/// Whether an error is larger than was asked for.
fn is_missed(tol: Option<f64>, value: f64, error: f64) -> bool {
    tol.is_some_and(|tol| error > tol * value.abs().max(1.0))
}

fn with_tolerance(method: String, missed: bool) -> String {
    if missed { format!("{method}; tolerance not met") } else { method }
}

/// One row for a large array.
fn summary(output: &LimitOutput, tol: Option<f64>) -> Vec<String> {
    let worst = output.errors.distinct().iter().copied().fold(0.0, f64::max);
    let mut methods = output.methods.distinct().to_vec();
    methods.sort_unstable();
    methods.dedup();
    let sizes: Vec<String> = output.shape.iter().map(usize::to_string).collect();
    let numbers = format!("{} numbers ± {worst:.1e}", sizes.join(" × "));
    let mut entries = output.values.iter().zip(output.errors.iter());
    let missed = tol.is_some() && entries.any(|(value, error)| is_missed(tol, *value, error));
    vec![output.name.clone(), numbers, with_tolerance(methods.join(", "), missed)]
}

fn provenance(session: &Session<'_>, limits: &Limits, options: &LimitOptions) -> Value {
    let Limits { particles, blocks, replicates, .. } = limits;
    let how = json!({"seed": options.seed, "precision": "f64", "particles": particles, "blocks": blocks, "replicates": replicates});
    output::provenance(session, how)
}

/// The covariances of a Gaussian output, of few entries.
fn covariances(output: &LimitOutput) -> String {
    let few = |law: &&RandomLaw| law.gaussian && law.entries.len() <= MOST_COVARIANCES;
    let Some(law) = output.law.as_ref().filter(few) else { return String::new() };
    let count = law.entries.len();
    let name = |k: usize| entry_name(&output.name, &output.shape, k);
    let line = |k: usize| {
        let (x, y) = (k / count, k % count);
        let value = table::with_error(law.covariance[k], law.covariance_errors[k]);
        let method = law.covariance_methods[k];
        (y <= x).then(|| format!("Cov({}, {}) = {value}; {method}\n", name(x), name(y)))
    };
    (0..count * count).filter_map(line).collect()
}

/// Values and their errors, of a large matrix one for all entries, and draws of what is random, one after the other; of a
/// vec, mean and standard deviation.
fn arrays(output: &LimitOutput) -> Vec<Array<'_>> {
    let shaped = |suffix: &str, shape: &[usize], values: Cow<'static, [f64]>| Array {
        name: format!("{}{suffix}", output.name),
        shape: shape.to_vec(),
        values,
    };
    let array = |suffix: &str, values: Vec<f64>| shaped(suffix, &output.shape, values.into());
    if output.kets.is_empty() {
        let values = Array { values: Cow::from(&output.values), ..array("", Vec::new()) };
        let errors = match output.errors.distinct() {
            [shared] if output.errors.len() > 1 => shaped(".error", &[], vec![*shared].into()),
            own => array(".error", own.to_vec()),
        };
        let mut arrays = vec![values, errors];
        if let Some(law) = &output.law {
            let shape = [&[law.draws.len()][..], &output.shape].concat();
            let name = format!("{}.draws", output.name);
            arrays.push(Array { name, shape, values: law.draws.concat().into() });
        }
        return arrays;
    }
    let numbers = |k: usize| output.kets.iter().map(|ket| ket.numbers()[k]).collect();
    let errors = |k: usize| output.ket_errors.iter().map(|errors| errors[k]).collect();
    vec![
        array(".mean", numbers(0)),
        array(".mean.error", errors(0)),
        array(".std", numbers(1)),
        array(".std.error", errors(1)),
    ]
}

/// Standard deviations, quantiles and their errors for each entry, covariances of all pairs, and the draws.
fn law_json(law: &RandomLaw) -> Value {
    let of =
        |k: usize| -> Vec<f64> { law.entries.iter().map(|entry| entry.numbers()[k]).collect() };
    let error = |k: usize| -> Vec<f64> { law.errors.iter().map(|errors| errors[k]).collect() };
    let quantiles = |of: &dyn Fn(usize) -> Vec<f64>| -> Vec<Value> {
        let one = |(k, p): (usize, &f64)| json!({"p": p, "values": of(k + 2)});
        PROBABILITIES.iter().enumerate().map(one).collect()
    };
    json!({
        "mean": of(0), "std": of(1), "std_errors": error(1),
        "quantiles": quantiles(&of), "quantile_errors": quantiles(&error),
        "covariance": law.covariance, "covariance_errors": law.covariance_errors, "covariance_methods": law.covariance_methods, "gaussian": law.gaussian, "draws": law.draws,
    })
}

fn json_of(session: &Session<'_>, limits: &Limits, options: &LimitOptions) -> Value {
    let outputs: Vec<Value> = limits
        .outputs
        .iter()
        .map(|output| {
            if output.kets.is_empty() {
                let mut object = json!({
                    "name": output.name, "shape": output.shape, "values": output.values,
                    "errors": output.errors.to_vec(), "methods": output.methods.to_vec(),
                });
                if let Some(law) = &output.law {
                    object["distribution"] = law_json(law);
                }
                object
            } else {
                let kets = kets_json(&output.kets, ("errors", Some(&output.ket_errors)), &output.shape);
                json!({"name": output.name, "shape": output.shape, "ket": kets, "methods": output.methods.to_vec()})
            }
        })
        .collect();
    json!({
        "command": "limit",
        "file": session.name(),
        "seed": options.seed,
        "outputs": outputs,
        "particles": limits.particles,
        "blocks": limits.blocks,
        "replicates": limits.replicates,
        "provenance": provenance(session, limits, options),
    })
}
