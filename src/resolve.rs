//! Names: what a misspelt one may have meant.

pub mod suggest;
