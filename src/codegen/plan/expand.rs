//! Writes a node's entry at fixed static indices as operations of a body.
//!
//! Static axes are written out: `Index`, `Slice`, `Stack` and `Pad` only choose indices, and a short static sum becomes
//! its terms. Width axes are *labels*, one per nested loop, the innermost last. A node is repeated down to values that
//! are stored; those are the leaves.

use super::level::{Class, Levels};
use crate::codegen::body::{BodyBuilder, Op, Slot};
use crate::codegen::{MatrixRef, initial_matrix};
use crate::ir::{Arg, Ir, Node, NodeId, Prim, ReduceOp};
use indexmap::IndexSet;
use std::collections::{BTreeMap, HashMap};

/// Sums of at least this many products of a row's number and a column's are not written out in a pass over pairs.
const FEW_TERMS: usize = 3;

/// A label: which of the nested loops.
pub(in crate::codegen) type Label = u8;

/// Where a leaf's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::codegen) enum Source {
    /// A number, by its bits.
    Number(u64),
    /// Entry `flat` (row-major over static axes) of a stored node.
    Stored { node: NodeId, flat: usize },
    /// The entries of an initial matrix.
    Matrix(MatrixRef),
    /// A sum of products that is computed by blocks, by its number.
    LowRank(usize),
}

/// An operand of a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::codegen) struct Leaf {
    pub(in crate::codegen) source: Source,
    /// The label of each of its width axes.
    pub(in crate::codegen) labels: Vec<Label>,
}

/// Σ_i u_i v_i: for every term a factor along the first label and one along the last.
pub(in crate::codegen) type LowRank = Vec<[Leaf; 2]>;

type Key = (NodeId, Vec<usize>, Vec<Label>);

/// Builds one body.
pub(super) struct Expander<'a> {
    ir: &'a Ir,
    levels: &'a Levels,
    /// The level of the loop: what is stored at a lower one is a leaf.
    level: usize,
    /// Labels from this one on move with the loop.
    inner: Label,
    pub(super) builder: BodyBuilder,
    leaves: IndexSet<Leaf>,
    known: HashMap<Key, Slot>,
    /// Sums of products that the loop reads, where it is a pass over pairs.
    low_rank: Option<IndexSet<LowRank>>,
    /// Whether x/√y is a call: quicker, but for what waits for memory anyway.
    pub(super) ratios: bool,
    /// Arrays whose memory an output of this body takes over, with the output's position.
    pub(super) in_place: BTreeMap<Source, u32>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(ir: &'a Ir, levels: &'a Levels, level: usize, inner: Label) -> Self {
        Self {
            ir,
            levels,
            level,
            inner,
            builder: BodyBuilder::default(),
            leaves: IndexSet::new(),
            known: HashMap::new(),
            low_rank: None,
            ratios: false,
            in_place: BTreeMap::new(),
        }
    }

    /// For the body of a pass over pairs of a row and a column.
    pub(super) fn of_pairs(ir: &'a Ir, levels: &'a Levels, level: usize) -> Self {
        Self { low_rank: Some(IndexSet::new()), ..Self::new(ir, levels, level, 1) }
    }

    /// A sum of products by its number.
    pub(super) fn low_rank(&self, number: usize) -> LowRank {
        let sums = self.low_rank.as_ref().expect("only passes over pairs have such sums");
        sums[number].clone()
    }

    /// The leaves by their numbers in the builder.
    pub(super) fn leaf(&self, number: u32) -> Leaf {
        self.leaves[number as usize].clone()
    }

    pub(super) fn number(&mut self, value: f64) -> Slot {
        self.leaf_slot(Leaf { source: Source::Number(value.to_bits()), labels: Vec::new() })
    }

    fn leaf_slot(&mut self, leaf: Leaf) -> Slot {
        let moves = leaf.labels.iter().any(|label| *label >= self.inner);
        let (number, _) = self.leaves.insert_full(leaf);
        let number = number as u32;
        self.builder.push(if moves { Op::Stream(number) } else { Op::Uniform(number) })
    }

    /// The entry of `node` at these static indices, its width axes running over these labels.
    pub(super) fn entry(&mut self, node: NodeId, at: &[usize], labels: &[Label]) -> Slot {
        let key = (node, at.to_vec(), labels.to_vec());
        if let Some(slot) = self.known.get(&key) {
            return *slot;
        }
        let slot = self.fresh(node, at, labels);
        self.known.insert(key, slot);
        slot
    }

    fn fresh(&mut self, node: NodeId, at: &[usize], labels: &[Label]) -> Slot {
        if let Some(value) = self.ir.constant_value(node) {
            return self.number(value);
        }
        if at.is_empty()
            && labels.len() == 2
            && let Some((matrix, transposed)) = initial_matrix(self.ir, node)
        {
            let labels = if transposed { vec![labels[1], labels[0]] } else { labels.to_vec() };
            return self.read(Source::Matrix(matrix), labels);
        }
        if is_stored(self.levels, node, self.level) {
            return self.stored(node, at, labels);
        }
        match self.ir.node(node) {
            Node::Map { op, args, .. } => self.map(*op, args, at, labels),
            Node::Reduce { op, arg, stat, .. } => self.contraction(*op, (*arg, stat), at, labels),
            Node::Index { arg, axis, at: place } => {
                let mut own = at.to_vec();
                own.insert(*axis, *place);
                self.entry(*arg, &own, labels)
            }
            Node::Slice { arg, axis, start, .. } => {
                let mut own = at.to_vec();
                own[*axis] += start;
                self.entry(*arg, &own, labels)
            }
            Node::Stack(args) => self.entry(args[at[0]], &at[1..], labels),
            Node::Pad { arg, axis, before, .. } => {
                let size = self.ir.shape(*arg).stat[*axis];
                if at[*axis] < *before || at[*axis] >= before + size {
                    return self.number(0.0);
                }
                let mut own = at.to_vec();
                own[*axis] -= before;
                self.entry(*arg, &own, labels)
            }
            Node::Const(_)
            | Node::Width(_)
            | Node::Data(_)
            | Node::Iota(_)
            | Node::Init(_)
            | Node::Param(_)
            | Node::MatMul { .. }
            | Node::Bind { .. } => self.stored(node, at, labels),
        }
    }

    fn map(&mut self, op: Prim, args: &[Arg], at: &[usize], labels: &[Label]) -> Slot {
        let mut slots = Vec::new();
        for arg in args {
            let own: Vec<usize> = arg.stat.iter().map(|axis| at[*axis]).collect();
            let labels: Vec<Label> = arg.width.iter().map(|axis| labels[*axis]).collect();
            slots.push(self.entry(arg.node, &own, &labels));
        }
        if op == Prim::Div
            && self.ratios
            && !self.builder.is_fixed(slots[0])
            && !self.builder.is_fixed(slots[1])
            && let Op::Prim(Prim::Sqrt, [y, ..]) = self.builder.op(slots[1])
        {
            let op = self.soft_sign(slots[0], y).unwrap_or(Op::Ratio([slots[0], y]));
            return self.builder.push(op);
        }
        if op == Prim::Div && self.inner > 0 && self.builder.is_fixed(slots[1]) {
            // one division for a whole row
            let one = self.number(1.0);
            let inverse = self.builder.prim(Prim::Div, &[one, slots[1]]);
            return self.builder.prim(Prim::Mul, &[slots[0], inverse]);
        }
        self.builder.prim(op, &slots)
    }

    /// x/√y where y is x² plus a uniform.
    fn soft_sign(&self, x: Slot, y: Slot) -> Option<Op> {
        let Op::Prim(Prim::Add, [p, q, _]) = self.builder.op(y) else { return None };
        let is_square = |slot: Slot| match self.builder.op(slot) {
            Op::Prim(Prim::Mul, [a, b, _]) => a == x && b == x,
            Op::Prim(Prim::Pow(power), [a, ..]) => a == x && power == 2.into(),
            _ => false,
        };
        let is_uniform = |slot: Slot| matches!(self.builder.op(slot), Op::Uniform(_));
        match () {
            () if is_square(p) && is_uniform(q) => Some(Op::SoftSign([x, q])),
            () if is_square(q) && is_uniform(p) => Some(Op::SoftSign([x, p])),
            () => None,
        }
    }

    fn contraction(
        &mut self,
        op: ReduceOp,
        (arg, stat): (NodeId, &[usize]),
        at: &[usize],
        labels: &[Label],
    ) -> Slot {
        let terms = self.terms(arg, stat);
        let sum = self.sum(arg, &terms, stat, at, labels);
        let sum = self.by_blocks(sum, terms.len()).unwrap_or(sum);
        if op == ReduceOp::Sum {
            return sum;
        }
        let count = self.number(terms.len() as f64);
        self.builder.prim(Prim::Div, &[sum, count])
    }

    /// A sum that was written out, as a stream where it is Σ_i u_i(a) v_i(b) with enough terms.
    fn by_blocks(&mut self, mut sum: Slot, count: usize) -> Option<Slot> {
        self.low_rank.as_ref().filter(|_| count >= FEW_TERMS)?;
        let mut terms = LowRank::new();
        while let Op::Prim(Prim::Add, [rest, term, _]) = self.builder.op(sum) {
            terms.push(self.outer_product(term)?);
            sum = rest;
        }
        terms.push(self.outer_product(sum)?);
        terms.reverse();
        let sums = self.low_rank.as_mut().filter(|_| terms.len() == count)?;
        let source = Source::LowRank(sums.insert_full(terms).0);
        Some(self.leaf_slot(Leaf { source, labels: vec![0, 1] }))
    }

    /// The factors of u(a) v(b), that along the first label first.
    fn outer_product(&self, slot: Slot) -> Option<[Leaf; 2]> {
        let Op::Prim(Prim::Mul, [x, y, _]) = self.builder.op(slot) else { return None };
        let leaf = |slot: Slot| match self.builder.op(slot) {
            Op::Stream(k) | Op::Uniform(k) => Some(self.leaf(k)),
            Op::Old(_) | Op::Prim(..) | Op::Ratio(_) | Op::SoftSign(_) => None,
        };
        let (x, y) = (leaf(x)?, leaf(y)?);
        match (&x.labels[..], &y.labels[..]) {
            ([0], [1]) => Some([x, y]),
            ([1], [0]) => Some([y, x]),
            _ => None,
        }
    }

    /// All index tuples of some static axes of `arg`.
    pub(super) fn terms(&self, arg: NodeId, stat: &[usize]) -> Vec<Vec<usize>> {
        let sizes: Vec<usize> = stat.iter().map(|axis| self.ir.shape(arg).stat[*axis]).collect();
        tuples(&sizes)
    }

    /// The sum of some terms of a static contraction; `at` are the indices that stay.
    pub(super) fn sum(
        &mut self,
        arg: NodeId,
        terms: &[Vec<usize>],
        stat: &[usize],
        at: &[usize],
        labels: &[Label],
    ) -> Slot {
        let mut sum = None;
        for term in terms {
            let mut own = at.to_vec();
            for (axis, place) in stat.iter().zip(term) {
                own.insert(*axis, *place);
            }
            let value = self.entry(arg, &own, labels);
            sum = Some(match sum {
                Some(sum) => self.builder.prim(Prim::Add, &[sum, value]),
                None => value,
            });
        }
        match sum {
            Some(sum) => sum,
            None => self.number(0.0),
        }
    }

    /// The entry of a stored node.
    pub(super) fn stored(&mut self, node: NodeId, at: &[usize], labels: &[Label]) -> Slot {
        let sizes = &self.ir.shape(node).stat;
        let flat = at.iter().zip(sizes).fold(0, |flat, (i, size)| flat * size + i);
        self.read(Source::Stored { node, flat }, labels.to_vec())
    }

    fn read(&mut self, source: Source, labels: Vec<Label>) -> Slot {
        if let Some(output) = self.in_place.get(&source) {
            return self.builder.push(Op::Old(*output));
        }
        self.leaf_slot(Leaf { source, labels })
    }

    /// Whether an array is only read at the position of the loop itself.
    pub(super) fn read_in_place(&self, source: Source) -> bool {
        self.leaves.iter().all(|leaf| leaf.source != source || leaf.labels == [0, 1])
    }
}

/// Whether a loop at `level` reads a value instead of repeating it.
pub(super) fn is_stored(levels: &Levels, node: NodeId, level: usize) -> bool {
    match levels.class(node) {
        Class::Loop => levels.level(node) < level,
        Class::View => false,
        Class::Pair => levels.array[node.index()].is_some_and(|at| at < level),
        Class::Given
        | Class::Static
        | Class::LongSum
        | Class::Sum
        | Class::Apply
        | Class::FromPairs
        | Class::FromTuples => true,
    }
}

/// All index tuples of an array of these sizes, row-major.
pub(in crate::codegen) fn tuples(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for size in sizes {
        all = all
            .into_iter()
            .flat_map(|head| {
                (0..*size).map(move |i| {
                    let mut longer = head.clone();
                    longer.push(i);
                    longer
                })
            })
            .collect();
    }
    all
}
