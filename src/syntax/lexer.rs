//! From text to tokens.
//!
//! Every mistake of this stage is reported here, and what is handed on is as close as possible to what was meant
//! (`2x` becomes a number, an open string a string), so that the parser does not report it a second time.

use super::token::{Lexeme, Token};
use crate::diag::{Diagnostic, Diags, codes};
use crate::source::{Source, Span};
use logos::Logos;
use std::ops::Range;

/// The tokens of a file, and its comments, which the grammar does not see.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// The tokens in order.
    pub tokens: Vec<Lexeme>,
    /// The byte ranges of the comments in order.
    pub comments: Vec<Range<usize>>,
}

/// Splits a file into tokens.
pub fn lex(source: &Source, diags: &mut Diags) -> Lexed {
    let mut lexer = Token::lexer(&source.text);
    let mut tokens: Vec<Lexeme> = Vec::new();
    while let Some(token) = lexer.next() {
        let Range { start, end } = lexer.span();
        let lexeme = Lexeme { token: token.unwrap_or(Token::Invalid), start, end };
        match tokens.last_mut() {
            Some(last) if continues(*last, lexeme) => last.end = end,
            _ => tokens.push(lexeme),
        }
    }
    let comments = lexer.extras;
    let mut checker = Checker { source, diags, kept: Vec::with_capacity(tokens.len()) };
    tokens.into_iter().for_each(|lexeme| checker.check(lexeme));
    Lexed { tokens: checker.kept, comments }
}

/// Whether unknown characters stand side by side: they are reported together.
fn continues(last: Lexeme, next: Lexeme) -> bool {
    last.token == Token::Invalid && next.token == Token::Invalid && last.end == next.start
}

/// Reports and repairs what is not a token.
struct Checker<'a> {
    source: &'a Source,
    diags: &'a mut Diags,
    kept: Vec<Lexeme>,
}

impl Checker<'_> {
    fn check(&mut self, mut lexeme: Lexeme) {
        match lexeme.token {
            Token::Invalid => self.unknown(lexeme),
            Token::BadNumber => {
                self.letters_after_digits(lexeme);
                lexeme.token = Token::Number;
            }
            Token::BadText => {
                let report = self.at(codes::UNTERMINATED_STRING, lexeme, "string without an end");
                self.diags.push(report.here("no closing `\"` on this line"));
                lexeme.token = Token::Text;
            }
            Token::BlockComment => {
                self.block_comment(lexeme);
                return;
            }
            token if token.is_word() && self.follows_dot() => lexeme.token = Token::Name,
            _ => {}
        }
        if !self.joins_dot(lexeme) {
            self.kept.push(lexeme);
        }
    }

    /// Words are ordinary names after a dot: `f.train`.
    fn follows_dot(&self) -> bool {
        self.kept.last().is_some_and(|last| last.token == Token::Dot)
    }

    /// `.5` and `1.` are not numbers: reported, and joined to one.
    fn joins_dot(&mut self, lexeme: Lexeme) -> bool {
        let Some(last) = self.kept.last().copied().filter(|last| last.end == lexeme.start) else {
            return false;
        };
        let before = self.kept.len().checked_sub(2).map(|at| self.kept[at]);
        let after_value = before.is_some_and(|before| {
            before.end == last.start && !before.token.is_word() && before.token.text().is_none()
                || matches!(before.token, Token::RParen | Token::RBracket)
        });
        let joined = match (last.token, lexeme.token) {
            (Token::Dot, Token::Number) => !after_value,
            (Token::Number, Token::Dot) => !self.letter_follows(lexeme.end),
            _ => false,
        };
        if joined {
            let whole = Lexeme { token: Token::Number, start: last.start, end: lexeme.end };
            let text = self.text(whole);
            let (written, better) = match lexeme.token {
                Token::Dot => ("after", format!("{text}0")),
                _ => ("before", format!("0{text}")),
            };
            let report = self.at(codes::MALFORMED_NUMBER, whole, "malformed number");
            let report = report.here(format!("no digit {written} the point"));
            self.diags.push(report.help(format!("write `{better}`")));
            if let Some(kept) = self.kept.last_mut() {
                *kept = whole;
            }
        }
        joined
    }

    fn letter_follows(&self, place: usize) -> bool {
        self.source.text[place..].chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
    }

    fn letters_after_digits(&mut self, lexeme: Lexeme) {
        let text = self.text(lexeme);
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, rest) = text.split_at(digits);
        let help = if number == "0" && ["x", "b", "o"].iter().any(|base| rest.starts_with(base)) {
            "write the number in decimal digits".to_owned()
        } else if rest.chars().all(|c| c.is_ascii_digit() || c == '_') {
            format!("write `{}`", text.replace('_', ""))
        } else if ["e", "E"].contains(&rest) {
            "write the exponent as in `1e-4`".to_owned()
        } else {
            format!("write `{number} * {rest}` for the product")
        };
        let report = self.at(codes::MALFORMED_NUMBER, lexeme, "malformed number");
        self.diags.push(report.here(format!("`{rest}` runs into the number")).help(help));
    }

    fn block_comment(&mut self, lexeme: Lexeme) {
        let closed = self.text(lexeme).ends_with("*/");
        let what = if closed { "a comment between `/*` and `*/`" } else { "`/*` opens no comment" };
        let report = self.at(codes::BLOCK_COMMENT, lexeme, "no block comments").here(what);
        self.diags.push(report.help("begin each line of the comment with `//`"));
    }

    fn unknown(&mut self, lexeme: Lexeme) {
        let text = self.text(lexeme);

        let mut report = self.at(codes::UNKNOWN_CHARACTER, lexeme, "unknown character");
        report = report.here(format!("{} has no meaning here", show(&text)));
        if let Some((_, instead)) = INSTEAD.iter().find(|(seen, _)| text.starts_with(seen)) {
            report = report.help(format!("write {instead}"));
        }
        self.diags.push(report);
    }

    fn text(&self, lexeme: Lexeme) -> String {
        self.source.text[lexeme.start..lexeme.end].to_owned()
    }

    fn at(&self, code: codes::Code, place: Lexeme, title: &str) -> Diagnostic {
        Diagnostic::new(code, Span::new(self.source.id, place.start, place.end), title)
    }
}

/// Characters for a message; one that cannot be seen by its number.
fn show(text: &str) -> String {
    let hidden =
        |c: char| c.is_control() || c.is_whitespace() || ('\u{200b}'..='\u{200f}').contains(&c);
    match text.chars().find(|c| hidden(*c)) {
        Some(c) => format!("U+{:04X}", u32::from(c)),
        None => format!("`{}`", text.chars().take(12).collect::<String>()),
    }
}

/// What people write in other languages or paste from papers.
const INSTEAD: &[(&str, &str)] = &[
    ("&", "`and`"),
    ("|", "`or`, or `abs(x)` for |x|"),
    ("!", "`not`"),
    ("#", "`//` to begin a comment"),
    ("?", "`if c then a else b`"),
    ("\u{2212}", "`-`"),
    ("\u{2013}", "`-`"),
    ("\u{00d7}", "`*`"),
    ("\u{00b7}", "`*`"),
    ("\u{22c5}", "`*`"),
    ("\u{00f7}", "`/`"),
    ("\u{2264}", "`<=`"),
    ("\u{2265}", "`>=`"),
    ("\u{2260}", "`!=`"),
    ("\u{2248}", "`~=`"),
    ("\u{223c}", "`~`"),
    ("\u{2190}", "`:=`"),
    ("\u{2208}", "`in`"),
    ("\u{221a}", "`sqrt(x)`"),
    ("\u{2211}", "`sum[i](…)`"),
    ("\u{220f}", "`prod[i](…)`"),
    ("\u{22a4}", "`.T`"),
    ("\u{00b2}", "`^2`"),
    ("\u{00b3}", "`^3`"),
    ("\u{2032}", "`'`"),
    ("\u{2019}", "`'`"),
    ("\u{201c}", "plain quotes `\"`"),
    ("\u{201d}", "plain quotes `\"`"),
    ("$", "the name without `$`"),
    ("\\", "the name without `\\`"),
    ("%", "the remainder out by hand: there is no `%`"),
];
