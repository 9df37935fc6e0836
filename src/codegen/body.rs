//! What the innermost loop computes: a straight line of primitive operations on streams and uniforms.
//!
//! A *stream* is an operand that moves with the loop, a *uniform* one that does not. Constants are uniforms too, so
//! that the loops of different training steps are one text and are compiled once. Operations are hash-consed.

use crate::ir::Prim;
use indexmap::IndexSet;

/// A value of the body: the position of its operation.
pub type Slot = u32;

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// The next element of a stream.
    Stream(u32),
    /// What an output held before.
    Old(u32),
    /// A number that is the same at every element.
    Uniform(u32),
    /// A primitive operation; unused operands repeat the first.
    Prim(Prim, [Slot; 3]),
    /// x/√y.
    Ratio([Slot; 2]),
    /// x/√(x² + e) with a uniform e: sign descent, and the first step of Adam.
    SoftSign([Slot; 2]),
}

/// A loop body. Streams, uniforms and outputs are numbered by first use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Body {
    /// The operations, operands first.
    pub ops: Vec<Op>,
    /// The values written to the outputs.
    pub stores: Vec<Slot>,
    /// The values added up.
    pub sums: Vec<Slot>,
    /// How many streams there are.
    pub streams: u32,
    /// How many uniforms there are.
    pub uniforms: u32,
}

impl Body {
    /// Whether an operation is a call over a block of elements instead of an instruction.
    pub fn is_call(op: Op) -> bool {
        match op {
            Op::Stream(_) | Op::Old(_) | Op::Uniform(_) => false,
            Op::Prim(prim, _) => is_call(prim),
            Op::Ratio(_) | Op::SoftSign(_) => true,
        }
    }

    /// The operands of an operation.
    pub fn operands(&self, slot: Slot) -> &[Slot] {
        match &self.ops[slot as usize] {
            Op::Stream(_) | Op::Old(_) | Op::Uniform(_) => &[],
            Op::Prim(prim, args) => &args[..prim.arity()],
            Op::Ratio(args) | Op::SoftSign(args) => args,
        }
    }
}

/// Whether a primitive is evaluated by a function over a block.
fn is_call(prim: Prim) -> bool {
    use Prim::*;
    match prim {
        Exp | Log | Sin | Cos | Tanh | Erf | Sigmoid | Softplus | Powf => true,
        Pow(p) => !(is_short(*p.numer()) && matches!(*p.denom(), 1 | 2)),
        Id | Neg | Abs | Sign | Step | Relu | Sqrt | Not | Add | Sub | Mul | Div | Min | Max
        | Lt | Le | Eq | And | Or | Select => false,
    }
}

/// Powers that are a few multiplications.
fn is_short(numerator: i64) -> bool {
    numerator.unsigned_abs() <= 64
}

/// Builds a body.
#[derive(Default)]
pub struct BodyBuilder {
    ops: IndexSet<Op>,
    /// Whether no operand moves.
    fixed: Vec<bool>,
}

impl BodyBuilder {
    /// The value of an operation.
    pub fn push(&mut self, op: Op) -> Slot {
        let (at, new) = self.ops.insert_full(op);
        if new {
            self.fixed.push(match op {
                Op::Stream(_) | Op::Old(_) | Op::Ratio(_) | Op::SoftSign(_) => false,
                Op::Uniform(_) => true,
                Op::Prim(prim, args) => {
                    !is_call(prim) && args.iter().all(|arg| self.fixed[*arg as usize])
                }
            });
        }
        Slot::try_from(at).expect("a body has fewer than 2^32 operations")
    }

    /// Whether a value is the same at every element, and computed once for all.
    pub fn is_fixed(&self, slot: Slot) -> bool {
        self.fixed[slot as usize]
    }

    /// The operation of a value.
    pub fn op(&self, slot: Slot) -> Op {
        self.ops[slot as usize]
    }

    /// The value of a primitive.
    pub fn prim(&mut self, prim: Prim, args: &[Slot]) -> Slot {
        if prim == Prim::Id {
            return args[0];
        }
        let at = |i: usize| args.get(i).copied().unwrap_or(args[0]);
        self.push(Op::Prim(prim, [at(0), at(1), at(2)]))
    }

    /// The body with these outputs and sums, without operations that neither needs.
    pub fn finish(&self, stores: &[Slot], sums: &[Slot]) -> (Body, Vec<u32>, Vec<u32>) {
        let mut live = vec![false; self.ops.len()];
        stores.iter().chain(sums).for_each(|slot| live[*slot as usize] = true);
        for at in (0..self.ops.len()).rev() {
            match self.ops[at] {
                Op::Prim(prim, args) if live[at] => {
                    args[..prim.arity()].iter().for_each(|arg| live[*arg as usize] = true);
                }
                Op::Ratio(args) | Op::SoftSign(args) if live[at] => {
                    args.iter().for_each(|arg| live[*arg as usize] = true);
                }
                Op::Prim(..)
                | Op::Ratio(_)
                | Op::SoftSign(_)
                | Op::Stream(_)
                | Op::Old(_)
                | Op::Uniform(_) => {}
            }
        }
        let mut body = Body::default();
        let (mut streams, mut uniforms) = (Vec::new(), Vec::new());
        let mut place = vec![0; live.len()];
        for (at, op) in self.ops.iter().enumerate().filter(|(at, _)| live[*at]) {
            place[at] = body.ops.len() as Slot;
            body.ops.push(match *op {
                Op::Stream(k) => Op::Stream(renumber(&mut streams, k)),
                Op::Uniform(k) => Op::Uniform(renumber(&mut uniforms, k)),
                Op::Old(k) => Op::Old(k),
                Op::Prim(prim, args) => Op::Prim(prim, args.map(|arg| place[arg as usize])),
                Op::Ratio(args) => Op::Ratio(args.map(|arg| place[arg as usize])),
                Op::SoftSign(args) => Op::SoftSign(args.map(|arg| place[arg as usize])),
            });
        }
        body.stores = stores.iter().map(|slot| place[*slot as usize]).collect();
        body.sums = sums.iter().map(|slot| place[*slot as usize]).collect();
        body.streams = streams.len() as u32;
        body.uniforms = uniforms.len() as u32;
        (body, streams, uniforms)
    }
}

/// The position of `k` among those met so far.
fn renumber(known: &mut Vec<u32>, k: u32) -> u32 {
    let at = known.iter().position(|other| *other == k).unwrap_or_else(|| {
        known.push(k);
        known.len() - 1
    });
    at as u32
}
