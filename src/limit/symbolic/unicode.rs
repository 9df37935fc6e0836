//! Formulas in Unicode, for terminals.

use super::expr::{Index, Kind, Name, Symbol};
use super::format::{Notation, Part, part, wrapped};
use super::names::Names;
use super::number::{self, Written};
use crate::ir::{Exponent, Law};
use num_traits::Zero;
use std::ops::Range;

/// The notation of terminals.
pub(super) struct Unicode<'a> {
    pub(super) names: &'a Names,
}

impl Notation for Unicode<'_> {
    fn names(&self) -> &Names {
        self.names
    }

    fn number(&self, size: f64) -> Part {
        let (text, level) = match number::written(size) {
            Written::Decimal => (number::text(size), 3),
            Written::Quotient(p, q) => (format!("{p}/{q}"), 1),
            Written::Root(p, 1) => (format!("√{p}"), 3),
            Written::Root(p, q) => (format!("√({p}/{q})"), 3),
            Written::OfPi(formula) => return part(self, &formula),
        };
        Part { text, level }
    }

    fn symbol(&self, symbol: &Symbol) -> String {
        let (at, power) = (indices(&symbol.at), power_of_width(symbol.name.power));
        let own = shown(&symbol.name);
        match symbol.kind {
            Kind::Plain => format!("{power}{own}{at}"),
            Kind::Transpose => format!("{own}{at}ᵀ"),
            Kind::Ket => format!("|{power}{own}{at}⟩{}", copy(&symbol.slots)),
            Kind::Hat => format!("{power}{}{at}", hat(&own)),
            Kind::Kernel => {
                let slots: String = symbol.slots.iter().map(|slot| digits(*slot, '₀')).collect();
                format!("{power}{own}{at}{slots}")
            }
        }
    }

    fn letter(&self, letter: &str) -> String {
        letter.to_owned()
    }

    fn index(&self, index: &Index) -> String {
        index_text(index)
    }

    fn grouped(&self, text: &str) -> String {
        format!("({text})")
    }

    fn minus(&self) -> &'static str {
        "−"
    }

    fn product(&self, factors: &[String]) -> String {
        factors.join("·")
    }

    fn quotient(&self, over: &Part, under: &Part) -> Part {
        let text = format!("{}/{}", wrapped(self, over, 1), wrapped(self, under, 2));
        Part { text, level: 1 }
    }

    fn power(&self, base: &Part, exponent: Exponent) -> Part {
        let text = if exponent == Exponent::new(1, 2) {
            let short = base.text.chars().count() == 1;
            if short { format!("√{}", base.text) } else { format!("√({})", base.text) }
        } else {
            format!("{}{}", wrapped(self, base, 3), superscript(exponent))
        };
        Part { text, level: if exponent == Exponent::new(1, 2) { 3 } else { 2 } }
    }

    fn raised(&self, base: &Part, exponent: &str) -> String {
        format!("{}^({exponent})", wrapped(self, base, 3))
    }

    fn call(&self, name: &str, args: &[String]) -> String {
        format!("{name}({})", args.join(", "))
    }

    fn relation(&self, sign: &str, left: &str, right: &str) -> String {
        format!("[{left} {sign} {right}]")
    }

    fn choice(&self, parts: &[String]) -> String {
        format!("(if {} then {} else {})", parts[0], parts[1], parts[2])
    }

    fn over(&self, mean: bool, indices: &[(&str, Option<&Range<usize>>)], body: &str) -> String {
        let letters: Vec<String> = indices.iter().map(|index| ranged(*index, "≤")).collect();
        let (sign, letters) = (if mean { "mean" } else { "Σ" }, letters.join(","));
        format!("{sign}_{letters} {body}")
    }

    fn expectation(&self, copies: &[usize], body: &str) -> String {
        format!("E{}[{body}]", copy(copies))
    }

    fn inner(&self, left: &Symbol, right: &Symbol) -> String {
        let inside = |symbol: &Symbol| {
            let power = power_of_width(symbol.name.power);
            format!("{power}{}{}", shown(&symbol.name), indices(&symbol.at))
        };
        format!("⟨{}|{}⟩", inside(left), inside(right))
    }

    fn covariance(&self, left: &Symbol, right: &Symbol) -> String {
        if left.name != right.name {
            return format!("Cov({}, {})", self.symbol(left), self.symbol(right));
        }
        let own = format!("Σ{}{}", power_of_width(left.name.power), shown(&left.name));
        let list = |at: &[Index]| at.iter().map(index_text).collect::<Vec<_>>().join(", ");
        match left.at.len() {
            0 => own,
            1 => format!("{own}[{}, {}]", list(&left.at), list(&right.at)),
            _ => format!("{own}[{}; {}]", list(&left.at), list(&right.at)),
        }
    }

    fn partial(&self, value: &Part, hat: &str) -> String {
        format!("E[∂{}/∂{hat}]", wrapped(self, value, 3))
    }

    fn entry(&self, entries: &[String], index: &str) -> String {
        format!("[{}][{index}]", entries.join(", "))
    }

    fn list(&self, entries: &[String]) -> String {
        format!("[{}]", entries.join(", "))
    }

    fn within(&self, index: &Index, range: &Range<usize>, body: &str) -> String {
        format!("[{}]·{body}", condition(index, range, "≤"))
    }

    fn words(&self, text: &str) -> String {
        text.to_owned()
    }

    fn law(&self, law: Law, mean: &str, size: &str) -> String {
        match law {
            Law::Normal => format!("N({mean}, {size})"),
            Law::Uniform => format!("uniform, mean {mean}, variance {size}"),
            Law::Rademacher if mean == "0" => format!("±{size}"),
            Law::Rademacher => format!("{mean} ± {size}"),
        }
    }

    fn row(&self, left: &str, relation: char, right: &str) -> String {
        if relation == '∈' {
            return format!("{left} ~ n×n, independent entries, {right}");
        }
        let space = if relation == ':' { "" } else { " " };
        format!("{left}{space}{relation} {right}")
    }

    fn entries(&self, rows: &[String], notes: &[Vec<String>]) -> String {
        let notes = notes.iter().map(|rows| format!("    {}", rows.join("; ")));
        rows.iter().cloned().chain(notes).collect::<Vec<_>>().join("\n")
    }
}

/// `i + 1`.
pub(super) fn index_text(index: &Index) -> String {
    match (&index.letter, index.offset) {
        (None, offset) => offset.to_string(),
        (Some(letter), 0) => letter.clone(),
        (Some(letter), offset) if offset > 0 => format!("{letter}+{offset}"),
        (Some(letter), offset) => format!("{letter}−{}", -offset),
    }
}

/// `2 ≤ i < 4`, or `i = 2`.
pub(super) fn condition(index: &Index, range: &Range<usize>, sign: &str) -> String {
    let text = index_text(index);
    if range.len() == 1 {
        return format!("{text} = {}", range.start);
    }
    format!("{} {sign} {text} < {}", range.start, range.end)
}

/// A letter below a sum, with its range where it needs one: `i<2`.
pub(super) fn ranged((letter, range): (&str, Option<&Range<usize>>), sign: &str) -> String {
    match range {
        None => letter.to_owned(),
        Some(Range { start: 0, end }) => format!("{letter}<{end}"),
        Some(Range { start, end }) => format!("{start}{sign}{letter}<{end}"),
    }
}

fn indices(at: &[Index]) -> String {
    if at.is_empty() {
        return String::new();
    }
    format!("[{}]", at.iter().map(index_text).collect::<Vec<_>>().join(", "))
}

fn shown(name: &Name) -> String {
    if name.version == 0 { name.text.clone() } else { format!("{}@{}", name.text, name.version) }
}

/// `n·`, `√n·`.
fn power_of_width(power: Exponent) -> String {
    if power.is_zero() {
        return String::new();
    }
    if power == Exponent::new(1, 2) {
        return "√n·".to_owned();
    }
    format!(
        "n{}·",
        if power == Exponent::from_integer(1) { String::new() } else { superscript(power) }
    )
}

/// The first letter with a circumflex.
fn hat(name: &str) -> String {
    const KNOWN: [(char, char); 12] = [
        ('a', 'â'),
        ('c', 'ĉ'),
        ('e', 'ê'),
        ('g', 'ĝ'),
        ('h', 'ĥ'),
        ('o', 'ô'),
        ('s', 'ŝ'),
        ('u', 'û'),
        ('w', 'ŵ'),
        ('y', 'ŷ'),
        ('z', 'ẑ'),
        ('H', 'Ĥ'),
    ];
    let mut letters = name.chars();
    let first = letters.next().unwrap_or('?');
    let known = KNOWN.iter().find(|(letter, _)| *letter == first);
    let first = known.map_or_else(|| format!("{first}\u{302}"), |(_, hat)| hat.to_string());
    first + letters.as_str()
}

/// `⁽¹⁾`, nothing for the ket itself.
fn copy(slots: &[usize]) -> String {
    if slots.iter().all(|slot| *slot == 0) {
        return String::new();
    }
    slots.iter().map(|slot| format!("⁽{}⁾", raised(&slot.to_string()))).collect()
}

fn superscript(exponent: Exponent) -> String {
    if exponent.is_integer() { raised(&exponent.to_string()) } else { format!("^({exponent})") }
}

fn raised(text: &str) -> String {
    let digit = |letter| match letter {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁰' as u32 + digit as u32 - '0' as u32).unwrap_or(digit),
    };
    text.chars().map(digit).collect()
}

fn digits(number: usize, zero: char) -> String {
    let digit = |digit| char::from_u32(zero as u32 + digit as u32 - '0' as u32).unwrap_or(digit);
    number.to_string().chars().map(digit).collect()
}
