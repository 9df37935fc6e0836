//! Replaces every product with a `mat` by products with initial matrices and a sum over an outer product.
//!
//! (W − K/n) @ x becomes W @ x + Σ_b (−K/n)[a, b] x[b]: afterwards each part has a size of its own, and the limit knows
//! what to do with it (Def. 2.6.7 of [TP4b] and the nonlinear outer product of section 2.9.3).

use crate::ir::passes::linear;
use crate::ir::{Arg, Ir, Node, NodeId, Prim, Program, ReduceOp, Shape};

/// The program with every `MatMul` acting by exactly one initial matrix. Named mats stay as they are.
pub(super) fn split_matrices(program: &Program) -> Program {
    let old = &program.ir;
    let mut ir = old.without_nodes();
    let mut map = vec![NodeId::default(); old.len()];
    for id in old.reachable(&program.roots()) {
        ir.here = old.origins(id).first().copied();
        let node = old.node(id).with_children(|child| map[child.index()]);
        map[id.index()] = match node {
            Node::MatMul { mat, transpose, arg } => split(&mut ir, mat, transpose, arg),
            node => ir.rebuild(node, old.shape(id).clone()),
        };
        ir.add_origins(map[id.index()], old.origins(id));
    }
    let mut program = Program { ir, ..program.clone() };
    program.map_roots(|id| map[id.index()]);
    program
}

fn split(ir: &mut Ir, mat: NodeId, transpose: bool, x: NodeId) -> NodeId {
    let Ok(parts) = linear::decompose(ir, mat) else {
        // `lower` reports this; a graph built otherwise keeps the node and the engines refuse it.
        return ir.matmul(mat, transpose, x);
    };
    let shape = ir.shape(x).clone();
    let mut total = ir.zeros(shape.clone());
    for term in parts.terms {
        let product = ir.matmul(term.matrix, term.transpose != transpose, x);
        let coefficient = Arg { node: term.coefficient, stat: vec![], width: vec![] };
        let product = ir.whole(product);
        let scaled = ir.map(Prim::Mul, shape.clone(), vec![coefficient, product]);
        total = ir.apply(Prim::Add, &[total, scaled]);
    }
    if let Some(outer) = parts.outer {
        let acted = act(ir, outer, transpose, x);
        total = ir.apply(Prim::Add, &[total, acted]);
    }
    total
}

/// Σ_b K[a, b] x[…, b], or Σ_a K[a, b] x[…, a].
fn act(ir: &mut Ir, outer: NodeId, transpose: bool, x: NodeId) -> NodeId {
    let stat = ir.shape(x).stat.clone();
    let own = (0..stat.len()).collect();
    let summed = usize::from(!transpose);
    let outer = Arg { node: outer, stat: vec![], width: vec![0, 1] };
    let x = Arg { node: x, stat: own, width: vec![summed] };
    let product = ir.map(Prim::Mul, Shape::new(stat, 2), vec![outer, x]);
    ir.reduce(ReduceOp::Sum, product, vec![], vec![summed])
}
