//! Initial objects as arrays. Entry (static axes, α, β) of the k-th initial object is a function of the seed, k and its
//! row-major index alone, so nothing depends on threads or on the order in which matrices are met.

use crate::codegen::element::Element;
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

/// Dense initial objects of one seed, drawn when they are first used.
#[derive(Debug)]
pub struct Dense<'a, T> {
    inits: &'a [Init],
    n: usize,
    key: Key,
    matrices: BTreeMap<MatrixRef, Vec<T>>,
}

impl<'a, T: Element + Draw> Dense<'a, T> {
    /// The initial objects `inits` at width n.
    pub fn new(inits: &'a [Init], n: usize, seed: u64) -> Self {
        Self { inits, n, key: Key::new(seed), matrices: BTreeMap::new() }
    }

    /// `count` numbers of an initial object from position `start`, times `scale`.
    fn draw(&self, init: InitId, start: usize, count: usize, scale: f64) -> Vec<T> {
        let Init { law, stream, .. } = self.inits[init.index()];
        let key = self.key.fold_in(stream);
        let mut values = vec![T::default(); count];
        values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
            let start = start as u64 + (chunk * CHUNK) as u64;
            simd::draw(key, law, T::of(scale), start, out);
        });
        values
    }

    fn matrix(&mut self, matrix: MatrixRef) -> &[T] {
        if !self.matrices.contains_key(&matrix) {
            let size = self.n * self.n;
            let values =
                self.draw(matrix.init, matrix.entry * size, size, 1.0 / (self.n as f64).sqrt());
            self.matrices.insert(matrix, values);
        }
        &self.matrices[&matrix]
    }
}

impl<T: Element + Lanes + Draw> Matrices<T> for Dense<'_, T> {
    fn initial(&mut self, init: InitId) -> Vec<T> {
        let shape = &self.inits[init.index()].shape;
        let count = shape.entries() * if shape.width == 0 { 1 } else { self.n };
        self.draw(init, 0, count, 1.0)
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
