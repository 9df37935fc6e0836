//! Runs a program at one width over several seeds, after it is known that memory and time suffice.
//!
//! Seeds are independent; the order of results is that of the seeds. What goes wrong is a
//! diagnostic: nothing that is not finite ever leaves this module.

use super::{Precision, Progress, run_roots};
use crate::codegen::execute::estimate;
use crate::codegen::{ExecError, ExecOptions};
use crate::diag::{Diagnostic, codes};
use crate::ir::{Node, NodeId, Program};
use crate::num::stats::{Moments, Summary};
use crate::source::Span;

/// Evaluations that need `force`.
const MOST_EVALUATIONS: f64 = 1e12;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunOptions {
    /// The width n.
    pub width: usize,
    /// The first seed.
    pub seed: u64,
    /// How many seeds.
    pub seeds: usize,
    /// How columns and matrices are stored.
    pub precision: Precision,
    /// Bytes that may be used.
    pub memory: u64,
    /// Whether to run however long it takes.
    pub force: bool,
}

/// One output over all seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputResult {
    /// Its name.
    pub name: String,
    /// Its static axes.
    pub shape: Vec<usize>,
    /// Whether it has n entries per static entry.
    pub vector: bool,
    /// Per seed, all entries in row-major order.
    pub values: Vec<Vec<f64>>,
    /// Per static entry, the mean over seeds (and positions).
    pub mean: Vec<f64>,
    /// Per static entry, the standard error of the mean over seeds; `None` for one seed.
    pub stderr: Option<Vec<f64>>,
    /// For a vector, the law of its entries over all seeds, per static entry.
    pub kets: Vec<Summary>,
    /// The standard error over seeds of each of their numbers; `None` for one seed, or no vector.
    pub ket_stderr: Option<Vec<[f64; Summary::NUMBERS]>>,
}

/// All outputs at one width.
#[derive(Clone, Debug, PartialEq)]
pub struct RunResult {
    /// The width n.
    pub width: usize,
    /// The seeds, in the order of values.
    pub seeds: Vec<u64>,
    /// How columns were stored.
    pub precision: Precision,
    /// Evaluations of entrywise functions, for one seed.
    pub evaluations: f64,
    /// The outputs of the program, in source order.
    pub outputs: Vec<OutputResult>,
}

/// What a run will take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Bytes at the worst moment, for one seed.
    pub bytes: f64,
    /// Evaluations of entrywise functions, for one seed.
    pub evaluations: f64,
}

fn outputs(program: &Program) -> Vec<NodeId> {
    program.outputs.iter().map(|output| output.node).collect()
}

/// What a run of these outputs will take, found without allocating anything.
///
/// # Errors
/// The width is 0, or the cost is beyond what the options allow.
pub fn cost(program: &Program, options: &RunOptions) -> Result<Cost, Box<Diagnostic>> {
    if options.width == 0 {
        return Err(Box::new(no_width()));
    }
    let roots = outputs(program);
    let choices = ExecOptions::default();
    let found = estimate(&program.ir, &roots, options.width, &choices, true);
    let found = found.map_err(|error| explain(program, options, &error))?;
    let bytes = found.numbers * options.precision.bytes() as f64;
    if bytes > options.memory as f64 {
        return Err(Box::new(too_large(program, options, bytes)));
    }
    if found.evaluations > MOST_EVALUATIONS && !options.force {
        return Err(Box::new(too_long(program, options.width, found.evaluations)));
    }
    Ok(Cost { bytes, evaluations: found.evaluations })
}

/// Runs every seed and summarises. `done` is called after each seed, from any thread.
///
/// # Errors
/// As [`cost`], or a value is not finite.
pub fn simulate(
    program: &Program,
    options: &RunOptions,
    done: &(dyn Fn() + Sync),
) -> Result<RunResult, Box<Diagnostic>> {
    simulate_until(program, options, &Progress { done, stop: &|| false })
}

/// The same, but no seed begins once `progress` says stop: the result holds those that were run, without outputs if
/// there are none.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_until(
    program: &Program,
    options: &RunOptions,
    progress: &Progress<'_>,
) -> Result<RunResult, Box<Diagnostic>> {
    let Cost { evaluations, .. } = cost(program, options)?;
    let roots = outputs(program);
    let seeds: Vec<u64> = (0..options.seeds as u64).map(|k| options.seed.wrapping_add(k)).collect();
    let way = (options.width, options.precision);
    let runs = run_roots(program, &roots, way, &seeds, progress).map_err(|failure| {
        let first = first_failure(program, &roots, options, failure.seed);
        explain(program, options, &first.unwrap_or(failure.error))
    })?;
    let (seeds, runs): (Vec<u64>, Vec<_>) = runs.into_iter().unzip();
    let kept = if runs.is_empty() { &[][..] } else { &program.outputs };
    let outputs = kept.iter().enumerate().map(|(k, output)| {
        let values = runs.iter().map(|run| run[k].iter().copied().collect()).collect();
        summarise(program, output.name.clone(), output.node, values)
    });
    let outputs = outputs.collect();
    let (width, precision) = (options.width, options.precision);
    Ok(RunResult { width, seeds, precision, evaluations, outputs })
}

/// Runs again, keeping every scalar and vec, to find the first one that is not finite. Loops keep only what others read.
fn first_failure(
    program: &Program,
    roots: &[NodeId],
    options: &RunOptions,
    seed: u64,
) -> Option<ExecError> {
    let mut all = program.ir.reachable(roots);
    all.retain(|id| program.ir.shape(*id).width <= 1);
    let (n, choices) = (options.width, ExecOptions::default());
    let need = estimate(&program.ir, &all, n, &choices, true).ok()?.numbers;
    if need * options.precision.bytes() as f64 > options.memory as f64 {
        return None;
    }
    let way = (n, options.precision);
    let progress = Progress { done: &|| (), stop: &|| false };
    run_roots(program, &all, way, &[seed], &progress).err().map(|failure| failure.error)
}

fn summarise(program: &Program, name: String, node: NodeId, values: Vec<Vec<f64>>) -> OutputResult {
    let shape = program.ir.shape(node);
    let (entries, vector) = (shape.entries(), shape.width > 0);
    let inner = values.first().map_or(0, Vec::len) / entries.max(1);
    let part = |seed: &Vec<f64>, entry: usize| seed[entry * inner..][..inner].to_vec();
    let moments: Vec<Moments> = (0..entries)
        .map(|entry| Moments::of(values.iter().map(|seed| Moments::of(part(seed, entry)).mean())))
        .collect();
    let ket = |entry| {
        let pooled: Vec<f64> = values.iter().flat_map(|seed| part(seed, entry)).collect();
        Summary::of(&pooled)
    };
    let scatter = |entry| {
        let seeds: Vec<Summary> =
            values.iter().map(|seed| Summary::of(&part(seed, entry))).collect();
        Summary::scatter(&seeds).map(|number| number.stderr().unwrap_or(0.0))
    };
    let several = vector && values.len() > 1;
    OutputResult {
        name,
        shape: shape.stat.clone(),
        vector,
        mean: moments.iter().map(Moments::mean).collect(),
        stderr: moments.iter().map(Moments::stderr).collect(),
        kets: if vector { (0..entries).map(ket).collect() } else { Vec::new() },
        ket_stderr: several.then(|| (0..entries).map(scatter).collect()),
        values,
    }
}

fn no_width() -> Diagnostic {
    Diagnostic::without_place(codes::NO_WIDTH, "width 0")
        .note("found:    a width of 0\nexpected: at least 1 position")
        .help("`--width 1024`")
}

/// A number of bytes for people.
fn bytes(count: f64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    let mut count = count;
    while count >= 1024.0 && unit + 1 < units.len() {
        count /= 1024.0;
        unit += 1;
    }
    let digits = if count < 10.0 && unit > 0 { 1 } else { 0 };
    format!("{count:.digits$} {}", units[unit])
}

fn too_large(program: &Program, options: &RunOptions, need: f64) -> Diagnostic {
    let roots = outputs(program);
    let nodes = program.ir.reachable(&roots);
    let matrix = nodes.iter().find_map(|id| match program.ir.node(*id) {
        Node::Init(init) if program.ir.init(*init).shape.width == 2 => Some(program.ir.init(*init)),
        _ => None,
    });
    let (code, title) = (codes::MEMORY, "not enough memory for this width");
    let diagnostic = match matrix {
        Some(init) => {
            let size = (options.width as f64).powi(2) * options.precision.bytes() as f64;
            Diagnostic::new(code, init.span, title)
                .here(format!("{} for each n × n array", bytes(size)))
        }
        None => Diagnostic::without_place(code, title),
    };
    let most = options.memory as f64;
    let fits = if matrix.is_some() { (most / need).sqrt() } else { most / need };
    let fits = (options.width as f64 * fits).floor();
    diagnostic
        .note(format!(
            "found:    {} at width {}\nexpected: at most {}",
            bytes(need),
            options.width,
            bytes(most)
        ))
        .help(format!("`--width {fits:.0}` would fit"))
}

fn too_long(program: &Program, width: usize, evaluations: f64) -> Diagnostic {
    let nodes = program.ir.reachable(&outputs(program));
    // the function over the most positions
    let axes = |id: &NodeId| program.ir.shape(*id).width;
    let worst = nodes.iter().copied().max_by_key(|id| (axes(id), *id));
    let (code, title) = (codes::TOO_MANY_EVALUATIONS, "too many evaluations");
    let place = worst.and_then(|id| program.ir.origins(id).first().map(|span| (id, *span)));
    let diagnostic = match place {
        Some((id, span)) => Diagnostic::new(code, span, title)
            .here(format!("evaluated for every {} of positions", tuple(axes(&id)))),
        None => Diagnostic::without_place(code, title),
    };
    diagnostic
        .note(format!(
            "found:    {evaluations:.1e} evaluations at width {width}\nexpected: at most {MOST_EVALUATIONS:.0e}"
        ))
        .help("a smaller `--width`, or `--force` to run it anyway")
}

fn tuple(axes: usize) -> String {
    match axes {
        2 => "pair".to_owned(),
        3 => "triple".to_owned(),
        axes => format!("{axes}-tuple"),
    }
}

/// The diagnostic of a failed execution.
///
/// # Panics
/// If it is the compiler's fault: finite matrices are dense, and lowered programs are executable.
fn explain(program: &Program, options: &RunOptions, error: &ExecError) -> Box<Diagnostic> {
    match error {
        ExecError::NonFinite { node } => Box::new(not_finite(program, options, *node)),
        ExecError::NotDense { .. } | ExecError::Jit(_) | ExecError::Unsupported { .. } => {
            unreachable!("a lowered program runs at finite width: {error}")
        }
    }
}

fn not_finite(program: &Program, options: &RunOptions, node: NodeId) -> Diagnostic {
    let title = "value is not finite";
    let name = program.named.iter().find(|named| named.node == node);
    let place: Option<Span> = program.ir.origins(node).first().copied();
    let place = place.or_else(|| name.map(|named| named.span));
    let diagnostic = match place {
        Some(span) => Diagnostic::new(codes::RUN_NOT_FINITE, span, title).here(match name {
            Some(named) => format!("`{}` is infinite or not a number", named.name),
            None => "infinite or not a number".to_owned(),
        }),
        None => Diagnostic::without_place(codes::RUN_NOT_FINITE, title),
    };
    let reached =
        program.outputs.iter().find(|output| program.ir.reachable(&[output.node]).contains(&node));
    let diagnostic = match reached {
        Some(output) if Some(output.span) != place => {
            diagnostic.label(output.span, "an output that needs it")
        }
        Some(_) | None => diagnostic,
    };
    let (width, precision) = (options.width, options.precision.name());
    let diagnostic = diagnostic.note(format!("at width {width} in {precision}"));
    match options.precision {
        Precision::F32 => diagnostic.help("`--precision f64` if it is only beyond 3e38"),
        Precision::F64 => diagnostic,
    }
}
