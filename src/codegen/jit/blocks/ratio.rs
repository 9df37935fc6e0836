//! x/√y in single precision without the divider: an estimate of 12 bits and one step of Newton's method, to 2 units in
//! the last place. Like fused products, the last bits depend on the machine, but not on how work is cut up, except that
//! fewer than eight numbers at the end are divided.

use std::arch::x86_64::*;

/// Where the square of an estimate neither overflows nor loses bits.
const LEAST: f32 = 1e-30;
const MOST: f32 = 1e30;

/// Evaluates `len` elements.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe extern "C" fn ratio_f32(x: *const f32, y: *const f32, out: *mut f32, len: usize) {
    let (least, most) = (_mm256_set1_ps(LEAST), _mm256_set1_ps(MOST));
    let (one, half) = (_mm256_set1_ps(1.0), _mm256_set1_ps(0.5));
    let whole = len - len % 8;
    for i in (0..whole).step_by(8) {
        // SAFETY: compiled loops pass blocks of `len` elements.
        let (x, y) = unsafe { (_mm256_loadu_ps(x.add(i)), _mm256_loadu_ps(y.add(i))) };
        let above = _mm256_cmp_ps::<_CMP_GE_OQ>(y, least);
        let inside = _mm256_and_ps(above, _mm256_cmp_ps::<_CMP_LE_OQ>(y, most));
        let value = if _mm256_movemask_ps(inside) == 0xff {
            let guess = _mm256_rsqrt_ps(y);
            let error = _mm256_fnmadd_ps(_mm256_mul_ps(y, guess), guess, one);
            let root = _mm256_fmadd_ps(_mm256_mul_ps(guess, half), error, guess);
            _mm256_mul_ps(x, root)
        } else {
            _mm256_div_ps(x, _mm256_sqrt_ps(y))
        };
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(out.add(i), value) };
    }
    for i in whole..len {
        // SAFETY: as above.
        unsafe { *out.add(i) = *x.add(i) / (*y.add(i)).sqrt() };
    }
}
