//! Which nodes over pairs become arrays.
//!
//! A node that is needed at several levels is kept where repeating it costs more than the traffic of an array and, since
//! memory that was never used is the dearest of all, than the first touch of its memory. Arrays that die in time for the
//! next one share memory: for the moments mₜ of an optimiser, which overwrite each other, the first touch counts once. So
//! such arrays are judged together: for few steps it is cheaper to sum up the gradients again, for many to keep m.

use super::level::{Class, Levels};
use crate::codegen::body::{Body, Op};
use crate::ir::{Ir, Node, NodeId, Prim};
use std::collections::{BTreeMap, BTreeSet};

/// Operations per pair that cost as much as reading or writing an array once.
const ACCESS: usize = 12;
/// Operations per pair that cost as much as the first touch of an array's memory.
const FIRST_TOUCH: usize = 150;
/// Nodes whose repetition costs no more than this are never kept.
const CHEAP: usize = 16;
/// How many groups of arrays are judged; the others are kept.
const GROUPS: usize = 64;

/// The level at which each node over pairs is stored, for those that are.
pub(super) fn choose(
    ir: &Ir,
    levels: &Levels,
    roots: &[NodeId],
    order: &[NodeId],
) -> Vec<Option<usize>> {
    let chooser = Chooser { ir, levels, roots, order, own: own_costs(ir) };
    let deep = chooser.deep_costs();
    let mut choice = chooser
        .choose(usize::MAX, &|id, repeats| deep[id.index()] * repeats > CHEAP)
        .expect("nothing is dearer than the most there is");
    for group in chooser.groups(&choice).into_iter().take(GROUPS) {
        let most = choice.work + if group.fresh { FIRST_TOUCH } else { 0 };
        let kept = |id: NodeId, _| choice.array[id.index()].is_some() && !group.nodes.contains(&id);
        if let Some(without) = chooser.choose(most, &kept) {
            choice = without;
        }
    }
    choice.array
}

struct Chooser<'a> {
    ir: &'a Ir,
    levels: &'a Levels,
    roots: &'a [NodeId],
    order: &'a [NodeId],
    /// Operations per pair of each node, without its operands.
    own: Vec<usize>,
}

/// A choice of arrays.
struct Choice {
    /// The level at which a node is stored.
    array: Vec<Option<usize>>,
    /// The last level that needs an array.
    last: Vec<usize>,
    /// Operations per pair at all levels, those for the traffic of arrays included.
    work: usize,
}

/// Arrays that follow each other in the same memory.
struct Group {
    nodes: BTreeSet<NodeId>,
    /// The last level at which the memory is read.
    end: usize,
    /// Whether the memory is not that of an initial matrix.
    fresh: bool,
}

impl Group {
    fn add(&mut self, id: NodeId, choice: &Choice) {
        self.nodes.insert(id);
        self.end = choice.last[id.index()];
    }
}

impl Chooser<'_> {
    /// The arrays if nodes with several levels are kept where `kept` (with the number of repetitions saved) says so;
    /// `None` if that is more work than `most`.
    fn choose(&self, most: usize, kept: &dyn Fn(NodeId, usize) -> bool) -> Option<Choice> {
        let count = self.ir.len();
        let mut choice = Choice { array: vec![None; count], last: vec![0; count], work: 0 };
        let mut demands: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); count];
        let last = self.order.iter().map(|id| self.levels.level(*id)).max().unwrap_or(0) + 1;
        for root in self.roots.iter().filter(|root| self.ir.shape(**root).width == 2) {
            demands[root.index()].extend([self.levels.level(*root), last]);
        }
        for id in self.order.iter().rev() {
            let (index, shape) = (id.index(), self.ir.shape(*id));
            let root = self.roots.contains(id);
            let levels = std::mem::take(&mut demands[index]);
            let repeats = levels.len().saturating_sub(1);
            let may = self.levels.class(*id) == Class::Pair
                && shape.width == 2
                && (shape.stat.is_empty() || root);
            let own = if may && repeats > 0 && (root || kept(*id, repeats)) {
                choice.array[index] = levels.first().copied();
                choice.last[index] = levels.last().copied().unwrap_or(0);
                choice.work += ACCESS * levels.len();
                levels.into_iter().take(1).collect()
            } else if matches!(self.levels.class(*id), Class::Pair | Class::View) {
                levels
            } else {
                BTreeSet::from([self.levels.level(*id)])
            };
            if shape.width >= 2 {
                choice.work += self.own[index] * own.len();
            }
            if choice.work > most {
                return None;
            }
            self.ir.node(*id).children(|child| {
                if self.ir.shape(child).width >= 2 {
                    demands[child.index()].extend(own.iter().copied());
                }
            });
        }
        Some(choice)
    }

    /// Arrays by the memory that they can share: with an array that they are made of if possible.
    fn groups(&self, choice: &Choice) -> Vec<Group> {
        let mut by_level: BTreeMap<usize, BTreeSet<NodeId>> = BTreeMap::new();
        for id in self.order {
            if let Some(level) = choice.array[id.index()] {
                by_level.entry(level).or_default().insert(*id);
            }
        }
        let mut groups: Vec<Group> = Vec::new();
        for (level, mut arrays) in by_level {
            let free = |group: &&mut Group| group.end <= level;
            let mut initial = BTreeSet::new();
            // what overwrites its own operand goes first
            arrays.retain(|id| {
                let mut read = BTreeSet::new();
                if self.read(choice, *id, &mut read) {
                    initial.insert(*id);
                }
                let own = |group: &&mut Group| free(group) && !group.nodes.is_disjoint(&read);
                let known = groups.iter_mut().find(own);
                known.map(|group| group.add(*id, choice)).is_none()
            });
            for id in arrays {
                let initial = initial.contains(&id);
                match groups.iter_mut().find(|group| free(group) && !initial) {
                    Some(group) => group.add(id, choice),
                    None => {
                        let mut group = Group { nodes: BTreeSet::new(), end: 0, fresh: !initial };
                        group.add(id, choice);
                        groups.push(group);
                    }
                }
            }
        }
        groups
    }

    /// Collects the arrays that a node is computed from; whether an initial matrix is among what it reads.
    fn read(&self, choice: &Choice, node: NodeId, seen: &mut BTreeSet<NodeId>) -> bool {
        let mut initial = false;
        self.ir.node(node).children(|child| {
            if self.ir.shape(child).width < 2 || !seen.insert(child) {
                return;
            }
            if matches!(self.ir.node(child), Node::Init(_)) {
                initial = true;
            } else if choice.array[child.index()].is_none() {
                initial |= self.read(choice, child, seen);
            }
        });
        initial
    }

    /// Operations per pair of each node with its operands, shared ones as often as they are used, up to a limit.
    fn deep_costs(&self) -> Vec<usize> {
        let mut deep = vec![0_usize; self.ir.len()];
        for id in self.order {
            let mut cost = self.own[id.index()];
            self.ir.node(*id).children(|child| cost += deep[child.index()]);
            if self.ir.shape(*id).width >= 2 {
                deep[id.index()] = cost.min(1000);
            }
        }
        deep
    }
}

/// Operations per pair of each node, without its operands.
fn own_costs(ir: &Ir) -> Vec<usize> {
    let cost = |id: NodeId| {
        let entries = ir.shape(id).entries();
        match ir.node(id) {
            Node::Map { op: Prim::Id, .. } => 0,
            Node::Map { op: Prim::Sqrt | Prim::Div, .. } => 6 * entries,
            Node::Map { op, .. } if Body::is_call(Op::Prim(*op, [0; 3])) => 10 * entries,
            Node::Map { .. } => entries,
            Node::Init(_) => 100,
            _ => 0,
        }
    };
    ir.ids().map(cost).collect()
}
