//! Draws of standardised entries from a generator, one at a time.

use rand::{Rng, RngExt};

/// A standard normal number, by inversion: one word each, so that a column takes a fixed number of words.
pub fn normal(rng: &mut impl Rng) -> f64 {
    let uniform = (rng.next_u64() >> 11) as f64 + 0.5;
    -std::f64::consts::SQRT_2 * statrs::function::erf::erfc_inv(2.0 * uniform / (1u64 << 53) as f64)
}

/// A number with mean 0 and variance 1: uniform on (−√3, √3), or ±1.
pub fn standardised(rng: &mut impl Rng, uniform: bool) -> f64 {
    if uniform {
        (2.0 * rng.random::<f64>() - 1.0) * 3f64.sqrt()
    } else if rng.next_u64() >> 63 == 1 {
        1.0
    } else {
        -1.0
    }
}
