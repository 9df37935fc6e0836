//! Generates the parser from `tp.lalrpop`.
fn main() {}
