//! Known answers of Random123 and JAX (`tests/data/threefry.py`), and the laws.

use super::draw::{BLOCK, Draw, Law};
use super::*;

/// Known answers of Random123 (`kat_vectors`): counter, key, result.
const KNOWN: [[u32; 6]; 3] = [
    [0, 0, 0, 0, 0x6b20_0159, 0x99ba_4efe],
    [u32::MAX, u32::MAX, u32::MAX, u32::MAX, 0x1cb9_96fc, 0xbb00_2be7],
    [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344, 0xc492_3a9c, 0x483d_f7a0],
];

#[test]
fn cipher_gives_the_known_answers() {
    for [x, y, a, b, first, second] in KNOWN {
        assert_eq!(Key(a, b).block(x, y), (first, second));
    }
}

fn reference() -> Vec<serde_json::Value> {
    let text = include_str!("../../../tests/data/threefry.json");
    serde_json::from_str(text).expect("the reference is well-formed")
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

#[test]
fn keys_and_bits_are_those_of_jax() {
    for case in reference() {
        let seed = case["seed"].as_u64().expect("a seed");
        let stream = case["stream"].as_u64().expect("a stream") as u32;
        let key = Key::new(seed).fold_in(stream);
        assert_eq!(numbers(&case["key"]), [f64::from(key.0), f64::from(key.1)]);
        for j in 0..3 {
            let split = key.split(j);
            assert_eq!(numbers(&case["split"][j as usize]), [split.0, split.1].map(f64::from));
        }
        for (i, bits) in numbers(&case["bits32"]).into_iter().enumerate() {
            assert_eq!(f64::from(key.bits32(i as u64)), bits);
        }
        for (i, bits) in case["bits64"].as_array().expect("a list").iter().enumerate() {
            assert_eq!(key.bits64(i as u64).to_string(), bits.as_str().expect("a string"));
        }
    }
}

fn drawn<T: Draw>(key: Key, law: Law, scale: T, start: u64, count: usize) -> Vec<T> {
    let mut out = vec![T::default(); count];
    for (i, block) in out.chunks_mut(BLOCK).enumerate() {
        T::block(key, law, scale, start + (i * BLOCK) as u64, block);
    }
    out
}

#[test]
fn normals_are_those_of_jax() {
    for case in reference() {
        let seed = case["seed"].as_u64().expect("a seed");
        let key = Key::new(seed).fold_in(case["stream"].as_u64().expect("a stream") as u32);
        let single = numbers(&case["normal32"]);
        for (x, y) in drawn(key, Law::Normal, 1.0_f32, 0, single.len()).iter().zip(single) {
            assert!((f64::from(*x) - y).abs() <= 1e-6 * y.abs().max(1.0), "{x} {y}");
        }
        let double = numbers(&case["normal64"]);
        for (x, y) in drawn(key, Law::Normal, 1.0_f64, 0, double.len()).iter().zip(double) {
            assert!((x - y).abs() <= 4e-15 * y.abs().max(1.0), "{x} {y}");
        }
    }
}

#[test]
fn normals_invert_the_distribution_function() {
    let key = Key::new(5);
    for (i, z) in drawn(key, Law::Normal, 1.0_f64, 0, 100_000).into_iter().enumerate() {
        let u = f64::from_bits((key.bits64(i as u64) >> 12) | 0x3ff0_0000_0000_0000) - 1.0;
        // the smaller tail, where relative accuracy is meaningful
        let (tail, exact) = if u < 0.5 {
            (0.5 * libm::erfc(-z / std::f64::consts::SQRT_2), u)
        } else {
            (0.5 * libm::erfc(z / std::f64::consts::SQRT_2), 1.0 - u)
        };
        assert!((tail - exact).abs() < 2e-13 * exact + 1e-15, "{u} {z}");
    }
}

#[test]
fn a_number_depends_on_its_position_alone() {
    for law in [Law::Normal, Law::Uniform, Law::Rademacher] {
        let start = (1 << 32) - 100;
        let whole = drawn(Key::new(1), law, 0.5_f32, start, 300);
        for offset in [1, 63, 64, 99, 100, 101] {
            let part = drawn(Key::new(1), law, 0.5_f32, start + offset, 300 - offset as usize);
            assert_eq!(part, whole[offset as usize..]);
        }
    }
}

#[test]
fn laws_are_standardised() {
    let (count, fourth) = (1 << 18, [3.0, 1.8, 1.0]);
    for (law, fourth) in [Law::Normal, Law::Uniform, Law::Rademacher].into_iter().zip(fourth) {
        let check = |values: Vec<f64>| {
            let mean = |k: i32| values.iter().map(|x| x.powi(k)).sum::<f64>() / count as f64;
            // 5 standard deviations of each mean
            let width = 5.0 / (count as f64).sqrt();
            assert!(mean(1).abs() < width);
            assert!((mean(2) - 1.0).abs() < width * (fourth - 1.0_f64).sqrt() + 1e-12);
            assert!(mean(3).abs() < width * 4.0);
            assert!((mean(4) - fourth).abs() < width * 10.0);
        };
        check(drawn(Key::new(9), law, 1.0_f64, 0, count));
        check(drawn(Key::new(9), law, 1.0_f32, 0, count).into_iter().map(f64::from).collect());
    }
}

#[test]
fn rands_methods_work_on_a_stream() {
    use rand::RngExt;
    let mut stream = Key::new(3).stream();
    let first: u32 = stream.random();
    assert_eq!(first, Key::new(3).words(0).0);
    let mean: f64 = (0..10_000).map(|_| stream.random::<f64>()).sum::<f64>() / 1e4;
    assert!((mean - 0.5).abs() < 0.015);
}
