//! Means that do not exist: E 1/x, E exp(x²).
//!
//! An average over particles is a number whether or not there is a mean. Where a pole or an exponential may spoil it, the
//! tail is measured: by Hill's estimator P(|x| > t) goes like t^(−β), and a mean needs β > 1; the norm of what a matrix
//! acts on needs β > 2 (Hill, Annals of Statistics 3, 1975).

use crate::analyze::Atoms;
use crate::ir::{Ir, Node, NodeId};
use ndarray::ArrayD;

/// A value whose absolute power must have a mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// The value.
    pub(super) value: NodeId,
    /// The mean or the product that needs it.
    pub(super) used: NodeId,
    /// The power.
    pub(super) power: f64,
}

/// The fraction of the largest values that the tail is measured on.
const TAIL: f64 = 0.01;
/// The relative margin that the estimator's error needs.
const MARGIN: f64 = 1.15;

/// All such values of a program.
pub(super) fn tails(ir: &Ir, roots: &[NodeId]) -> Vec<Tail> {
    let mut atoms = Atoms::default();
    let mut found = Vec::new();
    for used in ir.reachable(roots) {
        let (value, power) = match ir.node(used) {
            Node::Reduce { arg, width, .. } if !width.is_empty() => (*arg, 1.0),
            Node::MatMul { arg, .. } => (*arg, 2.0),
            _ => continue,
        };
        if ir.shape(value).width == 1 && atoms.is_heavy(ir, value) {
            found.push(Tail { value, used, power });
        }
    }
    found
}

impl Tail {
    /// Whether the mean may exist, given the value on the particles of each replicate.
    pub(super) fn has_mean(&self, replicates: &[&ArrayD<f64>]) -> bool {
        let particles = replicates[0].shape().last().copied().unwrap_or(1);
        let entries = replicates[0].len() / particles.max(1);
        (0..entries).all(|entry| {
            let column = |array: &&ArrayD<f64>| -> Vec<f64> {
                array.iter().skip(entry * particles).take(particles).map(|x| x.abs()).collect()
            };
            let all: Vec<f64> = replicates.iter().flat_map(column).collect();
            exponent(all).is_none_or(|exponent| exponent > MARGIN * self.power)
        })
    }
}

/// Hill's estimate of β; `None` where there is no tail.
fn exponent(mut sizes: Vec<f64>) -> Option<f64> {
    let count = (sizes.len() as f64 * TAIL) as usize;
    if count < 2 {
        return None;
    }
    sizes.sort_unstable_by(|a, b| b.total_cmp(a));
    let least = sizes[count];
    let total: f64 = sizes[..count].iter().map(|size| libm::log(size / least)).sum();
    (least > 0.0 && total > 0.0).then(|| count as f64 / total)
}
