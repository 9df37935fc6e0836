//! `tpc test`: evaluates every `expect`.

use super::args::{Input, Shown, TestArgs};
use super::session::{Session, print};
use super::{exit, limit};
use crate::driver::Checked;
use crate::limit::Expected;

pub(super) fn main(args: &TestArgs, shown: &Shown) -> i32 {
    let (mut passed, mut failed, mut worst) = (0, 0, exit::FINE);
    for file in &args.files {
        match test_file(file, args, shown) {
            Ok((good, bad)) => {
                passed += good;
                failed += bad;
            }
            Err(code) => {
                failed += 1;
                worst = worst.max(code);
            }
        }
    }
    print(&format!("{passed} passed, {failed} failed"));
    if failed > 0 { worst.max(exit::WRONG) } else { worst }
}

/// How many expectations of a file hold and how many do not.
fn test_file(file: &str, args: &TestArgs, shown: &Shown) -> Result<(usize, usize), i32> {
    let input =
        Input { file: file.to_owned(), set: Vec::new(), stdin_filename: "<stdin>".to_owned() };
    let mut session = Session::open(&input, shown)?;
    let Some(Checked { facts, .. }) = session.checked() else { return Err(session.wrong()) };
    let options = limit::options(&args.accuracy, 0);
    let limits = limit::evaluated(&mut session, &facts.leading, &options, args.threads)?;
    let (mut passed, mut failed) = (0, 0);
    for (expect, found) in facts.leading.expects.iter().zip(&limits.expects) {
        match verdict(found, expect.tolerance) {
            None => passed += 1,
            Some(problem) => {
                let (line, column) = session.sources.line_column(expect.span);
                print(&format!("{file}:{line}:{column}: expect {}: {problem}", expect.name));
                failed += 1;
            }
        }
    }
    Ok((passed, failed))
}

/// What is wrong, if anything: too far away, or too inexact to tell.
fn verdict(found: &Expected, tolerance: f64) -> Option<String> {
    for ((value, error), expected) in found.values.iter().zip(&found.errors).zip(&found.expected) {
        if (value - expected).abs() > tolerance {
            return Some(format!(
                "{value:.6} ± {error:.1e} is not within {tolerance:e} of {expected}"
            ));
        }
        if *error > tolerance {
            return Some(format!(
                "the limit's error {error:.1e} exceeds the tolerance {tolerance:e}; use more --particles"
            ));
        }
    }
    None
}
