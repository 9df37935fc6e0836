//! Exponents through entrywise operations.

use super::leading::{Analysis, Coefficient, Leading, Why};
use super::power;
use crate::diag::codes;
use crate::ir::{Arg, Exponent, Ir, Node, NodeId, Prim, Shape};
use num_traits::{Signed, Zero};
use std::collections::BTreeMap;

/// Leading coefficients of operands, `None` for 0, with their axes.
type Parts<'a> = Vec<(Option<NodeId>, &'a Arg)>;

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

impl Analysis<'_> {
    pub(super) fn map(&mut self, id: NodeId, op: Prim, shape: &Shape, args: &[Arg]) -> Leading {
        let operands: Vec<Operand<'_>> =
            args.iter().map(|arg| Operand { lead: self.operand(arg.node), arg }).collect();
        if operands.iter().any(|operand| operand.lead.coefficient == Coefficient::Error) {
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
    fn build(&mut self, op: Prim, shape: &Shape, parts: &[(Option<NodeId>, &Arg)]) -> NodeId {
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
                self.known(x.lead.exponent, op, shape, &[(Some(node), x.arg)])
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
                self.known(exponent, Prim::Mul, shape, &[(Some(a), x.arg), (Some(b), y.arg)])
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
        match x.lead.coefficient {
            Coefficient::Known(a) => {
                self.known(exponent, Prim::Div, shape, &[(Some(a), x.arg), (Some(divisor), y.arg)])
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
                    parts.push((None, operand.arg));
                }
                Coefficient::Zero | Coefficient::Error => parts.push((None, operand.arg)),
            }
        }
        let node = self.build(op, shape, &parts);
        if self.out.is_zero(node) || self.cancels(node) {
            return Leading::unknown(exponent, Why::Cancels(id));
        }
        Leading::known(exponent, node)
    }

    /// Whether a sum of leading coefficients is 0 as a linear combination.
    fn cancels(&self, node: NodeId) -> bool {
        let mut combination = Combination { terms: BTreeMap::new(), budget: 1000 };
        let whole = self.out.whole(node);
        combination.add(&self.out, &whole, 1.0) && combination.terms.values().all(|c| *c == 0.0)
    }

    /// x^p and √x: degree p.
    fn homogeneous(
        &mut self,
        id: NodeId,
        op: Prim,
        (p, shape): (Exponent, &Shape),
        x: &Operand<'_>,
    ) -> Leading {
        match x.lead.coefficient {
            Coefficient::Known(node) => {
                self.known(x.lead.exponent * p, op, shape, &[(Some(node), x.arg)])
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

    fn pole(&mut self, id: NodeId, fact: &str) -> Leading {
        let problem = self.about(codes::POLE_AT_ZERO, id).here(fact);
        self.diags.push(problem);
        Leading::ERROR
    }

    /// sign and step: degree 0, with a jump at 0.
    fn jump(&mut self, id: NodeId, op: Prim, shape: &Shape, x: &Operand<'_>) -> Leading {
        match x.lead.coefficient {
            Coefficient::Known(node) => {
                self.known(Exponent::zero(), op, shape, &[(Some(node), x.arg)])
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
                return self.known(exponent, op, shape, &[(Some(node), x.arg)]);
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
                Leading::known(Exponent::zero(), self.out.filled(value, shape.clone()))
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
    fn aligned<'o>(
        &mut self,
        operands: &[&'o Operand<'o>],
    ) -> Result<(Exponent, Parts<'o>), (Exponent, Why)> {
        let leads: Vec<Leading> = operands.iter().map(|operand| operand.lead).collect();
        let exponent = self.largest(&leads).unwrap_or_else(Exponent::zero);
        let mut parts = Vec::new();
        for operand in operands {
            parts.push(match operand.lead.coefficient {
                Coefficient::Unknown(why) if operand.lead.exponent == exponent => {
                    return Err((exponent, why));
                }
                Coefficient::Known(node) if operand.lead.exponent == exponent => {
                    (Some(node), operand.arg)
                }
                _ => (None, operand.arg),
            });
        }
        Ok((exponent, parts))
    }

    /// min and max are homogeneous in both operands together.
    fn together(
        &mut self,
        _id: NodeId,
        op: Prim,
        shape: &Shape,
        operands: &[Operand<'_>],
    ) -> Leading {
        let operands: Vec<&Operand<'_>> = operands.iter().collect();
        match self.aligned(&operands) {
            Ok((exponent, parts)) => {
                let node = self.build(op, shape, &parts);
                if self.out.is_zero(node) { Leading::ZERO } else { Leading::known(exponent, node) }
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
        match self.aligned(&operands) {
            Ok((_, parts)) => self.truth(op, shape, &parts),
            Err((exponent, _)) => {
                let problem = self.about(codes::JUMP_AT_ZERO, id).here(format!(
                    "the operands differ by something random of size at most {}",
                    power(exponent)
                ));
                self.diags.push(problem);
                Leading::ERROR
            }
        }
    }

    fn truth(&mut self, op: Prim, shape: &Shape, parts: &[(Option<NodeId>, &Arg)]) -> Leading {
        let node = self.build(op, shape, parts);
        if self.out.is_zero(node) { Leading::ZERO } else { Leading::known(Exponent::zero(), node) }
    }

    fn logic(&mut self, id: NodeId, op: Prim, shape: &Shape, operands: &[Operand<'_>]) -> Leading {
        let mut parts = Vec::new();
        for operand in operands {
            match operand.lead.coefficient {
                Coefficient::Known(node) => parts.push((Some(node), operand.arg)),
                Coefficient::Unknown(why) => {
                    return self.not_covered(id, operand.lead.exponent, why);
                }
                Coefficient::Zero | Coefficient::Error => parts.push((None, operand.arg)),
            }
        }
        self.truth(op, shape, &parts)
    }

    fn select(&mut self, id: NodeId, shape: &Shape, operands: &[Operand<'_>]) -> Leading {
        let [condition, yes, no] = operands else { return Leading::ERROR };
        let condition = match condition.lead.coefficient {
            Coefficient::Known(node) => (Some(node), condition.arg),
            Coefficient::Unknown(why) => return self.not_covered(id, condition.lead.exponent, why),
            Coefficient::Zero | Coefficient::Error => (None, condition.arg),
        };
        match self.aligned(&[yes, no]) {
            Ok((exponent, parts)) => {
                let node = self.build(Prim::Select, shape, &[condition, parts[0], parts[1]]);
                if self.out.is_zero(node) { Leading::ZERO } else { Leading::known(exponent, node) }
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
                self.known(
                    Exponent::zero(),
                    Prim::Powf,
                    shape,
                    &[(Some(a), x.arg), (Some(b), y.arg)],
                )
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

/// A linear combination of values that are not sums themselves.
struct Combination {
    terms: BTreeMap<(NodeId, Vec<usize>, Vec<usize>), f64>,
    /// How many more nodes may be looked at.
    budget: usize,
}

impl Combination {
    /// Adds `factor · arg`; false where the budget does not suffice to tell.
    fn add(&mut self, ir: &Ir, arg: &Arg, factor: f64) -> bool {
        let Some(budget) = self.budget.checked_sub(1) else { return false };
        self.budget = budget;
        let arg = ir.through_copies(arg.clone());
        if let Node::Map { op, args, .. } = ir.node(arg.node) {
            let inner = |k: usize| Arg {
                node: args[k].node,
                stat: args[k].stat.iter().map(|axis| arg.stat[*axis]).collect(),
                width: args[k].width.iter().map(|axis| arg.width[*axis]).collect(),
            };
            match op {
                Prim::Neg => return self.add(ir, &inner(0), -factor),
                Prim::Add => {
                    return self.add(ir, &inner(0), factor) && self.add(ir, &inner(1), factor);
                }
                Prim::Sub => {
                    return self.add(ir, &inner(0), factor) && self.add(ir, &inner(1), -factor);
                }
                Prim::Mul => {
                    for (k, other) in [(0, 1), (1, 0)] {
                        if let Some(c) = ir.constant_value(args[k].node) {
                            return self.add(ir, &inner(other), factor * c);
                        }
                    }
                }
                _ => {}
            }
        }
        *self.terms.entry((arg.node, arg.stat, arg.width)).or_insert(0.0) += factor;
        true
    }
}
