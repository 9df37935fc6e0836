//! Every sample program: its expectations hold, it runs at width 1024, and finite widths agree with the limit.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The sample programs, sorted.
fn programs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let entries = std::fs::read_dir(folder).expect("there are programs");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut programs: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "tp")).collect();
    programs.sort();
    assert!(programs.len() >= 14);
    programs
}

/// Widths that a program is compared at: those its head comment gives after `--width`, or these.
fn widths(program: &Path) -> String {
    let text = std::fs::read_to_string(program).expect("it can be read");
    let stated = text.lines().take_while(|line| line.starts_with("//")).find_map(|line| {
        let (_, widths) = line.split_once("--width ")?;
        widths.split_terminator(['.', ' ']).next()
    });
    stated.unwrap_or("128,256,512").trim_end_matches(',').to_owned()
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
fn expectations_hold() {
    all_succeed(|_| vec!["test".to_owned()]);
}

#[test]
fn finite_widths_agree_with_the_limit() {
    all_succeed(|program| vec!["compare".to_owned(), "--width".to_owned(), widths(program)]);
}

#[test]
fn every_program_runs_at_width_1024() {
    all_succeed(|_| ["run", "--width", "1024"].map(str::to_owned).to_vec());
}
