//! Programs from text: what they lower to is evaluated by the reference interpreter.

use super::*;
use crate::codegen::{Matrices, MatrixRef, interpret};
use crate::ir::InitId;
use crate::resolve::modules::inline_modules;
use crate::source::MemoryLoader;
use crate::syntax::parse::parse;

const N: usize = 4;

struct Fixed(Vec<usize>, Vec<f64>);

impl Matrices<f64> for Fixed {
    fn initial(&mut self, init: InitId) -> Vec<f64> {
        (0..self.0[init.index()]).map(|i| libm::cos(0.7 * i as f64 + f64::from(init.0))).collect()
    }
    fn apply(&mut self, _: MatrixRef, transpose: bool, x: &[f64]) -> Vec<f64> {
        let entry = |a: usize, b: usize| self.1[if transpose { b * N + a } else { a * N + b }];
        let row = |x: &[f64], a: usize| (0..N).map(|b| entry(a, b) * x[b]).sum::<f64>();
        x.chunks(N).flat_map(|x| (0..N).map(move |a| row(x, a))).collect()
    }
    fn dense(&mut self, _: MatrixRef) -> Option<&[f64]> {
        Some(&self.1)
    }
}

fn lowered(text: &str) -> (Option<Program>, Vec<String>) {
    let mut sources = SourceMap::default();
    let mut diags = Diags::default();
    let file = sources.add("test.tp", text);
    let source = sources.get(file).clone();
    let loader = MemoryLoader::default();
    let program = parse(&source, &mut diags);
    let program = inline_modules(program, &mut sources, &loader, &mut diags);
    let result = lower(&program, &mut sources, &loader, &Overrides::new(), &mut diags);
    let shown = |d: &&Diagnostic| {
        let (line, column) =
            d.primary.as_ref().map_or((0, 0), |label| sources.line_column(label.span));
        format!("{} {line}:{column}", d.code)
    };
    (result, diags.sorted().iter().map(shown).collect())
}

/// The outputs of a program, flattened, one after the other.
fn values(text: &str) -> Vec<f64> {
    let (program, diags) = lowered(text);
    let program = program.unwrap_or_else(|| panic!("{diags:?}"));
    let size = |i: &crate::ir::Init| {
        i.shape.entries() * N.pow(u32::try_from(i.shape.width).expect("small"))
    };
    let entries = program.ir.inits.iter().map(size).collect();
    let dense = (0..N * N).map(|i| libm::sin(1.3 * i as f64)).collect();
    let roots: Vec<_> = program.outputs.iter().map(|output| output.node).collect();
    let values = interpret(&program.ir, &roots, N, &mut Fixed(entries, dense)).expect("finite");
    values.iter().flat_map(|value| value.iter().copied().collect::<Vec<_>>()).collect()
}

fn same(a: &str, b: &str) {
    let (a, b) = (values(a), values(b));
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(&b) {
        assert!((x - y).abs() <= 1e-12 * (1.0 + y.abs()), "{a:?} is not {b:?}");
    }
}

#[test]
fn indices_state_what_broadcasting_does() {
    let head = "data u : scalar[3] = [1, 2, 3]; init x : vec[3] ~ N(0, 1); init z : vec ~ N(0, 2);";
    same(
        &format!("{head} let y[i] = u[i] * x[i] + z; output sum[i](mean[a](y[i, a]^2));"),
        &format!(
            "{head} let y[i, a] = z[a] + x[i, a] * u[i]; let s[i] = avg(y[i]^2); output sum[i](s[i]);"
        ),
    );
}

#[test]
fn a_network_and_its_gradient() {
    let text = "
        data xs : scalar[2, 3] = [[1, 2, 3], [0, 1, -1]];
        init U : vec[3] ~ N(0, 1/3);
        init W : mat ~ N(0, 1/n);
        init v : vec ~ N(0, 1);
        let h1[i] = sum[j](xs[i, j] * U[j]);
        let h2 = W @ tanh(h1);
        let f[i] = avg(v * tanh(h2[i]));
        let loss = sum[i](f[i]^2) / 2;
        let dh2[i] = grad(f[i], h2[i]);
        let direct[i] = n * mean[a](dh2[i, a] * h2[i, a]);
        let other[i] = mean[a](v[a] * tanh'(h2[i, a]) * h2[i, a]);
        let G = grad(loss, W);
        let K[a, b] = sum[i](f[i] * dh2[i, a] * tanh(h1[i, b]));
        let test = G - K;
        output direct, other, n * n * mean[a, b](test[a, b]^2) as \"zero\";";
    let got = values(text);
    assert!((got[0] - got[2]).abs() < 1e-13 && (got[1] - got[3]).abs() < 1e-13, "{got:?}");
    assert!(got[0].abs() > 1e-3 && got[4].abs() < 1e-25, "{got:?}");
}

#[test]
fn a_var_may_change_its_kind() {
    same(
        "init x, y : vec ~ N(0, 1); var m = 0;
         for t in 0..2 { let g[a, b] = x[a] * y[b]; m := 0.9 * m + 0.1 * g; }
         output n * avg(y * (m @ x) / n) as \"s\";",
        "init x, y : vec ~ N(0, 1); let g[a, b] = x[a] * y[b];
         let m = 0.19 * g; output avg(y * (m @ x)) as \"s\";",
    );
}

#[test]
fn loop_outputs_gain_an_axis() {
    let got = values("for t in 0..3 { for s in 0..2 { output 10 * t + s as \"x\"; } }");
    assert_eq!(got, [0.0, 1.0, 10.0, 11.0, 20.0, 21.0]);
}

#[test]
fn blocks_and_functions_are_inlined() {
    same(
        "use std.static; data u : scalar[3] = [1, 2, 3]; output softmax(u);",
        "data u : scalar[3] = [1, 2, 3]; let s[i] = exp(u[i]) / sum[j](exp(u[j])); output s;",
    );
    same(
        "fn f(z, w) = z^3 * w; output f(2, 3), diff(f, 0)(2, 3), diff(f, 1)(2, 3);",
        "output 24 as \"a\", 36 as \"b\", 8 as \"c\";",
    );
    same("fn f(z) = sin(z); output f''(0.3);", "output -sin(0.3);");
    same(
        "output gelu'(0.5);",
        "output (1 + erf(0.5/sqrt(2)))/2 + 0.5 * exp(-0.125) / sqrt(2 * 3.141592653589793) as \"x\";",
    );
}

#[test]
fn arrays_of_matrices_act_entry_by_entry() {
    same(
        "init W : mat[2] ~ N(0, 2/n); init x : vec[3] ~ N(0, 1);
         let q[l, i] = W[l] @ x[i]; output mean[a](q[1, 2, a]^2);",
        "init W : mat[2] ~ N(0, 2/n); init x : vec[3] ~ N(0, 1);
         let q = W[1] @ x[2]; output avg(q^2);",
    );
}

#[test]
fn precedence_of_matmul_and_power() {
    same(
        "init W : mat ~ N(0, 1/n); init x : vec ~ N(0, 1); output avg(x * (W.T @ W @ x)), -2^2;",
        "init W : mat ~ N(0, 1/n); init x : vec ~ N(0, 1); let y = W @ x; output avg(y * y), 0 - 4;",
    );
}

#[test]
fn joint_laws_have_their_covariance() {
    let (program, diags) =
        lowered("init u, v : vec ~ N([0, 1], [[4, 2], [2, 1]]); output avg(u - 2 * v);");
    assert!(diags.is_empty(), "{diags:?}");
    assert_eq!(program.expect("lowers").ir.inits.len(), 2);
    let got =
        values("init u, v : vec ~ N([0, 1], [[4, 2], [2, 1]]); output avg((u - 2 * v + 2)^2);");
    assert!(got[0].abs() < 1e-24);
}

#[test]
fn gradients_of_several_samples_and_layers() {
    same(
        "init x : vec[2] ~ N(0, 1); let y[i] = avg(x[i]^2); let J[i] = grad(y[i], x); output n * mean[a](J[1, 1, a]), mean[a](J[1, 0, a]);",
        "init x : vec[2] ~ N(0, 1); output 2 * avg(x[1]), 0;",
    );
}
