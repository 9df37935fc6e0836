//! Cholesky factors of Gram matrices.

use ndarray::Array2;

/// Below this fraction of the largest share a Gram matrix has lost half of the digits.
const EXACT: f64 = 1e-4;

/// Columns to orthonormalise, in order, and the share of its size that is left of each beyond those before it: those of
/// which more than `least` is left and for which the Gram matrix is exact enough.
///
/// The order is that of the columns, not of the shares: it must not depend on the sample, or a part of the sample would give
/// other images to the same column.
pub(super) fn chosen(mut gram: Array2<f64>, sizes: &[f64], least: f64) -> Vec<(usize, f64)> {
    let count = sizes.len();
    let share = |gram: &Array2<f64>, k: usize| match sizes[k] > 0.0 {
        true => gram[[k, k]].max(0.0).sqrt() / sizes[k],
        false => 0.0,
    };
    let most = (0..count).map(|k| share(&gram, k)).fold(0.0, f64::max);
    let enough = least.max(EXACT * most);
    let mut chosen = Vec::new();
    for k in 0..count {
        let share = share(&gram, k);
        if share <= enough {
            continue;
        }
        chosen.push((k, share));
        let pivot = gram.row(k).to_owned();
        for other in k + 1..count {
            let factor = pivot[other] / pivot[k];
            gram.row_mut(other).scaled_add(-factor, &pivot);
        }
    }
    chosen
}

/// L⁻¹ of a positive definite L Lᵀ.
pub(super) fn inverse_factor(mut gram: Array2<f64>) -> Array2<f64> {
    let count = gram.nrows();
    for k in 0..count {
        let pivot = gram[[k, k]].sqrt();
        gram.column_mut(k).mapv_inplace(|x| x / pivot);
        for j in k + 1..count {
            let factor = gram[[j, k]];
            for i in j..count {
                let part = gram[[i, k]] * factor;
                gram[[i, j]] -= part;
            }
        }
    }
    let mut inverse = Array2::eye(count);
    for i in 0..count {
        for j in 0..=i {
            let known: f64 = (j..i).map(|k| gram[[i, k]] * inverse[[k, j]]).sum();
            let own = if i == j { 1.0 } else { 0.0 };
            inverse[[i, j]] = (own - known) / gram[[i, i]];
        }
    }
    inverse
}
