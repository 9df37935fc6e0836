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
    /// √p.
    Root(u64),
}

/// How to write a positive number: short decimals as they are, then quotients and roots of small numbers.
pub(super) fn written(size: f64) -> Written {
    let near = |decimal: f64| (decimal - size).abs() < 1e-10 * size;
    if size > 1e6 || text(size).parse().is_ok_and(near) {
        return Written::Decimal;
    }
    let whole = |x: f64| x > 0.5 && (x - x.round()).abs() < 1e-10 * x;
    for q in 2..=LARGEST {
        let p = size * f64::from(q);
        if whole(p) {
            return Written::Quotient(p.round() as u64, q);
        }
    }
    if whole(size * size) {
        return Written::Root((size * size).round() as u64);
    }
    Written::Decimal
}

/// Six significant digits.
pub(super) fn text(value: f64) -> String {
    let short = |text: String| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        let text = format!("{value:.5e}");
        let (digits, power) = text.split_once('e').expect("the format has an exponent");
        return format!("{}e{power}", short(digits.to_owned()));
    }
    let places = (5.0 - libm::log10(size).floor()).max(0.0) as usize;
    short(format!("{value:.places$}"))
}
