//! What the actions of the grammar do: build nodes, and report what parses but is not allowed.
//!
//! The grammar is deliberately wider than the language where a mistake is common (`x = 1;`, `a < b < c`, `x[]`), so
//! that the message can say what is wrong instead of listing tokens. Trees are limited in depth here, once, so that
//! no later stage can run out of stack.

use super::number::parse_number;
use crate::diag::{Code, Diagnostic, codes};
use crate::source::{Source, Span};
use crate::syntax::ast::*;
use crate::syntax::token::Token;
use lalrpop_util::{ErrorRecovery, ParseError};
use std::cell::RefCell;

/// The deepest expression that is accepted.
pub(crate) const MAX_DEPTH: usize = 200;

/// The longest chain of `else if`.
const MAX_CHAIN: usize = 60;

/// An error from which the generated parser recovered.
pub(crate) type Recovery = ErrorRecovery<usize, Token, ()>;

/// An expression and the depth of its tree.
pub(crate) struct Built {
    /// The tree.
    pub(crate) expr: Expr,
    /// Its depth.
    pub(crate) depth: usize,
}

/// Builds the nodes of one file.
pub(crate) struct Tree<'s> {
    source: &'s Source,
    reports: RefCell<Vec<Diagnostic>>,
    recoveries: RefCell<Vec<Recovery>>,
}

impl<'s> Tree<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Self { source, reports: RefCell::default(), recoveries: RefCell::default() }
    }

    /// Everything reported, and the errors that the generated parser recovered from.
    pub(super) fn finish(self) -> (Vec<Diagnostic>, Vec<Recovery>) {
        (self.reports.into_inner(), self.recoveries.into_inner())
    }

    pub(crate) fn recover(&self, recovery: Recovery) {
        self.recoveries.borrow_mut().push(recovery);
    }

    /// An error before a block, in the statement that begins at `start`. If this is no statement that has a block, the
    /// inside was meant to be something else, and what was found in it is forgotten.
    pub(crate) fn recover_block(&self, recovery: Recovery, start: usize, block: &Block) {
        let word = self.source.text[start..].split(|c: char| !c.is_alphabetic()).next();
        if !matches!(word, Some("for" | "if" | "def")) {
            let inside = |place: usize| block.span.range().contains(&place);
            let place = |report: &Diagnostic| {
                report.primary.as_ref().map(|label| label.span.start as usize)
            };
            self.reports.borrow_mut().retain(|report| !place(report).is_some_and(inside));
            self.recoveries.borrow_mut().retain(|recovery| match &recovery.error {
                ParseError::UnrecognizedToken { token: (start, ..), .. } => !inside(*start),
                ParseError::UnrecognizedEof { .. }
                | ParseError::InvalidToken { .. }
                | ParseError::ExtraToken { .. }
                | ParseError::User { .. } => true,
            });
        }
        self.recover(recovery);
    }

    fn span(&self, l: usize, r: usize) -> Span {
        Span::new(self.source.id, l, r.max(l))
    }

    fn source_text(&self, span: Span) -> &'s str {
        self.source.text.get(span.range()).unwrap_or("")
    }

    fn report(&self, diagnostic: Diagnostic) {
        self.reports.borrow_mut().push(diagnostic);
    }

    fn at(&self, code: Code, l: usize, r: usize, title: &str) -> Diagnostic {
        Diagnostic::new(code, self.span(l, r), title)
    }
}

/// Statements.
impl Tree<'_> {
    pub(crate) fn program(&self, stmts: Vec<Stmt>) -> Program {
        for stmt in &stmts {
            self.check_place(stmt, &Place::default());
        }
        Program { stmts, nets: Vec::new() }
    }

    pub(crate) fn block(&self, stmts: Vec<Stmt>, l: usize, r: usize) -> Block {
        Block { stmts, span: self.span(l, r) }
    }

    pub(crate) fn stmt(&self, kind: StmtKind, l: usize, r: usize) -> Stmt {
        Stmt { kind, span: self.span(l, r) }
    }

    pub(crate) fn assign(&self, left: Built, value: Expr, l: usize, r: usize) -> StmtKind {
        let target = self.target_of(left.expr).unwrap_or_else(|| {
            let report =
                self.at(codes::ASSIGN_TO_EXPRESSION, l, r, "not a variable on the left of `:=`");
            let report = report.here("an expression, not a name");
            self.report(
                report.help("assign to the whole variable: `x := …` or `x[i] := …` for all i"),
            );
            Target::Error(self.span(l, r))
        });
        StmtKind::Assign { target, value }
    }

    /// `x` or `x[i, a]`, if that is what the expression looks like.
    fn target_of(&self, left: Expr) -> Option<Target> {
        let as_name = |expr: Expr| match expr.kind {
            ExprKind::Name(text) => Some(Name { text, span: expr.span }),
            _ => None,
        };
        match left.kind {
            ExprKind::Index { base, subscripts } => {
                let indices = subscripts.into_iter().map(|subscript| match subscript {
                    Subscript::Expr(expr) => as_name(expr),
                    Subscript::Range(_) | Subscript::Binder { .. } => None,
                });
                Some(Target::Name {
                    name: as_name(*base)?,
                    indices: indices.collect::<Option<_>>()?,
                })
            }
            ExprKind::Error => Some(Target::Error(left.span)),
            _ => Some(Target::Name { name: as_name(left)?, indices: Vec::new() }),
        }
    }

    pub(crate) fn equals_for_assign(
        &self,
        left: Built,
        value: Expr,
        l: usize,
        r: usize,
    ) -> StmtKind {
        let name = self.source_text(left.expr.span).to_owned();
        let report = self.at(codes::EQUALS_FOR_ASSIGN, l, r, "`=` in place of `:=`");
        let report = report.here("`=` stands in declarations only");
        self.report(report.help(format!(
            "write `let {name} = …;` for a new name, `{name} := …;` to change a `var`"
        )));
        let span = left.expr.span;
        let target = self.target_of(left.expr).unwrap_or(Target::Error(span));
        StmtKind::Assign { target, value }
    }

    pub(crate) fn bare_expression(&self, value: Built, l: usize, r: usize) -> StmtKind {
        if value.expr.kind != ExprKind::Error {
            let report = self.at(codes::BARE_EXPRESSION, l, r, "expression without a use");
            let report = report.here("nothing is done with this value");
            self.report(report.help("write `output …;` to print it, `let x = …;` to name it"));
        }
        StmtKind::Error
    }

    pub(crate) fn else_if(
        &self,
        cond: Expr,
        then: Block,
        (inner, length): (StmtKind, usize),
        l: usize,
        r: usize,
    ) -> (StmtKind, usize) {
        let span = self.span(l, r);
        let word = self.span(l, l + "if".len());
        let too_long = length >= MAX_CHAIN;
        if too_long {
            self.report(self.too_deep(word, &format!("more than {MAX_CHAIN} `else if` in a row")));
        }
        let kind = if too_long { StmtKind::Error } else { inner };
        let otherwise = Some(Block { stmts: vec![Stmt { kind, span }], span });
        let length = if too_long { 0 } else { length + 1 };
        (StmtKind::If { cond, then, otherwise }, length)
    }

    /// `train f on (xs, ys) { … }`; `on` is no reserved word.
    pub(crate) fn train(&self, net: Name, on: Name, data: Vec<Expr>, body: Block) -> StmtKind {
        if on.text != "on" {
            let report = Diagnostic::new(codes::TRAIN_ON, on.span, codes::TRAIN_ON.title());
            let report = report.here("`on` expected");
            self.report(report.help("write `train f on (xs, ys) { … }`"));
        }
        StmtKind::Train { net, on: data, body }
    }

    pub(crate) fn item(
        &self,
        word: Name,
        value: Option<Expr>,
        args: Vec<(Arg, usize)>,
        rows: Vec<Row>,
    ) -> StmtKind {
        let args: Vec<Arg> = args.into_iter().map(|(arg, _)| arg).collect();
        self.check_args(&args);
        StmtKind::Item { word, value, args, rows }
    }

    pub(crate) fn row(&self, name: Name, args: Vec<(Arg, usize)>) -> Row {
        let args: Vec<Arg> = args.into_iter().map(|(arg, _)| arg).collect();
        self.check_args(&args);
        Row { name, args }
    }

    pub(crate) fn output_item(
        &self,
        value: Expr,
        name: Option<Text>,
        l: usize,
        r: usize,
    ) -> OutputItem {
        OutputItem { value, name, span: self.span(l, r) }
    }

    pub(crate) fn ty(
        &self,
        word: Name,
        sizes: Option<Vec<Expr>>,
        factor: Option<Built>,
        l: usize,
        r: usize,
    ) -> Type {
        let kind = Kind::from_word(&word.text).unwrap_or_else(|| {
            let report = Diagnostic::new(codes::UNKNOWN_KIND, word.span, "not a kind");
            let report = report.here("this is no kind of value");
            self.report(report.help("write `scalar`, `vec` (size n) or `mat` (size n by n)"));
            Kind::Error
        });
        let factor = factor.map(|built| built.expr);
        Type { kind, sizes: sizes.unwrap_or_default(), factor, span: self.span(l, r) }
    }

    pub(crate) fn range(&self, lo: Built, hi: Built, l: usize, r: usize) -> (Range, usize) {
        let depth = lo.depth.max(hi.depth);
        (Range { lo: lo.expr, hi: hi.expr, span: self.span(l, r) }, depth)
    }

    pub(crate) fn name(&self, l: usize, r: usize) -> Name {
        let span = self.span(l, r);
        Name { text: self.source_text(span).to_owned(), span }
    }

    pub(crate) fn text(&self, l: usize, r: usize) -> Text {
        let span = self.span(l, r);
        Text { text: self.source_text(span).trim_matches('"').to_owned(), span }
    }
}

/// Expressions.
impl Tree<'_> {
    pub(crate) fn too_deep(&self, span: Span, fact: &str) -> Diagnostic {
        let report = Diagnostic::new(codes::TOO_DEEP, span, "nested too deeply").here(fact);
        report.help("name the inner parts with `let`")
    }

    /// A node one level above trees of depth `below`.
    fn node(&self, kind: ExprKind, below: usize, l: usize, r: usize) -> Built {
        let span = self.span(l, r);
        if below >= MAX_DEPTH {
            self.report(
                self.too_deep(span, &format!("more than {MAX_DEPTH} operations inside each other")),
            );
            return Built { expr: Expr { kind: ExprKind::Error, span }, depth: 1 };
        }
        Built { expr: Expr { kind, span }, depth: below + 1 }
    }

    pub(crate) fn number(&self, l: usize, r: usize) -> Built {
        let text = self.source_text(self.span(l, r));
        let kind = match parse_number(text) {
            Some(number) => ExprKind::Number(number),
            None => {
                // A malformed one was reported by the lexer; what is left is beyond floating point.
                if text.parse::<f64>().is_ok_and(f64::is_infinite) {
                    let report = self.at(codes::HUGE_NUMBER, l, r, "number too large");
                    self.report(report.here("larger than 1.8e308, the largest double"));
                }
                ExprKind::Error
            }
        };
        self.node(kind, 0, l, r)
    }

    pub(crate) fn text_atom(&self, l: usize, r: usize) -> Built {
        self.node(ExprKind::Text(self.text(l, r).text), 0, l, r)
    }

    pub(crate) fn name_atom(&self, l: usize, r: usize) -> Built {
        self.node(ExprKind::Name(self.name(l, r).text), 0, l, r)
    }

    pub(crate) fn width(&self, l: usize, r: usize) -> Built {
        self.node(ExprKind::Width, 0, l, r)
    }

    pub(crate) fn unary(&self, op: UnaryOp, arg: Built, l: usize, r: usize) -> Built {
        self.node(ExprKind::Unary { op, arg: Box::new(arg.expr) }, arg.depth, l, r)
    }

    pub(crate) fn binary(&self, op: BinaryOp, a: Built, b: Built, l: usize, r: usize) -> Built {
        let (left, right) = (Box::new(a.expr), Box::new(b.expr));
        self.node(ExprKind::Binary { op, left, right }, a.depth.max(b.depth), l, r)
    }

    pub(crate) fn chained(&self, l: usize, r: usize) -> Built {
        let report = self.at(codes::CHAINED_COMPARISON, l, r, "chained comparison");
        let report = report.here("a comparison has two sides");
        self.report(report.help("write `a < b and b < c`"));
        self.node(ExprKind::Error, 0, l, r)
    }

    pub(crate) fn conditional(
        &self,
        cond: Built,
        then: Built,
        otherwise: Built,
        l: usize,
        r: usize,
    ) -> Built {
        let depth = cond.depth.max(then.depth).max(otherwise.depth);
        let [cond, then, otherwise] = [cond, then, otherwise].map(|built| Box::new(built.expr));
        self.node(ExprKind::If { cond, then, otherwise }, depth, l, r)
    }

    /// `if c { a } else { b }` where a value stands.
    pub(crate) fn braced_conditional(
        &self,
        brace: usize,
        parts: [Built; 3],
        l: usize,
        r: usize,
    ) -> Built {
        let report = self.at(codes::MISSING_THEN, brace, brace + 1, "`if` without `then`");
        let report = report.here("`then` expected");
        self.report(report.help("a value is written `if c then a else b`, without braces"));
        let [cond, then, otherwise] = parts;
        self.conditional(cond, then, otherwise, l, r)
    }

    pub(crate) fn index(
        &self,
        base: Built,
        subscripts: Vec<(Subscript, usize)>,
        l: usize,
        r: usize,
    ) -> Built {
        let depth = subscripts.iter().map(|(_, depth)| *depth).fold(base.depth, usize::max);
        let subscripts = subscripts.into_iter().map(|(subscript, _)| subscript).collect();
        self.node(ExprKind::Index { base: Box::new(base.expr), subscripts }, depth, l, r)
    }

    pub(crate) fn empty_index(&self, l: usize, r: usize) -> Built {
        let report = self.at(codes::EMPTY_SUBSCRIPT, l, r, "empty subscript");
        let report = report.here("nothing between the brackets");
        self.report(report.help("leave the brackets away: unfilled axes stay"));
        self.node(ExprKind::Error, 0, l, r)
    }

    pub(crate) fn call(&self, callee: Built, args: Vec<(Arg, usize)>, l: usize, r: usize) -> Built {
        let depth = args.iter().map(|(_, depth)| *depth).fold(callee.depth, usize::max);
        let args: Vec<Arg> = args.into_iter().map(|(arg, _)| arg).collect();
        self.check_args(&args);
        self.node(ExprKind::Call { callee: Box::new(callee.expr), args }, depth, l, r)
    }

    fn check_args(&self, args: &[Arg]) {
        let mut named: Vec<&Name> = Vec::new();
        for arg in args {
            let Some(name) = &arg.name else {
                if let Some(last) = named.last() {
                    let title = "argument without a name after a named one";
                    let report =
                        Diagnostic::new(codes::POSITIONAL_AFTER_NAMED, arg.value.span(), title);
                    let report = report.here("which argument is this?").label(last.span, "named");
                    self.report(report.help("write the arguments without names first"));
                }
                continue;
            };
            if let Some(first) = named.iter().find(|first| first.text == name.text) {
                let report =
                    Diagnostic::new(codes::REPEATED_ARGUMENT, name.span, "argument given twice");
                let report = report.here(format!("`{}` again", name.text));
                self.report(report.label(first.span, "first here"));
            }
            named.push(name);
        }
    }

    pub(crate) fn prime(&self, base: Built, l: usize, r: usize) -> Built {
        self.node(ExprKind::Prime(Box::new(base.expr)), base.depth, l, r)
    }

    pub(crate) fn member(&self, base: Built, name: Name, l: usize, r: usize) -> Built {
        self.node(ExprKind::Member { base: Box::new(base.expr), name }, base.depth, l, r)
    }

    pub(crate) fn tuple(&self, first: Built, rest: Vec<Built>, l: usize, r: usize) -> Built {
        let (entries, depth) = collect(std::iter::once(first).chain(rest));
        self.node(ExprKind::Tuple(entries), depth, l, r)
    }

    pub(crate) fn array(&self, entries: Vec<Built>, l: usize, r: usize) -> Built {
        if entries.is_empty() {
            let report = self.at(codes::EMPTY_ARRAY, l, r, "empty array");
            self.report(report.here("an axis has at least one entry"));
            return self.node(ExprKind::Error, 0, l, r);
        }
        let (entries, depth) = collect(entries.into_iter());
        self.node(ExprKind::Array(entries), depth, l, r)
    }
}

fn collect(built: impl Iterator<Item = Built>) -> (Vec<Expr>, usize) {
    let mut depth = 0;
    let entries = built.map(|built| {
        depth = depth.max(built.depth);
        built.expr
    });
    let entries = entries.collect();
    (entries, depth)
}

/// What surrounds a statement.
#[derive(Clone, Debug, Default)]
struct Place {
    block: Option<&'static str>,
    in_def: bool,
}

/// Which statements may stand where.
impl Tree<'_> {
    fn check_place(&self, stmt: &Stmt, place: &Place) {
        let within = |block: &'static str| Place { block: Some(block), ..place.clone() };
        match &stmt.kind {
            StmtKind::Use(_) => self.top_level(stmt, "use", place),
            StmtKind::Const { .. } => self.top_level(stmt, "const", place),
            StmtKind::Data { .. } => self.top_level(stmt, "data", place),
            StmtKind::Init { .. } => self.top_level(stmt, "init", place),
            StmtKind::Fn { .. } => self.top_level(stmt, "fn", place),
            StmtKind::Def { body, .. } => {
                self.top_level(stmt, "def", place);
                self.check_block(body, &Place { block: Some("def"), in_def: true });
            }
            StmtKind::Net { body, .. } => {
                self.top_level(stmt, "net", place);
                self.check_block(body, &Place { block: Some("net"), in_def: true });
            }
            StmtKind::Optimizer { body, .. } => {
                self.top_level(stmt, "optimizer", place);
                self.check_block(body, &Place { block: Some("optimizer"), in_def: false });
            }
            StmtKind::Train { body, .. } => {
                self.top_level(stmt, "train", place);
                self.check_block(body, &Place { block: Some("train"), in_def: false });
            }
            StmtKind::Update { body, .. } => {
                self.inside(stmt, ("update", "optimizer"), place);
                self.check_block(body, &Place { block: Some("update"), in_def: true });
            }
            StmtKind::Param { .. } => self.inside(stmt, ("param", "net"), place),
            StmtKind::State(_) => self.inside(stmt, ("state", "optimizer"), place),
            StmtKind::Item { word, .. } => self.inside(stmt, (&word.text, "train"), place),
            StmtKind::For { body, .. } => self.check_block(body, &within("for")),
            StmtKind::If { then, otherwise, .. } => {
                self.check_block(then, &within("if"));
                otherwise.iter().for_each(|block| self.check_block(block, &within("if")));
            }
            StmtKind::Return(_) if !place.in_def => {
                let title = "`return` outside of a `def`";
                let report = Diagnostic::new(codes::RETURN_OUTSIDE, stmt.span, title);
                let report = report.here("there is nothing to return from");
                self.report(report.help("write `output …;` to print a value"));
            }
            StmtKind::Return(_) | StmtKind::Error => {}
            StmtKind::Let { .. } | StmtKind::Var { .. } | StmtKind::Assign { .. } => {
                self.not_inside(stmt, &["train", "optimizer"], place);
            }
            StmtKind::Output(_) | StmtKind::Expect { .. } => {
                self.not_inside(stmt, &["train", "optimizer", "net", "update"], place);
            }
        }
    }

    /// A statement that belongs into one sort of block.
    fn inside(&self, stmt: &Stmt, (word, block): (&str, &str), place: &Place) {
        if place.block != Some(block) {
            let start = stmt.span.start as usize;
            let title = codes::MISPLACED_ITEM.title();
            let report = self.at(codes::MISPLACED_ITEM, start, start + word.len(), title);
            let found = place.block.map_or("at the top level".to_owned(), |b| format!("in `{b}`"));
            let report = report.here(format!("`{word}` {found}"));
            self.report(
                report.help(format!("`{word}` stands directly inside of `{block} … {{ }}`")),
            );
        }
    }

    /// A statement that has no meaning in some blocks.
    fn not_inside(&self, stmt: &Stmt, blocks: &[&str], place: &Place) {
        let Some(block) = place.block.filter(|block| blocks.contains(block)) else { return };
        let title = codes::MISPLACED_ITEM.title();
        let report = Diagnostic::new(codes::MISPLACED_ITEM, stmt.span, title);
        let holds = match block {
            "train" => "`train` holds items such as `steps 10;`",
            "optimizer" => "`optimizer` holds `state m = 0;` and `update(g, t) { … }`",
            _ => "print results outside of it",
        };
        self.report(report.here(format!("not in `{block}`")).help(holds));
    }

    fn check_block(&self, block: &Block, place: &Place) {
        block.stmts.iter().for_each(|stmt| self.check_place(stmt, place));
    }

    fn top_level(&self, stmt: &Stmt, word: &str, place: &Place) {
        if let Some(block) = place.block {
            let title = "declaration inside a block";
            let start = stmt.span.start as usize;
            let report = self.at(codes::NOT_TOP_LEVEL, start, start + word.len(), title);
            let report = report.here(format!("`{word}` inside of `{block}`"));
            self.report(report.help(format!("move the `{word}` out of the block")));
        }
    }
}
