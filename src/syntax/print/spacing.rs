//! Where a space stands between two tokens of one line.
//!
//! Binary operators have spaces, except `^`, the operators inside a range (`0..L-1`) and the stroke of a plain
//! fraction (`1/n`, `-1/2`); brackets hug what they hold and what they follow.

use crate::syntax::token::{Lexeme, Token};

/// The decision for every token of a file.
pub(super) struct Spacing(Vec<bool>);

impl Spacing {
    /// Decides for all tokens.
    pub(super) fn new(tokens: &[Lexeme]) -> Self {
        let kinds: Vec<Token> = tokens.iter().map(|lexeme| lexeme.token).collect();
        let tight = tight_operators(&kinds);
        let space = |at: usize| at > 0 && !tight[at - 1] && !tight[at] && between(&kinds, at);
        Self((0..kinds.len()).map(space).collect())
    }

    /// Whether a space stands before the token at this position.
    pub(super) fn space_before(&self, at: usize) -> bool {
        self.0.get(at).copied().unwrap_or(false)
    }
}

/// Whether a value ends with this token, so that `-`, `(` and `[` after it are not prefixes.
fn ends_value(token: Token) -> bool {
    matches!(
        token,
        Token::Name
            | Token::Number
            | Token::Text
            | Token::Width
            | Token::RParen
            | Token::RBracket
            | Token::Prime
    )
}

fn is_unary_minus(kinds: &[Token], at: usize) -> bool {
    kinds[at] == Token::Minus && !at.checked_sub(1).is_some_and(|before| ends_value(kinds[before]))
}

fn between(kinds: &[Token], at: usize) -> bool {
    let (before, token) = (kinds[at - 1], kinds[at]);
    let head = at >= 3 && kinds[at - 3] == Token::Train && before == Token::Name;
    if token == Token::LParen && head {
        // `train f on (xs, ys)`
        return true;
    }
    let row = at >= 2 && matches!(kinds[at - 2], Token::LBrace | Token::Semi);
    if token == Token::Colon && row && before == Token::Name {
        // a line of a table
        return false;
    }
    let opens = matches!(before, Token::LParen | Token::LBracket);
    let hugs = matches!(before, Token::Dot | Token::DotDot | Token::Caret);
    if opens || hugs || is_unary_minus(kinds, at - 1) {
        return false;
    }
    match token {
        Token::RParen | Token::RBracket | Token::Comma | Token::Semi => false,
        Token::Dot | Token::DotDot | Token::Caret | Token::Prime => false,
        Token::LParen if before == Token::Update => false,
        Token::LParen | Token::LBracket => !ends_value(before),
        _ => true,
    }
}

/// The binary operators without spaces around them.
fn tight_operators(kinds: &[Token]) -> Vec<bool> {
    let mut tight = vec![false; kinds.len()];
    for at in 0..kinds.len() {
        match kinds[at] {
            Token::DotDot => mark_range(kinds, at, &mut tight),
            Token::Slash => tight[at] |= is_fraction(kinds, at),
            _ => {}
        }
    }
    tight
}

/// Marks the operators on both sides of `..`, outside of inner brackets.
fn mark_range(kinds: &[Token], dots: usize, tight: &mut [bool]) {
    let mut mark = |at: usize, depth: &mut usize, opens: bool, closes: bool| {
        let ends = matches!(
            kinds[at],
            Token::Comma | Token::Semi | Token::LBrace | Token::In | Token::Equals | Token::DotDot
        );
        if ends || closes && *depth == 0 {
            return false;
        }
        *depth = *depth + usize::from(opens) - usize::from(closes);
        let operator = matches!(kinds[at], Token::Plus | Token::Minus | Token::Star | Token::Slash);
        if operator && *depth == 0 && !is_unary_minus(kinds, at) {
            tight[at] = true;
        }
        true
    };
    let opener = |at: usize| matches!(kinds[at], Token::LParen | Token::LBracket);
    let closer = |at: usize| matches!(kinds[at], Token::RParen | Token::RBracket);
    let mut depth = 0;
    let _ = (dots + 1..kinds.len()).all(|at| mark(at, &mut depth, opener(at), closer(at)));
    depth = 0;
    let _ = (0..dots).rev().all(|at| mark(at, &mut depth, closer(at), opener(at)));
}

/// `1/n` or `1/64` that is not part of a longer product.
fn is_fraction(kinds: &[Token], at: usize) -> bool {
    use Token::{At, Caret, Slash, Star};
    let kind = |at: Option<usize>| at.and_then(|at| kinds.get(at)).copied();
    let product = |token: Option<Token>| matches!(token, Some(Star | Slash | At | Caret));
    let number = kind(at.checked_sub(1)) == Some(Token::Number);
    let mut before = at.checked_sub(2);
    if before.is_some_and(|before| is_unary_minus(kinds, before)) {
        before = before.and_then(|before| before.checked_sub(1));
    }
    let simple = matches!(kind(Some(at + 1)), Some(Token::Number | Token::Width | Token::Name));
    let longer =
        matches!(kind(Some(at + 2)), Some(Star | Slash | At | Token::LParen | Token::LBracket));
    number && simple && !product(kind(before)) && !longer
}
