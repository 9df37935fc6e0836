//! Numbers as people write them.

/// Roots and quotients are recognised up to this denominator.
const LARGEST: u32 = 64;

/// A number in parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Written {
    /// Digits.
    Decimal,
    /// p/q with q > 1.
    Quotient(u64, u32),
    /// √p, or √(p/q) with q > 1.
    Root(u64, u32),
}

/// How to write a positive number: short decimals as they are, then quotients and roots of small numbers.
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
    match quotient.or_else(root) {
        Some(Written::Quotient(_, 1)) | None => Written::Decimal,
        Some(written) => written,
    }
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
    use super::*;

    #[test]
    fn numbers_are_recognised() {
        assert_eq!(written(0.5), Written::Decimal);
        assert_eq!(written(0.1 + 0.2), Written::Decimal);
        assert_eq!(written(1.0 / 64.0), Written::Quotient(1, 64));
        assert_eq!(written(0.5f64.sqrt()), Written::Root(1, 2));
        assert_eq!(written(2.0f64.sqrt()), Written::Root(2, 1));
        assert_eq!(written(std::f64::consts::PI), Written::Decimal);
        assert_eq!(text(0.1 + 0.2), "0.3");
        assert_eq!(text(1e-8), "1e-8");
        assert_eq!(text(123_456.0), "123456");
    }
}
