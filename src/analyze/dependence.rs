//! How a value depends on one initial object: not at all, linearly, or in another way.

use crate::ir::{InitId, Ir, Node, NodeId, Prim};
use std::collections::{BTreeSet, HashMap};

/// How a value depends on a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dependence {
    /// It is 0.
    Zero,
    /// Not at all.
    Free,
    /// Linearly, with weights that are free of it.
    Linear,
    /// A linear part and one that is free of it.
    Affine,
    /// In another way.
    Other,
}

use Dependence::{Affine, Free, Linear, Other, Zero};

impl Dependence {
    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Other, _) | (_, Other) => Other,
            (Zero, part) | (part, Zero) => part,
            (Free, Free) => Free,
            (Linear, Linear) => Linear,
            _ => Affine,
        }
    }

    fn times(self, other: Self) -> Self {
        match (self, other) {
            (Zero, _) | (_, Zero) => Zero,
            (Free, part) | (part, Free) => part,
            _ => Other,
        }
    }

    fn is_free(self) -> bool {
        matches!(self, Zero | Free)
    }
}

/// How a value depends on an initial object.
pub(super) fn dependence(ir: &Ir, root: NodeId, symbol: InitId) -> Dependence {
    let mut known: HashMap<NodeId, Dependence> = HashMap::new();
    for id in ir.reachable(&[root]) {
        let found = match ir.is_zero(id) {
            true => Zero,
            false if is_constant(ir, id, symbol) => Free,
            false => of(ir, id, symbol, &known),
        };
        known.insert(id, found);
    }
    known[&root]
}

fn of(ir: &Ir, id: NodeId, symbol: InitId, known: &HashMap<NodeId, Dependence>) -> Dependence {
    let get = |id: &NodeId| known[id];
    match ir.node(id) {
        Node::Const(_) | Node::Width(_) | Node::Data(_) | Node::Iota(_) | Node::Param(_) => Free,
        Node::Init(init) if *init == symbol => Linear,
        Node::Init(_) => Free,
        Node::Map { op, args, .. } => {
            let parts: Vec<Dependence> = args.iter().map(|arg| get(&arg.node)).collect();
            of_map(*op, &parts)
        }
        Node::Reduce { arg, width, .. } => match get(arg) {
            // over the neurons of some axes, while others are left
            part @ (Linear | Affine) if !width.is_empty() && ir.init(symbol).shape.width > 0 => {
                part.times(Other)
            }
            part => part,
        },
        Node::MatMul { mat, arg, .. } => get(mat).times(get(arg)),
        Node::Index { arg, .. }
        | Node::Slice { arg, .. }
        | Node::Pad { arg, .. }
        | Node::Bind { arg, .. } => get(arg),
        Node::Stack(args) => args.iter().map(get).fold(Zero, Dependence::plus),
    }
}

fn of_map(op: Prim, parts: &[Dependence]) -> Dependence {
    match op {
        Prim::Id | Prim::Neg => parts[0],
        Prim::Add | Prim::Sub => parts[0].plus(parts[1]),
        Prim::Mul => parts[0].times(parts[1]),
        Prim::Div if parts[1].is_free() => parts[0],
        Prim::Select if parts[0].is_free() => parts[1].plus(parts[2]),
        _ if parts.iter().all(|part| part.is_free()) => Free,
        _ => Other,
    }
}

/// Scalars are constants beside what differs from neuron to neuron, also means of it: these have limits, or were drawn.
fn is_constant(ir: &Ir, id: NodeId, symbol: InitId) -> bool {
    ir.shape(id).width == 0 && ir.init(symbol).shape.width > 0
}

/// Initial vecs and mats in a value, not counting those in its scalars.
pub(super) fn symbols(ir: &Ir, root: NodeId) -> Vec<InitId> {
    let mut inside = BTreeSet::new();
    let mut pending = vec![root];
    let mut found = Vec::new();
    while let Some(id) = pending.pop() {
        if ir.shape(id).width == 0 || !inside.insert(id) {
            continue;
        }
        match ir.node(id) {
            Node::Init(init) => found.push(*init),
            node => node.children(|child| pending.push(child)),
        }
    }
    found
}

/// The value with 0 for a symbol.
pub(super) fn without(ir: &mut Ir, root: NodeId, symbol: InitId) -> NodeId {
    let mut map: HashMap<NodeId, NodeId> = HashMap::new();
    for id in ir.reachable(&[root]) {
        let shape = ir.shape(id).clone();
        let node = match ir.node(id).clone() {
            Node::Init(init) if init == symbol => ir.zeros(shape),
            _ if is_constant(ir, id, symbol) => id,
            node => {
                let node = node.with_children(|child| map[&child]);
                ir.rebuild(node, shape)
            }
        };
        map.insert(id, node);
    }
    map[&root]
}

/// The part of a value that is linear in a symbol, where it is linear or affine.
pub(super) fn linear_part(ir: &mut Ir, root: NodeId, symbol: InitId) -> NodeId {
    let mut known: HashMap<NodeId, Dependence> = HashMap::new();
    let mut parts: HashMap<NodeId, NodeId> = HashMap::new();
    for id in ir.reachable(&[root]) {
        let found = if ir.is_zero(id) { Zero } else { of(ir, id, symbol, &known) };
        known.insert(id, found);
        if !matches!(found, Linear | Affine) {
            continue;
        }
        let shape = ir.shape(id).clone();
        let node = ir.node(id).clone();
        let scales = matches!(&node, Node::Map { op: Prim::Mul | Prim::Div, .. });
        let mut first = true;
        let part = node.with_children(|child| {
            // factors and conditions stay as they are; a term without the symbol goes
            let keeps = scales || first && matches!(&node, Node::Map { op: Prim::Select, .. });
            first = false;
            match (parts.get(&child), keeps) {
                (Some(part), _) => *part,
                (None, true) => child,
                (None, false) if known[&child].is_free() && !is_matrix(&node, child) => {
                    let shape = ir.shape(child).clone();
                    ir.zeros(shape)
                }
                (None, false) => child,
            }
        });
        let part = ir.rebuild(part, shape);
        parts.insert(id, part);
    }
    let shape = ir.shape(root).clone();
    parts.get(&root).copied().unwrap_or_else(|| ir.zeros(shape))
}

/// Whether this operand is the matrix of a product.
fn is_matrix(node: &Node, operand: NodeId) -> bool {
    matches!(node, Node::MatMul { mat, .. } if *mat == operand)
}
