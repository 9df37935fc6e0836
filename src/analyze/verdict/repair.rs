//! What to change: one exponent, by as much as a size is off.
//!
//! A change of an exponent shifts sizes at known places of the graph (the initial value, the step, the input of Q), so
//! every candidate is tried out by finding all sizes again.

use super::failure::Problem;
use super::flow::{Flow, Shifts};
use super::size::Size;
use super::{Analysis, Sized, SizedFeature};
use crate::ir::Exponent;
use num_traits::Signed;

/// A change of one exponent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The parameter; `None` for a_out.
    pub param: Option<String>,
    /// `a`, `b`, `c`, `d` or `a_out`.
    pub exponent: &'static str,
    /// What is added to it.
    pub by: Exponent,
    /// What it becomes.
    pub to: Exponent,
}

impl Repair {
    /// As an instruction.
    pub fn text(&self) -> String {
        let verb = if self.by.is_positive() { "raise" } else { "lower" };
        let whose = self.param.as_ref().map_or_else(String::new, |name| format!(" of `{name}`"));
        format!("{verb} {}{whose} by {}, to {}", self.exponent, self.by.abs(), self.to)
    }
}

/// An exponent: of a parameter, or a_out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Param(usize, usize),
    Out,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Place {
    fn shift(self, shifts: &mut Shifts, by: Exponent) {
        match self {
            Self::Param(param, letter) => shifts.params[param][letter] += by,
            Self::Out => shifts.out += by,
        }
    }
}

/// The best change of one exponent against a problem, and the shifts with it.
///
/// One after which nothing is wrong any more, as small as possible; else the exponent that the condition is about, so that
/// the repairs of all problems together come to an end.
pub(super) fn repair(
    analysis: &Analysis,
    shifts: &Shifts,
    problem: Problem,
    excess: Exponent,
) -> Option<(Repair, Place, Shifts)> {
    let before = Sized::new(analysis, &Flow::new(&analysis.marked, shifts));
    let mut best: Option<(Key, Place, Exponent, Shifts)> = None;
    for (rank, place) in places(analysis, problem).into_iter().enumerate() {
        // where two factors are off by the same power, half of it is enough
        for (by, whole) in
            [(excess, true), (-excess, true), (excess / 2, false), (-excess / 2, false)]
        {
            let mut changed = shifts.clone();
            place.shift(&mut changed, by);
            let flow = Flow::new(&analysis.marked, &changed);
            let sized = Sized::new(analysis, &flow);
            let left = sized.problems();
            if (left > 0 && !whole) || problem.persists(analysis, &flow, &changed) {
                continue;
            }
            let foreign = left > 0
                && (!problem.is_about(place) || problem.would_return(place, (&before, &sized)));
            let key = (left > 0, foreign, left, by.abs(), rank);
            if best.as_ref().is_none_or(|(known, ..)| key < *known) {
                best = Some((key, place, by, changed));
            }
        }
    }
    let (_, place, by, changed) = best?;
    let training = &analysis.training;
    let repair = match place {
        Place::Param(param, letter) => Repair {
            param: Some(training.params[param].name.clone()),
            exponent: NAMES[letter],
            by,
            to: training.params[param].abcd[letter] + changed.params[param][letter],
        },
        Place::Out => Repair { param: None, exponent: "a_out", by, to: training.out + changed.out },
    };
    Some((repair, place, changed))
}

/// What makes a candidate better: nothing left, the condition's own exponent, few problems left, small, natural.
type Key = (bool, bool, usize, Exponent, usize);

impl Problem {
    /// Whether the condition speaks of this exponent.
    fn is_about(self, place: Place) -> bool {
        let Place::Param(param, letter) = place else { return false };
        match self {
            Self::FeatureAtInit(_) | Self::PredictionAtInit => letter == 1,
            Self::GradientAtInit(own) => letter == 3 && param == own,
            Self::Features(own) | Self::Prediction(own) => {
                letter == 2 && own.is_none_or(|own| own == param)
            }
            Self::Gradient(_) | Self::Trivial => letter == 1 || letter == 2,
        }
    }

    /// Whether what the change does would have to be undone.
    fn would_return(self, place: Place, (before, after): (&Sized, &Sized)) -> bool {
        let Place::Param(_, letter) = place else { return false };
        match self {
            Self::Trivial if letter == 1 => !after.stable_at_init(),
            Self::Trivial => !after.stable(),
            Self::Gradient(_) => before.nontrivial() && !after.nontrivial(),
            Self::FeatureAtInit(k) => !after.features[..k].iter().all(SizedFeature::fits_at_init),
            Self::PredictionAtInit
            | Self::GradientAtInit(_)
            | Self::Features(_)
            | Self::Prediction(_) => false,
        }
    }
}

/// Exponents to try, the most natural first.
fn places(analysis: &Analysis, problem: Problem) -> Vec<Place> {
    let params = analysis.training.params.len();
    let letters = match problem {
        Problem::FeatureAtInit(_) | Problem::PredictionAtInit => [1, 0, 2, 3],
        Problem::GradientAtInit(_) => [3, 0, 1, 2],
        Problem::Features(_) | Problem::Prediction(_) | Problem::Trivial => [2, 0, 1, 3],
        Problem::Gradient(_) => [2, 1, 0, 3],
    };
    let own = match problem {
        Problem::GradientAtInit(param) | Problem::Gradient(param) => Some(param),
        Problem::Features(param) | Problem::Prediction(param) => param,
        Problem::FeatureAtInit(_) | Problem::PredictionAtInit | Problem::Trivial => None,
    };
    let mut order: Vec<usize> = own.into_iter().collect();
    order.extend((0..params).filter(|param| own != Some(*param)));
    let mut places = Vec::new();
    for letter in letters {
        for param in &order {
            // with a homogeneous Q, d is another name for c
            if letter != 3 || analysis.degrees[*param].is_none() {
                places.push(Place::Param(*param, letter));
            }
        }
    }
    places.push(Place::Out);
    places
}

impl Sized {
    /// How many values are not as they should be.
    fn problems(&self) -> usize {
        let features = self.features.iter().filter(|feature| !feature.fits_at_init()).count();
        let grow = |changes: &[Size]| usize::from(changes.iter().any(|change| !change.bounded()));
        let growing: usize = self.features.iter().map(|feature| grow(&feature.changes)).sum();
        let gradients = self.gradients.iter().filter(|steps| steps.iter().any(|(fits, _)| !fits));
        features
            + usize::from(!self.prediction.0.bounded())
            + growing
            + grow(&self.prediction.1)
            + gradients.count()
            + usize::from(!self.nontrivial())
    }
}
