//! One entry of a static array that is computed: the index moves inside the computation.
//!
//! `(2 * W)[l]` is 2·W[l]: only then is it seen to be a multiple of one initial matrix.

use crate::ir::{Arg, Ir, Node, NodeId, Shape};

/// The entry `at` along the static axis `axis` of `array` as a computation on entries; `None` where the array is
/// an initial object or an entry of one.
pub(super) fn of(ir: &mut Ir, array: NodeId, axis: usize, at: usize) -> Option<NodeId> {
    match ir.node(array).clone() {
        Node::Map { op, shape, args } => {
            let args = args.into_iter().map(|arg| of_operand(ir, arg, axis, at)).collect();
            Some(ir.map(op, without(&shape, axis), args))
        }
        Node::Reduce { op, arg, stat, width } => {
            let inner = (0..).filter(|k| !stat.contains(k)).nth(axis).expect("there are more axes");
            let arg = ir.index(arg, inner, at);
            let stat = stat.into_iter().map(|k| k - usize::from(k > inner)).collect();
            Some(ir.reduce(op, arg, stat, width))
        }
        Node::Bind { arg, .. } => Some(ir.index(arg, axis, at)),
        Node::Stack(args) if axis == 0 => Some(args[at]),
        Node::Stack(args) => {
            let entries = args.into_iter().map(|arg| ir.index(arg, axis - 1, at)).collect();
            Some(ir.stack(entries))
        }
        Node::Slice { arg, axis: cut, start, end } => Some(if cut == axis {
            ir.index(arg, axis, start + at)
        } else {
            let entry = ir.index(arg, axis, at);
            ir.slice(entry, cut - usize::from(cut > axis), start, end)
        }),
        Node::Pad { arg, axis: padded, before, after } => Some(if padded != axis {
            let entry = ir.index(arg, axis, at);
            ir.pad(entry, padded - usize::from(padded > axis), before, after)
        } else if (before..before + ir.shape(arg).stat[axis]).contains(&at) {
            ir.index(arg, axis, at - before)
        } else {
            let shape = without(ir.shape(array), axis);
            ir.zeros(shape)
        }),
        Node::Index { arg, axis: first, at: place } => {
            let inner = of(ir, arg, first, place)?;
            Some(ir.index(inner, axis, at))
        }
        Node::Const(_)
        | Node::Width(_)
        | Node::Data(_)
        | Node::Iota(_)
        | Node::Param(_)
        | Node::Init(_)
        | Node::MatMul { .. } => None,
    }
}

fn of_operand(ir: &mut Ir, mut arg: Arg, axis: usize, at: usize) -> Arg {
    // an operand may have an axis of the whole twice: its diagonal
    while let Some(own) = arg.stat.iter().position(|own| *own == axis) {
        arg.node = ir.index(arg.node, own, at);
        arg.stat.remove(own);
    }
    arg.stat.iter_mut().filter(|own| **own > axis).for_each(|own| *own -= 1);
    arg
}

fn without(shape: &Shape, axis: usize) -> Shape {
    let mut stat = shape.stat.clone();
    stat.remove(axis);
    Shape::new(stat, shape.width)
}
