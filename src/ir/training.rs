//! What is known of a trained net in a plain program: the names by which its parts are found.

use super::Exponent;
use crate::source::Span;

/// What `train f on (xs, ys) { … }` leaves in a lowered program that unrolls at least three steps.
#[derive(Clone, Debug)]
pub struct Training {
    /// The net's name.
    pub net: String,
    /// The `train` statement.
    pub span: Span,
    /// What is trained.
    pub params: Vec<TrainedParam>,
    /// The name in [`Program::named`] of the prediction on the batch: its t-th value is made before update t.
    pub prediction: String,
    /// a_out: the prediction contains the factor n^(−out).
    pub out: Exponent,
}

/// One parameter: the net uses n^(−a)·w, with w ~ N(0, σ² n^(−2b)) at first.
#[derive(Clone, Debug)]
pub struct TrainedParam {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// 0 for a scalar, 1 for a vec, 2 for a mat.
    pub width: usize,
    /// a, b, c, d (Def. 2.9.7 of [TP4b]).
    pub abcd: [Exponent; 4],
    /// The name of n^d · ∂loss/∂w, the input of Q, once per step.
    pub gradient: String,
    /// The name of n^(−c) · step, which is subtracted from w (or from (1 − λ) w), once per step.
    pub update: String,
}
