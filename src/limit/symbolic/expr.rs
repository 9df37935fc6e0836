//! Formulas as trees, before they become Unicode or LaTeX.
//!
//! Constructors simplify what would be ugly to read (numbers in products collect, double signs go away); they never
//! rearrange terms, so that a formula looks like the program it came from.

mod walk;

use crate::ir::Exponent;
use crate::ir::scalar::to_f64;
use num_traits::{One, Zero};
use std::collections::BTreeSet;
use std::ops::Range;

/// The name of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name {
    /// As in the source.
    pub(super) text: String,
    /// Counts the values that have this name; 0 is the first.
    pub(super) version: usize,
    /// The value is this power of n times what the source calls by this name.
    pub(super) power: Exponent,
}

/// An index: a letter or nothing, plus a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Index {
    /// The letter.
    pub(super) letter: Option<String>,
    /// What is added.
    pub(super) offset: isize,
}

impl Index {
    pub(super) fn letter(letter: &str) -> Self {
        Self { letter: Some(letter.to_owned()), offset: 0 }
    }
    pub(super) fn number(index: usize) -> Self {
        Self { letter: None, offset: index.cast_signed() }
    }
    pub(super) fn plus(&self, by: isize) -> Self {
        Self { letter: self.letter.clone(), offset: self.offset + by }
    }
}

/// How a symbol is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A deterministic number.
    Plain,
    /// The ket of a vec.
    Ket,
    /// The Gaussian part of the ket of a product.
    Hat,
    /// A transposed matrix.
    Transpose,
    /// The entries of an outer product, a function of several copies of all kets.
    Kernel,
}

/// A named value with its indices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Symbol {
    /// Its name.
    pub(super) name: Name,
    /// How it is drawn.
    pub(super) kind: Kind,
    /// Static indices.
    pub(super) at: Vec<Index>,
    /// For each width axis the copy at which it is read; 0 is the ket itself.
    pub(super) slots: Vec<usize>,
}

impl Symbol {
    /// Whether a power of n stands before it.
    pub(super) fn is_multiple(&self) -> bool {
        self.kind == Kind::Plain && !self.name.power.is_zero()
    }
}

/// A formula.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// A number.
    Number(f64),
    /// A named value.
    Symbol(Symbol),
    /// An index used as a number.
    Index(Index),
    /// A letter of mathematics: π, or an argument of a kernel.
    Letter(&'static str),
    /// A sum of at least two terms.
    Sum(Vec<Expr>),
    /// The opposite.
    Negated(Box<Expr>),
    /// A product of at least two factors; only the first may be a number.
    Product(Vec<Expr>),
    /// A quotient.
    Quotient(Box<Expr>, Box<Expr>),
    /// A power with an exact exponent.
    Power(Box<Expr>, Exponent),
    /// A power with a computed exponent.
    Raised(Box<Expr>, Box<Expr>),
    /// A function.
    Call(&'static str, Vec<Expr>),
    /// 1 where a relation holds, else 0.
    Relation(&'static str, Box<Expr>, Box<Expr>),
    /// The second where the first holds, else the third.
    Choice(Box<[Expr; 3]>),
    /// A sum over static indices, or their mean.
    Over { mean: bool, indices: Vec<(String, Range<usize>)>, body: Box<Expr> },
    /// An expectation over these copies, or over everything.
    Expectation { copies: Vec<usize>, body: Box<Expr> },
    /// ⟨x|y⟩.
    Inner(Box<[Expr; 2]>),
    /// The mean derivative of a value by a hat.
    Partial(Box<[Expr; 2]>),
    /// The covariance of two Gaussian kets.
    Covariance(Box<[Expr; 2]>),
    /// An entry of a list.
    Entry(Vec<Expr>, Index),
    /// All entries of an array of numbers.
    List(Vec<Expr>),
    /// The value where the index is in the range, else 0.
    Within(Index, Range<usize>, Box<Expr>),
}

/// Numbers this close to 1 are 1: they are products of a number and its reciprocal.
const ROUNDING: f64 = 1e-12;

impl Expr {
    /// A sum, flat.
    pub(super) fn sum(terms: Vec<Expr>) -> Self {
        let mut flat = Vec::new();
        for term in terms {
            match term {
                Self::Sum(inner) => flat.extend(inner),
                Self::Number(0.0) => {}
                term => flat.push(term),
            }
        }
        let numbers: Option<Vec<f64>> = flat.iter().map(Self::as_number).collect();
        match (flat.len(), numbers) {
            (_, Some(numbers)) => Self::Number(numbers.iter().sum()),
            (1, None) => flat.remove(0),
            (_, None) => Self::Sum(flat),
        }
    }

    fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// The opposite.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Negated(inner) => *inner,
            Self::Number(value) => Self::Number(-value),
            Self::Sum(terms) => Self::Sum(terms.into_iter().map(Self::negated).collect()),
            other => Self::Negated(Box::new(other)),
        }
    }

    /// A product, flat, its numbers collected in front and equal neighbours as squares.
    pub(super) fn product(factors: Vec<Expr>) -> Self {
        let (mut number, mut flat) = (1.0, Vec::<Expr>::new());
        let mut pending: Vec<Expr> = factors.into_iter().rev().collect();
        while let Some(factor) = pending.pop() {
            match factor {
                Self::Product(inner) => pending.extend(inner.into_iter().rev()),
                Self::Number(value) => number *= value,
                Self::Negated(inner) => {
                    number = -number;
                    pending.push(*inner);
                }
                factor if flat.last() == Some(&factor) => {
                    flat.pop();
                    flat.push(Self::Power(Box::new(factor), Exponent::from_integer(2)));
                }
                factor => flat.push(factor),
            }
        }
        if number == 0.0 {
            return Self::Number(0.0);
        }
        let (negative, size) = (number < 0.0, number.abs());
        if (size - 1.0).abs() > ROUNDING || flat.is_empty() {
            flat.insert(0, Self::Number(size));
        }
        let product = if flat.len() == 1 { flat.remove(0) } else { Self::Product(flat) };
        if negative { product.negated() } else { product }
    }

    /// A quotient.
    pub(super) fn quotient(self, by: Self) -> Self {
        match (self, by) {
            (Self::Number(a), Self::Number(b)) => Self::Number(a / b),
            (Self::Negated(a), b) => a.quotient(b).negated(),
            (a, Self::Number(1.0)) => a,
            (a, b) => Self::Quotient(Box::new(a), Box::new(b)),
        }
    }

    /// A power.
    pub(super) fn power(self, exponent: Exponent) -> Self {
        match self {
            base if exponent.is_one() => base,
            Self::Negated(base) if exponent.is_integer() && exponent.to_integer() % 2 == 0 => {
                base.power(exponent)
            }
            Self::Number(base) => Self::Number(crate::num::special::power(base, to_f64(exponent))),
            base => Self::Power(Box::new(base), exponent),
        }
    }

    /// A sum over static indices, or their mean; letters that the body does not read count.
    pub(super) fn over(mean: bool, mut indices: Vec<(String, Range<usize>)>, body: Self) -> Self {
        let mut used = BTreeSet::new();
        body.letters(&mut used);
        let mut count = 1;
        indices.retain(|(letter, range)| {
            let is_used = used.contains(letter);
            count *= if is_used || mean { 1 } else { range.len() };
            is_used
        });
        if count != 1 {
            let rest = Self::over(mean, indices, body);
            return Self::product(vec![Self::Number(count as f64), rest]);
        }
        match body {
            body if indices.is_empty() => body,
            Self::Negated(body) => Self::over(mean, indices, *body).negated(),
            Self::Product(mut factors) if matches!(factors[0], Self::Number(_)) => {
                let number = factors.remove(0);
                let rest = Self::over(mean, indices, Self::product(factors));
                Self::product(vec![number, rest])
            }
            body => Self::Over { mean, indices, body: Box::new(body) },
        }
    }

    /// An expectation over these copies (none: over everything); factors that do not read them stand before it.
    pub(super) fn expectation(copies: Vec<usize>, body: Self) -> Self {
        match body {
            Self::Number(value) => Self::Number(value),
            Self::Negated(inner) => Self::expectation(copies, *inner).negated(),
            Self::Product(factors)
                if copies.is_empty() && factors.iter().all(Self::is_ket) && factors.len() == 2 =>
            {
                let [x, y] = [factors[0].clone(), factors[1].clone()];
                Self::Inner(Box::new([x, y]))
            }
            Self::Power(x, exponent)
                if copies.is_empty() && x.is_ket() && exponent == Exponent::from_integer(2) =>
            {
                Self::Inner(Box::new([x.as_ref().clone(), *x]))
            }
            Self::Product(factors) => {
                let (inside, mut all): (Vec<_>, Vec<_>) =
                    factors.into_iter().partition(|factor| factor.reads(&copies));
                let inside = Self::product(inside);
                all.push(match all.is_empty() {
                    true => Self::Expectation { copies, body: Box::new(inside) },
                    false => Self::expectation(copies, inside),
                });
                Self::product(all)
            }
            Self::Expectation { body, .. } if copies.is_empty() => {
                Self::Expectation { copies, body }
            }
            body => Self::Expectation { copies, body: Box::new(body) },
        }
    }

    /// Whether it is random in one of these copies (none: in any).
    pub(super) fn reads(&self, copies: &[usize]) -> bool {
        match self {
            Self::Inner(_) | Self::Partial(_) | Self::Covariance(_) => false,
            Self::Symbol(Symbol { slots, .. }) => {
                slots.iter().any(|slot| copies.is_empty() || copies.contains(slot))
            }
            Self::Expectation { copies: own, body } => !own.is_empty() && body.reads(copies),
            other => other.parts().iter().any(|part| part.reads(copies)),
        }
    }

    /// Whether it is a ket by its name, at copy 0.
    pub(super) fn is_ket(&self) -> bool {
        matches!(self, Self::Symbol(Symbol { kind: Kind::Ket, slots, .. }) if slots == &[0])
    }

    /// ⟨x|y⟩ of two kets; of anything else the expectation of the product.
    pub(super) fn inner(x: Self, y: Self) -> Self {
        if x.is_ket() && y.is_ket() {
            return Self::Inner(Box::new([x, y]));
        }
        if x == y {
            return Self::expectation(Vec::new(), x.power(Exponent::from_integer(2)));
        }
        Self::expectation(Vec::new(), Self::product(vec![x, y]))
    }

    /// How tightly it binds: 0 sums, 1 products, 2 powers, 3 whole.
    pub(super) fn level(&self) -> u8 {
        match self {
            Self::Number(value) if *value < 0.0 => 0,
            Self::Index(index) if index.letter.is_some() && index.offset != 0 => 0,
            Self::Sum(_) | Self::Negated(_) | Self::Over { .. } | Self::Within(..) => 0,
            Self::Product(_) | Self::Quotient(..) => 1,
            Self::Power(..) | Self::Raised(..) => 2,
            Self::Symbol(symbol) if symbol.is_multiple() => 1,
            Self::Number(_)
            | Self::Symbol(_)
            | Self::Index(_)
            | Self::Letter(_)
            | Self::Call(..)
            | Self::Relation(..)
            | Self::Choice(_)
            | Self::Expectation { .. }
            | Self::Inner(_)
            | Self::Partial(_)
            | Self::Covariance(_)
            | Self::List(_)
            | Self::Entry(..) => 3,
        }
    }

    /// A sum, equal terms counted.
    pub(super) fn counted(terms: Vec<Self>) -> Self {
        let terms = match Self::sum(terms) {
            Self::Sum(terms) => terms,
            other => return other,
        };
        let mut counted: Vec<(f64, Self)> = Vec::new();
        for (number, rest) in terms.into_iter().map(Self::split) {
            match counted.iter_mut().find(|(_, own)| own.equals(&rest)) {
                Some((count, _)) if (*count + number).abs() < ROUNDING * number.abs() => {
                    *count = 0.0
                }
                Some((count, _)) => *count += number,
                None => counted.push((number, rest)),
            }
        }
        let term = |(count, rest)| Self::product(vec![Self::Number(count), rest]);
        Self::sum(counted.into_iter().map(term).collect())
    }

    /// Equal, or an inner product or covariance turned around.
    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inner(a), Self::Inner(b)) | (Self::Covariance(a), Self::Covariance(b)) => {
                a == b || a[0] == b[1] && a[1] == b[0]
            }
            (a, b) => a == b,
        }
    }

    /// A number and what it multiplies.
    pub(super) fn split(self) -> (f64, Self) {
        match self {
            Self::Number(value) => (value, Self::Number(1.0)),
            Self::Negated(body) => {
                let (number, rest) = body.split();
                (-number, rest)
            }
            Self::Product(mut factors) => match factors[0] {
                Self::Number(value) => {
                    factors.remove(0);
                    (value, Self::product(factors))
                }
                _ => (1.0, Self::Product(factors)),
            },
            other => (1.0, other),
        }
    }

    /// How many symbols, numbers and operations it has.
    pub(super) fn size(&self) -> usize {
        1 + self.parts().iter().map(|part| part.size()).sum::<usize>()
    }
}
