//! Columns of N particles, and products of many of them with many others.
//!
//! The inner product is ⟨x|y⟩, the mean over particles of the product. Sets of columns are multiplied as matrices, which
//! is several times faster than one after the other: there are hundreds of them.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// Columns of one length.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    n: usize,
    values: Vec<f64>,
}

impl Columns {
    /// None yet.
    pub(super) fn new(n: usize) -> Self {
        Self { n, values: Vec::new() }
    }

    /// Zeros.
    pub(super) fn zeros(n: usize, count: usize) -> Self {
        Self { n, values: vec![0.0; n * count] }
    }

    /// Columns one after the other.
    pub(super) fn of(n: usize, values: Vec<f64>) -> Self {
        debug_assert_eq!(values.len() % n, 0);
        Self { n, values }
    }

    pub(super) fn into_values(self) -> Vec<f64> {
        self.values
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.n
    }

    pub(super) fn get(&self, k: usize) -> &[f64] {
        &self.values[k * self.n..][..self.n]
    }

    pub(super) fn push(&mut self, column: &[f64]) {
        debug_assert_eq!(column.len(), self.n);
        self.values.extend_from_slice(column);
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.values.extend_from_slice(&other.values);
    }

    pub(super) fn norms(&self) -> Vec<f64> {
        self.values.chunks(self.n).map(norm).collect()
    }

    fn view(&self) -> ArrayView2<'_, f64> {
        ArrayView2::from_shape((self.len(), self.n), &self.values).expect("whole columns")
    }

    fn view_mut(&mut self) -> ArrayViewMut2<'_, f64> {
        ArrayViewMut2::from_shape((self.len(), self.n), &mut self.values).expect("whole columns")
    }

    /// ⟨x|e⟩ for every own column x and every column e of `basis`.
    pub(super) fn products(&self, basis: &Self) -> Array2<f64> {
        let mut products = Array2::zeros((self.len(), basis.len()));
        general_mat_mul(1.0 / self.n as f64, &self.view(), &basis.view().t(), 0.0, &mut products);
        products
    }

    /// Adds Σ_e parts[x, e] · e to every own column x.
    pub(super) fn add(&mut self, parts: &Array2<f64>, basis: &Self) {
        general_mat_mul(1.0, parts, &basis.view(), 1.0, &mut self.view_mut());
    }

    /// Subtracts the same.
    pub(super) fn subtract(&mut self, parts: &Array2<f64>, basis: &Self) {
        general_mat_mul(-1.0, parts, &basis.view(), 1.0, &mut self.view_mut());
    }

    /// Removes the components along an orthonormal basis, twice, so that nothing but rounding is left of them.
    pub(super) fn remove(&mut self, basis: &Self) {
        for _ in 0..2 {
            let parts = self.products(basis);
            self.subtract(&parts, basis);
        }
    }

    /// Removes from one column the components along the last `count` columns of this orthonormal basis.
    pub(super) fn remove_last(&self, count: usize, column: &mut [f64]) {
        for _ in 0..2 {
            for k in self.len() - count..self.len() {
                let direction = self.get(k);
                let part = inner(column, direction);
                add(column, -part, direction);
            }
        }
    }

    /// An orthonormal basis of the columns, and the columns in it. What is left of a column beyond those before it is
    /// rounding if it is below `least` times its `size`.
    pub(super) fn orthonormalised(&self, sizes: &[f64], least: f64) -> (Self, Array2<f64>) {
        let mut basis = Self::new(self.n);
        let mut parts: Vec<Vec<f64>> = Vec::new();
        for (k, size) in sizes.iter().enumerate() {
            let mut rest = self.get(k).to_vec();
            let mut own = vec![0.0; basis.len()];
            for _ in 0..2 {
                for (k, own) in own.iter_mut().enumerate() {
                    let part = inner(&rest, basis.get(k));
                    add(&mut rest, -part, basis.get(k));
                    *own += part;
                }
            }
            let left = norm(&rest);
            if left > least * size {
                scale(&mut rest, 1.0 / left);
                basis.push(&rest);
                own.push(left);
            }
            parts.push(own);
        }
        let count = basis.len();
        let entry = |(row, column): (usize, usize)| parts[row].get(column).copied().unwrap_or(0.0);
        (basis, Array2::from_shape_fn((parts.len(), count), entry))
    }
}

/// ⟨x|y⟩, the mean of the product.
pub(super) fn inner(x: &[f64], y: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in xs.zip(ys) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    (lanes.iter().sum::<f64>() + rest) / x.len() as f64
}

pub(super) fn norm(x: &[f64]) -> f64 {
    inner(x, x).sqrt()
}

pub(super) fn add(y: &mut [f64], factor: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}

pub(super) fn scale(x: &mut [f64], factor: f64) {
    x.iter_mut().for_each(|x| *x *= factor);
}
