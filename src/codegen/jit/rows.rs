//! Products of a block of rows of a matrix with a few columns, while the block is in the cache.
//!
//! A matrix product with k ≲ 16 columns reads the matrix once and does 2k operations per entry; general kernels spend
//! their time on packing there. Columns are packed once per pass: panels of `LANES` positions, `WIDE` columns each, so
//! that the inner loop reads one stream beside the rows. Each kernel exists for AVX2 with FMA and for the baseline.

use crate::codegen::element::Element;

/// Columns per step of a kernel.
const WIDE: usize = 4;
/// Rows per step of the forward kernel.
const TALL: usize = 2;

/// Columns in panels, padded with zeros to a multiple of `WIDE` columns.
pub struct Packed<T> {
    n: usize,
    width: usize,
    /// [column group][position / lanes][column][lane]
    panels: Vec<T>,
    columns: Vec<T>,
}

/// Positions per vector.
const fn lanes<T: Element>() -> usize {
    if T::DOUBLE { 4 } else { 8 }
}

impl<T: Element> Packed<T> {
    /// Packs `x.len() / n` columns of length n.
    pub fn new(x: &[T], n: usize) -> Self {
        let (width, lanes) = (x.len() / n, lanes::<T>());
        let blocks = n / lanes;
        let mut panels = vec![T::zero(); width.div_ceil(WIDE) * blocks * WIDE * lanes];
        for (column, values) in x.chunks(n).enumerate() {
            let group = &mut panels[column / WIDE * blocks * WIDE * lanes..];
            for (block, some) in values.chunks_exact(lanes).enumerate() {
                let place = (block * WIDE + column % WIDE) * lanes;
                group[place..place + lanes].copy_from_slice(some);
            }
        }
        Self { n, width, panels, columns: x.to_vec() }
    }

    /// How many columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Writes rows · columns to `out`, rows × columns.
    pub fn forward(&self, block: &[T], out: &mut [T]) {
        assert_eq!(block.len() / self.n * self.width, out.len());
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the machine has the instructions.
            unsafe { forward_wide(self, block, out) };
            return;
        }
        forward(self, block, out);
    }
}

/// Adds columnsᵀ-weighted rows to `sums` ([column][position]): `weights` has `width` numbers per row.
pub fn backward<T: Element>(block: &[T], n: usize, weights: &[T], sums: &mut [T]) {
    let width = sums.len() / n;
    assert_eq!(block.len() / n * width, weights.len());
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the machine has the instructions.
        unsafe { backward_wide(block, n, weights, sums) };
        return;
    }
    backward_any(block, n, weights, sums);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn forward_wide<T: Element>(packed: &Packed<T>, block: &[T], out: &mut [T]) {
    forward(packed, block, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn backward_wide<T: Element>(block: &[T], n: usize, weights: &[T], sums: &mut [T]) {
    backward_any(block, n, weights, sums);
}

#[inline(always)]
fn forward<T: Element>(packed: &Packed<T>, block: &[T], out: &mut [T]) {
    if T::DOUBLE {
        forward_lanes::<T, 4>(packed, block, out)
    } else {
        forward_lanes::<T, 8>(packed, block, out)
    }
}

#[inline(always)]
fn forward_lanes<T: Element, const L: usize>(packed: &Packed<T>, block: &[T], out: &mut [T]) {
    let (n, width) = (packed.n, packed.width);
    let panel = n / L * WIDE * L;
    let rows = block.len() / n;
    for first in (0..rows).step_by(TALL) {
        let second = (first + 1).min(rows - 1);
        let pair = [&block[first * n..][..n], &block[second * n..][..n]];
        for group in 0..width.div_ceil(WIDE) {
            let dots = dots::<T, L>(pair, &packed.panels[group * panel..][..panel]);
            for (row, dots) in [first, second].into_iter().zip(dots) {
                for (column, dot) in (group * WIDE..width).zip(dots) {
                    let tail = n / L * L;
                    let values = &packed.columns[column * n..][tail..n];
                    let rest = block[row * n + tail..][..n - tail].iter().zip(values);
                    out[row * width + column] = rest.fold(dot, |sum, (w, x)| w.mul_add(*x, sum));
                }
            }
        }
    }
}

/// The dot products of two rows with the columns of a panel, up to the last whole vector.
#[inline(always)]
fn dots<T: Element, const L: usize>(rows: [&[T]; TALL], panel: &[T]) -> [[T; WIDE]; TALL] {
    let mut sums = [[[T::zero(); L]; WIDE]; TALL];
    let (one, other) = (rows[0].chunks_exact(L), rows[1].chunks_exact(L));
    for ((one, other), x) in one.zip(other).zip(panel.chunks_exact(WIDE * L)) {
        for c in 0..WIDE {
            for l in 0..L {
                sums[0][c][l] = one[l].mul_add(x[c * L + l], sums[0][c][l]);
                sums[1][c][l] = other[l].mul_add(x[c * L + l], sums[1][c][l]);
            }
        }
    }
    sums.map(|columns| columns.map(|lanes| lanes.into_iter().fold(T::zero(), |sum, x| sum + x)))
}

#[inline(always)]
fn backward_any<T: Element>(block: &[T], n: usize, weights: &[T], sums: &mut [T]) {
    if T::DOUBLE {
        backward_lanes::<T, 8>(block, n, weights, sums)
    } else {
        backward_lanes::<T, 16>(block, n, weights, sums)
    }
}

#[inline(always)]
fn backward_lanes<T: Element, const L: usize>(
    block: &[T],
    n: usize,
    weights: &[T],
    sums: &mut [T],
) {
    let width = sums.len() / n;
    for start in (0..n / L * L).step_by(L) {
        for group in (0..width / WIDE * WIDE).step_by(WIDE) {
            let mut held = [[T::zero(); L]; WIDE];
            for c in 0..WIDE {
                held[c].copy_from_slice(&sums[(group + c) * n + start..][..L]);
            }
            for (row, z) in block.chunks_exact(n).zip(weights.chunks_exact(width)) {
                let (row, z) = (&row[start..start + L], &z[group..group + WIDE]);
                for c in 0..WIDE {
                    for l in 0..L {
                        held[c][l] = row[l].mul_add(z[c], held[c][l]);
                    }
                }
            }
            for c in 0..WIDE {
                sums[(group + c) * n + start..][..L].copy_from_slice(&held[c]);
            }
        }
    }
    for (column, sums) in sums.chunks_exact_mut(n).enumerate() {
        let done = if column < width / WIDE * WIDE { n / L * L } else { 0 };
        for (row, z) in block.chunks_exact(n).zip(weights.chunks_exact(width)) {
            for (sum, w) in sums[done..].iter_mut().zip(&row[done..]) {
                *sum = w.mul_add(z[column], *sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Element>(n: usize, rows: usize, width: usize, tolerance: f64) {
        let value = |k: usize| T::of(libm::sin(0.7 * k as f64));
        let block: Vec<T> = (0..rows * n).map(value).collect();
        let x: Vec<T> = (0..width * n).map(|k| value(3 * k + 1)).collect();
        let mut out = vec![T::zero(); rows * width];
        Packed::new(&x, n).forward(&block, &mut out);
        let mut sums = vec![T::one(); width * n];
        backward(&block, n, &out, &mut sums);
        for row in 0..rows {
            for column in 0..width {
                let want: f64 =
                    (0..n).map(|b| block[row * n + b].f64() * x[column * n + b].f64()).sum();
                assert!((out[row * width + column].f64() - want).abs() < tolerance * n as f64);
            }
        }
        for column in 0..width {
            for b in 0..n {
                let terms =
                    (0..rows).map(|r| block[r * n + b].f64() * out[r * width + column].f64());
                let want = 1.0 + terms.sum::<f64>();
                let error = (sums[column * n + b].f64() - want).abs();
                assert!(error < tolerance * (rows * n) as f64);
            }
        }
    }

    #[test]
    fn products_of_rows_agree_with_sums() {
        for (n, rows, width) in [(5, 1, 1), (16, 2, 4), (37, 8, 9), (64, 7, 5), (1, 3, 2)] {
            check::<f64>(n, rows, width, 1e-14);
            check::<f32>(n, rows, width, 1e-5);
        }
    }
}
