//! One nonlinear outer product applied to a vector: y_a = mean_b x_b g/√(g² + ε²), g = Σ_i u_i(a) v_i(b) of rank 4.
//!
//! `cargo bench --bench outer_nonlin -- WIDTH [f64]` prints pairs per second, the best and the median of 15 runs.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::time::Instant;
use tpc::codegen::simd::Lanes;
use tpc::codegen::{ExecOptions, Matrices, MatrixRef, prepare};
use tpc::ir::{Arg, Init, InitId, Ir, Law, NodeId, Prim, ReduceOp, Shape};
use tpc::source::{FileId, Span};

const RANK: usize = 4;

fn main() {
    let args: Vec<String> = std::env::args().filter(|arg| !arg.starts_with("--")).collect();
    let n = args.get(1).and_then(|x| x.parse().ok()).unwrap_or(4096);
    if args.iter().any(|arg| arg == "f64") { run::<f64>(n) } else { run::<f32>(n) }
}

fn run<T: Lanes>(n: usize) {
    let (ir, root) = program();
    let prepared = prepare::<T>(&ir, &[root], n, &ExecOptions::default()).expect("it compiles");
    let mut times = Vec::new();
    let mut size = 0.0;
    for _ in 0..15 {
        let start = Instant::now();
        let values = prepared.run(&mut Waves { ir: &ir, n }).expect("it is finite");
        times.push(start.elapsed().as_secs_f64());
        size = values[0].mapv(f64::abs).mean().expect("there are entries");
    }
    times.sort_by(f64::total_cmp);
    let rate = |time: f64| (n * n) as f64 / time / 1e9;
    println!("|y| = {size:.6e}");
    println!(
        "{:.2} ({:.2}) G pairs/s on {} threads",
        rate(times[0]),
        rate(times[7]),
        rayon::current_num_threads()
    );
}

/// Vectors of sines.
struct Waves<'a> {
    ir: &'a Ir,
    n: usize,
}

impl<T: Lanes> Matrices<T> for Waves<'_> {
    fn initial(&mut self, init: InitId) -> Vec<T> {
        let count = self.ir.init(init).shape.entries() * self.n;
        (0..count).map(|i| T::of(((1 + init.0) as f64 * 0.731 * i as f64 + 0.2).sin())).collect()
    }
    fn apply(&mut self, _: MatrixRef, _: bool, x: &[T]) -> Vec<T> {
        x.to_vec()
    }
    fn dense(&mut self, _: MatrixRef) -> Option<&[T]> {
        None
    }
}

fn program() -> (Ir, NodeId) {
    let mut ir = Ir::default();
    let mut init = |stat: Vec<usize>| {
        ir.new_init(Init {
            name: "x".into(),
            shape: Shape::new(stat, 1),
            law: Law::Normal,
            stream: 0,
            span: Span::new(FileId(0), 0, 0),
        })
    };
    let (u, v, x) = (init(vec![RANK]), init(vec![RANK]), init(vec![]));
    let args = [(u, 0), (v, 1)].map(|(node, axis)| Arg { node, stat: vec![0], width: vec![axis] });
    let products = ir.map(Prim::Mul, Shape::new([RANK], 2), args.to_vec());
    let g = ir.reduce(ReduceOp::Sum, products, vec![0], vec![]);
    let square = ir.apply(Prim::Mul, &[g, g]);
    let epsilon = ir.constant(1e-8);
    let sum = ir.apply(Prim::Add, &[square, epsilon]);
    let root = ir.apply(Prim::Sqrt, &[sum]);
    let psi = ir.apply(Prim::Div, &[g, root]);
    let args = vec![
        Arg { node: psi, stat: vec![], width: vec![0, 1] },
        Arg { node: x, stat: vec![], width: vec![1] },
    ];
    let weighted = ir.map(Prim::Mul, Shape::new([], 2), args);
    let y = ir.reduce(ReduceOp::Mean, weighted, vec![], vec![1]);
    (ir, y)
}
