//! Rewrites a program into the form that the plan knows, at one width.
//!
//! Powers of n become numbers; a contraction of static and width axes becomes two; a matrix product with a mixture of
//! matrices is split where the parts are cheaper on their own. `Normal::origin` leads back to the program's nodes.

use super::factor::{self, Width};
use super::{Tuples, initial_matrix};
use crate::ir::passes::linear::decompose;
use crate::ir::scalar::to_f64;
use crate::ir::{Ir, Node, NodeId, Prim};
use std::collections::HashMap;

/// A rewritten program.
pub(super) struct Normal {
    /// The graph; it contains the program's.
    pub(super) ir: Ir,
    /// The roots, in order.
    pub(super) roots: Vec<NodeId>,
    /// Where a rewritten node came from.
    origin: HashMap<NodeId, NodeId>,
}

impl Normal {
    /// The node of the program behind a node.
    pub(super) fn origin(&self, node: NodeId) -> NodeId {
        self.origin.get(&node).copied().unwrap_or(node)
    }
}

/// The program at width n.
pub(super) fn normal(ir: &Ir, roots: &[NodeId], n: usize, tuples: Tuples) -> Normal {
    let mut rewriter = Rewriter { ir: ir.clone(), at: Width { n, tuples }, map: HashMap::new() };
    rewriter.ir.here = None;
    let mut origin = HashMap::new();
    for id in ir.reachable(roots) {
        let new = rewriter.node(ir, id);
        rewriter.map.insert(id, new);
        origin.entry(new).or_insert(id);
    }
    let roots = roots.iter().map(|root| rewriter.map[root]).collect();
    Normal { ir: rewriter.ir, roots, origin }
}

struct Rewriter {
    ir: Ir,
    at: Width,
    map: HashMap<NodeId, NodeId>,
}

impl Rewriter {
    fn node(&mut self, old: &Ir, id: NodeId) -> NodeId {
        match old.node(id) {
            Node::Width(p) => self.ir.constant(libm::pow(self.at.n as f64, to_f64(*p))),
            Node::Bind { arg, .. } => self.map[arg],
            Node::Map { op, shape, args } => {
                let mut args = args.clone();
                args.iter_mut().for_each(|arg| arg.node = self.map[&arg.node]);
                self.ir.map(*op, shape.clone(), args)
            }
            Node::Reduce { op, arg, stat, width } => {
                let (arg, at) = (self.map[arg], self.at);
                if width.is_empty() {
                    return self.ir.reduce(*op, arg, stat.clone(), Vec::new());
                }
                factor::contract(&mut self.ir, at, *op, arg, (stat, width))
            }
            Node::MatMul { mat, transpose, arg } => {
                self.matmul(self.map[mat], *transpose, self.map[arg])
            }
            node @ (Node::Const(_)
            | Node::Data(_)
            | Node::Iota(_)
            | Node::Init(_)
            | Node::Param(_)
            | Node::Index { .. }
            | Node::Slice { .. }
            | Node::Stack(_)
            | Node::Pad { .. }) => {
                let node = node.with_children(|child| self.map[&child]);
                self.ir.intern(node, old.shape(id).clone())
            }
        }
    }

    /// An outer product acts as a sum over pairs, a single matrix plus an outer product as their sum; everything else
    /// is split into its parts.
    fn matmul(&mut self, mat: NodeId, transpose: bool, arg: NodeId) -> NodeId {
        if initial_matrix(&self.ir, mat).is_some() {
            return self.ir.matmul(mat, transpose, arg);
        }
        let Ok(linear) = decompose(&mut self.ir, mat) else {
            return self.ir.matmul(mat, transpose, arg);
        };
        let separated = linear.outer.and_then(|outer| {
            factor::apply_separated(&mut self.ir, self.at, outer, transpose, arg)
        });
        let together = separated.is_none()
            && linear.outer.is_some()
            && (linear.terms.is_empty() || (linear.terms.len() == 1 && !linear.terms[0].transpose));
        if together {
            return self.ir.matmul(mat, transpose, arg);
        }
        let mut parts = Vec::new();
        for term in &linear.terms {
            let product = self.ir.matmul(term.matrix, transpose != term.transpose, arg);
            parts.push(self.ir.apply(Prim::Mul, &[term.coefficient, product]));
        }
        if let Some(outer) = linear.outer {
            let part = separated.unwrap_or_else(|| self.ir.matmul(outer, transpose, arg));
            parts.push(part);
        }
        let sum = parts.into_iter().reduce(|sum, part| self.ir.apply(Prim::Add, &[sum, part]));
        sum.unwrap_or_else(|| {
            let shape = self.ir.shape(arg).clone();
            self.ir.zeros(shape)
        })
    }
}
