//! What an execution will take, known before anything is allocated.

use super::store::{last_reads, writes};
use super::{ExecError, ExecOptions, normal};
use crate::codegen::MatrixRef;
use crate::codegen::normal::Normal;
use crate::codegen::plan::{NestOutput, Plan, Source, Step, plan};
use crate::ir::{Ir, NodeId};
use crate::stack::deep;
use std::collections::{BTreeMap, BTreeSet};

/// The cost of an execution.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Numbers that are held at the worst moment, dense initial matrices included.
    pub numbers: f64,
    /// Evaluations of entrywise functions: one per position, pair or tuple and loop.
    pub evaluations: f64,
}

/// The cost of [`execute`](super::execute) at width n; `dense` says whether initial matrices are arrays.
///
/// # Errors
/// As `execute`, but nothing is compiled or run.
pub fn estimate(
    ir: &Ir,
    roots: &[NodeId],
    n: usize,
    options: &ExecOptions,
    dense: bool,
) -> Result<Estimate, ExecError> {
    let (normal, plan) = deep(|| {
        let normal = normal(ir, roots, n, options.tuples);
        let plan = plan(&normal.ir, &normal.roots, n, options);
        (normal, plan)
    });
    let plan = plan?;
    let mut books = Books {
        normal: &normal,
        n: n as f64,
        held: BTreeMap::new(),
        matrices: BTreeSet::new(),
        squares: 0,
    };
    if dense {
        plan.steps.iter().for_each(|step| books.find_matrices(step));
    }
    Ok(books.run(&plan))
}

/// What is held.
struct Books<'a> {
    normal: &'a Normal,
    n: f64,
    held: BTreeMap<NodeId, f64>,
    matrices: BTreeSet<MatrixRef>,
    /// The most n × n arrays at one time; their memory is kept for the next one.
    squares: usize,
}

impl Books<'_> {
    fn find_matrices(&mut self, step: &Step) {
        match step {
            Step::Apply { matrix, .. } => {
                self.matrices.insert(*matrix);
            }
            Step::Nest(step) => {
                for leaf in step.bound.iter().flat_map(|bound| &bound.streams) {
                    if let Source::Matrix(matrix) = leaf.source {
                        self.matrices.insert(matrix);
                    }
                }
                for output in &step.outputs {
                    if let NestOutput::Array { from: Some(Source::Matrix(matrix)), .. } = output {
                        self.matrices.insert(*matrix);
                    }
                }
            }
            Step::Static(_) | Step::Loop(_) | Step::Sample(_) => {}
        }
    }

    fn run(mut self, plan: &Plan) -> Estimate {
        let mut estimate = Estimate::default();
        for id in &plan.given {
            self.hold(*id);
        }
        let last = last_reads(self.normal, &plan.steps);
        for (step, dead) in plan.steps.iter().zip(&last) {
            estimate.evaluations += self.evaluations(step);
            self.take(step);
            writes(step).into_iter().for_each(|id| self.hold(id));
            let squares = self.held.values().filter(|size| self.is_square(**size)).count();
            self.squares = self.squares.max(squares);
            let small = self.held.values().filter(|size| !self.is_square(**size)).sum::<f64>();
            let square = self.n * self.n * (self.squares + self.matrices.len()) as f64;
            estimate.numbers = estimate.numbers.max(small + square);
            for id in dead.iter().filter(|id| !self.normal.roots.contains(id)) {
                self.held.remove(id);
            }
        }
        estimate
    }

    fn is_square(&self, size: f64) -> bool {
        size == self.n * self.n
    }

    fn hold(&mut self, id: NodeId) {
        let shape = self.normal.ir.shape(id);
        let axes = i32::try_from(shape.width).expect("there are few axes");
        self.held.insert(id, shape.entries() as f64 * self.n.powi(axes));
    }

    /// Memory that the outputs of a step take over.
    fn take(&mut self, step: &Step) {
        let Step::Nest(step) = step else { return };
        for output in &step.outputs {
            if let NestOutput::Array { from: Some(source), .. } = output {
                match source {
                    Source::Matrix(matrix) => {
                        self.matrices.remove(matrix);
                    }
                    Source::Stored { node, .. } => {
                        self.held.remove(node);
                    }
                    Source::Number(_) | Source::LowRank(_) => {}
                }
            }
        }
    }

    fn evaluations(&self, step: &Step) -> f64 {
        let tuples = |order: usize| self.n.powi(i32::try_from(order).expect("there are few axes"));
        match step {
            Step::Static(_) | Step::Apply { .. } => 0.0,
            Step::Loop(step) => step.entries.len() as f64 * self.n,
            Step::Nest(step) if step.bound.is_none() => 0.0,
            Step::Nest(step) => tuples(step.order),
            Step::Sample(step) => tuples(step.kept + 1),
        }
    }
}
