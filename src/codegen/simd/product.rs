//! Kernels of products of a few columns with blocks of rows.
//!
//! Columns lie in panels: for each group of lanes along β, the lanes of every column, so that a pass reads one stream
//! whatever the power of two that n is. Every sum has one order, that of the matrix, however rows and columns are
//! grouped: lanes along β for W x, rows ascending for Wᵀ x.

use crate::codegen::element::Element;

/// Bytes of panels that a pass over some rows keeps in the first-level cache.
const CHUNK: usize = 16 << 10;

/// Columns from `start` on of rows of length `n`.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// The length of a row.
    pub n: usize,
    /// The first column.
    pub start: usize,
}

/// `f32` or `f64` with the lanes of a vector of 256 bits.
pub trait Lanes: Element {
    /// Numbers per vector.
    const LANES: usize;
    /// See [`super::multiply_rows`].
    fn multiply_rows(rows: &[Self], n: usize, panels: &[Self], out: &mut [Self]);
    /// See [`super::multiply_transposed`].
    fn multiply_transposed(rows: &[Self], cut: Cut, x: &[Self], panels: &mut [Self]);
    /// See [`super::multiply_outer`].
    fn multiply_outer(u: &[Self], k: usize, panels: &[Self], stride: usize, out: &mut [Self]);
}

macro_rules! lanes {
    ($t:ident, $lanes:literal) => {
        impl Lanes for $t {
            const LANES: usize = $lanes;
            #[inline(always)]
            fn multiply_rows(rows: &[$t], n: usize, panels: &[$t], out: &mut [$t]) {
                forward::<$t, $lanes>(rows, n, panels, out);
            }
            #[inline(always)]
            fn multiply_transposed(rows: &[$t], cut: Cut, x: &[$t], panels: &mut [$t]) {
                backward::<$t, $lanes>(rows, cut, x, panels);
            }
            #[inline(always)]
            fn multiply_outer(u: &[$t], k: usize, panels: &[$t], stride: usize, out: &mut [$t]) {
                outer::<$t, $lanes>(u, k, panels, stride, out);
            }
        }
    };
}
lanes!(f32, 8);
lanes!(f64, 4);

/// A row in vectors; the last one may be padded with zeros.
struct Row<'a, T, const L: usize> {
    whole: &'a [[T; L]],
    rest: [T; L],
}

impl<'a, T: Element, const L: usize> Row<'a, T, L> {
    #[inline(always)]
    fn new(row: &'a [T]) -> Self {
        let (whole, tail) = row.as_chunks::<L>();
        let mut rest = [T::zero(); L];
        rest[..tail.len()].copy_from_slice(tail);
        Self { whole, rest }
    }
}

/// Rows of the next group: as many as fit.
#[inline(always)]
fn group(left: usize, sizes: &[usize]) -> usize {
    *sizes.iter().find(|size| **size <= left).unwrap_or(&1)
}

#[inline(always)]
fn forward<T: Element, const L: usize>(rows: &[T], n: usize, panels: &[T], out: &mut [T]) {
    let k = panels.len() / n.next_multiple_of(L);
    let count = rows.len() / n;
    let panels = panels.as_chunks::<L>().0;
    let mut sums = vec![[T::zero(); L]; count * k];
    let step = (CHUNK / size_of::<[T; L]>() / k).max(1);
    for start in (0..n / L).step_by(step) {
        let range = start..(n / L).min(start + step);
        let x = &panels[range.start * k..range.end * k];
        let mut row = 0;
        while row < count {
            let size = group(count - row, &[2, 1]);
            let mut column = 0;
            while column < k {
                let width = group(k - column, &[4, 3, 2, 1]);
                let place = Place { n, k, row, column };
                let sums = &mut sums[..];
                match (size, width) {
                    (2, 4) => dots::<T, L, 2, 4>(rows, &place, range.clone(), x, sums),
                    (2, 3) => dots::<T, L, 2, 3>(rows, &place, range.clone(), x, sums),
                    (2, 2) => dots::<T, L, 2, 2>(rows, &place, range.clone(), x, sums),
                    (2, 1) => dots::<T, L, 2, 1>(rows, &place, range.clone(), x, sums),
                    (1, 4) => dots::<T, L, 1, 4>(rows, &place, range.clone(), x, sums),
                    (1, 3) => dots::<T, L, 1, 3>(rows, &place, range.clone(), x, sums),
                    (1, 2) => dots::<T, L, 1, 2>(rows, &place, range.clone(), x, sums),
                    (_, _) => dots::<T, L, 1, 1>(rows, &place, range.clone(), x, sums),
                }
                column += width;
            }
            row += size;
        }
    }
    for (row, (sums, out)) in sums.chunks_exact(k).zip(out.chunks_exact_mut(k)).enumerate() {
        let rest = Row::<T, L>::new(&rows[row * n..][..n]).rest;
        for (column, (sum, out)) in sums.iter().zip(out).enumerate() {
            let mut sum = *sum;
            if !n.is_multiple_of(L) {
                add_product(&mut sum, &rest, &panels[n / L * k + column]);
            }
            *out = total(&sum);
        }
    }
}

/// Which rows and columns a kernel works on.
struct Place {
    n: usize,
    k: usize,
    row: usize,
    column: usize,
}

#[inline(always)]
fn add_product<T: Element, const L: usize>(sum: &mut [T; L], x: &[T; L], y: &[T; L]) {
    for l in 0..L {
        sum[l] = x[l].mul_add(y[l], sum[l]);
    }
}

/// The sum of the lanes, halves first.
#[inline(always)]
fn total<T: Element, const L: usize>(lanes: &[T; L]) -> T {
    let mut lanes = *lanes;
    let mut half = L / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Adds R × C scalar products over some vectors of β.
#[inline(always)]
fn dots<T: Element, const L: usize, const R: usize, const C: usize>(
    rows: &[T],
    place: &Place,
    range: std::ops::Range<usize>,
    x: &[[T; L]],
    sums: &mut [[T; L]],
) {
    let Place { n, k, row, column } = *place;
    let rows: [&[[T; L]]; R] = std::array::from_fn(|r| {
        &Row::<T, L>::new(&rows[(row + r) * n..][..n]).whole[range.clone()]
    });
    let mut acc = [[[T::zero(); L]; C]; R];
    for r in 0..R {
        for c in 0..C {
            acc[r][c] = sums[(row + r) * k + column + c];
        }
    }
    for (p, x) in x.chunks_exact(k).enumerate() {
        let x: &[[T; L]; C] = x[column..].first_chunk().expect("columns are inside the panel");
        for r in 0..R {
            let w = &rows[r][p];
            for c in 0..C {
                add_product(&mut acc[r][c], w, &x[c]);
            }
        }
    }
    for r in 0..R {
        for c in 0..C {
            sums[(row + r) * k + column + c] = acc[r][c];
        }
    }
}

#[inline(always)]
fn backward<T: Element, const L: usize>(rows: &[T], cut: Cut, x: &[T], panels: &mut [T]) {
    let Cut { n, start: first } = cut;
    let count = rows.len() / n;
    let k = x.len() / count;
    let panels = panels.as_chunks_mut::<L>().0;
    let total = panels.len() / k;
    let end = n.min(first + total * L);
    let lines: Vec<Row<T, L>> =
        rows.chunks_exact(n).map(|row| Row::new(&row[first..end])).collect();
    let step = (CHUNK / size_of::<[T; L]>() / k).max(1);
    for start in (0..total).step_by(step) {
        let range = start..total.min(start + step);
        let y = &mut panels[range.start * k..range.end * k];
        let mut row = 0;
        while row < count {
            let size = group(count - row, &[4, 1]);
            let mut column = 0;
            while column < k {
                let width = group(k - column, &[8, 4, 2, 1]);
                let place = Place { n, k, row, column };
                let y = &mut y[..];
                match (size, width) {
                    (4, 8) => spread::<T, L, 4, 8>(&lines, &place, range.clone(), x, y),
                    (4, 4) => spread::<T, L, 4, 4>(&lines, &place, range.clone(), x, y),
                    (4, 2) => spread::<T, L, 4, 2>(&lines, &place, range.clone(), x, y),
                    (4, 1) => spread::<T, L, 4, 1>(&lines, &place, range.clone(), x, y),
                    (_, 8) => spread::<T, L, 1, 8>(&lines, &place, range.clone(), x, y),
                    (_, 4) => spread::<T, L, 1, 4>(&lines, &place, range.clone(), x, y),
                    (_, 2) => spread::<T, L, 1, 2>(&lines, &place, range.clone(), x, y),
                    (_, _) => spread::<T, L, 1, 1>(&lines, &place, range.clone(), x, y),
                }
                column += width;
            }
            row += size;
        }
    }
}

/// Adds R rows times C numbers each to C columns over some vectors of β.
#[inline(always)]
fn spread<T: Element, const L: usize, const R: usize, const C: usize>(
    lines: &[Row<T, L>],
    place: &Place,
    range: std::ops::Range<usize>,
    x: &[T],
    y: &mut [[T; L]],
) {
    let Place { k, row, column, .. } = *place;
    let factors: [[T; R]; C] =
        std::array::from_fn(|c| std::array::from_fn(|r| x[(row + r) * k + column + c]));
    let lines = &lines[row..row + R];
    let whole = range.start..range.end.min(lines[0].whole.len());
    let inside: [&[[T; L]]; R] = std::array::from_fn(|r| &lines[r].whole[whole.clone()]);
    let (body, tail) = y.split_at_mut(whole.len() * k);
    for (p, y) in body.chunks_exact_mut(k).enumerate() {
        let w: [&[T; L]; R] = std::array::from_fn(|r| &inside[r][p]);
        add_rows(&w, &factors, &mut y[column..]);
    }
    if !tail.is_empty() {
        let w: [&[T; L]; R] = std::array::from_fn(|r| &lines[r].rest);
        add_rows(&w, &factors, &mut tail[column..]);
    }
}

#[inline(always)]
fn add_rows<T: Element, const L: usize, const R: usize, const C: usize>(
    w: &[&[T; L]; R],
    factors: &[[T; R]; C],
    y: &mut [[T; L]],
) {
    let y: &mut [[T; L]; C] = y.first_chunk_mut().expect("columns are inside the panel");
    for c in 0..C {
        let mut acc = y[c];
        for r in 0..R {
            for l in 0..L {
                acc[l] = w[r][l].mul_add(factors[c][r], acc[l]);
            }
        }
        y[c] = acc;
    }
}

#[inline(always)]
fn outer<T: Element, const L: usize>(
    u: &[T],
    k: usize,
    panels: &[T],
    stride: usize,
    out: &mut [T],
) {
    let panels = panels.as_chunks::<L>().0;
    for (u, out) in u.chunks(4 * k).zip(out.chunks_mut(4 * stride)) {
        match u.len() / k {
            4 => sums::<T, L, 4>(u, k, panels, stride, out),
            3 => sums::<T, L, 3>(u, k, panels, stride, out),
            2 => sums::<T, L, 2>(u, k, panels, stride, out),
            _ => sums::<T, L, 1>(u, k, panels, stride, out),
        }
    }
}

/// Writes R rows of an outer product, two vectors at a time.
#[inline(always)]
fn sums<T: Element, const L: usize, const R: usize>(
    u: &[T],
    k: usize,
    panels: &[[T; L]],
    stride: usize,
    out: &mut [T],
) {
    let mut by_term = vec![[T::zero(); R]; k];
    for (r, u) in u.chunks_exact(k).enumerate() {
        by_term.iter_mut().zip(u).for_each(|(terms, u)| terms[r] = *u);
    }
    let mut rows = out.chunks_mut(stride);
    let mut rows: [_; R] = std::array::from_fn(|_| {
        rows.next().map(|row| row.as_chunks_mut::<L>().0).unwrap_or_default().iter_mut()
    });
    for v in panels.chunks(2 * k) {
        let (first, second) = v.split_at(k);
        let mut acc = [[[T::zero(); L]; R]; 2];
        if second.is_empty() {
            for (u, x) in by_term.iter().zip(first) {
                add_outer(&mut acc[0], u, x);
            }
        } else {
            for ((u, x), y) in by_term.iter().zip(first).zip(second) {
                add_outer(&mut acc[0], u, x);
                add_outer(&mut acc[1], u, y);
            }
        }
        for (r, row) in rows.iter_mut().enumerate() {
            if let Some(place) = row.next() {
                *place = acc[0][r];
            }
            if !second.is_empty()
                && let Some(place) = row.next()
            {
                *place = acc[1][r];
            }
        }
    }
}

#[inline(always)]
fn add_outer<T: Element, const L: usize, const R: usize>(
    acc: &mut [[T; L]; R],
    u: &[T; R],
    v: &[T; L],
) {
    for r in 0..R {
        for l in 0..L {
            acc[r][l] = u[r].mul_add(v[l], acc[r][l]);
        }
    }
}
