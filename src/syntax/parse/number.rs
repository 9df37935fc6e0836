//! The value of a number as it was written: exact whenever numerator and denominator fit.

use super::super::ast::Number;
use num_rational::Ratio;

/// Reads `12`, `0.5`, `1e-4`; `None` if the text is not of this form or beyond floating point.
pub(super) fn parse_number(text: &str) -> Option<Number> {
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    Some(Number { text: text.to_owned(), exact: parse_exact(text), value })
}

fn parse_exact(text: &str) -> Option<Ratio<i128>> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    if digits == 0 {
        return Some(Ratio::from_integer(0));
    }
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    if exponent >= 0 {
        digits.checked_mul(power).map(Ratio::from_integer)
    } else {
        Some(Ratio::new(digits, power))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Option<(i128, i128)> {
        parse_number(text)?.exact.map(|ratio| (*ratio.numer(), *ratio.denom()))
    }

    #[test]
    fn decimals_are_exact_rationals() {
        assert_eq!(exact("12"), Some((12, 1)));
        assert_eq!(exact("0.250"), Some((1, 4)));
        assert_eq!(exact("1e-4"), Some((1, 10_000)));
        assert_eq!(exact("2.5E+2"), Some((250, 1)));
        assert_eq!(exact("0e999"), Some((0, 1)));
    }

    #[test]
    fn what_does_not_fit_is_a_float_or_nothing() {
        assert_eq!(exact("1e-60"), None);
        assert_eq!(parse_number("1e-60").map(|n| n.value), Some(1e-60));
        assert_eq!(parse_number("1e400"), None);
        assert_eq!(parse_number("2x"), None);
    }
}
