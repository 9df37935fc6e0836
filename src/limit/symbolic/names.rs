//! Which values of the leading-order program a formula calls by name.
//!
//! The user's names come first. Products without a name become y1, y2, …; values that are used more than once and are long
//! to write become u1, … (kets), c1, … (numbers), K1, … (outer products), so that a formula never repeats another one.
//! Matrices and initial kets keep the law that the source gives them: the graph knows only standardised symbols, and a
//! product by W of variance σ²/n is σ times a product there.

use super::expr::Name;
use super::standard::{Initial, initial, scale_of};
use crate::analyze::Facts;
use crate::codegen::initial_matrix;
use crate::ir::{Exponent, InitId, Ir, Node, NodeId, Prim, Program};
use std::collections::{BTreeMap, BTreeSet};

/// A value longer than this is given a name if it is used twice, or if it is the input of a matrix.
const LONG: usize = 8;
/// A value longer than this is given a name at any rate.
const TOO_LONG: usize = 40;
/// Ratios this close to 1 are 1.
const ROUNDING: f64 = 1e-12;

/// How a product is shown.
#[derive(Clone, Debug)]
pub(super) struct Product {
    /// The product, or the node that is `scale` times the product: what has the name.
    pub(super) shown: NodeId,
    /// σ of the matrix.
    pub(super) scale: f64,
}

/// Names of values.
#[derive(Debug, Default)]
pub(super) struct Names {
    of: BTreeMap<NodeId, Name>,
    products: BTreeMap<NodeId, Product>,
    /// Initial kets.
    pub(super) initials: BTreeMap<NodeId, Initial>,
    scales: BTreeMap<InitId, f64>,
    sizes: BTreeMap<Name, Vec<usize>>,
    taken: BTreeSet<(String, usize)>,
}

impl Names {
    /// Names for these nodes of the leading-order program, operands before users.
    pub(super) fn new(source: &Program, facts: &Facts, nodes: &[NodeId]) -> Self {
        let ir = &facts.leading.ir;
        let mut names = Self { scales: scales(source), ..Self::default() };
        names.of_the_user(source, facts);
        for id in nodes {
            names.add_product(ir, *id);
        }
        names.add_numbers(ir, nodes);
        let uses = uses(ir, nodes);
        names.add_initials(ir, nodes, &uses);
        names.add_long(ir, nodes, &uses);
        let sizes = |(id, name): (&NodeId, &Name)| (name.clone(), ir.shape(*id).stat.clone());
        names.sizes = names.of.iter().map(sizes).collect();
        names
    }

    /// The name of a value.
    pub(super) fn get(&self, id: NodeId) -> Option<&Name> {
        self.of.get(&id)
    }

    /// The sizes of the array that has this name.
    pub(super) fn sizes(&self, name: &Name) -> &[usize] {
        self.sizes.get(name).map_or(&[], Vec::as_slice)
    }

    /// How a product of an initial matrix is shown.
    pub(super) fn product(&self, id: NodeId) -> Option<&Product> {
        self.products.get(&id)
    }

    /// σ of an initial matrix.
    pub(super) fn scale(&self, init: InitId) -> f64 {
        self.scales.get(&init).copied().unwrap_or(1.0)
    }

    /// Whether a name of the user or of this table is `text`.
    pub(super) fn is_taken(&self, text: &str) -> bool {
        self.taken.iter().any(|(taken, _)| taken == text)
    }

    /// The product that a value is a multiple of, and the factor.
    pub(super) fn multiple(&self, ir: &Ir, id: NodeId) -> Option<(NodeId, f64)> {
        let (product, factor) = multiple_of_product(ir, id)?;
        let ratio = factor / self.products.get(&product)?.scale;
        Some((product, if (ratio - 1.0).abs() < ROUNDING { 1.0 } else { ratio }))
    }

    /// Names in the source; of several for one value the first that is not a power of n away from it.
    fn of_the_user(&mut self, source: &Program, facts: &Facts) {
        let mut of = BTreeMap::<NodeId, Name>::new();
        for ((named, lead), scale) in source.named.iter().zip(&facts.leads).zip(&facts.scales) {
            let (text, first) = match named.name.split_once('@') {
                Some((text, version)) => (text, version.parse().unwrap_or(0)),
                None => (named.name.as_str(), 0),
            };
            let mut version = first;
            while self.taken.contains(&(text.to_owned(), version)) {
                version += 1;
            }
            self.taken.insert((text.to_owned(), version));
            let (Some(node), Some(scale)) = (lead, scale) else { continue };
            let ir = &facts.leading.ir;
            if ir.constant_value(*node).is_some() || is_matrix(ir, *node) {
                continue;
            }
            let zero = Exponent::from_integer(0);
            let power = -scale.entry.unwrap_or(zero);
            let name = Name { text: text.to_owned(), version, power };
            let better = |old: &Name| old.power != zero && power == zero;
            if of.get(node).is_none_or(better) {
                of.insert(*node, name);
            }
        }
        self.of = of;
    }

    fn add_product(&mut self, ir: &Ir, id: NodeId) {
        let Node::MatMul { mat, .. } = ir.node(id) else { return };
        let Some((matrix, _)) = initial_matrix(ir, *mat) else { return };
        let scale = self.scale(matrix.init);
        let named = |node: &NodeId| match multiple_of_product(ir, *node) {
            Some((product, factor)) => product == id && (factor / scale - 1.0).abs() < ROUNDING,
            None => false,
        };
        let shown = self.of.keys().copied().find(named);
        let shown = shown.unwrap_or_else(|| {
            let name = self.fresh("y");
            self.of.insert(id, name);
            id
        });
        self.products.insert(id, Product { shown, scale });
    }

    /// Gaussian numbers without a name.
    fn add_numbers(&mut self, ir: &Ir, nodes: &[NodeId]) {
        for id in nodes {
            let number = matches!(ir.node(*id), Node::Init(_)) && ir.shape(*id).width == 0;
            if number && !self.of.contains_key(id) {
                let name = self.fresh("z");
                self.of.insert(*id, name);
            }
        }
    }

    /// A named affine function of one initial object is initial itself, if nothing else reads that object.
    fn add_initials(&mut self, ir: &Ir, nodes: &[NodeId], uses: &[usize]) {
        let mut covered = BTreeSet::new();
        for id in self.of.keys() {
            if let Some((initial, inside)) = initial(ir, *id)
                && inside.iter().all(|node| uses[node.index()] == 1)
            {
                covered.extend(inside);
                self.initials.insert(*id, initial);
            }
        }
        for id in nodes {
            let Node::Init(init) = ir.node(*id) else { continue };
            if ir.shape(*id).width != 1 || covered.contains(id) || self.initials.contains_key(id) {
                continue;
            }
            if !self.of.contains_key(id) {
                let name = self.fresh(&ir.init(*init).name);
                self.of.insert(*id, name);
            }
            let standard = Initial { init: *init, mean: 0.0, factor: 1.0 };
            self.initials.insert(*id, standard);
        }
    }

    fn add_long(&mut self, ir: &Ir, nodes: &[NodeId], uses: &[usize]) {
        let mut inputs = BTreeSet::new();
        for id in nodes {
            if let Node::MatMul { arg, .. } = ir.node(*id) {
                inputs.insert(*arg);
            }
        }
        let mut sizes = vec![1; ir.len()];
        for id in nodes {
            let node = ir.node(*id);
            let inside = self.multiple(ir, *id).is_some() || ir.constant_value(*id).is_some();
            if self.of.contains_key(id) || inside || is_matrix(ir, *id) {
                continue;
            }
            let mut size = 1;
            node.children(|child| size += sizes[child.index()]);
            let shared = uses[id.index()] > 1 || inputs.contains(id);
            let too_long = size > TOO_LONG && uses[id.index()] > 0;
            if matches!(node, Node::Data(_)) || too_long || size > LONG && shared {
                let name = self.fresh(["c", "u", "K"][ir.shape(*id).width.min(2)]);
                self.of.insert(*id, name);
            } else {
                sizes[id.index()] = size;
            }
        }
    }

    /// A name that is not in use: `prefix` with a number.
    fn fresh(&mut self, prefix: &str) -> Name {
        let mut count = 1;
        while self.is_taken(&format!("{prefix}{count}")) {
            count += 1;
        }
        let text = format!("{prefix}{count}");
        self.taken.insert((text.clone(), 0));
        Name { text, version: 0, power: Exponent::from_integer(0) }
    }
}

/// An initial matrix, or an array or part of such.
fn is_matrix(ir: &Ir, id: NodeId) -> bool {
    match ir.node(id) {
        Node::Init(init) => ir.init(*init).shape.width == 2,
        Node::Index { arg, .. } | Node::Slice { arg, .. } => is_matrix(ir, *arg),
        _ => false,
    }
}

/// c and the product that a value is c times.
fn multiple_of_product(ir: &Ir, id: NodeId) -> Option<(NodeId, f64)> {
    match ir.node(id) {
        Node::MatMul { .. } => Some((id, 1.0)),
        Node::Map { op: Prim::Mul, args, shape } => {
            let number = ir.constant_value(args[0].node)?;
            let whole = ir.shape(args[1].node) == shape && args[1] == ir.whole(args[1].node);
            let product = matches!(ir.node(args[1].node), Node::MatMul { .. });
            (whole && product).then_some((args[1].node, number))
        }
        _ => None,
    }
}

/// σ of every initial matrix, where the source gives it as a number.
fn scales(source: &Program) -> BTreeMap<InitId, f64> {
    let ir = &source.ir;
    let mut scales = BTreeMap::new();
    for named in &source.named {
        if ir.shape(named.node).width != 2 {
            continue;
        }
        if let Some((init, scale)) = scale_of(ir, named.node)
            && ir.init(init).span == named.span
        {
            scales.insert(init, scale);
        }
    }
    scales
}

/// How often each node is an operand of these nodes.
fn uses(ir: &Ir, nodes: &[NodeId]) -> Vec<usize> {
    let mut uses = vec![0; ir.len()];
    for id in nodes {
        ir.node(*id).children(|child| uses[child.index()] += 1);
    }
    uses
}
