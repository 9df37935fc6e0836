//! Pieces of functions with kinks or jumps, chosen freely on some neurons.
//!
//! Such a function is analytic where the sign of its argument, or of the difference of its operands, does not change. A
//! sign is drawn for a number, not for a function: relu(g) and step(g) are on the same piece. What is 0 stays 0.

use super::settled;
use crate::ir::{NodeId, Prim};
use crate::num::rng::Key;
use std::cmp::Ordering;

/// The neurons on which pieces are chosen. On the others they are what they are, so that means over neurons and images
/// are those of a network, and not those of one in which no unit is active.
pub(super) const FREE: usize = 6;

/// Of eight coins, how many are heads, by neuron: rare combinations of a few pieces are met as well.
const HEADS: [u32; FREE] = [4, 2, 1, 6, 4, 7];

/// How the signs are chosen on which pieces depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choices {
    /// As they are.
    True,
    /// All alike.
    All(Ordering),
    /// By the toss of a coin for each number.
    Tossed,
}

/// A number of the program: its node and its place there.
pub(super) type Number = (NodeId, usize);

impl Choices {
    /// The sign of an argument, or of the first of two operands minus the second, that has this value; `None` for what is
    /// not a number.
    pub(super) fn sign(
        self,
        key: Key,
        of: &[Number],
        neurons: &[usize],
        value: f64,
    ) -> Option<Ordering> {
        let sign = value.partial_cmp(&0.0)?;
        Some(match self {
            _ if sign.is_eq() => sign,
            Self::True => sign,
            Self::All(sign) => sign,
            Self::Tossed => {
                let coin = of.iter().fold(key, |key, (node, place)| {
                    key.fold_in(node.0).split(u64::try_from(*place).unwrap_or(0))
                });
                let heads = coin.bits32(0) & 7 < HEADS[neurons.iter().sum::<usize>() % FREE];
                if heads { Ordering::Greater } else { Ordering::Less }
            }
        })
    }
}

/// How many of the first operands decide on which piece a function is, and the number whose sign does; `None` for a
/// function that has no pieces.
pub(super) fn kink(op: Prim, numbers: &[f64]) -> Option<(usize, f64)> {
    match op {
        Prim::Step | Prim::Relu | Prim::Sign | Prim::Abs => Some((1, numbers[0])),
        Prim::Min | Prim::Max | Prim::Lt | Prim::Le | Prim::Eq => {
            let (a, b) = (numbers[0], numbers[1]);
            Some((2, settled(a - b, a.abs() + b.abs())))
        }
        _ => None,
    }
}

/// A function with pieces, on the piece of this sign.
pub(super) fn on_piece(op: Prim, numbers: &[f64], sign: Ordering) -> f64 {
    let holds = |condition: bool| if condition { 1.0 } else { 0.0 };
    match op {
        Prim::Step => holds(sign.is_gt()),
        Prim::Lt => holds(sign.is_lt()),
        Prim::Le => holds(sign.is_le()),
        Prim::Eq => holds(sign.is_eq()),
        Prim::Sign => f64::from(sign as i8),
        Prim::Abs => f64::from(sign as i8) * numbers[0],
        Prim::Relu => holds(sign.is_gt()) * numbers[0],
        Prim::Min => numbers[usize::from(sign.is_gt())],
        Prim::Max => numbers[usize::from(sign.is_lt())],
        _ => op.eval(numbers),
    }
}
