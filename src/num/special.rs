//! Special functions of one real number, the same on every platform (through `libm`).

/// 1/(1+e⁻ˣ), without overflow.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + libm::exp(-x)) } else { libm::exp(x) / (1.0 + libm::exp(x)) }
}

/// log(1+eˣ), without overflow.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// x to an integer or real power; integer powers are exact products where `f64` allows.
pub fn power(x: f64, p: f64) -> f64 {
    if p == 2.0 {
        x * x
    } else if p == 0.5 {
        x.sqrt()
    } else {
        libm::pow(x, p)
    }
}
