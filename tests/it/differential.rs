//! The compiled loops against the reference interpreter, on random programs.
//!
//! Both get the same numbers. The interpreter also bounds, to first order, the rounding error of an implementation
//! whose every operation is correct to a given relative tolerance; the loops must stay within that bound.

mod random_program;

use random_program::{Random, random_program};
use rayon::prelude::*;
use std::collections::HashMap;
use tpc::codegen::interpret::number::Scaled;
use tpc::codegen::simd::Lanes;
use tpc::codegen::{ExecOptions, Matrices, MatrixRef, execute, interpret_scaled};
use tpc::ir::{InitId, Ir, NodeId};

/// Random initial objects, the same numbers in every precision.
struct Numbers<'a, T> {
    ir: &'a Ir,
    n: usize,
    dense: HashMap<MatrixRef, Vec<T>>,
}

impl<'a, T: Lanes> Numbers<'a, T> {
    fn new(ir: &'a Ir, n: usize) -> Self {
        Self { ir, n, dense: HashMap::new() }
    }

    fn fill(&self, stream: u64, count: usize, scale: f64) -> Vec<T> {
        let mut random = Random::new(stream);
        // multiples of 2⁻¹⁰ are the same in both precisions
        (0..count).map(|_| T::of((random.normal() * 1024.0).round() / 1024.0 * scale)).collect()
    }

    fn matrix(&mut self, matrix: MatrixRef) -> &Vec<T> {
        let n = self.n;
        if !self.dense.contains_key(&matrix) {
            let stream = 1000 + 10 * u64::from(matrix.init.0) + matrix.entry as u64;
            let scale = 2f64.powi(-((n as f64).log2() / 2.0).round() as i32);
            let values = self.fill(stream, n * n, scale);
            self.dense.insert(matrix, values);
        }
        &self.dense[&matrix]
    }
}

impl<T: Lanes> Matrices<T> for Numbers<'_, T> {
    fn initial(&mut self, init: InitId) -> Vec<T> {
        let shape = &self.ir.init(init).shape;
        let count = shape.entries() * self.n.pow(shape.width as u32);
        self.fill(u64::from(init.0), count, 1.0)
    }
    fn apply(&mut self, matrix: MatrixRef, transpose: bool, x: &[T]) -> Vec<T> {
        let n = self.n;
        let w = self.matrix(matrix);
        let entry = |a: usize, b: usize| w[if transpose { b * n + a } else { a * n + b }].f64();
        let row = |x: &[T], a: usize| T::of((0..n).map(|b| entry(a, b) * x[b].f64()).sum::<f64>());
        x.chunks(n).flat_map(|x| (0..n).map(move |a| row(x, a))).collect()
    }
    fn dense(&mut self, matrix: MatrixRef) -> Option<&[T]> {
        Some(self.matrix(matrix))
    }
    fn take(&mut self, matrix: MatrixRef) -> Option<Vec<T>> {
        self.matrix(matrix);
        self.dense.remove(&matrix)
    }
}

/// What a comparison found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Agrees,
    /// A value lies within its error of a jump: nothing can be said about it.
    NearJump,
    /// Neither is finite.
    NotFinite,
}

fn compare<T: Lanes>(
    ir: &Ir,
    roots: &[NodeId],
    n: usize,
    tolerance: f64,
) -> Result<Outcome, String> {
    let exact = interpret_scaled(ir, roots, n, &mut Numbers::<f64>::new(ir, n), tolerance);
    let largest_array = if n.is_multiple_of(5) { 0 } else { usize::MAX };
    let options = ExecOptions { largest_array, ..ExecOptions::default() };
    let got = execute::<T>(ir, roots, n, &mut Numbers::<T>::new(ir, n), &options);
    let (exact, got) = match (exact, got) {
        (Ok(exact), Ok(got)) => (exact, got),
        (Err(_), _) => return Ok(Outcome::NotFinite),
        (Ok(exact), Err(_)) if !T::DOUBLE && exact.iter().flatten().any(is_huge) => {
            return Ok(Outcome::NotFinite);
        }
        (Ok(exact), Err(_)) if exact.iter().flatten().any(|x| x.scale.is_infinite()) => {
            return Ok(Outcome::NearJump);
        }
        (Ok(_), Err(error)) => return Err(format!("{error:?}")),
    };
    let mut outcome = Outcome::Agrees;
    for (exact, got) in exact.iter().zip(&got) {
        if exact.shape() != got.shape() {
            return Err(format!("shapes {:?} and {:?}", exact.shape(), got.shape()));
        }
        for (exact, got) in exact.iter().zip(got) {
            if exact.scale.is_infinite() {
                outcome = Outcome::NearJump;
            } else if (exact.value - got).abs() > tolerance * exact.scale + 1e-37 {
                return Err(format!("{exact:?} became {got}"));
            }
        }
    }
    Ok(outcome)
}

fn is_huge(x: &Scaled) -> bool {
    x.scale > 1e30
}

/// Programs 0..count, of which each is tried in one precision and every fourth in both.
fn campaign(first: u64, count: u64) -> [usize; 3] {
    let outcomes: Vec<Outcome> = (first..first + count)
        .into_par_iter()
        .map(|seed| {
            let (ir, roots, n) = random_program(seed);
            let outcome = if seed.is_multiple_of(2) {
                compare::<f64>(&ir, &roots, n, 1e-12)
            } else {
                compare::<f32>(&ir, &roots, n, 1e-5)
            };
            outcome.unwrap_or_else(|problem| panic!("program {seed} at n = {n}: {problem}"))
        })
        .collect();
    [Outcome::Agrees, Outcome::NearJump, Outcome::NotFinite]
        .map(|kind| outcomes.iter().filter(|outcome| **outcome == kind).count())
}

#[test]
fn compiled_loops_agree_with_the_interpreter() {
    let count = 10_000;
    let [agree, near, infinite] = campaign(0, count);
    println!("{agree} agree, {near} near a jump, {infinite} not finite");
    assert!(near * 20 <= count as usize, "{near} cases lie near a jump");
    assert!(infinite * 50 <= count as usize, "{infinite} cases are not finite");
}

#[test]
fn results_do_not_depend_on_threads() {
    let run = |threads: usize| -> Vec<Vec<u64>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("threads can be started").install(|| {
            (20_000..20_050)
                .map(|seed| {
                    let (ir, roots, _) = random_program(seed);
                    let n = 70 + seed as usize % 7;
                    let mut numbers = Numbers::<f32>::new(&ir, n);
                    let values = execute(&ir, &roots, n, &mut numbers, &ExecOptions::default());
                    let values = values.unwrap_or_default();
                    values.iter().flatten().map(|x| x.to_bits()).collect()
                })
                .collect()
        })
    };
    assert_eq!(run(1), run(2));
}
