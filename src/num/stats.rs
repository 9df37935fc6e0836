//! Statistics of samples: means with standard errors, quantiles, histograms, powers of n, many tests at once.

use super::special::{normal_cdf, normal_quantile};

/// Mean and variance by Welford's recursion.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    count: usize,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// The moments of some numbers.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut moments = Self::default();
        values.into_iter().for_each(|value| moments.push(value));
        moments
    }

    /// Adds a number.
    pub fn push(&mut self, value: f64) {
        self.count += 1;
        let old = value - self.mean;
        self.mean += old / self.count as f64;
        self.squares += old * (value - self.mean);
    }

    /// How many numbers.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Their unbiased variance; `None` for fewer than two.
    pub fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }

    /// The standard error of the mean; `None` for fewer than two.
    pub fn stderr(&self) -> Option<f64> {
        self.variance().map(|variance| (variance / self.count as f64).sqrt())
    }
}

/// A deviation at some width and its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// The width n.
    pub width: f64,
    /// A positive number that is thought to go like a power of n.
    pub value: f64,
    /// Its standard error; 0 if unknown, then for all.
    pub stderr: f64,
}

/// value ≈ factor · n^power.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// The power of n.
    pub power: f64,
    /// Its standard error: the larger of what the given errors and what the scatter about the line say.
    pub stderr: f64,
    /// The factor.
    pub factor: f64,
}

/// Fits a power of n by least squares in logarithms; `None` without three widths at which the value is positive.
pub fn fit_power(points: &[Deviation]) -> Option<Power> {
    let points: Vec<_> = points.iter().filter(|p| p.value > 0.0 && p.width > 0.0).collect();
    let known = points.iter().all(|p| p.stderr > 0.0);
    let weight = |p: &Deviation| if known { (p.value / p.stderr).powi(2) } else { 1.0 };
    let total: f64 = points.iter().map(|p| weight(p)).sum();
    let mean = |f: &dyn Fn(&Deviation) -> f64| {
        points.iter().map(|p| weight(p) * f(p)).sum::<f64>() / total
    };
    let (x, y) = (|p: &Deviation| libm::log(p.width), |p: &Deviation| libm::log(p.value));
    let (x_mean, y_mean) = (mean(&x), mean(&y));
    let spread = mean(&|p| (x(p) - x_mean).powi(2));
    if points.len() < 3 || spread.is_nan() || spread <= 0.0 {
        return None;
    }
    let power = mean(&|p| (x(p) - x_mean) * (y(p) - y_mean)) / spread;
    let residual = mean(&|p| (y(p) - y_mean - power * (x(p) - x_mean)).powi(2));
    let scatter = residual / spread / (points.len() - 2) as f64;
    let given = if known { 1.0 / (total * spread) } else { 0.0 };
    let factor = libm::exp(y_mean - power * x_mean);
    Some(Power { power, stderr: scatter.max(given).sqrt(), factor })
}

/// The |z| that the largest of `tests` independent standard normal numbers exceeds as often as one exceeds `z` (Šidák).
pub fn sidak(z: f64, tests: usize) -> f64 {
    let one = 2.0 * normal_cdf(-z.abs());
    let each = -libm::expm1(libm::log1p(-one) / tests.max(1) as f64);
    -normal_quantile(0.5 * each)
}

/// The quantile of sorted numbers, linear between neighbours.
///
/// # Panics
/// Without numbers.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let at = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (at - below as f64) * (sorted[above] - sorted[below])
}

/// Counts in bins of equal width.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// The lower end of the first bin.
    pub low: f64,
    /// The upper end of the last bin.
    pub high: f64,
    /// How many numbers in each bin; the last one contains its upper end.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// From the smallest to the largest number.
    pub fn of(values: &[f64], bins: usize) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut counts = vec![0; bins];
        let scale = if high > low { bins as f64 / (high - low) } else { 0.0 };
        for value in values {
            counts[(((value - low) * scale) as usize).min(bins - 1)] += 1;
        }
        Self { low, high, counts }
    }
}

/// The probabilities of the quantiles of a [`Summary`].
pub const PROBABILITIES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// How probable it is that two samples of one law differ as much as these: the two-sample Kolmogorov–Smirnov test, with
/// Stephens' correction for small samples (J. R. Stat. Soc. B 32, 1970). Both samples have at least one number.
pub fn same_law(xs: &[f64], ys: &[f64]) -> f64 {
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_unstable_by(f64::total_cmp);
        values
    };
    let (xs, ys) = (sorted(xs), sorted(ys));
    let (m, n) = (xs.len() as f64, ys.len() as f64);
    let (mut i, mut j, mut distance) = (0, 0, 0.0_f64);
    while i < xs.len() && j < ys.len() {
        let least = xs[i].min(ys[j]);
        i += xs[i..].iter().take_while(|x| **x <= least).count();
        j += ys[j..].iter().take_while(|y| **y <= least).count();
        distance = distance.max((i as f64 / m - j as f64 / n).abs());
    }
    let root = (m * n / (m + n)).sqrt();
    let scaled = (root + 0.12 + 0.11 / root) * distance;
    if scaled < 0.2 {
        return 1.0; // the series converges slowly, to 1 − 1e-12
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * libm::exp(-2.0 * f64::from(k * k) * scaled * scaled)
    };
    (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

/// Bins of the histogram of a [`Summary`].
const BINS: usize = 32;

/// What is shown of a ket: the law that the entries of a vector are drawn from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The mean of the entries.
    pub mean: f64,
    /// Their standard deviation.
    pub std: f64,
    /// Quantiles at [`PROBABILITIES`].
    pub quantiles: [f64; 5],
    /// A histogram.
    pub histogram: Histogram,
}

impl Summary {
    /// How many numbers there are beside the histogram.
    pub const NUMBERS: usize = 7;

    /// Mean, standard deviation and quantiles.
    pub fn numbers(&self) -> [f64; Self::NUMBERS] {
        let [low, lower, median, upper, high] = self.quantiles;
        [self.mean, self.std, low, lower, median, upper, high]
    }

    /// Mean and standard error of each number over independent samples; no error for one sample.
    pub fn scatter(samples: &[Self]) -> [Moments; Self::NUMBERS] {
        std::array::from_fn(|k| Moments::of(samples.iter().map(|sample| sample.numbers()[k])))
    }

    /// Of at least one entry, all finite.
    pub fn of(values: &[f64]) -> Self {
        let moments = Moments::of(values.iter().copied());
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Self {
            mean: moments.mean(),
            std: moments.variance().unwrap_or(0.0).sqrt(),
            quantiles: PROBABILITIES.map(|p| quantile(&sorted, p)),
            histogram: Histogram::of(values, BINS),
        }
    }
}

#[cfg(test)]
mod tests;
