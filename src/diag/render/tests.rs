//! What each format looks like.

use super::*;
use crate::diag::codes;
use crate::source::{Source, SourceMap, Span};
use expect_test::expect;

fn example() -> (Diags, SourceMap) {
    let mut sources = SourceMap::default();
    let id = sources.add("m.tp", "const α = 4\nlet b = (α + 1;\n");
    let text = &Source::clone(sources.get(id)).text;
    let at = |part: &str| {
        let start = text.find(part).expect("part of the example");
        Span::new(id, start, start + part.len())
    };
    let mut diags = Diags::default();
    let unclosed =
        Diagnostic::new(codes::UNCLOSED, at("("), "bracket is never closed").here("this `(`");
    let unclosed = unclosed.label(at(";"), "`)` expected before this");
    diags.push(unclosed.note("found: n^1").note("expected: n^0").help("write `)`"));
    let end = at("\nlet").start as usize;
    let semi = Diagnostic::new(codes::MISSING_SEMICOLON, Span::new(id, end, end), "missing `;`");
    diags.push(semi.here("`;` expected after this"));
    diags.push(Diagnostic::without_place(codes::TOO_DEEP, "no place: 100%"));
    (diags, sources)
}

#[test]
fn for_people() {
    let (diags, sources) = example();
    expect![[r#"
        error[E0228]: no place: 100%

        error[E0203]: missing `;`
          ┌─ m.tp:1:12
          │
        1 │ const α = 4
          │            ^ `;` expected after this

        error[E0205]: bracket is never closed
          ┌─ m.tp:2:9
          │
        2 │ let b = (α + 1;
          │         ^     - `)` expected before this
          │         │
          │         this `(`
          │
          = found:    n^1
            expected: n^0
          = help: write `)`

    "#]]
    .assert_eq(&render(&diags, &sources, Format::Human));
    assert!(render(&diags, &sources, Format::Coloured).contains("\u{1b}["));
    assert_eq!(summary(&diags), "3 errors");
}

#[test]
fn one_line_each() {
    let (diags, sources) = example();
    expect![[r#"
        error[E0228]: no place: 100%
        m.tp:1:12: error[E0203]: missing `;`
        m.tp:2:9: error[E0205]: bracket is never closed
    "#]]
    .assert_eq(&render(&diags, &sources, Format::Short));
}

#[test]
fn for_machines() {
    let (diags, sources) = example();
    let value = json(&diags, &sources);
    assert_eq!(value[0]["file"], serde_json::Value::Null);
    assert_eq!(value[2]["code"], "E0205");
    assert_eq!((&value[2]["line"], &value[2]["column"]), (&2.into(), &9.into()));
    assert_eq!(value[2]["end_column"], 10);
    assert_eq!(value[2]["labels"][1]["column"], 15);
    let log = sarif(&diags, &sources);
    assert_eq!(
        log["runs"][0]["results"][1]["locations"][0]["physicalLocation"]["region"]["startLine"],
        1
    );
    expect![[r#"
        ::error title=E0228::no place: 100%25
        ::error file=m.tp,line=1,col=12,endLine=1,endColumn=12,title=E0203::missing `;`: `;` expected after this
        ::error file=m.tp,line=2,col=9,endLine=2,endColumn=10,title=E0205::bracket is never closed: this `(`%0Afound: n^1%0Aexpected: n^0%0Ahelp: write `)`
    "#]]
    .assert_eq(&render(&diags, &sources, Format::Github));
}

#[test]
fn long_lists_are_cut() {
    let mut sources = SourceMap::default();
    let id = sources.add("m.tp", "x".repeat(100));
    let mut diags = Diags::default();
    for place in 0..25 {
        let span = Span::new(id, place, place + 1);
        diags.push(Diagnostic::new(codes::UNEXPECTED_TOKEN, span, "unexpected"));
    }
    let text = render(&diags, &sources, Format::Short);
    assert_eq!(text.lines().count(), 21);
    assert!(text.ends_with("… and 5 more\n"));
}
