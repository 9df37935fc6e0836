//! Known limits, from programs built by hand.

use super::forms::Forms;
use super::sample::EXECUTION;
use super::spaces::Spaces;
use super::*;
use crate::codegen::{Matrices, MatrixRef, execute};
use crate::ir::{Arg, Init, InitId, Ir, Law, Node, NodeId, Prim, ReduceOp, Shape};
use crate::source::{FileId, Span};
use ndarray::{ArrayD, IxDyn};

fn init(width: usize) -> Init {
    let span = Span::new(FileId(0), 0, 0);
    Init { name: "x".into(), shape: Shape::new([], width), law: Law::Normal, stream: 0, span }
}

fn mean(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / x.len() as f64
}

const W: MatrixRef = MatrixRef { init: InitId(1), entry: 0 };

#[test]
fn catalan_numbers_are_exact() {
    let mut particles = Particles::new(&[init(1), init(2)], 256, 0, 0);
    let v = particles.initial(InitId(0));
    let mut x = v.clone();
    for want in [1.0, 2.0, 5.0, 14.0, 42.0] {
        let wx = particles.apply(W, false, &x);
        x = particles.apply(W, true, &wx);
        assert!((mean(&v, &x) - want).abs() < 1e-9, "{} is not {want}", mean(&v, &x));
    }
}

#[test]
fn dot_of_a_nonlinear_image_is_the_mean_derivative() {
    let mut particles = Particles::new(&[init(1), init(2)], 1 << 16, 0, 1);
    let v = particles.initial(InitId(0));
    let h = particles.apply(W, false, &v);
    for (name, phi, derivative) in [
        ("tanh", libm::tanh as fn(f64) -> f64, 0.605_705_5),
        ("sign", |x: f64| x.signum(), (2.0 / std::f64::consts::PI).sqrt()),
        ("relu", |x: f64| x.max(0.0), 0.5),
    ] {
        let phi: Vec<f64> = h.iter().map(|x| phi(*x)).collect();
        let back = particles.apply(W, true, &phi);
        let got = mean(&v, &back);
        assert!((got - derivative).abs() < 6e-3, "{name}: {got} is not {derivative}");
    }
}

#[test]
fn the_same_matrix_twice_has_no_dot() {
    let mut particles = Particles::new(&[init(1), init(2)], 1024, 0, 2);
    let v = particles.initial(InitId(0));
    let wv = particles.apply(W, false, &v);
    let wwv = particles.apply(W, false, &wv);
    assert!(mean(&v, &wwv).abs() < 1e-10 && (mean(&wwv, &wwv) - 1.0).abs() < 1e-10);
}

/// Means over tuples of particles pair a position with any other.
#[test]
fn neighbours_are_independent() {
    let mut particles = Particles::new(&[init(1)], 4096, 0, 0);
    let v = particles.initial(InitId(0));
    let mut next = v.clone();
    next.rotate_left(1);
    assert!(mean(&v, &next).abs() < 4.0 / 64.0, "{}", mean(&v, &next));
}

/// The mean squares of two sums of four initial vectors.
fn two_sums(ir: &mut Ir) -> NodeId {
    let u = ir.new_init(Init { shape: Shape::new([4], 1), ..init(1) });
    let rows = ArrayD::from_shape_vec(IxDyn(&[2, 4]), vec![1.0, 2.0, 0.0, 1.0, 1.0, 2.0, 0.0, 0.5]);
    let rows = ir.data(rows.expect("two rows"));
    let args = vec![
        Arg { node: rows, stat: vec![0, 1], width: Vec::new() },
        Arg { node: u, stat: vec![1], width: vec![0] },
    ];
    let terms = ir.map(Prim::Mul, Shape::new([2, 4], 1), args);
    let sums = ir.reduce(ReduceOp::Sum, terms, vec![1], Vec::new());
    let product = ir.apply(Prim::Mul, &[sums, sums]);
    ir.reduce(ReduceOp::Mean, product, Vec::new(), vec![0])
}

/// How many initial vectors are read.
fn initial_entries(forms: &Forms) -> usize {
    let read = forms.ir.reachable(&forms.roots).into_iter();
    let read = read.filter(|id| matches!(forms.ir.node(*id), Node::Init(_)));
    read.map(|id| forms.ir.shape(id).entries()).sum()
}

#[test]
fn initial_vectors_are_as_few_as_their_sums() {
    let mut ir = Ir::default();
    let squares = two_sums(&mut ir);
    let forms = Forms::of(&ir, &[squares]);
    assert_eq!(initial_entries(&forms), 2);
    let mut particles = Particles::new(&forms.ir.inits, 256, 0, 0);
    let values = execute(&forms.ir, &forms.roots, 256, &mut particles, &EXECUTION).expect("runs");
    let values: Vec<f64> = values[0].iter().copied().collect();
    assert!((values[0] - 6.0).abs() < 1e-9 && (values[1] - 5.25).abs() < 1e-9, "{values:?}");
}

#[test]
fn initial_vectors_that_are_read_otherwise_stay() {
    let mut ir = Ir::default();
    let squares = two_sums(&mut ir);
    let u = ir.ids().find(|id| matches!(ir.node(*id), Node::Init(_))).expect("there is one");
    let roots = [squares, ir.apply(Prim::Tanh, &[u])];
    assert_eq!(initial_entries(&Forms::of(&ir, &roots)), 4);
}

#[test]
fn each_side_of_a_matrix_is_a_space_until_a_function_sees_both() {
    let mut ir = Ir::default();
    let (v, w) = (ir.new_init(init(1)), ir.new_init(init(2)));
    let image = ir.matmul(w, false, v);
    let spaces = Spaces::of(&ir, &[image]);
    assert_eq!(spaces.count(), 2);
    assert_eq!(spaces.at(InitId(0), 0), spaces.at(InitId(1), 1));
    let sum = ir.apply(Prim::Add, &[image, v]);
    assert_eq!(Spaces::of(&ir, &[sum]).count(), 1);
}
