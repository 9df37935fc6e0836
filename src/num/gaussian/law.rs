//! Gaussian laws of a few numbers, and what factors of an integrand turn them into.

use super::density;

/// A variance below this fraction of what it was is rounding.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

/// Means and covariances; variances may be 0 and numbers dependent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normal {
    mean: Vec<f64>,
    covariance: Vec<Vec<f64>>,
    /// Numbers that a condition made 0.
    pinned: Vec<usize>,
}

impl Normal {
    /// From means and the rows of a covariance matrix.
    pub fn new(mean: Vec<f64>, covariance: Vec<Vec<f64>>) -> Self {
        Self { mean, covariance, pinned: Vec::new() }
    }

    /// How many numbers there are.
    pub fn count(&self) -> usize {
        self.mean.len()
    }

    /// E z.
    pub fn mean(&self, z: usize) -> f64 {
        self.mean[z]
    }

    /// Cov(x, y).
    pub fn covariance(&self, x: usize, y: usize) -> f64 {
        self.covariance[x][y]
    }

    /// √Var z.
    pub fn deviation(&self, z: usize) -> f64 {
        self.covariance[z][z].max(0.0).sqrt()
    }

    /// Whether z has variance 0.
    pub fn is_constant(&self, z: usize) -> bool {
        self.covariance[z][z] <= 0.0
    }

    /// The same with means that are higher by `x` times these.
    #[must_use]
    pub fn shifted(&self, by: &[f64], x: f64) -> Self {
        let mean = self.mean.iter().zip(by).map(|(mean, by)| mean + x * by).collect();
        Self { mean, ..self.clone() }
    }

    /// The same with another mean of z.
    #[must_use]
    pub fn with_mean(&self, z: usize, more: f64) -> Self {
        let mut law = self.clone();
        law.mean[z] += more;
        law
    }

    /// The same with another covariance.
    #[must_use]
    pub fn with_covariance(&self, x: usize, y: usize, more: f64) -> Self {
        let mut law = self.clone();
        law.covariance[x][y] += more;
        if x != y {
            law.covariance[y][x] += more;
        }
        law
    }

    /// Whether a condition made z 0: where two functions jump at one place, the product rule takes the middle of the other.
    pub(super) fn is_pinned(&self, z: usize) -> bool {
        self.pinned.contains(&z)
    }

    /// The position of a new number c·z + d.
    pub fn with_multiple(&mut self, z: usize, factor: f64, shift: f64) -> usize {
        let row: Vec<f64> = self.covariance[z].iter().map(|c| factor * c).collect();
        let variance = factor * factor * self.covariance[z][z];
        self.push(factor * self.mean[z] + shift, row, variance)
    }

    /// The position of a new number z + ε, ε independent of mean 0.
    pub(super) fn with_noise(&mut self, z: usize, variance: f64) -> usize {
        let row = self.covariance[z].clone();
        let variance = row[z] + variance;
        self.push(self.mean[z], row, variance)
    }

    fn push(&mut self, mean: f64, row: Vec<f64>, variance: f64) -> usize {
        for (own, covariance) in self.covariance.iter_mut().zip(&row) {
            own.push(*covariance);
        }
        self.mean.push(mean);
        self.covariance.push([row, vec![variance]].concat());
        self.mean.len() - 1
    }

    /// The law under which E F is E e^z F / E e^z; gives E e^z.
    pub(super) fn tilt(&mut self, z: usize) -> f64 {
        let height = libm::exp(self.mean[z] + 0.5 * self.covariance[z][z]);
        for (mean, covariance) in self.mean.iter_mut().zip(&self.covariance[z]) {
            *mean += covariance;
        }
        height
    }

    /// The law under which E F is E e^{−z²} F / E e^{−z²}; gives E e^{−z²}.
    pub(super) fn narrow(&mut self, z: usize) -> f64 {
        let wider = 1.0 + 2.0 * self.covariance[z][z];
        let mean = self.mean[z];
        self.update(z, 0.5, mean);
        libm::exp(-mean * mean / wider) / wider.sqrt()
    }

    /// The law given z = 0, and the density of that; `None` where z is a constant.
    pub fn condition(&mut self, z: usize) -> Option<f64> {
        if self.is_constant(z) {
            return None;
        }
        let height = density(self.mean[z], self.deviation(z));
        let mean = self.mean[z];
        let before: Vec<f64> = (0..self.count()).map(|k| self.covariance[k][k]).collect();
        let means = self.mean.clone();
        self.update(z, 0.0, mean);
        for k in 0..self.count() {
            if k == z || self.covariance[k][k] <= ROUNDING * before[k] {
                self.covariance[k].fill(0.0);
                self.covariance.iter_mut().for_each(|row| row[k] = 0.0);
                let rounding = ROUNDING * (means[k].abs() + before[k].max(0.0).sqrt());
                if k == z || self.mean[k].abs() <= rounding {
                    self.mean[k] = 0.0;
                    self.pinned.push(k);
                }
            }
        }
        Some(height)
    }

    /// C − C·ᵣ Cᵣ·/v and µ − m C·ᵣ/v, v = Cᵣᵣ + `more`: with products taken exactly, so that a small rest of a variance keeps its
    /// digits.
    fn update(&mut self, z: usize, more: f64, mean: f64) {
        let column = self.covariance[z].clone();
        let divisor = column[z] + more;
        for (k, row) in self.covariance.iter_mut().enumerate() {
            for (entry, other) in row.iter_mut().zip(&column) {
                let rest = difference_of_products(*entry, column[z], column[k], *other);
                *entry = (rest + *entry * more) / divisor;
            }
            self.mean[k] -= mean * column[k] / divisor;
        }
    }
}

/// ab − cd to the last digit, by Kahan's method with fused products (Jeannerod, Louvet & Muller 2013).
pub(super) fn difference_of_products(a: f64, b: f64, c: f64, d: f64) -> f64 {
    let product = c * d;
    let error = libm::fma(c, d, -product);
    libm::fma(a, b, -product) - error
}
