//! Forms on whole arrays: sums over all static axes, means over width axes, one entry more, sizes.

use super::Lowerer;
use super::number::Num;
use super::value::{At, Axis, Val, Value};
use crate::diag::codes;
use crate::ir::{Arg, Prim, ReduceOp, Shape};
use crate::source::Span;
use crate::syntax::ast;

/// Their names.
pub(super) const FORMS: &[&str] = &["sum", "row", "col", "all", "append", "len", "mod"];

impl Lowerer<'_> {
    /// A call of one of [`FORMS`].
    pub(super) fn array_form(&mut self, name: &str, args: &[ast::Arg], span: Span) -> Value {
        let Some(args) = self.positional(name, args, span) else { return Value::Error };
        match (name, args.as_slice()) {
            ("sum", [at]) => self.sum_of(&at.val, span),
            ("row", [at]) => self.mean_along(&at.val, 1, span),
            ("col", [at]) => self.mean_along(&at.val, 0, span),
            ("all", [at]) => self.mean_of_all(&at.val, span),
            ("append", [array, entry]) => self.appended(array, entry, span),
            ("len", [at]) => self.length(at),
            ("mod", [a, b]) => self.remainder(a, b),
            ("append" | "mod", _) => self.arity(name, span, "2", args.len()),
            _ => self.arity(name, span, "1", args.len()),
        }
    }

    /// `sum(e)`: over all static axes without an index.
    fn sum_of(&mut self, val: &Val, span: Span) -> Value {
        let stat = val.bare_stat();
        if stat.is_empty() {
            return Value::Tensor(val.clone());
        }
        self.ir.here = Some(span);
        let node = self.ir.reduce(ReduceOp::Sum, val.node, stat, vec![]);
        let stat = val.stat.iter().copied().filter(|axis| *axis != Axis::Bare).collect();
        Value::Tensor(Val { node, stat, width: val.width.clone(), known: None })
    }

    /// `row(e)`, `col(e)`: the mean over the second or the first width axis. Of a mat it is a mat again; the only axis of a
    /// vec is its first.
    fn mean_along(&mut self, val: &Val, which: usize, span: Span) -> Value {
        let axes = val.bare_width();
        let (row, column) = match axes.as_slice() {
            [row, column] => (row, column),
            [_] if which == 0 => return self.mean_of_all(val, span),
            _ => return Value::Tensor(val.clone()),
        };
        let gone = if which == 1 { *column } else { *row };
        self.ir.here = Some(span);
        let mean = self.ir.reduce(ReduceOp::Mean, val.node, vec![], vec![gone]);
        let shape = self.ir.shape(val.node).clone();
        let width = (0..shape.width).filter(|axis| *axis != gone).collect();
        let arg = Arg { node: mean, stat: (0..shape.stat.len()).collect(), width };
        let node = self.ir.map(Prim::Id, shape, vec![arg]);
        Value::Tensor(Val { node, known: None, ..val.clone() })
    }

    /// `all(e)`: the mean over all width axes.
    fn mean_of_all(&mut self, val: &Val, span: Span) -> Value {
        let axes = val.bare_width();
        if axes.is_empty() {
            return Value::Tensor(val.clone());
        }
        self.ir.here = Some(span);
        let node = self.ir.reduce(ReduceOp::Mean, val.node, vec![], axes);
        let width = val.width.iter().copied().filter(|axis| *axis != Axis::Bare).collect();
        Value::Tensor(Val { node, stat: val.stat.clone(), width, known: None })
    }

    /// `append(x, e)`: one entry more along the first static axis.
    fn appended(&mut self, array: &At, entry: &At, span: Span) -> Value {
        let shape = self.ir.shape(array.val.node).clone();
        let own = self.ir.shape(entry.val.node).clone();
        let closed = array.val.is_closed() && entry.val.is_closed();
        let fits = !shape.stat.is_empty() && Shape::new(&shape.stat[1..], shape.width) == own;
        if !closed || !fits {
            let problem = self
                .problem(codes::STACK_MISMATCH, entry.span)
                .here(format!("this is a {}", self.type_of(&entry.val)))
                .label(array.span, format!("this is a {}", self.type_of(&array.val)))
                .help("an entry has the axes of the array but the first");
            return self.fail(problem);
        }
        self.ir.here = Some(span);
        let mut entries: Vec<_> =
            (0..shape.stat[0]).map(|at| self.ir.index(array.val.node, 0, at)).collect();
        entries.push(entry.val.node);
        let node = self.ir.stack(entries);
        Value::Tensor(Val::bare(node, shape.stat.len(), shape.width))
    }

    /// `len(x)`: the size of the first static axis.
    fn length(&mut self, at: &At) -> Value {
        let axis = at.val.bare_stat().first().copied();
        match axis.map(|axis| self.ir.shape(at.val.node).stat[axis]) {
            Some(size) => self.integer(size as i64),
            None => {
                let problem =
                    self.problem(codes::SHAPE_OF_SCALAR, at.span).here("this has no static axes");
                self.fail(problem)
            }
        }
    }

    /// `mod(a, b)`: the remainder, from 0 to b − 1, of integers known at compile time.
    fn remainder(&mut self, a: &At, b: &At) -> Value {
        let index = |at: &At| at.val.known.and_then(Num::as_index);
        match (index(a), index(b)) {
            (Some(x), Some(y)) if y > 0 => self.integer(x.rem_euclid(y)),
            (x, _) => {
                let wrong = if x.is_none() { a.span } else { b.span };
                let problem = self
                    .problem(codes::NOT_AN_INTEGER, wrong)
                    .here("`mod` takes integers known at compile time, the second positive");
                self.fail(problem)
            }
        }
    }
}
