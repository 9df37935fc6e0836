//! Gradients against central differences of the reference interpreter, along a direction in the target.

use super::*;
use crate::codegen::{Matrices, MatrixRef, interpret};
use crate::ir::{Init, InitId, Law};
use crate::source::{FileId, Span};
use ndarray::Array2;

const N: usize = 5;

/// Smooth numbers that differ from object to object.
struct Fixed {
    dense: Vec<f64>,
    entries: Vec<usize>,
}

impl Matrices<f64> for Fixed {
    fn initial(&mut self, init: InitId) -> Vec<f64> {
        let count = self.entries[init.index()];
        (0..count).map(|i| libm::cos(0.7 * i as f64 + 2.1 * f64::from(init.0))).collect()
    }
    fn apply(&mut self, _: MatrixRef, transpose: bool, x: &[f64]) -> Vec<f64> {
        let entry = |a: usize, b: usize| self.dense[if transpose { b * N + a } else { a * N + b }];
        let row = |x: &[f64], a: usize| (0..N).map(|b| entry(a, b) * x[b]).sum::<f64>();
        x.chunks(N).flat_map(|x| (0..N).map(move |a| row(x, a))).collect()
    }
    fn dense(&mut self, _: MatrixRef) -> Option<&[f64]> {
        Some(&self.dense)
    }
}

fn init(ir: &mut Ir, stat: &[usize], width: usize) -> NodeId {
    let span = Span::new(FileId(0), 0, 0);
    let shape = Shape::new(stat, width);
    ir.new_init(Init { name: "x".into(), shape, law: Law::Normal, stream: 0, span })
}

fn evaluate(ir: &Ir, node: NodeId) -> Vec<f64> {
    let size = |i: &Init| i.shape.entries() * N.pow(u32::try_from(i.shape.width).expect("small"));
    let entries = ir.inits.iter().map(size).collect();
    let dense = (0..N * N).map(|i| libm::sin(1.3 * i as f64)).collect();
    let values = interpret(ir, &[node], N, &mut Fixed { dense, entries }).expect("finite");
    values[0].iter().copied().collect()
}

/// A program: a scalar (static axes allowed) from a target that is moved by ε along a direction.
struct Case {
    stat: &'static [usize],
    width: usize,
    scalar: fn(&mut Ir, NodeId) -> NodeId,
}

impl Case {
    /// The scalar, the bound target and the direction, with the target at base + ε · direction.
    fn build(&self, ir: &mut Ir, epsilon: f64) -> (NodeId, NodeId, NodeId) {
        let base = init(ir, self.stat, self.width);
        let direction = if self.width < 2 { init(ir, self.stat, self.width) } else { product(ir) };
        let epsilon = ir.constant(epsilon);
        let moved = ir.apply(Prim::Mul, &[epsilon, direction]);
        let moved = ir.apply(Prim::Add, &[base, moved]);
        let target = ir.bind("p", Span::new(FileId(0), 0, 0), moved);
        ((self.scalar)(ir, target), target, direction)
    }

    fn check(&self) {
        let at = |epsilon: f64| {
            let mut ir = Ir::default();
            let (scalar, ..) = self.build(&mut ir, epsilon);
            evaluate(&ir, scalar)
        };
        let step = 1e-5;
        let (up, down) = (at(step), at(-step));
        let mut ir = Ir::default();
        let (scalar, target, direction) = self.build(&mut ir, 0.0);
        let seeds = ir.shape(scalar).stat.clone();
        let seed: Vec<usize> = (0..seeds.len()).collect();
        let own: Vec<usize> = (0..self.stat.len()).map(|axis| seeds.len() + axis).collect();
        let sizes: Vec<usize> = seeds.iter().chain(self.stat).copied().collect();
        let placement = Placement { seed: &seed, own: &own, sizes: &sizes };
        let gradient = gradient(&mut ir, scalar, target, &placement);
        let gradient = gradient.expect("differentiable").expect("there is a path");
        let width: Vec<usize> = (0..self.width).collect();
        let left = ir.whole(gradient);
        let right = Arg { node: direction, stat: own.clone(), width: width.clone() };
        let product = ir.map(Prim::Mul, Shape::new(sizes.clone(), self.width), vec![left, right]);
        let total = ir.reduce(ReduceOp::Sum, product, own, width);
        for (k, got) in evaluate(&ir, total).iter().enumerate() {
            let want = (up[k] - down[k]) / (2.0 * step);
            assert!((got - want).abs() < 1e-8 * (1.0 + want.abs()), "entry {k}: {got} not {want}");
        }
    }
}

/// An outer product as a direction for matrices.
fn product(ir: &mut Ir) -> NodeId {
    let (u, v) = (init(ir, &[], 1), init(ir, &[], 1));
    let args = [(u, 0), (v, 1)].map(|(node, axis)| Arg { node, stat: vec![], width: vec![axis] });
    ir.map(Prim::Mul, Shape::new([], 2), args.to_vec())
}

fn tanh(ir: &mut Ir, x: NodeId) -> NodeId {
    ir.apply(Prim::Tanh, &[x])
}

fn mean_over_width(ir: &mut Ir, x: NodeId) -> NodeId {
    ir.reduce(ReduceOp::Mean, x, vec![], vec![0])
}

#[test]
fn network_by_samples() {
    fn scalar(ir: &mut Ir, h: NodeId) -> NodeId {
        let (w, v) = (init(ir, &[], 2), init(ir, &[], 1));
        let x = tanh(ir, h);
        let h2 = ir.matmul(w, false, x);
        let x2 = tanh(ir, h2);
        let shape = ir.shape(x2).clone();
        let v = Arg { node: v, stat: vec![], width: vec![0] };
        let x2 = ir.whole(x2);
        let summed = ir.map(Prim::Mul, shape, vec![v, x2]);
        mean_over_width(ir, summed)
    }
    Case { stat: &[3], width: 1, scalar }.check();
}

#[test]
fn diagonal_is_not_spelt_out() {
    let mut ir = Ir::default();
    let h = init(&mut ir, &[3], 1);
    let h = ir.bind("h", Span::new(FileId(0), 0, 0), h);
    let x = tanh(&mut ir, h);
    let f = mean_over_width(&mut ir, x);
    let placement = Placement { seed: &[0], own: &[0], sizes: &[3] };
    let d = gradient(&mut ir, f, h, &placement).expect("differentiable").expect("a path");
    assert!(ir.data.is_empty(), "a mask was spelt out");
    assert_eq!(ir.shape(d), &Shape::new([3], 1));
}

#[test]
fn trained_matrix_both_ways() {
    fn scalar(ir: &mut Ir, w: NodeId) -> NodeId {
        let (x, k) = (init(ir, &[2], 1), product(ir));
        let square = ir.apply(Prim::Tanh, &[k]);
        let trained = ir.apply(Prim::Add, &[w, square]);
        let h = ir.matmul(trained, false, x);
        let h = tanh(ir, h);
        let back = ir.matmul(trained, true, h);
        let back = tanh(ir, back);
        mean_over_width(ir, back)
    }
    Case { stat: &[], width: 2, scalar }.check();
}

#[test]
fn outer_nonlin_through_all_slots() {
    fn scalar(ir: &mut Ir, x: NodeId) -> NodeId {
        let slot = |axis| Arg { node: x, stat: vec![], width: vec![axis] };
        let product = ir.map(Prim::Mul, Shape::new([], 3), vec![slot(0), slot(2)]);
        let shape = ir.shape(product).clone();
        let product = ir.whole(product);
        let sum = ir.map(Prim::Add, shape, vec![product, slot(1)]);
        let psi = ir.apply(Prim::Sin, &[sum]);
        let y = ir.reduce(ReduceOp::Mean, psi, vec![], vec![1, 2]);
        let y = ir.apply(Prim::Mul, &[y, x]);
        ir.reduce(ReduceOp::Sum, y, vec![], vec![0])
    }
    Case { stat: &[], width: 1, scalar }.check();
}

#[test]
fn structure_of_static_axes() {
    fn scalar(ir: &mut Ir, x: NodeId) -> NodeId {
        let first = ir.index(x, 0, 1);
        let part = ir.slice(x, 0, 1, 3);
        let padded = ir.pad(part, 0, 2, 0);
        let shifted = ir.index(padded, 0, 2);
        let stacked = ir.stack(vec![shifted, first, first]);
        let both = ir.apply(Prim::Mul, &[stacked, x]);
        let mixed = ir.data(Array2::from_shape_fn((3, 3), |(i, j)| (i * 3 + j) as f64).into_dyn());
        let shape = Shape::new([3, 3], 1);
        let args = vec![
            Arg { node: both, stat: vec![1], width: vec![0] },
            Arg { node: mixed, stat: vec![0, 1], width: vec![] },
        ];
        let product = ir.map(Prim::Mul, shape, args);
        let product = ir.apply(Prim::Sin, &[product]);
        ir.reduce(ReduceOp::Mean, product, vec![1], vec![0])
    }
    Case { stat: &[3], width: 1, scalar }.check();
}

#[test]
fn static_diagonals_and_missing_axes() {
    fn scalar(ir: &mut Ir, x: NodeId) -> NodeId {
        let diagonal = Arg { node: x, stat: vec![0, 0], width: vec![0] };
        let read = ir.map(Prim::Sin, Shape::new([3], 1), vec![diagonal]);
        let total = ir.reduce(ReduceOp::Sum, read, vec![0], vec![0]);
        let all = ir.reduce(ReduceOp::Mean, x, vec![1], vec![0]);
        let total = Arg { node: total, stat: vec![], width: vec![] };
        let all = ir.whole(all);
        ir.map(Prim::Div, Shape::new([3], 0), vec![total, all])
    }
    Case { stat: &[3, 3], width: 1, scalar }.check();
}

#[test]
fn every_differentiable_primitive() {
    fn scalar(ir: &mut Ir, x: NodeId) -> NodeId {
        let (two, half) = (ir.constant(2.0), ir.constant(0.5));
        let square = ir.apply(Prim::Mul, &[x, x]);
        let positive = ir.apply(Prim::Add, &[square, half]);
        let mut all = vec![x];
        for op in [Prim::Neg, Prim::Abs, Prim::Relu, Prim::Exp, Prim::Sin, Prim::Cos, Prim::Tanh] {
            all.push(ir.apply(op, &[x]));
        }
        for op in [Prim::Erf, Prim::Sigmoid, Prim::Softplus, Prim::Pow(Exponent::from_integer(3))] {
            all.push(ir.apply(op, &[x]));
        }
        for op in [Prim::Sqrt, Prim::Log, Prim::Pow(Exponent::new(-3, 2))] {
            all.push(ir.apply(op, &[positive]));
        }
        for op in [Prim::Add, Prim::Sub, Prim::Mul, Prim::Div, Prim::Powf] {
            all.push(ir.apply(op, &[positive, two]));
            all.push(ir.apply(op, &[two, positive]));
        }
        let other = init(ir, &[], 1);
        all.push(ir.apply(Prim::Min, &[x, other]));
        all.push(ir.apply(Prim::Max, &[other, square]));
        let condition = ir.apply(Prim::Lt, &[x, other]);
        all.push(ir.apply(Prim::Select, &[condition, square, x]));
        let stacked = ir.stack(all);
        ir.reduce(ReduceOp::Mean, stacked, vec![], vec![0])
    }
    Case { stat: &[], width: 1, scalar }.check();
}

#[test]
fn other_bindings_are_no_path() {
    let mut ir = Ir::default();
    let x = init(&mut ir, &[], 1);
    let span = Span::new(FileId(0), 0, 0);
    let (first, second) = (ir.bind("a", span, x), ir.bind("b", span, x));
    let f = mean_over_width(&mut ir, first);
    let placement = Placement { seed: &[], own: &[], sizes: &[] };
    assert_eq!(gradient(&mut ir, f, second, &placement), Ok(None));
    assert!(gradient(&mut ir, f, first, &placement).expect("differentiable").is_some());
}
