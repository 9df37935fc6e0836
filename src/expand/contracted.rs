//! Which vec parameters a network sums over its neurons: those of the last layer.
//!
//! The standard parametrization is the fan-in rule: entries of a parameter that is contracted over the width have
//! variance 1/n, entries of others do not depend on it.

use crate::syntax::ast::{ArgValue, BinaryOp, Expr, ExprKind, Name, Stmt, Subscript};
use crate::syntax::visit::{self, Visitor};

/// Whether `name`, a vec with so many static axes, stands in `sum[a](name[a] * …)` or `avg(name * …)`.
pub(super) fn is_contracted(name: &Name, sizes: usize, stmts: &[Stmt]) -> bool {
    let mut finder = Finder { name: &name.text, sizes, found: false };
    visit::stmts(&mut stmts.to_vec(), &mut finder);
    finder.found
}

struct Finder<'a> {
    name: &'a str,
    sizes: usize,
    found: bool,
}

impl Visitor for Finder<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        let ExprKind::Call { callee, args } = &expr.kind else { return };
        let bound: Option<Vec<String>> = match &callee.kind {
            ExprKind::Name(function) if function == "avg" => None,
            ExprKind::Index { base, subscripts } if is_contraction(base) => Some(names(subscripts)),
            _ => return,
        };
        self.found |= args.iter().any(|arg| match &arg.value {
            ArgValue::Expr(inner) => self.is_factor(inner, bound.as_deref()),
            ArgValue::Range(_) => false,
        });
    }
}

impl Finder<'_> {
    /// Whether the parameter is a factor of the expression or of a term: with a bound index after its static ones, or, where
    /// nothing is bound, at all. What functions and other sums make of it is no sum over it.
    fn is_factor(&self, expr: &Expr, bound: Option<&[String]>) -> bool {
        match &expr.kind {
            ExprKind::Name(name) => bound.is_none() && name == self.name,
            ExprKind::Index { base, subscripts } => {
                let own = matches!(&base.kind, ExprKind::Name(name) if name == self.name);
                let index = subscripts.get(self.sizes..).map(names).unwrap_or_default();
                own && bound.is_none_or(|bound| index.first().is_some_and(|k| bound.contains(k)))
            }
            ExprKind::Unary { arg, .. } => self.is_factor(arg, bound),
            ExprKind::Binary { op: BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, left, right } => {
                self.is_factor(left, bound) || self.is_factor(right, bound)
            }
            ExprKind::Binary { op: BinaryOp::Div, left, .. } => self.is_factor(left, bound),
            _ => false,
        }
    }
}

fn is_contraction(base: &Expr) -> bool {
    matches!(&base.kind, ExprKind::Name(name) if name == "sum" || name == "mean")
}

/// The index variables of a binder.
fn names(subscripts: &[Subscript]) -> Vec<String> {
    let name = |subscript: &Subscript| match subscript {
        Subscript::Expr(Expr { kind: ExprKind::Name(name), .. }) => Some(name.clone()),
        _ => None,
    };
    subscripts.iter().filter_map(name).collect()
}
