//! Formulas in LaTeX: amsmath and amssymb, no macros of its own.

use super::expr::{Index, Kind, Name, Symbol};
use super::format::{Notation, Part, wrapped};
use super::number::{self, Written};
use super::unicode::index_text;
use crate::ir::Exponent;
use num_traits::Zero;
use std::ops::Range;

/// The notation of papers; every line is one of an `align*`.
pub(super) struct Latex;

impl Notation for Latex {
    fn number(&self, size: f64) -> Part {
        let (text, level) = match number::written(size) {
            Written::Decimal => decimal(&number::text(size)),
            Written::Quotient(p, q) => (format!("\\tfrac{{{p}}}{{{q}}}"), 3),
            Written::Root(p, 1) => (format!("\\sqrt{{{p}}}"), 3),
            Written::Root(p, q) => (format!("\\sqrt{{\\tfrac{{{p}}}{{{q}}}}}"), 3),
        };
        Part { text, level }
    }

    fn symbol(&self, symbol: &Symbol) -> String {
        let power = power_of_width(symbol.name.power);
        let (inside, own) = (inside(symbol), shown(&symbol.name, false));
        let at = indices(&symbol.at);
        match symbol.kind {
            Kind::Plain => inside,
            Kind::Transpose => format!("{own}{at}^{{\\top}}"),
            Kind::Ket => format!("\\lvert {inside}\\rangle{}", copy(&symbol.slots)),
            Kind::Hat => format!("{power}{}{at}", shown(&symbol.name, true)),
            Kind::Kernel => {
                let slots: Vec<String> = symbol.slots.iter().map(usize::to_string).collect();
                format!("{power}{{{own}}}{at}_{{{}}}", slots.join(","))
            }
        }
    }

    fn index(&self, index: &Index) -> String {
        index_text(index).replace('−', "-")
    }

    fn grouped(&self, text: &str) -> String {
        format!("\\bigl({text}\\bigr)")
    }

    fn minus(&self) -> &'static str {
        "-"
    }

    fn product(&self, factors: &[String]) -> String {
        factors.join("\\,")
    }

    fn quotient(&self, over: &Part, under: &Part) -> Part {
        Part { text: format!("\\frac{{{}}}{{{}}}", over.text, under.text), level: 2 }
    }

    fn power(&self, base: &Part, exponent: Exponent) -> Part {
        if exponent == Exponent::new(1, 2) {
            return Part { text: format!("\\sqrt{{{}}}", base.text), level: 3 };
        }
        Part { text: format!("{}^{{{}}}", self.based(base), ratio(exponent)), level: 2 }
    }

    fn raised(&self, base: &Part, exponent: &str) -> String {
        format!("{}^{{{exponent}}}", self.based(base))
    }

    fn call(&self, name: &str, args: &[String]) -> String {
        let name = match name {
            "" => String::new(),
            "exp" | "log" | "sin" | "cos" | "tanh" | "min" | "max" => format!("\\{name}"),
            other => format!("\\operatorname{{{other}}}"),
        };
        format!("{name}\\bigl({}\\bigr)", args.join(", "))
    }

    fn relation(&self, sign: &str, left: &str, right: &str) -> String {
        let sign = match sign {
            "≤" => "\\le",
            "∧" => "\\wedge",
            "∨" => "\\vee",
            other => other,
        };
        format!("\\mathbf{{1}}\\bigl[{left} {sign} {right}\\bigr]")
    }

    fn choice(&self, parts: &[String]) -> String {
        format!(
            "\\bigl(\\text{{if }}{}\\text{{ then }}{}\\text{{ else }}{}\\bigr)",
            parts[0], parts[1], parts[2]
        )
    }

    fn over(&self, mean: bool, indices: &[(String, Range<usize>)], body: &str) -> String {
        let letters: Vec<&str> = indices.iter().map(|(letter, _)| letter.as_str()).collect();
        let sign = if mean { "\\operatorname*{mean}" } else { "\\sum" };
        format!("{sign}_{{{}}} {body}", letters.join(","))
    }

    fn expectation(&self, copies: &[usize], body: &str) -> String {
        format!("\\mathbb{{E}}{}\\bigl[{body}\\bigr]", copy(copies))
    }

    fn inner(&self, left: &Symbol, right: &Symbol) -> String {
        format!("\\langle {}|{}\\rangle", inside(left), inside(right))
    }

    fn partial(&self, value: &Part, hat: &str) -> String {
        let value = wrapped(self, value, 3);
        format!("\\mathbb{{E}}\\Bigl[\\frac{{\\partial {value}}}{{\\partial {hat}}}\\Bigr]")
    }

    fn entry(&self, entries: &[String], index: &str) -> String {
        format!("\\bigl[{}\\bigr]_{{{index}}}", entries.join(", "))
    }

    fn list(&self, entries: &[String]) -> String {
        format!("\\bigl[{}\\bigr]", entries.join(", "))
    }

    fn within(&self, index: &Index, range: &Range<usize>, body: &str) -> String {
        let text = self.index(index);
        let condition = if range.len() == 1 {
            format!("{text} = {}", range.start)
        } else {
            format!("{} \\le {text} < {}", range.start, range.end)
        };
        format!("\\mathbf{{1}}[{condition}]\\,{body}")
    }

    fn words(&self, text: &str) -> String {
        if text.is_empty() { String::new() } else { format!("\\text{{{}}}", escaped(text)) }
    }

    fn row(&self, left: &str, relation: char, right: &str) -> String {
        match relation {
            '=' => format!("{left} &= {right}"),
            '~' => format!("{left} &\\sim {right}"),
            _ => format!("{left} &:\\ {right}"),
        }
    }

    fn entries(&self, rows: &[String], notes: &[Vec<String>]) -> String {
        let all: Vec<&str> =
            rows.iter().chain(notes.iter().flatten()).map(String::as_str).collect();
        all.join(" \\\\\n")
    }
}

impl Latex {
    /// A base that may carry one more superscript.
    fn based(&self, base: &Part) -> String {
        if base.level < 3 { self.grouped(&base.text) } else { format!("{{{}}}", base.text) }
    }
}

/// Lines of an `align*`; `\mathbb` is in amssymb.
pub(super) fn document(lines: &[String]) -> String {
    format!(
        "% \\usepackage{{amsmath,amssymb}}\n\\begin{{align*}}\n{}\n\\end{{align*}}\n",
        lines.join(" \\\\\n")
    )
}

fn decimal(text: &str) -> (String, u8) {
    match text.split_once('e') {
        Some(("1", power)) => (format!("10^{{{power}}}"), 2),
        Some((digits, power)) => (format!("{digits}\\cdot 10^{{{power}}}"), 1),
        None => (text.to_owned(), 3),
    }
}

/// What stands inside a ket.
fn inside(symbol: &Symbol) -> String {
    let power = power_of_width(symbol.name.power);
    format!("{power}{}{}", shown(&symbol.name, false), indices(&symbol.at))
}

/// A letter with its number as an index; longer names upright or in text.
fn shown(name: &Name, hat: bool) -> String {
    let base = name.text.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let digits = &name.text[base.len()..];
    let plain = base.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let (base, digits) = match base.chars().count() {
        1 if plain => (base.to_owned(), digits),
        _ if plain && !base.is_empty() => {
            (format!("\\mathit{{{}}}", base.replace('_', "\\_")), digits)
        }
        _ => (format!("\\text{{{}}}", escaped(&name.text)), ""),
    };
    let base = if hat { format!("\\widehat{{{base}}}") } else { base };
    let digits = if digits.is_empty() { String::new() } else { format!("_{{{digits}}}") };
    let version =
        if name.version == 0 { String::new() } else { format!("^{{[{}]}}", name.version) };
    format!("{base}{digits}{version}")
}

fn indices(at: &[Index]) -> String {
    if at.is_empty() {
        return String::new();
    }
    let at: Vec<String> = at.iter().map(|index| Latex.index(index)).collect();
    format!("[{}]", at.join(", "))
}

fn power_of_width(power: Exponent) -> String {
    if power.is_zero() {
        return String::new();
    }
    if power == Exponent::from_integer(1) {
        "n\\,".to_owned()
    } else {
        format!("n^{{{}}}\\,", ratio(power))
    }
}

fn ratio(exponent: Exponent) -> String {
    exponent.to_string()
}

fn copy(slots: &[usize]) -> String {
    if slots.iter().all(|slot| *slot == 0) {
        return String::new();
    }
    let slots: Vec<String> = slots.iter().map(usize::to_string).collect();
    format!("^{{({})}}", slots.join(","))
}

/// Text for `\text{…}`: what TeX reads as its own is escaped, signs become formulas.
fn escaped(text: &str) -> String {
    let one = |letter: char| match letter {
        '\\' => "\\textbackslash{}".to_owned(),
        '{' | '}' | '$' | '&' | '#' | '%' | '_' => format!("\\{letter}"),
        '^' => "\\textasciicircum{}".to_owned(),
        '~' => "\\textasciitilde{}".to_owned(),
        '<' | '>' | '|' => format!("${letter}$"),
        '×' => "$\\times$".to_owned(),
        '±' => "$\\pm$".to_owned(),
        '⟨' => "$\\langle$".to_owned(),
        '⟩' => "$\\rangle$".to_owned(),
        'ᵀ' => "$^{\\top}$".to_owned(),
        '²' => "$^2$".to_owned(),
        '·' => "$\\cdot$".to_owned(),
        letter if letter.is_ascii() => letter.to_string(),
        _ => "?".to_owned(),
    };
    text.chars().map(one).collect()
}
