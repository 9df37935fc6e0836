//! Takes static arrays of mats apart: an entry `W[l]` of a computed array becomes a computation on entries.
//!
//! Each matrix of a network in training then has a value, a scale and a place in memory of its own, whatever array the
//! program keeps it in.

use super::entry;
use crate::ir::{Ir, Node, NodeId, Program};
use std::collections::HashMap;

/// The program with every index into a computed array of mats moved to its leaves.
#[must_use]
pub fn take_mats_apart(program: &Program) -> Program {
    let old = &program.ir;
    let mut ir = old.without_nodes();
    let mut map = vec![NodeId::default(); old.len()];
    let mut settled = HashMap::new();
    for id in old.reachable(&program.roots()) {
        ir.here = old.origins(id).first().copied();
        let node = old.node(id).with_children(|child| map[child.index()]);
        let new = ir.rebuild(node, old.shape(id).clone());
        map[id.index()] = settle(&mut ir, new, &mut settled);
        ir.add_origins(map[id.index()], old.origins(id));
    }
    let mut program = Program { ir, ..program.clone() };
    program.map_roots(|id| map[id.index()]);
    program
}

/// The same mat without indices into computed arrays.
fn settle(ir: &mut Ir, id: NodeId, settled: &mut HashMap<NodeId, NodeId>) -> NodeId {
    if ir.shape(id).width < 2 {
        return id;
    }
    if let Some(known) = settled.get(&id) {
        return *known;
    }
    let result = match ir.node(id).clone() {
        Node::Index { arg, axis, at } => match entry::of(ir, arg, axis, at) {
            Some(inner) => settle(ir, inner, settled),
            None => id,
        },
        node => {
            let mut children = Vec::new();
            node.children(|child| children.push(child));
            let children: Vec<NodeId> =
                children.into_iter().map(|child| settle(ir, child, settled)).collect();
            let mut next = children.into_iter();
            let node = node.with_children(|_| next.next().expect("as many as were collected"));
            let shape = ir.shape(id).clone();
            ir.rebuild(node, shape)
        }
    };
    settled.insert(id, result);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Init, Law, Prim, Shape};
    use crate::source::{FileId, Span};

    #[test]
    fn an_entry_of_a_sum_is_a_sum_of_entries() {
        let mut ir = Ir::default();
        let span = Span::new(FileId(0), 0, 0);
        let shape = Shape::new([2], 2);
        let init = Init { name: "W".into(), shape, law: Law::Normal, stream: 0, span };
        let array = ir.new_init(init);
        let twice = ir.apply(Prim::Add, &[array, array]);
        let twice = ir.apply(Prim::Abs, &[twice]);
        let entry = ir.index(twice, 0, 1);
        let taken = settle(&mut ir, entry, &mut HashMap::new());
        let inner = ir.index(array, 0, 1);
        let sum = ir.apply(Prim::Add, &[inner, inner]);
        assert_eq!(taken, ir.apply(Prim::Abs, &[sum]));
    }
}
