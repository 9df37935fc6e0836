//! Constructors of nodes. They check shapes by assertion (the callers are passes, never users) and simplify locally:
//! constants fold, neutral elements go away, zeros propagate, copies collapse.

use super::{
    Arg, BindId, Binding, DataId, Exponent, Init, InitId, Ir, Node, NodeId, Prim, Real, ReduceOp,
    Shape,
};
use crate::source::Span;
use ndarray::ArrayD;
use num_traits::Zero;

/// Leaves and structure.
impl Ir {
    /// A number.
    pub fn constant(&mut self, value: f64) -> NodeId {
        self.intern(Node::Const(Real::new(value)), Shape::scalar())
    }

    /// n to a power; n⁰ is the constant 1.
    pub fn width(&mut self, power: Exponent) -> NodeId {
        if power.is_zero() {
            return self.constant(1.0);
        }
        self.intern(Node::Width(power), Shape::scalar())
    }

    /// A constant tensor; one without axes becomes a constant.
    pub fn data(&mut self, values: ArrayD<f64>) -> NodeId {
        if values.ndim() == 0 {
            return self.constant(values.sum());
        }
        let shape = Shape::new(values.shape(), 0);
        let id = DataId::from_index(
            self.data.iter().position(|known| *known == values).unwrap_or_else(|| {
                self.data.push(values);
                self.data.len() - 1
            }),
        );
        self.intern(Node::Data(id), shape)
    }

    /// The numbers 0, 1, …, size − 1 along one static axis.
    pub fn iota(&mut self, size: usize) -> NodeId {
        self.intern(Node::Iota(size), Shape::new([size], 0))
    }

    /// A new standardised initial object.
    pub fn new_init(&mut self, init: Init) -> NodeId {
        let shape = init.shape.clone();
        self.inits.push(init);
        let id = InitId::from_index(self.inits.len() - 1);
        self.intern(Node::Init(id), shape)
    }

    /// A formal scalar argument.
    pub fn param(&mut self, position: u32) -> NodeId {
        self.intern(Node::Param(position), Shape::scalar())
    }

    /// Gives a value an identity of its own.
    pub fn bind(&mut self, name: impl Into<String>, span: Span, arg: NodeId) -> NodeId {
        self.bindings.push(Binding { name: name.into(), span });
        let id = BindId::from_index(self.bindings.len() - 1);
        let shape = self.shape(arg).clone();
        self.intern(Node::Bind { id, arg }, shape)
    }

    /// `mat @ arg` (or with the transpose) along the only width axis of `arg`.
    pub fn matmul(&mut self, mat: NodeId, transpose: bool, arg: NodeId) -> NodeId {
        debug_assert_eq!(self.shape(mat), &Shape::new([], 2));
        debug_assert_eq!(self.shape(arg).width, 1);
        let shape = self.shape(arg).clone();
        if self.is_zero(mat) || self.is_zero(arg) {
            return self.zeros(shape);
        }
        self.intern(Node::MatMul { mat, transpose, arg }, shape)
    }

    /// One entry along a static axis.
    pub fn index(&mut self, arg: NodeId, axis: usize, at: usize) -> NodeId {
        let mut shape = self.shape(arg).clone();
        debug_assert!(at < shape.stat[axis]);
        shape.stat.remove(axis);
        if let Node::Stack(args) = self.node(arg)
            && axis == 0
        {
            return args[at];
        }
        if let Some(value) = self.constant_value(arg) {
            return self.filled(value, shape);
        }
        self.intern(Node::Index { arg, axis, at }, shape)
    }

    /// Entries `start..end` along a static axis.
    pub fn slice(&mut self, arg: NodeId, axis: usize, start: usize, end: usize) -> NodeId {
        let mut shape = self.shape(arg).clone();
        debug_assert!(start <= end && end <= shape.stat[axis]);
        if start == 0 && end == shape.stat[axis] {
            return arg;
        }
        shape.stat[axis] = end - start;
        if let Some(value) = self.constant_value(arg) {
            return self.filled(value, shape);
        }
        self.intern(Node::Slice { arg, axis, start, end }, shape)
    }

    /// Zeros before and after along a static axis.
    pub fn pad(&mut self, arg: NodeId, axis: usize, before: usize, after: usize) -> NodeId {
        if before == 0 && after == 0 {
            return arg;
        }
        let mut shape = self.shape(arg).clone();
        shape.stat[axis] += before + after;
        if self.is_zero(arg) {
            return self.zeros(shape);
        }
        self.intern(Node::Pad { arg, axis, before, after }, shape)
    }

    /// Operands of equal shape along a new first static axis.
    pub fn stack(&mut self, args: Vec<NodeId>) -> NodeId {
        let mut shape = self.shape(args[0]).clone();
        debug_assert!(args.iter().all(|arg| self.shape(*arg) == &shape));
        shape.stat.insert(0, args.len());
        if let Some(value) = self.constant_value(args[0])
            && args.iter().all(|arg| self.constant_value(*arg) == Some(value))
        {
            return self.filled(value, shape);
        }
        self.intern(Node::Stack(args), shape)
    }

    /// A contraction over some static and width axes of `arg` (ascending positions).
    pub fn reduce(
        &mut self,
        op: ReduceOp,
        arg: NodeId,
        stat: Vec<usize>,
        width: Vec<usize>,
    ) -> NodeId {
        if stat.is_empty() && width.is_empty() {
            return arg;
        }
        let from = self.shape(arg);
        debug_assert!(stat.is_sorted() && stat.iter().all(|axis| *axis < from.stat.len()));
        debug_assert!(width.is_sorted() && width.iter().all(|axis| *axis < from.width));
        let kept =
            (0..from.stat.len()).filter(|axis| !stat.contains(axis)).map(|axis| from.stat[axis]);
        let shape = Shape::new(kept.collect::<Vec<_>>(), from.width - width.len());
        let count: usize = stat.iter().map(|axis| from.stat[*axis]).product();
        if let Some(value) = self.constant_value(arg)
            && (op == ReduceOp::Mean || width.is_empty() || value == 0.0)
        {
            let factor = if op == ReduceOp::Sum { count as f64 } else { 1.0 };
            return self.filled(value * factor, shape);
        }
        self.intern(Node::Reduce { op, arg, stat, width }, shape)
    }
}

/// Entrywise operations.
impl Ir {
    /// A node of any sort through the constructor that simplifies it; `shape` is its known shape.
    pub fn rebuild(&mut self, node: Node, shape: Shape) -> NodeId {
        match node {
            Node::Const(value) => self.constant(value.get()),
            Node::Width(power) => self.width(power),
            Node::Iota(size) => self.iota(size),
            Node::Param(position) => self.param(position),
            Node::Data(_) | Node::Init(_) | Node::Bind { .. } => self.intern(node, shape),
            Node::Map { op, shape, args } => self.map(op, shape, args),
            Node::Reduce { op, arg, stat, width } => self.reduce(op, arg, stat, width),
            Node::MatMul { mat, transpose, arg } => self.matmul(mat, transpose, arg),
            Node::Index { arg, axis, at } => self.index(arg, axis, at),
            Node::Slice { arg, axis, start, end } => self.slice(arg, axis, start, end),
            Node::Stack(args) => self.stack(args),
            Node::Pad { arg, axis, before, after } => self.pad(arg, axis, before, after),
        }
    }

    /// An entrywise operation with explicit axes.
    pub fn map(&mut self, op: Prim, shape: Shape, args: Vec<Arg>) -> NodeId {
        debug_assert_eq!(args.len(), op.arity());
        debug_assert!(args.iter().all(|arg| self.fits(arg, &shape)));
        let args: Vec<Arg> = args.into_iter().map(|arg| self.through_copies(arg)).collect();
        if op != Prim::Id && !covers(&shape, &args) {
            let shared = self.map_shared(op, &shape, args);
            return self.copy(shared, &shape);
        }
        if let Some(simpler) = self.simplify(op, &shape, &args) {
            return simpler;
        }
        self.intern(Node::Map { op, shape: shape.clone(), args }, shape)
    }

    /// An entrywise operation over only those axes of `shape` that its operands name, as an operand over `shape`:
    /// what does not depend on an axis is computed once along it.
    pub fn map_shared(&mut self, op: Prim, shape: &Shape, args: Vec<Arg>) -> Arg {
        let stat: Vec<usize> = (0..shape.stat.len())
            .filter(|axis| args.iter().any(|arg| arg.stat.contains(axis)))
            .collect();
        let width: Vec<usize> = (0..shape.width)
            .filter(|axis| args.iter().any(|arg| arg.width.contains(axis)))
            .collect();
        let own =
            Shape::new(stat.iter().map(|axis| shape.stat[*axis]).collect::<Vec<_>>(), width.len());
        let place = |axes: &[usize], axis: usize| {
            axes.iter()
                .position(|own| *own == axis)
                .expect("the axis was collected from this operand")
        };
        let args = args
            .into_iter()
            .map(|arg| Arg {
                node: arg.node,
                stat: arg.stat.iter().map(|axis| place(&stat, *axis)).collect(),
                width: arg.width.iter().map(|axis| place(&width, *axis)).collect(),
            })
            .collect();
        Arg { node: self.map(op, own, args), stat, width }
    }

    /// An entrywise operation on operands that all have the output's axes or none at all.
    pub fn apply(&mut self, op: Prim, args: &[NodeId]) -> NodeId {
        let widest = |ir: &Self| {
            args.iter()
                .map(|a| ir.shape(*a))
                .max_by_key(|s| s.stat.len() + s.width)
                .cloned()
                .unwrap_or_default()
        };
        let shape = widest(self);
        let args = args.iter().map(|arg| self.whole(*arg)).collect();
        self.map(op, shape, args)
    }

    /// The operand whose axes are the first ones of the output.
    pub fn whole(&self, node: NodeId) -> Arg {
        let shape = self.shape(node);
        Arg { node, stat: (0..shape.stat.len()).collect(), width: (0..shape.width).collect() }
    }

    /// A value with the same entry everywhere.
    pub fn filled(&mut self, value: f64, shape: Shape) -> NodeId {
        let node = self.constant(value);
        if shape == Shape::scalar() {
            return node;
        }
        let arg = Arg { node, stat: Vec::new(), width: Vec::new() };
        self.intern(Node::Map { op: Prim::Id, shape: shape.clone(), args: vec![arg] }, shape)
    }

    /// Zero everywhere.
    pub fn zeros(&mut self, shape: Shape) -> NodeId {
        self.filled(0.0, shape)
    }

    /// The value of a node that is one number everywhere by construction.
    pub fn constant_value(&self, id: NodeId) -> Option<f64> {
        match self.node(id) {
            Node::Const(value) => Some(value.get()),
            Node::Map { op: Prim::Id, args, .. } => self.constant_value(args[0].node),
            _ => None,
        }
    }

    /// Whether a node is zero everywhere by construction.
    pub fn is_zero(&self, id: NodeId) -> bool {
        self.constant_value(id) == Some(0.0)
    }

    fn fits(&self, arg: &Arg, shape: &Shape) -> bool {
        let own = self.shape(arg.node);
        own.stat.len() == arg.stat.len()
            && own.width == arg.width.len()
            && arg
                .stat
                .iter()
                .zip(&own.stat)
                .all(|(axis, size)| shape.stat.get(*axis) == Some(size))
            && arg.width.iter().all(|axis| *axis < shape.width)
    }

    /// Looks through copies (`Id`), so that equal values met through different broadcasts are one operand.
    pub(crate) fn through_copies(&self, mut arg: Arg) -> Arg {
        while let Node::Map { op: Prim::Id, args, .. } = self.node(arg.node) {
            let inner = &args[0];
            arg = Arg {
                node: inner.node,
                stat: inner.stat.iter().map(|axis| arg.stat[*axis]).collect(),
                width: inner.width.iter().map(|axis| arg.width[*axis]).collect(),
            };
        }
        arg
    }

    /// The operand as a node of the output's shape.
    fn copy(&mut self, arg: Arg, shape: &Shape) -> NodeId {
        if self.shape(arg.node) == shape && self.whole(arg.node) == arg {
            return arg.node;
        }
        self.intern(
            Node::Map { op: Prim::Id, shape: shape.clone(), args: vec![arg] },
            shape.clone(),
        )
    }

    fn simplify(&mut self, op: Prim, shape: &Shape, args: &[Arg]) -> Option<NodeId> {
        let values: Vec<Option<f64>> =
            args.iter().map(|arg| self.constant_value(arg.node)).collect();
        if let Some(known) = values.iter().copied().collect::<Option<Vec<f64>>>()
            && op != Prim::Id
        {
            let folded = op.eval(&known);
            return folded.is_finite().then(|| self.filled(folded, shape.clone()));
        }
        match (op, values.as_slice()) {
            (Prim::Id, _) => Some(self.copy(args[0].clone(), shape)),
            (Prim::Add, [Some(0.0), _]) | (Prim::Mul, [Some(1.0), _]) => {
                Some(self.copy(args[1].clone(), shape))
            }
            (Prim::Add | Prim::Sub, [_, Some(0.0)]) | (Prim::Mul | Prim::Div, [_, Some(1.0)]) => {
                Some(self.copy(args[0].clone(), shape))
            }
            (Prim::Mul, [Some(0.0), _] | [_, Some(0.0)]) | (Prim::Div, [Some(0.0), _]) => {
                Some(self.zeros(shape.clone()))
            }
            (Prim::Mul, [Some(-1.0), _]) => {
                Some(self.map(Prim::Neg, shape.clone(), vec![args[1].clone()]))
            }
            (Prim::Mul | Prim::Div, [_, Some(-1.0)]) => {
                Some(self.map(Prim::Neg, shape.clone(), vec![args[0].clone()]))
            }
            (Prim::Sub, [Some(0.0), _]) => {
                Some(self.map(Prim::Neg, shape.clone(), vec![args[1].clone()]))
            }
            (Prim::Sub, _) if args[0] == args[1] => Some(self.zeros(shape.clone())),
            (Prim::Mul | Prim::Div, _) => self.fold_widths(op, shape, args),
            (Prim::Pow(p), _) if p == Exponent::from_integer(1) => {
                Some(self.copy(args[0].clone(), shape))
            }
            (Prim::Pow(p), _) if p.is_zero() => Some(self.filled(1.0, shape.clone())),
            (Prim::Pow(p), _) => match self.node(args[0].node) {
                Node::Width(q) => {
                    let power = self.width(*q * p);
                    let arg = Arg { node: power, stat: Vec::new(), width: Vec::new() };
                    Some(self.copy(arg, shape))
                }
                _ => None,
            },
            (Prim::Neg, _) => match self.node(args[0].node) {
                Node::Map { op: Prim::Neg, .. } => self.double_negation(shape, &args[0]),
                _ => None,
            },
            (Prim::Select, [Some(c), _, _]) => {
                Some(self.copy(args[if *c != 0.0 { 1 } else { 2 }].clone(), shape))
            }
            _ => None,
        }
    }

    fn double_negation(&mut self, shape: &Shape, outer: &Arg) -> Option<NodeId> {
        let Node::Map { args, .. } = self.node(outer.node) else { return None };
        let inner = &args[0];
        let arg = Arg {
            node: inner.node,
            stat: inner.stat.iter().map(|axis| outer.stat[*axis]).collect(),
            width: inner.width.iter().map(|axis| outer.width[*axis]).collect(),
        };
        Some(self.copy(arg, shape))
    }

    /// n^p · n^q and n^p / n^q.
    fn fold_widths(&mut self, op: Prim, shape: &Shape, args: &[Arg]) -> Option<NodeId> {
        let (Node::Width(p), Node::Width(q)) = (self.node(args[0].node), self.node(args[1].node))
        else {
            return None;
        };
        let power = if op == Prim::Mul { *p + *q } else { *p - *q };
        let node = self.width(power);
        Some(self.copy(Arg { node, stat: Vec::new(), width: Vec::new() }, shape))
    }
}

/// Whether every axis of the output belongs to an operand.
fn covers(shape: &Shape, args: &[Arg]) -> bool {
    (0..shape.stat.len()).all(|axis| args.iter().any(|arg| arg.stat.contains(&axis)))
        && (0..shape.width).all(|axis| args.iter().any(|arg| arg.width.contains(&axis)))
}
