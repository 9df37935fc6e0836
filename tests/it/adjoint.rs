//! Invariances of the limit on random programs: a matrix and its transpose are adjoint (Prop. 2.6.9 of [TP4b]), matrices
//! are linear, and exchanging W and Wᵀ throughout changes nothing (theory.md, section 2, item 7).
//!
//! With orthogonal columns these hold on the particles themselves, to rounding. Without, the two sides of
//! ⟨y|Wx⟩ = ⟨Wᵀy|x⟩ differ by a mean of independent Gaussian columns: Student's t over replicates.

use crate::sketch::{Sketch, check, sketches};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::cell::RefCell;
use tpc::codegen::{ExecError, ExecOptions, Prepared, Tuples, prepare};
use tpc::ir::{NodeId, Program};
use tpc::limit::Particles;
use tpc::num::special::student_to_normal;
use tpc::num::stats::{Moments, sidak};

/// A leading-order program whose outputs are vectors, compiled for N particles.
struct Compiled {
    program: Program,
    prepared: Prepared<f64>,
    n: usize,
}

impl Compiled {
    fn new(program: Program, n: usize) -> Self {
        let roots: Vec<NodeId> = program.outputs.iter().map(|output| output.node).collect();
        let options = ExecOptions { tuples: Tuples::Independent, ..ExecOptions::default() };
        let prepared = prepare::<f64>(&program.ir, &roots, n, &options).expect("it compiles");
        Self { program, prepared, n }
    }

    /// The outputs on one set of particles.
    fn columns(&self, stream: u64, orthogonal: bool) -> Result<Vec<Vec<f64>>, ExecError> {
        let particles = Particles::new(&self.program.ir.inits, self.n, 0, stream);
        let mut particles = if orthogonal { particles } else { particles.independent() };
        let values = self.prepared.run(&mut particles)?;
        Ok(values.iter().map(|array| array.iter().copied().collect()).collect())
    }
}

fn inner(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / x.len() as f64
}

fn norm(x: &[f64]) -> f64 {
    inner(x, x).sqrt()
}

/// A matrix of the program and two of its vectors.
type Question = (u8, u16, u16);

/// `x`, `y`, `A x`, `Aᵀ y` as outputs, for each question; and whether A is an initial matrix.
///
/// Every other question is about a product of the program: A x with a y that came later.
fn ask(sketch: &Sketch, questions: &[Question]) -> (String, Vec<bool>) {
    let mut text = sketch.source();
    let mut initial = Vec::new();
    let products: Vec<(String, usize, usize)> = sketch.products();
    for (k, (choice, x, y)) in questions.iter().enumerate() {
        let [mut x, mut y] = [x, y].map(|raw| usize::from(*raw) % sketch.vectors());
        let choice = usize::from(*choice);
        let mut name = format!("W{}", choice / 2 % 2);
        if choice.is_multiple_of(2) && !products.is_empty() {
            let (matrix, argument, result) = &products[choice / 2 % products.len()];
            name = matrix.clone();
            x = *argument;
            y = result + y % (sketch.vectors() - result);
        }
        let transposed = name.strip_suffix(".T").map_or(format!("{name}.T"), str::to_owned);
        text += &format!("output x{x} as \"x {k}\", x{y} as \"y {k}\";\n");
        text += &format!(
            "output {name} @ x{x} as \"W x {k}\", {transposed} @ x{y} as \"W.T y {k}\";\n"
        );
        initial.push(name.starts_with('W'));
    }
    (text, initial)
}

/// What was seen over all programs.
#[derive(Default)]
struct Seen {
    programs: usize,
    refused: usize,
    /// z of ⟨y|Ax⟩ − ⟨Aᵀy|x⟩ without orthogonal columns.
    z: Vec<f64>,
    /// Questions in which ⟨y|Ax⟩ is far from 0.
    large: usize,
}

const PROGRAMS: u32 = 1000;
const REPLICATES: u64 = 8;

fn run_cases<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: PROGRAMS, failure_persistence: None, ..Config::default() };
    if let Err(problem) = TestRunner::new(config).run(&strategy, test) {
        panic!("{problem}");
    }
}

/// Both tests on one program.
fn adjoint(text: &str, initial: &[bool], seen: &mut Seen) -> Result<(), TestCaseError> {
    let (checked, dropped) = match check(text) {
        Ok(checked) => checked,
        Err(codes) => {
            // what needs the next order in n^(-1/2) is refused, never wrong
            prop_assert!(codes.iter().all(|code| code.contains("05")), "{codes:?}\n{text}");
            seen.refused += 1;
            return Ok(());
        }
    };
    let compiled = Compiled::new(checked.facts.leading, 160);
    let Ok(columns) = compiled.columns(1, true) else {
        return Err(TestCaseError::fail(format!("not finite:\n{text}")));
    };
    for (columns, initial) in columns.chunks(4).zip(initial) {
        let [x, y, wx, wty] = columns else { unreachable!("four outputs for each question") };
        let difference = (inner(y, wx) - inner(wty, x)).abs();
        let size = norm(x) * norm(wty) + norm(y) * norm(wx);
        // a term that vanishes in one order of summation only, like E K_ab x_b, is not on the particles
        if *initial || !dropped {
            prop_assert!(difference <= 1e-10 * size, "{difference:e} of {size}\n{text}");
        }
        seen.large += usize::from(inner(y, wx).abs() > 0.1 * size);
    }
    let replicates: Result<Vec<_>, _> =
        (0..REPLICATES).map(|k| compiled.columns(2 + k, false)).collect();
    let Ok(replicates) = replicates else {
        return Err(TestCaseError::fail(format!("not finite:\n{text}")));
    };
    for question in 0..initial.len() {
        let differences = replicates.iter().map(|columns| {
            let [x, y, wx, wty] = &columns[4 * question..][..4] else {
                unreachable!("four outputs for each question")
            };
            (inner(y, wx) - inner(wty, x), norm(x) * norm(wty))
        });
        let (differences, sizes): (Vec<f64>, Vec<f64>) = differences.unzip();
        let moments = Moments::of(differences);
        let stderr = moments.stderr().expect("replicates").max(1e-10 * sizes[0] + 1e-300);
        let z = student_to_normal(moments.mean() / stderr, REPLICATES as f64 - 1.0);
        prop_assert!(z.abs() < 8.0, "z = {z}, question {question}\n{text}");
        seen.z.push(z);
    }
    seen.programs += 1;
    Ok(())
}

#[test]
fn a_matrix_and_its_transpose_are_adjoint_in_the_limit() {
    let questions = prop::collection::vec(any::<Question>(), 2);
    let seen = RefCell::new(Seen::default());
    run_cases((sketches(3..12, false), questions), |(sketch, questions)| {
        let (text, initial) = ask(&sketch, &questions);
        adjoint(&text, &initial, &mut seen.borrow_mut())
    });
    let seen = seen.into_inner();
    let largest = seen.z.iter().fold(0.0_f64, |most, z| most.max(z.abs()));
    let allowed = sidak(4.0, seen.z.len());
    let squares = seen.z.iter().map(|z| z * z).sum::<f64>() / seen.z.len() as f64;
    println!(
        "{} programs, {} refused; {} of {} inner products are large; largest |z| {largest:.2} of {allowed:.2}, mean z² {squares:.3}",
        seen.programs,
        seen.refused,
        seen.large,
        seen.z.len()
    );
    assert!(largest < allowed, "largest |z| {largest} of {allowed}");
    assert!(squares < 1.3, "the mean of z² is {squares}");
    // otherwise the test says little
    assert!(seen.refused * 10 < seen.programs, "{} programs are refused", seen.refused);
    assert!(seen.large * 10 > seen.z.len(), "{} inner products are large", seen.large);
}

/// Outputs of a program on particles whose columns are orthogonal; `None` where the compiler refuses.
fn exact(text: &str) -> Option<Vec<Vec<f64>>> {
    let (checked, _) = check(text).ok()?;
    Compiled::new(checked.facts.leading, 160).columns(1, true).ok()
}

/// Both vectors are the same on every particle.
fn same(x: &[f64], y: &[f64], text: &str) -> Result<(), TestCaseError> {
    let difference: Vec<f64> = x.iter().zip(y).map(|(x, y)| x - y).collect();
    let size = norm(x) + norm(y);
    prop_assert!(norm(&difference) <= 1e-9 * size, "{} of {size}\n{text}", norm(&difference));
    Ok(())
}

#[test]
fn matrices_are_linear_in_the_limit() {
    // whether the sum or its terms come first must not matter
    let vectors = any::<(u8, u8, bool)>();
    run_cases((sketches(2..10, false), vectors), |(sketch, (x, y, first))| {
        let [x, y] = [x, y].map(|raw| usize::from(raw) % sketch.vectors());
        let products = [
            format!("let whole = W0 @ (2 * x{x} + 0.7 * x{y});\n"),
            format!("let parts = 2 * W0 @ x{x} + 0.7 * W0 @ x{y};\n"),
        ];
        let [one, other] = if first { [0, 1] } else { [1, 0] };
        let text = sketch.source() + &products[one] + &products[other] + "output whole, parts;\n";
        match exact(&text).as_deref() {
            Some([whole, parts]) => same(whole, parts, &text),
            Some(_) | None => Ok(()),
        }
    });
}

/// Moments of the last two vectors and the first, over replicates.
fn moments(text: &str, first: u64) -> Option<Vec<Moments>> {
    let (checked, _) = check(text).ok()?;
    let compiled = Compiled::new(checked.facts.leading, 128);
    let mut all = vec![Moments::default(); 5];
    for stream in first..first + REPLICATES {
        let columns = compiled.columns(stream, true).ok()?;
        let [x, y, z] = columns.as_slice() else { unreachable!("three outputs") };
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let numbers = [mean, inner(x, x), inner(x, y), inner(x, z), inner(y, z)];
        all.iter_mut().zip(numbers).for_each(|(moments, number)| moments.push(number));
    }
    Some(all)
}

#[test]
fn exchanging_a_matrix_and_its_transpose_changes_nothing() {
    let seen = RefCell::new(Vec::new());
    run_cases(sketches(3..10, false), |sketch| {
        let last = sketch.vectors() - 1;
        let output = format!("output x{last}, x{} as \"before\", x0 as \"first\";\n", last - 1);
        let (text, exchanged) = (sketch.source() + &output, sketch.exchanged() + &output);
        let (Some(one), Some(other)) = (moments(&text, 0), moments(&exchanged, 100)) else {
            return Ok(());
        };
        for (one, other) in one.iter().zip(&other) {
            let stderr = one.stderr().unwrap_or(0.0).hypot(other.stderr().unwrap_or(0.0));
            let t = (one.mean() - other.mean()) / (stderr + 1e-9 * one.mean().abs() + 1e-9);
            let z = student_to_normal(t, REPLICATES as f64 - 1.0);
            prop_assert!(z.abs() < 8.0, "z = {z}: {} and {}\n{text}", one.mean(), other.mean());
            seen.borrow_mut().push(z);
        }
        Ok(())
    });
    let seen = seen.into_inner();
    let largest = seen.iter().fold(0.0_f64, |most, z| most.max(z.abs()));
    assert!(seen.len() > 4 * PROGRAMS as usize, "{} moments", seen.len());
    assert!(largest < sidak(4.0, seen.len()), "largest |z| {largest} of {} moments", seen.len());
}

/// ⟨x|Wᵀψ(Wx)⟩ = ⟨Wx|ψ(Wx)⟩, whatever W and its transpose did before.
#[test]
fn a_function_of_an_image_returns_by_its_dot() {
    let psi = prop::sample::select(vec!["tanh(h)", "relu(h)", "sign(h)", "h^3", "abs(h) + h"]);
    run_cases((sketches(0..8, false), any::<u8>(), psi), |(sketch, x, psi)| {
        let x = usize::from(x) % sketch.vectors();
        let text = sketch.source()
            + &format!("let h = W1 @ x{x};\nlet y = {psi};\noutput x{x}, h, y, W1.T @ y;\n");
        let Some(columns) = exact(&text) else { return Ok(()) };
        let [x, h, y, back] = columns.as_slice() else { unreachable!("four outputs") };
        let (left, right) = (inner(x, back), inner(h, y));
        let size = norm(x) * norm(back) + norm(h) * norm(y);
        prop_assert!((left - right).abs() <= 1e-10 * size, "{left} is not {right}\n{text}");
        prop_assert!(norm(x) < 1e-9 || right > 0.05 * norm(h) * norm(y), "{right}\n{text}");
        Ok(())
    });
}
