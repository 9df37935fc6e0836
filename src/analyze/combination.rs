//! Sums as polynomials of values that are neither sums nor products: whether the leading terms cancel.
//!
//! Terms are compared as nodes of the hash-consed graph, never as limits (theory.md section 6, rule 1): what is not seen
//! to cancel here keeps its exponent as an upper bound, which is refused or tested where the exact size matters.

use crate::ir::{Arg, Ir, Node, NodeId, Prim};
use num_traits::Signed;
use std::collections::BTreeMap;

/// A value over the axes of the whole.
type Factor = (NodeId, Vec<usize>, Vec<usize>);

/// Monomials with their coefficient and the sum of the sizes of what was added to it.
type Polynomial = BTreeMap<Vec<Factor>, (f64, f64)>;

/// Sums that cancel do so by few terms; longer ones are left alone.
const MOST_TERMS: usize = 256;
const MOST_NODES: usize = 1000;
const DEEPEST: usize = 200;
/// Rounding of coefficients such as 0.1 + 0.2 − 0.3.
const ROUNDING: f64 = 1e-14;

/// Whether a value is 0 as a polynomial.
pub(super) fn cancels(ir: &Ir, node: NodeId) -> bool {
    let mut expansion = Expansion { ir, budget: MOST_NODES };
    let whole = expansion.of(&ir.whole(node), 0);
    whole.is_some_and(|terms| terms.values().all(|(c, size)| c.abs() <= ROUNDING * size))
}

struct Expansion<'a> {
    ir: &'a Ir,
    budget: usize,
}

impl Expansion<'_> {
    /// `None` where the budget does not suffice.
    fn of(&mut self, arg: &Arg, depth: usize) -> Option<Polynomial> {
        self.budget = self.budget.checked_sub(1)?;
        let arg = self.ir.through_copies(arg.clone());
        if let Some(value) = self.ir.constant_value(arg.node) {
            return Some(Polynomial::from([(Vec::new(), (value, value.abs()))]));
        }
        let Node::Map { op, args, .. } = self.ir.node(arg.node) else { return Some(single(arg)) };
        if depth >= DEEPEST {
            return Some(single(arg));
        }
        let inner = |k: usize| Arg {
            node: args[k].node,
            stat: args[k].stat.iter().map(|axis| arg.stat[*axis]).collect(),
            width: args[k].width.iter().map(|axis| arg.width[*axis]).collect(),
        };
        let depth = depth + 1;
        match op {
            Prim::Neg => Some(scaled(self.of(&inner(0), depth)?, -1.0)),
            Prim::Add => Some(sum(self.of(&inner(0), depth)?, self.of(&inner(1), depth)?)),
            Prim::Sub => {
                let second = scaled(self.of(&inner(1), depth)?, -1.0);
                Some(sum(self.of(&inner(0), depth)?, second))
            }
            Prim::Mul => product(&self.of(&inner(0), depth)?, &self.of(&inner(1), depth)?),
            Prim::Div => match self.ir.constant_value(args[1].node) {
                Some(divisor) => Some(scaled(self.of(&inner(0), depth)?, 1.0 / divisor)),
                None => Some(single(arg)),
            },
            Prim::Pow(p) if p.is_integer() && p.is_positive() && p.to_integer() <= 8 => {
                let base = self.of(&inner(0), depth)?;
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
            | Prim::Select => Some(single(arg)),
        }
    }
}

fn single(arg: Arg) -> Polynomial {
    Polynomial::from([(vec![(arg.node, arg.stat, arg.width)], (1.0, 1.0))])
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
