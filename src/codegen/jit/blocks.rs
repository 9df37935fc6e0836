//! Functions over blocks of elements, called from compiled loops: (x, y, out, length).
//!
//! Each exists for the baseline of the platform and, on x86-64, for AVX2 with FMA; the table holds the faster one that
//! the machine can run.

use crate::codegen::vector::{double, single};
use crate::num::special;

type Block<T> = unsafe extern "C" fn(*const T, *const T, *mut T, usize);

macro_rules! blocks {
    ($($name:ident: $t:ty = |$x:ident, $y:ident| $value:expr;)*) => {
        mod plain {
            use super::*;
            $(pub(super) unsafe extern "C" fn $name(
                x: *const $t, y: *const $t, out: *mut $t, len: usize,
            ) {
                for i in 0..len {
                    // SAFETY: compiled loops pass blocks of `len` elements; `out` may be `x`.
                    unsafe {
                        let ($x, $y) = (*x.add(i), *y.add(i));
                        let _ = $y;
                        *out.add(i) = $value;
                    }
                }
            })*
        }
        #[cfg(target_arch = "x86_64")]
        mod wide {
            use super::*;
            $(#[target_feature(enable = "avx2,fma")]
            pub(super) unsafe extern "C" fn $name(
                x: *const $t, y: *const $t, out: *mut $t, len: usize,
            ) {
                for i in 0..len {
                    // SAFETY: as above.
                    unsafe {
                        let ($x, $y) = (*x.add(i), *y.add(i));
                        let _ = $y;
                        *out.add(i) = $value;
                    }
                }
            })*
        }
        /// Names and addresses of the functions.
        pub(super) fn table() -> Vec<(&'static str, *const u8)> {
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

fn far_sin(x: f64) -> f64 {
    libm::sin(x)
}

fn far_cos(x: f64) -> f64 {
    libm::cos(x)
}

blocks! {
    exp_f64: f64 = |x, y| double::exp(x);
    log_f64: f64 = |x, y| double::log(x);
    sin_f64: f64 = |x, y| if x.abs() < FAR { double::sin(x) } else { far_sin(x) };
    cos_f64: f64 = |x, y| if x.abs() < FAR { double::cos(x) } else { far_cos(x) };
    tanh_f64: f64 = |x, y| double::tanh(x);
    erf_f64: f64 = |x, y| libm::erf(x);
    sigmoid_f64: f64 = |x, y| double::sigmoid(x);
    softplus_f64: f64 = |x, y| double::softplus(x);
    power_f64: f64 = |x, y| special::power(x, y);
    exp_f32: f32 = |x, y| single::exp(x);
    log_f32: f32 = |x, y| double::log(f64::from(x)) as f32;
    sin_f32: f32 = |x, y| {
        let x = f64::from(x);
        (if x.abs() < FAR { double::sin(x) } else { far_sin(x) }) as f32
    };
    cos_f32: f32 = |x, y| {
        let x = f64::from(x);
        (if x.abs() < FAR { double::cos(x) } else { far_cos(x) }) as f32
    };
    tanh_f32: f32 = |x, y| single::tanh(x);
    erf_f32: f32 = |x, y| libm::erf(f64::from(x)) as f32;
    sigmoid_f32: f32 = |x, y| single::sigmoid(x);
    softplus_f32: f32 = |x, y| single::softplus(x);
    power_f32: f32 = |x, y| special::power(f64::from(x), f64::from(y)) as f32;
}
