//! Which vec parameters a network sums over its neurons: those of the last layer.
//!
//! The standard parametrization is the fan-in rule: entries of a parameter that is contracted over the width have
//! variance 1/n, entries of others do not depend on it.

use crate::syntax::ast::{ArgValue, Expr, ExprKind, Name, Stmt, Subscript};
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
        let bound = match &callee.kind {
            ExprKind::Name(function) if function == "avg" => None,
            ExprKind::Index { base, subscripts } if is_contraction(base) => Some(names(subscripts)),
            _ => return,
        };
        let mut uses = Uses { name: self.name, sizes: self.sizes, bound, found: false };
        for arg in args.clone() {
            if let ArgValue::Expr(mut inner) = arg.value {
                visit::expr(&mut inner, &mut uses);
            }
        }
        self.found |= uses.found;
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

/// Looks for the parameter: with a bound index after its static ones, or, where nothing is bound, at all.
struct Uses<'a> {
    name: &'a str,
    sizes: usize,
    bound: Option<Vec<String>>,
    found: bool,
}

impl Visitor for Uses<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        match (&expr.kind, &self.bound) {
            (ExprKind::Name(name), None) => self.found |= name == self.name,
            (ExprKind::Index { base, subscripts }, Some(bound)) => {
                let own = matches!(&base.kind, ExprKind::Name(name) if name == self.name);
                let index = subscripts.get(self.sizes).and_then(|index| match index {
                    Subscript::Expr(Expr { kind: ExprKind::Name(name), .. }) => Some(name),
                    _ => None,
                });
                self.found |= own && index.is_some_and(|index| bound.contains(index));
            }
            _ => {}
        }
    }
}
