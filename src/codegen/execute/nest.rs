//! Passes over pairs and tuples of positions.
//!
//! The first label runs over bands of rows that are fixed by n; a band is done by one thread, block of rows by block:
//! first the body on every row, then the products with the block while it is in the cache. Column sums of a band are
//! its own and are added in order.

use super::Machine;
use super::low_rank::{self, Factors, Tiles};
use super::product::{Columns, Partial};
use super::store::{Store, Stream};
use crate::codegen::gemm;
use crate::codegen::jit::{Loops, Operands};
use crate::codegen::plan::{Bound, Leaf, NestOutput, NestStep, Source};
use crate::codegen::simd::Lanes;
use crate::codegen::{ExecError, Matrices, MatrixRef};
use crate::ir::NodeId;
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;

/// How many bands there are at most.
const BANDS: usize = 16;
/// Rows of a block.
const ROWS: usize = 8;

/// Numbers between the starts of copied streams, beyond their length.
const APART: usize = 528;

/// Initial matrices that a pass reads.
type Matrix<'a, T> = HashMap<MatrixRef, Entries<'a, T>>;

/// Borrowed or copied entries.
enum Entries<'a, T> {
    Borrowed(&'a [T]),
    Copied(Vec<T>),
}

impl<T> Entries<'_, T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::Borrowed(entries) => entries,
            Self::Copied(entries) => entries,
        }
    }
}

/// What a band needs to know.
struct Pass<'a, T> {
    n: usize,
    step: &'a NestStep,
    store: &'a Store<'a, T>,
    loops: &'a Loops<T>,
    matrices: &'a Matrix<'a, T>,
    columns: Vec<Columns<'a, T>>,
    low_rank: Vec<Factors<T>>,
    /// How many columns the body runs over at a time.
    span: usize,
}

/// Rows `start..end` of the first label, the rows of the arrays, and the results.
struct Band<'a, T> {
    start: usize,
    end: usize,
    arrays: Vec<&'a mut [T]>,
    /// Per sum, its entries over the kept labels (from the band's first row).
    sums: Vec<Vec<f64>>,
    /// Column sums: of the body, then of transposed products (column by column).
    columns: Vec<Vec<T>>,
    /// What the band adds to every product.
    products: Vec<Partial<T>>,
}

impl<T: Lanes> Machine<'_, T> {
    /// Runs a pass.
    pub(super) fn nest(
        &mut self,
        step: &NestStep,
        mut matrices: Option<&mut dyn Matrices<T>>,
    ) -> Result<(), ExecError> {
        let n = self.n;
        if step.bound.is_none() {
            self.whole_products(step);
            return Ok(());
        }
        let mut arrays = self.arrays(step, &mut matrices)?;
        let band = n.div_ceil(BANDS).max(ROWS.min(n));
        let mut bands = bands(step, &mut arrays, n, band);
        let matrices = dense(matrices, step)?;
        let columns = step
            .products
            .iter()
            .map(|product| Columns::new(self.store.columns(product.arg), n, product.transpose));
        let columns = columns.collect();
        let (store, loops, matrices) = (&self.store, self.loops, &matrices);
        let sums = step.bound.iter().flat_map(|bound| &bound.low_rank);
        let low_rank: Vec<Factors<T>> = sums.map(|sum| Factors::new(sum, store, n)).collect();
        let span = span::<T>(step, n);
        let pass = Pass { n, step, store, loops, matrices, columns, low_rank, span };
        bands.par_iter_mut().for_each(|band| pass.run(band));
        let results: Vec<Results<T>> = bands
            .into_iter()
            .map(|band| Results { sums: band.sums, columns: band.columns, products: band.products })
            .collect();
        self.collect_sums(step, &results);
        self.collect_columns(step, &results);
        self.collect_products(step, results);
        let kept = step.outputs.iter().filter_map(|output| match output {
            NestOutput::Array { node, .. } => Some(*node),
            NestOutput::Tile { .. } | NestOutput::Columns { .. } => None,
        });
        for (node, values) in kept.zip(arrays) {
            self.store.set_columns(node, values);
        }
        Ok(())
    }

    /// Products with arrays that are there already.
    fn whole_products(&mut self, step: &NestStep) {
        for product in &step.products {
            let (mat, x) = (self.store.columns(product.mat), self.store.columns(product.arg));
            let values = gemm::product(mat, self.n, product.transpose, x);
            self.store.set_columns(product.node, values);
        }
    }

    /// Memory for the arrays of a pass.
    fn arrays(
        &mut self,
        step: &NestStep,
        matrices: &mut Option<&mut dyn Matrices<T>>,
    ) -> Result<Vec<Vec<T>>, ExecError> {
        let mut arrays = Vec::new();
        for output in &step.outputs {
            let NestOutput::Array { node, from } = output else { continue };
            arrays.push(match from {
                Some(Source::Matrix(matrix)) => {
                    let entries = matrices.as_mut().and_then(|all| all.take(*matrix));
                    entries.ok_or(ExecError::NotDense { matrix: *matrix, node: *node })?
                }
                Some(Source::Stored { node, .. }) => {
                    self.store.take(*node).expect("an array is stored before it is written over")
                }
                Some(Source::Number(_) | Source::LowRank(_)) | None => self.store.square(),
            });
        }
        Ok(arrays)
    }

    fn collect_sums(&mut self, step: &NestStep, results: &[Results<T>]) {
        for (k, sum) in step.sums.iter().enumerate() {
            let shape = self.ir().shape(sum.node).clone();
            let scale = self.mean_scale(sum.node, step.order as i32 - sum.kept as i32);
            let parts = results.iter().map(|band| band.sums[k].iter().map(|x| x * scale));
            if sum.kept == 0 {
                let total: f64 = results.iter().map(|band| band.sums[k][0]).sum();
                self.store.put_static(sum.node, sum.entry, total * scale);
            } else {
                let values: Vec<T> = parts.flatten().map(T::of).collect();
                self.store.put_columns(sum.node, sum.entry, shape.entries(), values);
            }
        }
    }

    fn collect_columns(&mut self, step: &NestStep, results: &[Results<T>]) {
        let columns = step.outputs.iter().filter_map(|output| match output {
            NestOutput::Columns { node, entry } => Some((*node, *entry)),
            NestOutput::Array { .. } | NestOutput::Tile { .. } => None,
        });
        for (k, (node, entry)) in columns.enumerate() {
            let entries = self.ir().shape(node).entries();
            let scale = self.mean_scale(node, 1);
            let total = |b: usize| results.iter().map(|band| band.columns[k][b].f64()).sum::<f64>();
            let values = (0..self.n).map(|b| T::of(total(b) * scale)).collect();
            self.store.put_columns(node, entry, entries, values);
        }
    }

    fn collect_products(&mut self, step: &NestStep, mut results: Vec<Results<T>>) {
        for (k, product) in step.products.iter().enumerate().rev() {
            let width = self.store.columns(product.arg).len() / self.n;
            let parts = results.iter_mut().map(|band| band.products.remove(k)).collect();
            self.store.set_columns(product.node, Partial::join(parts, self.n, width));
        }
    }
}

/// What a band leaves.
struct Results<T> {
    sums: Vec<Vec<f64>>,
    columns: Vec<Vec<T>>,
    products: Vec<Partial<T>>,
}

/// The entries of initial matrices that a pass reads; only one can be borrowed, others are copied.
fn dense<'a, T: Lanes>(
    matrices: Option<&'a mut dyn Matrices<T>>,
    step: &NestStep,
) -> Result<Matrix<'a, T>, ExecError> {
    let bound = step.bound.as_ref();
    let mut needed: Vec<MatrixRef> = bound
        .map(|bound| &bound.streams[..])
        .unwrap_or_default()
        .iter()
        .filter_map(|leaf| match leaf.source {
            Source::Matrix(matrix) => Some(matrix),
            Source::Number(_) | Source::Stored { .. } | Source::LowRank(_) => None,
        })
        .collect();
    needed.sort_unstable();
    needed.dedup();
    let node = step.products.first().map(|p| p.node).or(step.sums.first().map(|s| s.node));
    let node = node.unwrap_or(NodeId::from_index(0));
    let mut all = Matrix::new();
    let Some(first) = needed.pop() else { return Ok(all) };
    let missing = ExecError::NotDense { matrix: first, node };
    let Some(matrices) = matrices else { return Err(missing) };
    for matrix in needed {
        let entries = matrices.dense(matrix).ok_or(ExecError::NotDense { matrix, node })?;
        all.insert(matrix, Entries::Copied(entries.to_vec()));
    }
    all.insert(first, Entries::Borrowed(matrices.dense(first).ok_or(missing)?));
    Ok(all)
}

/// Cuts the rows into bands.
fn bands<'a, T: Lanes>(
    step: &NestStep,
    arrays: &'a mut [Vec<T>],
    n: usize,
    band: usize,
) -> Vec<Band<'a, T>> {
    let mut bands: Vec<Band<T>> = (0..n)
        .step_by(band)
        .map(|start| Band {
            start,
            end: n.min(start + band),
            arrays: Vec::new(),
            sums: vec![Vec::new(); step.sums.len()],
            columns: Vec::new(),
            products: Vec::new(),
        })
        .collect();
    for array in arrays {
        for (band, rows) in bands.iter_mut().zip(array.chunks_mut(band * n)) {
            band.arrays.push(rows);
        }
    }
    bands
}

/// How many columns the body runs over at a time: all, or as many as tiles of low-rank sums have. But columns of an
/// array are gathered once for a row.
fn span<T>(step: &NestStep, n: usize) -> usize {
    let gathered = |leaf: &Leaf| leaf.labels == [1, 0];
    match &step.bound {
        Some(Bound { low_rank, streams, .. })
            if !low_rank.is_empty() && !streams.iter().any(gathered) =>
        {
            low_rank::span::<T>(low_rank.len(), ROWS).min(n)
        }
        Some(_) | None => n,
    }
}

/// What a band keeps from row to row.
struct Work<T> {
    /// Streams that are the same for every row, each at the end of its vector.
    fixed: Vec<Option<Vec<T>>>,
    tiles: Vec<Vec<T>>,
    low_rank: Tiles<T>,
    /// Of these, those that depend on the row change with it.
    uniforms: Vec<T>,
    scratch: Vec<T>,
}

impl<T: Lanes> Pass<'_, T> {
    fn run(&self, band: &mut Band<T>) {
        let columns =
            self.step.outputs.iter().filter(|o| matches!(o, NestOutput::Columns { .. })).count();
        band.columns = vec![vec![T::zero(); self.n]; columns];
        for (sum, values) in self.step.sums.iter().zip(&mut band.sums) {
            let rows = if sum.kept == 0 { 1 } else { band.end - band.start };
            let inner = self.n.pow(u32::try_from(sum.kept.saturating_sub(1)).expect("few axes"));
            *values = vec![0.0; rows * inner];
        }
        let rows = band.end - band.start;
        band.products = self.columns.iter().map(|columns| columns.nothing(rows)).collect();
        let tiles = self.step.outputs.iter().filter(|o| matches!(o, NestOutput::Tile { .. }));
        let tiles = vec![vec![T::zero(); ROWS * self.n]; tiles.count()];
        let fixed = self.step.bound.as_ref().map(|bound| self.fixed_streams(bound));
        let low_rank = Tiles::new(self.low_rank.len(), ROWS, self.span);
        let fixed = fixed.unwrap_or_default();
        let uniforms = self.step.bound.iter().flat_map(|bound| &bound.uniforms);
        let number = |leaf: &Leaf| match leaf.labels.is_empty() {
            true => T::of(self.store.number(leaf, &[])),
            false => T::zero(),
        };
        let uniforms = uniforms.map(number).collect();
        let mut work = Work { fixed, tiles, low_rank, uniforms, scratch: Vec::new() };
        for start in (band.start..band.end).step_by(ROWS) {
            let end = band.end.min(start + ROWS);
            if let Some(bound) = &self.step.bound {
                for first in (0..self.n).step_by(self.span) {
                    let columns = first..self.n.min(first + self.span);
                    work.low_rank.fill(&self.low_rank, start..end, columns.clone());
                    (start..end).for_each(|row| self.row(bound, row, &columns, (band, &mut work)));
                }
            }
            for k in 0..self.step.products.len() {
                self.product(k, start..end, band, &work.tiles);
            }
        }
    }

    /// Streams along the last label alone: the same for every row. They are copied apart from each other, since columns
    /// whose distance is a power of two compete for the same lines of the cache.
    fn fixed_streams(&self, bound: &Bound) -> Vec<Option<Vec<T>>> {
        let inner = self.step.order as u8 - 1;
        let mut count = 0;
        let fixed = bound.streams.iter().map(|leaf| {
            let alone = leaf.labels.iter().all(|label| *label == inner);
            if !alone || !matches!(leaf.source, Source::Stored { .. }) {
                return None;
            }
            let stream = self.store.stream(leaf, &[], inner);
            count += 1;
            let apart = count * APART;
            let mut copy = Vec::with_capacity(self.n + apart);
            copy.resize(apart, T::zero());
            copy.extend_from_slice(stream.as_slice());
            Some(copy)
        });
        fixed.collect()
    }

    /// The body on one row, for all positions of the labels between the first and the last.
    fn row(
        &self,
        bound: &Bound,
        row: usize,
        columns: &Range<usize>,
        (band, work): (&mut Band<T>, &mut Work<T>),
    ) {
        let order = self.step.order;
        let mut at = vec![0; order - 1];
        at[0] = row;
        let middle = self.n.pow(u32::try_from(order - 2).expect("few axes"));
        for step in 0..middle {
            let mut rest = step;
            for label in (1..order - 1).rev() {
                at[label] = rest % self.n;
                rest /= self.n;
            }
            self.inner(bound, &at, columns, (band, work));
        }
    }

    fn inner(
        &self,
        bound: &Bound,
        at: &[usize],
        columns: &Range<usize>,
        (band, work): (&mut Band<T>, &mut Work<T>),
    ) {
        let (n, fixed) = (self.n, &work.fixed);
        let local = at[0] - band.start;
        let moving = bound.streams.iter().zip(fixed);
        let moving = moving.map(|(leaf, fixed)| match leaf.source {
            Source::LowRank(sum) => Stream::Slice(work.low_rank.row(sum, local % ROWS)),
            Source::Number(_) | Source::Stored { .. } | Source::Matrix(_) => match fixed {
                Some(fixed) => Stream::Slice(&fixed[fixed.len() - n..][columns.clone()]),
                None => self.moving(leaf, at).cut(columns),
            },
        });
        let moving: Vec<Stream<T>> = moving.collect();
        let streams: Vec<&[T]> = moving.iter().map(Stream::as_slice).collect();
        for (leaf, uniform) in bound.uniforms.iter().zip(&mut work.uniforms) {
            if !leaf.labels.is_empty() {
                *uniform = T::of(self.store.number(leaf, at));
            }
        }
        let mut sums = vec![0.0; self.step.sums.len()];
        let mut rows = Rows {
            arrays: band.arrays.iter_mut().map(|rows| &mut rows[local * n..][..n]).collect(),
            tiles: work.tiles.iter_mut().map(|tile| &mut tile[local % ROWS * n..][..n]).collect(),
            columns: band.columns.iter_mut().map(Vec::as_mut_slice).collect(),
        };
        let mut outputs = rows.in_order(&self.step.outputs, columns);
        let mut operands = Operands {
            streams: &streams,
            uniforms: &work.uniforms,
            outputs: &mut outputs,
            sums: &mut sums,
            len: columns.len(),
        };
        self.loops.run(bound.id, &mut operands, &mut work.scratch);
        for ((sum, values), value) in self.step.sums.iter().zip(&mut band.sums).zip(sums) {
            let kept = at[..sum.kept].iter().enumerate();
            let place = kept.fold(0, |place, (label, i)| {
                place * n + if label == 0 { i - band.start } else { *i }
            });
            values[place] += value;
        }
    }

    /// A stream that depends on the outer labels.
    fn moving(&self, leaf: &Leaf, at: &[usize]) -> Stream<'_, T> {
        let last = self.step.order as u8 - 1;
        match leaf.source {
            Source::Matrix(matrix) => {
                let entries = self.matrices[&matrix].as_slice();
                self.store.stream_of(entries, 0, &leaf.labels, (at, last))
            }
            Source::Number(_) | Source::LowRank(_) | Source::Stored { .. } => {
                self.store.stream(leaf, at, last)
            }
        }
    }

    /// Multiplies a block of rows.
    fn product(&self, k: usize, rows: Range<usize>, band: &mut Band<T>, tiles: &[Vec<T>]) {
        let (n, product) = (self.n, &self.step.products[k]);
        let count = rows.len();
        let (mut array, mut tile) = (0, 0);
        let mut block = None;
        for output in &self.step.outputs {
            match output {
                NestOutput::Array { node, .. } => {
                    if *node == product.mat {
                        block =
                            Some(&band.arrays[array][(rows.start - band.start) * n..][..count * n]);
                    }
                    array += 1;
                }
                NestOutput::Tile { node } => {
                    if *node == product.mat {
                        block = Some(&tiles[tile][..count * n]);
                    }
                    tile += 1;
                }
                NestOutput::Columns { .. } => {}
            }
        }
        let block =
            block.unwrap_or_else(|| &self.store.columns(product.mat)[rows.start * n..rows.end * n]);
        self.columns[k].add(block, rows, band.start, &mut band.products[k]);
    }
}

/// Rows of the outputs by kind.
struct Rows<'a, T> {
    arrays: Vec<&'a mut [T]>,
    tiles: Vec<&'a mut [T]>,
    columns: Vec<&'a mut [T]>,
}

impl<'a, T> Rows<'a, T> {
    /// Some columns, in the order of the body.
    fn in_order(&mut self, outputs: &[NestOutput], cut: &Range<usize>) -> Vec<&'a mut [T]> {
        let mut arrays = std::mem::take(&mut self.arrays).into_iter();
        let mut tiles = std::mem::take(&mut self.tiles).into_iter();
        let mut columns = std::mem::take(&mut self.columns).into_iter();
        let rows = outputs.iter().map(|output| match output {
            NestOutput::Array { .. } => arrays.next(),
            NestOutput::Tile { .. } => tiles.next(),
            NestOutput::Columns { .. } => columns.next(),
        });
        let row = |row: Option<&'a mut [T]>| row.expect("there is a row for every output");
        rows.map(|output| &mut row(output)[cut.clone()]).collect()
    }
}
