//! Every sample program: its expectations hold, it runs at width 1024, and finite widths agree with the limit.

use crate::tidy::{files, read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The sample programs, sorted; modules of the library are none.
fn programs() -> Vec<PathBuf> {
    let mut programs = files("programs", "tp");
    programs.retain(|path| path.parent().is_none_or(|folder| !folder.ends_with("std")));
    assert!(programs.len() >= 22);
    programs
}

/// A command and those of the options that it takes which the program's head comment states after `In a test:`, where
/// the program as it stands would take too long.
fn with_stated(command: &[&str], taken: &[&str], program: &Path) -> Vec<String> {
    let text = read(program);
    let head = text.lines().take_while(|line| line.starts_with("//"));
    let stated = head.filter_map(|line| line.strip_prefix("// In a test: ")).next().unwrap_or("");
    let words: Vec<&str> = stated.split_whitespace().collect();
    let mut args: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    for option in words.chunks(2).filter(|option| taken.contains(&option[0])) {
        args.extend(option.iter().map(|word| (*word).to_owned()));
    }
    args
}

fn tpc(args: &[&str], program: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tpc"));
    command.args(args).arg("--quiet").arg(program).output().expect("tpc starts")
}

/// Runs a command for every program and reports all that fail.
fn all_succeed(args: impl Fn(&Path) -> Vec<String>) {
    let mut problems = Vec::new();
    for program in programs() {
        let args = args(&program);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = tpc(&args, &program);
        if !output.status.success() {
            let (out, err) = (output.stdout.as_slice(), output.stderr.as_slice());
            let text = String::from_utf8_lossy(&[out, err].concat()).into_owned();
            problems.push(format!("{} {}:\n{text}", args.join(" "), program.display()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn programs_pass_the_checks() {
    all_succeed(|program| with_stated(&["check"], &["--set"], program));
}

#[test]
fn expectations_hold() {
    all_succeed(|_| vec!["test".to_owned()]);
}

#[test]
fn finite_widths_agree_with_the_limit() {
    all_succeed(|program| {
        let mut args =
            with_stated(&["compare"], &["--set", "--particles", "--width", "--seeds"], program);
        if !args.iter().any(|word| word == "--width") {
            args.extend(["--width", "128,256,512"].map(str::to_owned));
        }
        args
    });
}

#[test]
fn every_program_runs_at_width_1024() {
    all_succeed(|program| with_stated(&["run", "--width", "1024"], &["--set"], program));
}
