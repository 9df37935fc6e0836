//! Numbers as people write them.

use super::expr::Expr;
use super::kernel::{pi, root};
use std::f64::consts::PI;

/// Roots and quotients are recognised up to this denominator.
const LARGEST: u32 = 64;

/// A number in parts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Written {
    /// Digits.
    Decimal,
    /// p/q with q > 1.
    Quotient(u64, u32),
    /// √p, or √(p/q) with q > 1.
    Root(u64, u32),
    /// A simple multiple of a power of π.
    OfPi(Expr),
}

/// How to write a positive number: short decimals as they are, then quotients and roots of small numbers, also with π.
pub(super) fn written(size: f64) -> Written {
    let near = |decimal: f64| (decimal - size).abs() < 1e-10 * size;
    if !(1e-3..1e4).contains(&size) || digits(size, 4).parse().is_ok_and(near) {
        return Written::Decimal;
    }
    let over = |x: f64, q: u32| {
        let p = x * f64::from(q);
        (p > 0.5 && (p - p.round()).abs() < 1e-10 * p).then_some(p.round() as u64)
    };
    let quotient = (1..=LARGEST).find_map(|q| over(size, q).map(|p| Written::Quotient(p, q)));
    let root = || (1..=LARGEST).find_map(|q| over(size * size, q).map(|p| Written::Root(p, q)));
    let with_pi = || of_pi(size).map(Written::OfPi);
    match quotient.or_else(root).or_else(with_pi) {
        Some(Written::Quotient(_, 1)) | None => Written::Decimal,
        Some(written) => written,
    }
}

/// p/q·π, p/q/π, √(p/q·π) or √(p/q/π): means of densities and their derivatives.
fn of_pi(size: f64) -> Option<Expr> {
    let number = |value: u32| Expr::Number(f64::from(value));
    let simple = |value: f64| {
        let over = |q: u32| (value * f64::from(q), q);
        let near = |(p, q): (f64, u32)| {
            let close =
                (p - p.round()).abs() < 1e-10 * p && (0.5..f64::from(LARGEST) + 0.5).contains(&p);
            close.then_some((p.round() as u32, q))
        };
        (1..=LARGEST).find_map(|q| near(over(q)))
    };
    let times = |p: u32, pi: Expr| Expr::product(vec![number(p), pi]);
    if let Some((p, q)) = simple(size / PI) {
        return Some(times(p, pi()).quotient(number(q)));
    }
    if let Some((p, q)) = simple(size * PI) {
        return Some(number(p).quotient(times(q, pi())));
    }
    let square = |value: u32| Some(value.isqrt()).filter(|root| root * root == value);
    if let Some((p, q)) = simple(size * size / PI) {
        return Some(match (square(p), square(q)) {
            (Some(p), Some(q)) => times(p, root(pi())).quotient(number(q)),
            _ => root(times(p, pi()).quotient(number(q))),
        });
    }
    let (p, q) = simple(size * size * PI)?;
    Some(match (square(p), square(q)) {
        (Some(p), Some(q)) => number(p).quotient(times(q, root(pi()))),
        (Some(p), None) => number(p).quotient(root(times(q, pi()))),
        _ => root(number(p).quotient(times(q, pi()))),
    })
}

/// Six significant digits.
pub(super) fn text(value: f64) -> String {
    digits(value, 6)
}

fn digits(value: f64, count: u8) -> String {
    let short = |text: String| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        let places = usize::from(count - 1);
        let text = format!("{value:.places$e}");
        let (digits, power) = text.split_once('e').expect("the format has an exponent");
        return format!("{}e{power}", short(digits.to_owned()));
    }
    let places = (f64::from(count) - 1.0 - libm::log10(size).floor()).max(0.0) as usize;
    short(format!("{value:.places$}"))
}

#[cfg(test)]
mod tests {
    use super::super::format::part;
    use super::super::names::Names;
    use super::super::unicode::Unicode;
    use super::*;

    #[test]
    fn numbers_are_recognised() {
        assert_eq!(written(0.5), Written::Decimal);
        assert_eq!(written(0.1 + 0.2), Written::Decimal);
        assert_eq!(written(1.0 / 64.0), Written::Quotient(1, 64));
        assert_eq!(written(0.5f64.sqrt()), Written::Root(1, 2));
        assert_eq!(written(2.0f64.sqrt()), Written::Root(2, 1));
        assert_eq!(written(0.123_456_789), Written::Decimal);
        assert_eq!(text(0.1 + 0.2), "0.3");
        assert_eq!(text(1e-8), "1e-8");
        assert_eq!(text(123_456.0), "123456");
    }

    #[test]
    fn powers_of_pi_are_recognised() {
        for (value, text) in [
            (PI, "π"),
            (PI / 2.0, "π/2"),
            (4.0 / PI, "4/π"),
            (PI.sqrt(), "√π"),
            ((PI / 2.0).sqrt(), "√(π/2)"),
            (2.0 / PI.sqrt(), "2/√π"),
            (0.5 / PI.sqrt(), "1/(2·√π)"),
            (1.0 / (2.0 * PI).sqrt(), "1/√(2·π)"),
            ((2.0 / PI).sqrt(), "√(2/π)"),
        ] {
            let names = Names::default();
            assert_eq!(part(&Unicode { names: &names }, &Expr::Number(value)).text, text);
        }
    }
}
