//! What is known of the signs of variances: some closed forms hold only where a variance is positive.
//!
//! A step of a Gaussian number has mean 1/2 unless the number is 0, and Stein's identity divides by a variance. What is known
//! to be 0 is folded; what may be 0, as the variance of a sample of zeros, becomes a condition of the line that uses it.

use super::expr::{Expr, Symbol};
use super::law::{Form, Laws};
use crate::ir::Exponent;
use std::cell::RefCell;
use std::collections::HashMap;

/// What is known of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Zero,
    Positive,
    NotNegative,
    Unknown,
}

/// What has been found, and what has been assumed.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    known: RefCell<HashMap<(bool, Symbol, Symbol), Size>>,
    assumed: RefCell<Vec<Expr>>,
}

impl Sizes {
    /// What has been assumed to be positive since this was asked last.
    pub(super) fn assumed(&self) -> Vec<Expr> {
        self.assumed.take()
    }

    /// An attempt that fails assumes nothing.
    pub(super) fn attempt<T>(&self, attempt: impl FnOnce() -> Option<T>) -> Option<T> {
        let before = self.assumed.borrow().len();
        let found = attempt();
        if found.is_none() {
            self.assumed.borrow_mut().truncate(before);
        }
        found
    }
}

impl Laws<'_> {
    /// Assumes that a variance is positive, if that is not known.
    pub(super) fn assume_positive(&self, variance: &Expr) {
        if self.size(variance) == Size::Positive {
            return;
        }
        let (_, variance) = variance.clone().split();
        let mut assumed = self.sizes.assumed.borrow_mut();
        if !assumed.contains(&variance) {
            assumed.push(variance);
        }
    }

    /// What is known of the variance of a combination of mean 0.
    pub(super) fn size_of_form(&self, form: &Form) -> Size {
        // what the variance assumes is said where it is written
        let assumed = self.sizes.assumed.take();
        let variance = if form.centred { self.sigma(form, form) } else { None };
        let size = variance.map_or(Size::Unknown, |variance| self.size(&variance));
        self.sizes.assumed.replace(assumed);
        size
    }

    /// What is known of a number.
    pub(super) fn size(&self, formula: &Expr) -> Size {
        match formula {
            Expr::Number(0.0) => Size::Zero,
            Expr::Number(value) if *value > 0.0 => Size::Positive,
            Expr::Letter("π") | Expr::Call("exp" | "κ_exp" | "κ_cos" | "κ_bell", _) => {
                Size::Positive
            }
            Expr::Call("Var", hat) => self.size_of_pair(false, &hat[0], &hat[0]),
            // E f(u)², where f(u) = 0 almost surely only if u is
            Expr::Call(_, args) if args.len() == 3 && args[0] == args[1] && args[1] == args[2] => {
                self.size(&args[0])
            }
            Expr::Product(factors) => {
                let sizes = factors.iter().map(|factor| self.size(factor));
                sizes.reduce(Size::times).unwrap_or(Size::Unknown)
            }
            Expr::Sum(terms) => {
                let sizes = terms.iter().map(|term| self.size(term));
                sizes.reduce(Size::plus).unwrap_or(Size::Unknown)
            }
            Expr::Quotient(over, under) if self.size(under) == Size::Positive => self.size(over),
            Expr::Power(base, exponent) => match self.size(base) {
                known @ (Size::Zero | Size::Positive) if *exponent > Exponent::from(0) => known,
                _ if *exponent == Exponent::from(2) => Size::NotNegative,
                _ => Size::Unknown,
            },
            Expr::Over { body, .. } => self.size(body),
            Expr::Expectation { body, .. } => self.size_of_mean(body),
            Expr::Inner(pair) => self.size_of_pair(true, &pair[0], &pair[1]),
            Expr::Covariance(pair) => self.size_of_pair(false, &pair[0], &pair[1]),
            _ => Size::Unknown,
        }
    }

    /// Of the mean of a square.
    fn size_of_mean(&self, body: &Expr) -> Size {
        let Expr::Power(base, exponent) = body else { return Size::Unknown };
        if *exponent != Exponent::from(2) {
            return Size::Unknown;
        }
        if let Expr::Call("tanh", args) = base.as_ref()
            && let Some(form) = self.form(&args[0], self.free_letters(&[body]))
            && self.size_of_form(&form) == Size::Positive
        {
            return Size::Positive;
        }
        Size::NotNegative
    }

    /// Of ⟨x|y⟩ or of a covariance, by its definition.
    fn size_of_pair(&self, inner: bool, x: &Expr, y: &Expr) -> Size {
        let (Expr::Symbol(a), Expr::Symbol(b)) = (x, y) else { return Size::Unknown };
        let key = (inner, a.clone(), b.clone());
        if let Some(known) = self.sizes.known.borrow().get(&key) {
            return *known;
        }
        let assumed = self.sizes.assumed.take();
        let letters = self.free_letters(&[x, y]);
        let value = if inner {
            let written = self.defined(&Expr::product(vec![x.clone(), y.clone()]));
            written.filter(|value| *value != Expr::inner(x.clone(), y.clone()))
        } else {
            let (u, v) = (self.form(x, letters), self.form(y, letters));
            u.zip(v).and_then(|(u, v)| self.covariance(&u.terms, &v.terms))
        };
        let size = match value.map_or(Size::Unknown, |value| self.size(&value)) {
            Size::Unknown if a == b => Size::NotNegative,
            size => size,
        };
        self.sizes.assumed.replace(assumed);
        self.sizes.known.borrow_mut().insert(key, size);
        size
    }
}

impl Size {
    fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::Zero, _) | (_, Self::Zero) => Self::Zero,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Positive, Self::Positive) => Self::Positive,
            (Self::NotNegative, _) | (_, Self::NotNegative) => Self::NotNegative,
        }
    }

    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Zero, own) | (own, Self::Zero) => own,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Positive, _) | (_, Self::Positive) => Self::Positive,
            (Self::NotNegative, Self::NotNegative) => Self::NotNegative,
        }
    }
}
