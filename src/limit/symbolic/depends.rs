//! On which hats each value depends as a formal function, entry by entry of the static axes.
//!
//! The dot-ket of W x is Σ_z |z⟩ E ∂|x⟩/∂hat(Wᵀz) (Def. 2.6.5 of [TP4b]), where |x⟩ is a function of hats that are taken
//! as independent variables. The dependence passes through entrywise functions, sums over static axes, earlier dot-kets
//! and slot 0 of an OuterNonlin. It does not pass through scalars or means, whose limits are constants, nor from a hat to
//! the hats that its input was made of.

use super::link::{Link, Place, tidied};
use crate::codegen::{MatrixRef, initial_matrix};
use crate::ir::{Ir, Node, NodeId};
use std::collections::BTreeMap;

/// What is known of all values up to some node.
#[derive(Debug, Default)]
pub(super) struct Dependences {
    links: Vec<Vec<Link>>,
    dots: BTreeMap<NodeId, Vec<Link>>,
}

impl Dependences {
    /// The dependences of these nodes, operands before users.
    pub(super) fn of(ir: &Ir, nodes: &[NodeId]) -> Self {
        let mut all = Self { links: vec![Vec::new(); ir.len()], dots: BTreeMap::new() };
        for id in nodes {
            let found = all.node(ir, *id);
            all.links[id.index()] = tidied(found);
        }
        all
    }

    /// The hats on which a value depends.
    pub(super) fn links(&self, id: NodeId) -> &[Link] {
        &self.links[id.index()]
    }

    /// For a product y = W x: the hats of Wᵀ on which x depends. Each gives one term of the dot-ket.
    pub(super) fn dots(&self, product: NodeId) -> &[Link] {
        self.dots.get(&product).map_or(&[], Vec::as_slice)
    }

    fn node(&mut self, ir: &Ir, id: NodeId) -> Vec<Link> {
        let shape = ir.shape(id);
        match ir.node(id) {
            Node::Const(_)
            | Node::Width(_)
            | Node::Data(_)
            | Node::Iota(_)
            | Node::Init(_)
            | Node::Param(_) => Vec::new(),
            Node::Map { args, .. } => {
                let args = args.iter().filter(|arg| !arg.width.is_empty());
                args.flat_map(|arg| self.links(arg.node).iter().map(|link| link.placed(arg, shape)))
                    .collect()
            }
            Node::Reduce { arg, stat, width, .. } => {
                self.links(*arg).iter().filter_map(|link| link.reduced(stat, width)).collect()
            }
            Node::MatMul { mat, transpose, arg } => self.product(ir, id, (*mat, *transpose), *arg),
            Node::Index { arg, axis, at } => {
                self.links(*arg).iter().filter_map(|link| link.indexed(*axis, *at)).collect()
            }
            Node::Slice { arg, axis, start, end } => {
                let part = *start..*end;
                self.links(*arg).iter().filter_map(|link| link.sliced(*axis, &part)).collect()
            }
            Node::Pad { arg, axis, before, .. } => {
                self.links(*arg).iter().map(|link| link.padded(*axis, *before)).collect()
            }
            Node::Stack(args) => {
                let of = |(k, arg): (usize, &NodeId)| {
                    self.links(*arg).iter().map(move |link| link.stacked(k)).collect::<Vec<_>>()
                };
                args.iter().enumerate().flat_map(of).collect()
            }
            Node::Bind { arg, .. } => self.links(*arg).to_vec(),
        }
    }

    /// W x depends on its own hat, and through each z of its dot-ket on the hats of z.
    fn product(&mut self, ir: &Ir, id: NodeId, mat: (NodeId, bool), x: NodeId) -> Vec<Link> {
        let Some((matrix, transposed)) = family(ir, mat) else { return Vec::new() };
        let opposite = |link: &&Link| {
            let Node::MatMul { mat, transpose, .. } = ir.node(link.product) else { return false };
            family(ir, (*mat, *transpose)) == Some((matrix, !transposed))
        };
        let dots: Vec<Link> = self.links(x).iter().filter(opposite).cloned().collect();
        let stat = &ir.shape(id).stat;
        let mut links = vec![Link {
            product: id,
            slot: 0,
            guards: stat.iter().map(|size| 0..*size).collect(),
            bound: Vec::new(),
            at: (0..stat.len()).map(|axis| Place::Axis(axis, 0)).collect(),
        }];
        for dot in &dots {
            if let Node::MatMul { arg: z, .. } = ir.node(dot.product) {
                links.extend(self.links(*z).iter().filter_map(|inner| inner.within(dot)));
            }
        }
        self.dots.insert(id, dots);
        links
    }
}

/// The matrix of a product, and whether its transpose acts: hats with equal families are jointly Gaussian.
pub(super) fn family(ir: &Ir, (mat, transpose): (NodeId, bool)) -> Option<(MatrixRef, bool)> {
    let (matrix, transposed) = initial_matrix(ir, mat)?;
    Some((matrix, transposed != transpose))
}

#[cfg(test)]
mod tests;
