//! Expectations in closed form: products over independent groups, kernels of two Gaussian kets, pairings.

use super::expr::{Expr, Kind};
use super::kernel::{kernel, pi, root, wider};
use super::law::{Form, Laws, Source};
use super::positive::Size;
use super::sides::{Sides, Smooth};
use crate::ir::Exponent;
use std::collections::BTreeSet;

/// Longer products of linear factors are not written out by pairings.
const MOST_LINEAR: usize = 6;

/// A factor of an expectation.
struct Factor {
    shown: Expr,
    sources: BTreeSet<(Source, usize)>,
    function: Function,
}

/// What is known of a factor.
enum Function {
    Linear(Form),
    Sides(Sides),
    Smooth(Smooth),
    Other,
}

/// A product of factors and of what is not random.
#[derive(Default)]
struct Monomial {
    numbers: Vec<Expr>,
    factors: Vec<Factor>,
}

impl Laws<'_> {
    /// The formula with its expectations in closed form, where they have one.
    pub(super) fn closed(&self, formula: Expr) -> Expr {
        match formula {
            Expr::Expectation { copies, body } if copies.is_empty() => {
                let closed = self.sizes.attempt(|| self.mean(&body, false));
                closed.unwrap_or_else(|| Expr::expectation(copies, *body))
            }
            Expr::Inner(pair) => match self.of_initial_kets(&pair[0], &pair[1]) {
                Some(number @ Expr::Number(_)) => number,
                _ => Expr::Inner(pair),
            },
            Expr::Quotient(a, b) if matches!(*b, Expr::Covariance(_) | Expr::Call("Var", _)) => {
                self.stein(self.closed(*a), *b)
            }
            other => other.with_parts(&mut |part| self.closed(part)),
        }
    }

    /// A coefficient of a dot by Stein's identity. Without variance the ket of that term is 0, whatever its coefficient.
    fn stein(&self, mean: Expr, variance: Expr) -> Expr {
        if mean == Expr::Number(0.0) || self.size(&variance) == Size::Zero {
            return Expr::Number(0.0);
        }
        self.assume_positive(&variance);
        ratio(mean, variance)
    }

    /// E of a product of two initial kets.
    fn of_initial_kets(&self, x: &Expr, y: &Expr) -> Option<Expr> {
        let is_initial = |ket: &Expr| match ket {
            Expr::Symbol(symbol) => self.node(symbol).is_some_and(|node| self.is_initial(node)),
            _ => false,
        };
        if !is_initial(x) || !is_initial(y) {
            return None;
        }
        let letters = self.free_letters(&[x, y]);
        self.second_moment(&self.form(x, letters)?, &self.form(y, letters)?)
    }

    /// The definition of ⟨x|y⟩ or of another expectation: in closed form where it has one, else with its kets written out.
    pub(super) fn defined(&self, body: &Expr) -> Option<Expr> {
        self.sizes.attempt(|| self.mean(body, true))
    }

    /// E of a formula; `None` where nothing is gained, unless it is to be written out.
    fn mean(&self, body: &Expr, written: bool) -> Option<Expr> {
        let letters = self.free_letters(&[body]);
        if let Expr::Sum(terms) = body {
            let means: Option<Vec<Expr>> =
                terms.iter().map(|term| self.mean(term, false)).collect();
            return Some(Expr::counted(means?));
        }
        let mut monomial = Monomial::default();
        self.factors(body, letters, &mut monomial)?;
        let Monomial { mut numbers, factors } = monomial;
        let groups = grouped(factors);
        let single = groups.len() == 1;
        let mut means = Vec::new();
        for group in groups {
            let (group, shown) = at_one_copy(group)?;
            match self.of_group(&group) {
                Some(Expr::Number(0.0)) => return Some(Expr::Number(0.0)),
                Some(mean) => means.push(mean),
                None if single && !written => return None,
                None => means.push(Expr::expectation(Vec::new(), Expr::product(shown))),
            }
        }
        numbers.extend(means);
        Some(Expr::product(numbers))
    }

    fn factors(&self, formula: &Expr, letters: usize, into: &mut Monomial) -> Option<()> {
        if !formula.reads(&[]) {
            into.numbers.push(self.closed(formula.clone()));
            return Some(());
        }
        match formula {
            Expr::Negated(body) => {
                into.numbers.push(Expr::Number(-1.0));
                self.factors(body, letters, into)
            }
            Expr::Product(parts) => {
                let (smooth, rest) = self.gelus(parts, letters);
                smooth.iter().try_for_each(|part| self.factor(part, letters, into))?;
                rest.iter().try_for_each(|part| self.factors(part, letters, into))
            }
            Expr::Power(base, exponent)
                if (2..=4).any(|k| Exponent::from_integer(k) == *exponent) =>
            {
                (0..exponent.to_integer()).try_for_each(|_| self.factors(base, letters, into))
            }
            Expr::Quotient(a, b) if !b.reads(&[]) => {
                into.numbers.push(Expr::Number(1.0).quotient(self.closed((**b).clone())));
                self.factors(a, letters, into)
            }
            other => self.factor(other, letters, into),
        }
    }

    fn factor(&self, formula: &Expr, letters: usize, into: &mut Monomial) -> Option<()> {
        let mut push = |shown: &Expr, function: Function| -> Option<()> {
            let sources = self.sources(formula)?;
            into.factors.push(Factor { shown: shown.clone(), sources, function });
            Some(())
        };
        if let Some(function) = self.function(formula, letters) {
            if let Some(value) = self.at_zero(&function) {
                into.numbers.push(Expr::Number(value));
                return Some(());
            }
            if let Function::Sides(Sides { degree: degree @ 2..=4, p, q, form: Some(form), .. }) =
                &function
                && p == q
            {
                into.numbers.push(Expr::Number(*p));
                let sources = self.sources(formula)?;
                into.factors.extend((0..*degree).map(|_| Factor {
                    shown: form.base.clone(),
                    sources: sources.clone(),
                    function: Function::Linear(form.clone()),
                }));
                return Some(());
            }
            let shown = match (&function, self.unfolded(formula, letters)) {
                (Function::Linear(_), _) | (_, None) => formula.clone(),
                (_, Some((definition, _))) => definition,
            };
            return push(&shown, function);
        }
        let Some((definition, letters)) = self.unfolded(formula, letters) else {
            return push(formula, Function::Other);
        };
        match &definition {
            Expr::Product(_) | Expr::Negated(_) | Expr::Power(..) => {
                self.factors(&definition, letters, into)
            }
            Expr::Symbol(_) => self.factor(&definition, letters, into),
            Expr::Quotient(_, b) if !b.reads(&[]) => self.factors(&definition, letters, into),
            Expr::Call(..) => push(&definition, Function::Other),
            _ => push(formula, Function::Other),
        }
    }

    /// The definition of a symbol.
    fn unfolded(&self, formula: &Expr, letters: usize) -> Option<(Expr, usize)> {
        let Expr::Symbol(symbol) = formula else { return None };
        if symbol.kind == Kind::Hat {
            return None;
        }
        let node = self.node(symbol)?;
        if self.is_initial(node) {
            return None;
        }
        let definition = self.definition(symbol, letters)?;
        let letters = letters.max(self.free_letters(&[&definition]));
        Some((definition, letters))
    }

    fn function(&self, formula: &Expr, letters: usize) -> Option<Function> {
        if let Some(form) = self.form(formula, letters) {
            return Some(Function::Linear(form));
        }
        if let Some(sides) = self.sides(formula, letters) {
            return Some(Function::Sides(sides));
        }
        self.smooth(formula, letters).map(Function::Smooth)
    }

    /// The value of a function of a Gaussian number that is known to be 0.
    fn at_zero(&self, function: &Function) -> Option<f64> {
        let (form, value) = match function {
            Function::Linear(form) => (form, 0.0),
            Function::Sides(sides) => (sides.form.as_ref()?, sides.zero),
            Function::Smooth(f) if matches!(f.name, "erf" | "sin" | "gelu") => (&f.form, 0.0),
            Function::Smooth(f) => (&f.form, f.factor),
            Function::Other => return None,
        };
        (self.size_of_form(form) == Size::Zero).then_some(value)
    }

    /// E of the factors of one group.
    fn of_group(&self, group: &[Factor]) -> Option<Expr> {
        let forms: Option<Vec<&Form>> = group
            .iter()
            .map(|factor| match &factor.function {
                Function::Linear(form) => Some(form),
                _ => None,
            })
            .collect();
        if let Some(forms) = forms {
            return self.of_linear(&forms);
        }
        match group {
            [Factor { function: Function::Smooth(f), .. }] => self.of_smooth(f),
            [
                Factor { function: Function::Smooth(f), .. },
                Factor { function: Function::Smooth(g), .. },
            ] => self.of_two_smooth(f, g),
            [
                Factor { function: Function::Linear(form), .. },
                Factor { function: Function::Smooth(f), .. },
            ]
            | [
                Factor { function: Function::Smooth(f), .. },
                Factor { function: Function::Linear(form), .. },
            ] => self.by_parts(form, f),
            group => self.of_sides(group),
        }
    }

    /// E x y = Cov(x, y) + E x E y.
    fn second_moment(&self, x: &Form, y: &Form) -> Option<Expr> {
        let covariance = self.covariance(&x.terms, &y.terms)?;
        let means = vec![self.mean_of(&x.terms), self.mean_of(&y.terms)];
        Some(Expr::counted(vec![covariance, Expr::product(means)]))
    }

    /// Sums over pairings (Isserlis 1918).
    fn of_linear(&self, forms: &[&Form]) -> Option<Expr> {
        match forms {
            [] => Some(Expr::Number(1.0)),
            [x] => Some(self.mean_of(&x.terms)),
            [x, y] => self.second_moment(x, y),
            forms if !forms.iter().all(|form| form.centred) || forms.len() > MOST_LINEAR => None,
            forms if forms.len() % 2 == 1 => Some(Expr::Number(0.0)),
            forms => {
                let mut terms = Vec::new();
                self.pairings(forms, Vec::new(), &mut terms)?;
                Some(Expr::counted(terms.into_iter().map(with_powers).collect()))
            }
        }
    }

    fn pairings(
        &self,
        forms: &[&Form],
        pairs: Vec<Expr>,
        terms: &mut Vec<Vec<Expr>>,
    ) -> Option<()> {
        let Some((first, rest)) = forms.split_first() else {
            terms.push(pairs);
            return Some(());
        };
        for k in 0..rest.len() {
            let pair = self.sigma(first, rest[k])?;
            let others = [&rest[..k], &rest[k + 1..]].concat();
            self.pairings(&others, [pairs.clone(), vec![pair]].concat(), terms)?;
        }
        Some(())
    }

    /// The covariance of two linear combinations by its name, where both are kets or multiples of kets.
    pub(super) fn sigma(&self, x: &Form, y: &Form) -> Option<Expr> {
        let number = Expr::Number(x.scale * y.scale);
        let named = |form: &Form| match &form.base {
            Expr::Symbol(symbol) if symbol.kind == Kind::Ket => {
                (!self.is_initial(self.node(symbol)?)).then(|| symbol.clone())
            }
            _ => None,
        };
        match (named(x), named(y)) {
            (Some(a), Some(b)) => {
                let pair = [Expr::Symbol(a), Expr::Symbol(b)];
                Some(Expr::product(vec![number, Expr::Covariance(Box::new(pair))]))
            }
            _ => self.covariance(&x.terms, &y.terms),
        }
    }

    /// a, b and c of two linear combinations.
    fn law(&self, x: &Form, y: &Form) -> Option<[Expr; 3]> {
        Some([self.sigma(x, x)?, self.sigma(y, y)?, self.sigma(x, y)?])
    }

    fn of_smooth(&self, f: &Smooth) -> Option<Expr> {
        let variance = self.sigma(&f.form, &f.form)?;
        let half = || Expr::product(vec![Expr::Number(0.5), variance.clone()]);
        let mean = match f.name {
            "erf" | "sin" => Expr::Number(0.0),
            "cos" => Expr::Call("exp", vec![half().negated()]),
            "exp" => Expr::Call("exp", vec![half()]),
            "bell" => Expr::Number(1.0).quotient(root(wider(2.0, variance))),
            // E u Φ(u) = Var u · E Φ′(u)
            "gelu" => {
                let two_pi = Expr::product(vec![Expr::Number(2.0), pi()]);
                let scale = Expr::product(vec![two_pi, wider(1.0, variance.clone())]);
                variance.quotient(root(scale))
            }
            _ => return None,
        };
        Some(Expr::product(vec![Expr::Number(f.factor), mean]))
    }

    fn of_two_smooth(&self, f: &Smooth, g: &Smooth) -> Option<Expr> {
        let name = match (f.name, g.name) {
            ("erf", "erf") => "κ_erf",
            ("sin", "sin") => "κ_sin",
            ("cos", "cos") => "κ_cos",
            ("exp", "exp") => "κ_exp",
            ("bell", "bell") => "κ_bell",
            ("gelu", "gelu") => "κ_gelu",
            // an odd and an even function
            ("sin" | "erf", "cos" | "bell") | ("cos" | "bell", "sin" | "erf") => {
                return Some(Expr::Number(0.0));
            }
            _ => return None,
        };
        let kernel = kernel(name, self.law(&f.form, &g.form)?);
        Some(Expr::product(vec![Expr::Number(f.factor * g.factor), kernel]))
    }

    /// E x f(u) = Cov(x, u) E f′(u) (Stein's lemma).
    fn by_parts(&self, x: &Form, f: &Smooth) -> Option<Expr> {
        if !x.centred {
            return None;
        }
        let covariance = self.sigma(x, &f.form)?;
        let variance = || self.sigma(&f.form, &f.form);
        let half = |variance: Expr| Expr::product(vec![Expr::Number(0.5), variance]);
        let slope = match f.name {
            "erf" => {
                let scale = Expr::product(vec![pi(), wider(2.0, variance()?)]);
                let over = Expr::product(vec![Expr::Number(2.0 * f.factor), covariance]);
                return Some(over.quotient(root(scale)));
            }
            "sin" => Expr::Call("exp", vec![half(variance()?).negated()]),
            "exp" => Expr::Call("exp", vec![half(variance()?)]),
            "cos" | "bell" => Expr::Number(0.0),
            "gelu" => Expr::Number(0.5),
            _ => return None,
        };
        Some(Expr::product(vec![Expr::Number(f.factor), covariance, slope]))
    }

    /// E of powers on each side of 0, of one number or of two.
    fn of_sides(&self, group: &[Factor]) -> Option<Expr> {
        let mut functions: Vec<Sides> = Vec::new();
        for factor in group {
            let own = match &factor.function {
                Function::Linear(form) if form.centred => Sides::of(form),
                Function::Sides(sides) => sides.clone(),
                _ => return None,
            };
            let merged = functions.iter_mut().find_map(|other| {
                let product = other.times(&own)?;
                Some((other, product))
            });
            match merged {
                Some((other, product)) => *other = product,
                None => functions.push(own),
            }
        }
        match functions.as_slice() {
            [f] => self.of_one(f),
            [f, g] if f.degree <= g.degree => self.of_two(f, g),
            [f, g] => self.of_two(g, f),
            _ => None,
        }
    }

    fn of_one(&self, f: &Sides) -> Option<Expr> {
        let form = f.form.as_ref()?;
        let (even, odd) = f.halves();
        let variance = self.sigma(form, form)?;
        let number = |value: f64| Expr::Number(value);
        Some(match f.degree {
            0 => {
                if f.zero != even {
                    self.assume_positive(&variance);
                }
                number(even)
            }
            // E |u| = √(2a/π)
            1 => Expr::product(vec![
                number(odd),
                root(Expr::product(vec![number(2.0), variance]).quotient(pi())),
            ]),
            2 => Expr::product(vec![number(even), variance]),
            // E |u|³ = 2a√(2a/π)
            3 => {
                let size = root(Expr::product(vec![number(2.0), variance.clone()]).quotient(pi()));
                Expr::product(vec![number(2.0 * odd), variance, size])
            }
            4 => Expr::product(vec![number(3.0 * even), variance.power(Exponent::from_integer(2))]),
            _ => return None,
        })
    }

    /// Of functions of degree 0 or 1, the lower degree first.
    fn of_two(&self, f: &Sides, g: &Sides) -> Option<Expr> {
        let [a, b, c] = self.law(f.form.as_ref()?, g.form.as_ref()?)?;
        let ((even, odd), (other_even, other_odd)) = (f.halves(), g.halves());
        let number = |value: f64| Expr::Number(value);
        let right = |own: &Sides| own.q == 0.0;
        Some(match (f.degree, g.degree) {
            (0, 0) => self.of_two_steps(f, g, [a, b, c]),
            (1, 1) if right(f) && right(g) => {
                Expr::product(vec![number(f.p * g.p), kernel("κ₁", [a, b, c])])
            }
            (1, 1) => Expr::sum(vec![
                Expr::product(vec![number(even * other_even), c.clone()]),
                Expr::product(vec![number(odd * other_odd), kernel("κ_abs", [a, b, c])]),
            ]),
            // E |v| = √(2b/π) and E sign(u) v = c √(2/πa)
            (0, 1) => {
                let two = |x: Expr| root(Expr::product(vec![number(2.0), x]).quotient(pi()));
                let slope = root(number(2.0).quotient(Expr::product(vec![pi(), a.clone()])));
                let across = Expr::product(vec![number(odd * other_even), c, slope]);
                if across != number(0.0) || f.zero != even && other_odd != 0.0 {
                    self.assume_positive(&a);
                }
                Expr::sum(vec![Expr::product(vec![number(even * other_odd), two(b)]), across])
            }
            _ => return None,
        })
    }

    /// Of functions that jump, by kernels that are 0 where a = 0 or b = 0. If a = 0 the mean is f(0) E g(v).
    fn of_two_steps(&self, f: &Sides, g: &Sides, [a, b, c]: [Expr; 3]) -> Expr {
        let right = |own: &Sides| own.q == 0.0 && own.zero == 0.0;
        if right(f) && right(g) {
            return Expr::product(vec![Expr::Number(f.p * g.p), kernel("κ₀", [a, b, c])]);
        }
        let ((even, odd), (other_even, other_odd)) = (f.halves(), g.halves());
        if f.zero != even && (other_even, g.zero) != (0.0, 0.0) {
            self.assume_positive(&a);
        }
        if g.zero != other_even && (even, f.zero) != (0.0, 0.0) {
            self.assume_positive(&b);
        }
        let signs = kernel("κ_sign", [a, b, c]);
        Expr::sum(vec![
            Expr::Number(even * other_even),
            Expr::product(vec![Expr::Number(odd * other_odd), signs]),
        ])
    }
}

/// Factors that share a source, directly or through others.
fn grouped(factors: Vec<Factor>) -> Vec<Vec<Factor>> {
    let mut groups: Vec<Vec<Factor>> = Vec::new();
    for factor in factors {
        let shares = |group: &Vec<Factor>| {
            group.iter().any(|other| !other.sources.is_disjoint(&factor.sources))
        };
        let (linked, mut apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(shares);
        let mut linked: Vec<Factor> = linked.into_iter().flatten().collect();
        linked.push(factor);
        apart.push(linked);
        groups = apart;
    }
    groups
}

/// A group that reads one copy only, as a group of copy 0, and its factors as they are shown.
fn at_one_copy(mut group: Vec<Factor>) -> Option<(Vec<Factor>, Vec<Expr>)> {
    let slots: BTreeSet<usize> =
        group.iter().flat_map(|factor| factor.sources.iter().map(|(_, slot)| *slot)).collect();
    let slots: Vec<usize> = slots.into_iter().collect();
    let [slot] = slots[..] else { return None };
    if slot != 0 {
        for factor in &mut group {
            factor.shown = factor.shown.clone().copied(slot, 0);
            match &mut factor.function {
                Function::Linear(form)
                | Function::Sides(Sides { form: Some(form), .. })
                | Function::Smooth(Smooth { form, .. }) => {
                    form.base = form.base.clone().copied(slot, 0);
                }
                Function::Sides(_) | Function::Other => {}
            }
        }
    }
    let shown = group.iter().map(|factor| factor.shown.clone()).collect();
    Some((group, shown))
}

/// x/a, where a factor a or √(s·a/π) of x takes up the a.
fn ratio(x: Expr, a: Expr) -> Expr {
    let mut factors = match x {
        Expr::Product(factors) => factors,
        other => vec![other],
    };
    if let Some(k) = factors.iter().position(|factor| *factor == a) {
        factors.remove(k);
        return Expr::product(factors);
    }
    for factor in &mut factors {
        if let Expr::Power(base, exponent) = &*factor
            && *exponent == Exponent::new(1, 2)
            && let Expr::Quotient(over, under) = base.as_ref()
            && let Expr::Product(parts) = over.as_ref()
            && let [number @ Expr::Number(_), variance] = parts.as_slice()
            && *variance == a
        {
            let under = Expr::product(vec![under.as_ref().clone(), a]);
            *factor = root(number.clone().quotient(under));
            return Expr::product(factors);
        }
    }
    Expr::product(factors).quotient(a)
}

/// A product, equal factors as powers.
fn with_powers(mut factors: Vec<Expr>) -> Expr {
    factors.sort_by_key(|factor| format!("{factor:?}"));
    let powers = factors.chunk_by(|a, b| a == b).map(|equal| {
        let exponent = i64::try_from(equal.len()).unwrap_or(1);
        equal[0].clone().power(Exponent::from_integer(exponent))
    });
    Expr::product(powers.collect())
}
