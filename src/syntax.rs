//! From text to tree: tokens, grammar, syntax tree, its text, and the formatter.
//!
//! [`parse`](parse::parse) never fails: what could not be understood becomes an error node and a diagnostic, so that
//! one run reports every mistake. Nothing outside this folder knows how the parser is made.

pub mod ast;
pub mod lexer;
pub mod parse;
pub mod print;
pub mod text;
pub mod token;
pub mod visit;

pub use parse::parse;
pub use print::format;
