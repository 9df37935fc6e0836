//! Numbers that stay random in the limit: their draws, and the law of what depends on them.

use super::exact::Method;
use super::particles::stratified;
use crate::ir::{InitId, Ir, Node, NodeId};
use crate::num::rng::Key;
use crate::num::stats::{Moments, Summary};
use ndarray::ArrayD;
use std::collections::HashMap;

/// The stream of random numbers that draws come from: beyond those of replicates.
const STREAM: u64 = 1 << 62;
/// Resamples for the errors of a law's numbers.
const RESAMPLES: u64 = 200;

/// The law of one output over draws.
#[derive(Clone, Debug)]
pub struct RandomLaw {
    /// For each draw the entries of the output, row-major.
    pub draws: Vec<Vec<f64>>,
    /// For each entry, mean, standard deviation and quantiles.
    pub entries: Vec<Summary>,
    /// Standard errors of their numbers, by resampling the draws.
    pub errors: Vec<[f64; Summary::NUMBERS]>,
    /// Covariances of all pairs of entries, row-major: of a Gaussian number by its weights, else over draws.
    pub covariance: Vec<f64>,
    /// Their errors.
    pub covariance_errors: Vec<f64>,
    /// How they were found.
    pub covariance_methods: Vec<&'static str>,
    /// Whether it is Gaussian with mean 0.
    pub gaussian: bool,
}

impl RandomLaw {
    /// Of the replicates of a root.
    pub(super) fn of(values: &[Vec<ArrayD<f64>>], root: usize) -> Self {
        let draws: Vec<Vec<f64>> =
            values.iter().map(|values| values[root].iter().copied().collect()).collect();
        let count = draws[0].len();
        let column = |k: usize| -> Vec<f64> { draws.iter().map(|draw| draw[k]).collect() };
        let columns: Vec<Vec<f64>> = (0..count).map(column).collect();
        let entries: Vec<Summary> = columns.iter().map(|column| Summary::of(column)).collect();
        let errors = columns.iter().map(|column| errors(column)).collect();
        let (mut covariance, mut covariance_errors) = (Vec::new(), Vec::new());
        for x in 0..count {
            for y in 0..count {
                let pairs = columns[x].iter().zip(&columns[y]);
                let products = pairs.map(|(a, b)| (a - entries[x].mean) * (b - entries[y].mean));
                let moments = Moments::of(products);
                let bias = draws.len() as f64 / (draws.len() - 1) as f64;
                covariance.push(moments.mean() * bias);
                covariance_errors.push(moments.stderr().unwrap_or(0.0));
            }
        }
        let covariance_methods = vec![Method::Draws.name(); covariance.len()];
        Self {
            draws,
            entries,
            errors,
            covariance,
            covariance_errors,
            covariance_methods,
            gaussian: false,
        }
    }
}

/// Bootstrap errors of the numbers of a summary.
fn errors(column: &[f64]) -> [f64; Summary::NUMBERS] {
    let key = Key::new(0);
    let mut numbers = [Moments::default(); Summary::NUMBERS];
    for resample in 0..RESAMPLES {
        let key = key.split(resample);
        let pick = |k: usize| {
            let bits = u64::from(key.bits32(k as u64));
            column[((bits * column.len() as u64) >> 32) as usize]
        };
        let summary = Summary::of(&(0..column.len()).map(pick).collect::<Vec<_>>());
        numbers.iter_mut().zip(summary.numbers()).for_each(|(all, number)| all.push(number));
    }
    numbers.map(|all| all.variance().unwrap_or(0.0).sqrt())
}

/// The standard numbers of every replicate, by initial scalar and entry: each spread evenly over its law. They do not depend
/// on the number of particles, so that the bias of that can be seen.
pub(super) fn draws(
    ir: &Ir,
    roots: &[NodeId],
    replicates: usize,
    seed: u64,
) -> Vec<HashMap<InitId, Vec<f64>>> {
    let mut draws = vec![HashMap::new(); replicates];
    for id in ir.reachable(roots) {
        let Node::Init(init) = ir.node(id) else { continue };
        let known = ir.init(*init);
        if known.shape.width > 0 {
            continue;
        }
        let key = Key::new(seed).split(STREAM).split(u64::from(init.0));
        let entries = (0..known.shape.entries() as u64)
            .map(|entry| stratified(key.split(entry), known.law, replicates));
        let entries: Vec<Vec<f64>> = entries.collect();
        for (replicate, draws) in draws.iter_mut().enumerate() {
            draws.insert(*init, entries.iter().map(|entry| entry[replicate]).collect());
        }
    }
    draws
}
