//! The verdict on an abcd-parametrization: is a trained net stable, faithful, nontrivial, and does it learn features?
//!
//! Nothing here knows about layers. Two sizes are found for every value of the unrolled program, that of the net at rest
//! (every step replaced by 0) and that of the change which the steps make, and the definitions of section 2.8 of [TP4b]
//! are read off these sizes. For the multilayer perceptron that gives Lemmas 2.8.10–11 and Theorems 2.8.12, 2.8.15 and
//! 2.8.19, which are the test. What is formal about it stands in docs/theory/parametrizations.md.

mod contract;
mod degree;
mod entrywise;
mod failure;
mod feature;
mod flow;
mod growth;
mod mark;
mod repair;
mod size;
mod story;

pub use failure::{Condition, Failure};
pub use repair::Repair;
pub use size::{Size, Sizes};

pub use crate::ir::training::{TrainedParam, Training};

use crate::ir::{Exponent, NodeId, Program};
use crate::source::{SourceMap, Span};
use flow::{Flow, Shifts};
use mark::Marked;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// What a nontrivial, stable and faithful parametrization does (Theorem 2.8.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// Some pre-activation changes by Θ(1).
    FeatureLearning,
    /// None does, but the prediction does.
    Operator,
    /// Unstable, unfaithful or trivial.
    None,
}

impl Regime {
    /// As `tpc check` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FeatureLearning => "feature learning",
            Self::Operator => "operator",
            Self::None => "none",
        }
    }
}

/// What was found about one parameter.
#[derive(Clone, Debug)]
pub struct ParamVerdict {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// 0 for a scalar, 1 for a vec, 2 for a mat.
    pub width: usize,
    /// a, b, c, d.
    pub abcd: [Exponent; 4],
    /// Its first step alone changes pre-activations, or without any of these the prediction, by n^(−r) (Def. 2.8.5);
    /// `None` where it changes nothing, or by no power of n.
    pub r: Option<Exponent>,
    /// Whether it acts on pre-activations: r of the net is the least r of these parameters.
    pub hidden: bool,
    /// The size of the input of Q at each step.
    pub gradient: Vec<Size>,
    /// Q(n^θ g) = n^(kθ) Q(g), so that d only rescales the learning rate: 1 for SGD, 0 for sign descent.
    pub degree: Option<Exponent>,
}

/// A value followed through training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its name in the program, where it has one.
    pub name: Option<String>,
    /// Its place in the source.
    pub span: Option<Span>,
    /// Its size before training.
    pub initial: Size,
    /// The size of its change after each update.
    pub changes: Vec<Size>,
}

impl Track {
    /// Its name, or else its text in the source on one line.
    pub fn title(&self, sources: &SourceMap) -> String {
        let text = || {
            let words = sources.text(self.span?).split_whitespace();
            Some(words.collect::<Vec<_>>().join(" "))
        };
        self.name.clone().or_else(text).unwrap_or_default()
    }

    /// The line of the source it stands on.
    pub fn line(&self, sources: &SourceMap) -> Option<usize> {
        self.span.map(|span| sources.line_column(span).0)
    }
}

/// A pre-activation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its sizes.
    pub track: Track,
    /// Whether a nonlinear function is applied to it, or only a matrix or another vec.
    pub nonlinear: bool,
}

/// The verdict.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The net's name.
    pub net: String,
    /// The `train` statement.
    pub span: Span,
    /// What is trained.
    pub params: Vec<ParamVerdict>,
    /// Pre-activations, in the order of the forward pass.
    pub features: Vec<Feature>,
    /// The prediction.
    pub prediction: Track,
    /// Pre-activations are Θ(1) and the prediction is O(1) before training (Def. 2.8.7).
    pub stable_at_init: bool,
    /// The input of every Q is Θ(1) at t = 0 (Def. 2.8.8).
    pub faithful_at_init: bool,
    /// Stable before training, and no change grows with n.
    pub stable: bool,
    /// Faithful at every step.
    pub faithful: bool,
    /// The prediction changes by Θ(1) (Def. 2.8.14).
    pub nontrivial: bool,
    /// What it does, if it is stable, faithful and nontrivial.
    pub regime: Regime,
    /// The least r of the parameters that act on pre-activations.
    pub r: Option<Exponent>,
    analysis: Arc<Analysis>,
}

impl Verdict {
    /// The five conditions by the names of the JSON report.
    pub fn flags(&self) -> [(&'static str, bool); 5] {
        [
            ("stable_at_init", self.stable_at_init),
            ("faithful_at_init", self.faithful_at_init),
            ("stable", self.stable),
            ("faithful", self.faithful),
            ("nontrivial", self.nontrivial),
        ]
    }

    /// Whether there is nothing to repair.
    pub fn good(&self) -> bool {
        self.regime != Regime::None
    }
}

/// Both graphs and what was found in them once.
#[derive(Debug)]
struct Analysis {
    training: Training,
    marked: Marked,
    features: Vec<FeatureNodes>,
    degrees: Vec<Option<Exponent>>,
    /// By how much the input of Q, for each entry of each parameter, is smaller at first because a mean vanishes.
    symmetric: Vec<Vec<Exponent>>,
}

/// One pre-activation at each step.
#[derive(Debug)]
struct FeatureNodes {
    steps: Vec<Option<NodeId>>,
    nonlinear: bool,
}

impl FeatureNodes {
    fn at(&self, t: usize) -> Option<NodeId> {
        self.steps.get(t).copied().flatten()
    }

    fn first(&self) -> Option<NodeId> {
        self.steps.iter().copied().flatten().next()
    }
}

/// Sizes of a trained program and what follows from them.
pub fn verdict(program: &Program, training: &Training) -> Verdict {
    let marked = mark::mark(program, training);
    let features = follow(&marked);
    let degrees = (0..training.params.len()).map(|param| degree::degree(&marked, param)).collect();
    let shifts = Shifts::none(training.params.len());
    let flow = Flow::new(&marked, &shifts);
    let symmetric = symmetric(&marked, &flow);
    let training_of = training.clone();
    let analysis =
        Arc::new(Analysis { training: training_of, marked, features, degrees, symmetric });
    let params: Vec<ParamVerdict> = (0..training.params.len())
        .map(|param| analysis.param(&flow, &flow.alone(&analysis.marked, &shifts, param), param))
        .collect();
    let found = Sized::new(&analysis, &flow);
    let hidden = params.iter().filter(|param| param.hidden);
    Verdict {
        net: training.net.clone(),
        span: training.span,
        features: analysis.tracks(&found),
        prediction: analysis.prediction(&found),
        stable_at_init: found.stable_at_init(),
        faithful_at_init: found.faithful_at(|t| t == 0),
        stable: found.stable(),
        faithful: found.faithful_at(|_| true),
        nontrivial: found.nontrivial(),
        regime: found.regime(),
        r: hidden.filter_map(|param| param.r).min(),
        params,
        analysis,
    }
}

/// By how much inputs of Q are smaller at first than they would be if no mean vanished.
fn symmetric(marked: &Marked, flow: &Flow) -> Vec<Vec<Exponent>> {
    let without = flow::without_symmetry(marked);
    let gap = |node: &NodeId| {
        let more = without[marked.twin(*node).index()].exponent();
        let less = flow.base(marked, *node).exponent();
        more.zip(less).map_or_else(Exponent::default, |(more, less)| more - less)
    };
    let gaps = |nodes: &mark::Nodes| {
        nodes.gradients.first().map_or_else(Vec::new, |first| first.iter().map(gap).collect())
    };
    marked.params.iter().map(gaps).collect()
}

/// Pre-activations at each step. Every forward pass has the same structure, so the k-th of one is the k-th of another;
/// only where a parameter starts at exactly 0, those that it multiplies are not there before its first step.
fn follow(marked: &Marked) -> Vec<FeatureNodes> {
    let steps: Vec<Vec<feature::Found>> =
        marked.predictions.iter().map(|node| feature::features(marked, *node)).collect();
    let Some(whole) = steps.iter().rev().max_by_key(|step| step.len()) else { return Vec::new() };
    let at = |k: usize| {
        let steps = steps.iter();
        steps.map(move |step| (step.len() == whole.len()).then(|| step[k].node)).collect()
    };
    let feature = |k: usize| FeatureNodes { steps: at(k), nonlinear: whole[k].nonlinear };
    (0..whole.len()).map(feature).collect()
}

/// The sizes that the definitions speak of.
#[derive(Clone, Debug)]
struct Sized {
    features: Vec<SizedFeature>,
    prediction: (Size, Vec<Size>),
    /// Whether the input of Q is as it should be, for each parameter and step, and its sizes.
    gradients: Vec<Vec<(bool, Size)>>,
}

/// Sizes of a pre-activation: before training, and of its change after each update.
#[derive(Clone, Debug)]
struct SizedFeature {
    nonlinear: bool,
    initial: Size,
    changes: Vec<Size>,
}

impl SizedFeature {
    /// Θ(1). Where no function is applied, as in a branch of a residual net, it may also start at exactly 0.
    fn fits_at_init(&self) -> bool {
        self.initial == Size::ONE || (!self.nonlinear && self.initial == Size::Zero)
    }
}

impl Sized {
    fn new(analysis: &Analysis, flow: &Flow) -> Self {
        let marked = &analysis.marked;
        let change =
            |node: Option<NodeId>| node.map_or(Size::Zero, |node| flow.sizes(marked, node).change);
        let feature = |feature: &FeatureNodes| SizedFeature {
            nonlinear: feature.nonlinear,
            initial: feature.first().map_or(Size::Zero, |node| flow.base(marked, node)),
            changes: feature.steps.iter().skip(1).map(|node| change(*node)).collect(),
        };
        let predictions = marked.predictions.iter();
        let initial =
            predictions.clone().next().map_or(Size::Zero, |node| flow.base(marked, *node));
        let changes = predictions.skip(1).map(|node| change(Some(*node))).collect();
        let gradients =
            (0..marked.params.len()).map(|param| analysis.gradients(flow, param)).collect();
        Self {
            features: analysis.features.iter().map(feature).collect(),
            prediction: (initial, changes),
            gradients,
        }
    }

    fn stable_at_init(&self) -> bool {
        self.features.iter().all(SizedFeature::fits_at_init) && self.prediction.0.bounded()
    }

    fn stable(&self) -> bool {
        let features = self.features.iter().flat_map(|feature| &feature.changes);
        let mut all = features.chain(&self.prediction.1);
        self.stable_at_init() && all.all(|change| change.bounded())
    }

    fn faithful_at(&self, times: impl Fn(usize) -> bool) -> bool {
        let at = |steps: &Vec<(bool, Size)>| {
            steps.iter().enumerate().all(|(t, (fits, _))| *fits || !times(t))
        };
        self.gradients.iter().all(at)
    }

    fn nontrivial(&self) -> bool {
        self.prediction.1.iter().any(|change| *change >= Size::ONE)
    }

    fn regime(&self) -> Regime {
        if !(self.stable() && self.faithful_at(|_| true) && self.nontrivial()) {
            return Regime::None;
        }
        let mut changes = self.features.iter().flat_map(|feature| &feature.changes);
        let learns = changes.any(|change| *change == Size::ONE);
        if learns { Regime::FeatureLearning } else { Regime::Operator }
    }
}

impl Analysis {
    /// The input of Q at each step, and whether it is Θ(1) (Def. 2.8.8).
    ///
    /// A homogeneous Q has no scale to miss: there d is chosen freely, but it is chosen once, so the input has to keep
    /// its size. An input that is exactly 0 misses nothing either. One that contains a mean which vanishes by symmetry
    /// before training may be smaller until the mean does not vanish any more.
    fn gradients(&self, flow: &Flow, param: usize) -> Vec<(bool, Size)> {
        let size = |node: &NodeId| flow.sizes(&self.marked, *node).total();
        let steps = &self.marked.params[param].gradients;
        let steps: Vec<Vec<Size>> =
            steps.iter().map(|entries| entries.iter().map(size).collect()).collect();
        let mut fits = vec![true; steps.len()];
        for (entry, symmetric) in self.symmetric[param].iter().enumerate() {
            let sizes: Vec<Size> = steps.iter().map(|step| step[entry]).collect();
            let expected = self.expected(param, &sizes, *symmetric);
            for (fits, size) in fits.iter_mut().zip(&sizes) {
                *fits &= *size == Size::Zero || *size < Size::Diverges && expected.contains(size);
            }
        }
        let largest = |step: &Vec<Size>| step.iter().copied().max().unwrap_or(Size::Zero);
        fits.into_iter().zip(steps.iter().map(largest)).collect()
    }

    /// The sizes that the input of Q may have, given those that it has; `symmetric` is by how much it is smaller at first
    /// because a mean vanishes.
    fn expected(&self, param: usize, sizes: &[Size], symmetric: Exponent) -> RangeInclusive<Size> {
        let first = sizes.iter().copied().find(|size| *size != Size::Zero).unwrap_or(Size::ONE);
        let later = first.shifted(symmetric);
        if self.degrees[param].is_some() {
            return first..=later;
        }
        let grows = later >= Size::ONE && sizes.contains(&Size::ONE);
        if grows { first.min(Size::ONE)..=Size::ONE } else { Size::ONE..=Size::ONE }
    }

    /// r and role of a parameter, from the change that its steps alone make.
    fn param(&self, flow: &Flow, alone: &Flow, param: usize) -> ParamVerdict {
        let trained = &self.training.params[param];
        let effects = self.effects(alone);
        let (hidden, r) = match effects {
            Effects::Features(change) => (true, change.map(|e| -e)),
            Effects::Prediction(change) => (false, change.map(|e| -e)),
        };
        ParamVerdict {
            name: trained.name.clone(),
            span: trained.span,
            width: trained.width,
            abcd: trained.abcd,
            r,
            hidden,
            gradient: self.gradients(flow, param).into_iter().map(|(_, size)| size).collect(),
            degree: self.degrees[param],
        }
    }

    /// What steps do first: to pre-activations, or where they reach none to the prediction.
    fn effects(&self, alone: &Flow) -> Effects {
        let change = |node: &NodeId| alone.sizes(&self.marked, *node).change;
        let steps = self.marked.predictions.len();
        for t in 1..steps {
            let at = self.features.iter().filter_map(|feature| feature.at(t));
            let at: Vec<Size> =
                at.map(|node| change(&node)).filter(|size| *size != Size::Zero).collect();
            if !at.is_empty() {
                return Effects::Features(at.into_iter().filter_map(Size::exponent).max());
            }
        }
        let changes = self.marked.predictions.iter().map(change);
        Effects::Prediction(changes.filter_map(Size::exponent).next())
    }

    fn tracks(&self, found: &Sized) -> Vec<Feature> {
        let named = self.features.iter().zip(&found.features);
        named
            .map(|(feature, sizes)| {
                let track = self.track(feature.first(), sizes.initial, &sizes.changes);
                Feature { track, nonlinear: sizes.nonlinear }
            })
            .collect()
    }

    fn prediction(&self, found: &Sized) -> Track {
        let (initial, changes) = &found.prediction;
        let name = Some(self.training.prediction.clone());
        Track { name, ..self.track(self.marked.predictions.first().copied(), *initial, changes) }
    }

    fn track(&self, node: Option<NodeId>, initial: Size, changes: &[Size]) -> Track {
        Track {
            name: node.and_then(|node| self.marked.names.get(&node).cloned()),
            span: node.and_then(|node| self.marked.origin(node)),
            initial,
            changes: changes.to_vec(),
        }
    }
}

/// What the steps of one parameter change first, and by which exponent.
enum Effects {
    Features(Option<Exponent>),
    Prediction(Option<Exponent>),
}
