//! Executes a program over columns: n neurons of a finite network, or N particles of the infinite-width limit.
//!
//! Everything entrywise, every mean and every OuterNonlin is the same computation in both engines. They differ only in
//! what it means to apply an initial matrix: that is the trait [`Matrices`].

use crate::ir::InitId;

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
}
