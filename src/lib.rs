//! `tpc`: a compiler for Tensor Programs.
//!
//! ```text
//! text → tokens → AST → plain AST (no nets) → IR (kinds, shapes, grad) → scales, parity → { finite run | limit }
//!        syntax       resolve, expand          lower                      analyze            finite     limit
//! ```
//!
//! A program is checked and lowered once; its two meanings differ only in what it means to apply an initial matrix:
//! a dense array of random numbers, or the operator of Def. 2.6.7 of [TP4b] (Yang & Littwin, arXiv 2308.01814).

pub mod analyze;
pub mod cli;
pub mod codegen;
pub mod diag;
pub mod driver;
pub mod expand;
pub mod finite;
pub mod ir;
pub mod limit;
pub mod lower;
pub mod num;
pub mod resolve;
pub mod source;
mod stack;
pub mod syntax;
