//! What must fit in a trained net, which is plain statements here.

use super::Lowerer;
use super::value::{Value, kind_word, type_text};
use crate::diag::{Diagnostic, codes};
use crate::source::Span;
use crate::syntax::ast::Name;

impl Lowerer<'_> {
    /// What a `def` returns; that of a net is one value without width.
    pub(super) fn net_value(&mut self, def: &str, (value, at): (Value, Span)) -> Value {
        let fact = match &value {
            Value::Tensor(val) if val.kind() > 0 => format!("a {}", kind_word(val.kind())),
            Value::Tuple(_) => "several values".to_owned(),
            Value::Tensor(_) | Value::Error => return value,
        };
        if self.nets.iter().all(|net| net.def != def) {
            return value;
        }
        let problem = Diagnostic::new(codes::NET_BODY, at, format!("network returns {fact}"));
        let problem = problem.here(format!("this is {fact}"));
        self.fail(problem.help("a net returns a scalar: `sum[a](…)`, or an array of scalars"))
    }

    /// One target for each output, when the outputs before training are bound.
    pub(super) fn check_targets(&mut self, name: &Name, outputs: &Value) {
        let Some(net) = self.nets.iter().find(|net| net.first == name.text) else { return };
        let given = self.find(&net.targets.text).map(|binding| &binding.value);
        let (Value::Tensor(outputs), Some(Value::Tensor(given))) = (outputs, given) else { return };
        let (outputs, shape) = (&self.ir.shape(outputs.node).stat, self.ir.shape(given.node));
        if *outputs == shape.stat && shape.width == 0 {
            return;
        }
        let fact = match (outputs.first(), shape.stat.first()) {
            (Some(samples), Some(targets)) if samples != targets => {
                format!("{targets} targets for {samples} samples")
            }
            _ => format!("this is a {}", self.type_of(given)),
        };
        let problem =
            Diagnostic::new(codes::SHAPE_MISMATCH, net.targets.span, "targets do not fit")
                .here(fact)
                .note(format!("found:    {}", self.type_of(given)))
                .note(format!(
                    "expected: {}, as the outputs of `{}`",
                    type_text(0, outputs),
                    net.def
                ));
        self.diags.push(problem);
        if let Some(binding) = self.find_mut(&net.targets.text) {
            binding.value = Value::Error;
        }
    }
}
