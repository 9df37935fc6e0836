//! Generates the parser from `tp.lalrpop`.
//!
//! Lane tables are switched off: with them the parser reduces early, and the lists of expected tokens that the
//! messages are made of are incomplete.

/// Writes the parser to the build's output folder.
fn main() {
    // SAFETY: the build script has one thread at this point.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("LALRPOP_LANE_TABLE", "disabled");
    }
    println!("cargo:rerun-if-changed=grammar");
    println!("cargo:rerun-if-env-changed=LALRPOP_LANE_TABLE");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    let mut configuration = lalrpop::Configuration::new();
    configuration.set_in_dir("grammar").set_out_dir(out).emit_rerun_directives(true);
    if let Err(error) = configuration.process() {
        println!("cargo:warning=grammar/tp.lalrpop: {error}");
        std::process::exit(1);
    }
}
