//! Replicates, their errors, and the number of particles that a tolerance needs.

use super::each::Each;
use super::exact::{Known, Method, known};
use super::forms::Forms;
use super::random::RandomLaw;
use super::risks::{Risk, risks};
use super::sample::{EXECUTION, Estimate, Measured, Part, Sample, Size, error, measured, run};
use super::spaces::columns;
use super::tails::tails;
use crate::codegen::{ExecError, estimate as cost};
use crate::ir::{Ir, Node, NodeId, Prim, Program};
use crate::num::stats::{Moments, Summary};
use ndarray::ArrayD;
use std::rc::Rc;

/// What decides how the limit is evaluated.
#[derive(Clone, Debug)]
pub struct LimitOptions {
    /// The error asked for, relative to max(1, |value|); particles are doubled until it is met.
    pub tol: Option<f64>,
    /// The seed of the particles.
    pub seed: u64,
    /// The number of particles of each replicate to begin with; more where a program has many columns.
    pub particles: usize,
    /// The largest number of particles to try.
    pub most: usize,
    /// Blocks of these particles; without a number, as suits the program.
    pub blocks: Option<usize>,
    /// Independent replicates, at least 2.
    pub replicates: usize,
    /// Draws of the Gaussian numbers of a program that has some: replicates, each with numbers of its own.
    pub draws: usize,
    /// The most evaluations of entrywise functions for one number of particles, over all replicates: a bound on time.
    pub effort: f64,
    /// Bytes that may be used.
    pub memory: f64,
    /// Which rungs of the ladder are used.
    pub rungs: Rungs,
}

/// Which rungs of the ladder are used: symmetry, closed forms, quadrature, particles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rungs {
    /// The first that gives a number.
    #[default]
    All,
    /// All but particles: what they would be needed for is an error.
    Exact,
    /// Exact ones, with integrals also where there are closed forms.
    Quadrature,
    /// Particles only.
    Particles,
}

impl LimitOptions {
    /// The size to begin with: fewer particles than were asked for where those take too long.
    fn first_size(&self, asked: &Forms) -> Size {
        if !is_sampled(&asked.ir, &asked.roots) {
            return NOTHING_RANDOM;
        }
        let mut particles = self.particles.min(self.most);
        while particles / 2 >= FEWEST && self.excludes(asked, self.size(asked, particles)) {
            particles /= 2;
        }
        self.size(asked, particles)
    }

    /// Whether this takes too long.
    fn excludes(&self, asked: &Forms, size: Size) -> bool {
        let runs = (self.replicates * size.blocks) as f64;
        evaluations(asked, size.n) * runs > self.effort
    }

    /// So many particles in as many blocks as were asked for. Otherwise blocks are small where most work is with pairs of
    /// particles, and there are more where the columns of a space need more particles.
    fn size(&self, asked: &Forms, particles: usize) -> Size {
        if let Some(blocks) = self.blocks {
            return Size { n: particles.div_ceil(blocks).max(SMALLEST), blocks };
        }
        let n = if has_pairs(asked) { particles.min(BLOCK) } else { particles };
        let columns = columns(&asked.ir, &asked.roots).into_iter().max().unwrap_or(0);
        let enough = particles.max(columns * PER_COLUMN);
        Size { n, blocks: enough.div_ceil(n).next_power_of_two() }
    }
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            tol: None,
            seed: 0,
            particles: 4096,
            blocks: None,
            most: 65_536,
            replicates: 8,
            draws: 256,
            effort: 5e9,
            memory: f64::INFINITY,
            rungs: Rungs::All,
        }
    }
}

/// The fewest particles in a block.
const SMALLEST: usize = 16;
/// Particles in a block where there is work for every pair of them. A mean over the second particle has a random error of
/// this to the power −1/2, but what it is used for is averaged over all blocks.
const BLOCK: usize = 512;
/// Particles in all blocks for each column of a space, at least: the bias is of the order of 1 over this.
const PER_COLUMN: usize = 2;
/// Roots of an `expect`: expression, value, deviation.
const EXPECT_ROOTS: usize = 3;
/// With fewer particles a tail is not measured.
const TAIL_PARTICLES: usize = 1024;
/// With fewer particles a limit says nothing.
const FEWEST: usize = 256;
/// One particle shows what does not depend on any.
const NOTHING_RANDOM: Size = Size { n: 1, blocks: 1 };

/// The limit of one output.
#[derive(Clone, Debug)]
pub struct LimitOutput {
    /// The output's name.
    pub name: String,
    /// Static sizes.
    pub shape: Vec<usize>,
    /// Row-major values; empty for a vec.
    pub values: Vec<f64>,
    /// One error for each value: √(se² + b²), b the change from half as many particles (the mean of both halves).
    pub errors: Each<f64>,
    /// How each value, or the mean of each ket, was found.
    pub methods: Each<&'static str>,
    /// For each static entry of a vec, the summary of its ket.
    pub kets: Vec<Summary>,
    /// For each static entry of a vec, the error of each of its summary's numbers.
    pub ket_errors: Vec<[f64; Summary::NUMBERS]>,
    /// Of scalars that stay random, their law; then `values` are its means.
    pub law: Option<RandomLaw>,
}

/// The limit of one `expect`, entry by entry.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The limit of the expression.
    pub values: Vec<f64>,
    /// What it should be.
    pub expected: Vec<f64>,
    /// The limit of the difference.
    pub deviations: Vec<f64>,
    /// The error of the difference.
    pub errors: Vec<f64>,
}

/// All limits of a program.
#[derive(Clone, Debug)]
pub struct Limits {
    /// In source order.
    pub outputs: Vec<LimitOutput>,
    /// In source order.
    pub expects: Vec<Expected>,
    /// Particles of each replicate in the end; 0 if nothing had to be sampled.
    pub particles: usize,
    /// Blocks that they are in.
    pub blocks: usize,
    /// Replicates.
    pub replicates: usize,
    /// Whether each replicate has Gaussian numbers of its own.
    pub random: bool,
    /// Whether the tolerance was met; true if none was asked for.
    pub met: bool,
}

/// Why a limit cannot be given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LimitError {
    /// A function jumps, or has a pole, at the limit of its argument.
    #[error("a function is not continuous at the limit of its argument")]
    Discontinuous {
        /// The operation.
        node: NodeId,
        /// The limit of its argument.
        value: f64,
        /// The error of that.
        error: f64,
        /// A pole rather than a jump.
        pole: bool,
    },
    /// A mean does not exist.
    #[error("a mean does not exist")]
    NoMean {
        /// The mean, or the product with a matrix.
        node: NodeId,
    },
    /// A mean that few particles make.
    #[error("particles do not show a mean")]
    Uneven {
        /// The mean, or the product with a matrix.
        node: NodeId,
        /// As many particles of equal size would make as even a mean.
        count: f64,
        /// Particles in all.
        all: usize,
    },
    /// Only exact rungs are asked for, and they do not reach.
    #[error("this needs particles")]
    NotExact {
        /// The first value that has no exact limit.
        node: NodeId,
    },
    /// The particles do not fit into memory.
    #[error("{bytes:.1e} bytes are needed and {memory:.1e} are there")]
    Memory {
        /// Bytes that are needed.
        bytes: f64,
        /// Bytes that may be used.
        memory: f64,
    },
    /// The execution failed.
    #[error(transparent)]
    Execution(#[from] ExecError),
}

/// Evaluates a leading-order program: particles are doubled until the tolerance is met and the error of every `expect`
/// is at most half of its own.
///
/// # Errors
/// A value that is not finite, or a function that is not continuous at the limit of its argument.
pub fn evaluate(program: &Program, options: &LimitOptions) -> Result<Limits, LimitError> {
    let mut ir = program.ir.clone();
    let mut roots: Vec<NodeId> = program.outputs.iter().map(|output| output.node).collect();
    for expect in &program.expects {
        // replicate by replicate, so that errors that both sides share cancel
        let deviation = ir.apply(Prim::Sub, &[expect.node, expect.value]);
        roots.extend([expect.node, expect.value, deviation]);
    }
    roots.extend(program.covariances.iter().flatten());
    let risks = risks(&mut ir, &roots);
    let known = known_values(&ir, &roots, &risks, options)?;
    let asked = to_sample(&mut ir, &roots, &known);
    let samples = is_sampled(&asked.ir, &asked.roots);
    let random = is_random(&asked.ir, &asked.roots);
    let replicates = if random { options.draws } else { options.replicates };
    let options = &LimitOptions { replicates, ..options.clone() };
    let mut size = options.first_size(&asked);
    check_memory(&asked, size, options)?;
    check_risks(&mut ir, &risks, &known, options)?;
    check_tails(&ir, &roots, &known, size, options)?;
    loop {
        let measured = measured_or_known(&roots, &asked, &known, size, options)?;
        let Measured { whole, errors, .. } = &measured;
        let is_finite =
            |errors: &Each<f64>| errors.distinct().iter().all(|error| error.is_finite());
        if let Some(at) = errors.iter().position(|own| !is_finite(own)) {
            return Err(ExecError::NonFinite { node: roots[at] }.into());
        }
        let met = options.tol.is_none_or(|tol| is_met(whole, errors, tol));
        let enough = met && are_decided(program, errors);
        let twice = options.size(&asked, 2 * size.particles());
        if enough
            || !samples
            || random
            || twice.particles() > options.most
            || options.excludes(&asked, twice)
            || check_memory(&asked, twice, options).is_err()
        {
            let (outputs, expects) = collect(program, &ir, &roots, measured, known);
            return Ok(Limits {
                outputs,
                expects,
                particles: if samples { size.particles() } else { 0 },
                blocks: size.blocks,
                replicates: if samples { options.replicates.max(2) } else { 1 },
                random,
                met,
            });
        }
        size = twice;
    }
}

/// What needs no sample, of the results and of arguments at which a function must be continuous.
fn known_values(
    ir: &Ir,
    roots: &[NodeId],
    risks: &[Risk],
    options: &LimitOptions,
) -> Result<Known, LimitError> {
    if options.rungs == Rungs::Particles {
        return Ok(Known::default());
    }
    let risky = risks.iter().flat_map(|risk| risk.coefficients.iter().copied());
    let all: Vec<NodeId> = roots.iter().copied().chain(risky).collect();
    let known = known(ir, &all, options.rungs != Rungs::Quadrature);
    match known.unknown.filter(|_| options.rungs != Rungs::All) {
        Some(node) if !roots.iter().all(|root| known.is_known(*root)) => {
            Err(LimitError::NotExact { node })
        }
        _ => Ok(known),
    }
}

/// What has to be sampled for the roots: zeros in the place of those that are known.
fn to_sample(ir: &mut Ir, roots: &[NodeId], known: &Known) -> Forms {
    let one = |root: &NodeId| match known.is_known(*root) {
        true => ir.zeros(ir.shape(*root).clone()),
        false => *root,
    };
    let asked: Vec<NodeId> = roots.iter().map(one).collect();
    Forms::of(ir, &asked)
}

/// Samples of what is asked, and what is known of the roots.
fn measured_or_known(
    roots: &[NodeId],
    asked: &Forms,
    known: &Known,
    size: Size,
    options: &LimitOptions,
) -> Result<Measured, LimitError> {
    let mut found = if roots.iter().all(|root| known.is_known(*root)) {
        Measured::nothing(roots.len())
    } else {
        measured(asked, size, options)?
    };
    found.replace(roots, known);
    Ok(found)
}

/// Evaluations of entrywise functions in one block; 0 where they cannot be told.
fn evaluations(asked: &Forms, n: usize) -> f64 {
    let taken = cost(&asked.ir, &asked.roots, n, &EXECUTION, false);
    taken.map_or(0.0, |taken| taken.evaluations)
}

/// Whether most work is with pairs of particles, in blocks of the size that is then taken.
fn has_pairs(asked: &Forms) -> bool {
    evaluations(asked, 2 * BLOCK) > 3.0 * evaluations(asked, BLOCK)
}

/// Refuses before anything is allocated: arrays of each replicate that runs, and the columns of its matrices.
fn check_memory(asked: &Forms, size: Size, options: &LimitOptions) -> Result<(), LimitError> {
    // inputs and images, and the same in the bases of all columns
    let columns = 2 * columns(&asked.ir, &asked.roots).iter().sum::<usize>();
    let taken = cost(&asked.ir, &asked.roots, size.n, &EXECUTION, false);
    let taken = taken.map_err(|error| asked.in_program(error))?;
    let numbers = taken.numbers + columns as f64 * size.n as f64;
    let parallel = match size.blocks {
        1 => options.replicates.min(rayon::current_num_threads()),
        blocks => blocks,
    } as f64;
    let (bytes, memory) = (8.0 * parallel * numbers, options.memory);
    if bytes > memory { Err(LimitError::Memory { bytes, memory }) } else { Ok(()) }
}

/// Whether one of these values depends on anything random.
fn is_sampled(ir: &Ir, roots: &[NodeId]) -> bool {
    ir.reachable(roots).iter().any(|id| matches!(ir.node(*id), Node::Init(_)))
}

/// Whether one of these values depends on a Gaussian number.
fn is_random(ir: &Ir, roots: &[NodeId]) -> bool {
    ir.reachable(roots)
        .iter()
        .any(|id| matches!(ir.node(*id), Node::Init(init) if ir.init(*init).shape.width == 0))
}

fn is_met(whole: &Sample, errors: &[Each<f64>], tol: f64) -> bool {
    let fine = |(value, error): (&f64, f64)| error <= tol * value.abs().max(1.0);
    whole
        .estimates
        .iter()
        .zip(errors)
        .all(|(estimate, errors)| estimate.mean.iter().zip(errors.iter()).all(fine))
}

/// Whether every `expect` can be told from the error of its deviation.
fn are_decided(program: &Program, errors: &[Each<f64>]) -> bool {
    let expects =
        program.outputs.len()..program.outputs.len() + EXPECT_ROOTS * program.expects.len();
    let deviations = errors[expects].chunks(EXPECT_ROOTS).map(|roots| &roots[2]);
    let worst = |errors: &Each<f64>| errors.distinct().iter().copied().fold(0.0, f64::max);
    deviations.zip(&program.expects).all(|(errors, expect)| 2.0 * worst(errors) <= expect.tolerance)
}

/// Refuses where a function is not continuous at the limit of its argument. This comes first: at a pole the rest may
/// not even be finite.
fn check_risks(
    ir: &mut Ir,
    risks: &[Risk],
    known: &Known,
    options: &LimitOptions,
) -> Result<(), LimitError> {
    if risks.is_empty() {
        return Ok(());
    }
    let scalars: Vec<NodeId> = risks.iter().flat_map(|risk| risk.coefficients.clone()).collect();
    let asked = to_sample(ir, &scalars, known);
    let size = match is_sampled(&asked.ir, &asked.roots) {
        true => options.size(&asked, options.particles),
        false => NOTHING_RANDOM,
    };
    let Measured { whole, errors, .. } = measured_or_known(&scalars, &asked, known, size, options)?;
    let mut next = 0;
    for risk in risks {
        let own = next..next + risk.coefficients.len();
        next = own.end;
        let entries = ir.shape(risk.coefficients[0]).entries();
        let refused = (0..entries).find_map(|entry| {
            let number = |k: usize| {
                if is_random(ir, &[risk.coefficients[k - own.start]]) {
                    // 0 with probability 0, or in every draw
                    let values = whole.values.iter().map(|values| values[k].iter().nth(entry));
                    let values = values.flatten().copied();
                    return (values.min_by(|x, y| x.abs().total_cmp(&y.abs())).unwrap_or(0.0), 0.0);
                }
                (whole.estimates[k].mean[entry], errors[k][entry])
            };
            let numbers: Vec<(f64, f64)> = own.clone().map(number).collect();
            let is_zero = |(value, error): &(f64, f64)| value.abs() <= 4.0 * error + 1e-12;
            let zero: Vec<bool> = numbers.iter().map(is_zero).collect();
            risk.decides(ir, &zero).then(|| numbers.into_iter().find(is_zero)).flatten()
        });
        if let Some((value, error)) = refused {
            let (node, pole) = (risk.used, risk.pole);
            return Err(LimitError::Discontinuous { node, value, error, pole });
        }
    }
    Ok(())
}

/// Refuses means that do not exist, or that particles do not show.
fn check_tails(
    ir: &Ir,
    roots: &[NodeId],
    known: &Known,
    mut size: Size,
    options: &LimitOptions,
) -> Result<(), LimitError> {
    let sampled = roots.iter().copied().filter(|root| !known.is_known(*root));
    let tails = tails(ir, roots, &sampled.collect::<Vec<_>>());
    if tails.is_empty() {
        return Ok(());
    }
    let values: Vec<NodeId> = tails.iter().map(|tail| tail.value).collect();
    if size.particles() < TAIL_PARTICLES {
        size = Size { n: TAIL_PARTICLES.min(options.particles), blocks: 1 };
    }
    let sample = run(ir, &values, size, &[Part::Whole], options.replicates, options.seed)?;
    for (k, tail) in tails.iter().enumerate() {
        let columns: Vec<&ArrayD<f64>> = sample.values.iter().map(|values| &values[k]).collect();
        if let Some(fault) = tail.fault(&columns) {
            return Err(fault);
        }
    }
    Ok(())
}

/// Results; the last roots are the covariances of Gaussian outputs.
fn collect(
    program: &Program,
    ir: &Ir,
    roots: &[NodeId],
    mut measured: Measured,
    known: Known,
) -> (Vec<LimitOutput>, Vec<Expected>) {
    let estimates = std::mem::take(&mut measured.whole.estimates);
    let methods: Vec<Each<&'static str>> = roots
        .iter()
        .zip(estimates.iter().zip(&measured.errors))
        .map(|(root, (estimate, errors))| methods(ir, *root, &known, (&estimate.mean, errors)))
        .collect();
    // what is known is large, and moves to the results
    drop(known);
    let mean = |estimate: Estimate| Rc::unwrap_or_clone(estimate.mean);
    let mut means: Vec<Vec<f64>> = estimates.into_iter().map(mean).collect();
    let mut covariance = program.outputs.len() + EXPECT_ROOTS * program.expects.len()..roots.len();
    let mut outputs = Vec::new();
    for (root, output) in program.outputs.iter().enumerate() {
        let shape = ir.shape(output.node);
        let wide = shape.width > 0;
        let mut law = (!wide && is_random(ir, &[output.node]))
            .then(|| RandomLaw::of(&measured.whole.values, root));
        if program.covariances.get(root).is_some_and(Option::is_some) {
            let at = covariance.next().expect("each covariance is a root");
            let law = law.as_mut().expect("a Gaussian number is random");
            law.gaussian = true;
            law.covariance = std::mem::take(&mut means[at]);
            law.covariance_errors = measured.errors[at].to_vec();
            law.covariance_methods = methods[at].to_vec();
        }
        outputs.push(LimitOutput {
            name: output.name.clone(),
            shape: shape.stat.clone(),
            values: if wide { Vec::new() } else { std::mem::take(&mut means[root]) },
            errors: if wide { Each::default() } else { measured.errors[root].clone() },
            methods: methods[root].clone(),
            ket_errors: if wide { ket_errors(&measured, root) } else { Vec::new() },
            kets: if wide { kets(&measured.whole.values, root) } else { Vec::new() },
            law,
        });
    }
    let expect = |k: usize| {
        let first = program.outputs.len() + EXPECT_ROOTS * k;
        let mut mean = |root: usize| std::mem::take(&mut means[first + root]);
        let errors = measured.errors[first + 2].to_vec();
        Expected { values: mean(0), expected: mean(1), deviations: mean(2), errors }
    };
    (outputs, (0..program.expects.len()).map(expect).collect())
}

/// How each entry was found; what is 0 on all particles is so by symmetry.
fn methods(
    ir: &Ir,
    node: NodeId,
    known: &Known,
    (values, errors): (&[f64], &Each<f64>),
) -> Each<&'static str> {
    let known = known.entries(node);
    if let Some(Each::Shared(method, count)) = known.map(|entries| &entries.methods)
        && *method != Method::Exact
    {
        return Each::Shared(method.name(), *count);
    }
    let sampled = is_sampled(ir, &[node]);
    let drawn = is_random(ir, &[node]);
    let of = |(k, (value, error)): (usize, (&f64, f64))| {
        let known = known.filter(|entries| entries.is_known(k));
        let method = match known.map(|entries| entries.methods[k]) {
            // the analysis saw it vanish
            Some(Method::Exact) if *value == 0.0 => Method::Symmetry,
            Some(method) => method,
            None if *value == 0.0 && error == 0.0 => Method::Symmetry,
            None if !sampled => Method::Exact,
            None if drawn => Method::Draws,
            None => Method::Particles,
        };
        method.name()
    };
    values.iter().zip(errors.iter()).enumerate().map(of).collect::<Vec<_>>().into()
}

/// Each column of a vec: by static entry, then by replicate.
fn columns_of(values: &[Vec<ArrayD<f64>>], root: usize) -> Vec<Vec<Vec<f64>>> {
    let n = values[0][root].shape().last().copied().unwrap_or(1);
    let column = |replicate: &Vec<ArrayD<f64>>, entry: usize| {
        replicate[root].iter().skip(entry * n).take(n).copied().collect()
    };
    let entries = 0..values[0][root].len() / n;
    entries.map(|entry| values.iter().map(|values| column(values, entry)).collect()).collect()
}

/// Summaries of the columns of a vec, over all particles of all replicates.
fn kets(values: &[Vec<ArrayD<f64>>], root: usize) -> Vec<Summary> {
    columns_of(values, root).iter().map(|columns| Summary::of(&columns.concat())).collect()
}

/// The errors of their numbers, as those of scalars.
fn ket_errors(measured: &Measured, root: usize) -> Vec<[f64; Summary::NUMBERS]> {
    let moments = |sample: &Sample| -> Vec<[Moments; Summary::NUMBERS]> {
        let scatter = |columns: &Vec<Vec<f64>>| {
            let summaries: Vec<Summary> = columns.iter().map(|x| Summary::of(x)).collect();
            Summary::scatter(&summaries)
        };
        columns_of(&sample.values, root).iter().map(scatter).collect()
    };
    let (whole, halves) = (moments(&measured.whole), moments(&measured.halves));
    let of = |(whole, halves): (&[Moments; Summary::NUMBERS], &[Moments; Summary::NUMBERS])| {
        let one = |k: usize| {
            let stderr = whole[k].stderr().unwrap_or(0.0);
            error(whole[k].mean(), stderr, halves[k].mean())
        };
        std::array::from_fn(one)
    };
    whole.iter().zip(&halves).map(of).collect()
}
