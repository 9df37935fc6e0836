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

    /// The problem in a few words, from the table.
    pub fn title(self) -> &'static str {
        TABLE.iter().find(|entry| entry.code == self).map_or("", |entry| entry.title)
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
    CANNOT_READ = "E0001", "file cannot be read";
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
    TRAIN_ON = "E0230", "`train` without data";
    MISPLACED_ITEM = "E0231", "statement in the wrong block";
    // 03 names and indices
    UNKNOWN_NAME = "E0301", "unknown name";
    UNKNOWN_FUNCTION = "E0302", "unknown function";
    DUPLICATE_NAME = "E0303", "name bound twice";
    UNUSED_INDEX = "E0304", "index is not used";
    INDEX_WITHOUT_RANGE = "E0305", "range of an index is unknown";
    REPEATED_INDEX = "E0306", "index introduced twice";
    INDEX_MISMATCH = "E0307", "index does not fit this axis";
    SUBSCRIPT_OUT_OF_RANGE = "E0308", "subscript out of range";
    TOO_MANY_SUBSCRIPTS = "E0309", "too many subscripts";
    WIDTH_SUBSCRIPT = "E0310", "width axis subscripted by a number";
    WIDTH_INDEX_AS_NUMBER = "E0311", "width index used as a number";
    MATRIX_ENTRY = "E0312", "entry of an initial matrix";
    BINDER_IN_SUBSCRIPT = "E0313", "range of an index inside a subscript";
    BINDER_WITHOUT_BODY = "E0314", "binder without a body";
    BINDER_INDEX = "E0315", "binder without an index variable";
    BINDER_RANGE = "E0316", "index does not count from 0";
    BINDER_WIDTH = "E0317", "product or maximum over neurons";
    CANNOT_USE = "E0318", "module cannot be used";
    ASSIGN_UNKNOWN = "E0319", "assignment to an unknown name";
    ASSIGN_FIXED = "E0320", "assignment to a name that is not a `var`";
    NOT_CALLABLE = "E0321", "not a function";
    ARGUMENT_COUNT = "E0322", "wrong number of arguments";
    NAMED_ARGUMENT = "E0323", "argument cannot be named";
    PRIME_WITHOUT_CALL = "E0324", "derivative is not called";
    RECURSION = "E0325", "function calls itself";
    NO_RETURN = "E0326", "block without `return`";
    UNKNOWN_MEMBER = "E0327", "unknown member";
    LAW_AS_VALUE = "E0328", "law used as a value";
    DATA_ONLY = "E0329", "file read outside of `data`";
    UNKNOWN_OVERRIDE = "E0330", "`--set` names no constant";
    // 04 kinds and shapes
    MIXED_KINDS = "E0401", "vec and mat in one operation";
    BARE_AND_FREE = "E0402", "width axis without an index";
    MATRIX_NONLINEAR = "E0403", "initial matrix used nonlinearly";
    SHAPE_MISMATCH = "E0404", "static axes do not broadcast";
    MATMUL_KINDS = "E0405", "`@` needs a mat and a vec";
    MATMUL_STATIC = "E0406", "array of mats on the left of `@`";
    MATMUL_WIDTH_INDEX = "E0407", "width index under `@`";
    AVG_KIND = "E0408", "`avg` of something that is not a vec";
    ANNOTATION_MISMATCH = "E0409", "annotation does not hold";
    ANNOTATION_FACTOR = "E0410", "factor of a kind is not a power of n";
    NOT_STATIC = "E0411", "not known at compile time";
    NOT_AN_INTEGER = "E0412", "not an integer";
    SIZE_OUT_OF_RANGE = "E0413", "size out of range";
    TUPLE_LENGTH = "E0414", "wrong number of values to unpack";
    TUPLE_AS_VALUE = "E0415", "several values where one is needed";
    STACK_MISMATCH = "E0416", "entries of an array differ in shape";
    TRANSPOSE_KIND = "E0417", "transpose of something that is not a mat";
    OUTPUT_KIND = "E0418", "output of a mat";
    DATA_KIND = "E0419", "data with a width";
    DATA_SHAPE = "E0420", "data of another shape";
    DATA_ARGUMENT = "E0421", "wrong argument of `csv` or `npy`";
    DATA_FILE = "E0422", "data cannot be read";
    TEXT_AS_VALUE = "E0423", "text used as a value";
    EXPECT_KIND = "E0424", "`expect` of something that is not a number";
    EXPECT_TOLERANCE = "E0425", "tolerance is not a positive number";
    DUPLICATE_OUTPUT = "E0426", "output named twice";
    RAGGED_OUTPUT = "E0427", "output differs from iteration to iteration";
    SHAPE_OF_SCALAR = "E0428", "`shape` of a value without static axes";
    FN_NOT_REAL = "E0429", "`fn` is not a function of real numbers";
    WIDTH_POWER = "E0430", "power of n is not an exact rational";
    NOT_FINITE = "E0431", "constant is not finite";
    UNKNOWN_LAW = "E0432", "unknown law";
    LAW_ARGUMENT = "E0433", "parameter of a law is not a constant";
    NEGATIVE_VARIANCE = "E0434", "negative variance";
    MATRIX_MEAN = "E0435", "initial matrix with a mean";
    JOINT_LAW_SIZE = "E0436", "joint law of another size";
    JOINT_LAW_MATRIX = "E0437", "joint law of mats";
    NOT_A_COVARIANCE = "E0438", "not a covariance";
    // 05 scales
    OUTPUT_DIVERGES = "E0501", "output diverges with width";
    OUTPUT_VANISHES = "W0502", "output vanishes with width";
    TERM_VANISHES = "W0503", "term vanishes with width";
    ARGUMENT_DIVERGES = "E0504", "argument of a function diverges";
    ARGUMENT_VANISHES = "W0505", "argument of a function vanishes";
    POLE_AT_ZERO = "E0506", "pole at a limit that is 0";
    JUMP_AT_ZERO = "E0507", "jump at a limit that is 0";
    POWER_OF_SCALE = "E0508", "computed power of a value with a scale";
    SCALE_MISMATCH = "E0509", "scale differs from its annotation";
    MEAN_NEEDS_NEXT_ORDER = "E0510", "mean is needed beyond leading order";
    CANCELLATION_NEEDS_NEXT_ORDER = "E0511", "difference is needed beyond leading order";
    RANDOM_SCALAR = "E0512", "scalar stays random in the limit";
    UNSTABLE_AT_INIT = "E0520", "unstable at initialisation";
    UNFAITHFUL = "E0521", "gradient scaled wrongly for the optimizer";
    FEATURES_DIVERGE = "E0522", "features diverge in training";
    PREDICTION_DIVERGES = "E0523", "output diverges in training";
    TRIVIAL = "E0524", "training changes nothing in the limit";
    // 06 hypotheses of the theorem
    DISCONTINUOUS = "W0601", "function has a jump";
    KINK_WITHOUT_GAUSSIAN = "W0602", "kink meets a matrix that is not Gaussian";
    GROWTH = "W0603", "function grows too fast";
    POLE = "W0604", "function has a pole or an infinite slope";
    // 07 lowering and gradients
    GRAD_SCALAR = "E0701", "gradient of something that is not a scalar";
    GRAD_TARGET = "E0702", "gradient by something that cannot vary";
    GRAD_SUBSCRIPT = "E0703", "wrong subscript of a gradient's target";
    GRAD_DIAGONAL = "E0704", "derivative through the diagonal of a mat";
    GRAD_NO_PATH = "W0705", "gradient is zero: no path";
    PROGRAM_TOO_LARGE = "E0706", "program is too large";
    UNKNOWN_NET = "E0707", "unknown network";
    UNKNOWN_ITEM = "E0708", "unknown item of `train`";
    MISSING_ITEM = "E0709", "`train` lacks an item";
    REPEATED_ITEM = "E0710", "item given twice";
    ITEM_VALUE = "E0711", "wrong value of an item";
    UNKNOWN_OPTIMIZER = "E0712", "unknown optimizer";
    OPTIMIZER_ARGUMENT = "E0713", "wrong argument of an optimizer";
    OPTIMIZER_BODY = "E0714", "optimizer is not complete";
    UNKNOWN_PARAMETRIZATION = "E0715", "unknown parametrization";
    UNKNOWN_PARAMETER = "E0716", "network has no such parameter";
    NOT_AN_EXPONENT = "E0717", "exponent is not an exact rational";
    TRAINED_TWICE = "E0718", "network is trained twice";
    NOT_TRAINED = "E0719", "network is never trained";
    NET_BODY = "E0720", "network is not complete";
    // 08 finite run
    MEMORY = "E0801", "not enough memory for this width";
    TOO_MANY_EVALUATIONS = "E0802", "too many evaluations";
    RUN_NOT_FINITE = "E0803", "value is not finite";
    NO_WIDTH = "E0804", "width 0";
    CANNOT_EXECUTE = "E0805", "program cannot be executed";
    // 09 limit
    LIMIT_POLE = "E0901", "pole at the limit of its argument";
    LIMIT_JUMP = "E0902", "jump at the limit of its argument";
    LIMIT_NOT_FINITE = "E0903", "limit is not finite";
    LIMIT_NOT_EXACT = "E0904", "limit needs particles";
}
