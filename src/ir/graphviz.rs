//! The graph for Graphviz: `tpc emit dot m.tp | dot -Tsvg`.

use super::print;
use super::{NodeId, Program};

/// A `digraph` of all nodes that results need, by name where they have one.
pub fn graph(program: &Program) -> String {
    let ir = &program.ir;
    let roots: Vec<NodeId> = program.outputs.iter().map(|output| output.node).collect();
    let mut text = String::from(
        "digraph program {\n  rankdir = BT;\n  node [shape = box, fontname = monospace];\n",
    );
    for id in ir.reachable(&roots) {
        let name =
            program.named.iter().find(|named| named.node == id).map_or("", |named| &named.name);
        let what = print::node(ir, id).replace('"', "'");
        let label = format!("{name}\\n{what}\\n{}", print::shape(ir.shape(id)));
        text.push_str(&format!("  n{} [label = \"{}\"];\n", id.0, label.trim_start_matches("\\n")));
        ir.node(id).children(|child| text.push_str(&format!("  n{} -> n{};\n", child.0, id.0)));
    }
    for (position, output) in program.outputs.iter().enumerate() {
        let name = output.name.replace('"', "'");
        text.push_str(&format!("  o{position} [label = \"{name}\", shape = ellipse];\n"));
        text.push_str(&format!("  n{} -> o{position};\n", output.node.0));
    }
    text.push_str("}\n");
    text
}
