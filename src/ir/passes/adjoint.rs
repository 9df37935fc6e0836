//! Reverse-mode differentiation on the graph (Def. 2.9.14 of [TP4b], for every node and any number of static axes).
//!
//! `∂s[k…]/∂p[j…, α]` carries the static axes of `s` (the *seed* axes) beside those of `p`. Most networks act sample by
//! sample, so the derivative of `f[k]` by `h[j]` is 0 unless j = k. An adjoint therefore keeps an axis that is both a
//! seed axis and an own axis only once ([`Label`]), and spells out the Kronecker delta only where a rule breaks it:
//!
//! ```text
//! f[i] = avg(v * tanh(h[i]))      adjoint of h:  (1/n) v[a] (1 − tanh²(h[i, a])),  its axis i labelled {seed 0, own 0}
//! ```

mod place;

use super::derive;
use crate::ir::{Arg, Exponent, Ir, Node, NodeId, Prim, ReduceOp, Shape};
use place::{Adjoint, Label};
use std::collections::BTreeMap;

/// Where the static axes of a gradient go: for each axis of the differentiated scalar and of the target, its axis in
/// the result. A shared axis asks for the diagonal.
#[derive(Clone, Debug)]
pub struct Placement<'a> {
    /// For each static axis of the scalar.
    pub seed: &'a [usize],
    /// For each static axis of the target.
    pub own: &'a [usize],
    /// Sizes of the static axes of the result.
    pub sizes: &'a [usize],
}

/// What `grad` cannot differentiate: the node that reads a width axis twice (`K[a, a]`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDifferentiable(pub NodeId);

/// ∂`scalar`/∂`target`, where `target` is the [`Node::Bind`] at which paths are cut; `None` if there is no path.
///
/// The result has the static axes that `placement` asks for and the width axes of the target.
///
/// # Errors
/// If a diagonal over a width axis lies on the way.
pub fn gradient(
    ir: &mut Ir,
    scalar: NodeId,
    target: NodeId,
    placement: &Placement<'_>,
) -> Result<Option<NodeId>, NotDifferentiable> {
    let reaches = reaching(ir, scalar, target, true);
    pulled_back(ir, (scalar, target), placement, &reaches)
}

/// The same with every scalar on the way held fixed: the weights of an initial vec or mat in a sum that is linear in it.
///
/// # Errors
/// As [`gradient`].
pub fn weights(
    ir: &mut Ir,
    scalar: NodeId,
    target: NodeId,
    placement: &Placement<'_>,
) -> Result<Option<NodeId>, NotDifferentiable> {
    let reaches = reaching(ir, scalar, target, false);
    pulled_back(ir, (scalar, target), placement, &reaches)
}

fn pulled_back(
    ir: &mut Ir,
    (scalar, target): (NodeId, NodeId),
    placement: &Placement<'_>,
    reaches: &[bool],
) -> Result<Option<NodeId>, NotDifferentiable> {
    if !reaches.get(scalar.index()).copied().unwrap_or(false) {
        return Ok(None);
    }
    let mut pending = BTreeMap::from([(scalar, Adjoint::seed(ir, scalar))]);
    while let Some((id, adjoint)) = pending.pop_last() {
        if id == target {
            let width = ir.shape(target).width;
            return Ok(Some(adjoint.placed(ir, placement, width)));
        }
        for (operand, part) in contributions(ir, id, &adjoint, reaches)? {
            let total = match pending.remove(&operand) {
                Some(known) => known.plus(ir, part),
                None => part,
            };
            pending.insert(operand, total);
        }
    }
    Ok(None)
}

/// Which nodes up to `scalar` depend on `target`, by way of other scalars or not.
fn reaching(ir: &Ir, scalar: NodeId, target: NodeId, by_scalars: bool) -> Vec<bool> {
    let mut reaches = vec![false; scalar.index() + 1];
    for id in ir.ids().take(scalar.index() + 1) {
        let mut on_path = id == target;
        if by_scalars || id == scalar || ir.shape(id).width > 0 {
            ir.node(id).children(|child| on_path |= reaches[child.index()]);
        }
        reaches[id.index()] = on_path;
    }
    reaches
}

/// The adjoints that a node hands to those of its operands that depend on the target.
fn contributions(
    ir: &mut Ir,
    id: NodeId,
    adjoint: &Adjoint,
    reaches: &[bool],
) -> Result<Vec<(NodeId, Adjoint)>, NotDifferentiable> {
    let wanted = |operand: NodeId| reaches[operand.index()];
    Ok(match ir.node(id).clone() {
        Node::Const(_)
        | Node::Width(_)
        | Node::Data(_)
        | Node::Iota(_)
        | Node::Init(_)
        | Node::Param(_) => Vec::new(),
        Node::Bind { arg, .. } => vec![(arg, adjoint.clone())],
        Node::Map { op, args, .. } => {
            let mut parts = Vec::new();
            for (k, arg) in args.iter().enumerate().filter(|(_, arg)| wanted(arg.node)) {
                if let Some(part) = through_map(ir, (id, op, &args, k), adjoint)? {
                    parts.push((arg.node, part));
                }
            }
            parts
        }
        Node::Reduce { op, arg, stat, width } => {
            vec![(arg, through_reduce(ir, (op, arg, &stat, &width), adjoint))]
        }
        Node::MatMul { mat, transpose, arg } => {
            let mut parts = Vec::new();
            let filled = adjoint.clone().with_width(ir, 1);
            if wanted(arg) {
                let node = ir.matmul(mat, !transpose, filled.node);
                parts.push((arg, Adjoint { node, ..filled.clone() }));
            }
            if wanted(mat) {
                parts.push((mat, outer_product(ir, filled, arg, transpose)));
            }
            parts
        }
        Node::Index { arg, axis, at } => {
            let size = ir.shape(arg).stat[axis];
            vec![(arg, adjoint.clone().inserted(ir, axis).padded(ir, axis, (at, size - at - 1)))]
        }
        Node::Slice { arg, axis, start, end } => {
            let size = ir.shape(arg).stat[axis];
            vec![(arg, adjoint.clone().padded_from(ir, axis, end - start, (start, size - end)))]
        }
        Node::Pad { arg, axis, before, .. } => {
            let size = ir.shape(arg).stat[axis];
            vec![(arg, adjoint.clone().sliced(ir, axis, (before, before + size)))]
        }
        Node::Stack(args) => {
            let parts = args.iter().enumerate().filter(|(_, arg)| wanted(**arg));
            let parts: Vec<(usize, NodeId)> = parts.map(|(k, arg)| (k, *arg)).collect();
            parts.into_iter().map(|(k, arg)| (arg, adjoint.clone().entry(ir, k))).collect()
        }
    })
}

/// Adjoint of operand `k` of an entrywise operation: times the partial derivative, summed over broadcast axes.
fn through_map(
    ir: &mut Ir,
    (id, op, args, k): (NodeId, Prim, &[Arg], usize),
    adjoint: &Adjoint,
) -> Result<Option<Adjoint>, NotDifferentiable> {
    let shape = ir.shape(id).clone();
    let operands: Vec<NodeId> =
        args.iter().map(|arg| ir.map(Prim::Id, shape.clone(), vec![arg.clone()])).collect();
    let Some(partial) = derive::partial(ir, op, &operands, id, k) else { return Ok(None) };
    let product = adjoint.times(ir, Prim::Mul, partial);
    let arg = &args[k];
    let repeated = |axes: &[usize]| (1..axes.len()).any(|i| axes[..i].contains(&axes[i]));
    if repeated(&arg.width) {
        return Err(NotDifferentiable(id));
    }
    Ok(Some(product.pulled_back(ir, arg, &shape)))
}

/// Adjoint of the operand of a sum or mean: the same along the contracted axes, divided by their sizes for a mean.
fn through_reduce(
    ir: &mut Ir,
    (op, arg, stat, width): (ReduceOp, NodeId, &[usize], &[usize]),
    adjoint: &Adjoint,
) -> Adjoint {
    let from = ir.shape(arg).clone();
    let kept_stat: Vec<usize> = (0..from.stat.len()).filter(|axis| !stat.contains(axis)).collect();
    let kept_width: Vec<usize> = (0..from.width).filter(|axis| !width.contains(axis)).collect();
    let mut result = adjoint.clone();
    for label in &mut result.labels {
        label.own = label.own.map(|axis| kept_stat[axis]);
    }
    result.width = result.width.iter().map(|axis| kept_width[*axis]).collect();
    if op == ReduceOp::Mean {
        let count: usize = stat.iter().map(|axis| from.stat[*axis]).product();
        let count = ir.constant(1.0 / count as f64);
        let power = i64::try_from(width.len()).expect("a value has few width axes");
        let power = ir.width(Exponent::from_integer(-power));
        let factor = ir.apply(Prim::Mul, &[count, power]);
        result = result.times(ir, Prim::Mul, factor);
    }
    result
}

/// ∂/∂mat of y = mat · x: Σ over uses of (adjoint of y)_α x_β, or transposed.
fn outer_product(ir: &mut Ir, adjoint: Adjoint, x: NodeId, transpose: bool) -> Adjoint {
    let stat = ir.shape(x).stat.clone();
    let x_labels: Vec<Label> = (0..stat.len()).map(Label::own).collect();
    let (row, column) = if transpose { (1, 0) } else { (0, 1) };
    let left = Adjoint { width: vec![row], ..adjoint };
    let right = Adjoint { node: x, labels: x_labels, width: vec![column] };
    let product = left.combined(ir, Prim::Mul, &right);
    let nothing = Arg { node: x, stat: Vec::new(), width: vec![0, 1] };
    product.pulled_back(ir, &nothing, &Shape::new(stat, 2))
}

#[cfg(test)]
mod tests;
