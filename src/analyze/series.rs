//! Coefficients below the leading one, on demand: where leading terms cancel, what is left.
//!
//! Every value is a series Σ n^e x_e whose coefficients are values of the leading-order program (docs/theory/expansion.md). Of
//! vectors the series is exact algebra; a mean over the width fluctuates, so the mean of a series that starts at n^e is known
//! down to n^(e − 1/2), where it has a random part:
//!
//! ```text
//! avg(x) = Σ n^e ⟨1|x_e⟩ + n^(top − 1/2) √n (avg(x_top) − ⟨1|x_top⟩) + …
//! ```
//!
//! That part is a symbol of its own, the same for the same mean, so that it cancels from f_t − f_0 exactly, as identical
//! nodes do; where it does not, the value is random and is not covered.

use super::combination::cancels;
use super::draws::Numbers;
use super::leading::{Analysis, Coefficient, Leading, Why};
use super::rules::JUMP;
use crate::ir::passes::derive::{derivative, substitute};
use crate::ir::{Arg, Exponent, Node, NodeId, Prim, Shape};
use num_integer::Integer;
use num_traits::{Signed, Zero};
use std::collections::{BTreeMap, HashMap};

/// How far below the bound of a value its first coefficient is looked for.
const DEPTH: Exponent = Exponent::new_raw(1, 1);
/// The finest lattice of exponents.
const FINEST: i64 = 64;

/// What was found so far.
#[derive(Debug)]
pub(super) struct Series {
    known: HashMap<(NodeId, Exponent), Coefficient>,
    /// √n (avg(x) − E) by the node of the mean, as an initial scalar.
    pub(super) fluctuations: HashMap<NodeId, NodeId>,
    /// What follows the fluctuation of a mean, by its node and exponent.
    pub(super) unknown: HashMap<(NodeId, Exponent), NodeId>,
    /// The terms of fluctuations that are Gaussian.
    pub(super) numbers: Numbers,
    /// The common denominator of all exponents of the nodes that were seen; `None` where it is too large.
    denominator: Option<i64>,
    seen: usize,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            fluctuations: HashMap::new(),
            unknown: HashMap::new(),
            numbers: Numbers::new(),
            denominator: Some(2),
            seen: 0,
        }
    }
}

/// A coefficient that is not 0, or why there is none.
pub(super) type Found = Result<Option<NodeId>, Coefficient>;

fn found(coefficient: Coefficient) -> Found {
    match coefficient {
        Coefficient::Known(node) => Ok(Some(node)),
        Coefficient::Zero => Ok(None),
        Coefficient::Unknown(_) | Coefficient::Error => Err(coefficient),
    }
}

/// The largest exponent of the lattice that is not larger.
fn floor(exponent: Exponent, step: Exponent) -> Exponent {
    (exponent / step).floor() * step
}

impl Analysis<'_> {
    /// The leading order of a value of which only a bound is known: its first coefficient that is not 0, where that is no
    /// random symbol.
    pub(super) fn resolved(&mut self, id: NodeId, lead: Leading) -> Leading {
        let Coefficient::Unknown(Why::Mean(_) | Why::Cancels(_)) = lead.coefficient else {
            return lead;
        };
        let Some(step) = self.step() else { return lead };
        let mut exponent = floor(lead.exponent, step);
        while exponent >= lead.exponent - DEPTH {
            match self.below(id, exponent) {
                Ok(None) => exponent -= step,
                Ok(Some(node)) if !self.is_random(node) => {
                    // What a kink leaves is smaller, and may lie just below.
                    let rest = Some(exponent);
                    let soft = self.is_soft(node, rest, true);
                    return Leading::known(exponent, node).without(rest, soft);
                }
                Ok(Some(_)) => return Leading { exponent, ..lead },
                Err(_) => return lead,
            }
        }
        lead
    }

    /// The power of n with which a result tends to its limit: that of what follows it, n^(−1/2) of the fluctuations if nothing
    /// larger does. `None` where that is not known, or the result is the same at every width.
    pub(super) fn correction(&mut self, id: NodeId) -> Option<Exponent> {
        let lead = self.operand(id);
        match lead.coefficient {
            Coefficient::Zero | Coefficient::Error => return None,
            Coefficient::Known(_) if lead.exponent.is_zero() => {}
            Coefficient::Known(_) | Coefficient::Unknown(_) => {
                return lead.exponent.is_negative().then_some(lead.exponent);
            }
        }
        let step = self.step()?;
        let mut exponent = -step;
        while exponent > Exponent::new(-1, 2) {
            match self.below(id, exponent) {
                Ok(None) => exponent -= step,
                Ok(Some(_)) => return Some(exponent),
                Err(_) => return None,
            }
        }
        Some(Exponent::new(-1, 2))
    }

    /// The coefficient of n^exponent.
    pub(super) fn coefficient(&mut self, id: NodeId, exponent: Exponent) -> Found {
        if let Some(lead) = self.get(id) {
            match lead.coefficient {
                Coefficient::Zero => return Ok(None),
                Coefficient::Error => return Err(Coefficient::Error),
                _ if exponent > lead.exponent => return Ok(None),
                Coefficient::Known(node) if exponent == lead.exponent => return Ok(Some(node)),
                Coefficient::Known(_) | Coefficient::Unknown(_) => {}
            }
        }
        self.below(id, exponent)
    }

    /// The same from the coefficients of the operands.
    fn below(&mut self, id: NodeId, exponent: Exponent) -> Found {
        if let Some(known) = self.series.known.get(&(id, exponent)) {
            return found(*known);
        }
        let node = self.source.node(id).clone();
        let result = match self.of_node(id, &node, exponent) {
            Ok(Some(node)) if cancels(&self.out, &mut self.atoms, node) => Ok(None),
            other => other,
        };
        let coefficient = match result {
            Ok(Some(node)) => Coefficient::Known(node),
            Ok(None) => Coefficient::Zero,
            Err(why) => why,
        };
        self.series.known.insert((id, exponent), coefficient);
        result
    }

    /// The distance of neighbouring exponents: those of coefficients are sums of multiples of 1/2 and of those of powers
    /// of n, whose sizes are known.
    fn step(&mut self) -> Option<Exponent> {
        let mut denominator = self.series.denominator;
        for lead in self.found_since(self.series.seen) {
            if let Coefficient::Known(_) = lead.coefficient {
                let finer = |old: i64| old.lcm(lead.exponent.denom());
                denominator = denominator.map(finer).filter(|new| *new <= FINEST);
            }
        }
        self.series.denominator = denominator;
        self.series.seen = self.found();
        denominator.map(|denominator| Exponent::new(1, denominator))
    }

    /// The first exponent of a value.
    fn scale(&mut self, id: NodeId) -> Exponent {
        let step = self.step().expect("there is a lattice where a series is looked for");
        floor(self.operand(id).exponent, step)
    }

    /// Exponents from the leading one of a value down to `last`.
    pub(super) fn exponents(&mut self, id: NodeId, last: Exponent) -> Vec<Exponent> {
        let step = self.step().expect("there is a lattice where a series is looked for");
        let first = self.scale(id);
        std::iter::successors(Some(first), |e| Some(e - step)).take_while(|e| *e >= last).collect()
    }

    fn of_node(&mut self, id: NodeId, node: &Node, e: Exponent) -> Found {
        match node {
            Node::Const(_) | Node::Width(_) | Node::Data(_) | Node::Iota(_) => Ok(None),
            Node::Init(_) => match self.operand(id).coefficient {
                Coefficient::Unknown(why) => Err(Coefficient::Unknown(why)),
                _ => Ok(None),
            },
            Node::Param(_) => Err(Coefficient::Error),
            Node::Map { op, shape, args } => self.of_map(id, *op, (shape, args), e),
            Node::Reduce { op, arg, stat, width } if width.is_empty() => {
                let (op, stat) = (*op, stat.clone());
                self.linear(*arg, e, |out, x| out.reduce(op, x, stat, vec![]))
            }
            Node::Reduce { op, arg, stat, width } => self.mean(id, (*op, *arg), (stat, width), e),
            Node::MatMul { mat, transpose, arg } => match self.matrix(*mat) {
                Some(matrix) => self.linear(*arg, e, |out, x| out.matmul(matrix, *transpose, x)),
                None => Err(Coefficient::Error),
            },
            Node::Index { arg, axis, at } => {
                self.linear(*arg, e, |out, x| out.index(x, *axis, *at))
            }
            Node::Slice { arg, axis, start, end } => {
                self.linear(*arg, e, |out, x| out.slice(x, *axis, *start, *end))
            }
            Node::Pad { arg, axis, before, after } => {
                self.linear(*arg, e, |out, x| out.pad(x, *axis, *before, *after))
            }
            Node::Bind { arg, .. } => self.coefficient(*arg, e),
            Node::Stack(args) => self.stacked(args, e),
        }
    }

    /// A linear operation.
    fn linear(
        &mut self,
        arg: NodeId,
        e: Exponent,
        build: impl FnOnce(&mut crate::ir::Ir, NodeId) -> NodeId,
    ) -> Found {
        let x = self.coefficient(arg, e)?;
        Ok(x.map(|x| build(&mut self.out, x)))
    }

    fn stacked(&mut self, args: &[NodeId], e: Exponent) -> Found {
        let parts: Vec<Option<NodeId>> =
            args.iter().map(|arg| self.coefficient(*arg, e)).collect::<Result<_, _>>()?;
        if parts.iter().all(Option::is_none) {
            return Ok(None);
        }
        let shape = self.source.shape(args[0]).clone();
        let zeros = self.out.zeros(shape);
        Ok(Some(self.out.stack(parts.into_iter().map(|part| part.unwrap_or(zeros)).collect())))
    }

    /// A sum without the terms that it adds and subtracts.
    pub(super) fn without_opposites(&mut self, node: NodeId) -> NodeId {
        let mut terms: BTreeMap<NodeId, i32> = BTreeMap::new();
        let mut left = vec![(node, 1)];
        let mut opposites = false;
        while let Some((id, sign)) = left.pop() {
            let parts = match self.out.node(id) {
                Node::Map { op, shape, args }
                    if args.iter().all(|arg| self.out.shape(arg.node) == shape) =>
                {
                    match op {
                        Prim::Id => vec![(args[0].node, sign)],
                        Prim::Neg => vec![(args[0].node, -sign)],
                        Prim::Add => vec![(args[0].node, sign), (args[1].node, sign)],
                        Prim::Sub => vec![(args[0].node, sign), (args[1].node, -sign)],
                        _ => Vec::new(),
                    }
                }
                _ => Vec::new(),
            };
            if parts.is_empty() {
                let count = terms.entry(id).or_insert(0);
                opposites |= *count * sign < 0;
                *count += sign;
            }
            left.extend(parts);
        }
        if !opposites {
            return node;
        }
        let shape = self.out.shape(node).clone();
        let mut total = self.out.zeros(shape);
        for (term, count) in terms {
            let op = if count < 0 { Prim::Sub } else { Prim::Add };
            for _ in 0..count.abs() {
                total = self.out.apply(op, &[total, term]);
            }
        }
        total
    }

    pub(super) fn plus(&mut self, total: Option<NodeId>, more: NodeId) -> NodeId {
        match total {
            Some(total) => self.out.apply(Prim::Add, &[total, more]),
            None => more,
        }
    }

    fn of_map(
        &mut self,
        id: NodeId,
        op: Prim,
        (shape, args): (&Shape, &[Arg]),
        e: Exponent,
    ) -> Found {
        match op {
            Prim::Id | Prim::Neg | Prim::Add | Prim::Sub => {
                let parts = args
                    .iter()
                    .map(|arg| Ok((self.coefficient(arg.node, e)?, arg)))
                    .collect::<Result<Vec<_>, Coefficient>>()?;
                if parts.iter().all(|(part, _)| part.is_none()) {
                    return Ok(None);
                }
                let node = self.build(op, shape, &parts);
                Ok(Some(self.without_opposites(node)))
            }
            Prim::Mul => self.times(shape, args, e),
            Prim::Div => self.over(id, shape, args, e),
            Prim::Relu | Prim::Abs => self.kinked(id, op, (shape, &args[0]), e),
            Prim::Sqrt
            | Prim::Pow(_)
            | Prim::Exp
            | Prim::Log
            | Prim::Sin
            | Prim::Cos
            | Prim::Tanh
            | Prim::Erf
            | Prim::Sigmoid
            | Prim::Softplus => self.smooth_below(id, op, (shape, &args[0]), e),
            Prim::Select => self.selected(id, shape, args, e),
            Prim::Min | Prim::Max | Prim::Powf => {
                self.unchanged(id, args, e - self.operand(id).exponent)?;
                Ok(None)
            }
            Prim::Sign
            | Prim::Step
            | Prim::Not
            | Prim::Lt
            | Prim::Le
            | Prim::Eq
            | Prim::And
            | Prim::Or => {
                self.unchanged(id, args, e * JUMP)?;
                Ok(None)
            }
        }
    }

    /// An error unless nothing follows the leading coefficients of the operands, all of one size, down to n^relative.
    fn unchanged(
        &mut self,
        id: NodeId,
        args: &[Arg],
        relative: Exponent,
    ) -> Result<(), Coefficient> {
        let leads: Vec<Leading> = args.iter().map(|arg| self.operand(arg.node)).collect();
        for lead in &leads {
            if let Coefficient::Unknown(why) = lead.coefficient {
                return Err(Coefficient::Unknown(why));
            }
        }
        let sizes: Vec<Exponent> = leads
            .iter()
            .filter(|lead| lead.coefficient != Coefficient::Zero)
            .map(|lead| lead.exponent)
            .collect();
        let fixed = leads.iter().all(|lead| match lead.coefficient {
            Coefficient::Known(node) => self.out.constant_value(node).is_some(),
            Coefficient::Zero => true,
            Coefficient::Unknown(_) | Coefficient::Error => false,
        });
        // The smaller of two sizes would decide where the larger is near 0.
        let mut exact = fixed || sizes.iter().all(|size| *size == sizes[0]);
        for arg in args {
            exact = exact && self.is_exact(arg.node, relative)?;
        }
        if exact { Ok(()) } else { Err(Coefficient::Unknown(Why::Kink(id))) }
    }

    /// A choice by a condition that does not change.
    fn selected(&mut self, id: NodeId, shape: &Shape, args: &[Arg], e: Exponent) -> Found {
        let largest = args[1..]
            .iter()
            .map(|arg| self.operand(arg.node))
            .filter(|lead| lead.coefficient != Coefficient::Zero)
            .map(|lead| lead.exponent)
            .max();
        let Some(largest) = largest else { return Ok(None) };
        self.unchanged(id, &args[..1], (e - largest) * JUMP)?;
        let condition = self.coefficient(args[0].node, Exponent::zero())?;
        let mut parts = vec![(condition, &args[0])];
        for arg in &args[1..] {
            parts.push((self.coefficient(arg.node, e)?, arg));
        }
        Ok(Some(self.build(Prim::Select, shape, &parts)))
    }

    /// Whether nothing follows the leading coefficient down to n^relative of it.
    fn is_exact(&mut self, id: NodeId, relative: Exponent) -> Result<bool, Coefficient> {
        let last = self.scale(id) + relative;
        for exponent in self.exponents(id, last).into_iter().skip(1) {
            if self.coefficient(id, exponent)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn times(&mut self, shape: &Shape, args: &[Arg], e: Exponent) -> Found {
        let [x, y] = args else { return Err(Coefficient::Error) };
        let last = e - self.scale(y.node);
        let mut total = None;
        for exponent in self.exponents(x.node, last) {
            let Some(a) = self.coefficient(x.node, exponent)? else { continue };
            let Some(b) = self.coefficient(y.node, e - exponent)? else { continue };
            let product = self.build(Prim::Mul, shape, &[(Some(a), x), (Some(b), y)]);
            total = Some(self.plus(total, product));
        }
        Ok(total)
    }

    /// From x = q y: q_e = (x_(e + E) − Σ q_(e′) y_(e + E − e′)) / y_E.
    fn over(&mut self, id: NodeId, shape: &Shape, args: &[Arg], e: Exponent) -> Found {
        let [x, y] = args else { return Err(Coefficient::Error) };
        let scale = self.scale(y.node);
        let Some(divisor) = self.coefficient(y.node, scale)? else {
            return Err(Coefficient::Error);
        };
        let mut total = self.coefficient(x.node, e + scale)?;
        if let Some(own) = total {
            total = Some(self.build(Prim::Id, shape, &[(Some(own), x)]));
        }
        let step = self.step().expect("there is a lattice where a series is looked for");
        let mut above = self.scale(x.node) - scale;
        if !self.atoms.is_away(&self.out, divisor) {
            self.singular(id, y.node, e - above)?;
        }
        while above > e {
            if let Some(factor) = self.coefficient(y.node, e + scale - above)?
                && let Some(known) = self.coefficient(id, above)?
            {
                let known = self.out.whole(known);
                let minus = self.build(Prim::Neg, shape, &[(Some(factor), y)]);
                let minus = self.out.whole(minus);
                let product = self.out.map(Prim::Mul, shape.clone(), vec![minus, known]);
                total = Some(self.plus(total, product));
            }
            above -= step;
        }
        let Some(total) = total else { return Ok(None) };
        let whole = self.out.whole(total);
        Ok(Some(self.build(Prim::Div, shape, &[(Some(whole.node), &whole), (Some(divisor), y)])))
    }

    /// relu and |x|: to first order; the second is no function.
    fn kinked(&mut self, id: NodeId, op: Prim, (shape, arg): (&Shape, &Arg), e: Exponent) -> Found {
        let scale = self.scale(arg.node);
        let mut next = None;
        for exponent in self.exponents(arg.node, e).into_iter().skip(1) {
            if self.coefficient(arg.node, exponent)?.is_some() {
                next = Some(exponent);
                break;
            }
        }
        let Some(next) = next else { return self.kinked_at_top(op, (shape, arg), e) };
        let Some(leading) = self.coefficient(arg.node, scale)? else {
            return Err(Coefficient::Error);
        };
        // How often the change passes 0 depends on the density there: what follows the first order may lie just below it.
        if e < next || self.atoms.may_be_zero(&self.out, leading) {
            return Err(Coefficient::Unknown(Why::Kink(id)));
        }
        let Some(own) = self.coefficient(arg.node, e)? else { return Ok(None) };
        let slope = if op == Prim::Relu { Prim::Step } else { Prim::Sign };
        let slope = self.build(slope, shape, &[(Some(leading), arg)]);
        let slope = self.out.whole(slope);
        Ok(Some(self.build(Prim::Mul, shape, &[(Some(slope.node), &slope), (Some(own), arg)])))
    }

    /// Where nothing is above n^e, the function of the coefficient there.
    fn kinked_at_top(&mut self, op: Prim, (shape, arg): (&Shape, &Arg), e: Exponent) -> Found {
        if e < self.scale(arg.node) {
            return Ok(None);
        }
        let own = self.coefficient(arg.node, e)?;
        Ok(own.map(|own| self.build(op, shape, &[(Some(own), arg)])))
    }

    /// Near a singularity at 0 a change may act as at a jump: nothing may follow the leading term.
    fn singular(&mut self, id: NodeId, arg: NodeId, relative: Exponent) -> Found {
        if self.is_exact(arg, relative * JUMP)? {
            Ok(None)
        } else {
            Err(Coefficient::Unknown(Why::Kink(id)))
        }
    }

    /// Taylor's series: of a homogeneous function around the leading coefficient, of others around the limit.
    fn smooth_below(
        &mut self,
        id: NodeId,
        op: Prim,
        (shape, arg): (&Shape, &Arg),
        e: Exponent,
    ) -> Found {
        let scale = self.scale(arg.node);
        let degree = match op {
            Prim::Sqrt => Some(Exponent::new(1, 2)),
            Prim::Pow(p) => Some(p),
            _ => None,
        };
        let whole_power = degree.is_some_and(|p| p.is_integer() && !p.is_negative());
        let Some(leading) = self.coefficient(arg.node, scale)? else {
            return Err(Coefficient::Error);
        };
        let (shift, base, first) = match degree {
            Some(p) => (e - scale * p, Some(leading), 1),
            None if scale.is_zero() => (e, Some(leading), 1),
            None if scale.is_negative() && op != Prim::Log => (e, None, 0),
            None => return Err(Coefficient::Error),
        };
        if (degree.is_some() && !whole_power || op == Prim::Log)
            && !self.atoms.is_away(&self.out, leading)
        {
            return self.singular(id, arg.node, shift);
        }
        let unit = if degree.is_some() { scale } else { Exponent::zero() };
        let mut powers: Vec<BTreeMap<Exponent, NodeId>> = vec![BTreeMap::new()];
        for exponent in self.exponents(arg.node, shift + unit).into_iter().skip(first) {
            if let Some(term) = self.coefficient(arg.node, exponent)? {
                let term = self.build(Prim::Id, shape, &[(Some(term), arg)]);
                powers[0].insert(exponent - unit, term);
            }
        }
        self.power_series(&mut powers, shift);
        let base = match base {
            Some(base) => Arg { node: base, ..arg.clone() },
            None => Arg { node: self.out.constant(0.0), stat: vec![], width: vec![] },
        };
        let param = self.out.param(0);
        let mut body = self.out.apply(op, &[param]);
        let (mut factorial, mut total) = (1.0, None);
        if first == 1 && shift.is_zero() {
            // known as the leading one, unless that of the argument is random
            total = Some(self.build(op, shape, &[(Some(leading), arg)]));
        }
        for (k, power) in powers.iter().enumerate() {
            body = derivative(&mut self.out, body, 0);
            factorial *= (k + 1) as f64;
            let Some(power) = power.get(&shift) else { continue };
            let slope = substitute(&mut self.out, body, std::slice::from_ref(&base), shape);
            let over = self.out.constant(1.0 / factorial);
            let slope = self.out.apply(Prim::Mul, &[over, slope]);
            let term = self.out.apply(Prim::Mul, &[slope, *power]);
            total = Some(self.plus(total, term));
        }
        Ok(total)
    }

    /// Powers of a series without a term of order 1, as long as they reach the order `last`.
    fn power_series(&mut self, powers: &mut Vec<BTreeMap<Exponent, NodeId>>, last: Exponent) {
        let first = powers[0].clone();
        loop {
            let mut next: BTreeMap<Exponent, NodeId> = BTreeMap::new();
            let below = powers.last().expect("there is a first power").clone();
            for (a, x) in &first {
                for (b, y) in &below {
                    if a + b < last {
                        continue;
                    }
                    let product = self.out.apply(Prim::Mul, &[*x, *y]);
                    let known = next.get(&(a + b)).copied();
                    let total = self.plus(known, product);
                    next.insert(a + b, total);
                }
            }
            if next.is_empty() {
                return;
            }
            powers.push(next);
        }
    }
}
