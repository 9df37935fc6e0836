//! Products by their definition: y = ŷ + σ² Σ_z |z⟩ E ∂|x⟩/∂hat(Wᵀz) (Def. 2.6.5 of [TP4b]).

use super::build::{Builder, Place};
use super::depends::Dependences;
use super::expr::{Expr, Index, Kind, Symbol};
use super::link::{Link, Place as Entry};
use super::slope::{Hat, Slopes};
use crate::ir::{Node, NodeId};
use std::ops::Range;

/// Longer coefficients are not written out.
const LONG: usize = 24;

/// Writes products out.
pub(super) struct Dots<'a> {
    pub(super) builder: &'a Builder<'a>,
    pub(super) dependences: &'a Dependences,
    pub(super) slopes: &'a Slopes<'a>,
}

/// The coefficient of a term of a dot-ket, and what it is.
pub(super) struct Coefficient {
    pub(super) symbol: Expr,
    /// 0 by symmetry, the mean derivative, or Stein's quotient.
    pub(super) value: Expr,
}

impl Dots<'_> {
    /// The vector that a product multiplies.
    pub(super) fn input(&self, product: NodeId) -> Option<NodeId> {
        match self.builder.ir.node(product) {
            Node::MatMul { arg, .. } => Some(*arg),
            _ => None,
        }
    }

    /// Whether a product is its hat and nothing else.
    pub(super) fn is_hat(&self, product: NodeId) -> bool {
        let mut dots = self.dependences.dots(product).iter();
        dots.all(|link| self.slopes.vanishes(product, link.product))
    }

    /// ŷ + σ² Σ_z |z⟩ E ∂|x⟩/∂hat(Wᵀz).
    pub(super) fn hat_and_dot(&self, product: NodeId, place: &Place) -> Expr {
        let hat = self.builder.hat(product, &place.at);
        let mut terms: Vec<Expr> = hat.into_iter().collect();
        for link in self.dependences.dots(product) {
            terms.extend(self.dot(product, link, place));
        }
        Expr::sum(terms)
    }

    fn dot(&self, product: NodeId, link: &Link, place: &Place) -> Option<Expr> {
        let z = self.input(link.product)?;
        let (hat, inner) = self.hat_of(link, place);
        let ket = self.builder.value(z, &Place { at: hat.at.clone(), ..inner.clone() });
        let coefficient = self.slopes.shown(product, &inner, &hat)?;
        let scale = self.builder.names.product(product)?.scale;
        let mut term = Expr::product(vec![Expr::Number(scale * scale), ket, coefficient]);
        if term == Expr::Number(0.0) {
            return Some(term);
        }
        if !link.bound.is_empty() {
            let letters = self.builder.indices(place.letters, link.bound.len());
            let letters = letters.into_iter().filter_map(|index| index.letter);
            term = Expr::over(false, letters.zip(link.bound.iter().cloned()).collect(), term);
        }
        let sizes = &self.builder.ir.shape(product).stat;
        for (axis, (guard, size)) in link.guards.iter().zip(sizes).enumerate() {
            if *guard != (0..*size) {
                term = Expr::Within(place.at[axis].clone(), guard.clone(), Box::new(term));
            }
        }
        Some(term)
    }

    /// The hat that a term of the dot-ket at `place` differentiates by, and where the term is read: at an index that only
    /// one value of it allows, that value.
    fn hat_of(&self, link: &Link, place: &Place) -> (Hat, Place) {
        let bound: Vec<Index> = self.builder.indices(place.letters, link.bound.len());
        let fixed = |(index, guard): (&Index, &Range<usize>)| match guard.len() {
            1 => Index::number(guard.start),
            _ => index.clone(),
        };
        let at: Vec<Index> = place.at.iter().zip(&link.guards).map(fixed).collect();
        let index = |entry: &Entry| match *entry {
            Entry::Axis(axis, by) => at[axis].plus(by),
            Entry::Bound(k, by) => bound[k].plus(by),
            Entry::Fixed(index) => Index::number(index),
        };
        let hat = Hat { product: link.product, at: link.at.iter().map(index).collect() };
        (hat, Place { at, letters: place.letters + bound.len(), ..place.clone() })
    }

    /// The coefficient of a term: 0 by symmetry, the derivative where it is short, Stein's identity where there is none
    /// and x depends on one hat only (on several it is a system of equations with their covariances).
    pub(super) fn coefficient(
        &self,
        product: NodeId,
        link: &Link,
        place: &Place,
    ) -> Option<Coefficient> {
        let x = self.input(product)?;
        let (hat, inner) = self.hat_of(link, place);
        if self.slopes.vanishes(product, hat.product) {
            let symbol = self.slopes.symbol(product, &inner, &hat)?;
            return Some(Coefficient { symbol, value: Expr::Number(0.0) });
        }
        let symbol = self.slopes.shown(product, &inner, &hat)?;
        if matches!(symbol, Expr::Number(_)) {
            return None;
        }
        let single = self.dependences.dots(product).len() == 1 && link.bound.is_empty();
        let value = match self.slopes.coefficient(x, &inner, &hat) {
            Some(derivative) if derivative.size() <= LONG => derivative,
            None if single => {
                let symbol = self.builder.hat(hat.product, &hat.at)?;
                let product = Expr::product(vec![symbol.clone(), self.builder.value(x, &inner)]);
                let variance = match symbol {
                    Expr::Symbol(symbol) if self.is_hat(hat.product) => {
                        let ket = Expr::Symbol(Symbol { kind: Kind::Ket, ..symbol });
                        Expr::Covariance(Box::new([ket.clone(), ket]))
                    }
                    symbol => Expr::Call("Var", vec![symbol]),
                };
                Expr::expectation(Vec::new(), product).quotient(variance)
            }
            Some(_) | None => return None,
        };
        Some(Coefficient { symbol, value })
    }
}
