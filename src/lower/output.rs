//! `output` and `expect`: names of results, and stacking of what loops emit.

use super::Lowerer;
use super::value::At;
use crate::diag::codes;
use crate::ir::{Expect, NodeId, Output};
use crate::source::Span;
use crate::syntax::ast::Expr;

/// One execution of an output item.
#[derive(Clone, Debug)]
pub(super) struct Emitted {
    pub(super) name: String,
    pub(super) node: NodeId,
    pub(super) span: Span,
    /// Iteration and length of each enclosing loop, outermost first.
    pub(super) path: Vec<(usize, usize)>,
}

impl Lowerer<'_> {
    pub(super) fn expect(&mut self, span: Span, actual: &Expr, (expected, within): (&Expr, &Expr)) {
        let (actual_at, expected, within_at) =
            (self.at(actual), self.at(expected), self.at(within));
        let (Some(actual_at), Some(expected), Some(within_at)) = (actual_at, expected, within_at)
        else {
            return;
        };
        for at in [&actual_at, &expected] {
            if !at.val.width.is_empty() {
                let problem = self
                    .problem(codes::EXPECT_KIND, at.span)
                    .here(format!("this is a {}", self.type_of(&at.val)))
                    .help("expect a number: `expect avg(x^2) ~= 1 within 1e-3;`");
                self.diags.push(problem);
                return;
            }
        }
        let Some(tolerance) =
            within_at.val.known.map(|known| known.value).filter(|value| *value > 0.0)
        else {
            let problem = self
                .problem(codes::EXPECT_TOLERANCE, within_at.span)
                .here("a tolerance is a positive number known at compile time");
            self.diags.push(problem);
            return;
        };
        let Some(value) = self.like(&expected, &actual_at) else { return };
        let name = self.text(actual.span).split_whitespace().collect::<Vec<_>>().join(" ");
        self.expects.push(Expect { node: actual_at.val.node, value, tolerance, name, span });
    }

    /// A value broadcast to the static axes of another.
    fn like(&mut self, value: &At, other: &At) -> Option<NodeId> {
        let sizes = self.ir.shape(other.val.node).stat.clone();
        let own = self.ir.shape(value.val.node).stat.clone();
        let fits = own.len() <= sizes.len() && sizes.ends_with(&own);
        if !fits {
            let problem = self
                .problem(codes::SHAPE_MISMATCH, value.span)
                .here(format!("static axes {own:?}"))
                .label(other.span, format!("static axes {sizes:?}"));
            self.diags.push(problem);
            return None;
        }
        let offset = sizes.len() - own.len();
        let arg = crate::ir::Arg {
            node: value.val.node,
            stat: (offset..sizes.len()).collect(),
            width: vec![],
        };
        Some(self.ir.map(crate::ir::Prim::Id, crate::ir::Shape::new(sizes, 0), vec![arg]))
    }

    /// All outputs in source order; those of loops stacked along the loops' axes.
    pub(super) fn collect_outputs(&mut self) -> Vec<Output> {
        let emitted = std::mem::take(&mut self.emitted);
        let mut spans: Vec<Span> = Vec::new();
        for item in &emitted {
            if !spans.contains(&item.span) {
                spans.push(item.span);
            }
        }
        let mut outputs: Vec<Output> = Vec::new();
        for span in spans {
            let items: Vec<&Emitted> = emitted.iter().filter(|item| item.span == span).collect();
            let (name, path) = (items[0].name.clone(), items[0].path.clone());
            if let Some(first) = outputs.iter().find(|output| output.name == name) {
                let first = first.span;
                let problem = self
                    .problem(codes::DUPLICATE_OUTPUT, span)
                    .here(format!("a second output called `{name}`"))
                    .label(first, "the first")
                    .help(format!("name it: `output {name} as \"…\";`"));
                self.diags.push(problem);
                continue;
            }
            if let Some(node) = self.stack_outputs(&items, path.len(), span) {
                outputs.push(Output { name, node, span });
            }
        }
        outputs
    }

    fn stack_outputs(&mut self, items: &[&Emitted], depth: usize, span: Span) -> Option<NodeId> {
        let sizes: Vec<usize> = items[0].path.iter().map(|(_, size)| *size).collect();
        let count: usize = sizes.iter().product();
        let same =
            items.iter().all(|item| self.ir.shape(item.node) == self.ir.shape(items[0].node));
        let regular = items
            .iter()
            .all(|item| item.path.iter().map(|(_, size)| *size).eq(sizes.iter().copied()));
        if items.len() != count || !same || !regular {
            let problem = self
                .problem(codes::RAGGED_OUTPUT, span)
                .here("this output differs from iteration to iteration")
                .note(format!("found:    {} values", items.len()))
                .note(format!(
                    "expected: one value of one shape in each of the {count} iterations"
                ));
            self.diags.push(problem);
            return None;
        }
        let mut nodes: Vec<NodeId> = items.iter().map(|item| item.node).collect();
        for level in (0..depth).rev() {
            nodes = nodes.chunks(sizes[level]).map(|chunk| self.ir.stack(chunk.to_vec())).collect();
        }
        nodes.first().copied()
    }
}
