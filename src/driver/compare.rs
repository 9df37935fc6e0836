//! The limit beside finite widths: z-scores and the power of n with which the deviation decays.
//!
//! A scalar of a program deviates from its limit by Õ(n^(−1/2)) (Thm 2.6.10 of [TP4b]), or by what is larger of the terms that
//! were dropped. Per entry and width, t is the
//! difference of the seed mean and the limit over their joint standard error, with Welch–Satterthwaite degrees of
//! freedom; z is the normal number that is exceeded as often.

use crate::finite::{OutputResult, RunResult as Run};
use crate::ir::Exponent;
use crate::ir::scalar::to_f64;
use crate::limit::{Limits, RandomLaw};
use crate::num::special::{normal_quantile, student_to_normal};
use crate::num::stats::{Deviation, Power, fit_power, same_law, sidak};

/// |z| above this, for a single cell, is a disagreement.
const LIMIT_Z: f64 = 4.0;
/// The power of n of the fluctuations of a mean.
const FLUCTUATIONS: Exponent = Exponent::new_raw(-1, 2);
/// A deviation that decays by so much slower than it should is a disagreement.
const MARGIN: f64 = 0.15;

/// One width of one output.
#[derive(Clone, Debug)]
pub struct AtWidth {
    /// The width.
    pub width: usize,
    /// Mean over seeds of each entry.
    pub mean: Vec<f64>,
    /// Its standard error.
    pub stderr: Vec<f64>,
    /// The standard deviation of one seed.
    pub std: Vec<f64>,
    /// The deviation from the limit in standard errors, on the normal scale.
    pub z: Vec<f64>,
    /// Root mean square over seeds and entries of the deviation from the limit.
    pub rms: f64,
}

/// One output against its limit.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// Its static sizes.
    pub shape: Vec<usize>,
    /// The limit of each entry.
    pub limit: Vec<f64>,
    /// Its errors.
    pub errors: Vec<f64>,
    /// How it was found.
    pub methods: Vec<&'static str>,
    /// Whether it stays random: then `limit` is the mean, and z compares laws.
    pub random: bool,
    /// By width.
    pub widths: Vec<AtWidth>,
    /// The fitted power of n of the deviation, where it could be fitted.
    pub power: Option<Power>,
}

/// All outputs against their limits.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// In source order.
    pub outputs: Vec<Compared>,
    /// |z| beyond which a cell disagrees, after Šidák over all cells.
    pub threshold: f64,
    /// The power fitted to the deviation over all outputs.
    pub power: Option<Power>,
    /// The power that the program gives it, of the largest of what follows the leading order, where that is known.
    pub predicted: Option<Exponent>,
}

impl Comparison {
    /// The largest |z|.
    pub fn largest_z(&self) -> f64 {
        let all = self.outputs.iter().flat_map(|output| &output.widths).flat_map(|width| &width.z);
        all.fold(0.0, |most: f64, z| if z.is_nan() { f64::INFINITY } else { most.max(z.abs()) })
    }

    /// Whether some |z| is too large.
    pub fn z_is_off(&self) -> bool {
        !self.is_biased() && self.largest_z() > self.threshold
    }

    /// Whether widths differ from the limit by more than fluctuations, so that z says nothing and the power all.
    pub fn is_biased(&self) -> bool {
        self.power.is_some() && self.predicted.is_some_and(|predicted| predicted > FLUCTUATIONS)
    }

    /// Whether the deviation decays too slowly.
    pub fn power_is_off(&self) -> bool {
        self.power.zip(self.predicted).is_some_and(|(power, predicted)| {
            power.power - 2.0 * power.stderr > to_f64(predicted) + MARGIN
        })
    }

    /// Whether it decays faster than it should, which is no disagreement: the first correction may be small.
    pub fn power_is_fast(&self) -> bool {
        self.power.zip(self.predicted).is_some_and(|(power, predicted)| {
            power.power + 2.0 * power.stderr < to_f64(predicted) - MARGIN
        })
    }
}

/// Compares runs over seeds with the limits of the same program; `corrections` are the powers of n with which its outputs
/// tend to their limits.
pub fn compare(limits: &Limits, runs: &[Run], corrections: &[Option<Exponent>]) -> Comparison {
    let freedom = limits.replicates.saturating_sub(1).max(1) as f64;
    let mut outputs: Vec<Compared> = Vec::new();
    for (position, limit) in limits.outputs.iter().enumerate() {
        let (values, errors) = match limit.kets.as_slice() {
            [] => (limit.values.clone(), limit.errors.to_vec()),
            kets => (
                kets.iter().map(|ket| ket.mean).collect(),
                limit.ket_errors.iter().map(|errors| errors[0]).collect(),
            ),
        };
        let at = |run: &Run| {
            let mut at = at_width(run, position, (&values, &errors), freedom);
            if let Some(law) = &limit.law {
                compare_laws(&mut at, &run.outputs[position], law);
            }
            at
        };
        let widths: Vec<AtWidth> = runs.iter().map(at).collect();
        let points: Vec<_> = widths.iter().map(|at| (at.width, at.rms)).collect();
        let power = match limit.law {
            Some(_) => None,
            None => decay(&points, (&values, &errors), runs),
        };
        outputs.push(Compared {
            name: limit.name.clone(),
            shape: limit.shape.clone(),
            limit: values,
            errors,
            methods: limit.methods.to_vec(),
            random: limit.law.is_some(),
            widths,
            power,
        });
    }
    let cells = outputs.iter().flat_map(|o| &o.widths).map(|w| w.z.len()).sum::<usize>();
    let power = overall(&outputs, runs);
    let judged = corrections.iter().zip(&outputs).filter(|(_, output)| output.power.is_some());
    let known: Option<Vec<Exponent>> = judged.map(|(power, _)| *power).collect();
    let predicted = known.and_then(|known| known.into_iter().max());
    Comparison { outputs, threshold: sidak(LIMIT_Z, cells.max(1)), power, predicted }
}

fn at_width(
    run: &Run,
    position: usize,
    (limit, errors): (&[f64], &[f64]),
    freedom: f64,
) -> AtWidth {
    let output = &run.outputs[position];
    let seeds = run.seeds.len() as f64;
    let mean = output.mean.clone();
    let stderr = output.stderr.clone().unwrap_or_else(|| vec![0.0; mean.len()]);
    let z = (0..mean.len())
        .map(|k| {
            let rounding = 1e-6 * mean[k].abs().max(limit[k].abs()).max(f64::MIN_POSITIVE);
            let (a, b) = (stderr[k].powi(2), errors[k].powi(2) + rounding * rounding);
            if mean[k] == limit[k] {
                return 0.0;
            }
            let t = (mean[k] - limit[k]) / (a + b).sqrt();
            let degrees = (a + b).powi(2) / (a * a / (seeds - 1.0).max(1.0) + b * b / freedom);
            student_to_normal(t, degrees)
        })
        .collect();
    let rms = rms_deviation(output, limit);
    let std = stderr.iter().map(|stderr| stderr * seeds.sqrt()).collect();
    AtWidth { width: run.width, mean, stderr, std, z, rms }
}

/// Puts in the place of z how improbable it is that seeds and draws have one law, unless all draws are equal.
fn compare_laws(at: &mut AtWidth, output: &OutputResult, law: &RandomLaw) {
    for (k, z) in at.z.iter_mut().enumerate() {
        let entry = &law.entries[k];
        if entry.std <= 1e-6 * entry.mean.abs() {
            continue;
        }
        let seeds: Vec<f64> = output.values.iter().map(|values| values[k]).collect();
        let draws: Vec<f64> = law.draws.iter().map(|values| values[k]).collect();
        let chance = same_law(&seeds, &draws).max(f64::MIN_POSITIVE);
        *z = -normal_quantile(chance / 2.0).copysign(at.mean[k] - entry.mean);
    }
}

/// Root mean square over seeds and entries of the deviation; of a vec, of its mean.
fn rms_deviation(output: &OutputResult, limit: &[f64]) -> f64 {
    let mut squares = 0.0;
    for seed in &output.values {
        let inner = seed.len() / limit.len().max(1);
        for (entry, limit) in seed.chunks(inner.max(1)).zip(limit) {
            let mean = entry.iter().sum::<f64>() / entry.len() as f64;
            squares += (mean - limit).powi(2);
        }
    }
    let count = output.values.len() * limit.len();
    (squares / count.max(1) as f64).sqrt()
}

/// The fitted power of a deviation that stands out from the limit's own error and from rounding. Entries and outputs of
/// one network move together, so the standard error counts seeds only.
fn decay(
    points: &[(usize, f64)],
    (limit, errors): (&[f64], &[f64]),
    runs: &[Run],
) -> Option<Power> {
    let count = limit.len().max(1) as f64;
    let error = (errors.iter().map(|e| e * e).sum::<f64>() / count).sqrt();
    let size = limit.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let clear = |rms: f64| rms > 3.0 * error && rms > 1e-6 * size && rms > 1e-12;
    if points.len() < 3 || !points.iter().all(|(_, rms)| clear(*rms)) {
        return None;
    }
    let point = |(position, (width, rms)): (usize, &(usize, f64))| {
        let seeds = runs[position].seeds.len().max(2) as f64;
        Deviation {
            width: *width as f64,
            value: (rms * rms - error * error).sqrt(),
            stderr: rms / (2.0 * seeds).sqrt(),
        }
    };
    fit_power(&points.iter().enumerate().map(point).collect::<Vec<_>>())
}

/// The power of the RMS deviation over all outputs whose deviation can be fitted.
fn overall(outputs: &[Compared], runs: &[Run]) -> Option<Power> {
    let fitted: Vec<&Compared> = outputs.iter().filter(|output| output.power.is_some()).collect();
    if fitted.is_empty() {
        return None;
    }
    // Each output relative to its largest deviation, so that large ones do not hide the others.
    let scale = |output: &Compared| output.widths.iter().map(|at| at.rms).fold(0.0, f64::max);
    let point = |position: usize| {
        let squares =
            fitted.iter().map(|output| (output.widths[position].rms / scale(output)).powi(2));
        let rms = (squares.sum::<f64>() / fitted.len() as f64).sqrt();
        let seeds = runs[position].seeds.len().max(2) as f64;
        Deviation {
            width: runs[position].width as f64,
            value: rms,
            stderr: rms / (2.0 * seeds).sqrt(),
        }
    };
    fit_power(&(0..runs.len()).map(point).collect::<Vec<_>>())
}
