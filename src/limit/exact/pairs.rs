//! Means of products of all pairs of two arrays of kets, as whole matrices.
//!
//! An M × M kernel is M columns of kets and a few loops over pairs: kets of one array are read as the same sum of
//! products of linear factors and functions, each of one form; factors of independent families factorise; what is left is a
//! kernel K(Var u, Var v, Cov(u, v)) for each factor. Gram matrices of hats are such matrices again.

use super::ket::{Atom, AtomId, KetId, LeafId};
use super::leaves::{Leaf, Leaves};
use super::matrix::{Evaluated, Matrices, MatrixId, Rows};
use super::number::{Method, Number};
use super::tree::{Tree, TreeId};
use crate::ir::{InitId, Law, Prim};
use ndarray::Array2;
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::rc::Rc;

/// A family of leaves that is independent of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Source {
    Initial(InitId),
    Hat(super::leaves::Family),
}

/// A factor that can stand in a product of pairs.
#[derive(Debug)]
struct Single {
    /// The function; `None` for a linear factor.
    function: Option<TreeId>,
    /// What it is a function of.
    form: KetId,
    sources: Vec<Source>,
}

impl Single {
    /// What is the same for each ket of an array.
    fn key(&self) -> (Option<TreeId>, &[Source]) {
        (self.function, &self.sources)
    }
}

/// One factor of the same term of each ket of an array.
#[derive(Clone, Debug)]
struct Part {
    function: Option<TreeId>,
    forms: Vec<KetId>,
    atoms: Vec<AtomId>,
    sources: Vec<Source>,
}

impl Single {
    /// Of an array without kets yet.
    fn part(&self) -> Part {
        let Self { function, sources, .. } = self;
        Part { function: *function, sources: sources.clone(), forms: vec![], atoms: vec![] }
    }
}

impl Part {
    fn key(&self) -> (Option<TreeId>, &[Source]) {
        (self.function, &self.sources)
    }
}

/// The factors of a term of one ket.
type Factors = Vec<(AtomId, Rc<Single>)>;

/// The same term of each ket.
#[derive(Clone, Debug)]
struct Terms {
    factors: Vec<Number>,
    parts: Vec<Part>,
}

/// Both arc-cosine kernels of two arrays of forms.
type Angles = [MatrixId; 2];

/// Matrices that were asked for.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) matrices: Matrices,
    products: HashMap<[Vec<KetId>; 2], Option<MatrixId>>,
    covariances: HashMap<[Vec<KetId>; 2], Option<MatrixId>>,
    angles: HashMap<[Vec<KetId>; 2], Option<Angles>>,
    singles: FxHashMap<AtomId, Option<Rc<Single>>>,
    by_source: FxHashMap<KetId, Option<Rc<BySource>>>,
}

/// The sources of one form and, in each, its leaves with their coefficients.
type BySource = Vec<(Source, Vec<(LeafId, Number)>)>;

impl Leaves<'_> {
    /// E aᵢ bⱼ.
    pub(super) fn pairs(&mut self, a: &[KetId], b: &[KetId]) -> Option<MatrixId> {
        let key = [a.to_vec(), b.to_vec()];
        self.kept(|own| &mut own.pairs.products, key, |own| own.products_of(a, b))
    }

    fn products_of(&mut self, a: &[KetId], b: &[KetId]) -> Option<MatrixId> {
        let (x, y) = (self.terms(a)?, self.terms(b)?);
        let mut total = None;
        for first in &x {
            for second in &y {
                if let Some(product) = self.term_product(first, second)? {
                    total = Some(match total {
                        None => product,
                        Some(total) => self.pairs.matrices.sum([total, product], 1.0),
                    });
                }
            }
        }
        Some(total.unwrap_or_else(|| self.pairs.matrices.constant([a.len(), b.len()], 0.0)))
    }

    /// Kets as sums of terms that all of them have.
    fn terms(&mut self, kets: &[KetId]) -> Option<Vec<Terms>> {
        let mut all: Vec<Terms> = Vec::new();
        for (k, id) in kets.iter().enumerate() {
            let mut own: Vec<(Number, Factors)> = Vec::new();
            for (monomial, number) in self.kets.get(*id).terms.clone() {
                let mut factors = Vec::new();
                for factor in monomial {
                    let one = (factor.atom, self.single(factor.atom)?);
                    factors.extend(std::iter::repeat_n(one, factor.power as usize));
                    if factor.slot != 0 {
                        return None;
                    }
                }
                factors.sort_by(|(_, a), (_, b)| a.key().cmp(&b.key()));
                own.push((number, factors));
            }
            own.sort_by(|(_, a), (_, b)| {
                let (a, b) = (a.iter().map(|(_, one)| one), b.iter().map(|(_, one)| one));
                a.map(|one| one.key()).cmp(b.map(|one| one.key()))
            });
            if k == 0 {
                let term = |(_, factors): &(Number, Factors)| Terms {
                    factors: Vec::new(),
                    parts: factors.iter().map(|(_, one)| one.part()).collect(),
                };
                all = own.iter().map(term).collect();
            }
            if own.len() != all.len() {
                return None;
            }
            for (terms, (number, factors)) in all.iter_mut().zip(own) {
                terms.factors.push(number);
                if factors.len() != terms.parts.len() {
                    return None;
                }
                for (part, (atom, one)) in terms.parts.iter_mut().zip(factors) {
                    if part.key() != one.key() {
                        return None;
                    }
                    part.forms.push(one.form);
                    part.atoms.push(atom);
                }
            }
        }
        Some(all)
    }

    /// An atom as a factor in products of pairs.
    fn single(&mut self, atom: AtomId) -> Option<Rc<Single>> {
        self.kept(|own| &mut own.pairs.singles, atom, |own| own.single_of(atom).map(Rc::new))
    }

    fn single_of(&mut self, atom: AtomId) -> Option<Single> {
        let (function, form) = match self.kets.atom(atom).clone() {
            Atom::Leaf(leaf) => (None, self.kets.leaf(leaf)),
            Atom::Form(form) => (None, form),
            Atom::Function(tree, forms) => {
                let [form] = forms.as_slice() else { return None };
                let (core, scale) = self.unscaled(tree);
                (Some(core), self.kets.combine(&[(scale, *form)])?)
            }
            Atom::Delta(_) | Atom::Mixed(..) => return None,
        };
        let sources = self.by_source(form)?.iter().map(|(source, _)| *source).collect();
        Some(Single { function, form, sources })
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
            Tree::Table(_, arg) => self.scales(*arg, argument, found),
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
    fn by_source(&mut self, form: KetId) -> Option<Rc<BySource>> {
        self.kept(|own| &mut own.pairs.by_source, form, |own| own.by_source_of(form).map(Rc::new))
    }

    fn by_source_of(&self, form: KetId) -> Option<BySource> {
        let (leaves, constant) = self.kets.affine(form)?;
        let mut found: BySource = Vec::new();
        for (leaf, number) in leaves {
            let source = match self.get(leaf) {
                Leaf::Initial { init, .. } if self.law_of(leaf) == Law::Normal => {
                    Source::Initial(init)
                }
                Leaf::Initial { .. } | Leaf::Copy { .. } => return None,
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
    fn term_product(&mut self, x: &Terms, y: &Terms) -> Option<Option<MatrixId>> {
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
        let size = [x.factors.len(), y.factors.len()];
        let matrices = &mut self.pairs.matrices;
        let both = |x, y| matrices.product([x, y]);
        let total = kernels.into_iter().reduce(both);
        let total = total.unwrap_or_else(|| self.pairs.matrices.constant(size, 1.0));
        Some(Some(self.pairs.matrices.scaled(total, scales)))
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
    fn kernel(&mut self, x: &Part, y: &Part) -> Option<MatrixId> {
        match (self.shape_of(x), self.shape_of(y)) {
            (Some(Kernel::Linear), Some(Kernel::Linear)) => self.covariances(&x.forms, &y.forms),
            (Some(first), Some(second)) if first == second => {
                let [relu, step] = self.angles(&x.forms, &y.forms)?;
                Some(if first == Kernel::Step { step } else { relu })
            }
            _ => self.by_entries(x, y),
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
    fn by_entries(&mut self, x: &Part, y: &Part) -> Option<MatrixId> {
        let (rows, columns) = (x.atoms.len(), y.atoms.len());
        let values = Array2::zeros((rows, columns));
        let mut found = Evaluated { values, error: 0.0, method: Method::Exact };
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
        Some(self.pairs.matrices.entries(found))
    }

    /// Arc-cosine kernels of order 1 and 0 of all pairs of forms.
    fn angles(&mut self, a: &[KetId], b: &[KetId]) -> Option<Angles> {
        let key = [a.to_vec(), b.to_vec()];
        self.kept(|own| &mut own.pairs.angles, key, |own| own.angles_of(a, b))
    }

    fn angles_of(&mut self, a: &[KetId], b: &[KetId]) -> Option<Angles> {
        let covariance = self.covariances(a, b)?;
        let variances = if a == b {
            let own = self.pairs.matrices.diagonal(covariance);
            [own.clone(), own]
        } else {
            let [x, y] = [a, b].map(|forms| -> Option<Vec<Number>> {
                forms.iter().map(|form| self.form_covariance(*form, *form)).collect()
            });
            [x?, y?]
        };
        let mut places: HashMap<KetId, Vec<usize>> = HashMap::new();
        for (j, form) in b.iter().enumerate() {
            places.entry(*form).or_default().push(j);
        }
        let same = |(i, form)| places.get(form).into_iter().flatten().map(move |j| [i, *j]);
        let same = a.iter().enumerate().flat_map(same).collect();
        Some(self.pairs.matrices.arc_cosines(covariance, variances, same))
    }

    /// Cov(aᵢ, bⱼ).
    fn covariances(&mut self, a: &[KetId], b: &[KetId]) -> Option<MatrixId> {
        let key = [a.to_vec(), b.to_vec()];
        self.kept(|own| &mut own.pairs.covariances, key, |own| own.covariances_of(a, b))
    }

    fn covariances_of(&mut self, a: &[KetId], b: &[KetId]) -> Option<MatrixId> {
        let mut by_source = |forms: &[KetId]| -> Option<Vec<Rc<BySource>>> {
            forms.iter().map(|form| self.by_source(*form)).collect()
        };
        let (x, y) = (by_source(a)?, by_source(b)?);
        let both = x.iter().chain(&y);
        let mut sources: Vec<Source> =
            both.flat_map(|own| own.iter().map(|(source, _)| *source)).collect();
        sources.sort_unstable();
        sources.dedup();
        let mut total = None;
        for source in sources {
            let (x, y) = (of_source(&x, source), of_source(&y, source));
            let part = match source {
                Source::Initial(_) => {
                    let [x, y] = coefficients([&x, &y]);
                    self.pairs.matrices.gram(x, y)
                }
                Source::Hat(_) => self.hats(&x, &y)?,
            };
            total = Some(match total {
                None => part,
                Some(total) => self.pairs.matrices.sum([total, part], 1.0),
            });
        }
        Some(total.unwrap_or_else(|| self.pairs.matrices.constant([a.len(), b.len()], 0.0)))
    }

    /// Of hats of one matrix, at most one in each form.
    fn hats(&mut self, x: &[&[(LeafId, Number)]], y: &[&[(LeafId, Number)]]) -> Option<MatrixId> {
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
        Some(self.pairs.matrices.scaled(gram, [p, q]))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kernel {
    Linear,
    Relu,
    Step,
}

fn of_source(all: &[Rc<BySource>], source: Source) -> Vec<&[(LeafId, Number)]> {
    let one = |own: &BySource| -> Option<usize> { own.iter().position(|(s, _)| *s == source) };
    all.iter().map(|own| one(own).map_or(&[][..], |k| own[k].1.as_slice())).collect()
}

/// Of independent initial entries, C Cᵀ: their coefficients as rows.
fn coefficients([x, y]: [&[&[(LeafId, Number)]]; 2]) -> [Rows; 2] {
    let mut leaves: Vec<LeafId> =
        x.iter().chain(y).flat_map(|own| own.iter().map(|(l, _)| *l)).collect();
    leaves.sort_unstable();
    leaves.dedup();
    [x, y].map(|all| {
        let mut matrix = Array2::zeros((all.len(), leaves.len()));
        for (mut row, own) in matrix.rows_mut().into_iter().zip(all) {
            for (leaf, factor) in *own {
                let column = leaves.binary_search(leaf).expect("all leaves are there");
                row[column] = factor.value;
            }
        }
        Rows::of(matrix, all.iter().flat_map(|own| own.iter().map(|(_, number)| *number)))
    })
}
