//! Values at a generic point: a leading-order program run at a small width, to see what is 0 identically.
//!
//! An analytic function of continuous variables is 0 almost nowhere or everywhere, so one random point decides. Here the
//! point is a small network with true random matrices: linearity and adjointness hold in it exactly, as they do for
//! kets. What is 0 only at the limits of its scalars is not seen; the limit engine tests that.
//!
//! A function with kinks or jumps is analytic on pieces, and some may be too rare to be met. So there are points where a
//! few neurons are on pieces of our choice (`pieces`).

mod pieces;

use crate::ir::{Arg, Init, Ir, Node, NodeId, Prim, ReduceOp, Shape};
use crate::num::rng::Key;
use crate::num::rng::draw::{BLOCK, Draw};
use crate::num::tensor::{Tensor, for_each_index, for_each_place};
use pieces::{Choices, FREE, kink, on_piece};
use std::cmp::Ordering;
use std::rc::Rc;

/// The width of a point.
const WIDTH: usize = 24;
/// A value is 0 where it is 0 at so many points: relu(z) is 0 on all neurons of one with probability 2^−24.
const POINTS: usize = 3;
/// Points with free choices: all signs −, all +, and by coins.
const CHOSEN: usize = 12;
/// The most numbers that a point keeps.
const MOST: usize = 1 << 24;
/// Below this fraction of its terms a sum is rounding.
const ROUNDING: f64 = 1e-9;

/// Points that are drawn when they are asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Generic {
    points: Vec<Point>,
    /// Points where pieces are chosen freely.
    free: Vec<Point>,
    /// Of the nodes seen so far, whether they depend on initial objects.
    random: Vec<bool>,
}

impl Generic {
    /// For each static entry whether it is 0 on all neurons; `None` where the value takes too much memory.
    pub(super) fn zeros(&mut self, ir: &Ir, node: NodeId) -> Option<Vec<bool>> {
        let mut zeros = vec![true; ir.shape(node).entries()];
        let points = if self.is_random(ir, node) { POINTS } else { 1 };
        for number in 0..points {
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
    /// Whether a value is 0 on some neuron where one of its operands is not, each along axes of the value: where the
    /// terms of a sum cancel. `None` where the values take too much memory.
    pub(super) fn outlived(&mut self, ir: &Ir, node: NodeId, operands: &[Arg]) -> Option<bool> {
        for number in 0..POINTS + CHOSEN {
            let point = self.any_point(number);
            let mut size = vec![0.0; ir.shape(node).sizes(WIDTH).iter().product()];
            for arg in operands {
                point.value(ir, arg.node)?;
                let values = point.broadcast(arg, ir.shape(node));
                size.iter_mut().zip(values).for_each(|(size, value)| *size += f64::abs(value));
            }
            if point.is_lost(ir, node, &size)? {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Whether a sum over axes is 0 where one of its terms is not.
    pub(super) fn sum_cancels(&mut self, ir: &Ir, node: NodeId) -> Option<bool> {
        let Node::Reduce { arg, stat, width, .. } = ir.node(node) else { return Some(false) };
        for number in 0..POINTS + CHOSEN {
            let point = self.any_point(number);
            point.value(ir, *arg)?;
            let sums = point.sums(ir, *arg, (stat, width));
            let size: Vec<f64> = sums.into_iter().map(|(_, size)| size).collect();
            if point.is_lost(ir, node, &size)? {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Whether a value is nowhere 0 at the points, and at none where pieces are chosen freely; `None` where it takes too
    /// much memory.
    pub(super) fn never_zero(&mut self, ir: &Ir, node: NodeId) -> Option<bool> {
        let size = vec![1.0; ir.shape(node).sizes(WIDTH).iter().product()];
        for number in 0..POINTS + CHOSEN {
            if self.any_point(number).is_lost(ir, node, &size)? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Whether a value depends on initial objects.
    fn is_random(&mut self, ir: &Ir, node: NodeId) -> bool {
        for id in ir.ids().skip(self.random.len()) {
            let mut random = matches!(ir.node(id), Node::Init(_));
            ir.node(id).children(|child| random |= self.random[child.index()]);
            self.random.push(random);
        }
        self.random[node.index()]
    }

    fn point(&mut self, number: usize) -> &mut Point {
        while self.points.len() <= number {
            self.points.push(Point::new(self.points.len() as u64));
        }
        &mut self.points[number]
    }

    /// The points, then those with free choices.
    fn any_point(&mut self, number: usize) -> &mut Point {
        let Some(number) = number.checked_sub(POINTS) else { return self.point(number) };
        while self.free.len() <= number {
            let choices = match self.free.len() {
                0 => Choices::All(Ordering::Less),
                1 => Choices::All(Ordering::Greater),
                _ => Choices::Tossed,
            };
            self.free.push(Point { choices, ..Point::new(self.free.len() as u64) });
        }
        &mut self.free[number]
    }
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
            Node::Map { op, args, shape } => self.map((*op, shape), args),
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

    /// Whether the value is 0 somewhere where this size is not; where pieces are chosen, on neurons where all are. What
    /// is not a number may be anything.
    fn is_lost(&mut self, ir: &Ir, node: NodeId, size: &[f64]) -> Option<bool> {
        let value = self.value(ir, node)?;
        let shape = ir.shape(node);
        let neurons = if self.choices == Choices::True { WIDTH } else { FREE };
        let (mut lost, mut entry) = (false, 0);
        for_each_index(&value.sizes, |at| {
            let number = value.values[entry];
            let zero = number == 0.0 || number.is_nan();
            lost |=
                zero && size[entry] != 0.0 && at[shape.stat.len()..].iter().all(|k| *k < neurons);
            entry += 1;
        });
        Some(lost)
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
        for_each_place(&shape.sizes(WIDTH), &[strides], |_, places| all.push(values[places[0]]));
        all
    }

    fn map(&self, (op, shape): (Prim, &Shape), args: &[Arg]) -> Vec<f64> {
        let coins = self.key.fold_in(1 << 30);
        let (operands, strides): (Vec<&[f64]>, Vec<Vec<usize>>) =
            args.iter().map(|arg| self.operand(arg, shape)).unzip();
        let mut numbers = vec![0.0; args.len()];
        let mut values = Vec::with_capacity(shape.sizes(WIDTH).iter().product());
        for_each_place(&shape.sizes(WIDTH), &strides, |at, places| {
            for ((number, values), place) in numbers.iter_mut().zip(&operands).zip(places) {
                *number = values[*place];
            }
            let free = self.choices != Choices::True;
            let chosen = if free { kink(op, &numbers) } else { None };
            let chosen = chosen.and_then(|(count, number)| {
                let at = &at[shape.stat.len()..];
                let neurons = args[..count].iter().flat_map(|arg| &arg.width).map(|axis| at[*axis]);
                let neurons: Vec<usize> = neurons.collect();
                let free = neurons.iter().any(|neuron| *neuron < FREE);
                let places = args[..count].iter().map(|arg| arg.node).zip(places.iter().copied());
                let places: Vec<(NodeId, usize)> = places.collect();
                free.then(|| self.choices.sign(coins, &places, &neurons, number))
            });
            let value = match chosen {
                Some(Some(sign)) => on_piece(op, &numbers, sign),
                Some(None) => f64::NAN,
                None => op.eval(&numbers),
            };
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

/// A sum whose terms have this total size, without rounding where they cancel.
fn settled(sum: f64, size: f64) -> f64 {
    if sum.abs() <= ROUNDING * size { 0.0 } else { sum }
}

#[cfg(test)]
mod tests;
