//! Values at a generic point: a leading-order program run at a small width, to see what is 0 identically.
//!
//! An analytic function of continuous variables is 0 almost nowhere or everywhere, so one random point decides. Here the
//! point is a small network with true random matrices: linearity and adjointness hold in it exactly, as they do for
//! kets. What is 0 only at the limits of its scalars is not seen; the limit engine tests that.
//!
//! A function with kinks or jumps is analytic on pieces, and some may be too rare to be met. There the choices are made
//! freely: no unit is active, or each is by the toss of a coin.

use crate::ir::{Arg, Init, Ir, Node, NodeId, Prim, ReduceOp, Shape};
use crate::num::rng::Key;
use crate::num::rng::draw::{BLOCK, Draw};
use crate::num::tensor::{Tensor, for_each_index, place};
use std::rc::Rc;

/// The width of a point.
const WIDTH: usize = 16;
/// A value is 0 where it is 0 at so many points: relu(z) is 0 on all neurons of one with probability 2^−16.
const POINTS: usize = 3;
/// Points with free choices.
const FREE: usize = 4;
/// The most numbers that a point keeps.
const MOST: usize = 1 << 24;
/// Below this fraction of its terms a sum is rounding.
const ROUNDING: f64 = 1e-9;

/// Points that are drawn when they are asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Generic {
    points: Vec<Point>,
    /// Points whose choices are free.
    free: Vec<Point>,
}

impl Generic {
    /// For each static entry whether it is 0 on all neurons; `None` where the value takes too much memory.
    pub(super) fn zeros(&mut self, ir: &Ir, node: NodeId) -> Option<Vec<bool>> {
        let mut zeros = vec![true; ir.shape(node).entries()];
        for number in 0..POINTS {
            let values = &self.point(number).value(ir, node)?.values;
            let neurons = (values.len() / zeros.len().max(1)).max(1);
            for (zero, values) in zeros.iter_mut().zip(values.chunks(neurons)) {
                *zero &= values.iter().all(|value| *value == 0.0);
            }
            if !zeros.contains(&true) {
                break;
            }
        }
        Some(zeros)
    }
}

impl Generic {
    /// Whether a sum, or a function that is 0 at other places than 0, is 0 on some neuron where an operand is not;
    /// `None` where the values take too much memory.
    pub(super) fn cancels(&mut self, ir: &Ir, node: NodeId) -> Option<bool> {
        for number in 0..POINTS {
            let values = &self.point(number).value(ir, node)?.values;
            if values.contains(&0.0) && self.points[number].loses(ir, node, values) {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Whether a value is nowhere 0 at the points, and at none where the choices of its pieces are free; `None` where it
    /// takes too much memory.
    pub(super) fn never_zero(&mut self, ir: &Ir, node: NodeId) -> Option<bool> {
        for number in 0..POINTS {
            if self.point(number).value(ir, node)?.values.contains(&0.0) {
                return Some(false);
            }
        }
        for number in 0..FREE {
            if self.free.len() <= number {
                let choices = if number == 0 { Choices::Inactive } else { Choices::Tossed };
                self.free.push(Point { choices, ..Point::new(number as u64) });
            }
            if self.free[number].value(ir, node)?.values.contains(&0.0) {
                return Some(false);
            }
        }
        Some(true)
    }

    fn point(&mut self, number: usize) -> &mut Point {
        while self.points.len() <= number {
            self.points.push(Point::new(self.points.len() as u64));
        }
        &mut self.points[number]
    }
}

/// How kinks and jumps choose their piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choices {
    /// As they are.
    True,
    /// Units are not active, conditions do not hold.
    Inactive,
    /// By the toss of a coin for each number.
    Tossed,
}

/// One draw of all initial objects, and what was computed from it.
#[derive(Clone, Debug)]
struct Point {
    key: Key,
    choices: Choices,
    values: Vec<Option<Rc<Tensor<f64>>>>,
    left: usize,
}

impl Point {
    fn new(number: u64) -> Self {
        let key = Key::new(0x6765_6e65).split(number);
        Self { key, choices: Choices::True, values: Vec::new(), left: MOST }
    }

    fn value(&mut self, ir: &Ir, node: NodeId) -> Option<Rc<Tensor<f64>>> {
        self.values.resize(ir.len(), None);
        let mut missing = vec![node];
        while let Some(id) = missing.last().copied() {
            if self.values[id.index()].is_some() {
                missing.pop();
                continue;
            }
            let known = missing.len();
            ir.node(id).children(|child| {
                if self.values[child.index()].is_none() {
                    missing.push(child);
                }
            });
            if missing.len() == known {
                self.left = self.left.checked_sub(ir.shape(id).sizes(WIDTH).iter().product())?;
                self.values[id.index()] = Some(Rc::new(self.eval(ir, id)?));
            }
        }
        self.values[node.index()].clone()
    }

    fn get(&self, id: NodeId) -> &Tensor<f64> {
        self.values[id.index()].as_ref().expect("operands are evaluated before their users")
    }

    fn eval(&self, ir: &Ir, id: NodeId) -> Option<Tensor<f64>> {
        let sizes = ir.shape(id).sizes(WIDTH);
        let values = match ir.node(id) {
            Node::Const(value) => vec![value.get()],
            Node::Data(data) => ir.data[data.index()].iter().copied().collect(),
            Node::Iota(size) => (0..*size).map(|k| k as f64).collect(),
            Node::Init(init) => self.drawn(ir.init(*init), sizes.iter().product()),
            Node::Width(_) | Node::Param(_) => return None,
            Node::Bind { arg, .. } => self.get(*arg).values.clone(),
            Node::Map { op, args, shape } => self.map(id, (*op, shape), args),
            Node::Reduce { op, arg, stat, width } => self.reduce(ir, *op, *arg, (stat, width)),
            Node::MatMul { mat, transpose, arg } => self.matmul(*mat, *transpose, *arg),
            Node::Index { arg, axis, at } => self.get(*arg).slice(*axis, *at, at + 1).values,
            Node::Slice { arg, axis, start, end } => {
                self.get(*arg).slice(*axis, *start, *end).values
            }
            Node::Stack(args) => {
                args.iter().flat_map(|arg| self.get(*arg).values.clone()).collect()
            }
            Node::Pad { arg, axis, before, after } => {
                self.get(*arg).pad(*axis, *before, *after, 0.0).values
            }
        };
        Some(Tensor::new(sizes, values))
    }

    fn drawn(&self, init: &Init, count: usize) -> Vec<f64> {
        let mut values = vec![0.0; count];
        let key = self.key.fold_in(init.stream);
        // matrices keep sizes: functions that saturate would seem to be 0 somewhere
        let scale = if init.shape.width == 2 { 1.0 / (WIDTH as f64).sqrt() } else { 1.0 };
        for (block, out) in values.chunks_mut(BLOCK).enumerate() {
            f64::block(key, init.law, scale, (block * BLOCK) as u64, out);
        }
        values
    }

    /// Whether an operand is not 0 where the value is.
    fn loses(&self, ir: &Ir, node: NodeId, values: &[f64]) -> bool {
        let sizes_of_operands: Vec<f64> = match ir.node(node) {
            Node::Map {
                op: Prim::Add | Prim::Sub | Prim::Log | Prim::Sin | Prim::Cos,
                args,
                shape,
            } => {
                let size = |arg: &Arg| self.broadcast(arg, shape);
                let sizes: Vec<Vec<f64>> = args.iter().map(size).collect();
                (0..values.len()).map(|k| sizes.iter().map(|size| size[k].abs()).sum()).collect()
            }
            Node::Reduce { arg, stat, width, .. } => {
                self.sums(ir, *arg, (stat, width)).into_iter().map(|(_, size)| size).collect()
            }
            _ => Vec::new(),
        };
        values.iter().zip(&sizes_of_operands).any(|(value, size)| *value == 0.0 && *size > 0.0)
    }

    /// An operand, and how far one moves in it per step of each axis of the output.
    fn operand(&self, arg: &Arg, shape: &Shape) -> (&[f64], Vec<usize>) {
        let tensor = self.get(arg.node);
        let axes = shape.axes(&arg.stat, &arg.width);
        (&tensor.values, tensor.strides_on(&axes, shape.stat.len() + shape.width))
    }

    /// An operand over the axes of the output.
    fn broadcast(&self, arg: &Arg, shape: &Shape) -> Vec<f64> {
        let (values, strides) = self.operand(arg, shape);
        let mut all = Vec::new();
        for_each_index(&shape.sizes(WIDTH), |at| all.push(values[place(at, &strides)]));
        all
    }

    fn map(&self, id: NodeId, (op, shape): (Prim, &Shape), args: &[Arg]) -> Vec<f64> {
        let coins = self.key.fold_in(1 << 30).split(u64::from(id.0));
        let operands: Vec<(&[f64], Vec<usize>)> =
            args.iter().map(|arg| self.operand(arg, shape)).collect();
        let mut numbers = vec![0.0; args.len()];
        let mut values = Vec::new();
        for_each_index(&shape.sizes(WIDTH), |at| {
            for (number, (values, strides)) in numbers.iter_mut().zip(&operands) {
                *number = values[place(at, strides)];
            }
            let active = match self.choices {
                Choices::True => None,
                Choices::Inactive => Some(false),
                Choices::Tossed => Some(coins.bits32(values.len() as u64) & 1 == 1),
            };
            let value = active
                .filter(|_| shape.width > 0)
                .and_then(|active| chosen(op, &numbers, active))
                .unwrap_or_else(|| op.eval(&numbers));
            values.push(match op {
                Prim::Add | Prim::Sub => settled(value, numbers[0].abs() + numbers[1].abs()),
                _ => value,
            });
        });
        values
    }

    fn reduce(&self, ir: &Ir, op: ReduceOp, arg: NodeId, axes: (&[usize], &[usize])) -> Vec<f64> {
        let sums = self.sums(ir, arg, axes);
        let count = self.get(arg).values.len() as f64 / sums.len().max(1) as f64;
        let count = if op == ReduceOp::Mean { count } else { 1.0 };
        sums.into_iter().map(|(sum, size)| settled(sum, size) / count).collect()
    }

    /// Sums over some axes, and the sums of the sizes of their terms.
    fn sums(&self, ir: &Ir, arg: NodeId, (stat, width): (&[usize], &[usize])) -> Vec<(f64, f64)> {
        let axes = ir.shape(arg).axes(stat, width);
        let sums = self
            .get(arg)
            .fold(&axes, |terms| (terms.iter().sum(), terms.iter().map(|term| term.abs()).sum()));
        sums.values
    }

    fn matmul(&self, mat: NodeId, transpose: bool, arg: NodeId) -> Vec<f64> {
        let (mat, x) = (&self.get(mat).values, &self.get(arg).values);
        let entry = |a: usize, b: usize| mat[if transpose { b * WIDTH + a } else { a * WIDTH + b }];
        let row = |column: &[f64], a: usize| {
            column.iter().enumerate().map(|(b, x)| entry(a, b) * x).sum()
        };
        x.chunks(WIDTH)
            .flat_map(|column| (0..WIDTH).map(|a| row(column, a)).collect::<Vec<f64>>())
            .collect()
    }
}

/// A function on a piece of our choice; `None` for one that has no pieces.
fn chosen(op: Prim, numbers: &[f64], active: bool) -> Option<f64> {
    let on = if active { 1.0 } else { 0.0 };
    Some(match op {
        Prim::Step | Prim::Lt | Prim::Le | Prim::Eq => on,
        Prim::Relu => on * numbers[0],
        Prim::Sign if active => numbers[0].signum(),
        Prim::Sign => 0.0,
        Prim::Abs if active => -numbers[0],
        Prim::Abs => numbers[0],
        Prim::Min | Prim::Max => numbers[usize::from(active)],
        _ => return None,
    })
}

/// A sum whose terms have this total size, without rounding where they cancel.
fn settled(sum: f64, size: f64) -> f64 {
    if sum.abs() <= ROUNDING * size { 0.0 } else { sum }
}
