//! Exponents through entrywise operations.

use super::combination::cancels;
use super::leading::{Analysis, Coefficient, Leading, Why};
use super::power;
use crate::diag::codes;
use crate::ir::{Arg, Exponent, NodeId, Prim, Shape};
use num_traits::{Signed, Zero};

/// One operand of an operation: its leading order and its axes.
struct Operand<'a> {
    lead: Leading,
    arg: &'a Arg,
}

/// What a smooth function does near 0.
enum NearZero {
    /// f(0) ≠ 0.
    Value(f64),
    /// f(0) = 0 and f′(0) ≠ 0.
    Slope(f64),
    /// No value at 0.
    Pole,
}

/// Operands on one scale.
struct Aligned<'a> {
    exponent: Exponent,
    /// Leading coefficients; `None` stands for 0.
    parts: Vec<(Option<NodeId>, &'a Arg)>,
    rest: Option<Exponent>,
    soft: bool,
    /// Whether an operand is smaller and not exactly 0.
    dropped: bool,
}

/// What was dropped, relative to what is left.
fn relative(lead: Leading) -> Option<Exponent> {
    lead.rest.map(|rest| rest - lead.exponent)
}

/// What a jump makes of a small change of its argument, n^(JUMP · r) of it, is at most n^r in root mean square: it acts on a
/// fraction of the entries, and the root of this is its size. The fraction is as large as the change for a density at 0
/// and its root of degree 4 for the fourth power of such a variable.
pub(super) const JUMP: i64 = 8;

impl Analysis<'_> {
    pub(super) fn map(&mut self, id: NodeId, op: Prim, shape: &Shape, args: &[Arg]) -> Leading {
        let operands: Vec<Operand<'_>> =
            args.iter().map(|arg| Operand { lead: self.operand(arg.node), arg }).collect();
        if operands.iter().any(|operand| operand.lead.is_error()) {
            return Leading::ERROR;
        }
        match op {
            Prim::Id | Prim::Neg | Prim::Abs | Prim::Relu => self.keep(op, shape, &operands[0]),
            Prim::Mul => self.product(shape, &operands),
            Prim::Div => self.quotient(id, shape, &operands),
            Prim::Add | Prim::Sub => self.sum(id, op, shape, &operands),
            Prim::Sqrt => self.homogeneous(id, op, (Exponent::new(1, 2), shape), &operands[0]),
            Prim::Pow(p) => self.homogeneous(id, op, (p, shape), &operands[0]),
            Prim::Sign | Prim::Step => self.jump(id, op, shape, &operands[0]),
            Prim::Exp => self.smooth(id, op, (shape, NearZero::Value(1.0)), &operands[0]),
            Prim::Cos => self.smooth(id, op, (shape, NearZero::Value(1.0)), &operands[0]),
            Prim::Sigmoid => self.smooth(id, op, (shape, NearZero::Value(0.5)), &operands[0]),
            Prim::Softplus => {
                self.smooth(id, op, (shape, NearZero::Value(std::f64::consts::LN_2)), &operands[0])
            }
            Prim::Sin | Prim::Tanh => {
                self.smooth(id, op, (shape, NearZero::Slope(1.0)), &operands[0])
            }
            Prim::Erf => {
                let slope = 2.0 / std::f64::consts::PI.sqrt();
                self.smooth(id, op, (shape, NearZero::Slope(slope)), &operands[0])
            }
            Prim::Log => self.smooth(id, op, (shape, NearZero::Pole), &operands[0]),
            Prim::Min | Prim::Max => self.together(id, op, shape, &operands),
            Prim::Lt | Prim::Le | Prim::Eq => self.comparison(id, op, shape, &operands),
            Prim::Select => self.select(id, shape, &operands),
            Prim::Not | Prim::And | Prim::Or => self.logic(id, op, shape, &operands),
            Prim::Powf => self.power(id, shape, &operands),
        }
    }

    /// The operation on leading coefficients; `None` stands for 0.
    pub(super) fn build(
        &mut self,
        op: Prim,
        shape: &Shape,
        parts: &[(Option<NodeId>, &Arg)],
    ) -> NodeId {
        let args = parts
            .iter()
            .map(|(node, arg)| match node {
                Some(node) => Arg { node: *node, ..(*arg).clone() },
                None => Arg { node: self.out.constant(0.0), stat: vec![], width: vec![] },
            })
            .collect();
        self.out.map(op, shape.clone(), args)
    }

    fn known(
        &mut self,
        exponent: Exponent,
        op: Prim,
        shape: &Shape,
        parts: &[(Option<NodeId>, &Arg)],
    ) -> Leading {
        let node = self.build(op, shape, parts);
        Leading::known(exponent, node)
    }

    /// Functions with f(c x) = c f(x) for c > 0.
    fn keep(&mut self, op: Prim, shape: &Shape, x: &Operand<'_>) -> Leading {
        match x.lead.coefficient {
            Coefficient::Known(node) => {
                let coefficient = Coefficient::Known(self.build(op, shape, &[(Some(node), x.arg)]));
                Leading { coefficient, ..x.lead }
            }
            Coefficient::Unknown(_) | Coefficient::Zero | Coefficient::Error => x.lead,
        }
    }

    fn product(&mut self, shape: &Shape, operands: &[Operand<'_>]) -> Leading {
        let [x, y] = operands else { return Leading::ERROR };
        let exponent = x.lead.exponent + y.lead.exponent;
        match (x.lead.coefficient, y.lead.coefficient) {
            (Coefficient::Zero, _) | (_, Coefficient::Zero) => Leading::ZERO,
            (Coefficient::Known(a), Coefficient::Known(b)) => {
                let rest = (x.lead.rest.map(|rest| rest + y.lead.exponent))
                    .max(y.lead.rest.map(|rest| rest + x.lead.exponent));
                self.known(exponent, Prim::Mul, shape, &[(Some(a), x.arg), (Some(b), y.arg)])
                    .without(rest, x.lead.soft || y.lead.soft)
            }
            (Coefficient::Unknown(why), _) | (_, Coefficient::Unknown(why)) => {
                Leading::unknown(exponent, why)
            }
            (Coefficient::Error, _) | (_, Coefficient::Error) => Leading::ERROR,
        }
    }

    fn quotient(&mut self, id: NodeId, shape: &Shape, operands: &[Operand<'_>]) -> Leading {
        let [x, y] = operands else { return Leading::ERROR };
        let exponent = x.lead.exponent - y.lead.exponent;
        let divisor = match y.lead.coefficient {
            Coefficient::Known(node) => node,
            Coefficient::Unknown(why) => return self.not_covered(id, y.lead.exponent, why),
            Coefficient::Zero | Coefficient::Error => return self.pole(id, "this divides by 0"),
        };
        if y.lead.soft {
            return self.soft_pole(id);
        }
        match x.lead.coefficient {
            Coefficient::Known(a) => {
                let own = x.lead.rest.map(|rest| rest - y.lead.exponent);
                let other = relative(y.lead).map(|rest| self.near_zero(rest, divisor) + exponent);
                self.known(exponent, Prim::Div, shape, &[(Some(a), x.arg), (Some(divisor), y.arg)])
                    .without(own.max(other), x.lead.soft)
            }
            Coefficient::Unknown(why) => Leading::unknown(exponent, why),
            Coefficient::Zero | Coefficient::Error => x.lead,
        }
    }

    /// The largest exponent leads; what is smaller vanishes.
    fn sum(&mut self, id: NodeId, op: Prim, shape: &Shape, operands: &[Operand<'_>]) -> Leading {
        let leads: Vec<Leading> = operands.iter().map(|operand| operand.lead).collect();
        let Some(exponent) = self.largest(&leads) else { return Leading::ZERO };
        let mut parts = Vec::new();
        let mut dropped = None;
        for operand in operands {
            match operand.lead.coefficient {
                Coefficient::Unknown(why) if operand.lead.exponent == exponent => {
                    return Leading::unknown(exponent, why);
                }
                Coefficient::Known(node) if operand.lead.exponent == exponent => {
                    parts.push((Some(node), operand.arg));
                }
                Coefficient::Known(_) | Coefficient::Unknown(_) => {
                    self.vanishes(id, operand.lead.exponent - exponent);
                    dropped = dropped.max(Some(operand.lead.exponent));
                    parts.push((None, operand.arg));
                }
                Coefficient::Zero | Coefficient::Error => parts.push((None, operand.arg)),
            }
        }
        let mut node = self.build(op, shape, &parts);
        if self.has_gaussians() {
            node = self.without_opposites(node);
        }
        let rest = leads.iter().filter_map(|lead| lead.rest).max().max(dropped);
        if cancels(&self.out, &mut self.atoms, node) {
            return match rest {
                Some(rest) => Leading::unknown(rest, Why::Cancels(id)),
                None => Leading::ZERO,
            };
        }
        let soft = rest.is_some() && self.sum_is_soft(node, operands);
        Leading::known(exponent, node).without(rest, soft)
    }

    /// Whether a sum may be 0 at leading order where an operand, kept or dropped, is not. An operand that is not soft is
    /// 0 where its coefficient is: then all of them are 0 wherever the sum is, and so is the sum of what was dropped.
    fn sum_is_soft(&mut self, node: NodeId, operands: &[Operand<'_>]) -> bool {
        let known = |operand: &Operand<'_>| match operand.lead.coefficient {
            Coefficient::Known(_) if operand.lead.soft => Err(()),
            Coefficient::Known(node) => Ok(Some(Arg { node, ..operand.arg.clone() })),
            Coefficient::Unknown(_) => Err(()),
            Coefficient::Zero | Coefficient::Error => Ok(None),
        };
        let known: Result<Vec<Option<Arg>>, ()> = operands.iter().map(known).collect();
        self.atoms.may_be_zero(&self.out, node)
            && known.map_or(true, |known| {
                let known: Vec<Arg> = known.into_iter().flatten().collect();
                self.atoms.outlived(&self.out, node, &known)
            })
    }

    /// Whether a coefficient may be 0 where what was dropped is not: `doubt` says that an operand may be so, or lost a
    /// term here; otherwise it may only be 0 where operands that are not 0 cancel.
    pub(super) fn is_soft(&mut self, node: NodeId, rest: Option<Exponent>, doubt: bool) -> bool {
        rest.is_some()
            && if doubt {
                self.atoms.may_be_zero(&self.out, node)
            } else {
                self.atoms.cancels_somewhere(&self.out, node)
            }
    }

    /// x^p and √x: degree p.
    fn homogeneous(
        &mut self,
        id: NodeId,
        op: Prim,
        (p, shape): (Exponent, &Shape),
        x: &Operand<'_>,
    ) -> Leading {
        let exponent = x.lead.exponent;
        match x.lead.coefficient {
            Coefficient::Known(_) if x.lead.soft && p.is_negative() => self.soft_pole(id),
            Coefficient::Known(node) => {
                // Near 0 a root is not Lipschitz: (n^rest)^p is what can be left of an entry there.
                let root = p.is_positive() && p < Exponent::from_integer(1);
                let rest = x.lead.rest.map(|rest| match root {
                    true => rest * p,
                    false if p.is_negative() => {
                        self.near_zero(rest - exponent, node) + exponent * p
                    }
                    false => exponent * (p - 1) + rest,
                });
                self.known(exponent * p, op, shape, &[(Some(node), x.arg)])
                    .without(rest, x.lead.soft)
            }
            Coefficient::Unknown(why) if p.is_positive() => {
                Leading::unknown(x.lead.exponent * p, why)
            }
            Coefficient::Unknown(why) => self.not_covered(id, x.lead.exponent, why),
            Coefficient::Zero if p.is_positive() => Leading::ZERO,
            Coefficient::Zero => self.pole(id, "a negative power of 0"),
            Coefficient::Error => Leading::ERROR,
        }
    }

    /// What a jump makes of a change of its argument. An argument with means in it may be 0 in the limit.
    fn changed(&mut self, relative: Option<Exponent>, argument: NodeId) -> Option<Exponent> {
        let known =
            !self.atoms.has_means(&self.out, argument) || self.atoms.is_away(&self.out, argument);
        relative.map(|relative| if known { relative / JUMP } else { Exponent::zero() })
    }

    /// How large a change of relative size n^rest of an argument is after a function with a singularity at 0: where the
    /// argument gets near 0 it may be as large as the function is, or larger, so that nothing is known.
    fn near_zero(&mut self, rest: Exponent, argument: NodeId) -> Exponent {
        if self.atoms.is_away(&self.out, argument) { rest } else { rest.max(Exponent::zero()) }
    }

    fn pole(&mut self, id: NodeId, fact: &str) -> Leading {
        let problem = self.about(codes::POLE_AT_ZERO, id).here(fact);
        self.diags.push(problem);
        Leading::ERROR
    }

    fn soft_pole(&mut self, id: NodeId) -> Leading {
        self.pole(id, "the leading part of the divisor may be 0 on a part of the neurons")
    }

    /// A jump where the leading part is 0 on some neurons and a dropped term decides.
    fn soft_jump(&mut self, id: NodeId) -> Leading {
        let problem = self
            .about(codes::JUMP_AT_ZERO, id)
            .here("terms that vanish decide this on the neurons where the leading part is 0")
            .help("drop the smaller terms, or write both cases with `if`");
        self.diags.push(problem);
        Leading::ERROR
    }

    /// sign and step: degree 0, with a jump at 0.
    fn jump(&mut self, id: NodeId, op: Prim, shape: &Shape, x: &Operand<'_>) -> Leading {
        match x.lead.coefficient {
            Coefficient::Known(_) if x.lead.soft => self.soft_jump(id),
            Coefficient::Known(node) => {
                let rest = self.changed(relative(x.lead), node);
                self.known(Exponent::zero(), op, shape, &[(Some(node), x.arg)]).without(rest, false)
            }
            Coefficient::Unknown(_) => {
                let problem = self.about(codes::JUMP_AT_ZERO, id).here(format!(
                    "the argument is at most {} and random: its sign has no limit here",
                    power(x.lead.exponent)
                ));
                self.diags.push(problem);
                Leading::ERROR
            }
            Coefficient::Zero | Coefficient::Error => x.lead,
        }
    }

    fn smooth(
        &mut self,
        id: NodeId,
        op: Prim,
        (shape, near): (&Shape, NearZero),
        x: &Operand<'_>,
    ) -> Leading {
        let exponent = x.lead.exponent;
        let vanishing = x.lead.coefficient == Coefficient::Zero || exponent.is_negative();
        match x.lead.coefficient {
            Coefficient::Known(_) | Coefficient::Unknown(_) if exponent.is_positive() => {
                return self.argument_diverges(id, exponent);
            }
            Coefficient::Known(node) if !vanishing => {
                let node = self.build(op, shape, &[(Some(node), x.arg)]);
                let rest = match (op, x.lead.coefficient) {
                    (Prim::Log, Coefficient::Known(arg)) => {
                        x.lead.rest.map(|rest| self.near_zero(rest, arg))
                    }
                    _ => x.lead.rest,
                };
                let soft = self.is_soft(node, rest, x.lead.soft);
                return Leading::known(exponent, node).without(rest, soft);
            }
            Coefficient::Unknown(why) if !vanishing => return Leading::unknown(exponent, why),
            Coefficient::Known(_) | Coefficient::Unknown(_) => {
                let warning = self
                    .about(codes::ARGUMENT_VANISHES, id)
                    .here(format!("the argument is {} and goes to 0", power(exponent)));
                self.diags.push(warning);
            }
            Coefficient::Zero | Coefficient::Error => {}
        }
        match near {
            NearZero::Pole => self.pole(id, "the logarithm of something that goes to 0"),
            NearZero::Value(value) => {
                let exact = x.lead.coefficient == Coefficient::Zero;
                let order = if op == Prim::Cos { 2 } else { 1 };
                Leading::known(Exponent::zero(), self.out.filled(value, shape.clone()))
                    .without((!exact).then_some(exponent * order), false)
            }
            NearZero::Slope(slope) => match x.lead.coefficient {
                Coefficient::Known(node) => {
                    let slope = self.out.constant(slope);
                    let slope_arg = Arg { node: slope, stat: vec![], width: vec![] };
                    self.known(
                        exponent,
                        Prim::Mul,
                        shape,
                        &[(Some(slope), &slope_arg), (Some(node), x.arg)],
                    )
                    .without(x.lead.rest.max(Some(exponent * 3)), x.lead.soft)
                }
                Coefficient::Unknown(_) | Coefficient::Zero | Coefficient::Error => x.lead,
            },
        }
    }

    fn argument_diverges(&mut self, id: NodeId, exponent: Exponent) -> Leading {
        let problem = self
            .about(codes::ARGUMENT_DIVERGES, id)
            .here(format!("the argument grows like {}", power(exponent)))
            .note(format!("found:    {}", power(exponent)))
            .note("expected: n^0, or less, for an argument of a function that is not homogeneous")
            .help(format!("multiply the argument by `{}`", power(-exponent)));
        self.diags.push(problem);
        Leading::ERROR
    }

    /// Operands on the largest of their scales; smaller ones are 0 there.
    fn aligned<'o>(&self, operands: &[&'o Operand<'o>]) -> Result<Aligned<'o>, (Exponent, Why)> {
        let leads: Vec<Leading> = operands.iter().map(|operand| operand.lead).collect();
        let exponent = self.largest(&leads).unwrap_or_else(Exponent::zero);
        let rest = leads.iter().filter_map(|lead| lead.rest).max();
        let soft = leads.iter().any(|lead| lead.soft);
        let mut aligned = Aligned { exponent, parts: Vec::new(), rest, soft, dropped: false };
        for operand in operands {
            aligned.parts.push(match operand.lead.coefficient {
                Coefficient::Unknown(why) if operand.lead.exponent == exponent => {
                    return Err((exponent, why));
                }
                Coefficient::Known(node) if operand.lead.exponent == exponent => {
                    (Some(node), operand.arg)
                }
                Coefficient::Known(_) | Coefficient::Unknown(_) => {
                    aligned.rest = aligned.rest.max(Some(operand.lead.exponent));
                    aligned.dropped = true;
                    (None, operand.arg)
                }
                Coefficient::Zero | Coefficient::Error => (None, operand.arg),
            });
        }
        Ok(aligned)
    }

    /// min and max are homogeneous in both operands together; of different scales the sign of the larger one decides.
    fn together(
        &mut self,
        id: NodeId,
        op: Prim,
        shape: &Shape,
        operands: &[Operand<'_>],
    ) -> Leading {
        let [x, y] = operands else { return Leading::ERROR };
        let exact = [x, y].iter().any(|side| side.lead.coefficient == Coefficient::Zero);
        if x.lead.exponent != y.lead.exponent && !exact {
            let (large, small) = if x.lead.exponent > y.lead.exponent { (x, y) } else { (y, x) };
            if let Coefficient::Known(node) = large.lead.coefficient
                && let Some(positive) = self.atoms.sign(&self.out, node)
            {
                let chosen = if positive == (op == Prim::Max) { large } else { small };
                return self.keep(Prim::Id, shape, chosen);
            }
        }
        match self.aligned(&[x, y]) {
            Ok(Aligned { exponent, parts, rest, soft, dropped }) => {
                let doubt = soft || dropped;
                let node = self.build(op, shape, &parts);
                if let Some(rest) = rest
                    && self.atoms.seems_zero(&self.out, node)
                {
                    return Leading::unknown(rest, Why::Cancels(id));
                }
                let soft = self.is_soft(node, rest, doubt);
                Leading::known(exponent, node).without(rest, soft)
            }
            Err((exponent, why)) => Leading::unknown(exponent, why),
        }
    }

    /// Comparisons are homogeneous of degree 0, with a jump where the operands agree.
    fn comparison(
        &mut self,
        id: NodeId,
        op: Prim,
        shape: &Shape,
        operands: &[Operand<'_>],
    ) -> Leading {
        let operands: Vec<&Operand<'_>> = operands.iter().collect();
        let aligned = match self.aligned(&operands) {
            Ok(aligned) => aligned,
            Err((exponent, _)) => return self.undecided(id, exponent),
        };
        let difference = self.build(Prim::Sub, shape, &aligned.parts);
        if let Some(rest) = aligned.rest
            && cancels(&self.out, &mut self.atoms, difference)
        {
            return self.undecided(id, rest);
        }
        if self.is_soft(difference, aligned.rest, aligned.soft || aligned.dropped) {
            return self.soft_jump(id);
        }
        // Two constants that differ decide alone, up to events of vanishing probability.
        let decided = self.out.constant_value(difference).is_some();
        let rest = aligned.rest.filter(|_| !decided).map(|rest| rest - aligned.exponent);
        let rest = self.changed(rest, difference);
        self.known(Exponent::zero(), op, shape, &aligned.parts).without(rest, false)
    }

    /// A comparison of things that agree at leading order.
    fn undecided(&mut self, id: NodeId, exponent: Exponent) -> Leading {
        let problem = self.about(codes::JUMP_AT_ZERO, id).here(format!(
            "the operands differ by something not known, of size at most {}",
            power(exponent)
        ));
        self.diags.push(problem);
        Leading::ERROR
    }

    fn logic(&mut self, id: NodeId, op: Prim, shape: &Shape, operands: &[Operand<'_>]) -> Leading {
        let mut parts = Vec::new();
        for operand in operands {
            match self.condition(id, operand) {
                Ok(node) => parts.push((node, operand.arg)),
                Err(error) => return error,
            }
        }
        let rest = operands.iter().filter_map(|operand| relative(operand.lead)).max();
        self.known(Exponent::zero(), op, shape, &parts).without(rest, false)
    }

    /// A condition at leading order; `None` is false.
    fn condition(&mut self, id: NodeId, x: &Operand<'_>) -> Result<Option<NodeId>, Leading> {
        match x.lead.coefficient {
            Coefficient::Known(_) if x.lead.soft => Err(self.soft_jump(id)),
            Coefficient::Known(node) => Ok(Some(node)),
            Coefficient::Unknown(why) => Err(self.not_covered(id, x.lead.exponent, why)),
            Coefficient::Zero | Coefficient::Error => Ok(None),
        }
    }

    fn select(&mut self, id: NodeId, shape: &Shape, operands: &[Operand<'_>]) -> Leading {
        let [condition, yes, no] = operands else { return Leading::ERROR };
        let chosen = match self.condition(id, condition) {
            Ok(chosen) => chosen,
            Err(error) => return error,
        };
        let decided = relative(condition.lead).is_none();
        let value = chosen.map_or(Some(0.0), |node| self.out.constant_value(node));
        if let Some(value) = value.filter(|_| decided) {
            return self.keep(Prim::Id, shape, if value != 0.0 { yes } else { no });
        }
        match self.aligned(&[yes, no]) {
            Ok(Aligned { exponent, parts, rest, soft, dropped }) => {
                let rest = rest.max(relative(condition.lead).map(|rest| rest + exponent));
                let parts = [(chosen, condition.arg), parts[0], parts[1]];
                let node = self.build(Prim::Select, shape, &parts);
                let soft = self.is_soft(node, rest, soft || dropped);
                Leading::known(exponent, node).without(rest, soft)
            }
            Err((exponent, why)) => Leading::unknown(exponent, why),
        }
    }

    /// x^y with a computed y: both must be of size 1.
    fn power(&mut self, id: NodeId, shape: &Shape, operands: &[Operand<'_>]) -> Leading {
        let [x, y] = operands else { return Leading::ERROR };
        match (x.lead.coefficient, y.lead.coefficient) {
            (Coefficient::Known(a), Coefficient::Known(b))
                if x.lead.exponent.is_zero() && y.lead.exponent.is_zero() =>
            {
                let rest = x.lead.rest.map(|rest| self.near_zero(rest, a)).max(y.lead.rest);
                self.known(
                    Exponent::zero(),
                    Prim::Powf,
                    shape,
                    &[(Some(a), x.arg), (Some(b), y.arg)],
                )
                .without(rest, x.lead.soft)
            }
            (Coefficient::Known(_), Coefficient::Zero) => {
                Leading::known(Exponent::zero(), self.out.filled(1.0, shape.clone()))
            }
            _ => {
                let problem = self
                    .about(codes::POWER_OF_SCALE, id)
                    .here("base or exponent of a computed power depend on the width")
                    .help("use a constant exponent: `x^2`, `x^(1/2)`");
                self.diags.push(problem);
                Leading::ERROR
            }
        }
    }
}
