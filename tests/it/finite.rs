//! Finite width end to end: the same bits for any number of threads, adjointness, laws, seeds, costs.

use tpc::finite::{Precision, RunOptions, RunResult, cost, simulate};
use tpc::ir::Program;
use tpc::source::{MemoryLoader, SourceMap};

fn program(text: &str) -> Program {
    let mut sources = SourceMap::default();
    let id = sources.add("test.tp", text);
    let mut diags = tpc::diag::Diags::default();
    let settings = tpc::driver::Settings::default();
    let program =
        tpc::driver::lowered(&mut sources, id, &MemoryLoader::default(), &settings, &mut diags);
    program.unwrap_or_else(|| panic!("{:?}", diags.sorted()))
}

fn options(width: usize, seeds: usize, precision: Precision) -> RunOptions {
    RunOptions { width, seed: 0, seeds, precision, memory: 1 << 32, force: false }
}

fn run(text: &str, options: &RunOptions) -> RunResult {
    simulate(&program(text), options, &|| ()).unwrap_or_else(|error| panic!("{error:?}"))
}

const TRAINED: &str = "
init x : vec ~ N(0, 1);
init v : vec ~ N(0, 1);
init W : mat ~ N(0, 1/n);
let h = tanh(W @ x);
let loss = (avg(v * h) - 1)^2 / 2;
let g = n * grad(loss, W);
let M = W - (0.3 / n) * g / sqrt(g^2 + 0.0001);
output avg(v * tanh(M @ x)) as \"after\";
output avg((M.T @ h)^2) as \"back\";
output M @ x as \"ket\";
";

#[test]
fn threads_do_not_change_a_bit_of_a_run() {
    for (width, precision) in [(96, Precision::F32), (700, Precision::F32), (333, Precision::F64)] {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads start").install(|| run(TRAINED, &options(width, 3, precision)))
        };
        assert_eq!(run(1), run(3));
    }
}

#[test]
fn seeds_are_independent_of_how_many_there_are() {
    // the second seed of the wide run uses memory of the first
    for width in [64, 600] {
        let three = run(TRAINED, &options(width, 3, Precision::F32));
        let second = run(TRAINED, &RunOptions { seed: 1, ..options(width, 1, Precision::F32) });
        assert_eq!(three.seeds, [0, 1, 2]);
        for (all, one) in three.outputs.iter().zip(&second.outputs) {
            assert_eq!(all.values[1], one.values[0]);
            assert_eq!((one.stderr.clone(), all.values.len()), (None, 3));
        }
    }
}

#[test]
fn summaries_are_those_of_the_values() {
    let three = run(TRAINED, &options(64, 3, Precision::F32));
    let after = &three.outputs[0];
    let mean = after.values.iter().map(|seed| seed[0]).sum::<f64>() / 3.0;
    assert!((after.mean[0] - mean).abs() < 1e-15);
    let ket = &three.outputs[2];
    assert!(ket.vector && ket.shape.is_empty() && ket.values[0].len() == 64);
    assert_eq!(ket.kets[0].histogram.counts.iter().sum::<u64>(), 3 * 64);
}

#[test]
fn a_matrix_and_its_transpose_are_adjoint() {
    let text = "
init x : vec[4] ~ N(0, 1);
init y : vec ~ N(1, 4);
init W : mat[2] ~ rademacher() * n^(-1/2);
let A = W[1] + 0.5 * W[0].T;
output avg(y * (A @ x[2])) as \"l\";
output avg((A.T @ y) * x[2]) as \"r\";
";
    for width in [1, 2, 17, 128, 300] {
        let values = run(text, &options(width, 2, Precision::F64)).outputs;
        for (left, right) in values[0].values.iter().zip(&values[1].values) {
            assert!((left[0] - right[0]).abs() < 1e-13, "{left:?} {right:?}");
        }
    }
}

#[test]
fn matrices_have_the_law_that_is_declared() {
    let text = "
init x : vec ~ N(0, 1);
init W : mat ~ N(0, 1/n);
output avg((W @ x)^2) as \"hat\";
output avg(x * (W.T @ (W @ x))) as \"dot\";
output avg(x^2) as \"square\";
output avg((W @ x)^4) as \"fourth\";
";
    // limits 1, 1, 1, 3; standard deviations of a run at width n are about √(c/n)
    for precision in [Precision::F32, Precision::F64] {
        let result = run(text, &options(512, 16, precision));
        for (output, limit) in result.outputs.iter().zip([1.0, 1.0, 1.0, 3.0]) {
            let stderr = output.stderr.as_ref().expect("16 seeds")[0];
            assert!((output.mean[0] - limit).abs() < 4.5 * stderr, "{}", output.name);
            assert!(stderr < 0.1 * limit);
        }
        assert!((result.outputs[0].mean[0] - result.outputs[1].mean[0]).abs() < 1e-6);
    }
}

#[test]
fn cost_counts_arrays_and_pairs() {
    let wide = options(1000, 1, Precision::F32);
    let matrices =
        program("init x : vec ~ N(0, 1); init W : mat ~ N(0, 1/n); output avg((W @ x)^2);");
    let bytes = cost(&matrices, &wide).expect("it fits").bytes;
    assert!((4e6..4.2e6).contains(&bytes), "{bytes}");
    let double = cost(&matrices, &RunOptions { precision: Precision::F64, ..wide });
    assert_eq!(double.expect("it fits").bytes, 2.0 * bytes);
    let pairs =
        program("init x : vec ~ N(0, 1); let y[a] = mean[b](tanh(x[a] * x[b])); output avg(y^2);");
    let evaluations = cost(&pairs, &wide).expect("it fits").evaluations;
    assert!((1e6..1.1e6).contains(&evaluations), "{evaluations}");
    assert!(cost(&matrices, &RunOptions { memory: 1 << 20, ..wide }).is_err());
}

/// An interrupted sweep keeps the seeds it had.
#[test]
fn no_seed_begins_after_a_stop() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let finished = AtomicUsize::new(0);
    let done = || {
        finished.fetch_add(1, Ordering::Relaxed);
    };
    let stop = || finished.load(Ordering::Relaxed) >= 2;
    let progress = tpc::finite::Progress { done: &done, stop: &stop };
    let options = options(600, 50, Precision::F32);
    let run = tpc::finite::simulate_until(&program(TRAINED), &options, &progress);
    let run = run.expect("it runs");
    assert_eq!(run.seeds, [0, 1]);
    assert!(run.outputs.iter().all(|output| output.values.len() == 2));
}
