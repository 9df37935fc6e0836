//! The machine's instruction set gives the bits of the plain instantiation.

use super::*;
use crate::codegen::gemm::Panels;

#[test]
fn every_instruction_set_draws_the_same_bits() {
    let key = Key::new(2).fold_in(1);
    for law in [Law::Normal, Law::Uniform, Law::Rademacher] {
        let mut fast = vec![0.0_f32; 1000];
        draw(key, law, 0.3, 7, &mut fast);
        let mut plain = vec![0.0_f32; 1000];
        for (i, block) in plain.chunks_mut(draw::BLOCK).enumerate() {
            f32::block(key, law, 0.3, 7 + (i * draw::BLOCK) as u64, block);
        }
        assert_eq!(fast, plain);
        let mut fast = vec![0.0_f64; 1000];
        draw(key, law, 0.3, 7, &mut fast);
        let mut plain = vec![0.0_f64; 1000];
        for (i, block) in plain.chunks_mut(draw::BLOCK).enumerate() {
            f64::block(key, law, 0.3, 7 + (i * draw::BLOCK) as u64, block);
        }
        assert_eq!(fast, plain);
    }
}

#[test]
fn outer_products_are_sums_in_order() {
    let (rows, n, k) = (7_usize, 21_usize, 5_usize);
    let wave = |i: usize| libm::sin(i as f64 * 0.37);
    let u: Vec<f64> = (0..rows * k).map(wave).collect();
    let v: Vec<f64> = (0..k * n).map(|i| wave(i + 3)).collect();
    let stride = n.next_multiple_of(f64::LANES) + 3;
    let mut out = vec![0.0; rows * stride];
    Panels::pack(&v, n).multiply_outer(&u, 0..n, stride, &mut out);
    for row in 0..rows {
        for b in 0..n {
            let term = |sum: f64, i: usize| u[row * k + i].mul_add(v[i * n + b], sum);
            assert_eq!(out[row * stride + b], (0..k).fold(0.0, term));
        }
    }
}

#[test]
fn functions_at_many_numbers_are_those_at_each() {
    let x: Vec<f64> = (0..2001).map(|k| 0.02 * f64::from(k - 1000) + 1e-3).collect();
    let mut out = vec![0.0; x.len()];
    let check = |f: &dyn Fn(f64) -> f64, out: &[f64]| {
        for (x, y) in x.iter().zip(out) {
            assert!((y - f(*x)).abs() <= 1e-15 * f(*x).abs(), "{x}: {y}, not {}", f(*x));
        }
    };
    for op in [Prim::Exp, Prim::Tanh, Prim::Erf, Prim::Sigmoid, Prim::Softplus, Prim::Sin] {
        apply(op, &x, &mut out);
        check(&|x| op.eval(&[x]), &out);
    }
    normal_densities(&x, &mut out);
    check(&crate::num::special::normal_density, &out);
}

#[test]
fn arc_cosines_are_those_of_each_pair() {
    let wave = |k: usize, rate: f64| libm::sin(k as f64 * rate);
    let b: Vec<f64> = (0..37).map(|k| 1.5 + wave(k, 0.7)).collect();
    let c: Vec<f64> = (0..37).map(|k| (2.5 * b[k]).sqrt() * wave(k, 0.3)).collect();
    let (mut first, mut second, mut least) = (vec![0.0; 37], vec![0.0; 37], f64::INFINITY);
    arc_cosines(2.5, &b, &c, [&mut first, &mut second], &mut least);
    for k in 0..37 {
        assert_eq!((first[k], second[k]), arc_cosine(2.5, b[k], c[k]));
        assert!(least <= 2.5 * b[k] - c[k] * c[k] + 1e-14);
    }
}
