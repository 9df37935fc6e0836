//! Almost-everywhere derivatives of primitive operations and of formal scalar functions.
//!
//! Conventions of language.md: relu′(0) = abs′(0) = sign(0) = step(0) = 0, sign′ = step′ = 0, and ties of max and min
//! count half each. Distributional derivatives occur only in dot-kets, never here.

use crate::ir::{Arg, Exponent, Ir, Node, NodeId, Prim, Shape};
use std::collections::HashMap;
use std::f64::consts::PI;

/// A value entrywise in a common shape: operands of the partial derivatives below all have the output's axes.
type Entry = NodeId;

/// ∂op/∂(operand `k`) on operands of equal shape, where `out` is the operation's value; `None` where it is 0 everywhere.
pub fn partial(ir: &mut Ir, op: Prim, args: &[Entry], out: Entry, k: usize) -> Option<Entry> {
    let x = args[0];
    Some(match op {
        Prim::Id | Prim::Add => ir.constant(1.0),
        Prim::Neg => ir.constant(-1.0),
        Prim::Sub => ir.constant(if k == 0 { 1.0 } else { -1.0 }),
        Prim::Mul => args[1 - k],
        Prim::Div if k == 0 => {
            let one = ir.constant(1.0);
            ir.apply(Prim::Div, &[one, args[1]])
        }
        Prim::Div => {
            let ratio = ir.apply(Prim::Div, &[out, args[1]]);
            ir.apply(Prim::Neg, &[ratio])
        }
        Prim::Min | Prim::Max => tie_weight(ir, op, args, k),
        Prim::Select if k > 0 => {
            let (one, zero) = (ir.constant(1.0), ir.constant(0.0));
            let branches = if k == 1 { [x, one, zero] } else { [x, zero, one] };
            ir.apply(Prim::Select, &branches)
        }
        Prim::Powf => powf_partial(ir, args, out, k),
        Prim::Sign
        | Prim::Step
        | Prim::Not
        | Prim::Lt
        | Prim::Le
        | Prim::Eq
        | Prim::And
        | Prim::Or
        | Prim::Select => return None,
        Prim::Abs
        | Prim::Relu
        | Prim::Sqrt
        | Prim::Exp
        | Prim::Log
        | Prim::Sin
        | Prim::Cos
        | Prim::Tanh
        | Prim::Erf
        | Prim::Sigmoid
        | Prim::Softplus
        | Prim::Pow(_) => unary_derivative(ir, op, x, out),
    })
}

/// The derivative of a function of one number.
fn unary_derivative(ir: &mut Ir, op: Prim, x: Entry, out: Entry) -> Entry {
    let one = ir.constant(1.0);
    match op {
        Prim::Abs => ir.apply(Prim::Sign, &[x]),
        Prim::Relu => ir.apply(Prim::Step, &[x]),
        Prim::Sqrt => {
            let half = ir.constant(0.5);
            ir.apply(Prim::Div, &[half, out])
        }
        Prim::Exp => out,
        Prim::Log => ir.apply(Prim::Div, &[one, x]),
        Prim::Sin => ir.apply(Prim::Cos, &[x]),
        Prim::Cos => {
            let sin = ir.apply(Prim::Sin, &[x]);
            ir.apply(Prim::Neg, &[sin])
        }
        Prim::Tanh => {
            let square = ir.apply(Prim::Mul, &[out, out]);
            ir.apply(Prim::Sub, &[one, square])
        }
        Prim::Erf => {
            let square = ir.apply(Prim::Mul, &[x, x]);
            let minus = ir.apply(Prim::Neg, &[square]);
            let bell = ir.apply(Prim::Exp, &[minus]);
            let factor = ir.constant(2.0 / PI.sqrt());
            ir.apply(Prim::Mul, &[factor, bell])
        }
        Prim::Sigmoid => {
            let rest = ir.apply(Prim::Sub, &[one, out]);
            ir.apply(Prim::Mul, &[out, rest])
        }
        Prim::Softplus => ir.apply(Prim::Sigmoid, &[x]),
        Prim::Pow(p) => {
            let factor = ir.constant(crate::ir::scalar::to_f64(p));
            let lower = ir.apply(Prim::Pow(p - Exponent::from_integer(1)), &[x]);
            ir.apply(Prim::Mul, &[factor, lower])
        }
        _ => unreachable!("`partial` sends only functions of one number here"),
    }
}

/// 1 where the operand is the chosen one, 1/2 at a tie: (1 ± sign(x − y))/2.
fn tie_weight(ir: &mut Ir, op: Prim, args: &[Entry], k: usize) -> Entry {
    let first_wins = (op == Prim::Max) == (k == 0);
    let difference = ir.apply(Prim::Sub, &[args[0], args[1]]);
    let sign = ir.apply(Prim::Sign, &[difference]);
    let (half, one) = (ir.constant(0.5), ir.constant(1.0));
    let twice = ir.apply(if first_wins { Prim::Add } else { Prim::Sub }, &[one, sign]);
    ir.apply(Prim::Mul, &[half, twice])
}

/// ∂(xʸ)/∂x = y xʸ⁻¹ and ∂(xʸ)/∂y = xʸ log x.
fn powf_partial(ir: &mut Ir, args: &[Entry], out: Entry, k: usize) -> Entry {
    if k == 1 {
        let log = ir.apply(Prim::Log, &[args[0]]);
        return ir.apply(Prim::Mul, &[out, log]);
    }
    let one = ir.constant(1.0);
    let lower = ir.apply(Prim::Sub, &[args[1], one]);
    let power = ir.apply(Prim::Powf, &[args[0], lower]);
    ir.apply(Prim::Mul, &[args[1], power])
}

/// d body / d Param(`param`) for a scalar function body made of `Map`s over `Param`s, constants and scalars.
pub fn derivative(ir: &mut Ir, body: NodeId, param: u32) -> NodeId {
    Derivative { param, known: HashMap::new() }.of(ir, body)
}

struct Derivative {
    param: u32,
    known: HashMap<NodeId, NodeId>,
}

impl Derivative {
    fn of(&mut self, ir: &mut Ir, id: NodeId) -> NodeId {
        if let Some(known) = self.known.get(&id) {
            return *known;
        }
        let result = match ir.node(id).clone() {
            Node::Param(position) => ir.constant(f64::from(u8::from(position == self.param))),
            Node::Map { op, args, .. } => self.of_map(ir, id, op, &args),
            Node::Bind { arg, .. } => self.of(ir, arg),
            Node::Const(_)
            | Node::Width(_)
            | Node::Data(_)
            | Node::Iota(_)
            | Node::Init(_)
            | Node::Reduce { .. }
            | Node::MatMul { .. }
            | Node::Index { .. }
            | Node::Slice { .. }
            | Node::Stack(_)
            | Node::Pad { .. } => ir.constant(0.0),
        };
        self.known.insert(id, result);
        result
    }

    fn of_map(&mut self, ir: &mut Ir, id: NodeId, op: Prim, args: &[Arg]) -> NodeId {
        let operands: Vec<NodeId> = args.iter().map(|arg| arg.node).collect();
        let mut total = ir.constant(0.0);
        for (k, operand) in operands.iter().enumerate() {
            let inner = self.of(ir, *operand);
            if ir.is_zero(inner) {
                continue;
            }
            if let Some(outer) = partial(ir, op, &operands, id, k) {
                let product = ir.apply(Prim::Mul, &[outer, inner]);
                total = ir.apply(Prim::Add, &[total, product]);
            }
        }
        total
    }
}

/// The body of a scalar function with `Param(k)` replaced by `args[k]`, entrywise in `shape`.
pub fn substitute(ir: &mut Ir, body: NodeId, args: &[Arg], shape: &Shape) -> NodeId {
    let mut known = HashMap::new();
    let result = substitute_arg(ir, body, args, shape, &mut known);
    ir.map(Prim::Id, shape.clone(), vec![result])
}

/// What a node of the body becomes; what has no axes of its own is broadcast by its users.
fn substitute_arg(
    ir: &mut Ir,
    id: NodeId,
    params: &[Arg],
    shape: &Shape,
    known: &mut HashMap<NodeId, Arg>,
) -> Arg {
    if let Some(arg) = known.get(&id) {
        return arg.clone();
    }
    let arg = match ir.node(id).clone() {
        Node::Param(position) => params[position as usize].clone(),
        Node::Map { op, args, .. } => {
            let args: Vec<Arg> =
                args.iter().map(|arg| substitute_arg(ir, arg.node, params, shape, known)).collect();
            ir.map_shared(op, shape, args)
        }
        Node::Const(_)
        | Node::Width(_)
        | Node::Data(_)
        | Node::Iota(_)
        | Node::Init(_)
        | Node::Reduce { .. }
        | Node::MatMul { .. }
        | Node::Index { .. }
        | Node::Slice { .. }
        | Node::Stack(_)
        | Node::Pad { .. }
        | Node::Bind { .. } => ir.whole(id),
    };
    known.insert(id, arg.clone());
    arg
}
