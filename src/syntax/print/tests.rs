//! Layout, and that formatting twice changes nothing.

use super::*;
use crate::source::SourceMap;
use crate::syntax::ast::Program;
use expect_test::expect;

fn tree(text: &str) -> (Program, Diags, Option<String>) {
    let mut sources = SourceMap::default();
    let id = sources.add("test.tp", text);
    let mut diags = Diags::default();
    let program = parse(sources.get(id), &mut diags);
    let formatted = format(sources.get(id), &mut diags);
    (program, diags, formatted)
}

/// The formatted text, after the checks that hold for every program.
fn formatted(text: &str) -> String {
    let (program, diags, once) = tree(text);
    let once = once.unwrap_or_else(|| panic!("{text}: {:?}", diags.sorted()));
    let (again, _, twice) = tree(&once);
    assert_eq!(Some(&once), twice.as_ref(), "formatting twice");
    assert_eq!(program, again, "{once}");
    once
}

#[test]
fn statements_and_blocks() {
    let text = "const M=4;data xs:scalar[M,2]=csv( \"d.csv\",rows=0..M ) /16 ;\n\n\n\ninit W:mat * n^( -1/2 )~N(0,1/n);
def f( a , b ){let c=a;return (c,b);}
for t in 0 .. M - 1 {x:=x+1;}
if M>3 {var y=1;}else if M==2 {} else {output M as \"m\";}";
    expect![[r#"
        const M = 4;
        data xs : scalar[M, 2] = csv("d.csv", rows = 0..M) / 16;

        init W : mat * n^(-1/2) ~ N(0, 1/n);
        def f(a, b) {
          let c = a;
          return (c, b);
        }
        for t in 0..M-1 {
          x := x + 1;
        }
        if M > 3 {
          var y = 1;
        } else if M == 2 {} else {
          output M as "m";
        }
    "#]]
    .assert_eq(&formatted(text));
}

#[test]
fn expressions() {
    let cases = [
        ("-x ^ -2", "-x^-2"),
        ("a- -b", "a - -b"),
        ("2 * 1/n", "2 * 1 / n"),
        ("1/n * x + 3/4", "1 / n * x + 3/4"),
        ("W . T@x", "W.T @ x"),
        ("sum [ i in 0..M-1 ] ( x[i,2]*f ' (i) )", "sum[i in 0..M-1](x[i, 2] * f'(i))"),
        ("x[ 1+1 .. f(a+b)-1 ]", "x[1+1..f(a + b)-1]"),
        ("not(a)or b<=c", "not (a) or b <= c"),
        ("if(a)then[1,2]else 3", "if (a) then [1, 2] else 3"),
        ("n ^ (1/2)*n", "n^(1/2) * n"),
    ];
    for (text, expected) in cases {
        assert_eq!(formatted(&format!("let y={text};")), format!("let y = {expected};\n"));
        assert_eq!(one_line(text), expected);
    }
}

#[test]
fn comments_and_blank_lines_stay() {
    let text = "// head

const a = 1; // one
  // two


let b = [ // open
1, 2, // here

3
]
;
for t in 0..2 {

  // first

  output t // why
  ;

  // last

} // after
// end";
    expect![[r#"
        // head

        const a = 1;  // one
        // two

        let b = [  // open
          1, 2,  // here
          3
        ];
        for t in 0..2 {
          // first

          output t  // why
            ;

          // last
        }  // after
        // end
    "#]]
    .assert_eq(&formatted(text));
}

#[test]
fn long_sums_keep_their_lines() {
    let text = "let y = a\n+ b\n   + sum[i](\nx[i]\n* 2\n);";
    expect![[r#"
        let y = a
          + b
          + sum[i](
            x[i]
            * 2
          );
    "#]]
    .assert_eq(&formatted(text));
}

#[test]
fn edges() {
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("\n\n// only a comment\n\n"), "// only a comment\n");
    assert_eq!(formatted("\u{feff}output 1;\r\n// x\r\n"), "output 1;\n// x\n");
    let (_, diags, none) = tree("let = 1;");
    assert!(none.is_none() && diags.has_errors());
}
