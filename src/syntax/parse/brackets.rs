//! Brackets are paired before parsing.
//!
//! A bracket that is never closed would let everything after it be read as its inside. Here each is closed at the
//! latest where it must have ended (`;`, a word that begins a statement, `}`, the end of the file), with a message
//! that points at the opening bracket. Afterwards all brackets of the list are paired and no block is too deep.

use crate::diag::{Diagnostic, Diags, codes};
use crate::source::{Source, Span};
use crate::syntax::token::{Lexeme, Token};

/// How deep blocks may be nested.
const MAX_BLOCKS: usize = 60;

/// How deep parentheses and brackets of one statement may be nested.
const MAX_BRACKETS: usize = 150;

/// Pairs all brackets, reporting those without a partner.
pub(super) fn balance(tokens: &mut Vec<Lexeme>, source: &Source, diags: &mut Diags) {
    let mut pairing =
        Pairing { source, diags, open: Vec::new(), braces: Vec::new(), out: Vec::new() };
    for lexeme in tokens.iter() {
        pairing.step(*lexeme);
    }
    pairing.close_down_to(0, None);
    *tokens = pairing.out;
}

struct Pairing<'a> {
    source: &'a Source,
    diags: &'a mut Diags,
    open: Vec<Lexeme>,
    /// Which of the open ones are braces.
    braces: Vec<usize>,
    out: Vec<Lexeme>,
}

impl Pairing<'_> {
    fn step(&mut self, lexeme: Lexeme) {
        if lexeme.token.closer().is_some() {
            self.open(lexeme);
        } else if lexeme.token.is_closer() {
            self.close(lexeme);
        } else {
            let first = lexeme.token.starts_statement() && self.first_on_line(lexeme);
            if lexeme.token == Token::Semi || first {
                self.close_down_to(self.innermost_block(), Some(lexeme));
            }
            self.keep(lexeme);
        }
    }

    /// Inside of what is too deep nothing is kept.
    fn keep(&mut self, lexeme: Lexeme) {
        if self.too_deep().is_none() {
            self.out.push(lexeme);
        }
    }

    fn too_deep(&self) -> Option<String> {
        if self.braces.len() > MAX_BLOCKS {
            return Some(format!("more than {MAX_BLOCKS} blocks inside each other"));
        }
        let brackets = self.open.len() - self.innermost_block();
        (brackets > MAX_BRACKETS)
            .then(|| format!("more than {MAX_BRACKETS} brackets inside each other"))
    }

    fn push(&mut self, lexeme: Lexeme) {
        if lexeme.token == Token::LBrace {
            self.braces.push(self.open.len());
        }
        self.open.push(lexeme);
    }

    fn pop(&mut self) -> Option<Lexeme> {
        let open = self.open.pop()?;
        if open.token == Token::LBrace {
            self.braces.pop();
        }
        Some(open)
    }

    /// How many brackets are open outside of the innermost block, its brace included.
    fn innermost_block(&self) -> usize {
        self.braces.last().map_or(0, |at| at + 1)
    }

    fn open(&mut self, lexeme: Lexeme) {
        if lexeme.token == Token::LBrace {
            self.close_down_to(self.innermost_block(), Some(lexeme));
        }
        self.keep(lexeme);
        let before = self.too_deep().is_some();
        self.push(lexeme);
        if let Some(fact) = self.too_deep().filter(|_| !before) {
            let report = Diagnostic::new(codes::TOO_DEEP, self.span(lexeme), "nested too deeply");
            self.diags
                .push(report.here(fact).help("name the inner part, with `let` or in a `def`"));
        }
    }

    fn close(&mut self, lexeme: Lexeme) {
        let fits = |open: &Lexeme| open.token.closer() == Some(lexeme.token);
        let from = if lexeme.token == Token::RBrace { 0 } else { self.innermost_block() };
        let partner = self.open[from..].iter().rposition(fits).map(|at| at + from);
        match (partner, self.open.last().copied()) {
            (Some(at), _) => {
                self.close_down_to(at + 1, Some(lexeme));
                self.close_innermost(lexeme);
            }
            (None, Some(open)) if open.token != Token::LBrace && lexeme.token != Token::RBrace => {
                self.mismatch(open, lexeme);
            }
            (None, _) => {
                let text = lexeme.token.text().unwrap_or("?");
                let report =
                    Diagnostic::new(codes::STRAY_CLOSER, self.span(lexeme), "nothing to close");
                self.diags.push(report.here(format!("no bracket is open that `{text}` closes")));
            }
        }
    }

    fn mismatch(&mut self, open: Lexeme, lexeme: Lexeme) {
        let closer = open.token.closer().unwrap_or(lexeme.token);
        let [opening, wrong, right] =
            [open.token, lexeme.token, closer].map(|t| t.text().unwrap_or("?"));
        let report =
            Diagnostic::new(codes::MISMATCHED_BRACKET, self.span(lexeme), "mismatched bracket");
        let report = report.here(format!("`{wrong}` does not close `{opening}`"));
        let report = report.label(self.span(open), "opened here");
        self.diags.push(report.help(format!("write `{right}`")));
        self.close_innermost(Lexeme { token: closer, ..lexeme });
    }

    /// Where the inside was dropped, the closer counts as put in, so that its emptiness is not reported as well.
    fn close_innermost(&mut self, lexeme: Lexeme) {
        let dropped = self.too_deep().is_some() && lexeme.token != Token::RBrace;
        self.pop();
        self.keep(if dropped { Lexeme::inserted(lexeme.token, self.end()) } else { lexeme });
    }

    /// The end of what was kept so far.
    fn end(&self) -> usize {
        self.out.last().map_or(0, |last| last.end)
    }

    /// Reports and closes all but the outer `keep` open brackets.
    fn close_down_to(&mut self, keep: usize, before: Option<Lexeme>) {
        while self.open.len() > keep {
            let dropped = self.too_deep().is_some();
            let Some(open) = self.pop() else { return };
            let closer = open.token.closer().unwrap_or(Token::RParen);
            if !dropped {
                self.unclosed(open, closer, before);
            }
            self.keep(Lexeme::inserted(closer, self.end()));
        }
    }

    fn unclosed(&mut self, open: Lexeme, closer: Token, before: Option<Lexeme>) {
        let [opening, closer] = [open.token, closer].map(|token| token.text().unwrap_or("?"));
        let report = Diagnostic::new(codes::UNCLOSED, self.span(open), "bracket is never closed");
        self.diags.push(match before {
            Some(before) => {
                let expected = format!("`{closer}` expected before this");
                report.here(format!("this `{opening}`")).label(self.span(before), expected)
            }
            None => report.here(format!("this `{opening}` is open until the file ends")),
        });
    }

    fn first_on_line(&self, lexeme: Lexeme) -> bool {
        self.source.text[self.end().min(lexeme.start)..lexeme.start].contains('\n')
    }

    fn span(&self, lexeme: Lexeme) -> Span {
        Span::new(self.source.id, lexeme.start, lexeme.end)
    }
}
