//! Marks the words that begin the items of a `train` block, which are reserved nowhere else.

use crate::source::Source;
use crate::syntax::token::{Lexeme, Token};

/// Turns the first name of every item into a `Word`. Brackets are paired already.
pub(in crate::syntax) fn mark(tokens: &mut [Lexeme], source: &Source) {
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].token == Token::Train {
            at = mark_block(tokens, at + 1, source);
        } else {
            at += 1;
        }
    }
}

/// Marks the block whose head begins at `start`; the position after it.
fn mark_block(tokens: &mut [Lexeme], start: usize, source: &Source) -> usize {
    let mut depth = 0_usize;
    let mut parentheses = 0_usize;
    let mut first = false;
    for (at, lexeme) in tokens.iter_mut().enumerate().skip(start) {
        let starts = first && depth == 1 && parentheses == 0;
        first = false;
        match lexeme.token {
            Token::LBrace => {
                depth += 1;
                first = depth == 1;
            }
            Token::RBrace if depth <= 1 => return at + 1,
            Token::RBrace => {
                depth -= 1;
                first = depth == 1;
            }
            Token::LParen | Token::LBracket => parentheses += 1,
            Token::RParen | Token::RBracket => parentheses = parentheses.saturating_sub(1),
            // no block follows the head
            Token::Semi if depth == 0 => return at,
            Token::Semi => first = depth == 1,
            Token::Name | Token::Optimizer if starts => {
                let batch = source.text.get(lexeme.start..lexeme.end) == Some("batch");
                lexeme.token = if batch { Token::Batch } else { Token::Word };
            }
            _ => {}
        }
    }
    tokens.len()
}
