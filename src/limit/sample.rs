//! Samples of particles: replicates, their means, and the errors of these.

use super::each::Each;
use super::evaluate::LimitOptions;
use super::exact::Known;
use super::forms::Forms;
use super::particles::Particles;
use super::random::draws;
use super::spaces::Spaces;
use crate::codegen::{ExecError, ExecOptions, Tuples, prepare};
use crate::ir::{Ir, NodeId};
use crate::num::rng::Key;
use ndarray::{ArrayD, Axis, concatenate};
use rayon::prelude::*;
use std::rc::Rc;

/// Means over tuples are over independent copies; N × N arrays of more numbers are not kept, because replicates run
/// beside each other.
pub(super) const EXECUTION: ExecOptions =
    ExecOptions { tuples: Tuples::Independent, largest_array: 1 << 24 };

/// Particles of one replicate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// In a block.
    pub(super) n: usize,
    pub(super) blocks: usize,
}

impl Size {
    /// In all blocks.
    pub(super) fn particles(self) -> usize {
        self.n * self.blocks
    }
}

/// Means and standard errors of the entries of one root.
#[derive(Clone, Debug, Default)]
pub(super) struct Estimate {
    pub(super) mean: Rc<Vec<f64>>,
    pub(super) stderr: Vec<f64>,
}

/// The roots of each replicate.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) values: Vec<Vec<ArrayD<f64>>>,
    pub(super) estimates: Vec<Estimate>,
}

/// A sample, the halves that it is made of, and the errors of its means.
pub(super) struct Measured {
    pub(super) whole: Sample,
    pub(super) halves: Sample,
    pub(super) errors: Vec<Each<f64>>,
}

impl Measured {
    /// Of this many roots that are known without a sample, to be filled in.
    pub(super) fn nothing(count: usize) -> Self {
        let whole = Sample { values: Vec::new(), estimates: vec![Estimate::default(); count] };
        Self { halves: whole.clone(), whole, errors: vec![Each::default(); count] }
    }

    /// Puts entries that are known in the place of measured ones.
    pub(super) fn replace(&mut self, roots: &[NodeId], known: &Known) {
        for (k, root) in roots.iter().enumerate() {
            let Some(entries) = known.entries(*root) else { continue };
            let own = &mut self.whole.estimates[k].mean;
            if known.is_known(*root) {
                *own = entries.values.clone();
                self.errors[k] = entries.errors.clone();
                continue;
            }
            let (own, mut errors) = (Rc::make_mut(own), self.errors[k].to_vec());
            for at in (0..own.len()).filter(|at| entries.is_known(*at)) {
                own[at] = entries.values[at];
                errors[at] = entries.errors[at];
            }
            self.errors[k] = errors.into();
        }
    }
}

/// The bias is of the order of 1/N, so it is the change from half as many particles: from the mean of both halves of the
/// same particles, whose random errors are nearly those of the whole and cancel.
pub(super) fn measured(
    forms: &Forms,
    size: Size,
    options: &LimitOptions,
) -> Result<Measured, ExecError> {
    let runs = |parts: &[Part], replicates: usize| {
        let sample = run(&forms.ir, &forms.roots, size, parts, replicates, options.seed);
        sample.map_err(|error| forms.in_program(error))
    };
    if size.n == 1 {
        // nothing random
        let whole = runs(&[Part::Whole], 1)?;
        let halves = whole.clone();
        let errors = errors(&whole, &halves);
        return Ok(Measured { whole, halves, errors });
    }
    // one replicate has no standard error
    let replicates = options.replicates.max(2);
    let whole = runs(&[Part::Whole], replicates)?;
    let halves = runs(&[Part::First, Part::Second], replicates)?;
    let errors = errors(&whole, &halves);
    Ok(Measured { whole, halves, errors })
}

/// Which particles.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Whole,
    First,
    Second,
}

/// Runs parts of replicates. Different numbers of particles have different streams and are independent.
pub(super) fn run(
    ir: &Ir,
    roots: &[NodeId],
    size: Size,
    parts: &[Part],
    replicates: usize,
    seed: u64,
) -> Result<Sample, ExecError> {
    let Size { n, blocks } = size;
    let whole = matches!(parts, [Part::Whole]);
    let prepared = prepare::<f64>(ir, roots, if whole { n } else { n / 2 }, &EXECUTION)?;
    let draws = draws(ir, roots, replicates, seed);
    let spaces = Spaces::of(ir, roots);
    let one = |job: usize| {
        let replicate = job / parts.len();
        let key = Key::new(seed).split(((size.particles() as u64) << 20) + replicate as u64);
        let mut particles = match parts[job % parts.len()] {
            Part::Whole => Particles::in_blocks(&ir.inits, n, blocks, key),
            Part::First => Particles::half(&ir.inits, n, blocks, key, false),
            Part::Second => Particles::half(&ir.inits, n, blocks, key, true),
        };
        particles = particles.in_spaces(spaces.clone()).with_scalars(draws[replicate].clone());
        prepared.run_blocks(&mut particles).map(|values| joined(ir, roots, values))
    };
    let jobs = 0..replicates * parts.len();
    let values: Result<Vec<_>, ExecError> = if blocks == 1 {
        jobs.into_par_iter().map(one).collect()
    } else {
        // blocks are done beside each other, and two replicates would take twice the memory
        jobs.map(one).collect()
    };
    let values = values?;
    let estimates = (0..roots.len())
        .map(|root| estimate(&values, root, ir.shape(roots[root]).width > 0))
        .collect();
    Ok(Sample { values, estimates })
}

/// The roots over all blocks: a value without a width axis is the same in each.
fn joined(ir: &Ir, roots: &[NodeId], mut blocks: Vec<Vec<ArrayD<f64>>>) -> Vec<ArrayD<f64>> {
    if blocks.len() == 1 {
        return blocks.swap_remove(0);
    }
    let root = |k: usize| {
        if ir.shape(roots[k]).width == 0 {
            return blocks[0][k].clone();
        }
        let views: Vec<_> = blocks.iter().map(|block| block[k].view()).collect();
        let last = Axis(views[0].ndim() - 1);
        concatenate(last, &views).expect("blocks have one shape")
    };
    (0..roots.len()).map(root).collect()
}

/// Mean and standard error over replicates of each static entry; of a vec, of its mean.
fn estimate(values: &[Vec<ArrayD<f64>>], root: usize, wide: bool) -> Estimate {
    let entry_values = |replicate: &Vec<ArrayD<f64>>| -> Vec<f64> {
        let array = &replicate[root];
        if wide {
            let n = array.shape().last().copied().unwrap_or(1);
            let flat: Vec<f64> = array.iter().copied().collect();
            return flat.chunks(n).map(|column| column.iter().sum::<f64>() / n as f64).collect();
        }
        array.iter().copied().collect()
    };
    let all: Vec<Vec<f64>> = values.iter().map(entry_values).collect();
    let count = all.len() as f64;
    let entries = all[0].len();
    let mean: Vec<f64> =
        (0..entries).map(|k| all.iter().map(|v| v[k]).sum::<f64>() / count).collect();
    let spread = |k: usize| all.iter().map(|v| (v[k] - mean[k]).powi(2)).sum::<f64>();
    let stderr = (0..entries)
        .map(|k| if all.len() < 2 { 0.0 } else { (spread(k) / (count - 1.0) / count).sqrt() });
    let stderr = stderr.collect();
    Estimate { mean: Rc::new(mean), stderr }
}

/// √(se² + b²) and a floor for rounding.
pub(super) fn error(mean: f64, stderr: f64, half: f64) -> f64 {
    stderr.hypot(mean - half).hypot(1e-13 * mean.abs())
}

fn errors(whole: &Sample, halves: &Sample) -> Vec<Each<f64>> {
    let one = |(whole, halves): (&Estimate, &Estimate)| {
        let entry = |k: usize| error(whole.mean[k], whole.stderr[k], halves.mean[k]);
        (0..whole.mean.len()).map(entry).collect::<Vec<_>>().into()
    };
    whole.estimates.iter().zip(&halves.estimates).map(one).collect()
}
