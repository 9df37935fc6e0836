//! Splits a `mat` value into initial matrices and an outer product.
//!
//! `W - (2/n) * K` with an initial W is 1·W + (−2/n)·K: a random matrix may only act linearly on a vector, so this is
//! the only form in which one occurs, and the engines and the scale analysis treat the two parts differently
//! (language.md, "action").

use super::entry;
use crate::ir::{Arg, Ir, Node, NodeId, Prim, Shape};
use std::collections::{BTreeMap, HashMap};

/// One initial matrix with its coefficient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// A scalar without static axes.
    pub coefficient: NodeId,
    /// The initial matrix itself: `Init`, or `Index` nodes down a static array of them.
    pub matrix: NodeId,
    /// Whether its transpose is meant.
    pub transpose: bool,
}

/// Σ coefficient · matrix(ᵀ) + outer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linear {
    /// Distinct initial matrices in order of node, none with coefficient 0.
    pub terms: Vec<Term>,
    /// The rest, a value with two width axes that contains no initial matrix; `None` when it is 0.
    pub outer: Option<NodeId>,
}

/// Why a value is no linear combination: the node at which an initial matrix enters nonlinearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLinear(pub NodeId);

/// Splits `mat`, a value with no static and two width axes; new nodes are the coefficients and the outer product.
///
/// # Errors
/// The node where an initial matrix is used other than linearly with scalar coefficients.
pub fn decompose(ir: &mut Ir, mat: NodeId) -> Result<Linear, NotLinear> {
    let mut sum = Sum::default();
    let one = ir.constant(1.0);
    sum.add(ir, mat, one, false)?;
    Ok(sum.finish(ir))
}

/// Whether an initial matrix occurs in the entries of a value.
pub fn contains_matrix(ir: &Ir, id: NodeId) -> bool {
    Matrices::default().occur_in(ir, id)
}

/// Remembers which values contain an initial matrix: pair-space values share most of their operands.
#[derive(Default)]
struct Matrices {
    known: HashMap<NodeId, bool>,
}

impl Matrices {
    fn occur_in(&mut self, ir: &Ir, id: NodeId) -> bool {
        if ir.shape(id).width < 2 {
            return false;
        }
        if let Some(known) = self.known.get(&id) {
            return *known;
        }
        let occur = match ir.node(id) {
            Node::Init(_) => true,
            Node::MatMul { .. } => false,
            node => {
                let mut children = Vec::new();
                node.children(|child| children.push(child));
                children.into_iter().any(|child| self.occur_in(ir, child))
            }
        };
        self.known.insert(id, occur);
        occur
    }
}

/// The sum that is being collected.
#[derive(Default)]
struct Sum {
    matrices: Matrices,
    terms: BTreeMap<(NodeId, bool), NodeId>,
    outer: Option<NodeId>,
}

impl Sum {
    /// Adds `factor · mat` (transposed if `transpose`).
    fn add(
        &mut self,
        ir: &mut Ir,
        mat: NodeId,
        factor: NodeId,
        transpose: bool,
    ) -> Result<(), NotLinear> {
        if !self.matrices.occur_in(ir, mat) {
            self.add_outer(ir, mat, factor, transpose);
            return Ok(());
        }
        match ir.node(mat).clone() {
            Node::Init(_) => {
                self.add_matrix(ir, mat, factor, transpose);
                Ok(())
            }
            Node::Index { arg, axis, at } => match entry::of(ir, arg, axis, at) {
                Some(entry) => self.add(ir, entry, factor, transpose),
                None => {
                    self.add_matrix(ir, mat, factor, transpose);
                    Ok(())
                }
            },
            Node::Bind { arg, .. } => self.add(ir, arg, factor, transpose),
            Node::Map { op, args, .. } => self.add_map(ir, mat, (op, &args), factor, transpose),
            Node::Const(_)
            | Node::Width(_)
            | Node::Data(_)
            | Node::Iota(_)
            | Node::Param(_)
            | Node::Reduce { .. }
            | Node::MatMul { .. }
            | Node::Slice { .. }
            | Node::Stack(_)
            | Node::Pad { .. } => Err(NotLinear(mat)),
        }
    }

    fn add_map(
        &mut self,
        ir: &mut Ir,
        mat: NodeId,
        (op, args): (Prim, &[Arg]),
        factor: NodeId,
        transpose: bool,
    ) -> Result<(), NotLinear> {
        let part = |sum: &mut Self, ir: &mut Ir, arg: &Arg, factor: NodeId| {
            if arg.width.len() < 2 {
                let filled = broadcast(ir, arg);
                return sum.add(ir, filled, factor, transpose);
            }
            match arg.width.as_slice() {
                [0, 1] => sum.add(ir, arg.node, factor, transpose),
                [1, 0] => sum.add(ir, arg.node, factor, !transpose),
                _ => Err(NotLinear(mat)),
            }
        };
        match op {
            Prim::Id => part(self, ir, &args[0], factor),
            Prim::Neg => {
                let minus = ir.apply(Prim::Neg, &[factor]);
                part(self, ir, &args[0], minus)
            }
            Prim::Add | Prim::Sub => {
                part(self, ir, &args[0], factor)?;
                let second = if op == Prim::Sub { ir.apply(Prim::Neg, &[factor]) } else { factor };
                part(self, ir, &args[1], second)
            }
            Prim::Mul if is_number(ir, &args[0]) => {
                let product = ir.apply(Prim::Mul, &[factor, args[0].node]);
                part(self, ir, &args[1], product)
            }
            Prim::Mul | Prim::Div if is_number(ir, &args[1]) => {
                let scaled = ir.apply(op, &[factor, args[1].node]);
                part(self, ir, &args[0], scaled)
            }
            _ => Err(NotLinear(mat)),
        }
    }

    fn add_matrix(&mut self, ir: &mut Ir, matrix: NodeId, factor: NodeId, transpose: bool) {
        let known = self.terms.get(&(matrix, transpose)).copied();
        let total = match known {
            Some(known) => cancelling_sum(ir, known, factor),
            None => factor,
        };
        self.terms.insert((matrix, transpose), total);
    }

    fn add_outer(&mut self, ir: &mut Ir, mat: NodeId, factor: NodeId, transpose: bool) {
        let width = if transpose { vec![1, 0] } else { vec![0, 1] };
        let shape = Shape::new([], 2);
        let mat = ir.map(Prim::Id, shape.clone(), vec![Arg { node: mat, stat: Vec::new(), width }]);
        let scaled = ir.apply(Prim::Mul, &[factor, mat]);
        self.outer = Some(match self.outer {
            Some(outer) => ir.apply(Prim::Add, &[outer, scaled]),
            None => scaled,
        });
    }

    fn finish(self, ir: &Ir) -> Linear {
        let term = |((matrix, transpose), coefficient)| Term { coefficient, matrix, transpose };
        let terms = self.terms.into_iter().map(term).filter(|t: &Term| !ir.is_zero(t.coefficient));
        Linear { terms: terms.collect(), outer: self.outer.filter(|outer| !ir.is_zero(*outer)) }
    }
}

/// A scalar without static axes.
fn is_number(ir: &Ir, arg: &Arg) -> bool {
    ir.shape(arg.node) == &Shape::scalar()
}

/// The operand as an outer product of its own.
fn broadcast(ir: &mut Ir, arg: &Arg) -> NodeId {
    ir.map(Prim::Id, Shape::new([], 2), vec![arg.clone()])
}

/// a + b, 0 where one is exactly the negative of the other.
fn cancelling_sum(ir: &mut Ir, a: NodeId, b: NodeId) -> NodeId {
    let minus = ir.apply(Prim::Neg, &[b]);
    ir.apply(Prim::Sub, &[a, minus])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Init, Law};
    use crate::source::{FileId, Span};

    fn matrix(ir: &mut Ir) -> NodeId {
        let span = Span::new(FileId(0), 0, 0);
        let shape = Shape::new([], 2);
        ir.new_init(Init { name: "W".into(), shape, law: Law::Normal, stream: 0, span })
    }

    fn outer(ir: &mut Ir) -> NodeId {
        let span = Span::new(FileId(0), 0, 0);
        let shape = Shape::new([], 1);
        let x = ir.new_init(Init { name: "x".into(), shape, law: Law::Normal, stream: 0, span });
        let args = [0, 1].map(|axis| Arg { node: x, stat: vec![], width: vec![axis] });
        ir.map(Prim::Mul, Shape::new([], 2), args.to_vec())
    }

    #[test]
    fn difference_of_trained_and_initial_is_an_outer_product() {
        let mut ir = Ir::default();
        let (w, k) = (matrix(&mut ir), outer(&mut ir));
        let trained = ir.apply(Prim::Sub, &[w, k]);
        let change = ir.apply(Prim::Sub, &[trained, w]);
        let parts = decompose(&mut ir, change).expect("linear");
        let minus = ir.apply(Prim::Neg, &[k]);
        assert_eq!(parts, Linear { terms: vec![], outer: Some(minus) });
    }

    #[test]
    fn transposed_and_scaled_terms_are_kept_apart() {
        let mut ir = Ir::default();
        let w = matrix(&mut ir);
        let transposed = Arg { node: w, stat: vec![], width: vec![1, 0] };
        let plain = ir.whole(w);
        let sum = ir.map(Prim::Add, Shape::new([], 2), vec![plain, transposed]);
        let two = ir.constant(2.0);
        let half = ir.apply(Prim::Div, &[sum, two]);
        let parts = decompose(&mut ir, half).expect("linear");
        assert_eq!(parts.terms.iter().map(|t| t.transpose).collect::<Vec<_>>(), [false, true]);
        assert!(parts.terms.iter().all(|t| ir.constant_value(t.coefficient) == Some(0.5)));
    }

    #[test]
    fn entries_of_computed_arrays_are_found() {
        let mut ir = Ir::default();
        let span = Span::new(FileId(0), 0, 0);
        let shape = Shape::new([3], 2);
        let init = Init { name: "W".into(), shape, law: Law::Normal, stream: 0, span };
        let (weights, outer) = (ir.new_init(init), outer(&mut ir));
        let two = ir.constant(2.0);
        let scaled = ir.apply(Prim::Mul, &[two, weights]);
        let trained = ir.apply(Prim::Add, &[scaled, outer]);
        let later = ir.slice(trained, 0, 1, 3);
        let last = ir.index(later, 0, 1);
        let parts = decompose(&mut ir, last).expect("linear");
        let matrix = ir.index(weights, 0, 2);
        let term = Term { coefficient: two, matrix, transpose: false };
        assert_eq!(parts, Linear { terms: vec![term], outer: Some(outer) });
    }

    #[test]
    fn entrywise_functions_of_a_random_matrix_are_refused() {
        let mut ir = Ir::default();
        let w = matrix(&mut ir);
        let square = ir.apply(Prim::Mul, &[w, w]);
        assert_eq!(decompose(&mut ir, square), Err(NotLinear(square)));
    }
}
