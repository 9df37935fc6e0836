//! Which values may be 0 with positive probability: there a dropped term decides a jump or a pole.
//!
//! relu(z) is 0 on half of the entries, so sign(relu(z) + y/√n) is sign(y) there although y/√n vanishes. An analytic function of
//! hats and initial vectors has no atoms, unless it is 0 identically in some static entry, which a generic point shows. The
//! answer "no" must be right; "yes" only means that the engine refuses.

use super::combination::{Factor, polynomial};
use super::generic::Generic;
use super::hypotheses::range;
use crate::ir::range::{EVERYWHERE, Range};
use crate::ir::{Arg, Ir, Law, Node, NodeId, Prim};
use num_traits::Signed;

/// How deep a product is followed to its factors.
const DEEPEST: usize = 100;
/// Less than one in a hundred Gaussian numbers counts in the mean of this power.
const HIGH: i64 = 8;

/// What is known of the nodes of a graph that may still grow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Atoms {
    /// Whether a value is an analytic function of continuous variables, given all scalars.
    analytic: Vec<bool>,
    /// Whether a value depends on a mean over neurons, hence has a limit that is not known here.
    means: Vec<bool>,
    ranges: Vec<Range>,
    generic: Generic,
}

impl Atoms {
    /// Whether the value may be 0 on a part of the neurons; of a scalar, in some entry. Scalars that depend on means
    /// are left to the limit engine.
    pub(crate) fn may_be_zero(&mut self, ir: &Ir, node: NodeId) -> bool {
        self.extend(ir);
        !self.is_nonzero(ir, node, 0)
    }

    /// Whether the value is 0 at a generic point, in every static entry.
    pub(crate) fn seems_zero(&mut self, ir: &Ir, node: NodeId) -> bool {
        self.generic.zeros(ir, node).is_some_and(|zeros| !zeros.contains(&false))
    }

    /// Whether the value stays away from 0 as n → ∞ whatever the limits of the means in it: means of what has one sign, and
    /// what is made of such without a difference; of values that differ from neuron to neuron, by their range alone.
    pub(super) fn is_away(&mut self, ir: &Ir, node: NodeId) -> bool {
        self.extend(ir);
        if ir.shape(node).width > 0 {
            return self.ranges[node.index()].excludes_zero();
        }
        if !self.means[node.index()] {
            return !self.may_be_zero(ir, node);
        }
        self.is_away_scalar(ir, node, 0)
    }

    /// Whether the value depends on a mean over neurons, whose limit is not known here.
    pub(super) fn has_means(&mut self, ir: &Ir, node: NodeId) -> bool {
        self.extend(ir);
        self.means[node.index()]
    }

    fn is_away_scalar(&mut self, ir: &Ir, id: NodeId, depth: usize) -> bool {
        let range = self.ranges[id.index()];
        if range.excludes_zero() || depth > DEEPEST {
            return range.excludes_zero();
        }
        let all = |this: &mut Self, args: &[NodeId]| {
            args.iter().all(|arg| {
                if this.means[arg.index()] {
                    this.is_away_scalar(ir, *arg, depth + 1)
                } else {
                    !this.may_be_zero(ir, *arg)
                }
            })
        };
        match ir.node(id) {
            Node::Reduce { arg, .. } => {
                let one_sign = self.ranges[arg.index()].has_one_sign();
                let zeros = self.generic.zeros(ir, *arg);
                one_sign && zeros.is_some_and(|zeros| !zeros.contains(&true))
            }
            Node::Map { op: Prim::Add, args, .. } => {
                let signs = args.iter().all(|arg| self.ranges[arg.node.index()].is_natural());
                signs && args.iter().any(|arg| all(self, &[arg.node]))
            }
            Node::Map { op, args, .. } => {
                let args: Vec<NodeId> = args[..factors(*op)].iter().map(|arg| arg.node).collect();
                !args.is_empty() && all(self, &args)
            }
            Node::Index { arg, .. } | Node::Slice { arg, .. } | Node::Bind { arg, .. } => {
                all(self, &[*arg])
            }
            Node::Stack(args) => all(self, args),
            _ => false,
        }
    }

    /// Whether the value is positive or negative everywhere, if it is one of them.
    pub(super) fn sign(&mut self, ir: &Ir, node: NodeId) -> Option<bool> {
        self.extend(ir);
        let range = self.ranges[node.index()];
        range.excludes_zero().then(|| range.is_positive())
    }

    /// Whether the value may be 0 where its operands are not.
    pub(super) fn cancels_somewhere(&mut self, ir: &Ir, node: NodeId) -> bool {
        match ir.node(node) {
            Node::Map {
                op: Prim::Add | Prim::Sub | Prim::Log | Prim::Sin | Prim::Cos,
                args,
                ..
            } => self.outlived(ir, node, args),
            Node::Reduce { .. } => {
                !self.is_safe(ir, node) && self.generic.sum_cancels(ir, node).unwrap_or(true)
            }
            _ => false,
        }
    }

    /// Whether the value may be 0 where one of these is not, each along axes of the value.
    pub(super) fn outlived(&mut self, ir: &Ir, node: NodeId, operands: &[Arg]) -> bool {
        !self.is_safe(ir, node) && self.generic.outlived(ir, node, operands).unwrap_or(true)
    }

    /// Whether the value is never 0, or left to the limit engine.
    fn is_safe(&mut self, ir: &Ir, node: NodeId) -> bool {
        self.extend(ir);
        let narrow = ir.shape(node).width == 0 && self.means[node.index()];
        narrow || self.ranges[node.index()].excludes_zero()
    }

    /// Whether the value may have no mean: a pole, or an exponential of more than linear functions of Gaussians, enters
    /// it entry by entry.
    pub(crate) fn is_heavy(&mut self, ir: &Ir, node: NodeId) -> bool {
        self.is_made_by(ir, node, Self::is_pole)
    }

    /// Whether the value may have a mean that few particles make: an exponential or a high power enters it entry by entry.
    pub(crate) fn is_steep(&mut self, ir: &Ir, node: NodeId) -> bool {
        self.is_made_by(ir, node, |own, _, op, args| {
            let range = own.ranges[args[0].node.index()];
            match op {
                Prim::Exp => !range.is_bounded_above(),
                Prim::Pow(p) => p >= HIGH.into() && !range.is_bounded(),
                _ => false,
            }
        })
    }

    /// Whether such an operation enters the value entry by entry.
    fn is_made_by(
        &mut self,
        ir: &Ir,
        node: NodeId,
        is_such: impl Fn(&Self, &Ir, Prim, &[Arg]) -> bool,
    ) -> bool {
        self.extend(ir);
        let mut pending = vec![node];
        let mut seen = vec![false; ir.len()];
        while let Some(id) = pending.pop() {
            if std::mem::replace(&mut seen[id.index()], true) || ir.shape(id).width == 0 {
                continue;
            }
            match ir.node(id) {
                Node::MatMul { .. } => continue,
                Node::Reduce { width, .. } if !width.is_empty() => continue,
                Node::Map { op, args, .. } if is_such(self, ir, *op, args) => return true,
                node => node.children(|child| pending.push(child)),
            }
        }
        false
    }

    fn is_pole(&self, ir: &Ir, op: Prim, args: &[Arg]) -> bool {
        let reaches_zero = |k: usize| {
            let arg: &Arg = &args[k];
            ir.shape(arg.node).width > 0 && !self.ranges[arg.node.index()].excludes_zero()
        };
        match op {
            Prim::Div => reaches_zero(1),
            Prim::Pow(p) => p.is_negative() && reaches_zero(0),
            Prim::Powf => reaches_zero(0),
            Prim::Exp => {
                !self.ranges[args[0].node.index()].is_bounded_above()
                    && !is_linear(ir, args[0].node)
            }
            _ => false,
        }
    }

    fn extend(&mut self, ir: &Ir) {
        for id in ir.ids().skip(self.analytic.len()) {
            let mut means = matches!(ir.node(id), Node::Reduce { width, .. } if !width.is_empty());
            ir.node(id).children(|child| means |= self.means[child.index()]);
            self.means.push(means);
            let analytic = self.is_analytic(ir, id);
            self.analytic.push(analytic);
            self.ranges.push(EVERYWHERE);
            self.ranges[id.index()] = range(ir, id, &self.ranges);
        }
    }

    fn is_nonzero(&mut self, ir: &Ir, id: NodeId, depth: usize) -> bool {
        let narrow = ir.shape(id).width == 0;
        if self.is_safe(ir, id) {
            return true;
        }
        if (narrow || self.analytic[id.index()])
            && self.generic.zeros(ir, id).is_some_and(|zeros| !zeros.contains(&true))
        {
            return true;
        }
        if !narrow
            && !self.analytic[id.index()]
            && self.generic.never_zero(ir, id).is_some_and(|never| never)
        {
            return true;
        }
        let factors: Vec<NodeId> = match ir.node(id) {
            Node::Init(_) => return true,
            Node::Map { op, args, .. } => args[..factors(*op)].iter().map(|arg| arg.node).collect(),
            Node::Index { arg, .. } | Node::Slice { arg, .. } | Node::Bind { arg, .. } => {
                vec![*arg]
            }
            Node::Stack(args) => args.clone(),
            _ => Vec::new(),
        };
        depth < DEEPEST
            && !factors.is_empty()
            && factors.iter().all(|factor| self.is_nonzero(ir, *factor, depth + 1))
    }

    fn is_analytic(&self, ir: &Ir, id: NodeId) -> bool {
        if ir.shape(id).width == 0 {
            return true;
        }
        let get = |id: NodeId| self.analytic[id.index()];
        match ir.node(id) {
            Node::Const(_) | Node::Data(_) | Node::Iota(_) | Node::Width(_) => true,
            // hats are Gaussian; where their variance is 0 a generic point shows it
            Node::MatMul { .. } => true,
            Node::Init(init) => {
                let init = ir.init(*init);
                init.shape.width == 2 || init.law != Law::Rademacher
            }
            Node::Map { op, args, .. } => Self::map_is_analytic(ir, *op, args, &get),
            Node::Reduce { arg, .. }
            | Node::Index { arg, .. }
            | Node::Slice { arg, .. }
            | Node::Pad { arg, .. }
            | Node::Bind { arg, .. } => get(*arg),
            Node::Stack(args) => args.iter().all(|arg| get(*arg)),
            Node::Param(_) => false,
        }
    }

    fn map_is_analytic(ir: &Ir, op: Prim, args: &[Arg], get: &dyn Fn(NodeId) -> bool) -> bool {
        let all = |args: &[Arg]| args.iter().all(|arg| get(arg.node));
        match op {
            Prim::Id
            | Prim::Neg
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
            | Prim::Div => all(args),
            Prim::Select => ir.shape(args[0].node).width == 0 && all(args),
            Prim::Abs
            | Prim::Sign
            | Prim::Step
            | Prim::Relu
            | Prim::Not
            | Prim::Min
            | Prim::Max
            | Prim::Lt
            | Prim::Le
            | Prim::Eq
            | Prim::And
            | Prim::Or => false,
        }
    }
}

/// Whether a value is a linear function of initial vectors and images.
fn is_linear(ir: &Ir, node: NodeId) -> bool {
    let gaussian = |factor: &&Factor| match factor {
        Factor::Value(node, ..) => matches!(ir.node(*node), Node::Init(_)),
        Factor::Image(..) => true,
    };
    polynomial(ir, node).is_some_and(|terms| {
        terms.keys().all(|monomial| {
            let mut wide = monomial.iter().filter(|factor| factor.is_wide());
            wide.next().is_none_or(|first| gaussian(&first) && wide.next().is_none())
        })
    })
}

/// How many of the first operands of an operation must all differ from 0 for the result to differ from 0; 0 where that
/// does not suffice.
fn factors(op: Prim) -> usize {
    match op {
        Prim::Id
        | Prim::Neg
        | Prim::Abs
        | Prim::Sign
        | Prim::Sqrt
        | Prim::Tanh
        | Prim::Erf
        | Prim::Pow(_)
        | Prim::Powf
        | Prim::Div => 1,
        Prim::Mul => 2,
        Prim::Step
        | Prim::Relu
        | Prim::Exp
        | Prim::Log
        | Prim::Sin
        | Prim::Cos
        | Prim::Sigmoid
        | Prim::Softplus
        | Prim::Not
        | Prim::Add
        | Prim::Sub
        | Prim::Min
        | Prim::Max
        | Prim::Lt
        | Prim::Le
        | Prim::Eq
        | Prim::And
        | Prim::Or
        | Prim::Select => 0,
    }
}
