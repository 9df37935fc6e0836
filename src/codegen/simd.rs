//! Inner loops instantiated for the instruction set of the machine, chosen at run time.
//!
//! Each function exists for the platform's baseline, for AVX2 with FMA and for AVX-512 (in vectors of 256 bits), from one
//! text without instruction-set specific code, and gives the same bits everywhere: what may be fused is written as fused. On a
//! machine without FMA this is slow, but right.

#![allow(unsafe_code)]

mod product;

pub use product::{Cut, Lanes};

use super::vector::double;
use crate::ir::Prim;
use crate::num::gaussian::arc_cosine;
use crate::num::rng::Key;
use crate::num::rng::draw::{self, Draw, Law};
use crate::num::special::DENSITY_AT_ZERO;

/// Declares a function that runs the body in the best available instantiation.
macro_rules! dispatch {
    ($(#[$doc:meta])* pub fn $name:ident$(<$t:ident: $bound:path>)?($($arg:ident: $ty:ty),*) $body:block) => {
        $(#[$doc])*
        pub fn $name$(<$t: $bound>)?($($arg: $ty),*) {
            #[inline(always)]
            fn body$(<$t: $bound>)?($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq")]
                fn widest$(<$t: $bound>)?($($arg: $ty),*) {
                    body($($arg),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn wide$(<$t: $bound>)?($($arg: $ty),*) {
                    body($($arg),*);
                }
                match level() {
                    // SAFETY: the machine has these instructions.
                    Level::Widest => return unsafe { widest($($arg),*) },
                    // SAFETY: as above.
                    Level::Wide => return unsafe { wide($($arg),*) },
                    Level::Baseline => {}
                }
            }
            body($($arg),*);
        }
    };
}

/// What the machine can run.
#[derive(Clone, Copy)]
pub(super) enum Level {
    /// Nothing beyond the platform's baseline.
    Baseline,
    /// AVX2 and FMA.
    Wide,
    /// AVX-512.
    Widest,
}

#[cfg(target_arch = "x86_64")]
pub(super) fn level() -> Level {
    let wide = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let long = is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512dq");
    match (wide, long) {
        (true, true) => Level::Widest,
        (true, false) => Level::Wide,
        (false, _) => Level::Baseline,
    }
}

dispatch! {
    /// Fills `out` with `scale` times the numbers of `key` at positions `start`, `start + 1`, ….
    pub fn draw<T: Draw>(key: Key, law: Law, scale: T, start: u64, out: &mut [T]) {
        let mut position = start;
        for block in out.chunks_mut(draw::BLOCK) {
            T::block(key, law, scale, position, block);
            position = position.wrapping_add(draw::BLOCK as u64);
        }
    }
}

dispatch! {
    /// Some rows of W (of length n) times columns in panels `[⌈n/L⌉][k][L]`: `out` is rows×k.
    pub fn multiply_rows<T: Lanes>(rows: &[T], n: usize, panels: &[T], out: &mut [T]) {
        T::multiply_rows(rows, n, panels, out);
    }
}

dispatch! {
    /// Adds to panels `[⌈n/L⌉][k][L]` the product of cut rows of W, transposed, with `x` (rows×k).
    pub fn multiply_transposed<T: Lanes>(rows: &[T], cut: Cut, x: &[T], panels: &mut [T]) {
        T::multiply_transposed(rows, cut, x, panels);
    }
}

dispatch! {
    /// Some rows of Σ_i u_i v_i into rows of `out` that are `stride` apart: `u` is rows×k, v in panels `[…][k][L]`.
    pub fn multiply_outer<T: Lanes>(u: &[T], k: usize, panels: &[T], stride: usize, out: &mut [T]) {
        T::multiply_outer(u, k, panels, stride, out);
    }
}

dispatch! {
    /// A function of one number, at many; exp, tanh, erf and what is made of them to a few units in the last place.
    pub fn apply(op: Prim, x: &[f64], out: &mut [f64]) {
        match op {
            Prim::Exp => each(x, out, double::exp),
            Prim::Tanh => each(x, out, double::tanh),
            Prim::Erf => each(x, out, double::erf),
            Prim::Sigmoid => each(x, out, double::sigmoid),
            Prim::Softplus => each(x, out, double::softplus),
            _ => each(x, out, |x| op.eval(&[x])),
        }
    }
}

dispatch! {
    /// The density of a standard normal number at many, to a few units in the last place.
    pub fn normal_densities(x: &[f64], out: &mut [f64]) {
        each(x, out, |x| double::exp(-0.5 * x * x) * DENSITY_AT_ZERO);
    }
}

dispatch! {
    /// Arc-cosine kernels of orders 1 and 0 of one number of variance `a` with others; `least` becomes no larger than any
    /// ab − c², or ab times a rounding error where that is more.
    pub fn arc_cosines(a: f64, b: &[f64], c: &[f64], out: [&mut [f64]; 2], least: &mut f64) {
        let [first, second] = out;
        // numbers ≥ 0 are ordered as their bits, and the least of integers is found in lanes
        let mut smallest = least.to_bits() as i64;
        for (((first, second), b), c) in first.iter_mut().zip(second).zip(b).zip(c) {
            (*first, *second) = arc_cosine(a, *b, *c);
            let gap = c.mul_add(-c, a * b).max(f64::EPSILON * a * b);
            smallest = smallest.min(gap.to_bits() as i64);
        }
        *least = f64::from_bits(smallest as u64);
    }
}

#[inline(always)]
fn each(x: &[f64], out: &mut [f64], f: impl Fn(f64) -> f64) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out = f(*x));
}

#[cfg(test)]
mod tests;
