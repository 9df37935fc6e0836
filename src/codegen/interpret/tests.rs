//! The meaning of nodes on small examples.

use super::*;
use crate::ir::{Init, Law};
use crate::source::{FileId, Span};

/// Fixed numbers instead of random ones.
struct Fixed {
    n: usize,
    dense: Vec<f64>,
}

impl Fixed {
    fn new(n: usize) -> Self {
        let dense = (0..n * n).map(|i| libm::sin(1.3 * i as f64)).collect();
        Self { n, dense }
    }
}

impl Matrices<f64> for Fixed {
    fn initial(&mut self, _: InitId) -> Vec<f64> {
        (0..self.n).map(|i| libm::cos(0.7 * i as f64)).collect()
    }
    fn apply(&mut self, _: MatrixRef, transpose: bool, x: &[f64]) -> Vec<f64> {
        let n = self.n;
        let entry = |a: usize, b: usize| self.dense[if transpose { b * n + a } else { a * n + b }];
        let row = |x: &[f64], a: usize| (0..n).map(|b| entry(a, b) * x[b]).sum::<f64>();
        x.chunks(n).flat_map(|x| (0..n).map(move |a| row(x, a))).collect()
    }
    fn dense(&mut self, _: MatrixRef) -> Option<&[f64]> {
        Some(&self.dense)
    }
}

fn init(ir: &mut Ir, stat: &[usize], width: usize) -> NodeId {
    ir.new_init(Init {
        name: "x".into(),
        shape: Shape::new(stat, width),
        law: Law::Normal,
        stream: 0,
        span: Span::new(FileId(0), 0, 0),
    })
}

fn on(node: NodeId, width: &[usize]) -> Arg {
    Arg { node, stat: vec![], width: width.to_vec() }
}

#[test]
fn outer_nonlin_is_a_mean_of_maps() {
    let mut ir = Ir::default();
    let x = init(&mut ir, &[], 1);
    let product = ir.map(Prim::Mul, Shape::new([], 2), vec![on(x, &[0]), on(x, &[1])]);
    let psi = ir.apply(Prim::Tanh, &[product]);
    let y = ir.reduce(ReduceOp::Mean, psi, vec![], vec![1]);
    let n = 7;
    let got = interpret(&ir, &[y], n, &mut Fixed::new(n)).expect("it is finite");
    let x = Fixed::new(n).initial(InitId(0));
    for a in 0..n {
        let want: f64 = x.iter().map(|b| libm::tanh(x[a] * b)).sum::<f64>() / n as f64;
        assert!((got[0][[a]] - want).abs() < 1e-15);
    }
}

#[test]
fn a_matrix_plus_zero_times_an_outer_product_applies_as_itself() {
    let mut ir = Ir::default();
    let x = init(&mut ir, &[], 1);
    let w = init(&mut ir, &[], 2);
    let outer = ir.map(Prim::Mul, Shape::new([], 2), vec![on(x, &[0]), on(x, &[1])]);
    let sum = ir.apply(Prim::Add, &[w, outer]);
    let difference = ir.apply(Prim::Sub, &[sum, outer]);
    for transpose in [false, true] {
        let direct = ir.matmul(w, transpose, x);
        let evaluated = ir.matmul(difference, transpose, x);
        let got = interpret(&ir, &[direct, evaluated], 5, &mut Fixed::new(5)).expect("finite");
        assert!(got[0].iter().zip(&got[1]).all(|(p, q)| (p - q).abs() < 1e-13));
    }
}

#[test]
fn entries_of_arrays_of_matrices_are_found() {
    let mut ir = Ir::default();
    let w = init(&mut ir, &[4, 3], 2);
    let rows = ir.slice(w, 0, 1, 4);
    let row = ir.index(rows, 0, 1);
    let entry = ir.index(row, 0, 2);
    let (matrix, transposed) = initial_matrix(&ir, entry).expect("it is an initial matrix");
    assert_eq!((matrix.entry, transposed), (2 * 3 + 2, false));
    let swapped = ir.map(Prim::Id, Shape::new([], 2), vec![on(entry, &[1, 0])]);
    assert_eq!(initial_matrix(&ir, swapped), Some((matrix, true)));
}

#[test]
fn what_is_not_finite_is_named() {
    let mut ir = Ir::default();
    let x = init(&mut ir, &[], 1);
    let zero = ir.apply(Prim::Sub, &[x, x]);
    let one = ir.constant(1.0);
    let two = ir.apply(Prim::Mul, &[x, x]);
    let again = ir.apply(Prim::Abs, &[two]);
    let none = ir.apply(Prim::Sub, &[two, again]);
    let pole = ir.apply(Prim::Div, &[one, none]);
    let relu = ir.apply(Prim::Neg, &[pole]);
    let hidden = ir.apply(Prim::Relu, &[relu]);
    let mean = ir.reduce(ReduceOp::Mean, hidden, vec![], vec![0]);
    let _ = zero;
    let error = interpret(&ir, &[mean], 3, &mut Fixed::new(3));
    // −∞ is mapped to 0 by relu: nothing is lost
    assert!(error.is_ok());
    let shown = ir.reduce(ReduceOp::Mean, relu, vec![], vec![0]);
    let error = interpret(&ir, &[shown], 3, &mut Fixed::new(3));
    assert_eq!(error, Err(ExecError::NonFinite { node: pole }));
    // the branch that is left out does not matter
    let guarded = ir.apply(Prim::Select, &[none, pole, x]);
    assert!(interpret(&ir, &[guarded], 3, &mut Fixed::new(3)).is_ok());
}

#[test]
fn the_scale_knows_cancellation_and_jumps() {
    let mut ir = Ir::default();
    let x = init(&mut ir, &[], 1);
    let huge = ir.constant(1e6);
    let up = ir.apply(Prim::Add, &[x, huge]);
    let back = ir.apply(Prim::Sub, &[up, huge]);
    let error = ir.apply(Prim::Sub, &[back, x]);
    let jump = ir.apply(Prim::Sign, &[error]);
    let got = interpret_scaled(&ir, &[back, jump], 3, &mut Fixed::new(3), 1e-12).expect("finite");
    assert!(got[0].iter().all(|x| x.scale > 1e6 && x.scale < 1e7));
    assert!(got[1].iter().all(|x| x.scale == f64::INFINITY));
}
