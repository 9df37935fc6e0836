//! Sort and range of index variables, found in what they index.
//!
//! `let h[i] = sum[j](xs[i, j] * U[j])` with `xs : scalar[M, d]` and `U : vec[d]`: i ranges over M, j over d. Every use
//! must agree; the first one found decides here, the others are checked where they are lowered.

use super::Lowerer;
use super::scope::{Index, Sort};
use super::value::Val;
use crate::diag::{Diagnostic, Diags, Severity, codes};
use crate::syntax::ast::{self, ArgValue, Expr, ExprKind, Subscript};

/// What the uses of new index variables tell.
#[derive(Default)]
struct Found {
    sorts: Vec<Option<Sort>>,
    /// What is wrong with values that they subscript; empty where that was reported.
    faults: Option<Vec<Diagnostic>>,
    /// Variables of binders around the place that is searched, which are not in scope.
    inner: Vec<String>,
}

impl Lowerer<'_> {
    /// The sorts of new index variables from their uses in `body`; `None` after a diagnostic.
    pub(super) fn infer_sorts(&mut self, names: &[ast::Name], body: &Expr) -> Option<Vec<Sort>> {
        for (position, name) in names.iter().enumerate() {
            if let Some(first) = names[..position].iter().find(|first| first.text == name.text) {
                let problem = self
                    .problem(codes::REPEATED_INDEX, name.span)
                    .here("introduced a second time")
                    .label(first.span, "introduced here");
                self.diags.push(problem);
                return None;
            }
        }
        let mut found = Found { sorts: vec![None; names.len()], ..Found::default() };
        while found.sorts.iter().any(Option::is_none) {
            let before = found.sorts.clone();
            found.faults = None;
            self.search(names, body, &mut found);
            if found.sorts == before {
                break;
            }
        }
        let sorts: Option<Vec<Sort>> = found.sorts.iter().copied().collect();
        match found.faults {
            Some(faults) if sorts.is_none() => faults.into_iter().for_each(|f| self.diags.push(f)),
            _ => {
                let open = names.iter().zip(&found.sorts).filter(|(_, sort)| sort.is_none());
                open.for_each(|(name, _)| self.no_range(name, body));
            }
        }
        sorts
    }

    fn no_range(&mut self, name: &ast::Name, body: &Expr) {
        let problem = if mentions(body, &name.text) {
            self.problem(codes::INDEX_WITHOUT_RANGE, name.span)
                .here(format!("nothing says what `{}` ranges over", name.text))
                .help(format!(
                    "state it: `sum[{0} in 0..M](…)`, or subscript a value with `{0}`",
                    name.text
                ))
        } else {
            self.problem(codes::UNUSED_INDEX, name.span)
                .here(format!("`{}` is not used", name.text))
                .label(body.span, "not in here")
                .help("remove it, or subscript something with it")
        };
        self.diags.push(problem);
    }

    /// One walk over the body, filling in what can be found.
    fn search(&mut self, names: &[ast::Name], expr: &Expr, found: &mut Found) {
        match &expr.kind {
            ExprKind::Index { .. } => self.search_index(names, expr, found),
            ExprKind::Call { callee, args } => {
                let shadowed = binder_names(callee);
                let open: Vec<ast::Name> =
                    names
                        .iter()
                        .map(|name| {
                            if shadowed.contains(&name.text) { hidden(name) } else { name.clone() }
                        })
                        .collect();
                if shadowed.is_empty() {
                    self.search(&open, callee, found);
                }
                let outer = found.inner.len();
                found.inner.extend(shadowed);
                for arg in args {
                    if let ArgValue::Expr(arg) = &arg.value {
                        self.search(&open, arg, found);
                    }
                }
                found.inner.truncate(outer);
            }
            ExprKind::Unary { arg, .. }
            | ExprKind::Prime(arg)
            | ExprKind::Member { base: arg, .. } => {
                self.search(names, arg, found);
            }
            ExprKind::Binary { left, right, .. } => {
                self.search(names, left, found);
                self.search(names, right, found);
            }
            ExprKind::If { cond, then, otherwise } => {
                [cond, then, otherwise]
                    .into_iter()
                    .for_each(|part| self.search(names, part, found));
            }
            ExprKind::Array(parts) | ExprKind::Tuple(parts) => {
                parts.iter().for_each(|part| self.search(names, part, found));
            }
            ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Name(_)
            | ExprKind::Width
            | ExprKind::Error => {}
        }
    }

    fn search_index(&mut self, names: &[ast::Name], expr: &Expr, found: &mut Found) {
        let mut subscripts = Vec::new();
        let base = flatten(expr, &mut subscripts);
        for subscript in &subscripts {
            if let Subscript::Expr(inner) = subscript
                && !matches!(inner.kind, ExprKind::Name(_))
            {
                self.search(names, inner, found);
            }
        }
        self.search(names, base, found);
        let which = |subscript: &&Subscript| match subscript {
            Subscript::Expr(Expr { kind: ExprKind::Name(name), .. }) => {
                names.iter().position(|known| known.text == *name)
            }
            // An error of its own, reported where it is lowered.
            Subscript::Binder { name, .. } => {
                names.iter().position(|known| known.text == name.text)
            }
            Subscript::Expr(_) | Subscript::Range(_) => None,
        };
        let is_open = |k: usize| found.sorts[k].is_none();
        if !subscripts.iter().any(|subscript| which(subscript).is_some_and(is_open)) {
            return;
        }
        let val = match self.quietly(base, names, &found.sorts) {
            Ok(val) => val,
            Err(faults) => {
                // the value may only be wrong because a variable in it is not known yet
                let open = (0..names.len()).filter(|k| is_open(*k)).map(|k| &names[k].text);
                if !open.chain(&found.inner).any(|name| mentions(base, name)) {
                    found.faults.get_or_insert_default().extend(faults);
                }
                return;
            }
        };
        let sizes = self.ir.shape(val.node).stat.clone();
        let stat = val.bare_stat();
        for (position, subscript) in subscripts.iter().enumerate() {
            let Some(k) = which(subscript).filter(|k| found.sorts[*k].is_none()) else { continue };
            found.sorts[k] = match stat.get(position) {
                Some(axis) => Some(Sort::Static(sizes[*axis])),
                None if position < stat.len() + val.kind() => Some(Sort::Width),
                None => None,
            };
        }
    }

    /// The value of a subscripted base, or its errors; index variables found so far are in scope.
    fn quietly(
        &mut self,
        base: &Expr,
        names: &[ast::Name],
        found: &[Option<Sort>],
    ) -> Result<Val, Vec<Diagnostic>> {
        let mut silent = Diags::default();
        std::mem::swap(self.diags, &mut silent);
        let named = self.named.len();
        let value = self.with_indices(|this| {
            for (name, sort) in names.iter().zip(found) {
                if let Some(sort) = *sort {
                    let index =
                        Index { name: name.text.clone(), sort, span: name.span, bound: true };
                    this.indices.introduce(index);
                }
            }
            this.tensor(base)
        });
        self.named.truncate(named);
        std::mem::swap(self.diags, &mut silent);
        value.ok_or_else(|| silent.at_least(Severity::Error).into_list())
    }
}

/// `x[i][a]` is `x[i, a]`: the innermost base and all subscripts in order.
fn flatten<'e>(expr: &'e Expr, subscripts: &mut Vec<&'e Subscript>) -> &'e Expr {
    match &expr.kind {
        ExprKind::Index { base, subscripts: own } => {
            let base = flatten(base, subscripts);
            subscripts.extend(own);
            base
        }
        _ => expr,
    }
}

/// Names that a binder introduces: those of `sum[i, j in 0..3]`.
fn binder_names(callee: &Expr) -> Vec<String> {
    let ExprKind::Index { base, subscripts } = &callee.kind else { return Vec::new() };
    let ExprKind::Name(name) = &base.kind else { return Vec::new() };
    if !super::binder::is_binder(name) {
        return Vec::new();
    }
    let introduced = |subscript: &Subscript| match subscript {
        Subscript::Expr(Expr { kind: ExprKind::Name(name), .. }) => Some(name.clone()),
        Subscript::Binder { name, .. } => Some(name.text.clone()),
        Subscript::Expr(_) | Subscript::Range(_) => None,
    };
    subscripts.iter().filter_map(introduced).collect()
}

/// A name that no program can write.
fn hidden(name: &ast::Name) -> ast::Name {
    ast::Name { text: format!("{} (shadowed)", name.text), span: name.span }
}

/// Whether a name occurs in an expression.
fn mentions(expr: &Expr, name: &str) -> bool {
    let any = |parts: &[Expr]| parts.iter().any(|part| mentions(part, name));
    match &expr.kind {
        ExprKind::Name(text) => text == name,
        ExprKind::Unary { arg, .. } | ExprKind::Prime(arg) | ExprKind::Member { base: arg, .. } => {
            mentions(arg, name)
        }
        ExprKind::Binary { left, right, .. } => mentions(left, name) || mentions(right, name),
        ExprKind::If { cond, then, otherwise } => {
            [cond, then, otherwise].iter().any(|part| mentions(part, name))
        }
        ExprKind::Index { base, subscripts } => {
            let inside = |subscript: &Subscript| match subscript {
                Subscript::Expr(inner) => mentions(inner, name),
                Subscript::Range(range) | Subscript::Binder { range, .. } => {
                    mentions(&range.lo, name) || mentions(&range.hi, name)
                }
            };
            mentions(base, name) || subscripts.iter().any(inside)
        }
        ExprKind::Call { callee, args } => {
            let inside =
                |arg: &ast::Arg| matches!(&arg.value, ArgValue::Expr(arg) if mentions(arg, name));
            (!binder_names(callee).contains(&name.to_owned()) && mentions(callee, name))
                || args.iter().any(inside)
        }
        ExprKind::Array(parts) | ExprKind::Tuple(parts) => any(parts),
        ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Width | ExprKind::Error => false,
    }
}
