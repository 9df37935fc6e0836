//! Means over independent tuples of positions.
//!
//! A mean over b, c, … of a function that does not factorise would cost n^r. Where positions are independent draws (the
//! particles of the infinite-width limit), n tuples (b_j, c_j, …) of different positions estimate the same mean: b runs
//! through all positions, c through a fixed permutation of them, shifted by an amount that depends on the kept
//! positions, so that errors at different positions are nearly independent and average out.

use super::Machine;
use super::store::Store;
use crate::codegen::jit::{Loops, Operands};
use crate::codegen::plan::{Leaf, SampleStep, Source};
use crate::codegen::simd::Lanes;
use rayon::prelude::*;

impl<T: Lanes> Machine<'_, T> {
    /// Runs a mean over tuples.
    pub(super) fn sample(&mut self, step: &SampleStep) {
        let (n, kept) = (self.n, step.kept);
        let orders: Vec<Vec<usize>> =
            (kept..step.order).map(|label| order(label - kept, n)).collect();
        let fixed =
            step.bound.streams.iter().map(|leaf| arranged(&self.store, leaf, kept, &orders));
        let fixed = fixed.collect();
        let count = n.pow(u32::try_from(kept).expect("there are few axes"));
        let sampler = Sampler { n, step, store: &self.store, loops: self.loops, orders, fixed };
        let means: Vec<f64> =
            (0..count).into_par_iter().with_min_len(8).map(|row| sampler.mean(row)).collect();
        let scale = n as f64 * self.mean_scale(step.node, 1);
        let entries = self.ir().shape(step.node).entries();
        if kept == 0 {
            self.store.put_static(step.node, step.entry, means[0] * scale);
        } else {
            let values = means.into_iter().map(|mean| T::of(mean * scale)).collect();
            self.store.put_columns(step.node, step.entry, entries, values);
        }
    }
}

/// What a row needs.
struct Sampler<'a, T> {
    n: usize,
    step: &'a SampleStep,
    store: &'a Store<'a, T>,
    loops: &'a Loops<T>,
    /// The order of positions of every moving label.
    orders: Vec<Vec<usize>>,
    /// Streams of one moving label, in its order.
    fixed: Vec<Option<Vec<T>>>,
}

/// A vector of one moving label in the order of that label.
fn arranged<T: Lanes>(
    store: &Store<T>,
    leaf: &Leaf,
    kept: usize,
    orders: &[Vec<usize>],
) -> Option<Vec<T>> {
    let [label] = leaf.labels[..] else { return None };
    let order = &orders[usize::from(label) - kept];
    let stream = store.stream(leaf, &[], label);
    Some(order.iter().map(|place| stream.as_slice()[*place]).collect())
}

impl<T: Lanes> Sampler<'_, T> {
    /// The mean at one tuple of kept positions.
    fn mean(&self, row: usize) -> f64 {
        let (n, step, kept) = (self.n, self.step, self.step.kept);
        let mut at = vec![0; step.order];
        let mut rest = row;
        for label in (0..kept).rev() {
            at[label] = rest % n;
            rest /= n;
        }
        let count = self.orders.len();
        let shifts: Vec<usize> = (0..count).map(|m| shift(m, count, row, n)).collect();
        let streams = step.bound.streams.iter().zip(&self.fixed).map(|(leaf, fixed)| match fixed {
            Some(values) => {
                let shift = shifts[usize::from(leaf.labels[0]) - kept];
                [&values[shift..], &values[..shift]].concat()
            }
            None => self.gathered(leaf, &mut at.clone(), &shifts),
        });
        let streams: Vec<Vec<T>> = streams.collect();
        let streams: Vec<&[T]> = streams.iter().map(Vec::as_slice).collect();
        let uniforms = step.bound.uniforms.iter().map(|leaf| T::of(self.store.number(leaf, &at)));
        let uniforms: Vec<T> = uniforms.collect();
        let mut sums = [0.0];
        let mut operands = Operands {
            streams: &streams,
            uniforms: &uniforms,
            outputs: &mut [],
            sums: &mut sums,
            len: n,
        };
        self.loops.run(step.bound.id, &mut operands, &mut Vec::new());
        sums[0] / n as f64
    }

    /// An array over several labels along the tuples.
    fn gathered(&self, leaf: &Leaf, at: &mut [usize], shifts: &[usize]) -> Vec<T> {
        let n = self.n;
        let Source::Stored { node, flat } = leaf.source else {
            unreachable!("means over tuples read stored values");
        };
        let values = self.store.columns(node);
        (0..n)
            .map(|j| {
                for (m, order) in self.orders.iter().enumerate() {
                    at[self.step.kept + m] = order[(j + shifts[m]) % n];
                }
                let labels = leaf.labels.iter();
                let place = labels.fold(flat, |place, label| place * n + at[usize::from(*label)]);
                values[place]
            })
            .collect()
    }
}

/// How far the m-th of `count` moving labels is shifted at a row: a different range for each.
fn shift(m: usize, count: usize, row: usize, n: usize) -> usize {
    let range = (n / count).max(1);
    if m == 0 { 0 } else { (m * range + row % range) % n }
}

/// The order of the m-th moving label: 0, 1, … for the first, a fixed permutation for each of the others.
fn order(m: usize, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(m as u64);
    for i in (1..if m == 0 { 0 } else { n }).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(i, (state >> 33) as usize % (i + 1));
    }
    order
}
