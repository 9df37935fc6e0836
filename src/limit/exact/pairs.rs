//! Means of products of all pairs of two arrays of kets, as whole matrices.
//!
//! An M × M kernel is M columns of kets and a few loops over pairs: kets of one array are read as the same sum of
//! products of linear factors and functions, each of one form; factors of independent families factorise; what is left is a
//! kernel K(Var u, Var v, Cov(u, v)) for each factor. Gram matrices of hats are such matrices again.

use super::ket::{Atom, AtomId, KetId, LeafId};
use super::leaves::{Leaf, Leaves};
use super::number::{Method, Number};
use super::tree::{Tree, TreeId};
use crate::ir::{InitId, Law, Prim};
use crate::num::gaussian::arc_cosine;
use ndarray::Array2;
use rayon::prelude::*;
use std::collections::HashMap;
use std::rc::Rc;

/// A matrix with one bound for the errors of its entries.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub(super) values: Array2<f64>,
    pub(super) error: f64,
    pub(super) method: Method,
}

/// A family of leaves that is independent of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Source {
    Initial(InitId),
    Hat(super::leaves::Family),
}

/// One factor of the same term of each ket of an array.
#[derive(Clone, Debug)]
struct Part {
    /// The function; `None` for a linear factor.
    function: Option<TreeId>,
    /// What it is a function of.
    forms: Vec<KetId>,
    atoms: Vec<AtomId>,
    sources: Vec<Source>,
}

/// The same term of each ket.
#[derive(Clone, Debug)]
struct Terms {
    factors: Vec<Number>,
    parts: Vec<Part>,
}

/// Both arc-cosine kernels of two arrays of forms.
type Angles = (Rc<Matrix>, Rc<Matrix>);

/// Matrices that were asked for.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    products: HashMap<[Vec<KetId>; 2], Option<Rc<Matrix>>>,
    covariances: HashMap<[Vec<KetId>; 2], Option<Rc<Matrix>>>,
    angles: HashMap<[Vec<KetId>; 2], Option<Angles>>,
}

/// The sources of one form and, in each, its leaves with their coefficients.
type BySource = Vec<(Source, Vec<(LeafId, Number)>)>;

impl Leaves<'_> {
    /// E aᵢ bⱼ.
    pub(super) fn pairs(&mut self, a: &[KetId], b: &[KetId]) -> Option<Rc<Matrix>> {
        let key = [a.to_vec(), b.to_vec()];
        if let Some(known) = self.pairs.products.get(&key) {
            return known.clone();
        }
        let found = self.products_of(a, b).map(Rc::new);
        self.pairs.products.insert(key, found.clone());
        found
    }

    fn products_of(&mut self, a: &[KetId], b: &[KetId]) -> Option<Matrix> {
        let (x, y) = (self.terms(a)?, self.terms(b)?);
        let mut total = None;
        for first in &x {
            for second in &y {
                if let Some(product) = self.term_product(first, second)? {
                    total = Some(match total {
                        None => product,
                        Some(total) => sum(&total, &product, 1.0),
                    });
                }
            }
        }
        Some(total.unwrap_or_else(|| zero(a.len(), b.len())))
    }

    /// Kets as sums of terms that all of them have.
    fn terms(&mut self, kets: &[KetId]) -> Option<Vec<Terms>> {
        let mut all: Vec<Terms> = Vec::new();
        for (k, id) in kets.iter().enumerate() {
            let mut own = Vec::new();
            for (monomial, number) in self.kets.get(*id).terms.clone() {
                let mut parts = Vec::new();
                for factor in monomial {
                    let one = self.part(factor.atom)?;
                    parts.extend(std::iter::repeat_n(one, factor.power as usize));
                    if factor.slot != 0 {
                        return None;
                    }
                }
                parts.sort_by(|a, b| (a.function, &a.sources).cmp(&(b.function, &b.sources)));
                own.push(Terms { factors: vec![number], parts });
            }
            let signature = |terms: &Terms| -> Vec<(Option<TreeId>, Vec<Source>)> {
                terms.parts.iter().map(|part| (part.function, part.sources.clone())).collect()
            };
            own.sort_by_key(signature);
            if k == 0 {
                all = own;
                continue;
            }
            if own.len() != all.len() {
                return None;
            }
            for (terms, own) in all.iter_mut().zip(own) {
                if signature(terms) != signature(&own) {
                    return None;
                }
                terms.factors.extend(own.factors);
                for (part, own) in terms.parts.iter_mut().zip(own.parts) {
                    part.forms.extend(own.forms);
                    part.atoms.extend(own.atoms);
                }
            }
        }
        Some(all)
    }

    fn part(&mut self, atom: AtomId) -> Option<Part> {
        let (function, form) = match self.kets.atom(atom).clone() {
            Atom::Leaf(leaf) => (None, self.kets.leaf(leaf)),
            Atom::Form(form) => (None, form),
            Atom::Function(tree, forms) => {
                let [form] = forms.as_slice() else { return None };
                let (core, scale) = self.unscaled(tree);
                (Some(core), self.kets.combine(&[(scale, *form)])?)
            }
            Atom::Delta(_) => return None,
        };
        let sources: Vec<Source> = self.by_source(form)?.into_iter().map(|(s, _)| s).collect();
        Some(Part { function, forms: vec![form], atoms: vec![atom], sources })
    }

    /// A function of c·x as a function of x, and c.
    fn unscaled(&mut self, tree: TreeId) -> (TreeId, Number) {
        let argument = self.kets.trees.argument(0);
        let mut scales = Vec::new();
        self.scales(tree, argument, &mut scales);
        match scales.as_slice() {
            [first, rest @ ..] if rest.iter().all(|other| other == first) => {
                let (value, scaled) = *first;
                let origin = self.kets.trees.origin(scaled);
                let scale =
                    Number { value, error: origin.error * value.abs(), method: origin.method };
                (self.kets.trees.with(tree, scaled, argument), scale)
            }
            _ => (tree, Number::exact(1.0)),
        }
    }

    /// What the argument is multiplied by wherever it stands, and the tree of that.
    fn scales(&self, tree: TreeId, argument: TreeId, found: &mut Vec<(f64, TreeId)>) {
        let trees = &self.kets.trees;
        match trees.get(tree) {
            Tree::Argument(_) => found.push((1.0, tree)),
            Tree::Constant(_) => {}
            Tree::Apply(Prim::Mul, args) if args[1] == argument => match trees.value(args[0]) {
                Some(scale) => found.push((scale, tree)),
                None => args.iter().for_each(|arg| self.scales(*arg, argument, found)),
            },
            Tree::Apply(_, args) => {
                args.iter().for_each(|arg| self.scales(*arg, argument, found));
            }
        }
    }

    /// A form without a constant, by families. `None` with entries that are not Gaussian.
    fn by_source(&self, form: KetId) -> Option<BySource> {
        let (leaves, constant) = self.kets.affine(form)?;
        let mut found: BySource = Vec::new();
        for (leaf, number) in leaves {
            let source = match self.get(leaf) {
                Leaf::Initial { init, .. } if self.law_of(leaf) == Law::Normal => {
                    Source::Initial(init)
                }
                Leaf::Initial { .. } => return None,
                Leaf::Hat { family, .. } => Source::Hat(family),
            };
            match found.iter_mut().find(|(own, _)| *own == source) {
                Some((_, leaves)) => leaves.push((leaf, number)),
                None => found.push((source, vec![(leaf, number)])),
            }
        }
        found.sort_by_key(|(source, _)| *source);
        (constant.value == 0.0).then_some(found)
    }

    /// The product of two terms; `Some(None)` where it vanishes.
    fn term_product(&mut self, x: &Terms, y: &Terms) -> Option<Option<Matrix>> {
        // groups of dependent parts, by side and position
        let mut groups: Vec<Vec<(bool, usize)>> = Vec::new();
        let part = |(second, k): (bool, usize)| if second { &y.parts[k] } else { &x.parts[k] };
        let all =
            (0..x.parts.len()).map(|k| (false, k)).chain((0..y.parts.len()).map(|k| (true, k)));
        for own in all {
            let depends = |other: &(bool, usize)| {
                part(*other).sources.iter().any(|source| part(own).sources.contains(source))
            };
            let (linked, mut apart): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|group| group.iter().any(depends));
            apart.push(linked.into_iter().flatten().chain([own]).collect());
            groups = apart;
        }
        let mut scales = [x.factors.clone(), y.factors.clone()];
        let mut kernels = Vec::new();
        for group in groups {
            let second = group[0].0;
            match group.as_slice() {
                [(false, a), (true, b)] => kernels.push(self.kernel(&x.parts[*a], &y.parts[*b])?),
                group if group.iter().all(|own| own.0 == second) => {
                    let parts: Vec<&Part> = group.iter().map(|own| part(*own)).collect();
                    let means = self.means_of(&parts)?;
                    if means.iter().all(|mean| mean.value == 0.0 && mean.error == 0.0) {
                        return Some(None);
                    }
                    let own = &mut scales[usize::from(second)];
                    *own = own.iter().zip(means).map(|(own, mean)| own.times(mean)).collect();
                }
                _ => return None,
            }
        }
        let mut kernels = kernels.into_iter();
        let mut total = match kernels.next() {
            Some(first) => first.as_ref().clone(),
            None => {
                Matrix { values: Array2::ones((x.factors.len(), y.factors.len())), ..zero(0, 0) }
            }
        };
        for kernel in kernels {
            total = product(&total, &kernel);
        }
        Some(Some(scaled(total, &scales)))
    }

    /// For each ket E of the product of some parts.
    fn means_of(&mut self, parts: &[&Part]) -> Option<Vec<Number>> {
        let mut mean = |k: usize| {
            let mut powers: Vec<(AtomId, u32)> = Vec::new();
            for part in parts {
                match powers.iter_mut().find(|(other, _)| *other == part.atoms[k]) {
                    Some((_, power)) => *power += 1,
                    None => powers.push((part.atoms[k], 1)),
                }
            }
            powers.sort_unstable();
            self.moment(&powers)
        };
        (0..parts[0].atoms.len()).map(&mut mean).collect()
    }

    /// E of a function of each first form and one of each second.
    fn kernel(&mut self, x: &Part, y: &Part) -> Option<Rc<Matrix>> {
        match (self.shape_of(x), self.shape_of(y)) {
            (Some(Kernel::Linear), Some(Kernel::Linear)) => self.covariances(&x.forms, &y.forms),
            (Some(first), Some(second)) if first == second => {
                let (relu, step) = self.angles(&x.forms, &y.forms)?;
                Some(if first == Kernel::Step { step } else { relu })
            }
            _ => self.by_entries(x, y).map(Rc::new),
        }
    }

    fn shape_of(&self, part: &Part) -> Option<Kernel> {
        let Some(tree) = part.function else { return Some(Kernel::Linear) };
        match self.kets.trees.get(tree) {
            Tree::Apply(Prim::Relu, args) if *self.kets.trees.get(args[0]) == Tree::Argument(0) => {
                Some(Kernel::Relu)
            }
            Tree::Apply(Prim::Step, args) if *self.kets.trees.get(args[0]) == Tree::Argument(0) => {
                Some(Kernel::Step)
            }
            _ => None,
        }
    }

    /// Entry by entry.
    fn by_entries(&mut self, x: &Part, y: &Part) -> Option<Matrix> {
        let (rows, columns) = (x.atoms.len(), y.atoms.len());
        let mut found = zero(rows, columns);
        for i in 0..rows {
            for j in 0..columns {
                let (a, b) = (x.atoms[i].min(y.atoms[j]), x.atoms[i].max(y.atoms[j]));
                let powers = if a == b { vec![(a, 2)] } else { vec![(a, 1), (b, 1)] };
                let number = self.moment(&powers)?;
                found.values[[i, j]] = number.value;
                found.error = found.error.max(number.error);
                found.method = found.method.max(number.method);
            }
        }
        Some(found)
    }

    /// Arc-cosine kernels of order 1 and 0 of all pairs of forms.
    fn angles(&mut self, a: &[KetId], b: &[KetId]) -> Option<Angles> {
        let key = [a.to_vec(), b.to_vec()];
        if let Some(known) = self.pairs.angles.get(&key) {
            return known.clone();
        }
        let found = self.angles_of(a, b).map(|(relu, step)| (Rc::new(relu), Rc::new(step)));
        self.pairs.angles.insert(key, found.clone());
        found
    }

    fn angles_of(&mut self, a: &[KetId], b: &[KetId]) -> Option<(Matrix, Matrix)> {
        let covariances = self.covariances(a, b)?;
        let variances = |leaves: &mut Self, forms: &[KetId]| -> Option<Vec<Number>> {
            forms.iter().map(|form| leaves.form_covariance(*form, *form)).collect()
        };
        let (x, y) = match a == b {
            true => {
                let own = (0..a.len()).map(|k| Number {
                    value: covariances.values[[k, k]],
                    error: covariances.error,
                    method: covariances.method,
                });
                let own: Vec<Number> = own.collect();
                (own.clone(), own)
            }
            false => (variances(self, a)?, variances(self, b)?),
        };
        let count = b.len();
        let mut first = vec![0.0; a.len() * count];
        let mut second = first.clone();
        let rows = first.par_chunks_mut(count).zip(second.par_chunks_mut(count)).enumerate();
        let between = &covariances.values;
        // the largest error of an angle by one of a covariance, 1/√(pq − c²)
        let most = rows.map(|(i, (first, second))| {
            let mut most = 0.0_f64;
            for j in if a == b { i } else { 0 }..count {
                let (p, q, c) = (x[i].value, y[j].value, between[[i, j]]);
                if a[i] == b[j] {
                    (first[j], second[j]) = (0.5 * p, if p > 0.0 { 0.5 } else { 0.0 });
                    continue;
                }
                (first[j], second[j]) = arc_cosine(p, q, c);
                most = most.max(1.0 / (p * q - c * c).max(f64::EPSILON * p * q));
            }
            most
        });
        let most = most.reduce(|| 0.0, f64::max).max(0.0).sqrt();
        let shape = (a.len(), count);
        let mut matrices =
            [first, second].map(|values| Array2::from_shape_vec(shape, values).expect("all rows"));
        if a == b {
            matrices.iter_mut().for_each(mirror);
        }
        let largest = x.iter().chain(&y).map(|number| number.value).fold(0.0, f64::max);
        let error = x.iter().chain(&y).map(|number| number.error).fold(covariances.error, f64::max);
        // no angle is off by more than this, however near two inputs are
        let angle = ((error + f64::EPSILON * largest) * most).min(1.0) + f64::EPSILON;
        let method = covariances.method.max(Method::ClosedForm);
        let [first, second] = matrices;
        Some((
            Matrix { values: first, error: error + 4.0 * f64::EPSILON * largest, method },
            Matrix { values: second, error: angle, method },
        ))
    }

    /// Cov(aᵢ, bⱼ).
    fn covariances(&mut self, a: &[KetId], b: &[KetId]) -> Option<Rc<Matrix>> {
        let key = [a.to_vec(), b.to_vec()];
        if let Some(known) = self.pairs.covariances.get(&key) {
            return known.clone();
        }
        let found = self.covariances_of(a, b).map(Rc::new);
        self.pairs.covariances.insert(key, found.clone());
        found
    }

    fn covariances_of(&mut self, a: &[KetId], b: &[KetId]) -> Option<Matrix> {
        let by_source = |leaves: &Self, forms: &[KetId]| -> Option<Vec<BySource>> {
            forms.iter().map(|form| leaves.by_source(*form)).collect()
        };
        let (x, y) = (by_source(self, a)?, by_source(self, b)?);
        let mut sources: Vec<Source> = x.iter().flatten().map(|(source, _)| *source).collect();
        sources.sort_unstable();
        sources.dedup();
        let mut total = None;
        for source in sources {
            let part = match source {
                Source::Initial(_) => initial(&of_source(&x, source), &of_source(&y, source)),
                Source::Hat(_) => self.hats(&of_source(&x, source), &of_source(&y, source))?,
            };
            total = Some(match total {
                None => part,
                Some(total) => sum(&total, &part, 1.0),
            });
        }
        Some(total.unwrap_or_else(|| zero(a.len(), b.len())))
    }

    /// Of hats of one matrix, at most one in each form.
    fn hats(&mut self, x: &[&[(LeafId, Number)]], y: &[&[(LeafId, Number)]]) -> Option<Matrix> {
        let single =
            |leaves: &Self, all: &[&[(LeafId, Number)]]| -> Option<(Vec<KetId>, Vec<Number>)> {
                let one = |own: &&[(LeafId, Number)]| match own {
                    [(leaf, factor)] => Some((leaves.input(*leaf), *factor)),
                    _ => None,
                };
                all.iter().map(one).collect()
            };
        let ((a, p), (b, q)) = (single(self, x)?, single(self, y)?);
        let gram = self.pairs(&a, &b)?;
        Some(scaled(gram.as_ref().clone(), &[p, q]))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kernel {
    Linear,
    Relu,
    Step,
}

fn of_source(all: &[BySource], source: Source) -> Vec<&[(LeafId, Number)]> {
    let one = |own: &'_ BySource| -> Option<usize> { own.iter().position(|(s, _)| *s == source) };
    all.iter().map(|own| one(own).map_or(&[][..], |k| own[k].1.as_slice())).collect()
}

/// Of independent initial entries: C Cᵀ.
fn initial(x: &[&[(LeafId, Number)]], y: &[&[(LeafId, Number)]]) -> Matrix {
    let mut leaves: Vec<LeafId> =
        x.iter().chain(y).flat_map(|own| own.iter().map(|(l, _)| *l)).collect();
    leaves.sort_unstable();
    leaves.dedup();
    let dense = |all: &[&[(LeafId, Number)]]| {
        let mut matrix = Array2::zeros((all.len(), leaves.len()));
        for (row, own) in all.iter().enumerate() {
            for (leaf, factor) in *own {
                let column = leaves.binary_search(leaf).expect("all leaves are there");
                matrix[[row, column]] = factor.value;
            }
        }
        matrix
    };
    let of = |all: &[&[(LeafId, Number)]]| {
        let numbers = || all.iter().flat_map(|own| own.iter().map(|(_, number)| number));
        let error = numbers().map(|number| number.error).fold(0.0, f64::max);
        let method = numbers().map(|number| number.method).max().unwrap_or_default();
        Matrix { values: dense(all), error, method }
    };
    matrix_product(&of(x), &of(y))
}

pub(super) fn zero(rows: usize, columns: usize) -> Matrix {
    Matrix { values: Array2::zeros((rows, columns)), error: 0.0, method: Method::Exact }
}

/// xᵢ Kᵢⱼ yⱼ.
fn scaled(mut kernel: Matrix, [x, y]: &[Vec<Number>; 2]) -> Matrix {
    let one = |numbers: &[Number]| numbers.iter().all(|x| x.value == 1.0 && x.error == 0.0);
    if one(x) && one(y) {
        return kernel;
    }
    let size = |numbers: &[Number]| numbers.iter().map(|n| n.value.abs()).fold(0.0, f64::max);
    let worst = |numbers: &[Number]| numbers.iter().map(|n| n.error).fold(0.0, f64::max);
    let whole = largest(&kernel.values);
    let carried = size(x) * worst(y) + size(y) * worst(x) + f64::EPSILON * size(x) * size(y);
    kernel.error = kernel.error * size(x) * size(y) + whole * carried;
    kernel.method = x.iter().chain(y).map(|number| number.method).fold(kernel.method, Method::max);
    for (mut row, x) in kernel.values.rows_mut().into_iter().zip(x) {
        row.iter_mut().zip(y).for_each(|(entry, y)| *entry *= x.value * y.value);
    }
    kernel
}

fn largest(values: &Array2<f64>) -> f64 {
    let mut lanes = [0.0_f64; 8];
    for row in values.rows() {
        for (k, x) in row.iter().enumerate() {
            lanes[k % 8] = if x.abs() > lanes[k % 8] { x.abs() } else { lanes[k % 8] };
        }
    }
    lanes.into_iter().fold(0.0, f64::max)
}

/// x + sign · y, entry by entry.
pub(super) fn sum(x: &Matrix, y: &Matrix, sign: f64) -> Matrix {
    let mut values = x.values.clone();
    values.zip_mut_with(&y.values, |x, y| *x += sign * y);
    let error = x.error + y.error + f64::EPSILON * largest(&values);
    Matrix { values, error, method: x.method.max(y.method) }
}

/// Entry by entry.
pub(super) fn product(x: &Matrix, y: &Matrix) -> Matrix {
    let sizes = (largest(&x.values), largest(&y.values));
    let mut values = x.values.clone();
    values.zip_mut_with(&y.values, |x, y| *x *= y);
    let error = x.error * sizes.1 + y.error * sizes.0 + f64::EPSILON * sizes.0 * sizes.1;
    Matrix { values, error, method: x.method.max(y.method) }
}

/// factor · x + sign · y.
pub(super) fn shifted(x: &Matrix, factor: f64, y: Number, sign: f64) -> Matrix {
    let values = x.values.mapv(|x| factor * x + sign * y.value);
    let error = x.error + y.error + f64::EPSILON * largest(&values);
    Matrix { values, error, method: x.method.max(y.method) }
}

/// factor · x.
pub(super) fn multiple(x: &Matrix, factor: Number) -> Matrix {
    let values = x.values.mapv(|x| factor.value * x);
    let size = largest(&x.values);
    let error =
        x.error * factor.value.abs() + (factor.error + f64::EPSILON * factor.value.abs()) * size;
    Matrix { values, error, method: x.method.max(factor.method) }
}

/// X Yᵀ.
pub(super) fn matrix_product(x: &Matrix, y: &Matrix) -> Matrix {
    let count = x.values.ncols() as f64;
    let norm = |m: &Matrix| {
        m.values.rows().into_iter().map(|row| row.dot(&row)).fold(0.0, f64::max).sqrt()
    };
    let rounding = f64::EPSILON * count.sqrt() * norm(x) * norm(y);
    let carried = count.sqrt() * (x.error * norm(y) + y.error * norm(x));
    let method = x.method.max(y.method);
    Matrix { values: x.values.dot(&y.values.t()), error: rounding + carried, method }
}

/// The upper half below.
fn mirror(values: &mut Array2<f64>) {
    for i in 0..values.nrows() {
        for j in 0..i {
            values[[i, j]] = values[[j, i]];
        }
    }
}
