//! Speed of the kernels on one thread and of whole products on all: `cargo bench --bench kernels`; Gram matrices alone with `-- gram`.
//!
//! Best of many repetitions; a pass over the same matrix is measured beside, because memory is shared.

#![allow(clippy::print_stdout)]

use std::time::Instant;
use tpc::codegen::gemm::{Panels, add_transposed, product, rows_times};
use tpc::codegen::simd::{Lanes, draw};
use tpc::diag::Diags;
use tpc::driver::{Settings, check};
use tpc::limit::{LimitOptions, evaluate, matrices};

use tpc::num::rng::Key;
use tpc::num::rng::draw::{Draw, Law};
use tpc::source::{MemoryLoader, SourceMap};

fn best(repetitions: usize, mut f: impl FnMut()) -> f64 {
    let mut least = f64::MAX;
    for _ in 0..repetitions {
        let clock = Instant::now();
        f();
        least = least.min(clock.elapsed().as_secs_f64());
    }
    least
}

fn normal<T: Lanes + Draw>(stream: u32, count: usize) -> Vec<T> {
    let mut values = vec![T::zero(); count];
    draw(Key::new(0).fold_in(stream), Law::Normal, T::one(), 0, &mut values);
    values
}

fn drawing<T: Lanes + Draw>(name: &str) {
    let mut values = vec![T::zero(); 1 << 20];
    let time = best(40, || draw(Key::new(1), Law::Normal, T::one(), 0, &mut values));
    println!("{name}: {:.3} G normals/s", 1.048_576e-3 / time);
}

fn kernels<T: Lanes + Draw>(name: &str) {
    let n = 512;
    let w = normal::<T>(0, n * n);
    for k in [1, 4, 8, 16] {
        let x = normal::<T>(1, n * k);
        let panels = Panels::pack(&x, n);
        let (mut out, mut sum) = (vec![T::zero(); n * k], Panels::zeros(n, k));
        let blocks = || w.chunks(8 * n);
        let first = best(300, || {
            blocks().zip(out.chunks_mut(8 * k)).for_each(|(w, y)| rows_times(w, &panels, y));
        });
        let second = best(300, || {
            blocks().zip(x.chunks(8 * k)).for_each(|(w, x)| add_transposed(w, x, &mut sum));
        });
        let work = 2e-9 * (n * n * k) as f64;
        println!("{name} k {k}: {:.1} GFLOP/s, transposed {:.1}", work / first, work / second);
    }
}

fn products<T: Lanes + Draw>(name: &str) {
    let n = 4096;
    let w = normal::<T>(0, n * n);
    for k in [1, 4, 8, 16, 32] {
        let x = normal::<T>(1, n * k);
        let time = |transpose| 1e3 * best(15, || drop(product(&w, n, transpose, &x)));
        println!("{name} n {n} k {k}: {:.2} ms, transposed {:.2} ms", time(false), time(true));
    }
    let mut largest = T::zero();
    let time =
        best(5, || largest = w.iter().copied().fold(largest, |x, y| if y > x { y } else { x }));
    println!("{name}: one thread reads the matrix in {:.2} ms ({:.2})", 1e3 * time, largest.f64());
}

/// Both Gram matrices of gram.tp for M inputs: from the coefficients of the first layer to the last entry, and with all that
/// comes before, from the checked program.
fn gram(inputs: usize) {
    let mut sources = SourceMap::default();
    let file = sources.add("gram.tp", include_str!("gram.tp"));
    let constants = [("M".to_owned(), inputs.to_string())].into();
    let settings = Settings { constants, ..Settings::default() };
    let loader = MemoryLoader::default();
    let checked = check(&mut sources, file, &loader, &settings, &mut Diags::default());
    let leading = checked.expect("gram.tp has no errors").facts.leading;
    let options = LimitOptions::default();
    let whole = best(15, || drop(evaluate(&leading, &options)));
    let (expressions, ids) = matrices(&leading);
    let kernel = best(30, || drop(expressions.evaluate(&ids)));
    println!(
        "NNGP and tangent kernel, M {inputs}: {:.2} ms, with reading the program {:.2} ms",
        1e3 * kernel,
        1e3 * whole
    );
}

fn main() {
    gram(1024);
    if std::env::args().any(|argument| argument == "gram") {
        return;
    }
    drawing::<f32>("f32");
    drawing::<f64>("f64");
    kernels::<f32>("f32");
    kernels::<f64>("f64");
    products::<f32>("f32");
    products::<f64>("f64");
}
