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

use crate::codegen::{Blocks, Matrices, MatrixRef, simd};
use crate::ir::{Init, InitId, Law};
use crate::num::rng::Key;
use crate::num::special::normal_quantile;
use columns::{Columns, Split};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

mod columns;

/// A residual below this fraction of a column is rounding: the column lies in the span of the others.
const DEPENDENT: f64 = 1e-12;
/// With several blocks there are more columns than can be orthogonal to all others and stay a sample: below this fraction
/// a residual gets an image that is only independent. Its products with others have an error of this times N^(−1/2).
const SLIGHT: f64 = 0.05;
/// Columns that are treated together, so that most of the work is products of matrices.
const TOGETHER: usize = 128;
/// Blocks of N particles, and what every matrix has done to them. Inner products are means over all blocks: a basis of
/// many columns needs many particles, where means over pairs of particles, which stay inside a block, need few.
#[derive(Debug)]
pub struct Particles {
    n: usize,
    inits: Vec<Init>,
    /// For each block the keys of its pieces, which are drawn by themselves.
    keys: Vec<Vec<Key>>,
    /// Initial scalars; what is not given tends to 0.
    scalars: HashMap<InitId, Vec<f64>>,
    /// How many columns were drawn: each has its own key.
    count: u64,
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
        Self::in_blocks(inits, n, 1, Key::new(seed).split(stream))
    }

    /// Several blocks of N particles, N even: in each block the particles of both halves.
    pub fn in_blocks(inits: &[Init], n: usize, blocks: usize, key: Key) -> Self {
        let pieces = |block: u64| vec![key.split(2 * block), key.split(2 * block + 1)];
        Self::of_pieces(inits, n, (0..blocks as u64).map(pieces).collect())
    }

    /// The first or second half of the particles of every such block.
    pub fn half(inits: &[Init], n: usize, blocks: usize, key: Key, second: bool) -> Self {
        let piece = |block: u64| vec![key.split(2 * block + u64::from(second))];
        Self::of_pieces(inits, n / 2, (0..blocks as u64).map(piece).collect())
    }

    fn of_pieces(inits: &[Init], n: usize, keys: Vec<Vec<Key>>) -> Self {
        let blocks = keys.len();
        let mut particles = Self {
            n,
            inits: inits.to_vec(),
            keys,
            scalars: HashMap::new(),
            count: 0,
            all: Columns::new(n, blocks),
            sides: BTreeMap::new(),
            orthogonal: true,
        };
        particles.remember(Columns::of(n, vec![vec![1.0; n]; blocks]));
        particles
    }

    /// The same with these initial scalars.
    #[must_use]
    pub fn with_scalars(self, scalars: HashMap<InitId, Vec<f64>>) -> Self {
        Self { scalars, ..self }
    }

    /// The same without strata and orthogonal columns: an ordinary sample, for statistical tests.
    #[must_use]
    pub fn independent(mut self) -> Self {
        self.orthogonal = false;
        self.all = self.none();
        self
    }

    /// How many columns there are; the bias is of the order of this over the number of particles.
    pub fn columns(&self) -> usize {
        self.all.len()
    }

    fn none(&self) -> Columns {
        Columns::new(self.n, self.keys.len())
    }

    /// How many more columns can be orthogonal to all.
    fn room(&self) -> usize {
        (self.n * self.keys.len() - 1).saturating_sub(self.all.len())
    }

    /// Adds columns to the basis of all columns, as far as there is room.
    fn remember(&mut self, mut columns: Columns) {
        if !self.orthogonal {
            return;
        }
        let sizes = columns.norms();
        columns.remove(&self.all);
        let directions = columns.split(&sizes, DEPENDENT).basis;
        self.all.extend(&directions.cut(0..directions.len().min(self.room())));
    }

    /// A new column.
    fn draw(&mut self, law: Law) -> Columns {
        let (count, n, orthogonal) = (self.count, self.n, self.orthogonal);
        self.count += 1;
        let piece = |key: &Key, n: usize| {
            let key = key.split(count);
            if orthogonal {
                return stratified(key, law, n);
            }
            let mut column = vec![0.0; n];
            simd::draw(key, law, 1.0, 0, &mut column);
            column
        };
        let block = |keys: &Vec<Key>| {
            let (rest, each) = (n % keys.len(), n / keys.len());
            let sizes = (0..keys.len()).map(|k| each + if k == 0 { rest } else { 0 });
            keys.iter().zip(sizes).flat_map(|(key, n)| piece(key, n)).collect()
        };
        Columns::of(n, self.keys.par_iter().map(block).collect())
    }

    /// New standard Gaussian columns.
    fn drawn(&mut self, count: usize) -> Columns {
        let mut drawn = self.none();
        for _ in 0..count {
            let column = self.draw(Law::Normal);
            drawn.extend(&column);
        }
        drawn
    }

    /// New standard Gaussian columns; those marked are orthogonal to everything so far and to each other.
    fn gaussians(&mut self, orthogonal: &[bool]) -> Columns {
        let mut drawn = self.drawn(orthogonal.len());
        if !self.orthogonal {
            return drawn;
        }
        let mut room = self.room();
        let mut take = |marked: &bool| {
            let taken = *marked && room > 0;
            room -= usize::from(taken);
            taken
        };
        let marked: Vec<bool> = orthogonal.iter().map(&mut take).collect();
        let mut made = drawn.only(&marked);
        made.remove(&self.all);
        let made = made.orthonormal();
        self.all.extend(&made);
        drawn.replace(&marked, &made);
        drawn
    }

    /// W x (or Wᵀ x) for a few columns.
    fn apply_some(&mut self, matrix: MatrixRef, transpose: bool, x: Columns) -> Columns {
        let mut y = Columns::zeros(self.n, self.keys.len(), x.len());
        if let Some(other) = self.sides.get(&(matrix, !transpose)) {
            y.add(&x.products(&other.images), &other.inputs);
        }
        let sizes = x.norms();
        let mut rest = x;
        if let Some(side) = self.sides.get(&(matrix, transpose)) {
            y.add(&rest.remove(&side.inputs), &side.images);
        }
        let Split { basis: inputs, parts, shares } = rest.split(&sizes, DEPENDENT);
        if inputs.len() > 0 {
            let least = if self.keys.len() > 1 { SLIGHT } else { 0.0 };
            let large: Vec<bool> = shares.iter().map(|share| *share > least).collect();
            self.remember(inputs.only(&large));
            let images = self.gaussians(&large);
            y.add(&parts, &images);
            let none = self.none();
            let side = self
                .sides
                .entry((matrix, transpose))
                .or_insert_with(|| Side { inputs: none.clone(), images: none });
            side.inputs.extend(&inputs);
            side.images.extend(&images);
        }
        y
    }
}

impl Blocks<f64> for Particles {
    fn count(&self) -> usize {
        self.keys.len()
    }

    fn initial(&mut self, init: InitId) -> Vec<Vec<f64>> {
        let Init { shape, law, .. } = self.inits[init.index()].clone();
        let entries = shape.entries();
        if shape.width == 0 {
            let values = self.scalars.get(&init).cloned().unwrap_or_else(|| vec![0.0; entries]);
            return vec![values; self.keys.len()];
        }
        let mut made = self.none();
        if law == Law::Normal {
            for start in (0..entries).step_by(TOGETHER) {
                made.extend(&self.gaussians(&vec![true; (entries - start).min(TOGETHER)]));
            }
        } else {
            for _ in 0..entries {
                let column = self.draw(law);
                self.remember(column.clone());
                made.extend(&column);
            }
        }
        made.into_blocks()
    }

    fn apply(&mut self, matrix: MatrixRef, transpose: bool, x: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        let x = Columns::of(self.n, x);
        let mut y = self.none();
        for start in (0..x.len()).step_by(TOGETHER) {
            let some = x.cut(start..x.len().min(start + TOGETHER));
            y.extend(&self.apply_some(matrix, transpose, some));
        }
        y.into_blocks()
    }
}

/// One block.
impl Matrices<f64> for Particles {
    fn initial(&mut self, init: InitId) -> Vec<f64> {
        Blocks::initial(self, init).swap_remove(0)
    }

    fn apply(&mut self, matrix: MatrixRef, transpose: bool, x: &[f64]) -> Vec<f64> {
        Blocks::apply(self, matrix, transpose, vec![x.to_vec()]).swap_remove(0)
    }

    fn dense(&mut self, _: MatrixRef) -> Option<&[f64]> {
        None
    }
}

/// n draws of a law, one from each of n parts of equal probability, in random order.
pub(super) fn stratified(key: Key, law: Law, n: usize) -> Vec<f64> {
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
