//! What the errors of the numbers in a mean do to it, to first order.

use super::ket::{KetId, LeafId};
use super::leaves::Leaves;
use super::mean::{Found, Group};
use super::number::Method;
use super::tree::{Tree, TreeId, Trees};
use crate::num::gaussian::Normal;

/// A step for slopes, relative to variances.
const STEP: f64 = 1e-4;
/// A bound of the relative change of a mean by relative changes of its law, where numbers are not nearly dependent.
const SLOPE: f64 = 4.0;
/// Below this relative error, or the error of the integral itself, a bound is enough.
const SMALL: f64 = 1e-13;
/// Less of a variance given another number is no more than rounding.
const DEPENDENT: f64 = 1e-12;
/// More and rounding of covariances does not count.
const CLOSE: f64 = 1e-2;
/// What is asked of an integral where only a slope is wanted.
const ROUGH: f64 = 1e-8;
/// A step of a number inside a function, relative to the number.
const INNER_STEP: f64 = 1e-6;

/// Laws of forms with the errors of their numbers.
pub(super) struct Known {
    pub(super) law: Normal,
    /// Errors of means and covariances.
    mean_errors: Vec<f64>,
    errors: Vec<Vec<f64>>,
    pub(super) method: Method,
    /// For each other leaf its coefficients.
    pub(super) shifts: Vec<Vec<f64>>,
}

impl Known {
    /// The least share of a variance that is left given one other number.
    fn gap(&self) -> f64 {
        let mut dependence = 0.0_f64;
        for k in 0..self.law.count() {
            for j in 0..k {
                let scale = self.law.deviation(k) * self.law.deviation(j);
                if scale > 0.0 {
                    dependence = dependence.max((self.law.covariance(k, j) / scale).abs());
                }
            }
        }
        (1.0 - dependence * dependence).max(0.0)
    }

    /// The sum of all errors relative to deviations, larger where numbers are nearly dependent.
    fn relative_error(&self) -> f64 {
        let mut total = 0.0;
        for k in 0..self.law.count() {
            for j in 0..=k {
                let scale = self.law.deviation(k) * self.law.deviation(j);
                if scale > 0.0 {
                    total += self.errors[k][j] / scale;
                }
            }
            let scale = self.law.deviation(k).max(self.law.mean(k).abs());
            if self.mean_errors[k] > 0.0 {
                total += self.mean_errors[k] / scale;
            }
        }
        if total == 0.0 { 0.0 } else { total / self.gap() }
    }
}

impl Leaves<'_> {
    /// Means and covariances of the forms of a group.
    pub(super) fn law(&mut self, group: &Group) -> Option<Known> {
        let count = group.forms.len();
        if self.are_lost_to_rounding(&group.forms) {
            return None;
        }
        let mut method = Method::Exact;
        let (mut mean, mut mean_errors) = (Vec::new(), Vec::new());
        let mut covariance = vec![vec![0.0; count]; count];
        let mut errors = covariance.clone();
        for (k, form) in group.forms.iter().enumerate() {
            let (_, constant) = self.kets.affine(*form)?;
            mean.push(constant.value);
            mean_errors.push(constant.error);
            method = method.max(constant.method);
            for (j, other) in group.forms[..=k].iter().enumerate() {
                let number = self.form_covariance(*form, *other)?;
                (covariance[k][j], covariance[j][k]) = (number.value, number.value);
                (errors[k][j], errors[j][k]) = (number.error, number.error);
                method = method.max(number.method);
            }
        }
        let shift = |leaf: &LeafId| -> Vec<f64> {
            let of = |form: &KetId| {
                self.others(*form).iter().find(|(own, _)| own == leaf).map_or(0.0, |(_, c)| c.value)
            };
            group.forms.iter().map(of).collect()
        };
        let shifts = group.others.iter().map(shift).collect();
        let law = Normal::new(mean, covariance);
        let mut known = Known { law, mean_errors, errors, method, shifts };
        let gap = known.gap();
        if (DEPENDENT..CLOSE).contains(&gap) {
            // that sums are rounded counts there
            for (k, row) in known.errors.iter_mut().enumerate() {
                for (j, error) in row.iter_mut().enumerate().filter(|(j, _)| *j != k) {
                    *error = error.max(f64::EPSILON * known.law.covariance(k, j).abs());
                }
            }
        }
        Some(known)
    }

    /// What the errors of means and covariances do to first order: a bound where that is small, else by differences.
    pub(super) fn carried(&mut self, group: &Group, known: &Known, found: &Found) -> Option<f64> {
        let bound = SLOPE * known.relative_error() * found.size;
        if bound <= (SMALL * found.size).max(found.error) {
            return Some(bound);
        }
        let mut total = 0.0;
        let count = group.forms.len();
        // numbers that are nearly dependent stay so
        let gap = known.gap();
        let step_of = if gap > DEPENDENT { STEP * gap } else { STEP };
        let size = |k: usize| known.law.covariance(k, k).max(0.0);
        let mut add = |law: Normal, step: f64, error: f64| -> Option<()> {
            let moved = self.over_others(group, &law, &known.shifts, ROUGH)?;
            total += (moved.value - found.value).abs() / step * error;
            Some(())
        };
        for k in 0..count {
            if known.mean_errors[k] > 0.0 {
                let step = step_of * (size(k).sqrt() + known.law.mean(k).abs());
                add(known.law.with_mean(k, step), step, known.mean_errors[k])?;
            }
            for j in 0..=k {
                let (error, scale) = (known.errors[k][j], (size(k) * size(j)).sqrt());
                if error > 0.0 && scale > 0.0 {
                    let towards = if k == j { 1.0 } else { -known.law.covariance(k, j).signum() };
                    let law = known.law.with_covariance(k, j, step_of * scale * towards);
                    add(law, step_of * scale, error)?;
                }
            }
        }
        Some(total)
    }

    /// The same for numbers and tables inside functions: the mean size of what each changes.
    pub(super) fn carried_by_functions(
        &mut self,
        group: &Group,
        known: &Known,
        found: &Found,
    ) -> f64 {
        let mut total = 0.0;
        for (at, (tree, forms, power)) in group.functions.iter().enumerate() {
            for (part, error, size) in self.kets.trees.inexact(*tree) {
                if error.is_infinite() {
                    return f64::INFINITY;
                }
                let step = error.max(INNER_STEP * size);
                let moved = self.kets.trees.constant(step);
                let moved = self.kets.trees.add(part, moved);
                let moved = self.kets.trees.with(*tree, part, moved);
                let change = self.kets.trees.sub(moved, *tree);
                let mut changed = group.clone();
                changed.functions[at].2 -= 1;
                changed.functions.retain(|(_, _, power)| *power > 0);
                changed.functions.push((change, forms.clone(), 1));
                // the sizes that closed forms know are not those of a difference
                let closed = std::mem::take(&mut self.means.closed);
                let by = self.over_others(&changed, &known.law, &known.shifts, ROUGH);
                self.means.closed = closed;
                total += match by {
                    Some(by) => f64::from(*power) * by.size / step * error,
                    None => self.kets.trees.origin(*tree).error * found.size,
                };
            }
        }
        total
    }
}

impl Trees {
    /// Numbers and tables in a tree that have an error, each with it and with its own size.
    fn inexact(&self, id: TreeId) -> Vec<(TreeId, f64, f64)> {
        let mut found = Vec::new();
        self.add_inexact(id, &mut found);
        found
    }

    fn add_inexact(&self, id: TreeId, found: &mut Vec<(TreeId, f64, f64)>) {
        if found.iter().any(|(known, ..)| *known == id) {
            return;
        }
        match self.get(id) {
            Tree::Argument(_) => {}
            Tree::Constant(value) => {
                let (size, error) = (value.get().abs(), self.origin(id).error);
                // of 0 there is no relative error
                let error = if error.is_finite() { error * size } else { f64::INFINITY };
                if error > 0.0 {
                    found.push((id, error, size));
                }
            }
            Tree::Apply(_, args) => args.iter().for_each(|arg| self.add_inexact(*arg, found)),
            Tree::Table(table, arg) => {
                let table = self.tabulated(*table);
                found.push((id, table.error, table.size()));
                self.add_inexact(*arg, found);
            }
        }
    }
}
