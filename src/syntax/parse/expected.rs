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

mod mistakes;

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
    if found.is_inserted() || found.token == Token::Invalid || stop.in_unclosed_bracket() {
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

    /// Whether a bracket that was never closed ends later in this statement: that was reported.
    fn in_unclosed_bracket(&self) -> bool {
        let ends =
            |lexeme: &&Lexeme| !matches!(lexeme.token, Token::Semi | Token::LBrace | Token::RBrace);
        self.tokens[self.at..].iter().take_while(ends).any(Lexeme::is_inserted)
    }

    /// The word with which the statement begins.
    fn statement(&self) -> Option<Lexeme> {
        let begins =
            |lexeme: &&Lexeme| lexeme.token.starts_statement() || lexeme.token == Token::If;
        let ends =
            |lexeme: &&Lexeme| !matches!(lexeme.token, Token::Semi | Token::LBrace | Token::RBrace);
        self.tokens[..self.at].iter().rev().take_while(ends).find(begins).copied()
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
        match self.advice() {
            Some(advice) => report.help(advice),
            None => report,
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
                Number, Text, Width, LParen, LBracket, Minus, Not, Net, Optimizer, Train, Param,
                State, Update,
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
