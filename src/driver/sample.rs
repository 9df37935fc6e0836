//! Finite-width runs over widths and seeds.

use crate::codegen::ExecError;
use crate::finite::{self, Precision};
use crate::ir::Program;
use crate::num::stats::{Moments, Summary};

/// Which runs.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Widths, in the order in which they are shown.
    pub widths: Vec<usize>,
    /// The first seed.
    pub seed: u64,
    /// How many seeds from there on.
    pub seeds: usize,
    /// How columns are stored.
    pub precision: Precision,
}

/// One output at one width over all seeds.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// Its name.
    pub name: String,
    /// Its static sizes.
    pub shape: Vec<usize>,
    /// Values of each seed, row-major; of a vec, its means over neurons.
    pub values: Vec<Vec<f64>>,
    /// For each static entry of a vec, its entries over all seeds in a few numbers.
    pub kets: Vec<Summary>,
}

/// All outputs at one width.
#[derive(Clone, Debug)]
pub struct Run {
    /// The width.
    pub width: usize,
    /// The seeds that were run.
    pub seeds: Vec<u64>,
    /// The outputs in source order.
    pub outputs: Vec<Sampled>,
}

impl Sampled {
    /// Mean and standard error over seeds of each entry; no error for a single seed.
    pub fn statistics(&self) -> Vec<(f64, Option<f64>)> {
        let entries = self.values.first().map_or(0, Vec::len);
        let one = |k: usize| {
            let moments = Moments::of(self.values.iter().map(|values| values[k]));
            (moments.mean(), moments.stderr())
        };
        (0..entries).map(one).collect()
    }
}

/// Runs a program at every width and seed. `go_on` is asked before each run and told how many are done; when it says
/// no, what is finished is returned.
///
/// # Errors
/// A value that is not finite.
pub fn sample(
    program: &Program,
    options: &RunOptions,
    mut go_on: impl FnMut(usize) -> bool,
) -> Result<Vec<Run>, ExecError> {
    let mut runs = Vec::new();
    let mut done = 0;
    for width in &options.widths {
        let mut run = Run { width: *width, seeds: Vec::new(), outputs: Vec::new() };
        let mut draws: Vec<Vec<Vec<f64>>> = Vec::new();
        for offset in 0..options.seeds {
            if !go_on(done) {
                break;
            }
            let seed = options.seed.wrapping_add(offset as u64);
            let values = finite::run(program, *width, seed, options.precision)?;
            run.seeds.push(seed);
            record(program, &values, (&mut run, &mut draws), *width);
            done += 1;
        }
        for (output, draws) in run.outputs.iter_mut().zip(&mut draws) {
            output.kets = draws.iter_mut().map(|entries| Summary::of(entries)).collect();
        }
        if !run.seeds.is_empty() {
            runs.push(run);
        }
    }
    Ok(runs)
}

/// Adds the results of one seed.
fn record(
    program: &Program,
    values: &[ndarray::ArrayD<f64>],
    (run, draws): (&mut Run, &mut Vec<Vec<Vec<f64>>>),
    width: usize,
) {
    for (position, (output, array)) in program.outputs.iter().zip(values).enumerate() {
        let shape = program.ir.shape(output.node);
        let flat: Vec<f64> = array.iter().copied().collect();
        if run.outputs.len() <= position {
            let (name, sizes) = (output.name.clone(), shape.stat.clone());
            run.outputs.push(Sampled { name, shape: sizes, values: Vec::new(), kets: Vec::new() });
            let entries = if shape.width > 0 { shape.entries() } else { 0 };
            draws.push(vec![Vec::new(); entries]);
        }
        if shape.width == 0 {
            run.outputs[position].values.push(flat);
            continue;
        }
        let columns = flat.chunks(width);
        let means =
            columns.clone().map(|column| column.iter().sum::<f64>() / width as f64).collect();
        run.outputs[position].values.push(means);
        for (entries, column) in draws[position].iter_mut().zip(columns) {
            entries.extend_from_slice(column);
        }
    }
}
