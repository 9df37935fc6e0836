//! Where values wait between steps.

use crate::codegen::normal::Normal;
use crate::codegen::plan::{Bound, Leaf, NestOutput, NestStep, Source, Step};
use crate::codegen::simd::Lanes;
use crate::ir::{Ir, Node, NodeId};
use crate::num::tensor::Tensor;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Mutex;

/// Values by node. Memory of dead n × n arrays is kept for the next one.
pub(super) struct Store<'a, T> {
    n: usize,
    statics: HashMap<NodeId, Tensor<f64>>,
    columns: HashMap<NodeId, Vec<T>>,
    sizes: HashMap<NodeId, Vec<usize>>,
    spare: &'a Mutex<Vec<Vec<T>>>,
    /// Stored values with an entry that is not finite, in the order of their computation.
    bad: Vec<NodeId>,
}

impl<'a, T: Lanes> Store<'a, T> {
    pub(super) fn new(ir: &Ir, n: usize, spare: &'a Mutex<Vec<Vec<T>>>) -> Self {
        let sizes = ir.ids().map(|id| (id, ir.shape(id).stat.clone())).collect();
        Self { n, statics: HashMap::new(), columns: HashMap::new(), sizes, spare, bad: Vec::new() }
    }

    pub(super) fn set_tensor(&mut self, id: NodeId, value: Tensor<f64>) {
        if value.values.iter().any(|x| !x.is_finite()) {
            self.bad.push(id);
        }
        self.statics.insert(id, value);
    }

    pub(super) fn set_static(&mut self, id: NodeId, values: Vec<f64>) {
        let sizes = self.sizes[&id].clone();
        self.set_tensor(id, Tensor::new(sizes, values));
    }

    pub(super) fn set_columns(&mut self, id: NodeId, values: Vec<T>) {
        let square = self.n.saturating_mul(self.n);
        // arrays over pairs are judged by what is made of them
        if values.len() < square && values.iter().any(|x| !x.is_finite()) {
            self.bad.push(id);
        }
        self.columns.insert(id, values);
    }

    /// One static entry of a value without width axes.
    pub(super) fn put_static(&mut self, id: NodeId, entry: usize, value: f64) {
        let sizes = &self.sizes[&id];
        let count = sizes.iter().product();
        let empty = || Tensor::new(sizes.clone(), vec![0.0; count]);
        self.statics.entry(id).or_insert_with(empty).values[entry] = value;
        if !value.is_finite() {
            self.bad.push(id);
        }
    }

    /// The columns of one static entry.
    pub(super) fn put_columns(&mut self, id: NodeId, entry: usize, entries: usize, own: Vec<T>) {
        if own.iter().any(|x| !x.is_finite()) {
            self.bad.push(id);
        }
        let size = own.len();
        let all = self.columns.entry(id).or_insert_with(|| vec![T::zero(); size * entries]);
        all[entry * size..][..size].copy_from_slice(&own);
    }

    pub(super) fn tensor(&self, id: NodeId) -> &Tensor<f64> {
        self.statics.get(&id).expect("a static value is computed before it is read")
    }

    pub(super) fn columns(&self, id: NodeId) -> &[T] {
        self.columns.get(&id).expect("columns are computed before they are read")
    }

    /// Takes a value out, to be written over.
    pub(super) fn take(&mut self, id: NodeId) -> Option<Vec<T>> {
        self.columns.remove(&id)
    }

    /// Zeros or memory of a dead n × n array with whatever is in it.
    pub(super) fn square(&mut self) -> Vec<T> {
        let known = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        known.unwrap_or_else(|| vec![T::zero(); self.n * self.n])
    }

    /// Keeps the memory of an n × n array.
    fn keep(&self, values: Vec<T>) {
        if self.n > 1
            && values.len() == self.n * self.n
            && let Ok(mut spare) = self.spare.lock()
        {
            spare.push(values);
        }
    }

    /// The number at a position of every label.
    pub(super) fn number(&self, leaf: &Leaf, at: &[usize]) -> f64 {
        match leaf.source {
            Source::Number(bits) => f64::from_bits(bits),
            Source::Stored { node, flat } if leaf.labels.is_empty() => {
                self.tensor(node).values[flat]
            }
            Source::Stored { node, flat } => {
                self.columns(node)[self.place(flat, &leaf.labels, at)].f64()
            }
            Source::Matrix(_) | Source::LowRank(_) => unreachable!("these are read by rows"),
        }
    }

    fn place(&self, flat: usize, labels: &[u8], at: &[usize]) -> usize {
        labels.iter().fold(flat, |place, label| place * self.n + at[usize::from(*label)])
    }

    /// The stream of a leaf along the last label: in place where it is contiguous.
    pub(super) fn stream(&self, leaf: &Leaf, at: &[usize], inner: u8) -> Stream<'_, T> {
        let Source::Stored { node, flat } = leaf.source else {
            unreachable!("streams are stored values");
        };
        self.stream_of(self.columns(node), flat, &leaf.labels, (at, inner))
    }

    /// The stream of an array.
    pub(super) fn stream_of<'b>(
        &self,
        values: &'b [T],
        flat: usize,
        labels: &[u8],
        (at, inner): (&[usize], u8),
    ) -> Stream<'b, T> {
        let (outer, last) = labels.split_at(labels.len() - 1);
        if last == [inner] && !outer.contains(&inner) {
            let start = self.place(flat, outer, at) * self.n;
            return Stream::Slice(&values[start..start + self.n]);
        }
        let mut at = at.to_vec();
        at.resize(usize::from(inner) + 1, 0);
        let element = |i: usize| {
            at[usize::from(inner)] = i;
            values[self.place(flat, labels, &at)]
        };
        Stream::Gathered((0..self.n).map(element).collect())
    }

    /// Frees what no later step reads.
    pub(super) fn release(&mut self, last: &[NodeId], roots: &[NodeId]) {
        for id in last.iter().filter(|id| !roots.contains(id)) {
            self.statics.remove(id);
            if let Some(values) = self.columns.remove(id) {
                self.keep(values);
            }
        }
    }

    /// The first value below `root` that was not finite.
    pub(super) fn culprit(&self, ir: &Ir, root: NodeId) -> NodeId {
        let below: HashSet<NodeId> = ir.reachable(&[root]).into_iter().collect();
        self.bad.iter().copied().find(|id| below.contains(id)).unwrap_or(root)
    }
}

/// Elements along the innermost label.
pub(super) enum Stream<'a, T> {
    Slice(&'a [T]),
    Gathered(Vec<T>),
}

impl<'a, T> Stream<'a, T> {
    /// Some of the elements.
    pub(super) fn cut(self, elements: &Range<usize>) -> Self {
        match self {
            Self::Slice(slice) => Self::Slice(&slice[elements.clone()]),
            Self::Gathered(mut values) => {
                values.truncate(elements.end);
                Self::Gathered(values.split_off(elements.start))
            }
        }
    }

    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::Slice(slice) => slice,
            Self::Gathered(values) => values,
        }
    }
}

/// For every step, the values that are read there for the last time.
pub(super) fn last_reads(normal: &Normal, steps: &[Step]) -> Vec<Vec<NodeId>> {
    let mut last: BTreeMap<NodeId, usize> = BTreeMap::new();
    for (position, step) in steps.iter().enumerate() {
        for id in reads(normal, step).into_iter().chain(writes(step)) {
            last.insert(id, position);
        }
    }
    let mut by_step = vec![Vec::new(); steps.len()];
    for (id, position) in last {
        by_step[position].push(id);
    }
    by_step
}

pub(super) fn writes(step: &Step) -> Vec<NodeId> {
    match step {
        Step::Static(nodes) => nodes.clone(),
        Step::Loop(step) => step.outputs.iter().chain(&step.sums).copied().collect(),
        Step::Apply { products, .. } => products.clone(),
        Step::Nest(step) => nest_writes(step),
        Step::Sample(step) => vec![step.node],
    }
}

fn nest_writes(step: &NestStep) -> Vec<NodeId> {
    let mut nodes: Vec<NodeId> = step.sums.iter().map(|sum| sum.node).collect();
    nodes.extend(step.products.iter().map(|product| product.node));
    nodes.extend(step.outputs.iter().filter_map(|output| match output {
        NestOutput::Array { node, .. } | NestOutput::Columns { node, .. } => Some(*node),
        NestOutput::Tile { .. } => None,
    }));
    nodes
}

fn reads(normal: &Normal, step: &Step) -> Vec<NodeId> {
    let of_bound = |bound: &Bound| -> Vec<NodeId> {
        let leaves = bound.streams.iter().chain(&bound.uniforms);
        leaves
            .chain(bound.low_rank.iter().flatten().flatten())
            .filter_map(|leaf| match leaf.source {
                Source::Stored { node, .. } => Some(node),
                Source::Number(_) | Source::Matrix(_) | Source::LowRank(_) => None,
            })
            .collect()
    };
    let children = |nodes: &[NodeId]| {
        let mut all = Vec::new();
        nodes.iter().for_each(|id| normal.ir.node(*id).children(|child| all.push(child)));
        all
    };
    match step {
        Step::Static(nodes) => children(nodes),
        Step::Loop(step) => step.entries.iter().flatten().flat_map(of_bound).collect(),
        Step::Apply { products, .. } => products
            .iter()
            .filter_map(|id| match normal.ir.node(*id) {
                Node::MatMul { arg, .. } => Some(*arg),
                _ => None,
            })
            .collect(),
        Step::Sample(step) => of_bound(&step.bound),
        Step::Nest(step) => {
            let products = step.products.iter().flat_map(|product| [product.mat, product.arg]);
            let taken = step.outputs.iter().filter_map(|output| match output {
                NestOutput::Array { from: Some(Source::Stored { node, .. }), .. } => Some(*node),
                NestOutput::Array { .. } | NestOutput::Tile { .. } | NestOutput::Columns { .. } => {
                    None
                }
            });
            step.bound.iter().flat_map(of_bound).chain(products).chain(taken).collect()
        }
    }
}
