//! Scalars at whose value a function must be continuous: divisors, arguments of sign, differences that are compared.
//!
//! A jump or a pole exactly at a limit gives a clean wrong number (theory.md, 2.9): the limit engine evaluates these
//! scalars too and refuses where one is 0 within its error.

use crate::ir::{Ir, Node, NodeId, Prim};

/// A scalar that must not be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Risk {
    /// The scalar.
    pub(super) scalar: NodeId,
    /// The operation that needs it.
    pub(super) used: NodeId,
    /// A pole rather than a jump.
    pub(super) pole: bool,
}

/// All such scalars of a program; new nodes are differences of what is compared.
pub(super) fn risks(ir: &mut Ir, roots: &[NodeId]) -> Vec<Risk> {
    let mut found = Vec::new();
    for used in ir.reachable(roots) {
        let Node::Map { op, args, .. } = ir.node(used).clone() else { continue };
        let (scalar, pole) = match op {
            Prim::Div => (Some(args[1].node), true),
            Prim::Log => (Some(args[0].node), true),
            Prim::Pow(p) if p < 0.into() => (Some(args[0].node), true),
            Prim::Sign | Prim::Step => (Some(args[0].node), false),
            Prim::Lt | Prim::Le | Prim::Eq => {
                let narrow = args.iter().all(|arg| ir.shape(arg.node).width == 0);
                let same = ir.shape(args[0].node) == ir.shape(args[1].node);
                let difference = narrow && same;
                (difference.then(|| ir.apply(Prim::Sub, &[args[0].node, args[1].node])), false)
            }
            _ => (None, false),
        };
        let Some(scalar) = scalar else { continue };
        if ir.shape(scalar).width == 0
            && is_mean(ir, scalar)
            && !found.iter().any(|risk: &Risk| risk.scalar == scalar)
        {
            found.push(Risk { scalar, used, pole });
        }
    }
    found
}

/// Whether a scalar depends on a mean over neurons: constants are what the user wrote.
fn is_mean(ir: &Ir, scalar: NodeId) -> bool {
    ir.reachable(&[scalar])
        .iter()
        .any(|id| matches!(ir.node(*id), Node::Reduce { width, .. } if !width.is_empty()))
}
