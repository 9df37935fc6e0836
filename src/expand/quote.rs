//! Statements written as text with holes, for the positions of another piece of text.

use crate::diag::Diags;
use crate::ir::Exponent;
use crate::source::{FileId, Source, Span};
use crate::syntax::ast::{Expr, ExprKind, Stmt};
use crate::syntax::{parse, visit};
use num_traits::Zero;

/// The statements of a text, all at the position `at`; the names of holes stand for expressions, which keep theirs.
pub(super) fn quote(text: &str, at: Span, holes: &[(&str, &Expr)]) -> Vec<Stmt> {
    let source = Source { id: FileId(0), name: String::new(), text: text.to_owned() };
    let mut diags = Diags::default();
    let mut stmts = parse(&source, &mut diags).stmts;
    debug_assert!(!diags.has_errors(), "{text}\n{:?}", diags.sorted());
    visit::stmts(&mut stmts, &mut Placed { at, holes });
    stmts
}

struct Placed<'a> {
    at: Span,
    holes: &'a [(&'a str, &'a Expr)],
}

impl visit::Visitor for Placed<'_> {
    fn span(&mut self, span: &mut Span) {
        *span = self.at;
    }

    fn expr(&mut self, expr: &mut Expr) {
        if let ExprKind::Name(name) = &expr.kind
            && let Some((_, hole)) = self.holes.iter().find(|(known, _)| known == name)
        {
            *expr = (*hole).clone();
        }
    }
}

/// `n^(-1/2) * ` in front of something; nothing for n⁰.
pub(super) fn factor(power: Exponent) -> String {
    match power {
        power if power.is_zero() => String::new(),
        power if power == 1.into() => "n * ".to_owned(),
        power => format!("n^({power}) * "),
    }
}
