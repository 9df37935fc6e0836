//! The limit in symbols: each ket as hat + dot with its coefficients, each scalar as an expectation.
//!
//! No number is computed; means that have a closed form are written in it. The leading-order program is read as a list of definitions (Def. 2.6.5 of [TP4b]): a product
//! y = W x is ŷ + σ² Σ_z |z⟩ E ∂|x⟩/∂hat(Wᵀz), the sum over exactly those z on whose hat x depends; an OuterNonlin is an
//! expectation over independent copies ⁽¹⁾, ⁽²⁾, …; an Avg an expectation. Names are those of the source where it has some.

mod build;
mod define;
mod depends;
mod derive;
mod dot;
mod expr;
mod format;
mod kernel;
mod latex;
mod law;
mod link;
mod moment;
mod names;
mod number;
mod positive;
mod sides;
mod slope;
mod standard;
mod unicode;

use crate::analyze::Facts;
use crate::ir::{NodeId, Program};
use build::Builder;
use define::{Entries, Lines};
use depends::Dependences;
use dot::Dots;
use latex::Latex;
use law::Laws;
use names::Names;
use slope::Slopes;
use unicode::Unicode;

/// What is said about one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula {
    /// Its name: the user's, or one made up for a value without.
    pub name: String,
    /// One or more lines.
    pub unicode: String,
    /// The same as lines of an `align*`.
    pub latex: String,
}

/// The definitions of a program and its leading order, in program order.
pub fn symbolic(program: &Program, facts: &Facts) -> Vec<Formula> {
    let (entries, names) = derivation(program, facts);
    let formula = |entries: &Entries| Formula {
        name: entries.name.clone(),
        unicode: format::entries(&Unicode { names: &names }, entries),
        latex: format::entries(&Latex { names: &names }, entries),
    };
    entries.iter().map(formula).collect()
}

/// What is said, and by which names.
fn derivation(program: &Program, facts: &Facts) -> (Vec<Entries>, Names) {
    // Gaussian numbers stay numbers: how they are drawn is no one's formula
    let mut undrawn = facts.undrawn.clone();
    let covariances = undrawn.covariances();
    let (leading, leads) = (undrawn.program, undrawn.leads);
    let facts = &Facts { leading, leads, ..facts.clone() };
    let leading = &facts.leading;
    let kets = facts.leads.iter().flatten().copied();
    let mut roots: Vec<NodeId> = kets.filter(|id| leading.ir.shape(*id).width == 1).collect();
    roots.extend(leading.outputs.iter().map(|output| output.node));
    roots.extend(covariances.iter().map(|covariance| covariance.node));
    let nodes = leading.ir.reachable(&roots);
    let dependences = Dependences::of(&leading.ir, &nodes);
    let names = Names::new(program, facts, &nodes);
    let builder = Builder { ir: &leading.ir, names: &names };
    let slopes = Slopes::new(&builder, &dependences);
    let dots = Dots { builder: &builder, dependences: &dependences, slopes: &slopes };
    let lines = Lines { builder: &builder, dots: &dots, nodes: &nodes, covariances: &covariances };
    let laws = Laws::new(&builder, &dots, &nodes);
    let entries = derive::derived(lines.all(&leading.outputs), &builder, &laws);
    (entries, names)
}

/// All definitions as text for a terminal.
pub fn unicode(formulas: &[Formula]) -> String {
    formulas.iter().map(|formula| format!("{}\n", formula.unicode)).collect()
}

/// All definitions as an `align*`.
pub fn latex(formulas: &[Formula]) -> String {
    let lines: Vec<String> = formulas.iter().map(|formula| formula.latex.clone()).collect();
    latex::document(&lines)
}

#[cfg(test)]
mod tests;
