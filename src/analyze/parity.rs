//! Sign symmetry: which means vanish because the law of the kets does not change when a symbol flips its sign.
//!
//! Every initial symbol is symmetric, and in an OuterNonlin the slots are independent copies of all kets (Def. 2.6.5 of
//! [TP4b]), so a symbol may be flipped in one slot alone; scalars are constants and do not flip. Of a node we know a
//! group H of flips under which it keeps or changes its sign, and which of the two, χ. Both are linear over F₂: H is the
//! set of flips g with `rows · g = 0`, and χ(g) = `character · g`.
//!
//! ```text
//! avg(v * tanh(W x)):  v ∘ tanh(Wx) changes sign under v → −v, so the mean vanishes
//! mean[b](v[a] v[b]):  flipping v in slot b alone changes the sign, so it vanishes too
//! ```

use crate::ir::{Arg, Ir, Node, NodeId, Prim};

/// A set of flips: one bit for each symbol in each slot (`slot * symbols + symbol`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bits(Vec<u64>);

impl Bits {
    fn one(bit: usize) -> Self {
        let mut bits = Self::default();
        bits.flip(bit);
        bits
    }

    fn flip(&mut self, bit: usize) {
        if self.0.len() <= bit / 64 {
            self.0.resize(bit / 64 + 1, 0);
        }
        self.0[bit / 64] ^= 1 << (bit % 64);
        self.trim();
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn get(&self, bit: usize) -> bool {
        self.0.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word ^= other;
        }
        self.trim();
    }

    fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.0.len() * 64).filter(|bit| self.get(*bit))
    }

    /// Bits moved to other places; two that meet cancel.
    fn moved(&self, to: impl Fn(usize) -> usize) -> Self {
        let mut bits = Self::default();
        self.ones().for_each(|bit| bits.flip(to(bit)));
        bits
    }
}

/// What is known of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parity {
    /// Independent equations that a flip must satisfy.
    rows: Vec<Bits>,
    /// Whether a flip changes the sign: the product with this.
    character: Bits,
}

impl Parity {
    /// Only flips with `equation · g = 0` remain.
    fn require(&mut self, mut equation: Bits) {
        for row in &self.rows {
            let pivot = row.ones().next().expect("rows are not zero");
            if equation.get(pivot) {
                equation.add(row);
            }
        }
        let Some(pivot) = equation.ones().next() else { return };
        for row in &mut self.rows {
            if row.get(pivot) {
                row.add(&equation);
            }
        }
        self.rows.push(equation);
    }

    fn meet(&mut self, other: &Self) {
        other.rows.iter().for_each(|row| self.require(row.clone()));
    }

    fn moved(&self, to: impl Fn(usize) -> usize + Copy) -> Self {
        let mut moved = Self { rows: Vec::new(), character: self.character.moved(to) };
        self.rows.iter().for_each(|row| moved.require(row.moved(to)));
        moved
    }

    /// A value that does not change sign where this one does: only flips that leave this one alone remain.
    fn fixed(mut self) -> Self {
        let character = std::mem::take(&mut self.character);
        self.require(character);
        self
    }
}

/// Parities of the nodes of a leading-order graph, which may still grow.
#[derive(Clone, Debug, Default)]
pub struct Parities {
    known: Vec<Parity>,
    symbols: usize,
}

impl Parities {
    /// For a graph with this many initial objects.
    pub fn new(symbols: usize) -> Self {
        Self { known: Vec::new(), symbols: symbols.max(1) }
    }

    /// Whether the mean of `node` over these width axes vanishes by symmetry.
    pub fn mean_vanishes(&mut self, ir: &Ir, node: NodeId, width: &[usize]) -> bool {
        self.extend(ir);
        let parity = self.known[node.index()].clone();
        self.reduced(parity, width).is_none()
    }

    /// Whether E x y of two kets vanishes by symmetry: some flip changes the sign of one of them only.
    pub fn product_vanishes(&mut self, ir: &Ir, x: NodeId, y: NodeId) -> bool {
        self.extend(ir);
        let mut parity = self.get(x);
        let other = self.get(y);
        parity.meet(&other);
        parity.character.add(&other.character);
        self.reduced(parity, &[0]).is_none()
    }

    fn extend(&mut self, ir: &Ir) {
        for id in ir.ids().skip(self.known.len()) {
            let parity = self.of(ir, ir.node(id));
            self.known.push(parity);
        }
    }

    fn get(&self, id: NodeId) -> Parity {
        self.known[id.index()].clone()
    }

    fn of(&self, ir: &Ir, node: &Node) -> Parity {
        match node {
            Node::Const(_) | Node::Width(_) | Node::Data(_) | Node::Iota(_) | Node::Param(_) => {
                Parity::default()
            }
            Node::Init(init) if ir.init(*init).shape.width == 1 => {
                Parity { rows: Vec::new(), character: Bits::one(init.index()) }
            }
            Node::Init(_) => Parity::default(),
            Node::Map { op, args, .. } => self.of_map(ir, *op, args),
            Node::Reduce { arg, width, .. } if width.is_empty() => self.get(*arg),
            Node::Reduce { arg, width, .. } => {
                self.reduced(self.get(*arg), width).unwrap_or_default()
            }
            Node::MatMul { mat, arg, .. } => {
                let mut parity = self.get(*arg);
                if let Some(symbol) = matrix_symbol(ir, *mat) {
                    parity.character.add(&Bits::one(symbol));
                }
                parity
            }
            Node::Index { arg, .. }
            | Node::Slice { arg, .. }
            | Node::Pad { arg, .. }
            | Node::Bind { arg, .. } => self.get(*arg),
            Node::Stack(args) => {
                let parts: Vec<Parity> = args
                    .iter()
                    .filter(|arg| !ir.is_zero(**arg))
                    .map(|arg| self.get(*arg))
                    .collect();
                same_sign(&parts)
            }
        }
    }

    fn of_map(&self, ir: &Ir, op: Prim, args: &[Arg]) -> Parity {
        let symbols = self.symbols;
        let parts: Vec<Parity> = args
            .iter()
            .map(|arg| {
                self.get(arg.node).moved(|bit| arg.width[bit / symbols] * symbols + bit % symbols)
            })
            .collect();
        let all = |parts: Vec<Parity>| {
            let mut result = Parity::default();
            parts.into_iter().for_each(|part| result.meet(&part.fixed()));
            result
        };
        match op {
            Prim::Id | Prim::Neg | Prim::Sign | Prim::Sin | Prim::Tanh | Prim::Erf => {
                parts[0].clone()
            }
            Prim::Abs | Prim::Cos | Prim::Not => {
                Parity { character: Bits::default(), ..parts[0].clone() }
            }
            Prim::Pow(p) if p.is_integer() && p.to_integer() % 2 == 0 => {
                Parity { character: Bits::default(), ..parts[0].clone() }
            }
            Prim::Pow(p) if p.is_integer() => parts[0].clone(),
            Prim::Mul | Prim::Div => {
                let mut result = parts[0].clone();
                result.meet(&parts[1]);
                result.character.add(&parts[1].character);
                result
            }
            Prim::Add | Prim::Sub => {
                let nonzero = args.iter().zip(&parts).filter(|(arg, _)| !ir.is_zero(arg.node));
                same_sign(&nonzero.map(|(_, part)| part.clone()).collect::<Vec<_>>())
            }
            Prim::Select => {
                let branches =
                    args.iter().zip(&parts).skip(1).filter(|(arg, _)| !ir.is_zero(arg.node));
                let mut result =
                    same_sign(&branches.map(|(_, part)| part.clone()).collect::<Vec<_>>());
                result.meet(&parts[0].clone().fixed());
                result
            }
            Prim::Step
            | Prim::Relu
            | Prim::Sqrt
            | Prim::Exp
            | Prim::Log
            | Prim::Sigmoid
            | Prim::Softplus
            | Prim::Pow(_)
            | Prim::Min
            | Prim::Max
            | Prim::Powf
            | Prim::Lt
            | Prim::Le
            | Prim::Eq
            | Prim::And
            | Prim::Or => all(parts),
        }
    }

    /// The mean over some slots; `None` if a flip in these slots alone changes the sign.
    fn reduced(&self, parity: Parity, width: &[usize]) -> Option<Parity> {
        let symbols = self.symbols;
        let inside = |bit: &usize| width.contains(&(bit / symbols));
        let Parity { mut rows, mut character } = parity;
        let mut kept = Parity::default();
        while let Some(row) = rows.pop() {
            let Some(pivot) = row.ones().find(inside) else {
                kept.require(row);
                continue;
            };
            for other in rows.iter_mut().chain(std::iter::once(&mut character)) {
                if other.get(pivot) {
                    other.add(&row);
                }
            }
        }
        if character.ones().any(|bit| inside(&bit)) {
            return None;
        }
        let place = |bit: usize| {
            let slot = bit / symbols;
            (slot - width.iter().filter(|axis| **axis < slot).count()) * symbols + bit % symbols
        };
        kept.character = character;
        let mut kept = kept.moved(place);
        kept.rows.retain(|row| !row.is_zero());
        Some(kept)
    }
}

/// A sum: flips under which all parts change sign alike.
fn same_sign(parts: &[Parity]) -> Parity {
    let Some(first) = parts.first() else { return Parity::default() };
    let mut result = first.clone();
    for part in &parts[1..] {
        result.meet(part);
        let mut difference = part.character.clone();
        difference.add(&first.character);
        result.require(difference);
    }
    result
}

/// The initial object that a pure matrix is an entry of.
fn matrix_symbol(ir: &Ir, mat: NodeId) -> Option<usize> {
    match ir.node(mat) {
        Node::Init(init) => Some(init.index()),
        Node::Index { arg, .. } | Node::Slice { arg, .. } | Node::Bind { arg, .. } => {
            matrix_symbol(ir, *arg)
        }
        Node::Map { op: Prim::Id, args, .. } => matrix_symbol(ir, args[0].node),
        _ => None,
    }
}
