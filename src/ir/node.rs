//! The nodes of the graph and the primitive entrywise operations.

/// The law of one standardised initial entry: mean 0, variance 1 (1/n for a matrix).
pub use crate::num::rng::draw::Law;
use crate::source::Span;

/// A power of n: an exact rational.
pub type Exponent = num_rational::Ratio<i64>;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in its table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
            /// The id at this position.
            pub fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("tables are limited to 2^32 rows by memory"))
            }
        }
    };
}

id! {
    /// A node of an [`Ir`](super::Ir).
    NodeId
}
id! {
    /// An initial vector, matrix or scalar (or static array of them).
    InitId
}
id! {
    /// A constant tensor.
    DataId
}
id! {
    /// The identity of an `init`, `let` or assignment, at which `grad` cuts.
    BindId
}

/// A finite real number as a hash-cons key; `-0.0` is stored as `0.0`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Real(u64);

impl Real {
    /// Wraps a number.
    pub fn new(value: f64) -> Self {
        Self(if value == 0.0 { 0 } else { value.to_bits() })
    }
    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl std::fmt::Debug for Real {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.get())
    }
}

/// The axes of a value: static sizes, then `width` axes of size n.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Sizes of the static axes.
    pub stat: Vec<usize>,
    /// How many width axes follow: 0 scalar, 1 vec, 2 mat, more inside an OuterNonlin.
    pub width: usize,
}

impl Shape {
    /// No axes at all.
    pub fn scalar() -> Self {
        Self::default()
    }
    /// Static axes and a number of width axes.
    pub fn new(stat: impl Into<Vec<usize>>, width: usize) -> Self {
        Self { stat: stat.into(), width }
    }
    /// The size of every axis at width n.
    pub fn sizes(&self, n: usize) -> Vec<usize> {
        self.stat.iter().copied().chain(std::iter::repeat_n(n, self.width)).collect()
    }
    /// Static axes and width axes as positions among all axes.
    pub fn axes(&self, stat: &[usize], width: &[usize]) -> Vec<usize> {
        let widths = width.iter().map(|axis| self.stat.len() + axis);
        stat.iter().copied().chain(widths).collect()
    }
    /// The number of static entries.
    pub fn entries(&self) -> usize {
        self.stat.iter().product()
    }
}

/// An operand of a [`Node::Map`] and which of the output's axes each of its own axes is.
///
/// Two of its axes may name the same output axis (a diagonal); an output axis that no operand names is broadcast.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arg {
    /// The operand.
    pub node: NodeId,
    /// For each static axis of the operand, the static axis of the output (sizes agree).
    pub stat: Vec<usize>,
    /// For each width axis of the operand, the width axis of the output.
    pub width: Vec<usize>,
}

/// An initial object, *standardised*: entries are iid with mean 0 and variance 1, for a matrix variance 1/n.
/// Means, variances and powers of n of the source program are explicit `Map`s around it.
#[derive(Clone, Debug)]
pub struct Init {
    /// Its name in the source.
    pub name: String,
    /// Its axes: 0, 1 or 2 width axes.
    pub shape: Shape,
    /// The law of an entry.
    pub law: Law,
    /// Position among the initial objects in source order: the stream of random numbers (cli.md).
    pub stream: u32,
    /// Where it is declared.
    pub span: Span,
}

/// A binding with an identity.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Where it is bound.
    pub span: Span,
}

/// Primitive entrywise operations. Comparisons give 1 or 0; conditions count as true when not 0.
///
/// All derivatives are almost-everywhere derivatives with the conventions of language.md: relu′(0) = abs′(0) =
/// sign(0) = step(0) = 0, sign′ = step′ = 0, ties of max and min half each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prim {
    /// The operand itself: a broadcast or permutation of axes.
    Id,
    /// −x
    Neg,
    /// |x|
    Abs,
    /// −1, 0, 1
    Sign,
    /// 1 where x > 0, else 0
    Step,
    /// max(x, 0)
    Relu,
    /// √x
    Sqrt,
    /// eˣ
    Exp,
    /// natural logarithm
    Log,
    /// sine
    Sin,
    /// cosine
    Cos,
    /// hyperbolic tangent
    Tanh,
    /// error function
    Erf,
    /// 1/(1+e⁻ˣ)
    Sigmoid,
    /// log(1+eˣ)
    Softplus,
    /// 1 where x is 0, else 0
    Not,
    /// x to a constant exact power
    Pow(Exponent),
    /// x + y
    Add,
    /// x − y
    Sub,
    /// x · y
    Mul,
    /// x / y
    Div,
    /// smaller of two
    Min,
    /// larger of two
    Max,
    /// xʸ with a computed exponent
    Powf,
    /// x < y
    Lt,
    /// x ≤ y
    Le,
    /// x = y
    Eq,
    /// both not 0
    And,
    /// one not 0
    Or,
    /// second operand where the first is not 0, else the third
    Select,
}

impl Prim {
    /// No operation takes more operands.
    pub const MOST_ARGUMENTS: usize = 3;

    /// How many operands it takes.
    pub fn arity(self) -> usize {
        use Prim::*;
        match self {
            Id | Neg | Abs | Sign | Step | Relu | Sqrt | Exp | Log | Sin | Cos | Tanh | Erf
            | Sigmoid | Softplus | Not | Pow(_) => 1,
            Add | Sub | Mul | Div | Min | Max | Powf | Lt | Le | Eq | And | Or => 2,
            Select => 3,
        }
    }
}

/// What a [`Node::Reduce`] does over its axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceOp {
    /// Sum; over a width axis this is n times the mean.
    Sum,
    /// Average.
    Mean,
}

/// A node. Shapes are kept beside; `build` has the constructors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A number.
    Const(Real),
    /// n to a power (never n⁰). Absent from leading-order programs.
    Width(Exponent),
    /// A constant tensor.
    Data(DataId),
    /// The numbers 0, 1, … along one static axis of this size.
    Iota(usize),
    /// A standardised initial object.
    Init(InitId),
    /// A formal scalar argument, only while a `fn` is differentiated.
    Param(u32),
    /// An entrywise operation; `shape` is the output's.
    Map {
        /// The operation.
        op: Prim,
        /// The output's axes.
        shape: Shape,
        /// As many operands as the operation takes.
        args: Vec<Arg>,
    },
    /// A contraction of some static and width axes (ascending positions); the others stay in order.
    Reduce {
        /// Sum or mean.
        op: ReduceOp,
        /// The operand.
        arg: NodeId,
        /// Static axes that go away.
        stat: Vec<usize>,
        /// Width axes that go away.
        width: Vec<usize>,
    },
    /// `mat @ x` or `mat.T @ x` along the only width axis of `arg`, for every static entry of `arg`.
    MatMul {
        /// A value with no static and two width axes, in which initial matrices occur only linearly.
        mat: NodeId,
        /// Whether the transpose acts.
        transpose: bool,
        /// Static axes and one width axis.
        arg: NodeId,
    },
    /// One entry along a static axis, which goes away.
    Index {
        /// The operand.
        arg: NodeId,
        /// The static axis.
        axis: usize,
        /// The entry.
        at: usize,
    },
    /// Entries `start..end` along a static axis.
    Slice {
        /// The operand.
        arg: NodeId,
        /// The static axis.
        axis: usize,
        /// First entry.
        start: usize,
        /// One past the last.
        end: usize,
    },
    /// Operands of equal shape along a new first static axis.
    Stack(Vec<NodeId>),
    /// Zeros before and after along a static axis: the adjoint of `Slice`.
    Pad {
        /// The operand.
        arg: NodeId,
        /// The static axis.
        axis: usize,
        /// Zeros before.
        before: usize,
        /// Zeros after.
        after: usize,
    },
    /// A value with an identity for `grad`; erased after lowering.
    Bind {
        /// The identity.
        id: BindId,
        /// The value.
        arg: NodeId,
    },
}

impl Node {
    /// Calls `f` on every operand in order.
    pub fn children(&self, mut f: impl FnMut(NodeId)) {
        match self {
            Self::Const(_)
            | Self::Width(_)
            | Self::Data(_)
            | Self::Iota(_)
            | Self::Init(_)
            | Self::Param(_) => {}
            Self::Map { args, .. } => args.iter().for_each(|arg| f(arg.node)),
            Self::Reduce { arg, .. }
            | Self::Index { arg, .. }
            | Self::Slice { arg, .. }
            | Self::Pad { arg, .. }
            | Self::Bind { arg, .. } => f(*arg),
            Self::MatMul { mat, arg, .. } => {
                f(*mat);
                f(*arg);
            }
            Self::Stack(args) => args.iter().copied().for_each(f),
        }
    }

    /// The same node with its operands replaced.
    #[must_use]
    pub fn with_children(&self, mut f: impl FnMut(NodeId) -> NodeId) -> Self {
        let mut node = self.clone();
        match &mut node {
            Self::Const(_)
            | Self::Width(_)
            | Self::Data(_)
            | Self::Iota(_)
            | Self::Init(_)
            | Self::Param(_) => {}
            Self::Map { args, .. } => args.iter_mut().for_each(|arg| arg.node = f(arg.node)),
            Self::Reduce { arg, .. }
            | Self::Index { arg, .. }
            | Self::Slice { arg, .. }
            | Self::Pad { arg, .. }
            | Self::Bind { arg, .. } => *arg = f(*arg),
            Self::MatMul { mat, arg, .. } => {
                *mat = f(*mat);
                *arg = f(*arg);
            }
            Self::Stack(args) => args.iter_mut().for_each(|arg| *arg = f(*arg)),
        }
        node
    }
}
