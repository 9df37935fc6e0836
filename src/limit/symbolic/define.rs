//! The lines of a symbolic limit: laws of initial objects, hat + dot of every product, definitions, results.

use super::build::{Builder, Place};
use super::depends::family;
use super::dot::{Coefficient, Dots};
use super::expr::{Expr, Index, Kind, Name, Symbol};
use super::link::Link;
use super::names::Product;
use super::standard::Initial;
use crate::analyze::Covariance;
use crate::codegen::initial_matrix;
use crate::ir::{Exponent, Law, Node, NodeId, Output};
use std::collections::BTreeSet;

/// A part of a line.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// Words.
    Text(String),
    /// A formula.
    Formula(Expr),
    /// These variances have to be positive.
    Positive(Vec<Expr>),
    /// A sign between equal formulas.
    Equals,
    /// The law of independent entries: mean and variance, of signs their size.
    Law(Law, f64, f64),
    /// The law of the entries of a matrix, from n times their variance.
    MatrixLaw(Law, f64),
}

/// `left relation right`, or only words.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) left: Expr,
    /// `=` or `~`.
    pub(super) relation: char,
    pub(super) right: Vec<Piece>,
}

/// What is said about one value.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    pub(super) name: String,
    /// Its definition; of an array of results one row for each entry.
    pub(super) rows: Vec<Row>,
    /// What is said about its parts, each a line of rows.
    pub(super) notes: Vec<Vec<Row>>,
}

impl Entries {
    fn one(name: String, row: Row) -> Self {
        Self { name, rows: vec![row], notes: Vec::new() }
    }
}

/// Makes the lines.
pub(super) struct Lines<'a> {
    pub(super) builder: &'a Builder<'a>,
    pub(super) dots: &'a Dots<'a>,
    pub(super) nodes: &'a [NodeId],
    pub(super) covariances: &'a [Covariance],
}

impl Lines<'_> {
    /// All lines, in program order; results last.
    pub(super) fn all(&self, outputs: &[Output]) -> Vec<Entries> {
        let mut lines = self.matrices();
        let (names, nodes) = (self.builder.names, self.nodes.iter().copied());
        for id in nodes.clone().filter(|id| names.initials.contains_key(id)) {
            lines.extend(self.initial(id));
        }
        for id in nodes.filter(|id| !names.initials.contains_key(id)) {
            lines.extend(self.definition(id));
        }
        for output in outputs {
            lines.extend(self.output(output));
        }
        lines
    }

    /// The laws of the initial matrices that are applied.
    fn matrices(&self) -> Vec<Entries> {
        let ir = self.builder.ir;
        let used = self.nodes.iter().filter_map(|id| match ir.node(*id) {
            Node::MatMul { mat, .. } => initial_matrix(ir, *mat).map(|(matrix, _)| matrix.init),
            _ => None,
        });
        let used: BTreeSet<_> = used.collect();
        let line = |init| {
            let (object, scale) = (ir.init(init), self.builder.names.scale(init));
            let at = self.builder.indices(0, object.shape.stat.len());
            let left = plain(&object.name, at);
            let right = vec![Piece::MatrixLaw(object.law, scale * scale)];
            Entries::one(object.name.clone(), Row { left, relation: '∈', right })
        };
        used.into_iter().map(line).collect()
    }

    /// The law of an initial ket.
    fn initial(&self, id: NodeId) -> Option<Entries> {
        let Initial { init, mean, factor } = self.builder.names.initials[&id];
        let (name, left) = self.left(id)?;
        let law = self.builder.ir.init(init).law;
        let size = match law {
            Law::Normal | Law::Uniform => factor * factor,
            Law::Rademacher => factor.abs(),
        };
        let right = vec![Piece::Law(law, mean, size)];
        Some(Entries::one(name, Row { left, relation: '~', right }))
    }

    /// The name and the symbol of a named value.
    fn left(&self, id: NodeId) -> Option<(String, Expr)> {
        let name = self.builder.names.get(id)?;
        let place = self.builder.place(id, 0);
        Some((key(name), self.builder.symbol(id, &place)?))
    }

    /// The line of a named value: of a product its hat and its dot.
    fn definition(&self, id: NodeId) -> Option<Entries> {
        let (name, left) = self.left(id)?;
        let place = self.builder.place(id, 0);
        if let Some((product, _)) = self.builder.names.multiple(self.builder.ir, id)
            && let Some(shown) = self.builder.names.product(product).filter(|own| own.shown == id)
        {
            let right = vec![Piece::Formula(self.dots.hat_and_dot(product, &place))];
            let mut notes = vec![self.hat_law(product, shown, &place)?];
            for link in self.dots.dependences.dots(product) {
                notes.extend(self.coefficient(product, link, &place));
            }
            let rows = vec![Row { left, relation: '=', right }];
            return Some(Entries { name, rows, notes });
        }
        if matches!(self.builder.ir.node(id), Node::Init(_)) && place.slots.is_empty() {
            let right = vec![Piece::Text("Gaussian, mean 0".to_owned())];
            let rows = vec![Row { left, relation: '~', right }];
            let own = self.covariances.iter().filter(|covariance| covariance.number == id);
            let notes = vec![own.filter_map(|own| self.of_numbers(own)).collect()];
            return Some(Entries { name, rows, notes });
        }
        if let Some(list) = self.builder.list(id) {
            let right = vec![Piece::Formula(list)];
            let left = plain(&name, Vec::new());
            return Some(Entries::one(name, Row { left, relation: '=', right }));
        }
        let right = match self.builder.ir.node(id) {
            Node::Data(data) => {
                let data = &self.builder.ir.data[data.index()];
                let sizes: Vec<String> = data.shape().iter().map(usize::to_string).collect();
                Piece::Text(format!("{} numbers of the program", sizes.join(" × ")))
            }
            _ => Piece::Formula(self.builder.written(id, &place)),
        };
        Some(Entries::one(name, Row { left, relation: '=', right: vec![right] }))
    }

    /// The covariance of two numbers, each at letters of its own.
    fn of_numbers(&self, covariance: &Covariance) -> Option<Row> {
        let Covariance { number, other, node } = *covariance;
        let here = self.builder.place(number, 0);
        let there = self.builder.place(other, here.letters);
        let numbers =
            [self.builder.symbol(number, &here)?, self.builder.symbol(other, &there)?].to_vec();
        let left = match numbers[0] == numbers[1] {
            true => Expr::Call("Var", numbers[..1].to_vec()),
            false => Expr::Call("Cov", numbers),
        };
        let value = self.builder.value(node, &self.builder.place(node, 0));
        Some(Row { left, relation: '=', right: vec![Piece::Formula(value)] })
    }

    /// What the coefficient of a dot-ket is.
    fn coefficient(&self, product: NodeId, link: &Link, place: &Place) -> Option<Vec<Row>> {
        let Coefficient { symbol: left, value } = self.dots.coefficient(product, link, place)?;
        let vanishes = value == Expr::Number(0.0);
        let mut right = vec![Piece::Formula(value)];
        if vanishes {
            right.push(Piece::Text(" by symmetry".to_owned()));
        }
        Some(vec![Row { left, relation: '=', right }])
    }

    /// What the hat is the hat of, and its covariances with the hats of the same matrix so far.
    fn hat_law(&self, product: NodeId, shown: &Product, place: &Place) -> Option<Vec<Row>> {
        let ir = self.builder.ir;
        let left = self.builder.hat(product, &place.at)?;
        let value = self.builder.value(self.dots.input(product)?, place);
        let value = match value {
            Expr::Symbol(_) => value,
            value => Expr::Call("", vec![value]),
        };
        let matrix = Piece::Formula(self.matrix(product)?);
        let right = vec![Piece::Text("the hat of ".to_owned()), matrix, Piece::Formula(value)];
        let mut rows = vec![Row { left, relation: ':', right }];
        let own = matching(ir, product)?;
        let earlier = self.nodes.iter().copied().filter(|id| *id <= product);
        for other in earlier.filter(|id| matching(ir, *id) == Some(own)) {
            rows.extend(self.covariance(product, other, shown, place));
        }
        Some(rows)
    }

    /// Cov(ŷ, ẑ) = σ²⟨x|z⟩.
    fn covariance(
        &self,
        product: NodeId,
        other: NodeId,
        shown: &Product,
        place: &Place,
    ) -> Option<Row> {
        let (x, z) = (self.dots.input(product)?, self.dots.input(other)?);
        let there = self.builder.place(other, place.letters);
        let here = Place { letters: there.letters, ..place.clone() };
        let hats = (self.builder.hat(product, &place.at)?, self.builder.hat(other, &there.at)?);
        let left = if hats.0 == hats.1 {
            Expr::Call("Var", vec![hats.0])
        } else {
            Expr::Call("Cov", vec![hats.0, hats.1])
        };
        let mean = Expr::inner(self.builder.value(x, &here), self.builder.value(z, &there));
        let variance = Expr::Number(shown.scale * shown.scale);
        let right = vec![Piece::Formula(Expr::product(vec![variance, mean]))];
        Some(Row { left, relation: '=', right })
    }

    /// The matrix of a product as it acts.
    fn matrix(&self, product: NodeId) -> Option<Expr> {
        let ir = self.builder.ir;
        let (matrix, transposed) = matching(ir, product)?;
        let init = ir.init(matrix.init);
        let mut rest = matrix.entry;
        let mut at = Vec::new();
        for size in init.shape.stat.iter().rev() {
            at.insert(0, Index::number(rest % size));
            rest /= size;
        }
        let name = name(&init.name);
        let kind = if transposed { Kind::Transpose } else { Kind::Plain };
        Some(Expr::Symbol(Symbol { name, kind, at, slots: Vec::new() }))
    }

    /// A result, unless its definition has this name already.
    fn output(&self, output: &Output) -> Option<Entries> {
        let known = self.builder.names.get(output.node);
        if known.is_some_and(|name| key(name) == output.name && is_own(name)) {
            return None;
        }
        let ir = self.builder.ir;
        let shape = ir.shape(output.node);
        let mut rows = Vec::new();
        let place = self.builder.place(output.node, 0);
        let entries = match (ir.node(output.node), known) {
            (Node::Stack(args), None) => args.len(),
            _ => 0,
        };
        let mut row = |place: &Place| {
            let left = Expr::Symbol(Symbol {
                name: name(&output.name),
                kind: if shape.width == 0 { Kind::Plain } else { Kind::Ket },
                at: place.at.clone(),
                slots: place.slots.clone(),
            });
            let right = vec![Piece::Formula(self.builder.value(output.node, place))];
            rows.push(Row { left, relation: '=', right });
        };
        for k in 0..entries {
            let mut place = place.clone();
            place.at = self.builder.indices(0, place.at.len() - 1);
            place.at.insert(0, Index::number(k));
            row(&place);
        }
        if entries == 0 {
            row(&place);
        }
        Some(Entries { name: output.name.clone(), rows, notes: Vec::new() })
    }
}

/// Hats with equal keys are jointly Gaussian.
fn matching(ir: &crate::ir::Ir, product: NodeId) -> Option<(crate::codegen::MatrixRef, bool)> {
    match ir.node(product) {
        Node::MatMul { mat, transpose, .. } => family(ir, (*mat, *transpose)),
        _ => None,
    }
}

/// A name as JSON has it.
pub(super) fn key(name: &Name) -> String {
    if name.version == 0 { name.text.clone() } else { format!("{}@{}", name.text, name.version) }
}

/// Whether the value is what the source calls so, without a power of n.
fn is_own(name: &Name) -> bool {
    name.power == Exponent::from_integer(0)
}

fn name(text: &str) -> Name {
    Name { text: text.to_owned(), version: 0, power: Exponent::from_integer(0) }
}

fn plain(text: &str, at: Vec<Index>) -> Expr {
    Expr::Symbol(Symbol { name: name(text), kind: Kind::Plain, at, slots: Vec::new() })
}
