//! The reference interpreter: one node at a time, dense arrays, no cleverness. It defines what a program means.
//!
//! Every node becomes an array over its static axes and its width axes (each of size n), so an OuterNonlin of order 3
//! takes n³ numbers: this is for small widths and for tests. The same walk runs on two kinds of numbers
//! ([`number::Arithmetic`]): plain ones, and ones that carry a first-order bound of their rounding error, by which the
//! compiled loops are compared with it.

pub mod number;

use super::{ExecError, Matrices, MatrixRef, initial_matrix};
use crate::ir::scalar::to_f64;
use crate::ir::{Arg, InitId, Ir, Node, NodeId, Prim, ReduceOp, Shape};
use crate::num::tensor::{Tensor, for_each_place};
use ndarray::{ArrayD, IxDyn};
use number::{Arithmetic, Plain, Scaled, WithScale};

/// The values of `roots` at width n, each an array over its static axes, then its width axes.
pub fn interpret(
    ir: &Ir,
    roots: &[NodeId],
    n: usize,
    matrices: &mut dyn Matrices<f64>,
) -> Result<Vec<ArrayD<f64>>, ExecError> {
    Walk::new(ir, n, Plain, matrices).run(roots)
}

/// The values of `roots` with their error scales: an implementation whose every operation is correct to a relative
/// `tolerance` is off by at most `tolerance · scale`, to first order. Where a value lies within that bound of a jump
/// or a pole, the scale is infinite.
pub fn interpret_scaled(
    ir: &Ir,
    roots: &[NodeId],
    n: usize,
    matrices: &mut dyn Matrices<f64>,
    tolerance: f64,
) -> Result<Vec<ArrayD<Scaled>>, ExecError> {
    Walk::new(ir, n, WithScale { tolerance }, matrices).run(roots)
}

/// Evaluates in order, frees at the last use, and remembers which nodes had an entry that is not finite.
struct Walk<'a, A: Arithmetic> {
    ir: &'a Ir,
    n: usize,
    arithmetic: A,
    matrices: &'a mut dyn Matrices<f64>,
    values: Vec<Option<Tensor<A::Number>>>,
    finite: Vec<bool>,
}

impl<'a, A: Arithmetic> Walk<'a, A> {
    fn new(ir: &'a Ir, n: usize, arithmetic: A, matrices: &'a mut dyn Matrices<f64>) -> Self {
        let values = (0..ir.len()).map(|_| None).collect();
        Self { ir, n, arithmetic, matrices, values, finite: vec![true; ir.len()] }
    }

    fn run(mut self, roots: &[NodeId]) -> Result<Vec<ArrayD<A::Number>>, ExecError> {
        let mut users = vec![0usize; self.ir.len()];
        roots.iter().for_each(|root| users[root.index()] += 1);
        let order = self.needed(roots);
        for id in &order {
            self.operands(*id, |child| users[child.index()] += 1);
        }
        for id in &order {
            let value = self.eval(*id)?;
            self.finite[id.index()] =
                value.values.iter().all(|x| self.arithmetic.value(*x).is_finite());
            self.values[id.index()] = Some(value);
            let mut dead = Vec::new();
            self.operands(*id, |child| {
                users[child.index()] -= 1;
                if users[child.index()] == 0 {
                    dead.push(child);
                }
            });
            dead.iter().for_each(|child| self.values[child.index()] = None);
        }
        roots.iter().map(|root| self.result(*root)).collect()
    }

    fn result(&self, root: NodeId) -> Result<ArrayD<A::Number>, ExecError> {
        if !self.finite[root.index()] {
            return Err(ExecError::NonFinite { node: self.culprit(root) });
        }
        let tensor = self.get(root);
        let array = ArrayD::from_shape_vec(IxDyn(&tensor.sizes), tensor.values.clone());
        Ok(array.expect("a tensor holds as many values as its axes say"))
    }

    /// Follows operands that are not finite down to the first such node.
    fn culprit(&self, mut node: NodeId) -> NodeId {
        loop {
            let mut bad = None;
            self.operands(node, |child| {
                if !self.finite[child.index()] {
                    bad = Some(child);
                }
            });
            let Some(child) = bad else { return node };
            node = child;
        }
    }

    /// The operands that are evaluated; an initial matrix that is applied as a whole is none.
    fn operands(&self, id: NodeId, mut f: impl FnMut(NodeId)) {
        match self.ir.node(id) {
            Node::MatMul { mat, arg, .. } if initial_matrix(self.ir, *mat).is_some() => f(*arg),
            node => node.children(f),
        }
    }

    fn needed(&self, roots: &[NodeId]) -> Vec<NodeId> {
        let mut needed = vec![false; self.ir.len()];
        roots.iter().for_each(|root| needed[root.index()] = true);
        for id in self.ir.ids().rev() {
            if needed[id.index()] {
                self.operands(id, |child| needed[child.index()] = true);
            }
        }
        self.ir.ids().filter(|id| needed[id.index()]).collect()
    }

    fn get(&self, id: NodeId) -> &Tensor<A::Number> {
        self.values[id.index()].as_ref().expect("operands are evaluated before their users")
    }

    fn eval(&mut self, id: NodeId) -> Result<Tensor<A::Number>, ExecError> {
        match self.ir.node(id) {
            Node::Init(init) => {
                let values = self.initial(*init, id)?;
                let values = values.into_iter().map(|x| self.arithmetic.leaf(x)).collect();
                Ok(Tensor::new(self.ir.shape(id).sizes(self.n), values))
            }
            Node::MatMul { mat, transpose, arg } => self.matmul(*mat, *transpose, *arg),
            _ => {
                let local = Local { ir: self.ir, n: self.n, arithmetic: &self.arithmetic };
                local.eval(id, &|child| self.get(child)).ok_or(ExecError::Unsupported { node: id })
            }
        }
    }

    /// All entries of an initial object; of a matrix, its arrays one after another.
    fn initial(&mut self, init: InitId, node: NodeId) -> Result<Vec<f64>, ExecError> {
        let shape = &self.ir.init(init).shape;
        if shape.width < 2 {
            return Ok(self.matrices.initial(init));
        }
        let mut values = Vec::with_capacity(shape.entries() * self.n * self.n);
        for entry in 0..shape.entries() {
            let matrix = MatrixRef { init, entry };
            let dense = self.matrices.dense(matrix);
            values.extend_from_slice(dense.ok_or(ExecError::NotDense { matrix, node })?);
        }
        Ok(values)
    }

    fn matmul(
        &mut self,
        mat: NodeId,
        transpose: bool,
        arg: NodeId,
    ) -> Result<Tensor<A::Number>, ExecError> {
        let Some((matrix, transposed)) = initial_matrix(self.ir, mat) else {
            return Ok(self.product(mat, transpose, arg));
        };
        let x = self.values[arg.index()].as_ref().expect("operands are evaluated first");
        let plain: Vec<f64> = x.values.iter().map(|x| self.arithmetic.value(*x)).collect();
        let transpose = transpose != transposed;
        let y = self.matrices.apply(matrix, transpose, &plain);
        let dense = if A::SCALED { self.matrices.dense(matrix) } else { None };
        let values = self.arithmetic.matrix(y, &x.values, self.n, dense, transpose);
        Ok(Tensor::new(x.sizes.clone(), values))
    }

    /// Entry by entry, for a mat that is evaluated.
    fn product(&self, mat: NodeId, transpose: bool, arg: NodeId) -> Tensor<A::Number> {
        let (n, mat, x) = (self.n, self.get(mat), self.get(arg));
        let mut values = Vec::with_capacity(x.values.len());
        for column in x.values.chunks(n) {
            for a in 0..n {
                let entry = |b: usize| mat.values[if transpose { b * n + a } else { a * n + b }];
                let terms = column.iter().enumerate();
                let terms = terms.map(|(b, x)| self.arithmetic.map(Prim::Mul, &[entry(b), *x]));
                values.push(self.arithmetic.sum(terms));
            }
        }
        Tensor::new(x.sizes.clone(), values)
    }
}

/// Evaluates a node from its operands alone.
pub struct Local<'a, A: Arithmetic> {
    /// The graph.
    pub ir: &'a Ir,
    /// The size of width axes.
    pub n: usize,
    /// The kind of numbers.
    pub arithmetic: &'a A,
}

/// Gives the value of an operand.
pub type Get<'b, V> = &'b dyn Fn(NodeId) -> &'b Tensor<V>;

impl<A: Arithmetic> Local<'_, A> {
    /// The value; `None` for nodes that need more than their operands.
    pub fn eval<'b>(&self, id: NodeId, get: Get<'b, A::Number>) -> Option<Tensor<A::Number>> {
        let sizes = self.ir.shape(id).sizes(self.n);
        let leaf = |values: Vec<f64>| {
            let values = values.into_iter().map(|x| self.arithmetic.leaf(x)).collect();
            Some(Tensor::new(sizes.clone(), values))
        };
        match self.ir.node(id) {
            Node::Const(value) => leaf(vec![value.get()]),
            Node::Width(p) => leaf(vec![libm::pow(self.n as f64, to_f64(*p))]),
            Node::Data(data) => leaf(self.ir.data[data.index()].iter().copied().collect()),
            Node::Iota(size) => leaf((0..*size).map(|i| i as f64).collect()),
            Node::Init(_) | Node::Param(_) | Node::MatMul { .. } => None,
            Node::Bind { arg, .. } => Some(get(*arg).clone()),
            Node::Map { op, args, shape } => Some(self.map(*op, shape, args, get)),
            Node::Reduce { op, arg, stat, width } => {
                let axes = self.ir.shape(*arg).axes(stat, width);
                Some(self.reduce(*op, get(*arg), &axes))
            }
            Node::Index { arg, axis, at } => {
                let mut cut = get(*arg).slice(*axis, *at, at + 1);
                cut.sizes.remove(*axis);
                Some(cut)
            }
            Node::Slice { arg, axis, start, end } => Some(get(*arg).slice(*axis, *start, *end)),
            Node::Pad { arg, axis, before, after } => {
                let zero = self.arithmetic.leaf(0.0);
                Some(get(*arg).pad(*axis, *before, *after, zero))
            }
            Node::Stack(args) => {
                let values = args.iter().flat_map(|arg| get(*arg).values.iter().copied());
                Some(Tensor::new(sizes.clone(), values.collect()))
            }
        }
    }

    fn map(&self, op: Prim, shape: &Shape, args: &[Arg], get: Get<A::Number>) -> Tensor<A::Number> {
        let sizes = shape.sizes(self.n);
        let (tensors, strides): (Vec<&Tensor<A::Number>>, Vec<Vec<usize>>) = args
            .iter()
            .map(|arg| {
                let tensor = get(arg.node);
                (tensor, tensor.strides_on(&shape.axes(&arg.stat, &arg.width), sizes.len()))
            })
            .unzip();
        let mut numbers = vec![self.arithmetic.leaf(0.0); args.len()];
        let mut values = Vec::with_capacity(sizes.iter().product());
        for_each_place(&sizes, &strides, |_, places| {
            for ((number, tensor), place) in numbers.iter_mut().zip(&tensors).zip(places) {
                *number = tensor.values[*place];
            }
            values.push(self.arithmetic.map(op, &numbers));
        });
        Tensor::new(sizes, values)
    }

    fn reduce(
        &self,
        op: ReduceOp,
        tensor: &Tensor<A::Number>,
        axes: &[usize],
    ) -> Tensor<A::Number> {
        let mut sums = tensor.fold(axes, |terms| self.arithmetic.sum(terms.iter().copied()));
        if op == ReduceOp::Mean {
            let count: usize = axes.iter().map(|axis| tensor.sizes[*axis]).product();
            let count = self.arithmetic.leaf(count as f64);
            for sum in &mut sums.values {
                *sum = self.arithmetic.map(Prim::Div, &[*sum, count]);
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests;
