//! Words of the language that this version does not compile yet: networks and their training.

use crate::diag::{Diagnostic, Diags, codes};
use crate::source::{Source, Span};
use crate::syntax::token::{Lexeme, Token};

/// Reports and removes each `net`, `train` and `optimizer` block. Brackets are paired already.
pub(super) fn remove(tokens: &mut Vec<Lexeme>, source: &Source, diags: &mut Diags) {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if begins_block(tokens, at) {
            report(tokens[at], source, diags);
            at = end_of_block(tokens, at);
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    *tokens = kept;
}

fn begins_block(tokens: &[Lexeme], at: usize) -> bool {
    let word = matches!(tokens[at].token, Token::Net | Token::Train | Token::Optimizer);
    let starts = at.checked_sub(1).is_none_or(|before| {
        matches!(tokens[before].token, Token::Semi | Token::LBrace | Token::RBrace)
    });
    let named = tokens.get(at + 1).is_some_and(|next| next.token == Token::Name);
    word && starts && named
}

fn end_of_block(tokens: &[Lexeme], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, lexeme) in tokens.iter().enumerate().skip(start) {
        match lexeme.token {
            Token::LBrace => depth += 1,
            // The brace that closes the block around it.
            Token::RBrace if depth == 0 => return at,
            Token::RBrace if depth == 1 => return at + 1,
            Token::RBrace => depth -= 1,
            Token::Semi if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn report(lexeme: Lexeme, source: &Source, diags: &mut Diags) {
    let word = lexeme.token.text().unwrap_or("?");
    let span = Span::new(source.id, lexeme.start, lexeme.end);
    let report =
        Diagnostic::new(codes::NOT_AVAILABLE, span, format!("`{word}` is not available yet"));
    let report = report.here("reserved for networks and training");
    diags.push(
        report.help("write the network and its training steps out with `let`, `grad` and `var`"),
    );
}
