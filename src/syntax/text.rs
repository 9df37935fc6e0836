//! The text of a syntax tree: a program that parses to an equal tree.
//!
//! Comments and parentheses are gone; those that precedence needs are put in. The formatter is `syntax::print`, which
//! keeps what was written; this is for trees that nobody wrote, such as what a `train` block stands for.

use super::ast::*;

const INDENT: &str = "  ";

/// The text of a program.
pub fn text(program: &Program) -> String {
    let mut writer = Writer::default();
    writer.stmts(&program.stmts);
    writer.out
}

/// The text of one expression.
pub fn expr_text(expr: &Expr) -> String {
    expression(expr, Level::Expr)
}

/// How tightly an expression binds, loose to tight: the chain of rules in the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Expr,
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Apply,
    Unary,
    Power,
    Postfix,
    Atom,
}

#[derive(Default)]
struct Writer {
    out: String,
    depth: usize,
}

impl Writer {
    fn line(&mut self, text: &str) {
        self.out.push_str(&INDENT.repeat(self.depth));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn stmts(&mut self, stmts: &[Stmt]) {
        stmts.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn block(&mut self, head: &str, block: &Block) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        self.stmts(&block.stmts);
        self.depth -= 1;
        self.line("}");
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Def { name, params: list, body } => {
                self.block(&format!("def {}({})", name.text, params(list)), body);
            }
            StmtKind::Net { name, inputs, body } => {
                self.block(&format!("net {}({})", name.text, params(inputs)), body);
            }
            StmtKind::Optimizer { name, params, body } => {
                self.block(&format!("optimizer {}({})", name.text, hypers(params)), body);
            }
            StmtKind::Update { params, body } => {
                self.block(&format!("update({})", names(params)), body);
            }
            StmtKind::Train { net, on, body } => {
                let on: Vec<String> = on.iter().map(expr_text).collect();
                self.block(&format!("train {} on ({})", net.text, on.join(", ")), body);
            }
            StmtKind::For { var, range: over, body } => {
                self.block(&format!("for {} in {}", var.text, range(over)), body);
            }
            StmtKind::If { cond, then, otherwise } => {
                self.block(&format!("if {}", expr_text(cond)), then);
                if let Some(otherwise) = otherwise {
                    self.otherwise(otherwise);
                }
            }
            StmtKind::Item { word, value, args: list, rows } => {
                self.item(word, value.as_ref(), list, rows);
            }
            kind => {
                let text = simple(kind);
                self.line(&text);
            }
        }
    }

    /// `else` after the brace that was just closed.
    fn otherwise(&mut self, block: &Block) {
        self.out.pop();
        match block.stmts.as_slice() {
            [Stmt { kind: StmtKind::If { .. }, span }] if *span == block.span => {
                let mut inner = Self { out: String::new(), depth: self.depth };
                inner.stmts(&block.stmts);
                self.out.push_str(" else ");
                self.out.push_str(inner.out.trim_start());
            }
            _ => {
                let mut inner = Self { out: String::new(), depth: self.depth };
                inner.block("else", block);
                self.out.push(' ');
                self.out.push_str(inner.out.trim_start());
            }
        }
    }

    fn item(&mut self, word: &Name, value: Option<&Expr>, list: &[Arg], rows: &[Row]) {
        let mut head = word.text.clone();
        if let Some(value) = value {
            head.push(' ');
            head.push_str(&expr_text(value));
        }
        if !list.is_empty() {
            head = format!("{head} ({})", args(list));
        }
        if rows.is_empty() {
            self.line(&format!("{head};"));
            return;
        }
        let rows: Vec<String> =
            rows.iter().map(|row| format!("{}: {};", row.name.text, args(&row.args))).collect();
        self.line(&format!("{head} {{ {} }}", rows.join(" ")));
    }
}

/// Statements of one line.
fn simple(kind: &StmtKind) -> String {
    match kind {
        StmtKind::Use(UsePath::File(file)) => format!("use \"{}\";", file.text),
        StmtKind::Use(UsePath::Module(parts)) => {
            let parts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
            format!("use {};", parts.join("."))
        }
        StmtKind::Const { name, value } => format!("const {} = {};", name.text, expr_text(value)),
        StmtKind::Data { name, ty: kind, value } => {
            format!("data {} : {} = {};", name.text, ty(kind), expr_text(value))
        }
        StmtKind::Init { names: list, ty: kind, law } => {
            format!("init {} : {} ~ {};", names(list), ty(kind), expr_text(law))
        }
        StmtKind::Fn { name, params, body } => {
            format!("fn {}({}) = {};", name.text, names(params), expr_text(body))
        }
        StmtKind::Let { target: left, ty, value } => binding("let", left, ty.as_ref(), value),
        StmtKind::Var { target: left, ty, value } => binding("var", left, ty.as_ref(), value),
        StmtKind::Assign { target: left, value } => {
            format!("{} := {};", target(left), expr_text(value))
        }
        StmtKind::Output(items) => {
            let items: Vec<String> = items.iter().map(output).collect();
            format!("output {};", items.join(", "))
        }
        StmtKind::Expect { actual, expected, within } => {
            let [actual, expected, within] = [actual, expected, within].map(expr_text);
            format!("expect {actual} ~= {expected} within {within};")
        }
        StmtKind::Return(value) => format!("return {};", expr_text(value)),
        StmtKind::Param { names: list, ty: kind } => {
            format!("param {} : {};", names(list), ty(kind))
        }
        StmtKind::State(items) => format!("state {};", hypers(items)),
        // blocks and what was already reported
        StmtKind::Def { .. }
        | StmtKind::Net { .. }
        | StmtKind::Optimizer { .. }
        | StmtKind::Update { .. }
        | StmtKind::Train { .. }
        | StmtKind::For { .. }
        | StmtKind::If { .. }
        | StmtKind::Item { .. }
        | StmtKind::Error => String::new(),
    }
}

fn binding(word: &str, left: &Target, kind: Option<&Type>, value: &Expr) -> String {
    let kind = kind.map(|kind| format!(" : {}", ty(kind))).unwrap_or_default();
    format!("{word} {}{kind} = {};", target(left), expr_text(value))
}

fn output(item: &OutputItem) -> String {
    let value = expr_text(&item.value);
    item.name.as_ref().map_or(value.clone(), |name| format!("{value} as \"{}\"", name.text))
}

fn names(list: &[Name]) -> String {
    list.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(", ")
}

fn params(list: &[Param]) -> String {
    let one = |param: &Param| match &param.ty {
        Some(kind) => format!("{} : {}", param.name.text, ty(kind)),
        None => param.name.text.clone(),
    };
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn hypers(list: &[Hyper]) -> String {
    let one = |hyper: &Hyper| match &hyper.value {
        Some(value) => format!("{} = {}", hyper.name.text, expr_text(value)),
        None => hyper.name.text.clone(),
    };
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn target(target: &Target) -> String {
    match target {
        Target::Name { name, indices } if indices.is_empty() => name.text.clone(),
        Target::Name { name, indices } => format!("{}[{}]", name.text, names(indices)),
        Target::Tuple(parts) => format!("({})", names(parts)),
        Target::Error(_) => String::new(),
    }
}

fn ty(ty: &Type) -> String {
    let mut text = ty.kind.word().to_owned();
    if !ty.sizes.is_empty() {
        text = format!("{text}[{}]", list(&ty.sizes));
    }
    match &ty.factor {
        Some(factor) => format!("{text} * {}", expression(factor, Level::Product)),
        None => text,
    }
}

fn range(range: &Range) -> String {
    format!("{}..{}", expression(&range.lo, Level::Sum), expression(&range.hi, Level::Sum))
}

fn list(exprs: &[Expr]) -> String {
    exprs.iter().map(expr_text).collect::<Vec<_>>().join(", ")
}

fn args(list: &[Arg]) -> String {
    let one = |arg: &Arg| {
        let value = match &arg.value {
            ArgValue::Expr(value) => expr_text(value),
            ArgValue::Range(value) => range(value),
        };
        match &arg.name {
            Some(name) => format!("{} = {value}", name.text),
            None => value,
        }
    };
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn subscript(subscript: &Subscript) -> String {
    match subscript {
        Subscript::Expr(expr) => expr_text(expr),
        Subscript::Range(inner) => range(inner),
        Subscript::Binder { name, range: inner } => format!("{} in {}", name.text, range(inner)),
    }
}

/// An expression where one that binds as tightly as `level` is needed.
fn expression(expr: &Expr, level: Level) -> String {
    let (text, own) = bare(expr);
    if own < level { format!("({text})") } else { text }
}

/// The text of an expression and how tightly it binds.
fn bare(expr: &Expr) -> (String, Level) {
    match &expr.kind {
        ExprKind::Number(number) => (number.text.clone(), Level::Atom),
        ExprKind::Text(text) => (format!("\"{text}\""), Level::Atom),
        ExprKind::Name(name) => (name.clone(), Level::Atom),
        ExprKind::Width => ("n".to_owned(), Level::Atom),
        ExprKind::Unary { op: UnaryOp::Neg, arg } => {
            (format!("-{}", expression(arg, Level::Unary)), Level::Unary)
        }
        ExprKind::Unary { op: UnaryOp::Not, arg } => {
            (format!("not {}", expression(arg, Level::Not)), Level::Not)
        }
        ExprKind::Binary { op, left, right } => binary(*op, left, right),
        ExprKind::If { cond, then, otherwise } => {
            let [cond, then, otherwise] = [cond, then, otherwise].map(|part| expr_text(part));
            (format!("if {cond} then {then} else {otherwise}"), Level::Expr)
        }
        ExprKind::Index { base, subscripts } => {
            let subscripts: Vec<String> = subscripts.iter().map(subscript).collect();
            let base = expression(base, Level::Postfix);
            (format!("{base}[{}]", subscripts.join(", ")), Level::Postfix)
        }
        ExprKind::Call { callee, args: list } => {
            (format!("{}({})", expression(callee, Level::Postfix), args(list)), Level::Postfix)
        }
        ExprKind::Member { base, name } => {
            (format!("{}.{}", expression(base, Level::Postfix), name.text), Level::Postfix)
        }
        ExprKind::Prime(inner) => {
            (format!("{}'", expression(inner, Level::Postfix)), Level::Postfix)
        }
        ExprKind::Array(parts) => (format!("[{}]", list(parts)), Level::Atom),
        ExprKind::Tuple(parts) => (format!("({})", list(parts)), Level::Atom),
        ExprKind::Error => (String::new(), Level::Atom),
    }
}

fn binary(op: BinaryOp, left: &Expr, right: &Expr) -> (String, Level) {
    // own level, the level that each side needs, and whether spaces stand around the operator
    let (own, a, b) = match op {
        BinaryOp::Or => (Level::Or, Level::Or, Level::And),
        BinaryOp::And => (Level::And, Level::And, Level::Not),
        BinaryOp::Add | BinaryOp::Sub => (Level::Sum, Level::Sum, Level::Product),
        BinaryOp::Mul | BinaryOp::Div => (Level::Product, Level::Product, Level::Apply),
        BinaryOp::MatMul => (Level::Apply, Level::Unary, Level::Apply),
        BinaryOp::Pow => {
            let minus = matches!(right.kind, ExprKind::Unary { op: UnaryOp::Neg, .. });
            let simple = matches!(right.kind, ExprKind::Number(_) | ExprKind::Name(_));
            let exponent = expression(right, Level::Power);
            let exponent = if minus || !simple && !exponent.starts_with('(') {
                format!("({})", expr_text(right))
            } else {
                exponent
            };
            return (format!("{}^{exponent}", expression(left, Level::Postfix)), Level::Power);
        }
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
            (Level::Comparison, Level::Sum, Level::Sum)
        }
    };
    let (left, right) = (expression(left, a), expression(right, b));
    (format!("{left} {} {right}", op.symbol()), own)
}
