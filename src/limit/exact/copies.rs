//! Means over some of several copies of functions that read more than one of them, as in an OuterNonlin.
//!
//! E over x[b] of ψ(u[a]; x[b]) is a function of the number u[a]. It is tabulated: a Chebyshev interpolant whose values are means like all
//! others, of ψ with a constant in the place of u. Copies that are averaged are leaves of their own there, independent of each other.

use super::integral::REACH;
use super::ket::{Argument, Atom, Factor, KetId, Kets, LeafId, Monomial};
use super::leaves::{Leaf, Leaves};
use super::number::{Method, Number};
use super::tree::{Compiled, Parity, Tree, TreeId, Trees};
use crate::ir::Law;
use crate::ir::range::{Range, of_map};
use crate::num::chebyshev::Chebyshev;
use crate::num::special::normal_density;
use crate::num::tensor::for_each_index;

/// Points along each form for the mean size of a table.
const GRID: usize = 41;
/// How many deviations these points reach over.
const SIZE_REACH: f64 = 8.0;

/// Quantiles of a number at which a table is compared with its function.
const PLACES: usize = 16;
/// What is wider than this share of the range of a number is seen.
const NARROW: f64 = 0.05;

/// Values in order, and weights.
type Points = Vec<(f64, f64)>;
/// A function of forms on copies.
pub(super) type Composed = (TreeId, Vec<Argument>);

/// One function of a product.
struct Function {
    tree: TreeId,
    arguments: Vec<Argument>,
    power: u32,
    /// Its parts through which alone it reads copies that are kept, the largest first, and what these are by themselves.
    numbers: Vec<(TreeId, Composed)>,
}

impl Function {
    /// The part that is this number.
    fn part(&self, number: &Composed) -> Option<TreeId> {
        self.numbers.iter().find(|(_, own)| own == number).map(|(part, _)| *part)
    }
}

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
        self.kept(|own| &mut own.tables, key, |own| own.table_of(crossing, slots))
    }

    fn table_of(&mut self, crossing: &Crossing, slots: &[usize]) -> Option<KetId> {
        let functions: Option<Vec<Function>> =
            crossing.factors.iter().map(|factor| self.function_of(factor, slots)).collect();
        let functions = functions?;
        let (first, others) = functions.split_first()?;
        let common = |(_, own): &&(TreeId, Composed)| others.iter().all(|f| f.part(own).is_some());
        let number = first.numbers.iter().find(common)?.1.clone();
        let parts: Option<Vec<TreeId>> = functions.iter().map(|f| f.part(&number)).collect();
        let (parts, (tree, arguments)) = (parts?, number);
        let laws = self.laws(&arguments)?;
        let boxed = laws.iter().map(|(mean, deviation)| Range {
            lo: mean - REACH * deviation,
            hi: mean + REACH * deviation,
        });
        let range = self.kets.trees.range(tree, &boxed.collect::<Vec<_>>());
        if !range.is_bounded() || range.lo == range.hi {
            return None;
        }
        let points = self.points(tree, &laws);
        let mut ends = self.ends(&functions, &parts, slots, range)?;
        let parity = match range.lo == -range.hi {
            true => self.parity_of_mean(&functions, &parts, &crossing.averaged, slots)?,
            false => Parity::None,
        };
        if parity != Parity::None {
            ends.retain(|x| *x > 0.0);
            ends.insert(0, 0.0);
        }
        // 0 at all points, and not by symmetry, is only too narrow to be seen
        let mut seen = false;
        let mut places = quantiles(&points);
        if parity != Parity::None {
            places.iter_mut().for_each(|x| *x = x.abs());
        }
        let table = Chebyshev::new(&ends, &places, |at| {
            let mean = self.mean_at(&functions, &parts, &crossing.averaged, slots, at)?;
            seen |= mean.value != 0.0 || mean.method <= Method::Symmetry;
            Some((mean.value, mean.error))
        })?;
        let table = match parity {
            Parity::None => table,
            _ => table.mirrored(parity == Parity::Odd),
        };
        let size: f64 = points.iter().map(|(x, weight)| weight * table.value(*x).abs()).sum();
        if size == 0.0 {
            if !seen || table.size() > 0.0 {
                return None;
            }
            let (error, method) = (table.error, Method::Quadrature);
            return self.kets.constant(Number { value: 0.0, error, method });
        }
        let table = self.kets.trees.table((table, parity), tree, size);
        self.kets.on_copies(table, arguments)
    }

    fn function_of(&mut self, factor: &Factor, slots: &[usize]) -> Option<Function> {
        let Atom::Mixed(tree, arguments) = self.kets.atom(factor.atom).clone() else {
            return None;
        };
        let is_kept: Vec<bool> = arguments.iter().map(|(_, slot)| !slots.contains(slot)).collect();
        let mut parts = Vec::new();
        self.kets.trees.add_numbers(tree, tree, &is_kept, &mut parts);
        let mut numbers = Vec::new();
        for part in parts {
            let kept = (0..arguments.len()).filter(|k| is_kept[*k]);
            numbers.push((part, self.renumbered(part, &arguments, kept)));
        }
        Some(Function { tree, arguments, power: factor.power, numbers })
    }

    /// A tree of some arguments as one of these alone.
    fn renumbered(
        &mut self,
        tree: TreeId,
        arguments: &[Argument],
        kept: impl Iterator<Item = usize>,
    ) -> Composed {
        let zero = self.kets.trees.constant(0.0);
        let mut trees = vec![zero; arguments.len()];
        let mut own = Vec::new();
        for k in kept {
            trees[k] = self.kets.trees.argument(own.len());
            own.push(arguments[k]);
        }
        (self.kets.trees.with_arguments(tree, &trees), own)
    }

    /// The range of a number, and where in it functions change quickly, as they do for integrals over what is averaged.
    fn ends(
        &mut self,
        functions: &[Function],
        parts: &[TreeId],
        slots: &[usize],
        range: Range,
    ) -> Option<Vec<f64>> {
        let mut ends = vec![range.lo, range.hi];
        for (function, part) in functions.iter().zip(parts) {
            let count = function.arguments.len();
            let own = self.kets.trees.argument(count);
            let tree = self.kets.trees.with(function.tree, *part, own);
            let laws = self.laws(&function.arguments)?;
            for (at, reach) in self.kets.trees.kinks_along(tree, count) {
                // points of a piece are close to each other at its ends
                ends.push(at);
                if reach < NARROW * range.width() {
                    ends.extend([at - reach, at + reach]);
                }
            }
            for (row, constant, rest) in self.kets.trees.planes(tree, count + 1) {
                let (mut at, mut reach) = (constant, rest);
                for (k, (mean, deviation)) in laws.iter().enumerate() {
                    if slots.contains(&function.arguments[k].1) {
                        at += row[k] * mean;
                        reach += REACH * row[k].abs() * deviation;
                    }
                }
                let (at, reach) = (-at / row[count], reach / row[count].abs());
                if reach < NARROW * range.width() {
                    ends.extend([at - reach, at, at + reach]);
                }
            }
        }
        ends.retain(|at| (range.lo..=range.hi).contains(at));
        ends.sort_by(f64::total_cmp);
        ends.dedup();
        Some(ends)
    }

    /// How the mean behaves when the number changes its sign: all that is on some averaged copies is as likely with the other.
    fn parity_of_mean(
        &mut self,
        functions: &[Function],
        parts: &[TreeId],
        averaged: &Monomial,
        slots: &[usize],
    ) -> Option<Parity> {
        let mut factors: Vec<(TreeId, Vec<Argument>, u32)> = Vec::new();
        for (Function { tree, arguments, power, .. }, part) in functions.iter().zip(parts) {
            let own = self.kets.trees.argument(arguments.len());
            factors.push((self.kets.trees.with(*tree, *part, own), arguments.clone(), *power));
        }
        for factor in averaged {
            let (tree, arguments) = self.kets.function_of_factor(*factor)?;
            factors.push((tree, arguments, factor.power));
        }
        let of = |own: &Self, flipped: &dyn Fn(usize) -> bool| {
            factors.iter().fold(Parity::Even, |all, (tree, arguments, power)| {
                let is_flipped = |k: usize| arguments.get(k).is_none_or(|(_, slot)| flipped(*slot));
                all.times(own.kets.trees.parity(*tree, &is_flipped).to_the(*power))
            })
        };
        let mut centred = slots.to_vec();
        for (form, slot) in factors.iter().flat_map(|(_, arguments, _)| arguments) {
            if !self.kets.is_centred(*form) {
                centred.retain(|own| own != slot);
            }
        }
        let choices = (0..1_usize << centred.len()).map(|choice| {
            of(self, &|slot| {
                centred.iter().position(|own| *own == slot).is_some_and(|k| choice >> k & 1 == 1)
            })
        });
        Some(choices.into_iter().find(|parity| *parity != Parity::None).unwrap_or(Parity::None))
    }

    /// Means and deviations of forms.
    fn laws(&mut self, arguments: &[Argument]) -> Option<Vec<(f64, f64)>> {
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
        Some(laws)
    }

    /// Values of a function of forms on a grid, with weights as if these were independent.
    fn points(&self, tree: TreeId, laws: &[(f64, f64)]) -> Points {
        let compiled = Compiled::new(&self.kets.trees, tree);
        let step = 2.0 * SIZE_REACH / (GRID - 1) as f64;
        let mut points = Vec::new();
        for_each_index(&vec![GRID; laws.len()], |at| {
            let steps = at.iter().map(|k| step * *k as f64 - SIZE_REACH);
            let steps: Vec<f64> = steps.collect();
            let place = |(z, (mean, deviation)): (&f64, &(f64, f64))| mean + z * deviation;
            let arguments: Vec<f64> = steps.iter().zip(laws).map(place).collect();
            let weight = steps.iter().map(|z| step * normal_density(*z)).product();
            points.push((compiled.one(&arguments), weight));
        });
        points.sort_by(|(x, _), (y, _)| x.total_cmp(y));
        points
    }

    /// E of the product where the number has this value.
    fn mean_at(
        &mut self,
        functions: &[Function],
        parts: &[TreeId],
        averaged: &Monomial,
        slots: &[usize],
        at: f64,
    ) -> Option<Number> {
        let mut product = self.kets.constant(Number::exact(1.0))?;
        let value = self.kets.trees.constant(at);
        for (Function { tree, arguments, power, .. }, part) in functions.iter().zip(parts) {
            let tree = self.kets.trees.with(*tree, *part, value);
            let others = (0..arguments.len()).filter(|k| slots.contains(&arguments[*k].1));
            let (tree, own) = self.renumbered(tree, arguments, others);
            let function = self.with_copies(tree, &own)?;
            for _ in 0..*power {
                product = self.kets.product(product, function)?;
            }
        }
        for factor in averaged {
            let (tree, arguments) = self.kets.function_of_factor(*factor)?;
            let own = self.with_copies(tree, &arguments)?;
            for _ in 0..factor.power {
                product = self.kets.product(product, own)?;
            }
        }
        self.mean(product)
    }

    /// A function of forms on several copies as one of independent leaves.
    fn with_copies(&mut self, tree: TreeId, arguments: &[Argument]) -> Option<KetId> {
        if let Tree::Argument(k) = self.kets.trees.get(tree) {
            return self.copied(arguments[*k]);
        }
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

impl Kets {
    /// A factor without its power; `None` for δ.
    pub(super) fn function_of_factor(&mut self, factor: Factor) -> Option<Composed> {
        let slot = factor.slot;
        Some(match self.atom(factor.atom).clone() {
            Atom::Leaf(leaf) => (self.trees.argument(0), vec![(self.leaf(leaf), slot)]),
            Atom::Form(form) => (self.trees.argument(0), vec![(form, slot)]),
            Atom::Function(tree, own) => (tree, own.into_iter().map(|form| (form, slot)).collect()),
            Atom::Mixed(tree, own) => (tree, own),
            Atom::Delta(_) => return None,
        })
    }

    /// Whether a form has no constant.
    pub(super) fn is_centred(&self, form: KetId) -> bool {
        self.affine(form).is_some_and(|(_, constant)| constant.value == 0.0)
    }
}

/// Values between neighbours of which there is about an equal share of the weight.
fn quantiles(points: &Points) -> Vec<f64> {
    let all: f64 = points.iter().map(|(_, weight)| weight).sum();
    let (mut sum, mut found) = (0.0, Vec::new());
    for (x, weight) in points {
        sum += weight;
        if sum * PLACES as f64 > found.len() as f64 * all && !found.contains(x) {
            found.push(*x);
        }
    }
    found
}

impl Trees {
    /// Bounds of a tree from those of its arguments.
    fn range(&self, id: TreeId, arguments: &[Range]) -> Range {
        match self.get(id) {
            Tree::Argument(k) => arguments[*k],
            Tree::Constant(value) => Range { lo: value.get(), hi: value.get() },
            Tree::Apply(op, args) => {
                let ranges: Vec<Range> =
                    args.iter().map(|arg| self.range(*arg, arguments)).collect();
                of_map(*op, &ranges, args.len() == 2 && args[0] == args[1])
            }
            Tree::Table(table, _) => {
                let size = self.tabulated(*table).size();
                Range { lo: -size, hi: size }
            }
        }
    }

    /// Parts of a tree, below one of them, that read only some of the arguments, and through each of which alone the tree reads
    /// those; the largest first.
    fn add_numbers(&self, root: TreeId, below: TreeId, is_outer: &[bool], found: &mut Vec<TreeId>) {
        if self.reads(below, &|k| is_outer[k]) == (true, false)
            && !found.contains(&below)
            && !self.reads_beside(root, below, is_outer)
        {
            found.push(below);
        }
        match self.get(below) {
            Tree::Apply(_, args) => {
                args.iter().for_each(|arg| self.add_numbers(root, *arg, is_outer, found));
            }
            Tree::Table(_, arg) => self.add_numbers(root, *arg, is_outer, found),
            Tree::Argument(_) | Tree::Constant(_) => {}
        }
    }

    /// Whether a tree reads such arguments elsewhere than in a part.
    fn reads_beside(&self, id: TreeId, part: TreeId, is_outer: &[bool]) -> bool {
        match self.get(id) {
            _ if id == part => false,
            Tree::Argument(k) => is_outer[*k],
            Tree::Constant(_) => false,
            Tree::Table(_, arg) => self.reads_beside(*arg, part, is_outer),
            Tree::Apply(_, args) => args.iter().any(|arg| self.reads_beside(*arg, part, is_outer)),
        }
    }

    /// Whether a tree reads such arguments, and others.
    pub(super) fn reads(&self, id: TreeId, is_outer: &dyn Fn(usize) -> bool) -> (bool, bool) {
        match self.get(id) {
            Tree::Argument(k) => (is_outer(*k), !is_outer(*k)),
            Tree::Constant(_) => (false, false),
            Tree::Table(_, arg) => self.reads(*arg, is_outer),
            Tree::Apply(_, args) => {
                let either = |(a, b): (bool, bool), (c, d): (bool, bool)| (a || c, b || d);
                args.iter().map(|arg| self.reads(*arg, is_outer)).fold((false, false), either)
            }
        }
    }
}
