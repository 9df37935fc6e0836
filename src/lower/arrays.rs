//! Forms on whole arrays: sums over all static axes, means over width axes, one entry more, entries counted round, sizes.

use super::Lowerer;
use super::number::Num;
use super::value::{At, Axis, Val, Value};
use crate::diag::codes;
use crate::ir::{Arg, Prim, ReduceOp, Shape};
use crate::source::Span;
use crate::syntax::ast;

/// Their names.
pub(super) const FORMS: &[&str] = &["sum", "row", "col", "all", "append", "cycle", "len", "mod"];

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
            ("cycle", [array, from, count]) => self.cycled(array, from, count, span),
            ("len", [at]) => self.length(at),
            ("mod", [a, b]) => self.remainder(a, b),
            ("cycle", _) => self.arity(name, span, "3", args.len()),
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

    /// `cycle(x, from, count)`: so many entries along the first static axis, the first one behind the last.
    fn cycled(&mut self, array: &At, from: &At, count: &At, span: Span) -> Value {
        let val = &array.val;
        let Some(axis) = val.bare_stat().first().copied() else {
            return self.without_axes(array.span);
        };
        let size = self.ir.shape(val.node).stat[axis];
        let (Some(from), Some(many)) = (self.known_integer(from), self.known_integer(count)) else {
            return Value::Error;
        };
        let Some(many) = usize::try_from(many).ok().filter(|many| (1..=size).contains(many)) else {
            let problem = self
                .problem(codes::SIZE_OUT_OF_RANGE, count.span)
                .here(format!("this is {many}"))
                .note(format!("expected: a size from 1 to {size}, the number of rows"));
            return self.fail(problem);
        };
        let from = usize::try_from(from.rem_euclid(size as i64)).unwrap_or(0);
        self.ir.here = Some(span);
        if from + many <= size {
            let node = self.ir.slice(val.node, axis, from, from + many);
            return Value::Tensor(Val { node, known: None, ..val.clone() });
        }
        let places = (from..from + many).map(|at| at % size);
        let entries = places.map(|at| self.ir.index(val.node, axis, at)).collect();
        let node = self.ir.stack(entries);
        let mut stat = val.stat.clone();
        let moved = stat.remove(axis);
        stat.insert(0, moved);
        Value::Tensor(Val { node, stat, width: val.width.clone(), known: None })
    }

    /// An integer known at compile time, or a diagnostic.
    fn known_integer(&mut self, at: &At) -> Option<i64> {
        let index = at.val.known.and_then(Num::as_index);
        if index.is_none() {
            let problem = self
                .problem(codes::NOT_AN_INTEGER, at.span)
                .here("this must be an integer known at compile time");
            self.diags.push(problem);
        }
        index
    }

    fn without_axes(&mut self, span: Span) -> Value {
        let problem = self.problem(codes::SHAPE_OF_SCALAR, span).here("this has no static axes");
        self.fail(problem)
    }

    /// `len(x)`: the size of the first static axis.
    fn length(&mut self, at: &At) -> Value {
        let axis = at.val.bare_stat().first().copied();
        match axis.map(|axis| self.ir.shape(at.val.node).stat[axis]) {
            Some(size) => self.integer(size as i64),
            None => self.without_axes(at.span),
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
