//! Initial objects as kets: what it means to apply an initial matrix in the limit.
//!
//! For each W the columns it was applied to are kept as an orthonormal basis e₁…e_p with Gaussian images ĥ₁…ĥ_p, and
//! those Wᵀ was applied to as f₁…f_q with k̂₁…k̂_q (inner product ⟨x|y⟩ = mean over particles). Then
//!
//! ```text
//! W x = Σᵢ ĥᵢ ⟨eᵢ|x⟩ + ‖x⊥‖ ĥ_new     hat: covariance ⟨x|y⟩ with all earlier hats of W
//!     + Σⱼ fⱼ ⟨k̂ⱼ|x⟩                   dot: Σ_z |z⟩ E ∂|x⟩/∂hat(Wᵀz), by Stein's identity E k̂ⱼ F = E ∂F/∂k̂ⱼ
//! ```
//!
//! In the orthonormal basis the Gram matrix of Stein's identity is 1, so equal or dependent inputs need no care, and
//! the identity holds for functions without a derivative. A new image is orthogonal to every column so far: then
//! ⟨z|Wx⟩ = ⟨Wᵀz|x⟩ and all Gram matrices hold exactly on the particles. What is left is a bias of order (number of
//! columns)/N and the sampling error of nonlinear functions. To make that small every new column is stratified: one
//! entry in each of N parts of equal probability, in random order (Latin hypercube sampling; Stein, Technometrics 29, 1987),
//! which takes away all of the error that is a sum of functions of one column each.

use crate::codegen::{Matrices, MatrixRef, simd};
use crate::ir::{Init, InitId, Law};
use crate::num::rng::Key;
use crate::num::special::normal_quantile;
use columns::Columns;
use std::collections::BTreeMap;

mod columns;

/// A residual below this fraction of a column is rounding: the column lies in the span of the others.
const DEPENDENT: f64 = 1e-12;
/// Columns that are treated together, so that most of the work is products of matrices.
const TOGETHER: usize = 128;

/// N particles, and what every matrix has done to them.
#[derive(Debug)]
pub struct Particles {
    n: usize,
    inits: Vec<Init>,
    key: Key,
    /// How many columns were drawn: each has its own key.
    drawn: u64,
    /// Orthonormal basis of all columns so far.
    all: Columns,
    /// For each matrix: what it and what its transpose were applied to.
    sides: BTreeMap<(MatrixRef, bool), Side>,
    /// Whether new columns are stratified and made orthogonal to all others; only tests switch it off.
    orthogonal: bool,
}

/// Orthonormal inputs of a matrix and their Gaussian images.
#[derive(Debug)]
struct Side {
    inputs: Columns,
    images: Columns,
}

impl Particles {
    /// N particles of the initial objects `inits`; equal seeds and streams give equal particles.
    pub fn new(inits: &[Init], n: usize, seed: u64, stream: u64) -> Self {
        let mut particles = Self {
            n,
            inits: inits.to_vec(),
            key: Key::new(seed).split(stream),
            drawn: 0,
            all: Columns::new(n),
            sides: BTreeMap::new(),
            orthogonal: true,
        };
        particles.remember(Columns::of(n, vec![1.0; n]));
        particles
    }

    /// The same without strata and orthogonal columns: an ordinary sample, for statistical tests.
    #[must_use]
    pub fn independent(mut self) -> Self {
        self.orthogonal = false;
        self.all = Columns::new(self.n);
        self
    }

    /// How many columns there are; the bias is of the order of this over N.
    pub fn columns(&self) -> usize {
        self.all.len()
    }

    /// Adds columns to the basis of all columns, as far as there is room.
    fn remember(&mut self, mut columns: Columns) {
        if !self.orthogonal {
            return;
        }
        let sizes = columns.norms();
        columns.remove(&self.all);
        let (directions, _) = columns.orthonormalised(&sizes, DEPENDENT);
        let room = (self.n - 1).saturating_sub(self.all.len());
        (0..directions.len().min(room)).for_each(|k| self.all.push(directions.get(k)));
    }

    /// A new column.
    fn draw(&mut self, law: Law) -> Vec<f64> {
        let key = self.key.split(self.drawn);
        self.drawn += 1;
        if self.orthogonal {
            return stratified(key, law, self.n);
        }
        let mut column = vec![0.0; self.n];
        simd::draw(key, law, 1.0, 0, &mut column);
        column
    }

    /// New standard Gaussian columns, independent of everything so far and of each other.
    fn gaussians(&mut self, count: usize) -> Columns {
        let mut drawn = Columns::new(self.n);
        for _ in 0..count {
            let column = self.draw(Law::Normal);
            drawn.push(&column);
        }
        if !self.orthogonal {
            return drawn;
        }
        let raw = drawn.clone();
        drawn.remove(&self.all);
        let mut made = Columns::new(self.n);
        for k in 0..count {
            if self.all.len() + 1 >= self.n {
                made.push(raw.get(k));
                continue;
            }
            let mut column = drawn.get(k).to_vec();
            self.all.remove_last(made.len(), &mut column);
            let size = columns::norm(&column);
            columns::scale(&mut column, 1.0 / size);
            self.all.push(&column);
            made.push(&column);
        }
        made
    }

    /// W x (or Wᵀ x) for a few columns.
    fn apply_some(&mut self, matrix: MatrixRef, transpose: bool, x: Columns) -> Columns {
        let mut y = Columns::zeros(self.n, x.len());
        if let Some(other) = self.sides.get(&(matrix, !transpose)) {
            y.add(&x.products(&other.images), &other.inputs);
        }
        let sizes = x.norms();
        let mut rest = x;
        if let Some(side) = self.sides.get(&(matrix, transpose)) {
            for _ in 0..2 {
                let parts = rest.products(&side.inputs);
                rest.subtract(&parts, &side.inputs);
                y.add(&parts, &side.images);
            }
        }
        let (inputs, parts) = rest.orthonormalised(&sizes, DEPENDENT);
        if inputs.len() > 0 {
            self.remember(inputs.clone());
            let images = self.gaussians(inputs.len());
            y.add(&parts, &images);
            let n = self.n;
            let side = self
                .sides
                .entry((matrix, transpose))
                .or_insert_with(|| Side { inputs: Columns::new(n), images: Columns::new(n) });
            side.inputs.extend(&inputs);
            side.images.extend(&images);
        }
        y
    }
}

impl Matrices<f64> for Particles {
    fn initial(&mut self, init: InitId) -> Vec<f64> {
        let Init { shape, law, .. } = self.inits[init.index()].clone();
        let entries = shape.entries();
        if shape.width == 0 {
            return vec![0.0; entries];
        }
        if law == Law::Normal {
            let mut made = Columns::new(self.n);
            for start in (0..entries).step_by(TOGETHER) {
                made.extend(&self.gaussians((entries - start).min(TOGETHER)));
            }
            return made.into_values();
        }
        let mut values = Vec::with_capacity(entries * self.n);
        for _ in 0..entries {
            let column = self.draw(law);
            self.remember(Columns::of(self.n, column.clone()));
            values.extend(column);
        }
        values
    }

    fn apply(&mut self, matrix: MatrixRef, transpose: bool, x: &[f64]) -> Vec<f64> {
        let n = self.n;
        let blocks = x.chunks(n * TOGETHER).map(|block| Columns::of(n, block.to_vec()));
        blocks.flat_map(|block| self.apply_some(matrix, transpose, block).into_values()).collect()
    }

    fn dense(&mut self, _: MatrixRef) -> Option<&[f64]> {
        None
    }
}

/// n draws of a law, one from each of n parts of equal probability, in random order.
fn stratified(key: Key, law: Law, n: usize) -> Vec<f64> {
    let mut order: Vec<(u64, usize)> = (0..n).map(|k| (key.bits64(k as u64), k)).collect();
    order.sort_unstable();
    let inside = key.fold_in(1);
    let mut column = vec![0.0; n];
    for (part, (_, k)) in order.into_iter().enumerate() {
        let jitter = (f64::from(inside.bits32(part as u64)) + 0.5) / 4_294_967_296.0;
        column[k] = quantile(law, (part as f64 + jitter) / n as f64);
    }
    column
}

/// The number that a standardised law exceeds with probability 1 − p.
fn quantile(law: Law, p: f64) -> f64 {
    match law {
        Law::Normal => normal_quantile(p),
        Law::Uniform => libm::sqrt(3.0) * (2.0 * p - 1.0),
        Law::Rademacher => {
            if p < 0.5 {
                -1.0
            } else {
                1.0
            }
        }
    }
}
