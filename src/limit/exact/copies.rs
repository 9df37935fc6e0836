//! Means over some of several copies of functions that read more than one of them, as in an OuterNonlin.
//!
//! E over x[b] of ψ(u[a]; x[b]) is a function of the number u[a]. It is tabulated: a Chebyshev interpolant whose values are means like all
//! others, of ψ with a constant in the place of u. Copies that are averaged are leaves of their own there, independent of each other.

use super::ket::{Argument, Atom, Factor, KetId, LeafId, Monomial};
use super::leaves::{Leaf, Leaves};
use super::number::{Method, Number};
use super::tree::{Compiled, Tree, TreeId, Trees};
use crate::ir::{Law, Prim};
use crate::num::chebyshev::Chebyshev;
use crate::num::special::normal_density;

/// How many deviations of a form a table reaches over.
const REACH: f64 = 10.0;
/// Points along each form on which the range of a number is looked for.
const GRID: usize = 41;

/// Values and weights.
type Points = Vec<(f64, f64)>;

/// A product that reads copies that are averaged and others.
pub(super) struct Crossing {
    /// Functions of both.
    factors: Vec<Factor>,
    /// Factors of averaged copies that these functions read.
    averaged: Monomial,
}

impl Leaves<'_> {
    /// Factors by the copies that they read: those that are averaged and stand alone, those that are kept, and those that are
    /// averaged together with functions of both.
    pub(super) fn split(
        &self,
        monomial: &Monomial,
        slots: &[usize],
    ) -> (Monomial, Monomial, Option<Crossing>) {
        let averaged = |factor: &Factor| {
            let own = self.kets.slots(factor);
            (
                own.iter().any(|slot| slots.contains(slot)),
                own.iter().all(|slot| slots.contains(slot)),
            )
        };
        let (mut alone, mut kept, mut crossing) = (Monomial::new(), Monomial::new(), Vec::new());
        for factor in monomial {
            match averaged(factor) {
                (_, true) => alone.push(*factor),
                (true, false) => crossing.push(*factor),
                (false, _) => kept.push(*factor),
            }
        }
        if crossing.is_empty() {
            return (alone, kept, None);
        }
        let of = |factor: &Factor| -> Vec<usize> {
            self.kets.slots(factor).into_iter().filter(|slot| slots.contains(slot)).collect()
        };
        let mut touched: Vec<usize> = crossing.iter().flat_map(of).collect();
        let mut together = Monomial::new();
        // a function of two averaged copies carries the touch from one to the other
        while let Some(at) =
            alone.iter().position(|factor| of(factor).iter().any(|slot| touched.contains(slot)))
        {
            let factor = alone.remove(at);
            touched.extend(of(&factor));
            together.push(factor);
        }
        (alone, kept, Some(Crossing { factors: crossing, averaged: together }))
    }

    /// E over some copies of such a product, as a function of the one number of other copies that it reads; `None` for several
    /// numbers.
    pub(super) fn tabulated(&mut self, crossing: &Crossing, slots: &[usize]) -> Option<KetId> {
        let key = (crossing.factors.clone(), crossing.averaged.clone(), slots.to_vec());
        if let Some(known) = self.tables.get(&key) {
            return *known;
        }
        let found = self.table_of(crossing, slots);
        self.tables.insert(key, found);
        found
    }

    fn table_of(&mut self, crossing: &Crossing, slots: &[usize]) -> Option<KetId> {
        let mut number: Option<(TreeId, Vec<Argument>)> = None;
        let mut functions = Vec::new();
        for factor in &crossing.factors {
            let Atom::Mixed(tree, arguments) = self.kets.atom(factor.atom).clone() else {
                return None;
            };
            let is_kept: Vec<bool> =
                arguments.iter().map(|(_, slot)| !slots.contains(slot)).collect();
            let mut parts = Vec::new();
            self.kets.trees.outer_parts(tree, &is_kept, &mut parts);
            let [part] = parts.as_slice() else { return None };
            let kept = (0..arguments.len()).filter(|k| is_kept[*k]);
            let own = self.renumbered(*part, &arguments, kept);
            if number.as_ref().is_some_and(|number| *number != own) {
                return None;
            }
            number = Some(own);
            functions.push((tree, *part, arguments, factor.power));
        }
        let (tree, arguments) = number?;
        let (range, points) = self.range(tree, &arguments)?;
        let table = Chebyshev::new(range, |at| {
            let mean = self.mean_at(&functions, &crossing.averaged, slots, at)?;
            Some((mean.value, mean.error))
        })?;
        let size: f64 = points.iter().map(|(x, weight)| weight * table.value(*x).abs()).sum();
        if size == 0.0 {
            let (error, method) = (table.error, Method::Quadrature);
            return self.kets.constant(Number { value: 0.0, error, method });
        }
        let table = self.kets.trees.table(table, tree, size);
        self.kets.on_copies(table, arguments)
    }

    /// A tree of some arguments as one of these alone.
    fn renumbered(
        &mut self,
        tree: TreeId,
        arguments: &[Argument],
        kept: impl Iterator<Item = usize>,
    ) -> (TreeId, Vec<Argument>) {
        let zero = self.kets.trees.constant(0.0);
        let mut trees = vec![zero; arguments.len()];
        let mut own = Vec::new();
        for k in kept {
            trees[k] = self.kets.trees.argument(own.len());
            own.push(arguments[k]);
        }
        (self.kets.trees.with_arguments(tree, &trees), own)
    }

    /// The values that a number takes, and points with weights as its law has them.
    fn range(&mut self, tree: TreeId, arguments: &[Argument]) -> Option<([f64; 2], Points)> {
        let mut laws = Vec::new();
        for (form, _) in arguments {
            let (leaves, constant) = self.kets.affine(*form)?;
            let mut variance = self.form_covariance(*form, *form)?.value;
            for (leaf, factor) in leaves {
                if self.law_of(leaf) != Law::Normal {
                    variance += factor.value * factor.value;
                }
            }
            laws.push((constant.value, variance.max(0.0).sqrt()));
        }
        let compiled = Compiled::new(&self.kets.trees, tree);
        let mut points = Vec::new();
        let mut at = vec![0; laws.len()];
        loop {
            let steps = at.iter().map(|k| REACH * (2.0 * *k as f64 / (GRID - 1) as f64 - 1.0));
            let steps: Vec<f64> = steps.collect();
            let place = |(z, (mean, deviation)): (&f64, &(f64, f64))| mean + z * deviation;
            let arguments: Vec<f64> = steps.iter().zip(&laws).map(place).collect();
            let step = 2.0 * REACH / (GRID - 1) as f64;
            let weight = steps.iter().map(|z| step * normal_density(*z)).product();
            points.push((compiled.one(&arguments), weight));
            let Some(axis) = at.iter().rposition(|k| k + 1 < GRID) else { break };
            at[axis] += 1;
            at[axis + 1..].fill(0);
        }
        let low = points.iter().map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
        let high = points.iter().map(|(x, _)| *x).fold(f64::NEG_INFINITY, f64::max);
        (low < high && (high - low).is_finite()).then_some(([low, high], points))
    }

    /// E of the product where the number has this value.
    fn mean_at(
        &mut self,
        functions: &[(TreeId, TreeId, Vec<Argument>, u32)],
        averaged: &Monomial,
        slots: &[usize],
        at: f64,
    ) -> Option<Number> {
        let mut product = self.kets.constant(Number::exact(1.0))?;
        let value = self.kets.trees.constant(at);
        for (tree, part, arguments, power) in functions {
            let tree = self.kets.trees.with(*tree, *part, value);
            let others = (0..arguments.len()).filter(|k| slots.contains(&arguments[*k].1));
            let (tree, own) = self.renumbered(tree, arguments, others);
            let function = self.with_copies(tree, &own)?;
            for _ in 0..*power {
                product = self.kets.product(product, function)?;
            }
        }
        for factor in averaged {
            let own = match self.kets.atom(factor.atom).clone() {
                Atom::Leaf(leaf) => {
                    let form = self.kets.leaf(leaf);
                    self.copied((form, factor.slot))?
                }
                Atom::Form(form) => self.copied((form, factor.slot))?,
                Atom::Function(tree, forms) => {
                    let own: Vec<Argument> =
                        forms.into_iter().map(|form| (form, factor.slot)).collect();
                    self.with_copies(tree, &own)?
                }
                Atom::Mixed(tree, own) => self.with_copies(tree, &own)?,
                Atom::Delta(_) => return None,
            };
            for _ in 0..factor.power {
                product = self.kets.product(product, own)?;
            }
        }
        self.mean(product)
    }

    /// A function of forms on several copies as one of independent leaves.
    fn with_copies(&mut self, tree: TreeId, arguments: &[Argument]) -> Option<KetId> {
        let forms: Option<Vec<KetId>> = arguments.iter().map(|own| self.copied(*own)).collect();
        self.kets.function(tree, &forms?, 0)
    }

    /// A form of the leaves of a copy.
    fn copied(&mut self, (form, slot): Argument) -> Option<KetId> {
        let (leaves, constant) = self.kets.affine(form)?;
        let mut parts = Vec::new();
        for (leaf, factor) in leaves {
            let copy = self.copy(leaf, slot);
            parts.push((factor, self.kets.leaf(copy)));
        }
        parts.push((constant, self.kets.constant(Number::exact(1.0))?));
        self.kets.combine(&parts)
    }

    fn copy(&mut self, leaf: LeafId, slot: usize) -> LeafId {
        self.id(Leaf::Copy { leaf, slot })
    }
}

impl Trees {
    /// The largest parts of a tree that read only some of the arguments, each once.
    fn outer_parts(&self, id: TreeId, is_outer: &[bool], found: &mut Vec<TreeId>) {
        match self.reads(id, is_outer) {
            (true, false) if !found.contains(&id) => found.push(id),
            (true, true) => match self.get(id) {
                Tree::Apply(Prim::Mul, args) if self.value(args[0]).is_some() => {
                    self.outer_parts(args[1], is_outer, found);
                }
                Tree::Apply(_, args) => {
                    args.iter().for_each(|arg| self.outer_parts(*arg, is_outer, found));
                }
                Tree::Table(_, arg) => self.outer_parts(*arg, is_outer, found),
                Tree::Argument(_) | Tree::Constant(_) => {}
            },
            _ => {}
        }
    }

    /// Whether a tree reads such arguments, and others.
    fn reads(&self, id: TreeId, is_outer: &[bool]) -> (bool, bool) {
        match self.get(id) {
            Tree::Argument(k) => (is_outer[*k], !is_outer[*k]),
            Tree::Constant(_) => (false, false),
            Tree::Table(_, arg) => self.reads(*arg, is_outer),
            Tree::Apply(_, args) => {
                let either = |(a, b): (bool, bool), (c, d): (bool, bool)| (a || c, b || d);
                args.iter().map(|arg| self.reads(*arg, is_outer)).fold((false, false), either)
            }
        }
    }
}
