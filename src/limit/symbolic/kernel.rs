//! Means of products of functions of two Gaussian numbers in closed form, named as in the literature.
//!
//! Each kernel is a tree: what is printed is what the tests evaluate.

use super::expr::Expr;
use crate::ir::Exponent;

/// E f(u) f(v) for Gaussian u, v of mean 0, a function of a = Var u, b = Var v and c = Cov(u, v).
pub(super) struct Kernel {
    /// Its name.
    pub(super) name: &'static str,
    /// f(u) f(v).
    pub(super) product: fn() -> Expr,
    /// Its value in a, b, c and θ.
    pub(super) formula: fn() -> Expr,
    /// What it is called, and where it comes from.
    pub(super) source: &'static str,
}

/// All kernels.
pub(super) static KERNELS: [Kernel; 10] = [
    Kernel {
        name: "κ₁",
        product: || both("relu"),
        formula: || over_two_pi(product(vec![root(product(vec![a(), b()])), bend(pi())])),
        source: "the arc-cosine kernel of order 1 (Cho & Saul 2009)",
    },
    Kernel {
        name: "κ₀",
        product: || both("step"),
        formula: || over_two_pi(minus(pi(), theta())),
        source: "the arc-cosine kernel of order 0 (Cho & Saul 2009)",
    },
    Kernel {
        name: "κ_abs",
        product: || both("abs"),
        formula: || {
            let size = product(vec![number(2.0), root(product(vec![a(), b()]))]);
            product(vec![size, bend(pi().quotient(number(2.0)))]).quotient(pi())
        },
        source: "an absolute moment (Nabeya 1951)",
    },
    Kernel {
        name: "κ_sign",
        product: || both("sign"),
        formula: || minus(number(1.0), product(vec![number(2.0), theta()]).quotient(pi())),
        source: "from the probability of a quadrant (Sheppard 1899)",
    },
    Kernel {
        name: "κ_erf",
        product: || both("erf"),
        formula: || {
            let scale = root(product(vec![wider(2.0, a()), wider(2.0, b())]));
            let angle = Expr::Call("arcsin", vec![product(vec![number(2.0), c()]).quotient(scale)]);
            product(vec![number(2.0), angle]).quotient(pi())
        },
        source: "the arcsine kernel (Williams 1997)",
    },
    Kernel {
        name: "κ_gelu",
        product: || both("gelu"),
        formula: gelu,
        source: "the kernel of gelu (Tsuchida et al. 2021)",
    },
    Kernel {
        name: "κ_exp",
        product: || both("exp"),
        formula: || Expr::Call("exp", vec![sum(vec![half_variances(), c()])]),
        source: "from the moment generating function",
    },
    Kernel {
        name: "κ_sin",
        product: || both("sin"),
        formula: || wave("sinh"),
        source: "from the characteristic function",
    },
    Kernel {
        name: "κ_cos",
        product: || both("cos"),
        formula: || wave("cosh"),
        source: "from the characteristic function",
    },
    Kernel {
        name: "κ_bell",
        product: || product(vec![bell("u"), bell("v")]),
        formula: || {
            let square = product(vec![number(4.0), power(c(), 2)]);
            let determinant = minus(product(vec![wider(2.0, a()), wider(2.0, b())]), square);
            number(1.0).quotient(root(determinant))
        },
        source: "a Gaussian integral",
    },
];

/// A kernel of two numbers with these variances and this covariance.
pub(super) fn kernel(name: &'static str, arguments: [Expr; 3]) -> Expr {
    Expr::Call(name, arguments.to_vec())
}

/// θ = arccos(c/√(ab)).
pub(super) fn angle() -> Expr {
    Expr::Call("arccos", vec![c().quotient(root(product(vec![a(), b()])))])
}

pub(super) fn pi() -> Expr {
    Expr::Letter("π")
}

pub(super) fn root(formula: Expr) -> Expr {
    formula.power(Exponent::new(1, 2))
}

/// 1 + factor · formula.
pub(super) fn wider(factor: f64, formula: Expr) -> Expr {
    sum(vec![number(1.0), product(vec![number(factor), formula])])
}

pub(super) fn theta() -> Expr {
    Expr::Letter("θ")
}

fn a() -> Expr {
    Expr::Letter("a")
}

fn b() -> Expr {
    Expr::Letter("b")
}

fn c() -> Expr {
    Expr::Letter("c")
}

fn number(value: f64) -> Expr {
    Expr::Number(value)
}

fn product(factors: Vec<Expr>) -> Expr {
    Expr::product(factors)
}

fn sum(terms: Vec<Expr>) -> Expr {
    Expr::sum(terms)
}

fn minus(x: Expr, y: Expr) -> Expr {
    sum(vec![x, y.negated()])
}

fn power(x: Expr, exponent: i64) -> Expr {
    x.power(Exponent::from_integer(exponent))
}

/// f(u)·f(v).
fn both(name: &'static str) -> Expr {
    product(["u", "v"].map(|letter| Expr::Call(name, vec![Expr::Letter(letter)])).to_vec())
}

fn bell(letter: &'static str) -> Expr {
    Expr::Call("exp", vec![power(Expr::Letter(letter), 2).negated()])
}

fn over_two_pi(formula: Expr) -> Expr {
    formula.quotient(product(vec![number(2.0), pi()]))
}

/// sin θ + (whole − θ) cos θ.
fn bend(whole: Expr) -> Expr {
    let of = |name| Expr::Call(name, vec![theta()]);
    sum(vec![of("sin"), product(vec![minus(whole, theta()), of("cos")])])
}

/// (a + b)/2.
fn half_variances() -> Expr {
    sum(vec![a(), b()]).quotient(number(2.0))
}

/// e^{−(a + b)/2} f(c).
fn wave(name: &'static str) -> Expr {
    let height = Expr::Call("exp", vec![half_variances().negated()]);
    product(vec![height, Expr::Call(name, vec![c()])])
}

/// c/4 + c/2π·arcsin(c/√((1+a)(1+b))) + (ab − c² + c²/(1+a) + c²/(1+b))/(2π√((1+a)(1+b) − c²)), by Stein's lemma twice.
fn gelu() -> Expr {
    let scales = product(vec![wider(1.0, a()), wider(1.0, b())]);
    let angle = Expr::Call("arcsin", vec![c().quotient(root(scales.clone()))]);
    let square = || power(c(), 2);
    let over = sum(vec![
        product(vec![a(), b()]),
        square().negated(),
        square().quotient(wider(1.0, a())),
        square().quotient(wider(1.0, b())),
    ]);
    let under = product(vec![number(2.0), pi(), root(minus(scales, square()))]);
    sum(vec![
        c().quotient(number(4.0)),
        over_two_pi(product(vec![c(), angle])),
        over.quotient(under),
    ])
}
