//! Executes a program over columns: n neurons of a finite network, or N particles of the infinite-width limit.
//!
//! Everything entrywise, every mean and every OuterNonlin is the same computation in both engines. They differ only in
//! what it means to apply an initial matrix: that is the trait [`Matrices`].

pub mod body;
pub mod element;
pub mod execute;
mod factor;
pub mod gemm;
pub mod interpret;
pub mod jit;
mod normal;
mod plan;
pub mod simd;
pub mod vector;

pub use execute::{Estimate, ExecOptions, Prepared, Tuples, estimate, execute, prepare};
pub use interpret::{interpret, interpret_scaled};

use crate::ir::{InitId, Ir, Node, NodeId, Prim};

/// One initial matrix: an initial object with two width axes and the flat index of its static entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatrixRef {
    /// The initial object.
    pub init: InitId,
    /// The row-major index over its static axes; 0 without static axes.
    pub entry: usize,
}

/// What initial objects are. Columns are row-major: static entries, then the n (or N) positions.
pub trait Matrices<T> {
    /// An initial scalar (`entries` numbers) or vector (`entries` × n numbers), standardised.
    fn initial(&mut self, init: InitId) -> Vec<T>;

    /// W x or Wᵀ x for each of the `x.len() / n` columns of `x`, with W standardised to entry variance 1/n.
    fn apply(&mut self, matrix: MatrixRef, transpose: bool, x: &[T]) -> Vec<T>;

    /// The n × n entries, row-major, where the matrix is an array; `None` where it is only an operator.
    fn dense(&mut self, matrix: MatrixRef) -> Option<&[T]>;

    /// Gives the entries away: the matrix will not be asked for again, so that its memory can hold what it becomes.
    fn take(&mut self, matrix: MatrixRef) -> Option<Vec<T>>
    where
        T: Clone,
    {
        self.dense(matrix).map(<[T]>::to_vec)
    }
}

/// Initial objects of several blocks of n positions that are one sample: means are over the positions of all blocks,
/// sums over pairs of positions stay inside a block. Values are given and taken block by block.
pub trait Blocks<T> {
    /// How many blocks there are.
    fn count(&self) -> usize;

    /// As [`Matrices::initial`].
    fn initial(&mut self, init: InitId) -> Vec<Vec<T>>;

    /// As [`Matrices::apply`]; the matrix is one operator on the positions of all blocks.
    fn apply(&mut self, matrix: MatrixRef, transpose: bool, x: Vec<Vec<T>>) -> Vec<Vec<T>>;
}

/// Why a program could not be executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// A result is not finite; `node` is where it first was not (its origins are the places in the source).
    #[error("a value is not finite")]
    NonFinite {
        /// The first node on the way to a result that is not finite.
        node: NodeId,
    },
    /// The entries of an initial matrix are needed where it is only an operator.
    #[error("an initial matrix is only an operator here")]
    NotDense {
        /// The matrix.
        matrix: MatrixRef,
        /// The node that needs its entries.
        node: NodeId,
    },
    /// Loops could not be compiled.
    #[error("loops could not be compiled: {0}")]
    Jit(String),
    /// A node that no executable program contains.
    #[error("this node cannot be executed")]
    Unsupported {
        /// The node.
        node: NodeId,
    },
}

/// The initial matrix that a mat *is* (an `Init`, or one entry of a static array of them), and whether transposed.
pub fn initial_matrix(ir: &Ir, mat: NodeId) -> Option<(MatrixRef, bool)> {
    if let Node::Map { op: Prim::Id, args, .. } = ir.node(mat) {
        let swapped = match args[0].width.as_slice() {
            [0, 1] => false,
            [1, 0] => true,
            _ => return None,
        };
        let (matrix, transposed) = initial_matrix(ir, args[0].node)?;
        return Some((matrix, transposed != swapped));
    }
    let (init, choice) = initial_entry(ir, mat)?;
    let sizes = &ir.init(init).shape.stat;
    let mut entry = 0;
    for (at, size) in choice.iter().zip(sizes) {
        let Place::Fixed(at) = at else { return None };
        entry = entry * size + at;
    }
    Some((MatrixRef { init, entry }, false))
}

/// Where a static axis of an initial array has been cut.
#[derive(Clone, Copy)]
enum Place {
    Fixed(usize),
    From(usize),
}

fn initial_entry(ir: &Ir, node: NodeId) -> Option<(InitId, Vec<Place>)> {
    let cut = |arg: NodeId, axis: usize, to: fn(usize) -> Place, by: usize| {
        let (init, mut places) = initial_entry(ir, arg)?;
        let free = places.iter_mut().filter(|place| matches!(place, Place::From(_))).nth(axis)?;
        if let Place::From(start) = *free {
            *free = to(start + by);
        }
        Some((init, places))
    };
    match ir.node(node) {
        Node::Init(init) => {
            let shape = &ir.init(*init).shape;
            (shape.width == 2).then(|| (*init, vec![Place::From(0); shape.stat.len()]))
        }
        Node::Index { arg, axis, at } => cut(*arg, *axis, Place::Fixed, *at),
        Node::Slice { arg, axis, start, .. } => cut(*arg, *axis, Place::From, *start),
        Node::Bind { arg, .. } => initial_entry(ir, *arg),
        Node::Const(_)
        | Node::Width(_)
        | Node::Data(_)
        | Node::Iota(_)
        | Node::Param(_)
        | Node::Map { .. }
        | Node::Reduce { .. }
        | Node::MatMul { .. }
        | Node::Stack(_)
        | Node::Pad { .. } => None,
    }
}
