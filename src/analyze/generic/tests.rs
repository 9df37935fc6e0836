//! Zeros on pieces, of values built by hand.

use super::*;
use crate::ir::{Init, Law};
use crate::source::{FileId, Span};

/// A graph with initial vectors x and y and an initial matrix.
fn graph() -> (Ir, [NodeId; 3]) {
    let mut ir = Ir::default();
    let nodes = [1, 1, 2].map(|width| {
        let stream = ir.inits.len() as u32;
        let (shape, span) = (Shape::new([], width), Span::new(FileId(0), 0, 0));
        ir.new_init(Init { name: "x".into(), shape, law: Law::Normal, stream, span })
    });
    (ir, nodes)
}

/// Whether this is 0 where y is not, which a dropped term may be a multiple of.
fn outlived(ir: &Ir, value: NodeId, y: NodeId) -> bool {
    Generic::default().outlived(ir, value, &[ir.whole(y)]).expect("it is small")
}

#[test]
fn the_terms_of_a_sum_vanish_where_it_does() {
    let (mut ir, [x, y, _]) = graph();
    let (mask, other) = (ir.apply(Prim::Step, &[x]), ir.apply(Prim::Step, &[y]));
    let first = ir.apply(Prim::Mul, &[y, mask]);
    let second = ir.apply(Prim::Mul, &[x, other]);
    let sum = ir.apply(Prim::Add, &[first, second]);
    assert!(!outlived(&ir, sum, first) && !outlived(&ir, sum, second));
    assert!(outlived(&ir, sum, y) && outlived(&ir, first, second));
}

#[test]
fn a_sum_is_zero_on_a_piece_that_is_never_met() {
    let (mut ir, [x, y, _]) = graph();
    let (six, one) = (ir.constant(6.0), ir.constant(1.0));
    let far = ir.apply(Prim::Sub, &[x, six]);
    for op in [Prim::Step, Prim::Sign] {
        let jump = ir.apply(op, &[far]);
        let left = ir.apply(Prim::Sub, &[one, jump]);
        let product = ir.apply(Prim::Mul, &[y, left]);
        assert!(outlived(&ir, product, y), "{op:?}");
    }
    let size = ir.apply(Prim::Abs, &[far]);
    let sum = ir.apply(Prim::Sub, &[far, size]);
    assert!(outlived(&ir, sum, y));
    let smaller = ir.apply(Prim::Min, &[x, six]);
    let rest = ir.apply(Prim::Sub, &[six, smaller]);
    assert!(outlived(&ir, rest, y));
}

#[test]
fn functions_of_one_argument_are_on_one_piece() {
    let (mut ir, [x, y, _]) = graph();
    let (relu, mask) = (ir.apply(Prim::Relu, &[x]), ir.apply(Prim::Step, &[x]));
    let copy = ir.apply(Prim::Mul, &[x, mask]);
    let nothing = ir.apply(Prim::Sub, &[relu, copy]);
    let one = ir.constant(1.0);
    let never = ir.apply(Prim::Add, &[one, nothing]);
    assert!(!outlived(&ir, never, y));
    let (least, less) = (ir.apply(Prim::Min, &[x, y]), ir.apply(Prim::Lt, &[x, y]));
    let chosen = ir.apply(Prim::Select, &[less, x, y]);
    let nothing = ir.apply(Prim::Sub, &[least, chosen]);
    let never = ir.apply(Prim::Add, &[one, nothing]);
    assert!(!outlived(&ir, never, y));
    assert!(outlived(&ir, less, y));
}

/// On a neuron on which no unit is active an image is what the others make it; a mean of masked terms is 0 there.
#[test]
fn images_are_those_of_a_network() {
    let (mut ir, [x, y, mat]) = graph();
    let relu = ir.apply(Prim::Relu, &[x]);
    let image = ir.matmul(mat, false, relu);
    let mask = ir.apply(Prim::Step, &[y]);
    let changed = ir.apply(Prim::Add, &[image, mask]);
    assert_eq!(Generic::default().never_zero(&ir, changed), Some(true));
    let pairs = [(mask, 0), (relu, 1)];
    let pairs = pairs.map(|(node, axis)| Arg { node, stat: vec![], width: vec![axis] });
    let outer = ir.map(Prim::Mul, Shape::new([], 2), pairs.to_vec());
    let mean = ir.reduce(ReduceOp::Mean, outer, vec![], vec![1]);
    assert_eq!(Generic::default().never_zero(&ir, mean), Some(false));
    assert!(!outlived(&ir, mean, mask));
}

/// √|x| is not a number on the other piece of |x|: nothing is known there.
#[test]
fn what_is_not_a_number_may_be_zero() {
    let (mut ir, [x, y, _]) = graph();
    let size = ir.apply(Prim::Abs, &[x]);
    let root = ir.apply(Prim::Sqrt, &[size]);
    assert!(outlived(&ir, root, y));
}
