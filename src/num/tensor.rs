//! Dense row-major arrays, walked index by index: for the interpreter and other places where clarity comes first.

/// Sizes and values, the last axis fastest.
#[derive(Clone, Debug)]
pub struct Tensor<V> {
    /// The size of each axis.
    pub sizes: Vec<usize>,
    /// As many as the product of the sizes.
    pub values: Vec<V>,
}

impl<V: Copy> Tensor<V> {
    /// An array of these sizes.
    pub fn new(sizes: Vec<usize>, values: Vec<V>) -> Self {
        debug_assert_eq!(sizes.iter().product::<usize>(), values.len());
        Self { sizes, values }
    }

    /// How far one moves in the values per step of each of `rank` other axes, when this tensor's axes lie on `axes`
    /// of them. Two of its axes on one give a diagonal, none a broadcast.
    pub fn strides_on(&self, axes: &[usize], rank: usize) -> Vec<usize> {
        let mut strides = vec![0; rank];
        let mut stride = 1;
        for (axis, size) in axes.iter().zip(&self.sizes).rev() {
            strides[*axis] += stride;
            stride *= size;
        }
        strides
    }

    /// Entries `start..end` along an axis.
    pub fn slice(&self, axis: usize, start: usize, end: usize) -> Self {
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
    pub fn pad(&self, axis: usize, before: usize, after: usize, fill: V) -> Self {
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

    /// Folds over some axes: `fold` is given the entries that become one, in row-major order.
    pub fn fold<R>(&self, axes: &[usize], mut fold: impl FnMut(&[V]) -> R) -> Tensor<R> {
        let kept: Vec<usize> = (0..self.sizes.len()).filter(|axis| !axes.contains(axis)).collect();
        let size_of = |axes: &[usize]| axes.iter().map(|a| self.sizes[*a]).collect::<Vec<_>>();
        let own: Vec<usize> = (0..self.sizes.len()).collect();
        let strides = self.strides_on(&own, self.sizes.len());
        let strides_of = |axes: &[usize]| axes.iter().map(|a| strides[*a]).collect::<Vec<_>>();
        let (outer, inner) = (size_of(&kept), size_of(axes));
        let (steps, inner_steps) = (strides_of(&kept), strides_of(axes));
        let mut values = Vec::with_capacity(outer.iter().product());
        let mut terms = Vec::with_capacity(inner.iter().product());
        for_each_index(&outer, |at| {
            let base = place(at, &steps);
            terms.clear();
            for_each_index(&inner, |j| terms.push(self.values[base + place(j, &inner_steps)]));
            values.push(fold(&terms));
        });
        Tensor { sizes: outer, values }
    }
}

/// Where the entry of an index lies.
pub fn place(at: &[usize], strides: &[usize]) -> usize {
    at.iter().zip(strides).map(|(i, stride)| i * stride).sum()
}

/// Calls `f` with every index of an array of these sizes, the last axis fastest.
pub fn for_each_index(sizes: &[usize], mut f: impl FnMut(&[usize])) {
    for_each_place(sizes, &[], |at, _| f(at));
}

/// Calls `f` with every index of an array of these sizes, the last axis fastest, and where it lies in arrays with these strides.
pub fn for_each_place(
    sizes: &[usize],
    strides: &[Vec<usize>],
    mut f: impl FnMut(&[usize], &[usize]),
) {
    let mut at = vec![0; sizes.len()];
    let mut places = vec![0; strides.len()];
    for _ in 0..sizes.iter().product::<usize>() {
        f(&at, &places);
        for axis in (0..sizes.len()).rev() {
            at[axis] += 1;
            places.iter_mut().zip(strides).for_each(|(place, strides)| *place += strides[axis]);
            if at[axis] < sizes[axis] {
                break;
            }
            at[axis] = 0;
            let back = |strides: &Vec<usize>| strides[axis] * sizes[axis];
            places.iter_mut().zip(strides).for_each(|(place, strides)| *place -= back(strides));
        }
    }
}
