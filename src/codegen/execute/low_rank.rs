//! Sums Σ_i u_i(a) v_i(b) that a pass over pairs reads: computed for a block of rows and some columns at a time, by a
//! kernel that reads every v_i once for several rows, into tiles that stay in the second-level cache.

use super::store::Store;
use crate::codegen::gemm::Panels;
use crate::codegen::plan::{Leaf, LowRank, Source};
use crate::codegen::simd::Lanes;
use std::ops::Range;

/// Bytes of the tiles of a pass, unless they become too narrow: a part of the second-level cache.
const TILES: usize = 256 << 10;
/// The columns of the narrowest tile. Rows of arrays are read in pieces of this length, which should be long.
const NARROWEST: usize = 512;
/// Numbers between rows of tiles beyond their length: streams whose distance is a power of two compete for the same
/// lines of the cache.
const APART: usize = 16;

/// The factors of one sum.
pub(super) struct Factors<T> {
    rank: usize,
    /// Row by row, the numbers u_i(a).
    weights: Vec<T>,
    panels: Panels<T>,
}

impl<T: Lanes> Factors<T> {
    pub(super) fn new(sum: &LowRank, store: &Store<T>, n: usize) -> Self {
        let column = |leaf: &Leaf| {
            let Source::Stored { node, flat } = leaf.source else {
                unreachable!("the factors of an outer product are stored");
            };
            &store.columns(node)[flat * n..][..n]
        };
        let rank = sum.len();
        let mut weights = vec![T::zero(); n * rank];
        let mut columns = Vec::with_capacity(n * rank);
        for (i, [u, v]) in sum.iter().enumerate() {
            let places = weights.iter_mut().skip(i).step_by(rank);
            places.zip(column(u)).for_each(|(place, u)| *place = *u);
            columns.extend_from_slice(column(v));
        }
        Self { rank, weights, panels: Panels::pack(&columns, n) }
    }
}

/// How many columns tiles of `rows` rows should have for `count` sums.
pub(super) fn span<T>(count: usize, rows: usize) -> usize {
    let most = TILES / (count.max(1) * rows * size_of::<T>());
    (most - most % NARROWEST).max(NARROWEST)
}

/// Rows × columns of every sum of a pass.
pub(super) struct Tiles<T> {
    values: Vec<T>,
    /// Rows of each.
    rows: usize,
    /// From a row to the next.
    stride: usize,
}

impl<T: Lanes> Tiles<T> {
    /// Tiles for `count` sums, of `rows` rows with `span` columns.
    pub(super) fn new(count: usize, rows: usize, span: usize) -> Self {
        let stride = span.next_multiple_of(T::LANES) + APART;
        Self { values: vec![T::zero(); count * (rows * stride + APART)], rows, stride }
    }

    /// Computes some rows and columns of all sums.
    pub(super) fn fill(&mut self, all: &[Factors<T>], rows: Range<usize>, columns: Range<usize>) {
        let size = self.rows * self.stride + APART;
        for (factors, tile) in all.iter().zip(self.values.chunks_mut(size)) {
            let weights = &factors.weights[rows.start * factors.rank..rows.end * factors.rank];
            factors.panels.multiply_outer(weights, columns.clone(), self.stride, tile);
        }
    }

    /// The columns of one row of a sum.
    pub(super) fn row(&self, sum: usize, row: usize) -> &[T] {
        let start = sum * (self.rows * self.stride + APART) + row * self.stride;
        &self.values[start..start + self.stride - APART]
    }
}
