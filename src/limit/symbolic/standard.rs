//! Initial objects as the source declares them, found again in a graph of standardised symbols.

use crate::ir::{InitId, Ir, Node, NodeId, Prim};

/// mean + factor · a standardised initial object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Initial {
    pub(super) init: InitId,
    pub(super) mean: f64,
    pub(super) factor: f64,
}

/// An affine function of one initial vector, with the nodes inside it.
pub(super) fn initial(ir: &Ir, id: NodeId) -> Option<(Initial, Vec<NodeId>)> {
    let shape = ir.shape(id);
    if shape.width != 1 {
        return None;
    }
    match ir.node(id) {
        Node::Init(init) => Some((Initial { init: *init, mean: 0.0, factor: 1.0 }, Vec::new())),
        Node::Map { op: op @ (Prim::Mul | Prim::Add), args, .. } => {
            let number = ir.constant_value(args[0].node)?;
            if args[1] != ir.whole(args[1].node) || ir.shape(args[1].node) != shape {
                return None;
            }
            let (inner, mut inside) = initial(ir, args[1].node)?;
            inside.push(args[1].node);
            let outer = if *op == Prim::Add {
                Initial { mean: inner.mean + number, ..inner }
            } else {
                Initial { mean: inner.mean * number, factor: inner.factor * number, ..inner }
            };
            Some((outer, inside))
        }
        _ => None,
    }
}

/// An initial object times a number and a power of n: the object and the number.
pub(super) fn scale_of(ir: &Ir, id: NodeId) -> Option<(InitId, f64)> {
    match ir.node(id) {
        Node::Init(init) => Some((*init, 1.0)),
        Node::Map { op: Prim::Mul, args, .. } => {
            let (init, scale) = scale_of(ir, args[1].node)?;
            Some((init, scale * number(ir, args[0].node)?))
        }
        Node::Bind { arg, .. } => scale_of(ir, *arg),
        _ => None,
    }
}

/// The coefficient of a number times a power of n.
fn number(ir: &Ir, id: NodeId) -> Option<f64> {
    match ir.node(id) {
        Node::Const(value) => Some(value.get()),
        Node::Width(_) => Some(1.0),
        Node::Map { op: Prim::Mul, args, .. } => {
            Some(number(ir, args[0].node)? * number(ir, args[1].node)?)
        }
        _ => None,
    }
}
