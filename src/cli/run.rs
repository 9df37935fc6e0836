//! `tpc run`.

use super::args::{Digits, Finite, Results, RunArgs, Shown};
use super::output::{self, Array, Report, entry_name};
use super::session::{Session, complain, on_threads};
use super::{exit, files, table};
use crate::diag::Diagnostic;
use crate::finite::{
    OutputResult, Precision, Progress, RunOptions, RunResult, cost, simulate_until,
};
use crate::ir::Program;
use crate::num::stats::Summary;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by Ctrl-C: finished runs are still printed.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

pub(super) fn main(args: &RunArgs, shown: &Shown) -> i32 {
    if let Err(code) = output::check_target(&args.results) {
        return code;
    }
    let mut session = match Session::open(&args.input, shown) {
        Ok(session) => session,
        Err(code) => return code,
    };
    let Some(program) = session.lowered() else { return session.wrong() };
    session.report();
    if program.outputs.is_empty() {
        session.warn("there is nothing to evaluate", "write for example `output avg(x);`");
    }
    let widths = if args.finite.width.is_empty() { vec![1024] } else { args.finite.width.clone() };
    let plan = Plan::new(&args.finite, widths, args.finite.seeds.unwrap_or(1), &args.results);
    let runs = match sampled(&mut session, &program, &plan, args.results.threads) {
        Ok(runs) => runs,
        Err(code) => return code,
    };
    let report = report(&session, &runs, &plan);
    if let Err(code) = output::deliver(&report, &args.results) {
        return code;
    }
    if was_interrupted() { exit::INTERRUPTED } else { exit::FINE }
}

/// Which networks are run.
pub(super) struct Plan {
    widths: Vec<usize>,
    /// The options of every width.
    common: RunOptions,
}

impl Plan {
    pub(super) fn new(
        finite: &Finite,
        widths: Vec<usize>,
        seeds: usize,
        results: &Results,
    ) -> Self {
        let precision = match finite.precision {
            Digits::F32 => Precision::F32,
            Digits::F64 => Precision::F64,
        };
        let memory = if results.force { u64::MAX } else { files::available_memory() };
        let (seed, force) = (finite.seed, results.force);
        let common = RunOptions { width: 0, seed, seeds: seeds.max(1), precision, memory, force };
        Self { widths, common }
    }
}

pub(super) fn was_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Runs all widths and seeds with a progress bar on a terminal. Costs are checked before anything runs; after Ctrl-C
/// finished seeds are kept.
pub(super) fn sampled(
    session: &mut Session<'_>,
    program: &Program,
    plan: &Plan,
    threads: Option<usize>,
) -> Result<Vec<RunResult>, i32> {
    // A second handler cannot be set; then the first one serves.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(exit::INTERRUPTED);
        }
    });
    let bar = ProgressBar::new((plan.widths.len() * plan.common.seeds) as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {elapsed} of about {duration}")
    {
        bar.set_style(style);
    }
    let options: Vec<RunOptions> =
        plan.widths.iter().map(|width| RunOptions { width: *width, ..plan.common }).collect();
    let all = || -> Result<Vec<RunResult>, Box<Diagnostic>> {
        for options in &options {
            cost(program, options)?;
        }
        let open = options.iter().take_while(|_| !was_interrupted());
        let progress = Progress { done: &|| bar.inc(1), stop: &was_interrupted };
        open.map(|options| simulate_until(program, options, &progress)).collect()
    };
    let runs = on_threads(threads, all);
    bar.finish_and_clear();
    let runs = runs.map_err(|problem| {
        session.diags.push(*problem);
        session.wrong()
    })?;
    let runs: Vec<RunResult> = runs.into_iter().filter(|run| !run.seeds.is_empty()).collect();
    if was_interrupted() {
        let finished: usize = runs.iter().map(|run| run.seeds.len()).sum();
        let all = plan.widths.len() * plan.common.seeds;
        complain(&format!("interrupted: {finished} of {all} runs finished"));
    }
    Ok(runs)
}

fn report(session: &Session<'_>, runs: &[RunResult], plan: &Plan) -> Report<'static> {
    let mut rows = vec![["width", "output", "mean", "stderr", "seeds"].map(str::to_owned).to_vec()];
    let mut shown = Vec::new();
    let mut lines = String::new();
    for run in runs {
        for output in &run.outputs {
            for (k, mean) in output.mean.iter().copied().enumerate() {
                let stderr = output.stderr.as_ref().map(|stderr| stderr[k]);
                let name = entry_name(&output.name, &output.shape, k);
                let error = stderr.map_or(String::new(), |error| format!("{error:e}"));
                let width = run.width.to_string();
                rows.push(vec![
                    width.clone(),
                    name.clone(),
                    format!("{mean:e}"),
                    error,
                    run.seeds.len().to_string(),
                ]);
                match output.kets.get(k) {
                    Some(ket) => {
                        let errors = output.ket_stderr.as_ref().map(|stderr| &stderr[k]);
                        let ket = table::ket(ket, errors);
                        lines.push_str(&format!("{name} at width {width}: {ket}\n"));
                    }
                    None => shown.push(vec![
                        name,
                        width,
                        table::with_error(mean, stderr.unwrap_or(0.0)),
                    ]),
                }
            }
        }
    }
    let heading = if plan.common.seeds > 1 { "mean ± standard error" } else { "value" };
    let table = table::table(&["output", "width", heading], &shown);
    let all = || runs.iter().flat_map(|run| run.seeds.iter().copied());
    let seeds = match (all().min(), all().max()) {
        (Some(first), Some(last)) if first < last => format!("seeds {first}…{last}"),
        _ => format!("seed {}", plan.common.seed),
    };
    let table = if shown.is_empty() { String::new() } else { table + "\n" };
    let text = format!("{table}{lines}{seeds}, {}", plan.common.precision.name());
    Report { text, json: json_of(session, runs, plan), rows, arrays: arrays(runs) }
}

fn json_of(session: &Session<'_>, runs: &[RunResult], plan: &Plan) -> Value {
    let common = &plan.common;
    let how = json!({"widths": plan.widths, "seed": common.seed, "seeds": common.seeds, "precision": common.precision.name()});
    let runs: Vec<Value> = runs
        .iter()
        .map(|run| {
            let outputs: Vec<Value> = run.outputs.iter().map(output_json).collect();
            json!({"width": run.width, "seeds": run.seeds, "outputs": outputs})
        })
        .collect();
    json!({
        "command": "run",
        "file": session.name(),
        "precision": plan.common.precision.name(),
        "runs": runs,
        "provenance": output::provenance(session, how),
    })
}

fn output_json(output: &OutputResult) -> Value {
    if output.kets.is_empty() {
        return json!({
            "name": output.name, "shape": output.shape, "mean": output.mean, "stderr": output.stderr,
            "values": output.values,
        });
    }
    json!({"name": output.name, "shape": output.shape, "ket": kets_json(&output.kets, ("stderr", output.ket_stderr.as_deref()), &output.shape)})
}

/// The summaries of a vec and the errors of their numbers, under the name of these: one object without static axes, else
/// one for each entry.
pub(super) fn kets_json(
    kets: &[Summary],
    (name, errors): (&str, Option<&[[f64; Summary::NUMBERS]]>),
    shape: &[usize],
) -> Value {
    let one = |(k, ket): (usize, &Summary)| {
        let errors = errors.map(|errors| {
            let [mean, std, quantiles @ ..] = errors[k];
            json!({"mean": mean, "std": std, "quantiles": quantiles})
        });
        json!({
            "mean": ket.mean,
            "std": ket.std,
            "quantiles": ket.quantiles,
            "histogram": {"low": ket.histogram.low, "high": ket.histogram.high, "counts": ket.histogram.counts},
            name: errors,
        })
    };
    match (shape, kets) {
        ([], [ket]) => one((0, ket)),
        _ => kets.iter().enumerate().map(one).collect(),
    }
}

fn arrays(runs: &[RunResult]) -> Vec<Array<'static>> {
    let one = |run: &RunResult, output: &OutputResult| {
        let width = output.vector.then_some(run.width);
        let sizes = std::iter::once(output.values.len()).chain(output.shape.iter().copied());
        let shape = sizes.chain(width).collect();
        let name = if runs.len() == 1 {
            output.name.clone()
        } else {
            format!("{}@{}", output.name, run.width)
        };
        Array { name, shape, values: output.values.concat().into() }
    };
    runs.iter()
        .flat_map(|run| run.outputs.iter().map(|output| one(run, output)).collect::<Vec<_>>())
        .collect()
}
