//! Initial entries and hats, their covariances, and means of kets.
//!
//! Hats of one matrix have the covariances ⟨x|y⟩ of what it was applied to (Def. 2.6.5 of [TP4b]); they are computed when a
//! mean asks for them.

use super::ket::{Factor, KetId, Kets, LeafId, Monomial};
use super::mean::{Means, Powers};
use super::number::{Method, Number};
use super::pairs::Pairs;
use crate::codegen::MatrixRef;
use crate::ir::{InitId, Ir, Law, NodeId, Prim};
use indexmap::{IndexMap, IndexSet};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// A share of a variance that is left given another number: more is right to six digits in spite of rounding.
const VISIBLE: f64 = 1e-9;
/// A share that is no more than rounding.
const DEPENDENT: f64 = 1e-12;
/// Less is rounding of coefficients.
const LEAST: f64 = 1e-30;

/// What a leaf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Leaf {
    /// An entry of an initial vector.
    Initial { init: InitId, entry: usize },
    /// The hat of an entry of a product.
    Hat { product: NodeId, entry: usize, family: Family },
    /// An independent copy of a leaf.
    Copy { leaf: LeafId, slot: usize },
}

/// A matrix, and whether its transpose acts.
pub(super) type Family = (MatrixRef, bool);

/// The symbols of a program and everything made of them.
#[derive(Debug)]
pub(super) struct Leaves<'a> {
    pub(super) ir: &'a Ir,
    pub(super) kets: Kets,
    pub(super) means: Means,
    pub(super) pairs: Pairs,
    leaves: IndexSet<Leaf>,
    /// What the matrix of each hat was applied to.
    inputs: HashMap<LeafId, KetId>,
    /// Means over some copies of functions that read others too.
    pub(super) tables: HashMap<(Vec<Factor>, Monomial, Vec<usize>), Option<KetId>>,
    grams: HashMap<(KetId, KetId), Option<Number>>,
    covariances: HashMap<(KetId, KetId), Option<Number>>,
}

impl<'a> Leaves<'a> {
    pub(super) fn new(ir: &'a Ir) -> Self {
        let mut kets = Kets::default();
        // the empty ket is the first
        let _ = kets.constant(Number::default());
        Self {
            ir,
            kets,
            means: Means::default(),
            pairs: Pairs::default(),
            leaves: IndexSet::new(),
            inputs: HashMap::new(),
            tables: HashMap::new(),
            grams: HashMap::new(),
            covariances: HashMap::new(),
        }
    }

    pub(super) fn id(&mut self, leaf: Leaf) -> LeafId {
        LeafId(u32::try_from(self.leaves.insert_full(leaf).0).expect("memory ends before"))
    }

    pub(super) fn get(&self, id: LeafId) -> Leaf {
        self.leaves[id.0 as usize]
    }

    /// What the matrix of a hat was applied to.
    pub(super) fn input(&self, hat: LeafId) -> KetId {
        self.inputs[&hat]
    }

    /// An entry of an initial vector.
    pub(super) fn initial(&mut self, init: InitId, entry: usize) -> KetId {
        let leaf = self.id(Leaf::Initial { init, entry });
        self.kets.leaf(leaf)
    }

    /// W x = hat + Σ |z⟩ E ∂|x⟩/∂hat(Wᵀz).
    pub(super) fn product(
        &mut self,
        product: NodeId,
        entry: usize,
        family: Family,
        x: KetId,
    ) -> Option<KetId> {
        let one = Number::exact(1.0);
        let leaf = self.id(Leaf::Hat { product, entry, family });
        self.inputs.insert(leaf, x);
        let mut parts = vec![(one, self.kets.leaf(leaf))];
        if self.kets.get(x).terms.is_empty() {
            return Some(x);
        }
        let is_dual = |own: &Self, other: &LeafId| match own.get(*other) {
            Leaf::Hat { family: (matrix, transpose), .. } => (matrix, !transpose) == family,
            _ => false,
        };
        let mut hats = self.kets.leaves(x);
        hats.retain(|other| is_dual(self, other));
        let coefficients = match self.by_slopes(x, &hats) {
            Some(coefficients) => coefficients,
            None => self.by_covariances(x, &hats)?,
        };
        for (hat, coefficient) in hats.iter().zip(coefficients) {
            if !coefficient.is_negligible() {
                parts.push((coefficient, self.inputs[hat]));
            }
        }
        self.kets.combine(&parts)
    }

    /// E ∂|x⟩/∂hat for each; `None` where slopes are not followed.
    fn by_slopes(&mut self, x: KetId, hats: &[LeafId]) -> Option<Vec<Number>> {
        let mut found = Vec::new();
        for hat in hats {
            let slope = self.kets.derivative(x, *hat)?;
            found.push(self.mean(slope)?);
        }
        Some(found)
    }

    /// The same by Stein's lemma: E hatᵢ|x⟩ = Σ Cov(hatᵢ, hatⱼ) E ∂|x⟩/∂hatⱼ. What depends on others has no coefficient of its own.
    fn by_covariances(&mut self, x: KetId, hats: &[LeafId]) -> Option<Vec<Number>> {
        let mut rows = Vec::new();
        for hat in hats {
            let mut row = Vec::new();
            for other in hats {
                row.push(self.leaf_covariance(*hat, *other)?.unwrap_or_default());
            }
            let ket = self.kets.leaf(*hat);
            let product = self.kets.product(ket, x)?;
            row.push(self.mean(product)?);
            rows.push(row);
        }
        Some(solved(rows))
    }

    /// The law of an initial entry; a hat is Gaussian.
    pub(super) fn law_of(&self, leaf: LeafId) -> Law {
        match self.get(leaf) {
            Leaf::Initial { init, .. } => self.ir.init(init).law,
            Leaf::Hat { .. } => Law::Normal,
            Leaf::Copy { leaf, .. } => self.law_of(leaf),
        }
    }

    /// Leaves of a form that are not Gaussian, with their coefficients.
    pub(super) fn others(&self, form: KetId) -> Vec<(LeafId, Number)> {
        let (mut leaves, _) = self.kets.affine(form).unwrap_or_default();
        leaves.retain(|(leaf, _)| self.law_of(*leaf) != Law::Normal);
        leaves
    }

    /// The covariance of the Gaussian parts of two forms.
    pub(super) fn form_covariance(&mut self, x: KetId, y: KetId) -> Option<Number> {
        let key = (x.min(y), x.max(y));
        self.kept(|own| &mut own.covariances, key, |own| own.covariance_of(x, y))
    }

    /// Whether combinations of initial entries are so nearly dependent that their covariances do not show by how much.
    pub(super) fn are_lost_to_rounding(&self, forms: &[KetId]) -> bool {
        let entries = |form: &KetId| {
            let (leaves, _) = self.kets.affine(*form)?;
            let is_initial = |leaf: &LeafId| matches!(self.get(*leaf), Leaf::Initial { .. });
            leaves.iter().all(|(leaf, _)| is_initial(leaf)).then_some(leaves)
        };
        let combinations: Vec<_> = forms.iter().filter_map(entries).collect();
        let mut columns = IndexMap::new();
        for (leaf, _) in combinations.iter().flatten() {
            let next = columns.len();
            columns.entry(*leaf).or_insert(next);
        }
        let mut rows = vec![vec![0.0; columns.len()]; combinations.len()];
        for (row, leaves) in rows.iter_mut().zip(&combinations) {
            leaves.iter().for_each(|(leaf, c)| row[columns[leaf]] += c.value);
        }
        rows.retain(|row| row.iter().any(|c| *c != 0.0));
        differ_by_rounding(rows)
    }

    fn covariance_of(&mut self, x: KetId, y: KetId) -> Option<Number> {
        let ((x, _), (y, _)) = (self.kets.affine(x)?, self.kets.affine(y)?);
        let mut total = Number::default();
        for (p, a) in &x {
            for (q, b) in &y {
                let Some(covariance) = self.leaf_covariance(*p, *q)? else { continue };
                total = total.plus(a.times(*b).times(covariance));
            }
        }
        Some(if total.may_be_zero() && total.method <= Method::Symmetry {
            Number { value: 0.0, ..total }
        } else {
            total
        })
    }

    /// `Some(None)` for independent leaves.
    fn leaf_covariance(&mut self, p: LeafId, q: LeafId) -> Option<Option<Number>> {
        match (self.get(p), self.get(q)) {
            (Leaf::Hat { family, .. }, Leaf::Hat { family: other, .. }) if family == other => {
                let (x, y) = (self.inputs[&p], self.inputs[&q]);
                Some(Some(self.inner(x, y)?))
            }
            (Leaf::Copy { leaf, slot }, Leaf::Copy { leaf: other, slot: own }) if slot == own => {
                self.leaf_covariance(leaf, other)
            }
            (Leaf::Initial { init, .. }, _) if p == q => {
                let gaussian = self.ir.init(init).law == Law::Normal;
                Some(gaussian.then(|| Number::exact(1.0)))
            }
            _ => Some(None),
        }
    }

    /// ⟨x|y⟩.
    pub(super) fn inner(&mut self, x: KetId, y: KetId) -> Option<Number> {
        let key = (x.min(y), x.max(y));
        self.kept(
            |own| &mut own.grams,
            key,
            |own| {
                let product = own.kets.product(x, y)?;
                own.mean(product)
            },
        )
    }

    /// What one of the tables has, or else what is found, which is then kept there.
    pub(super) fn kept<K: Clone + Eq + Hash, V: Clone, S: BuildHasher>(
        &mut self,
        table: impl Fn(&mut Self) -> &mut HashMap<K, V, S>,
        key: K,
        find: impl FnOnce(&mut Self) -> V,
    ) -> V {
        if let Some(known) = table(self).get(&key) {
            return known.clone();
        }
        let found = find(self);
        table(self).insert(key, found.clone());
        found
    }

    /// E over all copies.
    pub(super) fn mean(&mut self, id: KetId) -> Option<Number> {
        let mut total = Number::default();
        for (monomial, number) in self.kets.get(id).terms.clone() {
            total = total.plus(number.times(self.of_monomial(&monomial)?));
        }
        Some(total)
    }

    fn of_monomial(&mut self, monomial: &Monomial) -> Option<Number> {
        let slots = monomial.iter().flat_map(|factor| self.kets.slots(factor));
        if let Some(last) = slots.max()
            && monomial.iter().any(|factor| self.kets.slots(factor).len() > 1)
        {
            let ket = self.kets.collect([(monomial.clone(), Number::exact(1.0))])?;
            let rest = self.mean_over(ket, &[last])?;
            return self.mean(rest);
        }
        let mut total = Number::exact(1.0);
        for (_, powers) in by_slot(monomial) {
            total = total.times(self.moment(&powers)?);
        }
        Some(total)
    }

    /// E over some copies; those that are left are renumbered in order.
    pub(super) fn mean_over(&mut self, id: KetId, slots: &[usize]) -> Option<KetId> {
        let mut factors = self.kets.get(id).terms.iter().flat_map(|(monomial, _)| monomial);
        let mixed = factors.any(|factor| self.kets.slots(factor).len() > 1);
        if mixed && slots.len() > 1 {
            // one after the other each mean may be a function of one number, as in a chain f(a, b) g(b, c)
            let mut order = slots.to_vec();
            order.sort_unstable_by(|a, b| b.cmp(a));
            let by_one = order.iter().try_fold(id, |ket, slot| self.mean_over(ket, &[*slot]));
            if by_one.is_some() {
                return by_one;
            }
        }
        let mut parts = Vec::new();
        let one = Number::exact(1.0);
        for (monomial, number) in self.kets.get(id).terms.clone() {
            let (averaged, kept, crossing) = self.split(&monomial, slots);
            let factor = number.times(self.of_monomial(&averaged)?);
            if factor.value == 0.0 && factor.error == 0.0 {
                continue;
            }
            let mut ket = self.kets.collect([(kept, one)])?;
            if let Some(crossing) = crossing {
                let table = self.tabulated(&crossing, slots)?;
                ket = self.kets.product(ket, table)?;
            }
            let below = |slot: usize| slots.iter().filter(|own| **own < slot).count();
            let factors = self.kets.get(ket).terms.iter().flat_map(|(monomial, _)| monomial);
            let last = factors.flat_map(|factor| self.kets.slots(factor)).max().unwrap_or(0);
            let places: Vec<usize> = (0..=last).map(|slot| slot - below(slot)).collect();
            parts.push((factor, self.kets.with_slots(ket, &places)?));
        }
        self.kets.combine(&parts)
    }
}

/// The atoms of each copy.
fn by_slot(monomial: &Monomial) -> Vec<(usize, Powers)> {
    let mut slots: Vec<(usize, Powers)> = Vec::new();
    for factor in monomial {
        match slots.last_mut() {
            Some((slot, powers)) if *slot == factor.slot => {
                powers.push((factor.atom, factor.power))
            }
            _ => slots.push((factor.slot, vec![(factor.atom, factor.power)])),
        }
    }
    slots
}

/// Whether what is left of one row given others is another number by its covariances than by the rows themselves.
fn differ_by_rounding(mut rows: Vec<Vec<f64>>) -> bool {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let mut seen: Vec<Vec<f64>> =
        rows.iter().map(|a| rows.iter().map(|b| product(a, b)).collect()).collect();
    let whole: Vec<f64> = (0..rows.len()).map(|k| seen[k][k]).collect();
    for _ in 0..rows.len() {
        let share = |k: usize| product(&rows[k], &rows[k]) / whole[k];
        let is_wrong = |k: usize| {
            let rest = share(k);
            let rounded = (rest - seen[k][k] / whole[k]).abs() > 1e-6 * rest;
            rest > LEAST && rest < VISIBLE && rounded
        };
        if (0..rows.len()).any(is_wrong) {
            return true;
        }
        let largest = (0..rows.len()).max_by(|a, b| share(*a).total_cmp(&share(*b)));
        let Some(pivot) = largest.filter(|k| share(*k) > LEAST) else { break };
        // the rows by Gram and Schmidt, the covariances by Schur complements
        let (own, column) = (rows[pivot].clone(), seen[pivot].clone());
        for (k, row) in rows.iter_mut().enumerate() {
            let along = product(row, &own) / product(&own, &own);
            row.iter_mut().zip(&own).for_each(|(x, y)| *x -= along * y);
            let along = seen[k][pivot] / column[pivot];
            seen[k].iter_mut().zip(&column).for_each(|(x, y)| *x -= along * y);
        }
    }
    false
}

/// The solution of a symmetric system, right sides last; 0 for unknowns that others determine.
fn solved(mut rows: Vec<Vec<Number>>) -> Vec<Number> {
    let count = rows.len();
    let whole: Vec<f64> = (0..count).map(|k| rows[k][k].value).collect();
    let minus =
        |a: Number, factor: Number, b: Number| a.plus(factor.times(b).times(Number::exact(-1.0)));
    let (mut left, mut order): (Vec<usize>, Vec<usize>) = ((0..count).collect(), Vec::new());
    loop {
        let share = |k: usize| rows[k][k].value / whole[k];
        let largest = left.iter().copied().max_by(|a, b| share(*a).total_cmp(&share(*b)));
        let Some(pivot) = largest.filter(|k| share(*k) > DEPENDENT) else { break };
        left.retain(|k| *k != pivot);
        order.push(pivot);
        for k in &left {
            let factor = Number::map(Prim::Div, &[rows[*k][pivot], rows[pivot][pivot]]);
            for column in left.iter().copied().chain([count]) {
                rows[*k][column] = minus(rows[*k][column], factor, rows[pivot][column]);
            }
        }
    }
    let mut solution = vec![Number::default(); count];
    for (at, pivot) in order.iter().enumerate().rev() {
        let known = order[at + 1..].iter();
        let right =
            known.fold(rows[*pivot][count], |sum, k| minus(sum, rows[*pivot][*k], solution[*k]));
        solution[*pivot] = Number::map(Prim::Div, &[right, rows[*pivot][*pivot]]);
    }
    solution
}
