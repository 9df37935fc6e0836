//! Mistakes that are frequent enough to have a message of their own.

use super::Stop;
use crate::diag::{Diagnostic, codes};
use crate::source::Span;
use crate::syntax::token::Token;

impl Stop<'_> {
    /// Frequent mistakes, tried in order.
    pub(super) fn mistake(&self) -> Option<Diagnostic> {
        let rules: [fn(&Self) -> Option<Diagnostic>; 10] = [
            Self::equality_expected,
            Self::wrong_equals,
            Self::braces_or_equals,
            Self::missing_kind,
            Self::missing_then_or_else,
            Self::range_out_of_place,
            Self::loop_without_range,
            Self::double_star,
            Self::reserved_as_name,
            Self::missing_comma,
        ];
        rules.iter().find_map(|rule| rule(self))
    }

    fn wrong_equals(&self) -> Option<Diagnostic> {
        let found = self.token().filter(|token| {
            matches!(token, Token::Equals | Token::Eq | Token::Assign | Token::Tilde | Token::Near)
        })?;
        let choices = [
            (Token::Equals, "a declaration is written with `=`"),
            (Token::Tilde, "a random object is declared with `~` and its law"),
            (Token::Near, "an expectation is written `expect a ~= b within tol;`"),
            (Token::Eq, "equality is written `==`"),
            (Token::Assign, "a `var` is changed with `:=`"),
        ];
        let (right, why) = choices.into_iter().find(|(token, _)| self.wants(*token))?;
        let [wrong, right] = [found, right].map(|token| token.text().unwrap_or("?"));
        let title = format!("`{wrong}` in place of `{right}`");
        Some(self.here(codes::WRONG_EQUALS, title).here(why).help(format!("write `{right}`")))
    }

    /// `expect a == b within tol`: the comparison is read as the left side.
    fn equality_expected(&self) -> Option<Diagnostic> {
        let inside = self.statement()?.token == Token::Expect && self.wants(Token::Near);
        (inside && self.token()? == Token::Within).then_some(())?;
        let equals = self.tokens[..self.at].iter().rev().take_while(|l| l.token != Token::Expect);
        let equals = equals.into_iter().find(|l| l.token == Token::Eq)?;
        let span = Span::new(self.source.id, equals.start, equals.end);
        let report = Diagnostic::new(codes::WRONG_EQUALS, span, "`==` in place of `~=`");
        let report = report.here("an expectation is written `expect a ~= b within tol;`");
        Some(report.help("write `~=`"))
    }

    fn braces_or_equals(&self) -> Option<Diagnostic> {
        let (found, statement) = (self.token()?, self.statement()?.token);
        if found == Token::LBrace && statement == Token::Fn && self.wants(Token::Equals) {
            let report = self.here(codes::FN_OR_DEF, "`fn` with a block").here("`=` expected");
            return Some(report.help("write `fn f(x) = …;`, or `def` for a block of statements"));
        }
        if found == Token::Equals && statement == Token::Def && self.wants(Token::LBrace) {
            let report = self.here(codes::FN_OR_DEF, "`def` without a block").here("`{` expected");
            return Some(
                report.help("write `def f(x) { return …; }`, or `fn` for a function of numbers"),
            );
        }
        None
    }

    fn missing_kind(&self) -> Option<Diagnostic> {
        let declaration =
            self.statement().filter(|word| matches!(word.token, Token::Data | Token::Init))?;
        let found = self.token()?;
        if !self.wants(Token::Colon) || !matches!(found, Token::Equals | Token::Tilde) {
            return None;
        }
        let report =
            self.here(codes::MISSING_KIND, "declaration without a kind").here("`:` expected");
        Some(report.help(if declaration.token == Token::Data {
            "write `data x : scalar[…] = …;`"
        } else {
            "write `init x : vec ~ …;`, or `scalar`, `mat`"
        }))
    }

    fn missing_then_or_else(&self) -> Option<Diagnostic> {
        if self.wants(Token::Then) {
            let report =
                self.here(codes::MISSING_THEN, "`if` without `then`").here("`then` expected");
            return Some(report.help("a value is written `if c then a else b`"));
        }
        (self.wants(Token::Else) && !self.wants(Token::Let)).then_some(())?;
        let report = self.here(codes::MISSING_ELSE, "`if` without `else`").here("`else` expected");
        Some(report.help("write `if c then a else b`: there is always a value"))
    }

    fn range_out_of_place(&self) -> Option<Diagnostic> {
        (self.token()? == Token::DotDot).then_some(())?;
        let report = self.here(codes::RANGE_OUT_OF_PLACE, "range out of place");
        let report = report.here("a range is no value");
        Some(report.help(
            "ranges stand in `for t in 0..T`, `x[0..3]`, `sum[i in 0..M](…)` and `rows = 0..8`",
        ))
    }

    fn loop_without_range(&self) -> Option<Diagnostic> {
        let header = self.statement()?.token == Token::For;
        (header && self.wants(Token::DotDot)).then_some(())?;
        let report =
            self.here(codes::LOOP_WITHOUT_RANGE, "`for` without a range").here("`..` expected");
        Some(report.help("write `for t in 0..T { … }`"))
    }

    fn double_star(&self) -> Option<Diagnostic> {
        let (found, before) = (self.found()?, self.before(1)?);
        let double = found.token == Token::Star && before.token == Token::Star;
        (double && before.end == found.start).then_some(())?;
        let report = self.here(codes::DOUBLE_STAR, "`**` in place of `^`").here("no second `*`");
        Some(report.help("write `x^2` for a power"))
    }

    fn reserved_as_name(&self) -> Option<Diagnostic> {
        let found =
            self.found().filter(|found| found.token.is_word() && self.wants(Token::Name))?;
        if self.wants_expression() && found.token.stands_in_expressions() {
            return None;
        }
        let word = self.text(found).to_owned();
        let report = self.here(codes::RESERVED_WORD, "reserved word used as a name");
        let report = report.here(format!("`{word}` belongs to the language"));
        Some(report.help(if found.token == Token::Width {
            "`n` is the width; choose another name".to_owned()
        } else {
            format!("choose another name, for example `{word}_`")
        }))
    }

    fn missing_comma(&self) -> Option<Diagnostic> {
        let found = self.token().filter(|token| {
            matches!(token, Token::Name | Token::Number | Token::Text | Token::Width)
        })?;
        let before = self.before(1)?;
        let list = self.wants(Token::Comma) && !self.wants(Token::Semi);
        if list {
            let report = self.here(codes::MISSING_COMMA, "missing `,`");
            return Some(
                report.here(format!("`,` or an operator expected before {}", found.describe())),
            );
        }
        let product =
            before.token == Token::Number && found == Token::Name && self.wants(Token::Star);
        product.then(|| {
            self.unexpected().here("an operator expected").help("write `2 * x` for the product")
        })
    }

    /// What to write instead of a token that is merely unexpected, where that can be guessed.
    pub(super) fn advice(&self) -> Option<&'static str> {
        use Token::{
            Colon, Comma, Equals, Gt, LParen, Let, Minus, Name, Plus, RBrace, Semi, Slash, Star,
        };
        let (found, statement) = (self.token()?, self.statement().map(|word| word.token));
        let before = self.before(1).filter(|before| !before.is_inserted())?;
        let adjacent = self.found().is_some_and(|found| found.start == before.end);
        match (before.token, found) {
            (RBrace, Semi) => Some("remove it: no `;` after `}`"),
            (_, Token::Then) => Some("write `if c { … }` for statements"),
            (_, Token::If) if self.wants(Star) => Some("write `if c then a else b`"),
            (Token::For, LParen) => Some("write `for t in 0..3 { … }`, without parentheses"),
            (Name, LParen) if matches!(statement, Some(Let | Token::Var)) => {
                Some("a function is declared with `fn f(x) = …;`")
            }
            (Name, LParen) if self.wants(Token::LBracket) => {
                Some("write sizes in brackets: `vec[3]`")
            }
            (Plus | Minus | Star | Slash, Equals) if adjacent => Some("write `x := x + 1;`"),
            (Minus | Equals, Gt) if adjacent => Some("a function is declared with `fn f(x) = …;`"),
            (_, Colon) if self.wants(Token::LBrace) => {
                Some("write the statements between `{` and `}`")
            }
            (_, Colon) if self.wants(Equals) => Some("write `=` after the name of an argument"),
            (_, Colon) if self.wants(Token::RBracket) => {
                Some("a range is written `1..3`; axes without a subscript stay whole")
            }
            (_, Comma) if statement == Some(Let) => Some("write a `let` for each name"),
            (Token::As, Name) => Some("write the name in quotes: `as \"f\"`"),
            (Name, Name) if self.begins_statement() => Some(
                "statements begin with `const data init fn def let var for if output expect use net optimizer train`",
            ),
            _ => None,
        }
    }

    /// Whether the token before begins a statement.
    fn begins_statement(&self) -> bool {
        self.before(2)
            .is_none_or(|token| matches!(token.token, Token::Semi | Token::LBrace | Token::RBrace))
    }
}
