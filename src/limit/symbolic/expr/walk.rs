//! Formulas part by part.

use super::{Expr, Index, Symbol};
use std::collections::BTreeSet;

impl Expr {
    /// Its direct parts.
    pub(in super::super) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Number(_) | Self::Symbol(_) | Self::Index(_) | Self::Letter(_) => Vec::new(),
            Self::Sum(parts)
            | Self::Product(parts)
            | Self::Call(_, parts)
            | Self::List(parts)
            | Self::Entry(parts, _) => parts.iter().collect(),
            Self::Negated(body)
            | Self::Power(body, _)
            | Self::Within(_, _, body)
            | Self::Over { body, .. }
            | Self::Expectation { body, .. } => vec![body],
            Self::Quotient(a, b) | Self::Raised(a, b) | Self::Relation(_, a, b) => vec![a, b],
            Self::Choice(parts) => parts.iter().collect(),
            Self::Inner(parts) | Self::Partial(parts) | Self::Covariance(parts) => {
                parts.iter().collect()
            }
        }
    }

    /// The same with other parts.
    pub(in super::super) fn with_parts(self, to: &mut dyn FnMut(Self) -> Self) -> Self {
        let mut all = |parts: Vec<Self>| parts.into_iter().map(&mut *to).collect::<Vec<_>>();
        match self {
            Self::Number(_) | Self::Symbol(_) | Self::Index(_) | Self::Letter(_) => self,
            Self::Sum(parts) => Self::sum(all(parts)),
            Self::Product(parts) => Self::product(all(parts)),
            Self::Call(name, parts) => Self::Call(name, all(parts)),
            Self::List(parts) => Self::List(all(parts)),
            Self::Entry(parts, index) => Self::Entry(all(parts), index),
            Self::Negated(body) => to(*body).negated(),
            Self::Power(body, exponent) => to(*body).power(exponent),
            Self::Within(index, range, body) => Self::Within(index, range, Box::new(to(*body))),
            Self::Over { mean, indices, body } => Self::over(mean, indices, to(*body)),
            Self::Expectation { copies, body } => Self::expectation(copies, to(*body)),
            Self::Quotient(a, b) => to(*a).quotient(to(*b)),
            Self::Raised(a, b) => Self::Raised(Box::new(to(*a)), Box::new(to(*b))),
            Self::Relation(sign, a, b) => Self::Relation(sign, Box::new(to(*a)), Box::new(to(*b))),
            Self::Choice(parts) => Self::Choice(Box::new((*parts).map(to))),
            Self::Inner(parts) => Self::Inner(Box::new((*parts).map(to))),
            Self::Partial(parts) => Self::Partial(Box::new((*parts).map(to))),
            Self::Covariance(parts) => Self::Covariance(Box::new((*parts).map(to))),
        }
    }

    /// The same with an index in the place of a letter.
    pub(in super::super) fn renamed(self, letter: &str, by: &Index) -> Self {
        match self {
            Self::Symbol(symbol) => {
                let at = symbol.at.iter().map(|index| index.renamed(letter, by)).collect();
                Self::Symbol(Symbol { at, ..symbol })
            }
            Self::Index(index) => match index.renamed(letter, by) {
                Index { letter: None, offset } => Self::Number(offset as f64),
                index => Self::Index(index),
            },
            Self::Within(index, range, body) => {
                let body = body.renamed(letter, by);
                Self::Within(index.renamed(letter, by), range, Box::new(body))
            }
            Self::Entry(parts, index) => {
                let parts = parts.into_iter().map(|part| part.renamed(letter, by)).collect();
                Self::Entry(parts, index.renamed(letter, by))
            }
            other => other.with_parts(&mut |part| part.renamed(letter, by)),
        }
    }

    /// The same with every copy `from` read at copy `to`.
    pub(in super::super) fn copied(self, from: usize, to: usize) -> Self {
        match self {
            Self::Symbol(symbol) => {
                let slot = |slot: &usize| if *slot == from { to } else { *slot };
                let slots = symbol.slots.iter().map(slot).collect();
                Self::Symbol(Symbol { slots, ..symbol })
            }
            Self::Inner(_) | Self::Partial(_) | Self::Covariance(_) => self,
            other => other.with_parts(&mut |part| part.copied(from, to)),
        }
    }

    /// All letters of indices in it.
    pub(in super::super) fn letters(&self, found: &mut BTreeSet<String>) {
        match self {
            Self::Symbol(symbol) => {
                found.extend(symbol.at.iter().filter_map(|index| index.letter.clone()));
            }
            Self::Index(index) | Self::Within(index, ..) | Self::Entry(_, index) => {
                found.extend(index.letter.clone());
            }
            Self::Over { indices, .. } => {
                found.extend(indices.iter().map(|(letter, _)| letter.clone()));
            }
            _ => {}
        }
        self.parts().iter().for_each(|part| part.letters(found));
    }
}

impl Index {
    /// The same with another index in the place of a letter.
    pub(in super::super) fn renamed(&self, letter: &str, by: &Self) -> Self {
        if self.letter.as_deref() == Some(letter) { by.plus(self.offset) } else { self.clone() }
    }
}
