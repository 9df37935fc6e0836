//! Initial objects as arrays. Entry (static axes, α, β) of the k-th initial object is a function of the seed, k and its
//! row-major index alone, so nothing depends on threads or on the order in which matrices are met.

use crate::codegen::execute::Prepared;
use crate::codegen::gemm;
use crate::codegen::simd::{self, Lanes};
use crate::codegen::{Matrices, MatrixRef};
use crate::ir::{Init, InitId};
use crate::num::rng::Key;
use crate::num::rng::draw::Draw;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Entries drawn by one thread at a time.
const CHUNK: usize = 1 << 16;

/// Dense initial objects of one seed, drawn when they are first used, in memory of earlier runs.
pub struct Dense<'a, T: Lanes> {
    inits: &'a [Init],
    n: usize,
    key: Key,
    memory: &'a Prepared<T>,
    matrices: BTreeMap<MatrixRef, Vec<T>>,
}

impl<T: Lanes> Drop for Dense<'_, T> {
    fn drop(&mut self) {
        let matrices = std::mem::take(&mut self.matrices);
        matrices.into_values().for_each(|values| self.memory.keep(values));
    }
}

impl<'a, T: Lanes + Draw> Dense<'a, T> {
    /// The initial objects `inits` at width n, for runs of `memory`.
    pub fn new(inits: &'a [Init], n: usize, seed: u64, memory: &'a Prepared<T>) -> Self {
        Self { inits, n, key: Key::new(seed), memory, matrices: BTreeMap::new() }
    }

    /// Fills `values` with the numbers of an initial object from position `start`, times `scale`.
    fn draw(&self, init: InitId, start: usize, scale: f64, values: &mut [T]) {
        let Init { law, stream, .. } = self.inits[init.index()];
        let key = self.key.fold_in(stream);
        values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
            let start = start as u64 + (chunk * CHUNK) as u64;
            simd::draw(key, law, T::of(scale), start, out);
        });
    }

    fn matrix(&mut self, matrix: MatrixRef) -> &[T] {
        if !self.matrices.contains_key(&matrix) {
            let size = self.n * self.n;
            let spare = self.memory.spare().filter(|values| values.len() == size);
            let mut values = spare.unwrap_or_else(|| vec![T::zero(); size]);
            let scale = 1.0 / (self.n as f64).sqrt();
            self.draw(matrix.init, matrix.entry * size, scale, &mut values);
            self.matrices.insert(matrix, values);
        }
        &self.matrices[&matrix]
    }
}

impl<T: Lanes + Draw> Matrices<T> for Dense<'_, T> {
    fn initial(&mut self, init: InitId) -> Vec<T> {
        let shape = &self.inits[init.index()].shape;
        let count = shape.entries() * if shape.width == 0 { 1 } else { self.n };
        let mut values = vec![T::zero(); count];
        self.draw(init, 0, 1.0, &mut values);
        values
    }

    fn apply(&mut self, matrix: MatrixRef, transpose: bool, x: &[T]) -> Vec<T> {
        let n = self.n;
        gemm::product(self.matrix(matrix), n, transpose, x)
    }

    fn dense(&mut self, matrix: MatrixRef) -> Option<&[T]> {
        Some(self.matrix(matrix))
    }

    fn take(&mut self, matrix: MatrixRef) -> Option<Vec<T>> {
        self.matrix(matrix);
        self.matrices.remove(&matrix)
    }
}
