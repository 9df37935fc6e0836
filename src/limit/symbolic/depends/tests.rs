//! The dependence of formal functions, against programs whose answer is known and against perturbed samples.

use super::super::tests::checked;
use super::*;
use crate::codegen::{Matrices, interpret};
use crate::ir::{InitId, Program};
use crate::num::rng::Key;

/// The leading-order program of a text.
fn leading(text: &str) -> Option<Program> {
    checked(text).map(|checked| checked.facts.leading)
}

fn roots(program: &Program) -> Vec<NodeId> {
    program.outputs.iter().map(|output| output.node).collect()
}

fn products(program: &Program) -> Vec<NodeId> {
    let is_product = |id: &NodeId| matches!(program.ir.node(*id), Node::MatMul { .. });
    program.ir.reachable(&roots(program)).into_iter().filter(is_product).collect()
}

/// All (product, entry) that a link names for one entry of the value.
fn named(link: &Link, at: &[usize]) -> Vec<(NodeId, Vec<usize>)> {
    if !link.guards.iter().zip(at).all(|(guard, index)| guard.contains(index)) {
        return Vec::new();
    }
    let mut choices = vec![Vec::new()];
    for range in &link.bound {
        let longer = |choice: &Vec<usize>| {
            let choice = choice.clone();
            range.clone().map(move |k| [choice.clone(), vec![k]].concat()).collect::<Vec<_>>()
        };
        choices = choices.iter().flat_map(longer).collect();
    }
    let entry = |choice: &Vec<usize>| {
        let index = |place: &Place| match *place {
            Place::Axis(axis, by) => at[axis].saturating_add_signed(by),
            Place::Bound(k, by) => choice[k].saturating_add_signed(by),
            Place::Fixed(index) => index,
        };
        (link.product, link.at.iter().map(index).collect())
    };
    choices.iter().map(entry).collect()
}

/// Entries of a shape with at most one static axis.
fn entries(ir: &Ir, id: NodeId) -> Vec<Vec<usize>> {
    match ir.shape(id).stat.as_slice() {
        [] => vec![vec![]],
        [size] => (0..*size).map(|k| vec![k]).collect(),
        _ => panic!("the test has arrays of one axis only"),
    }
}

/// For each column of each product in order, the columns whose hats its dot-ket names. No column is named twice.
fn symbolic(program: &Program) -> Vec<Vec<usize>> {
    let ir = &program.ir;
    let dependences = Dependences::of(ir, &ir.reachable(&roots(program)));
    let columns: Vec<(NodeId, Vec<usize>)> = products(program)
        .into_iter()
        .flat_map(|id| entries(ir, id).into_iter().map(move |at| (id, at)))
        .collect();
    let of = |(id, at): &(NodeId, Vec<usize>)| {
        let links = dependences.dots(*id).iter().flat_map(|link| named(link, at));
        let mut found: Vec<usize> = links
            .map(|hat| columns.iter().position(|column| *column == hat).expect("an entry"))
            .collect();
        found.sort_unstable();
        let count = found.len();
        found.dedup();
        assert_eq!(count, found.len(), "a hat is named twice in {id:?} {at:?}");
        found
    };
    columns.iter().map(of).collect()
}

/// Kets as formal functions: every hat a column of its own, dot-kets with coefficient 1/2 where the input was seen to
/// move with the hat.
struct Formal<'a> {
    n: usize,
    ir: &'a Ir,
    dots: &'a [Vec<usize>],
    /// The hat that is moved, and for which particle.
    moved: Option<(usize, usize)>,
    families: Vec<(MatrixRef, bool)>,
    inputs: Vec<Vec<f64>>,
}

fn normal(key: u64, n: usize) -> Vec<f64> {
    let mut column = vec![0.0; n];
    crate::codegen::simd::draw(Key::new(key), crate::ir::Law::Normal, 1.0, 0, &mut column);
    column
}

impl Matrices<f64> for Formal<'_> {
    fn initial(&mut self, init: InitId) -> Vec<f64> {
        let entries = self.ir.init(init).shape.entries();
        (0..entries)
            .flat_map(|k| normal(1000 + 10 * u64::from(init.0) + k as u64, self.n))
            .collect()
    }

    fn apply(&mut self, matrix: MatrixRef, transpose: bool, x: &[f64]) -> Vec<f64> {
        let mut all = Vec::new();
        for column in x.chunks(self.n) {
            let own = self.inputs.len();
            let mut y = normal(own as u64, self.n);
            if let Some((hat, particle)) = self.moved.filter(|(hat, _)| *hat == own) {
                y[particle] += 1.0 + 0.01 * hat as f64;
            }
            for z in self.dots.get(own).into_iter().flatten() {
                y.iter_mut().zip(&self.inputs[*z]).for_each(|(y, z)| *y += 0.5 * z);
            }
            self.inputs.push(column.to_vec());
            self.families.push((matrix, transpose));
            all.extend(y);
        }
        all
    }

    fn dense(&mut self, _: MatrixRef) -> Option<&[f64]> {
        None
    }
}

const N: usize = 300;
/// Those whose hats are moved.
const PARTICLES: [usize; 12] = [3, 50, 71, 99, 120, 145, 166, 187, 222, 240, 251, 288];

fn sample(
    program: &Program,
    dots: &[Vec<usize>],
    moved: Option<(usize, usize)>,
) -> (Vec<Vec<f64>>, Vec<(MatrixRef, bool)>) {
    let ir = &program.ir;
    let (families, inputs) = (Vec::new(), Vec::new());
    let mut formal = Formal { n: N, ir, dots, moved, families, inputs };
    interpret(ir, &roots(program), N, &mut formal).expect("the program can be evaluated");
    (formal.inputs, formal.families)
}

/// The same table by moving one hat of one particle at a time: what moves is a function of it; means move by 1/N.
fn observed(program: &Program) -> Vec<Vec<usize>> {
    let count = sample(program, &[], None).0.len();
    let mut dots: Vec<Vec<usize>> = Vec::new();
    for own in 0..count {
        let (plain, families) = sample(program, &dots, None);
        let (matrix, transpose) = families[own];
        let moves = |z: &usize| {
            families[*z] == (matrix, !transpose)
                && PARTICLES.iter().any(|particle| {
                    let (inputs, _) = sample(program, &dots, Some((*z, *particle)));
                    (inputs[own][*particle] - plain[own][*particle]).abs() > 0.02
                })
        };
        let found = (0..own).filter(moves).collect();
        dots.push(found);
    }
    dots
}

#[test]
fn known_programs_have_their_dots() {
    let head = "const M = 2; init W, V : mat ~ N(0, 1/n); init x, u : vec ~ N(0, 1); init xs : vec[M] ~ N(0, 1);";
    let cases: [(&str, &[&[usize]]); 11] = [
        ("let h = W @ x; let s = avg(h^2);", &[&[]]),
        ("let s = avg(u * W @ W @ x + 1);", &[&[], &[]]),
        ("let s = avg((W.T @ W @ x)^2);", &[&[], &[0]]),
        ("let s = avg((V.T @ tanh(W @ x))^2);", &[&[], &[]]),
        // Through the dot-ket: |y⟩ = hat + |x⟩·c and x depends on no hat; the second W does meet the hat of Wᵀ.
        ("let y = W.T @ tanh(W @ x); let s = avg((W @ y)^2);", &[&[], &[0], &[1]]),
        // Not from one hat to the next: h2 is hat(W tanh(h1)), formally no function of h1.
        ("let h2 = W @ tanh(W @ x); let s = avg((W.T @ tanh(h2))^2);", &[&[], &[], &[1]]),
        // Not through scalars.
        ("let c = avg((W @ x)^2); let s = avg((W.T @ (c * x))^2);", &[&[], &[]]),
        // Slot 0 of an OuterNonlin, not slot 1.
        (
            "let h = W @ x; let k = W @ u; let y[a] = mean[b](tanh(h[a] + k[b] + 1)); let s = avg((W.T @ y)^2);",
            &[&[], &[], &[0]],
        ),
        // Sample by sample, and over all samples.
        ("let h = W @ xs; let s = avg((W.T @ tanh(h))^2);", &[&[], &[], &[0], &[1]]),
        ("let h = W @ xs; let s = avg((W.T @ tanh(h[0] + h[1]))^2);", &[&[], &[], &[0, 1]]),
        ("let h = W @ xs; let s = avg((W.T @ tanh(sum[i](h[i]) + h[1]))^2);", &[&[], &[], &[0, 1]]),
    ];
    for (body, want) in cases {
        let program = leading(&format!("{head} {body} output s;")).expect(body);
        let want: Vec<Vec<usize>> = want.iter().map(|dots| dots.to_vec()).collect();
        assert_eq!(symbolic(&program), want, "{body}");
        assert_eq!(observed(&program), want, "moved: {body}");
    }
}

/// A program of random steps over two vecs and an array of vecs.
fn random_text(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut below = |bound: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let mut text = String::from(
        "init W, V : mat ~ N(0, 1/n); init v0, v1 : vec ~ N(0, 1); init k0 : vec[2] ~ N(0, 1);\n",
    );
    let (mut vecs, mut arrays, mut products) = (2, 1, 0);
    while products < 6 {
        let (p, q) = (format!("v{}", vecs - 1 - below(2)), format!("v{}", below(vecs)));
        let (k, l) = (format!("k{}", arrays - 1), format!("k{}", below(arrays)));
        let matrix = ["W", "W.T", "W.T", "W", "V"][below(5)];
        let (target, body) = match below(12) {
            0..3 => ("v", format!("{matrix} @ {p}")),
            3..5 => ("k", format!("{matrix} @ {k}")),
            5 => ("k", format!("tanh(0.6 * {k} + 0.5 * {l} + 0.3)")),
            6 => ("v", format!("tanh(0.6 * {p} + 0.5 * {q} + 0.4)")),
            7 => ("v", format!("sum[i](tanh(0.6 * {k}[i] + 0.2)) + 0.7 * {q}")),
            8 => ("v", format!("tanh(0.6 * {k}[1] + 0.5) + 0.6 * {l}[0]")),
            9 => ("k", format!("[0.8 * {p} + 0.4 * {q}, {q}]")),
            10 => ("v", format!("mean[b](tanh(0.6 * {p} + {q}[b] + 0.3) * (1 + {p}[b]))")),
            _ => ("v", format!("(0.5 + 0.4 * avg(tanh({p} + {q})^2)) * {q} + 0.7 * {p}")),
        };
        products += match body.contains('@') {
            true if target == "k" => 2,
            true => 1,
            false => 0,
        };
        if target == "v" {
            text.push_str(&format!("let v{vecs} = {body};\n"));
            vecs += 1;
        } else {
            text.push_str(&format!("let k{arrays} = {body};\n"));
            arrays += 1;
        }
    }
    text.push_str(&format!(
        "output avg((W @ (v{} + k{}[1]))^2), avg(sum[i]((W.T @ k{})[i]^2));\n",
        vecs - 1,
        arrays - 1,
        arrays - 1
    ));
    text
}

#[test]
fn random_programs_have_the_dots_that_samples_show() {
    let mut dots = 0;
    for seed in 0..20 {
        let text = random_text(seed);
        let program = leading(&text).unwrap_or_else(|| panic!("does not check:\n{text}"));
        let found = symbolic(&program);
        dots += found.iter().map(Vec::len).sum::<usize>();
        assert_eq!(found, observed(&program), "\n{text}");
    }
    assert!(dots > 40, "only {dots} dots were met");
}
