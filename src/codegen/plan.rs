//! Decides what is computed when, in which loop, and what is kept.
//!
//! Every node gets a *level*: nodes of one level need only values of lower levels, or nodes of their own loop. Entrywise
//! nodes over the same static axes and one width axis form one loop per level; what depends on fewer axes has a lower
//! level and is computed once. Nodes over two width axes ("pairs") are never arrays, unless they are needed at two
//! levels and cost more to repeat than to keep (see `arrays`): then they are stored by the pass that first needs them,
//! and that pass also does the matrix products that are due. A value is stored only where another loop, a matrix product
//! or a result asks for it; everything else is repeated inside the loop that needs it.

mod arrays;
pub(super) mod expand;
mod level;
mod steps;

pub(super) use expand::{Leaf, LowRank, Source};
pub(super) use level::Levels;

use super::jit::{Bodies, LoopId};
use super::{ExecError, ExecOptions, MatrixRef};
use crate::ir::{Ir, NodeId};

/// What to do, in order.
pub(super) struct Plan {
    /// Given values that are read.
    pub(super) given: Vec<NodeId>,
    pub(super) steps: Vec<Step>,
    pub(super) bodies: Bodies,
}

/// One action.
pub(super) enum Step {
    /// Values without a width axis, in order.
    Static(Vec<NodeId>),
    /// An entrywise loop.
    Loop(LoopStep),
    /// Products of one initial matrix with the operands of several `MatMul`s.
    Apply { matrix: MatrixRef, transpose: bool, products: Vec<NodeId> },
    /// A pass over pairs or more.
    Nest(NestStep),
    /// A mean over independent tuples.
    Sample(SampleStep),
}

/// A compiled body and where its streams and uniforms come from.
pub(super) struct Bound {
    pub(super) id: LoopId,
    pub(super) streams: Vec<Leaf>,
    pub(super) uniforms: Vec<Leaf>,
    /// The sums that streams read, by the numbers in their sources.
    pub(super) low_rank: Vec<LowRank>,
}

/// For every static entry, bodies that are run one after another on the same outputs.
pub(super) struct LoopStep {
    pub(super) entries: Vec<Vec<Bound>>,
    /// Nodes that are stored.
    pub(super) outputs: Vec<NodeId>,
    /// Means and sums over the width axis.
    pub(super) sums: Vec<NodeId>,
}

/// A pass over all tuples of positions; the last label is the innermost loop.
pub(super) struct NestStep {
    /// How many labels.
    pub(super) order: usize,
    /// The body; without one, the pass only multiplies rows of arrays.
    pub(super) bound: Option<Bound>,
    /// Sums of the body, in order.
    pub(super) sums: Vec<NestSum>,
    /// Outputs of the body, in order.
    pub(super) outputs: Vec<NestOutput>,
    /// Matrix products with rows of the outputs or of arrays.
    pub(super) products: Vec<Product>,
}

/// A mean over n tuples of positions for every position of the kept labels; the other labels move together.
pub(super) struct SampleStep {
    /// The contraction.
    pub(super) node: NodeId,
    /// Its static entry.
    pub(super) entry: usize,
    /// How many labels are kept: the first ones.
    pub(super) kept: usize,
    /// How many labels there are.
    pub(super) order: usize,
    /// The body, with one sum.
    pub(super) bound: Bound,
}

/// A sum over the labels that are not kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct NestSum {
    /// The node that gets it: a `Reduce`, or a `MatMul`.
    pub(super) node: NodeId,
    /// Its static entry.
    pub(super) entry: usize,
    /// How many labels are kept: always the first ones.
    pub(super) kept: usize,
}

/// Where the rows of an output of the body go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NestOutput {
    /// An array that is kept, in the memory of another one where given.
    Array { node: NodeId, from: Option<Source> },
    /// Rows that are only needed by products of this pass.
    Tile { node: NodeId },
    /// Added up over the rows: a static entry of a `Reduce` or `MatMul`.
    Columns { node: NodeId, entry: usize },
}

/// A matrix product with a stored array or with a tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    /// The `MatMul`.
    pub(super) node: NodeId,
    /// The matrix, among the outputs of the pass or stored before.
    pub(super) mat: NodeId,
    /// Whether its transpose acts.
    pub(super) transpose: bool,
    /// The columns.
    pub(super) arg: NodeId,
}

/// Plans the computation of `roots`.
pub(super) fn plan(
    ir: &Ir,
    roots: &[NodeId],
    n: usize,
    options: &ExecOptions,
) -> Result<Plan, ExecError> {
    let levels = Levels::new(ir, roots, n.saturating_mul(n) <= options.largest_array)?;
    steps::Planner::new(ir, &levels, options.tuples).plan(roots)
}
