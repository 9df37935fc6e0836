//! Sums as polynomials of values that are neither sums nor products: whether the leading terms cancel.
//!
//! Terms are compared as nodes of the hash-consed graph, never as limits (docs/theory/expansion.md): what is not seen
//! to cancel here keeps its exponent as an upper bound, which is refused or tested where the exact size matters.
//!
//! ```text
//! W @ (2 * x) − 2 * (W @ x) + b:  an image of a sum is a sum of images, and b is left
//! sum[i](c[i] * x), c = [1, −1]:  static sums are written out, and 0 is left
//! ```

use super::atoms::Atoms;
use crate::ir::{Arg, Exponent, Ir, Node, NodeId, Prim, ReduceOp, Shape};
use num_traits::Signed;
use std::collections::BTreeMap;

/// A static axis of a value: an axis of the whole, or a fixed entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Along this axis of the whole.
    Along(usize),
    /// At this entry.
    At(usize),
}

/// A factor of a monomial, over the axes of the whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Factor {
    /// A value, with the places of its static and its width axes.
    Value(NodeId, Vec<Place>, Vec<usize>),
    /// An initial matrix, or its transpose, applied to a product along a width axis.
    Image(NodeId, bool, Vec<Factor>, usize),
}

/// Monomials with their coefficient and the sum of the sizes of what was added to it.
pub(crate) type Polynomial = BTreeMap<Vec<Factor>, (f64, f64)>;

/// Sums that cancel do so by few terms; longer ones are left alone.
const MOST_TERMS: usize = 256;
const MOST_NODES: usize = 1000;
const DEEPEST: usize = 200;
/// The largest static sum that is written out.
const MOST_ENTRIES: usize = 64;
/// Rounding of coefficients such as 0.1 + 0.2 − 0.3.
const ROUNDING: f64 = 1e-14;

/// Whether a value is 0 as a polynomial.
pub(super) fn cancels(ir: &Ir, atoms: &mut Atoms, node: NodeId) -> bool {
    let is_zero = |written_out: bool| {
        let whole = Expansion { ir, budget: MOST_NODES, written_out }.whole(node);
        whole.is_some_and(|terms| terms.values().all(|(c, size)| c.abs() <= ROUNDING * size))
    };
    is_zero(false) || atoms.seems_zero(ir, node) && is_zero(true)
}

/// The value as a polynomial, with linear maps and static sums written out; `None` where it has too many terms.
pub(crate) fn polynomial(ir: &Ir, node: NodeId) -> Option<Polynomial> {
    Expansion { ir, budget: MOST_NODES, written_out: true }.whole(node)
}

/// An operand with the places of its axes.
#[derive(Clone)]
struct Operand {
    node: NodeId,
    stat: Vec<Place>,
    width: Vec<usize>,
}

impl Operand {
    /// An operand of this one.
    fn inner(&self, arg: &Arg) -> Self {
        Self {
            node: arg.node,
            stat: arg.stat.iter().map(|axis| self.stat[*axis]).collect(),
            width: arg.width.iter().map(|axis| self.width[*axis]).collect(),
        }
    }

    fn single(self) -> Polynomial {
        let factor = Factor::Value(self.node, self.stat, self.width);
        Polynomial::from([(vec![factor], (1.0, 1.0))])
    }
}

struct Expansion<'a> {
    ir: &'a Ir,
    budget: usize,
    /// Whether linear maps and static sums are written out.
    written_out: bool,
}

impl Expansion<'_> {
    fn whole(&mut self, node: NodeId) -> Option<Polynomial> {
        let Arg { node, stat, width } = self.ir.whole(node);
        let stat = stat.into_iter().map(Place::Along).collect();
        self.of(Operand { node, stat, width }, 0)
    }

    /// `None` where the budget does not suffice.
    fn of(&mut self, mut value: Operand, depth: usize) -> Option<Polynomial> {
        self.budget = self.budget.checked_sub(1)?;
        while let Node::Map { op: Prim::Id, args, .. } = self.ir.node(value.node) {
            value = value.inner(&args[0]);
        }
        if let Some(number) = self.number(&value) {
            return Some(Polynomial::from([(Vec::new(), (number, number.abs()))]));
        }
        if depth >= DEEPEST {
            return Some(value.single());
        }
        let node = self.ir.node(value.node);
        match node {
            Node::Map { op, args, .. } => self.map(*op, args, value, depth + 1),
            _ if self.written_out => self.linear(node, value, depth + 1),
            _ => Some(value.single()),
        }
    }

    /// The number that a value is by construction.
    fn number(&self, value: &Operand) -> Option<f64> {
        let fixed = || -> Option<Vec<usize>> {
            let at = |place: &Place| match place {
                Place::At(at) => Some(*at),
                Place::Along(_) => None,
            };
            value.stat.iter().map(at).collect()
        };
        match self.ir.node(value.node) {
            Node::Const(number) => Some(number.get()),
            Node::Data(data) => Some(self.ir.data[data.index()][fixed()?.as_slice()]),
            Node::Iota(_) => Some(fixed()?[0] as f64),
            _ => None,
        }
    }

    fn map(&mut self, op: Prim, args: &[Arg], value: Operand, depth: usize) -> Option<Polynomial> {
        let inner = |k: usize| value.inner(&args[k]);
        match op {
            Prim::Neg => Some(scaled(self.of(inner(0), depth)?, -1.0)),
            Prim::Add => Some(sum(self.of(inner(0), depth)?, self.of(inner(1), depth)?)),
            Prim::Sub => {
                let second = scaled(self.of(inner(1), depth)?, -1.0);
                Some(sum(self.of(inner(0), depth)?, second))
            }
            Prim::Mul => product(&self.of(inner(0), depth)?, &self.of(inner(1), depth)?),
            Prim::Div => match self.ir.constant_value(args[1].node) {
                Some(divisor) => Some(scaled(self.of(inner(0), depth)?, 1.0 / divisor)),
                None => Some(value.single()),
            },
            Prim::Pow(p) if is_small(p) => {
                let base = self.of(inner(0), depth)?;
                (1..p.to_integer()).try_fold(base.clone(), |power, _| product(&power, &base))
            }
            Prim::Id
            | Prim::Abs
            | Prim::Sign
            | Prim::Step
            | Prim::Relu
            | Prim::Sqrt
            | Prim::Exp
            | Prim::Log
            | Prim::Sin
            | Prim::Cos
            | Prim::Tanh
            | Prim::Erf
            | Prim::Sigmoid
            | Prim::Softplus
            | Prim::Not
            | Prim::Pow(_)
            | Prim::Min
            | Prim::Max
            | Prim::Powf
            | Prim::Lt
            | Prim::Le
            | Prim::Eq
            | Prim::And
            | Prim::Or
            | Prim::Select => Some(value.single()),
        }
    }

    /// Images of sums, static sums, and entries of arrays.
    fn linear(&mut self, node: &Node, value: Operand, depth: usize) -> Option<Polynomial> {
        let Operand { stat, width, .. } = &value;
        match node {
            Node::MatMul { mat, transpose, arg } => {
                let inner = Operand { node: *arg, stat: stat.clone(), width: width.clone() };
                let inner = self.of(inner, depth)?;
                Some(self.image((*mat, *transpose, width[0]), inner))
            }
            Node::Reduce { op, arg, stat: gone, width: none } if none.is_empty() => {
                let sizes = &self.ir.shape(*arg).stat;
                let count: usize = gone.iter().map(|axis| sizes[*axis]).product();
                if count > MOST_ENTRIES {
                    return Some(value.single());
                }
                let mut total = Polynomial::new();
                for entry in 0..count {
                    let places = places(sizes, gone, entry, stat);
                    let inner = Operand { node: *arg, stat: places, width: width.clone() };
                    total = sum(total, self.of(inner, depth)?);
                    if total.len() > MOST_TERMS {
                        return None;
                    }
                }
                let factor = if *op == ReduceOp::Mean { 1.0 / count as f64 } else { 1.0 };
                Some(scaled(total, factor))
            }
            Node::Index { arg, axis, at } => {
                let mut stat = stat.clone();
                stat.insert(*axis, Place::At(*at));
                self.of(Operand { node: *arg, stat, width: width.clone() }, depth)
            }
            Node::Slice { arg, axis, start, .. } if let Place::At(at) = stat[*axis] => {
                let mut stat = stat.clone();
                stat[*axis] = Place::At(at + start);
                self.of(Operand { node: *arg, stat, width: width.clone() }, depth)
            }
            Node::Stack(args) if let Place::At(at) = stat[0] => {
                let stat = stat[1..].to_vec();
                self.of(Operand { node: args[at], stat, width: width.clone() }, depth)
            }
            _ => Some(value.single()),
        }
    }

    /// The image of a polynomial, monomial by monomial; factors without a width axis stay outside.
    fn image(
        &self,
        (mat, transpose, axis): (NodeId, bool, usize),
        inner: Polynomial,
    ) -> Polynomial {
        let mut total = Polynomial::new();
        for (monomial, coefficient) in inner {
            let (wide, mut outside): (Vec<Factor>, Vec<Factor>) =
                monomial.into_iter().partition(Factor::is_wide);
            outside.push(Factor::Image(mat, transpose, wide, axis));
            outside.sort();
            total = sum(total, Polynomial::from([(outside, coefficient)]));
        }
        total
    }
}

impl Factor {
    /// Whether it differs from neuron to neuron.
    pub(crate) fn is_wide(&self) -> bool {
        match self {
            Self::Value(_, _, width) => !width.is_empty(),
            Self::Image(..) => true,
        }
    }

    /// The factor as an operand over these axes.
    pub(crate) fn build(&self, ir: &mut Ir, shape: &Shape) -> Arg {
        match self {
            Self::Value(node, places, width) => {
                let mut node = *node;
                let mut stat = Vec::new();
                for (axis, place) in places.iter().enumerate().rev() {
                    match place {
                        Place::Along(along) => stat.insert(0, *along),
                        Place::At(at) => node = ir.index(node, axis, *at),
                    }
                }
                Arg { node, stat, width: width.clone() }
            }
            Self::Image(mat, transpose, inner, axis) => {
                let own = Shape::new(shape.stat.clone(), 1);
                let mut total = ir.filled(1.0, own.clone());
                for factor in inner {
                    let arg = factor.build(ir, shape);
                    let arg = Arg { width: vec![0; arg.width.len()], ..arg };
                    let whole = ir.whole(total);
                    total = ir.map(Prim::Mul, own.clone(), vec![whole, arg]);
                }
                let image = ir.matmul(*mat, *transpose, total);
                Arg { width: vec![*axis], ..ir.whole(image) }
            }
        }
    }
}

/// The places of all static axes of the operand of a static sum, at one of its entries.
fn places(sizes: &[usize], gone: &[usize], mut entry: usize, kept: &[Place]) -> Vec<Place> {
    let mut places = vec![Place::At(0); sizes.len()];
    for axis in gone.iter().rev() {
        places[*axis] = Place::At(entry % sizes[*axis]);
        entry /= sizes[*axis];
    }
    let others = (0..sizes.len()).filter(|axis| !gone.contains(axis));
    others.zip(kept).for_each(|(axis, place)| places[axis] = *place);
    places
}

/// Whether a power is written out.
fn is_small(p: Exponent) -> bool {
    p.is_integer() && p.is_positive() && p.to_integer() <= 8
}

fn scaled(mut terms: Polynomial, factor: f64) -> Polynomial {
    for (coefficient, size) in terms.values_mut() {
        *coefficient *= factor;
        *size *= factor.abs();
    }
    terms
}

fn sum(mut terms: Polynomial, more: Polynomial) -> Polynomial {
    for (monomial, (coefficient, size)) in more {
        let entry = terms.entry(monomial).or_insert((0.0, 0.0));
        entry.0 += coefficient;
        entry.1 += size;
    }
    terms
}

fn product(a: &Polynomial, b: &Polynomial) -> Option<Polynomial> {
    if a.len() * b.len() > MOST_TERMS {
        return None;
    }
    let mut terms = Polynomial::new();
    for (x, (c, c_size)) in a {
        for (y, (d, d_size)) in b {
            let mut monomial = [x.as_slice(), y.as_slice()].concat();
            monomial.sort();
            terms = sum(terms, Polynomial::from([(monomial, (c * d, c_size * d_size))]));
        }
    }
    Some(terms)
}
