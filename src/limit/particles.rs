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
use std::collections::BTreeMap;

/// A residual below this fraction of a column is rounding: the column lies in the span of the others.
const DEPENDENT: f64 = 1e-12;

/// N particles, and what every matrix has done to them.
#[derive(Debug)]
pub struct Particles {
    n: usize,
    inits: Vec<Init>,
    key: Key,
    /// How many columns were drawn: each has its own key.
    drawn: u64,
    /// Orthonormal basis of all columns so far.
    all: Vec<Vec<f64>>,
    /// For each matrix: what it and what its transpose were applied to.
    sides: BTreeMap<(MatrixRef, bool), Side>,
    /// Whether new columns are stratified and made orthogonal to all others; only tests switch it off.
    orthogonal: bool,
}

/// Orthonormal inputs of a matrix and their Gaussian images.
#[derive(Debug, Default)]
struct Side {
    inputs: Vec<Vec<f64>>,
    images: Vec<Vec<f64>>,
}

impl Particles {
    /// N particles of the initial objects `inits`; equal seeds and streams give equal particles.
    pub fn new(inits: &[Init], n: usize, seed: u64, stream: u64) -> Self {
        let mut particles = Self {
            n,
            inits: inits.to_vec(),
            key: Key::new(seed).split(stream),
            drawn: 0,
            all: Vec::new(),
            sides: BTreeMap::new(),
            orthogonal: true,
        };
        particles.remember(&vec![1.0; n]);
        particles
    }

    /// The same without strata and orthogonal columns: an ordinary sample, for statistical tests.
    #[must_use]
    pub fn independent(mut self) -> Self {
        self.orthogonal = false;
        self.all.clear();
        self
    }

    /// How many columns there are; the bias is of the order of this over N.
    pub fn columns(&self) -> usize {
        self.all.len()
    }

    /// Adds a column to the basis of all columns.
    fn remember(&mut self, column: &[f64]) {
        if !self.orthogonal || self.all.len() + 1 >= self.n {
            return;
        }
        let mut rest = column.to_vec();
        let size = norm(&rest);
        remove(&mut rest, &self.all);
        let left = norm(&rest);
        if left > DEPENDENT * size {
            scale(&mut rest, 1.0 / left);
            self.all.push(rest);
        }
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

    /// A new standard Gaussian column, independent of everything so far.
    fn gaussian(&mut self) -> Vec<f64> {
        let mut column = self.draw(Law::Normal);
        if self.orthogonal && self.all.len() + 1 < self.n {
            remove(&mut column, &self.all);
            let size = norm(&column);
            scale(&mut column, 1.0 / size);
            self.all.push(column.clone());
        }
        column
    }

    /// W x (or Wᵀ x) for one column.
    fn apply_one(&mut self, matrix: MatrixRef, transpose: bool, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; self.n];
        if let Some(other) = self.sides.get(&(matrix, !transpose)) {
            for (input, image) in other.inputs.iter().zip(&other.images) {
                add(&mut y, inner(image, x), input);
            }
        }
        let mut rest = x.to_vec();
        let side = self.sides.entry((matrix, transpose)).or_default();
        for _ in 0..2 {
            for (input, image) in side.inputs.iter().zip(&side.images) {
                let part = inner(input, &rest);
                add(&mut rest, -part, input);
                add(&mut y, part, image);
            }
        }
        let left = norm(&rest);
        if left > DEPENDENT * norm(x) {
            scale(&mut rest, 1.0 / left);
            self.remember(&rest);
            let image = self.gaussian();
            add(&mut y, left, &image);
            let side = self.sides.entry((matrix, transpose)).or_default();
            side.inputs.push(rest);
            side.images.push(image);
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
        let mut values = Vec::with_capacity(entries * self.n);
        for _ in 0..entries {
            let column = match law {
                Law::Normal => self.gaussian(),
                Law::Uniform | Law::Rademacher => {
                    let column = self.draw(law);
                    self.remember(&column);
                    column
                }
            };
            values.extend(column);
        }
        values
    }

    fn apply(&mut self, matrix: MatrixRef, transpose: bool, x: &[f64]) -> Vec<f64> {
        let n = self.n;
        x.chunks(n).flat_map(|column| self.apply_one(matrix, transpose, column)).collect()
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

/// ⟨x|y⟩, the mean of the product.
fn inner(x: &[f64], y: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in xs.zip(ys) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    (lanes.iter().sum::<f64>() + rest) / x.len() as f64
}

fn norm(x: &[f64]) -> f64 {
    inner(x, x).sqrt()
}

fn add(y: &mut [f64], factor: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}

fn scale(x: &mut [f64], factor: f64) {
    x.iter_mut().for_each(|x| *x *= factor);
}

/// Removes the components along an orthonormal basis, twice, so that nothing but rounding is left of them.
fn remove(column: &mut [f64], basis: &[Vec<f64>]) {
    for _ in 0..2 {
        for direction in basis {
            let part = inner(column, direction);
            add(column, -part, direction);
        }
    }
}
