//! Adjoints with labelled axes: the bookkeeping of seed axes, own axes and diagonals.

use super::Placement;
use crate::ir::{Arg, Ir, NodeId, Prim, ReduceOp, Shape};
use ndarray::Array2;

/// What a static axis of an adjoint stands for: a seed axis, an own axis, or the diagonal of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) seed: Option<usize>,
    pub(super) own: Option<usize>,
}

impl Label {
    pub(super) fn own(axis: usize) -> Self {
        Self { seed: None, own: Some(axis) }
    }

    fn seed(axis: usize) -> Self {
        Self { seed: Some(axis), own: None }
    }
}

/// ∂s/∂v for a node v: a value whose static axes are labelled and whose width axes are those of v named in `width`.
/// It is constant along seed axes, own axes and width axes that it lacks.
#[derive(Clone, Debug)]
pub(super) struct Adjoint {
    pub(super) node: NodeId,
    pub(super) labels: Vec<Label>,
    pub(super) width: Vec<usize>,
}

impl Adjoint {
    /// ∂s/∂s: the identity, all axes on the diagonal.
    pub(super) fn seed(ir: &mut Ir, scalar: NodeId) -> Self {
        let shape = ir.shape(scalar).clone();
        let labels = (0..shape.stat.len()).map(|k| Label { seed: Some(k), own: Some(k) }).collect();
        Self { node: ir.filled(1.0, shape), labels, width: Vec::new() }
    }

    /// Combines with a value over the own axes of the same node (its static axes are own axes in order).
    pub(super) fn times(&self, ir: &mut Ir, op: Prim, value: NodeId) -> Self {
        let arg = ir.through_copies(ir.whole(value));
        let labels = arg.stat.iter().map(|axis| Label::own(*axis)).collect();
        let other = Self { node: arg.node, labels, width: arg.width };
        self.combined(ir, op, &other)
    }

    /// Combines entrywise with another adjoint-like value; axes meet where they share an own or a seed axis.
    pub(super) fn combined(&self, ir: &mut Ir, op: Prim, other: &Self) -> Self {
        let mut labels = self.labels.clone();
        let place = |labels: &mut Vec<Label>, label: &Label| {
            let same = |known: &Label| {
                (label.own.is_some() && known.own == label.own)
                    || (label.seed.is_some() && known.seed == label.seed)
            };
            labels.iter().position(same).unwrap_or_else(|| {
                labels.push(*label);
                labels.len() - 1
            })
        };
        let stat: Vec<usize> = other.labels.iter().map(|label| place(&mut labels, label)).collect();
        let mut width = self.width.clone();
        width.extend(other.width.iter().filter(|axis| !self.width.contains(axis)));
        width.sort_unstable();
        let position =
            |axis: &usize| width.iter().position(|w| w == axis).expect("collected above");
        let left = Arg {
            node: self.node,
            stat: (0..self.labels.len()).collect(),
            width: self.width.iter().map(position).collect(),
        };
        let right =
            Arg { node: other.node, stat, width: other.width.iter().map(position).collect() };
        let mut sizes = ir.shape(self.node).stat.clone();
        sizes.resize(labels.len(), 0);
        for (axis, size) in right.stat.iter().zip(&ir.shape(other.node).stat) {
            sizes[*axis] = *size;
        }
        let node = ir.map(op, Shape::new(sizes, width.len()), vec![left, right]);
        Self { node, labels, width }
    }

    /// The sum of two adjoints of one node.
    pub(super) fn plus(mut self, ir: &mut Ir, mut other: Self) -> Self {
        let mixed = |a: &Self, b: &Self| {
            a.labels
                .iter()
                .position(|l| l.seed.is_some() && l.own.is_some() && !b.labels.contains(l))
        };
        while let Some(axis) = mixed(&self, &other) {
            self = self.separated(ir, axis);
        }
        while let Some(axis) = mixed(&other, &self) {
            other = other.separated(ir, axis);
        }
        self.combined(ir, Prim::Add, &other)
    }

    /// Spells out the delta of a diagonal axis: two axes and a mask.
    fn separated(mut self, ir: &mut Ir, axis: usize) -> Self {
        let size = ir.shape(self.node).stat[axis];
        let Label { seed: Some(seed), own: Some(own) } = self.labels[axis] else { return self };
        self.labels[axis] = Label::own(own);
        let mask = ir.data(Array2::<f64>::eye(size).into_dyn());
        let labels = vec![Label::seed(seed), Label::own(own)];
        self.combined(ir, Prim::Mul, &Self { node: mask, labels, width: Vec::new() })
    }

    /// The position of an own axis that is not on a diagonal; a diagonal is spelt out first.
    fn plain_axis(mut self, ir: &mut Ir, own: usize) -> (Self, Option<usize>) {
        let find = |this: &Self| this.labels.iter().position(|label| label.own == Some(own));
        if let Some(axis) = find(&self)
            && self.labels[axis].seed.is_some()
        {
            self = self.separated(ir, axis);
        }
        let axis = find(&self);
        (self, axis)
    }

    /// From the axes of an entrywise result (`shape`) to those of one operand: sums over axes the operand lacks.
    pub(super) fn pulled_back(mut self, ir: &mut Ir, arg: &Arg, shape: &Shape) -> Self {
        self = self.multiplied_by_missing(ir, arg, shape);
        let lacks = |label: &Label| label.own.is_some_and(|axis| !arg.stat.contains(&axis));
        let summed = |label: &Label| lacks(label) && label.seed.is_none();
        let stat: Vec<usize> =
            (0..self.labels.len()).filter(|i| summed(&self.labels[*i])).collect();
        let width: Vec<usize> =
            (0..self.width.len()).filter(|i| !arg.width.contains(&self.width[*i])).collect();
        self.node = ir.reduce(ReduceOp::Sum, self.node, stat, width);
        self.labels.retain(|label| !summed(label));
        self.width.retain(|axis| arg.width.contains(axis));
        let width_of =
            |axis: &usize| arg.width.iter().position(|w| w == axis).expect("retained above");
        self.width = self.width.iter().map(width_of).collect();
        self = self.sorted_width(ir);
        let mut diagonals = Vec::new();
        for label in &mut self.labels {
            let Some(own) = label.own else { continue };
            let mut uses = (0..arg.stat.len()).filter(|m| arg.stat[*m] == own);
            label.own = uses.next();
            diagonals.extend(uses.map(|m| (label.own, m)));
        }
        for (first, second) in diagonals {
            self = self.masked(ir, first.expect("a repeated axis has a first use"), second);
        }
        self
    }

    /// Along axes on which this is constant and which the operand lacks, the sum is a multiplication by the size.
    fn multiplied_by_missing(self, ir: &mut Ir, arg: &Arg, shape: &Shape) -> Self {
        let has = |axis: usize| self.labels.iter().any(|label| label.own == Some(axis));
        let missing = (0..shape.stat.len()).filter(|axis| !arg.stat.contains(axis) && !has(*axis));
        let count: usize = missing.map(|axis| shape.stat[axis]).product();
        let widths =
            (0..shape.width).filter(|axis| !arg.width.contains(axis) && !self.width.contains(axis));
        let power = i64::try_from(widths.count()).expect("a value has few width axes");
        let count = ir.constant(count as f64);
        let power = ir.width(power.into());
        let factor = ir.apply(Prim::Mul, &[count, power]);
        self.times(ir, Prim::Mul, factor)
    }

    /// Puts the width axes into the order of the node's own.
    fn sorted_width(mut self, ir: &mut Ir) -> Self {
        if self.width.is_sorted() {
            return self;
        }
        let mut order = self.width.clone();
        order.sort_unstable();
        let position = |axis: &usize| order.iter().position(|w| w == axis).expect("same axes");
        let width = self.width.iter().map(position).collect();
        let shape = ir.shape(self.node).clone();
        let arg = Arg { node: self.node, stat: (0..shape.stat.len()).collect(), width };
        self.node = ir.map(Prim::Id, shape, vec![arg]);
        self.width = order;
        self
    }

    /// Restricts to equal indices on two own axes; the second axis is new.
    fn masked(self, ir: &mut Ir, first: usize, second: usize) -> Self {
        let axis =
            self.labels.iter().position(|l| l.own == Some(first)).expect("the first axis is there");
        let size = ir.shape(self.node).stat[axis];
        let mask = ir.data(Array2::<f64>::eye(size).into_dyn());
        let labels = vec![Label::own(first), Label::own(second)];
        self.combined(ir, Prim::Mul, &Self { node: mask, labels, width: Vec::new() })
    }

    /// The same value with all `count` width axes present.
    pub(super) fn with_width(mut self, ir: &mut Ir, count: usize) -> Self {
        let stat = ir.shape(self.node).stat.clone();
        let arg = Arg { node: self.node, stat: (0..stat.len()).collect(), width: self.width };
        self.node = ir.map(Prim::Id, Shape::new(stat, count), vec![arg]);
        self.width = (0..count).collect();
        self
    }

    /// A new own axis at `axis`, along which the value is constant, of size 1 once it is spelt out.
    pub(super) fn inserted(mut self, ir: &mut Ir, axis: usize) -> Self {
        for label in &mut self.labels {
            label.own = label.own.map(|own| if own >= axis { own + 1 } else { own });
        }
        let one = ir.filled(1.0, Shape::new([1], 0));
        self.spelt_out(ir, axis, one)
    }

    /// Adds an own axis along which the value is constant; `ones` has its size.
    fn spelt_out(mut self, ir: &mut Ir, axis: usize, ones: NodeId) -> Self {
        let size = ir.shape(ones).stat[0];
        let mut shape = ir.shape(self.node).clone();
        let arg = ir.whole(self.node);
        shape.stat.push(size);
        self.node = ir.map(Prim::Id, shape, vec![arg]);
        self.labels.push(Label::own(axis));
        self
    }

    /// Zeros around an own axis that is there.
    pub(super) fn padded(self, ir: &mut Ir, own: usize, (before, after): (usize, usize)) -> Self {
        let (mut this, axis) = self.plain_axis(ir, own);
        if let Some(axis) = axis {
            this.node = ir.pad(this.node, axis, before, after);
        }
        this
    }

    /// Zeros around an own axis of this size, which may have to be spelt out first.
    pub(super) fn padded_from(
        self,
        ir: &mut Ir,
        own: usize,
        size: usize,
        zeros: (usize, usize),
    ) -> Self {
        let (mut this, axis) = self.plain_axis(ir, own);
        if axis.is_none() {
            let ones = ir.filled(1.0, Shape::new([size], 0));
            this = this.spelt_out(ir, own, ones);
        }
        this.padded(ir, own, zeros)
    }

    /// Part of an own axis.
    pub(super) fn sliced(self, ir: &mut Ir, own: usize, (start, end): (usize, usize)) -> Self {
        let (mut this, axis) = self.plain_axis(ir, own);
        if let Some(axis) = axis {
            this.node = ir.slice(this.node, axis, start, end);
        }
        this
    }

    /// One entry of own axis 0, which goes away.
    pub(super) fn entry(self, ir: &mut Ir, at: usize) -> Self {
        let (mut this, axis) = self.plain_axis(ir, 0);
        if let Some(axis) = axis {
            this.node = ir.index(this.node, axis, at);
            this.labels.remove(axis);
        }
        for label in &mut this.labels {
            label.own = label.own.map(|own| own - 1);
        }
        this
    }

    /// The value with the axes that the caller asks for.
    pub(super) fn placed(mut self, ir: &mut Ir, placement: &Placement<'_>, width: usize) -> NodeId {
        let split = |label: &Label| match (label.seed, label.own) {
            (Some(seed), Some(own)) => placement.seed[seed] != placement.own[own],
            _ => false,
        };
        while let Some(axis) = self.labels.iter().position(split) {
            self = self.separated(ir, axis);
        }
        let axis_of = |label: &Label| match (label.seed, label.own) {
            (Some(seed), _) => placement.seed[seed],
            (None, Some(own)) => placement.own[own],
            (None, None) => unreachable!("every axis is a seed axis or an own axis"),
        };
        let stat = self.labels.iter().map(axis_of).collect();
        let arg = Arg { node: self.node, stat, width: self.width };
        ir.map(Prim::Id, Shape::new(placement.sizes, width), vec![arg])
    }
}
