//! Functions as sums of products that have means in closed form.

use super::tree::{Tree, TreeId, Trees};
use crate::ir::Prim;
use crate::num::gaussian::Shape;

/// A function of a·xₖ + b.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Atom {
    pub(super) shape: Shape,
    pub(super) argument: usize,
    pub(super) factor: f64,
    pub(super) shift: f64,
}

/// c · Π xₖ^{pₖ} · Π shapes.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) factor: f64,
    pub(super) powers: Vec<u32>,
    pub(super) atoms: Vec<Atom>,
}

/// Longer sums are left to quadrature.
const LONGEST: usize = 48;

impl Term {
    fn constant(factor: f64) -> Self {
        Self { factor, powers: Vec::new(), atoms: Vec::new() }
    }

    fn power(argument: usize) -> Self {
        let mut powers = vec![0; argument + 1];
        powers[argument] = 1;
        Self { factor: 1.0, powers, atoms: Vec::new() }
    }

    fn degree(&self) -> u32 {
        self.powers.iter().sum()
    }

    fn times(&self, other: &Self) -> Self {
        let mut powers = self.powers.clone();
        powers.resize(powers.len().max(other.powers.len()), 0);
        powers.iter_mut().zip(&other.powers).for_each(|(power, more)| *power += more);
        let mut product = Self { factor: self.factor * other.factor, powers, atoms: Vec::new() };
        self.atoms.iter().chain(&other.atoms).for_each(|atom| product.include(*atom));
        product
    }

    /// step² = step, sign² = 1 and step · sign = step almost everywhere.
    fn include(&mut self, atom: Atom) {
        let jumps = |shape: Shape| matches!(shape, Shape::Step | Shape::Sign);
        let same = |own: &Atom| {
            (own.argument, own.factor, own.shift) == (atom.argument, atom.factor, atom.shift)
                && jumps(own.shape)
                && jumps(atom.shape)
        };
        let Some(k) = self.atoms.iter().position(same) else { return self.atoms.push(atom) };
        match (self.atoms[k].shape, atom.shape) {
            (Shape::Sign, Shape::Sign) => drop(self.atoms.remove(k)),
            _ => self.atoms[k].shape = Shape::Step,
        }
    }
}

fn product(a: &[Term], b: &[Term]) -> Option<Vec<Term>> {
    (a.len() * b.len() <= LONGEST)
        .then(|| a.iter().flat_map(|a| b.iter().map(|b| a.times(b))).collect())
}

fn scaled(mut terms: Vec<Term>, factor: f64) -> Vec<Term> {
    terms.iter_mut().for_each(|term| term.factor *= factor);
    terms
}

fn sum(mut a: Vec<Term>, b: Vec<Term>) -> Option<Vec<Term>> {
    a.extend(b);
    (a.len() <= LONGEST).then_some(a)
}

impl Trees {
    /// The function as a sum of products; `None` where it is none, or a long one.
    pub(super) fn expand(&mut self, id: TreeId) -> Option<Vec<Term>> {
        let (op, args) = match self.get(id).clone() {
            Tree::Argument(k) => return Some(vec![Term::power(k)]),
            Tree::Constant(value) => return Some(vec![Term::constant(value.get())]),
            Tree::Apply(op, args) => (op, args),
            Tree::Table(..) => return None,
        };
        let x = args[0];
        match op {
            Prim::Id => self.expand(x),
            Prim::Neg => Some(scaled(self.expand(x)?, -1.0)),
            Prim::Add => sum(self.expand(x)?, self.expand(args[1])?),
            Prim::Sub => sum(self.expand(x)?, scaled(self.expand(args[1])?, -1.0)),
            Prim::Mul => product(&self.expand(x)?, &self.expand(args[1])?),
            Prim::Div => {
                let divisor = self.value(args[1])?;
                Some(scaled(self.expand(x)?, 1.0 / divisor))
            }
            Prim::Pow(p) if p.is_integer() && (0..=6).contains(&p.to_integer()) => {
                let base = self.expand(x)?;
                (0..p.to_integer())
                    .try_fold(vec![Term::constant(1.0)], |all, _| product(&all, &base))
            }
            Prim::Relu => product(&self.expand(x)?, &self.shape(Shape::Step, x)?),
            Prim::Abs => product(&self.expand(x)?, &self.shape(Shape::Sign, x)?),
            Prim::Step => self.shape(Shape::Step, x),
            Prim::Sign => self.shape(Shape::Sign, x),
            Prim::Erf => self.shape(Shape::Erf, x),
            Prim::Sin => self.shape(Shape::Sin, x),
            Prim::Cos => self.shape(Shape::Cos, x),
            Prim::Exp => self.exponential(x),
            Prim::Max | Prim::Min => {
                let difference = match op {
                    Prim::Max => self.sub(x, args[1]),
                    _ => self.sub(args[1], x),
                };
                let chosen = self.shape(Shape::Step, difference)?;
                let rest = sum(self.expand(x)?, scaled(self.expand(args[1])?, -1.0))?;
                sum(self.expand(args[1])?, product(&chosen, &rest)?)
            }
            Prim::Lt => {
                let difference = self.sub(args[1], x);
                self.shape(Shape::Step, difference)
            }
            // true where both are equal, which has a probability if they are constants
            Prim::Le => {
                let difference = self.sub(x, args[1]);
                sum(vec![Term::constant(1.0)], scaled(self.shape(Shape::Step, difference)?, -1.0))
            }
            Prim::Select => {
                let chosen = self.truth(x)?;
                let rest = sum(self.expand(args[1])?, scaled(self.expand(args[2])?, -1.0))?;
                sum(self.expand(args[2])?, product(&chosen, &rest)?)
            }
            _ => None,
        }
    }

    /// A condition, which is 0 or 1.
    fn truth(&mut self, id: TreeId) -> Option<Vec<Term>> {
        match self.get(id) {
            Tree::Apply(Prim::Step | Prim::Lt | Prim::Le, _) => self.expand(id),
            _ => None,
        }
    }

    fn shape(&mut self, shape: Shape, id: TreeId) -> Option<Vec<Term>> {
        let (argument, factor, shift) = self.affine(id)?;
        if factor == 0.0 {
            return None;
        }
        // steps and signs do not feel a positive factor
        let size = if matches!(shape, Shape::Step | Shape::Sign) { factor.abs() } else { 1.0 };
        let atom = Atom { shape, argument, factor: factor / size, shift: shift / size };
        Some(vec![Term { factor: 1.0, powers: Vec::new(), atoms: vec![atom] }])
    }

    /// e to a polynomial of degree 2 in one number: e^c e^{bx} e^{−ax²}.
    fn exponential(&mut self, id: TreeId) -> Option<Vec<Term>> {
        let (mut constant, mut linear, mut square, mut argument) = (0.0, 0.0, 0.0, None);
        for term in self.expand(id)? {
            if !term.atoms.is_empty() || term.degree() > 2 {
                return None;
            }
            let own = term.powers.iter().position(|power| *power > 0);
            if term.degree() > 0 && argument.is_some_and(|other| Some(other) != own) {
                return None;
            }
            argument = argument.or(own);
            match (term.degree(), own.map(|k| term.powers[k])) {
                (0, _) => constant += term.factor,
                (1, _) => linear += term.factor,
                (2, Some(2)) => square += term.factor,
                _ => return None,
            }
        }
        let argument = argument?;
        let mut result = Term::constant(libm::exp(constant));
        let atom = |shape, factor| Atom { shape, argument, factor, shift: 0.0 };
        if square > 0.0 {
            return None;
        }
        if square < 0.0 {
            result.atoms.push(atom(Shape::Bell, (-square).sqrt()));
        }
        if linear != 0.0 {
            result.atoms.push(atom(Shape::Exp, linear));
        }
        Some(vec![result])
    }
}
