//! Entrywise loops over one width axis.

use super::Machine;
use super::store::{Store, Stream};
use crate::codegen::jit::{Loops, Operands};
use crate::codegen::plan::{Bound, LoopStep};
use crate::codegen::simd::Lanes;
use crate::ir::{Node, NodeId, ReduceOp};
use rayon::prelude::*;

/// Positions per piece of work.
const PIECE: usize = 16384;
/// Below this many entries a step is not worth other threads.
const SMALL: usize = 32768;

/// The piece of one static entry: its outputs and what it adds to the sums.
struct Piece<'a, T> {
    entry: usize,
    start: usize,
    outputs: Vec<&'a mut [T]>,
}

impl<T: Lanes> Machine<'_, T> {
    /// Runs an entrywise step.
    pub(super) fn entrywise(&mut self, step: &LoopStep) {
        let (n, entries) = (self.n, step.entries.len());
        let mut outputs: Vec<Vec<T>> =
            step.outputs.iter().map(|_| vec![T::zero(); entries * n]).collect();
        let pieces = pieces(&mut outputs, entries, n);
        let run = |mut piece: Piece<T>| {
            let mut sums = vec![0.0; step.sums.len()];
            for bound in &step.entries[piece.entry] {
                run_piece(&self.store, self.loops, bound, &mut piece, &mut sums, n);
            }
            sums
        };
        let partial: Vec<Vec<f64>> = if entries * n <= SMALL {
            pieces.into_iter().map(run).collect()
        } else {
            pieces.into_par_iter().map(run).collect()
        };
        let per_entry = n.div_ceil(PIECE);
        for (k, node) in step.sums.iter().enumerate() {
            let totals = partial.chunks(per_entry);
            let totals = totals.map(|pieces| pieces.iter().map(|sums| sums[k]).sum::<f64>());
            let scale = self.mean_scale(*node, 1);
            let totals = totals.map(|total| total * scale).collect();
            self.store.set_static(*node, totals);
        }
        for (node, values) in step.outputs.iter().zip(outputs) {
            self.store.set_columns(*node, values);
        }
    }

    /// 1/n^axes for a mean, 1 for a sum.
    pub(super) fn mean_scale(&self, node: NodeId, axes: i32) -> f64 {
        match self.ir().node(node) {
            Node::Reduce { op: ReduceOp::Mean, .. } => (self.n as f64).powi(-axes),
            _ => 1.0,
        }
    }
}

/// Cuts outputs into pieces, entry by entry.
fn pieces<T>(outputs: &mut [Vec<T>], entries: usize, n: usize) -> Vec<Piece<'_, T>> {
    let mut pieces: Vec<Piece<T>> = (0..entries)
        .flat_map(|entry| {
            (0..n).step_by(PIECE).map(move |start| Piece { entry, start, outputs: Vec::new() })
        })
        .collect();
    for output in outputs {
        let cuts = output.chunks_mut(n).flat_map(|column| column.chunks_mut(PIECE));
        for (piece, cut) in pieces.iter_mut().zip(cuts) {
            piece.outputs.push(cut);
        }
    }
    pieces
}

fn run_piece<T: Lanes>(
    store: &Store<T>,
    loops: &Loops<T>,
    bound: &Bound,
    piece: &mut Piece<T>,
    sums: &mut [f64],
    n: usize,
) {
    let end = n.min(piece.start + PIECE);
    let streams: Vec<Stream<T>> =
        bound.streams.iter().map(|leaf| store.stream(leaf, &[0], 0)).collect();
    let streams: Vec<&[T]> =
        streams.iter().map(|stream| &stream.as_slice()[piece.start..end]).collect();
    let uniforms: Vec<T> =
        bound.uniforms.iter().map(|leaf| T::of(store.number(leaf, &[]))).collect();
    let mut outputs: Vec<&mut [T]> = piece.outputs.iter_mut().map(|cut| &mut **cut).collect();
    let mut operands = Operands {
        streams: &streams,
        uniforms: &uniforms,
        outputs: &mut outputs,
        sums,
        len: end - piece.start,
    };
    loops.run(bound.id, &mut operands, &mut Vec::new());
}
