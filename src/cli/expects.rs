//! `tpc test`: evaluates every `expect`.

use super::args::{Input, Shown, TestArgs};
use super::session::{Session, print};
use super::{exit, limit};
use crate::driver::Checked;
use crate::ir::{Expect, Program};
use crate::limit::{Expected, Limits};

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
    let input = Input { file: file.to_owned(), ..Input::default() };
    let mut session = Session::open(&input, shown)?;
    let Some(Checked { facts, .. }) = session.checked() else { return Err(session.wrong()) };
    if facts.leading.expects.is_empty() {
        session
            .warn("there is no `expect`", "write for example `expect avg(x^2) ~= 1 within 1e-9;`");
    }
    let options = limit::options(&args.accuracy, 0);
    let leading = Program { outputs: Vec::new(), ..facts.leading };
    let limits = limit::evaluated(&mut session, &leading, &options, args.threads)?;
    let failures = failures(&session, &leading, &limits);
    failures.iter().for_each(|failure| print(failure));
    Ok((leading.expects.len() - failures.len(), failures.len()))
}

/// Each `expect` that does not hold, with its place.
pub(super) fn failures(session: &Session<'_>, leading: &Program, limits: &Limits) -> Vec<String> {
    let one = |(expect, found): (&Expect, &Expected)| {
        let problem = verdict(found, expect.tolerance)?;
        let (line, column) = session.sources.line_column(expect.span);
        let file = &session.sources.get(expect.span.file).name;
        Some(format!("{file}:{line}:{column}: expect {}: {problem}", expect.name))
    };
    leading.expects.iter().zip(&limits.expects).filter_map(one).collect()
}

/// What is wrong, if anything: too far away, or too inexact to tell.
fn verdict(found: &Expected, tolerance: f64) -> Option<String> {
    for (k, (deviation, error)) in found.deviations.iter().zip(&found.errors).enumerate() {
        if deviation.abs() > tolerance {
            let (value, expected) = (found.values[k], found.expected[k]);
            return Some(format!(
                "{value:.6} ± {error:.1e} is not within {tolerance:e} of {expected}"
            ));
        }
        if *error > tolerance {
            return Some(format!(
                "the limit's error {error:.1e} exceeds the tolerance {tolerance:e}; begin with more --particles, or --draws of what is random"
            ));
        }
    }
    None
}
