//! Columns of particles in blocks, and products of many of them with many others.
//!
//! The inner product is ⟨x|y⟩, the mean over all particles of the product. Sets of columns are multiplied as matrices, which
//! is several times faster than one after the other: there are hundreds of them. Blocks are independent pieces of work
//! whose products are added in order, so that a result does not depend on the number of threads.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, concatenate};
use rayon::prelude::*;
use std::ops::Range;

mod cholesky;

/// What a column must keep for one pass to be enough: rounding is then this much smaller than what is left.
const KEPT: f64 = 1e-3;

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

    /// Zeros.
    pub(super) fn zeros(n: usize, blocks: usize, count: usize) -> Self {
        Self { n, blocks: vec![vec![0.0; n * count]; blocks] }
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

    /// ⟨x|e⟩ for every own column x and every column e of `basis`.
    pub(super) fn products(&self, basis: &Self) -> Array2<f64> {
        let (n, count) = (self.n, (self.len(), basis.len()));
        let pairs = self.blocks.par_iter().zip(&basis.blocks);
        let parts: Vec<Array2<f64>> = pairs
            .map(|(own, other)| {
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
        self.add_scaled(1.0, parts, basis);
    }

    /// Subtracts the same.
    pub(super) fn subtract(&mut self, parts: &Array2<f64>, basis: &Self) {
        self.add_scaled(-1.0, parts, basis);
    }

    fn add_scaled(&mut self, sign: f64, parts: &Array2<f64>, basis: &Self) {
        let (n, count) = (self.n, self.len());
        let pairs = self.blocks.par_iter_mut().zip(&basis.blocks);
        pairs.for_each(|(own, other)| {
            if count == 1 {
                for (part, column) in parts.iter().zip(other.chunks(n)) {
                    add(own, sign * part, column);
                }
                return;
            }
            general_mat_mul(sign, parts, &view(other, n), 1.0, &mut view_mut(own, n));
        });
    }

    /// Removes the components along the columns of an orthonormal basis, so that nothing but rounding is left of them, and
    /// returns them: a second time where the first left little of a column.
    pub(super) fn remove(&mut self, basis: &Self) -> Array2<f64> {
        let mut removed = Array2::zeros((self.len(), basis.len()));
        if removed.is_empty() {
            return removed;
        }
        let before = self.norms();
        for _ in 0..2 {
            let parts = self.products(basis);
            self.subtract(&parts, basis);
            removed += &parts;
            let after = self.norms();
            if before.iter().zip(after).all(|(before, after)| after >= KEPT * before) {
                break;
            }
        }
        removed
    }

    /// Splits the columns as Σ_e parts[x, e] · e with orthonormal e, each along what is left of a column beyond those before
    /// it. Less than `least` times its `size` is taken for rounding.
    ///
    /// Directions come from Gram matrices, round by round over a range of sizes in which these are exact enough.
    pub(super) fn split(mut self, sizes: &[f64], least: f64) -> Split {
        let count = self.len();
        let (mut basis, mut shares) = (Self::new(self.n, self.blocks.len()), Vec::new());
        let mut parts = Array2::zeros((count, 0));
        let mut rest: Vec<usize> = (0..count).collect();
        while !rest.is_empty() {
            let own = self.chosen(&rest);
            let sizes: Vec<f64> = rest.iter().map(|k| sizes[*k]).collect();
            let chosen = cholesky::chosen(own.products(&own), &sizes, least);
            if chosen.is_empty() {
                break;
            }
            let order: Vec<usize> = chosen.iter().map(|(k, _)| rest[*k]).collect();
            shares.extend(chosen.iter().map(|(_, share)| share));
            let mut directions = self.chosen(&order).orthonormal();
            directions.remove(&basis);
            let directions = directions.orthonormal();
            let along = self.products(&directions);
            self.subtract(&along, &directions);
            parts = concatenate![Axis(1), parts, along];
            basis.extend(&directions);
            rest.retain(|k| !order.contains(k));
        }
        Split { basis, parts, shares }
    }

    /// An orthonormal basis of columns that are far from dependent: of the first k for every k.
    pub(super) fn orthonormal(mut self) -> Self {
        for _ in 0..2 {
            let inverse = cholesky::inverse_factor(self.products(&self));
            let mut made = Self::zeros(self.n, self.blocks.len(), self.len());
            made.add(&inverse, &self);
            self = made;
        }
        self
    }

    /// The marked columns.
    pub(super) fn only(&self, marked: &[bool]) -> Self {
        let order: Vec<usize> = (0..marked.len()).filter(|k| marked[*k]).collect();
        self.chosen(&order)
    }

    /// Puts other columns in the place of the marked ones.
    pub(super) fn replace(&mut self, marked: &[bool], others: &Self) {
        let n = self.n;
        for (block, others) in self.blocks.iter_mut().zip(&others.blocks) {
            let columns = block.chunks_mut(n).zip(marked).filter(|(_, marked)| **marked);
            for ((column, _), other) in columns.zip(others.chunks(n)) {
                column.copy_from_slice(other);
            }
        }
    }

    /// Some of the columns, in an order.
    fn chosen(&self, order: &[usize]) -> Self {
        let column = |block: &Vec<f64>, k: usize| block[k * self.n..(k + 1) * self.n].to_vec();
        let chosen = |block: &Vec<f64>| order.iter().flat_map(|k| column(block, *k)).collect();
        Self { n: self.n, blocks: self.blocks.par_iter().map(chosen).collect() }
    }
}

/// Columns in an orthonormal basis of their own.
pub(super) struct Split {
    pub(super) basis: Columns,
    pub(super) parts: Array2<f64>,
    /// For each direction, what was left of the column that it was made of, as a share of its size.
    pub(super) shares: Vec<f64>,
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
