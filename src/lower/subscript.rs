//! Subscripts: `x[i, 0, 1..3, a]` fills static axes first, then width axes; what is not filled stays and trails.

use super::Lowerer;
use super::scope::Sort;
use super::value::{Axis, IndexId, Val, Value};
use crate::diag::codes;
use crate::ir::{Arg, Prim, Shape, passes::linear};
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, Subscript};

impl Lowerer<'_> {
    pub(super) fn subscripted(&mut self, base: &Expr, subscripts: &[Subscript]) -> Value {
        let Some(mut val) = self.tensor(base) else { return Value::Error };
        val.known = None;
        let (stat, width) = (val.bare_stat().len(), val.kind());
        if subscripts.len() > stat + width {
            let problem = self
                .problem(codes::TOO_MANY_SUBSCRIPTS, base.span)
                .here(format!("this is a {}", self.type_of(&val)))
                .note(format!("found:    {} subscripts", subscripts.len()))
                .note(format!("expected: at most {}", stat + width));
            return self.fail(problem);
        }
        for (position, subscript) in subscripts.iter().enumerate() {
            let next = if position < stat {
                self.subscript_static(&val, subscript, base.span)
            } else {
                self.subscript_width(&val, subscript, base.span)
            };
            match next {
                Some(next) => val = next,
                None => return Value::Error,
            }
        }
        Value::Tensor(Self::reopened(val))
    }

    /// Fills the first bare static axis that is not already passed by a range.
    fn subscript_static(&mut self, val: &Val, subscript: &Subscript, base: Span) -> Option<Val> {
        let axis = self.first_open(val)?;
        let size = self.ir.shape(val.node).stat[axis];
        match subscript {
            Subscript::Expr(expr) => match self.index_variable(expr) {
                Some(id) => self.label_static(val, axis, id, expr.span),
                None => {
                    let at = self.static_integer(expr)?;
                    let at = self.in_range(at, size, expr.span)?;
                    // the value is what stands there, not the number of its entry
                    self.ir.here = Some(base);
                    let node = self.ir.index(val.node, axis, at);
                    let mut next = Val { node, ..val.clone() };
                    next.stat.remove(axis);
                    Some(next)
                }
            },
            Subscript::Range(range) => {
                let (lo, hi) = self.static_range(range)?;
                let bounds = (usize::try_from(lo).ok(), usize::try_from(hi).ok());
                let (Some(lo), Some(hi)) = bounds else {
                    return self.range_outside(range.span, size);
                };
                if lo >= hi || hi > size {
                    return self.range_outside(range.span, size);
                }
                let node = self.ir.slice(val.node, axis, lo, hi);
                let mut next = Val { node, ..val.clone() };
                next.stat[axis] = Axis::Free(Self::PASSED);
                Some(next)
            }
            Subscript::Binder { name, .. } => {
                let problem = self
                    .problem(codes::BINDER_IN_SUBSCRIPT, subscript.span())
                    .here("a range belongs to a binder, not to a subscript")
                    .label(base, "subscripted here")
                    .help(format!(
                        "write `{}` here and state its range in `sum[{} in …](…)`",
                        name.text, name.text
                    ));
                self.diags.push(problem);
                None
            }
        }
    }

    /// Marks an axis that a range subscript has filled, until the subscript list is done.
    const PASSED: IndexId = IndexId(usize::MAX);

    fn first_open(&self, val: &Val) -> Option<usize> {
        val.bare_stat().first().copied()
    }

    /// Axes passed by ranges are bare again.
    pub(super) fn reopened(mut val: Val) -> Val {
        for axis in &mut val.stat {
            if *axis == Axis::Free(Self::PASSED) {
                *axis = Axis::Bare;
            }
        }
        val
    }

    fn range_outside(&mut self, span: Span, size: usize) -> Option<Val> {
        let problem = self
            .problem(codes::SUBSCRIPT_OUT_OF_RANGE, span)
            .here(format!("the axis has {size} entries, numbered from 0"))
            .help(format!("a range is half-open and not empty: `0..{size}` is the whole axis"));
        self.diags.push(problem);
        None
    }

    fn in_range(&mut self, at: i64, size: usize, span: Span) -> Option<usize> {
        let found = usize::try_from(at).ok().filter(|at| *at < size);
        if found.is_none() {
            let problem = self
                .problem(codes::SUBSCRIPT_OUT_OF_RANGE, span)
                .here(format!("this is {at}"))
                .note(format!("the axis has {size} entries, numbered from 0 to {}", size - 1));
            self.diags.push(problem);
        }
        found
    }

    /// The index variable that an expression is, if it is one.
    pub(super) fn index_variable(&self, expr: &Expr) -> Option<IndexId> {
        match &expr.kind {
            ExprKind::Name(name) => self.indices.find(name),
            _ => None,
        }
    }

    fn label_static(&mut self, val: &Val, axis: usize, id: IndexId, span: Span) -> Option<Val> {
        let size = self.ir.shape(val.node).stat[axis];
        let index = self.indices.get(id).clone();
        if index.sort != Sort::Static(size) {
            let found = match index.sort {
                Sort::Static(range) => format!("0..{range}"),
                Sort::Width => "the width".to_owned(),
            };
            let problem = self
                .problem(codes::INDEX_MISMATCH, span)
                .here(format!("this axis has {size} entries"))
                .label(index.span, format!("`{}` ranges over {found}", index.name))
                .note(format!("found:    {found}"))
                .note(format!("expected: 0..{size}"));
            self.diags.push(problem);
            return None;
        }
        let mut next = val.clone();
        match val.stat.iter().position(|label| *label == Axis::Free(id)) {
            None => next.stat[axis] = Axis::Free(id),
            Some(first) => {
                let merged = |old: usize| if old == axis { first } else { old };
                let kept: Vec<usize> = (0..val.stat.len()).filter(|old| *old != axis).collect();
                next.node = self.merge(val, &kept, &|old| merged(old), &|old| old);
                next.stat.remove(axis);
            }
        }
        Some(next)
    }

    /// A copy in which some axes coincide.
    fn merge(
        &mut self,
        val: &Val,
        kept: &[usize],
        stat: &dyn Fn(usize) -> usize,
        width: &dyn Fn(usize) -> usize,
    ) -> crate::ir::NodeId {
        let shape = self.ir.shape(val.node).clone();
        let place = |axis: usize| {
            kept.iter().position(|old| *old == axis).expect("merged into a kept axis")
        };
        let arg = Arg {
            node: val.node,
            stat: (0..shape.stat.len()).map(|axis| place(stat(axis))).collect(),
            width: (0..shape.width).map(width).collect(),
        };
        let count = arg.width.iter().max().map_or(0, |last| last + 1);
        let sizes: Vec<usize> = kept.iter().map(|axis| shape.stat[*axis]).collect();
        self.ir.map(Prim::Id, Shape::new(sizes, count), vec![arg])
    }

    fn subscript_width(&mut self, val: &Val, subscript: &Subscript, base: Span) -> Option<Val> {
        let axis = val.bare_width()[0];
        let id = match subscript {
            Subscript::Expr(expr) => self.index_variable(expr),
            Subscript::Range(_) | Subscript::Binder { .. } => None,
        };
        let Some(id) = id else {
            let problem = self
                .problem(codes::WIDTH_SUBSCRIPT, subscript.span())
                .here("a width axis can only be subscripted by a width index")
                .label(base, format!("this is a {}", self.type_of(val)))
                .help("neurons have no numbers: write `mean[a](x[a])`, or keep a static axis for what you count");
            self.diags.push(problem);
            return None;
        };
        self.label_width(val, axis, id, subscript.span(), base)
    }

    fn label_width(
        &mut self,
        val: &Val,
        axis: usize,
        id: IndexId,
        span: Span,
        base: Span,
    ) -> Option<Val> {
        let index = self.indices.get(id).clone();
        if let Sort::Static(size) = index.sort {
            let problem = self
                .problem(codes::INDEX_MISMATCH, span)
                .here("this is a width axis")
                .label(index.span, format!("`{}` ranges over 0..{size}", index.name))
                .help("use another index for the width axis");
            self.diags.push(problem);
            return None;
        }
        if linear::contains_matrix(&self.ir, val.node) {
            let problem = self
                .problem(codes::MATRIX_ENTRY, base)
                .here("this contains an initial matrix, whose entries have no limit of their own")
                .label(span, "subscripted here")
                .help("a random matrix acts linearly on a vector: write `W @ x`");
            self.diags.push(problem);
            return None;
        }
        let mut next = val.clone();
        match val.width.iter().position(|label| *label == Axis::Free(id)) {
            None => next.width[axis] = Axis::Free(id),
            Some(first) => {
                let shift = |old: usize| if old > axis { old - 1 } else { old };
                let kept: Vec<usize> = (0..val.stat.len()).collect();
                let width = |old: usize| if old == axis { shift(first) } else { shift(old) };
                next.node = self.merge(val, &kept, &|old| old, &width);
                next.width.remove(axis);
            }
        }
        Some(next)
    }
}
