//! Limits without sampling: kets in symbols, numbers by symmetry, independence, closed forms and quadrature.
//!
//! The leading-order program is read once, operands first, over width axes of size 1: a scalar becomes a number with an error, a
//! ket a sum of products of functions of Gaussian forms ([`ket`]), a mean over a width axis an expectation ([`mean`]). What is too
//! large, of too many dimensions, or depends on a Gaussian number, stays unknown, and so does all that depends on it.

mod copies;
mod errors;
mod expand;
mod features;
mod integral;
mod ket;
mod leaves;
mod matrix;
mod mean;
pub(super) mod number;
mod pairs;
mod slope;
mod tree;

use super::each::Each;
use crate::codegen::initial_matrix;
use crate::codegen::interpret::Local;
use crate::codegen::interpret::number::Arithmetic;
use crate::ir::{Arg, Ir, Node, NodeId, Prim, Program, ReduceOp, Shape};
use crate::num::tensor::{Tensor, for_each_place};
use ket::KetId;
use leaves::Leaves;
use matrix::Rows;
pub use matrix::{Evaluated, Matrices, MatrixId};
use ndarray::Array2;
pub use number::Method;
pub(super) use number::Number;
use std::cell::{OnceCell, RefCell};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

/// An entry of a value.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Number(Number),
    Ket(KetId),
    Unknown,
}

/// Arrays of more kets are not followed.
const MOST_KETS: usize = 1 << 17;
/// Products of two arrays of more entries are taken as a whole.
const LARGE: usize = 1 << 12;

/// The entries of a scalar node in row-major order; the error of one that is not known is infinite.
#[derive(Debug)]
pub(super) struct Entries {
    pub(super) values: Rc<Vec<f64>>,
    pub(super) errors: Each<f64>,
    pub(super) methods: Each<Method>,
}

impl Entries {
    /// Of a matrix, whose entries have one error.
    fn of_matrix(matrix: Evaluated) -> Self {
        let Evaluated { values, error, method } = matrix;
        let (values, _) = values.into_raw_vec_and_offset();
        let count = values.len();
        let (errors, methods) = (Each::Shared(error, count), Each::Shared(method, count));
        Self { values: Rc::new(values), errors, methods }
    }

    fn of_array(entries: &[Entry]) -> Self {
        let numbers = entries.iter().map(|entry| {
            let missing = Number { error: f64::INFINITY, ..Number::default() };
            entry.number().unwrap_or(missing)
        });
        let numbers: Vec<Number> = numbers.collect();
        Self {
            values: Rc::new(numbers.iter().map(|number| number.value).collect()),
            errors: numbers.iter().map(|number| number.error).collect::<Vec<_>>().into(),
            methods: numbers.iter().map(|number| number.method).collect::<Vec<_>>().into(),
        }
    }

    /// Whether an entry is known.
    pub(super) fn is_known(&self, entry: usize) -> bool {
        self.errors[entry].is_finite()
    }
}

/// What needs no sample.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The first value that is not known.
    pub(super) unknown: Option<NodeId>,
    roots: HashMap<NodeId, Entries>,
}

impl Known {
    /// The entries of a scalar root.
    pub(super) fn entries(&self, root: NodeId) -> Option<&Entries> {
        self.roots.get(&root)
    }

    /// Whether all entries of a root are known.
    pub(super) fn is_known(&self, root: NodeId) -> bool {
        let known = |own: &Entries| own.errors.distinct().iter().all(|error| error.is_finite());
        self.entries(root).is_some_and(known)
    }
}

/// Evaluates what needs no sample, of everything that these nodes depend on.
pub(super) fn known(ir: &Ir, roots: &[NodeId], closed: bool) -> Known {
    let mut walk = Walk::new(ir, closed);
    let unknown = walk.read(roots);
    walk.known(roots, unknown)
}

/// The outputs that are large matrices over all pairs of two arrays, as expressions of one another: what [`evaluate`] reads
/// before it computes a number.
///
/// [`evaluate`]: super::evaluate::evaluate
pub fn matrices(program: &Program) -> (Matrices, Vec<MatrixId>) {
    let roots: Vec<NodeId> = program.outputs.iter().map(|output| output.node).collect();
    let mut walk = Walk::new(&program.ir, true);
    walk.read(&roots);
    let ids = roots.iter().filter_map(|id| walk.values[id].matrix).collect();
    (walk.symbols.0.into_inner().pairs.matrices, ids)
}

/// Numbers and kets as the entries of arrays.
struct Symbols<'a>(RefCell<Leaves<'a>>);

impl Arithmetic for Symbols<'_> {
    type Number = Entry;
    const SCALED: bool = false;

    fn leaf(&self, value: f64) -> Entry {
        Entry::Number(Number::exact(value))
    }

    fn value(&self, entry: Entry) -> f64 {
        match entry {
            Entry::Number(number) => number.value,
            Entry::Ket(_) | Entry::Unknown => 0.0,
        }
    }

    fn map(&self, op: Prim, args: &[Entry]) -> Entry {
        let mut numbers = [Number::default(); Prim::MOST_ARGUMENTS];
        let mut all = numbers.iter_mut().zip(args);
        if all.all(|(number, arg)| arg.number().map(|own| *number = own).is_some()) {
            return of_number(Number::map(op, &numbers[..args.len()]));
        }
        let mut leaves = self.0.borrow_mut();
        let kets: Option<Vec<KetId>> = args.iter().map(|arg| arg.ket(&mut leaves)).collect();
        Entry::of(kets.and_then(|kets| leaves.kets.apply(op, &kets)))
    }

    fn sum(&self, terms: impl Iterator<Item = Entry>) -> Entry {
        let terms: Vec<Entry> = terms.collect();
        if let Some(numbers) = terms.iter().map(Entry::number).collect::<Option<Vec<Number>>>() {
            return of_number(Number::sum(numbers.into_iter()));
        }
        let mut leaves = self.0.borrow_mut();
        let kets: Option<Vec<KetId>> = terms.iter().map(|term| term.ket(&mut leaves)).collect();
        let parts = kets
            .map(|kets| kets.into_iter().map(|ket| (Number::exact(1.0), ket)).collect::<Vec<_>>());
        Entry::of(parts.and_then(|parts| leaves.kets.combine(&parts)))
    }

    fn matrix(&self, _: Vec<f64>, x: &[Entry], _: usize, _: Option<&[f64]>, _: bool) -> Vec<Entry> {
        vec![Entry::Unknown; x.len()]
    }
}

fn is_missing(entries: &Tensor<Entry>) -> bool {
    entries.values.iter().any(|entry| matches!(entry, Entry::Unknown))
}

/// Unknown if nothing is known about it.
fn of_number(number: Number) -> Entry {
    match number.value.is_finite() && number.error.is_finite() {
        true => Entry::Number(number),
        false => Entry::Unknown,
    }
}

impl Entry {
    fn of(ket: Option<KetId>) -> Self {
        ket.map_or(Self::Unknown, Self::Ket)
    }

    fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Ket(_) | Self::Unknown => None,
        }
    }

    fn ket(self, leaves: &mut Leaves) -> Option<KetId> {
        match self {
            Self::Number(number) => leaves.kets.constant(number),
            Self::Ket(ket) => Some(ket),
            Self::Unknown => None,
        }
    }
}

/// The entries of a node.
#[derive(Clone)]
struct Value {
    /// A matrix of numbers as a whole.
    matrix: Option<MatrixId>,
    /// All entries, perhaps made when they are asked for.
    entries: OnceCell<Tensor<Entry>>,
}

impl Value {
    fn of(entries: Tensor<Entry>) -> Self {
        Self { matrix: None, entries: OnceCell::from(entries) }
    }

    fn of_matrix(matrix: MatrixId) -> Self {
        Self { matrix: Some(matrix), entries: OnceCell::new() }
    }

    /// What is evaluated when it is asked for, if it is not too large.
    fn deferred() -> Self {
        Self { matrix: None, entries: OnceCell::new() }
    }
}

/// An operand of an operation on matrices.
enum Operand {
    Matrix(MatrixId),
    Number(Number),
}

/// Values of nodes.
struct Walk<'a> {
    ir: &'a Ir,
    symbols: Symbols<'a>,
    values: HashMap<NodeId, Value>,
}

impl<'a> Walk<'a> {
    fn new(ir: &'a Ir, closed: bool) -> Self {
        let mut leaves = Leaves::new(ir);
        leaves.means.closed = closed;
        Self { ir, symbols: Symbols(RefCell::new(leaves)), values: HashMap::new() }
    }

    /// Reads all nodes; returns the first that is not known.
    fn read(&mut self, roots: &[NodeId]) -> Option<NodeId> {
        let mut unknown = None;
        for id in self.ir.reachable(roots) {
            let value = self.value(id);
            let matrix = self.ir.shape(id).width > 1 && matches!(self.ir.node(id), Node::Init(_));
            let matrix = matrix || initial_matrix(self.ir, id).is_some();
            if unknown.is_none() && !matrix && value.entries.get().is_some_and(is_missing) {
                unknown = Some(id);
            }
            self.values.insert(id, value);
        }
        unknown
    }

    /// Evaluates what was read.
    fn known(self, roots: &[NodeId], unknown: Option<NodeId>) -> Known {
        let scalars = roots.iter().filter(|id| self.ir.shape(**id).width == 0);
        let (matrices, arrays): (Vec<NodeId>, Vec<NodeId>) =
            scalars.partition(|id| self.values[id].matrix.is_some());
        let ids: Vec<MatrixId> = matrices.iter().filter_map(|id| self.values[id].matrix).collect();
        let evaluated = self.symbols.0.borrow().pairs.matrices.evaluate(&ids);
        let wholes = matrices.into_iter().zip(evaluated.into_iter().map(Entries::of_matrix));
        let arrays = arrays.into_iter().map(|id| (id, Entries::of_array(&self.entries(id).values)));
        Known { unknown, roots: wholes.chain(arrays).collect() }
    }

    /// All entries of a node.
    fn entries(&self, id: NodeId) -> &Tensor<Entry> {
        let value = &self.values[&id];
        let sizes = || self.ir.shape(id).sizes(1);
        value.entries.get_or_init(|| match (&value.matrix, self.ir.node(id)) {
            (Some(matrix), _) => {
                let whole = self.symbols.0.borrow().pairs.matrices.evaluate(&[*matrix]).remove(0);
                let Evaluated { values, error, method } = whole;
                let entry = |value: &f64| of_number(Number { value: *value, error, method });
                Tensor::new(sizes(), values.iter().map(entry).collect())
            }
            (None, Node::Map { op, shape, args }) if shape.entries() <= MOST_KETS => {
                if shape.width > 1 { self.on_copies(*op, shape, args) } else { self.local(id) }
            }
            (None, _) => self.unknown(id),
        })
    }

    fn value(&self, id: NodeId) -> Value {
        let shape = self.ir.shape(id);
        let sizes = shape.sizes(1);
        let entries = shape.entries();
        match self.ir.node(id) {
            Node::Map { op: Prim::Mul, .. } if entries > LARGE && shape.stat.len() > 1 => {
                self.matrix_map(id).map_or_else(Value::deferred, Value::of_matrix)
            }
            Node::Map { .. } if entries > LARGE && shape.width == 0 => {
                self.matrix_map(id).map_or_else(|| Value::of(self.local(id)), Value::of_matrix)
            }
            Node::Reduce { op, arg, stat, width } => {
                let whole = self.reduced_whole(*op, *arg, stat, width);
                whole.map_or_else(|| Value::of(self.reduced(id)), Value::of_matrix)
            }
            _ if shape.width > 0 && entries > MOST_KETS => Value::deferred(),
            Node::Init(init) if shape.width == 1 => {
                let mut leaves = self.symbols.0.borrow_mut();
                let kets = (0..entries).map(|k| Entry::Ket(leaves.initial(*init, k)));
                Value::of(Tensor::new(sizes, kets.collect()))
            }
            Node::Init(_) | Node::Param(_) | Node::Width(_) => Value::of(self.unknown(id)),
            Node::MatMul { mat, transpose, arg } => {
                let Some((matrix, swapped)) = initial_matrix(self.ir, *mat) else {
                    return Value::of(self.unknown(id));
                };
                let inputs = self.entries(*arg);
                let mut leaves = self.symbols.0.borrow_mut();
                let family = (matrix, swapped != *transpose);
                let entry = |(k, x): (usize, &Entry)| {
                    let x = x.ket(&mut leaves);
                    Entry::of(x.and_then(|x| leaves.product(id, k, family, x)))
                };
                let entries = inputs.values.iter().enumerate().map(entry).collect();
                Value::of(Tensor::new(sizes, entries))
            }
            Node::Map { op, shape, args } if shape.width > 1 => {
                Value::of(self.on_copies(*op, shape, args))
            }
            _ => Value::of(self.local(id)),
        }
    }

    fn unknown(&self, id: NodeId) -> Tensor<Entry> {
        let shape = self.ir.shape(id);
        Tensor::new(shape.sizes(1), vec![Entry::Unknown; shape.entries()])
    }

    /// A node whose entries depend on those of its operands alone.
    fn local(&self, id: NodeId) -> Tensor<Entry> {
        let local = Local { ir: self.ir, n: 1, arithmetic: &self.symbols };
        let found = local.eval(id, &|operand| self.entries(operand));
        found.unwrap_or_else(|| self.unknown(id))
    }

    /// An entrywise operation on matrices as a whole.
    fn matrix_map(&self, id: NodeId) -> Option<MatrixId> {
        let Node::Map { op, shape, args } = self.ir.node(id) else { return None };
        if shape.width > 0 || shape.stat.len() != 2 {
            return None;
        }
        if args.iter().all(|arg| self.values[&arg.node].matrix.is_none()) {
            return None;
        }
        let operand = |arg: &Arg| -> Option<Operand> {
            match (self.values[&arg.node].matrix, arg.stat.as_slice()) {
                (Some(matrix), [0, 1]) => Some(Operand::Matrix(matrix)),
                (Some(matrix), [1, 0]) => {
                    let transposed = self.symbols.0.borrow_mut().pairs.matrices.transposed(matrix);
                    Some(Operand::Matrix(transposed))
                }
                (None, []) => self.entries(arg.node).values[0].number().map(Operand::Number),
                _ => None,
            }
        };
        let operands: Vec<Operand> = args.iter().map(operand).collect::<Option<_>>()?;
        let matrices = &mut self.symbols.0.borrow_mut().pairs.matrices;
        let [zero, one, minus] = [0.0, 1.0, -1.0].map(Number::exact);
        let found = match (op, operands.as_slice()) {
            (Prim::Id, [Operand::Matrix(x)]) => *x,
            (Prim::Neg, [Operand::Matrix(x)]) => matrices.affine(*x, minus, zero),
            (Prim::Add, [Operand::Matrix(x), Operand::Matrix(y)]) => matrices.sum([*x, *y], 1.0),
            (Prim::Sub, [Operand::Matrix(x), Operand::Matrix(y)]) => matrices.sum([*x, *y], -1.0),
            (Prim::Add, [Operand::Matrix(x), Operand::Number(y)])
            | (Prim::Add, [Operand::Number(y), Operand::Matrix(x)]) => matrices.affine(*x, one, *y),
            (Prim::Sub, [Operand::Matrix(x), Operand::Number(y)]) => {
                matrices.affine(*x, one, y.times(minus))
            }
            (Prim::Sub, [Operand::Number(x), Operand::Matrix(y)]) => matrices.affine(*y, minus, *x),
            (Prim::Mul, [Operand::Matrix(x), Operand::Matrix(y)]) => matrices.product([*x, *y]),
            (Prim::Mul, [Operand::Matrix(x), Operand::Number(y)])
            | (Prim::Mul, [Operand::Number(y), Operand::Matrix(x)]) => {
                matrices.affine(*x, *y, zero)
            }
            _ => return None,
        };
        Some(found)
    }

    /// A mean or a sum of the products of all pairs of two arrays.
    fn reduced_whole(
        &self,
        op: ReduceOp,
        arg: NodeId,
        stat: &[usize],
        width: &[usize],
    ) -> Option<MatrixId> {
        let Node::Map { op: Prim::Mul, shape, args } = self.ir.node(arg) else { return None };
        if shape.entries() <= LARGE {
            return None;
        }
        let [x, y] = args.as_slice() else { return None };
        if width == [0] && shape.width == 1 && op == ReduceOp::Mean && stat.is_empty() {
            let arrays = [x, y].map(|arg| (arg.stat.as_slice(), self.entries(arg.node)));
            let ([([0], first), ([1], second)] | [([1], second), ([0], first)]) = arrays else {
                return None;
            };
            let mut leaves = self.symbols.0.borrow_mut();
            let mut kets = |entries: &Tensor<Entry>| -> Option<Vec<KetId>> {
                entries.values.iter().map(|entry| entry.ket(&mut leaves)).collect()
            };
            let (first, second) = (kets(first)?, kets(second)?);
            return leaves.pairs(&first, &second);
        }
        match (width, shape.width, op, stat) {
            ([], 0, ReduceOp::Sum, [summed]) => self.matrix_product(*summed, [x, y], &shape.stat),
            _ => None,
        }
    }

    /// Σₖ x[i, k] y[j, k] of numbers, the axes in any order.
    fn matrix_product(&self, summed: usize, args: [&Arg; 2], sizes: &[usize]) -> Option<MatrixId> {
        let [first, second] = args.map(|arg| {
            let own = arg.stat.iter().position(|axis| *axis == summed)?;
            let other = arg.stat.get(1 - own.min(1)).copied().filter(|_| arg.stat.len() == 2)?;
            let entries = self.entries(arg.node);
            let numbers: Vec<Number> =
                entries.values.iter().map(Entry::number).collect::<Option<_>>()?;
            let shape = (sizes[arg.stat[0]], sizes[arg.stat[1]]);
            let values = numbers.iter().map(|number| number.value).collect();
            let values = Array2::from_shape_vec(shape, values).ok()?;
            let values = if own == 0 { values.reversed_axes() } else { values };
            Some((other, Rows::of(values, numbers.into_iter())))
        });
        let ((i, x), (j, y)) = (first?, second?);
        let (x, y) = match i.cmp(&j) {
            Ordering::Less => (x, y),
            Ordering::Greater => (y, x),
            Ordering::Equal => return None,
        };
        Some(self.symbols.0.borrow_mut().pairs.matrices.gram(x, y))
    }

    fn reduced(&self, id: NodeId) -> Tensor<Entry> {
        if let Some(combined) = self.combined(id) {
            return combined;
        }
        match self.ir.node(id) {
            Node::Reduce { op, arg, stat, width } if !width.is_empty() => {
                self.mean(*op, *arg, stat, width)
            }
            _ => self.local(id),
        }
    }

    /// A sum of products of numbers and kets over static axes, without a ket for each product.
    fn combined(&self, id: NodeId) -> Option<Tensor<Entry>> {
        let Node::Reduce { op: ReduceOp::Sum, arg, stat, width } = self.ir.node(id) else {
            return None;
        };
        let Node::Map { op: Prim::Mul, shape, args } = self.ir.node(*arg) else { return None };
        if !width.is_empty() || shape.width > 1 || self.values[arg].entries.get().is_some() {
            return None;
        }
        let sizes = shape.sizes(1);
        let (tensors, strides) = self.operands(shape, args);
        let mut products = Vec::with_capacity(shape.entries());
        for_each_place(&sizes, &strides, |_, places| {
            let of = |k: usize| tensors[k].values[places[k]];
            products.push(match (of(0), of(1)) {
                (Entry::Number(factor), Entry::Ket(ket))
                | (Entry::Ket(ket), Entry::Number(factor)) => Some((factor, ket)),
                _ => None,
            });
        });
        let products = products.into_iter().collect::<Option<Vec<(Number, KetId)>>>()?;
        let mut leaves = self.symbols.0.borrow_mut();
        let combine = |parts: &[(Number, KetId)]| Entry::of(leaves.kets.combine(parts));
        Some(Tensor::new(sizes, products).fold(&shape.axes(stat, width), combine))
    }

    /// Operands with how far one moves in them per step of each axis of the output.
    fn operands(&self, shape: &Shape, args: &[Arg]) -> (Vec<&Tensor<Entry>>, Vec<Vec<usize>>) {
        let operand = |arg: &Arg| {
            let tensor = self.entries(arg.node);
            let axes = shape.axes(&arg.stat, &arg.width);
            (tensor, tensor.strides_on(&axes, shape.stat.len() + shape.width))
        };
        args.iter().map(operand).unzip()
    }

    /// An entrywise operation on several copies: each operand reads its own.
    fn on_copies(&self, op: Prim, shape: &Shape, args: &[Arg]) -> Tensor<Entry> {
        let sizes = shape.sizes(1);
        let (tensors, strides) = self.operands(shape, args);
        let mut values = Vec::new();
        for_each_place(&sizes, &strides, |_, places| {
            let entry = |((arg, tensor), place): ((&Arg, &&Tensor<Entry>), &usize)| match tensor
                .values[*place]
            {
                Entry::Ket(ket) => {
                    let mut leaves = self.symbols.0.borrow_mut();
                    Entry::of(leaves.kets.with_slots(ket, &arg.width))
                }
                other => other,
            };
            let entries: Vec<Entry> = args.iter().zip(&tensors).zip(places).map(entry).collect();
            values.push(self.symbols.map(op, &entries));
        });
        Tensor::new(sizes, values)
    }

    /// E over some copies, and a sum or mean over static axes. A sum over a width axis is no limit.
    fn mean(&self, op: ReduceOp, arg: NodeId, stat: &[usize], width: &[usize]) -> Tensor<Entry> {
        let inner = self.ir.shape(arg);
        let tensor = self.entries(arg);
        let whole = width.len() == inner.width;
        let average = |entry: &Entry| {
            let mut leaves = self.symbols.0.borrow_mut();
            match *entry {
                _ if op == ReduceOp::Sum => Entry::Unknown,
                Entry::Ket(ket) if whole => leaves.mean(ket).map_or(Entry::Unknown, of_number),
                Entry::Ket(ket) => Entry::of(leaves.mean_over(ket, width)),
                other => other,
            }
        };
        let averaged = tensor.values.iter().map(average).collect();
        let averaged = Tensor::new(tensor.sizes.clone(), averaged);
        let axes = inner.axes(stat, width);
        averaged.fold(&axes, |terms| {
            let sum = self.symbols.sum(terms.iter().copied());
            let count = self.symbols.leaf(terms.len() as f64);
            if terms.len() == 1 { sum } else { self.symbols.map(Prim::Div, &[sum, count]) }
        })
    }
}
