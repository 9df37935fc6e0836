//! Binders: `mean[b, c](e)`, `sum[i](e)`, `prod[i](e)`, `max[i](e)`, `min[i](e)`.

use super::Lowerer;
use super::scope::{Index, Sort};
use super::value::{At, Axis, IndexId, Val, Value};
use crate::diag::codes;
use crate::ir::{Prim, ReduceOp};
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, Name, Subscript};

/// Whether `name[…](…)` binds indices.
pub(super) fn is_binder(name: &str) -> bool {
    ["mean", "sum", "prod", "max", "min"].contains(&name)
}

impl Lowerer<'_> {
    /// `name[subscripts](body)`.
    pub(super) fn binder(
        &mut self,
        name: &str,
        subscripts: &[Subscript],
        body: &Expr,
        span: Span,
    ) -> Value {
        self.with_indices(|this| {
            let Some(ids) = this.binder_indices(subscripts, body) else { return Value::Error };
            let Some(at) = this.at(body) else { return Value::Error };
            this.ir.here = Some(span);
            let unused = ids.iter().copied().find(|id| {
                !at.val.stat.contains(&Axis::Free(*id)) && !at.val.width.contains(&Axis::Free(*id))
            });
            if let Some(id) = unused {
                return this.unused(id, body.span);
            }
            match name {
                "mean" => this.contracted(ReduceOp::Mean, at.val, &ids),
                "sum" => this.contracted(ReduceOp::Sum, at.val, &ids),
                "prod" => this.folded(Prim::Mul, at, &ids, span),
                "max" => this.folded(Prim::Max, at, &ids, span),
                _ => this.folded(Prim::Min, at, &ids, span),
            }
        })
    }

    fn unused(&mut self, id: IndexId, body: Span) -> Value {
        let index = self.indices.get(id).clone();
        let problem = self
            .problem(codes::UNUSED_INDEX, index.span)
            .here(format!("`{}` is not used", index.name))
            .label(body, "this does not depend on it");
        self.fail(problem)
    }

    /// The indices of a binder: those with a stated range, then those whose range the body tells.
    fn binder_indices(&mut self, subscripts: &[Subscript], body: &Expr) -> Option<Vec<IndexId>> {
        let mut ids = Vec::new();
        let mut open = Vec::new();
        for subscript in subscripts {
            match subscript {
                Subscript::Expr(Expr { kind: ExprKind::Name(text), span }) => {
                    open.push(Name { text: text.clone(), span: *span });
                }
                Subscript::Binder { name, range } => {
                    let (lo, hi) = self.static_range(range)?;
                    let size = usize::try_from(hi).ok().filter(|size| lo == 0 && *size > 0);
                    let Some(size) = size else {
                        let problem = self
                            .problem(codes::BINDER_RANGE, range.span)
                            .here(format!("this is {lo}..{hi}"))
                            .help("an index counts from 0: write `0..M`, and subscript a slice `x[1..M]` for a part");
                        self.diags.push(problem);
                        return None;
                    };
                    let index = Index {
                        name: name.text.clone(),
                        sort: Sort::Static(size),
                        span: name.span,
                        bound: true,
                    };
                    ids.push(self.indices.introduce(index));
                }
                Subscript::Expr(_) | Subscript::Range(_) => {
                    let problem = self
                        .problem(codes::BINDER_INDEX, subscript.span())
                        .here("a binder introduces index variables")
                        .help("write a name: `sum[i](…)` or `sum[i in 0..M](…)`");
                    self.diags.push(problem);
                    return None;
                }
            }
        }
        ids.extend(self.introduce(&open, body, true)?);
        Some(ids)
    }

    /// Sum or mean over index variables.
    fn contracted(&mut self, op: ReduceOp, val: Val, ids: &[IndexId]) -> Value {
        let chosen = |axes: &[Axis]| -> Vec<usize> {
            (0..axes.len())
                .filter(|axis| axes[*axis].free().is_some_and(|id| ids.contains(&id)))
                .collect()
        };
        let (stat, width) = (chosen(&val.stat), chosen(&val.width));
        let node = self.ir.reduce(op, val.node, stat, width);
        let kept = |axes: Vec<Axis>| -> Vec<Axis> {
            axes.into_iter()
                .filter(|axis| !axis.free().is_some_and(|id| ids.contains(&id)))
                .collect()
        };
        Value::Tensor(Val { node, stat: kept(val.stat), width: kept(val.width), known: None })
    }

    /// Product, maximum or minimum over static index variables, entry by entry.
    fn folded(&mut self, op: Prim, at: At, ids: &[IndexId], span: Span) -> Value {
        let mut total = at;
        for id in ids {
            let Some(axis) = total.val.stat.iter().position(|axis| *axis == Axis::Free(*id)) else {
                let index = self.indices.get(*id).clone();
                let problem = self
                    .problem(codes::BINDER_WIDTH, span)
                    .here(format!("`{}` is a width index", index.name))
                    .help("over neurons there are `mean` and `sum` only: other reductions have no limit theorem");
                return self.fail(problem);
            };
            let size = self.ir.shape(total.val.node).stat[axis];
            let entry = |this: &mut Self, k: usize| {
                let node = this.ir.index(total.val.node, axis, k);
                let mut val = Val { node, ..total.val.clone() };
                val.stat.remove(axis);
                At { val, span }
            };
            let mut result = entry(self, 0);
            for k in 1..size {
                let next = entry(self, k);
                match self.combine(op, &[result, next], span) {
                    Value::Tensor(val) => result = At { val, span },
                    other => return other,
                }
            }
            total = result;
        }
        Value::Tensor(total.val)
    }
}
