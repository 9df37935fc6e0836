//! Formulas as text: the walk over a formula, and what a notation has to say about each of its parts.

use super::define::{Entries, Piece, Row};
use super::expr::{Expr, Index, Symbol};
use super::names::Names;
use crate::ir::{Exponent, Law};
use std::ops::Range;

/// A part that is already text.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The text.
    pub(super) text: String,
    /// How tightly it binds ([`Expr::level`]).
    pub(super) level: u8,
}

/// A way to write formulas.
pub(super) trait Notation {
    /// The names of values, with their sizes.
    fn names(&self) -> &Names;
    /// A number that is not negative.
    fn number(&self, size: f64) -> Part;
    /// A named value.
    fn symbol(&self, symbol: &Symbol) -> String;
    /// π, or an argument of a kernel.
    fn letter(&self, letter: &str) -> String;
    /// An index.
    fn index(&self, index: &Index) -> String;
    /// Parentheses.
    fn grouped(&self, text: &str) -> String;
    /// The sign of an opposite, and of a difference.
    fn minus(&self) -> &'static str;
    /// Factors beside each other.
    fn product(&self, factors: &[String]) -> String;
    /// A quotient.
    fn quotient(&self, over: &Part, under: &Part) -> Part;
    /// A power.
    fn power(&self, base: &Part, exponent: Exponent) -> Part;
    /// A power with a computed exponent.
    fn raised(&self, base: &Part, exponent: &str) -> String;
    /// A function of arguments.
    fn call(&self, name: &str, args: &[String]) -> String;
    /// 1 where a relation holds.
    fn relation(&self, sign: &str, left: &str, right: &str) -> String;
    /// `parts[1]` where `parts[0]`, else `parts[2]`.
    fn choice(&self, parts: &[String]) -> String;
    /// A sum or mean over static indices, with the ranges of those that need one.
    fn over(&self, mean: bool, indices: &[(&str, Option<&Range<usize>>)], body: &str) -> String;
    /// An expectation over some copies, or all.
    fn expectation(&self, copies: &[usize], body: &str) -> String;
    /// ⟨x|y⟩ of the names inside two kets.
    fn inner(&self, left: &Symbol, right: &Symbol) -> String;
    /// The covariance of two Gaussian kets.
    fn covariance(&self, left: &Symbol, right: &Symbol) -> String;
    /// The mean derivative.
    fn partial(&self, value: &Part, hat: &str) -> String;
    /// A list and which of its entries.
    fn entry(&self, entries: &[String], index: &str) -> String;
    /// A list.
    fn list(&self, entries: &[String]) -> String;
    /// A condition on an index.
    fn within(&self, index: &Index, range: &Range<usize>, body: &str) -> String;
    /// Words between formulas.
    fn words(&self, text: &str) -> String;
    /// A law of independent entries, from a mean and a variance (of signs, a deviation).
    fn law(&self, law: Law, mean: &str, size: &str) -> String;
    /// A line; `∈` for an initial matrix and the law of its entries.
    fn row(&self, left: &str, relation: char, right: &str) -> String;
    /// The lines about one value: its definition, then notes.
    fn entries(&self, rows: &[String], notes: &[Vec<String>]) -> String;
}

/// A part in parentheses if it binds less tightly than `level`.
pub(super) fn wrapped(notation: &dyn Notation, part: &Part, level: u8) -> String {
    if part.level < level { notation.grouped(&part.text) } else { part.text.clone() }
}

/// The lines about one value.
pub(super) fn entries(notation: &dyn Notation, entries: &Entries) -> String {
    let lines = |rows: &[Row]| rows.iter().map(|row| line(notation, row)).collect::<Vec<_>>();
    let notes: Vec<_> = entries.notes.iter().map(|rows| lines(rows)).collect();
    notation.entries(&lines(&entries.rows), &notes)
}

fn line(notation: &dyn Notation, row: &Row) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => notation.words(text),
        Piece::Formula(formula) => part(notation, formula).text,
        Piece::Equals => " = ".to_owned(),
        Piece::Positive(variances) => {
            let all = variances.iter().map(|variance| part(notation, variance).text);
            let all = all.collect::<Vec<_>>().join(", ");
            format!("{}{all} > 0", notation.words(" for "))
        }
        Piece::Law(law, mean, size) => {
            let number = |value: f64| part(notation, &Expr::Number(value)).text;
            notation.law(*law, &number(*mean), &number(*size))
        }
        Piece::MatrixLaw(law, variance) => {
            let over_n = |value: f64| format!("{}/n", part(notation, &Expr::Number(value)).text);
            let size = match law {
                Law::Rademacher => {
                    let inside = Part { text: over_n(*variance), level: 1 };
                    notation.power(&inside, Exponent::new(1, 2)).text
                }
                Law::Normal | Law::Uniform => over_n(*variance),
            };
            notation.law(*law, "0", &size)
        }
    };
    let right: String = row.right.iter().map(piece).collect();
    notation.row(&part(notation, &row.left).text, row.relation, &right)
}

/// A formula as text.
pub(super) fn part(notation: &dyn Notation, formula: &Expr) -> Part {
    let whole = |text: String| Part { text, level: formula.level() };
    let at = |formula: &Expr, level: u8| wrapped(notation, &part(notation, formula), level);
    let all = |list: &[Expr]| list.iter().map(|own| at(own, 0)).collect::<Vec<String>>();
    match formula {
        Expr::Number(value) if *value < 0.0 => {
            whole(format!("{}{}", notation.minus(), notation.number(-value).text))
        }
        Expr::Number(value) => notation.number(*value),
        Expr::Symbol(symbol) => whole(notation.symbol(symbol)),
        Expr::Index(index) => whole(notation.index(index)),
        Expr::Letter(letter) => whole(notation.letter(letter)),
        Expr::Sum(terms) => whole(sum(notation, terms)),
        Expr::Negated(body) => {
            whole(format!("{}{}", notation.minus(), at(body, negated_level(body))))
        }
        Expr::Product(factors) => {
            let last = factors.len() - 1;
            let factor = |(k, factor): (usize, &Expr)| match factor {
                Expr::Over { .. } if k == last => at(factor, 0),
                _ => at(factor, if k == 0 { 1 } else { 2 }),
            };
            let factors: Vec<String> = factors.iter().enumerate().map(factor).collect();
            whole(notation.product(&factors))
        }
        Expr::Quotient(a, b) => notation.quotient(&part(notation, a), &part(notation, b)),
        Expr::Power(base, exponent) => notation.power(&part(notation, base), *exponent),
        Expr::Raised(a, b) => whole(notation.raised(&part(notation, a), &part(notation, b).text)),
        Expr::Call(name, args) => whole(notation.call(name, &all(args))),
        Expr::Relation(sign, a, b) => whole(notation.relation(sign, &at(a, 0), &at(b, 0))),
        Expr::Choice(parts) => whole(notation.choice(&all(parts.as_slice()))),
        Expr::Over { mean, indices, body } => {
            let is_whole = |letter, range| is_whole(notation.names(), letter, range, body);
            let ranged = indices.iter().map(|(letter, range)| {
                (letter.as_str(), (!is_whole(letter, range)).then_some(range))
            });
            whole(notation.over(*mean, &ranged.collect::<Vec<_>>(), &at(body, 1)))
        }
        Expr::Expectation { copies, body } => whole(notation.expectation(copies, &at(body, 0))),
        Expr::Inner(pair) => match pair.as_ref() {
            [Expr::Symbol(x), Expr::Symbol(y)] => whole(notation.inner(x, y)),
            [x, y] => whole(notation.product(&[at(x, 2), at(y, 2)])),
        },
        Expr::Covariance(pair) => match pair.as_ref() {
            [Expr::Symbol(x), Expr::Symbol(y)] => whole(notation.covariance(x, y)),
            [x, y] => whole(notation.call("Cov", &[at(x, 0), at(y, 0)])),
        },
        Expr::Partial(pair) => whole(notation.partial(&part(notation, &pair[0]), &at(&pair[1], 3))),
        Expr::Entry(list, index) => whole(notation.entry(&all(list), &notation.index(index))),
        Expr::List(list) => whole(notation.list(&all(list))),
        Expr::Within(index, range, body) => whole(notation.within(index, range, &at(body, 1))),
    }
}

fn sum(notation: &dyn Notation, terms: &[Expr]) -> String {
    let mut text = String::new();
    for (k, term) in terms.iter().enumerate() {
        let (sign, body, level) = match term {
            Expr::Negated(body) => (notation.minus(), part(notation, body), negated_level(body)),
            Expr::Number(value) if *value < 0.0 => (notation.minus(), notation.number(-value), 1),
            term => ("+", part(notation, term), 0),
        };
        let body = wrapped(notation, &body, level);
        match (k, sign) {
            (0, "+") => text.push_str(&body),
            (0, _) => text.push_str(&format!("{sign}{body}")),
            _ => text.push_str(&format!(" {sign} {body}")),
        }
    }
    text
}

/// Whether the letter runs through all indices of an array of which it is an index.
fn is_whole(names: &Names, letter: &str, range: &Range<usize>, body: &Expr) -> bool {
    let own = match body {
        Expr::Symbol(symbol) => {
            let mut indices = symbol.at.iter().zip(names.sizes(&symbol.name));
            indices.any(|(at, size)| *at == Index::letter(letter) && *range == (0..*size))
        }
        _ => false,
    };
    own || body.parts().iter().any(|part| is_whole(names, letter, range, part))
}

/// A sum over an index needs no parentheses after a sign.
fn negated_level(body: &Expr) -> u8 {
    if matches!(body, Expr::Over { .. }) { 0 } else { 1 }
}
