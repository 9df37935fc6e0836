//! Numbers only: special functions, random numbers, linear algebra. Knows no type of the compiler.

pub mod rng;
pub mod special;
pub mod stats;
