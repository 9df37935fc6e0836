//! From tokens to the syntax tree; hides the generated parser.
//!
//! Brackets are balanced first, so that recovery at `;` and `}` finds its way. Then the generated parser runs. Where it
//! met an error at a place where `;` was possible and a new line or a new statement begins, the semicolon is missing:
//! it is put in and the parser runs again, so that the statement that follows is not lost.

use super::ast::Program;
use super::lexer::lex;
use super::token::{Lexeme, Token};
use crate::diag::{Diagnostic, Diags, codes};
use crate::source::{Source, Span};
use lalrpop_util::ParseError;

mod brackets;
mod expected;
pub(super) mod items;
mod number;
mod tree;

#[allow(
    clippy::all,
    clippy::too_many_lines,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    unused
)]
mod grammar {
    include!(concat!(env!("OUT_DIR"), "/tp.rs"));
}

pub(crate) type Failure = ParseError<usize, Token, ()>;

/// How often semicolons are put in before the rest is reported as it comes.
const MAX_ROUNDS: usize = 30;

/// The syntax tree of a file. Always gives a tree; mistakes are in `diags` and `Error` nodes in the tree.
pub fn parse(source: &Source, diags: &mut Diags) -> Program {
    let mut tokens = lex(source, diags).tokens;
    brackets::balance(&mut tokens, source, diags);
    for _ in 0..MAX_ROUNDS {
        // an item may begin where a semicolon was put in
        items::mark(&mut tokens, source);
        let attempt = attempt(source, &tokens);
        let missing = missing_semicolons(source, &tokens, &attempt.failures);
        if missing.is_empty() {
            return attempt.finish(source, &tokens, diags);
        }
        for place in missing {
            insert_semicolon(&mut tokens, place, source, diags);
        }
    }
    attempt(source, &tokens).finish(source, &tokens, diags)
}

/// One run of the generated parser.
struct Attempt {
    program: Program,
    reports: Vec<Diagnostic>,
    failures: Vec<Failure>,
}

fn attempt(source: &Source, tokens: &[Lexeme]) -> Attempt {
    let tree = tree::Tree::new(source);
    let stream = tokens.iter().map(|lexeme| Ok((lexeme.start, lexeme.token, lexeme.end)));
    let result = grammar::ProgramParser::new().parse(&tree, stream);
    let (reports, recoveries) = tree.finish();
    let mut failures: Vec<Failure> =
        recoveries.into_iter().map(|recovery| recovery.error).collect();
    let program = result.unwrap_or_else(|failure| {
        failures.push(failure);
        Program::default()
    });
    Attempt { program, reports, failures }
}

impl Attempt {
    fn finish(self, source: &Source, tokens: &[Lexeme], diags: &mut Diags) -> Program {
        self.reports.into_iter().for_each(|report| diags.push(report));
        for failure in &self.failures {
            if let Some(report) = expected::describe(source, tokens, failure) {
                diags.push(report);
            }
        }
        self.program
    }
}

/// The positions in the list of tokens before which a semicolon is missing, last first.
fn missing_semicolons(source: &Source, tokens: &[Lexeme], failures: &[Failure]) -> Vec<usize> {
    let mut places: Vec<usize> = failures
        .iter()
        .filter(|failure| expected::allows(failure, Token::Semi))
        .filter_map(|failure| {
            let at = expected::position(tokens, failure);
            let before = tokens.get(at.checked_sub(1)?)?;
            let Some(found) = tokens.get(at) else { return Some(at) };
            let new_line = source.text[before.end..found.start.max(before.end)].contains('\n');
            let ends = found.token == Token::RBrace || found.token.starts_statement();
            (!found.is_inserted() && (new_line || ends) || at == tokens.len()).then_some(at)
        })
        .collect();
    places.sort_unstable();
    places.dedup();
    places.reverse();
    places
}

fn insert_semicolon(tokens: &mut Vec<Lexeme>, at: usize, source: &Source, diags: &mut Diags) {
    let before = tokens[at - 1];
    let end = before.end;
    tokens.insert(at, Lexeme::inserted(Token::Semi, end));
    // A bracket or a quote was already said to be missing at this place.
    let open_quote =
        before.token == Token::Text && !source.text[before.start + 1..end].ends_with('"');
    if before.is_inserted() || open_quote {
        return;
    }
    let report =
        Diagnostic::new(codes::MISSING_SEMICOLON, Span::new(source.id, end, end), "missing `;`");
    diags.push(report.here("`;` expected after this"));
}

#[cfg(test)]
mod tests;
