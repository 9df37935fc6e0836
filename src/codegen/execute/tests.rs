//! Executions with known results.

use super::*;
use crate::ir::{Init, InitId, Law, Prim, ReduceOp, Shape};
use crate::source::{FileId, Span};

/// Initial vectors are 1, 2, …; matrices are identities.
struct Counting {
    n: usize,
}

impl Matrices<f64> for Counting {
    fn initial(&mut self, _: InitId) -> Vec<f64> {
        (1..=self.n).map(|i| i as f64).collect()
    }
    fn apply(&mut self, _: MatrixRef, _: bool, x: &[f64]) -> Vec<f64> {
        x.to_vec()
    }
    fn dense(&mut self, _: MatrixRef) -> Option<&[f64]> {
        None
    }
}

fn init(ir: &mut Ir, width: usize) -> NodeId {
    ir.new_init(Init {
        name: "x".into(),
        shape: Shape::new([], width),
        law: Law::Normal,
        stream: 0,
        span: Span::new(FileId(0), 0, 0),
    })
}

fn run(ir: &Ir, roots: &[NodeId], n: usize) -> Result<Vec<ArrayD<f64>>, ExecError> {
    execute(ir, roots, n, &mut Counting { n }, &ExecOptions::default())
}

#[test]
fn means_and_products_of_a_vector() {
    let mut ir = Ir::default();
    let (x, w) = (init(&mut ir, 1), init(&mut ir, 2));
    let y = ir.matmul(w, true, x);
    let square = ir.apply(Prim::Mul, &[x, y]);
    let mean = ir.reduce(ReduceOp::Mean, square, vec![], vec![0]);
    let values = run(&ir, &[mean, y], 4).expect("finite");
    assert_eq!(values[0].sum(), 30.0 / 4.0);
    assert_eq!(values[1].as_slice(), Some(&[1.0, 2.0, 3.0, 4.0][..]));
}

#[test]
fn a_value_that_is_not_finite_is_named() {
    let mut ir = Ir::default();
    let x = init(&mut ir, 1);
    let one = ir.constant(1.0);
    let zero = ir.apply(Prim::Sub, &[x, one]);
    let pole = ir.apply(Prim::Div, &[one, zero]);
    let mean = ir.reduce(ReduceOp::Mean, pole, vec![], vec![0]);
    assert_eq!(run(&ir, &[mean], 4), Err(ExecError::NonFinite { node: mean }));
}

#[test]
fn entries_of_an_operator_are_not_there() {
    let mut ir = Ir::default();
    let (x, w) = (init(&mut ir, 1), init(&mut ir, 2));
    let args = [0, 1].map(|axis| crate::ir::Arg { node: x, stat: vec![], width: vec![axis] });
    let outer = ir.map(Prim::Add, Shape::new([], 2), args.to_vec());
    let outer = ir.apply(Prim::Tanh, &[outer]);
    let mat = ir.apply(Prim::Sub, &[w, outer]);
    let y = ir.matmul(mat, false, x);
    let error = run(&ir, &[y], 4).expect_err("there are no entries");
    assert!(matches!(error, ExecError::NotDense { .. }));
}
