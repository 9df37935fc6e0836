//! The neural-tangent limit by its formula, f_{t+1} − f_t = −η K_Q(χ_t) ([TP4b], Theorem 2.4.9), from scratch:
//!
//! K_Q(χ)_a = Σ_l E dh^l_a x^{l−1}_a Q(Σ_i χ_i dh^l_i x^{l−1}_i), a mean over draws of the Gaussian kets at
//! initialisation, in which dh^l and x^{l−1} are independent. A Q with memory sees all χ so far.

use crate::quadrature::gauss_hermite;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::f64::consts::TAU;
use tpc::num::stats::Moments;

/// Two samples, of which the training is one batch.
pub const INPUTS: [[f64; 2]; 2] = [[0.8, -0.4], [0.3, 1.1]];

/// A number for each sample.
pub type Samples = [f64; 2];

/// What becomes of the gradient of one entry.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    Descent { rate: f64 },
    Sign { rate: f64 },
    Adam { rate: f64, eps: f64 },
}

impl Rule {
    /// In the language of tensor programs.
    pub fn written(self) -> String {
        match self {
            Self::Descent { rate } => format!("sgd(lr = {rate})"),
            Self::Sign { rate } => format!("signsgd(lr = {rate})"),
            Self::Adam { rate, eps } => format!("adam(lr = {rate}, eps = {eps})"),
        }
    }

    /// The sum of the steps that these gradients cause.
    fn steps(self, gradients: impl Iterator<Item = f64>) -> f64 {
        let (beta1, beta2) = (0.9, 0.999);
        let (mut m, mut s, mut power1, mut power2) = (0.0, 0.0, 1.0, 1.0);
        let mut step = |g: f64| match self {
            Self::Descent { rate } => rate * g,
            Self::Sign { .. } if g == 0.0 => 0.0,
            Self::Sign { rate } => rate * g.signum(),
            Self::Adam { rate, eps } => {
                m = beta1 * m + (1.0 - beta1) * g;
                s = beta2 * s + (1.0 - beta2) * g * g;
                power1 *= beta1;
                power2 *= beta2;
                rate * m / (1.0 - power1) / (s / (1.0 - power2) + eps * eps).sqrt()
            }
        };
        gradients.map(&mut step).sum()
    }
}

/// tanh and its derivative.
fn tanh(z: f64) -> (f64, f64) {
    let value = libm::tanh(z);
    (value, 1.0 - value * value)
}

/// A Cholesky factor [[a, 0], [b, c]] of the covariance of two numbers.
fn factor(covariance: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    let a = covariance[0][0].sqrt();
    let b = covariance[0][1] / a;
    [[a, 0.0], [b, (covariance[1][1] - b * b).sqrt()]]
}

/// Gaussian numbers from two independent ones.
fn correlated(factor: [[f64; 2]; 2], z: [f64; 2]) -> Samples {
    factor.map(|row| row[0] * z[0] + row[1] * z[1])
}

/// E f_i f_j of Gaussian numbers with a Cholesky factor.
fn covariance(factor_of: [[f64; 2]; 2], f: impl Fn(f64) -> f64) -> [[f64; 2]; 2] {
    let nodes = gauss_hermite(64);
    let mut result = [[0.0; 2]; 2];
    for (x, x_weight) in &nodes {
        for (y, y_weight) in &nodes {
            let values = correlated(factor_of, [*x, *y]).map(&f);
            for (i, row) in result.iter_mut().enumerate() {
                row.iter_mut()
                    .zip(values)
                    .for_each(|(e, v)| *e += x_weight * y_weight * values[i] * v);
            }
        }
    }
    result
}

/// A tanh network with one or two hidden layers at initialisation.
pub struct Network {
    layers: usize,
    /// Of the second pre-activations, and of the loss derivatives that come back from them.
    second: [[f64; 2]; 2],
    back: [[f64; 2]; 2],
}

impl Network {
    pub fn new(layers: usize) -> Self {
        let inner = |i: usize, j: usize| INPUTS[i][0] * INPUTS[j][0] + INPUTS[i][1] * INPUTS[j][1];
        let first = factor([[inner(0, 0), inner(0, 1)], [inner(1, 0), inner(1, 1)]]);
        let second = factor(covariance(first, |z| tanh(z).0));
        let back = factor(covariance(second, |z| tanh(z).1));
        Self { layers, second, back }
    }

    /// In the language of tensor programs, trained on these targets.
    pub fn program(&self, rule: Rule, targets: Samples, steps: usize) -> String {
        let (param, deep) = match self.layers {
            1 => ("", ""),
            _ => ("  param W : mat;\n", "  h := W @ tanh(h);\n"),
        };
        format!(
            "data xs : scalar[2, 2] = {INPUTS:?};\ndata ys : scalar[2] = {targets:?};\nnet f(x : scalar[d]) {{\n  \
             param U : vec[d];\n{param}  param v : vec;\n  var h = sum[j](U[j] * x[j]);\n{deep}  \
             return sum[a](v[a] * tanh(h[a]));\n}}\ntrain f on (xs, ys) {{ parametrization ntp; center; optimizer {}; \
             steps {steps}; }}\noutput f.train;\n",
            rule.written()
        )
    }

    /// dh_i x_i of one entry of every parameter.
    fn draw(&self, normal: &mut impl FnMut() -> [f64; 2]) -> Vec<Samples> {
        let (u, [v, _]) = (normal(), normal());
        let first = INPUTS.map(|x| tanh(u[0] * x[0] + u[1] * x[1]));
        let of = |f: &dyn Fn(usize) -> f64| [f(0), f(1)];
        let inputs = |dh: Samples| [0, 1].map(|j| of(&|i| dh[i] * INPUTS[i][j]));
        if self.layers == 1 {
            let mut all = inputs(of(&|i| v * first[i].1)).to_vec();
            all.push(of(&|i| first[i].0));
            return all;
        }
        let second = correlated(self.second, normal()).map(tanh);
        let dx = correlated(self.back, normal());
        let mut all = inputs(of(&|i| dx[i] * first[i].1)).to_vec();
        all.push(of(&|i| v * second[i].1 * first[i].0));
        all.push(of(&|i| second[i].0));
        all
    }

    /// −η Σ_t K_Q(χ_t) with its error, from 2^18 draws.
    pub fn moved(&self, rule: Rule, history: &[Samples]) -> [Moments; 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut normal = || {
            let radius = (-2.0 * libm::log(1.0 - rng.random::<f64>())).sqrt();
            let angle = TAU * rng.random::<f64>();
            [radius * libm::cos(angle), radius * libm::sin(angle)]
        };
        let mut moments = [Moments::default(); 2];
        for _ in 0..1 << 18 {
            let mut change = [0.0; 2];
            for of in self.draw(&mut normal) {
                let step = rule.steps(history.iter().map(|chi| chi[0] * of[0] + chi[1] * of[1]));
                change.iter_mut().zip(of).for_each(|(change, of)| *change -= of * step);
            }
            moments.iter_mut().zip(change).for_each(|(moments, change)| moments.push(change));
        }
        moments
    }

    /// f − f_0 after each step of a training by half the squared loss. The errors leave out that of χ, which acts by the
    /// learning rate only.
    pub fn trained(&self, rule: Rule, targets: Samples, steps: usize) -> Vec<[Moments; 2]> {
        let mut history = vec![targets.map(|target| -target)];
        let mut all = Vec::new();
        for _ in 0..steps {
            let moved = self.moved(rule, &history);
            history.push([0, 1].map(|i| moved[i].mean() - targets[i]));
            all.push(moved);
        }
        all
    }
}
