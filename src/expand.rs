//! Networks and training as plain programs: what `net`, `optimizer` and `train` stand for.
//!
//! From tree to tree: a `net` and an `optimizer` become `def`s, the parameters `init`s and `var`s, the training a loop
//! over steps (docs/language/training.md; sections 2.2 and 2.9.2 of [TP4b]). Nothing later knows that a network was
//! there, except by the names in [`Training`]. Positions are those of the statement that a piece stands for.

mod contracted;
mod exact;
mod items;
mod kernel;
mod names;
mod net;
mod optimizer;
mod quote;
mod scheme;
mod train;

use crate::diag::{Code, Diagnostic, Diags};
use crate::ir::training::Training;
use crate::resolve::suggest;
use crate::source::{SourceMap, Span};
use crate::syntax::ast::{Name, PlainNet, Program, Stmt, StmtKind};
use items::Plan;
use names::Names;
use net::Net;
use optimizer::Optimizer;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What the command line adds to a program.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Replaces the parametrization of every `train`.
    pub parametrization: Option<String>,
    /// Values of constants (`--set`), as expressions.
    pub constants: BTreeMap<String, String>,
    /// Unrolls this many steps of every training and leaves out what comes after the last one.
    pub steps: Option<usize>,
}

/// A program without networks, and what was trained in it.
#[derive(Clone, Debug)]
pub struct Expanded {
    /// The plain program.
    pub program: Program,
    /// In source order.
    pub trained: Vec<Training>,
}

/// Replaces every `net`, `optimizer` and `train`.
pub fn expand(
    program: Program,
    sources: &mut SourceMap,
    settings: &Settings,
    diags: &mut Diags,
) -> Expanded {
    let has_nets = program.stmts.iter().any(|stmt| {
        matches!(
            stmt.kind,
            StmtKind::Net { .. } | StmtKind::Train { .. } | StmtKind::Optimizer { .. }
        )
    });
    if !has_nets {
        return Expanded { program, trained: Vec::new() };
    }
    let mut expander = Expander {
        names: Names::of(&program),
        declared: names::declared(&program),
        functions: names::functions(&program),
        consts: exact::Consts::of(&program, &settings.constants),
        nets: BTreeMap::new(),
        optimizers: BTreeMap::new(),
        broken: Vec::new(),
        plans: BTreeMap::new(),
        written: Vec::new(),
        asked: Vec::new(),
        trained: Vec::new(),
        out: Vec::new(),
        sources,
        settings,
        diags,
    };
    expander.collect(&program.stmts);
    expander.write(program.stmts);
    let nets = expander.plain_nets();
    Expanded { program: Program { stmts: expander.out, nets }, trained: expander.trained }
}

struct Expander<'a> {
    names: Names,
    /// Constants, data and values of the top level.
    declared: BTreeSet<String>,
    /// The number of parameters of each `fn` and `def`.
    functions: BTreeMap<String, usize>,
    consts: exact::Consts,
    nets: BTreeMap<String, Net>,
    optimizers: BTreeMap<String, Optimizer>,
    /// Optimizers in which a mistake was reported.
    broken: Vec<String>,
    /// How each network is trained; `None` where a mistake was reported.
    plans: BTreeMap<String, Option<Rc<Plan>>>,
    /// Optimizers whose block has been written, and networks whose parameters have.
    written: Vec<String>,
    /// Networks of which first outputs or the tangent kernel were asked for.
    asked: Vec<String>,
    trained: Vec<Training>,
    out: Vec<Stmt>,
    sources: &'a mut SourceMap,
    settings: &'a Settings,
    diags: &'a mut Diags,
}

impl Expander<'_> {
    /// What is declared anywhere in the program.
    fn collect(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            match &stmt.kind {
                StmtKind::Net { .. } => self.collect_net(stmt),
                StmtKind::Optimizer { .. } => self.collect_optimizer(stmt),
                _ => {}
            }
        }
        for stmt in stmts {
            if let StmtKind::Train { net, on, body } = &stmt.kind {
                let span = stmt.span.file;
                let span = Span { file: span, start: stmt.span.start, end: body.span.start };
                let plan = self.plan(net, on, &body.stmts, span).map(Rc::new);
                self.plans.entry(net.text.clone()).or_insert(plan);
            }
        }
    }

    fn write(&mut self, stmts: Vec<Stmt>) {
        let last = stmts.iter().rposition(|stmt| matches!(stmt.kind, StmtKind::Train { .. }));
        for (at, mut stmt) in stmts.into_iter().enumerate() {
            let extra = matches!(stmt.kind, StmtKind::Output(_) | StmtKind::Expect { .. });
            let later = last.is_none_or(|last| at > last);
            if self.settings.steps.is_some() && (extra || later) {
                continue;
            }
            match &stmt.kind {
                StmtKind::Net { name, .. } => self.write_net(&name.text.clone()),
                StmtKind::Optimizer { .. } => {}
                StmtKind::Train { net, .. } => self.write_training(&net.text.clone()),
                _ => {
                    for net in self.renamed(&mut stmt) {
                        self.write_params(&net);
                    }
                    for net in std::mem::take(&mut self.asked) {
                        self.write_kernel(&net);
                    }
                    self.out.push(stmt);
                }
            }
        }
    }

    /// The names of every trained net.
    fn plain_nets(&self) -> Vec<PlainNet> {
        let one = |(net, plan): (&String, &Option<Rc<Plan>>)| {
            let text = self.names.of_part(net, "targets");
            let targets = Name { text, span: plan.as_ref()?.targets.span };
            Some(PlainNet { def: net.clone(), first: self.names.of_part(net, "first"), targets })
        };
        self.plans.iter().filter_map(one).collect()
    }

    /// Starts a diagnostic with the title of its code.
    fn problem(&self, code: Code, span: Span) -> Diagnostic {
        Diagnostic::new(code, span, code.title())
    }

    /// How a network is trained, if that is known.
    fn plan_of(&self, net: &str) -> Option<&Rc<Plan>> {
        self.plans.get(net)?.as_ref()
    }

    fn fail(&mut self, problem: Diagnostic) {
        self.diags.push(problem);
    }
}

/// "did you mean …", or all that is known.
fn meant<'k>(name: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    match suggest::nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests;
