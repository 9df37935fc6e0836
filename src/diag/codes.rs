//! The one table of diagnostic codes.
//!
//! A code is an error (`E`) or a warning (`W`) and four digits whose hundreds name the stage. Codes are never reused.
//! Each has a page in `docs/errors`, included here, so that a code without a page does not compile.

/// A diagnostic code such as `E0501`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub &'static str);

impl Code {
    /// Whether the code stands for an error rather than a warning.
    pub fn is_error(self) -> bool {
        self.0.starts_with('E')
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// A row of the table: a code, its title and its page.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// The problem in a few words.
    pub title: &'static str,
    /// The page shown by `tpc explain`, in Markdown.
    pub page: &'static str,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($code);)*
        /// All codes in order of stage.
        pub const TABLE: &[Entry] = &[$(Entry {
            code: $name,
            title: $title,
            page: include_str!(concat!("../../docs/errors/", $code, ".md")),
        }),*];
    };
}

codes! {
    // 00 source, IO, command line
    // 01 lexical
    UNKNOWN_CHARACTER = "E0101", "unknown character";
    MALFORMED_NUMBER = "E0102", "malformed number";
    HUGE_NUMBER = "E0103", "number too large";
    UNTERMINATED_STRING = "E0104", "string without an end";
    BLOCK_COMMENT = "E0105", "no block comments";
    // 02 syntax
    UNEXPECTED_TOKEN = "E0201", "unexpected token";
    UNEXPECTED_END = "E0202", "unexpected end of the file";
    MISSING_SEMICOLON = "E0203", "missing `;`";
    RESERVED_WORD = "E0204", "reserved word used as a name";
    UNCLOSED = "E0205", "bracket is never closed";
    MISMATCHED_BRACKET = "E0206", "mismatched bracket";
    STRAY_CLOSER = "E0207", "nothing to close";
    EQUALS_FOR_ASSIGN = "E0208", "`=` in place of `:=`";
    WRONG_EQUALS = "E0209", "wrong kind of equals sign";
    ASSIGN_TO_EXPRESSION = "E0210", "not a variable on the left of `:=`";
    BARE_EXPRESSION = "E0211", "expression without a use";
    CHAINED_COMPARISON = "E0212", "chained comparison";
    MISSING_THEN = "E0213", "`if` without `then`";
    MISSING_ELSE = "E0214", "`if` without `else`";
    MISSING_KIND = "E0215", "declaration without a kind";
    UNKNOWN_KIND = "E0216", "not a kind";
    FN_OR_DEF = "E0217", "`fn` and `def` confused";
    RANGE_OUT_OF_PLACE = "E0218", "range out of place";
    LOOP_WITHOUT_RANGE = "E0219", "`for` without a range";
    DOUBLE_STAR = "E0220", "`**` in place of `^`";
    MISSING_COMMA = "E0221", "missing `,`";
    EMPTY_SUBSCRIPT = "E0222", "empty subscript";
    EMPTY_ARRAY = "E0223", "empty array";
    POSITIONAL_AFTER_NAMED = "E0224", "argument without a name after a named one";
    REPEATED_ARGUMENT = "E0225", "argument given twice";
    NOT_TOP_LEVEL = "E0226", "declaration inside a block";
    RETURN_OUTSIDE = "E0227", "`return` outside of a `def`";
    TOO_DEEP = "E0228", "nested too deeply";
    NOT_AVAILABLE = "E0229", "not available yet";
    // 03 names and indices
    // 04 kinds and shapes
    // 05 scales
    // 06 hypotheses of the theorem
    // 07 lowering and gradients
    // 08 finite run
    // 09 limit
}
