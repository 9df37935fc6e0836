//! `tpc compare`: the command that a newcomer runs first.

use super::args::{CompareArgs, Shown};
use super::output::{self, Array, Report, entry_name};
use super::session::{Session, complain};
use super::{exit, files, limit, plot, run, table};
use crate::analyze::{Facts, power};
use crate::driver::Checked;
use crate::driver::compare::{Comparison, compare};
use crate::finite::RunResult as Run;
use crate::ir::Program;
use crate::ir::scalar::to_f64;
use crate::num::stats::Power;
use serde_json::{Value, json};
use std::path::Path;

/// Widths when none are given.
const WIDTHS: [usize; 5] = [256, 512, 1024, 2048, 4096];
/// Seeds when none are given.
const SEEDS: usize = 8;

pub(super) fn main(args: &CompareArgs, shown: &Shown) -> i32 {
    if let Err(code) = output::check_target(&args.results) {
        return code;
    }
    if let Some(Err(problem)) = args.plot.as_ref().map(|plot| plot_target(plot)) {
        complain(&format!("error: {problem}"));
        return exit::USAGE;
    }
    if args.finite.seeds.is_some_and(|seeds| seeds < 2) {
        complain(
            "error: `--seeds 1`: one seed has no standard error; compare takes at least 2 seeds",
        );
        return exit::USAGE;
    }
    let mut session = match Session::open(&args.input, shown) {
        Ok(session) => session,
        Err(code) => return code,
    };
    let Some(Checked { program, facts }) = session.checked() else { return session.wrong() };
    session.report();
    match compared(&mut session, args, (&program, &facts)) {
        Ok(comparison) => verdict(&comparison),
        Err(code) => code,
    }
}

/// Whether a plot can be written to this file.
fn plot_target(path: &Path) -> Result<(), String> {
    if path.extension().is_none_or(|extension| extension != "svg") {
        return Err(format!("`{}`: plots are written as .svg", path.display()));
    }
    files::may_write(path, true)
}

/// Limit, finite widths, table and plot; an exit code after a message if something fails.
fn compared(
    session: &mut Session<'_>,
    args: &CompareArgs,
    (program, facts): (&Program, &Facts),
) -> Result<Comparison, i32> {
    let widths =
        if args.finite.width.is_empty() { WIDTHS.to_vec() } else { args.finite.width.clone() };
    let plan =
        run::Plan::new(&args.finite, widths, args.finite.seeds.unwrap_or(SEEDS), &args.results);
    let accuracy = limit::options(&args.accuracy, args.finite.seed);
    // Expectations are not judged here and must not ask for more particles.
    let leading = Program { expects: Vec::new(), ..facts.leading.clone() };
    let mut limits = limit::evaluated(session, &leading, &accuracy, args.results.threads)?;
    limit::name_exact(program, &mut limits);
    let runs = run::sampled(session, program, &plan, args.results.threads)?;
    if run::was_interrupted() {
        return Err(exit::INTERRUPTED);
    }
    let comparison = compare(&limits, &runs, &facts.corrections);
    output::deliver(&report(session, &comparison, &runs), &args.results)?;
    if let Some(path) = &args.plot {
        let svg = plot::comparison(&comparison, session.name());
        files::write(path, svg.as_bytes(), true).map_err(|problem| {
            complain(&format!("error: {problem}"));
            exit::USAGE
        })?;
        complain(&format!("wrote {}", path.display()));
    }
    Ok(comparison)
}

fn verdict(comparison: &Comparison) -> i32 {
    if comparison.z_is_off() || comparison.power_is_off() { exit::WRONG } else { exit::FINE }
}

fn power_text(power: &Power) -> String {
    format!("{:.3} ± {:.3}", power.power, power.stderr)
}

fn report(session: &Session<'_>, comparison: &Comparison, runs: &[Run]) -> Report<'static> {
    let mut rows = vec![
        ["output", "limit", "error", "method", "width", "mean", "stderr", "z"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut shown = Vec::new();
    for output in &comparison.outputs {
        for k in 0..output.limit.len() {
            let name = entry_name(&output.name, &output.shape, k);
            let method = output.methods[k];
            let limit = table::with_error(output.limit[k], output.errors[k]);
            let mut row = vec![name.clone(), format!("{limit}\n{method}")];
            for at in &output.widths {
                let (mean, z) = (table::with_error(at.mean[k], at.stderr[k]), at.z[k]);
                row.push(match output.random {
                    true => format!("{mean}\nz {:.1}, law", z.abs()),
                    false => format!("{mean}\nz {z:+.1}"),
                });
                let numbers = [output.limit[k], output.errors[k]].map(|x| format!("{x:e}"));
                let [limit, error] = numbers;
                let cells = [at.mean[k], at.stderr[k], at.z[k]].map(|x| format!("{x:e}"));
                rows.push(
                    [
                        vec![name.clone(), limit, error, method.to_owned(), at.width.to_string()],
                        cells.to_vec(),
                    ]
                    .concat(),
                );
            }
            shown.push(row);
        }
    }
    let widths: Vec<String> = runs.iter().map(|run| format!("n = {}", run.width)).collect();
    let header: Vec<&str> =
        ["output", "limit"].into_iter().chain(widths.iter().map(String::as_str)).collect();
    let table = table::table(&header, &shown);
    let text = format!("{table}\n{}", summary(comparison, runs));
    Report { text, json: json_of(session, comparison, runs), rows, arrays: arrays(comparison) }
}

/// The judgement in three lines.
fn summary(comparison: &Comparison, runs: &[Run]) -> String {
    let seeds = runs.first().map_or(0, |run| run.seeds.len());
    let z = comparison.largest_z();
    let verdict = if comparison.is_biased() {
        "not judged, because more than fluctuations vanishes with width"
    } else if comparison.z_is_off() {
        "the limit and the finite widths disagree"
    } else {
        "they agree"
    };
    let mut text = format!(
        "{seeds} seeds per width; largest |z| {z:.2}, allowed {:.2} (4 for one cell, Šidák over all): {verdict}\n",
        comparison.threshold
    );
    if comparison.outputs.iter().any(|output| output.random) {
        text.push_str("what stays random is shown by its mean; its z compares laws, seeds with draws (Kolmogorov–Smirnov)\n");
    }
    match &comparison.power {
        Some(found) => {
            let verdict = match comparison.predicted {
                None => "what it should be is not known".to_owned(),
                Some(predicted) if comparison.power_is_off() => {
                    format!("slower than {}", power(predicted))
                }
                Some(predicted) if comparison.power_is_fast() => {
                    format!("faster than {}", power(predicted))
                }
                Some(predicted) => format!("as {}, as it should", power(predicted)),
            };
            let fitted = power_text(found);
            text.push_str(&format!("deviation from the limit goes like n^({fitted}): {verdict}\n"));
        }
        None if comparison.outputs.iter().all(|output| output.random) => {}
        None => text.push_str("no power was fitted: fewer than 3 widths, or a deviation within the limit's own error\n"),
    }
    text
}

fn json_of(session: &Session<'_>, comparison: &Comparison, runs: &[Run]) -> Value {
    let seeds = runs.first().map_or(&[][..], |run| &run.seeds);
    let precision = runs.first().map(|run| run.precision.name());
    let widths: Vec<usize> = runs.iter().map(|run| run.width).collect();
    let how = json!({"widths": widths, "seed": seeds.first(), "seeds": seeds.len(), "precision": precision});
    let outputs: Vec<Value> = comparison
        .outputs
        .iter()
        .map(|output| {
            let width = |at: &crate::driver::compare::AtWidth| {
                json!({"width": at.width, "mean": at.mean, "stderr": at.stderr, "z": at.z, "rms_deviation": at.rms})
            };
            json!({
                "name": output.name, "shape": output.shape, "limit": output.limit, "errors": output.errors,
                "methods": output.methods, "random": output.random,
                "widths": output.widths.iter().map(width).collect::<Vec<_>>(),
                "power": output.power.map(|power| power.power),
                "power_stderr": output.power.map(|power| power.stderr),
            })
        })
        .collect();
    json!({
        "command": "compare",
        "file": session.name(),
        "seed": seeds.first(),
        "seeds": seeds.len(),
        "precision": precision,
        "outputs": outputs,
        "largest_z": comparison.largest_z(),
        "allowed_z": comparison.threshold,
        "power": comparison.power.map(|power| power.power),
        "power_stderr": comparison.power.map(|power| power.stderr),
        "predicted_power": comparison.predicted.map(to_f64),
        "provenance": output::provenance(session, how),
    })
}

fn arrays(comparison: &Comparison) -> Vec<Array<'static>> {
    let mut arrays = Vec::new();
    for output in &comparison.outputs {
        let array = |suffix: &str, values: &[f64]| Array {
            name: format!("{}{suffix}", output.name),
            shape: output.shape.clone(),
            values: values.to_vec().into(),
        };
        arrays.push(array("", &output.limit));
        arrays.push(array(".error", &output.errors));
        for at in &output.widths {
            arrays.push(array(&format!("@{}", at.width), &at.mean));
            arrays.push(array(&format!("@{}.stderr", at.width), &at.stderr));
        }
    }
    arrays
}
