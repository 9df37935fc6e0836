//! Dense row-major arrays of numbers of the interpreter.

use super::number::Arithmetic;

/// Sizes and values, the last axis fastest.
#[derive(Clone)]
pub(in crate::codegen) struct Tensor<V> {
    pub(in crate::codegen) sizes: Vec<usize>,
    pub(in crate::codegen) values: Vec<V>,
}

impl<V: Copy> Tensor<V> {
    pub(in crate::codegen) fn new(sizes: Vec<usize>, values: Vec<V>) -> Self {
        debug_assert_eq!(sizes.iter().product::<usize>(), values.len());
        Self { sizes, values }
    }

    /// How far one moves in the values per step of each of `rank` other axes, when this tensor's axes lie on `axes`
    /// of them. Two of its axes on one give a diagonal, none a broadcast.
    pub(in crate::codegen) fn strides_on(&self, axes: &[usize], rank: usize) -> Vec<usize> {
        let mut strides = vec![0; rank];
        let mut stride = 1;
        for (axis, size) in axes.iter().zip(&self.sizes).rev() {
            strides[*axis] += stride;
            stride *= size;
        }
        strides
    }

    /// Entries `start..end` along an axis.
    pub(in crate::codegen) fn slice(&self, axis: usize, start: usize, end: usize) -> Self {
        let inner: usize = self.sizes[axis + 1..].iter().product();
        let size = self.sizes[axis];
        let rows = self.values.chunks((size * inner).max(1));
        let values = rows.flat_map(|row| row[start * inner..end * inner].iter().copied());
        let values = values.collect();
        let mut sizes = self.sizes.clone();
        sizes[axis] = end - start;
        Self::new(sizes, values)
    }

    /// `fill` before and after along an axis.
    pub(in crate::codegen) fn pad(
        &self,
        axis: usize,
        before: usize,
        after: usize,
        fill: V,
    ) -> Self {
        let inner: usize = self.sizes[axis + 1..].iter().product();
        let mut values = Vec::new();
        for row in self.values.chunks((self.sizes[axis] * inner).max(1)) {
            values.extend(std::iter::repeat_n(fill, before * inner));
            values.extend_from_slice(row);
            values.extend(std::iter::repeat_n(fill, after * inner));
        }
        let mut sizes = self.sizes.clone();
        sizes[axis] += before + after;
        Self::new(sizes, values)
    }

    /// Sums over some axes, in row-major order.
    pub(in crate::codegen) fn sum<A: Arithmetic<Number = V>>(
        &self,
        axes: &[usize],
        arithmetic: &A,
    ) -> Self {
        let kept: Vec<usize> = (0..self.sizes.len()).filter(|axis| !axes.contains(axis)).collect();
        let size_of = |axes: &[usize]| axes.iter().map(|a| self.sizes[*a]).collect::<Vec<_>>();
        let own: Vec<usize> = (0..self.sizes.len()).collect();
        let strides = self.strides_on(&own, self.sizes.len());
        let place = |axes: &[usize], at: &[usize]| -> usize {
            axes.iter().zip(at).map(|(axis, i)| strides[*axis] * i).sum()
        };
        let (outer, inner) = (size_of(&kept), size_of(axes));
        let mut values = Vec::with_capacity(outer.iter().product());
        for_each_index(&outer, |at| {
            let base = place(&kept, at);
            let mut terms = Vec::with_capacity(inner.iter().product());
            for_each_index(&inner, |j| terms.push(self.values[base + place(axes, j)]));
            values.push(arithmetic.sum(terms.into_iter()));
        });
        Self::new(outer, values)
    }
}

/// Calls `f` with every index of an array of these sizes, the last axis fastest.
pub(in crate::codegen) fn for_each_index(sizes: &[usize], mut f: impl FnMut(&[usize])) {
    let mut at = vec![0; sizes.len()];
    for _ in 0..sizes.iter().product::<usize>() {
        f(&at);
        for axis in (0..sizes.len()).rev() {
            at[axis] += 1;
            if at[axis] < sizes[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
}
