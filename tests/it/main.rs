//! Integration tests.

mod differential;
mod tidy;
