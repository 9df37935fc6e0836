//! The one integration test binary: everything that needs files of the repository or the whole pipeline.

mod adjoint;
mod cli;
mod differential;
mod docs;
mod finite;
mod golden;
mod limits;
mod mutate;
mod programs;
mod quadrature;
mod reference;
mod sketch;
mod symbolic;
mod tangent;
mod tidy;
mod training;
mod verdict;
