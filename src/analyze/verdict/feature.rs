//! Which values of the forward pass are pre-activations.

use super::mark::Marked;
use crate::ir::{Node, NodeId, Prim};
use std::collections::HashSet;

/// A pre-activation in one step's forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) node: NodeId,
    /// Whether a nonlinear function is applied to it, or only a matrix or a product.
    pub(super) nonlinear: bool,
}

/// Vecs that an entrywise nonlinear function is applied to, and those that a matrix or another vec multiplies without a
/// function between (linear layers, residual streams), in the order of the forward pass.
pub(super) fn features(marked: &Marked, prediction: NodeId) -> Vec<Found> {
    let mut walk = Walk { marked, seen: HashSet::new(), order: Vec::new() };
    walk.visit(prediction);
    let mut nonlinear = HashSet::new();
    let mut linear = HashSet::new();
    for id in &walk.order {
        for (arg, by_function) in arguments(marked, *id) {
            let core = marked.core(arg);
            if marked.full.shape(core).width != 1 || is_parameter(marked, core) {
                continue;
            }
            if by_function && !is_output(marked, core) {
                nonlinear.insert(core);
            } else if !is_output(marked, core) {
                linear.insert(core);
            }
        }
    }
    let found = |node: &NodeId| match (nonlinear.contains(node), linear.contains(node)) {
        (true, _) => Some(Found { node: *node, nonlinear: true }),
        (false, true) => Some(Found { node: *node, nonlinear: false }),
        (false, false) => None,
    };
    walk.order.iter().filter_map(found).collect()
}

/// A forward pass, operands before users and in the order of the operands.
struct Walk<'a> {
    marked: &'a Marked,
    seen: HashSet<NodeId>,
    order: Vec<NodeId>,
}

impl Walk<'_> {
    fn visit(&mut self, root: NodeId) {
        let mut pending = vec![(root, false)];
        while let Some((id, done)) = pending.pop() {
            if done {
                self.order.push(id);
            } else if self.seen.insert(id) {
                pending.push((id, true));
                let children = self.marked.forward(id);
                pending.extend(children.into_iter().rev().map(|child| (child, false)));
            }
        }
    }
}

/// The operands that a node is not linear in by itself, and whether a function of one number is what acts.
fn arguments(marked: &Marked, id: NodeId) -> Vec<(NodeId, bool)> {
    let ir = &marked.full;
    match ir.node(id) {
        Node::MatMul { arg, .. } => vec![(*arg, false)],
        Node::Map { op, args, .. } => match op {
            Prim::Id | Prim::Neg | Prim::Add | Prim::Sub => Vec::new(),
            Prim::Mul | Prim::Div => {
                let vecs = args.iter().filter(|arg| ir.shape(arg.node).width == 1);
                let vecs: Vec<NodeId> = vecs.map(|arg| arg.node).collect();
                // an update acts by a product with its entries; the same vec is what the initial matrix acts on
                let wide = args.iter().all(|arg| ir.shape(arg.node).width > 0);
                if wide { vecs.into_iter().map(|arg| (arg, false)).collect() } else { Vec::new() }
            }
            _ => args.iter().map(|arg| (arg.node, true)).collect(),
        },
        _ => Vec::new(),
    }
}

/// Whether a value is made by a nonlinear function: an activation, not a pre-activation.
fn is_output(marked: &Marked, id: NodeId) -> bool {
    let ir = &marked.full;
    match ir.node(id) {
        Node::Map { op: Prim::Id | Prim::Neg | Prim::Add | Prim::Sub, .. } => false,
        Node::Map { op: Prim::Mul | Prim::Div, args, .. } => {
            args.iter().all(|arg| ir.shape(arg.node).width > 0)
        }
        Node::Map { .. } => true,
        Node::Index { arg, .. } | Node::Slice { arg, .. } => is_output(marked, marked.core(*arg)),
        _ => false,
    }
}

/// Whether a value is a parameter, or a multiple or an entry of one.
fn is_parameter(marked: &Marked, id: NodeId) -> bool {
    let ir = &marked.full;
    if marked.params.iter().any(|param| param.values.contains(&id)) {
        return true;
    }
    match ir.node(id) {
        // a step is all there is of a parameter that starts at 0
        Node::Init(_) | Node::Bind { .. } => true,
        Node::Index { arg, .. } | Node::Slice { arg, .. } => is_parameter(marked, *arg),
        Node::Map { op: Prim::Id | Prim::Neg, args, .. } => is_parameter(marked, args[0].node),
        Node::Map { op: Prim::Mul | Prim::Div, args, .. } => {
            let scalar = |k: usize| ir.shape(args[k].node).width == 0;
            let fixed = |k: usize| scalar(k) && ir.shape(args[k].node).stat.is_empty();
            (fixed(0) && is_parameter(marked, args[1].node))
                || (fixed(1) && is_parameter(marked, args[0].node))
        }
        _ => false,
    }
}
