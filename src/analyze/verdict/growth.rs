//! Which parameters let pre-activations or the prediction grow.

use super::Analysis;
use super::flow::{Flow, Shifts};
use super::size::Size;
use crate::ir::NodeId;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grows {
    Features,
    Prediction,
}

/// Looks at the first update after which something grows.
pub(super) struct Growth<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) flow: &'a Flow,
    pub(super) shifts: &'a Shifts,
}

impl Growth<'_> {
    fn values(&self, what: Grows, t: usize) -> Vec<NodeId> {
        match what {
            Grows::Features => {
                let features = self.analysis.features.iter();
                features.filter_map(|feature| feature.at(t)).collect()
            }
            Grows::Prediction => vec![self.analysis.marked.predictions[t]],
        }
    }

    /// The largest change after update t − 1. Functions of what grows have no exponent; what grows first has one.
    fn change(&self, flow: &Flow, what: Grows, t: usize) -> Size {
        let values = self.values(what, t);
        let sizes: Vec<Size> =
            values.iter().map(|node| flow.sizes(&self.analysis.marked, *node).change).collect();
        let finite = sizes.iter().copied().filter(|size| size.exponent().is_some()).max();
        match finite {
            Some(size) if size > Size::ONE => size,
            _ => sizes.into_iter().max().unwrap_or(Size::Zero),
        }
    }

    /// The first number of updates after which something is too large: what follows is made from that.
    pub(super) fn time(&self) -> Option<usize> {
        let steps = self.analysis.marked.predictions.len();
        let large = |what, t: &usize| !self.change(self.flow, what, *t).bounded();
        (1..steps).find(|t| large(Grows::Features, t) || large(Grows::Prediction, t))
    }

    fn alone(&self, param: usize) -> Flow {
        self.flow.alone(&self.analysis.marked, self.shifts, param)
    }

    /// The parameters whose steps alone do it; `None` where it takes several. A prediction that grows because
    /// pre-activations do has no culprits of its own.
    pub(super) fn culprits(&self, what: Grows) -> Vec<Option<usize>> {
        let large = |t: &usize| !self.change(self.flow, what, *t).bounded();
        let Some(t) = self.time().filter(large) else { return Vec::new() };
        let mut culprits = Vec::new();
        for param in 0..self.analysis.training.params.len() {
            let alone = self.alone(param);
            let follows =
                what == Grows::Prediction && !self.change(&alone, Grows::Features, t).bounded();
            if !follows && !self.change(&alone, what, t).bounded() {
                culprits.push(Some(param));
            }
        }
        let follows =
            what == Grows::Prediction && !self.change(self.flow, Grows::Features, t).bounded();
        if culprits.is_empty() && !follows {
            culprits.push(None);
        }
        culprits
    }

    /// How large the change is, by one parameter or all together.
    pub(super) fn size(&self, what: Grows, culprit: Option<usize>) -> Size {
        let Some(t) = self.time() else { return Size::Zero };
        match culprit {
            Some(param) => self.change(&self.alone(param), what, t),
            None => self.change(self.flow, what, t),
        }
    }
}
