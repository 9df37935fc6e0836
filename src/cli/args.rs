//! What can be written on the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A compiler for Tensor Programs: checks how a wide network scales, simulates it, and evaluates its infinite-width limit.
///
/// Exit codes: 0 fine; 1 the program is wrong, or an expectation, tolerance or comparison fails; 2 usage or files;
/// 101 a fault in tpc; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "tpc", version, max_term_width = 100)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) shown: Shown,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// How messages are shown.
#[derive(Debug, Args)]
pub(super) struct Shown {
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    pub(super) color: Colour,
    /// Show errors only
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Show notes too
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check a program: names, kinds, shapes, powers of n, hypotheses
    Check(CheckArgs),
    /// Simulate at finite width
    Run(RunArgs),
    /// Evaluate the infinite-width limit
    Limit(LimitArgs),
    /// Put the limit beside finite widths, with z-scores and the fitted power of n
    Compare(CompareArgs),
    /// Evaluate every `expect` of the programs
    Test(TestArgs),
    /// Lay programs out in the standard form
    Fmt(FmtArgs),
    /// Explain an error code
    Explain(ExplainArgs),
    /// Print what a program becomes
    Emit(EmitArgs),
    /// Print version and capabilities
    Version(VersionArgs),
    /// Print shell completions
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
}

/// A program and its constants.
#[derive(Debug, Default, Args)]
pub(super) struct Input {
    /// The program, or `-` for standard input
    pub(super) file: String,
    /// Replace a `const`: `--set M=8`
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) set: Vec<String>,
    /// Replace the parametrization of every `train`: `mup`, `ntp`, `sp`, `ups(1/4)`
    #[arg(long, value_name = "NAME")]
    pub(super) parametrization: Option<String>,
    /// The name that messages give to standard input
    #[arg(long, value_name = "NAME", default_value = "<stdin>")]
    pub(super) stdin_filename: String,
}

/// Where results go.
#[derive(Debug, Args)]
pub(super) struct Results {
    /// How results are printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(super) format: Format,
    /// Also write results to a file: .json, .csv or .npz
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Overwrite files, and run in spite of limits
    #[arg(long)]
    pub(super) force: bool,
    /// Threads; all cores by default. Results do not depend on it
    #[arg(long, value_name = "COUNT")]
    pub(super) threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Human,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DiagnosticFormat {
    Human,
    Short,
    Json,
    Sarif,
    Github,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) input: Input,
    /// Print kind, shape and scale of every value
    #[arg(long)]
    pub(super) types: bool,
    /// How diagnostics are printed
    #[arg(long, value_enum, default_value_t = DiagnosticFormat::Human)]
    pub(super) format: DiagnosticFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Digits {
    F32,
    F64,
}

/// Which finite networks.
#[derive(Debug, Args)]
pub(super) struct Finite {
    /// Widths: `4096` or `256,1024,4096`
    #[arg(long, visible_alias = "widths", value_name = "N", value_delimiter = ',', value_parser = at_least::<1>)]
    pub(super) width: Vec<usize>,
    /// How many seeds, from `--seed` on
    #[arg(long, value_name = "COUNT", value_parser = at_least::<1>)]
    pub(super) seeds: Option<usize>,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(super) seed: u64,
    /// How columns are stored
    #[arg(long, value_enum, default_value_t = Digits::F32)]
    pub(super) precision: Digits,
}

/// How exact the limit should be.
#[derive(Debug, Args)]
pub(super) struct Accuracy {
    /// The error to reach, relative to max(1, |value|); particles are doubled until it is
    #[arg(long, value_name = "ERROR", value_parser = positive)]
    pub(super) tol: Option<f64>,
    /// Particles of each replicate to begin with, whatever they cost, best a power of two; otherwise 4096, or fewer where
    /// they would take too long. Without --blocks there are more where a program applies its matrices to many vectors
    #[arg(long, value_name = "N", value_parser = at_least::<16>)]
    pub(super) particles: Option<usize>,
    /// Blocks of these particles, of at least 16 each: means over pairs of particles stay inside a block, all others are
    /// over all blocks; otherwise blocks have 512 particles where most work is with pairs
    #[arg(long, value_name = "B", value_parser = at_least::<1>)]
    pub(super) blocks: Option<usize>,
    /// Independent replicates
    #[arg(long, value_name = "R", default_value_t = 8, value_parser = at_least::<2>)]
    pub(super) replicates: usize,
    /// Draws of what stays random in the limit (Gaussian numbers), each with particles of its own
    #[arg(long, value_name = "D", default_value_t = 256, value_parser = at_least::<8>)]
    pub(super) draws: usize,
}

/// A number that must not be smaller than `LEAST`.
fn at_least<const LEAST: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number >= LEAST => Ok(number),
        Ok(_) => Err(format!("at least {LEAST} is needed")),
        Err(error) => Err(format!("{error}")),
    }
}

/// A name and numbers.
fn given(text: &str) -> Result<(String, Vec<f64>), String> {
    let (name, values) = text.split_once('=').ok_or("NAME=VALUE is needed, such as f=0")?;
    let number = |text: &str| match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(format!("`{text}` is not a number")),
    };
    let values: Result<Vec<f64>, String> = values.split(',').map(number).collect();
    Ok((name.trim().to_owned(), values?))
}

/// A positive number.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        Ok(_) => Err("a positive number is needed".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) input: Input,
    #[command(flatten)]
    pub(super) finite: Finite,
    #[command(flatten)]
    pub(super) results: Results,
}

#[derive(Debug, Args)]
pub(super) struct LimitArgs {
    #[command(flatten)]
    pub(super) input: Input,
    #[command(flatten)]
    pub(super) accuracy: Accuracy,
    /// The seed of the particles
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(super) seed: u64,
    /// Give a Gaussian number its value, and draw the others given it: `--given f=0`, `--given f=0.5,-1`
    #[arg(long, value_name = "NAME=VALUES", value_parser = given)]
    pub(super) given: Vec<(String, Vec<f64>)>,
    /// Which rungs of the ladder are used
    #[arg(long, value_enum, default_value_t = Method::Auto)]
    pub(super) method: Method,
    /// Print formulas instead of numbers: kets as hat + dot, scalars as expectations. Also to a .tex file by `--output`
    #[arg(long)]
    pub(super) symbolic: bool,
    /// The same formulas in LaTeX, as an `align*`
    #[arg(long)]
    pub(super) latex: bool,
    #[command(flatten)]
    pub(super) results: Results,
}

/// How limits are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Method {
    /// Symmetry, closed forms, quadrature, particles: for each number the first that gives it
    Auto,
    /// No particles: a limit that needs them is an error
    Exact,
    /// No particles, and integrals also where there are closed forms
    Quadrature,
    /// Particles only
    Particles,
}

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    #[command(flatten)]
    pub(super) input: Input,
    #[command(flatten)]
    pub(super) finite: Finite,
    #[command(flatten)]
    pub(super) accuracy: Accuracy,
    /// Draw the comparison
    #[arg(long, value_name = "FILE.svg")]
    pub(super) plot: Option<PathBuf>,
    #[command(flatten)]
    pub(super) results: Results,
}

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Programs
    #[arg(required = true)]
    pub(super) files: Vec<String>,
    #[command(flatten)]
    pub(super) accuracy: Accuracy,
    /// Threads; all cores by default
    #[arg(long, value_name = "COUNT")]
    pub(super) threads: Option<usize>,
}

#[derive(Debug, Args)]
pub(super) struct FmtArgs {
    /// Programs, or `-` for standard input
    #[arg(required = true)]
    pub(super) files: Vec<String>,
    /// Change nothing; exit with 1 if something would change
    #[arg(long)]
    pub(super) check: bool,
    /// Change nothing; print what would change
    #[arg(long)]
    pub(super) diff: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// A code such as E0501
    pub(super) code: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    /// The plain program: networks and training written out
    Core,
    /// The graph after lowering, one node a line
    Ir,
    /// The same graph for Graphviz
    Dot,
    /// The leading-order graph, one node a line
    Leading,
    /// The compiled loops
    Clif,
}

#[derive(Debug, Args)]
pub(super) struct EmitArgs {
    /// What to print
    pub(super) stage: Stage,
    #[command(flatten)]
    pub(super) input: Input,
}

#[derive(Debug, Args)]
pub(super) struct VersionArgs {
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}
