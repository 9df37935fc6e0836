//! Gaussian kets: linear combinations of hats and initial kets, their means and covariances.
//!
//! A combination is kept as it is written, with sums over letters: Σ_k xs[i, k]·|U[k]⟩ is one term. Kets are independent if
//! they are made of different sources: initial objects, and the hats of one matrix on one side.

use super::build::{Builder, Place};
use super::depends::family;
use super::dot::Dots;
use super::expr::{Expr, Index, Kind, Name, Symbol};
use super::positive::Sizes;
use super::sides::{Sides, Smooth};
use super::standard::Initial;
use crate::codegen::MatrixRef;
use crate::ir::{InitId, Law, Node, NodeId};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// Longer combinations are not looked at.
const LONGEST: usize = 24;

/// What kets are made of; two of them are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The entries of an initial object.
    Initial(InitId),
    /// The hats of one matrix, or of its transpose.
    Hat(MatrixRef, bool),
}

/// One Gaussian number of a combination.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leaf {
    /// An entry of a standardised initial object.
    Initial(InitId, Vec<Index>),
    /// The hat of a product.
    Hat(NodeId, Vec<Index>),
}

/// Σ over bound letters of factor · leaf; without a leaf a number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) factor: Expr,
    pub(super) bound: Vec<(String, Range<usize>)>,
    pub(super) leaf: Option<Leaf>,
}

/// A linear combination: `scale` times `base`.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) base: Expr,
    pub(super) scale: f64,
    /// Of `scale · base`.
    pub(super) terms: Vec<Term>,
    /// Whether it is Gaussian with mean 0.
    pub(super) centred: bool,
}

/// A sum.
type Terms = Vec<Term>;

/// What is known of the laws of kets.
pub(super) struct Laws<'a> {
    builder: &'a Builder<'a>,
    dots: &'a Dots<'a>,
    nodes: BTreeMap<Name, NodeId>,
    sources: BTreeMap<NodeId, BTreeSet<Source>>,
    definitions: RefCell<HashMap<(Symbol, usize), Option<Expr>>>,
    known: RefCell<HashMap<(Symbol, usize), Option<Terms>>>,
    pub(super) functions: RefCell<HashMap<(Symbol, usize), Known>>,
    pub(super) sizes: Sizes,
}

/// What is known of a ket as a function of one Gaussian number.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) sides: Option<Sides>,
    pub(super) smooth: Option<Smooth>,
}

impl<'a> Laws<'a> {
    /// For the nodes of a leading-order program, operands before users.
    pub(super) fn new(builder: &'a Builder<'a>, dots: &'a Dots<'a>, nodes: &[NodeId]) -> Self {
        let named = |id: &NodeId| Some((builder.names.get(*id)?.clone(), *id));
        let of_name = nodes.iter().filter_map(named).collect();
        let mut laws = Self {
            builder,
            dots,
            nodes: of_name,
            sources: BTreeMap::new(),
            definitions: RefCell::default(),
            known: RefCell::default(),
            functions: RefCell::default(),
            sizes: Sizes::default(),
        };
        for id in nodes {
            let sources = laws.sources_of(*id);
            laws.sources.insert(*id, sources);
        }
        laws
    }

    fn sources_of(&self, id: NodeId) -> BTreeSet<Source> {
        let ir = self.builder.ir;
        let mut found = BTreeSet::new();
        if ir.shape(id).width == 0 {
            return found;
        }
        match ir.node(id) {
            Node::Init(init) => {
                found.insert(Source::Initial(*init));
            }
            Node::MatMul { mat, transpose, arg } => {
                let Some((matrix, transposed)) = family(ir, (*mat, *transpose)) else {
                    return [*mat, *arg].iter().flat_map(|id| self.known_sources(*id)).collect();
                };
                found.insert(Source::Hat(matrix, transposed));
                for link in self.dots.dependences.dots(id) {
                    if !self.dots.slopes.vanishes(id, link.product) {
                        let input = self.dots.input(link.product);
                        found.extend(input.into_iter().flat_map(|z| self.known_sources(z)));
                    }
                }
            }
            node => node.children(|child| found.extend(self.known_sources(child))),
        }
        found
    }

    fn known_sources(&self, id: NodeId) -> BTreeSet<Source> {
        self.sources.get(&id).cloned().unwrap_or_default()
    }

    /// What a formula is made of at each copy; `None` if that is not known.
    pub(super) fn sources(&self, formula: &Expr) -> Option<BTreeSet<(Source, usize)>> {
        match formula {
            Expr::Inner(_) | Expr::Partial(_) | Expr::Covariance(_) => Some(BTreeSet::new()),
            Expr::Symbol(symbol) if symbol.slots.is_empty() => Some(BTreeSet::new()),
            Expr::Symbol(symbol) => {
                let sources = match symbol.kind {
                    Kind::Hat => [self.source_of_hat(self.product(symbol)?)?].into(),
                    _ => self.sources.get(self.nodes.get(&symbol.name)?)?.clone(),
                };
                let pairs = |source: Source| symbol.slots.iter().map(move |slot| (source, *slot));
                Some(sources.into_iter().flat_map(pairs).collect())
            }
            other => {
                let mut all = BTreeSet::new();
                for part in other.parts() {
                    all.extend(self.sources(part)?);
                }
                Some(all)
            }
        }
    }

    fn source_of_hat(&self, product: NodeId) -> Option<Source> {
        let Node::MatMul { mat, transpose, .. } = self.builder.ir.node(product) else {
            return None;
        };
        let (matrix, transposed) = family(self.builder.ir, (*mat, *transpose))?;
        Some(Source::Hat(matrix, transposed))
    }

    /// The value that a symbol names.
    pub(super) fn node(&self, symbol: &Symbol) -> Option<NodeId> {
        self.nodes.get(&symbol.name).copied()
    }

    /// The product that a symbol names.
    fn product(&self, symbol: &Symbol) -> Option<NodeId> {
        let node = self.node(symbol)?;
        let (product, _) = self.builder.names.multiple(self.builder.ir, node)?;
        (self.builder.names.product(product)?.shown == node).then_some(product)
    }

    /// Whether a value is an initial ket.
    pub(super) fn is_initial(&self, node: NodeId) -> bool {
        self.builder.names.initials.contains_key(&node)
    }

    /// Whether a ket is the hat of a product and nothing else.
    pub(super) fn is_hat(&self, symbol: &Symbol) -> bool {
        let Some(product) = self.product(symbol) else { return false };
        self.dots.is_hat(product)
    }

    /// The definition of a named ket or outer product, new letters from `letters` on.
    pub(super) fn definition(&self, symbol: &Symbol, letters: usize) -> Option<Expr> {
        let key = (symbol.clone(), letters);
        if let Some(known) = self.definitions.borrow().get(&key) {
            return known.clone();
        }
        let found = self.written(symbol, letters);
        self.definitions.borrow_mut().insert(key, found.clone());
        found
    }

    fn written(&self, symbol: &Symbol, letters: usize) -> Option<Expr> {
        let node = self.node(symbol)?;
        let copies = symbol.slots.iter().max()? + 1;
        let place = Place { at: symbol.at.clone(), slots: symbol.slots.clone(), letters, copies };
        let Some(product) = self.product(symbol) else {
            return Some(self.builder.written(node, &place));
        };
        let slot = *symbol.slots.first()?;
        let place = Place { slots: vec![0], ..place };
        Some(self.dots.hat_and_dot(product, &place).copied(0, slot))
    }

    /// A letter that is not used, with the number after which all are unused.
    fn after(&self, used: &BTreeSet<String>) -> usize {
        let is_used = |k: &usize| used.contains(&self.builder.letter(*k));
        (0..2 * used.len() + 12).rev().find(is_used).map_or(0, |last| last + 1)
    }

    /// The number from which on no letter is used in these formulas.
    pub(super) fn free_letters(&self, formulas: &[&Expr]) -> usize {
        let mut used = BTreeSet::new();
        formulas.iter().for_each(|formula| formula.letters(&mut used));
        self.after(&used)
    }

    /// A formula as a linear combination.
    pub(super) fn linear(&self, formula: &Expr, letters: usize) -> Option<Vec<Term>> {
        let mut terms = self.terms(formula, letters)?;
        terms.retain(|term| term.factor != Expr::Number(0.0));
        (terms.len() <= LONGEST).then_some(terms)
    }

    fn terms(&self, formula: &Expr, letters: usize) -> Option<Vec<Term>> {
        if !formula.reads(&[]) {
            return Some(vec![Term { factor: formula.clone(), bound: Vec::new(), leaf: None }]);
        }
        let times = |terms: Vec<Term>, factor: &Expr| {
            let one = |term: Term| {
                let factor = Expr::product(vec![factor.clone(), term.factor]);
                Term { factor, ..term }
            };
            terms.into_iter().map(one).collect::<Vec<_>>()
        };
        match formula {
            Expr::Symbol(symbol) => self.terms_of_symbol(symbol, letters),
            Expr::Sum(parts) => {
                let mut all: Vec<Term> = Vec::new();
                for part in parts {
                    for term in self.linear(part, letters)? {
                        add(&mut all, term);
                    }
                    if all.len() > LONGEST {
                        return None;
                    }
                }
                Some(all)
            }
            Expr::Negated(body) => Some(times(self.terms(body, letters)?, &Expr::Number(-1.0))),
            Expr::Product(parts) => {
                let (random, factors): (Vec<&Expr>, Vec<&Expr>) =
                    parts.iter().partition(|part| part.reads(&[]));
                let [random] = random[..] else { return None };
                let factor = Expr::product(factors.into_iter().cloned().collect());
                Some(times(self.terms(random, letters)?, &factor))
            }
            Expr::Quotient(a, b) if !b.reads(&[]) => {
                let one = |term: Term| Term { factor: term.factor.quotient((**b).clone()), ..term };
                Some(self.terms(a, letters)?.into_iter().map(one).collect())
            }
            Expr::Over { mean: false, indices, body } => {
                let one = |term: Term| match term.leaf {
                    None => Term { factor: over(indices.clone(), term.factor), ..term },
                    Some(_) => Term { bound: [indices.clone(), term.bound].concat(), ..term },
                };
                Some(self.terms(body, letters)?.into_iter().map(one).collect())
            }
            _ => None,
        }
    }

    fn terms_of_symbol(&self, symbol: &Symbol, letters: usize) -> Option<Vec<Term>> {
        let leaf = |factor: f64, leaf: Leaf| Term {
            factor: Expr::Number(factor),
            bound: Vec::new(),
            leaf: Some(leaf),
        };
        if symbol.kind == Kind::Hat {
            return Some(vec![leaf(1.0, Leaf::Hat(self.product(symbol)?, symbol.at.clone()))]);
        }
        let node = self.node(symbol)?;
        if symbol.kind != Kind::Ket {
            return None;
        }
        if let Some(Initial { init, mean, factor }) = self.builder.names.initials.get(&node) {
            let constant = Term { factor: Expr::Number(*mean), bound: Vec::new(), leaf: None };
            return Some(vec![leaf(*factor, Leaf::Initial(*init, symbol.at.clone())), constant]);
        }
        let key = (symbol.clone(), letters);
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let definition = self.definition(symbol, letters)?;
        let letters = letters.max(self.free_letters(&[&definition]));
        let found = self.linear(&definition, letters);
        self.known.borrow_mut().insert(key, found.clone());
        found
    }

    /// A formula as a linear combination of Gaussian numbers and others.
    pub(super) fn form(&self, formula: &Expr, letters: usize) -> Option<Form> {
        if !formula.reads(&[]) {
            return None;
        }
        let terms = self.linear(formula, letters)?;
        let law = |init: &InitId| self.builder.ir.init(*init).law;
        let centred = terms.iter().all(|term| match &term.leaf {
            Some(Leaf::Initial(init, _)) => law(init) == Law::Normal,
            Some(Leaf::Hat(..)) => true,
            None => false,
        });
        let (scale, base) = match formula.clone().split() {
            (scale, Expr::Quotient(a, b)) if matches!(*b, Expr::Number(_)) => {
                let Expr::Number(by) = *b else { return None };
                let (number, base) = a.split();
                (scale * number / by, base)
            }
            split => split,
        };
        let base = match base {
            Expr::Symbol(symbol) if symbol.kind == Kind::Hat && self.is_hat(&symbol) => {
                Expr::Symbol(Symbol { kind: Kind::Ket, ..symbol })
            }
            base => base,
        };
        Some(Form { base, scale, terms, centred })
    }

    /// E of a linear combination.
    pub(super) fn mean_of(&self, terms: &[Term]) -> Expr {
        let numbers = terms.iter().filter(|term| term.leaf.is_none());
        Expr::sum(numbers.map(|term| term.factor.clone()).collect())
    }

    /// The covariance of two linear combinations; `None` where it is not written out.
    pub(super) fn covariance(&self, x: &[Term], y: &[Term]) -> Option<Expr> {
        let mut used = BTreeSet::new();
        for term in x.iter().chain(y) {
            used.extend(term.bound.iter().map(|(letter, _)| letter.clone()));
            term.factor.letters(&mut used);
            if let Some(Leaf::Initial(_, at) | Leaf::Hat(_, at)) = &term.leaf {
                used.extend(at.iter().filter_map(|index| index.letter.clone()));
            }
        }
        let letters = self.after(&used);
        let mut total = Vec::new();
        for a in x {
            for b in y {
                let (b, letters) = self.with_letters(b.clone(), letters);
                total.push(self.of_pair(a, &b, letters)?);
            }
        }
        Some(Expr::counted(total))
    }

    /// A term with new bound letters.
    fn with_letters(&self, mut term: Term, mut letters: usize) -> (Term, usize) {
        for k in 0..term.bound.len() {
            let new = self.builder.letter(letters);
            letters += 1;
            let old = std::mem::replace(&mut term.bound[k].0, new.clone());
            term.rename(&old, &Index::letter(&new));
        }
        (term, letters)
    }

    fn of_pair(&self, x: &Term, y: &Term, letters: usize) -> Option<Expr> {
        let zero = Some(Expr::Number(0.0));
        match (&x.leaf, &y.leaf) {
            (Some(Leaf::Initial(a, _)), Some(Leaf::Initial(b, _))) if a == b => {
                let sizes = &self.builder.ir.init(*a).shape.stat;
                Some(of_entries(x.clone(), y.clone(), sizes))
            }
            (Some(Leaf::Hat(a, at)), Some(Leaf::Hat(b, other))) => {
                if self.source_of_hat(*a)? != self.source_of_hat(*b)? {
                    return zero;
                }
                let scale = self.builder.names.product(*a)?.scale;
                let place =
                    |at: &[Index]| Place { at: at.to_vec(), slots: vec![0], letters, copies: 1 };
                let u = self.builder.value(self.dots.input(*a)?, &place(at));
                let v = self.builder.value(self.dots.input(*b)?, &place(other));
                let mean = self.closed(Expr::inner(u, v));
                let number = Expr::Number(scale * scale);
                let all = vec![number, x.factor.clone(), y.factor.clone(), mean];
                let bound = [x.bound.clone(), y.bound.clone()].concat();
                Some(over(bound, Expr::product(all)))
            }
            _ => zero,
        }
    }
}

impl Form {
    /// The same number with another factor.
    pub(super) fn with_scale(&self, scale: f64) -> Self {
        let factor = |term: &Term| {
            let ratio = Expr::Number(scale / self.scale);
            Term { factor: Expr::product(vec![ratio, term.factor.clone()]), ..term.clone() }
        };
        let terms = self.terms.iter().map(factor).collect();
        Self { scale, terms, ..self.clone() }
    }
}

impl Term {
    /// Solves `own = other` for the bound letter of one's own index; the range of that index.
    fn solved(&mut self, own: &Index, other: &Index) -> Option<Range<usize>> {
        let k = self.bound.iter().position(|(letter, _)| Some(letter) == own.letter.as_ref())?;
        let (letter, range) = self.bound.remove(k);
        self.rename(&letter, &other.plus(-own.offset));
        Some(moved(&range, own.offset))
    }

    /// The range of a bound letter becomes that in which the index is in a range; a condition if no letter is bound.
    fn restricted(&mut self, index: &Index, range: Range<usize>) -> Option<(Index, Range<usize>)> {
        let own = self.bound.iter().position(|(letter, _)| Some(letter) == index.letter.as_ref());
        let Some(k) = own else { return Some((index.clone(), range)) };
        let bound = &mut self.bound[k].1;
        let range = moved(&range, -index.offset);
        *bound = bound.start.max(range.start)..bound.end.min(range.end).max(bound.start);
        None
    }

    fn rename(&mut self, letter: &str, by: &Index) {
        self.factor = self.factor.clone().renamed(letter, by);
        if let Some(Leaf::Initial(_, at) | Leaf::Hat(_, at)) = &mut self.leaf {
            at.iter_mut().for_each(|index| *index = index.renamed(letter, by));
        }
    }
}

/// A range plus a number.
fn moved(range: &Range<usize>, by: isize) -> Range<usize> {
    range.start.saturating_add_signed(by)..range.end.saturating_add_signed(by)
}

/// Of independent entries of an array of these sizes: those at which both indices are equal.
fn of_entries(mut x: Term, mut y: Term, sizes: &[usize]) -> Expr {
    let index = |term: &Term, axis: usize| match &term.leaf {
        Some(Leaf::Initial(_, at) | Leaf::Hat(_, at)) => at[axis].clone(),
        None => Index::number(0),
    };
    let mut conditions = Vec::new();
    let mut within = Vec::new();
    for (axis, size) in sizes.iter().enumerate() {
        let (a, b) = (index(&x, axis), index(&y, axis));
        if a == b {
            continue;
        }
        let condition = if let Some(range) = y.solved(&b, &a) {
            x.restricted(&a, range)
        } else if let Some(range) = x.solved(&a, &b) {
            y.restricted(&b, range)
        } else if a.letter == b.letter {
            return Expr::Number(0.0);
        } else {
            let formula = |index: Index| match index.letter {
                Some(_) => Expr::Index(index),
                None => Expr::Number(index.offset as f64),
            };
            let [a, b] = [a, b].map(|index| Box::new(formula(index)));
            conditions.push(Expr::Relation("=", a, b));
            None
        };
        within.extend(condition.filter(|(_, range)| *range != (0..*size)));
    }
    let bound = [x.bound, y.bound].concat();
    let product = Expr::product([vec![x.factor, y.factor], conditions].concat());
    let inside = |body, (index, range)| Expr::Within(index, range, Box::new(body));
    over(bound, within.into_iter().fold(product, inside))
}

/// A sum over letters, where there are any.
fn over(bound: Vec<(String, Range<usize>)>, formula: Expr) -> Expr {
    Expr::over(false, bound, formula)
}

/// Adds a term; those with the same leaf are one.
fn add(all: &mut Vec<Term>, term: Term) {
    let same =
        |own: &&mut Term| own.bound.is_empty() && term.bound.is_empty() && own.leaf == term.leaf;
    let own = all.iter_mut().find(same);
    match own {
        Some(own) => own.factor = Expr::sum(vec![own.factor.clone(), term.factor]),
        None => all.push(term),
    }
}
