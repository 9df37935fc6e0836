//! Random programs as data: a list of steps over vectors, two matrices and nonlinear outer products.
//!
//! A sketch can be written out as a `.tp` program, and others can give it a meaning of their own (see `reference`).
//! Every list of raw steps is a program, because operands are chosen among what is there; so proptest may shrink it.

use proptest::prelude::*;
use tpc::driver::Checked;
use tpc::source::{MemoryLoader, SourceMap};

/// A function of one real number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Tanh,
    Sin,
    Cos,
    Erf,
    /// x² − 1
    Square,
    /// x³/3
    Cube,
    Relu,
    Abs,
    Sign,
}

/// ψ(u; v, x), of which an OuterNonlin of order 2 takes the mean over the position of v and x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// tanh(u v + 1/2) x
    Tanh,
    /// sin(u + v) x
    Sin,
    /// u v x
    Product,
    /// relu(u − v) x
    Relu,
}

/// How the next vector is made; numbers are positions of earlier vectors.
#[derive(Clone, Debug)]
pub enum Step {
    /// W x or Wᵀ x.
    MatMul { matrix: usize, transpose: bool, x: usize },
    /// (W − K/n) x or its transpose with K_ab = tanh(u_a v_b + 1/2).
    Trained { matrix: usize, transpose: bool, u: usize, v: usize, x: usize },
    /// f(x)
    Entrywise { f: Function, x: usize },
    /// a x + b y
    Combine { a: f64, x: usize, b: f64, y: usize },
    /// tanh(x) y
    Gate { x: usize, y: usize },
    /// (⟨x y⟩ + 1) z: through a scalar
    Scaled { x: usize, y: usize, z: usize },
    /// ⟨ψ(u; v, x)⟩ + u/2
    Pairs { form: Pair, u: usize, v: usize, x: usize },
}

/// A program: three initial vectors, then one vector for each step.
#[derive(Clone)]
pub struct Sketch {
    pub steps: Vec<Step>,
}

/// Variances, times n, of the entries of the matrices.
pub const VARIANCES: [f64; 2] = [1.0, 2.0];
/// Means and variances of the entries of the initial vectors.
pub const INITIAL: [(f64, f64); 3] = [(0.0, 1.0), (0.0, 1.0), (0.5, 0.25)];

type Raw = (u8, [u16; 3], u8, bool);

/// Programs of as many steps, of smooth functions only or of all.
pub fn sketches(steps: std::ops::Range<usize>, smooth: bool) -> impl Strategy<Value = Sketch> {
    let raw = (0..100u8, any::<[u16; 3]>(), any::<u8>(), any::<bool>());
    prop::collection::vec(raw, steps).prop_map(move |raw| Sketch::new(&raw, smooth))
}

impl Sketch {
    fn new(raw: &[Raw], smooth: bool) -> Self {
        let mut builder = Builder { steps: Vec::new(), degrees: vec![1; INITIAL.len()], smooth };
        raw.iter().for_each(|raw| builder.add(raw));
        Self { steps: builder.steps }
    }

    /// How many vectors there are.
    pub fn vectors(&self) -> usize {
        INITIAL.len() + self.steps.len()
    }

    /// The initial vectors that some step reads.
    pub fn initial(&self) -> Vec<usize> {
        let read = |x: &usize| self.steps.iter().any(|step| step.operands().contains(x));
        (0..INITIAL.len()).filter(read).collect()
    }

    /// Every product of a matrix: the matrix (with `.T` where its transpose acts), its argument, its result.
    pub fn products(&self) -> Vec<(String, usize, usize)> {
        let product = |(k, step): (usize, &Step)| {
            let result = INITIAL.len() + k;
            let (name, transpose, x) = match step {
                Step::MatMul { matrix, transpose, x } => (format!("W{matrix}"), transpose, x),
                Step::Trained { transpose, x, .. } => (format!("A{result}"), transpose, x),
                Step::Entrywise { .. }
                | Step::Combine { .. }
                | Step::Gate { .. }
                | Step::Scaled { .. }
                | Step::Pairs { .. } => return None,
            };
            Some((if *transpose { name + ".T" } else { name }, *x, result))
        };
        self.steps.iter().enumerate().filter_map(product).collect()
    }

    /// The program without outputs; the k-th vector is called `xk`, the matrix of step k `Ak`.
    pub fn source(&self) -> String {
        self.source_with(["W0", "W1"].map(|name| (name, false)))
    }

    /// The same with W and Wᵀ exchanged wherever an initial matrix occurs.
    pub fn exchanged(&self) -> String {
        self.source_with(["W0", "W1"].map(|name| (name, true)))
    }

    fn source_with(&self, names: [(&str, bool); 2]) -> String {
        let mut text = String::new();
        for (k, (mean, variance)) in INITIAL.iter().enumerate() {
            text += &format!("init x{k} : vec ~ N({mean}, {variance});\n");
        }
        for ((name, _), variance) in names.iter().zip(VARIANCES) {
            text += &format!("init {name} : mat ~ N(0, {variance}/n);\n");
        }
        let matrix = |matrix: usize| match names[matrix] {
            (name, false) => name.to_owned(),
            (name, true) => format!("{name}.T"),
        };
        for (k, step) in self.steps.iter().enumerate() {
            text += &step.source(INITIAL.len() + k, &matrix);
        }
        text
    }
}

/// The program is what one wants to see.
impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.source())
    }
}

impl Step {
    /// The vectors that it reads.
    pub fn operands(&self) -> Vec<usize> {
        match *self {
            Self::MatMul { x, .. } | Self::Entrywise { x, .. } => vec![x],
            Self::Trained { u, v, x, .. } | Self::Pairs { u, v, x, .. } => vec![u, v, x],
            Self::Combine { x, y, .. } | Self::Gate { x, y } => vec![x, y],
            Self::Scaled { x, y, z } => vec![x, y, z],
        }
    }

    fn source(&self, k: usize, name: &dyn Fn(usize) -> String) -> String {
        let applied = |mat: String, transpose: bool| match (transpose, mat.strip_suffix(".T")) {
            (true, Some(bare)) => bare.to_owned(),
            (true, None) => format!("{mat}.T"),
            (false, _) => mat,
        };
        match self {
            Self::MatMul { matrix, transpose, x } => {
                format!("let x{k} = {} @ x{x};\n", applied(name(*matrix), *transpose))
            }
            Self::Trained { matrix, transpose, u, v, x } => {
                let act = applied(format!("A{k}"), *transpose);
                let mat = name(*matrix);
                format!(
                    "let K{k}[a, b] = tanh(x{u}[a] * x{v}[b] + 1/2);\nlet A{k} = {mat} - 1/n * K{k};\nlet x{k} = {act} @ x{x};\n"
                )
            }
            Self::Entrywise { f, x } => format!("let x{k} = {};\n", f.source(&format!("x{x}"))),
            Self::Combine { a, x, b, y } => format!("let x{k} = {a} * x{x} + ({b}) * x{y};\n"),
            Self::Gate { x, y } => format!("let x{k} = tanh(x{x}) * x{y};\n"),
            Self::Scaled { x, y, z } => format!("let x{k} = (avg(x{x} * x{y}) + 1) * x{z};\n"),
            Self::Pairs { form, u, v, x } => {
                let psi = form.source(&format!("x{u}[a]"), &format!("x{v}[b]"));
                format!("let x{k}[a] = mean[b]({psi} * x{x}[b]) + x{u}[a] / 2;\n")
            }
        }
    }
}

impl Function {
    fn source(self, x: &str) -> String {
        match self {
            Self::Tanh => format!("tanh({x})"),
            Self::Sin => format!("sin({x})"),
            Self::Cos => format!("cos({x})"),
            Self::Erf => format!("erf({x})"),
            Self::Square => format!("{x}^2 - 1"),
            Self::Cube => format!("{x}^3 / 3"),
            Self::Relu => format!("relu({x})"),
            Self::Abs => format!("abs({x})"),
            Self::Sign => format!("sign({x})"),
        }
    }

    /// The degree of growth, given that of the argument.
    fn degree(self, inner: u32) -> u32 {
        match self {
            Self::Tanh | Self::Sin | Self::Cos | Self::Erf | Self::Sign => 0,
            Self::Square => 2 * inner,
            Self::Cube => 3 * inner,
            Self::Relu | Self::Abs => inner,
        }
    }
}

impl Pair {
    fn source(self, u: &str, v: &str) -> String {
        match self {
            Self::Tanh => format!("tanh({u} * {v} + 1/2)"),
            Self::Sin => format!("sin({u} + {v})"),
            Self::Product => format!("({u} * {v})"),
            Self::Relu => format!("relu({u} - {v})"),
        }
    }
}

/// Moments must exist with small variance: no vector grows faster than this power of a Gaussian.
const MOST_DEGREE: u32 = 3;

struct Builder {
    steps: Vec<Step>,
    degrees: Vec<u32>,
    smooth: bool,
}

impl Builder {
    /// An earlier vector; late ones are likelier, and 0 is the last.
    fn pick(&self, raw: u16) -> usize {
        let share = f64::from(raw) / 65536.0;
        let count = self.degrees.len();
        count - 1 - (share.powi(2) * count as f64) as usize
    }

    fn add(&mut self, (kind, picks, choice, flag): &Raw) {
        let [x, y, z] = picks.map(|raw| self.pick(raw));
        let (choice, transpose) = (usize::from(*choice), *flag);
        let matrix = choice % VARIANCES.len();
        let most = *self.degrees.iter().max().expect("there are initial vectors");
        let (step, degree) = match kind {
            0..35 => (Step::MatMul { matrix, transpose, x }, most.max(1)),
            35..60 => self.entrywise(choice, x),
            60..70 => {
                let (a, b) = ([1.0, 2.0, 1.5][choice % 3], [-1.0, 0.5, -0.5, 1.0][choice / 3 % 4]);
                let b = if x == y { 0.5 } else { b };
                (Step::Combine { a, x, b, y }, self.degrees[x].max(self.degrees[y]))
            }
            70..76 => (Step::Gate { x, y }, self.degrees[y]),
            76..82 => (Step::Scaled { x, y, z }, self.degrees[z]),
            82..91 => self.pairs(choice, [x, y, z]),
            _ => (Step::Trained { matrix, transpose, u: x, v: y, x: z }, most.max(1)),
        };
        self.steps.push(step);
        self.degrees.push(degree);
    }

    fn entrywise(&self, choice: usize, x: usize) -> (Step, u32) {
        use Function::*;
        let all = [Tanh, Sin, Cos, Erf, Square, Cube, Relu, Relu, Abs, Sign];
        let f = all[choice % if self.smooth { 6 } else { all.len() }];
        let f = if f.degree(self.degrees[x]) > MOST_DEGREE { Tanh } else { f };
        (Step::Entrywise { f, x }, f.degree(self.degrees[x]))
    }

    fn pairs(&self, choice: usize, [u, v, x]: [usize; 3]) -> (Step, u32) {
        use Pair::*;
        let all = [Tanh, Sin, Product, Relu];
        let form = all[choice % if self.smooth { 3 } else { 4 }];
        (Step::Pairs { form, u, v, x }, self.degrees[u])
    }
}

/// A program that `tpc check` accepts and whether a term vanishes with width; or the codes of its errors.
pub fn check(text: &str) -> Result<(Checked, bool), Vec<&'static str>> {
    let mut sources = SourceMap::default();
    let id = sources.add("test.tp", text);
    let mut diags = tpc::diag::Diags::default();
    let settings = tpc::driver::Settings::default();
    let checked =
        tpc::driver::check(&mut sources, id, &MemoryLoader::default(), &settings, &mut diags);
    let found = diags.sorted();
    let codes = found.iter().map(|diagnostic| diagnostic.code.0);
    let dropped = codes.clone().any(|code| code.starts_with("W05"));
    let errors = codes.filter(|code| code.starts_with('E')).collect();
    checked.map(|checked| (checked, dropped)).ok_or(errors)
}
