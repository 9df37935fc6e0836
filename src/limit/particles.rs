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
//! columns)/N and the sampling error of nonlinear functions. To make that small the first columns are coordinates of
//! scrambled Sobol points, which are spread evenly over several columns at once; particles are in random order, because
//! means over tuples of them take any tuples for independent. Later columns are stratified: one
//! entry in each of N parts of equal probability, in random order (Latin hypercube sampling; Stein, Technometrics 29, 1987),
//! which takes away all of the error that is a sum of functions of one column each.

use super::spaces::Spaces;
use crate::codegen::{Blocks, Matrices, MatrixRef, simd};
use crate::ir::{Init, InitId, Law};
use crate::num::rng::Key;
use crate::num::sobol::Coordinate;
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
/// The key of the order of particles; those below are of spaces.
const ORDER: u64 = u32::MAX as u64;

/// Blocks of N particles, and what every matrix has done to them. Inner products are means over all blocks: a basis of
/// many columns needs many particles, where means over pairs of particles, which stay inside a block, need few.
#[derive(Debug)]
pub struct Particles {
    n: usize,
    inits: Vec<Init>,
    spaces: Spaces,
    key: Key,
    /// For each block the numbers of its pieces, which are drawn by themselves.
    pieces: Vec<Vec<u64>>,
    /// For each block the positions of its particles in a sequence of Sobol points.
    points: Vec<Vec<u32>>,
    /// Initial scalars; what is not given tends to 0.
    scalars: HashMap<InitId, Vec<f64>>,
    /// How many columns of each space were drawn: each has its own key, and the first are coordinates of Sobol points.
    drawn: Vec<usize>,
    /// For each space an orthonormal basis of all columns so far.
    bases: Vec<Columns>,
    /// For each matrix: what it and what its transpose were applied to.
    sides: BTreeMap<(MatrixRef, bool), Side>,
    /// Whether new columns are spread evenly and made orthogonal to all others; only tests switch it off.
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
        // so that each half of all particles is one run of Sobol points
        let blocks = blocks as u64;
        Self::of_pieces(inits, n, key, (0..blocks).map(|k| vec![k, blocks + k]).collect())
    }

    /// The first or second half of the particles of every such block.
    pub fn half(inits: &[Init], n: usize, blocks: usize, key: Key, second: bool) -> Self {
        let blocks = blocks as u64;
        let first = if second { blocks } else { 0 };
        Self::of_pieces(inits, n / 2, key, (first..first + blocks).map(|k| vec![k]).collect())
    }

    fn of_pieces(inits: &[Init], n: usize, key: Key, pieces: Vec<Vec<u64>>) -> Self {
        let each = n / pieces[0].len();
        let run = |piece: &u64| {
            let start = *piece as usize * each;
            let order = shuffled(key.split(ORDER).split(*piece), each);
            order.into_iter().map(move |k| (start + k) as u32)
        };
        let points = pieces.iter().map(|pieces| pieces.iter().flat_map(run).collect()).collect();
        let particles = Self {
            n,
            inits: inits.to_vec(),
            spaces: Spaces::default(),
            key,
            pieces,
            points,
            scalars: HashMap::new(),
            drawn: Vec::new(),
            bases: Vec::new(),
            sides: BTreeMap::new(),
            orthogonal: true,
        };
        particles.in_spaces(Spaces::default())
    }

    /// The same with columns that need not be orthogonal to those of other spaces.
    #[must_use]
    pub(super) fn in_spaces(mut self, spaces: Spaces) -> Self {
        let ones = Columns::of(self.n, vec![vec![1.0; self.n]; self.pieces.len()]);
        self.drawn = vec![0; spaces.count()];
        self.bases = vec![ones; spaces.count()];
        self.spaces = spaces;
        self
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
        self
    }

    fn none(&self) -> Columns {
        Columns::new(self.n, self.pieces.len())
    }

    /// How many more columns can be orthogonal to all of a space.
    fn room(&self, space: usize) -> usize {
        (self.n * self.pieces.len() - 1).saturating_sub(self.bases[space].len())
    }

    /// Adds columns to the basis of a space, as far as there is room.
    fn remember(&mut self, mut columns: Columns, space: usize) {
        if !self.orthogonal {
            return;
        }
        let sizes = columns.norms();
        columns.remove(&self.bases[space]);
        let directions = columns.split(&sizes, DEPENDENT).basis;
        let fitting = directions.len().min(self.room(space));
        self.bases[space].extend(&directions.cut(0..fitting));
    }

    /// A new column of a space.
    fn draw(&mut self, law: Law, space: usize) -> Columns {
        let (n, count) = (self.n, self.drawn[space]);
        self.drawn[space] += 1;
        let key = self.key.split(space as u64).split(count as u64);
        // other runs are not even
        let even = self.orthogonal && n.is_power_of_two();
        if let Some(coordinate) = Coordinate::new(count, key).filter(|_| even) {
            let number = |point: &u32| quantile(law, coordinate.at(*point));
            let block = |points: &Vec<u32>| points.iter().map(number).collect();
            return Columns::of(n, self.points.par_iter().map(block).collect());
        }
        let piece = |number: u64, n: usize| -> Vec<f64> {
            let key = key.split(number);
            if self.orthogonal {
                return stratified(key, law, n);
            }
            let mut column = vec![0.0; n];
            simd::draw(key, law, 1.0, 0, &mut column);
            column
        };
        let block = |pieces: &Vec<u64>| {
            let (each, rest) = (n / pieces.len(), n % pieces.len());
            let sizes = (0..pieces.len()).map(|k| each + if k == 0 { rest } else { 0 });
            pieces.iter().zip(sizes).flat_map(|(number, n)| piece(*number, n)).collect()
        };
        Columns::of(n, self.pieces.par_iter().map(block).collect())
    }

    /// New standard Gaussian columns.
    fn normals(&mut self, count: usize, space: usize) -> Columns {
        let mut drawn = self.none();
        for _ in 0..count {
            let column = self.draw(Law::Normal, space);
            drawn.extend(&column);
        }
        drawn
    }

    /// New standard Gaussian columns; those marked are orthogonal to everything so far in their space and to each
    /// other.
    fn gaussians(&mut self, orthogonal: &[bool], space: usize) -> Columns {
        let mut drawn = self.normals(orthogonal.len(), space);
        if !self.orthogonal {
            return drawn;
        }
        let mut room = self.room(space);
        let mut take = |marked: &bool| {
            let taken = *marked && room > 0;
            room -= usize::from(taken);
            taken
        };
        let marked: Vec<bool> = orthogonal.iter().map(&mut take).collect();
        let mut made = drawn.only(&marked);
        made.remove(&self.bases[space]);
        let made = made.orthonormal();
        self.bases[space].extend(&made);
        drawn.replace(&marked, &made);
        drawn
    }

    /// W x (or Wᵀ x) for a few columns.
    fn apply_some(&mut self, matrix: MatrixRef, transpose: bool, x: Columns) -> Columns {
        let mut y = Columns::zeros(self.n, self.pieces.len(), x.len());
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
            let least = if self.pieces.len() > 1 { SLIGHT } else { 0.0 };
            let large: Vec<bool> = shares.iter().map(|share| *share > least).collect();
            let (to, from) = if transpose { (1, 0) } else { (0, 1) };
            self.remember(inputs.only(&large), self.spaces.at(matrix.init, from));
            let images = self.gaussians(&large, self.spaces.at(matrix.init, to));
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
        self.pieces.len()
    }

    fn initial(&mut self, init: InitId) -> Vec<Vec<f64>> {
        let Init { shape, law, .. } = self.inits[init.index()].clone();
        let entries = shape.entries();
        if shape.width == 0 {
            let values = self.scalars.get(&init).cloned().unwrap_or_else(|| vec![0.0; entries]);
            return vec![values; self.pieces.len()];
        }
        let space = self.spaces.at(init, 0);
        let mut made = self.none();
        if law == Law::Normal {
            for start in (0..entries).step_by(TOGETHER) {
                let marked = vec![true; (entries - start).min(TOGETHER)];
                made.extend(&self.gaussians(&marked, space));
            }
        } else {
            for _ in 0..entries {
                let column = self.draw(law, space);
                self.remember(column.clone(), space);
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
    let inside = key.fold_in(1);
    let mut column = vec![0.0; n];
    for (part, k) in shuffled(key, n).into_iter().enumerate() {
        let jitter = (f64::from(inside.bits32(part as u64)) + 0.5) / 4_294_967_296.0;
        column[k] = quantile(law, (part as f64 + jitter) / n as f64);
    }
    column
}

/// The numbers 0, 1, …, n − 1 in random order.
fn shuffled(key: Key, n: usize) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> = (0..n).map(|k| (key.bits64(k as u64), k)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, k)| k).collect()
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
