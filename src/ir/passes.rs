//! Passes over the graph: each a free function with a two-line contract.

pub mod adjoint;
pub mod derive;
pub mod entries;
mod entry;
pub mod erase;
pub mod linear;
