//! Initial vectors of which a program only sees a few linear forms.
//!
//! A network reads its d input weights U as Σⱼ xᵢⱼ Uⱼ for a few samples x, and every optimizer step adds to U what depends
//! on these sums alone. The sums have the same law if U is Σₖ eₖ Zₖ, where e is an orthonormal basis of the rows x and Z
//! has as many entries. Then there are fewer columns of particles to be kept orthogonal, and the first of them are what
//! most of the sums is made of.

use super::particles::Particles;
use super::sample::EXECUTION;
use crate::codegen::{ExecError, execute};
use crate::ir::{Arg, Init, InitId, Ir, Law, Node, NodeId, Prim, ReduceOp, Shape};
use crate::num::rng::Key;
use ndarray::{Array2, ArrayD, Axis};
use std::collections::{HashMap, HashSet};

/// What is left of a row below this fraction of the longest is rounding.
const DEPENDENT: f64 = 1e-10;

/// A program whose initial vectors are as few as it sees.
pub(super) struct Forms {
    pub(super) ir: Ir,
    pub(super) roots: Vec<NodeId>,
    /// For each node the one of the program that it is made for.
    origins: Vec<NodeId>,
}

impl Forms {
    /// Of the program that `roots` are in.
    pub(super) fn of(ir: &Ir, roots: &[NodeId]) -> Self {
        let (mut new, mut origins) = (ir.without_nodes(), Vec::new());
        let mut map: HashMap<NodeId, NodeId> = HashMap::new();
        for id in ir.reachable(roots) {
            let forms = match ir.node(id) {
                Node::Init(init) => fewer(ir, roots, id, *init, &mut new),
                _ => None,
            };
            let own = forms.unwrap_or_else(|| {
                let node = ir.node(id).with_children(|child| map[&child]);
                new.rebuild(node, ir.shape(id).clone())
            });
            map.insert(id, own);
            origins.resize(new.len(), id);
        }
        Self { ir: new, roots: roots.iter().map(|root| map[root]).collect(), origins }
    }

    /// An error at the node of the program behind its node.
    pub(super) fn in_program(&self, error: ExecError) -> ExecError {
        let origin = |node: NodeId| self.origins[node.index()];
        match error {
            ExecError::NonFinite { node } => ExecError::NonFinite { node: origin(node) },
            ExecError::NotDense { matrix, node } => {
                ExecError::NotDense { matrix, node: origin(node) }
            }
            ExecError::Unsupported { node } => ExecError::Unsupported { node: origin(node) },
            ExecError::Jit(reason) => ExecError::Jit(reason),
        }
    }
}

/// An initial vector as combinations of fewer, if that is possible.
fn fewer(ir: &Ir, roots: &[NodeId], id: NodeId, init: InitId, new: &mut Ir) -> Option<NodeId> {
    let old = ir.init(init);
    let [entries] = old.shape.stat[..] else { return None };
    if old.law != Law::Normal || old.shape.width != 1 {
        return None;
    }
    let basis = orthonormal(rows(ir, roots, id)?);
    let count = basis.len();
    if count == 0 || count >= entries {
        return None;
    }
    let few = new.new_init(Init { shape: Shape::new([count], 1), ..old.clone() });
    let basis = Array2::from_shape_fn((entries, count), |(j, k)| basis[k][j]);
    let args = vec![
        Arg { node: new.data(basis.into_dyn()), stat: vec![0, 1], width: Vec::new() },
        Arg { node: few, stat: vec![1], width: vec![0] },
    ];
    let terms = new.map(Prim::Mul, Shape::new([entries, count], 1), args);
    Some(new.reduce(ReduceOp::Sum, terms, vec![1], Vec::new()))
}

/// The constants that the entries of an initial vector are multiplied with in sums; nothing if it is read otherwise.
fn rows(ir: &Ir, roots: &[NodeId], init: NodeId) -> Option<Vec<Vec<f64>>> {
    let mut readers = Readers { linear: HashSet::from([init]), products: HashMap::new() };
    let mut rows = Vec::new();
    for id in ir.reachable(roots) {
        let mut reads = false;
        ir.node(id).children(|child| reads |= readers.contain(child));
        if !reads {
            continue;
        }
        if readers.is_linear(ir, id) {
            readers.linear.insert(id);
        } else if let Some(factor) = readers.product(ir, id) {
            readers.products.insert(id, factor);
        } else {
            let Factor { node, axis } = readers.sum(ir, id)?;
            let values = constant(ir, node)?;
            rows.extend(values.lanes(Axis(axis)).into_iter().map(|lane| lane.to_vec()));
        }
    }
    (!roots.iter().any(|root| readers.contain(*root))).then_some(rows)
}

/// What reads an initial vector and is not summed yet.
struct Readers {
    /// A number times the vector, and something else: like it, one entry for each entry.
    linear: HashSet<NodeId>,
    /// Constants times such.
    products: HashMap<NodeId, Product>,
}

/// A constant tensor, and its axis of the entries of the initial vector.
#[derive(Clone, Copy)]
struct Factor {
    node: NodeId,
    axis: usize,
}

/// A product of a constant with what is linear, and its axis of the entries of the initial vector.
struct Product {
    factor: Factor,
    axis: usize,
}

impl Readers {
    fn contain(&self, node: NodeId) -> bool {
        self.linear.contains(&node) || self.products.contains_key(&node)
    }

    fn is_linear(&self, ir: &Ir, id: NodeId) -> bool {
        let Node::Map { op, shape, args } = ir.node(id) else { return false };
        if shape.stat.len() != 1 || shape.width != 1 {
            return false;
        }
        let linear = |arg: &Arg| self.linear.contains(&arg.node);
        let scalar = |arg: &Arg| *ir.shape(arg.node) == Shape::scalar();
        match (op, args.as_slice()) {
            (Prim::Neg | Prim::Id, [x]) => linear(x),
            (Prim::Mul, [x, y]) => (linear(x) && scalar(y)) || (scalar(x) && linear(y)),
            (Prim::Div, [x, y]) => linear(x) && scalar(y),
            (Prim::Add | Prim::Sub, _) => !args.iter().any(|x| self.products.contains_key(&x.node)),
            _ => false,
        }
    }

    fn product(&self, ir: &Ir, id: NodeId) -> Option<Product> {
        let Node::Map { op: Prim::Mul, shape, args } = ir.node(id) else { return None };
        let [x, y] = args.as_slice() else { return None };
        let (factor, x) = if self.linear.contains(&x.node) { (y, x) } else { (x, y) };
        let axis = *x.stat.first()?;
        let own = factor.stat.iter().position(|own| *own == axis)?;
        let fits =
            self.linear.contains(&x.node) && shape.width == 1 && is_constant(ir, factor.node);
        fits.then_some(Product { factor: Factor { node: factor.node, axis: own }, axis })
    }

    fn sum(&self, ir: &Ir, id: NodeId) -> Option<Factor> {
        let Node::Reduce { op: ReduceOp::Sum, arg, stat, width } = ir.node(id) else { return None };
        let product = self.products.get(arg)?;
        (*stat == [product.axis] && width.is_empty()).then_some(product.factor)
    }
}

/// Whether nothing random goes into a value, and it is the same for all neurons.
fn is_constant(ir: &Ir, node: NodeId) -> bool {
    let is_random = |id: &NodeId| matches!(ir.node(*id), Node::Init(_));
    ir.shape(node).width == 0 && !ir.reachable(&[node]).iter().any(is_random)
}

/// The value of a constant.
fn constant(ir: &Ir, node: NodeId) -> Option<ArrayD<f64>> {
    let mut none = Particles::in_blocks(&[], 1, 1, Key::new(0));
    execute::<f64>(ir, &[node], 1, &mut none, &EXECUTION).ok()?.pop()
}

/// An orthonormal basis of the rows, along the longest that is left each time.
fn orthonormal(mut rows: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let size = |row: &Vec<f64>| product(row, row).sqrt();
    let least = DEPENDENT * rows.iter().map(size).fold(0.0, f64::max);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    while let Some(row) = rows.iter().max_by(|a, b| size(a).total_cmp(&size(b)))
        && size(row) > least
    {
        let mut direction = row.clone();
        // once more: a small rest has rounding along the others
        basis.iter().for_each(|e| remove(&mut direction, e));
        let length = size(&direction);
        direction.iter_mut().for_each(|x| *x /= length);
        rows.iter_mut().for_each(|row| remove(row, &direction));
        basis.push(direction);
    }
    basis
}

fn product(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn remove(x: &mut [f64], e: &[f64]) {
    let part = product(x, e);
    x.iter_mut().zip(e).for_each(|(x, e)| *x -= part * e);
}
