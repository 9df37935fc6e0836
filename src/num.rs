//! Numbers only: special functions, random numbers, statistics, dense arrays. Knows no type of the compiler.

pub mod rng;
pub mod special;
pub mod stats;
pub mod tensor;
