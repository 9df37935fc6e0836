//! Erases bindings once `grad` is expanded, and drops what no result needs.
//!
//! Two bindings of equal text are two nodes while `grad` can cut at either; afterwards they are one value.

use crate::ir::{Ir, Node, NodeId, Program};

/// The program without [`Node::Bind`], rebuilt from what its outputs, expectations and names need.
/// Tables of initial objects and data keep their order, because random numbers are counted by it.
#[must_use]
pub fn erase_bindings(program: &Program) -> Program {
    let roots = program.roots();
    let old = &program.ir;
    let mut ir = old.without_nodes();
    let mut map = vec![NodeId::default(); old.len()];
    for id in old.reachable(&roots) {
        ir.here = None;
        map[id.index()] = match old.node(id) {
            Node::Bind { arg, .. } => map[arg.index()],
            node => {
                let node = node.with_children(|child| map[child.index()]);
                ir.rebuild(node, old.shape(id).clone())
            }
        };
        ir.add_origins(map[id.index()], old.origins(id));
    }
    let mut program = Program { ir, ..program.clone() };
    program.map_roots(|id| map[id.index()]);
    program
}

/// The same value in the same graph, without bindings on the way to its leaves.
pub fn without_bindings(ir: &mut Ir, root: NodeId) -> NodeId {
    let mut map = std::collections::HashMap::new();
    for id in ir.reachable(&[root]) {
        let erased = match ir.node(id).clone() {
            Node::Bind { arg, .. } => map[&arg],
            node => {
                let node = node.with_children(|child| map[&child]);
                let shape = ir.shape(id).clone();
                ir.rebuild(node, shape)
            }
        };
        map.insert(id, erased);
    }
    map[&root]
}
