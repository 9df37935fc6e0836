//! Sizes of all nodes: of the net at rest, and of the change that the steps make.

use super::contract::{Contraction, Factor};
use super::entrywise;
use super::mark::Marked;
use super::size::{Size, Sizes};
use crate::ir::{Exponent, Ir, Node, NodeId};
use num_traits::Zero;

const HALF: Exponent = Exponent::new_raw(1, 2);

/// Exponents changed in thought: what would the sizes be with another c?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shifts {
    /// Added to a, b, c, d of each parameter.
    pub(super) params: Vec<[Exponent; 4]>,
    /// Added to a_out.
    pub(super) out: Exponent,
}

impl Shifts {
    pub(super) fn none(params: usize) -> Self {
        Self { params: vec![[Exponent::zero(); 4]; params], out: Exponent::zero() }
    }

    /// By (2.5) of [TP4b], a is as good as b and c, and −d.
    fn initial(&self, param: usize) -> Exponent {
        -(self.params[param][0] + self.params[param][1])
    }

    fn step(&self, param: usize) -> Exponent {
        -(self.params[param][0] + self.params[param][2])
    }

    fn gradient(&self, param: usize) -> Exponent {
        self.params[param][3] - self.params[param][0] - self.out
    }

    fn is_none(&self) -> bool {
        self.out.is_zero() && self.params.iter().flatten().all(Zero::is_zero)
    }

    /// Factors at single nodes of the full graph: inputs of Q and predictions.
    fn at_nodes(&self, marked: &Marked) -> Vec<(NodeId, Exponent)> {
        if self.is_none() {
            return Vec::new();
        }
        let mut found: Vec<_> = marked.predictions.iter().map(|node| (*node, -self.out)).collect();
        for (param, nodes) in marked.params.iter().enumerate() {
            let gradients = nodes.gradients.iter().flatten();
            found.extend(gradients.map(|node| (*node, self.gradient(param))));
        }
        found.retain(|(_, e)| !e.is_zero());
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Sizes of every node of both graphs.
///
/// A change is kept in two parts. One comes from scalars alone (predictions, attention scores, scalar parameters): it
/// keeps every sign symmetry, and a mean that vanishes at rest still does. The other comes from steps of vecs and mats,
/// which are aligned with what they act on.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    base: Vec<Size>,
    by_scalars: Vec<Size>,
    aligned: Vec<Size>,
}

/// A part of the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    ByScalars,
    Aligned,
}

impl Flow {
    /// With every step.
    pub(super) fn new(marked: &Marked, shifts: &Shifts) -> Self {
        let nodes = shifts.at_nodes(marked);
        let mut flow = Self::resting(marked, at_rest(marked, shifts, &nodes));
        flow.fill(marked, &nodes, |flow, mark, step| {
            let total = flow.sizes(marked, step).total();
            total.shifted(shifts.step(marked.marks[mark].param))
        });
        flow
    }

    /// With the steps of one parameter alone, each as large as it is with all of them.
    pub(super) fn alone(&self, marked: &Marked, shifts: &Shifts, param: usize) -> Self {
        let nodes = shifts.at_nodes(marked);
        let mut flow = Self::resting(marked, self.base.clone());
        flow.fill(marked, &nodes, |_, mark, step| {
            if marked.marks[mark].param != param {
                return Size::Zero;
            }
            self.sizes(marked, step).total().shifted(shifts.step(param))
        });
        flow
    }

    /// Without any step.
    fn resting(marked: &Marked, base: Vec<Size>) -> Self {
        let nothing = vec![Size::Zero; marked.full.len()];
        Self { base, by_scalars: nothing.clone(), aligned: nothing }
    }

    /// The sizes of a node of the full graph.
    pub(super) fn sizes(&self, marked: &Marked, id: NodeId) -> Sizes {
        let change = self.by_scalars[id.index()].max(self.aligned[id.index()]);
        Sizes { base: self.base(marked, id), change }
    }

    /// The size of the net at rest.
    pub(super) fn base(&self, marked: &Marked, id: NodeId) -> Size {
        self.base[marked.twin(id).index()]
    }

    /// One part of the change, and what it is a change of: aligned changes come on top of those by scalars.
    fn part(&self, marked: &Marked, id: NodeId, part: Part) -> Sizes {
        let base = self.base(marked, id);
        let by_scalars = self.by_scalars[id.index()];
        match part {
            Part::ByScalars => Sizes { base, change: by_scalars },
            Part::Aligned => Sizes { base: base.max(by_scalars), change: self.aligned[id.index()] },
        }
    }

    /// Changes of all nodes; `step` is the size of what stands at a mark.
    fn fill(
        &mut self,
        marked: &Marked,
        nodes: &[(NodeId, Exponent)],
        step: impl Fn(&Self, usize, NodeId) -> Size,
    ) {
        for id in &marked.order {
            let (by_scalars, aligned) = match marked.full.node(*id) {
                Node::Bind { id: mark, arg } => (Size::Zero, step(self, mark.index(), *arg)),
                node => (
                    self.changed(marked, *id, node, Part::ByScalars),
                    self.changed(marked, *id, node, Part::Aligned),
                ),
            };
            let shift = shift_at(nodes, *id);
            let (by_scalars, aligned) = (by_scalars.shifted(shift), aligned.shifted(shift));
            let scalar = marked.full.shape(*id).width == 0;
            self.by_scalars[id.index()] = if scalar { by_scalars.max(aligned) } else { by_scalars };
            self.aligned[id.index()] = if scalar { Size::Zero } else { aligned };
        }
    }

    fn changed(&self, marked: &Marked, id: NodeId, node: &Node, part: Part) -> Size {
        let sizes = |id: &NodeId| self.part(marked, *id, part);
        let change = |id: &NodeId| sizes(id).change;
        match node {
            Node::Const(_)
            | Node::Width(_)
            | Node::Data(_)
            | Node::Iota(_)
            | Node::Param(_)
            | Node::Init(_) => Size::Zero,
            Node::Map { op, args, .. } => match args.as_slice() {
                [x] => entrywise::change(*op, &[sizes(&x.node)]),
                [x, y] => entrywise::change(*op, &[sizes(&x.node), sizes(&y.node)]),
                [x, y, z] => {
                    entrywise::change(*op, &[sizes(&x.node), sizes(&y.node), sizes(&z.node)])
                }
                _ => Size::Diverges,
            },
            Node::Reduce { arg, width, .. } if width.is_empty() => change(arg),
            Node::Reduce { .. } => {
                self.contracted(marked, &marked.full_contractions[&id], part).change
            }
            Node::MatMul { mat, arg, .. } => {
                change(arg).times(self.base(marked, *mat).shifted(HALF))
            }
            Node::Index { arg, .. }
            | Node::Slice { arg, .. }
            | Node::Pad { arg, .. }
            | Node::Bind { arg, .. } => change(arg),
            Node::Stack(args) => args.iter().map(change).max().unwrap_or(Size::Zero),
        }
    }

    /// A contraction: what is at rest, and what scalars change, may be smaller by symmetry; steps are made from gradients
    /// and taken as aligned with what they meet.
    fn contracted(&self, marked: &Marked, contraction: &Contraction, part: Part) -> Sizes {
        let one = Sizes { base: Size::ONE, change: Size::Zero };
        let of = |product: Sizes, factor: &Factor| {
            let sizes = self.part(marked, factor.node, part);
            if factor.inverse { product.over(sizes) } else { product.times(sizes) }
        };
        let mut total = Sizes { base: Size::Zero, change: Size::Zero };
        for summand in &contraction.summands {
            let mut inside = summand.inside.iter().fold(one, of);
            let lost = if summand.vanishes { -HALF } else { Exponent::zero() };
            inside.base = inside.base.shifted(contraction.sums + lost);
            let lost = if part == Part::ByScalars { lost } else { Exponent::zero() };
            inside.change = inside.change.shifted(contraction.sums + lost);
            let whole = summand.outside.iter().fold(inside, of);
            total.base = total.base.max(whole.base);
            total.change = total.change.max(whole.change);
        }
        total
    }
}

fn shift_at(nodes: &[(NodeId, Exponent)], id: NodeId) -> Exponent {
    match nodes.binary_search_by_key(&id, |(node, _)| *node) {
        Ok(place) => nodes[place].1,
        Err(_) => Exponent::zero(),
    }
}

/// Sizes of the net at rest.
fn at_rest(marked: &Marked, shifts: &Shifts, nodes: &[(NodeId, Exponent)]) -> Vec<Size> {
    let ir = &marked.frozen;
    let mut twins: Vec<_> = nodes.iter().map(|(id, e)| (marked.twin(*id), *e)).collect();
    twins.sort_unstable();
    twins.dedup();
    let mut known: Vec<Size> = Vec::with_capacity(ir.len());
    for id in ir.ids() {
        let size = resting(marked, ir, id, (&known, shifts, -HALF));
        known.push(size.shifted(shift_at(&twins, id)));
    }
    known
}

/// Sizes of the net at rest if no mean of the backward passes vanished by symmetry. What is smaller for this reason alone
/// grows to this size in training.
pub(super) fn without_symmetry(marked: &Marked) -> Vec<Size> {
    let ir = &marked.frozen;
    let shifts = Shifts::none(marked.params.len());
    let outputs: Vec<NodeId> = marked.predictions.iter().map(|id| marked.twin(*id)).collect();
    let mut lost = vec![Exponent::zero(); ir.len()];
    for id in ir.reachable(&outputs) {
        lost[id.index()] = -HALF;
    }
    let mut known: Vec<Size> = Vec::with_capacity(ir.len());
    for id in ir.ids() {
        known.push(resting(marked, ir, id, (&known, &shifts, lost[id.index()])));
    }
    known
}

/// The size of a node; a mean that vanishes is smaller by n^`lost`.
fn resting(
    marked: &Marked,
    ir: &Ir,
    id: NodeId,
    (known, shifts, lost): (&[Size], &Shifts, Exponent),
) -> Size {
    let get = |id: &NodeId| known[id.index()];
    match ir.node(id) {
        Node::Const(value) if value.get() == 0.0 => Size::Zero,
        Node::Const(_) | Node::Data(_) | Node::Iota(_) | Node::Param(_) => Size::ONE,
        Node::Width(p) => Size::Power(*p),
        Node::Init(init) => {
            let owns = |nodes: &super::mark::Nodes| nodes.inits.contains(init);
            let param = marked.params.iter().position(owns);
            let shift = param.map_or_else(Exponent::zero, |param| shifts.initial(param));
            let matrix = ir.init(*init).shape.width == 2;
            Size::Power(shift - if matrix { HALF } else { Exponent::zero() })
        }
        Node::Map { op, args, .. } => match args.as_slice() {
            [x] => entrywise::base(*op, &[get(&x.node)]),
            [x, y] => entrywise::base(*op, &[get(&x.node), get(&y.node)]),
            [x, y, z] => entrywise::base(*op, &[get(&x.node), get(&y.node), get(&z.node)]),
            _ => Size::Diverges,
        },
        Node::Reduce { arg, width, .. } if width.is_empty() => get(arg),
        Node::Reduce { .. } => averaged(&marked.frozen_contractions[&id], lost, &get),
        // independent entries of variance 1/n act at n^0
        Node::MatMul { mat, arg, .. } => get(arg).times(get(mat).shifted(HALF)),
        Node::Index { arg, .. }
        | Node::Slice { arg, .. }
        | Node::Pad { arg, .. }
        | Node::Bind { arg, .. } => get(arg),
        Node::Stack(args) => args.iter().map(get).max().unwrap_or(Size::Zero),
    }
}

/// A contraction at rest: a mean that vanishes by symmetry fluctuates at n^(−1/2).
fn averaged(contraction: &Contraction, lost: Exponent, get: &impl Fn(&NodeId) -> Size) -> Size {
    let of = |summand: &super::contract::Summand| {
        let lost = if summand.vanishes { lost } else { Exponent::zero() };
        let factors = summand.inside.iter().chain(&summand.outside);
        let product = factors.fold(Size::ONE, |product, factor| {
            let size = get(&factor.node);
            if factor.inverse { product.over(size) } else { product.times(size) }
        });
        product.shifted(contraction.sums + lost)
    };
    contraction.summands.iter().map(of).max().unwrap_or(Size::Zero)
}
