//! `tpc explain`, `version`, `completions`, `man`.

use super::args::{Cli, CompletionsArgs, ExplainArgs, Format, Shown, VersionArgs};
use super::session::{complain, print};
use super::{exit, output};
use crate::diag::codes;
use crate::resolve::suggest;
use clap::CommandFactory;
use serde_json::json;

pub(super) fn explain(args: &ExplainArgs, _shown: &Shown) -> i32 {
    let wanted = args.code.to_uppercase();
    if let Some(entry) = codes::TABLE.iter().find(|entry| entry.code.0 == wanted) {
        print(entry.page);
        return exit::FINE;
    }
    let near = suggest::nearest(&wanted, codes::TABLE.iter().map(|entry| entry.code.0));
    let help = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
    complain(&format!("error: there is no code {}{help}", args.code));
    exit::USAGE
}

pub(super) fn version(args: &VersionArgs) -> i32 {
    let version = env!("CARGO_PKG_VERSION");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    match args.format {
        Format::Human => print(&format!(
            "tpc {version}\n{machine}-{system}, {threads} threads, random numbers {}",
            crate::finite::RNG
        )),
        Format::Json => print(&output::pretty(&json!({
            "tpc": version, "os": system, "arch": machine, "threads": threads, "rng": crate::finite::RNG,
        }))),
    }
    exit::FINE
}

pub(super) fn completions(args: &CompletionsArgs) -> i32 {
    // Into a buffer first: the generator panics when its output is closed early.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tpc", &mut text);
    print(&String::from_utf8_lossy(&text));
    exit::FINE
}

pub(super) fn man() -> i32 {
    let mut text = Vec::new();
    match clap_mangen::Man::new(Cli::command()).render(&mut text) {
        Ok(()) => {
            print(&String::from_utf8_lossy(&text));
            exit::FINE
        }
        Err(error) => {
            complain(&format!("error: {error}"));
            exit::USAGE
        }
    }
}
