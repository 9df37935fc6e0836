//! The formatter: one layout for all programs.
//!
//! It writes the tokens, not the tree, so that comments, parentheses and numbers stay as they were written; only white
//! space changes. Each statement begins on a line of its own, blocks are indented by two spaces, at most one blank line
//! is kept between statements, and a line break inside a statement stays where it was put:
//!
//! ```text
//! for t in 0..T-1 {x:=2*x // twice        for t in 0..T-1 {
//! ;y:=sum[i](a[i]                →          x := 2 * x  // twice
//!   *b[i] ) ; }                               ;
//!                                           y := sum[i](a[i]
//!                                             * b[i]);
//!                                         }
//! ```

use super::lexer::lex;
use super::parse::items::mark;
use super::parse::parse;
use super::token::{Lexeme, Token};
use crate::diag::Diags;
use crate::source::{FileId, Source};
use spacing::Spacing;

mod spacing;

const INDENT: usize = 2;

/// The program in its one layout; `None` if it has mistakes, which are in `diags`.
pub fn format(source: &Source, diags: &mut Diags) -> Option<String> {
    let mut own = Diags::default();
    parse(source, &mut own);
    if own.has_errors() {
        parse(source, diags);
        return None;
    }
    let lexed = lex(source, &mut Diags::default());
    let mut tokens = lexed.tokens;
    mark(&mut tokens, source);
    let items = items(&source.text, &tokens, &lexed.comments);
    let mut printer = Printer::new(Spacing::new(&tokens), tables(&tokens));
    items.iter().for_each(|item| printer.item(item));
    Some(printer.finish())
}

/// An expression on one line, without comments: the name of an output that was given none.
pub fn one_line(text: &str) -> String {
    let source = Source { id: FileId(0), name: String::new(), text: text.to_owned() };
    let tokens = lex(&source, &mut Diags::default()).tokens;
    let spacing = Spacing::new(&tokens);
    let mut line = String::new();
    for (at, lexeme) in tokens.iter().enumerate() {
        if at > 0 && spacing.space_before(at) {
            line.push(' ');
        }
        line.push_str(&text[lexeme.start..lexeme.end]);
    }
    line
}

/// Which tokens belong to a table, `{ W: 1.4; }` behind an item of `train`, which stays on its line.
fn tables(tokens: &[Lexeme]) -> Vec<bool> {
    let mut inside = vec![false; tokens.len()];
    let mut item = false;
    let mut table = false;
    for (at, lexeme) in tokens.iter().enumerate() {
        match lexeme.token {
            Token::Word => item = true,
            Token::LBrace if item => table = true,
            Token::Semi if !table => item = false,
            _ => {}
        }
        inside[at] = table;
        if lexeme.token == Token::RBrace {
            (item, table) = (false, false);
        }
    }
    inside
}

/// A token (by its position in the list) or a comment.
struct Item<'a> {
    token: Option<(usize, Token)>,
    text: &'a str,
    /// Line breaks between the item before and this one.
    breaks: usize,
}

fn items<'a>(
    text: &'a str,
    tokens: &[Lexeme],
    comments: &[std::ops::Range<usize>],
) -> Vec<Item<'a>> {
    let tokens = tokens.iter().enumerate();
    let tokens = tokens.map(|(at, lexeme)| (lexeme.start..lexeme.end, Some((at, lexeme.token))));
    let comments = comments.iter().map(|range| (range.clone(), None));
    let mut all: Vec<_> = tokens.chain(comments).collect();
    all.sort_by_key(|(range, _)| range.start);
    let mut end = 0;
    let item = |(range, token): (std::ops::Range<usize>, _)| {
        let breaks = text[end..range.start].matches('\n').count();
        end = range.end;
        Item { token, text: text[range].trim_end(), breaks }
    };
    all.into_iter().map(item).collect()
}

/// What the last item was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Comment,
    Token(Token),
}

struct Printer {
    spacing: Spacing,
    /// Which tokens stand in a table.
    tables: Vec<bool>,
    out: String,
    last: Last,
    /// Whether the next token begins a statement.
    between: bool,
    /// Open braces.
    blocks: usize,
    /// How far the lines are indented on which the open parentheses and brackets of the statement stand.
    brackets: Vec<usize>,
    /// How far this line is indented beyond the block.
    level: usize,
}

impl Printer {
    fn new(spacing: Spacing, tables: Vec<bool>) -> Self {
        let out = String::new();
        Self {
            spacing,
            tables,
            out,
            last: Last::Nothing,
            between: true,
            blocks: 0,
            brackets: Vec::new(),
            level: 0,
        }
    }

    fn item(&mut self, item: &Item<'_>) {
        match item.token {
            Some((at, token)) => self.token(item, at, token),
            None => self.comment(item),
        }
    }

    fn comment(&mut self, item: &Item<'_>) {
        if self.last != Last::Nothing {
            match item.breaks {
                0 => self.out.push_str("  "),
                breaks => {
                    let level = self.brackets.last().map_or(1, |level| level + 1);
                    self.new_line(breaks > 1, level);
                }
            }
        }
        self.out.push_str(item.text);
        self.last = Last::Comment;
    }

    fn token(&mut self, item: &Item<'_>, at: usize, token: Token) {
        let inside = self.brackets.last().map_or(1, |level| level + 1);
        let level = match token {
            Token::RParen | Token::RBracket => self.brackets.pop().unwrap_or(0),
            _ => inside,
        };
        let table = self.tables[at];
        if token == Token::RBrace && !table {
            self.blocks = self.blocks.saturating_sub(1);
        }
        self.separate(item, at, level);
        self.out.push_str(item.text);
        match token {
            Token::LBrace if !table => self.blocks += 1,
            Token::LParen | Token::LBracket => self.brackets.push(self.level),
            _ => {}
        }
        self.between = match token {
            Token::RBrace => true,
            Token::Semi | Token::LBrace => !table,
            _ => false,
        };
        self.last = Last::Token(token);
    }

    /// What stands between the last item and a token, which is indented by `level` if it begins a line.
    fn separate(&mut self, item: &Item<'_>, at: usize, level: usize) {
        let Some((_, token)) = item.token else { return };
        let joins = match self.last {
            Last::Nothing => return,
            Last::Comment => false,
            Last::Token(last) => match (last, token) {
                (Token::LBrace, Token::RBrace) => return,
                (Token::RBrace, Token::Else) => true,
                // the `;` behind a table
                (Token::RBrace, Token::Semi) => true,
                _ => !self.between && (item.breaks == 0 || glued(token)),
            },
        };
        if !joins {
            let blank = item.breaks > 1 && token != Token::RBrace;
            self.new_line(blank, level);
        } else if self.spacing.space_before(at) {
            self.out.push(' ');
        }
    }

    /// Ends the line. A blank line stays between statements, not at the edges of a block.
    fn new_line(&mut self, blank: bool, level: usize) {
        self.out.push('\n');
        if self.between && blank && self.last != Last::Token(Token::LBrace) {
            self.out.push('\n');
        }
        self.level = if self.between { 0 } else { level };
        self.out.extend(std::iter::repeat_n(' ', INDENT * (self.blocks + self.level)));
    }

    fn finish(mut self) -> String {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }
}

/// Tokens that never begin a line inside a statement.
fn glued(token: Token) -> bool {
    matches!(token, Token::Semi | Token::Comma | Token::LBrace | Token::Prime)
}

#[cfg(test)]
mod tests;
