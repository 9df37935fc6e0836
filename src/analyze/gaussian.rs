//! Which sums over neurons are Gaussian numbers: those linear in initial symbols that occur nowhere else in them.
//!
//! ```text
//! n^(−1/2) Σ_α v_α x_α, x free of v:       Gaussian, Cov(z, z′) = ⟨x|x′⟩
//! n^(−1/2) Σ_α u_α (W x)_α, u, x free of W:  Gaussian, Cov(z, z′) = ⟨u|u′⟩⟨x|x′⟩
//! ```
//!
//! The weights x, or u xᵀ, of a symbol are the derivative of the sum by it: reverse mode transposes the linear maps in
//! between, as backpropagation does. Never are the covariances of summands taken: uᵀWx and xᵀWᵀu are one number, while
//! Wx and Wᵀu are independent kets (theory.md section 6, rule 2).

use crate::ir::passes::adjoint::{Placement, gradient};
use crate::ir::{InitId, Ir, Node, NodeId, Prim, ReduceOp};
use indexmap::IndexMap;
use std::cmp::Reverse;
use std::collections::HashMap;

/// What one symbol is multiplied with in a sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights {
    /// The symbol: an initial vec or mat.
    pub(super) symbol: InitId,
    /// Its weights: static axes are those of the sum, then those of the symbol; width axes are those of the symbol.
    pub(super) node: NodeId,
}

/// How a value depends on some symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dependence {
    /// It is 0.
    Zero,
    /// Not at all.
    Free,
    /// Linearly, with weights that are free of them.
    Linear,
    /// A linear part and one that is free of them.
    Affine,
    /// In another way.
    Other,
}

use Dependence::{Affine, Free, Linear, Other, Zero};

impl Dependence {
    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Other, _) | (_, Other) => Other,
            (Zero, part) | (part, Zero) => part,
            (Free, Free) => Free,
            (Linear, Linear) => Linear,
            _ => Affine,
        }
    }

    fn times(self, other: Self) -> Self {
        match (self, other) {
            (Zero, _) | (_, Zero) => Zero,
            (Free, part) | (part, Free) => part,
            _ => Other,
        }
    }

    fn is_free(self) -> bool {
        matches!(self, Zero | Free)
    }
}

/// Gaussian numbers: for each the weights of the symbols that it is linear in.
pub(super) type Sums = IndexMap<InitId, Vec<Weights>>;

/// Whether the sum of these terms over their width axis is Gaussian by itself.
pub(super) fn is_gaussian(ir: &mut Ir, terms: NodeId) -> bool {
    eliminated(ir, &[(InitId::default(), terms)]).is_ok()
}

/// Takes symbol after symbol out of numbers, which are sums of terms over a width axis. A symbol can be taken out where every
/// number is linear in it or free of it: given all other symbols, these linear parts are jointly Gaussian, and what is left
/// is free of it, hence independent of them. Vecs come before mats and later ones first: the head of a network before its body.
///
/// # Errors
/// A number of which something is left.
pub(super) fn eliminated(ir: &mut Ir, numbers: &[(InitId, NodeId)]) -> Result<Sums, InitId> {
    let mut sums: Sums = numbers.iter().map(|(number, _)| (*number, Vec::new())).collect();
    let mut left: Vec<(InitId, NodeId)> = numbers.to_vec();
    loop {
        left.retain(|(_, terms)| !ir.is_zero(*terms) && !symbols(ir, *terms).is_empty());
        let Some((first, _)) = left.first().copied() else { return Ok(sums) };
        let mut candidates: Vec<InitId> =
            left.iter().flat_map(|(_, terms)| symbols(ir, *terms)).collect();
        candidates.sort_by_key(|init| (ir.init(*init).shape.width, Reverse(*init)));
        candidates.dedup();
        let found = |symbol: InitId| -> Vec<Dependence> {
            left.iter().map(|(_, terms)| dependence(ir, *terms, symbol)).collect()
        };
        let all: Vec<(InitId, Vec<Dependence>)> = candidates
            .into_iter()
            .map(|symbol| (symbol, found(symbol)))
            .filter(|(_, found)| !found.contains(&Other))
            .collect();
        // rather one that takes whole numbers away
        let whole = all.iter().position(|(_, found)| !found.contains(&Affine));
        let next = all.into_iter().nth(whole.unwrap_or(0));
        let Some((symbol, found)) = next else { return Err(first) };
        for ((number, terms), dependence) in left.iter_mut().zip(found) {
            if dependence == Linear || dependence == Affine {
                let weights = derivative(ir, *terms, symbol).ok_or(*number)?;
                sums[&*number].push(weights);
                *terms = without(ir, *terms, symbol);
            }
        }
    }
}

/// Initial vecs and mats in a value.
fn symbols(ir: &Ir, root: NodeId) -> Vec<InitId> {
    let symbol = |id: &NodeId| match ir.node(*id) {
        Node::Init(init) if ir.init(*init).shape.width > 0 => Some(*init),
        _ => None,
    };
    ir.reachable(&[root]).iter().filter_map(symbol).collect()
}

/// The value with 0 for a symbol.
fn without(ir: &mut Ir, root: NodeId, symbol: InitId) -> NodeId {
    let mut map: HashMap<NodeId, NodeId> = HashMap::new();
    for id in ir.reachable(&[root]) {
        let shape = ir.shape(id).clone();
        let node = match ir.node(id).clone() {
            Node::Init(init) if init == symbol => ir.zeros(shape),
            node => {
                let node = node.with_children(|child| map[&child]);
                ir.rebuild(node, shape)
            }
        };
        map.insert(id, node);
    }
    map[&root]
}

fn derivative(ir: &mut Ir, terms: NodeId, symbol: InitId) -> Option<Weights> {
    let shape = ir.init(symbol).shape.clone();
    let target = ir.rebuild(Node::Init(symbol), shape.clone());
    let sum = ir.reduce(ReduceOp::Sum, terms, vec![], vec![0]);
    let count = ir.shape(sum).stat.len();
    let sizes = [&ir.shape(sum).stat[..], &shape.stat[..]].concat();
    let seed: Vec<usize> = (0..count).collect();
    let own: Vec<usize> = (count..sizes.len()).collect();
    let placement = Placement { seed: &seed, own: &own, sizes: &sizes };
    let node = gradient(ir, sum, target, &placement).ok()??;
    Some(Weights { symbol, node })
}

fn dependence(ir: &Ir, root: NodeId, symbol: InitId) -> Dependence {
    let mut known: HashMap<NodeId, Dependence> = HashMap::new();
    for id in ir.reachable(&[root]) {
        let found = if ir.is_zero(id) { Zero } else { of(ir, id, symbol, &known) };
        known.insert(id, found);
    }
    known[&root]
}

fn of(ir: &Ir, id: NodeId, symbol: InitId, known: &HashMap<NodeId, Dependence>) -> Dependence {
    let get = |id: &NodeId| known[id];
    match ir.node(id) {
        Node::Const(_) | Node::Width(_) | Node::Data(_) | Node::Iota(_) | Node::Param(_) => Free,
        Node::Init(init) if *init == symbol => Linear,
        Node::Init(_) => Free,
        Node::Map { op, args, .. } => {
            let parts: Vec<Dependence> = args.iter().map(|arg| get(&arg.node)).collect();
            of_map(*op, &parts)
        }
        Node::Reduce { arg, width, .. } => match get(arg) {
            part if width.is_empty() || part.is_free() => part,
            _ => Other,
        },
        Node::MatMul { mat, arg, .. } => get(mat).times(get(arg)),
        Node::Index { arg, .. }
        | Node::Slice { arg, .. }
        | Node::Pad { arg, .. }
        | Node::Bind { arg, .. } => get(arg),
        Node::Stack(args) => args.iter().map(get).fold(Zero, Dependence::plus),
    }
}

fn of_map(op: Prim, parts: &[Dependence]) -> Dependence {
    match op {
        Prim::Id | Prim::Neg => parts[0],
        Prim::Add | Prim::Sub => parts[0].plus(parts[1]),
        Prim::Mul => parts[0].times(parts[1]),
        Prim::Div if parts[1].is_free() => parts[0],
        Prim::Select if parts[0].is_free() => parts[1].plus(parts[2]),
        _ if parts.iter().all(|part| part.is_free()) => Free,
        _ => Other,
    }
}
