//! Printed formulas as numbers, against the engine: every closed form that is printed is true.

use super::super::define::{Piece, Row};
use super::super::derive::has_angle;
use super::super::expr::{Expr, Index, Kind, Symbol};
use super::super::kernel::{KERNELS, angle};
use super::*;
use crate::limit::{LimitOptions, Rungs, evaluate};
use std::collections::BTreeMap;
use std::f64::consts::PI;

/// The rows that are printed, as definitions.
struct Values {
    rows: Vec<Row>,
}

/// Numbers for letters.
type Letters = BTreeMap<String, f64>;

impl Values {
    fn of(checked: &Checked) -> Self {
        let (entries, _) = derivation(&checked.program, &checked.facts);
        let rows = entries.into_iter().flat_map(|own| [own.rows, own.notes.concat()].concat());
        Self { rows: rows.collect() }
    }

    /// The value of a formula; `None` where it is not in closed form.
    fn eval(&self, formula: &Expr, letters: &Letters) -> Option<f64> {
        let of = |part: &Expr| self.eval(part, letters);
        let all = |parts: &[Expr]| parts.iter().map(of).collect::<Option<Vec<f64>>>();
        Some(match formula {
            Expr::Number(value) => *value,
            Expr::Index(at) => index(at, letters)?,
            Expr::Letter("π") => PI,
            Expr::Letter(letter) => *letters.get(*letter)?,
            Expr::Sum(parts) => all(parts)?.iter().sum(),
            Expr::Product(parts) => all(parts)?.iter().product(),
            Expr::Negated(body) => -of(body)?,
            Expr::Quotient(a, b) => of(a)? / of(b)?,
            Expr::Power(base, power) => {
                crate::num::special::power(of(base)?, crate::ir::scalar::to_f64(*power))
            }
            Expr::Relation("=", a, b) => f64::from(u8::from(of(a)? == of(b)?)),
            Expr::Over { mean, indices, body } => {
                let mut all = vec![letters.clone()];
                for (letter, range) in indices {
                    let with = |known: &Letters| {
                        let known = known.clone();
                        let letter = letter.clone();
                        range.clone().map(move |k| {
                            let mut letters = known.clone();
                            letters.insert(letter.clone(), k as f64);
                            letters
                        })
                    };
                    all = all.iter().flat_map(with).collect();
                }
                let values: Option<Vec<f64>> =
                    all.iter().map(|letters| self.eval(body, letters)).collect();
                let values = values?;
                let sum: f64 = values.iter().sum();
                if *mean { sum / values.len() as f64 } else { sum }
            }
            Expr::Symbol(symbol) if symbol.slots.is_empty() => self.plain(symbol, letters)?,
            Expr::Inner(pair) | Expr::Covariance(pair) => {
                let is_inner = matches!(formula, Expr::Inner(_));
                self.pair(is_inner, &pair[0], &pair[1], letters)?
            }
            Expr::Call("Var", args) => self.pair(false, &args[0], &args[0], letters)?,
            Expr::Call("Cov", args) => self.pair(false, &args[0], &args[1], letters)?,
            Expr::Call(name, args) => self.call(name, &all(args)?)?,
            Expr::Partial(_) => self.partial(formula, letters)?,
            _ => return None,
        })
    }

    fn call(&self, name: &str, args: &[f64]) -> Option<f64> {
        let x = args[0];
        Some(match name {
            "sin" => libm::sin(x),
            "cos" => libm::cos(x),
            "exp" => libm::exp(x),
            "sinh" => libm::sinh(x),
            "cosh" => libm::cosh(x),
            "arcsin" => libm::asin(x.clamp(-1.0, 1.0)),
            "arccos" => libm::acos(x.clamp(-1.0, 1.0)),
            name => {
                let kernel = KERNELS.iter().find(|kernel| kernel.name == name)?;
                let names = ["a", "b", "c"].map(str::to_owned);
                if has_angle(&(kernel.formula)()) && args[0] * args[1] == 0.0 {
                    return Some(0.0);
                }
                let mut letters: Letters = names.into_iter().zip(args.iter().copied()).collect();
                letters.insert("θ".to_owned(), self.eval(&angle(), &letters)?);
                self.eval(&(kernel.formula)(), &letters)?
            }
        })
    }

    fn plain(&self, symbol: &Symbol, letters: &Letters) -> Option<f64> {
        let at: Option<Vec<f64>> = symbol.at.iter().map(|at| index(at, letters)).collect();
        let at = at?;
        for row in &self.rows {
            let Expr::Symbol(left) = &row.left else { continue };
            if left.kind != Kind::Plain || left.name != symbol.name || row.relation != '=' {
                continue;
            }
            if let Some(list @ Expr::List(_)) = right(row) {
                return self.entry(list, &at, letters);
            }
            if let Some(letters) = bound(&left.at, &at) {
                return self.right(row, &letters);
            }
        }
        None
    }

    /// A coefficient of a dot, by the row that defines it at its own letters.
    fn partial(&self, formula: &Expr, letters: &Letters) -> Option<f64> {
        let hat = |formula: &Expr| match formula {
            Expr::Partial(pair) => match &pair[1] {
                Expr::Symbol(hat) => Some(hat.clone()),
                _ => None,
            },
            _ => None,
        };
        let here = hat(formula)?;
        let at: Option<Vec<f64>> = here.at.iter().map(|at| index(at, letters)).collect();
        let at = at?;
        for row in &self.rows {
            let Some(own) = hat(&row.left).filter(|own| own.name == here.name) else { continue };
            let letters_of = own.at.iter().zip(&here.at);
            let renamed =
                letters_of.fold(row.left.clone(), |left, (from, to)| match &from.letter {
                    Some(letter) => left.renamed(letter, &to.plus(-from.offset)),
                    None => left,
                });
            if renamed == *formula {
                let letters = bound(&own.at, &at)?;
                return self.right(row, &letters);
            }
        }
        None
    }

    /// The right side of a row, where the row claims it.
    fn right(&self, row: &Row, letters: &Letters) -> Option<f64> {
        for piece in &row.right {
            let Piece::Positive(variances) = piece else { continue };
            for variance in variances {
                self.eval(variance, letters).filter(|variance| *variance > 0.0)?;
            }
        }
        self.eval(right(row)?, letters)
    }

    fn entry(&self, list: &Expr, at: &[f64], letters: &Letters) -> Option<f64> {
        match (list, at) {
            (Expr::List(entries), [first, rest @ ..]) => {
                self.entry(&entries[*first as usize], rest, letters)
            }
            (number, []) => self.eval(number, letters),
            _ => None,
        }
    }

    /// ⟨x|y⟩ or the covariance of two kets, by the row that defines it.
    fn pair(&self, inner: bool, x: &Expr, y: &Expr, letters: &Letters) -> Option<f64> {
        let (Expr::Symbol(x), Expr::Symbol(y)) = (x, y) else { return None };
        for row in &self.rows {
            let sides = match &row.left {
                Expr::Inner(pair) if inner => pair.as_slice(),
                Expr::Covariance(pair) if !inner => pair.as_slice(),
                Expr::Call("Cov", pair) if !inner => pair.as_slice(),
                Expr::Call("Var", one) if !inner => &[one[0].clone(), one[0].clone()],
                _ => continue,
            };
            let [Expr::Symbol(a), Expr::Symbol(b)] = sides else { continue };
            for (x, y) in [(x, y), (y, x)] {
                let is = |a: &Symbol, x: &Symbol| a.name == x.name && a.kind == x.kind;
                if !is(a, x) || !is(b, y) {
                    continue;
                }
                let at: Option<Vec<f64>> =
                    x.at.iter().chain(&y.at).map(|at| index(at, letters)).collect();
                let left = [a.at.clone(), b.at.clone()].concat();
                if let Some(letters) = bound(&left, &at?) {
                    return self.right(row, &letters);
                }
            }
        }
        None
    }
}

fn index(at: &Index, letters: &Letters) -> Option<f64> {
    let letter = match &at.letter {
        Some(letter) => *letters.get(letter)?,
        None => 0.0,
    };
    Some(letter + at.offset as f64)
}

/// Letters for which these indices have these values.
fn bound(left: &[Index], at: &[f64]) -> Option<Letters> {
    let mut letters = Letters::new();
    for (index, value) in left.iter().zip(at) {
        match &index.letter {
            Some(letter) => drop(letters.insert(letter.clone(), value - index.offset as f64)),
            None if index.offset as f64 != *value => return None,
            None => {}
        }
    }
    Some(letters)
}

/// The last formula of a row.
fn right(row: &Row) -> Option<&Expr> {
    row.right.iter().rev().find_map(|piece| match piece {
        Piece::Formula(formula) => Some(formula),
        _ => None,
    })
}

/// Checks every output of a program that is printed in closed form, and gives the names of the others.
fn compare(checked: &Checked, tolerance: f64, rungs: Rungs) -> Vec<String> {
    let values = Values::of(checked);
    let leading = &checked.facts.leading;
    let limits = evaluate(leading, &LimitOptions { rungs, ..LimitOptions::default() })
        .expect("the program has a limit");
    let mut open = Vec::new();
    for (output, limit) in leading.outputs.iter().zip(&limits.outputs) {
        let sizes = &limit.shape;
        for (position, want) in limit.values.iter().enumerate() {
            let mut rest = position;
            let mut at = Vec::new();
            for size in sizes.iter().rev() {
                at.insert(0, Index::number(rest % size));
                rest /= size;
            }
            let name = super::super::expr::Name {
                text: output.name.clone(),
                version: 0,
                power: crate::ir::Exponent::from_integer(0),
            };
            let symbol = Symbol { name, kind: Kind::Plain, at, slots: Vec::new() };
            match values.eval(&Expr::Symbol(symbol), &Letters::new()) {
                Some(found) => assert!(
                    (found - want).abs() <= tolerance * want.abs().max(1.0),
                    "{}[{position}]: {found} is printed, {want} is the limit",
                    output.name
                ),
                None => open.push(format!("{}[{position}]", output.name)),
            }
        }
    }
    open
}

/// Functions of u (and v) that have kernels with themselves.
const FUNCTIONS: [&str; 26] = [
    "u",
    "relu(u)",
    "step(u)",
    "abs(u)",
    "sign(u)",
    "erf(u)",
    "sin(u)",
    "cos(u)",
    "exp(u)",
    "gelu(u)",
    "exp(-u^2)",
    "erf(u / 2)",
    "sin(2 * u)",
    "relu(-2 * u)",
    "max(u, 0.1 * u)",
    "max(u, u / 5)",
    "(if u > 0 then u else u / 5)",
    "gelu(2 * u)",
    "gelu(-u)",
    "u * (1 + erf(u / sqrt(2))) / 2",
    "(if u > 0 then 1 else 0.1)",
    "relu(u) - 0.5 * relu(-u)",
    "u^2",
    "u^3",
    "u * step(u)",
    "max(0, u)",
];

fn head(mean: f64) -> String {
    format!(
        "init z : vec[2] ~ N(0, 1); let u = 0.9 * z[0] + {mean}; let v = 0.7 * z[1] - 0.6 * z[0] + {mean};"
    )
}

/// All products f(u) g(v), f(u) g(u) and f(u), centred or not.
#[test]
fn closed_forms_are_those_of_the_engine() {
    for mean in [0.0, 0.3] {
        let mut open = Vec::new();
        for f in FUNCTIONS {
            let mut text = head(mean);
            text += &format!("let x = {f}; output avg(x) as \"{f}\";");
            for (k, g) in FUNCTIONS.iter().enumerate() {
                let on_v = g.replace('u', "v").replace("relv", "relu").replace("gelv", "gelu");
                text += &format!("let y{k} = {on_v}; output avg(x * y{k}) as \"{f}·{on_v}\";");
                text += &format!("output avg(x * ({g})) as \"{f}·{g}\";");
            }
            let checked = checked(&text).expect(&text);
            open.extend(compare(&checked, 1e-9, Rungs::Exact));
        }
        let closed = |f: &str| {
            let own = format!(
                "{f}·{}[0]",
                f.replace('u', "v").replace("relv", "relu").replace("gelv", "gelu")
            );
            !open.contains(&own)
        };
        if mean == 0.0 {
            let without: Vec<&&str> = FUNCTIONS.iter().filter(|f| !closed(f)).collect();
            assert!(without.is_empty(), "{without:?} are not in closed form");
        } else {
            let with: Vec<&&str> = FUNCTIONS.iter().filter(|f| closed(f)).collect();
            assert_eq!(with, [&"u"], "only second moments are claimed of what has a mean");
        }
    }
}

/// The formula of each kernel against an integral, under random laws.
#[test]
fn kernels_are_integrals() {
    for (k, kernel) in KERNELS.iter().enumerate() {
        let product = crate::limit::symbolic::format::part(
            &Unicode { names: &Names::default() },
            &(kernel.product)(),
        )
        .text;
        let text = product.replace('·', " * ").replace('−', "-").replace('²', "^2");
        for (p, q, r) in [(0.9, -0.6, 0.7), (1.4, 1.1, 0.2), (0.3, -0.2, 1.5), (0.8, 0.8, 0.0)] {
            let p = p + 0.01 * k as f64;
            let program = format!(
                "init z : vec[2] ~ N(0, 1); let u = {p} * z[0]; let v = {q} * z[0] + {r} * z[1]; output avg({text});"
            );
            let checked = checked(&program).expect(&program);
            let values = Values { rows: Vec::new() };
            let found = values.call(kernel.name, &[p * p, q * q + r * r, p * q]).expect("a kernel");
            for rungs in [Rungs::Exact, Rungs::Quadrature] {
                let options = LimitOptions { rungs, ..LimitOptions::default() };
                let limits = evaluate(&checked.facts.leading, &options).expect(&program);
                let want = limits.outputs[0].values[0];
                assert!(
                    (found - want).abs() < 1e-9 * want.abs().max(1.0),
                    "{}: {found} is not {want} ({program})",
                    kernel.name
                );
            }
        }
    }
}

/// Whole recursions: what is printed gives the limits of the program, and nothing is left open.
#[test]
fn recursions_give_the_limits() {
    let gram =
        include_str!("../../../../benches/gram.tp").replace("const M = 1024;", "const M = 3;");
    let biases = gram.replace("sigma_b = 0;", "sigma_b = 0.3;");
    let relu = include_str!("../../../../programs/nngp_ntk_relu.tp").to_owned();
    let erf = relu.replace("relu'", "erf'").replace("relu", "erf");
    let leaky = "fn leaky(x) = max(x, 0.1 * x);";
    let slope = "fn slope(x) = if x > 0 then 1 else 0.1;";
    let sloped =
        format!("{leaky} {slope} {}", relu.replace("relu'", "slope").replace("relu", "leaky"));
    let tied = "init W : mat ~ N(0, 2/n); init x : vec ~ N(0, 1); var h = W @ x; for t in 0..3 { h := W @ relu(h) + 0.5 * x; output avg(h^2), avg(relu(h) * x); }";
    let linear = include_str!("../../../../tests/golden/symbolic/linear.tp").to_owned();
    for text in [relu, gram, biases, erf, sloped, tied.to_owned(), linear] {
        let checked = checked(&text).expect(&text);
        let open = compare(&checked, 1e-9, Rungs::Exact);
        assert_eq!(open, Vec::<String>::new(), "{text}");
    }
}

/// The covariance of kets is that of their hats only where they have no dots, and no symmetric matrix between two arrays.
#[test]
fn covariances_are_those_of_the_kets() {
    let head = "init W : mat ~ N(0, 1/n); init x : vec ~ N(0, 1); let h = W @ x;";
    let back = "let l = W.T @ relu(h); output avg(relu(l) * relu(x)), avg(relu(l)), avg(l^2);";
    let smooth = "let y = W.T @ h; output avg(erf(y)^2), avg(y * erf(x));";
    let signs = "init W : mat ~ N(0, 2/n); init x, b : vec ~ N(0, 1); let h = W @ x + b; let g = W.T @ sign(h); let k = W.T @ step(h); output avg(relu(g) * relu(k)), avg(step(g) * k);";
    let arrays = "const M = 2; data xs : scalar[M] = [1, 2]; init U : vec ~ N(0, 1); init A : mat ~ N(0, 1/n); let h0[i] = xs[i] * U; let a = A @ sign(h0); let b = A @ relu(h0); let o[i, j] = avg(relu(a[i]) * relu(b[j])); output o;";
    let ranks = "init X : vec[2, 3] ~ N(0, 1); init A : mat ~ N(0, 1/n); let p[i] = sum[j](X[i, j] * (j + 1)); let a = A @ sign(p); let b = A @ X; let o[i, j, k] = avg(relu(a[i]) * relu(b[j, k])); output o;";
    let around = "const M = 2; init x : vec[M] ~ N(0, 1); init A : mat ~ N(0, 1/n); let h1[i] = A @ x[i]; let h2[i] = A.T @ relu(-h1[i]); let o[i, j] = avg(abs(h2[i]) * abs(h2[j])); output o;";
    let with_head = [back, smooth].map(|rest| format!("{head} {rest}"));
    let whole = [signs, arrays, ranks, around].map(str::to_owned);
    for text in with_head.into_iter().chain(whole) {
        let checked = checked(&text).expect(&text);
        let open = compare(&checked, 1e-9, Rungs::Exact);
        assert_eq!(open, Vec::<String>::new(), "{text}");
    }
    let text = format!("{head} let y = W.T @ h; output avg(tanh(y)^2);");
    assert!(lines(&text, "y").contains("Σy = Var(|y⟩) = ⟨h|h⟩ + 1"), "{}", lines(&text, "y"));
}

/// A sample of zeros: nothing is claimed that needs a positive variance, and what is known to be 0 is 0.
#[test]
fn variances_may_be_zero() {
    let samples = "const M = 2; data xs : scalar[M] = [0, 1]; init U : vec ~ N(0, 1); init W : mat ~ N(0, 2/n); let h[i] = xs[i] * U; let g = W @ relu(h); let p[i] = avg(step(g[i])); let r[i] = avg(if g[i] <= 0 then 3 else 1); let s[i, j] = avg(step(g[i]) * step(g[j])); let d[i] = avg(relu'(g[i])); let t[i, j] = avg(sign(h[i]) * h[j]); let k[i] = avg(sign(g[i])^2 * g[i]^2); let m[i, j] = avg(sign(g[i]) * (1 + 2 * step(g[j]))); output p, r, s, d, t, k, m;";
    let checked_samples = checked(samples).expect(samples);
    let open = compare(&checked_samples, 1e-9, Rungs::Exact);
    assert_eq!(open, ["p[0]", "r[0]", "d[0]", "t[0]", "t[1]"], "{samples}");
    let known = "init x, z : vec ~ N(0, 1); init W, A : mat ~ N(0, 1/n); let h = W @ x; let l = W.T @ (step(h) * step(-h)); let k = A @ (step(h) * step(-h)); output avg(relu(l) * x), avg(step(k)), avg(sign(k) * x), avg(exp(k) * x^2), avg(max(k, 0) * x^2);";
    let checked_known = checked(known).expect(known);
    assert_eq!(compare(&checked_known, 1e-9, Rungs::Exact), Vec::<String>::new(), "{known}");
    for line in ["E[∂(step(|h⟩)·step(−|h⟩))/∂ĥ] = 0\n", "Var(k̂) = 0"] {
        let all = format!("{}\n{}", lines(known, "l"), lines(known, "k"));
        assert!(all.contains(line), "{all}");
    }
    // the mean over a comparison of 0 with 0
    let compared = known.replace("avg(step(k))", "avg(if k <= 0 then 3 else 1) as \"r\"");
    assert_eq!(lines(&compared, "r"), "r = 3");
}

/// Products of functions without names, odd powers, and sums over parts of arrays.
#[test]
fn closed_forms_do_not_depend_on_names() {
    let products = "init x, y : vec ~ N(0, 1); let u = x + y / 2; output avg(gelu(x) * gelu(u)), avg(gelu(2 * x) * gelu(-u)), avg(gelu(u)^2), avg(gelu(u) * x), avg(relu(u)^3), avg(relu(-u)^2 * abs(u));";
    let slices = "init U : vec[3] ~ N(0, 2); init W : mat ~ N(0, 1/n); let g[i] = W @ U[i]; let gg = g[0..2]; let gs = sum[i](gg[i] * (i + 1)); let gt = sum[i](g[i]); let last = U[1..3]; let s = sum[i](last[i]); let t = sum[i](U[i] * (i + 1)); output avg(relu(gs) * relu(gt)), avg(gs * gt), avg(relu(s)), avg(relu(s) * relu(t)), avg(relu(t) * U[2]);";
    for text in [products, slices] {
        let checked = checked(text).expect(text);
        let open = compare(&checked, 1e-9, Rungs::Exact);
        assert_eq!(open, Vec::<String>::new(), "{text}");
    }
    for line in ["Σ_i<2,j (i + 1)·⟨U[i]|U[j]⟩", "Σgt = Var(|gt⟩)"] {
        let checked = checked(slices).expect(slices);
        let all = unicode(&symbolic(&checked.program, &checked.facts));
        assert!(all.contains(line), "{all}");
    }
}

/// Letters of other alphabets keep their names.
#[test]
fn names_in_latex_are_those_of_the_source() {
    let text =
        "init α, β1, é : vec ~ N(0, 1); let αβ = α + 2 * β1 + é; output avg(relu(αβ) * relu(α));";
    let checked = checked(text).expect(text);
    let all = latex(&symbolic(&checked.program, &checked.facts));
    let line = "\\lvert \\text{$\\alpha$$\\beta$}\\rangle &= \\lvert \\alpha\\rangle + 2\\,\\lvert \\beta_{1}\\rangle + \\lvert \\text{é}\\rangle";
    assert!(all.contains(line), "{all}");
}
