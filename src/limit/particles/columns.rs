//! Columns of particles in blocks, and products of many of them with many others.
//!
//! The inner product is ⟨x|y⟩, the mean over all particles of the product. Sets of columns are multiplied as matrices, which
//! is several times faster than one after the other: there are hundreds of them. Blocks are independent pieces of work
//! whose products are added in order, so that a result does not depend on the number of threads.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;
use std::ops::Range;

/// What a column keeps in [`Columns::remove`], beyond which a second pass would remove nothing but rounding.
const KEPT: f64 = 0.1;

/// Columns of one length: in each block the n particles of one column after those of another.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    n: usize,
    blocks: Vec<Vec<f64>>,
}

impl Columns {
    /// None yet.
    pub(super) fn new(n: usize, blocks: usize) -> Self {
        Self { n, blocks: vec![Vec::new(); blocks] }
    }

    /// Columns one after the other, block by block.
    pub(super) fn of(n: usize, blocks: Vec<Vec<f64>>) -> Self {
        debug_assert!(blocks.iter().all(|block| block.len().is_multiple_of(n)));
        Self { n, blocks }
    }

    pub(super) fn into_blocks(self) -> Vec<Vec<f64>> {
        self.blocks
    }

    pub(super) fn len(&self) -> usize {
        self.blocks[0].len() / self.n
    }

    /// Particles in all blocks.
    fn particles(&self) -> usize {
        self.n * self.blocks.len()
    }

    /// Some of the columns.
    pub(super) fn cut(&self, columns: Range<usize>) -> Self {
        let cut = |block: &Vec<f64>| block[columns.start * self.n..columns.end * self.n].to_vec();
        Self { n: self.n, blocks: self.blocks.iter().map(cut).collect() }
    }

    /// One column.
    pub(super) fn column(&self, k: usize) -> Self {
        self.cut(k..k + 1)
    }

    pub(super) fn extend(&mut self, other: &Self) {
        for (block, other) in self.blocks.iter_mut().zip(&other.blocks) {
            block.extend_from_slice(other);
        }
    }

    /// √⟨x|x⟩ of each column.
    pub(super) fn norms(&self) -> Vec<f64> {
        let squares = |block: &Vec<f64>| -> Vec<f64> {
            block.chunks(self.n).map(|column| sum_of_products(column, column)).collect()
        };
        let all: Vec<Vec<f64>> = self.blocks.par_iter().map(squares).collect();
        let total = |k: usize| all.iter().map(|squares| squares[k]).sum::<f64>();
        (0..self.len()).map(|k| (total(k) / self.particles() as f64).sqrt()).collect()
    }

    /// Multiplies every column by its own factor.
    pub(super) fn scale(&mut self, factors: &[f64]) {
        let n = self.n;
        self.blocks.par_iter_mut().for_each(|block| {
            for (column, factor) in block.chunks_mut(n).zip(factors) {
                column.iter_mut().for_each(|x| *x *= factor);
            }
        });
    }

    /// ⟨x|e⟩ for every own column x and every column e of `basis`.
    pub(super) fn products(&self, basis: &Self) -> Array2<f64> {
        self.products_from(basis, 0)
    }

    /// The same with the columns of `basis` from `first` on.
    fn products_from(&self, basis: &Self, first: usize) -> Array2<f64> {
        let (n, count) = (self.n, (self.len(), basis.len() - first));
        let pairs = self.blocks.par_iter().zip(&basis.blocks);
        let parts: Vec<Array2<f64>> = pairs
            .map(|(own, other)| {
                let other = &other[first * n..];
                if count.0 == 1 {
                    let parts = other.chunks(n).map(|column| sum_of_products(own, column));
                    return Array2::from_shape_vec(count, parts.collect()).expect("one row");
                }
                let mut parts = Array2::zeros(count);
                general_mat_mul(1.0, &view(own, n), &view(other, n).t(), 0.0, &mut parts);
                parts
            })
            .collect();
        let mut parts = parts.into_iter();
        let first = parts.next().expect("there is a block");
        parts.fold(first, |total, part| total + part) / self.particles() as f64
    }

    /// Adds Σ_e parts[x, e] · e to every own column x.
    pub(super) fn add(&mut self, parts: &Array2<f64>, basis: &Self) {
        self.add_from(1.0, parts, basis, 0);
    }

    /// Subtracts the same.
    pub(super) fn subtract(&mut self, parts: &Array2<f64>, basis: &Self) {
        self.add_from(-1.0, parts, basis, 0);
    }

    fn add_from(&mut self, sign: f64, parts: &Array2<f64>, basis: &Self, first: usize) {
        let (n, count) = (self.n, self.len());
        let pairs = self.blocks.par_iter_mut().zip(&basis.blocks);
        pairs.for_each(|(own, other)| {
            let other = &other[first * n..];
            if count == 1 {
                for (part, column) in parts.iter().zip(other.chunks(n)) {
                    add(own, sign * part, column);
                }
                return;
            }
            general_mat_mul(sign, parts, &view(other, n), 1.0, &mut view_mut(own, n));
        });
    }

    /// Removes the components along the columns of an orthonormal basis from `first` on, so that nothing but rounding is
    /// left of them: a second time where the first left little of a column.
    pub(super) fn remove_from(&mut self, basis: &Self, first: usize) {
        if self.len() == 0 || basis.len() == first {
            return;
        }
        let before = self.norms();
        for _ in 0..2 {
            let parts = self.products_from(basis, first);
            self.add_from(-1.0, &parts, basis, first);
            let after = self.norms();
            if before.iter().zip(after).all(|(before, after)| after >= KEPT * before) {
                return;
            }
        }
    }

    /// The same along all of a basis.
    pub(super) fn remove(&mut self, basis: &Self) {
        self.remove_from(basis, 0);
    }

    /// An orthonormal basis of the columns, and the columns in it. What is left of a column beyond those before it is
    /// rounding if it is below `least` times its `size`.
    pub(super) fn orthonormalised(&self, sizes: &[f64], least: f64) -> (Self, Array2<f64>) {
        let mut basis = Self::new(self.n, self.blocks.len());
        let mut all = Array2::zeros((sizes.len(), sizes.len()));
        for (k, size) in sizes.iter().enumerate() {
            let mut rest = self.column(k);
            for _ in 0..2 {
                let parts = rest.products(&basis);
                rest.subtract(&parts, &basis);
                let mut row = all.row_mut(k);
                row.iter_mut().zip(&parts).for_each(|(all, part)| *all += part);
            }
            let left = rest.norms()[0];
            if left > least * size {
                rest.scale(&[1.0 / left]);
                all[[k, basis.len()]] = left;
                basis.extend(&rest);
            }
        }
        let parts = all.slice_axis(Axis(1), (0..basis.len()).into()).to_owned();
        (basis, parts)
    }
}

fn view(block: &[f64], n: usize) -> ArrayView2<'_, f64> {
    ArrayView2::from_shape((block.len() / n, n), block).expect("whole columns")
}

fn view_mut(block: &mut [f64], n: usize) -> ArrayViewMut2<'_, f64> {
    ArrayViewMut2::from_shape((block.len() / n, n), block).expect("whole columns")
}

fn sum_of_products(x: &[f64], y: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in xs.zip(ys) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

fn add(y: &mut [f64], factor: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}
