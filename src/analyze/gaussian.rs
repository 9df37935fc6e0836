//! Which sums over neurons are Gaussian numbers: those linear in initial symbols that occur nowhere else in them.
//!
//! ```text
//! n^(−1/2) Σ_α v_α x_α, x free of v:       Gaussian, Cov(z, z′) = ⟨x|x′⟩
//! n^(−1/2) Σ_α u_α (W x)_α, u, x free of W:  Gaussian, Cov(z, z′) = ⟨u|u′⟩⟨x|x′⟩
//! ```
//!
//! The weights x, or u xᵀ, of a symbol are the derivative of the sum by it: reverse mode transposes the linear maps in
//! between, as backpropagation does. Never are the covariances of summands taken: uᵀWx and xᵀWᵀu are one number, while
//! Wx and Wᵀu are independent kets (docs/theory/expansion.md).

use super::dependence::Dependence::{Affine, Linear, Other};
use super::dependence::{Dependence, dependence, symbols, without};
use crate::ir::passes::adjoint::{Placement, weights};
use crate::ir::{InitId, Ir, Node, NodeId, ReduceOp};
use indexmap::IndexMap;
use std::cmp::Reverse;

/// What one symbol is multiplied with in a sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights {
    /// The symbol: an initial vec or mat.
    pub(super) symbol: InitId,
    /// Its weights: static axes are those of the sum, then those of the symbol; width axes are those of the symbol.
    pub(super) node: NodeId,
}

/// Gaussian numbers: for each the weights of the symbols that it is linear in.
pub(super) type Sums = IndexMap<InitId, Vec<Weights>>;

/// Whether the sum of these terms over their width axis is Gaussian by itself.
pub(super) fn is_gaussian(ir: &mut Ir, terms: NodeId) -> bool {
    eliminated(ir, &[(InitId::default(), terms)]).is_ok()
}

/// Takes symbol after symbol out of numbers, which are sums of terms over a width axis. A symbol can be taken out where every
/// number is linear in it or free of it: given all other symbols, these linear parts are jointly Gaussian, and what is left
/// is free of it, hence independent of them. Vecs come before mats and later ones first: the head of a network before its body.
///
/// # Errors
/// A number of which something is left.
pub(super) fn eliminated(ir: &mut Ir, numbers: &[(InitId, NodeId)]) -> Result<Sums, InitId> {
    let mut sums: Sums = numbers.iter().map(|(number, _)| (*number, Vec::new())).collect();
    let mut left: Vec<(InitId, NodeId)> = numbers.to_vec();
    loop {
        left.retain(|(_, terms)| !ir.is_zero(*terms) && !symbols(ir, *terms).is_empty());
        let Some((first, _)) = left.first().copied() else { return Ok(sums) };
        let mut candidates: Vec<InitId> =
            left.iter().flat_map(|(_, terms)| symbols(ir, *terms)).collect();
        candidates.sort_by_key(|init| (ir.init(*init).shape.width, Reverse(*init)));
        candidates.dedup();
        let found = |symbol: InitId| -> Vec<Dependence> {
            left.iter().map(|(_, terms)| dependence(ir, *terms, symbol)).collect()
        };
        let all: Vec<(InitId, Vec<Dependence>)> = candidates
            .into_iter()
            .map(|symbol| (symbol, found(symbol)))
            .filter(|(_, found)| !found.contains(&Other))
            .collect();
        // rather one that takes whole numbers away
        let whole = all.iter().position(|(_, found)| !found.contains(&Affine));
        let next = all.into_iter().nth(whole.unwrap_or(0));
        let Some((symbol, found)) = next else { return Err(first) };
        for ((number, terms), dependence) in left.iter_mut().zip(found) {
            if dependence == Linear || dependence == Affine {
                let weights = derivative(ir, *terms, symbol).ok_or(*number)?;
                sums[&*number].push(weights);
                *terms = without(ir, *terms, symbol);
            }
        }
    }
}

fn derivative(ir: &mut Ir, terms: NodeId, symbol: InitId) -> Option<Weights> {
    let shape = ir.init(symbol).shape.clone();
    let target = ir.rebuild(Node::Init(symbol), shape.clone());
    let sum = ir.reduce(ReduceOp::Sum, terms, vec![], vec![0]);
    let count = ir.shape(sum).stat.len();
    let sizes = [&ir.shape(sum).stat[..], &shape.stat[..]].concat();
    let seed: Vec<usize> = (0..count).collect();
    let own: Vec<usize> = (count..sizes.len()).collect();
    let placement = Placement { seed: &seed, own: &own, sizes: &sizes };
    let node = weights(ir, sum, target, &placement).ok()??;
    Some(Weights { symbol, node })
}
