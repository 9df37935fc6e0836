//! Finite width: initial matrices are arrays of counter-based random numbers.

pub mod dense;
pub mod simulate;

use crate::codegen::element::Element;
use crate::codegen::simd::Lanes;
use crate::codegen::{ExecError, ExecOptions, execute};
use crate::ir::{NodeId, Program};
use crate::num::rng::draw::Draw;
use dense::Dense;
use ndarray::ArrayD;
pub use simulate::{Cost, OutputResult, RunOptions, RunResult, cost, simulate};

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

/// The outputs of a program at one width and seed, in source order: static axes, for a vec then n.
///
/// # Errors
/// A value that is not finite, at the node where it appeared.
pub fn run(
    program: &Program,
    width: usize,
    seed: u64,
    precision: Precision,
) -> Result<Vec<ArrayD<f64>>, ExecError> {
    let roots: Vec<NodeId> = program.outputs.iter().map(|output| output.node).collect();
    run_roots(program, &roots, width, seed, precision)
}

/// The values of any scalars and vecs of a program, as [`run`].
///
/// # Errors
/// As `run`.
pub fn run_roots(
    program: &Program,
    roots: &[NodeId],
    width: usize,
    seed: u64,
    precision: Precision,
) -> Result<Vec<ArrayD<f64>>, ExecError> {
    match precision {
        Precision::F32 => run_as::<f32>(program, roots, width, seed),
        Precision::F64 => run_as::<f64>(program, roots, width, seed),
    }
}

fn run_as<T: Element + Lanes + Draw>(
    program: &Program,
    roots: &[NodeId],
    width: usize,
    seed: u64,
) -> Result<Vec<ArrayD<f64>>, ExecError> {
    let mut dense = Dense::<T>::new(&program.ir.inits, width, seed);
    execute::<T>(&program.ir, roots, width, &mut dense, &ExecOptions::default())
}
