//! The command line: arguments, files, terminal and exit codes. The only part of `tpc` with side effects.

mod about;
mod args;
mod check;
mod compare;
mod emit;
mod expects;
mod files;
mod formatting;
mod limit;
mod output;
mod plot;
mod run;
mod session;
mod symbolic;
mod table;
mod trained;

use args::{Cli, Command};
use clap::Parser;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit codes of every command.
mod exit {
    /// All is well.
    pub(super) const FINE: i32 = 0;
    /// The program is wrong, or an expectation, a tolerance or a comparison fails.
    pub(super) const WRONG: i32 = 1;
    /// Misuse, or a file cannot be read or written.
    pub(super) const USAGE: i32 = 2;
    /// A fault in tpc.
    pub(super) const FAULT: i32 = 101;
    /// Interrupted.
    pub(super) const INTERRUPTED: i32 = 130;
}

/// Runs the command line of this process; gives its exit code.
pub fn main() -> i32 {
    let reported = AtomicBool::new(false);
    std::panic::set_hook(Box::new(move |fault| {
        // the other threads stumble over the same fault
        if reported.swap(true, Ordering::Relaxed) {
            return;
        }
        let version = env!("CARGO_PKG_VERSION");
        session::complain(&format!(
            "this is a fault in tpc {version}: {fault}\nplease report it with the program that caused it"
        ));
    }));
    let code = std::panic::catch_unwind(|| dispatch(Cli::parse())).unwrap_or(exit::FAULT);
    session::unless_lost(code)
}

fn dispatch(cli: Cli) -> i32 {
    let shown = cli.shown;
    match cli.command {
        Command::Check(args) => check::main(&args, &shown),
        Command::Run(args) => run::main(&args, &shown),
        Command::Limit(args) => limit::main(&args, &shown),
        Command::Compare(args) => compare::main(&args, &shown),
        Command::Test(args) => expects::main(&args, &shown),
        Command::Fmt(args) => formatting::main(&args, &shown),
        Command::Explain(args) => about::explain(&args, &shown),
        Command::Emit(args) => emit::main(&args, &shown),
        Command::Version(args) => about::version(&args),
        Command::Completions(args) => about::completions(&args),
        Command::Man => about::man(),
    }
}
