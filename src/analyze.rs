//! Powers of n: the size of every value, the leading-order program, and the hypotheses of the Master Theorem.
//!
//! Every value is n^e (v + o(1)) with an exact rational e; v is a value of the *leading-order program*, in which n does
//! not occur. Where the leading coefficient of something vanishes (a mean that is 0 by symmetry, terms that cancel), its
//! size is only bounded. Then `series` looks for what follows; if that is random or no function of the values so far, and is
//! needed all the same, that is an error, never a number (docs/theory/expansion.md).

mod atoms;
mod combination;
mod dependence;
mod draws;
mod fluctuation;
mod gaussian;
mod generic;
mod hypotheses;
mod leading;
pub mod parity;
mod rules;
mod series;
mod split;
pub mod verdict;

pub(crate) use atoms::Atoms;
pub(crate) use combination::{Factor, polynomial};
pub use draws::{Covariance, Given, GivenError, Undrawn};
pub use hypotheses::Setup;
pub use verdict::{TrainedParam, Training, Verdict, verdict};

use crate::diag::{Diagnostic, Diags, codes};
use crate::ir::passes::linear;
use crate::ir::{Exponent, Named, NodeId, Program, Shape};
use crate::source::Span;
use leading::{Analysis, Coefficient};

/// How large a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Entries are Θ(n^entry), or smaller where `bound` is set; `None` for a value that is exactly 0.
    pub entry: Option<Exponent>,
    /// For a mat: it maps vectors of size 1 to vectors of size n^action.
    pub action: Option<Exponent>,
    /// Whether only an upper bound of the size is known.
    pub bound: bool,
}

/// What the analysis found.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The program at leading order, without n.
    pub leading: Program,
    /// The same before its Gaussian numbers are drawn: some may be given.
    pub undrawn: Undrawn,
    /// The scale of each named value of the source program, in its order; `None` after an error.
    pub scales: Vec<Option<Scale>>,
    /// The node of `leading` that each of them is at leading order; `None` where that is 0 or not known.
    pub leads: Vec<Option<NodeId>>,
    /// For each output, the power of n with which it tends to its limit, where that is known.
    pub corrections: Vec<Option<Exponent>>,
    /// The setup of the Master Theorem that covers the program.
    pub setup: Setup,
}

/// Finds scales and builds the leading-order program of a lowered program.
pub fn analyze(program: &Program, diags: &mut Diags) -> Facts {
    let split = split::split_matrices(program);
    let mut analysis = Analysis::new(split, diags);
    analysis.run();
    let named = analysis.named();
    let scales: Vec<_> = named.iter().map(|named| analysis.scale_of(named)).collect();
    check_declared(program, &scales, analysis.diags);
    let outputs = analysis.outputs();
    let expects = analysis.expects();
    let corrections = analysis.corrections();
    let mut leads: Vec<_> = named.iter().map(|named| analysis.leading_node(named.node)).collect();
    let named = analysis.leading_names();
    let numbers = std::mem::take(&mut analysis.series.numbers);
    let program = Program { ir: analysis.out, outputs, expects, named, covariances: Vec::new() };
    let undrawn = Undrawn::new(program, leads.clone(), &numbers).unwrap_or_else(|span| {
        diags.push(entangled(span));
        Undrawn::default()
    });
    let leading = undrawn.free(&mut leads);
    let setup = hypotheses::check(&leading, diags);
    Facts { leading, undrawn, scales, leads, corrections, setup }
}

/// The error that numbers linear in several symbols cannot be told apart.
fn entangled(span: Span) -> Diagnostic {
    let code = codes::MEAN_NEEDS_NEXT_ORDER;
    Diagnostic::new(code, span, code.title())
        .here("this sum stays random, and depends on others in a way that is not covered")
        .note("found:    sums linear in two symbols, each with the other symbol in its weights")
        .note("expected: an order of the symbols in which each occurs in no sum linear in a later one")
}

/// Annotations such as `vec * n^(-1)` must agree with what was found.
fn check_declared(program: &Program, scales: &[Option<Scale>], diags: &mut Diags) {
    for (named, scale) in program.named.iter().zip(scales) {
        let (Some((declared, span)), Some(Scale { entry: Some(found), .. })) =
            (named.declared, scale)
        else {
            continue;
        };
        if declared != *found {
            let problem =
                Diagnostic::new(codes::SCALE_MISMATCH, span, codes::SCALE_MISMATCH.title())
                    .here(format!("stated here: {}", power(declared)))
                    .label(named.span, format!("`{}` is Θ({})", named.name, power(*found)))
                    .note(format!("found:    {}", power(*found)))
                    .note(format!("expected: {}", power(declared)));
            diags.push(problem);
        }
    }
}

impl Analysis<'_> {
    /// The scale of a named value; of a mat by its parts.
    fn scale_of(&mut self, named: &Named) -> Option<Scale> {
        let shape = self.source.shape(named.node).clone();
        if shape == Shape::new([], 2) && linear::contains_matrix(&self.source, named.node) {
            return self.scale_of_matrix(named.node);
        }
        let (entry, bound) = self.size(named.node)?;
        let action = (shape.width == 2)
            .then_some(entry)
            .flatten()
            .map(|entry| entry + Exponent::from_integer(1));
        Some(Scale { entry, action, bound })
    }

    /// Entry exponent + 1/2 for an initial matrix, + 1 for an outer product; the larger action leads.
    fn scale_of_matrix(&mut self, node: NodeId) -> Option<Scale> {
        let parts = linear::decompose(&mut self.source, node).ok()?;
        self.run();
        let mut scale = Scale { entry: None, action: None, bound: false };
        let mut add = |entry: Option<Exponent>, gain: Exponent| {
            scale.entry = scale.entry.max(entry);
            scale.action = scale.action.max(entry.map(|entry| entry + gain));
        };
        for term in parts.terms {
            let (entry, _) = self.size(term.coefficient)?;
            add(entry.map(|entry| entry - Exponent::new(1, 2)), Exponent::new(1, 2));
        }
        if let Some(outer) = parts.outer {
            let (entry, _) = self.size(outer)?;
            add(entry, Exponent::from_integer(1));
        }
        Some(scale)
    }

    /// The leading coefficient of a node, where it is known.
    fn leading_node(&self, node: NodeId) -> Option<NodeId> {
        match self.get(node)?.coefficient {
            Coefficient::Known(node) => Some(node),
            Coefficient::Zero | Coefficient::Unknown(_) | Coefficient::Error => None,
        }
    }

    /// The exponent of a node (`None`: exactly 0) and whether it is only a bound.
    fn size(&self, node: NodeId) -> Option<(Option<Exponent>, bool)> {
        let lead = self.get(node)?;
        Some(match lead.coefficient {
            Coefficient::Zero => (None, false),
            Coefficient::Known(_) => (Some(lead.exponent), false),
            Coefficient::Unknown(_) => (Some(lead.exponent), true),
            Coefficient::Error => return None,
        })
    }
}

/// A power of n as a user writes it.
pub fn power(exponent: Exponent) -> String {
    if exponent.is_integer() && exponent.to_integer() >= 0 {
        format!("n^{exponent}")
    } else {
        format!("n^({exponent})")
    }
}
