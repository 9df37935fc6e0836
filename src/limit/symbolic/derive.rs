//! The derivation: expectations in closed form, and each inner product, covariance and kernel that they use defined once.

use super::build::Builder;
use super::define::{Entries, Piece, Row, key};
use super::expr::{Expr, Kind, Symbol};
use super::kernel::{KERNELS, angle, theta};
use super::law::Laws;
use std::collections::{BTreeSet, VecDeque};

/// What is to be defined.
#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    /// ⟨x|y⟩ for all entries of two arrays.
    Inner(Symbol, Symbol),
    /// The covariance of two Gaussian kets.
    Covariance(Symbol, Symbol),
}

/// Adds definitions.
struct Derivation<'a> {
    builder: &'a Builder<'a>,
    laws: &'a Laws<'a>,
    entries: Vec<Entries>,
    /// Names of pairs that have been asked for.
    known: BTreeSet<(bool, String, String)>,
    pending: VecDeque<Wanted>,
    kernels: BTreeSet<usize>,
}

/// The lines with closed forms, and with lines for what these use.
pub(super) fn derived(
    entries: Vec<Entries>,
    builder: &Builder<'_>,
    laws: &Laws<'_>,
) -> Vec<Entries> {
    let mut derivation = Derivation {
        builder,
        laws,
        entries,
        known: BTreeSet::new(),
        pending: VecDeque::new(),
        kernels: BTreeSet::new(),
    };
    derivation.close();
    while let Some(wanted) = derivation.pending.pop_front() {
        derivation.define(&wanted);
    }
    let legend = derivation.legend();
    derivation.entries.extend(legend);
    derivation.entries
}

impl Derivation<'_> {
    fn close(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        for entry in &mut entries {
            for row in entry.rows.iter_mut().chain(entry.notes.iter_mut().flatten()) {
                for piece in &mut row.right {
                    if let Piece::Formula(formula) = piece {
                        *formula = self.laws.closed(formula.clone());
                        self.look(formula);
                    }
                }
                self.assume(row);
            }
        }
        self.entries = entries;
    }

    /// Says what the formulas of a row assume.
    fn assume(&mut self, row: &mut Row) {
        let assumed = self.laws.sizes.assumed();
        assumed.iter().for_each(|variance| self.look(variance));
        if !assumed.is_empty() {
            row.right.push(Piece::Positive(assumed));
        }
    }

    /// Asks for what a formula uses.
    fn look(&mut self, formula: &Expr) {
        match formula {
            Expr::Inner(pair) | Expr::Covariance(pair) => {
                if let [Expr::Symbol(x), Expr::Symbol(y)] = pair.as_ref() {
                    let wanted = match formula {
                        Expr::Inner(_) => Wanted::Inner(x.clone(), y.clone()),
                        _ => Wanted::Covariance(x.clone(), y.clone()),
                    };
                    self.want(wanted);
                }
            }
            Expr::Expectation { copies, body } if copies.is_empty() => {
                for symbol in self.arguments(body).unwrap_or_default() {
                    self.want(Wanted::Covariance(symbol.clone(), symbol));
                }
            }
            Expr::Call(name, _) => {
                self.kernels.extend(KERNELS.iter().position(|kernel| kernel.name == *name));
            }
            _ => {}
        }
        formula.parts().iter().for_each(|part| self.look(part));
    }

    /// The kets that an expectation reads, if all are Gaussian: those that are combinations, so that their law is said nowhere.
    fn arguments(&self, body: &Expr) -> Option<Vec<Symbol>> {
        match body {
            Expr::Inner(_) | Expr::Partial(_) | Expr::Covariance(_) => Some(Vec::new()),
            Expr::Symbol(symbol) if symbol.slots.is_empty() => Some(Vec::new()),
            Expr::Symbol(symbol) => {
                let form = self.laws.form(body, self.laws.free_letters(&[body]))?;
                let own = symbol.kind == Kind::Hat
                    || self.laws.is_hat(symbol)
                    || self.laws.node(symbol).is_some_and(|node| self.laws.is_initial(node));
                let listed = if own { Vec::new() } else { vec![symbol.clone()] };
                form.centred.then_some(listed)
            }
            other => {
                let mut all = Vec::new();
                for part in other.parts() {
                    all.extend(self.arguments(part)?);
                }
                Some(all)
            }
        }
    }

    fn want(&mut self, wanted: Wanted) {
        let (inner, x, y) = match &wanted {
            Wanted::Inner(x, y) => (true, key(&x.name), key(&y.name)),
            Wanted::Covariance(x, y) => (false, key(&x.name), key(&y.name)),
        };
        let (first, second) = if x <= y { (x, y) } else { (y, x) };
        if self.known.insert((inner, first, second)) {
            self.pending.push_back(wanted);
        }
    }

    /// Two kets at letters of their own.
    fn apart(&self, x: &Symbol, y: &Symbol) -> Option<[Expr; 2]> {
        let here = self.builder.place(self.laws.node(x)?, 0);
        let there = self.builder.place(self.laws.node(y)?, here.letters);
        let ket = |symbol: &Symbol, at| {
            Expr::Symbol(Symbol { at, kind: Kind::Ket, slots: vec![0], ..symbol.clone() })
        };
        Some([ket(x, here.at), ket(y, there.at)])
    }

    fn define(&mut self, wanted: &Wanted) -> Option<()> {
        let (x, y) = match wanted {
            Wanted::Inner(x, y) | Wanted::Covariance(x, y) => (x, y),
        };
        let pair = self.apart(x, y)?;
        let mut row = match wanted {
            Wanted::Inner(..) => self.inner(pair)?,
            Wanted::Covariance(..) => self.covariance(pair)?,
        };
        for piece in &row.right {
            if let Piece::Formula(formula) = piece {
                self.look(&formula.clone());
            }
        }
        self.assume(&mut row);
        self.put(x, y, row);
        Some(())
    }

    /// ⟨x|y⟩ where it has a closed form, or where its kets are functions of others.
    fn inner(&self, [x, y]: [Expr; 2]) -> Option<Row> {
        let left = Expr::inner(x.clone(), y.clone());
        let right = self.laws.defined(&Expr::product(vec![x, y]))?;
        (right != left).then(|| Row { left, relation: '=', right: vec![Piece::Formula(right)] })
    }

    /// The name of a covariance, and what it is.
    fn covariance(&self, [x, y]: [Expr; 2]) -> Option<Row> {
        let letters = self.laws.free_letters(&[&x, &y]);
        let (u, v) = (self.laws.form(&x, letters)?, self.laws.form(&y, letters)?);
        let value = Piece::Formula(self.laws.covariance(&u.terms, &v.terms)?);
        let (Expr::Symbol(a), Expr::Symbol(b)) = (&x, &y) else { return None };
        let named = a.name == b.name;
        let words = match (named, a.at.is_empty()) {
            (true, true) => Some(Expr::Call("Var", vec![x.clone()])),
            (true, false) => Some(Expr::Call("Cov", vec![x.clone(), y.clone()])),
            (false, _) => None,
        };
        let mut right = Vec::new();
        if let Some(words) = words {
            right.extend([Piece::Formula(words), Piece::Equals]);
        }
        right.push(value);
        Some(Row { left: Expr::Covariance(Box::new([x, y])), relation: '=', right })
    }

    /// The row at the later one of two kets. What is said of two hats is what is said of their kets, if these have no dots:
    /// one row says both.
    fn put(&mut self, x: &Symbol, y: &Symbol, row: Row) {
        let is_of = |own: &Entries, symbol: &Symbol| match &own.rows[0].left {
            Expr::Symbol(left) => left.kind == Kind::Ket && left.name == symbol.name,
            _ => false,
        };
        let later = self.entries.iter_mut().rev().find(|own| is_of(own, x) || is_of(own, y));
        let Some(entries) = later else { return };
        let hats = self.laws.is_hat(x) && self.laws.is_hat(y);
        let covariance = matches!(row.left, Expr::Covariance(_)) && hats;
        for own in entries.notes.iter_mut().flatten().filter(|_| covariance) {
            let Some([a, b]) = kets_of_hats(&own.left) else { continue };
            if [&a.name, &b.name] == [&x.name, &y.name] || [&b.name, &a.name] == [&x.name, &y.name]
            {
                let kets = Expr::Covariance(Box::new([Expr::Symbol(a), Expr::Symbol(b)]));
                let words = Piece::Formula(std::mem::replace(&mut own.left, kets));
                own.right.splice(0..0, [words, Piece::Equals]);
                return;
            }
        }
        entries.notes.push(vec![row]);
    }

    /// What the kernels are.
    fn legend(&self) -> Vec<Entries> {
        let letters = || ["a", "b", "c"].map(Expr::Letter).to_vec();
        let kernels = self.kernels.iter().map(|k| &KERNELS[*k]);
        let mut all: Vec<Entries> = kernels
            .map(|kernel| {
                let mean =
                    Expr::Expectation { copies: Vec::new(), body: Box::new((kernel.product)()) };
                let right = vec![
                    Piece::Formula(mean),
                    Piece::Equals,
                    Piece::Formula((kernel.formula)()),
                    Piece::Text(format!(", {}", kernel.source)),
                ];
                let left = Expr::Call(kernel.name, letters());
                let rows = vec![Row { left, relation: '=', right }];
                Entries { name: kernel.name.to_owned(), rows, notes: Vec::new() }
            })
            .collect();
        if let Some(last) = all.last_mut() {
            let mut rows = arguments();
            if self.kernels.iter().any(|k| has_angle(&(KERNELS[*k].formula)())) {
                let convention = ", kernels of this angle are 0 where a = 0 or b = 0".to_owned();
                let right = vec![Piece::Formula(angle()), Piece::Text(convention)];
                rows.push(Row { left: theta(), relation: '=', right });
            }
            last.notes.push(rows);
        }
        all
    }
}

/// The kets x and y of Cov(x̂, ŷ).
fn kets_of_hats(formula: &Expr) -> Option<[Symbol; 2]> {
    let (x, y) = match formula {
        Expr::Call("Var", hats) => (&hats[0], &hats[0]),
        Expr::Call("Cov", hats) => (&hats[0], &hats[1]),
        _ => return None,
    };
    let ket = |hat: &Expr| match hat {
        Expr::Symbol(hat) if hat.kind == Kind::Hat => {
            Some(Symbol { kind: Kind::Ket, slots: vec![0], ..hat.clone() })
        }
        _ => None,
    };
    Some([ket(x)?, ket(y)?])
}

/// Whether a formula reads θ.
pub(super) fn has_angle(formula: &Expr) -> bool {
    *formula == theta() || formula.parts().into_iter().any(has_angle)
}

/// The law of u and v.
fn arguments() -> Vec<Row> {
    let [u, v] = ["u", "v"].map(Expr::Letter);
    let row = |left: Expr, letter: &'static str| Row {
        left,
        relation: '=',
        right: vec![Piece::Formula(Expr::Letter(letter))],
    };
    let words = vec![Piece::Text("Gaussian of mean 0".to_owned())];
    vec![
        Row { left: Expr::Call("", vec![u.clone(), v.clone()]), relation: ':', right: words },
        row(Expr::Call("Var", vec![u.clone()]), "a"),
        row(Expr::Call("Var", vec![v.clone()]), "b"),
        row(Expr::Call("Cov", vec![u, v]), "c"),
    ]
}
