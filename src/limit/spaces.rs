//! Spaces of neurons: which initial vectors and sides of matrices a function ever sees together.
//!
//! A matrix maps one space to another. Kets of different spaces never meet under one mean: the neurons of one layer are
//! read at an index of their own. So their columns need neither be orthogonal to each other nor be spread evenly together.

use crate::codegen::initial_matrix;
use crate::ir::{InitId, Ir, Node, NodeId};
use std::collections::HashMap;

/// The space of each width axis of every initial object; without any, all are in one.
#[derive(Clone, Debug, Default)]
pub(super) struct Spaces {
    axes: HashMap<(InitId, usize), usize>,
    count: usize,
}

impl Spaces {
    /// Of what `roots` need.
    pub(super) fn of(ir: &Ir, roots: &[NodeId]) -> Self {
        let mut classes = Classes::default();
        let needed = ir.reachable(roots);
        needed.iter().for_each(|id| classes.join_operands(ir, *id));
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        let mut axes = HashMap::new();
        for id in needed {
            let Node::Init(init) = ir.node(id) else { continue };
            for axis in 0..ir.shape(id).width {
                let next = numbers.len();
                let number = *numbers.entry(classes.of((id, axis))).or_insert(next);
                axes.insert((*init, axis), number);
            }
        }
        Self { axes, count: numbers.len() }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count.max(1)
    }

    /// The space of a width axis: of a matrix axis 0 is that of its images, axis 1 that of what it is applied to.
    pub(super) fn at(&self, init: InitId, axis: usize) -> usize {
        self.axes.get(&(init, axis)).copied().unwrap_or(0)
    }
}

/// Width axes of nodes that run over the same neurons, as trees.
#[derive(Default)]
struct Classes {
    /// For each class one that it is joined with; its own number at a root.
    parents: Vec<usize>,
    first: HashMap<(NodeId, usize), usize>,
}

impl Classes {
    /// The class of a width axis of a node.
    fn of(&mut self, axis: (NodeId, usize)) -> usize {
        let new = self.parents.len();
        let mut class = *self.first.entry(axis).or_insert(new);
        if class == new {
            self.parents.push(new);
        }
        while self.parents[class] != class {
            class = self.parents[class];
        }
        class
    }

    fn join(&mut self, a: (NodeId, usize), b: (NodeId, usize)) {
        let (a, b) = (self.of(a), self.of(b));
        self.parents[a.max(b)] = a.min(b);
    }

    /// Joins the width axes of a node with those of its operands.
    fn join_operands(&mut self, ir: &Ir, id: NodeId) {
        match ir.node(id) {
            Node::Map { args, .. } => {
                for arg in args {
                    let axes = arg.width.iter().enumerate();
                    axes.for_each(|(own, axis)| self.join((arg.node, own), (id, *axis)));
                }
            }
            Node::Reduce { arg, width, .. } => {
                let kept = (0..ir.shape(*arg).width).filter(|axis| !width.contains(axis));
                kept.enumerate().for_each(|(axis, own)| self.join((*arg, own), (id, axis)));
            }
            Node::MatMul { mat, transpose, arg } => {
                let (to, from) = if *transpose { (1, 0) } else { (0, 1) };
                self.join((*mat, from), (*arg, 0));
                self.join((*mat, to), (id, 0));
            }
            node => node.children(|arg| {
                (0..ir.shape(arg).width).for_each(|axis| self.join((arg, axis), (id, axis)));
            }),
        }
    }
}

/// How many columns there are in each space, at most: initial vectors, inputs of matrices, and their images.
pub(super) fn columns(ir: &Ir, roots: &[NodeId]) -> Vec<usize> {
    let spaces = Spaces::of(ir, roots);
    let mut counts = vec![0; spaces.count()];
    for id in ir.reachable(roots) {
        let entries = ir.shape(id).entries();
        match ir.node(id) {
            Node::Init(init) if ir.shape(id).width == 1 => counts[spaces.at(*init, 0)] += entries,
            Node::MatMul { mat, .. } => {
                let Some((matrix, _)) = initial_matrix(ir, *mat) else { continue };
                for axis in 0..2 {
                    counts[spaces.at(matrix.init, axis)] += entries;
                }
            }
            _ => {}
        }
    }
    counts
}
