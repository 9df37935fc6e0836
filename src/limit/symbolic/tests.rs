//! Derivatives that are written out, against differences of the formulas that they are the derivatives of.

use super::build::Place;
use super::expr::Expr;
use super::slope::Hat;
use super::*;
use crate::diag::Diags;
use crate::driver::Checked;
use crate::driver::Settings;
use crate::ir::{Node, Prim};
use crate::source::{Loader, SourceMap};

mod values;

struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _: &str, _: &str) -> Result<Vec<u8>, String> {
        Err("no files".to_owned())
    }
}

/// A program that passes its checks.
pub(super) fn checked(text: &str) -> Option<Checked> {
    let mut sources = SourceMap::default();
    let id = sources.add("test.tp", text);
    crate::driver::check(&mut sources, id, &NoFiles, &Settings::default(), &mut Diags::default())
}

/// The lines about one value.
fn lines(text: &str, name: &str) -> String {
    let checked = checked(text).expect(text);
    let formulas = symbolic(&checked.program, &checked.facts);
    formulas.into_iter().find(|formula| formula.name == name).expect(name).unicode
}

/// A formula as a number, the ket |h⟩ and every other ket given.
fn eval(formula: &Expr, h: f64, x: f64) -> f64 {
    let of = |formula: &Expr| eval(formula, h, x);
    match formula {
        Expr::Number(value) => *value,
        Expr::Symbol(symbol) if symbol.name.text == "h" => h,
        Expr::Symbol(_) => x,
        Expr::Sum(terms) => terms.iter().map(of).sum(),
        Expr::Product(factors) => factors.iter().map(of).product(),
        Expr::Negated(body) => -of(body),
        Expr::Quotient(a, b) => of(a) / of(b),
        Expr::Power(base, power) => {
            crate::num::special::power(of(base), crate::ir::scalar::to_f64(*power))
        }
        Expr::Choice(parts) => of(&parts[if of(&parts[0]) > 0.0 { 1 } else { 2 }]),
        Expr::Relation("<", a, b) => f64::from(u8::from(of(a) < of(b))),
        Expr::Call(name, args) => {
            let prims = [
                ("tanh", Prim::Tanh),
                ("relu", Prim::Relu),
                ("step", Prim::Step),
                ("abs", Prim::Abs),
                ("sign", Prim::Sign),
                ("exp", Prim::Exp),
                ("log", Prim::Log),
                ("sin", Prim::Sin),
                ("cos", Prim::Cos),
                ("erf", Prim::Erf),
                ("sigmoid", Prim::Sigmoid),
                ("softplus", Prim::Softplus),
            ];
            let prim = prims.iter().find(|(known, _)| known == name).expect(name).1;
            prim.eval(&args.iter().map(of).collect::<Vec<_>>())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn derivatives_are_those_of_the_formulas() {
    for text in [
        "tanh(h)",
        "relu(h)",
        "abs(h) * x",
        "exp(-h^2)",
        "log(2 + h^2)",
        "sin(h)",
        "cos(2 * h)",
        "erf(h)",
        "sigmoid(h)",
        "softplus(h)",
        "sqrt(1 + h^2)",
        "h^3 - h",
        "h / (3 + h)",
        "1 / (1 + h^2)",
        "x * h^2",
        "if x > 0 then h^2 else h",
        "tanh(tanh(h)) * h",
        "-h",
        "h * h * h",
        "x - h",
        "x / exp(h)",
    ] {
        let program = format!(
            "init W : mat ~ N(0, 2/n); init x : vec ~ N(0, 1); let h = W @ x; let y = W.T @ ({text}); output avg(y^2);"
        );
        let checked = checked(&program).expect(text);
        let ir = &checked.facts.leading.ir;
        let nodes = ir.reachable(&[checked.facts.leading.outputs[0].node]);
        let dependences = Dependences::of(ir, &nodes);
        let names = Names::new(&checked.program, &checked.facts, &nodes);
        let builder = Builder { ir, names: &names };
        let slopes = Slopes::new(&builder, &dependences);
        let products = nodes.iter().filter(|id| matches!(ir.node(**id), Node::MatMul { .. }));
        let [first, second] = products.copied().collect::<Vec<_>>()[..] else { panic!("{text}") };
        let Node::MatMul { arg, .. } = ir.node(second) else { panic!("{text}") };
        let place = Place { at: vec![], slots: vec![0], letters: 0, copies: 1 };
        let value = builder.value(*arg, &place);
        let slope = slopes.slope(*arg, &place, &Hat { product: first, at: vec![] }).expect(text);
        for (h, x) in [(0.7, 0.4), (-0.6, 0.9), (1.3, -0.8)] {
            let step = 1e-5;
            let difference = (eval(&value, h + step, x) - eval(&value, h - step, x)) / (2.0 * step);
            let found = eval(&slope, h, x);
            assert!(
                (difference - found).abs() < 1e-8,
                "{text}: {found} is not {difference}: {slope:?}"
            );
        }
    }
}

const HEAD: &str = "init W : mat ~ N(0, 1/n); init x : vec ~ N(0, 1);";

/// hat(W tanh(hat(W x))) is formally no function of hat(W x), although it was made from it.
#[test]
fn no_derivative_from_one_hat_to_another() {
    let text = format!(
        "{HEAD} let h1 = W @ x; let h2 = W @ tanh(h1); let y = W.T @ tanh(h2); output avg(x * y);"
    );
    let first = lines(&text, "y");
    assert!(first.starts_with("|y⟩ = ŷ + tanh(|h1⟩)·E[∂tanh(|h2⟩)/∂ĥ2]\n"), "{first}");
}

/// Dot-kets are combinations of kets: their dependence counts.
#[test]
fn derivatives_pass_through_dot_kets() {
    let text = format!(
        "{HEAD} let h = W @ x; let y = W.T @ tanh(h); let k = W @ (y + x); let z = W.T @ k; output avg(z^2);"
    );
    let all = lines(&text, "z");
    assert!(all.starts_with("|z⟩ = ẑ + |x⟩·E[∂|k⟩/∂ĥ] + |y⟩ + |x⟩\n"), "{all}");
    assert!(all.contains("E[∂|k⟩/∂ĥ] = E[1 − tanh(|h⟩)²]\n"), "{all}");
}

/// A distribution has no formula, but a coefficient: Stein's identity.
#[test]
fn jumps_have_coefficients_by_steins_identity() {
    let text = format!("{HEAD} let h = W @ x; let y = W.T @ sign(h); output avg(x * y);");
    let all = lines(&text, "y");
    assert!(all.contains("E[∂sign(|h⟩)/∂ĥ] = √(2/(π·Σh))\n"), "{all}");
}

/// Equal names of different values are told apart, values of another size say so.
#[test]
fn names_are_those_of_the_source() {
    let text = format!(
        "{HEAD} var z = x; for t in 0..2 {{ let h = W @ z; z := tanh(h); }} let f = avg(z^2); let g = grad(f, z); output avg((n * g)^2);"
    );
    assert!(lines(&text, "h@1").starts_with("|h@1⟩ = ĥ@1\n"));
    assert!(lines(&text, "z@2").starts_with("|z@2⟩ = tanh(|h@1⟩)"));
    assert!(lines(&text, "g").starts_with("|n·g⟩ = 2·|z@2⟩\n"));
}
