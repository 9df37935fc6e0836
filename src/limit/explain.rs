//! What is said when a limit cannot be given.

use super::LimitError;
use crate::codegen::ExecError;
use crate::diag::{Code, Diagnostic, codes};
use crate::ir::{NodeId, Program};

/// Numbers of this size are rounding errors.
const ROUNDING: f64 = 1e-12;

/// The diagnostic for an error of [`super::evaluate`] on this leading-order program.
pub fn explain(program: &Program, error: &LimitError) -> Diagnostic {
    match error {
        LimitError::Discontinuous { node, value, error, pole } => {
            let (code, word) =
                if *pole { (codes::LIMIT_POLE, "pole") } else { (codes::LIMIT_JUMP, "jump") };
            about(program, code, Some(*node))
                .here(format!("this function has a {word} at 0"))
                .note(format!("found:    an argument whose limit is {}", shown(*value, *error)))
                .note("expected: a limit that differs from 0 by more than its error")
        }
        LimitError::NoMean { node } => about(program, codes::LIMIT_NOT_FINITE, Some(*node))
            .here("large values are so frequent that this has no mean")
            .note("found:    a tail P(|x| > t) that decays no faster than 1/t (1/t^2 where a matrix acts)")
            .note("expected: a mean that exists")
            .help("keep divisors away from 0, `1 / sqrt(x^2 + eps)`, and arguments of exp below x^2/2"),
        LimitError::Uneven { node, count, all } => about(program, codes::LIMIT_NOT_FINITE, Some(*node))
            .here("few particles make this mean")
            .note(format!("found:    values so uneven that {all} particles count like {count:.0}"))
            .note("expected: at least 30 that count: else the mean is too small, and its error does not show it")
            .help("keep arguments of exp and powers small; means of exp and of powers by themselves need no particles"),
        LimitError::NotExact { node } => about(program, codes::LIMIT_NOT_EXACT, Some(*node))
            .here("this needs a mean over particles")
            .note("found:    a mean over more than three directions, numbers so nearly dependent that rounding hides by how much, an OuterNonlin that reads several numbers of a neuron, or a Gaussian number")
            .note("expected: means in closed form, or integrals over up to three directions")
            .help("leave out `--method`: particles then take over what has no exact limit"),
        LimitError::Memory { bytes, memory } => about(program, codes::MEMORY, None)
            .note(format!("found:    {:.1} GB for the particles of all replicates", bytes / 1e9))
            .note(format!("expected: at most the {:.1} GB that are free", memory / 1e9))
            .help("take fewer `--particles` or `--threads`"),
        LimitError::Execution(ExecError::NonFinite { node }) => {
            about(program, codes::LIMIT_NOT_FINITE, Some(*node))
                .here("infinite or not a number on some particle")
        }
        LimitError::Execution(
            ExecError::NotDense { node, .. } | ExecError::Unsupported { node },
        ) => about(program, codes::CANNOT_EXECUTE, Some(*node)).here(error.to_string()),
        LimitError::Execution(ExecError::Jit(reason)) => {
            about(program, codes::CANNOT_EXECUTE, None).note(reason.as_str())
        }
    }
}

/// A message about a node, at its place in the source.
fn about(program: &Program, code: Code, node: Option<NodeId>) -> Diagnostic {
    match node.and_then(|node| program.ir.origins(node).first()) {
        Some(span) => Diagnostic::new(code, *span, code.title()),
        None => Diagnostic::without_place(code, code.title()),
    }
}

/// A value and its error; below rounding the digits say nothing.
fn shown(value: f64, error: f64) -> String {
    if value.abs() + error < ROUNDING {
        return format!("0 ± {ROUNDING:e}");
    }
    format!("{value:.3e} ± {error:.1e}")
}
