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
use super::{Blocks, ExecError, Matrices};
use crate::ir::{InitId, Ir, Node, NodeId};
use crate::num::tensor::Tensor;
use crate::stack::deep;
pub use estimate::{Estimate, estimate};
use ndarray::{ArrayD, IxDyn};
use rayon::prelude::*;
use std::collections::HashMap;
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
        let mut machine = self.machine();
        machine.give(&self.given, |init| matrices.initial(init));
        for (step, last) in self.steps.iter().zip(&self.last) {
            if let Step::Apply { matrix, transpose, products } = step {
                let values = matrices.apply(*matrix, *transpose, &machine.operands(products));
                machine.receive(products, values);
            } else {
                machine.step(step, Some(matrices))?;
            }
            machine.store.release(last, &self.normal.roots);
        }
        machine.results()
    }

    /// The values of the roots in each block. Blocks go from step to step together: what has no width axis is averaged
    /// over them before it is used, so that it has the error of a mean over all positions.
    ///
    /// # Errors
    /// A value that is not finite, or an initial matrix whose entries are needed: here they are operators.
    pub fn run_blocks(
        &self,
        blocks: &mut dyn Blocks<T>,
    ) -> Result<Vec<Vec<ArrayD<f64>>>, ExecError> {
        let mut machines: Vec<Machine<T>> = (0..blocks.count()).map(|_| self.machine()).collect();
        let mut initial: HashMap<InitId, Vec<Vec<T>>> = HashMap::new();
        for id in &self.given {
            if let Node::Init(init) = self.normal.ir.node(*id) {
                let mut values = blocks.initial(*init);
                values.reverse();
                initial.insert(*init, values);
            }
        }
        for machine in &mut machines {
            let mut next = |init| initial.get_mut(&init).and_then(Vec::pop).unwrap_or_default();
            machine.give(&self.given, &mut next);
        }
        for (step, last) in self.steps.iter().zip(&self.last) {
            if let Step::Apply { matrix, transpose, products } = step {
                let x = machines.iter().map(|machine| machine.operands(products)).collect();
                let values = blocks.apply(*matrix, *transpose, x);
                for (machine, values) in machines.iter_mut().zip(values) {
                    machine.receive(products, values);
                }
            } else {
                machines.par_iter_mut().try_for_each(|machine| machine.step(step, None))?;
                self.average(&mut machines, step);
            }
            let roots = &self.normal.roots;
            machines.iter_mut().for_each(|machine| machine.store.release(last, roots));
        }
        machines.iter().map(Machine::results).collect()
    }

    /// Averages what a step made without a width axis over the blocks.
    fn average(&self, machines: &mut [Machine<'_, T>], step: &Step) {
        let made = store::writes(step);
        for id in made.iter().filter(|id| self.normal.ir.shape(**id).width == 0) {
            let count = machines.len() as f64;
            let mut mean = machines[0].store.tensor(*id).clone();
            for (k, value) in mean.values.iter_mut().enumerate() {
                let all = machines.iter().map(|machine| machine.store.tensor(*id).values[k]);
                *value = all.sum::<f64>() / count;
            }
            machines.iter_mut().for_each(|machine| machine.store.set_tensor(*id, mean.clone()));
        }
    }

    fn machine(&self) -> Machine<'_, T> {
        let store = Store::new(&self.normal.ir, self.n, &self.spare);
        Machine { normal: &self.normal, n: self.n, loops: &self.loops, store }
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

/// The state of an execution.
struct Machine<'a, T: Lanes> {
    normal: &'a Normal,
    n: usize,
    loops: &'a Loops<T>,
    store: Store<'a, T>,
}

impl<T: Lanes> Machine<'_, T> {
    fn ir(&self) -> &Ir {
        &self.normal.ir
    }

    /// Reads constants, data and initial values.
    fn give(&mut self, given: &[NodeId], mut initial: impl FnMut(InitId) -> Vec<T>) {
        for id in given {
            if let Node::Init(init) = self.normal.ir.node(*id) {
                let values = initial(*init);
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

    /// Any step but a product with an initial matrix; `matrices` where they are arrays that a pass may read.
    fn step(
        &mut self,
        step: &Step,
        matrices: Option<&mut dyn Matrices<T>>,
    ) -> Result<(), ExecError> {
        match step {
            Step::Static(nodes) => nodes.iter().for_each(|id| self.static_value(*id)),
            Step::Loop(step) => self.entrywise(step),
            Step::Apply { .. } => unreachable!("products with initial matrices are not local"),
            Step::Nest(step) => self.nest(step, matrices)?,
            Step::Sample(step) => self.sample(step),
        }
        Ok(())
    }

    /// All columns that wait for one product.
    fn operands(&self, products: &[NodeId]) -> Vec<T> {
        products.iter().flat_map(|id| self.operand(*id)).copied().collect()
    }

    fn operand(&self, product: NodeId) -> &[T] {
        match self.normal.ir.node(product) {
            Node::MatMul { arg, .. } => self.store.columns(*arg),
            _ => &[],
        }
    }

    /// The results of one product.
    fn receive(&mut self, products: &[NodeId], mut results: Vec<T>) {
        for id in products.iter().rev() {
            let own = results.split_off(results.len() - self.operand(*id).len());
            self.store.set_columns(*id, own);
        }
    }

    fn results(&self) -> Result<Vec<ArrayD<f64>>, ExecError> {
        self.normal.roots.iter().map(|root| self.result(*root)).collect()
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
