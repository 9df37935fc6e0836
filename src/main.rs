//! The `tpc` binary.

fn main() {
    sigpipe::reset();
    std::process::exit(tpc::cli::main());
}
