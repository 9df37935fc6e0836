//! The graph as text, one node a line: `%12 : vec[4] = tanh(%11)`.

use super::{Arg, Ir, Node, NodeId, Prim, Program, ReduceOp, Shape};

/// All nodes that results need, then the results by name.
pub fn listing(program: &Program) -> String {
    let ir = &program.ir;
    let mut roots: Vec<NodeId> = program.outputs.iter().map(|output| output.node).collect();
    roots.extend(program.expects.iter().map(|expect| expect.node));
    let mut text = String::new();
    for id in ir.reachable(&roots) {
        text.push_str(&format!("%{} : {} = {}\n", id.0, shape(ir.shape(id)), node(ir, id)));
    }
    for output in &program.outputs {
        text.push_str(&format!("output {} = %{}\n", output.name, output.node.0));
    }
    text
}

/// `vec[4]`; with more than two width axes `n^3`.
pub(super) fn shape(shape: &Shape) -> String {
    let kind = match shape.width {
        0 => "scalar".to_owned(),
        1 => "vec".to_owned(),
        2 => "mat".to_owned(),
        many => format!("n^{many}"),
    };
    if shape.stat.is_empty() { kind } else { format!("{kind}{:?}", shape.stat) }
}

/// What a node does, with its operands.
pub(super) fn node(ir: &Ir, id: NodeId) -> String {
    match ir.node(id) {
        Node::Const(value) => format!("{value:?}"),
        Node::Width(power) => format!("n^({power})"),
        Node::Data(data) => format!("data {}", data.0),
        Node::Iota(size) => format!("0..{size}"),
        Node::Init(init) => format!("init {}", ir.init(*init).name),
        Node::Param(position) => format!("parameter {position}"),
        Node::Map { op, args, shape } => {
            let args: Vec<String> = args.iter().map(|arg| operand(ir, arg, shape)).collect();
            format!("{}({})", word(*op), args.join(", "))
        }
        Node::Reduce { op, arg, stat, width } => {
            let word = if *op == ReduceOp::Sum { "sum" } else { "mean" };
            format!("{word}[{}](%{})", axes(stat, width), arg.0)
        }
        Node::MatMul { mat, transpose, arg } => {
            format!("%{}{} @ %{}", mat.0, if *transpose { ".T" } else { "" }, arg.0)
        }
        Node::Index { arg, axis, at } => format!("%{}[axis {axis}: {at}]", arg.0),
        Node::Slice { arg, axis, start, end } => format!("%{}[axis {axis}: {start}..{end}]", arg.0),
        Node::Stack(args) => {
            let args: Vec<String> = args.iter().map(|arg| format!("%{}", arg.0)).collect();
            format!("[{}]", args.join(", "))
        }
        Node::Pad { arg, axis, before, after } => {
            format!("pad(%{}, axis {axis}, {before}, {after})", arg.0)
        }
        Node::Bind { arg, .. } => format!("bind(%{})", arg.0),
    }
}

/// The operation's name in lower case, with the exponent of a power.
fn word(op: Prim) -> String {
    match op {
        Prim::Pow(p) => format!("pow {p} "),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// An operand; its axes are shown where they are not the first ones of the result in order.
fn operand(ir: &Ir, arg: &Arg, shape: &Shape) -> String {
    let own = ir.shape(arg.node);
    let plain = own == shape || (own.stat.is_empty() && own.width == 0);
    if plain && *arg == ir.whole(arg.node) {
        return format!("%{}", arg.node.0);
    }
    format!("%{}[{}]", arg.node.0, axes(&arg.stat, &arg.width))
}

/// Static axes as i0, i1, …, width axes as a, b, c, ….
fn axes(stat: &[usize], width: &[usize]) -> String {
    let stat = stat.iter().map(|axis| format!("i{axis}"));
    let letter =
        |axis: &usize| char::from(b'a' + u8::try_from(*axis % 26).unwrap_or(0)).to_string();
    stat.chain(width.iter().map(letter)).collect::<Vec<_>>().join(", ")
}
