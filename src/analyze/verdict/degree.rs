//! Whether an optimizer is homogeneous: Q(n^θ g₀, n^θ g₁, …) = n^(kθ) Q(g₀, g₁, …).
//!
//! Then d only rescales the learning rate: (a, b, c, d) acts like (a, b, c + kθ, d + θ). For SGD k = 1 (Remark 2.2.4 of
//! [TP4b]), for sign descent k = 0 (Remark 2.2.6); such a Q has no scale that its input could miss.

use super::mark::Marked;
use crate::ir::{Exponent, Node, NodeId, Prim};
use num_traits::Zero;
use std::collections::HashMap;

const HALF: Exponent = Exponent::new_raw(1, 2);

/// The degree of the steps of a parameter as functions of its gradients; `None` if they are not homogeneous.
pub(super) fn degree(marked: &Marked, param: usize) -> Option<Exponent> {
    let mut degrees = Degrees { marked, known: HashMap::new() };
    for gradient in marked.params[param].gradients.iter().flatten() {
        degrees.known.insert(*gradient, Some(Exponent::from_integer(1)));
    }
    let mut found = None;
    for id in &marked.order {
        let Node::Bind { id: mark, arg } = marked.full.node(*id) else { continue };
        if marked.marks[mark.index()].param == param {
            let own = degrees.of(*arg)?;
            if found.is_some_and(|found| found != own) {
                return None;
            }
            found = Some(own);
        }
    }
    found
}

struct Degrees<'a> {
    marked: &'a Marked,
    known: HashMap<NodeId, Option<Exponent>>,
}

impl Degrees<'_> {
    fn of(&mut self, id: NodeId) -> Option<Exponent> {
        if let Some(known) = self.known.get(&id) {
            return *known;
        }
        let degree = self.compute(id);
        self.known.insert(id, degree);
        degree
    }

    /// All of one degree; exact zeros have every degree.
    fn common(&mut self, ids: &[NodeId]) -> Option<Exponent> {
        let mut found = None;
        for id in ids {
            if self.marked.full.is_zero(*id) {
                continue;
            }
            let own = self.of(*id)?;
            if found.is_some_and(|found| found != own) {
                return None;
            }
            found = Some(own);
        }
        found.or_else(|| Some(Exponent::zero()))
    }

    fn compute(&mut self, id: NodeId) -> Option<Exponent> {
        let zero = Exponent::zero();
        match self.marked.full.node(id).clone() {
            Node::Const(_)
            | Node::Width(_)
            | Node::Data(_)
            | Node::Iota(_)
            | Node::Param(_)
            | Node::Init(_)
            | Node::Bind { .. } => Some(zero),
            Node::Reduce { arg, .. }
            | Node::Index { arg, .. }
            | Node::Slice { arg, .. }
            | Node::Pad { arg, .. }
            | Node::MatMul { arg, .. } => self.of(arg),
            Node::Stack(args) => self.common(&args),
            Node::Map { op, args, .. } => {
                let args: Vec<NodeId> = args.iter().map(|arg| arg.node).collect();
                self.of_map(op, &args)
            }
        }
    }

    fn of_map(&mut self, op: Prim, args: &[NodeId]) -> Option<Exponent> {
        let zero = Exponent::zero();
        match op {
            Prim::Id | Prim::Neg | Prim::Abs | Prim::Relu => self.of(args[0]),
            Prim::Add | Prim::Sub | Prim::Min | Prim::Max => self.common(args),
            Prim::Mul => Some(self.of(args[0])? + self.of(args[1])?),
            Prim::Div => Some(self.of(args[0])? - self.of(args[1])?),
            Prim::Sqrt => Some(self.of(args[0])? * HALF),
            Prim::Pow(p) => Some(self.of(args[0])? * p),
            Prim::Sign | Prim::Step | Prim::Not => self.of(args[0]).map(|_| zero),
            Prim::Lt | Prim::Le | Prim::Eq => self.common(args).map(|_| zero),
            Prim::Select => {
                self.of(args[0]).filter(Zero::is_zero)?;
                self.common(&args[1..])
            }
            Prim::Exp
            | Prim::Log
            | Prim::Sin
            | Prim::Cos
            | Prim::Tanh
            | Prim::Erf
            | Prim::Sigmoid
            | Prim::Softplus
            | Prim::Powf
            | Prim::And
            | Prim::Or => {
                for arg in args {
                    self.of(*arg).filter(Zero::is_zero)?;
                }
                Some(zero)
            }
        }
    }
}
