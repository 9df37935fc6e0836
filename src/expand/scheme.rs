//! abcd-parametrizations by kind of parameter (Defs. 2.9.11, 2.9.12 and Remark 2.8.25 of [TP4b]).
//!
//! A parameter is n^(−a) w with entries of w of size n^(−b), its learning rate is η n^(−c), and the optimizer sees
//! gradients multiplied by n^d. The output is multiplied by n^(−a_out).

use super::net::Weight;
use super::{Expander, exact, meant};
use crate::diag::{Code, Diagnostic, codes};
use crate::ir::Exponent;
use crate::resolve::suggest;
use crate::source::Span;
use crate::syntax::ast::{Arg, ArgValue, Expr, ExprKind, Row};
use num_traits::Zero;

/// The exponents of a network.
#[derive(Clone, Debug, Default)]
pub(super) struct Scheme {
    /// a, b, c, d of each parameter, in order.
    pub(super) params: Vec<[Exponent; 4]>,
    /// a_out.
    pub(super) out: Exponent,
}

/// A named family.
#[derive(Clone, Copy)]
enum Family {
    Mup,
    Ntp,
    Sp,
    /// UP_s, between the two.
    Ups(Exponent),
}

impl Family {
    fn out(self) -> Exponent {
        match self {
            Self::Mup => 1.into(),
            Self::Ntp => Exponent::new(1, 2),
            Self::Sp => 0.into(),
            Self::Ups(s) => Exponent::from_integer(1) - s,
        }
    }

    fn of(self, weight: &Weight) -> [Exponent; 4] {
        let (zero, half, one) = (Exponent::zero(), Exponent::new(1, 2), Exponent::from_integer(1));
        match (self, weight.width()) {
            (Self::Mup, 2) => [zero, half, one, one],
            (Self::Mup, 1) => [zero, zero, zero, one],
            (Self::Ntp, 2) => [half, zero, one, one],
            (Self::Ntp, 1) => [zero, zero, half, half],
            (Self::Sp, 2) => [zero, half, zero, zero],
            (Self::Sp, 1) if weight.contracted => [zero, half, zero, zero],
            (Self::Ups(s), 2) => [zero, half, one + s, one - s],
            (Self::Ups(s), 1) => [zero, zero, s, one - s],
            (_, _) => [zero; 4],
        }
    }
}

impl Expander<'_> {
    /// The exponents of every parameter: a family, then what its rows change.
    pub(super) fn scheme(
        &mut self,
        params: &[Weight],
        (value, rows): (Option<&Expr>, &[Row]),
        at: Span,
    ) -> Option<Scheme> {
        let given = self.settings.parametrization.clone();
        let from_command = given.as_deref().map(|text| (text, exact::expression(text)));
        let family = match (&from_command, value) {
            (Some((text, Some(expr))), _) => Some(self.family(expr, text, None)?),
            (Some((text, None)), _) => {
                self.unknown_family("", text, None);
                return None;
            }
            (None, Some(expr)) => {
                let text = self.sources.text(expr.span).to_owned();
                Some(self.family(expr, &text, Some(expr.span))?)
            }
            (None, None) => None,
        };
        let mut scheme = match family {
            Some(family) => Scheme {
                params: params.iter().map(|weight| family.of(weight)).collect(),
                out: family.out(),
            },
            None => Scheme { params: vec![[Exponent::zero(); 4]; params.len()], out: 0.into() },
        };
        let rows = if from_command.is_some() { &[] } else { rows };
        let mut said = Vec::new();
        for row in rows {
            self.row(params, row, &mut scheme)?;
            said.push(row.name.text.as_str());
        }
        if family.is_none()
            && let Some(missing) = params.iter().find(|w| !said.contains(&w.name.text.as_str()))
        {
            let problem = self
                .problem(codes::UNKNOWN_PARAMETRIZATION, at)
                .here(format!("nothing is said of `{}`", missing.name.text))
                .label(missing.name.span, "declared here")
                .help("give a, b, c, d of every parameter, or begin with a family: `parametrization mup { … }`");
            self.fail(problem);
            return None;
        }
        Some(scheme)
    }

    /// A family by its text, at a place of the program or on the command line.
    fn family(&mut self, expr: &Expr, text: &str, at: Option<Span>) -> Option<Family> {
        let (name, args): (&str, &[Arg]) = match &expr.kind {
            ExprKind::Name(name) => (name, &[]),
            ExprKind::Call { callee, args } => match &callee.kind {
                ExprKind::Name(name) => (name, args),
                _ => ("", &[]),
            },
            _ => ("", &[]),
        };
        let s = match args {
            [Arg { name: None, value: ArgValue::Expr(s) }] => self.consts.exponent(s),
            _ => None,
        };
        let between = Exponent::zero()..=Exponent::new(1, 2);
        match (name, args, s) {
            ("mup", [], _) => Some(Family::Mup),
            ("ntp", [], _) => Some(Family::Ntp),
            ("sp", [], _) => Some(Family::Sp),
            ("ups", _, Some(s)) if between.contains(&s) => Some(Family::Ups(s)),
            ("ups", [arg], Some(s)) => {
                let at = at.map(|_| arg.value.span());
                let problem = self.family_problem(codes::ITEM_VALUE, text, at);
                let problem = problem.here(format!("this is {s}"));
                self.fail(problem.help("s is from 0 to 1/2: write for example `ups(1/4)`"));
                None
            }
            _ => {
                self.unknown_family(name, text, at);
                None
            }
        }
    }

    fn unknown_family(&mut self, name: &str, text: &str, at: Option<Span>) {
        let known = ["mup", "ntp", "sp", "ups"];
        let near = suggest::nearest(name, known).filter(|near| *near != name);
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "there are `mup`, `ntp`, `sp`, `ups(s)` with an exact s from 0 to 1/2, and tables `{ W: a = 0, b = 1/2, c = 1, d = 1; … }`".to_owned(),
        };
        let problem = self.family_problem(codes::UNKNOWN_PARAMETRIZATION, text, at);
        self.fail(problem.here(format!("`{text}` is no parametrization")).help(help));
    }

    fn family_problem(&self, code: Code, text: &str, at: Option<Span>) -> Diagnostic {
        match at {
            Some(at) => self.problem(code, at),
            None => Diagnostic::without_place(code, code.title())
                .note(format!("found:    --parametrization {text}")),
        }
    }

    fn row(&mut self, params: &[Weight], row: &Row, scheme: &mut Scheme) -> Option<()> {
        let place = params.iter().position(|weight| weight.name.text == row.name.text);
        if place.is_none() && row.name.text != "out" {
            self.unknown_parameter(params, row);
            return None;
        }
        for arg in &row.args {
            let letter = arg.name.as_ref().map_or("", |name| name.text.as_str());
            let letters: &[&str] = if place.is_some() { &["a", "b", "c", "d"] } else { &["a"] };
            let which = letters.iter().position(|known| *known == letter);
            let exponent = match &arg.value {
                ArgValue::Expr(expr) => self.consts.exponent(expr),
                ArgValue::Range(_) => None,
            };
            let (Some(which), Some(exponent)) = (which, exponent) else {
                let place = arg.name.as_ref().map_or(arg.value.span(), |name| name.span);
                let letters = letters.join(", ");
                let name = &row.name.text;
                let problem = match which {
                    Some(_) => self
                        .problem(codes::NOT_AN_EXPONENT, arg.value.span())
                        .here("an exact rational is needed")
                        .help(format!("write `{letter} = 1/2`")),
                    None => Diagnostic::new(codes::NOT_AN_EXPONENT, place, "unknown exponent")
                        .here(format!("`{name}` has no such exponent"))
                        .help(format!(
                            "write for example `{name}: a = 1/2`, with one of {letters}"
                        )),
                };
                self.fail(problem);
                return None;
            };
            match place {
                Some(place) => scheme.params[place][which] = exponent,
                None => scheme.out = exponent,
            }
        }
        Some(())
    }

    pub(super) fn unknown_parameter(&mut self, params: &[Weight], row: &Row) {
        let known = params.iter().map(|weight| weight.name.text.as_str());
        let problem = self
            .problem(codes::UNKNOWN_PARAMETER, row.name.span)
            .here("no parameter of this name")
            .help(meant(&row.name.text, known));
        self.fail(problem);
    }
}
