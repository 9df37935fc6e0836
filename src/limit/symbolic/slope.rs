//! Derivatives of kets by hats, written out where they are functions.
//!
//! The rules are those of Def. 2.6.5 of [TP4b]: through entrywise functions, sums over static axes, dot-kets and slot 0;
//! not through means. Where a function jumps (sign, step, a comparison) the derivative is a distribution: there is no
//! formula then, and the coefficient keeps its ∂.

use super::build::{Builder, Place};
use super::depends::Dependences;
use super::expr::{Expr, Index};
use super::link::{Link, Place as Entry};
use crate::analyze::parity::Parities;
use crate::ir::{Arg, Exponent, Node, NodeId, Prim, ReduceOp};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// Longer derivatives are not written out.
const LONGEST: usize = 40;

/// One hat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hat {
    pub(super) product: NodeId,
    pub(super) at: Vec<Index>,
}

type Key = (NodeId, Vec<Index>, Vec<usize>, Hat);

/// Derivatives that were asked for before.
pub(super) struct Slopes<'a> {
    builder: &'a Builder<'a>,
    dependences: &'a Dependences,
    /// Products and hats for which the mean derivative of the input by the hat vanishes by symmetry.
    symmetric: HashSet<(NodeId, NodeId)>,
    known: RefCell<HashMap<Key, Option<Expr>>>,
}

impl<'a> Slopes<'a> {
    pub(super) fn new(builder: &'a Builder<'a>, dependences: &'a Dependences) -> Self {
        let ir = builder.ir;
        let mut parities = Parities::new(ir.inits.len());
        let mut symmetric = HashSet::new();
        for id in ir.ids() {
            let Node::MatMul { arg, .. } = ir.node(id) else { continue };
            for link in dependences.dots(id) {
                if parities.product_vanishes(ir, *arg, link.product) {
                    symmetric.insert((id, link.product));
                }
            }
        }
        Self { builder, dependences, symmetric, known: RefCell::default() }
    }

    /// Whether the coefficient of this hat in the dot-ket of a product vanishes by symmetry.
    pub(super) fn vanishes(&self, product: NodeId, hat: NodeId) -> bool {
        self.symmetric.contains(&(product, hat))
    }

    /// E ∂x/∂hat for the x of a product and a hat that it depends on; `None` where it is not written out.
    pub(super) fn coefficient(&self, x: NodeId, place: &Place, hat: &Hat) -> Option<Expr> {
        self.slope(x, place, hat).map(|slope| Expr::expectation(Vec::new(), slope))
    }

    /// ∂ value/∂hat.
    pub(super) fn slope(&self, id: NodeId, place: &Place, hat: &Hat) -> Option<Expr> {
        let reads = |link: &Link| link.product == hat.product && place.slots[link.slot] == 0;
        if !self.dependences.links(id).iter().any(reads) {
            return Some(Expr::Number(0.0));
        }
        let key = (id, place.at.clone(), place.slots.clone(), hat.clone());
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let slope = self.found(id, place, hat).filter(|slope| slope.size() <= LONGEST);
        self.known.borrow_mut().insert(key, slope.clone());
        slope
    }

    fn found(&self, id: NodeId, place: &Place, hat: &Hat) -> Option<Expr> {
        let ir = self.builder.ir;
        if let Some((product, factor)) = self.builder.names.multiple(ir, id) {
            let slope = self.of_product(product, place, hat)?;
            return Some(Expr::product(vec![Expr::Number(factor), slope]));
        }
        match ir.node(id) {
            Node::Map { op, args, .. } => self.of_map(id, (*op, args), place, hat),
            Node::Reduce { op, arg, stat, width } => {
                self.of_reduce((*op, *arg), (stat, width), place, hat)
            }
            Node::Index { arg, axis, at } => {
                let mut inner = place.clone();
                inner.at.insert(*axis, Index::number(*at));
                self.slope(*arg, &inner, hat)
            }
            Node::Slice { arg, axis, start, .. } => {
                let mut inner = place.clone();
                inner.at[*axis] = inner.at[*axis].plus(start.cast_signed());
                self.slope(*arg, &inner, hat)
            }
            Node::Stack(args) => {
                let at = &place.at[0];
                let k = usize::try_from(at.offset).ok().filter(|_| at.letter.is_none())?;
                let inner = Place { at: place.at[1..].to_vec(), ..place.clone() };
                self.slope(*args.get(k)?, &inner, hat)
            }
            Node::Bind { arg, .. } => self.slope(*arg, place, hat),
            Node::Const(_)
            | Node::Width(_)
            | Node::Data(_)
            | Node::Iota(_)
            | Node::Init(_)
            | Node::Param(_)
            | Node::MatMul { .. }
            | Node::Pad { .. } => None,
        }
    }

    /// Of hat + Σ |z⟩ c by another hat or by its own.
    fn of_product(&self, product: NodeId, place: &Place, hat: &Hat) -> Option<Expr> {
        if product == hat.product {
            return equal(&place.at, &hat.at).map(|same| Expr::Number(f64::from(u8::from(same))));
        }
        let scale = self.builder.names.product(product)?.scale;
        let mut terms = Vec::new();
        for link in self.dependences.dots(product) {
            let Node::MatMul { arg: z, .. } = self.builder.ir.node(link.product) else { continue };
            let at = entry(link, &place.at);
            let inner = Place { at: at.clone().unwrap_or_default(), ..place.clone() };
            let slope = match at {
                Some(_) => self.slope(*z, &inner, hat)?,
                None if self.dependences.links(*z).iter().all(|l| l.product != hat.product) => {
                    Expr::Number(0.0)
                }
                None => return None,
            };
            if slope == Expr::Number(0.0) {
                continue;
            }
            let other = Hat { product: link.product, at: inner.at };
            let coefficient = self.shown(product, place, &other)?;
            terms.push(Expr::product(vec![Expr::Number(scale * scale), coefficient, slope]));
        }
        Some(Expr::sum(terms))
    }

    /// The coefficient of one term of the dot-ket of a product as it is printed: a number if it is one.
    pub(super) fn shown(&self, product: NodeId, place: &Place, hat: &Hat) -> Option<Expr> {
        let Node::MatMul { arg, .. } = self.builder.ir.node(product) else { return None };
        if self.vanishes(product, hat.product) {
            return Some(Expr::Number(0.0));
        }
        if let Some(number @ Expr::Number(_)) = self.coefficient(*arg, place, hat) {
            return Some(number);
        }
        self.symbol(product, place, hat)
    }

    /// The coefficient of one term of the dot-ket of a product as E ∂x/∂hat.
    pub(super) fn symbol(&self, product: NodeId, place: &Place, hat: &Hat) -> Option<Expr> {
        let Node::MatMul { arg, .. } = self.builder.ir.node(product) else { return None };
        let symbol = self.builder.hat(hat.product, &hat.at)?;
        Some(Expr::Partial(Box::new([self.builder.value(*arg, place), symbol])))
    }

    fn of_map(
        &self,
        id: NodeId,
        (op, args): (Prim, &[Arg]),
        place: &Place,
        hat: &Hat,
    ) -> Option<Expr> {
        let inner = |arg: &Arg| Place {
            at: arg.stat.iter().map(|axis| place.at[*axis].clone()).collect(),
            slots: arg.width.iter().map(|axis| place.slots[*axis]).collect(),
            ..*place
        };
        let slopes: Option<Vec<Expr>> =
            args.iter().map(|arg| self.slope(arg.node, &inner(arg), hat)).collect();
        let slopes = slopes?;
        let values: Vec<Expr> =
            args.iter().map(|arg| self.builder.value(arg.node, &inner(arg))).collect();
        if op == Prim::Mul && args[0] == args[1] {
            let [value, slope] = [values[0].clone(), slopes[0].clone()];
            return Some(Expr::product(vec![Expr::Number(2.0), value, slope]));
        }
        let value = self.builder.value(id, place);
        let mut terms = Vec::new();
        for (k, slope) in slopes.into_iter().enumerate() {
            if slope != Expr::Number(0.0) {
                terms.push(term(op, k, &values, &value, slope)?);
            }
        }
        Some(Expr::sum(terms))
    }

    /// A sum over static axes picks the entries that read the hat; a mean over copies goes outside.
    fn of_reduce(
        &self,
        (op, arg): (ReduceOp, NodeId),
        axes: (&[usize], &[usize]),
        place: &Place,
        hat: &Hat,
    ) -> Option<Expr> {
        let mut inside = self.builder.inside(arg, axes, place);
        let links = self.dependences.links(arg).iter();
        let slots = inside.place.slots.clone();
        let reads = |link: &&Link| link.product == hat.product && slots[link.slot] == 0;
        let mut links = links.filter(reads);
        let link = links.next()?;
        if links.next().is_some() {
            return None;
        }
        if !inside.indices.is_empty() {
            if op == ReduceOp::Mean {
                return None;
            }
            let sizes = &self.builder.ir.shape(arg).stat;
            for axis in axes.0 {
                let fixed = link.at.iter().zip(&hat.at).find_map(|(entry, index)| match entry {
                    Entry::Axis(own, by) if own == axis => Some(index.plus(-by)),
                    Entry::Axis(..) | Entry::Bound(..) | Entry::Fixed(_) => None,
                });
                if link.guards[*axis] != (0..sizes[*axis]) {
                    return None;
                }
                let letter = inside.place.at[*axis].letter.clone();
                if let Some(index) = fixed {
                    inside.indices.retain(|(own, _)| Some(own) != letter.as_ref());
                    inside.place.at[*axis] = index;
                }
            }
        }
        let mut slope = self.slope(arg, &inside.place, hat)?;
        if slope == Expr::Number(0.0) {
            return Some(slope);
        }
        if !inside.indices.is_empty() {
            slope = Expr::over(false, inside.indices, slope);
        }
        Some(match inside.copies {
            Some(copies) => Expr::expectation(copies, slope),
            None => slope,
        })
    }
}

/// The entry that a link without bound indices names.
pub(super) fn entry(link: &Link, at: &[Index]) -> Option<Vec<Index>> {
    let index = |entry: &Entry| match *entry {
        Entry::Axis(axis, by) => Some(at[axis].plus(by)),
        Entry::Fixed(index) => Some(Index::number(index)),
        Entry::Bound(..) => None,
    };
    link.at.iter().map(index).collect()
}

/// Whether two entries are the same one; `None` if that depends on the values of letters.
fn equal(a: &[Index], b: &[Index]) -> Option<bool> {
    let mut same = Some(true);
    for (a, b) in a.iter().zip(b) {
        match (a == b, a.letter == b.letter) {
            (true, _) => {}
            (false, true) => return Some(false),
            (false, false) => same = None,
        }
    }
    same
}

/// slope · ∂op/∂(operand k); `None` where that is no function.
fn term(op: Prim, k: usize, args: &[Expr], value: &Expr, slope: Expr) -> Option<Expr> {
    let x = || args[0].clone();
    let one = || Expr::Number(1.0);
    let square = |of: Expr| of.power(Exponent::from_integer(2));
    let call = |name| Expr::Call(name, vec![x()]);
    let factor = match op {
        Prim::Id | Prim::Add => one(),
        Prim::Neg => Expr::Number(-1.0),
        Prim::Sub => Expr::Number(if k == 0 { 1.0 } else { -1.0 }),
        Prim::Mul => args[1 - k].clone(),
        Prim::Div if k == 0 => return Some(slope.quotient(args[1].clone())),
        Prim::Div => {
            return Some(
                Expr::product(vec![x(), slope]).quotient(square(args[1].clone())).negated(),
            );
        }
        Prim::Abs => call("sign"),
        Prim::Relu => call("step"),
        Prim::Sqrt => {
            return Some(slope.quotient(Expr::product(vec![Expr::Number(2.0), value.clone()])));
        }
        Prim::Exp => value.clone(),
        Prim::Log => return Some(slope.quotient(x())),
        Prim::Sin => call("cos"),
        Prim::Cos => call("sin").negated(),
        Prim::Tanh => Expr::sum(vec![one(), square(value.clone()).negated()]),
        Prim::Erf => {
            let bell = Expr::Call("exp", vec![square(x()).negated()]);
            Expr::product(vec![Expr::Number(2.0 / std::f64::consts::PI.sqrt()), bell])
        }
        Prim::Sigmoid => {
            let rest = Expr::sum(vec![one(), value.clone().negated()]);
            Expr::product(vec![value.clone(), rest])
        }
        Prim::Softplus => call("sigmoid"),
        Prim::Pow(p) => {
            let lower = x().power(p - Exponent::from_integer(1));
            Expr::product(vec![Expr::Number(crate::ir::scalar::to_f64(p)), lower])
        }
        Prim::Select if k > 0 => {
            let zero = || Expr::Number(0.0);
            let [then, other] = if k == 1 { [slope, zero()] } else { [zero(), slope] };
            return Some(Expr::Choice(Box::new([x(), then, other])));
        }
        Prim::Select
        | Prim::Sign
        | Prim::Step
        | Prim::Not
        | Prim::Min
        | Prim::Max
        | Prim::Powf
        | Prim::Lt
        | Prim::Le
        | Prim::Eq
        | Prim::And
        | Prim::Or => return None,
    };
    Some(Expr::product(vec![factor, slope]))
}
