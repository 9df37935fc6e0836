//! x/√y in single precision without the divider: an estimate of 12 bits and one step of Newton's method, to 2 units in
//! the last place. Like fused products, the last bits depend on the machine, but not on how work is cut up, except that
//! fewer than eight numbers at the end are divided.

use std::arch::x86_64::*;

/// Where the square of an estimate neither overflows nor loses bits.
const LEAST: f32 = 1e-30;
const MOST: f32 = 1e30;

/// x/√y of eight numbers.
#[target_feature(enable = "avx2,fma")]
fn over_root(x: __m256, y: __m256) -> __m256 {
    let (least, most) = (_mm256_set1_ps(LEAST), _mm256_set1_ps(MOST));
    let above = _mm256_cmp_ps::<_CMP_GE_OQ>(y, least);
    let inside = _mm256_and_ps(above, _mm256_cmp_ps::<_CMP_LE_OQ>(y, most));
    if _mm256_movemask_ps(inside) != 0xff {
        return _mm256_div_ps(x, _mm256_sqrt_ps(y));
    }
    let guess = _mm256_rsqrt_ps(y);
    let error = _mm256_fnmadd_ps(_mm256_mul_ps(y, guess), guess, _mm256_set1_ps(1.0));
    let root = _mm256_fmadd_ps(_mm256_mul_ps(guess, _mm256_set1_ps(0.5)), error, guess);
    _mm256_mul_ps(x, root)
}

/// x/√y of `len` elements.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe extern "C" fn ratio_f32(x: *const f32, y: *const f32, out: *mut f32, len: usize) {
    let whole = len - len % 8;
    for i in (0..whole).step_by(8) {
        // SAFETY: compiled loops pass blocks of `len` elements.
        let (x, y) = unsafe { (_mm256_loadu_ps(x.add(i)), _mm256_loadu_ps(y.add(i))) };
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(out.add(i), over_root(x, y)) };
    }
    for i in whole..len {
        // SAFETY: as above.
        unsafe { *out.add(i) = *x.add(i) / (*y.add(i)).sqrt() };
    }
}

/// x/√(x² + e) of `len` elements, for one e.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe extern "C" fn soft_sign_f32(
    x: *const f32,
    e: *const f32,
    out: *mut f32,
    len: usize,
) {
    let whole = len - len % 8;
    // SAFETY: compiled loops pass blocks of `len` elements and one number.
    let e = unsafe { *e };
    let all = _mm256_set1_ps(e);
    for i in (0..whole).step_by(8) {
        // SAFETY: as above.
        let x = unsafe { _mm256_loadu_ps(x.add(i)) };
        let y = _mm256_fmadd_ps(x, x, all);
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(out.add(i), over_root(x, y)) };
    }
    for i in whole..len {
        // SAFETY: as above.
        unsafe { *out.add(i) = *x.add(i) / x.add(i).read().mul_add(*x.add(i), e).sqrt() };
    }
}
