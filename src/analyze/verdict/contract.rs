//! Contractions over width axes, as sums of products.
//!
//! A mean of s·x, where s does not depend on the axes of the mean, is s times a mean of x: whether a mean vanishes by
//! sign symmetry is a question about x alone, also where s is what training changes.

use crate::analyze::parity::Parities;
use crate::ir::{Arg, Exponent, Ir, Node, NodeId, Prim, ReduceOp, Shape};

/// Sums with more terms are left together.
const MOST_TERMS: usize = 64;

/// A factor of a summand over the axes of the whole. Static axes do not matter: a value has one size.
#[derive(Clone, Debug)]
pub(super) struct Factor {
    pub(super) node: NodeId,
    width: Vec<usize>,
    /// Whether it divides.
    pub(super) inverse: bool,
}

/// One summand.
#[derive(Clone, Debug, Default)]
pub(super) struct Summand {
    /// Factors that do not depend on the axes of the contraction.
    pub(super) outside: Vec<Factor>,
    /// Factors that do.
    pub(super) inside: Vec<Factor>,
    /// Whether the mean of the factors inside vanishes by sign symmetry while nothing is trained.
    pub(super) vanishes: bool,
}

/// A contraction taken apart.
#[derive(Clone, Debug)]
pub(super) struct Contraction {
    pub(super) summands: Vec<Summand>,
    /// How many width axes are summed, not averaged: each is a factor n.
    pub(super) sums: Exponent,
}

impl Contraction {
    /// Takes a contraction over width axes apart; `None` for other nodes.
    pub(super) fn of(ir: &Ir, id: NodeId) -> Option<Self> {
        let Node::Reduce { op, arg, width, .. } = ir.node(id) else { return None };
        if width.is_empty() {
            return None;
        }
        let mut expansion = Expansion { ir, axes: width, summands: Vec::new() };
        let whole = ir.whole(*arg);
        expansion.add(Factor { node: *arg, width: whole.width, inverse: false }, Vec::new());
        let sums = if *op == ReduceOp::Sum { width.len() } else { 0 };
        let sums = Exponent::from_integer(i64::try_from(sums).unwrap_or(i64::MAX));
        Some(Self { summands: expansion.summands, sums })
    }

    /// Finds out which summands vanish; `frozen` has the twins of the factors.
    pub(super) fn settle(
        &mut self,
        frozen: &mut Ir,
        parities: &mut Parities,
        (space, axes): (usize, &[usize]),
        twin: impl Fn(NodeId) -> NodeId,
    ) {
        for summand in &mut self.summands {
            let args: Vec<Arg> = summand
                .inside
                .iter()
                .map(|factor| Arg {
                    node: twin(factor.node),
                    stat: Vec::new(),
                    width: factor.width.clone(),
                })
                .collect();
            let product = product(frozen, space, &args);
            summand.vanishes = parities.mean_vanishes(frozen, product, axes);
        }
    }
}

/// The product of values, each along static axes of its own.
fn product(ir: &mut Ir, space: usize, args: &[Arg]) -> NodeId {
    let mut total = ir.filled(1.0, Shape::new([], space));
    for arg in args {
        let mut stat = ir.shape(total).stat.clone();
        let own = ir.shape(arg.node).stat.clone();
        let first = Arg { stat: (0..stat.len()).collect(), ..ir.whole(total) };
        let second = Arg { stat: (stat.len()..stat.len() + own.len()).collect(), ..arg.clone() };
        stat.extend(own);
        total = ir.map(Prim::Mul, Shape::new(stat, space), vec![first, second]);
    }
    total
}

struct Expansion<'a> {
    ir: &'a Ir,
    axes: &'a [usize],
    summands: Vec<Summand>,
}

impl Expansion<'_> {
    fn free(&self, factor: &Factor) -> bool {
        !factor.width.iter().any(|axis| self.axes.contains(axis))
    }

    fn inner(factor: &Factor, arg: &Arg) -> Factor {
        let width = arg.width.iter().map(|axis| factor.width[*axis]).collect();
        Factor { node: arg.node, width, inverse: factor.inverse }
    }

    /// Adds `factor` times what is outside, sums term by term.
    fn add(&mut self, factor: Factor, outside: Vec<Factor>) {
        match self.ir.node(factor.node) {
            Node::Map { op: Prim::Id | Prim::Neg, args, .. } => {
                self.add(Self::inner(&factor, &args[0]), outside);
            }
            Node::Map { op: Prim::Add | Prim::Sub, args, .. }
                if self.summands.len() < MOST_TERMS =>
            {
                self.add(Self::inner(&factor, &args[0]), outside.clone());
                self.add(Self::inner(&factor, &args[1]), outside);
            }
            Node::Map { op: op @ (Prim::Mul | Prim::Div), args, .. } => {
                let parts = [0, 1].map(|k| Self::inner(&factor, &args[k]));
                let [mut x, mut y] = parts;
                if *op == Prim::Mul && self.free(&x) {
                    std::mem::swap(&mut x, &mut y);
                }
                if self.free(&y) {
                    y.inverse = *op == Prim::Div;
                    let outside = [outside, vec![y]].concat();
                    self.add(x, outside);
                } else {
                    self.add_product(factor, outside);
                }
            }
            Node::Reduce { arg, width, .. } if width.is_empty() => {
                self.add(Factor { node: *arg, ..factor }, outside);
            }
            Node::Index { arg, .. } | Node::Slice { arg, .. } => {
                self.add(Factor { node: *arg, ..factor }, outside);
            }
            _ => self.add_product(factor, outside),
        }
    }

    /// Adds one summand: a product, as far as it is seen to be one.
    fn add_product(&mut self, factor: Factor, outside: Vec<Factor>) {
        let mut summand = Summand { outside, ..Summand::default() };
        let mut pending = vec![factor];
        while let Some(factor) = pending.pop() {
            match self.ir.node(factor.node) {
                _ if self.free(&factor) => summand.outside.push(factor),
                Node::Map { op: Prim::Id | Prim::Neg, args, .. } => {
                    pending.push(Self::inner(&factor, &args[0]));
                }
                Node::Map { op: Prim::Mul, args, .. } => {
                    pending.extend(args.iter().map(|arg| Self::inner(&factor, arg)));
                }
                Node::Map { op: Prim::Div, args, .. } => {
                    let mut divisor = Self::inner(&factor, &args[1]);
                    if self.free(&divisor) {
                        divisor.inverse = true;
                        summand.outside.push(divisor);
                        pending.push(Self::inner(&factor, &args[0]));
                    } else {
                        summand.inside.push(factor);
                    }
                }
                Node::Reduce { arg, width, .. } if width.is_empty() => {
                    pending.push(Factor { node: *arg, ..factor });
                }
                Node::Index { arg, .. } | Node::Slice { arg, .. } => {
                    pending.push(Factor { node: *arg, ..factor });
                }
                _ => summand.inside.push(factor),
            }
        }
        self.summands.push(summand);
    }
}
