//! Numbers only: special functions, Gaussian laws, integrals, random numbers, statistics, dense arrays. Knows no type of the compiler.

pub mod chebyshev;
pub mod gaussian;
pub mod quadrature;
pub mod rng;
pub mod sobol;
pub mod special;
pub mod stats;
pub mod tensor;
