//! The walk over the program: exponent and leading coefficient of every node.

use super::atoms::Atoms;
use super::combination::cancels;
use super::parity::Parities;
use super::power;
use super::series::Series;
use crate::diag::{Code, Diagnostic, Diags, codes};
use crate::ir::passes::linear;
use crate::ir::{Expect, Exponent, Ir, Named, Node, NodeId, Output, Program, ReduceOp, Shape};
use crate::source::Span;
use num_traits::Zero;

/// Why a leading coefficient is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A mean that vanishes by symmetry: what is left is random, n^(−1/2) smaller.
    Mean(NodeId),
    /// Terms that cancel at leading order.
    Cancels(NodeId),
    /// An initial scalar.
    Scalar(NodeId),
    /// A kink or a jump, beyond the order in which it has a derivative.
    Kink(NodeId),
}

impl Why {
    fn node(self) -> NodeId {
        match self {
            Self::Mean(node) | Self::Cancels(node) | Self::Scalar(node) | Self::Kink(node) => node,
        }
    }
}

/// The coefficient of n^exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coefficient {
    /// A node of the leading-order program.
    Known(NodeId),
    /// The exponent is an upper bound only.
    Unknown(Why),
    /// The value is exactly 0.
    Zero,
    /// Already reported.
    Error,
}

/// n^exponent · coefficient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leading {
    pub(super) exponent: Exponent,
    pub(super) coefficient: Coefficient,
    /// What was dropped is at most n^rest; `None` if nothing was, so that the coefficient is exact.
    pub(super) rest: Option<Exponent>,
    /// The coefficient may be 0 on a part of the entries where what was dropped is not. Otherwise the value is 0 where
    /// its coefficient is, up to a fraction of the entries that vanishes as n → ∞.
    pub(super) soft: bool,
}

impl Leading {
    pub(super) const ERROR: Self = Self::new(Exponent::new_raw(0, 1), Coefficient::Error);
    pub(super) const ZERO: Self = Self::new(Exponent::new_raw(0, 1), Coefficient::Zero);

    const fn new(exponent: Exponent, coefficient: Coefficient) -> Self {
        Self { exponent, coefficient, rest: None, soft: false }
    }

    pub(super) fn known(exponent: Exponent, node: NodeId) -> Self {
        Self::new(exponent, Coefficient::Known(node))
    }

    pub(super) fn unknown(exponent: Exponent, why: Why) -> Self {
        Self::new(exponent, Coefficient::Unknown(why))
    }

    /// The same after something was dropped.
    pub(super) fn without(self, rest: Option<Exponent>, soft: bool) -> Self {
        Self { rest, soft, ..self }
    }

    pub(super) fn is_error(&self) -> bool {
        self.coefficient == Coefficient::Error
    }
}

/// The state of the analysis; `source` has had its matrices split and may grow.
pub(super) struct Analysis<'a> {
    pub(super) source: Ir,
    pub(super) out: Ir,
    pub(super) diags: &'a mut Diags,
    program: Program,
    parities: Parities,
    pub(super) atoms: Atoms,
    pub(super) series: Series,
    known: Vec<Option<Leading>>,
    needed: Vec<bool>,
}

impl<'a> Analysis<'a> {
    pub(super) fn new(mut program: Program, diags: &'a mut Diags) -> Self {
        let source = std::mem::take(&mut program.ir);
        let out = source.without_nodes();
        let parities = Parities::new(source.inits.len());
        let (atoms, series) = (Atoms::default(), Series::default());
        let (known, needed) = (Vec::new(), Vec::new());
        let mut analysis =
            Self { source, out, diags, program, parities, atoms, series, known, needed };
        analysis.mark_needed();
        analysis
    }

    /// Values in which an initial matrix occurs entry by entry have no ket; products with them were split.
    fn mark_needed(&mut self) {
        let entries = |id: &NodeId| {
            self.source.shape(*id).width < 2 || !linear::contains_matrix(&self.source, *id)
        };
        let roots: Vec<NodeId> = self.program.roots().into_iter().filter(entries).collect();
        self.needed = vec![false; self.source.len()];
        for id in self.source.reachable(&roots) {
            self.needed[id.index()] = true;
        }
    }

    pub(super) fn named(&self) -> Vec<Named> {
        self.program.named.clone()
    }

    pub(super) fn get(&self, id: NodeId) -> Option<Leading> {
        self.known.get(id.index()).copied().flatten()
    }

    /// How many nodes were looked at.
    pub(super) fn found(&self) -> usize {
        self.known.len()
    }

    /// What was found of nodes from this one on.
    pub(super) fn found_since(&self, first: usize) -> impl Iterator<Item = Leading> + '_ {
        self.known[first..].iter().copied().flatten()
    }

    /// Finds the leading order of all nodes that were not yet looked at.
    pub(super) fn run(&mut self) {
        while self.known.len() < self.source.len() {
            let id = NodeId::from_index(self.known.len());
            let wanted = self.needed.get(id.index()).copied().unwrap_or(true);
            let lead = wanted.then(|| self.leading(id)).map(|lead| self.settled(id, lead));
            let lead = lead.map(|lead| self.resolved(id, lead));
            if let Some(Leading { coefficient: Coefficient::Known(node), .. }) = lead {
                let origins = self.source.origins(id).to_vec();
                self.out.add_origins(node, &origins);
            }
            self.known.push(lead);
        }
    }

    pub(super) fn operand(&self, id: NodeId) -> Leading {
        self.get(id).unwrap_or(Leading::ERROR)
    }

    /// A coefficient that is 0 by construction says nothing but that what was dropped leads.
    fn settled(&self, id: NodeId, lead: Leading) -> Leading {
        match (lead.coefficient, lead.rest) {
            (Coefficient::Known(node), None) if self.out.is_zero(node) => Leading::ZERO,
            (Coefficient::Known(node), Some(rest)) if self.out.is_zero(node) => {
                Leading::unknown(rest.min(lead.exponent), Why::Cancels(id))
            }
            _ => lead,
        }
    }

    fn leading(&mut self, id: NodeId) -> Leading {
        self.out.here = None;
        let node = self.source.node(id).clone();
        let zero = Exponent::zero();
        match &node {
            Node::Const(value) if value.get() == 0.0 => Leading::ZERO,
            Node::Const(value) => Leading::known(zero, self.out.constant(value.get())),
            Node::Width(p) => Leading::known(*p, self.out.constant(1.0)),
            Node::Data(_) | Node::Iota(_) => {
                let shape = self.source.shape(id).clone();
                Leading::known(zero, self.out.rebuild(node, shape))
            }
            Node::Init(init) => {
                let shape = self.source.shape(id).clone();
                if self.source.init(*init).shape.width == 0 {
                    return Leading::unknown(zero, Why::Scalar(id));
                }
                let exponent = if shape.width == 2 { Exponent::new(-1, 2) } else { zero };
                Leading::known(exponent, self.out.rebuild(node, shape))
            }
            Node::Map { op, shape, args } => self.map(id, *op, shape, args),
            Node::Reduce { op, arg, stat, width } => self.reduce(id, (*op, *arg), stat, width),
            Node::MatMul { mat, transpose, arg } => {
                let (arg, transpose) = (*arg, *transpose);
                match self.matrix(*mat) {
                    Some(matrix) => self.image(matrix, transpose, arg),
                    None => self.no_matrix(id),
                }
            }
            Node::Index { arg, axis, at } => self.through(*arg, |out, x| out.index(x, *axis, *at)),
            Node::Slice { arg, axis, start, end } => {
                self.through(*arg, |out, x| out.slice(x, *axis, *start, *end))
            }
            Node::Pad { arg, axis, before, after } => {
                self.through(*arg, |out, x| out.pad(x, *axis, *before, *after))
            }
            Node::Bind { arg, .. } => self.operand(*arg),
            Node::Stack(args) => self.stack(id, args),
            Node::Param(_) => Leading::ERROR,
        }
    }

    /// A linear operation that keeps the exponent.
    fn through(&mut self, arg: NodeId, build: impl FnOnce(&mut Ir, NodeId) -> NodeId) -> Leading {
        let lead = self.operand(arg);
        match lead.coefficient {
            Coefficient::Known(x) => {
                let node = build(&mut self.out, x);
                let soft = self.is_soft(node, lead.rest, lead.soft);
                Leading { coefficient: Coefficient::Known(node), soft, ..lead }
            }
            Coefficient::Unknown(_) | Coefficient::Zero | Coefficient::Error => lead,
        }
    }

    /// A product with an initial matrix. It adds up what is dropped on a vanishing fraction of the neurons, hence is soft
    /// where it is 0.
    fn image(&mut self, matrix: NodeId, transpose: bool, arg: NodeId) -> Leading {
        let lead = self.through(arg, |out, x| out.matmul(matrix, transpose, x));
        match lead.coefficient {
            Coefficient::Known(node) => {
                Leading { soft: self.is_soft(node, lead.rest, true), ..lead }
            }
            Coefficient::Unknown(_) | Coefficient::Zero | Coefficient::Error => lead,
        }
    }

    /// A pure matrix in the leading-order program.
    pub(super) fn matrix(&mut self, mat: NodeId) -> Option<NodeId> {
        match self.source.node(mat).clone() {
            Node::Init(_) => {
                let shape = self.source.shape(mat).clone();
                Some(self.out.rebuild(self.source.node(mat).clone(), shape))
            }
            Node::Index { arg, axis, at } => {
                let arg = self.matrix(arg)?;
                Some(self.out.index(arg, axis, at))
            }
            Node::Slice { arg, axis, start, end } => {
                let arg = self.matrix(arg)?;
                Some(self.out.slice(arg, axis, start, end))
            }
            _ => None,
        }
    }

    fn no_matrix(&mut self, id: NodeId) -> Leading {
        let problem = self
            .about(codes::MATRIX_NONLINEAR, id)
            .here("this matrix is not a sum of initial matrices and an outer product");
        self.diags.push(problem);
        Leading::ERROR
    }

    fn reduce(
        &mut self,
        id: NodeId,
        (op, arg): (ReduceOp, NodeId),
        stat: &[usize],
        width: &[usize],
    ) -> Leading {
        let lead = self.operand(arg);
        let count = i64::try_from(width.len()).expect("a value has few width axes");
        let gained =
            if op == ReduceOp::Sum { Exponent::from_integer(count) } else { Exponent::zero() };
        let exponent = lead.exponent + gained;
        let x = match lead.coefficient {
            Coefficient::Known(x) => x,
            Coefficient::Unknown(why) => return Leading::unknown(exponent, why),
            Coefficient::Zero | Coefficient::Error => return lead,
        };
        if !width.is_empty()
            && self.mean_vanishes(x, width)
            // without a mean there is no symmetry: the limit engine looks at the tails
            && !self.atoms.is_heavy(&self.out, x)
        {
            // What was dropped need not have the symmetry.
            let fluctuation = exponent - Exponent::new(1, 2);
            let rest = lead.rest.map_or(fluctuation, |rest| fluctuation.max(rest + gained));
            return Leading::unknown(rest, Why::Mean(id));
        }
        let x = self.out.reduce(op, x, stat.to_vec(), vec![]);
        let node = self.out.reduce(ReduceOp::Mean, x, vec![], width.to_vec());
        let rest = lead.rest.map(|rest| rest + gained);
        if cancels(&self.out, &mut self.atoms, node) {
            return match rest {
                Some(rest) => Leading::unknown(rest, Why::Cancels(id)),
                None => Leading::ZERO,
            };
        }
        // As for products with matrices; a scalar is left to the limit engine.
        let doubt = lead.soft || !width.is_empty();
        let soft = self.is_soft(node, rest, doubt);
        Leading::known(exponent, node).without(rest, soft)
    }

    /// Whether the mean of a coefficient vanishes by symmetry.
    pub(super) fn mean_vanishes(&mut self, x: NodeId, width: &[usize]) -> bool {
        self.parities.mean_vanishes(&self.out, x, width)
    }

    /// One scale per value: entries smaller than the largest are 0 at leading order.
    fn stack(&mut self, id: NodeId, args: &[NodeId]) -> Leading {
        let leads: Vec<Leading> = args.iter().map(|arg| self.operand(*arg)).collect();
        let Some(exponent) = self.largest(&leads) else { return leads[0] };
        if leads.iter().any(|lead| lead.coefficient == Coefficient::Error) {
            return Leading::ERROR;
        }
        let mut nodes = Vec::new();
        let mut rest = leads.iter().filter_map(|lead| lead.rest).max();
        let mut soft = leads.iter().any(|lead| lead.soft);
        for (lead, arg) in leads.iter().zip(args) {
            match lead.coefficient {
                Coefficient::Known(node) if lead.exponent == exponent => nodes.push(node),
                Coefficient::Unknown(why) if lead.exponent == exponent => {
                    return Leading::unknown(exponent, why);
                }
                Coefficient::Known(_) | Coefficient::Unknown(_) => {
                    self.vanishes(id, lead.exponent - exponent);
                    rest = rest.max(Some(lead.exponent));
                    soft = true;
                    let shape = self.source.shape(*arg).clone();
                    nodes.push(self.out.zeros(shape));
                }
                Coefficient::Zero | Coefficient::Error => {
                    let shape = self.source.shape(*arg).clone();
                    nodes.push(self.out.zeros(shape));
                }
            }
        }
        Leading::known(exponent, self.out.stack(nodes)).without(rest, soft)
    }

    /// The largest exponent of those that are not exactly 0.
    pub(super) fn largest(&self, leads: &[Leading]) -> Option<Exponent> {
        leads
            .iter()
            .filter(|lead| lead.coefficient != Coefficient::Zero)
            .map(|lead| lead.exponent)
            .max()
    }

    /// A place for a message about a node.
    pub(super) fn place(&self, id: NodeId) -> Option<Span> {
        self.source.origins(id).first().copied()
    }

    /// A message about a node, at its place in the source.
    pub(super) fn about(&self, code: Code, id: NodeId) -> Diagnostic {
        match self.place(id) {
            Some(span) => Diagnostic::new(code, span, code.title()),
            None => Diagnostic::without_place(code, code.title()),
        }
    }

    /// Notes that something is dropped because it is n^`relative` of what it is added to.
    pub(super) fn vanishes(&mut self, id: NodeId, relative: Exponent) {
        let note = self
            .about(codes::TERM_VANISHES, id)
            .here(format!(
                "a part of this is {} of the rest and vanishes as n → ∞",
                power(relative)
            ))
            .as_note();
        self.diags.push(note);
    }

    /// The error that a quantity is needed beyond leading order.
    pub(super) fn not_covered(&mut self, used: NodeId, exponent: Exponent, why: Why) -> Leading {
        let problem = self.not_covered_at(self.place(used), exponent, why);
        self.diags.push(problem);
        Leading::ERROR
    }

    fn not_covered_at(&self, used: Option<Span>, exponent: Exponent, why: Why) -> Diagnostic {
        let code = match why {
            Why::Mean(_) => codes::MEAN_NEEDS_NEXT_ORDER,
            Why::Cancels(_) | Why::Kink(_) => codes::CANCELLATION_NEEDS_NEXT_ORDER,
            Why::Scalar(_) => codes::RANDOM_SCALAR,
        };
        let place = self.place(why.node()).or(used);
        let problem = match place {
            Some(span) => Diagnostic::new(code, span, code.title()),
            None => Diagnostic::without_place(code, code.title()),
        };
        let problem = match why {
            Why::Mean(_) => problem
                .here("this mean is 0 by symmetry; its fluctuations are n^(-1/2) of its terms")
                .note(format!(
                    "found:    fluctuations of size up to {} are needed",
                    power(exponent)
                )),
            Why::Cancels(_) => problem
                .here("the leading terms cancel here")
                .note(format!("found:    a remainder of size up to {} is needed", power(exponent))),
            Why::Kink(_) => problem
                .here("beyond its leading order the change of this function is no function")
                .note(format!("found:    a change of size up to {} is needed", power(exponent))),
            Why::Scalar(_) => {
                problem.here("this scalar stays random as n → ∞").note("found:    a random limit")
            }
        };
        let problem = problem
            .note("expected: a value that known coefficients determine (docs/theory/expansion.md)");
        match used.filter(|used| Some(*used) != place) {
            Some(used) => problem.label(used, "needed here"),
            None => problem,
        }
    }

    /// Outputs of the leading-order program.
    pub(super) fn outputs(&mut self) -> Vec<Output> {
        let outputs = self.program.outputs.clone();
        let keep = |output: Output, this: &mut Self| {
            let node = this.limit_of(output.node, output.span, &output.name);
            Output { node, ..output }
        };
        outputs.into_iter().map(|output| keep(output, self)).collect()
    }

    /// For each output, the power of n with which it tends to its limit, where that is known.
    pub(super) fn corrections(&mut self) -> Vec<Option<Exponent>> {
        let outputs: Vec<NodeId> = self.program.outputs.iter().map(|output| output.node).collect();
        outputs.into_iter().map(|output| self.correction(output)).collect()
    }

    /// Expectations of the leading-order program.
    pub(super) fn expects(&mut self) -> Vec<Expect> {
        let expects = self.program.expects.clone();
        let keep = |expect: Expect, this: &mut Self| {
            let node = this.limit_of(expect.node, expect.span, &expect.name);
            let value = this.limit_of(expect.value, expect.span, "the expected value");
            Expect { node, value, ..expect }
        };
        expects.into_iter().map(|expect| keep(expect, self)).collect()
    }

    /// The limit of a result: its leading coefficient at n⁰, 0 below.
    fn limit_of(&mut self, id: NodeId, span: Span, name: &str) -> NodeId {
        let shape: Shape = self.source.shape(id).clone();
        let lead = self.operand(id);
        let zero = Exponent::zero();
        match lead.coefficient {
            Coefficient::Known(node) if lead.exponent == zero => return node,
            Coefficient::Known(_) if lead.exponent > zero => {
                self.diverges(span, name, lead.exponent)
            }
            Coefficient::Unknown(why) if lead.exponent >= zero => {
                let problem = self.not_covered_at(Some(span), lead.exponent, why);
                self.diags.push(problem);
            }
            Coefficient::Known(node) if self.has_heavy_mean(node) => {
                let problem = Diagnostic::new(
                    codes::LIMIT_NOT_FINITE,
                    span,
                    codes::LIMIT_NOT_FINITE.title(),
                )
                .here(format!(
                    "`{name}` vanishes by its power of n, but a mean in it may not exist and outgrow that"
                ));
                self.diags.push(problem);
            }
            Coefficient::Known(_) | Coefficient::Unknown(_) => {
                let bound = if matches!(lead.coefficient, Coefficient::Unknown(_)) {
                    "at most "
                } else {
                    ""
                };
                let note =
                    Diagnostic::new(codes::OUTPUT_VANISHES, span, codes::OUTPUT_VANISHES.title())
                        .here(format!(
                            "`{name}` is {bound}{}: its limit is 0",
                            power(lead.exponent)
                        ));
                self.diags.push(if bound.is_empty() { note } else { note.as_note() });
            }
            Coefficient::Zero | Coefficient::Error => {}
        }
        self.out.zeros(shape)
    }

    /// Whether a mean occurs in a value that may not exist.
    fn has_heavy_mean(&mut self, node: NodeId) -> bool {
        let means = |id: &NodeId| match self.out.node(*id) {
            Node::Reduce { arg, width, .. } if !width.is_empty() => Some(*arg),
            _ => None,
        };
        let means: Vec<NodeId> = self.out.reachable(&[node]).iter().filter_map(means).collect();
        means.into_iter().any(|arg| self.atoms.is_heavy(&self.out, arg))
    }

    fn diverges(&mut self, span: Span, name: &str, exponent: Exponent) {
        let problem = Diagnostic::new(codes::OUTPUT_DIVERGES, span, codes::OUTPUT_DIVERGES.title())
            .here(format!(
                "`{name}` grows like {} (unless its coefficient happens to be 0)",
                power(exponent)
            ))
            .note(format!("found:    {}", power(exponent)))
            .note("expected: n^0 for a result")
            .help(format!(
                "write `{} * …`, or `avg(…)` where a mean over neurons is meant",
                power(-exponent)
            ));
        self.diags.push(problem);
    }

    /// Names of values that the leading-order program has.
    pub(super) fn leading_names(&self) -> Vec<Named> {
        let keep = |named: &Named| match self.get(named.node)?.coefficient {
            Coefficient::Known(node) => Some(Named { node, ..named.clone() }),
            Coefficient::Unknown(_) | Coefficient::Zero | Coefficient::Error => None,
        };
        self.program.named.iter().filter_map(keep).collect()
    }
}
