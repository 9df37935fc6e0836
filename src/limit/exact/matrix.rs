//! Matrices over all pairs of two arrays, as expressions entry by entry.
//!
//! Nothing is evaluated when an expression is made. All results together are evaluated in tiles that fit into a core's cache,
//! beside each other, of symmetric ones those on and above the diagonal. Each tile bounds the errors and the sizes of its own
//! entries; that of a matrix is the largest of its tiles.

use super::number::{Method, Number};
use crate::codegen::simd::arc_cosines;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use std::ops::Range;

/// An expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixId(usize);

/// Vectors as rows, with one bound for the errors of their entries.
#[derive(Debug, PartialEq)]
pub(super) struct Rows {
    pub(super) values: Array2<f64>,
    pub(super) error: f64,
    pub(super) method: Method,
}

impl Rows {
    pub(super) fn of(values: Array2<f64>, numbers: impl Iterator<Item = Number>) -> Self {
        let start = (0.0_f64, Method::Exact);
        let worst = |(error, method): (f64, Method), number: Number| {
            (error.max(number.error), method.max(number.method))
        };
        let (error, method) = numbers.fold(start, worst);
        Self { values, error, method }
    }

    /// The largest norm of some rows.
    fn norm(&self, rows: Range<usize>) -> f64 {
        let square = |k: usize| self.values.row(k).dot(&self.values.row(k));
        rows.map(square).fold(0.0, f64::max).sqrt()
    }
}

/// What an entry is.
#[derive(Debug)]
enum Kind {
    /// X Yᵀ; without Y, X Xᵀ.
    Gram(Rows, Option<Rows>),
    /// Numbers, and a bound of their errors.
    Entries(Array2<f64>, f64),
    /// The arc-cosine kernel of order 1 of Gaussian numbers with this covariance.
    Angle(Box<Angle>),
    /// That of order 0, evaluated with that of order 1.
    Step(MatrixId),
    /// x + sign · y.
    Sum([MatrixId; 2], f64),
    /// x · y.
    Product([MatrixId; 2]),
    /// factor · x + offset.
    Affine(MatrixId, [Number; 2]),
    /// aᵢ xᵢⱼ bⱼ.
    Scaled(MatrixId, [Vec<Number>; 2]),
}

#[derive(Debug)]
struct Angle {
    covariance: MatrixId,
    variances: [Vec<Number>; 2],
    /// Pairs of one number with itself.
    same: Vec<[usize; 2]>,
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    size: [usize; 2],
    symmetric: bool,
    method: Method,
}

/// All expressions, operands first.
#[derive(Debug, Default)]
pub struct Matrices(Vec<Node>);

/// An evaluated matrix with a bound for the errors of its entries.
#[derive(Debug)]
pub struct Evaluated {
    /// All entries.
    pub values: Array2<f64>,
    /// None of them is further off, to first order.
    pub error: f64,
    /// How they were found.
    pub method: Method,
}

/// Rows and columns of a tile: 32 KiB.
const TILE: [usize; 2] = [32, 128];

/// Where entries are evaluated.
#[derive(Clone)]
enum Place {
    Block(Range<usize>, Range<usize>),
    /// Entries (i, i).
    Diagonal(usize),
}

/// Entries in a place, in row-major order.
#[derive(Debug, Default)]
struct Tile {
    values: Vec<f64>,
    error: f64,
    /// No entry is larger.
    size: f64,
}

impl Matrices {
    fn add(&mut self, node: Node) -> MatrixId {
        self.0.push(node);
        MatrixId(self.0.len() - 1)
    }

    fn node(&self, id: MatrixId) -> &Node {
        &self.0[id.0]
    }

    /// X Yᵀ.
    pub(super) fn gram(&mut self, x: Rows, y: Rows) -> MatrixId {
        let size = [x.values.nrows(), y.values.nrows()];
        let (symmetric, method) = (x == y, x.method.max(y.method));
        let kind = Kind::Gram(x, (!symmetric).then_some(y));
        self.add(Node { kind, size, symmetric, method })
    }

    /// A matrix of one number.
    pub(super) fn constant(&mut self, size: [usize; 2], value: f64) -> MatrixId {
        let kind = Kind::Entries(Array2::from_elem(size, value), 0.0);
        self.add(Node { kind, size, symmetric: size[0] == size[1], method: Method::Exact })
    }

    /// A matrix that is evaluated already.
    pub(super) fn entries(&mut self, entries: Evaluated) -> MatrixId {
        let Evaluated { values, error, method } = entries;
        let size = [values.nrows(), values.ncols()];
        let symmetric = values.is_square() && values == values.t();
        self.add(Node { kind: Kind::Entries(values, error), size, symmetric, method })
    }

    /// Arc-cosine kernels of orders 1 and 0: E relu(u) relu(v) and E step(u) step(v). `same` are pairs of one number with itself,
    /// row by row; with `symmetric`, rows and columns are the same numbers and their variances are the diagonal.
    pub(super) fn arc_cosines(
        &mut self,
        covariance: MatrixId,
        variances: [Vec<Number>; 2],
        same: Vec<[usize; 2]>,
    ) -> [MatrixId; 2] {
        let Node { size, symmetric, method, .. } = *self.node(covariance);
        let symmetric = symmetric && variances[0] == variances[1];
        let method = method.max(Method::ClosedForm);
        let kind = Kind::Angle(Box::new(Angle { covariance, variances, same }));
        let first = self.add(Node { kind, size, symmetric, method });
        [first, self.add(Node { kind: Kind::Step(first), size, symmetric, method })]
    }

    fn of_both(&mut self, [x, y]: [MatrixId; 2], kind: Kind) -> MatrixId {
        let (first, second) = (self.node(x), self.node(y));
        let symmetric = first.symmetric && second.symmetric;
        let method = first.method.max(second.method);
        self.add(Node { kind, size: first.size, symmetric, method })
    }

    /// x + sign · y, entry by entry.
    pub(super) fn sum(&mut self, of: [MatrixId; 2], sign: f64) -> MatrixId {
        self.of_both(of, Kind::Sum(of, sign))
    }

    /// x · y, entry by entry.
    pub(super) fn product(&mut self, of: [MatrixId; 2]) -> MatrixId {
        self.of_both(of, Kind::Product(of))
    }

    /// factor · x + offset.
    pub(super) fn affine(&mut self, x: MatrixId, factor: Number, offset: Number) -> MatrixId {
        let Node { size, symmetric, method, .. } = *self.node(x);
        let method = method.max(factor.method).max(offset.method);
        self.add(Node { kind: Kind::Affine(x, [factor, offset]), size, symmetric, method })
    }

    /// aᵢ xᵢⱼ bⱼ.
    pub(super) fn scaled(&mut self, x: MatrixId, factors: [Vec<Number>; 2]) -> MatrixId {
        let uniform = |own: &[Number]| own.iter().all(|number| *number == own[0]);
        if let [[a, ..], [b, ..]] = factors.each_ref().map(Vec::as_slice)
            && uniform(&factors[0])
            && uniform(&factors[1])
        {
            let (factor, one) = (a.times(*b), Number::exact(1.0));
            return if factor == one { x } else { self.affine(x, factor, Number::default()) };
        }
        let Node { size, symmetric, mut method, .. } = *self.node(x);
        let symmetric = symmetric && factors[0] == factors[1];
        for number in factors.iter().flatten() {
            method = method.max(number.method);
        }
        self.add(Node { kind: Kind::Scaled(x, factors), size, symmetric, method })
    }

    /// Columns as rows.
    pub(super) fn transposed(&mut self, x: MatrixId) -> MatrixId {
        if self.node(x).symmetric {
            return x;
        }
        let whole = self.evaluate(&[x]).remove(0);
        self.entries(Evaluated { values: whole.values.t().to_owned(), ..whole })
    }

    /// Entries (i, i).
    pub(super) fn diagonal(&self, id: MatrixId) -> Vec<Number> {
        let Node { method, size, .. } = *self.node(id);
        let mut scratch = Scratch::default();
        self.tile(&self.plan(&[id]), &Place::Diagonal(size[0]), &mut scratch);
        let Tile { values, error, .. } = scratch.tile(id.0);
        values.iter().map(|value| Number { value: *value, error: *error, method }).collect()
    }

    /// What these expressions depend on.
    fn plan(&self, roots: &[MatrixId]) -> Plan {
        let mut last_reader = vec![None; self.0.len()];
        roots.iter().for_each(|root| last_reader[root.0] = Some(usize::MAX));
        for k in (0..self.0.len()).rev() {
            if last_reader[k].is_some() {
                for operand in self.0[k].kind.operands() {
                    last_reader[operand.0].get_or_insert(k);
                }
            }
        }
        Plan { last_reader }
    }

    /// Results, all of them in one pass over each kind of matrix.
    pub fn evaluate(&self, roots: &[MatrixId]) -> Vec<Evaluated> {
        let mut found: Vec<Option<Evaluated>> = roots.iter().map(|_| None).collect();
        while let Some(first) = found.iter().position(Option::is_none) {
            let kind = |id: MatrixId| (self.node(id).size, self.node(id).symmetric);
            let (size, symmetric) = kind(roots[first]);
            let group: Vec<usize> =
                (0..roots.len()).filter(|k| kind(roots[*k]) == (size, symmetric)).collect();
            let own: Vec<MatrixId> = group.iter().map(|k| roots[*k]).collect();
            for (k, evaluated) in group.into_iter().zip(self.together(&own, size, symmetric)) {
                found[k] = Some(evaluated);
            }
        }
        found.into_iter().flatten().collect()
    }

    /// Matrices of one size, all symmetric or none.
    fn together(&self, roots: &[MatrixId], size: [usize; 2], symmetric: bool) -> Vec<Evaluated> {
        let plan = self.plan(roots);
        let mut wholes: Vec<Array2<f64>> = roots.iter().map(|_| Array2::zeros(size)).collect();
        let mut bands: Vec<Vec<ArrayViewMut2<f64>>> = Vec::new();
        for whole in &mut wholes {
            for (k, band) in whole.axis_chunks_iter_mut(Axis(0), TILE[0]).enumerate() {
                if k == bands.len() {
                    bands.push(Vec::new());
                }
                bands[k].push(band);
            }
        }
        let band = |scratch: &mut Scratch, (k, mut band): (usize, Vec<ArrayViewMut2<f64>>)| {
            let rows = TILE[0] * k..(TILE[0] * (k + 1)).min(size[0]);
            let mut errors = vec![0.0_f64; roots.len()];
            let mut start = if symmetric { rows.start } else { 0 };
            while start < size[1] {
                let columns = start..(start + TILE[1]).min(size[1]);
                start = columns.end;
                self.tile(&plan, &Place::Block(rows.clone(), columns.clone()), scratch);
                for (k, root) in roots.iter().enumerate() {
                    let tile = scratch.tile(root.0);
                    let values = ArrayView2::from_shape((rows.len(), columns.len()), &tile.values);
                    let values = values.expect("a tile is full");
                    band[k].slice_mut(s![.., columns.clone()]).assign(&values);
                    errors[k] = errors[k].max(tile.error);
                }
                scratch.recycle(roots);
            }
            errors
        };
        let bands = bands.into_par_iter().enumerate().map_init(Scratch::default, band);
        let most = |x: Vec<f64>, y: Vec<f64>| x.iter().zip(&y).map(|(x, y)| x.max(*y)).collect();
        let errors = bands.reduce(|| vec![0.0; roots.len()], most);
        if symmetric {
            wholes.par_iter_mut().for_each(mirror);
        }
        let one = |((values, error), root): ((Array2<f64>, f64), &MatrixId)| Evaluated {
            values,
            error,
            method: self.node(*root).method,
        };
        wholes.into_iter().zip(errors).zip(roots).map(one).collect()
    }

    /// Evaluates expressions in one place; those that nobody reads any more make room.
    fn tile(&self, plan: &Plan, place: &Place, scratch: &mut Scratch) {
        scratch.tiles.resize_with(self.0.len(), || None);
        for (k, node) in self.0.iter().enumerate().filter(|(k, _)| plan.last_reader[*k].is_some()) {
            scratch.tiles[k] = match node.kind {
                Kind::Step(_) => scratch.step.take(),
                _ => Some(self.compute(node, place, scratch)),
            };
            for operand in node.kind.operands() {
                if plan.last_reader[operand.0] == Some(k) {
                    scratch.free(operand.0);
                }
            }
        }
    }

    fn compute(&self, node: &Node, place: &Place, scratch: &mut Scratch) -> Tile {
        let mut values = scratch.buffers.pop().unwrap_or_default();
        values.clear();
        match &node.kind {
            Kind::Gram(x, y) => gram(x, y.as_ref().unwrap_or(x), place, values),
            Kind::Entries(entries, error) => {
                match place {
                    Place::Block(rows, columns) => {
                        let block = entries.slice(s![rows.clone(), columns.clone()]);
                        values.extend(block.iter());
                    }
                    Place::Diagonal(_) => values.extend(entries.diag()),
                }
                let size = values.iter().fold(0.0, |size: f64, x| size.max(x.abs()));
                Tile { values, error: *error, size }
            }
            Kind::Angle(angle) => {
                let mut second = scratch.buffers.pop().unwrap_or_default();
                second.clear();
                let covariance = scratch.tile(angle.covariance.0);
                let [first, second] = angle.kernels(covariance, place, [values, second]);
                if let Some(unread) = scratch.step.replace(second) {
                    scratch.buffers.push(unread.values);
                }
                first
            }
            Kind::Step(_) => unreachable!("evaluated with the kernel of order 1"),
            Kind::Sum([x, y], sign) => {
                let (x, y) = (scratch.tile(x.0), scratch.tile(y.0));
                values.extend(x.values.iter().zip(&y.values).map(|(x, y)| x + sign * y));
                let size = x.size + y.size;
                Tile { values, error: x.error + y.error + f64::EPSILON * size, size }
            }
            Kind::Product([x, y]) => {
                let (x, y) = (scratch.tile(x.0), scratch.tile(y.0));
                values.extend(x.values.iter().zip(&y.values).map(|(x, y)| x * y));
                let size = x.size * y.size;
                let error = x.error * y.size + y.error * x.size + f64::EPSILON * size;
                Tile { values, error, size }
            }
            Kind::Affine(x, [factor, offset]) => {
                let x = scratch.tile(x.0);
                values.extend(x.values.iter().map(|x| factor.value * x + offset.value));
                let scaled = factor.value.abs() * x.size;
                let size = scaled + offset.value.abs();
                let carried = factor.value.abs() * x.error + factor.error * x.size + offset.error;
                let rounding = match (is_sign(*factor), offset.value == 0.0) {
                    (true, true) => 0.0,
                    (true, false) | (false, true) => f64::EPSILON * size,
                    (false, false) => f64::EPSILON * (scaled + size),
                };
                Tile { values, error: carried + rounding, size }
            }
            Kind::Scaled(x, factors) => scaled(scratch.tile(x.0), factors, place, values),
        }
    }
}

impl Kind {
    fn operands(&self) -> Vec<MatrixId> {
        match self {
            Self::Gram(..) | Self::Entries(..) => Vec::new(),
            Self::Angle(angle) => vec![angle.covariance],
            Self::Step(x) | Self::Affine(x, _) | Self::Scaled(x, _) => vec![*x],
            Self::Sum(both, _) | Self::Product(both) => both.to_vec(),
        }
    }
}

/// For each expression that is needed, which reads it last.
struct Plan {
    last_reader: Vec<Option<usize>>,
}

/// Tiles that are needed yet, and room for others.
#[derive(Default)]
struct Scratch {
    tiles: Vec<Option<Tile>>,
    /// The kernel of order 0 beside the last one of order 1.
    step: Option<Tile>,
    buffers: Vec<Vec<f64>>,
}

impl Scratch {
    fn tile(&self, id: usize) -> &Tile {
        self.tiles[id].as_ref().expect("operands come first")
    }

    fn free(&mut self, id: usize) {
        self.buffers.extend(self.tiles[id].take().map(|tile| tile.values));
    }

    fn recycle(&mut self, roots: &[MatrixId]) {
        roots.iter().for_each(|root| self.free(root.0));
    }
}

/// ±1.
fn is_sign(number: Number) -> bool {
    number.value.abs() == 1.0
}

fn gram(x: &Rows, y: &Rows, place: &Place, mut values: Vec<f64>) -> Tile {
    let norms = match place {
        Place::Block(rows, columns) => {
            let (x_rows, y_rows) =
                (x.values.slice(s![rows.clone(), ..]), y.values.slice(s![columns.clone(), ..]));
            values.resize(rows.len() * columns.len(), 0.0);
            let block = ArrayViewMut2::from_shape((rows.len(), columns.len()), &mut values);
            general_mat_mul(1.0, &x_rows, &y_rows.t(), 0.0, &mut block.expect("it is as large"));
            [x.norm(rows.clone()), y.norm(columns.clone())]
        }
        Place::Diagonal(count) => {
            values.extend((0..*count).map(|k| x.values.row(k).dot(&y.values.row(k))));
            [x.norm(0..*count), y.norm(0..*count)]
        }
    };
    let terms = (x.values.ncols() as f64).sqrt();
    let size = norms[0] * norms[1];
    let carried = terms * (x.error * norms[1] + y.error * norms[0]);
    Tile { values, error: carried + f64::EPSILON * terms * size, size }
}

fn scaled(x: &Tile, factors: &[Vec<Number>; 2], place: &Place, mut values: Vec<f64>) -> Tile {
    let [a, b] = match place {
        Place::Block(rows, columns) => {
            let [a, b] = [&factors[0][rows.clone()], &factors[1][columns.clone()]];
            for (row, a) in x.values.chunks(columns.len()).zip(a) {
                values.extend(row.iter().zip(b).map(|(x, b)| a.value * x * b.value));
            }
            [a, b]
        }
        Place::Diagonal(count) => {
            let [a, b] = [&factors[0][..*count], &factors[1][..*count]];
            values.extend(a.iter().zip(b).zip(&x.values).map(|((a, b), x)| a.value * x * b.value));
            [a, b]
        }
    };
    let size = |own: &[Number]| own.iter().fold(0.0, |size: f64, n| size.max(n.value.abs()));
    let error = |own: &[Number]| own.iter().fold(0.0, |error: f64, n| error.max(n.error));
    let (p, q) = (size(a), size(b));
    let carried = p * error(b) + q * error(a) + 2.0 * f64::EPSILON * p * q;
    Tile { values, error: x.error * p * q + x.size * carried, size: x.size * p * q }
}

impl Angle {
    /// Those of orders 1 and 0 of the rows and columns of a tile; the smallest pq − c².
    fn block(
        &self,
        covariance: &Tile,
        [rows, columns]: [&Range<usize>; 2],
        [first, second]: [&mut [f64]; 2],
    ) -> f64 {
        let mut least = f64::INFINITY;
        let own = self.variances[1][columns.clone()].iter();
        let variances: Vec<f64> = own.map(|number| number.value).collect();
        let width = columns.len();
        for (row, i) in rows.clone().enumerate() {
            let p = self.variances[0][i].value;
            let mut between = |range: Range<usize>| {
                let at = row * width + range.start..row * width + range.end;
                let (b, c) = (&variances[range], &covariance.values[at.clone()]);
                arc_cosines(p, b, c, [&mut first[at.clone()], &mut second[at]], &mut least);
            };
            let from = self.same.partition_point(|pair| *pair < [i, columns.start]);
            let same = self.same[from..].iter().take_while(|pair| **pair < [i, columns.end]);
            let same: Vec<usize> = same.map(|pair| pair[1] - columns.start).collect();
            let mut start = 0;
            for at in &same {
                between(start..*at);
                start = at + 1;
            }
            between(start..width);
            for at in same {
                let at = row * width + at;
                (first[at], second[at]) = with_itself(p);
            }
        }
        least
    }

    /// The same of the diagonal.
    fn diagonal(&self, covariance: &Tile, [first, second]: [&mut [f64]; 2]) -> f64 {
        let mut least = f64::INFINITY;
        for k in 0..first.len() {
            let [p, q] = [0, 1].map(|side| self.variances[side][k].value);
            if self.same.binary_search(&[k, k]).is_ok() {
                (first[k], second[k]) = with_itself(p);
                continue;
            }
            let at = k..k + 1;
            let out = [&mut first[at.clone()], &mut second[at.clone()]];
            arc_cosines(p, &[q], &covariance.values[at], out, &mut least);
        }
        least
    }

    /// Those of orders 1 and 0.
    fn kernels(&self, covariance: &Tile, place: &Place, mut out: [Vec<f64>; 2]) -> [Tile; 2] {
        let count = covariance.values.len();
        out.iter_mut().for_each(|values| values.resize(count, 0.0));
        let both = out.each_mut().map(Vec::as_mut_slice);
        let [x, y] = &self.variances;
        let (least, x, y) = match place {
            Place::Block(rows, columns) => {
                let least = self.block(covariance, [rows, columns], both);
                (least, &x[rows.clone()], &y[columns.clone()])
            }
            Place::Diagonal(count) => (self.diagonal(covariance, both), &x[..*count], &y[..*count]),
        };
        let numbers = || x.iter().chain(y);
        let largest = numbers().map(|number| number.value).fold(0.0, f64::max);
        let error = numbers().map(|number| number.error).fold(covariance.error, f64::max);
        let off = error + f64::EPSILON * largest;
        let smallest = |own: &[Number]| {
            let positive = own.iter().map(|number| number.value).filter(|value| *value > 0.0);
            positive.fold(f64::INFINITY, f64::min)
        };
        // an angle by a covariance is 1/√(pq − c²); however near two inputs are, |arccos ρ − arccos ρ′| ≤ π √(|ρ − ρ′|/2)
        let near = 0.5 * (off / (smallest(x) * smallest(y)).sqrt()).sqrt();
        let angle = (off / least.sqrt()).min(near).min(1.0) + f64::EPSILON;
        let [first, second] = out;
        [
            Tile {
                values: first,
                error: error + 4.0 * f64::EPSILON * largest,
                size: largest / 2.0,
            },
            Tile { values: second, error: angle, size: 0.5 },
        ]
    }
}

/// Both kernels of a number of variance p with itself.
fn with_itself(p: f64) -> (f64, f64) {
    (0.5 * p, if p > 0.0 { 0.5 } else { 0.0 })
}

/// The upper half below, tile by tile.
fn mirror(values: &mut Array2<f64>) {
    let n = values.nrows();
    let all = values.as_slice_mut().expect("a matrix of its own");
    for top in (0..n).step_by(TILE[0]) {
        for left in (0..=top).step_by(TILE[0]) {
            for i in top..(top + TILE[0]).min(n) {
                for j in left..(left + TILE[0]).min(i) {
                    all[i * n + j] = all[j * n + i];
                }
            }
        }
    }
}
