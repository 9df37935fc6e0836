//! Failures in words: what is off, and how its power of n comes about.

use super::failure::{Condition, Failure, Problem};
use super::flow::{Flow, Shifts};
use super::growth::{Grows, Growth};
use super::repair::Place;
use super::size::Size;
use super::{Analysis, Sized};
use crate::analyze::power;
use crate::ir::Exponent;
use crate::source::Span;
use num_traits::Zero;

/// Tells how a size comes about.
pub(super) struct Story<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) flow: &'a Flow,
    pub(super) shifts: &'a Shifts,
    /// The exponent that the repair changes.
    pub(super) place: Option<Place>,
}

/// A factor of an arithmetic: how it is written, and its exponent.
type Power = (String, Exponent);

impl Story<'_> {
    /// The failure that a problem is, without a repair.
    pub(super) fn tell(&self, problem: Problem) -> Failure {
        match problem {
            Problem::FeatureAtInit(k) => self.tell_feature(k),
            Problem::PredictionAtInit => self.tell_prediction(),
            Problem::GradientAtInit(param) => self.tell_gradient(param),
            Problem::Gradient(param) => self.tell_later_gradient(param),
            Problem::Features(culprit) => {
                let (span, fact, found) = self.growth(Grows::Features, culprit);
                Failure::new(Condition::FeaturesBounded, span, fact, (found, "n^0, or less"))
            }
            Problem::Prediction(culprit) => {
                let (span, fact, found) = self.growth(Grows::Prediction, culprit);
                Failure::new(Condition::PredictionBounded, span, fact, (found, "n^0, or less"))
            }
            Problem::Trivial => self.tell_trivial(),
        }
    }

    fn sized(&self) -> Sized {
        Sized::new(self.analysis, self.flow)
    }

    fn tell_feature(&self, k: usize) -> Failure {
        let size = self.sized().features[k].initial;
        let node = self.analysis.features[k].first();
        let span = node.and_then(|node| self.analysis.marked.origin(node));
        let span = span.unwrap_or(self.analysis.training.span);
        let fact = format!("this pre-activation {} before training", is(size));
        Failure::new(Condition::StableAtInit, span, fact, (self.initial(size, false), "n^0"))
    }

    fn tell_prediction(&self) -> Failure {
        let training = &self.analysis.training;
        let size = self.sized().prediction.0;
        let fact = format!("the prediction of `{}` {} before training", training.net, is(size));
        let found = (self.initial(size, true), "n^0, or less");
        Failure::new(Condition::StableAtInit, training.span, fact, found)
    }

    fn tell_gradient(&self, p: usize) -> Failure {
        let param = &self.analysis.training.params[p];
        let size = self.sized().gradients[p][0].1;
        let fact = format!("what the optimizer is given for `{}` {}", param.name, is(size));
        Failure::new(Condition::Faithful, param.span, fact, (self.gradient(p, size), "n^0"))
    }

    fn tell_later_gradient(&self, p: usize) -> Failure {
        let param = &self.analysis.training.params[p];
        let steps = &self.sized().gradients[p];
        let t = steps.iter().position(|(fits, _)| !fits).unwrap_or(0);
        let (size, first) = (steps[t].1, steps[0].1);
        let fact = format!(
            "what the optimizer is given for `{}` {} after {}",
            param.name,
            is(size),
            updates(t)
        );
        let found = (self.later(size, first), "the size of the first step");
        Failure::new(Condition::Faithful, param.span, fact, found)
    }

    fn tell_trivial(&self) -> Failure {
        let training = &self.analysis.training;
        let changes = self.sized().prediction.1;
        let size = changes.into_iter().max().unwrap_or(Size::Zero);
        let fact = format!("the prediction of `{}` changes by {}", training.net, size.text());
        let found = match self.place {
            Some(Place::Param(p, _)) => self.step(p, size, true),
            Some(Place::Out) | None => size.text(),
        };
        Failure::new(Condition::Nontrivial, training.span, fact, (found, "n^0"))
    }

    fn growth(&self, what: Grows, culprit: Option<usize>) -> (Span, String, String) {
        let Self { analysis, flow, shifts, .. } = *self;
        let size = Growth { analysis, flow, shifts }.size(what, culprit);
        let subject = match what {
            Grows::Features => "pre-activations change",
            Grows::Prediction => "the prediction changes",
        };
        let by = match size {
            Size::Power(_) | Size::Zero => format!("by {}", size.text()),
            Size::Diverges => "without bound".to_owned(),
        };
        match culprit {
            Some(p) => {
                let param = &analysis.training.params[p];
                let fact = format!("{subject} {by} through `{}`", param.name);
                (param.span, fact, self.step(p, size, what == Grows::Prediction))
            }
            None => {
                let fact = format!("{subject} {by} through several parameters");
                (analysis.training.span, fact, size.text())
            }
        }
    }

    /// An exponent as the repairs so far have left it.
    fn exponent(&self, param: usize, letter: usize) -> Exponent {
        self.analysis.training.params[param].abcd[letter] + self.shifts.params[param][letter]
    }

    fn out(&self) -> Power {
        ("n^(-a_out)".to_owned(), -(self.analysis.training.out + self.shifts.out))
    }

    /// n^(-a) · n^(-b) · …, for the parameter that the repair changes.
    fn initial(&self, size: Size, of_prediction: bool) -> String {
        let mut powers = Vec::new();
        if of_prediction {
            powers.push(self.out());
        }
        let param = match self.place {
            Some(Place::Param(param, _)) => param,
            Some(Place::Out) if !powers.is_empty() => {
                return product(powers, size, "the sum over the width", "");
            }
            Some(Place::Out) | None => return size.text(),
        };
        powers.push(("n^(-a)".to_owned(), -self.exponent(param, 0)));
        powers.push(("n^(-b)".to_owned(), -self.exponent(param, 1)));
        product(powers, size, "a sum of n terms of random sign", &self.values(param, "ab"))
    }

    /// n^d · ∂loss/∂w.
    fn gradient(&self, param: usize, size: Size) -> String {
        let powers = vec![("n^d".to_owned(), self.exponent(param, 3))];
        product(powers, size, "∂loss/∂w", &self.values(param, "d"))
    }

    /// The input of Q after some updates.
    fn later(&self, size: Size, first: Size) -> String {
        let change = format!("{} after {} at first", size.text(), first.text());
        let Some(Place::Param(param, _)) = self.place else { return change };
        format!(
            "{change}: `{}` is n^(-b) before training and n^(-c) per step, {}",
            self.analysis.training.params[param].name,
            self.values(param, "bc")
        )
    }

    /// n^(-c) · n^(-a) · …
    fn step(&self, param: usize, size: Size, of_prediction: bool) -> String {
        let mut powers = vec![("n^(-c)".to_owned(), -self.exponent(param, 2))];
        let marked = &self.analysis.marked;
        let Self { analysis, flow, shifts, .. } = *self;
        let time = Growth { analysis, flow, shifts }.time().unwrap_or(1);
        let steps = marked.steps(param, time - 1).map(|node| flow.sizes(marked, node).change);
        if let Some(step) = steps.max().and_then(Size::exponent) {
            let own = step + self.exponent(param, 2);
            if !own.is_zero() {
                powers.push((format!("{} (the optimizer)", power(own)), own));
            }
        }
        powers.push(("n^(-a)".to_owned(), -self.exponent(param, 0)));
        if of_prediction {
            powers.push(self.out());
        }
        product(powers, size, "a sum over the width", &self.values(param, "ac"))
    }

    fn values(&self, param: usize, letters: &str) -> String {
        let each = letters.chars().map(|letter| {
            let place = "abcd".find(letter).unwrap_or(0);
            format!("{letter} = {}", self.exponent(param, place))
        });
        let each: Vec<String> = each.collect();
        format!("{} of `{}`", each.join(", "), self.analysis.training.params[param].name)
    }
}

/// Factors, what is left of the whole, and the exponents: `n^(-c) · n (…) = n^1, with c = 0 of `v``.
fn product(powers: Vec<Power>, whole: Size, rest: &str, values: &str) -> String {
    let Some(exponent) = whole.exponent() else { return whole.text() };
    let known = powers.iter().fold(Exponent::zero(), |sum, (_, e)| sum + e);
    let mut factors: Vec<String> = powers.into_iter().map(|(text, _)| text).collect();
    let left = exponent - known;
    if !left.is_zero() {
        let left = if left == Exponent::from_integer(1) { "n".to_owned() } else { power(left) };
        factors.push(format!("{left} ({rest})"));
    }
    let values = if values.is_empty() { String::new() } else { format!(", with {values}") };
    format!("{} = {}{values}", factors.join(" · "), power(exponent))
}

fn updates(count: usize) -> String {
    if count == 1 { "1 update".to_owned() } else { format!("{count} updates") }
}

/// `is n^(1/2)`, `diverges`.
fn is(size: Size) -> String {
    match size {
        Size::Zero | Size::Power(_) => format!("is {}", size.text()),
        Size::Diverges => size.text(),
    }
}
