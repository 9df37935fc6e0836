//! `let`, `var` and `:=`: values are put into order, checked against annotations and given an identity.

use super::Lowerer;
use super::scope::{Binding, How, Index, Sort};
use super::value::{At, Axis, IndexId, Val, Value, type_text};
use crate::diag::codes;
use crate::ir::{Arg, Exponent, Named, Node, Prim, Shape};
use crate::source::Span;
use crate::syntax::ast::{self, Target};

impl Lowerer<'_> {
    /// `let target : ty = value;` or `var …`.
    pub(super) fn bind_target(
        &mut self,
        target: &Target,
        ty: Option<&ast::Type>,
        value: &ast::Expr,
        how: How,
    ) {
        match target {
            Target::Error(_) => {}
            Target::Tuple(names) => {
                let value = self.expr(value);
                for (name, value) in names.iter().zip(self.unpack(value, names.len(), names)) {
                    self.bind_value(name, value, how);
                }
            }
            Target::Name { name, indices } => {
                let mut value = self.target_value(indices, value);
                if let (Some(ty), Value::Tensor(val)) = (ty, &value)
                    && !self.holds(ty, val, name.span)
                {
                    value = Value::Error;
                }
                let declared = ty.and_then(|ty| self.declared_scale(ty));
                self.bind_value(name, value, how);
                if let (Some(declared), Some(named)) = (declared, self.named.last_mut()) {
                    named.declared = Some(declared);
                }
            }
        }
    }

    /// `target := value;`
    pub(super) fn assign(&mut self, target: &Target, value: &ast::Expr) {
        match target {
            Target::Error(_) => {}
            Target::Tuple(names) => {
                let value = self.expr(value);
                for (name, value) in names.iter().zip(self.unpack(value, names.len(), names)) {
                    self.assign_value(name, value);
                }
            }
            Target::Name { name, indices } => {
                let value = self.target_value(indices, value);
                self.assign_value(name, value);
            }
        }
    }

    fn unpack(&mut self, value: Value, count: usize, names: &[ast::Name]) -> Vec<Value> {
        match value {
            Value::Tuple(values) if values.len() == count => values,
            Value::Tensor(_) if count == 1 => vec![value],
            Value::Error => vec![Value::Error; count],
            Value::Tuple(_) | Value::Tensor(_) => {
                let found = if let Value::Tuple(values) = &value { values.len() } else { 1 };
                let span = names[0].span.to(names[count - 1].span);
                let problem = self
                    .problem(codes::TUPLE_LENGTH, span)
                    .here(format!("{count} name{}", if count == 1 { "" } else { "s" }))
                    .note(format!("found:    {found} value{}", if found == 1 { "" } else { "s" }))
                    .note(format!("expected: {count} value{}", if count == 1 { "" } else { "s" }));
                self.diags.push(problem);
                vec![Value::Error; count]
            }
        }
    }

    /// The right side of a binding, its axes in the order of the left side.
    fn target_value(&mut self, indices: &[ast::Name], value: &ast::Expr) -> Value {
        if indices.is_empty() {
            return match self.expr(value) {
                Value::Tensor(val) => self.ordered(val, &[]),
                other => other,
            };
        }
        self.with_indices(|this| {
            let Some(ids) = this.introduce(indices, value, false) else { return Value::Error };
            match this.expr(value) {
                Value::Tensor(val) => this.target_tensor(val, &ids, value.span),
                Value::Tuple(_) => {
                    let problem =
                        this.problem(codes::TUPLE_AS_VALUE, value.span).here("several values");
                    this.fail(problem)
                }
                Value::Error => Value::Error,
            }
        })
    }

    fn target_tensor(&mut self, val: Val, ids: &[IndexId], span: Span) -> Value {
        let width_free = val.width.iter().any(|axis| axis.free().is_some());
        if width_free && val.kind() > 0 {
            let problem = self.bare_and_free(&At { val, span });
            return self.fail(problem);
        }
        self.ordered(val, ids)
    }

    /// Index variables on the left side, with sorts and ranges found in the right side.
    pub(super) fn introduce(
        &mut self,
        names: &[ast::Name],
        body: &ast::Expr,
        bound: bool,
    ) -> Option<Vec<IndexId>> {
        let sorts = self.infer_sorts(names, body)?;
        let new = names.iter().zip(sorts);
        Some(
            new.map(|(name, sort)| {
                let index = Index { name: name.text.clone(), sort, span: name.span, bound };
                self.indices.introduce(index)
            })
            .collect(),
        )
    }

    /// Axes in the order of the left side: its static indices, bare static axes, its width indices, bare width axes.
    /// An index that the value does not depend on (an `if` decided at compile time) becomes an axis all the same. Axes of
    /// index variables around a `def` come first and keep their labels.
    pub(super) fn ordered(&mut self, val: Val, ids: &[IndexId]) -> Value {
        let shape = self.ir.shape(val.node).clone();
        let of = |axes: &[Axis], id: IndexId| axes.iter().position(|axis| axis.free() == Some(id));
        let bare = |axes: &[Axis]| {
            (0..axes.len()).filter(|axis| axes[*axis] == Axis::Bare).map(Some).collect::<Vec<_>>()
        };
        let outer = |axes: &[Axis]| {
            let foreign = |axis: &Axis| axis.free().is_some_and(|id| !ids.contains(&id));
            (0..axes.len()).filter(|axis| foreign(&axes[*axis])).map(Some).collect::<Vec<_>>()
        };
        let (mut stat, mut width) = (outer(&val.stat), outer(&val.width));
        let label = |axes: &[Axis], order: &[Option<usize>]| -> Vec<Axis> {
            order.iter().map(|axis| axes[axis.expect("an axis of the value")]).collect()
        };
        let (mut stat_axes, mut width_axes) = (label(&val.stat, &stat), label(&val.width, &width));
        let mut sizes: Vec<usize> = stat.iter().flatten().map(|axis| shape.stat[*axis]).collect();
        for id in ids {
            match self.indices.get(*id).sort {
                Sort::Static(size) => {
                    stat.push(of(&val.stat, *id));
                    sizes.push(size);
                }
                Sort::Width => width.push(of(&val.width, *id)),
            }
        }
        sizes.extend(val.bare_stat().iter().map(|axis| shape.stat[*axis]));
        stat.extend(bare(&val.stat));
        width.extend(bare(&val.width));
        stat_axes.resize(stat.len(), Axis::Bare);
        width_axes.resize(width.len(), Axis::Bare);
        let places = |order: &[Option<usize>], count: usize| -> Vec<usize> {
            let place = |axis| order.iter().position(|old| *old == Some(axis));
            (0..count).map(|axis| place(axis).expect("every axis has its place")).collect()
        };
        let arg = Arg {
            node: val.node,
            stat: places(&stat, val.stat.len()),
            width: places(&width, val.width.len()),
        };
        let node = self.ir.map(Prim::Id, Shape::new(sizes, width.len()), vec![arg]);
        Value::Tensor(Val { node, stat: stat_axes, width: width_axes, known: val.known })
    }

    /// Gives a value an identity and a name.
    pub(super) fn bind_value(&mut self, name: &ast::Name, value: Value, how: How) {
        self.check_targets(name, &value);
        let (value, identity) = self.identified(name, value);
        let binding = Binding { value, how, identity, span: name.span, version: 0 };
        if let Some(node) = identity {
            self.named.push(Named {
                name: name.text.clone(),
                node,
                span: name.span,
                declared: None,
            });
        }
        self.bind(name, binding);
    }

    fn identified(&mut self, name: &ast::Name, value: Value) -> (Value, Option<crate::ir::NodeId>) {
        match value {
            Value::Tensor(val) => {
                let node = self.ir.bind(&name.text, name.span, val.node);
                (Value::Tensor(Val { node, ..val }), Some(node))
            }
            Value::Tuple(_) => {
                let problem = self
                    .problem(codes::TUPLE_AS_VALUE, name.span)
                    .here("bound to several values")
                    .help(format!("write `let (a, b) = …` instead of `let {} = …`", name.text));
                (self.fail(problem), None)
            }
            Value::Error => (Value::Error, None),
        }
    }

    fn assign_value(&mut self, name: &ast::Name, value: Value) {
        let Some(binding) = self.find(&name.text) else {
            let problem = self
                .problem(codes::ASSIGN_UNKNOWN, name.span)
                .here("no `var` of this name")
                .help(format!("introduce it with `var {} = …;`", name.text));
            self.diags.push(problem);
            return;
        };
        if binding.how != How::Var {
            let first = binding.span;
            let problem = self
                .problem(codes::ASSIGN_FIXED, name.span)
                .here(format!("`{}` is not a `var`", name.text))
                .label(first, "bound here once and for all")
                .help(format!("write `var {} = …;` there", name.text));
            self.diags.push(problem);
            return;
        }
        let (value, identity) = self.identified(name, value);
        let binding = self.find_mut(&name.text).expect("found above");
        binding.value = value;
        binding.identity = identity;
        binding.version += 1;
        let shown = format!("{}@{}", name.text, binding.version);
        if let Some(node) = identity {
            self.named.push(Named { name: shown, node, span: name.span, declared: None });
        }
    }

    /// Whether an annotation holds; reports if not.
    pub(super) fn holds(&mut self, ty: &ast::Type, val: &Val, span: Span) -> bool {
        let sizes: Option<Vec<usize>> =
            ty.sizes.iter().map(|size| self.static_size(size)).collect();
        let (Some(sizes), Some(width)) = (sizes, kind_width(ty.kind)) else { return false };
        // axes of index variables around a call belong to the caller
        let shape = self.ir.shape(val.node);
        let own: Vec<usize> = val.bare_stat().into_iter().map(|axis| shape.stat[axis]).collect();
        let holds = own == sizes && val.kind() == width;
        if !holds {
            let found = type_text(val.kind(), &own);
            let problem = self
                .problem(codes::ANNOTATION_MISMATCH, ty.span)
                .here("the annotation")
                .label(span, format!("this is a {found}"))
                .note(format!("found:    {found}"))
                .note(format!("expected: {}", type_text(width, &sizes)));
            self.diags.push(problem);
        }
        holds
    }

    /// The power of n that an annotation states: `vec * n^(-1/2)`; no factor states nothing about a scale.
    fn declared_scale(&mut self, ty: &ast::Type) -> Option<(Exponent, Span)> {
        let factor = ty.factor.as_ref()?;
        let Value::Tensor(val) = self.expr(factor) else { return None };
        let power = match self.ir.node(val.node) {
            Node::Width(power) => Some(*power),
            Node::Const(_) => Some(Exponent::from_integer(0)),
            _ => None,
        };
        if power.is_none() {
            let problem = self
                .problem(codes::ANNOTATION_FACTOR, factor.span)
                .here("not a power of n")
                .help("write `* n^(-1/2)`: the scale of a value is a power of the width");
            self.diags.push(problem);
        }
        power.map(|power| (power, ty.span))
    }
}

/// How many width axes a kind has; `None` where the kind was already reported.
pub(super) fn kind_width(kind: ast::Kind) -> Option<usize> {
    match kind {
        ast::Kind::Scalar => Some(0),
        ast::Kind::Vec => Some(1),
        ast::Kind::Mat => Some(2),
        ast::Kind::Error => None,
    }
}
