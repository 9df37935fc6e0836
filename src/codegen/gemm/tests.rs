//! Products against the definition, in both precisions; the same bits for any blocks and threads.

use super::*;
use crate::codegen::simd::draw;
use crate::num::rng::Key;
use crate::num::rng::draw::{Draw, Law};

fn normal<T: Draw + Lanes>(stream: u32, count: usize) -> Vec<T> {
    let mut values = vec![T::zero(); count];
    draw(Key::new(0).fold_in(stream), Law::Normal, T::one(), 0, &mut values);
    values
}

/// The definition, in double precision.
fn slow<T: Lanes>(w: &[T], n: usize, transpose: bool, x: &[T]) -> Vec<f64> {
    let entry = |a: usize, b: usize| if transpose { w[b * n + a] } else { w[a * n + b] };
    let columns = x.chunks_exact(n).flat_map(|x| {
        (0..n).map(move |a| (0..n).map(|b| entry(a, b).f64() * x[b].f64()).sum::<f64>())
    });
    columns.collect()
}

fn agrees<T: Lanes + Draw>(tolerance: f64) {
    for n in [1, 3, 4, 7, 8, 15, 64, 131] {
        for k in [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 40] {
            let (w, x) = (normal::<T>(0, n * n), normal::<T>(1, n * k));
            for transpose in [false, true] {
                let fast = product(&w, n, transpose, &x);
                let exact = slow(&w, n, transpose, &x);
                assert_eq!(fast.len(), exact.len());
                for (y, z) in fast.iter().zip(exact) {
                    assert!((y.f64() - z).abs() <= tolerance, "{n} {k} {transpose}");
                }
            }
        }
    }
}

#[test]
fn products_are_those_of_the_definition() {
    agrees::<f32>(3e-5);
    agrees::<f64>(1e-13);
}

#[test]
fn blocks_of_rows_give_the_bits_of_the_whole() {
    for (n, k) in [(131, 5), (64, 8), (40, 16)] {
        let (w, x) = (normal::<f32>(0, n * n), normal::<f32>(1, n * k));
        let panels = Panels::pack(&x, n);
        assert_eq!(panels.unpack(), x);
        let mut sum = Panels::zeros(n, k);
        let (mut forward, mut start) = (vec![0.0; n * k], 0);
        for rows in [1, 7, 8, 3, n].iter().cycle() {
            let end = n.min(start + rows);
            let block = &w[start * n..end * n];
            rows_times(block, &panels, &mut forward[start * k..end * k]);
            let own: Vec<f32> =
                (start..end).flat_map(|a| (0..k).map(move |c| c * n + a)).map(|i| x[i]).collect();
            add_transposed(block, &own, &mut sum);
            start = end;
            if start == n {
                break;
            }
        }
        assert_eq!(transposed(&forward, n), product(&w, n, false, &x));
        assert_eq!(sum.unpack(), product(&w, n, true, &x));
        for column in x.chunks_exact(n).enumerate() {
            let alone = product(&w, n, false, column.1);
            assert_eq!(alone, product(&w, n, false, &x)[column.0 * n..][..n]);
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let n = 300;
    for k in [1, 8, 40] {
        let (w, x) = (normal::<f32>(0, n * n), normal::<f32>(1, n * k));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.expect("threads start");
            pool.install(|| [false, true].map(|transpose| product(&w, n, transpose, &x)))
        };
        assert_eq!(run(1), run(3));
    }
}
