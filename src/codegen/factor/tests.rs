//! How far contractions factorise, by the most width axes that any value has.

use super::super::normal::normal;
use super::*;
use crate::ir::{Init, Law};
use crate::source::{FileId, Span};

fn init(ir: &mut Ir, stat: &[usize], width: usize) -> NodeId {
    ir.new_init(Init {
        name: "x".into(),
        shape: Shape::new(stat, width),
        law: Law::Normal,
        stream: 0,
        span: Span::new(FileId(0), 0, 0),
    })
}

fn on(node: NodeId, stat: &[usize], width: &[usize]) -> Arg {
    Arg { node, stat: stat.to_vec(), width: width.to_vec() }
}

/// tanh(x y) over two width axes.
fn coupled(ir: &mut Ir, x: NodeId, y: NodeId) -> NodeId {
    let product = ir.map(Prim::Mul, Shape::new([], 2), vec![on(x, &[], &[0]), on(y, &[], &[1])]);
    ir.apply(Prim::Tanh, &[product])
}

/// The largest number of width axes in the rewritten program, initial matrices aside.
fn widest(ir: &Ir, root: NodeId) -> usize {
    let normal = normal(ir, &[root], 100, Tuples::All);
    let ids = normal.ir.reachable(&normal.roots);
    let widths = ids.iter().filter(|id| !matches!(normal.ir.node(**id), Node::Init(_)));
    widths.map(|id| normal.ir.shape(*id).width).max().unwrap_or(0)
}

#[test]
fn a_chain_of_order_four_needs_pairs_only() {
    let mut ir = Ir::default();
    let (x, y) = (init(&mut ir, &[], 1), init(&mut ir, &[], 1));
    let (f, g, h) = (coupled(&mut ir, x, y), coupled(&mut ir, y, x), coupled(&mut ir, x, x));
    let shape = Shape::new([], 4);
    let fg = ir.map(Prim::Mul, shape.clone(), vec![on(f, &[], &[0, 1]), on(g, &[], &[1, 2])]);
    let all = ir.map(Prim::Mul, shape, vec![on(fg, &[], &[0, 1, 2, 3]), on(h, &[], &[2, 3])]);
    let y = ir.reduce(ReduceOp::Mean, all, vec![], vec![1, 2, 3]);
    assert_eq!(widest(&ir, y), 2);
}

#[test]
fn what_does_not_factorise_stays_one_contraction() {
    let mut ir = Ir::default();
    let x = init(&mut ir, &[], 1);
    let pair = ir.map(Prim::Mul, Shape::new([], 2), vec![on(x, &[], &[0]), on(x, &[], &[1])]);
    let triple =
        ir.map(Prim::Add, Shape::new([], 3), vec![on(pair, &[], &[0, 1]), on(x, &[], &[2])]);
    let psi = ir.apply(Prim::Tanh, &[triple]);
    let scaled =
        ir.map(Prim::Mul, Shape::new([], 3), vec![on(psi, &[], &[0, 1, 2]), on(x, &[], &[0])]);
    let y = ir.reduce(ReduceOp::Mean, scaled, vec![], vec![1, 2]);
    let normal = normal(&ir, &[y], 100, Tuples::All);
    let ids = normal.ir.reachable(&normal.roots);
    let joint =
        |id: &NodeId| matches!(normal.ir.node(*id), Node::Reduce { width, .. } if *width == [1, 2]);
    assert!(ids.iter().any(joint));
    assert!(ids.iter().all(|id| normal.ir.shape(*id).width != 2 || *id == pair));
}

/// W − (u₁ ⊗ v₁ + u₂ ⊗ v₂)/n as gradient descent makes it.
#[test]
fn updates_of_gradient_descent_never_touch_pairs() {
    let mut ir = Ir::default();
    let (u, v) = (init(&mut ir, &[8], 1), init(&mut ir, &[8], 1));
    let (w, x) = (init(&mut ir, &[], 2), init(&mut ir, &[8], 1));
    let mut mat = w;
    for rate in [0.1, 0.2] {
        let args = vec![on(u, &[0], &[0]), on(v, &[0], &[1])];
        let products = ir.map(Prim::Mul, Shape::new([8], 2), args);
        let gradient = ir.reduce(ReduceOp::Sum, products, vec![0], vec![]);
        let rate = ir.constant(rate);
        let change = ir.apply(Prim::Mul, &[gradient, rate]);
        mat = ir.apply(Prim::Sub, &[mat, change]);
    }
    for transpose in [false, true] {
        let y = ir.matmul(mat, transpose, x);
        assert_eq!(widest(&ir, y), 1);
    }
}

#[test]
fn a_nonlinear_update_is_one_matrix_product_for_all_inputs() {
    let mut ir = Ir::default();
    let (u, x) = (init(&mut ir, &[], 1), init(&mut ir, &[8], 1));
    let q = coupled(&mut ir, u, u);
    let products =
        ir.map(Prim::Mul, Shape::new([8], 2), vec![on(q, &[], &[0, 1]), on(x, &[0], &[1])]);
    let y = ir.reduce(ReduceOp::Mean, products, vec![], vec![1]);
    let normal = normal(&ir, &[y], 100, Tuples::All);
    let ids = normal.ir.reachable(&normal.roots);
    assert!(ids.iter().any(|id| matches!(normal.ir.node(*id), Node::MatMul { .. })));
    assert!(
        ids.iter().all(|id| normal.ir.shape(*id).width < 2 || normal.ir.shape(*id).stat.is_empty())
    );
}
