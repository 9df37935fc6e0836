//! From text to tree: tokens, grammar, syntax tree and formatter.
//!
//! Parsing never fails: what could not be understood becomes an error node and a diagnostic, so that
//! one run reports every mistake. Nothing outside this folder knows how the parser is made.

pub mod ast;
