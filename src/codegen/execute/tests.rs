//! Executions with known results.

use super::*;
use crate::codegen::MatrixRef;
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

/// Vectors of pseudo-random numbers on (−1, 1).
struct Scattered {
    n: usize,
}

impl Matrices<f64> for Scattered {
    fn initial(&mut self, init: InitId) -> Vec<f64> {
        let mut state = 77 + u64::from(init.0);
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        (0..self.n).map(|_| next()).collect()
    }
    fn apply(&mut self, _: MatrixRef, _: bool, x: &[f64]) -> Vec<f64> {
        x.to_vec()
    }
    fn dense(&mut self, _: MatrixRef) -> Option<&[f64]> {
        None
    }
}

#[test]
fn independent_tuples_estimate_the_mean_over_all() {
    let mut ir = Ir::default();
    let (x, z) = (init(&mut ir, 1), init(&mut ir, 1));
    let on = |node, width: &[usize]| crate::ir::Arg { node, stat: vec![], width: width.to_vec() };
    let shape = Shape::new([], 3);
    let product = ir.map(Prim::Mul, shape.clone(), vec![on(x, &[0]), on(x, &[1])]);
    let sum = ir.map(Prim::Add, shape.clone(), vec![on(product, &[0, 1, 2]), on(z, &[2])]);
    let psi = ir.apply(Prim::Abs, &[sum]);
    let y = ir.reduce(ReduceOp::Mean, psi, vec![], vec![1, 2]);
    let n = 400;
    let run = |tuples| {
        let options = ExecOptions { tuples, ..ExecOptions::default() };
        let values = execute(&ir, &[y], n, &mut Scattered { n }, &options);
        values.expect("finite").remove(0)
    };
    let (all, some) = (run(Tuples::All), run(Tuples::Independent));
    let error = (&all - &some).mapv(|x| x * x).mean().expect("400 entries").sqrt();
    // |x_a x_b + z_c| has standard deviation about 0.35, over 400 tuples
    assert!(error > 1e-4 && error < 0.03, "{error}");
    assert!((all.mean().expect("entries") - some.mean().expect("entries")).abs() < 0.005);
}

#[test]
fn costs_are_known_before() {
    let mut ir = Ir::default();
    let (x, w) = (init(&mut ir, 1), init(&mut ir, 2));
    let y = ir.matmul(w, false, x);
    let args = [0, 1].map(|axis| crate::ir::Arg { node: y, stat: vec![], width: vec![axis] });
    let outer = ir.map(Prim::Add, Shape::new([], 2), args.to_vec());
    let psi = ir.apply(Prim::Tanh, &[outer]);
    let z = ir.reduce(ReduceOp::Mean, psi, vec![], vec![1]);
    let cost = estimate(&ir, &[z], 1000, &ExecOptions::default(), true).expect("it is a program");
    assert_eq!(cost.evaluations, 1e6);
    assert!(cost.numbers >= 1e6 + 2e3 && cost.numbers < 1.1e6);
}

/// Longer than the stack of a thread: planning must not be bounded by it.
#[test]
fn long_chains_are_planned() {
    let mut ir = Ir::default();
    let (x, z) = (init(&mut ir, 1), init(&mut ir, 1));
    let half = ir.constant(0.5);
    let mut y = x;
    for _ in 0..10_000 {
        let sum = ir.apply(Prim::Add, &[y, z]);
        y = ir.apply(Prim::Mul, &[sum, half]);
    }
    // y ← (y + z)/2 tends to z = x
    let values = run(&ir, &[y], 3).expect("finite");
    assert!(values[0].iter().zip(1..).all(|(y, z)| (y - f64::from(z)).abs() < 1e-12));
}

#[test]
fn loops_can_be_read() {
    let mut ir = Ir::default();
    let x = init(&mut ir, 1);
    let y = ir.apply(Prim::Tanh, &[x]);
    let prepared = prepare::<f32>(&ir, &[y], 8, &ExecOptions::default()).expect("it compiles");
    let text = prepared.loop_text().expect("it compiles").concat();
    assert!(text.contains("f32") && text.contains("call"));
}

/// `steps` moments m ← 0.9 m + 0.1 g of gradients of rank 8, each step reading the one before: Σ_b |m_ab|.
fn moments(steps: usize) -> (Ir, NodeId) {
    let mut ir = Ir::default();
    let mut u = init(&mut ir, 1);
    let eight: Vec<f64> = (0..8).map(|k| 1e-3 * f64::from(k)).collect();
    let weights: Vec<NodeId> = eight.iter().map(|k| ir.constant(*k)).collect();
    let weights = ir.stack(weights);
    let mut moment = ir.constant(0.0);
    for _ in 0..steps {
        let us = [(weights, vec![0], vec![]), (u, vec![], vec![0])];
        let args = us.map(|(node, stat, width)| crate::ir::Arg { node, stat, width });
        let us = ir.map(Prim::Mul, Shape::new([8], 1), args.to_vec());
        let us = ir.apply(Prim::Sin, &[us]);
        let args = [0, 1].map(|axis| crate::ir::Arg { node: us, stat: vec![0], width: vec![axis] });
        let products = ir.map(Prim::Mul, Shape::new([8], 2), args.to_vec());
        let gradient = ir.reduce(ReduceOp::Sum, products, vec![0], vec![]);
        let (old, new) = (ir.constant(0.9), ir.constant(0.1));
        let old = ir.apply(Prim::Mul, &[moment, old]);
        let new = ir.apply(Prim::Mul, &[gradient, new]);
        moment = ir.apply(Prim::Add, &[old, new]);
        let square = ir.apply(Prim::Abs, &[moment]);
        let size = ir.reduce(ReduceOp::Mean, square, vec![], vec![1]);
        u = ir.apply(Prim::Add, &[u, size]);
    }
    (ir, u)
}

#[test]
fn few_moments_are_summed_up_again_and_many_kept() {
    let numbers = |steps| {
        let (ir, root) = moments(steps);
        estimate(&ir, &[root], 1000, &ExecOptions::default(), true).expect("a program").numbers
    };
    assert!(numbers(4) < 5e5, "{}", numbers(4));
    assert!((1e6..1.5e6).contains(&numbers(40)), "{}", numbers(40));
}

#[test]
fn moments_are_right_kept_or_not() {
    for (steps, n) in [(4, 37), (4, 1030), (40, 21)] {
        let (ir, root) = moments(steps);
        let values = run(&ir, &[root], n).expect("finite");
        let exact = crate::codegen::interpret(&ir, &[root], n, &mut Counting { n });
        let exact = &exact.expect("finite")[0];
        for (value, exact) in values[0].iter().zip(exact) {
            assert!((value - exact).abs() < 1e-12 * exact, "{value} {exact}");
        }
    }
}
