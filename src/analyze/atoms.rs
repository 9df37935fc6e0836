//! Which values may be 0 with positive probability: there a dropped term decides a jump or a pole.
//!
//! relu(z) is 0 on half of the entries, so sign(relu(z) + y/√n) is sign(y) there although y/√n vanishes (theory.md section
//! 6, rule 5: "atoms count"). The answer "no" must be right; "yes" only means that the engine refuses.

use super::hypotheses::{EVERYWHERE, Range, range};
use crate::ir::{Ir, Law, Node, NodeId, Prim};

/// How the entries of a value are spread, given all scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spread {
    /// The same number for every neuron, not 0 by construction.
    Fixed,
    /// No value has positive probability.
    Continuous,
    /// Some value may have positive probability.
    Atoms,
}

/// Spread and range of the nodes of a graph that may still grow.
#[derive(Clone, Debug, Default)]
pub(super) struct Atoms {
    spread: Vec<Spread>,
    ranges: Vec<Range>,
}

impl Atoms {
    /// Whether the value may be 0 on a part of the neurons.
    pub(super) fn may_be_zero(&mut self, ir: &Ir, node: NodeId) -> bool {
        for id in ir.ids().skip(self.spread.len()) {
            let spread = self.of(ir, id);
            self.spread.push(spread);
            self.ranges.push(EVERYWHERE);
            self.ranges[id.index()] = range(ir, id, &self.ranges);
        }
        self.spread[node.index()] == Spread::Atoms && !self.ranges[node.index()].excludes_zero()
    }

    fn get(&self, id: NodeId) -> Spread {
        self.spread[id.index()]
    }

    fn of(&self, ir: &Ir, id: NodeId) -> Spread {
        match ir.node(id) {
            Node::Const(value) if value.get() == 0.0 => Spread::Atoms,
            Node::Const(_) | Node::Width(_) => Spread::Fixed,
            Node::Data(data) if ir.data[data.index()].iter().all(|value| *value != 0.0) => {
                Spread::Fixed
            }
            Node::Data(_) | Node::Iota(_) | Node::Param(_) | Node::Pad { .. } => Spread::Atoms,
            Node::Init(init) => match ir.init(*init).law {
                Law::Normal | Law::Uniform => Spread::Continuous,
                Law::Rademacher => Spread::Atoms,
            },
            Node::Map { op, args, .. } => {
                let most = args.iter().map(|arg| self.get(arg.node)).max();
                Self::of_map(*op, most.unwrap_or(Spread::Atoms))
            }
            Node::Reduce { .. } if ir.shape(id).width == 0 => Spread::Fixed,
            Node::Reduce { arg, .. }
            | Node::Index { arg, .. }
            | Node::Slice { arg, .. }
            | Node::Bind { arg, .. } => self.get(*arg),
            Node::MatMul { .. } => Spread::Continuous,
            Node::Stack(args) => {
                args.iter().map(|arg| self.get(*arg)).max().unwrap_or(Spread::Atoms)
            }
        }
    }

    fn of_map(op: Prim, most: Spread) -> Spread {
        match op {
            Prim::Id
            | Prim::Neg
            | Prim::Abs
            | Prim::Sqrt
            | Prim::Exp
            | Prim::Log
            | Prim::Sin
            | Prim::Cos
            | Prim::Tanh
            | Prim::Erf
            | Prim::Sigmoid
            | Prim::Softplus
            | Prim::Pow(_)
            | Prim::Powf
            | Prim::Add
            | Prim::Sub
            | Prim::Mul
            | Prim::Div => most,
            Prim::Sign
            | Prim::Step
            | Prim::Relu
            | Prim::Not
            | Prim::Min
            | Prim::Max
            | Prim::Lt
            | Prim::Le
            | Prim::Eq
            | Prim::And
            | Prim::Or
            | Prim::Select => Spread::Atoms,
        }
    }
}
