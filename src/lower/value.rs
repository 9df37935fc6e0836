//! What an expression is worth while it is lowered: a node whose axes carry labels.
//!
//! `x[i, a]` with `x : vec[M]` is the node of `x` itself; its static axis is labelled with the index variable i, its width
//! axis with a. Labels meet by name, bare axes meet by position, and only a binding puts axes into order.

use super::number::Num;
use crate::ir::NodeId;
use crate::source::Span;

/// An index variable; every introduction has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct IndexId(pub(super) usize);

/// What an axis of a value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// The axis of an index variable.
    Free(IndexId),
    /// An axis that was not subscripted.
    Bare,
}

impl Axis {
    pub(super) fn free(self) -> Option<IndexId> {
        match self {
            Self::Free(id) => Some(id),
            Self::Bare => None,
        }
    }
}

/// A value: a node, a label for each of its axes, and its number if that is known at compile time.
#[derive(Clone, Debug)]
pub(super) struct Val {
    pub(super) node: NodeId,
    pub(super) stat: Vec<Axis>,
    pub(super) width: Vec<Axis>,
    pub(super) known: Option<Num>,
}

impl Val {
    pub(super) fn bare(node: NodeId, stat: usize, width: usize) -> Self {
        Self { node, stat: vec![Axis::Bare; stat], width: vec![Axis::Bare; width], known: None }
    }

    /// How many bare width axes it has: 0 scalar, 1 vec, 2 mat.
    pub(super) fn kind(&self) -> usize {
        self.width.iter().filter(|axis| **axis == Axis::Bare).count()
    }

    /// Positions of the bare static axes.
    pub(super) fn bare_stat(&self) -> Vec<usize> {
        (0..self.stat.len()).filter(|axis| self.stat[*axis] == Axis::Bare).collect()
    }

    /// Positions of the bare width axes.
    pub(super) fn bare_width(&self) -> Vec<usize> {
        (0..self.width.len()).filter(|axis| self.width[*axis] == Axis::Bare).collect()
    }

    /// Whether no axis belongs to an index variable.
    pub(super) fn is_closed(&self) -> bool {
        self.stat.iter().chain(&self.width).all(|axis| *axis == Axis::Bare)
    }
}

/// The result of an expression. An error was already reported and is accepted silently everywhere.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Tensor(Val),
    Tuple(Vec<Value>),
    Error,
}

/// A value with the place where it was written.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) val: Val,
    pub(super) span: Span,
}

/// The word for a number of bare width axes.
pub(super) fn kind_word(width: usize) -> &'static str {
    match width {
        0 => "scalar",
        1 => "vec",
        2 => "mat",
        _ => "tensor",
    }
}

/// A kind with sizes as a user writes it.
pub(super) fn type_text(width: usize, sizes: &[usize]) -> String {
    let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    match sizes.as_slice() {
        [] => kind_word(width).to_owned(),
        sizes => format!("{}[{}]", kind_word(width), sizes.join(", ")),
    }
}
