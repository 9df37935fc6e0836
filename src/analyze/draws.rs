//! Gaussian numbers of a leading-order program: their covariance, and how they are made of independent standard ones.
//!
//! Numbers linear in one symbol are jointly Gaussian with covariance E[x x′] of their weights, given everything else. They are
//! drawn in the order of the program, each given those before it: z = Σ_j ℓ_j ξ_j with the columns ℓ_j of a Cholesky factor.
//! Weights may depend on numbers that were drawn before, of the same symbol too (docs/theory/expansion.md).
//! Numbers linear in different symbols are independent if some order of the symbols is such that no number of a later
//! symbol contains an earlier one: each is then Gaussian given all that follow.

use super::gaussian::{Sums, Weights, eliminated};
use crate::ir::{Arg, Expect, Init, InitId, Ir, Law, Node, NodeId, Prim, Program, ReduceOp, Shape};
use crate::source::Span;
use indexmap::IndexMap;
use ndarray::{ArrayD, IxDyn};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A variance below this part of the whole is rounding: the number is determined by those before it.
const ROUNDING: f64 = 1e-10;
/// Added to a variance that may be 0: of outputs for an input 0, of gradients that vanish.
const TINY: f64 = 1e-30;

/// So much a given value may differ from what others determine.
const CLOSE: f64 = 1e-3;

/// The Gaussian numbers of a program: the terms of each sum, in the order in which they were met.
pub(super) type Numbers = IndexMap<InitId, NodeId>;

/// A leading-order program before its Gaussian numbers are drawn.
#[derive(Clone, Debug, Default)]
pub struct Undrawn {
    /// Its numbers are initial scalars.
    pub program: Program,
    /// For each named value of the source program its node here, as in `Facts::leads`.
    pub leads: Vec<Option<NodeId>>,
    sums: Sums,
}

/// The covariance of two numbers of an undrawn program.
#[derive(Clone, Copy, Debug)]
pub struct Covariance {
    /// A number.
    pub number: NodeId,
    /// The same or an earlier one.
    pub other: NodeId,
    /// Their covariance: static axes are those of `number`, then those of `other`.
    pub node: NodeId,
}

/// Numbers whose values are given: those of the output or value with this name.
pub type Given = Vec<(String, Vec<f64>)>;

/// Why values cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenError {
    /// There is no such name.
    #[error("there is no value `{0}`")]
    Unknown(String),
    /// The value is no Gaussian number, or not one alone.
    #[error("`{0}` is not a Gaussian number: a mean of terms linear in an initial symbol")]
    NotGaussian(String),
    /// There are too few or too many numbers.
    #[error("`{0}` has {1} entries, and {2} values are given")]
    Count(String, usize, usize),
    /// A number has two values.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// Its law is not Gaussian: it depends on numbers that were drawn before.
    #[error(
        "the covariance of `{0}` is random itself, so that a value of it changes the law of earlier numbers; give these too"
    )]
    Mixture(String),
}

impl Undrawn {
    /// Finds the weights of the numbers that the program needs.
    ///
    /// # Errors
    /// The place of a number that no order of the symbols makes independent of the others.
    pub(super) fn new(
        mut program: Program,
        leads: Vec<Option<NodeId>>,
        numbers: &Numbers,
    ) -> Result<Self, Span> {
        let needed = needed(&program, numbers);
        match eliminated(&mut program.ir, &needed) {
            Ok(sums) if sums.is_empty() => Ok(Self { program, leads, sums }),
            Ok(sums) => {
                let mut undrawn = Self { program, leads, sums };
                let all = undrawn.covariances();
                // with numbers in it the covariance is random, and the law a mixture
                let fixed = |id: &NodeId| !undrawn.contains_numbers(*id);
                let own = |id: NodeId| {
                    let own = all.iter().find(|pair| (pair.number, pair.other) == (id, id));
                    own.map(|pair| pair.node).filter(fixed)
                };
                let outputs = undrawn.program.outputs.iter();
                let covariances = outputs.map(|output| own(output.node)).collect();
                undrawn.program.covariances = covariances;
                Ok(undrawn)
            }
            Err(number) => Err(program.ir.init(number).span),
        }
    }

    fn contains_numbers(&self, id: NodeId) -> bool {
        self.program.ir.reachable(&[id]).iter().any(|id| match self.program.ir.node(*id) {
            Node::Init(init) => self.sums.contains_key(init),
            _ => false,
        })
    }

    /// Adds the covariances of all pairs of numbers that share a symbol to the program.
    pub fn covariances(&mut self) -> Vec<Covariance> {
        let ir = &mut self.program.ir;
        let group = |weights: &Weights, number: InitId, ir: &Ir| Group {
            weights: weights.node,
            stat: ir.init(number).shape.stat.clone(),
        };
        let mut found = Vec::new();
        for (position, (number, weights)) in self.sums.iter().enumerate() {
            for (other, others) in self.sums.iter().take(position + 1) {
                let mut total = None;
                for x in weights {
                    for y in others.iter().filter(|y| y.symbol == x.symbol) {
                        let (x, y) = (group(x, *number, ir), group(y, *other, ir));
                        let part = covariance(ir, &x, &y);
                        total = Some(total.map_or(part, |sum| ir.apply(Prim::Add, &[sum, part])));
                    }
                }
                let Some(node) = total else { continue };
                let mut node_of = |init: InitId| {
                    let shape = ir.init(init).shape.clone();
                    ir.rebuild(Node::Init(init), shape)
                };
                let (number, other) = (node_of(*number), node_of(*other));
                found.push(Covariance { number, other, node });
            }
        }
        found
    }

    /// The program with its numbers drawn, made of new initial scalars.
    ///
    /// # Errors
    /// A given name that is none, or whose value is not a Gaussian number.
    pub fn drawn(&self, given: &Given) -> Result<Program, GivenError> {
        let mut fixed = HashMap::new();
        for (name, values) in given {
            let (number, values) = self.given(name, values)?;
            if fixed.insert(number, values).is_some() {
                return Err(GivenError::Twice(name.clone()));
            }
        }
        for (name, values) in given {
            let (number, _) = self.given(name, values)?;
            let mut inside = self.sums[&number]
                .iter()
                .flat_map(|weights| self.program.ir.reachable(&[weights.node]));
            let open = |id: NodeId| match self.program.ir.node(id) {
                Node::Init(init) => self.sums.contains_key(init) && !fixed.contains_key(init),
                _ => false,
            };
            if inside.any(open) {
                return Err(GivenError::Mixture(name.clone()));
            }
        }
        Ok(self.drawn_with(&fixed, &mut Vec::new()))
    }

    /// The same with nothing given; changes these nodes to those of the new graph.
    pub(super) fn free(&self, nodes: &mut [Option<NodeId>]) -> Program {
        self.drawn_with(&HashMap::new(), nodes)
    }

    fn drawn_with(
        &self,
        fixed: &HashMap<InitId, Vec<f64>>,
        nodes: &mut [Option<NodeId>],
    ) -> Program {
        if self.sums.is_empty() {
            return self.program.clone();
        }
        let old = &self.program.ir;
        let mut copy = Copy {
            undrawn: self,
            ir: old.without_nodes(),
            map: HashMap::new(),
            fixed,
            factors: BTreeMap::new(),
            expects: Vec::new(),
        };
        // What is given is drawn first: the rest is drawn given it.
        for number in self.sums.keys().filter(|number| fixed.contains_key(*number)) {
            let node = old.ids().find(|id| *old.node(*id) == Node::Init(*number));
            copy.copied(node.expect("a number has a node"));
        }
        let mut program = Program { ir: Ir::default(), ..self.program.clone() };
        program.map_roots(|id| copy.copied(id));
        for (output, covariance) in program.outputs.iter().zip(&mut program.covariances) {
            // what is given does not vary
            let given = matches!(copy.ir.node(output.node), Node::Data(_) | Node::Const(_));
            *covariance = covariance.filter(|_| fixed.is_empty() && !given);
            *covariance = covariance.map(|id| copy.copied(id));
        }
        for node in nodes.iter_mut().flatten() {
            *node = copy.copied(*node);
        }
        program.expects.extend(copy.expects);
        program.ir = copy.ir;
        program
    }

    fn given(&self, name: &str, values: &[f64]) -> Result<(InitId, Vec<f64>), GivenError> {
        let Program { ir, outputs, named, .. } = &self.program;
        let all = || {
            let outputs = outputs.iter().map(|output| (&output.name, output.node));
            outputs.chain(named.iter().map(|named| (&named.name, named.node)))
        };
        let find = |name: &str| all().find(|(known, _)| *known == name).map(|(_, node)| node);
        // the name of a trained net stands for its outputs before the first step
        let mut node = find(name)
            .or_else(|| find(&format!("{name}_first")))
            .ok_or_else(|| GivenError::Unknown(name.into()))?;
        if let Node::Stack(steps) = ir.node(node) {
            node = steps[0];
        }
        let number = match ir.node(node) {
            Node::Init(init) if self.sums.get(init).is_some_and(|sums| sums.len() == 1) => *init,
            _ => return Err(GivenError::NotGaussian(name.into())),
        };
        let entries = ir.shape(node).entries();
        match values {
            [value] => Ok((number, vec![*value; entries])),
            _ if values.len() == entries => Ok((number, values.to_vec())),
            _ => Err(GivenError::Count(name.into(), entries, values.len())),
        }
    }
}

/// The numbers that a program needs, in order.
fn needed(program: &Program, numbers: &Numbers) -> Vec<(InitId, NodeId)> {
    let mut found: HashSet<InitId> = HashSet::new();
    let mut pending = program.roots();
    while let Some(root) = pending.pop() {
        for id in program.ir.reachable(&[root]) {
            if let Node::Init(init) = program.ir.node(id)
                && let Some(terms) = numbers.get(init)
                && found.insert(*init)
            {
                pending.push(*terms);
            }
        }
    }
    let kept = numbers.iter().filter(|(number, _)| found.contains(*number));
    kept.map(|(number, terms)| (*number, *terms)).collect()
}

/// A copy of the graph in which numbers are sums of independent ones.
struct Copy<'a> {
    undrawn: &'a Undrawn,
    ir: Ir,
    map: HashMap<NodeId, NodeId>,
    fixed: &'a HashMap<InitId, Vec<f64>>,
    /// The numbers linear in each symbol.
    factors: BTreeMap<InitId, Factor>,
    /// That given values do not contradict each other.
    expects: Vec<Expect>,
}

impl Copy<'_> {
    fn copied(&mut self, root: NodeId) -> NodeId {
        let old = &self.undrawn.program.ir;
        for id in old.reachable(&[root]) {
            if self.map.contains_key(&id) {
                continue;
            }
            self.ir.here = None;
            let node = match old.node(id) {
                Node::Init(init) if self.undrawn.sums.contains_key(init) => self.number(*init),
                node => {
                    let node = node.with_children(|child| self.map[&child]);
                    self.ir.rebuild(node, old.shape(id).clone())
                }
            };
            self.ir.add_origins(node, old.origins(id));
            self.map.insert(id, node);
        }
        self.map[&root]
    }

    fn number(&mut self, number: InitId) -> NodeId {
        let Init { shape, span, .. } = self.undrawn.program.ir.init(number).clone();
        let mut total = self.ir.zeros(shape.clone());
        for Weights { symbol, node } in &self.undrawn.sums[&number] {
            // of numbers before this one
            let weights = self.copied(*node);
            let group = Group { weights, stat: shape.stat.clone() };
            let fixed = self.fixed.get(&number).map(Vec::as_slice);
            let independent = match fixed {
                Some(_) => None,
                None => {
                    let name = "ξ".into();
                    let shape = shape.clone();
                    let init = Init { name, shape, law: Law::Normal, stream: 0, span };
                    Some(self.ir.new_init(init))
                }
            };
            let factor = self.factors.entry(*symbol).or_default();
            let sum = factor.extend(&mut self.ir, group, independent, fixed);
            if let Some(values) = fixed {
                let size = values.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
                let node = factor.sum(&mut self.ir, factor.groups.len() - 1, None);
                let name = "the value that is given here follows from others".to_owned();
                self.expects.push(Expect { node, value: sum, tolerance: CLOSE * size, name, span });
            }
            total = self.ir.apply(Prim::Add, &[total, sum]);
        }
        total
    }
}

/// Numbers of one static shape, linear in the symbol.
#[derive(Clone, Debug)]
struct Group {
    weights: NodeId,
    stat: Vec<usize>,
}

impl Group {
    fn entries(&self) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new()];
        for size in &self.stat {
            all = all
                .into_iter()
                .flat_map(|at: Vec<usize>| (0..*size).map(move |k| [&at[..], &[k]].concat()))
                .collect();
        }
        all
    }
}

/// The lower triangular factor of the covariance of all numbers linear in one symbol, column by column.
#[derive(Clone, Debug, Default)]
struct Factor {
    groups: Vec<Group>,
    columns: Vec<Column>,
}

/// One column, for the number at an entry of a group.
#[derive(Clone, Debug)]
struct Column {
    group: usize,
    at: Vec<usize>,
    /// For each group so far, the column's part of its numbers.
    parts: Vec<NodeId>,
    /// What the residual covariance with this number is multiplied with: 1 over its residual deviation.
    over: NodeId,
    /// The independent number that the column is multiplied with.
    number: NodeId,
}

impl Factor {
    /// Adds a group of numbers; returns their values.
    fn extend(
        &mut self,
        ir: &mut Ir,
        group: Group,
        independent: Option<NodeId>,
        fixed: Option<&[f64]>,
    ) -> NodeId {
        let own = self.groups.len();
        self.groups.push(group.clone());
        let mut rest: Vec<NodeId> =
            self.groups.iter().map(|other| covariance(ir, &group, other)).collect();
        for k in 0..self.columns.len() {
            let Column { group: other, at, over, .. } = self.columns[k].clone();
            let along = trailing(ir, rest[other], group.stat.len(), &at);
            let part = ir.apply(Prim::Mul, &[along, over]);
            self.columns[k].parts.push(part);
            for (rest, part_of) in rest.iter_mut().zip(&self.columns[k].parts) {
                *rest = without(ir, *rest, part, *part_of);
            }
        }
        let whole = covariance(ir, &group, &group);
        for (place, at) in group.entries().into_iter().enumerate() {
            let variance = entry(ir, whole, &[&at[..], &at[..]].concat());
            let left = entry(ir, rest[own], &[&at[..], &at[..]].concat());
            // relative, so that rounding can be told
            let scale = inverse_root(ir, variance, TINY);
            let share = [scale, scale].iter().fold(left, |x, y| ir.apply(Prim::Mul, &[x, *y]));
            let root = inverse_root(ir, share, ROUNDING);
            let over = ir.apply(Prim::Mul, &[root, scale]);
            let along = trailing(ir, rest[own], group.stat.len(), &at);
            let part = ir.apply(Prim::Mul, &[along, over]);
            rest[own] = without(ir, rest[own], part, part);
            let number = match (independent, fixed) {
                (Some(independent), _) => entry(ir, independent, &at),
                (None, values) => {
                    let value = values.map_or(0.0, |values| values[place]);
                    let known = self.sum(ir, own, Some(&at));
                    let value = ir.constant(value);
                    let off = ir.apply(Prim::Sub, &[value, known]);
                    // nearly 1, and 0 where earlier numbers determine this one
                    let certain =
                        [root, root].iter().fold(share, |x, y| ir.apply(Prim::Mul, &[x, *y]));
                    [over, certain].iter().fold(off, |x, y| ir.apply(Prim::Mul, &[x, *y]))
                }
            };
            // earlier groups do not depend on this number
            let mut parts: Vec<NodeId> = self.groups[..own]
                .iter()
                .map(|group| ir.zeros(Shape::new(group.stat.clone(), 0)))
                .collect();
            parts.push(part);
            self.columns.push(Column { group: own, at, parts, over, number });
        }
        match fixed {
            Some(values) => {
                let values = ArrayD::from_shape_vec(IxDyn(&group.stat), values.to_vec());
                ir.data(values.expect("as many values as entries"))
            }
            None => self.sum(ir, own, None),
        }
    }

    /// Σ ℓ ξ over all columns so far, of all numbers of a group or of one.
    fn sum(&self, ir: &mut Ir, group: usize, at: Option<&[usize]>) -> NodeId {
        let stat = if at.is_some() { vec![] } else { self.groups[group].stat.clone() };
        let shape = Shape::new(stat, 0);
        let mut total = ir.zeros(shape.clone());
        for column in self.columns.iter().filter(|column| group < column.parts.len()) {
            let part = match at {
                Some(at) => entry(ir, column.parts[group], at),
                None => column.parts[group],
            };
            let part = ir.whole(part);
            let number = ir.whole(column.number);
            let term = ir.map(Prim::Mul, shape.clone(), vec![part, number]);
            total = ir.apply(Prim::Add, &[total, term]);
        }
        total
    }
}

/// 1/√(x + least). A power instead of a division, because x may well be 0, which is no pole here.
fn inverse_root(ir: &mut Ir, x: NodeId, least: f64) -> NodeId {
    let [least, power] = [least, -0.5].map(|number| ir.constant(number));
    let padded = ir.apply(Prim::Add, &[x, least]);
    ir.apply(Prim::Powf, &[padded, power])
}

/// E[x x′] for all numbers of one group with all of another.
fn covariance(ir: &mut Ir, x: &Group, y: &Group) -> NodeId {
    let (first, second) = (x.stat.len(), y.stat.len());
    let own = ir.shape(x.weights).clone();
    let symbol = &own.stat[first..];
    let sizes = [&x.stat[..], &y.stat[..], symbol].concat();
    let shared: Vec<usize> = (first + second..sizes.len()).collect();
    let width: Vec<usize> = (0..own.width).collect();
    let arg = |node: NodeId, from: usize, count: usize| Arg {
        node,
        stat: (from..from + count).chain(shared.iter().copied()).collect(),
        width: width.clone(),
    };
    let args = vec![arg(x.weights, 0, first), arg(y.weights, first, second)];
    let product = ir.map(Prim::Mul, Shape::new(sizes, own.width), args);
    let sum = ir.reduce(ReduceOp::Sum, product, shared, vec![]);
    ir.reduce(ReduceOp::Mean, sum, vec![], width)
}

/// An entry along the axes after the first `kept`.
fn trailing(ir: &mut Ir, mut node: NodeId, kept: usize, at: &[usize]) -> NodeId {
    for place in at {
        node = ir.index(node, kept, *place);
    }
    node
}

fn entry(ir: &mut Ir, node: NodeId, at: &[usize]) -> NodeId {
    trailing(ir, node, 0, at)
}

/// Without the outer product of two static arrays.
fn without(ir: &mut Ir, rest: NodeId, x: NodeId, y: NodeId) -> NodeId {
    let shape = ir.shape(rest).clone();
    let count = ir.shape(x).stat.len();
    let x = ir.whole(x);
    let y = Arg { stat: (count..shape.stat.len()).collect(), ..ir.whole(y) };
    let product = ir.map(Prim::Mul, shape, vec![x, y]);
    ir.apply(Prim::Sub, &[rest, product])
}
