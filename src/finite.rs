//! Finite width: initial matrices are arrays of counter-based random numbers.

pub mod dense;
pub mod simulate;

use crate::codegen::execute::prepare;
use crate::codegen::simd::Lanes;
use crate::codegen::{ExecError, ExecOptions};
use crate::ir::{NodeId, Program};
use crate::num::rng::draw::Draw;
use dense::Dense;
use ndarray::ArrayD;
use rayon::prelude::*;
pub use simulate::{Cost, OutputResult, RunOptions, RunResult, cost, simulate, simulate_until};

/// The name of the random numbers, for result files.
pub const RNG: &str = "threefry2x32-20";

/// How columns are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision; means and sums in double.
    #[default]
    F32,
    /// Double precision.
    F64,
}

impl Precision {
    /// `f32` or `f64`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// What happens between seeds, from any thread.
pub struct Progress<'a> {
    /// Called after each seed.
    pub done: &'a (dyn Fn() + Sync),
    /// Whether no further seed should begin.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// The values of any scalars and vecs of a program for every seed that was run, with these seeds: static axes, for a
/// vec then n.
///
/// The program is compiled once; small widths run side by side.
///
/// # Errors
/// A value that is not finite, at the node where it appeared, for the first such seed.
pub fn run_roots(
    program: &Program,
    roots: &[NodeId],
    (width, precision): (usize, Precision),
    seeds: &[u64],
    progress: &Progress<'_>,
) -> Result<Vec<SeedValues>, Failure> {
    match precision {
        Precision::F32 => run_as::<f32>(program, roots, width, seeds, progress),
        Precision::F64 => run_as::<f64>(program, roots, width, seeds, progress),
    }
}

/// A seed and the values of all roots.
pub type SeedValues = (u64, Vec<ArrayD<f64>>);

/// Up to this width, seeds run side by side.
const SMALL: usize = 512;

/// An execution that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Why.
    pub error: ExecError,
}

fn run_as<T: Lanes + Draw>(
    program: &Program,
    roots: &[NodeId],
    width: usize,
    seeds: &[u64],
    progress: &Progress<'_>,
) -> Result<Vec<SeedValues>, Failure> {
    let seed = seeds.first().copied().unwrap_or_default();
    let prepared = prepare::<T>(&program.ir, roots, width, &ExecOptions::default());
    let prepared = prepared.map_err(|error| Failure { seed, error })?;
    let one = |seed: &u64| {
        if (progress.stop)() {
            return None;
        }
        let mut dense = Dense::<T>::new(&program.ir.inits, width, *seed, &prepared);
        let values = prepared.run(&mut dense);
        (progress.done)();
        Some(values.map(|values| (*seed, values)).map_err(|error| Failure { seed: *seed, error }))
    };
    if width <= SMALL {
        // all of them, so that the first failing seed does not depend on time
        seeds.par_iter().map(one).collect::<Vec<_>>().into_iter().flatten().collect()
    } else {
        seeds.iter().filter_map(one).collect()
    }
}
