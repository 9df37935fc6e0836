//! Means that do not exist, or that particles do not show: E 1/x, E exp(x²), E exp(9x).
//!
//! An average over particles is a number whether or not there is a mean. Where a pole or an exponential may spoil it, the
//! tail is measured: by Hill's estimator P(|x| > t) goes like t^(−β), and a mean needs β > 1; the norm of what a matrix
//! acts on needs β > 2 (Hill, Annals of Statistics 3, 1975). Where an exponential or a high power makes values so uneven that
//! few particles make the mean, a mean over all is too small and its replicates do not show that: (Σ|x|)²/Σx² particles count.

use super::evaluate::LimitError;
use crate::analyze::Atoms;
use crate::ir::{Ir, Node, NodeId};
use ndarray::ArrayD;
use std::collections::HashSet;

/// A value whose absolute power must have a mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// The value.
    pub(super) value: NodeId,
    /// The mean or the product that needs it.
    pub(super) used: NodeId,
    /// The power.
    pub(super) power: f64,
    /// Whether the mean may not exist.
    is_heavy: bool,
    /// Whether few particles may make it.
    is_steep: bool,
}

/// The fraction of the largest values that the tail is measured on.
const TAIL: f64 = 0.01;
/// The relative margin that the estimator's error needs.
const MARGIN: f64 = 1.15;
/// So many particles must count.
const LEAST: f64 = 30.0;

/// All such values of a program, of which some roots are sampled.
pub(super) fn tails(ir: &Ir, roots: &[NodeId], sampled: &[NodeId]) -> Vec<Tail> {
    let mut atoms = Atoms::default();
    let mut found = Vec::new();
    let sampled: HashSet<NodeId> = ir.reachable(sampled).into_iter().collect();
    for used in ir.reachable(roots) {
        let (value, power) = match ir.node(used) {
            Node::Reduce { arg, width, .. } if !width.is_empty() => (*arg, 1.0),
            Node::MatMul { arg, .. } => (*arg, 2.0),
            _ => continue,
        };
        if ir.shape(value).width == 1 {
            let is_heavy = atoms.is_heavy(ir, value);
            let is_steep = sampled.contains(&used) && atoms.is_steep(ir, value);
            if is_heavy || is_steep {
                found.push(Tail { value, used, power, is_heavy, is_steep });
            }
        }
    }
    found
}

impl Tail {
    /// What is wrong with the mean, given the value on the particles of each replicate.
    pub(super) fn fault(&self, replicates: &[&ArrayD<f64>]) -> Option<LimitError> {
        let particles = replicates[0].shape().last().copied().unwrap_or(1);
        let entries = replicates[0].len() / particles.max(1);
        (0..entries).find_map(|entry| {
            let column = |array: &&ArrayD<f64>| -> Vec<f64> {
                array.iter().skip(entry * particles).take(particles).map(|x| x.abs()).collect()
            };
            let all: Vec<f64> = replicates.iter().flat_map(column).collect();
            let count = counting(&all, self.power);
            if self.is_steep && count < LEAST {
                return Some(LimitError::Uneven { node: self.used, count, all: all.len() });
            }
            let has_mean = exponent(all).is_none_or(|exponent| exponent > MARGIN * self.power);
            (self.is_heavy && !has_mean).then_some(LimitError::NoMean { node: self.used })
        })
    }
}

/// How many of equal size would make as even a mean of this power.
fn counting(sizes: &[f64], power: f64) -> f64 {
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    let (mut sum, mut squares) = (0.0, 0.0);
    for size in sizes {
        let share = libm::pow(size / largest, power);
        sum += share;
        squares += share * share;
    }
    if largest > 0.0 { sum * sum / squares } else { f64::INFINITY }
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
