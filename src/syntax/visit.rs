//! A walk over a syntax tree that may change it.

use super::ast::*;
use crate::source::Span;

/// What is done on the way.
pub trait Visitor {
    /// At every position.
    fn span(&mut self, _: &mut Span) {}
    /// At every name that is introduced or assigned to.
    fn name(&mut self, _: &mut Name) {}
    /// At every expression, after what it is made of.
    fn expr(&mut self, _: &mut Expr) {}
}

/// Walks over statements.
pub fn stmts(list: &mut [Stmt], visitor: &mut impl Visitor) {
    list.iter_mut().for_each(|stmt| self::stmt(stmt, visitor));
}

fn block(block: &mut Block, visitor: &mut impl Visitor) {
    visitor.span(&mut block.span);
    stmts(&mut block.stmts, visitor);
}

/// Walks over one statement.
#[allow(clippy::too_many_lines)] // a table: one line or two for each statement
pub fn stmt(stmt: &mut Stmt, visitor: &mut impl Visitor) {
    visitor.span(&mut stmt.span);
    match &mut stmt.kind {
        StmtKind::Use(UsePath::File(file)) => visitor.span(&mut file.span),
        StmtKind::Use(UsePath::Module(parts)) => {
            parts.iter_mut().for_each(|part| visitor.span(&mut part.span));
        }
        StmtKind::Const { name, value } => {
            self::name(name, visitor);
            expr(value, visitor);
        }
        StmtKind::Data { name, ty, value } => {
            self::name(name, visitor);
            self::ty(ty, visitor);
            expr(value, visitor);
        }
        StmtKind::Init { names, ty, law } => {
            self::names(names, visitor);
            self::ty(ty, visitor);
            expr(law, visitor);
        }
        StmtKind::Fn { name, params, body } => {
            self::name(name, visitor);
            names(params, visitor);
            expr(body, visitor);
        }
        StmtKind::Def { name, params, body } | StmtKind::Net { name, inputs: params, body } => {
            self::name(name, visitor);
            self::params(params, visitor);
            block(body, visitor);
        }
        StmtKind::Let { target, ty, value } | StmtKind::Var { target, ty, value } => {
            self::target(target, visitor);
            ty.iter_mut().for_each(|ty| self::ty(ty, visitor));
            expr(value, visitor);
        }
        StmtKind::Assign { target, value } => {
            self::target(target, visitor);
            expr(value, visitor);
        }
        StmtKind::For { var, range, body } => {
            name(var, visitor);
            self::range(range, visitor);
            block(body, visitor);
        }
        StmtKind::If { cond, then, otherwise } => {
            expr(cond, visitor);
            block(then, visitor);
            otherwise.iter_mut().for_each(|other| block(other, visitor));
        }
        StmtKind::Output(items) => items.iter_mut().for_each(|item| {
            visitor.span(&mut item.span);
            expr(&mut item.value, visitor);
            item.name.iter_mut().for_each(|name| visitor.span(&mut name.span));
        }),
        StmtKind::Expect { actual, expected, within } => {
            [actual, expected, within].into_iter().for_each(|part| expr(part, visitor));
        }
        StmtKind::Return(value) => expr(value, visitor),
        StmtKind::Param { names, ty } => {
            self::names(names, visitor);
            self::ty(ty, visitor);
        }
        StmtKind::Optimizer { name, params, body } => {
            self::name(name, visitor);
            hypers(params, visitor);
            block(body, visitor);
        }
        StmtKind::State(items) => hypers(items, visitor),
        StmtKind::Update { params, body } => {
            names(params, visitor);
            block(body, visitor);
        }
        StmtKind::Train { net, on, body } => {
            name(net, visitor);
            on.iter_mut().for_each(|data| expr(data, visitor));
            block(body, visitor);
        }
        StmtKind::Item { word, value, args, rows } => {
            visitor.span(&mut word.span);
            value.iter_mut().for_each(|value| expr(value, visitor));
            self::args(args, visitor);
            for row in rows {
                visitor.span(&mut row.name.span);
                self::args(&mut row.args, visitor);
            }
        }
        StmtKind::Error => {}
    }
}

fn name(name: &mut Name, visitor: &mut impl Visitor) {
    visitor.span(&mut name.span);
    visitor.name(name);
}

fn names(list: &mut [Name], visitor: &mut impl Visitor) {
    list.iter_mut().for_each(|name| self::name(name, visitor));
}

fn params(list: &mut [Param], visitor: &mut impl Visitor) {
    for param in list {
        name(&mut param.name, visitor);
        param.ty.iter_mut().for_each(|ty| self::ty(ty, visitor));
    }
}

fn hypers(list: &mut [Hyper], visitor: &mut impl Visitor) {
    for hyper in list {
        name(&mut hyper.name, visitor);
        hyper.value.iter_mut().for_each(|value| expr(value, visitor));
    }
}

fn target(target: &mut Target, visitor: &mut impl Visitor) {
    match target {
        Target::Name { name, indices } => {
            self::name(name, visitor);
            names(indices, visitor);
        }
        Target::Tuple(parts) => names(parts, visitor),
        Target::Error(span) => visitor.span(span),
    }
}

fn ty(ty: &mut Type, visitor: &mut impl Visitor) {
    visitor.span(&mut ty.span);
    ty.sizes.iter_mut().chain(&mut ty.factor).for_each(|part| expr(part, visitor));
}

fn range(range: &mut Range, visitor: &mut impl Visitor) {
    visitor.span(&mut range.span);
    expr(&mut range.lo, visitor);
    expr(&mut range.hi, visitor);
}

fn args(list: &mut [Arg], visitor: &mut impl Visitor) {
    for arg in list {
        arg.name.iter_mut().for_each(|name| visitor.span(&mut name.span));
        match &mut arg.value {
            ArgValue::Expr(value) => expr(value, visitor),
            ArgValue::Range(value) => range(value, visitor),
        }
    }
}

/// Walks over an expression.
pub fn expr(expr: &mut Expr, visitor: &mut impl Visitor) {
    visitor.span(&mut expr.span);
    match &mut expr.kind {
        ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Name(_)
        | ExprKind::Width
        | ExprKind::Error => {}
        ExprKind::Unary { arg: inner, .. } | ExprKind::Prime(inner) => self::expr(inner, visitor),
        ExprKind::Binary { left, right, .. } => {
            self::expr(left, visitor);
            self::expr(right, visitor);
        }
        ExprKind::If { cond, then, otherwise } => {
            [cond, then, otherwise].into_iter().for_each(|part| self::expr(part, visitor));
        }
        ExprKind::Index { base, subscripts } => {
            self::expr(base, visitor);
            for subscript in subscripts {
                match subscript {
                    Subscript::Expr(inner) => self::expr(inner, visitor),
                    Subscript::Range(inner) => range(inner, visitor),
                    Subscript::Binder { name, range: inner } => {
                        self::name(name, visitor);
                        range(inner, visitor);
                    }
                }
            }
        }
        ExprKind::Call { callee, args: list } => {
            self::expr(callee, visitor);
            args(list, visitor);
        }
        ExprKind::Member { base, name } => {
            visitor.span(&mut name.span);
            self::expr(base, visitor);
        }
        ExprKind::Array(parts) | ExprKind::Tuple(parts) => {
            parts.iter_mut().for_each(|part| self::expr(part, visitor));
        }
    }
    visitor.expr(expr);
}
