//! Kets as sums of products of functions of Gaussian numbers.
//!
//! A ket is Σ c · Π atoms. An atom is a *leaf* (an initial entry or a hat), a *form* (a linear combination of leaves), a
//! function of up to [`MOST_ARGUMENTS`] forms, or δ of a form. Forms are what expectations integrate over, so sums of leaves are
//! kept together inside products. In an OuterNonlin each atom also has a *slot*: which of the independent copies it reads.

use super::number::Number;
use super::tree::{TreeId, Trees};
use crate::ir::Prim;
use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::{SmallVec, smallvec};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(super) struct $name(pub(super) u32);
    };
}

id! {
    /// A ket.
    KetId
}
id! {
    /// An atom.
    AtomId
}
id! {
    /// An entry of an initial object, or a hat.
    LeafId
}

/// A form and the copy that it reads.
pub(super) type Argument = (KetId, usize);

/// A factor of a product.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Atom {
    Leaf(LeafId),
    /// Σ c · leaf with first coefficient 1.
    Form(KetId),
    /// A function of leaves and forms.
    Function(TreeId, Vec<KetId>),
    /// A function of leaves and forms on several copies; its factor has the lowest of their slots.
    Mixed(TreeId, Vec<Argument>),
    /// δ of a form with a constant.
    Delta(KetId),
}

/// An atom, the copy that it reads, and its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Factor {
    pub(super) slot: usize,
    pub(super) atom: AtomId,
    pub(super) power: u32,
}

/// A product; empty for a constant.
pub(super) type Monomial = SmallVec<[Factor; 2]>;

/// Σ c · Π, products in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Ket {
    pub(super) terms: Vec<(Monomial, Number)>,
}

impl PartialEq for Ket {
    fn eq(&self, other: &Self) -> bool {
        let same = |((m, c), (n, d)): (&(Monomial, Number), &(Monomial, Number))| {
            m == n && c.value.to_bits() == d.value.to_bits()
        };
        self.terms.len() == other.terms.len() && self.terms.iter().zip(&other.terms).all(same)
    }
}

impl Eq for Ket {}

impl Hash for Ket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (monomial, number) in &self.terms {
            monomial.hash(state);
            number.value.to_bits().hash(state);
        }
    }
}

/// Sums of more products are not followed.
const MOST_TERMS: usize = 600;
/// Larger functions are not followed.
const LARGEST: u32 = 20_000;
/// Coefficients with this relative difference are equal.
const NEAR: f64 = 8.0 * f64::EPSILON;
/// Functions of more forms are not followed.
const MOST_ARGUMENTS: usize = 3;

/// All kets and atoms.
#[derive(Debug, Default)]
pub(super) struct Kets {
    kets: IndexSet<Ket, FxBuildHasher>,
    atoms: IndexSet<Atom, FxBuildHasher>,
    /// Forms by their leaves.
    forms: FxHashMap<Vec<AtomId>, Vec<KetId>>,
    pub(super) trees: Trees,
}

impl Kets {
    pub(super) fn get(&self, id: KetId) -> &Ket {
        &self.kets[id.0 as usize]
    }

    pub(super) fn atom(&self, id: AtomId) -> &Atom {
        &self.atoms[id.0 as usize]
    }

    fn intern(&mut self, ket: Ket) -> KetId {
        KetId(u32::try_from(self.kets.insert_full(ket).0).expect("memory ends before"))
    }

    pub(super) fn intern_atom(&mut self, atom: Atom) -> AtomId {
        AtomId(u32::try_from(self.atoms.insert_full(atom).0).expect("memory ends before"))
    }

    /// Collects products; what cancels within its error is dropped.
    pub(super) fn collect(
        &mut self,
        terms: impl IntoIterator<Item = (Monomial, Number)>,
    ) -> Option<KetId> {
        let mut terms: Vec<(Monomial, Number)> = terms.into_iter().collect();
        // stable: equal products are added in the order in which they come
        terms.sort_by(|(a, _), (b, _)| a.cmp(b));
        terms.dedup_by(|(next, number), (monomial, sum)| {
            let equal = next == monomial;
            if equal {
                *sum = sum.plus(*number);
            }
            equal
        });
        terms.retain(|(_, number)| !number.is_negligible());
        let finite =
            terms.iter().all(|(_, number)| number.value.is_finite() && number.error.is_finite());
        (finite && terms.len() <= MOST_TERMS).then(|| self.intern(Ket { terms }))
    }

    pub(super) fn constant(&mut self, number: Number) -> Option<KetId> {
        self.collect([(Monomial::new(), number)])
    }

    pub(super) fn leaf(&mut self, leaf: LeafId) -> KetId {
        let atom = self.intern_atom(Atom::Leaf(leaf));
        let monomial = smallvec![Factor { slot: 0, atom, power: 1 }];
        self.intern(Ket { terms: vec![(monomial, Number::exact(1.0))] })
    }

    /// The number that a ket is.
    pub(super) fn as_constant(&self, id: KetId) -> Option<Number> {
        match self.get(id).terms.as_slice() {
            [] => Some(Number::default()),
            [(monomial, number)] if monomial.is_empty() => Some(*number),
            _ => None,
        }
    }

    /// Σ cₖ · ketₖ.
    pub(super) fn combine(&mut self, parts: &[(Number, KetId)]) -> Option<KetId> {
        let mut terms = Vec::new();
        for (factor, id) in parts {
            let own = self.get(*id).terms.iter();
            terms.extend(own.map(|(monomial, number)| (monomial.clone(), number.times(*factor))));
        }
        self.collect(terms)
    }

    /// The same with other slots: `slots[k]` in the place of k.
    pub(super) fn with_slots(&mut self, id: KetId, slots: &[usize]) -> Option<KetId> {
        if slots.iter().enumerate().all(|(k, slot)| k == *slot) {
            return Some(id);
        }
        let mut terms = self.get(id).terms.clone();
        for (monomial, _) in &mut terms {
            monomial.iter_mut().for_each(|factor| *factor = self.moved(*factor, slots));
            monomial.sort_unstable();
        }
        self.collect(terms)
    }

    fn moved(&mut self, factor: Factor, slots: &[usize]) -> Factor {
        let Atom::Mixed(tree, mut arguments) = self.atom(factor.atom).clone() else {
            return Factor { slot: slots[factor.slot], ..factor };
        };
        arguments.iter_mut().for_each(|(_, slot)| *slot = slots[*slot]);
        Factor { power: factor.power, ..self.mixed(tree, arguments) }
    }

    fn mixed(&mut self, tree: TreeId, arguments: Vec<Argument>) -> Factor {
        let slot = arguments.iter().map(|(_, slot)| *slot).min().unwrap_or(0);
        Factor { slot, atom: self.intern_atom(Atom::Mixed(tree, arguments)), power: 1 }
    }

    /// All copies that a factor reads.
    pub(super) fn slots(&self, factor: &Factor) -> Vec<usize> {
        match self.atom(factor.atom) {
            Atom::Mixed(_, arguments) => arguments.iter().map(|(_, slot)| *slot).collect(),
            _ => vec![factor.slot],
        }
    }

    /// A leaf's coefficients, if a ket is Σ c · leaf + constant on slot 0.
    pub(super) fn affine(&self, id: KetId) -> Option<(Vec<(LeafId, Number)>, Number)> {
        let (mut leaves, mut constant) = (Vec::new(), Number::default());
        for (monomial, number) in &self.get(id).terms {
            match monomial.as_slice() {
                [] => constant = *number,
                [Factor { slot: 0, atom, power: 1 }] => match self.atom(*atom) {
                    Atom::Leaf(leaf) => leaves.push((*leaf, *number)),
                    _ => return None,
                },
                _ => return None,
            }
        }
        Some((leaves, constant))
    }

    /// a · g of linear terms, g with first coefficient 1; a leaf alone stays one.
    fn form(&mut self, linear: Vec<(Monomial, Number)>) -> Option<(Number, KetId)> {
        let (_, first) = linear.first().cloned()?;
        if linear.len() == 1 {
            let (mut monomial, _) = linear.into_iter().next()?;
            monomial[0].slot = 0;
            return Some((first, self.intern(Ket { terms: vec![(monomial, Number::exact(1.0))] })));
        }
        let terms = linear.into_iter().enumerate().map(|(k, (mut monomial, number))| {
            monomial[0].slot = 0;
            let ratio = match k {
                0 => Number::exact(1.0),
                _ => Number::map(Prim::Div, &[number, first]),
            };
            (monomial, ratio)
        });
        let terms: Vec<_> = terms.collect();
        let leaves: Vec<AtomId> = terms.iter().map(|(monomial, _)| monomial[0].atom).collect();
        let form = self.collect(terms)?;
        // multiples of one form are one, up to rounding
        let near = |own: &KetId| self.are_near(*own, form);
        let known = self.forms.get(&leaves).and_then(|forms| forms.iter().copied().find(near));
        if known.is_none() {
            self.forms.entry(leaves).or_default().push(form);
        }
        Some((first, known.unwrap_or(form)))
    }

    fn are_near(&self, a: KetId, b: KetId) -> bool {
        let (a, b) = (&self.get(a).terms, &self.get(b).terms);
        let near = |((_, x), (_, y)): (&(Monomial, Number), &(Monomial, Number))| {
            (x.value - y.value).abs() <= NEAR * x.value.abs()
        };
        a.len() == b.len() && a.iter().zip(b).all(near)
    }

    /// Whether a product is one leaf.
    fn is_linear(&self, monomial: &Monomial) -> bool {
        let leaf = |factor: &Factor| matches!(self.atom(factor.atom), Atom::Leaf(_));
        monomial.len() == 1 && monomial[0].power == 1 && leaf(&monomial[0])
    }

    /// A ket as one function of forms: linear terms of one copy together are one form. `None` with deltas, or too many forms.
    fn as_function(&mut self, id: KetId, arguments: &mut Vec<Argument>) -> Option<TreeId> {
        let terms = self.get(id).terms.clone();
        let (linear, rest): (Vec<_>, Vec<_>) =
            terms.into_iter().partition(|(monomial, _)| self.is_linear(monomial));
        let mut total = self.trees.constant(0.0);
        for (slot, linear) in by_slot(linear) {
            let (factor, form) = self.form(linear)?;
            let argument = self.argument((form, slot), arguments)?;
            let factor = self.trees.number(factor);
            let product = self.trees.mul(factor, argument);
            total = self.trees.add(total, product);
        }
        for (monomial, number) in rest {
            let mut product = self.trees.number(number);
            for factor in monomial {
                let tree = self.factor_tree(factor, arguments)?;
                product = self.trees.mul(product, tree);
            }
            total = self.trees.add(total, product);
        }
        Some(total)
    }

    fn factor_tree(&mut self, factor: Factor, arguments: &mut Vec<Argument>) -> Option<TreeId> {
        let (tree, own) = self.function_of_factor(factor)?;
        let trees: Option<Vec<TreeId>> =
            own.into_iter().map(|own| self.argument(own, arguments)).collect();
        let tree = self.trees.with_arguments(tree, &trees?);
        Some(match factor.power {
            1 => tree,
            power => self.trees.apply(Prim::Pow(i64::from(power).into()), &[tree]),
        })
    }

    fn argument(&mut self, own: Argument, arguments: &mut Vec<Argument>) -> Option<TreeId> {
        let at = arguments.iter().position(|other| *other == own).unwrap_or_else(|| {
            arguments.push(own);
            arguments.len() - 1
        });
        let count = arguments.iter().filter(|(_, slot)| *slot == own.1).count();
        (count <= MOST_ARGUMENTS).then(|| self.trees.argument(at))
    }

    /// A function of forms on any copies as a factor.
    fn function_of(&mut self, tree: TreeId, arguments: Vec<Argument>) -> Factor {
        let slot = arguments.first().map_or(0, |(_, slot)| *slot);
        if arguments.iter().any(|(_, own)| *own != slot) {
            return self.mixed(tree, arguments);
        }
        let forms = arguments.into_iter().map(|(form, _)| form).collect();
        Factor { slot, atom: self.intern_atom(Atom::Function(tree, forms)), power: 1 }
    }

    /// tree(forms) on a slot.
    pub(super) fn function(&mut self, tree: TreeId, forms: &[KetId], slot: usize) -> Option<KetId> {
        self.on_copies(tree, forms.iter().map(|form| (*form, slot)).collect())
    }

    /// tree(forms), each on its slot.
    pub(super) fn on_copies(&mut self, tree: TreeId, arguments: Vec<Argument>) -> Option<KetId> {
        if let Some(value) = self.trees.value(tree) {
            let origin = self.trees.origin(tree);
            let error = origin.error * value.abs();
            return self.constant(Number { value, error, method: origin.method });
        }
        if self.trees.origin(tree).size > LARGEST {
            return None;
        }
        let factor = self.function_of(tree, arguments);
        self.collect([(smallvec![factor], Number::exact(1.0))])
    }

    pub(super) fn delta(&mut self, form: KetId) -> Option<KetId> {
        let atom = self.intern_atom(Atom::Delta(form));
        self.collect([(smallvec![Factor { slot: 0, atom, power: 1 }], Number::exact(1.0))])
    }

    /// An entrywise operation.
    pub(super) fn apply(&mut self, op: Prim, args: &[KetId]) -> Option<KetId> {
        let constants: Option<Vec<Number>> =
            args.iter().map(|arg| self.as_constant(*arg)).collect();
        if let Some(numbers) = constants {
            return self.constant(Number::map(op, &numbers));
        }
        let one = Number::exact(1.0);
        match op {
            Prim::Id => Some(args[0]),
            Prim::Neg => self.combine(&[(Number::exact(-1.0), args[0])]),
            Prim::Add => self.combine(&[(one, args[0]), (one, args[1])]),
            Prim::Sub => self.combine(&[(one, args[0]), (Number::exact(-1.0), args[1])]),
            Prim::Mul => self.product(args[0], args[1]),
            Prim::Div => match self.as_constant(args[1]) {
                Some(divisor) => {
                    let factor = Number::map(Prim::Div, &[one, divisor]);
                    self.combine(&[(factor, args[0])])
                }
                None => match self.composed(op, args) {
                    Some(composed) => Some(composed),
                    None => {
                        let inverse = self.composed(Prim::Pow((-1).into()), &args[1..])?;
                        self.product(args[0], inverse)
                    }
                },
            },
            Prim::Pow(p) if p == 2.into() => self.product(args[0], args[0]),
            _ => self.composed(op, args),
        }
    }

    /// The operation as one function.
    fn composed(&mut self, op: Prim, args: &[KetId]) -> Option<KetId> {
        let mut arguments = Vec::new();
        let trees: Option<Vec<TreeId>> =
            args.iter().map(|arg| self.as_function(*arg, &mut arguments)).collect();
        let tree = self.trees.apply(op, &trees?);
        self.on_copies(tree, arguments)
    }

    /// The only form that a ket is a function of, and its slot; not for linear kets of several terms and constants.
    fn single(&mut self, id: KetId) -> Option<Argument> {
        let mut arguments = Vec::new();
        self.as_function(id, &mut arguments)?;
        match arguments.as_slice() {
            [own] => Some(*own),
            _ => None,
        }
    }

    pub(super) fn product(&mut self, a: KetId, b: KetId) -> Option<KetId> {
        for (factor, other) in [(a, b), (b, a)] {
            if let Some(factor) = self.as_constant(factor) {
                return self.combine(&[(factor, other)]);
            }
        }
        if let (Some(first), Some(second)) = (self.single(a), self.single(b))
            && first == second
        {
            return self.composed(Prim::Mul, &[a, b]);
        }
        let (a, b) = (self.packed(a)?, self.packed(b)?);
        if a.len() * b.len() > MOST_TERMS {
            return None;
        }
        let mut terms = Vec::new();
        for (first, x) in &a {
            for (second, y) in &b {
                terms.push((self.joined(first, second)?, x.times(*y)));
            }
        }
        self.collect(terms)
    }

    /// The product of two monomials; functions of the same forms become one function.
    fn joined(&mut self, a: &Monomial, b: &Monomial) -> Option<Monomial> {
        let mut joined = a.clone();
        for factor in b {
            let same = joined.iter().position(|own| {
                own.slot == factor.slot
                    && (own.atom == factor.atom || self.are_together(own.atom, factor.atom))
            });
            match same {
                Some(k) if joined[k].atom == factor.atom && self.is_polynomial(factor.atom) => {
                    joined[k].power += factor.power;
                }
                Some(k) => joined[k] = self.one_function(joined[k], *factor)?,
                None => joined.push(*factor),
            }
        }
        joined.sort_unstable();
        Some(joined)
    }

    fn is_polynomial(&self, atom: AtomId) -> bool {
        matches!(self.atom(atom), Atom::Leaf(_) | Atom::Form(_))
    }

    /// Whether two atoms are functions of the same form.
    fn are_together(&self, a: AtomId, b: AtomId) -> bool {
        match (self.atom(a), self.atom(b)) {
            (Atom::Function(_, a), Atom::Function(_, b)) => a == b,
            (Atom::Mixed(_, a), Atom::Mixed(_, b)) => a == b,
            _ => false,
        }
    }

    fn one_function(&mut self, a: Factor, b: Factor) -> Option<Factor> {
        let mut own = Vec::new();
        let (first, second) = (self.factor_tree(a, &mut own)?, self.factor_tree(b, &mut own)?);
        let tree = self.trees.mul(first, second);
        let small = self.trees.origin(tree).size <= LARGEST;
        small.then(|| self.function_of(tree, own))
    }

    /// Terms for a product: everything that is a function of one form in one atom, linear terms in forms.
    fn packed(&mut self, id: KetId) -> Option<Vec<(Monomial, Number)>> {
        let terms = self.get(id).terms.clone();
        if terms.len() == 1 {
            return Some(terms);
        }
        let (linear, mut rest): (Vec<_>, Vec<_>) =
            terms.into_iter().partition(|(monomial, _)| self.is_linear(monomial));
        if linear.is_empty()
            && let Some(own) = self.single(id)
        {
            let mut arguments = vec![own];
            let tree = self.as_function(id, &mut arguments)?;
            if self.trees.origin(tree).size > LARGEST {
                return None;
            }
            let factor = self.function_of(tree, arguments);
            return Some(vec![(smallvec![factor], Number::exact(1.0))]);
        }
        for (slot, linear) in by_slot(linear) {
            if linear.len() == 1 {
                rest.extend(linear);
                continue;
            }
            let (factor, form) = self.form(linear)?;
            let atom = self.intern_atom(Atom::Form(form));
            rest.push((smallvec![Factor { slot, atom, power: 1 }], factor));
        }
        Some(rest)
    }

    /// All leaves that a ket reads, each once.
    pub(super) fn leaves(&self, id: KetId) -> Vec<LeafId> {
        let mut found = Vec::new();
        for (monomial, _) in &self.get(id).terms {
            monomial.iter().for_each(|factor| self.add_leaves(factor.atom, &mut found));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn add_leaves(&self, atom: AtomId, found: &mut Vec<LeafId>) {
        match self.atom(atom) {
            Atom::Leaf(leaf) => found.push(*leaf),
            Atom::Form(form) | Atom::Delta(form) => found.extend(self.leaves(*form)),
            Atom::Function(_, forms) => {
                forms.iter().for_each(|form| found.extend(self.leaves(*form)));
            }
            Atom::Mixed(_, arguments) => {
                arguments.iter().for_each(|(form, _)| found.extend(self.leaves(*form)));
            }
        }
    }

    /// ∂ ket/∂ leaf on slot 0; `None` where it is not followed.
    pub(super) fn derivative(&mut self, id: KetId, leaf: LeafId) -> Option<KetId> {
        let mut parts = Vec::new();
        for (monomial, number) in self.get(id).terms.clone() {
            for (k, factor) in monomial.iter().enumerate() {
                let Some(slope) = self.factor_slope(factor.atom, leaf)? else { continue };
                let mut rest = monomial.clone();
                let mut count = Number::exact(1.0);
                if factor.power > 1 {
                    rest[k].power -= 1;
                    count = Number::exact(f64::from(factor.power));
                } else {
                    rest.remove(k);
                }
                let rest = self.collect([(rest, Number::exact(1.0))])?;
                let part = self.product(slope, rest)?;
                parts.push((number.times(count), part));
            }
        }
        self.combine(&parts)
    }

    /// Of an atom; `Some(None)` where it does not read the leaf.
    fn factor_slope(&mut self, atom: AtomId, leaf: LeafId) -> Option<Option<KetId>> {
        match self.atom(atom).clone() {
            Atom::Leaf(own) => {
                let one = self.constant(Number::exact(1.0))?;
                Some((own == leaf).then_some(one))
            }
            Atom::Form(form) => match self.coefficient(form, leaf) {
                Some(number) => Some(Some(self.constant(number)?)),
                None => Some(None),
            },
            Atom::Delta(form) => self.coefficient(form, leaf).is_none().then_some(None),
            Atom::Mixed(..) => None,
            Atom::Function(tree, forms) => {
                let mut parts = Vec::new();
                for (k, form) in forms.iter().enumerate() {
                    let Some(factor) = self.coefficient(*form, leaf) else { continue };
                    let slope = self.trees.slope(tree, k)?;
                    parts.push((factor, self.function(slope.regular, &forms, 0)?));
                    for (height, place) in slope.jumps {
                        parts.push((factor, self.jump(height, place, &forms)?));
                    }
                }
                if parts.is_empty() { Some(None) } else { Some(Some(self.combine(&parts)?)) }
            }
        }
    }

    /// height · δ(place).
    fn jump(&mut self, height: TreeId, place: TreeId, forms: &[KetId]) -> Option<KetId> {
        let (k, factor, shift) = self.trees.affine(place)?;
        let one = self.constant(Number::exact(1.0))?;
        let parts = [(Number::exact(factor), forms[k]), (Number::exact(shift), one)];
        let form = self.combine(&parts)?;
        let (height, delta) = (self.function(height, forms, 0)?, self.delta(form)?);
        self.product(height, delta)
    }

    fn coefficient(&self, form: KetId, leaf: LeafId) -> Option<Number> {
        let (leaves, _) = self.affine(form)?;
        leaves.into_iter().find(|(own, _)| *own == leaf).map(|(_, number)| number)
    }
}

/// Linear terms by the copy that they read.
fn by_slot(linear: Vec<(Monomial, Number)>) -> BTreeMap<usize, Vec<(Monomial, Number)>> {
    let mut slots = BTreeMap::<usize, Vec<(Monomial, Number)>>::new();
    for (monomial, number) in linear {
        slots.entry(monomial[0].slot).or_default().push((monomial, number));
    }
    slots
}
