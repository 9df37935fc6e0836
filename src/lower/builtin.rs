//! Built-in functions of real numbers, and what people call them elsewhere.

use super::Lowerer;
use super::number::Num;
use super::value::{At, Val, Value};
use crate::ir::Prim;
use crate::source::Span;

/// A function with one primitive behind it.
pub(super) fn primitive(name: &str) -> Option<Prim> {
    Some(match name {
        "relu" => Prim::Relu,
        "erf" => Prim::Erf,
        "tanh" => Prim::Tanh,
        "sigmoid" => Prim::Sigmoid,
        "softplus" => Prim::Softplus,
        "sin" => Prim::Sin,
        "cos" => Prim::Cos,
        "exp" => Prim::Exp,
        "log" => Prim::Log,
        "sqrt" => Prim::Sqrt,
        "abs" => Prim::Abs,
        "sign" => Prim::Sign,
        "step" => Prim::Step,
        "min" => Prim::Min,
        "max" => Prim::Max,
        _ => return None,
    })
}

/// All built-in functions of real numbers with the number of their arguments.
pub(super) const FUNCTIONS: &[(&str, usize)] = &[
    ("relu", 1),
    ("gelu", 1),
    ("erf", 1),
    ("tanh", 1),
    ("sigmoid", 1),
    ("silu", 1),
    ("softplus", 1),
    ("sin", 1),
    ("cos", 1),
    ("exp", 1),
    ("log", 1),
    ("sqrt", 1),
    ("abs", 1),
    ("sign", 1),
    ("step", 1),
    ("min", 2),
    ("max", 2),
    ("clamp", 3),
];

/// What to write for a name that is common elsewhere.
pub(super) fn suggestion(name: &str) -> Option<String> {
    let known = match name {
        "ln" => "the natural logarithm is `log`",
        "heaviside" => "the unit step is `step`",
        "swish" => "this function is `silu`",
        "dot" | "inner" => "the mean of a product is `avg(x * y)`",
        "matmul" => "a mat acts on a vec by `W @ x`",
        "norm" => "⟨x|x⟩ is `avg(x^2)`",
        "pi" => "write the digits: `3.141592653589793`",
        "transpose" => "the transpose is `W.T`",
        "kernel" => {
            "`output kernel(f);` prints the kernels of a trained net f; elsewhere they are `f.first` and `f.ntk[i, j]`"
        }
        "mean" | "prod" => {
            return Some(format!("write `{name}[i](x[i])`, or `avg(x)` for the mean of a vec"));
        }
        _ if FUNCTIONS.iter().any(|(known, _)| *known == name) => {
            return Some(format!("`{name}` is a function: call it, `{name}(…)`"));
        }
        _ => return None,
    };
    Some(known.to_owned())
}

impl Lowerer<'_> {
    /// A built-in function on as many arguments as it takes.
    pub(super) fn builtin(&mut self, name: &str, args: &[At], span: Span) -> Value {
        if let Some(op) = primitive(name) {
            return self.combine(op, args, span);
        }
        match name {
            "gelu" => self.gelu(&args[0], span),
            "silu" => self.chain(Prim::Sigmoid, args, span).map_or(Value::Error, |gate| {
                self.combine(Prim::Mul, &[args[0].clone(), gate], span)
            }),
            _ => self
                .chain(Prim::Max, &args[..2], span)
                .map_or(Value::Error, |low| self.combine(Prim::Min, &[low, args[2].clone()], span)),
        }
    }

    /// z Φ(z) = z (1 + erf(z/√2)) / 2.
    fn gelu(&mut self, z: &At, span: Span) -> Value {
        let number = |this: &mut Self, value: f64| {
            let node = this.ir.constant(value);
            At { val: Val { known: Some(Num::inexact(value)), ..Val::bare(node, 0, 0) }, span }
        };
        let (scale, one, half) =
            (number(self, std::f64::consts::FRAC_1_SQRT_2), number(self, 1.0), number(self, 0.5));
        let steps = || {
            let inner = self.chain(Prim::Mul, &[scale, z.clone()], span)?;
            let erf = self.chain(Prim::Erf, &[inner], span)?;
            let sum = self.chain(Prim::Add, &[one, erf], span)?;
            let phi = self.chain(Prim::Mul, &[half, sum], span)?;
            self.chain(Prim::Mul, &[z.clone(), phi], span)
        };
        steps().map_or(Value::Error, |at| Value::Tensor(at.val))
    }

    /// One step of a composed function.
    fn chain(&mut self, op: Prim, args: &[At], span: Span) -> Option<At> {
        match self.combine(op, args, span) {
            Value::Tensor(val) => Some(At { val, span }),
            Value::Tuple(_) | Value::Error => None,
        }
    }
}
