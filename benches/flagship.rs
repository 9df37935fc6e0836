//! The workload at the top of the performance notes: a two-hidden-layer tanh network in µP, trained by Adam.
//!
//! `cargo bench --bench flagship -- WIDTH STEPS [f64]` prints the outputs, the whole time and the peak memory. The graph
//! is built here, so that only planning, compiling and running are measured.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::collections::HashMap;
use std::time::Instant;
use tpc::codegen::gemm;
use tpc::codegen::simd::Lanes;
use tpc::codegen::{ExecOptions, Matrices, MatrixRef, execute};
use tpc::ir::passes::adjoint::{Placement, gradient};
use tpc::ir::{Arg, Exponent, Init, InitId, Ir, Law, NodeId, Prim, ReduceOp, Shape};
use tpc::source::{FileId, Span};

const SAMPLES: usize = 8;
const INPUTS: usize = 10;

fn main() {
    let args: Vec<String> = std::env::args().filter(|arg| !arg.starts_with("--")).collect();
    let number =
        |k: usize, default: usize| args.get(k).and_then(|x| x.parse().ok()).unwrap_or(default);
    let (n, steps) = (number(1, 4096), number(2, 5));
    if args.iter().any(|arg| arg == "f64") { run::<f64>(n, steps) } else { run::<f32>(n, steps) }
}

fn run<T: Lanes>(n: usize, steps: usize) {
    let start = Instant::now();
    let (ir, roots) = Network::program(steps);
    let built = start.elapsed();
    let mut weights = Weights::<T> { ir: &ir, n, dense: HashMap::new(), products: 0.0 };
    weights.draw();
    let drawn = start.elapsed();
    let values = execute(&ir, &roots, n, &mut weights, &ExecOptions::default());
    let products = weights.products;
    let values = values.expect("the program is finite");
    let total = start.elapsed();
    for (step, f) in values.iter().enumerate() {
        let shown: Vec<String> = f.iter().take(4).map(|x| format!("{x:.5}")).collect();
        println!("f after {step} steps: {}", shown.join(" "));
    }
    println!(
        "nodes {}, built {built:?}, drawn {:?}, executed {:?} (products with initial matrices {:.3} s)",
        ir.len(),
        drawn - built,
        total - drawn,
        products
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        println!("{line}");
    }
}

/// Initial weights from a small generator.
struct Weights<'a, T> {
    ir: &'a Ir,
    n: usize,
    dense: HashMap<MatrixRef, Vec<T>>,
    products: f64,
}

fn normals<T: Lanes>(mut state: u64, count: usize, scale: f64) -> Vec<T> {
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^= z >> 27;
        // the sum of four uniform numbers, standardised
        let parts = (0..4).map(|k| ((z >> (16 * k)) & 0xffff) as f64).sum::<f64>();
        T::of((parts / 65535.0 - 2.0) * 1.732 * scale)
    };
    (0..count).map(|_| next()).collect()
}

impl<T: Lanes> Weights<'_, T> {
    fn draw(&mut self) {
        for (id, init) in self.ir.inits.iter().enumerate() {
            if init.shape.width == 2 {
                let matrix = MatrixRef { init: InitId::from_index(id), entry: 0 };
                let values = normals(id as u64, self.n * self.n, (self.n as f64).powf(-0.5));
                self.dense.insert(matrix, values);
            }
        }
    }
}

impl<T: Lanes> Matrices<T> for Weights<'_, T> {
    fn initial(&mut self, init: InitId) -> Vec<T> {
        let count = self.ir.init(init).shape.entries() * self.n;
        normals(1000 + u64::from(init.0), count, 1.0)
    }
    fn apply(&mut self, matrix: MatrixRef, transpose: bool, x: &[T]) -> Vec<T> {
        let start = Instant::now();
        let y = gemm::product(&self.dense[&matrix], self.n, transpose, x);
        self.products += start.elapsed().as_secs_f64();
        y
    }
    fn dense(&mut self, matrix: MatrixRef) -> Option<&[T]> {
        self.dense.get(&matrix).map(Vec::as_slice)
    }
    fn take(&mut self, matrix: MatrixRef) -> Option<Vec<T>> {
        self.dense.remove(&matrix)
    }
}

/// A parameter: its value and the two averages of Adam.
struct Parameter {
    value: NodeId,
    mean: Option<(NodeId, NodeId)>,
    /// The learning rate.
    rate: NodeId,
}

struct Network {
    ir: Ir,
    inputs: NodeId,
    targets: NodeId,
}

fn span() -> Span {
    Span::new(FileId(0), 0, 0)
}

impl Network {
    /// The outputs before every step and after the last.
    fn program(steps: usize) -> (Ir, Vec<NodeId>) {
        let mut ir = Ir::default();
        let array = |sizes: &[usize], f: &dyn Fn(usize) -> f64| {
            let count = sizes.iter().product();
            ndarray::ArrayD::from_shape_vec(sizes, (0..count).map(f).collect())
                .expect("sizes agree")
        };
        let inputs = array(&[SAMPLES, INPUTS], &|at| {
            let (i, k) = (at / INPUTS, at % INPUTS);
            (1.7 * (k * SAMPLES + i) as f64 + 0.3).cos() / (INPUTS as f64).sqrt()
        });
        let targets = array(&[SAMPLES], &|i| (0.9 * i as f64).sin());
        let (inputs, targets) = (ir.data(inputs), ir.data(targets));
        let mut network = Self { ir, inputs, targets };
        let mut parameters = network.parameters();
        let mut outputs = vec![];
        for step in 0..=steps {
            let bound: Vec<NodeId> =
                parameters.iter().map(|p| network.ir.bind("w", span(), p.value)).collect();
            let f = network.forward(&bound);
            outputs.push(f);
            if step < steps {
                network.update(&mut parameters, &bound, f, step);
            }
        }
        (network.ir, outputs)
    }

    fn parameters(&mut self) -> Vec<Parameter> {
        let shapes = [(vec![INPUTS], 1), (vec![], 2), (vec![], 2), (vec![], 1)];
        let mut parameters = Vec::new();
        for (stream, (stat, width)) in shapes.into_iter().enumerate() {
            let value = self.ir.new_init(Init {
                name: format!("W{stream}"),
                shape: Shape::new(stat, width),
                law: Law::Normal,
                stream: stream as u32,
                span: span(),
            });
            let mut rate = self.ir.constant(0.1);
            if width == 2 {
                let n = self.ir.width(Exponent::from_integer(-1));
                rate = self.ir.apply(Prim::Mul, &[rate, n]);
            }
            parameters.push(Parameter { value, mean: None, rate });
        }
        parameters
    }

    fn forward(&mut self, w: &[NodeId]) -> NodeId {
        let ir = &mut self.ir;
        let args = vec![
            Arg { node: self.inputs, stat: vec![0, 1], width: vec![] },
            Arg { node: w[0], stat: vec![1], width: vec![0] },
        ];
        let products = ir.map(Prim::Mul, Shape::new([SAMPLES, INPUTS], 1), args);
        let h = ir.reduce(ReduceOp::Sum, products, vec![1], vec![]);
        let mut x = ir.apply(Prim::Tanh, &[h]);
        for w in &w[1..3] {
            let h = ir.matmul(*w, false, x);
            x = ir.apply(Prim::Tanh, &[h]);
        }
        let args = vec![
            Arg { node: w[3], stat: vec![], width: vec![0] },
            Arg { node: x, stat: vec![0], width: vec![0] },
        ];
        let read = ir.map(Prim::Mul, Shape::new([SAMPLES], 1), args);
        ir.reduce(ReduceOp::Mean, read, vec![], vec![0])
    }

    fn update(&mut self, parameters: &mut [Parameter], bound: &[NodeId], f: NodeId, step: usize) {
        let ir = &mut self.ir;
        let error = ir.apply(Prim::Sub, &[f, self.targets]);
        let square = ir.apply(Prim::Mul, &[error, error]);
        let sum = ir.reduce(ReduceOp::Sum, square, vec![0], vec![]);
        let half = ir.constant(0.5 / SAMPLES as f64);
        let loss = ir.apply(Prim::Mul, &[sum, half]);
        let n = ir.width(Exponent::from_integer(1));
        for (parameter, bound) in parameters.iter_mut().zip(bound) {
            let shape = ir.shape(*bound).clone();
            let own: Vec<usize> = (0..shape.stat.len()).collect();
            let placement = Placement { seed: &[], own: &own, sizes: &shape.stat };
            let gradient = gradient(ir, loss, *bound, &placement);
            let gradient = gradient.expect("no diagonals").expect("there is a path");
            let gradient = ir.apply(Prim::Mul, &[gradient, n]);
            parameter.adam(ir, gradient, step as i32);
        }
    }
}

impl Parameter {
    fn adam(&mut self, ir: &mut Ir, g: NodeId, step: i32) {
        let (b1, b2, epsilon) = (0.9f64, 0.999f64, 1e-4f64);
        let square = ir.apply(Prim::Mul, &[g, g]);
        let mut average = |beta: f64, old: Option<NodeId>, new: NodeId| {
            let weight = ir.constant(1.0 - beta);
            let fresh = ir.apply(Prim::Mul, &[new, weight]);
            match old {
                Some(old) => {
                    let beta = ir.constant(beta);
                    let kept = ir.apply(Prim::Mul, &[old, beta]);
                    ir.apply(Prim::Add, &[kept, fresh])
                }
                None => fresh,
            }
        };
        let m = average(b1, self.mean.map(|(m, _)| m), g);
        let v = average(b2, self.mean.map(|(_, v)| v), square);
        self.mean = Some((m, v));
        let mut corrected = |x: NodeId, beta: f64| {
            let by = ir.constant(1.0 / (1.0 - beta.powi(step + 1)));
            ir.apply(Prim::Mul, &[x, by])
        };
        let (m, v) = (corrected(m, b1), corrected(v, b2));
        let epsilon = ir.constant(epsilon * epsilon);
        let inside = ir.apply(Prim::Add, &[v, epsilon]);
        let root = ir.apply(Prim::Sqrt, &[inside]);
        let direction = ir.apply(Prim::Div, &[m, root]);
        let change = ir.apply(Prim::Mul, &[direction, self.rate]);
        self.value = ir.apply(Prim::Sub, &[self.value, change]);
    }
}
