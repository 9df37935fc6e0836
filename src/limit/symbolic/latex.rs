//! Formulas in LaTeX: amsmath and amssymb, no macros of its own.

use super::expr::{Index, Kind, Name, Symbol};
use super::format::{Notation, Part, part, wrapped};
use super::names::Names;
use super::number::{self, Written};
use super::unicode::{index_text, ranged};
use crate::ir::{Exponent, Law};
use num_traits::Zero;
use std::ops::Range;

/// The notation of papers; every line is one of an `align*`.
pub(super) struct Latex<'a> {
    pub(super) names: &'a Names,
}

/// A name in parts.
struct Shown {
    base: String,
    /// Its number, if that is written as an index.
    digits: String,
    version: String,
}

impl Notation for Latex<'_> {
    fn names(&self) -> &Names {
        self.names
    }

    fn number(&self, size: f64) -> Part {
        let (text, level) = match number::written(size) {
            Written::Decimal => decimal(&number::text(size)),
            Written::Quotient(p, q) => (format!("\\tfrac{{{p}}}{{{q}}}"), 3),
            Written::Root(p, 1) => (format!("\\sqrt{{{p}}}"), 3),
            Written::Root(p, q) => (format!("\\sqrt{{\\tfrac{{{p}}}{{{q}}}}}"), 3),
            Written::OfPi(formula) => return part(self, &formula),
        };
        Part { text, level }
    }

    fn symbol(&self, symbol: &Symbol) -> String {
        match symbol.kind {
            Kind::Plain => self.inside(symbol),
            Kind::Ket => format!("\\lvert {}\\rangle{}", self.inside(symbol), copy(&symbol.slots)),
            Kind::Transpose => self.written(symbol, false, "\\top"),
            Kind::Hat => self.written(symbol, true, ""),
            Kind::Kernel => {
                let slots: Vec<String> = symbol.slots.iter().map(usize::to_string).collect();
                self.written(symbol, false, &format!("({})", slots.join(",")))
            }
        }
    }

    fn letter(&self, letter: &str) -> String {
        greek(letter)
    }

    fn index(&self, index: &Index) -> String {
        index_text(index).replace('−', "-")
    }

    fn grouped(&self, text: &str) -> String {
        format!("{}{text}{}", open(text, '('), close(text, ')'))
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
        let name = match (name, name.strip_prefix('κ')) {
            (_, Some("₀")) => "\\kappa_0".to_owned(),
            (_, Some("₁")) => "\\kappa_1".to_owned(),
            (_, Some(own)) => format!("\\kappa_{{\\mathrm{{{}}}}}", own.trim_start_matches('_')),
            ("", _) => String::new(),
            (name, _) if KNOWN.contains(&name) => format!("\\{name}"),
            (other, _) => format!("\\operatorname{{{other}}}"),
        };
        format!("{name}{}", self.grouped(&args.join(", ")))
    }

    fn relation(&self, sign: &str, left: &str, right: &str) -> String {
        let sign = match sign {
            "≤" => "\\le",
            "∧" => "\\wedge",
            "∨" => "\\vee",
            other => other,
        };
        format!("\\mathbf{{1}}[{left} {sign} {right}]")
    }

    fn choice(&self, parts: &[String]) -> String {
        format!(
            "\\bigl(\\text{{if }}{}\\text{{ then }}{}\\text{{ else }}{}\\bigr)",
            parts[0], parts[1], parts[2]
        )
    }

    fn over(&self, mean: bool, indices: &[(&str, Option<&Range<usize>>)], body: &str) -> String {
        let letters: Vec<String> = indices.iter().map(|index| ranged(*index, "\\le ")).collect();
        let sign = if mean { "\\operatorname*{mean}" } else { "\\sum" };
        format!("{sign}_{{{}}} {body}", letters.join(","))
    }

    fn expectation(&self, copies: &[usize], body: &str) -> String {
        format!("\\mathbb{{E}}{}{}{body}{}", copy(copies), open(body, '['), close(body, ']'))
    }

    fn inner(&self, left: &Symbol, right: &Symbol) -> String {
        format!("\\langle {}\\mid {}\\rangle", self.inside(left), self.inside(right))
    }

    fn covariance(&self, left: &Symbol, right: &Symbol) -> String {
        if left.name != right.name {
            let kets = [self.symbol(left), self.symbol(right)];
            return self.call("Cov", &kets);
        }
        let name = Symbol { at: Vec::new(), ..left.clone() };
        let own = format!("\\Sigma^{{{}}}", self.inside(&name));
        let list = |at: &[Index]| at.iter().map(|at| self.index(at)).collect::<Vec<_>>().join(",");
        match left.at.len() {
            0 => own,
            1 => format!("{own}_{{{},{}}}", list(&left.at), list(&right.at)),
            _ => format!("{own}_{{{};\\,{}}}", list(&left.at), list(&right.at)),
        }
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

    fn law(&self, law: Law, mean: &str, size: &str) -> String {
        match law {
            Law::Normal => format!("\\mathcal{{N}}({mean}, {size})"),
            Law::Uniform => {
                format!("\\text{{uniform of mean }}{mean}\\text{{ and variance }}{size}")
            }
            Law::Rademacher if mean == "0" => format!("\\pm {size}"),
            Law::Rademacher => format!("{mean} \\pm {size}"),
        }
    }

    fn row(&self, left: &str, relation: char, right: &str) -> String {
        match relation {
            '=' => format!("{left} &= {right}"),
            '~' => format!("{left} &\\sim {right}"),
            '∈' => format!(
                "{left} &\\in \\mathbb{{R}}^{{n\\times n}},\\quad ({left})_{{\\alpha\\beta}} \\sim {right}"
            ),
            _ => format!("{left} &:\\ {right}"),
        }
    }

    fn entries(&self, rows: &[String], notes: &[Vec<String>]) -> String {
        let all: Vec<&str> =
            rows.iter().chain(notes.iter().flatten()).map(String::as_str).collect();
        all.join(" \\\\\n")
    }
}

impl Latex<'_> {
    /// What stands inside a ket.
    fn inside(&self, symbol: &Symbol) -> String {
        self.written(symbol, false, "")
    }

    /// A symbol with its indices below, and something above.
    fn written(&self, symbol: &Symbol, hat: bool, above: &str) -> String {
        let Shown { base, digits, version } = self.shown(&symbol.name);
        let base = if hat { format!("\\widehat{{{base}}}") } else { base };
        let at = symbol.at.iter().map(|index| self.index(index));
        let below: Vec<String> =
            std::iter::once(digits).filter(|digits| !digits.is_empty()).chain(at).collect();
        let below = match below.is_empty() {
            true => String::new(),
            false => format!("_{{{}}}", below.join(",")),
        };
        let above = match (version.as_str(), above) {
            ("", "") => String::new(),
            (version, above) => format!("^{{{version}{above}}}"),
        };
        format!("{}{base}{below}{above}", power_of_width(symbol.name.power))
    }

    /// A letter with its number as an index, unless that could be an index of the letter; longer names upright or in text.
    fn shown(&self, name: &Name) -> Shown {
        let base = name.text.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let digits = &name.text[base.len()..];
        let version = if name.version == 0 { String::new() } else { format!("[{}]", name.version) };
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let (base, digits) = match base {
            "" => (format!("\\text{{{}}}", escaped(&name.text)), ""),
            base if is_greek(base) => (greek(base), digits),
            base if !plain(base) => (format!("\\text{{{}}}", escaped(&name.text)), ""),
            base if !digits.is_empty() && self.names.is_taken(base) => (italic(&name.text), ""),
            base => (italic(base), digits),
        };
        Shown { base, digits: digits.to_owned(), version }
    }

    /// A base that may carry one more superscript.
    fn based(&self, base: &Part) -> String {
        if base.level < 3 { self.grouped(&base.text) } else { format!("{{{}}}", base.text) }
    }
}

/// Functions that LaTeX knows.
const KNOWN: [&str; 11] =
    ["exp", "log", "sin", "cos", "tanh", "min", "max", "arcsin", "arccos", "sinh", "cosh"];

/// Lines of an `align*`; `\mathbb` is in amssymb.
pub(super) fn document(lines: &[String]) -> String {
    format!(
        "% \\usepackage{{amsmath,amssymb}}\n\\begin{{align*}}\n{}\n\\end{{align*}}\n",
        lines.join(" \\\\\n")
    )
}

/// Greek letters that have commands; the others look like Latin ones.
const GREEK: [(&str, &str); 33] = [
    ("α", "alpha"),
    ("β", "beta"),
    ("γ", "gamma"),
    ("δ", "delta"),
    ("ε", "varepsilon"),
    ("ϵ", "epsilon"),
    ("ζ", "zeta"),
    ("η", "eta"),
    ("θ", "theta"),
    ("ι", "iota"),
    ("κ", "kappa"),
    ("λ", "lambda"),
    ("μ", "mu"),
    ("ν", "nu"),
    ("ξ", "xi"),
    ("π", "pi"),
    ("ρ", "rho"),
    ("σ", "sigma"),
    ("τ", "tau"),
    ("υ", "upsilon"),
    ("φ", "varphi"),
    ("χ", "chi"),
    ("ψ", "psi"),
    ("ω", "omega"),
    ("Γ", "Gamma"),
    ("Δ", "Delta"),
    ("Θ", "Theta"),
    ("Λ", "Lambda"),
    ("Ξ", "Xi"),
    ("Π", "Pi"),
    ("Φ", "Phi"),
    ("Ψ", "Psi"),
    ("Ω", "Omega"),
];

fn is_greek(letter: &str) -> bool {
    GREEK.iter().any(|(own, _)| *own == letter)
}

/// A letter of mathematics.
fn greek(letter: &str) -> String {
    let known = GREEK.iter().find(|(own, _)| *own == letter);
    known.map_or_else(|| letter.to_owned(), |(_, command)| format!("\\{command}"))
}

fn decimal(text: &str) -> (String, u8) {
    match text.split_once('e') {
        Some(("1", power)) => (format!("10^{{{power}}}"), 2),
        Some((digits, power)) => (format!("{digits}\\cdot 10^{{{power}}}"), 1),
        None => (text.to_owned(), 3),
    }
}

/// A letter, or a word in one piece.
fn italic(text: &str) -> String {
    if text.len() == 1 {
        text.to_owned()
    } else {
        format!("\\mathit{{{}}}", text.replace('_', "\\_"))
    }
}

/// An opening bracket as large as what it opens.
fn open(text: &str, bracket: char) -> String {
    if is_small(text) { bracket.to_string() } else { format!("\\bigl{bracket}") }
}

fn close(text: &str, bracket: char) -> String {
    if is_small(text) { bracket.to_string() } else { format!("\\bigr{bracket}") }
}

fn is_small(text: &str) -> bool {
    !["\\frac", "\\sum", "\\big", "\\Big", "\\mean"].iter().any(|tall| text.contains(tall))
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

/// Text for `\text{…}`: what TeX reads as its own is escaped, signs and Greek letters become formulas.
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
        letter if is_greek(&letter.to_string()) => format!("${}$", greek(&letter.to_string())),
        letter => letter.to_string(),
    };
    text.chars().map(one).collect()
}
