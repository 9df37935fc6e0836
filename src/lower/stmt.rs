//! Statements: loops, static conditions, blocks.

use super::output::Emitted;
use super::scope::{Binding, How};
use super::value::{Val, Value};
use super::{Lowerer, NODE_LIMIT, SIZE_LIMIT};
use crate::diag::codes;
use crate::source::Span;
use crate::syntax::ast::{self, StmtKind};

impl Lowerer<'_> {
    pub(super) fn stmts(&mut self, stmts: &[ast::Stmt]) {
        for stmt in stmts {
            if self.full || self.returned.is_some() {
                return;
            }
            self.stmt(stmt);
            self.check_size(stmt.span);
        }
    }

    fn stmt(&mut self, stmt: &ast::Stmt) {
        match &stmt.kind {
            StmtKind::Const { name, value } => self.constant(name, value),
            StmtKind::Data { name, ty, value } => self.data(name, ty, value),
            StmtKind::Init { names, ty, law } => self.init(names, ty, law),
            StmtKind::Fn { .. } | StmtKind::Def { .. } | StmtKind::Error => {}
            // the stages before take these away
            StmtKind::Use(_)
            | StmtKind::Net { .. }
            | StmtKind::Param { .. }
            | StmtKind::Optimizer { .. }
            | StmtKind::State(_)
            | StmtKind::Update { .. }
            | StmtKind::Train { .. }
            | StmtKind::Item { .. } => {}
            StmtKind::Let { target, ty, value } => {
                self.bind_target(target, ty.as_ref(), value, How::Once)
            }
            StmtKind::Var { target, ty, value } => {
                self.bind_target(target, ty.as_ref(), value, How::Var)
            }
            StmtKind::Assign { target, value } => self.assign(target, value),
            StmtKind::For { var, range, body } => self.for_loop(var, range, body),
            StmtKind::If { cond, then, otherwise } => {
                self.static_if(cond, then, otherwise.as_ref())
            }
            StmtKind::Output(items) => items.iter().for_each(|item| self.output(item)),
            StmtKind::Expect { actual, expected, within } => {
                self.expect(stmt.span, actual, (expected, within))
            }
            StmtKind::Return(value) => {
                self.returned = Some((self.expr(value), value.span));
            }
        }
    }

    fn check_size(&mut self, span: Span) {
        if self.ir.len() > NODE_LIMIT && !self.full {
            self.full = true;
            let problem = self
                .problem(codes::PROGRAM_TOO_LARGE, span)
                .here(format!("here the unrolled program passes {NODE_LIMIT} nodes"))
                .help("use static axes (`let h[i] = …`) instead of loops where the steps do not depend on each other");
            self.diags.push(problem);
        }
    }

    fn for_loop(&mut self, var: &ast::Name, range: &ast::Range, body: &ast::Block) {
        let Some((lo, hi)) = self.static_range(range) else { return };
        let count = usize::try_from(hi - lo).unwrap_or(0);
        for (step, at) in (lo..hi).enumerate() {
            if self.full {
                return;
            }
            self.loops.push((step, count));
            self.scoped(|this| {
                let value = this.integer(at);
                let binding =
                    Binding { value, how: How::Fixed, identity: None, span: var.span, version: 0 };
                this.bind(var, binding);
                this.stmts(&body.stmts);
            });
            self.loops.pop();
        }
    }

    fn static_if(&mut self, cond: &ast::Expr, then: &ast::Block, otherwise: Option<&ast::Block>) {
        let value = self.expr(cond);
        let Value::Tensor(val) = value else { return };
        let Some(known) = val.known else {
            let problem = self
                .problem(codes::NOT_STATIC, cond.span)
                .here("this is not known at compile time")
                .help("an `if` statement chooses what is compiled; for values write the expression `if c then a else b`");
            self.diags.push(problem);
            return;
        };
        let block = if known.value != 0.0 { Some(then) } else { otherwise };
        if let Some(block) = block {
            self.scoped(|this| this.stmts(&block.stmts));
        }
    }

    /// An integer as a value.
    pub(super) fn integer(&mut self, value: i64) -> Value {
        let node = self.ir.constant(value as f64);
        let known = super::number::Num::exact(num_rational::Ratio::from_integer(i128::from(value)));
        Value::Tensor(Val { known: Some(known), ..Val::bare(node, 0, 0) })
    }

    /// A range of compile-time integers.
    pub(super) fn static_range(&mut self, range: &ast::Range) -> Option<(i64, i64)> {
        let (lo, hi) = (self.static_integer(&range.lo)?, self.static_integer(&range.hi)?);
        if usize::try_from(hi.saturating_sub(lo)).is_ok_and(|size| size > SIZE_LIMIT) {
            let problem =
                self.problem(codes::SIZE_OUT_OF_RANGE, range.span).here("this range is too long");
            self.diags.push(problem);
            return None;
        }
        Some((lo, hi))
    }

    /// A compile-time integer, or a diagnostic.
    pub(super) fn static_integer(&mut self, expr: &ast::Expr) -> Option<i64> {
        let Value::Tensor(val) = self.expr(expr) else { return None };
        let index = val.known.and_then(super::number::Num::as_index);
        if index.is_none() {
            let problem = self
                .problem(codes::NOT_AN_INTEGER, expr.span)
                .here("this must be an integer known at compile time")
                .help("use constants, loop variables and `+ - *` of them");
            self.diags.push(problem);
        }
        index
    }

    /// A compile-time size: an integer of at least 1.
    pub(super) fn static_size(&mut self, expr: &ast::Expr) -> Option<usize> {
        let value = self.static_integer(expr)?;
        let size = usize::try_from(value).ok().filter(|size| (1..=SIZE_LIMIT).contains(size));
        if size.is_none() {
            let problem = self
                .problem(codes::SIZE_OUT_OF_RANGE, expr.span)
                .here(format!("this is {value}"))
                .note(format!("expected: a size from 1 to {SIZE_LIMIT}"));
            self.diags.push(problem);
        }
        size
    }

    fn output(&mut self, item: &ast::OutputItem) {
        let Some(val) = self.tensor(&item.value) else { return };
        if val.kind() > 1 || !val.is_closed() {
            let problem = self
                .problem(codes::OUTPUT_KIND, item.span)
                .here(format!("this is a {}", self.type_of(&val)))
                .help("print scalars and vecs; of a mat, print what it does: `avg(v * (W @ v))`");
            self.diags.push(problem);
            return;
        }
        let named = item.name.is_some();
        let name = item
            .name
            .as_ref()
            .map_or_else(|| self.text(item.span).to_owned(), |name| name.text.clone());
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let path = self.loops.clone();
        let name = if named { name } else { without_parentheses(&name).to_owned() };
        self.emitted.push(Emitted { name, node: val.node, span: item.span, path });
    }
}

/// The text of an expression without parentheses around the whole of it.
fn without_parentheses(text: &str) -> &str {
    let Some(inside) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
        return text;
    };
    let mut depth = 0_i32;
    let closes = |letter: char| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        depth < 0
    };
    if inside.chars().any(closes) { text } else { inside }
}
