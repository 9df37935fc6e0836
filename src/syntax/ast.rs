//! The syntax tree: what was written, with positions and without meaning.
//!
//! Names are text, `sum[i in 0..M](e)` is an ordinary call of an index expression, a law such as `N(0, 1/n)` is an
//! ordinary expression; `resolve` gives them their meaning. Parentheses leave no trace except in positions. Two
//! trees are equal when they differ in positions only. `Error` nodes stand where a mistake was already reported:
//! later stages accept them silently.

use crate::source::Span;
use num_rational::Ratio;

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Its statements in order.
    pub stmts: Vec<Stmt>,
    /// The trained nets that some of them stand for.
    pub nets: Vec<PlainNet>,
}

/// The names of a trained net in a plain program. What must fit shows only where kinds and sizes are known.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainNet {
    /// Its `def`.
    pub def: String,
    /// Its outputs before training.
    pub first: String,
    /// Their targets, where the `train` gives them.
    pub targets: Name,
}

/// A name where it is introduced, or after a dot.
#[derive(Clone, Debug)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A quoted string.
#[derive(Clone, Debug)]
pub struct Text {
    /// What stands between the quotes.
    pub text: String,
    /// Where, quotes included.
    pub span: Span,
}

/// Statements between braces.
#[derive(Clone, Debug)]
pub struct Block {
    /// The statements in order.
    pub stmts: Vec<Stmt>,
    /// Where, braces included (for `else if`, the inner statement).
    pub span: Span,
}

/// A statement or declaration.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// Which.
    pub kind: StmtKind,
    /// Where, the final `;` or `}` included.
    pub span: Span,
}

/// The statements. The parser already reported those of the top level that stand inside a block, and a `return` or
/// `:=` outside of one; they are in the tree nevertheless.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// `use "other.tp";` or `use std.optim;`
    Use(UsePath),
    /// `const M = 4;`
    Const {
        /// The constant.
        name: Name,
        /// Its value.
        value: Expr,
    },
    /// `data xs : scalar[M, 64] = csv("d.csv");`
    Data {
        /// The array.
        name: Name,
        /// Its kind and sizes.
        ty: Type,
        /// A constant expression.
        value: Expr,
    },
    /// `init x, u : vec ~ N(0, 1);`
    Init {
        /// At least one name.
        names: Vec<Name>,
        /// Kind and sizes of each.
        ty: Type,
        /// The law: `N(mean, variance)`, `rademacher() * 2`, …
        law: Expr,
    },
    /// `fn act(z) = tanh(z);`
    Fn {
        /// The function.
        name: Name,
        /// Its arguments.
        params: Vec<Name>,
        /// Its value.
        body: Expr,
    },
    /// `def step(w, g) { …; return w; }`
    Def {
        /// The block's name.
        name: Name,
        /// Its arguments.
        params: Vec<Param>,
        /// Its statements.
        body: Block,
    },
    /// `let h[i] : vec[M] = …;` or `let (a, b) = …;`
    Let {
        /// What is bound.
        target: Target,
        /// The annotation.
        ty: Option<Type>,
        /// The value.
        value: Expr,
    },
    /// `var x = …;`
    Var {
        /// What is bound.
        target: Target,
        /// The annotation.
        ty: Option<Type>,
        /// The first value.
        value: Expr,
    },
    /// `x := …;`, also `y[i] := …;` where `i` is introduced as on the left of `let`.
    Assign {
        /// What is assigned.
        target: Target,
        /// The new value.
        value: Expr,
    },
    /// `for t in 0..T { … }`
    For {
        /// The loop variable.
        var: Name,
        /// Its values.
        range: Range,
        /// What is repeated.
        body: Block,
    },
    /// `if c { … } else { … }`
    If {
        /// A condition known at compile time.
        cond: Expr,
        /// If it holds.
        then: Block,
        /// If not; `else if` is a block with one statement.
        otherwise: Option<Block>,
    },
    /// `output f, loss as "L";`
    Output(Vec<OutputItem>),
    /// `expect e ~= value within tol;`
    Expect {
        /// What is computed.
        actual: Expr,
        /// What it should be.
        expected: Expr,
        /// How far it may be off.
        within: Expr,
    },
    /// `return e;`
    Return(Expr),
    /// `net f(x : scalar[d]) { param v : vec; …; return e; }`
    Net {
        /// The network.
        name: Name,
        /// Its inputs: one sample of each.
        inputs: Vec<Param>,
        /// Its statements.
        body: Block,
    },
    /// `param U : vec[d];`, inside of a `net` only.
    Param {
        /// At least one name.
        names: Vec<Name>,
        /// Kind and sizes of each.
        ty: Type,
    },
    /// `optimizer sgd(lr) { update(g, t) { return lr * g; } }`
    Optimizer {
        /// The optimizer.
        name: Name,
        /// Its hyperparameters.
        params: Vec<Hyper>,
        /// `state` and `update`.
        body: Block,
    },
    /// `state m = 0, s = 0;`, inside of an `optimizer` only.
    State(Vec<Hyper>),
    /// `update(g, t) { …; return step; }`, inside of an `optimizer` only.
    Update {
        /// The gradient and the number of the step.
        params: Vec<Name>,
        /// What is done for each entry.
        body: Block,
    },
    /// `train f on (xs, ys) { … }`
    Train {
        /// The network.
        net: Name,
        /// The data: inputs, targets.
        on: Vec<Expr>,
        /// Its items.
        body: Block,
    },
    /// An item of a `train` block: `steps 10;`, `sigma { W: 1.4; }`.
    Item {
        /// What is set.
        word: Name,
        /// To what.
        value: Option<Expr>,
        /// Arguments in parentheses, of `batch` only.
        args: Vec<Arg>,
        /// Values for single parameters.
        rows: Vec<Row>,
    },
    /// Not understood, already reported.
    Error,
}

/// What `use` names.
#[derive(Clone, Debug, PartialEq)]
pub enum UsePath {
    /// A file, relative to this one.
    File(Text),
    /// A module of the library inside the binary: `std.optim`.
    Module(Vec<Name>),
}

/// An argument of a `def`.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// The annotation.
    pub ty: Option<Type>,
}

/// A hyperparameter or state of an optimizer, with its default or first value.
#[derive(Clone, Debug, PartialEq)]
pub struct Hyper {
    /// Its name.
    pub name: Name,
    /// The value after `=`.
    pub value: Option<Expr>,
}

/// A line of a table: `W: a = 0, b = 1/2;`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The parameter.
    pub name: Name,
    /// Its values.
    pub args: Vec<Arg>,
}

/// The left side of a binding.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// `y` or `y[i, a]`; the indices are introduced here.
    Name {
        /// The name.
        name: Name,
        /// The index variables, none for a plain name.
        indices: Vec<Name>,
    },
    /// `(a, b)`.
    Tuple(Vec<Name>),
    /// Not understood, already reported.
    Error(Span),
}

/// One entry of `output`.
#[derive(Clone, Debug)]
pub struct OutputItem {
    /// What is printed.
    pub value: Expr,
    /// The name after `as`.
    pub name: Option<Text>,
    /// The value and its parentheses, if any; its text is the name when none is given.
    pub span: Span,
}

/// `lo..hi`, half-open.
#[derive(Clone, Debug)]
pub struct Range {
    /// First value.
    pub lo: Expr,
    /// One past the last value.
    pub hi: Expr,
    /// Where.
    pub span: Span,
}

/// A kind with sizes and scale: `vec[M] * n^(-1/2)`.
#[derive(Clone, Debug)]
pub struct Type {
    /// Scalar, vector or matrix.
    pub kind: Kind,
    /// The static sizes.
    pub sizes: Vec<Expr>,
    /// The factor after `*`.
    pub factor: Option<Expr>,
    /// Where.
    pub span: Span,
}

/// How many width axes a value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None.
    Scalar,
    /// One.
    Vec,
    /// Two.
    Mat,
    /// Another word stood there, already reported.
    Error,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Which.
    pub kind: ExprKind,
    /// Where, without enclosing parentheses.
    pub span: Span,
}

/// The expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `0.25`
    Number(Number),
    /// `"data/digits.csv"`
    Text(String),
    /// `x`
    Name(String),
    /// `n`
    Width,
    /// `-e`, `not e`
    Unary {
        /// Which.
        op: UnaryOp,
        /// Of what.
        arg: Box<Expr>,
    },
    /// `a + b`, `W @ x`, `a < b`, `a and b`
    Binary {
        /// Which.
        op: BinaryOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `if c then a else b`
    If {
        /// The condition.
        cond: Box<Expr>,
        /// The value if it holds.
        then: Box<Expr>,
        /// The value if not.
        otherwise: Box<Expr>,
    },
    /// `x[i, 0, 1..3]`, `sum[i in 0..M]`; at least one subscript.
    Index {
        /// What is subscripted.
        base: Box<Expr>,
        /// The subscripts.
        subscripts: Vec<Subscript>,
    },
    /// `f(x, rows = 0..8)`
    Call {
        /// What is called.
        callee: Box<Expr>,
        /// The arguments; named ones come last and have different names.
        args: Vec<Arg>,
    },
    /// `W.T`, `f.loss`
    Member {
        /// Of what.
        base: Box<Expr>,
        /// The name after the dot.
        name: Name,
    },
    /// `f'`; `f''` is nested.
    Prime(Box<Expr>),
    /// `[a, b]`; at least one entry.
    Array(Vec<Expr>),
    /// `(a, b)`; at least two entries.
    Tuple(Vec<Expr>),
    /// Not understood, already reported.
    Error,
}

/// A number as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// The digits.
    pub text: String,
    /// Its exact value, if that fits.
    pub exact: Option<Ratio<i128>>,
    /// The nearest floating point number; finite.
    pub value: f64,
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `not`
    Not,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `@`
    MatMul,
    /// `^`
    Pow,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `and`
    And,
    /// `or`
    Or,
}

/// What may stand between brackets.
#[derive(Clone, Debug, PartialEq)]
pub enum Subscript {
    /// `i`, `0`, `l - 1`
    Expr(Expr),
    /// `1..3`
    Range(Range),
    /// `i in 0..M`
    Binder {
        /// The index variable.
        name: Name,
        /// Its values.
        range: Range,
    },
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The name before `=`.
    pub name: Option<Name>,
    /// The value.
    pub value: ArgValue,
}

/// The value of an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgValue {
    /// An expression.
    Expr(Expr),
    /// `0..8`
    Range(Range),
}

impl Subscript {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Subscript::Expr(expr) => expr.span,
            Subscript::Range(range) => range.span,
            Subscript::Binder { name, range } => name.span.to(range.span),
        }
    }
}

impl ArgValue {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            ArgValue::Expr(expr) => expr.span,
            ArgValue::Range(range) => range.span,
        }
    }
}

impl Kind {
    /// The kind called `word`.
    pub fn from_word(word: &str) -> Option<Kind> {
        [Kind::Scalar, Kind::Vec, Kind::Mat].into_iter().find(|kind| kind.word() == word)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Scalar => "scalar",
            Kind::Vec => "vec",
            Kind::Mat => "mat",
            Kind::Error => "?",
        }
    }
}

impl UnaryOp {
    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            UnaryOp::Neg => "-",
            UnaryOp::Not => "not",
        }
    }
}

impl BinaryOp {
    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::MatMul => "@",
            BinaryOp::Pow => "^",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::And => "and",
            BinaryOp::Or => "or",
        }
    }

    /// Whether it compares two numbers.
    pub fn is_comparison(self) -> bool {
        use BinaryOp::{Eq, Ge, Gt, Le, Lt, Ne};
        [Eq, Ne, Lt, Le, Gt, Ge].contains(&self)
    }
}

/// Equality that ignores positions.
macro_rules! equal_up_to_position {
    ($($node:ident { $($field:ident),* })*) => {
        $(impl PartialEq for $node {
            fn eq(&self, other: &Self) -> bool {
                $(self.$field == other.$field)&&*
            }
        })*
    };
}

equal_up_to_position! {
    Name { text }
    Text { text }
    Block { stmts }
    Stmt { kind }
    OutputItem { value, name }
    Range { lo, hi }
    Type { kind, sizes, factor }
    Expr { kind }
}
