//! What is wrong with a parametrization: the condition, the place, the arithmetic, and what repairs it.

use super::flow::{Flow, Shifts};
use super::growth::{Grows, Growth};
use super::repair::{Repair, repair};
use super::size::Size;
use super::story::Story;
use super::{Analysis, Sized, Verdict};
use crate::diag::{Code, Diagnostic, codes};
use crate::ir::Exponent;
use crate::source::Span;
use num_traits::Zero;

/// A condition of section 2.8 of [TP4b].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Pre-activations are Θ(1), the prediction O(1) before training (Def. 2.8.7).
    StableAtInit,
    /// The input of Q is Θ(1), always (Def. 2.8.8).
    Faithful,
    /// Changes of pre-activations are O(1) (Def. 2.8.7).
    FeaturesBounded,
    /// Changes of the prediction are O(1) (Def. 2.8.7).
    PredictionBounded,
    /// The prediction changes by Θ(1) (Def. 2.8.14).
    Nontrivial,
}

impl Condition {
    /// The code of the message.
    pub fn code(self) -> Code {
        match self {
            Self::StableAtInit => codes::UNSTABLE_AT_INIT,
            Self::Faithful => codes::UNFAITHFUL,
            Self::FeaturesBounded => codes::FEATURES_DIVERGE,
            Self::PredictionBounded => codes::PREDICTION_DIVERGES,
            Self::Nontrivial => codes::TRIVIAL,
        }
    }
}

/// One condition that does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which.
    pub condition: Condition,
    /// The parameter, the pre-activation or the `train` statement.
    pub span: Span,
    /// What is not as it should be, and where in training.
    pub fact: String,
    /// How its power of n comes about.
    pub found: String,
    /// What it should be.
    pub expected: &'static str,
    /// The smallest change of one exponent after which this holds (and fewest others fail).
    pub repair: Option<Repair>,
    /// It shows only once the repairs before it are made.
    pub hidden: bool,
}

impl Failure {
    pub(super) fn new(
        condition: Condition,
        span: Span,
        fact: String,
        (found, expected): (String, &'static str),
    ) -> Self {
        Self { condition, span, fact, found, expected, repair: None, hidden: false }
    }

    /// The message to the user; `train` is the place of the `train` statement.
    pub fn diagnostic(&self, train: Span) -> Diagnostic {
        let code = self.condition.code();
        let mut problem = Diagnostic::new(code, self.span, code.title()).here(&self.fact);
        if self.span != train {
            problem = problem.label(train, "trained here");
        }
        problem = problem
            .note(format!("found:    {}", self.found))
            .note(format!("expected: {}", self.expected));
        if self.hidden {
            problem = problem.note("this shows once the changes above are made");
        }
        match &self.repair {
            Some(repair) => problem.help(repair.text()),
            None => problem,
        }
    }
}

impl Verdict {
    /// Everything that keeps the net from being stable, faithful and nontrivial.
    ///
    /// Each failure is looked for with the repairs of those before it made, so that the repairs together are a
    /// parametrization that holds; what an earlier repair cures is not listed.
    pub fn failures(&self) -> Vec<Failure> {
        let analysis = &*self.analysis;
        let mut shifts = Shifts::none(analysis.training.params.len());
        let at_first = problems(analysis, &Flow::new(&analysis.marked, &shifts), &shifts);
        let mut failures = Vec::new();
        let mut told = Vec::new();
        loop {
            let flow = Flow::new(&analysis.marked, &shifts);
            let found = problems(analysis, &flow, &shifts);
            let Some(problem) =
                found.into_iter().find(|p| told.iter().filter(|told| *told == p).count() < AGAIN)
            else {
                break;
            };
            let excess = problem.excess(analysis, &flow, &shifts);
            let best = excess.and_then(|excess| repair(analysis, &shifts, problem, excess));
            let place = best.as_ref().map(|(_, place, _)| *place);
            let sizes = Story { analysis, flow: &flow, shifts: &shifts, place };
            let mut failure = sizes.tell(problem);
            failure.hidden = !at_first.contains(&problem);
            if let Some((repair, _, changed)) = best {
                failure.repair = Some(repair);
                shifts = changed;
            }
            told.push(problem);
            failures.push(failure);
        }
        failures
    }

    /// The failures as messages.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.failures().iter().map(|failure| failure.diagnostic(self.span)).collect()
    }
}

/// A repair may bring back a problem that was repaired before; so often it is repaired again.
const AGAIN: usize = 3;

/// One thing that is not as it should be; parameters and pre-activations by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    FeatureAtInit(usize),
    PredictionAtInit,
    GradientAtInit(usize),
    /// Steps of this parameter let pre-activations grow; `None` if no parameter does it alone.
    Features(Option<usize>),
    Prediction(Option<usize>),
    Gradient(usize),
    Trivial,
}

/// All problems, those first that others follow from.
fn problems(analysis: &Analysis, flow: &Flow, shifts: &Shifts) -> Vec<Problem> {
    let found = Sized::new(analysis, flow);
    let mut problems = Vec::new();
    let features = found.features.iter().enumerate().filter(|(_, f)| !f.fits_at_init());
    problems.extend(features.map(|(k, _)| Problem::FeatureAtInit(k)));
    if !found.prediction.0.bounded() {
        problems.push(Problem::PredictionAtInit);
    }
    let params = 0..analysis.training.params.len();
    let fits = |param: usize, t: usize| found.gradients[param].get(t).is_none_or(|(fits, _)| *fits);
    problems.extend(params.clone().filter(|p| !fits(*p, 0)).map(Problem::GradientAtInit));
    let growth = Growth { analysis, flow, shifts };
    problems.extend(growth.culprits(Grows::Features).into_iter().map(Problem::Features));
    problems.extend(growth.culprits(Grows::Prediction).into_iter().map(Problem::Prediction));
    let steps = analysis.marked.predictions.len();
    let later = |p: &usize| fits(*p, 0) && (1..steps).any(|t| !fits(*p, t));
    problems.extend(params.filter(later).map(Problem::Gradient));
    if !found.nontrivial() {
        problems.push(Problem::Trivial);
    }
    problems
}

impl Problem {
    /// Whether it is still there with other exponents.
    pub(super) fn persists(self, analysis: &Analysis, flow: &Flow, shifts: &Shifts) -> bool {
        let found = || Sized::new(analysis, flow);
        let growth = Growth { analysis, flow, shifts };
        match self {
            Self::FeatureAtInit(k) => !found().features[k].fits_at_init(),
            Self::PredictionAtInit => !found().prediction.0.bounded(),
            Self::GradientAtInit(p) => !found().gradients[p].first().is_none_or(|(fits, _)| *fits),
            // at first it may be off now: that is another problem
            Self::Gradient(p) => {
                let steps = &found().gradients[p];
                steps.iter().any(|(fits, size)| !fits && *size != steps[0].1)
            }
            Self::Features(culprit) => growth.culprits(Grows::Features).contains(&culprit),
            Self::Prediction(culprit) => growth.culprits(Grows::Prediction).contains(&culprit),
            Self::Trivial => !found().nontrivial(),
        }
    }

    /// By which power of n it is off.
    fn excess(self, analysis: &Analysis, flow: &Flow, shifts: &Shifts) -> Option<Exponent> {
        let found = Sized::new(analysis, flow);
        let growth = Growth { analysis, flow, shifts };
        let most = |sizes: &[Size]| sizes.iter().copied().filter_map(Size::exponent).max();
        let off = match self {
            Self::FeatureAtInit(k) => found.features[k].initial.exponent(),
            Self::PredictionAtInit => found.prediction.0.exponent(),
            Self::GradientAtInit(p) => found.gradients[p][0].1.exponent(),
            Self::Gradient(p) => found.gradients[p]
                .iter()
                .filter(|(fits, _)| !fits)
                .filter_map(|(_, size)| {
                    Some(size.exponent()? - found.gradients[p][0].1.exponent()?)
                })
                .max(),
            Self::Features(culprit) => growth.size(Grows::Features, culprit).exponent(),
            Self::Prediction(culprit) => growth.size(Grows::Prediction, culprit).exponent(),
            Self::Trivial => most(&found.prediction.1),
        };
        off.filter(|off| !off.is_zero())
    }
}
