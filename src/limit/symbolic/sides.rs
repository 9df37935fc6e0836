//! Functions of one Gaussian number as far as they have closed forms: powers on each side of 0, and named smooth functions.

use super::expr::{Expr, Kind, Symbol};
use super::law::{Form, Known, Laws};

/// p·u^d where u > 0, q·u^d where u < 0, `zero` where u = 0: relu, abs, leaky relu, step, sign and their products.
#[derive(Clone, Debug)]
pub(super) struct Sides {
    pub(super) degree: u32,
    pub(super) p: f64,
    pub(super) q: f64,
    /// Counts where Var u = 0.
    pub(super) zero: f64,
    /// u, with factor 1; `None` for a number.
    pub(super) form: Option<Form>,
}

/// factor · f(u).
#[derive(Clone, Debug)]
pub(super) struct Smooth {
    /// A function that has a kernel.
    pub(super) name: &'static str,
    pub(super) factor: f64,
    pub(super) form: Form,
}

/// Names of smooth functions with a kernel of their own.
const SMOOTH: [&str; 4] = ["erf", "sin", "cos", "exp"];

impl Sides {
    fn number(value: f64) -> Self {
        Self { degree: 0, p: value, q: value, zero: value, form: None }
    }

    /// A Gaussian number.
    pub(super) fn of(form: &Form) -> Self {
        let (p, form) = (form.scale, Some(form.with_scale(1.0)));
        Self { degree: 1, p, q: p, zero: 0.0, form }
    }

    /// The same u, or that of the one that has it.
    fn shared(a: &Option<Form>, b: &Option<Form>) -> Option<Option<Form>> {
        match (a, b) {
            (Some(x), Some(y)) => (x.base == y.base).then(|| a.clone()),
            (None, form) | (form, None) => Some(form.clone()),
        }
    }

    /// The product of functions of one u.
    pub(super) fn times(&self, other: &Self) -> Option<Self> {
        let form = Self::shared(&self.form, &other.form)?;
        let degree = self.degree + other.degree;
        let (p, q, zero) = (self.p * other.p, self.q * other.q, self.zero * other.zero);
        Some(Self { degree, p, q, zero, form })
    }

    fn plus(&self, other: &Self) -> Option<Self> {
        let form = Self::shared(&self.form, &other.form)?;
        let is_zero = |own: &Self| own.p == 0.0 && own.q == 0.0 && own.zero == 0.0;
        if self.degree != other.degree && !is_zero(self) && !is_zero(other) {
            return None;
        }
        let degree = if is_zero(self) { other.degree } else { self.degree };
        let (p, q, zero) = (self.p + other.p, self.q + other.q, self.zero + other.zero);
        Some(Self { degree, p, q, zero, form })
    }

    fn scaled(&self, factor: f64) -> Self {
        let (p, q, zero) = (factor * self.p, factor * self.q, factor * self.zero);
        Self { p, q, zero, ..self.clone() }
    }

    /// Whether the function is positive, for u > 0 and for u < 0; `None` if it is 0 on a side.
    fn signs(&self) -> Option<(bool, bool)> {
        let turned = if self.degree % 2 == 1 { -self.q } else { self.q };
        (self.p != 0.0 && turned != 0.0).then_some((self.p > 0.0, turned > 0.0))
    }

    /// (p + q)/2 and (p − q)/2.
    pub(super) fn halves(&self) -> (f64, f64) {
        (0.5 * (self.p + self.q), 0.5 * (self.p - self.q))
    }
}

impl Laws<'_> {
    /// What a ket is by its definition.
    fn known(&self, symbol: &Symbol, letters: usize) -> Known {
        let key = (symbol.clone(), letters);
        if let Some(known) = self.functions.borrow().get(&key) {
            return known.clone();
        }
        let Some(definition) = self.definition(symbol, letters) else { return Known::default() };
        let letters = letters.max(self.free_letters(&[&definition]));
        let sides = self.sides(&definition, letters);
        let smooth = if sides.is_some() { None } else { self.smooth(&definition, letters) };
        let known = Known { sides, smooth };
        self.functions.borrow_mut().insert(key, known.clone());
        known
    }

    /// The formula as powers on each side of 0 of one centred Gaussian number.
    pub(super) fn sides(&self, formula: &Expr, letters: usize) -> Option<Sides> {
        let of = |part: &Expr| self.sides(part, letters);
        if let Expr::Number(value) = formula {
            return Some(Sides::number(*value));
        }
        if !formula.reads(&[]) {
            return None;
        }
        if let Some(form) = self.form(formula, letters) {
            return form.centred.then(|| Sides::of(&form));
        }
        match formula {
            Expr::Symbol(symbol) if symbol.kind == Kind::Ket => self.known(symbol, letters).sides,
            Expr::Call(name, args) => self.sides_of_call(name, args, letters),
            Expr::Sum(terms) => {
                let mut terms = terms.iter().map(of);
                let first = terms.next()??;
                terms.try_fold(first, |sum, term| sum.plus(&term?))
            }
            Expr::Product(factors) => {
                factors.iter().map(of).try_fold(Sides::number(1.0), |all, own| all.times(&own?))
            }
            Expr::Negated(body) => Some(of(body)?.scaled(-1.0)),
            Expr::Quotient(a, b) => match b.as_ref() {
                Expr::Number(number) => Some(of(a)?.scaled(1.0 / number)),
                _ => None,
            },
            Expr::Power(base, exponent) if exponent.is_integer() => {
                let count = usize::try_from(exponent.to_integer()).ok().filter(|k| *k <= 4)?;
                let base = of(base)?;
                (0..count).try_fold(Sides::number(1.0), |all, _| all.times(&base))
            }
            Expr::Choice(parts) => {
                let holds = self.condition(&parts[0], letters)?;
                let fails = Sides::number(1.0).plus(&holds.scaled(-1.0))?;
                let (then, other) = (of(&parts[1])?, of(&parts[2])?);
                holds.times(&then)?.plus(&fails.times(&other)?)
            }
            Expr::Relation(..) => self.condition(formula, letters),
            _ => None,
        }
    }

    fn sides_of_call(&self, name: &str, args: &[Expr], letters: usize) -> Option<Sides> {
        let x = self.sides(&args[0], letters)?;
        match name {
            "max" | "min" => {
                let y = self.sides(&args[1], letters)?;
                let difference = x.plus(&y.scaled(-1.0))?;
                let (p, q) = difference.signs()?;
                let (p, q) = if name == "max" { (p, q) } else { (!p, !q) };
                let (degree, form) = (difference.degree, difference.form);
                let p = if p { x.p } else { y.p };
                let q = if q { x.q } else { y.q };
                let zero = if name == "max" { x.zero.max(y.zero) } else { x.zero.min(y.zero) };
                Some(Sides { degree, p, q, zero, form })
            }
            "relu" | "abs" | "step" | "sign" if x.form.is_some() => {
                // on the left u^d has this sign
                let left = if x.degree % 2 == 1 { -1.0 } else { 1.0 };
                let kept = |size: f64, own: f64| match name {
                    "relu" if size > 0.0 => own,
                    "abs" => {
                        if size > 0.0 {
                            own
                        } else {
                            -own
                        }
                    }
                    "step" if size > 0.0 => 1.0,
                    "sign" if size != 0.0 => size.signum(),
                    _ => 0.0,
                };
                let (p, q, zero) = (kept(x.p, x.p), kept(left * x.q, x.q), kept(x.zero, x.zero));
                let degree = if matches!(name, "relu" | "abs") { x.degree } else { 0 };
                Some(Sides { degree, p, q, zero, form: x.form })
            }
            _ => None,
        }
    }

    /// 1 where a comparison with 0 holds.
    fn condition(&self, condition: &Expr, letters: usize) -> Option<Sides> {
        let Expr::Relation(sign @ ("<" | "≤"), a, b) = condition else { return None };
        let difference = self.sides(b, letters)?.plus(&self.sides(a, letters)?.scaled(-1.0))?;
        let (p, q) = difference.signs()?;
        let zero = difference.zero > 0.0 || *sign == "≤" && difference.zero == 0.0;
        let [p, q, zero] = [p, q, zero].map(|holds| f64::from(u8::from(holds)));
        difference.form.is_some().then_some(Sides { degree: 0, p, q, zero, ..difference })
    }

    /// The formula as a smooth function of one centred Gaussian number that has a kernel.
    pub(super) fn smooth(&self, formula: &Expr, letters: usize) -> Option<Smooth> {
        match formula {
            Expr::Symbol(symbol) if symbol.kind == Kind::Ket => self.known(symbol, letters).smooth,
            Expr::Call(name, args) => {
                if let Some(form) = self.bell(name, args, letters) {
                    return Some(Smooth { name: "bell", factor: 1.0, form });
                }
                let name = SMOOTH.into_iter().find(|known| known == name)?;
                let form = self.form(&args[0], letters).filter(|form| form.centred)?;
                Some(Smooth { name, factor: 1.0, form })
            }
            Expr::Negated(body) => {
                let smooth = self.smooth(body, letters)?;
                Some(Smooth { factor: -smooth.factor, ..smooth })
            }
            Expr::Product(factors) => {
                let (number, rest) = match factors.as_slice() {
                    [Expr::Number(number), rest @ ..] => (*number, rest),
                    rest => (1.0, rest),
                };
                let smooth = match rest {
                    [single] => self.smooth(single, letters)?,
                    [x, y] => self.gelu(x, y, letters)?,
                    _ => return None,
                };
                Some(Smooth { factor: number * smooth.factor, ..smooth })
            }
            _ => None,
        }
    }

    /// u of e^{−u²}.
    fn bell(&self, name: &str, args: &[Expr], letters: usize) -> Option<Form> {
        let ("exp", [exponent]) = (name, args) else { return None };
        let Sides { degree: 2, p, q, form, .. } = self.sides(exponent, letters)? else {
            return None;
        };
        (p == q && p < 0.0).then(|| form.map(|form| form.with_scale((-p).sqrt())))?
    }

    /// The products u·(1 + erf(u/√2)) among the factors of a product, and the others.
    pub(super) fn gelus(&self, factors: &[Expr], letters: usize) -> (Vec<Expr>, Vec<Expr>) {
        let (mut found, mut rest) = (Vec::new(), factors.to_vec());
        for y in factors {
            let Some(at) = rest.iter().position(|x| self.gelu(x, y, letters).is_some()) else {
                continue;
            };
            let x = rest.remove(at);
            if let Some(at) = rest.iter().position(|other| other == y) {
                found.push(Expr::product(vec![x, rest.remove(at)]));
            }
        }
        (found, rest)
    }

    /// x·(1 + erf(y)) with x = s·u and y = u/√2 is 2s·gelu(u).
    fn gelu(&self, x: &Expr, y: &Expr, letters: usize) -> Option<Smooth> {
        let Expr::Sum(terms) = y else { return None };
        let [Expr::Number(1.0), wave] = terms.as_slice() else { return None };
        let (sign, argument) = match wave {
            Expr::Call("erf", args) => (1.0, &args[0]),
            Expr::Negated(wave) => match wave.as_ref() {
                Expr::Call("erf", args) => (-1.0, &args[0]),
                _ => return None,
            },
            _ => return None,
        };
        let (x, y) = (self.form(x, letters)?, self.form(argument, letters)?);
        let scale = sign * y.scale * std::f64::consts::SQRT_2;
        if x.base != y.base || !x.centred {
            return None;
        }
        Some(Smooth { name: "gelu", factor: 2.0 * x.scale / scale, form: y.with_scale(scale) })
    }
}
