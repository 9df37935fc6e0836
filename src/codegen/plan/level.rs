//! Classes and levels of nodes.

use crate::codegen::{ExecError, initial_matrix};
use crate::ir::{Arg, Ir, Node, NodeId, Prim, ReduceOp};

/// Static sums of at most this many terms are written out inside a body.
pub(super) const UNROLLED: usize = 16;

/// How a node is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codegen) enum Class {
    /// Given from the start.
    Given,
    /// No width axis.
    Static,
    /// Another arrangement of other values: never computed unless asked for.
    View,
    /// Entrywise over one width axis.
    Loop,
    /// A long sum over static axes, over one width axis.
    LongSum,
    /// A contraction of one width axis to none.
    Sum,
    /// A product with an initial matrix.
    Apply,
    /// Entrywise over two or more width axes.
    Pair,
    /// A contraction from two width axes, or the product with a matrix that is computed.
    FromPairs,
    /// A contraction from three or more width axes.
    FromTuples,
}

/// Levels and classes of all nodes that the roots need.
pub(in crate::codegen) struct Levels {
    pub(in crate::codegen) class: Vec<Class>,
    pub(in crate::codegen) level: Vec<usize>,
    pub(in crate::codegen) users: Vec<usize>,
    /// For arrays over pairs the level at which they are stored.
    pub(in crate::codegen) array: Vec<Option<usize>>,
}

impl Levels {
    pub(super) fn new(ir: &Ir, roots: &[NodeId], arrays: bool) -> Result<Self, ExecError> {
        let mut this = Self {
            class: vec![Class::Given; ir.len()],
            level: vec![0; ir.len()],
            users: vec![0; ir.len()],
            array: vec![None; ir.len()],
        };
        let order = ir.reachable(roots);
        for id in &order {
            ir.node(*id).children(|child| this.users[child.index()] += 1);
        }
        roots.iter().for_each(|root| this.users[root.index()] += 1);
        for id in &order {
            this.class[id.index()] = classify(ir, *id)?;
            this.level[id.index()] = this.level_of(ir, *id);
        }
        if arrays {
            this.array = super::arrays::choose(ir, &this, roots, &order);
        }
        Ok(this)
    }

    pub(in crate::codegen) fn class(&self, id: NodeId) -> Class {
        self.class[id.index()]
    }

    pub(in crate::codegen) fn level(&self, id: NodeId) -> usize {
        self.level[id.index()]
    }

    /// The first level at which a value can be read by another loop.
    pub(super) fn ready(&self, ir: &Ir, id: NodeId) -> usize {
        match self.class(id) {
            Class::Given => 0,
            Class::View if ir.shape(id).width < 2 => {
                let mut ready = 0;
                ir.node(id).children(|child| ready = ready.max(self.ready(ir, child)));
                ready
            }
            Class::View | Class::Pair => self.level(id),
            Class::Static
            | Class::Loop
            | Class::LongSum
            | Class::Sum
            | Class::Apply
            | Class::FromPairs
            | Class::FromTuples => self.level(id) + 1,
        }
    }

    fn level_of(&self, ir: &Ir, id: NodeId) -> usize {
        let mut ready = 0;
        ir.node(id).children(|child| ready = ready.max(self.ready(ir, child)));
        match (self.class(id), ir.node(id)) {
            (Class::Given, _) => 0,
            (Class::Static, node) => {
                let mut level = 0;
                node.children(|child| {
                    let own = self.class(child) == Class::Static;
                    level = level.max(if own { self.level(child) } else { self.ready(ir, child) });
                });
                level
            }
            (Class::Loop, Node::Map { args, shape, .. }) => {
                let same = |arg: &Arg| {
                    self.class(arg.node) == Class::Loop
                        && ir.shape(arg.node) == shape
                        && arg.stat.iter().enumerate().all(|(i, axis)| i == *axis)
                };
                let level = |arg: &Arg| {
                    if same(arg) { self.level(arg.node) } else { self.ready(ir, arg.node) }
                };
                args.iter().map(level).max().unwrap_or(0)
            }
            (Class::Loop | Class::LongSum, Node::Reduce { arg, .. }) => self.inlined(ir, *arg),
            (Class::Sum, Node::Reduce { arg, .. }) if self.class(*arg) == Class::Loop => {
                self.level(*arg)
            }
            (Class::Apply, Node::MatMul { arg, .. }) => self.ready(ir, *arg),
            _ => ready,
        }
    }

    /// The level at which a node's entries can be computed inside another loop: a node with one user is repeated.
    fn inlined(&self, ir: &Ir, id: NodeId) -> usize {
        if self.class(id) == Class::Loop && self.users[id.index()] == 1 {
            self.level(id)
        } else {
            self.ready(ir, id)
        }
    }
}

fn classify(ir: &Ir, id: NodeId) -> Result<Class, ExecError> {
    let shape = ir.shape(id);
    let entrywise = |loops: Class| match shape.width {
        0 => Class::Static,
        1 => loops,
        _ => Class::Pair,
    };
    Ok(match ir.node(id) {
        Node::Const(_) | Node::Data(_) | Node::Iota(_) | Node::Init(_) => Class::Given,
        Node::Width(_) | Node::Param(_) | Node::Bind { .. } => {
            return Err(ExecError::Unsupported { node: id });
        }
        Node::Map { op: Prim::Id, .. } => entrywise(Class::View),
        Node::Map { .. } => entrywise(Class::Loop),
        Node::Index { .. } | Node::Slice { .. } | Node::Stack(_) | Node::Pad { .. } => {
            entrywise(Class::View)
        }
        Node::Reduce { arg, stat, width, op: ReduceOp::Sum | ReduceOp::Mean } => {
            let from = ir.shape(*arg);
            let terms: usize = stat.iter().map(|axis| from.stat[*axis]).product();
            match (from.width, width.is_empty()) {
                (_, true) if terms > UNROLLED => entrywise(Class::LongSum),
                (_, true) => entrywise(Class::Loop),
                (0 | 1, false) => Class::Sum,
                (2, false) => Class::FromPairs,
                (_, false) => Class::FromTuples,
            }
        }
        Node::MatMul { mat, .. } if initial_matrix(ir, *mat).is_some() => Class::Apply,
        Node::MatMul { .. } => Class::FromPairs,
    })
}
