//! `grad(s, p)`: the exact derivative of a scalar by a binding.

use super::Lowerer;
use super::scope::How;
use super::value::{Axis, IndexId, Val, Value};
use crate::diag::codes;
use crate::ir::passes::adjoint::{self, Placement};
use crate::ir::{NodeId, Shape};
use crate::source::Span;
use crate::syntax::ast::{self, ArgValue, Expr, ExprKind, Subscript};

/// What a static axis of the target was subscripted with.
enum Chosen {
    All,
    Index(IndexId),
    At(usize),
    Range(usize, usize),
}

impl Lowerer<'_> {
    pub(super) fn grad(&mut self, args: &[ast::Arg], span: Span) -> Value {
        let [
            ast::Arg { name: None, value: ArgValue::Expr(scalar) },
            ast::Arg { name: None, value: ArgValue::Expr(target) },
        ] = args
        else {
            return self.arity("grad", span, "a scalar and a name: `grad(loss, W)`", args.len());
        };
        let Some(at) = self.at(scalar) else { return Value::Error };
        if !at.val.width.is_empty() || at.val.stat.contains(&Axis::Bare) {
            let found = self.type_of(&at.val);
            let problem = self
                .problem(codes::GRAD_SCALAR, scalar.span)
                .here(format!("this is a {found}"))
                .note(format!("found:    {found}"))
                .note("expected: a scalar (static indices allowed)")
                .help("differentiate one number: `let d[i] = grad(f[i], h[i])`, `grad(loss, W)`");
            return self.fail(problem);
        }
        let Some((bind, chosen)) = self.grad_target(target) else { return Value::Error };
        self.ir.here = Some(span);
        self.place_gradient(&at.val, bind, &chosen, span)
    }

    /// The `Bind` node of the target and what its static axes are subscripted with.
    fn grad_target(&mut self, target: &Expr) -> Option<(NodeId, Vec<Chosen>)> {
        let (base, subscripts): (&Expr, &[Subscript]) = match &target.kind {
            ExprKind::Index { base, subscripts } => (base, subscripts),
            _ => (target, &[]),
        };
        let ExprKind::Name(name) = &base.kind else {
            let problem = self
                .problem(codes::GRAD_TARGET, target.span)
                .here("this is not a name")
                .help("bind it first: `let h = W @ x; … grad(loss, h)`");
            self.diags.push(problem);
            return None;
        };
        let Some(binding) = self.find(name) else {
            self.name(name, base.span);
            return None;
        };
        let (how, identity, first) = (binding.how, binding.identity, binding.span);
        let Some(bind) = identity.filter(|node| how != How::Fixed || self.is_bind(*node)) else {
            if !matches!(binding.value, Value::Error) {
                let problem = self
                    .problem(codes::GRAD_TARGET, base.span)
                    .here(format!("`{name}` is fixed at compile time"))
                    .label(first, "bound here")
                    .help("differentiate by an `init`, a `let` or a `var`");
                self.diags.push(problem);
            }
            return None;
        };
        let sizes = self.ir.shape(bind).stat.clone();
        if subscripts.len() > sizes.len() {
            let problem = self
                .problem(codes::GRAD_SUBSCRIPT, target.span)
                .here(format!("`{name}` has {} static axes", sizes.len()))
                .help("subscript static axes only; the gradient has all width axes of its target");
            self.diags.push(problem);
            return None;
        }
        let mut chosen = Vec::new();
        for (subscript, size) in subscripts.iter().zip(&sizes) {
            chosen.push(self.chosen(subscript, *size)?);
        }
        chosen.resize_with(sizes.len(), || Chosen::All);
        Some((bind, chosen))
    }

    fn is_bind(&self, node: NodeId) -> bool {
        matches!(self.ir.node(node), crate::ir::Node::Bind { .. })
    }

    fn chosen(&mut self, subscript: &Subscript, size: usize) -> Option<Chosen> {
        let outside = |this: &mut Self| {
            let problem = this
                .problem(codes::SUBSCRIPT_OUT_OF_RANGE, subscript.span())
                .here(format!("the axis has {size} entries, numbered from 0"));
            this.diags.push(problem);
            None
        };
        match subscript {
            Subscript::Expr(expr) => match self.index_variable(expr) {
                Some(id) if self.indices.get(id).sort == super::scope::Sort::Static(size) => {
                    Some(Chosen::Index(id))
                }
                Some(_) => outside(self),
                None => {
                    let at = self.static_integer(expr)?;
                    match usize::try_from(at) {
                        Ok(at) if at < size => Some(Chosen::At(at)),
                        _ => outside(self),
                    }
                }
            },
            Subscript::Range(range) => {
                let (lo, hi) = self.static_range(range)?;
                match (usize::try_from(lo), usize::try_from(hi)) {
                    (Ok(lo), Ok(hi)) if lo < hi && hi <= size => Some(Chosen::Range(lo, hi)),
                    _ => outside(self),
                }
            }
            Subscript::Binder { .. } => outside(self),
        }
    }

    fn place_gradient(
        &mut self,
        scalar: &Val,
        bind: NodeId,
        chosen: &[Chosen],
        span: Span,
    ) -> Value {
        let mut labels = scalar.stat.clone();
        let mut sizes = self.ir.shape(scalar.node).stat.clone();
        let target = self.ir.shape(bind).clone();
        let seed: Vec<usize> = (0..labels.len()).collect();
        let mut own = Vec::new();
        for (choice, size) in chosen.iter().zip(&target.stat) {
            let label = match choice {
                Chosen::Index(id) => Axis::Free(*id),
                Chosen::All | Chosen::At(_) | Chosen::Range(..) => Axis::Bare,
            };
            let shared = labels.iter().position(|known| *known == label && label != Axis::Bare);
            own.push(shared.unwrap_or(labels.len()));
            if shared.is_none() {
                labels.push(label);
                sizes.push(*size);
            }
        }
        let placement = Placement { seed: &seed, own: &own, sizes: &sizes };
        let node = match adjoint::gradient(&mut self.ir, scalar.node, bind, &placement) {
            Ok(Some(node)) => node,
            Ok(None) => {
                // a mistake may have cut the path
                if !self.diags.has_errors() {
                    let warning = self
                        .problem(codes::GRAD_NO_PATH, span)
                        .here("the gradient is 0")
                        .note("`grad` follows paths through this binding only; two bindings of equal value are two");
                    self.diags.push(warning);
                }
                self.ir.zeros(Shape::new(sizes.clone(), target.width))
            }
            Err(adjoint::NotDifferentiable(node)) => {
                let place = self.ir.origins(node).first().copied().unwrap_or(span);
                let problem = self
                    .problem(codes::GRAD_DIAGONAL, place)
                    .here("the diagonal of a mat is read here")
                    .label(span, "and differentiated here");
                return self.fail(problem);
            }
        };
        let width = vec![Axis::Bare; target.width];
        Value::Tensor(self.select(Val { node, stat: labels, width, known: None }, chosen, &own))
    }

    /// Entries and ranges of the target's static axes, last axis first so that positions stay valid.
    fn select(&mut self, mut val: Val, chosen: &[Chosen], own: &[usize]) -> Val {
        for (choice, axis) in chosen.iter().zip(own).rev() {
            match choice {
                Chosen::All | Chosen::Index(_) => {}
                Chosen::At(at) => {
                    val.node = self.ir.index(val.node, *axis, *at);
                    val.stat.remove(*axis);
                }
                Chosen::Range(lo, hi) => val.node = self.ir.slice(val.node, *axis, *lo, *hi),
            }
        }
        val
    }
}
