//! Products of an n×n array with k columns, in either orientation, whole or by blocks of rows.
//!
//! Columns are contiguous: `x` is k×n row-major. Up to [`FEW`] columns own kernels read the matrix once at the speed of memory;
//! more go to `matrixmultiply`, band by band. The order of every sum depends on n alone, so results have the same bits for
//! any number of threads; for few columns they do not depend on the blocks or on the other columns either.

use super::simd::{Cut, Lanes, multiply_outer, multiply_rows, multiply_transposed};
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, s};
use rayon::prelude::*;
use std::ops::Range;

/// Up to so many columns are few.
pub const FEW: usize = 16;

/// Rows per task of W x.
const BAND: usize = 32;

/// Columns of the matrix per task of Wᵀ x.
const SLAB: usize = 512;

/// Rows or columns per task for many columns.
const WIDE: usize = 256;

/// Columns in panels: `[⌈n/L⌉][k][L]` with L lanes, padded with zeros. What [`rows_times`] reads.
#[derive(Clone, Debug)]
pub struct Panels<T> {
    n: usize,
    k: usize,
    values: Vec<T>,
}

impl<T: Lanes> Panels<T> {
    /// The columns of `x`.
    pub fn pack(x: &[T], n: usize) -> Self {
        let mut panels = Self::zeros(n, x.len() / n.max(1));
        for (column, x) in x.chunks_exact(n).enumerate() {
            for (p, x) in x.chunks(T::LANES).enumerate() {
                panels.values[(p * panels.k + column) * T::LANES..][..x.len()].copy_from_slice(x);
            }
        }
        panels
    }

    /// k columns of zeros.
    pub fn zeros(n: usize, k: usize) -> Self {
        Self { n, k, values: vec![T::zero(); n.next_multiple_of(T::LANES) * k] }
    }

    /// The columns, k×n row-major.
    pub fn unpack(&self) -> Vec<T> {
        let mut x = vec![T::zero(); self.n * self.k];
        for (column, x) in x.chunks_exact_mut(self.n).enumerate() {
            for (p, x) in x.chunks_mut(T::LANES).enumerate() {
                let panel = &self.values[(p * self.k + column) * T::LANES..];
                x.copy_from_slice(&panel[..x.len()]);
            }
        }
        x
    }

    /// Adds the columns of another panel.
    pub fn add(&mut self, other: &Self) {
        self.values.iter_mut().zip(&other.values).for_each(|(x, y)| *x += *y);
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.k
    }

    /// For every row of `weights` (rows×k) the sum of the columns with these weights, at some positions, into rows of
    /// `out` that are `stride` apart. Positions start at a whole vector, and whole vectors are written.
    pub fn multiply_outer(
        &self,
        weights: &[T],
        positions: Range<usize>,
        stride: usize,
        out: &mut [T],
    ) {
        assert!(positions.start.is_multiple_of(T::LANES), "vectors are whole");
        let vectors = positions.start / T::LANES..positions.end.div_ceil(T::LANES);
        let panels =
            &self.values[vectors.start * self.k * T::LANES..][..vectors.len() * self.k * T::LANES];
        multiply_outer(weights, self.k, panels, stride, out);
    }
}

/// Some rows of W times the columns of `x`: `out` is rows×k.
pub fn rows_times<T: Lanes>(rows: &[T], x: &Panels<T>, out: &mut [T]) {
    assert_eq!(out.len() * x.n, rows.len() * x.k, "as many results as rows and columns");
    if x.k == 0 || rows.is_empty() {
        return;
    }
    if x.k <= FEW {
        return multiply_rows(rows, x.n, &x.values, out);
    }
    let (n, count) = (x.n, rows.len() / x.n);
    let shape = "a block has the size of its rows";
    let rows = ArrayView2::from_shape((count, n), rows).expect(shape);
    let columns = x.unpack();
    let columns = ArrayView2::from_shape((x.k, n), &columns).expect(shape);
    let mut out = ArrayViewMut2::from_shape((count, x.k), out).expect(shape);
    general_mat_mul(T::one(), &rows, &columns.t(), T::zero(), &mut out);
}

/// Adds Wᵀ x for some rows of W, where `x` (rows×k) has the entries of the columns at these rows.
pub fn add_transposed<T: Lanes>(rows: &[T], x: &[T], sum: &mut Panels<T>) {
    assert_eq!(x.len() * sum.n, rows.len() * sum.k, "as many factors as rows and columns");
    if !x.is_empty() {
        multiply_transposed(rows, Cut { n: sum.n, start: 0 }, x, &mut sum.values);
    }
}

/// W x or Wᵀ x, in parallel: `w` is n×n, `x` and the result k×n row-major.
pub fn product<T: Lanes>(w: &[T], n: usize, transpose: bool, x: &[T]) -> Vec<T> {
    assert_eq!(w.len(), n * n, "a square matrix");
    match (transpose, x.len() / n.max(1)) {
        (_, 0) => Vec::new(),
        (false, 1..=FEW) => few(w, n, x),
        (true, 1..=FEW) => few_transposed(w, n, x),
        (_, _) => many(w, n, transpose, x),
    }
}

/// The transpose of an array of `rows` rows.
fn transposed<T: Lanes>(x: &[T], rows: usize) -> Vec<T> {
    let columns = x.len() / rows;
    let mut out = Vec::with_capacity(x.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| x[row * columns + column]));
    }
    out
}

fn few<T: Lanes>(w: &[T], n: usize, x: &[T]) -> Vec<T> {
    let panels = Panels::pack(x, n);
    let mut out = vec![T::zero(); x.len()];
    w.par_chunks(BAND * n)
        .zip(out.par_chunks_mut(BAND * panels.k))
        .for_each(|(rows, out)| rows_times(rows, &panels, out));
    if panels.k == 1 { out } else { transposed(&out, n) }
}

fn few_transposed<T: Lanes>(w: &[T], n: usize, x: &[T]) -> Vec<T> {
    let k = x.len() / n;
    let factors = transposed(x, k);
    let mut sum = Panels::zeros(n, k);
    sum.values.par_chunks_mut(SLAB * k).enumerate().for_each(|(slab, panels)| {
        multiply_transposed(w, Cut { n, start: slab * SLAB }, &factors, panels);
    });
    sum.unpack()
}

fn many<T: Lanes>(w: &[T], n: usize, transpose: bool, x: &[T]) -> Vec<T> {
    let k = x.len() / n;
    let shape = "an array has the size of its axes";
    let matrix = ArrayView2::from_shape((n, n), w).expect(shape);
    let columns = ArrayView2::from_shape((k, n), x).expect(shape);
    // bands of the result's long axis, each row of a band one entry of all columns
    let mut out = vec![T::zero(); n * k];
    out.par_chunks_mut(WIDE * k).enumerate().for_each(|(band, out)| {
        let (start, size) = (band * WIDE, out.len() / k);
        let mut out = ArrayViewMut2::from_shape((size, k), out).expect(shape);
        let part = if transpose {
            matrix.slice(s![.., start..start + size]).reversed_axes()
        } else {
            matrix.slice(s![start..start + size, ..])
        };
        general_mat_mul(T::one(), &part, &columns.t(), T::zero(), &mut out);
    });
    transposed(&out, n)
}

#[cfg(test)]
mod tests;
