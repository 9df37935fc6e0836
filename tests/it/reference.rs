//! The limit engine against a slow evaluation of Def. 2.6.5 of [TP4b] by formal kets, on random smooth programs.
//!
//! All means and inner products of all vectors are compared, in standard errors. The reference differentiates kets in
//! their hats and integrates by quadrature; the engine uses Stein's identity on particles. They share nothing but the
//! definition.

mod kets;

use crate::sketch::{Sketch, check, sketches};
use kets::{Kets, coordinates};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rayon::prelude::*;
use tpc::limit::{LimitOptions, Rungs, evaluate};
use tpc::num::special::student_to_normal;
use tpc::num::stats::sidak;

/// One number and both of its values.
#[derive(Debug)]
struct Cell {
    limit: f64,
    error: f64,
    reference: f64,
    z: f64,
}

/// The program and its outputs as pairs of vectors; `None` for a mean.
fn questions(sketch: &Sketch) -> (String, Vec<(usize, Option<usize>)>) {
    let mut text = sketch.source();
    let mut asked = Vec::new();
    for x in 3..sketch.vectors() {
        text += &format!("output avg(x{x}) as \"{x}\";\n");
        asked.push((x, None));
        for y in sketch.initial().into_iter().chain(3..=x) {
            text += &format!("output avg(x{x} * x{y}) as \"{x} {y}\";\n");
            asked.push((x, Some(y)));
        }
    }
    (text, asked)
}

fn answer(kets: &Kets, (x, y): (usize, Option<usize>)) -> f64 {
    y.map_or_else(|| kets.mean(x), |y| kets.inner(x, y))
}

/// All numbers of a program; `None` where quadrature is too coarse or the compiler refuses.
fn compare(sketch: &Sketch) -> Option<Vec<Cell>> {
    let nodes = [60, 40, 24, 13, 8][coordinates(sketch) - 1];
    let [fine, others @ ..] = [0, 1, 3].map(|less| Kets::new(sketch, nodes - less));
    let (text, asked) = questions(sketch);
    let (checked, _) = check(&text).ok()?;
    // pairs of particles take time
    let particles = if text.contains("[b]") { 1024 } else { 4096 };
    let by = |rungs: Rungs| {
        let options = LimitOptions { particles, rungs, ..LimitOptions::default() };
        let limits = evaluate(&checked.facts.leading, &options);
        limits.expect("random programs are finite").outputs
    };
    let (sampled, best) = (by(Rungs::Particles), by(Rungs::All));
    let mut cells = Vec::new();
    let asked = asked.iter().chain(asked.iter());
    for (asked, output) in asked.zip(sampled.iter().chain(&best)) {
        let reference = answer(&fine, *asked);
        // two grids may err on the same side
        let doubts = others.iter().map(|other| (reference - answer(other, *asked)).abs());
        let doubt = doubts.fold(0.0, f64::max);
        if doubt > 0.02 * (1.0 + reference.abs()) {
            return None;
        }
        let (limit, error) = (output.values[0], output.errors[0]);
        let t = (limit - reference) / (error.hypot(doubt) + 1e-7 * (1.0 + reference.abs()));
        let z = student_to_normal(t, 7.0);
        assert!(z.abs() < 7.0, "{}: {limit} ± {error}, not {reference}\n{text}", output.name);
        cells.push(Cell { limit, error, reference, z });
    }
    Some(cells)
}

#[test]
fn the_limit_is_that_of_the_definition() {
    let mut runner = TestRunner::default();
    let strategy = sketches(3..7, true);
    let mut drawn = Vec::new();
    while drawn.len() < 160 {
        let sketch = strategy.new_tree(&mut runner).expect("nothing is rejected").current();
        // at least two products, and no more than the grid can hold
        if sketch.products().len() >= 2 && coordinates(&sketch) <= 5 {
            drawn.push(sketch);
        }
    }
    let compared: Vec<Vec<Cell>> = drawn.par_iter().filter_map(compare).collect();
    let cells: Vec<&Cell> = compared.iter().flatten().collect();
    let largest = cells.iter().map(|cell| cell.z.abs()).fold(0.0, f64::max);
    let exact = cells.iter().filter(|cell| cell.error < 0.03 * (1.0 + cell.limit.abs())).count();
    let zero = cells.iter().filter(|cell| cell.reference.abs() < 1e-6).count();
    println!(
        "{} programs, {} numbers, {zero} of them 0; largest |z| {largest:.2}; {exact} errors below 3 %",
        compared.len(),
        cells.len()
    );
    assert!(compared.len() >= 100, "only {} programs are compared", compared.len());
    assert!(largest < sidak(4.0, cells.len()), "largest |z| is {largest}");
    assert!(exact * 10 > cells.len() * 9, "{exact} of {} errors are small", cells.len());
}
