//! Derivatives of trees, with the jumps of steps and signs as deltas.

use super::tree::{Slope, Tree, TreeId, Trees};
use crate::ir::scalar::to_f64;
use crate::ir::{Exponent, Prim};
use std::f64::consts::FRAC_2_SQRT_PI;

impl Trees {
    /// ∂/∂(argument k); `None` where a jump is inside another function, and for tables.
    pub(super) fn slope(&mut self, id: TreeId, k: usize) -> Option<Slope> {
        let zero = self.constant(0.0);
        let (op, args) = match self.get(id).clone() {
            Tree::Argument(own) => {
                let regular = self.constant(f64::from(u8::from(own == k)));
                return Some(Slope { regular, jumps: Vec::new() });
            }
            Tree::Constant(_) => return Some(Slope { regular: zero, jumps: Vec::new() }),
            // whose mean slopes are covariances
            Tree::Table(..) => return None,
            Tree::Apply(op, args) => (op, args),
        };
        let slopes: Option<Vec<Slope>> = args.iter().map(|arg| self.slope(*arg, k)).collect();
        let slopes = slopes?;
        let mut total = Slope { regular: zero, jumps: Vec::new() };
        for (at, slope) in slopes.iter().enumerate() {
            if slope.regular == zero && slope.jumps.is_empty() {
                continue;
            }
            let truth =
                matches!(self.get(args[0]), Tree::Apply(Prim::Step | Prim::Lt | Prim::Le, _));
            if op == Prim::Select && at == 0 && !truth {
                return None;
            }
            let factor = self.partial(op, &args, id, at)?;
            let part = self.mul(factor, slope.regular);
            total.regular = self.add(total.regular, part);
            let is_linear = match op {
                Prim::Id | Prim::Neg | Prim::Add | Prim::Sub | Prim::Mul | Prim::Select => true,
                Prim::Div => at == 0,
                _ => false,
            };
            // other functions, and products of two jumps, jump by something else than the slope times the jump
            let alone = slopes.iter().filter(|own| !own.jumps.is_empty()).count() == 1;
            let is_sum = matches!(op, Prim::Add | Prim::Sub);
            if !slope.jumps.is_empty() && !(is_linear && (alone || is_sum)) {
                return None;
            }
            for (inner, place) in &slope.jumps {
                let inner = self.mul(factor, *inner);
                if inner != zero {
                    total.jumps.push((inner, *place));
                }
            }
        }
        if let Some((height, place)) = self.jump(op, &args) {
            let slope = self.slope(place, k)?;
            if !slope.jumps.is_empty() {
                return None;
            }
            if slope.regular != zero {
                let height = self.mul(height, slope.regular);
                total.jumps.push((height, place));
            }
        }
        Some(total)
    }

    /// What an operation jumps by where its argument is 0, and that argument.
    fn jump(&mut self, op: Prim, args: &[TreeId]) -> Option<(TreeId, TreeId)> {
        match op {
            Prim::Step => Some((self.constant(1.0), args[0])),
            Prim::Sign => Some((self.constant(2.0), args[0])),
            Prim::Lt | Prim::Le => Some((self.constant(1.0), self.sub(args[1], args[0]))),
            _ => None,
        }
    }

    /// The almost-everywhere derivative by an operand; `None` where it is not a function.
    fn partial(&mut self, op: Prim, args: &[TreeId], out: TreeId, k: usize) -> Option<TreeId> {
        let x = args[0];
        let one = self.constant(1.0);
        Some(match op {
            Prim::Id | Prim::Add => one,
            Prim::Neg => self.constant(-1.0),
            Prim::Sub => self.constant(if k == 0 { 1.0 } else { -1.0 }),
            Prim::Mul => args[1 - k],
            Prim::Div if k == 0 => self.apply(Prim::Div, &[one, args[1]]),
            Prim::Div => {
                let ratio = self.apply(Prim::Div, &[out, args[1]]);
                self.apply(Prim::Neg, &[ratio])
            }
            Prim::Max | Prim::Min => {
                let first = (op == Prim::Max) == (k == 0);
                let difference =
                    if first { self.sub(args[0], args[1]) } else { self.sub(args[1], args[0]) };
                self.apply(Prim::Step, &[difference])
            }
            // a truth that jumps: what it changes by is the difference of both branches
            Prim::Select if k == 0 => self.sub(args[1], args[2]),
            Prim::Select => {
                let zero = self.constant(0.0);
                let branches = if k == 1 { [x, one, zero] } else { [x, zero, one] };
                self.apply(Prim::Select, &branches)
            }
            Prim::Step | Prim::Sign | Prim::Lt | Prim::Le => self.constant(0.0),
            Prim::Abs => self.apply(Prim::Sign, &[x]),
            Prim::Relu => self.apply(Prim::Step, &[x]),
            Prim::Sqrt => {
                let half = self.constant(0.5);
                self.apply(Prim::Div, &[half, out])
            }
            Prim::Exp => out,
            Prim::Log => self.apply(Prim::Div, &[one, x]),
            Prim::Sin => self.apply(Prim::Cos, &[x]),
            Prim::Cos => {
                let sine = self.apply(Prim::Sin, &[x]);
                self.apply(Prim::Neg, &[sine])
            }
            Prim::Tanh => {
                let square = self.mul(out, out);
                self.sub(one, square)
            }
            Prim::Erf => {
                let square = self.mul(x, x);
                let minus = self.apply(Prim::Neg, &[square]);
                let bell = self.apply(Prim::Exp, &[minus]);
                let factor = self.constant(FRAC_2_SQRT_PI);
                self.mul(factor, bell)
            }
            Prim::Sigmoid => {
                let rest = self.sub(one, out);
                self.mul(out, rest)
            }
            Prim::Softplus => self.apply(Prim::Sigmoid, &[x]),
            Prim::Pow(p) => self.power_slope(p, x),
            Prim::Powf | Prim::Not | Prim::Eq | Prim::And | Prim::Or => return None,
        })
    }

    fn power_slope(&mut self, p: Exponent, x: TreeId) -> TreeId {
        let factor = self.constant(to_f64(p));
        let lower = self.apply(Prim::Pow(p - Exponent::from_integer(1)), &[x]);
        self.mul(factor, lower)
    }
}
