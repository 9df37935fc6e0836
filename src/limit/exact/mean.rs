//! The ladder: E of a product of atoms by symmetry, by independence, in closed form, by quadrature.

use super::expand::{Atom as Part, Term};
use super::integral::{self, Feature, Integrand};
use super::ket::{Atom, AtomId, KetId, LeafId};
use super::leaves::Leaves;
use super::number::{Method, Number};
use super::tree::{Compiled, Parity, Tree, TreeId};
use crate::ir::{Law, Prim};
use crate::num::gaussian::{self, Normal, Product};
use crate::num::quadrature::{POINTS, RULE, Values, integrate};
use std::collections::HashMap;
use std::rc::Rc;

/// What is asked of an integral, relative to the integral of the absolute value.
const TOLERANCE: f64 = 1e-13;
/// A closed form with a larger relative error is tried by quadrature too.
const ACCURATE: f64 = 1e-12;
/// A less accurate integral is left to particles.
const WORST: f64 = 1e-6;
/// More products of one mean are left to quadrature.
const MOST_PRODUCTS: usize = 512;
/// Rounding errors of a closed form, in units of the sum of its terms.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
/// Panels for all integrals of a program over up to two directions, and over three.
const PANELS: [usize; 2] = [2_000_000, 400_000];
/// Initial signs in one mean.
const MOST_SIGNS: usize = 10;

/// Powers of atoms.
pub(super) type Powers = Vec<(AtomId, u32)>;

/// Means that were asked for, and what is made ready for them.
#[derive(Debug)]
pub(super) struct Means {
    known: HashMap<Powers, Option<Number>>,
    expansions: HashMap<TreeId, Option<Rc<Vec<Term>>>>,
    compiled: HashMap<TreeId, Rc<Compiled>>,
    /// Panels left for integrals over up to two directions, and over three.
    left: [usize; 2],
    /// Whether closed forms are used.
    pub(super) closed: bool,
}

impl Default for Means {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            expansions: HashMap::new(),
            compiled: HashMap::new(),
            left: PANELS,
            closed: true,
        }
    }
}

/// A product of dependent atoms.
#[derive(Clone, Default)]
pub(super) struct Group {
    pub(super) forms: Vec<KetId>,
    /// Forms as factors, once for each power.
    linear: Vec<usize>,
    pub(super) functions: Vec<(TreeId, Vec<usize>, u32)>,
    deltas: Vec<usize>,
    /// Initial entries that are not Gaussian.
    pub(super) others: Vec<LeafId>,
}

/// A mean under one law.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) value: f64,
    pub(super) error: f64,
    pub(super) size: f64,
    pub(super) method: Method,
}

impl Leaves<'_> {
    /// E of a product of atoms on one copy.
    pub(super) fn moment(&mut self, powers: &Powers) -> Option<Number> {
        self.kept(|own| &mut own.means.known, powers.clone(), |own| own.by_groups(powers))
    }

    /// Products of independent groups factorise; a group that is 0 makes all 0.
    fn by_groups(&mut self, powers: &Powers) -> Option<Number> {
        let groups = self.groups(powers)?;
        if groups.iter().any(|group| self.is_odd(group)) {
            return Some(Number { value: 0.0, error: 0.0, method: Method::Symmetry });
        }
        let mut total = Number::exact(1.0);
        for group in &groups {
            total = total.times(self.of_group(group)?);
        }
        Some(total)
    }

    fn groups(&mut self, powers: &Powers) -> Option<Vec<Group>> {
        let forms_of = |atom: &Atom, leaf: KetId| match atom {
            Atom::Leaf(_) => Some(vec![leaf]),
            Atom::Form(form) | Atom::Delta(form) => Some(vec![*form]),
            Atom::Function(_, forms) => Some(forms.clone()),
            Atom::Mixed(..) => None,
        };
        let mut groups: Vec<(Group, Powers)> = Vec::new();
        for (atom, power) in powers {
            let own = self.kets.atom(*atom).clone();
            let leaf = match own {
                Atom::Leaf(leaf) => self.kets.leaf(leaf),
                _ => KetId(0),
            };
            let forms = forms_of(&own, leaf)?;
            let mut merged = (Group { forms, ..Group::default() }, vec![(*atom, *power)]);
            let mut apart = Vec::new();
            for group in groups {
                if self.are_dependent(&group.0.forms, &merged.0.forms)? {
                    merged.0.forms.extend(&group.0.forms);
                    merged.1.extend(group.1);
                } else {
                    apart.push(group);
                }
            }
            apart.push(merged);
            groups = apart;
        }
        Some(groups.into_iter().map(|(group, powers)| self.filled(group, &powers)).collect())
    }

    fn are_dependent(&mut self, a: &[KetId], b: &[KetId]) -> Option<bool> {
        for x in a {
            for y in b {
                if x == y || self.share_others(*x, *y) || self.form_covariance(*x, *y)?.value != 0.0
                {
                    return Some(true);
                }
            }
        }
        Some(false)
    }

    fn share_others(&self, x: KetId, y: KetId) -> bool {
        let others = self.others(x);
        !others.is_empty()
            && self.others(y).iter().any(|(leaf, _)| others.iter().any(|(own, _)| own == leaf))
    }

    fn filled(&mut self, mut group: Group, powers: &Powers) -> Group {
        group.forms.sort_unstable();
        group.forms.dedup();
        let mut others = Vec::new();
        for form in &group.forms {
            others.extend(self.others(*form).into_iter().map(|(leaf, _)| leaf));
        }
        others.sort_unstable();
        others.dedup();
        group.others = others;
        let at = |group: &Group, form: KetId| {
            group.forms.binary_search(&form).expect("forms of all atoms are there")
        };
        for (atom, power) in powers {
            match self.kets.atom(*atom).clone() {
                Atom::Leaf(leaf) => {
                    let form = self.kets.leaf(leaf);
                    let k = at(&group, form);
                    group.linear.extend(std::iter::repeat_n(k, *power as usize));
                }
                Atom::Form(form) => {
                    let k = at(&group, form);
                    group.linear.extend(std::iter::repeat_n(k, *power as usize));
                }
                Atom::Delta(form) => group.deltas.push(at(&group, form)),
                Atom::Mixed(..) => unreachable!("means are over one copy"),
                Atom::Function(tree, forms) => {
                    let forms = forms.iter().map(|form| at(&group, *form)).collect();
                    group.functions.push((tree, forms, *power));
                }
            }
        }
        group
    }

    /// Whether a group changes its sign with all its symbols.
    fn is_odd(&self, group: &Group) -> bool {
        group.forms.iter().all(|form| self.kets.is_centred(*form))
            && self.parity(group) == Parity::Odd
    }

    /// What happens when all forms change their signs.
    fn parity(&self, group: &Group) -> Parity {
        let linear = Parity::Odd.to_the(group.linear.len() as u32);
        group.functions.iter().fold(linear, |all, (tree, _, power)| {
            all.times(self.kets.trees.parity(*tree, &|_| true).to_the(*power))
        })
    }

    fn of_group(&mut self, group: &Group) -> Option<Number> {
        let known = self.law(group)?;
        let found = self.over_others(group, &known.law, &known.shifts, TOLERANCE)?;
        let error = found.error
            + self.carried(group, &known, &found)?
            + self.carried_by_functions(group, &known, &found);
        let mut method = known.method.max(found.method);
        for (tree, _, _) in &group.functions {
            method = method.max(self.kets.trees.origin(*tree).method);
        }
        Some(Number { value: found.value, error, method })
    }

    /// Averages over initial entries that are not Gaussian, one after the other; given them the rest is Gaussian.
    pub(super) fn over_others(
        &mut self,
        group: &Group,
        law: &Normal,
        shifts: &[Vec<f64>],
        tolerance: f64,
    ) -> Option<Found> {
        let Some((shift, rest)) = shifts.split_first() else {
            return self.under(group, law, tolerance);
        };
        if shifts.len() > MOST_SIGNS {
            return None;
        }
        let leaf = group.others[group.others.len() - shifts.len()];
        if self.law_of(leaf) == Law::Rademacher {
            let [low, high] = [-1.0, 1.0]
                .map(|sign| self.over_others(group, &law.shifted(shift, sign), rest, tolerance));
            let (low, high) = (low?, high?);
            return Some(Found {
                value: 0.5 * (low.value + high.value),
                error: 0.5 * (low.error + high.error),
                size: 0.5 * (low.size + high.size),
                method: low.method.max(high.method),
            });
        }
        let reach = 3.0f64.sqrt();
        let mut ends = vec![-reach, 0.0, reach];
        for feature in self.features(group) {
            ends.extend(along(&feature, law, shift, rest).into_iter().filter(|x| x.abs() < reach));
        }
        ends.sort_by(f64::total_cmp);
        let (mut error, mut failed) = (0.0_f64, false);
        let mut on_panel = |points: &[f64; POINTS], values: &mut Values| {
            values.hidden = self.hidden(group, law, shift, points);
            for (k, x) in points[..RULE + 2].iter().enumerate() {
                match self.over_others(group, &law.shifted(shift, *x), rest, tolerance) {
                    Some(found) => {
                        values.of[k] = found.value / (2.0 * reach);
                        values.sizes[k] = found.size / (2.0 * reach);
                        error = error.max(found.error);
                    }
                    None => failed = true,
                }
            }
        };
        let integral = integrate(&mut on_panel, &ends, tolerance, 60);
        let fine = !failed && integral.error <= WORST * integral.size;
        fine.then_some(Found {
            value: integral.value,
            error: integral.error + error,
            size: integral.size,
            method: Method::Quadrature,
        })
    }

    /// What functions of nothing else may hide between values of one entry.
    fn hidden(&mut self, group: &Group, law: &Normal, shift: &[f64], at: &[f64; POINTS]) -> f64 {
        if !(0..law.count()).all(|k| law.is_constant(k)) {
            return 0.0;
        }
        let (mut scratch, mut hidden) = (Vec::new(), 0.0_f64);
        for (tree, forms, _) in &group.functions {
            let along = |k: usize, out: &mut [f64; POINTS]| {
                *out = at.map(|x| law.mean(forms[k]) + shift[forms[k]] * x);
            };
            hidden = hidden.max(self.compiled(*tree).many(&along, &mut scratch).1);
        }
        hidden
    }

    /// Under a Gaussian law.
    fn under(&mut self, group: &Group, law: &Normal, tolerance: f64) -> Option<Found> {
        let polynomial = group.functions.is_empty() && group.deltas.is_empty();
        let closed = if self.means.closed || polynomial { self.closed(group, law) } else { None };
        if let Some(found) = closed
            && (found.error <= ACCURATE * found.value.abs() || polynomial || tolerance > TOLERANCE)
        {
            return closed;
        }
        let integral = self.integral(group, law, tolerance);
        match (closed, integral) {
            (Some(closed), Some(integral)) if closed.error > integral.error => Some(integral),
            (Some(closed), _) => Some(closed),
            (None, integral) => integral,
        }
    }

    fn closed(&mut self, group: &Group, law: &Normal) -> Option<Found> {
        let count = group.forms.len();
        let mut powers = vec![0; count];
        group.linear.iter().for_each(|k| powers[*k] += 1);
        let factors = group.deltas.iter().map(|k| (gaussian::Shape::Delta, *k)).collect();
        let mut law = law.clone();
        let mut multiples = Vec::new();
        let mut products = vec![(1.0, Product { powers, factors })];
        for (tree, forms, power) in &group.functions {
            let expansion = self.expansion(*tree)?;
            for _ in 0..*power {
                if products.len() * expansion.len() > MOST_PRODUCTS {
                    return None;
                }
                let times = |(factor, product): &(f64, Product)| -> Vec<(f64, Product)> {
                    let one = |term: &Term| {
                        let (own, product) =
                            with_term(product, term, forms, &mut law, &mut multiples);
                        (factor * own, product)
                    };
                    expansion.iter().map(one).collect()
                };
                products = products.iter().flat_map(times).collect();
            }
        }
        let (mut value, mut size) = (0.0, 0.0);
        for (factor, product) in &products {
            let mean = gaussian::mean(product, &law)?;
            value += factor * mean.value;
            let is_exponential =
                product.factors.iter().any(|(shape, _)| *shape == gaussian::Shape::Exp);
            let exponent = if is_exponential { libm::log(factor.abs()).abs() } else { 0.0 };
            size += factor.abs() * mean.size * (1.0 + exponent);
        }
        let error = ROUNDING * size;
        let finite = f64::is_finite(value) && f64::is_finite(size);
        finite.then_some(Found { value, error, size, method: Method::ClosedForm })
    }

    fn expansion(&mut self, tree: TreeId) -> Option<Rc<Vec<Term>>> {
        let find = |own: &mut Self| own.kets.trees.expand(tree).map(Rc::new);
        self.kept(|own| &mut own.means.expansions, tree, find)
    }

    fn integral(&mut self, group: &Group, law: &Normal, tolerance: f64) -> Option<Found> {
        let mut law = law.clone();
        let mut density = 1.0;
        for delta in &group.deltas {
            density *= law.condition(*delta)?;
        }
        let mut functions = Vec::new();
        let (mut far, mut tabulated) = (false, false);
        for (tree, forms, power) in &group.functions {
            let compiled = self.compiled(*tree);
            functions.extend(std::iter::repeat_n((compiled, forms.clone()), *power as usize));
            far |= self.grows(*tree);
            tabulated |= self.kets.trees.is_tabulated(*tree);
        }
        let functions = functions.iter().map(|(f, forms)| (f.as_ref(), forms.clone())).collect();
        let (linear, features) = (group.linear.clone(), self.features(group));
        let centred = (0..law.count()).all(|k| law.mean(k) == 0.0);
        let even = centred && self.parity(group) == Parity::Even;
        let integrand = Integrand { functions, linear, features, far, tabulated, even };
        let integral = integral::mean(&integrand, &law, tolerance, &mut self.means.left)?;
        let allowed = if tolerance > WORST { tolerance } else { WORST };
        (integral.error <= allowed * integral.size).then_some(Found {
            value: density * integral.value,
            error: density * (integral.error + ROUNDING * integral.size),
            size: density * integral.size,
            method: Method::Quadrature,
        })
    }

    fn features(&mut self, group: &Group) -> Vec<Feature> {
        let mut features = Vec::new();
        for (tree, forms, _) in &group.functions {
            if let [form] = forms.as_slice() {
                let points = self.kets.trees.kinks(*tree);
                let of = |(at, reach): (f64, f64)| (vec![(*form, 1.0)], -at, reach);
                features.extend(points.into_iter().map(of));
                continue;
            }
            for (row, at, reach) in self.kets.trees.planes(*tree, forms.len()) {
                features.push((forms.iter().copied().zip(row).collect(), at, reach));
            }
        }
        features
    }

    fn compiled(&mut self, tree: TreeId) -> Rc<Compiled> {
        let trees = &self.kets.trees;
        self.means
            .compiled
            .entry(tree)
            .or_insert_with(|| Rc::new(Compiled::new(trees, tree)))
            .clone()
    }

    /// Whether a function may grow like an exponential.
    fn grows(&self, tree: TreeId) -> bool {
        match self.kets.trees.get(tree) {
            Tree::Apply(Prim::Exp | Prim::Powf, _) => true,
            Tree::Apply(_, args) => args.iter().any(|arg| self.grows(*arg)),
            Tree::Table(_, arg) => self.grows(*arg),
            Tree::Argument(_) | Tree::Constant(_) => false,
        }
    }
}

/// Ends of panels along an entry of law uniform(−√3, √3) that shifts forms, around a feature that a Gaussian rest and further such
/// entries make less sharp.
fn along(
    (parts, constant, width): &Feature,
    law: &Normal,
    shift: &[f64],
    rest: &[Vec<f64>],
) -> Vec<f64> {
    let sum = |of: &dyn Fn(usize) -> f64| parts.iter().map(|(k, c)| c * of(*k)).sum::<f64>();
    let variance = sum(&|k| sum(&|j| law.covariance(k, j)));
    let others: f64 = rest.iter().map(|own| 3.0f64.sqrt() * sum(&|k| own[k]).abs()).sum();
    let slope = sum(&|k| shift[k]);
    let width = width + integral::REACH * variance.max(0.0).sqrt() + others;
    integral::around(-(sum(&|k| law.mean(k)) + constant) / slope, width / slope.abs())
}

/// The product with a term of a function of `forms`, and its factor. Shapes of multiples of a form are numbers of their own; powers
/// are then powers of the same, because two numbers that depend on each other are so only up to rounding.
fn with_term(
    product: &Product,
    term: &Term,
    forms: &[usize],
    law: &mut Normal,
    multiples: &mut Vec<(usize, f64, f64, usize)>,
) -> (f64, Product) {
    let (mut product, mut total) = (product.clone(), term.factor);
    // for each argument a number that is a multiple of it
    let mut scaled: Vec<(usize, f64)> = forms.iter().map(|form| (*form, 1.0)).collect();
    for Part { shape, argument, factor, shift } in &term.atoms {
        let form = forms[*argument];
        let known = multiples.iter().find(|own| (own.0, own.1, own.2) == (form, *factor, *shift));
        let at = match known {
            _ if (*factor, *shift) == (1.0, 0.0) => form,
            Some((.., at)) => *at,
            None => {
                let at = law.with_multiple(form, *factor, *shift);
                multiples.push((form, *factor, *shift, at));
                at
            }
        };
        if *shift == 0.0 {
            scaled[*argument] = (at, *factor);
        }
        product.factors.push((*shape, at));
    }
    product.powers.resize(law.count(), 0);
    for (argument, power) in term.powers.iter().enumerate().filter(|(_, power)| **power > 0) {
        let (at, factor) = scaled[argument];
        product.powers[at] += power;
        total /= factor.powi(power.cast_signed());
    }
    (total, product)
}
