//! Runs a program over columns of length n by compiled loops.
//!
//! Columns are stored in the chosen precision; means, sums over width axes and everything without a width axis are
//! double. Work is cut into pieces that depend on n alone and their results are combined in order, so that a result
//! has the same bits for any number of threads. It runs on the ambient rayon pool.

mod estimate;
mod loops;
mod low_rank;
mod nest;
mod product;
mod sample;
mod store;

use super::interpret::Local;
use super::interpret::number::Plain;
use super::jit::Loops;
use super::normal::{Normal, normal};
use super::plan::{Plan, Step, plan};
use super::simd::Lanes;
use super::{ExecError, Matrices, MatrixRef};
use crate::ir::{Ir, Node, NodeId};
use crate::num::tensor::Tensor;
pub use estimate::{Estimate, estimate};
use ndarray::{ArrayD, IxDyn};
use std::sync::Mutex;
use store::Store;

/// How an OuterNonlin that does not factorise is averaged over several positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tuples {
    /// Over all n^r tuples.
    #[default]
    All,
    /// Over n tuples of different positions per output position: an average over independent copies.
    Independent,
}

/// Choices of an execution.
#[derive(Clone, Copy, Debug)]
pub struct ExecOptions {
    /// What averages over three or more width axes run over.
    pub tuples: Tuples,
    /// The largest n × n array, in numbers, that is kept to save work; beyond, values over pairs are computed again
    /// wherever they are needed.
    pub largest_array: usize,
}

impl Default for ExecOptions {
    fn default() -> Self {
        Self { tuples: Tuples::All, largest_array: usize::MAX }
    }
}

/// The values of `roots` (scalars and vecs) at width n, static axes first.
///
/// # Errors
/// A value that is not finite, an initial matrix whose entries are needed but not there, or a node that no lowered
/// program contains.
pub fn execute<T: Lanes>(
    ir: &Ir,
    roots: &[NodeId],
    n: usize,
    matrices: &mut dyn Matrices<T>,
    options: &ExecOptions,
) -> Result<Vec<ArrayD<f64>>, ExecError> {
    prepare(ir, roots, n, options)?.run(matrices)
}

/// A program that is planned and compiled for one width, to be run with any initial objects.
pub struct Prepared<T: Lanes> {
    normal: Normal,
    n: usize,
    given: Vec<NodeId>,
    steps: Vec<Step>,
    /// For every step, the values that are not read later.
    last: Vec<Vec<NodeId>>,
    loops: Loops<T>,
    /// Memory of arrays over pairs, from one run to the next.
    spare: Mutex<Vec<Vec<T>>>,
}

/// Plans and compiles a program for width n.
///
/// # Errors
/// A node that no lowered program contains, or a machine without a code generator.
pub fn prepare<T: Lanes>(
    ir: &Ir,
    roots: &[NodeId],
    n: usize,
    options: &ExecOptions,
) -> Result<Prepared<T>, ExecError> {
    deep(|| {
        let normal = normal(ir, roots, n, options.tuples);
        let Plan { given, steps, bodies } = plan(&normal.ir, &normal.roots, n, options)?;
        let loops = bodies.compile::<T>().map_err(ExecError::Jit)?;
        let last = store::last_reads(&normal, &steps);
        Ok(Prepared { normal, n, given, steps, last, loops, spare: Mutex::default() })
    })
}

impl<T: Lanes> Prepared<T> {
    /// The values of the roots with these initial objects.
    ///
    /// # Errors
    /// A value that is not finite, or an initial matrix whose entries are needed but not there.
    pub fn run(&self, matrices: &mut dyn Matrices<T>) -> Result<Vec<ArrayD<f64>>, ExecError> {
        let store = Store::new(&self.normal.ir, self.n, &self.spare);
        let (normal, loops) = (&self.normal, &self.loops);
        let mut machine = Machine { normal, n: self.n, matrices, loops, store };
        machine.give(&self.given);
        for (step, last) in self.steps.iter().zip(&self.last) {
            machine.step(step)?;
            machine.store.release(last, &normal.roots);
        }
        normal.roots.iter().map(|root| machine.result(*root)).collect()
    }

    /// Memory of an n × n array of an earlier run, with whatever is in it.
    pub fn spare(&self) -> Option<Vec<T>> {
        self.spare.lock().ok().and_then(|mut spare| spare.pop())
    }

    /// Keeps the memory of an n × n array for later runs.
    pub fn keep(&self, values: Vec<T>) {
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(values);
        }
    }

    /// The text of every compiled loop, as Cranelift's intermediate code.
    ///
    /// # Errors
    /// What Cranelift says.
    pub fn loop_text(&self) -> Result<Vec<String>, ExecError> {
        self.loops.text().map_err(ExecError::Jit)
    }
}

/// Bytes of stack for planning and compiling, which follow operands as deep as a program is long.
const STACK: usize = 1 << 28;

/// Runs on a thread with a large stack.
pub(super) fn deep<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        let thread = builder.spawn_scoped(scope, work).expect("a thread can be started");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The state of an execution.
struct Machine<'a, T: Lanes> {
    normal: &'a Normal,
    n: usize,
    matrices: &'a mut dyn Matrices<T>,
    loops: &'a Loops<T>,
    store: Store<'a, T>,
}

impl<T: Lanes> Machine<'_, T> {
    fn ir(&self) -> &Ir {
        &self.normal.ir
    }

    /// Reads constants, data and initial values.
    fn give(&mut self, given: &[NodeId]) {
        for id in given {
            if let Node::Init(init) = self.normal.ir.node(*id) {
                let values = self.matrices.initial(*init);
                if self.ir().shape(*id).width == 0 {
                    self.store.set_static(*id, values.into_iter().map(T::f64).collect());
                } else {
                    self.store.set_columns(*id, values);
                }
            } else {
                self.static_value(*id);
            }
        }
    }

    fn static_value(&mut self, id: NodeId) {
        let local = Local { ir: &self.normal.ir, n: self.n, arithmetic: &Plain };
        let value = local.eval(id, &|child| self.store.tensor(child));
        let value: Tensor<f64> =
            value.expect("nodes without a width axis need their operands only");
        self.store.set_tensor(id, value);
    }

    fn step(&mut self, step: &Step) -> Result<(), ExecError> {
        match step {
            Step::Static(nodes) => nodes.iter().for_each(|id| self.static_value(*id)),
            Step::Loop(step) => self.entrywise(step),
            Step::Apply { matrix, transpose, products } => {
                self.apply(*matrix, *transpose, products);
            }
            Step::Nest(step) => self.nest(step)?,
            Step::Sample(step) => self.sample(step),
        }
        Ok(())
    }

    /// One product with all columns that wait for it.
    fn apply(&mut self, matrix: MatrixRef, transpose: bool, products: &[NodeId]) {
        let mut columns = Vec::new();
        let mut lengths = Vec::new();
        for id in products {
            let Node::MatMul { arg, .. } = self.normal.ir.node(*id) else { continue };
            let x = self.store.columns(*arg);
            columns.extend_from_slice(x);
            lengths.push(x.len());
        }
        let mut results = self.matrices.apply(matrix, transpose, &columns);
        for (id, length) in products.iter().zip(lengths).rev() {
            let own = results.split_off(results.len() - length);
            self.store.set_columns(*id, own);
        }
    }

    fn result(&self, root: NodeId) -> Result<ArrayD<f64>, ExecError> {
        let shape = self.ir().shape(root);
        let widths = std::iter::repeat_n(self.n, shape.width);
        let sizes: Vec<usize> = shape.stat.iter().copied().chain(widths).collect();
        let values: Vec<f64> = if shape.width == 0 {
            self.store.tensor(root).values.clone()
        } else {
            self.store.columns(root).iter().map(|x| x.f64()).collect()
        };
        if values.iter().any(|x| !x.is_finite()) {
            let node = self.normal.origin(self.store.culprit(self.ir(), root));
            return Err(ExecError::NonFinite { node });
        }
        let array = ArrayD::from_shape_vec(IxDyn(&sizes), values);
        Ok(array.expect("a value has as many entries as its axes say"))
    }
}

#[cfg(test)]
mod tests;
