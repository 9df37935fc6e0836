//! Which setup of the Master Theorem covers the functions of a program.
//!
//! Setup 2.6.3 of [TP4b]: Gaussian matrices and pseudo-Lipschitz functions. Setup 2.6.4: independent entries with all
//! moments and polynomially smooth functions. Where a function is neither, the limit is still computed, formally, and
//! a warning says so.

use crate::diag::{Code, Diagnostic, Diags, codes};
use crate::ir::range::{EVERYWHERE, Range, of_map, union};
use crate::ir::{Ir, Law, Node, NodeId, Prim, Program};
use num_traits::Signed;
use std::collections::HashMap;

/// The setup that covers a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setup {
    /// Every function is polynomially smooth: both setups apply.
    Smooth,
    /// Some function has a kink: Setup 2.6.3, with Gaussian matrices.
    PseudoLipschitz,
    /// Some function is in neither setup: the limit is formal.
    Formal,
}

impl Setup {
    /// A name with the number of the setup.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smooth => "smooth (Setups 2.6.3 and 2.6.4)",
            Self::PseudoLipschitz => "pseudo-Lipschitz (Setup 2.6.3)",
            Self::Formal => "formal (outside of the setups)",
        }
    }
}

/// Checks every function of a leading-order program.
pub(super) fn check(program: &Program, diags: &mut Diags) -> Setup {
    let ir = &program.ir;
    let mut roots: Vec<NodeId> = program.outputs.iter().map(|output| output.node).collect();
    roots.extend(program.expects.iter().map(|expect| expect.node));
    let mut setup = Setup::Smooth;
    let mut ranges = vec![EVERYWHERE; ir.len()];
    let reachable = ir.reachable(&roots);
    let gaussian = !reachable.iter().any(|id| is_other_matrix(ir, *id));
    let kinked = kinked(ir);
    for id in reachable {
        ranges[id.index()] = range(ir, id, &ranges);
        if let Node::Map { op, args, .. } = ir.node(id)
            && ir.shape(id).width > 0
        {
            let arg = |k: usize| ranges[args[k].node.index()];
            let random = |k: usize| ir.shape(args[k].node).width > 0;
            let found = function(*op, &arg, &random);
            if let Some((code, fact, weaker)) = found {
                setup = setup.max(weaker);
                if weaker == Setup::Formal || (!gaussian && weaker == Setup::PseudoLipschitz) {
                    setup = Setup::Formal;
                    let code =
                        if weaker == Setup::Formal { code } else { codes::KINK_WITHOUT_GAUSSIAN };
                    report(ir, id, kinked.get(&(*op, args[0].node)).copied(), (code, fact), diags);
                }
            }
        }
    }
    setup
}

fn report(
    ir: &Ir,
    id: NodeId,
    kinked: Option<NodeId>,
    (code, fact): (Code, &str),
    diags: &mut Diags,
) {
    let place = |id: NodeId| ir.origins(id).first().copied();
    let (at, fact) = match kinked {
        Some(function) => (place(function), "the slope of this function jumps at 0"),
        None => (place(id), fact),
    };
    let mut warning = match at {
        Some(span) => Diagnostic::new(code, span, code.title()),
        None => Diagnostic::without_place(code, code.title()),
    };
    if let (Some(taken), Some(_)) = (place(id), kinked) {
        warning = warning.label(taken, "it is taken here");
    }
    diags.push(warning.here(fact).note(
        "the limit is computed formally: no setup of the Master Theorem covers this function",
    ));
}

/// Functions with a kink at 0 by their slope, which jumps, and the argument of both.
fn kinked(ir: &Ir) -> HashMap<(Prim, NodeId), NodeId> {
    let mut found = HashMap::new();
    for id in ir.ids() {
        let Node::Map { op, args, .. } = ir.node(id) else { continue };
        let slope = match op {
            Prim::Relu => Prim::Step,
            Prim::Abs => Prim::Sign,
            _ => continue,
        };
        found.entry((slope, args[0].node)).or_insert(id);
    }
    found
}

/// An initial matrix whose entries are not Gaussian.
fn is_other_matrix(ir: &Ir, id: NodeId) -> bool {
    matches!(ir.node(id), Node::Init(init) if ir.init(*init).shape.width == 2 && ir.init(*init).law != Law::Normal)
}

/// The code, the fact and the setup for an operation that is not smooth on its operands.
fn function(
    op: Prim,
    arg: &dyn Fn(usize) -> Range,
    random: &dyn Fn(usize) -> bool,
) -> Option<(Code, &'static str, Setup)> {
    match op {
        Prim::Sign | Prim::Step if !arg(0).excludes_zero() => {
            Some((codes::DISCONTINUOUS, "this function jumps at 0", Setup::Formal))
        }
        Prim::Lt | Prim::Le | Prim::Eq if random(0) || random(1) => Some((
            codes::DISCONTINUOUS,
            "this comparison jumps where its operands agree",
            Setup::Formal,
        )),
        Prim::Abs | Prim::Relu if !arg(0).excludes_zero() => Some((
            codes::KINK_WITHOUT_GAUSSIAN,
            "this function has a kink at 0",
            Setup::PseudoLipschitz,
        )),
        Prim::Min | Prim::Max => Some((
            codes::KINK_WITHOUT_GAUSSIAN,
            "this function has a kink where its operands agree",
            Setup::PseudoLipschitz,
        )),
        Prim::Exp if arg(0).hi == f64::INFINITY => {
            Some((codes::GROWTH, "this grows faster than every polynomial", Setup::Formal))
        }
        Prim::Div if random(1) && !arg(1).excludes_zero() => {
            Some((codes::POLE, "the divisor is not bounded away from 0", Setup::Formal))
        }
        Prim::Log if arg(0).lo <= 0.0 => {
            Some((codes::POLE, "the argument is not bounded away from 0", Setup::Formal))
        }
        Prim::Sqrt if arg(0).lo <= 0.0 => Some((
            codes::POLE,
            "the slope at 0 is infinite, and the argument is not bounded away from 0",
            Setup::Formal,
        )),
        Prim::Pow(p) if (p.is_negative() || !p.is_integer()) && !arg(0).excludes_zero() => {
            Some((codes::POLE, "the argument is not bounded away from 0", Setup::Formal))
        }
        Prim::Powf if random(0) && arg(0).lo <= 0.0 => {
            Some((codes::POLE, "the base is not bounded away from 0", Setup::Formal))
        }
        _ => None,
    }
}

/// Bounds of a node from those of its operands.
pub(super) fn range(ir: &Ir, id: NodeId, known: &[Range]) -> Range {
    let get = |id: NodeId| known[id.index()];
    match ir.node(id) {
        Node::Const(value) => Range { lo: value.get(), hi: value.get() },
        Node::Data(data) => {
            let values = &ir.data[data.index()];
            let bound = |f: fn(f64, f64) -> f64, start: f64| values.iter().copied().fold(start, f);
            Range { lo: bound(f64::min, f64::INFINITY), hi: bound(f64::max, f64::NEG_INFINITY) }
        }
        Node::Iota(size) => Range { lo: 0.0, hi: *size as f64 },
        Node::Init(init) => match ir.init(*init).law {
            Law::Normal => EVERYWHERE,
            Law::Uniform => Range { lo: -3f64.sqrt(), hi: 3f64.sqrt() },
            Law::Rademacher => Range { lo: -1.0, hi: 1.0 },
        },
        Node::Map { op, args, .. } => {
            let ranges: Vec<Range> = args.iter().map(|arg| get(arg.node)).collect();
            of_map(*op, &ranges, args.len() == 2 && args[0] == args[1])
        }
        Node::Reduce { op, arg, stat, width } => {
            let inner = get(*arg);
            let count: usize = stat.iter().map(|axis| ir.shape(*arg).stat[*axis]).product();
            match op {
                crate::ir::ReduceOp::Mean => inner,
                crate::ir::ReduceOp::Sum if width.is_empty() => {
                    Range { lo: inner.lo * count as f64, hi: inner.hi * count as f64 }
                }
                crate::ir::ReduceOp::Sum => EVERYWHERE,
            }
        }
        Node::Index { arg, .. } | Node::Slice { arg, .. } | Node::Bind { arg, .. } => get(*arg),
        Node::Stack(args) => args.iter().map(|arg| get(*arg)).fold(get(args[0]), union),
        Node::Pad { arg, .. } => union(get(*arg), Range { lo: 0.0, hi: 0.0 }),
        Node::Width(_) | Node::Param(_) | Node::MatMul { .. } => EVERYWHERE,
    }
}
