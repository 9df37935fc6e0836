//! Series of means over neurons: their terms, and the fluctuation n^(−1/2) below the first (docs/theory/expansion.md).

use super::dependence::{Dependence, dependence, linear_part, without};
use super::gaussian;
use super::leading::{Analysis, Coefficient, Why};
use super::series::Found;
use crate::ir::{Exponent, Init, Law, Node, NodeId, ReduceOp};
use std::collections::HashSet;

impl Analysis<'_> {
    /// Whether a Gaussian number was met: it may be added and subtracted again.
    pub(super) fn has_gaussians(&self) -> bool {
        !self.series.numbers.is_empty()
    }

    /// Whether a fluctuation occurs in a coefficient of which nothing more is known.
    pub(super) fn is_random(&self, node: NodeId) -> bool {
        let numbers = &self.series.numbers;
        let unknown = |symbol: &NodeId| match self.out.node(*symbol) {
            Node::Init(init) => !numbers.contains_key(init),
            _ => true,
        };
        let mut symbols: HashSet<NodeId> =
            self.series.fluctuations.values().copied().filter(unknown).collect();
        symbols.extend(self.series.unknown.values());
        self.out.reachable(&[node]).iter().any(|id| symbols.contains(id))
    }

    /// A mean or sum over width axes.
    pub(super) fn mean(
        &mut self,
        id: NodeId,
        (op, arg): (ReduceOp, NodeId),
        (stat, width): (&[usize], &[usize]),
        e: Exponent,
    ) -> Found {
        let count = i64::try_from(width.len()).expect("a value has few width axes");
        let gained = if op == ReduceOp::Sum { count } else { 0 };
        let inner = e - Exponent::from_integer(gained);
        let mut top = None;
        for exponent in self.exponents(arg, inner) {
            if let Some(node) = self.coefficient(arg, exponent)? {
                top = Some((exponent, node));
                break;
            }
        }
        let Some((top, leading)) = top else { return Ok(None) };
        let fluctuation = top - Exponent::new(1, 2);
        let scalar = self.source.shape(id).width == 0;
        if inner <= fluctuation && !scalar {
            return Err(Coefficient::Unknown(Why::Mean(id)));
        }
        if inner < fluctuation {
            return match self.unknown(id, e) {
                Some(symbol) => Ok(Some(symbol)),
                None => Err(Coefficient::Unknown(Why::Mean(id))),
            };
        }
        let mut total = None;
        let x = self.coefficient(arg, inner)?;
        if let Some(x) = x.map(|x| self.without_odd_numbers(x, width))
            && (!self.mean_vanishes(x, width) || self.atoms.is_heavy(&self.out, x))
        {
            let x = self.out.reduce(op, x, stat.to_vec(), vec![]);
            total = Some(self.out.reduce(ReduceOp::Mean, x, vec![], width.to_vec()));
        }
        if inner == fluctuation {
            let x = self.out.reduce(op, leading, stat.to_vec(), vec![]);
            let mean = self.out.reduce(ReduceOp::Mean, x, vec![], width.to_vec());
            let Some(symbol) = self.fluctuation(id, (x, width), mean) else {
                return Err(Coefficient::Unknown(Why::Mean(id)));
            };
            total = Some(self.plus(total, symbol));
        }
        Ok(total)
    }

    /// A coefficient without those of its parts linear in a fluctuation whose means vanish by symmetry.
    fn without_odd_numbers(&mut self, x: NodeId, width: &[usize]) -> NodeId {
        let numbers: HashSet<NodeId> = self
            .series
            .fluctuations
            .values()
            .chain(self.series.unknown.values())
            .copied()
            .collect();
        let mut inside = self.out.reachable(&[x]);
        inside.retain(|id| numbers.contains(id));
        let mut left = x;
        for id in inside {
            let Node::Init(number) = *self.out.node(id) else { continue };
            if let Dependence::Linear | Dependence::Affine = dependence(&self.out, left, number) {
                let part = linear_part(&mut self.out, left, number);
                if self.mean_vanishes(part, width) && !self.atoms.is_heavy(&self.out, part) {
                    left = without(&mut self.out, left, number);
                }
            }
        }
        left
    }

    /// √n (avg(x) − E) for the node of avg(x).
    fn fluctuation(
        &mut self,
        id: NodeId,
        (terms, width): (NodeId, &[usize]),
        mean: NodeId,
    ) -> Option<NodeId> {
        if let Some(symbol) = self.series.fluctuations.get(&mean) {
            return Some(*symbol);
        }
        let gaussian = width.len() == 1
            && !self.is_random(terms)
            && gaussian::is_gaussian(&mut self.out, terms);
        let symbol = self.symbol(id, "√n(avg − E)")?;
        self.series.fluctuations.insert(mean, symbol);
        if let (true, Node::Init(init)) = (gaussian, self.out.node(symbol)) {
            self.series.numbers.insert(*init, terms);
        }
        Some(symbol)
    }

    /// What follows the fluctuation of a mean: a number that multiplies what may vanish by symmetry, or is refused.
    fn unknown(&mut self, id: NodeId, e: Exponent) -> Option<NodeId> {
        if let Some(symbol) = self.series.unknown.get(&(id, e)) {
            return Some(*symbol);
        }
        let symbol = self.symbol(id, "o(n^(−1/2))")?;
        self.series.unknown.insert((id, e), symbol);
        Some(symbol)
    }

    /// A new initial scalar of the shape of a node.
    fn symbol(&mut self, id: NodeId, name: &str) -> Option<NodeId> {
        let shape = self.source.shape(id).clone();
        let span = self.place(id)?;
        Some(self.out.new_init(Init {
            name: name.into(),
            shape,
            law: Law::Normal,
            stream: 0,
            span,
        }))
    }
}
