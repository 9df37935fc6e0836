//! The words and symbols of the language.
//!
//! Tokens carry no text: it is read from the source by position. The one table below feeds the lexer, the messages
//! ("expected `;`") and the test that every token lexes and has a place in the grammar.

use logos::{Lexer, Logos};
use std::ops::Range;

macro_rules! tokens {
    (words { $($word:ident $word_text:tt)* } symbols { $($symbol:ident $symbol_text:tt)* }) => {
        /// A token; words are reserved, except after a dot.
        #[derive(Logos, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[logos(extras = Vec<Range<usize>>)]
        #[logos(skip r"[ \t\r\n\u{FEFF}]+")]
        #[logos(skip("//[^\n]*", comment, allow_greedy = true))]
        #[allow(missing_docs)]
        pub enum Token {
            $(#[token($word_text)] $word,)*
            $(#[token($symbol_text)] $symbol,)*
            /// An identifier.
            #[regex(r"[\p{XID_Start}_][\p{XID_Continue}]*", priority = 1)]
            Name,
            /// `12`, `0.5`, `1e-4`.
            #[regex(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", priority = 20)]
            Number,
            /// `"data.csv"`, without escapes.
            #[regex("\"[^\"\n]*\"", priority = 20)]
            Text,
            /// Digits that run into letters; the lexer reports it and hands on a `Number`.
            #[regex(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?[\p{XID_Start}_][\p{XID_Continue}]*", priority = 2)]
            BadNumber,
            /// A string that does not end on its line; the lexer reports it and hands on a `Text`.
            #[regex("\"[^\"\n]*", priority = 2)]
            BadText,
            /// `/* … */`; the lexer reports and drops it.
            #[token("/*", block_comment)]
            BlockComment,
            /// A name that begins an item of a `train` block; `parse::items` makes it of a name.
            Word,
            /// The word `batch` there, which takes arguments in parentheses.
            Batch,
            /// What no rule matches, reported by the lexer. The grammar lists it so that the parser can recover.
            Invalid,
        }

        /// All reserved words and symbols with their text.
        pub const FIXED: &[(Token, &str)] =
            &[$((Token::$word, $word_text),)* $((Token::$symbol, $symbol_text),)*];

        impl Token {
            /// Whether this is a reserved word.
            pub fn is_word(self) -> bool {
                matches!(self, $(Token::$word)|*)
            }
        }
    };
}

tokens! {
    words {
        And "and" As "as" Const "const" Data "data" Def "def" Else "else" Expect "expect" Fn "fn" For "for"
        If "if" In "in" Init "init" Let "let" Net "net" Not "not" Optimizer "optimizer" Or "or"
        Output "output" Param "param" Return "return" State "state" Then "then" Train "train"
        Update "update" Use "use" Var "var" Width "n" Within "within"
    }
    symbols {
        LParen "(" RParen ")" LBracket "[" RBracket "]" LBrace "{" RBrace "}"
        Comma "," Semi ";" Colon ":" Dot "." DotDot ".." Prime "'"
        Assign ":=" Equals "=" Tilde "~" Near "~="
        Plus "+" Minus "-" Star "*" Slash "/" At "@" Caret "^"
        Eq "==" Ne "!=" Lt "<" Le "<=" Gt ">" Ge ">="
    }
}

/// Remembers a comment and skips it.
fn comment(lexer: &mut Lexer<'_, Token>) {
    let range = lexer.span();
    lexer.extras.push(range);
}

/// Goes to the end of `/* … */`, or of the line if that is nowhere.
fn block_comment(lexer: &mut Lexer<'_, Token>) {
    let rest = lexer.remainder();
    let end = rest.find("*/").map(|at| at + 2).or_else(|| rest.find('\n'));
    lexer.bump(end.unwrap_or(rest.len()));
}

impl Token {
    /// The fixed text, if there is one.
    pub fn text(self) -> Option<&'static str> {
        FIXED.iter().find(|(token, _)| *token == self).map(|(_, text)| *text)
    }

    /// The token of a reserved word or symbol.
    pub fn from_text(text: &str) -> Option<Token> {
        FIXED.iter().find(|(_, own)| *own == text).map(|(token, _)| *token)
    }

    /// How messages name what could stand somewhere.
    pub fn describe(self) -> String {
        match self {
            Token::Name => "a name".to_owned(),
            Token::Number | Token::BadNumber => "a number".to_owned(),
            Token::Text | Token::BadText => "a string".to_owned(),
            Token::BlockComment => "a comment".to_owned(),
            Token::Word | Token::Batch => "an item such as `steps`".to_owned(),
            _ => format!("`{}`", self.text().unwrap_or("?")),
        }
    }

    /// Whether a statement can begin with this word and nothing else can.
    pub fn starts_statement(self) -> bool {
        use Token::{Batch, Const, Data, Def, Expect, Fn, For, Init, Let, Net, Optimizer};
        use Token::{Output, Param, Return, State, Train, Update, Use, Var, Word};
        let words = [
            Batch, Const, Data, Def, Expect, Fn, For, Init, Let, Net, Optimizer, Output, Param,
            Return, State, Train, Update, Use, Var, Word,
        ];
        words.contains(&self)
    }

    /// Whether this word has a meaning inside of an expression or right after one.
    pub fn stands_in_expressions(self) -> bool {
        use Token::{And, As, Else, If, In, Not, Or, Then, Width, Within};
        [And, As, Else, If, In, Not, Or, Then, Width, Within].contains(&self)
    }

    /// Whether it opens a bracket, and which token closes it.
    pub fn closer(self) -> Option<Token> {
        let pairs = [
            (Token::LParen, Token::RParen),
            (Token::LBracket, Token::RBracket),
            (Token::LBrace, Token::RBrace),
        ];
        pairs.iter().find(|(open, _)| *open == self).map(|(_, close)| *close)
    }

    /// Whether it closes a bracket.
    pub fn is_closer(self) -> bool {
        matches!(self, Token::RParen | Token::RBracket | Token::RBrace)
    }
}

/// A token and its byte range. An empty range marks a token that was not written but put in by error recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lexeme {
    /// Which.
    pub token: Token,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Lexeme {
    /// A token that error recovery puts in at `place`.
    pub fn inserted(token: Token, place: usize) -> Self {
        Self { token, start: place, end: place }
    }

    /// Whether it was put in by error recovery.
    pub fn is_inserted(&self) -> bool {
        self.start == self.end
    }
}
