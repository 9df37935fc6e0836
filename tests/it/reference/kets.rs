//! Def. 2.6.5 of [TP4b] word for word, on a tensor grid of Gauss–Hermite nodes.
//!
//! A ket is a function of independent standard normal coordinates: one for each initial vector and one for each hat. A
//! hat's covariance with the earlier hats of its family is ⟨x|y⟩, which Cholesky's recursion turns into coefficients of
//! coordinates. Beside its values each ket carries its derivatives in all hats as formally independent variables; their
//! means are the coefficients of dots. Nothing here knows of Stein's identity or of particles.

use crate::quadrature::gauss_hermite;
use crate::sketch::{Function, INITIAL, Pair, Sketch, Step, VARIANCES};

/// Values of a ket at all nodes, and its derivative in each hat (`None`: 0).
struct Ket {
    values: Vec<f64>,
    slopes: Vec<Option<Vec<f64>>>,
}

/// hat(W x), or hat(Wᵀ x).
struct Hat {
    matrix: usize,
    transpose: bool,
    x: usize,
    coordinate: usize,
    /// Coefficients of the coordinates of its family, in order; the last is its own.
    row: Vec<f64>,
}

/// All kets of a sketch.
pub struct Kets {
    kets: Vec<Ket>,
    /// How many initial vectors there are: their coordinates come first.
    initial: usize,
    hats: Vec<Hat>,
    weights: Vec<f64>,
    axis: Vec<(f64, f64)>,
}

/// How many coordinates a sketch needs.
pub fn coordinates(sketch: &Sketch) -> usize {
    sketch.initial().len() + sketch.products().len()
}

impl Kets {
    /// With this many nodes in each coordinate.
    pub fn new(sketch: &Sketch, nodes: usize) -> Self {
        let axis = gauss_hermite(nodes);
        let count = nodes.pow(coordinates(sketch) as u32);
        let weight = |mut node: usize| {
            let mut product = 1.0;
            for _ in 0..coordinates(sketch) {
                product *= axis[node % nodes].1;
                node /= nodes;
            }
            product
        };
        let weights = (0..count).map(weight).collect();
        let (initial, hats) = (sketch.initial(), Vec::new());
        let mut all = Self { kets: Vec::new(), initial: initial.len(), hats, weights, axis };
        for (k, (mean, variance)) in INITIAL.iter().enumerate() {
            // a vector that nobody reads needs no coordinate
            let place = initial.iter().position(|read| *read == k).unwrap_or(0);
            let values = all.coordinate(place).map(|x| mean + variance.sqrt() * x).collect();
            all.kets.push(Ket { values, slopes: Vec::new() });
        }
        sketch.steps.iter().for_each(|step| all.add(step));
        all
    }

    /// ⟨x|y⟩
    pub fn inner(&self, x: usize, y: usize) -> f64 {
        let values = self.kets[x].values.iter().zip(&self.kets[y].values);
        self.weights.iter().zip(values).map(|(w, (x, y))| w * x * y).sum()
    }

    /// E|x⟩
    pub fn mean(&self, x: usize) -> f64 {
        self.mean_of(&self.kets[x].values)
    }

    fn mean_of(&self, values: &[f64]) -> f64 {
        self.weights.iter().zip(values).map(|(w, x)| w * x).sum()
    }

    fn coordinate(&self, position: usize) -> impl Iterator<Item = f64> + '_ {
        let stride = self.axis.len().pow(position as u32);
        (0..self.weights.len()).map(move |node| self.axis[node / stride % self.axis.len()].0)
    }

    fn add(&mut self, step: &Step) {
        let ket = match step {
            Step::MatMul { matrix, transpose, x } => self.product(*matrix, *transpose, *x),
            Step::Trained { matrix, transpose, u, v, x } => {
                let whole = self.product(*matrix, *transpose, *x);
                let (u, v) = if *transpose { (*v, *u) } else { (*u, *v) };
                let outer = self.pairs(Pair::Tanh, u, v, *x);
                sum(&[(1.0, &whole), (-1.0, &outer)])
            }
            Step::Entrywise { f, x } => self.kets[*x].chain(|x| f.value_and_slope(x)),
            Step::Combine { a, x, b, y } => sum(&[(*a, &self.kets[*x]), (*b, &self.kets[*y])]),
            Step::Gate { x, y } => {
                let gate = self.kets[*x].chain(|x| Function::Tanh.value_and_slope(x));
                product(&gate, &self.kets[*y])
            }
            // the scalar's limit is a constant: no derivative goes through it
            Step::Scaled { x, y, z } => sum(&[(self.inner(*x, *y) + 1.0, &self.kets[*z])]),
            Step::Pairs { form, u, v, x } => {
                sum(&[(1.0, &self.pairs(*form, *u, *v, *x)), (0.5, &self.kets[*u])])
            }
        };
        self.kets.push(ket);
    }

    /// hat(Wx) + dot(Wx)
    fn product(&mut self, matrix: usize, transpose: bool, x: usize) -> Ket {
        let variance = VARIANCES[matrix];
        let family: Vec<&Hat> = self.family(matrix, transpose).collect();
        let mut row: Vec<f64> = Vec::new();
        for hat in &family {
            let known: f64 = row.iter().zip(&hat.row).map(|(a, b)| a * b).sum();
            let own = hat.row[row.len()];
            let rest = variance * self.inner(hat.x, x) - known;
            row.push(if own == 0.0 { 0.0 } else { rest / own });
        }
        let size = variance * self.inner(x, x);
        let left = size - row.iter().map(|a| a * a).sum::<f64>();
        row.push(if left > 1e-9 * size { left.sqrt() } else { 0.0 });
        let coordinate = self.initial + self.hats.len();
        let places = family.iter().map(|hat| hat.coordinate).chain([coordinate]);
        let mut values = vec![0.0; self.weights.len()];
        for (place, factor) in places.zip(&row) {
            values.iter_mut().zip(self.coordinate(place)).for_each(|(y, g)| *y += factor * g);
        }
        let mut slopes = vec![None; self.hats.len()];
        slopes.push(Some(vec![1.0; values.len()]));
        let hat = Ket { values, slopes };
        let dots: Vec<(f64, usize)> = self.dots(matrix, transpose, x);
        let terms: Vec<(f64, &Ket)> = dots.iter().map(|(c, z)| (*c, &self.kets[*z])).collect();
        let ket = sum(&[&[(1.0, &hat)], terms.as_slice()].concat());
        self.hats.push(Hat { matrix, transpose, x, coordinate, row });
        ket
    }

    /// dot(Wx) = σ² Σ_z |z⟩ E ∂|x⟩/∂hat(Wᵀz), as coefficients and positions.
    fn dots(&self, matrix: usize, transpose: bool, x: usize) -> Vec<(f64, usize)> {
        let slope = |position: usize| {
            let slope = self.kets[x].slopes.get(position).and_then(Option::as_ref);
            VARIANCES[matrix] * slope.map_or(0.0, |slope| self.mean_of(slope))
        };
        let all = self.hats.iter().enumerate();
        let back = all.filter(|(_, hat)| hat.matrix == matrix && hat.transpose != transpose);
        back.map(|(position, hat)| (slope(position), hat.x)).collect()
    }

    fn family(&self, matrix: usize, transpose: bool) -> impl Iterator<Item = &Hat> {
        self.hats.iter().filter(move |hat| hat.matrix == matrix && hat.transpose == transpose)
    }

    /// f(|u⟩) with f(u) = E ψ(u; |v⟩, |x⟩): only slot 0 stays random, only slot 0 is differentiated.
    fn pairs(&self, form: Pair, u: usize, v: usize, x: usize) -> Ket {
        let law = self.law(v, x);
        let f = |u: f64| {
            let one = |(v, x, w): &(f64, f64, f64)| {
                let (value, slope) = form.value_and_slope(u, *v);
                (w * x * value, w * x * slope)
            };
            law.iter().map(one).fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d))
        };
        let values = &self.kets[u].values;
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        const CELLS: usize = 200;
        let step = (high - low).max(1e-9) / CELLS as f64;
        let table: Vec<(f64, f64)> = (0..=CELLS).map(|k| f(low + k as f64 * step)).collect();
        // cubic between neighbours, from values and slopes of both
        self.kets[u].chain(|u| {
            let cell = (((u - low) / step) as usize).min(CELLS - 1);
            let t = (u - low) / step - cell as f64;
            let ((a, da), (b, db)) = (table[cell], table[cell + 1]);
            let (da, db) = (da * step, db * step);
            let (c, d) = (3.0 * (b - a) - 2.0 * da - db, 2.0 * (a - b) + da + db);
            let value = a + t * (da + t * (c + t * d));
            (value, (da + t * (2.0 * c + t * 3.0 * d)) / step)
        })
    }

    /// The joint law of two kets: distinct values and their weights.
    fn law(&self, v: usize, x: usize) -> Vec<(f64, f64, f64)> {
        let values = self.kets[v].values.iter().zip(&self.kets[x].values);
        let mut all: Vec<(f64, f64, f64)> =
            self.weights.iter().zip(values).map(|(w, (v, x))| (*v, *x, *w)).collect();
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        all.dedup_by(|next, kept| {
            let same = next.0 == kept.0 && next.1 == kept.1;
            kept.2 += if same { next.2 } else { 0.0 };
            same
        });
        all
    }
}

impl Ket {
    /// A function of this ket, which gives its value and its derivative.
    fn chain(&self, f: impl Fn(f64) -> (f64, f64)) -> Self {
        let (values, outer): (Vec<f64>, Vec<f64>) = self.values.iter().map(|x| f(*x)).unzip();
        let times = |slope: &Vec<f64>| slope.iter().zip(&outer).map(|(a, b)| a * b).collect();
        let slopes = self.slopes.iter().map(|slope| slope.as_ref().map(times)).collect();
        Self { values, slopes }
    }
}

fn sum(terms: &[(f64, &Ket)]) -> Ket {
    let count = terms[0].1.values.len();
    let add = |columns: &[(f64, &Vec<f64>)]| {
        let mut total = vec![0.0; count];
        for (factor, column) in columns {
            total.iter_mut().zip(*column).for_each(|(y, x)| *y += factor * x);
        }
        total
    };
    let values = add(&terms.iter().map(|(c, ket)| (*c, &ket.values)).collect::<Vec<_>>());
    let hats = terms.iter().map(|(_, ket)| ket.slopes.len()).max().unwrap_or(0);
    let slope = |hat: usize| {
        let slopes = terms.iter().filter_map(|(c, ket)| Some((*c, ket.slopes.get(hat)?.as_ref()?)));
        let slopes: Vec<_> = slopes.collect();
        (!slopes.is_empty()).then(|| add(&slopes))
    };
    Ket { values, slopes: (0..hats).map(slope).collect() }
}

fn product(x: &Ket, y: &Ket) -> Ket {
    let times = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>();
    let scaled = |ket: &Ket, by: &Ket| Ket {
        values: times(&ket.values, &by.values),
        slopes: ket.slopes.iter().map(|s| s.as_ref().map(|s| times(s, &by.values))).collect(),
    };
    let both = sum(&[(1.0, &scaled(x, y)), (1.0, &scaled(y, x))]);
    Ket { values: times(&x.values, &y.values), slopes: both.slopes }
}

impl Function {
    fn value_and_slope(self, x: f64) -> (f64, f64) {
        match self {
            Self::Tanh => (libm::tanh(x), 1.0 - libm::tanh(x).powi(2)),
            Self::Sin => (libm::sin(x), libm::cos(x)),
            Self::Cos => (libm::cos(x), -libm::sin(x)),
            Self::Erf => (libm::erf(x), std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-x * x)),
            Self::Square => (x * x - 1.0, 2.0 * x),
            Self::Cube => (x.powi(3) / 3.0, x * x),
            Self::Relu | Self::Abs | Self::Sign => unreachable!("only smooth functions here"),
        }
    }
}

impl Pair {
    /// ψ(u, v) without the factor x, and its derivative in u.
    fn value_and_slope(self, u: f64, v: f64) -> (f64, f64) {
        match self {
            Self::Tanh => {
                let value = libm::tanh(u * v + 0.5);
                (value, v * (1.0 - value * value))
            }
            Self::Sin => (libm::sin(u + v), libm::cos(u + v)),
            Self::Product => (u * v, v),
            Self::Relu => unreachable!("only smooth functions here"),
        }
    }
}
