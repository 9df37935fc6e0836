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
    // 02 syntax
    // 03 names and indices
    // 04 kinds and shapes
    // 05 scales
    // 06 hypotheses of the theorem
    // 07 lowering and gradients
    // 08 finite run
    // 09 limit
}
