//! The infinite-width limit, evaluated on particles.
//!
//! Each of N particles is one joint sample of all kets (Def. 2.6.5 of [TP4b]); a scalar is a mean over particles, an
//! OuterNonlin a mean over pairs of them, and an initial matrix the operator of [`particles`]. Everything else is the
//! same compiled code as at finite width.

mod each;
mod evaluate;
mod exact;
mod explain;
mod forms;
mod particles;
mod random;
mod risks;
mod sample;
mod spaces;
pub mod symbolic;
mod tails;

pub use each::Each;
pub use evaluate::{Expected, LimitError, LimitOptions, LimitOutput, Limits, Rungs, evaluate};
pub use exact::{Evaluated, Matrices, MatrixId, Method, matrices};
pub use explain::explain;
pub use particles::Particles;
pub use random::RandomLaw;

#[cfg(test)]
mod tests;
