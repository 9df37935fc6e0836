//! What to say when the parser cannot go on: frequent mistakes by name, all others by what was expected.
//!
//! The parser gives the token it found and all tokens it could have used. [`Stop::mistake`] tries its rules on these
//! and on the tokens before; the first that knows the mistake words the message.

use super::Failure;
use crate::diag::{Code, Diagnostic, codes};
use crate::source::{Source, Span};
use crate::syntax::token::{Lexeme, Token};
use lalrpop_util::ParseError;
use std::collections::BTreeSet;

/// Whether the parser could have gone on with `token`.
pub(super) fn allows(failure: &Failure, token: Token) -> bool {
    expected_tokens(failure).contains(&token)
}

/// The position in the list of the token at which the parser stopped; its length for the end of the file.
pub(super) fn position(tokens: &[Lexeme], failure: &Failure) -> usize {
    match failure {
        ParseError::UnrecognizedToken { token: (start, token, end), .. }
        | ParseError::ExtraToken { token: (start, token, end) } => {
            let same = |lexeme: &Lexeme| {
                (lexeme.start, lexeme.token, lexeme.end) == (*start, *token, *end)
            };
            let from = tokens.partition_point(|lexeme| lexeme.start < *start);
            tokens[from..].iter().position(same).map_or(tokens.len(), |at| from + at)
        }
        ParseError::InvalidToken { .. }
        | ParseError::UnrecognizedEof { .. }
        | ParseError::User { .. } => tokens.len(),
    }
}

/// The message, unless the mistake was already reported by an earlier stage.
pub(super) fn describe(
    source: &Source,
    tokens: &[Lexeme],
    failure: &Failure,
) -> Option<Diagnostic> {
    let at = position(tokens, failure);
    let stop = Stop { source, tokens, at, expected: expected_tokens(failure) };
    let Some(found) = stop.found() else { return Some(stop.end_of_file()) };
    if found.is_inserted() || found.token == Token::Invalid {
        return None;
    }
    stop.mistake().or_else(|| Some(stop.unexpected()))
}

fn expected_tokens(failure: &Failure) -> BTreeSet<Token> {
    let words = match failure {
        ParseError::UnrecognizedToken { expected, .. }
        | ParseError::UnrecognizedEof { expected, .. } => expected,
        ParseError::InvalidToken { .. }
        | ParseError::ExtraToken { .. }
        | ParseError::User { .. } => {
            return BTreeSet::new();
        }
    };
    let token = |word: &String| match word.as_str() {
        "name" => Some(Token::Name),
        "number" => Some(Token::Number),
        "text" => Some(Token::Text),
        quoted => Token::from_text(quoted.trim_matches('"')),
    };
    words.iter().filter_map(token).collect()
}

/// Where the parser stopped.
struct Stop<'a> {
    source: &'a Source,
    tokens: &'a [Lexeme],
    at: usize,
    expected: BTreeSet<Token>,
}

impl Stop<'_> {
    /// Frequent mistakes, tried in order.
    fn mistake(&self) -> Option<Diagnostic> {
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

    fn found(&self) -> Option<Lexeme> {
        self.tokens.get(self.at).copied()
    }

    fn token(&self) -> Option<Token> {
        self.found().map(|found| found.token)
    }

    fn before(&self, steps: usize) -> Option<Lexeme> {
        self.at.checked_sub(steps).and_then(|at| self.tokens.get(at)).copied()
    }

    fn wants(&self, token: Token) -> bool {
        self.expected.contains(&token)
    }

    fn wants_expression(&self) -> bool {
        self.wants(Token::Number) && self.wants(Token::Name)
    }

    fn text(&self, lexeme: Lexeme) -> &str {
        self.source.text.get(lexeme.start..lexeme.end).unwrap_or("")
    }

    fn here(&self, code: Code, title: impl Into<String>) -> Diagnostic {
        let end = self.tokens.last().map_or(0, |last| last.end);
        let (start, end) = self.found().map_or((end, end), |found| (found.start, found.end));
        Diagnostic::new(code, Span::new(self.source.id, start, end), title)
    }

    /// The word with which the statement begins.
    fn statement(&self) -> Option<Lexeme> {
        let begins =
            |lexeme: &&Lexeme| lexeme.token.starts_statement() || lexeme.token == Token::If;
        let ends =
            |lexeme: &&Lexeme| !matches!(lexeme.token, Token::Semi | Token::LBrace | Token::RBrace);
        self.tokens[..self.at].iter().rev().take_while(ends).find(begins).copied()
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
        self.wants(Token::Else).then_some(())?;
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

    fn end_of_file(&self) -> Diagnostic {
        let report = self.here(codes::UNEXPECTED_END, "unexpected end of the file");
        report.here(format!("expected {}", self.expected_text()))
    }

    fn unexpected(&self) -> Diagnostic {
        let Some(found) = self.found() else { return self.end_of_file() };
        let text = self.text(found);
        let shown = match found.token {
            Token::Name => format!("name `{text}`"),
            Token::Number => format!("number `{text}`"),
            Token::Text => "string".to_owned(),
            token => token.describe(),
        };
        let title = format!("unexpected {}", shown.chars().take(48).collect::<String>());
        let report = self.here(codes::UNEXPECTED_TOKEN, title);
        let report = report.here(format!("expected {}", self.expected_text()));
        match (found.token, self.before(1).map(|before| before.token)) {
            (Token::Semi, Some(Token::RBrace)) => report.help("remove it: no `;` after `}`"),
            (Token::Then, _) => report.help("write `if c { … }` for statements"),
            _ => report,
        }
    }

    /// The expected tokens in words: groups by their name, the rest one by one, at most five.
    fn expected_text(&self) -> String {
        let mut rest = self.expected.clone();
        let mut parts = Vec::new();
        for (name, test, members) in GROUPS {
            if test.iter().all(|token| rest.contains(token)) {
                parts.push((*name).to_owned());
                rest.retain(|token| !members.contains(token));
            }
        }
        parts.extend(rest.iter().map(|token| match token.text() {
            Some(text) => format!("`{text}`"),
            None => token.describe(),
        }));
        if parts.is_empty() {
            return "nothing more".to_owned();
        }
        let more = parts.len() > 5;
        parts.truncate(5);
        let last = if more { "…".to_owned() } else { parts.pop().unwrap_or_default() };
        match (parts.is_empty(), more) {
            (true, _) => last,
            (false, true) => format!("{}, {last}", parts.join(", ")),
            (false, false) => format!("{} or {last}", parts.join(", ")),
        }
    }
}

/// Tokens that are named together: the name, those that show that the group is possible, and all its members.
type Group = (&'static str, &'static [Token], &'static [Token]);

const GROUPS: &[Group] = {
    use Token::*;
    &[
        (
            "a statement",
            &[Let, Output],
            &[
                Use, Const, Data, Init, Fn, Def, Let, Var, For, If, Output, Expect, Return, Name,
                Number, Text, Width, LParen, LBracket, Minus, Not,
            ],
        ),
        (
            "an expression",
            &[Name, Number, Minus],
            &[Name, Number, Text, Width, LParen, LBracket, Minus, Not, If],
        ),
        (
            "an operator",
            &[Plus, Star],
            &[
                Plus, Minus, Star, Slash, At, Caret, Eq, Ne, Lt, Le, Gt, Ge, And, Or, LParen,
                LBracket, Prime, Dot,
            ],
        ),
    ]
};
