//! Precedence, recovery and limits of the parser.

use super::*;
use crate::source::SourceMap;
use crate::syntax::ast::*;
use crate::syntax::token::FIXED;

fn parse_text(text: &str) -> (Program, Vec<(String, usize, usize)>) {
    let mut sources = SourceMap::default();
    let id = sources.add("test.tp", text);
    let mut diags = Diags::default();
    let program = parse(sources.get(id), &mut diags);
    let place = |d: &&Diagnostic| {
        let (line, column) =
            d.primary.as_ref().map_or((0, 0), |label| sources.line_column(label.span));
        (d.code.to_string(), line, column)
    };
    let found = diags.sorted().iter().map(place).collect();
    (program, found)
}

/// The codes and places of all diagnostics: `E0201 1:5 E0203 2:1`.
fn found(text: &str) -> String {
    let all = parse_text(text).1;
    all.iter().map(|(code, l, c)| format!("{code} {l}:{c}")).collect::<Vec<_>>().join(" ")
}

fn statements(text: &str) -> Vec<StmtKind> {
    let (program, found) = parse_text(text);
    assert_eq!(found, [], "{text}");
    program.stmts.into_iter().map(|stmt| stmt.kind).collect()
}

/// The expression with every operation in parentheses.
fn grouped(text: &str) -> String {
    match statements(&format!("return_value := {text};")).remove(0) {
        StmtKind::Assign { value, .. } => show(&value),
        other => panic!("{other:?}"),
    }
}

fn show(expr: &Expr) -> String {
    let list = |exprs: &[Expr]| exprs.iter().map(show).collect::<Vec<_>>().join(",");
    let range = |range: &Range| format!("{}..{}", show(&range.lo), show(&range.hi));
    match &expr.kind {
        ExprKind::Number(number) => number.text.clone(),
        ExprKind::Text(text) => format!("{text:?}"),
        ExprKind::Name(name) => name.clone(),
        ExprKind::Width => "n".to_owned(),
        ExprKind::Unary { op, arg } => format!("({} {})", op.symbol(), show(arg)),
        ExprKind::Binary { op, left, right } => {
            format!("({} {} {})", show(left), op.symbol(), show(right))
        }
        ExprKind::If { cond, then, otherwise } => {
            format!("(if {} then {} else {})", show(cond), show(then), show(otherwise))
        }
        ExprKind::Index { base, subscripts } => {
            let one = |subscript: &Subscript| match subscript {
                Subscript::Expr(expr) => show(expr),
                Subscript::Range(r) => range(r),
                Subscript::Binder { name, range: r } => format!("{} in {}", name.text, range(r)),
            };
            format!("{}[{}]", show(base), subscripts.iter().map(one).collect::<Vec<_>>().join(","))
        }
        ExprKind::Call { callee, args } => {
            let one = |arg: &Arg| {
                let value = match &arg.value {
                    ArgValue::Expr(expr) => show(expr),
                    ArgValue::Range(r) => range(r),
                };
                arg.name.as_ref().map_or(value.clone(), |name| format!("{}={value}", name.text))
            };
            format!("{}({})", show(callee), args.iter().map(one).collect::<Vec<_>>().join(","))
        }
        ExprKind::Member { base, name } => format!("{}.{}", show(base), name.text),
        ExprKind::Prime(base) => format!("{}'", show(base)),
        ExprKind::Array(entries) => format!("[{}]", list(entries)),
        ExprKind::Tuple(entries) => format!("<{}>", list(entries)),
        ExprKind::Error => "?".to_owned(),
    }
}

#[test]
fn operators_bind_as_the_reference_says() {
    let cases = [
        ("-x^2", "(- (x ^ 2))"),
        ("2*W @ x", "(2 * (W @ x))"),
        ("W.T @ W @ x", "(W.T @ (W @ x))"),
        ("-W @ x", "((- W) @ x)"),
        ("W @ -x", "(W @ (- x))"),
        ("2^-1", "(2 ^ (- 1))"),
        ("2^-x^2", "(2 ^ (- (x ^ 2)))"),
        ("a^b^c", "(a ^ (b ^ c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a / b * c", "((a / b) * c)"),
        ("a + b * c", "(a + (b * c))"),
        ("n^(-1/2)", "(n ^ ((- 1) / 2))"),
        ("a * -b", "(a * (- b))"),
        ("not a == b and c or d", "(((not (a == b)) and c) or d)"),
        ("a < b + 1", "(a < (b + 1))"),
        ("if a then b else c + 1", "(if a then b else (c + 1))"),
        ("if a then b else if c then d else e", "(if a then b else (if c then d else e))"),
        ("f''(x)^2", "(f''(x) ^ 2)"),
        ("f.train[0]", "f.train[0]"),
        ("sum[i in 0..M, a](x[i, a])", "sum[i in 0..M,a](x[i,a])"),
        ("x[1..L-1, 0]", "x[1..(L - 1),0]"),
        ("csv(\"d.csv\", rows = 0..8, col = 64,)", "csv(\"d.csv\",rows=0..8,col=64)"),
        ("[[1, r], [r, 1]]", "[[1,r],[r,1]]"),
        ("((a, b))", "<a,b>"),
        ("diff(f, 1)(x, y)", "diff(f,1)(x,y)"),
        ("σ_w * x", "(σ_w * x)"),
    ];
    for (text, expected) in cases {
        assert_eq!(grouped(text), expected, "{text}");
    }
}

#[test]
fn every_statement_of_the_reference_parses() {
    let text = r#"
        use "other.tp"; use std.optim; const M = 4;
        data xs : scalar[M, 64] = csv("d.csv", rows = 0..M, cols = 0..64) / 16;
        init x, u : vec[2] ~ N(0, 1); init W : mat * n^(-1/2) ~ N(0, 1/n);
        fn act(z) = tanh(z);
        def step(w : mat, g) { var m = g; if M > 3 { m := m / 2; } else if M == 2 { } else { m := 1; } return (w, m); }
        let (a, b) = step(W, 1); let h[i, a] : vec[M] = x[i, a]; var y = 0;
        for t in 0..M-1 { y := y + t; output y, y^2 as "y2"; } y[i, a] := 1;
        output a; expect y ~= 1 within 1e-3;
    "#;
    let kinds = statements(text);
    assert_eq!(kinds.len(), 15);
    assert!(matches!(&kinds[0], StmtKind::Use(UsePath::File(path)) if path.text == "other.tp"));
    assert!(matches!(&kinds[1], StmtKind::Use(UsePath::Module(path)) if path.len() == 2));
    assert!(matches!(&kinds[4], StmtKind::Init { names, .. } if names.len() == 2));
    assert!(
        matches!(&kinds[5], StmtKind::Init { ty, .. } if ty.kind == Kind::Mat && ty.factor.is_some())
    );
    assert!(
        matches!(&kinds[8], StmtKind::Let { target: Target::Tuple(names), .. } if names.len() == 2)
    );
    assert!(matches!(&kinds[9], StmtKind::Let { ty: Some(ty), .. } if ty.sizes.len() == 1));
}

#[test]
fn one_message_for_each_bad_statement() {
    assert_eq!(
        found("let a = * 2;\nlet b = 2;\nlet c = 3 3;\noutput ) b;\n"),
        "E0201 1:9 E0201 3:11 E0207 4:8"
    );
    let (program, _) = parse_text("let a = * 2; let b = 2; let c = 3 3; output ) b;");
    assert_eq!(program.stmts.len(), 4);
    assert!(matches!(program.stmts[1].kind, StmtKind::Let { .. }));
}

#[test]
fn recovery_keeps_what_follows() {
    assert_eq!(
        found("for t in 0..3 { let x = + 1; output t; } output * 1;"),
        "E0201 1:25 E0201 1:49"
    );
    assert_eq!(found("for in 0..3 { let = 1; } output 1;"), "E0204 1:5 E0201 1:19");
    assert_eq!(
        found("def f(x) { bad } let y = 1; output * y;"),
        "E0211 1:12 E0203 1:15 E0201 1:36"
    );
    assert_eq!(
        found("if a > { output 1; } else { output 2; } output * 3;"),
        "E0201 1:8 E0201 1:48"
    );
    assert_eq!(found("+ + +"), "E0201 1:1");
    assert_eq!(found(""), "");
}

#[test]
fn missing_semicolons_are_put_in() {
    assert_eq!(found("const a = 1\nlet b = a\noutput b"), "E0203 1:12 E0203 2:10 E0203 3:9");
    let (program, _) = parse_text("const a = 1\nlet b = a\noutput b");
    assert_eq!(program.stmts.len(), 3);
    assert_eq!(found("let a = 1 2;"), "E0201 1:11");
}

#[test]
fn brackets_are_reported_where_they_open() {
    assert_eq!(found("let a = (1 + [2;\nlet b = 3;"), "E0205 1:9 E0205 1:14");
    assert_eq!(found("for t in 0..2 { output t;"), "E0205 1:15");
    assert_eq!(found("let a = (1];"), "E0206 1:11");
    assert_eq!(found("let a = 1;}\nlet b = 2;"), "E0207 1:11");
}

#[test]
fn depth_is_limited() {
    let text = format!("let x = {}1;", "-".repeat(5000));
    assert!(found(&text).starts_with("E0228"), "{}", found(&text));
    assert_eq!(found(&format!("let x = {}1{};", "(".repeat(151), ")".repeat(151))), "E0228 1:159");
    assert_eq!(found(&format!("let x = {}1{};", "(".repeat(150), ")".repeat(150))), "");
    for text in [
        format!("let x = {}1{};", "(".repeat(50_000), ")".repeat(50_000)),
        format!("let x = {}1{};", "[".repeat(50_000), "]".repeat(50_000)),
        format!("let x = {}1;", "1 + ".repeat(50_000)),
        format!("let x = f{};", "'".repeat(50_000)),
        format!("let x = {}1;", "if a then b else ".repeat(50_000)),
        format!("{}{}", "if a { ".repeat(50_000), "} ".repeat(50_000)),
        format!("if a {{ }}{}", " else if a { }".repeat(50_000)),
        "(".repeat(50_000),
        "{".repeat(50_000),
        "]".repeat(50_000),
        "; ".repeat(50_000),
        "let \n".repeat(50_000),
    ] {
        parse_text(&text);
    }
}

#[test]
fn every_token_lexes() {
    for (token, text) in FIXED {
        let mut sources = SourceMap::default();
        let id = sources.add("test.tp", *text);
        let lexed = lex(sources.get(id), &mut Diags::default());
        assert_eq!(lexed.tokens.iter().map(|l| l.token).collect::<Vec<_>>(), [*token]);
        assert_eq!(Token::from_text(text), Some(*token));
    }
}

/// A token left out of the grammar's table would end the parse instead of being recovered from.
#[test]
fn every_token_has_a_place_in_the_grammar() {
    for (_, text) in FIXED.iter().filter(|(token, _)| *token != Token::LBrace) {
        let (program, _) =
            parse_text(&format!("let a = 1;\nlet b = 2 {text} {text} 3;\nlet c = 3;\nlet d = 4;"));
        let last = program.stmts.last().map(|stmt| &stmt.kind);
        assert!(matches!(last, Some(StmtKind::Let { .. })), "{text}: {last:?}");
    }
}

#[test]
fn reserved_words_are_names_after_a_dot() {
    assert_eq!(grouped("f.train + f.n"), "(f.train + f.n)");
}

#[test]
fn items_of_a_training_are_no_names_elsewhere() {
    let text = "train f on (xs, ys) {
  parametrization mup { v: c = 1/2, d = 0; out: a = 1 }
  optimizer adam(lr = 0.1);
  batch (8, start = 8 * t);
  normalize;
  steps 10;
}
let steps = 3;";
    let (program, diags) = parse_text(text);
    assert_eq!(diags, []);
    let Some(StmtKind::Train { body, .. }) = program.stmts.first().map(|stmt| &stmt.kind) else {
        panic!("{program:?}");
    };
    let items = body.stmts.iter().map(|stmt| match &stmt.kind {
        StmtKind::Item { word, value, args, rows } => {
            (word.text.as_str(), value.is_some(), args.len(), rows.len())
        }
        other => panic!("{other:?}"),
    });
    let expected = [
        ("parametrization", true, 0, 2),
        ("optimizer", true, 0, 0),
        ("batch", false, 2, 0),
        ("normalize", false, 0, 0),
        ("steps", true, 0, 0),
    ];
    assert_eq!(items.collect::<Vec<_>>(), expected);
}

#[test]
fn text_of_a_tree_parses_to_an_equal_tree() {
    let text = "use std.optim; const k = -2^(-1/2);
fn f(x, y) = if x < -y and not (x == 1) then -(x + y)^2 else (x / (y * 2)) ^ (1 + 1);
init u, v : vec[2, k] * n^(1/2) ~ N(0, 1/n) * 2;
let (a, b) = (W.T @ W @ x, (2 * W) @ x - (y - z));
for t in 0..k-1 { if t == 0 { x := 1; } else if t == 1 { x := 2; } else { x[i] := u[i, 1..3]; } }
net g(x : scalar[d]) { param w : mat[2]; return sum[i in 0..2, a](w''(x)[i, a]) / f'(2, 1); }
optimizer o(lr, b = 1) { state m = 0; update(g, t) { m := g; return (lr * m, b); } }
train g on ((xs, zs), ys) { parametrization { w: a = 1/2; out: a = 1; } batch (8, start = t); }
output [x, y] as \"p\", g.train; expect x ~= 1 within 0.1;";
    let (program, diags) = parse_text(text);
    assert_eq!(diags, []);
    let again = crate::syntax::text::text(&program);
    let (reparsed, diags) = parse_text(&again);
    assert_eq!(diags, [], "{again}");
    assert_eq!(reparsed, program, "{again}");
    assert_eq!(crate::syntax::text::text(&reparsed), again);
}

#[test]
fn one_mistake_gives_one_message() {
    let cases = [
        ("fn f(x) = { x };\noutput 1;", "E0201 1:11"),
        ("let y[i = 3;\nlet z = 2;", "E0205 1:6"),
        ("let s = \"open;\nlet z = 2;", "E0104 1:9"),
        ("let x = .5 + 2y;", "E0102 1:9 E0102 1:14"),
        ("let x = a && b;", "E0101 1:11"),
        ("let b = if a > 0 { 1 } else { 2 };", "E0213 1:18"),
        ("for t in 3 { output * 1; }", "E0219 1:12 E0201 1:21"),
    ];
    for (text, expected) in cases {
        assert_eq!(found(text), expected, "{text}");
    }
}
