//! Scalars at whose value a function must be continuous: divisors, arguments of sign, differences that are compared.
//!
//! A jump or a pole exactly at a limit gives a clean wrong number: the limit engine evaluates these
//! scalars too and refuses where one is 0 within its error. A scalar may also multiply a ket: sign((c − 1)|x|) has no
//! limit where c → 1. So an argument is taken as a sum of monomials in kets, each with a scalar coefficient; if what is
//! left without the coefficients that vanish may be 0, then they decide.

use crate::analyze::{Atoms, Factor, polynomial};
use crate::ir::{Arg, Ir, Node, NodeId, Prim, Shape};
use std::collections::BTreeMap;

/// An argument that must not be 0.
#[derive(Clone, Debug)]
pub(super) struct Risk {
    /// The operation that needs it.
    pub(super) used: NodeId,
    /// A pole rather than a jump.
    pub(super) pole: bool,
    /// Scalars on which it depends.
    pub(super) coefficients: Vec<NodeId>,
    /// What they multiply: nothing for a scalar argument.
    monomials: Vec<NodeId>,
    /// The rest of the argument.
    rest: Option<NodeId>,
}

impl Risk {
    /// Whether an argument may be 0 whose coefficients are 0, or not, in this way.
    pub(super) fn decides(&self, ir: &mut Ir, zero: &[bool]) -> bool {
        if !zero.contains(&true) {
            return false;
        }
        let mut left = self.rest;
        for (k, monomial) in self.monomials.iter().enumerate().filter(|(k, _)| !zero[*k]) {
            let part = product(ir, self.coefficients[k], *monomial);
            left = Some(left.map_or(part, |left| ir.apply(Prim::Add, &[left, part])));
        }
        left.is_none_or(|left| Atoms::default().may_be_zero(ir, left))
    }
}

/// All such arguments of a program; new nodes are differences of what is compared, and coefficients.
pub(super) fn risks(ir: &mut Ir, roots: &[NodeId]) -> Vec<Risk> {
    let mut found: Vec<Risk> = Vec::new();
    let mut atoms = Atoms::default();
    for used in ir.reachable(roots) {
        let Node::Map { op, shape, args } = ir.node(used).clone() else { continue };
        let (argument, pole) = match op {
            Prim::Div => (args[1].node, true),
            Prim::Log => (args[0].node, true),
            Prim::Pow(p) if p < 0.into() => (args[0].node, true),
            Prim::Sign | Prim::Step => (args[0].node, false),
            Prim::Lt | Prim::Le | Prim::Eq => (ir.map(Prim::Sub, shape, args), false),
            _ => continue,
        };
        for argument in factors(ir, argument) {
            let risk = if ir.shape(argument).width == 0 {
                narrow(ir, argument, (used, pole))
            } else {
                wide(ir, &mut atoms, argument, (used, pole))
            };
            let known = |risk: &Risk| {
                found.iter().any(|known| {
                    known.coefficients == risk.coefficients && known.monomials == risk.monomials
                })
            };
            found.extend(risk.filter(|risk| !known(risk)));
        }
    }
    found
}

/// Values that are 0 exactly where the argument is, if one of them is.
fn factors(ir: &Ir, argument: NodeId) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut pending = vec![argument];
    while let Some(id) = pending.pop() {
        let Node::Map { op, args, .. } = ir.node(id) else {
            found.push(id);
            continue;
        };
        match op {
            Prim::Mul => pending.extend([args[0].node, args[1].node]),
            Prim::Id
            | Prim::Neg
            | Prim::Abs
            | Prim::Relu
            | Prim::Sqrt
            | Prim::Tanh
            | Prim::Erf
            | Prim::Pow(_)
            | Prim::Div => pending.push(args[0].node),
            _ => found.push(id),
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn narrow(ir: &Ir, scalar: NodeId, (used, pole): (NodeId, bool)) -> Option<Risk> {
    let coefficients = vec![scalar];
    is_mean(ir, scalar).then(|| Risk { used, pole, coefficients, monomials: vec![], rest: None })
}

/// The coefficients of a value that differs from neuron to neuron, where what does not depend on them may be 0.
fn wide(
    ir: &mut Ir,
    atoms: &mut Atoms,
    argument: NodeId,
    (used, pole): (NodeId, bool),
) -> Option<Risk> {
    if !is_mean(ir, argument) {
        return None;
    }
    let shape = ir.shape(argument).clone();
    let scalars = Shape::new(shape.stat.clone(), 0);
    let mut groups: BTreeMap<Vec<Factor>, Vec<(Vec<Factor>, f64)>> = BTreeMap::new();
    for (monomial, (number, _)) in polynomial(ir, argument)? {
        let (wide, narrow) = monomial.into_iter().partition(Factor::is_wide);
        groups.entry(wide).or_default().push((narrow, number));
    }
    let mut rest = None;
    let (mut coefficients, mut monomials) = (Vec::new(), Vec::new());
    for (wide, terms) in groups {
        let mut coefficient = ir.zeros(scalars.clone());
        for (narrow, number) in terms {
            let term = monomial(ir, &scalars, &narrow, number);
            coefficient = ir.apply(Prim::Add, &[coefficient, term]);
        }
        let wide = monomial(ir, &shape, &wide, 1.0);
        if is_mean(ir, coefficient) {
            coefficients.push(coefficient);
            monomials.push(wide);
        } else {
            let part = product(ir, coefficient, wide);
            rest = Some(rest.map_or(part, |rest| ir.apply(Prim::Add, &[rest, part])));
        }
    }
    let harmless = rest.is_some_and(|rest| !atoms.may_be_zero(ir, rest));
    (!coefficients.is_empty() && !harmless).then_some(Risk {
        used,
        pole,
        coefficients,
        monomials,
        rest,
    })
}

/// A number times a product of factors, over these axes.
fn monomial(ir: &mut Ir, shape: &Shape, factors: &[Factor], number: f64) -> NodeId {
    let mut total = ir.filled(number, shape.clone());
    for factor in factors {
        let arg = factor.build(ir, shape);
        let whole = ir.whole(total);
        total = ir.map(Prim::Mul, shape.clone(), vec![whole, arg]);
    }
    total
}

/// A scalar of each static entry times a value with further width axes.
fn product(ir: &mut Ir, scalar: NodeId, value: NodeId) -> NodeId {
    let shape = ir.shape(value).clone();
    let stat = (0..ir.shape(scalar).stat.len()).collect();
    let scalar = Arg { node: scalar, stat, width: vec![] };
    let value = ir.whole(value);
    ir.map(Prim::Mul, shape, vec![scalar, value])
}

/// Whether a value depends on a mean over neurons: constants are what the user wrote.
fn is_mean(ir: &Ir, value: NodeId) -> bool {
    ir.reachable(&[value])
        .iter()
        .any(|id| matches!(ir.node(*id), Node::Reduce { width, .. } if !width.is_empty()))
}
