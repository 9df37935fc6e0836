//! Matrix products block of rows by block of rows, inside a pass.

use crate::codegen::gemm::{FEW, Panels, add_transposed, rows_times};
use crate::codegen::simd::Lanes;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use std::ops::Range;

/// The columns of a product, arranged for blocks of rows.
pub(super) enum Columns<'a, T> {
    /// Few columns, for `mat @ x`.
    Few(Panels<T>),
    /// Many columns, for `mat @ x`.
    Many { x: &'a [T], n: usize },
    /// Row by row, for `mat.T @ x`.
    Transposed { weights: Vec<T>, n: usize, width: usize },
}

/// What a band of rows adds to a product.
pub(super) enum Partial<T> {
    /// Rows × columns.
    Rows(Vec<T>),
    /// Sums over the band's rows.
    Sums(Panels<T>),
}

impl<'a, T: Lanes> Columns<'a, T> {
    pub(super) fn new(x: &'a [T], n: usize, transpose: bool) -> Self {
        let width = x.len() / n;
        if transpose {
            let weights = (0..n).flat_map(|row| (0..width).map(move |column| x[column * n + row]));
            Self::Transposed { weights: weights.collect(), n, width }
        } else if width <= FEW {
            Self::Few(Panels::pack(x, n))
        } else {
            Self::Many { x, n }
        }
    }

    /// A band's part before its first row.
    pub(super) fn nothing(&self, rows: usize) -> Partial<T> {
        match self {
            Self::Few(panels) => Partial::Rows(vec![T::zero(); rows * panels.columns()]),
            Self::Many { x, n } => Partial::Rows(vec![T::zero(); rows * (x.len() / n)]),
            Self::Transposed { n, width, .. } => Partial::Sums(Panels::zeros(*n, *width)),
        }
    }

    /// Multiplies a block of rows of a band that starts at row `first`.
    pub(super) fn add(&self, block: &[T], rows: Range<usize>, first: usize, part: &mut Partial<T>) {
        let local = |width: usize| (rows.start - first) * width..(rows.end - first) * width;
        match (self, part) {
            (Self::Few(panels), Partial::Rows(out)) => {
                rows_times(block, panels, &mut out[local(panels.columns())]);
            }
            (Self::Many { x, n }, Partial::Rows(out)) => {
                let (count, width) = (rows.len(), x.len() / n);
                let shape = "a block has the size of its rows";
                let block = ArrayView2::from_shape((count, *n), block).expect(shape);
                let x = ArrayView2::from_shape((width, *n), x).expect(shape);
                let out = &mut out[local(width)];
                let mut out = ArrayViewMut2::from_shape((count, width), out).expect(shape);
                general_mat_mul(T::one(), &block, &x.t(), T::zero(), &mut out);
            }
            (Self::Transposed { weights, width, .. }, Partial::Sums(sums)) => {
                add_transposed(block, &weights[rows.start * width..rows.end * width], sums);
            }
            (Self::Few(_) | Self::Many { .. }, Partial::Sums(_))
            | (Self::Transposed { .. }, Partial::Rows(_)) => {
                unreachable!("a part is made for its columns")
            }
        }
    }
}

impl<T: Lanes> Partial<T> {
    /// The whole product, column by column, from the parts of all bands in order.
    pub(super) fn join(parts: Vec<Self>, n: usize, width: usize) -> Vec<T> {
        let mut values = vec![T::zero(); width * n];
        let mut total: Option<Panels<T>> = None;
        let mut row = 0;
        for part in parts {
            match (part, &mut total) {
                (Self::Rows(rows), _) => {
                    for entries in rows.chunks(width.max(1)) {
                        for (column, value) in entries.iter().enumerate() {
                            values[column * n + row] = *value;
                        }
                        row += 1;
                    }
                }
                (Self::Sums(sums), Some(total)) => total.add(&sums),
                (Self::Sums(sums), None) => total = Some(sums),
            }
        }
        total.map_or(values, |total| total.unpack())
    }
}
