//! Formulas of values: the graph with letters for static axes and copies for width axes.

use super::expr::{Expr, Index, Kind, Symbol};
use super::names::Names;
use crate::ir::{Exponent, Ir, Node, NodeId, Prim, ReduceOp};
use std::ops::Range;

/// Letters of static indices, in the order of their use.
const LETTERS: [&str; 10] = ["i", "j", "k", "l", "m", "p", "q", "r", "s", "t"];

/// Arrays with more entries are not written out.
const LARGEST_LIST: usize = 16;

/// At which indices and copies a value is read.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// For each static axis the index.
    pub(super) at: Vec<Index>,
    /// For each width axis the copy.
    pub(super) slots: Vec<usize>,
    /// How many letters are in use.
    pub(super) letters: usize,
    /// How many copies are in use.
    pub(super) copies: usize,
}

/// Where the operand of a contraction is read.
pub(super) struct Inside {
    pub(super) place: Place,
    /// Letters of the static axes that go away.
    pub(super) indices: Vec<(String, Range<usize>)>,
    /// Copies to average over; an empty list for all, `None` without width axes.
    pub(super) copies: Option<Vec<usize>>,
}

/// Makes formulas.
pub(super) struct Builder<'a> {
    pub(super) ir: &'a Ir,
    pub(super) names: &'a Names,
}

impl Builder<'_> {
    /// A letter for the k-th index of a formula.
    pub(super) fn letter(&self, k: usize) -> String {
        let mut free = LETTERS.iter().filter(|letter| !self.names.is_taken(letter));
        free.nth(k).map_or_else(|| format!("i{k}"), |letter| (*letter).to_owned())
    }

    /// `count` new indices from the k-th letter on.
    pub(super) fn indices(&self, first: usize, count: usize) -> Vec<Index> {
        (first..first + count).map(|k| Index::letter(&self.letter(k))).collect()
    }

    /// A value at letters of its own, each width axis at its own copy, the letters from `first` on.
    pub(super) fn place(&self, id: NodeId, first: usize) -> Place {
        let shape = self.ir.shape(id);
        let at = self.indices(first, shape.stat.len());
        let slots: Vec<usize> = (0..shape.width).collect();
        Place { letters: first + at.len(), copies: slots.len(), at, slots }
    }

    /// The symbol of a named value.
    pub(super) fn symbol(&self, id: NodeId, place: &Place) -> Option<Expr> {
        let name = self.names.get(id)?.clone();
        let kind = [Kind::Plain, Kind::Ket, Kind::Kernel][self.ir.shape(id).width.min(2)];
        let (at, slots) = (place.at.clone(), place.slots.clone());
        Some(Expr::Symbol(Symbol { name, kind, at, slots }))
    }

    /// The hat of a product.
    pub(super) fn hat(&self, product: NodeId, at: &[Index]) -> Option<Expr> {
        let shown = self.names.product(product)?.shown;
        let name = self.names.get(shown)?.clone();
        let symbol = Symbol { name, kind: Kind::Hat, at: at.to_vec(), slots: vec![0] };
        Some(Expr::Symbol(symbol))
    }

    /// The value by its name, or written out where it has none.
    pub(super) fn value(&self, id: NodeId, place: &Place) -> Expr {
        if let Some(number) = self.ir.constant_value(id) {
            return Expr::Number(number);
        }
        if let Some(symbol) = self.symbol(id, place) {
            return symbol;
        }
        if let Some((product, factor)) = self.names.multiple(self.ir, id)
            && let Some(shown) = self.names.product(product)
            && let Some(symbol) = self.symbol(shown.shown, place)
        {
            return Expr::product(vec![Expr::Number(factor), symbol]);
        }
        self.written(id, place)
    }

    /// The value written out, its operands by their names.
    pub(super) fn written(&self, id: NodeId, place: &Place) -> Expr {
        match self.ir.node(id) {
            Node::Const(value) => Expr::Number(value.get()),
            Node::Iota(_) => match place.at[0].letter {
                Some(_) => Expr::Index(place.at[0].clone()),
                None => Expr::Number(place.at[0].offset as f64),
            },
            Node::Map { op, args, .. } => {
                let operand = |arg: &crate::ir::Arg| {
                    let at = arg.stat.iter().map(|axis| place.at[*axis].clone()).collect();
                    let slots = arg.width.iter().map(|axis| place.slots[*axis]).collect();
                    self.value(arg.node, &Place { at, slots, ..*place })
                };
                operation(*op, args.iter().map(operand).collect())
            }
            Node::Reduce { op, arg, stat, width } => self.reduced(*op, *arg, (stat, width), place),
            Node::Index { arg, axis, at } => {
                let mut inner = place.clone();
                inner.at.insert(*axis, Index::number(*at));
                self.value(*arg, &inner)
            }
            Node::Slice { arg, axis, start, .. } => {
                let mut inner = place.clone();
                inner.at[*axis] = inner.at[*axis].plus(start.cast_signed());
                self.value(*arg, &inner)
            }
            Node::Pad { arg, axis, before, .. } => {
                let (mut inner, index) = (place.clone(), place.at[*axis].clone());
                inner.at[*axis] = index.plus(-before.cast_signed());
                let range = *before..before + self.ir.shape(*arg).stat[*axis];
                Expr::Within(index, range, Box::new(self.value(*arg, &inner)))
            }
            Node::Stack(args) => self.stacked(args, place),
            Node::Bind { arg, .. } => self.value(*arg, place),
            // These have names, or do not occur in a leading-order program.
            Node::Data(_)
            | Node::Init(_)
            | Node::MatMul { .. }
            | Node::Width(_)
            | Node::Param(_) => Expr::Call("?", Vec::new()),
        }
    }

    /// All entries of an array of at most `LARGEST_LIST` numbers of the program.
    pub(super) fn list(&self, id: NodeId) -> Option<Expr> {
        let shape = self.ir.shape(id);
        let depends = |id: &NodeId| {
            !matches!(
                self.ir.node(*id),
                Node::Const(_) | Node::Stack(_) | Node::Map { op: Prim::Id, .. }
            )
        };
        if shape.width > 0
            || shape.stat.is_empty()
            || shape.entries() > LARGEST_LIST
            || self.ir.reachable(&[id]).iter().any(depends)
        {
            return None;
        }
        Some(self.entries(id, &mut Vec::new()))
    }

    fn entries(&self, id: NodeId, at: &mut Vec<Index>) -> Expr {
        let sizes = &self.ir.shape(id).stat;
        let Some(size) = sizes.get(at.len()) else {
            let place = Place { at: at.clone(), slots: Vec::new(), letters: 0, copies: 0 };
            return self.written(id, &place);
        };
        let mut list = Vec::new();
        for k in 0..*size {
            at.push(Index::number(k));
            list.push(self.entries(id, at));
            at.pop();
        }
        Expr::List(list)
    }

    fn stacked(&self, args: &[NodeId], place: &Place) -> Expr {
        let inner = Place { at: place.at[1..].to_vec(), ..place.clone() };
        match (&place.at[0].letter, usize::try_from(place.at[0].offset)) {
            (None, Ok(k)) if k < args.len() => self.value(args[k], &inner),
            _ => {
                let entries = args.iter().map(|arg| self.value(*arg, &inner)).collect();
                Expr::Entry(entries, place.at[0].clone())
            }
        }
    }

    fn reduced(
        &self,
        op: ReduceOp,
        arg: NodeId,
        axes: (&[usize], &[usize]),
        place: &Place,
    ) -> Expr {
        let Inside { place, indices, copies } = self.inside(arg, axes, place);
        let mut formula = self.value(arg, &place);
        if !indices.is_empty() {
            formula = Expr::over(op == ReduceOp::Mean, indices, formula);
        }
        match copies {
            Some(copies) => Expr::expectation(copies, formula),
            None => formula,
        }
    }

    /// Where the operand of a contraction of static and width axes is read.
    pub(super) fn inside(
        &self,
        arg: NodeId,
        (stat, width): (&[usize], &[usize]),
        place: &Place,
    ) -> Inside {
        let shape = self.ir.shape(arg);
        let alone = shape.width == width.len();
        let first = if alone { 0 } else { place.copies };
        let mut inner = Place { at: Vec::new(), slots: Vec::new(), ..place.clone() };
        inner.copies = first + width.len();
        let mut indices = Vec::new();
        let mut outer = place.at.iter();
        for (axis, size) in shape.stat.iter().enumerate() {
            if stat.contains(&axis) {
                let letter = self.letter(inner.letters);
                inner.letters += 1;
                inner.at.push(Index::letter(&letter));
                indices.push((letter, 0..*size));
            } else {
                inner.at.extend(outer.next().cloned());
            }
        }
        let mut slots = place.slots.iter();
        let mut copies = Vec::new();
        for axis in 0..shape.width {
            if width.contains(&axis) {
                copies.push(first + copies.len());
                inner.slots.extend(copies.last());
            } else {
                inner.slots.extend(slots.next());
            }
        }
        let copies = if alone { Vec::new() } else { copies };
        Inside { place: inner, indices, copies: (!width.is_empty()).then_some(copies) }
    }
}

/// An entrywise operation on formulas.
fn operation(op: Prim, mut args: Vec<Expr>) -> Expr {
    let last = if args.len() > 1 { args.pop() } else { None };
    let Some(second) = last else {
        let x = args.pop().unwrap_or(Expr::Number(0.0));
        return unary(op, x);
    };
    let first = args.remove(0);
    let pair = |a, b| (Box::new(a), Box::new(b));
    let relation = |sign, a, b| {
        let (a, b) = pair(a, b);
        Expr::Relation(sign, a, b)
    };
    match op {
        Prim::Add => Expr::sum(vec![first, second]),
        Prim::Sub => Expr::sum(vec![first, second.negated()]),
        Prim::Mul => Expr::product(vec![first, second]),
        Prim::Div => first.quotient(second),
        Prim::Powf => {
            let (a, b) = pair(first, second);
            Expr::Raised(a, b)
        }
        Prim::Lt => relation("<", first, second),
        Prim::Le => relation("≤", first, second),
        Prim::Eq => relation("=", first, second),
        Prim::And => relation("∧", first, second),
        Prim::Or => relation("∨", first, second),
        Prim::Select => {
            let then = args.pop().unwrap_or(Expr::Number(0.0));
            Expr::Choice(Box::new([first, then, second]))
        }
        _ => Expr::Call(word(op), vec![first, second]),
    }
}

fn unary(op: Prim, x: Expr) -> Expr {
    match op {
        Prim::Id => x,
        Prim::Neg => x.negated(),
        Prim::Not => Expr::Relation("=", Box::new(x), Box::new(Expr::Number(0.0))),
        Prim::Pow(exponent) => x.power(exponent),
        Prim::Sqrt => x.power(Exponent::new(1, 2)),
        _ => Expr::Call(word(op), vec![x]),
    }
}

/// The name of a function.
fn word(op: Prim) -> &'static str {
    match op {
        Prim::Abs => "abs",
        Prim::Sign => "sign",
        Prim::Step => "step",
        Prim::Relu => "relu",
        Prim::Exp => "exp",
        Prim::Log => "log",
        Prim::Sin => "sin",
        Prim::Cos => "cos",
        Prim::Tanh => "tanh",
        Prim::Erf => "erf",
        Prim::Sigmoid => "sigmoid",
        Prim::Softplus => "softplus",
        Prim::Min => "min",
        Prim::Max => "max",
        Prim::Id
        | Prim::Neg
        | Prim::Sqrt
        | Prim::Not
        | Prim::Pow(_)
        | Prim::Add
        | Prim::Sub
        | Prim::Mul
        | Prim::Div
        | Prim::Powf
        | Prim::Lt
        | Prim::Le
        | Prim::Eq
        | Prim::And
        | Prim::Or
        | Prim::Select => "?",
    }
}
