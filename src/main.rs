//! The `tpc` binary.
fn main() {}
