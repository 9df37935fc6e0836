//! Names: modules that a program uses, and what a misspelt name may have meant.

pub mod modules;
pub mod suggest;
