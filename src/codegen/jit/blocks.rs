//! Functions over blocks of elements, called from compiled loops: (x, y, out, length).
//!
//! Each exists for the baseline of the platform and, on x86-64, for AVX2 with FMA; the table holds the faster one that
//! the machine can run.

use crate::codegen::vector::{double, single};
use crate::num::special;

type Block<T> = unsafe extern "C" fn(*const T, *const T, *mut T, usize);

/// Elements of a chunk that is looked through for arguments out of range.
const CHUNK: usize = 32;

/// Evaluates every element; with a bound, arguments beyond it by another function, a chunk at a time.
macro_rules! evaluate {
    ($t:ty, $x:ident, $y:ident, $value:expr, ($px:ident, $py:ident, $out:ident, $len:ident)) => {
        for i in 0..$len {
            // SAFETY: compiled loops pass blocks of `len` elements; `out` may be `x`.
            unsafe {
                let ($x, $y) = (*$px.add(i), *$py.add(i));
                let _ = $y;
                *$out.add(i) = $value;
            }
        }
    };
    ($t:ty, $x:ident, $y:ident, $value:expr, $far:expr, $slow:expr,
     ($px:ident, $py:ident, $out:ident, $len:ident)) => {
        let _ = $py;
        for start in (0..$len).step_by(CHUNK) {
            let count = CHUNK.min($len - start);
            let (mut xs, mut zs) = ([0.0; CHUNK], [0.0; CHUNK]);
            // SAFETY: as above.
            unsafe { std::ptr::copy_nonoverlapping($px.add(start), xs.as_mut_ptr(), count) };
            let mut largest: $t = 0.0;
            for (z, x) in zs.iter_mut().zip(&xs) {
                let $x = *x;
                largest = if $x.abs() > largest { $x.abs() } else { largest };
                *z = $value;
            }
            if largest > $far {
                zs.iter_mut().zip(&xs).filter(|(_, x)| x.abs() > $far).for_each(|(z, x)| {
                    *z = $slow(*x);
                });
            }
            // SAFETY: as above.
            unsafe { std::ptr::copy_nonoverlapping(zs.as_ptr(), $out.add(start), count) };
        }
    };
}

macro_rules! blocks {
    ($($name:ident: $t:ty = |$x:ident, $y:ident| $value:expr $(, beyond $far:expr => $slow:expr)?;)*) => {
        mod plain {
            use super::*;
            $(pub(super) unsafe extern "C" fn $name(
                x: *const $t, y: *const $t, out: *mut $t, len: usize,
            ) {
                evaluate!($t, $x, $y, $value, $($far, $slow,)? (x, y, out, len));
            })*
        }
        #[cfg(target_arch = "x86_64")]
        mod wide {
            use super::*;
            $(#[target_feature(enable = "avx2,fma")]
            pub(super) unsafe extern "C" fn $name(
                x: *const $t, y: *const $t, out: *mut $t, len: usize,
            ) {
                evaluate!($t, $x, $y, $value, $($far, $slow,)? (x, y, out, len));
            })*
        }
        fn portable() -> Vec<(&'static str, *const u8)> {
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return vec![$((stringify!($name), wide::$name as Block<$t> as *const u8)),*];
            }
            vec![$((stringify!($name), plain::$name as Block<$t> as *const u8)),*]
        }
    };
}

/// Where the polynomials of sine and cosine stop being exact enough.
const FAR: f64 = 1e5;

fn far_sin(x: f32) -> f32 {
    libm::sin(f64::from(x)) as f32
}

fn far_cos(x: f32) -> f32 {
    libm::cos(f64::from(x)) as f32
}

blocks! {
    ratio_f64: f64 = |x, y| x / y.sqrt();
    ratio_f32: f32 = |x, y| x / y.sqrt();
    exp_f64: f64 = |x, y| double::exp(x);
    log_f64: f64 = |x, y| double::log(x);
    sin_f64: f64 = |x, y| double::sin(x), beyond FAR => libm::sin;
    cos_f64: f64 = |x, y| double::cos(x), beyond FAR => libm::cos;
    tanh_f64: f64 = |x, y| double::tanh(x);
    erf_f64: f64 = |x, y| double::erf(x);
    sigmoid_f64: f64 = |x, y| double::sigmoid(x);
    softplus_f64: f64 = |x, y| double::softplus(x);
    power_f64: f64 = |x, y| special::power(x, y);
    exp_f32: f32 = |x, y| single::exp(x);
    log_f32: f32 = |x, y| single::log(x);
    sin_f32: f32 = |x, y| double::sin(f64::from(x)) as f32,
        beyond FAR as f32 => far_sin;
    cos_f32: f32 = |x, y| double::cos(f64::from(x)) as f32,
        beyond FAR as f32 => far_cos;
    tanh_f32: f32 = |x, y| single::tanh(x);
    erf_f32: f32 = |x, y| single::erf(x);
    sigmoid_f32: f32 = |x, y| single::sigmoid(x);
    softplus_f32: f32 = |x, y| single::softplus(x);
    power_f32: f32 = |x, y| special::power(f64::from(x), f64::from(y)) as f32;
}

/// x/√(x² + e) for one e.
unsafe extern "C" fn soft_sign_f32(x: *const f32, e: *const f32, out: *mut f32, len: usize) {
    for i in 0..len {
        // SAFETY: compiled loops pass blocks of `len` elements and one number; `out` may be `x`.
        unsafe { *out.add(i) = *x.add(i) / (*x.add(i) * *x.add(i) + *e).sqrt() };
    }
}

/// The same in double precision.
unsafe extern "C" fn soft_sign_f64(x: *const f64, e: *const f64, out: *mut f64, len: usize) {
    for i in 0..len {
        // SAFETY: as above.
        unsafe { *out.add(i) = *x.add(i) / (*x.add(i) * *x.add(i) + *e).sqrt() };
    }
}

/// Names and addresses of the functions.
pub(super) fn table() -> Vec<(&'static str, *const u8)> {
    let mut table = portable();
    table.push(("soft_sign_f64", soft_sign_f64 as Block<f64> as *const u8));
    table.push(("soft_sign_f32", soft_sign_f32 as Block<f32> as *const u8));
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        let wide: [(&str, Block<f32>); 2] =
            [("ratio_f32", ratio::ratio_f32), ("soft_sign_f32", ratio::soft_sign_f32)];
        for (name, address) in wide {
            let row = table.iter_mut().filter(|(known, _)| *known == name);
            row.for_each(|row| row.1 = address as *const u8);
        }
    }
    table
}

#[cfg(target_arch = "x86_64")]
mod ratio;

#[cfg(test)]
mod tests;
