//! Finds what has to be stored, groups it into loops and passes, orders these, and writes their bodies.

use super::expand::{Expander, Label, Leaf, Source, is_stored, tuples};
use super::level::{Class, Levels, UNROLLED};
use super::{Bound, LoopStep, NestOutput, NestStep, NestSum, Plan, Product, SampleStep, Step};
use crate::codegen::body::{Op, Slot};
use crate::codegen::jit::Bodies;
use crate::codegen::{ExecError, MatrixRef, Tuples, initial_matrix};
use crate::ir::{Ir, Node, NodeId, Prim};
use indexmap::{IndexMap, IndexSet};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Products with at most this many columns are sums of the body; wider ones multiply tiles of rows.
const NARROW: usize = 4;
/// Static entries of one node that share a body.
const TOGETHER: usize = 8;

/// What is computed together. The order of the variants is the order within a level: products that read an array come
/// before the pass that overwrites it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Unit {
    Static,
    Loop { stat: Vec<usize> },
    LongSum { node: NodeId },
    Apply { matrix: MatrixRef, transpose: bool },
    Product { node: NodeId },
    Pairs { first: NodeId },
    Tuples { node: NodeId },
}

/// Nodes that are computed together, and the arrays that they read.
#[derive(Default)]
struct Members {
    nodes: BTreeSet<NodeId>,
    arrays: IndexSet<Source>,
}

pub(super) struct Planner<'a> {
    ir: &'a Ir,
    levels: &'a Levels,
    mode: Tuples,
    units: BTreeMap<(usize, Unit), Members>,
    bodies: Bodies,
    given: Vec<NodeId>,
}

/// What a node's computation touches: stored values, arrays over pairs, and unstored nodes over pairs.
#[derive(Default)]
struct Touched {
    seen: HashSet<NodeId>,
    stored: IndexSet<NodeId>,
    arrays: IndexSet<Source>,
    pairs: IndexSet<NodeId>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(ir: &'a Ir, levels: &'a Levels, mode: Tuples) -> Self {
        Self {
            ir,
            levels,
            mode,
            units: BTreeMap::new(),
            bodies: Bodies::default(),
            given: Vec::new(),
        }
    }

    pub(super) fn plan(mut self, roots: &[NodeId]) -> Result<Plan, ExecError> {
        if let Some(root) = roots.iter().find(|root| self.ir.shape(**root).width > 1) {
            return Err(ExecError::Unsupported { node: *root });
        }
        self.demand(roots);
        let units = std::mem::take(&mut self.units);
        let order: Vec<(&(usize, Unit), &Members)> = units.iter().collect();
        let mut last: HashMap<Source, usize> = HashMap::new();
        for (position, (_, members)) in order.iter().enumerate() {
            members.arrays.iter().for_each(|array| {
                last.insert(*array, position);
            });
        }
        let mut steps = Vec::new();
        for (position, ((level, unit), members)) in order.iter().enumerate() {
            let dying: Vec<Source> = members
                .arrays
                .iter()
                .copied()
                .filter(|array| last[array] == position && is_square(self.ir, *array))
                .collect();
            self.steps(*level, unit, members, &dying, &mut steps);
        }
        Ok(Plan { given: self.given, steps, bodies: self.bodies })
    }

    /// Walks from the roots down, putting every value that must be stored into its unit.
    fn demand(&mut self, roots: &[NodeId]) {
        let mut wanted: BTreeSet<NodeId> = roots.iter().copied().collect();
        let mut pairs: BTreeMap<usize, Vec<(NodeId, Touched)>> = BTreeMap::new();
        while let Some(node) = wanted.pop_last() {
            let level = self.unit_level(node);
            let touched = self.touched(node, level);
            wanted.extend(touched.stored.iter().copied());
            match self.unit(node) {
                None if self.ir.shape(node).width < 2 => self.given.push(node),
                None => {}
                Some(Unit::Pairs { .. }) => pairs.entry(level).or_default().push((node, touched)),
                Some(unit) => {
                    let members = self.units.entry((level, unit)).or_default();
                    members.nodes.insert(node);
                    members.arrays.extend(touched.arrays);
                }
            }
        }
        for (level, demands) in pairs {
            self.connect(level, demands);
        }
    }

    /// Demands that share a node over pairs are one pass.
    fn connect(&mut self, level: usize, demands: Vec<(NodeId, Touched)>) {
        let mut groups: Vec<(Members, IndexSet<NodeId>)> = Vec::new();
        for (node, touched) in demands {
            let (mut joined, mut pairs) = (Members::default(), touched.pairs);
            joined.nodes.insert(node);
            joined.arrays = touched.arrays;
            groups.retain_mut(|(members, known)| {
                if known.is_disjoint(&pairs) {
                    return true;
                }
                joined.nodes.append(&mut members.nodes);
                joined.arrays.extend(members.arrays.drain(..));
                pairs.extend(known.drain(..));
                false
            });
            groups.push((joined, pairs));
        }
        for (members, _) in groups {
            let first = *members.nodes.first().expect("a group has a member");
            self.units.insert((level, Unit::Pairs { first }), members);
        }
    }

    fn unit_level(&self, node: NodeId) -> usize {
        self.levels.array[node.index()].unwrap_or(self.levels.level(node))
    }

    fn unit(&self, node: NodeId) -> Option<Unit> {
        let stat = |node: NodeId| self.ir.shape(node).stat.clone();
        match (self.levels.class(node), self.ir.node(node)) {
            (Class::Given, _) => None,
            (Class::Static, _) => Some(Unit::Static),
            (Class::Sum, Node::Reduce { arg, .. }) => Some(Unit::Loop { stat: stat(*arg) }),
            (Class::LongSum, _) => Some(Unit::LongSum { node }),
            (Class::Apply, Node::MatMul { mat, transpose, .. }) => {
                let (matrix, swapped) = initial_matrix(self.ir, *mat)?;
                Some(Unit::Apply { matrix, transpose: *transpose != swapped })
            }
            (Class::FromPairs, Node::MatMul { mat, .. })
                if self.array_before(*mat, self.levels.level(node)) =>
            {
                Some(Unit::Product { node })
            }
            (Class::FromTuples, _) => Some(Unit::Tuples { node }),
            (Class::Loop | Class::View, _) => Some(Unit::Loop { stat: stat(node) }),
            _ => Some(Unit::Pairs { first: node }),
        }
    }

    fn array_before(&self, mat: NodeId, level: usize) -> bool {
        self.levels.array[mat.index()].is_some_and(|at| at < level)
    }

    fn touched(&self, node: NodeId, level: usize) -> Touched {
        let mut touched = Touched::default();
        match self.ir.node(node) {
            _ if self.levels.class(node) == Class::Given => {}
            Node::MatMul { mat, arg, .. } => {
                touched.stored.insert(*arg);
                if self.levels.class(node) == Class::Apply {
                    if let Some((matrix, _)) = initial_matrix(self.ir, *mat) {
                        touched.arrays.insert(Source::Matrix(matrix));
                    }
                } else {
                    self.touch(*mat, level, &mut touched);
                }
            }
            _ if self.levels.class(node) == Class::Static => {
                self.ir.node(node).children(|child| {
                    touched.stored.insert(child);
                });
            }
            inner => {
                if self.levels.class(node) == Class::Pair {
                    touched.pairs.insert(node);
                }
                inner.children(|child| self.touch(child, level, &mut touched));
            }
        }
        touched
    }

    fn touch(&self, node: NodeId, level: usize, touched: &mut Touched) {
        if !touched.seen.insert(node) {
            return;
        }
        let shape = self.ir.shape(node);
        if shape.width == 2
            && shape.stat.is_empty()
            && let Some((matrix, _)) = initial_matrix(self.ir, node)
        {
            touched.arrays.insert(Source::Matrix(matrix));
            return;
        }
        if is_stored(self.levels, node, level) {
            touched.stored.insert(node);
            if shape.width == 2 {
                touched.arrays.insert(Source::Stored { node, flat: 0 });
            }
            return;
        }
        if self.levels.class(node) == Class::Pair {
            touched.pairs.insert(node);
            if self.levels.array[node.index()] == Some(level) {
                touched.stored.insert(node);
            }
        }
        self.ir.node(node).children(|child| self.touch(child, level, touched));
    }

    fn steps(
        &mut self,
        level: usize,
        unit: &Unit,
        members: &Members,
        dying: &[Source],
        steps: &mut Vec<Step>,
    ) {
        match unit {
            Unit::Static => steps.push(Step::Static(members.nodes.iter().copied().collect())),
            Unit::Loop { stat } => {
                let step = self.entrywise(level, stat, members);
                steps.push(Step::Loop(step));
            }
            Unit::LongSum { node } => {
                let step = self.long_sum(level, *node);
                steps.push(Step::Loop(step));
            }
            Unit::Apply { matrix, transpose } => steps.push(Step::Apply {
                matrix: *matrix,
                transpose: *transpose,
                products: members.nodes.iter().copied().collect(),
            }),
            Unit::Product { node } => {
                let products = self.product(*node).into_iter().collect();
                steps.push(Step::Nest(NestStep {
                    order: 2,
                    bound: None,
                    sums: Vec::new(),
                    outputs: Vec::new(),
                    products,
                }));
            }
            Unit::Pairs { .. } => self.pairs(level, members, dying, steps),
            Unit::Tuples { node } => self.tuples(level, *node, steps),
        }
    }

    fn product(&self, node: NodeId) -> Option<Product> {
        match self.ir.node(node) {
            Node::MatMul { mat, transpose, arg } => {
                Some(Product { node, mat: *mat, transpose: *transpose, arg: *arg })
            }
            _ => None,
        }
    }

    fn bind(&mut self, expander: &Expander, stores: &[Slot], sums: &[Slot]) -> Bound {
        let (body, streams, uniforms) = expander.builder.finish(stores, sums);
        let leaves = |numbers: Vec<u32>| numbers.into_iter().map(|k| expander.leaf(k)).collect();
        let (mut streams, uniforms): (Vec<Leaf>, Vec<Leaf>) = (leaves(streams), leaves(uniforms));
        let mut low_rank = Vec::new();
        for leaf in &mut streams {
            if let Source::LowRank(number) = &mut leaf.source {
                low_rank.push(expander.low_rank(*number));
                *number = low_rank.len() - 1;
            }
        }
        Bound { id: self.bodies.add(body), streams, uniforms, low_rank }
    }

    fn entrywise(&mut self, level: usize, stat: &[usize], members: &Members) -> LoopStep {
        let is_sum = |node: &NodeId| self.levels.class(*node) == Class::Sum;
        let (sums, outputs): (Vec<NodeId>, Vec<NodeId>) =
            members.nodes.iter().partition(|n| is_sum(n));
        let entries = tuples(stat)
            .iter()
            .map(|at| {
                let mut expander = Expander::new(self.ir, self.levels, level, 0);
                // an output is written out here even where a lower loop could not store it
                let stores: Vec<Slot> =
                    outputs.iter().map(|node| expander.entry(*node, at, &[0])).collect();
                let sums: Vec<Slot> = sums
                    .iter()
                    .map(|node| match self.ir.node(*node) {
                        Node::Reduce { arg, .. } => expander.entry(*arg, at, &[0]),
                        _ => expander.number(0.0),
                    })
                    .collect();
                vec![self.bind(&expander, &stores, &sums)]
            })
            .collect();
        LoopStep { entries, outputs, sums }
    }

    /// A long sum over static axes, some terms at a time.
    fn long_sum(&mut self, level: usize, node: NodeId) -> LoopStep {
        let Node::Reduce { op, arg, stat, .. } = self.ir.node(node) else {
            unreachable!("long sums are contractions");
        };
        let kept = tuples(&self.ir.shape(node).stat);
        let mut entries = Vec::new();
        for at in kept {
            let mut parts = Vec::new();
            let terms = Expander::new(self.ir, self.levels, level, 0).terms(*arg, stat);
            for (k, part) in terms.chunks(UNROLLED).enumerate() {
                let mut expander = Expander::new(self.ir, self.levels, level, 0);
                let mut sum = expander.sum(*arg, part, stat, &at, &[0]);
                if k > 0 {
                    let old = expander.builder.push(Op::Old(0));
                    sum = expander.builder.prim(Prim::Add, &[old, sum]);
                }
                if *op == crate::ir::ReduceOp::Mean && (k + 1) * UNROLLED >= terms.len() {
                    let count = expander.number(terms.len() as f64);
                    sum = expander.builder.prim(Prim::Div, &[sum, count]);
                }
                parts.push(self.bind(&expander, &[sum], &[]));
            }
            entries.push(parts);
        }
        LoopStep { entries, outputs: vec![node], sums: Vec::new() }
    }

    /// A pass over pairs: arrays, contractions and products; nodes with many static entries in several passes.
    fn pairs(&mut self, level: usize, members: &Members, dying: &[Source], steps: &mut Vec<Step>) {
        let mut entries: IndexMap<NodeId, Vec<usize>> = IndexMap::new();
        for node in &members.nodes {
            let count = match self.ir.node(*node) {
                Node::Reduce { .. } if self.levels.class(*node) == Class::FromPairs => {
                    self.ir.shape(*node).entries()
                }
                _ => 1,
            };
            entries.insert(*node, (0..count).collect());
        }
        let rounds = entries.values().map(|e| e.len().div_ceil(TOGETHER)).max().unwrap_or(0);
        for round in 0..rounds {
            let mut pass = PairPass::new(self, level, members);
            for (node, all) in &entries {
                if let Some(some) = all.chunks(TOGETHER).nth(round) {
                    pass.add(*node, some);
                }
            }
            // memory may be taken over only when nothing reads it afterwards
            let step = pass.finish(if round + 1 == rounds { dying } else { &[] });
            steps.push(Step::Nest(step));
        }
    }

    /// A contraction from three or more width axes, one pass per static entry.
    fn tuples(&mut self, level: usize, node: NodeId, steps: &mut Vec<Step>) {
        let Node::Reduce { arg, width, .. } = self.ir.node(node) else {
            unreachable!("contractions of tuples are contractions");
        };
        let order = self.ir.shape(*arg).width;
        let kept = order - width.len();
        let (mut first, mut second) = (0, kept as Label);
        let labels: Vec<Label> = (0..order)
            .map(|axis| {
                let next = if width.contains(&axis) { &mut second } else { &mut first };
                *next += 1;
                *next - 1
            })
            .collect();
        let sample = self.mode == Tuples::Independent && width.len() > 1;
        let inner = if sample { kept } else { order - 1 };
        for (entry, at) in tuples(&self.ir.shape(node).stat).iter().enumerate() {
            let mut expander = Expander::new(self.ir, self.levels, level, inner as Label);
            let value = expander.entry(*arg, at, &labels);
            let bound = self.bind(&expander, &[], &[value]);
            steps.push(if sample {
                Step::Sample(SampleStep { node, entry, kept, order, bound })
            } else {
                Step::Nest(NestStep {
                    order,
                    bound: Some(bound),
                    sums: vec![NestSum { node, entry, kept }],
                    outputs: Vec::new(),
                    products: Vec::new(),
                })
            });
        }
    }
}

fn is_square(ir: &Ir, source: Source) -> bool {
    match source {
        Source::Matrix(_) => true,
        Source::Stored { node, .. } => ir.shape(node).stat.is_empty(),
        Source::Number(_) | Source::LowRank(_) => false,
    }
}

/// Collects the outputs and sums of one pass over pairs.
struct PairPass<'a, 'b> {
    planner: &'b mut Planner<'a>,
    level: usize,
    /// The label of axis 0 and of axis 1: swapped where only columns are asked for.
    labels: [Label; 2],
    wanted: Vec<(NodeId, Vec<usize>)>,
}

/// The slots of a pass.
#[derive(Default)]
struct Slots {
    outputs: Vec<(NestOutput, Slot)>,
    sums: Vec<(NestSum, Slot)>,
    products: Vec<Product>,
}

impl<'a, 'b> PairPass<'a, 'b> {
    fn new(planner: &'b mut Planner<'a>, level: usize, members: &Members) -> Self {
        let columns = |node: &NodeId| matches!(planner.ir.node(*node), Node::Reduce { width, .. } if *width == [0]);
        let swapped = members.arrays.is_empty() && members.nodes.iter().all(columns);
        let labels = if swapped { [1, 0] } else { [0, 1] };
        Self { planner, level, labels, wanted: Vec::new() }
    }

    fn add(&mut self, node: NodeId, entries: &[usize]) {
        self.wanted.push((node, entries.to_vec()));
    }

    fn finish(self, dying: &[Source]) -> NestStep {
        let mut in_place = BTreeMap::new();
        let mut trial = Expander::of_pairs(self.planner.ir, self.planner.levels, self.level);
        let slots = self.slots(&mut trial);
        let mut free = dying.iter().filter(|source| trial.read_in_place(**source));
        for (k, (output, _)) in slots.outputs.iter().enumerate() {
            if let NestOutput::Array { .. } = output
                && let Some(source) = free.next()
            {
                in_place.insert(*source, k as u32);
            }
        }
        let mut expander = Expander::of_pairs(self.planner.ir, self.planner.levels, self.level);
        expander.in_place = in_place.clone();
        let is_array = |output: &NestOutput| matches!(output, NestOutput::Array { .. });
        expander.ratios = !slots.outputs.iter().any(|(output, _)| is_array(output));
        let mut slots = self.slots(&mut expander);
        for (source, k) in &in_place {
            if let NestOutput::Array { from, .. } = &mut slots.outputs[*k as usize].0 {
                *from = Some(*source);
            }
        }
        let stores: Vec<Slot> = slots.outputs.iter().map(|(_, slot)| *slot).collect();
        let sums: Vec<Slot> = slots.sums.iter().map(|(_, slot)| *slot).collect();
        let bound = self.planner.bind(&expander, &stores, &sums);
        NestStep {
            order: 2,
            bound: Some(bound),
            sums: slots.sums.into_iter().map(|(sum, _)| sum).collect(),
            outputs: slots.outputs.into_iter().map(|(output, _)| output).collect(),
            products: slots.products,
        }
    }

    fn slots(&self, expander: &mut Expander) -> Slots {
        let mut slots = Slots::default();
        for (node, entries) in &self.wanted {
            match self.planner.ir.node(*node) {
                Node::MatMul { .. } => self.matmul(*node, expander, &mut slots),
                Node::Reduce { arg, width, .. }
                    if self.planner.levels.class(*node) == Class::FromPairs =>
                {
                    let all = tuples(&self.planner.ir.shape(*node).stat);
                    for entry in entries {
                        let value = expander.entry(*arg, &all[*entry], &self.labels);
                        if width[..] == [0] && self.labels == [0, 1] {
                            Self::column(*node, *entry, value, expander, &mut slots);
                        } else {
                            let kept = 2 - width.len();
                            slots.sums.push((NestSum { node: *node, entry: *entry, kept }, value));
                        }
                    }
                }
                _ => {
                    let value = expander.entry(*node, &[], &[0, 1]);
                    slots.outputs.push((NestOutput::Array { node: *node, from: None }, value));
                }
            }
        }
        slots
    }

    fn column(node: NodeId, entry: usize, value: Slot, expander: &mut Expander, slots: &mut Slots) {
        let old = expander.builder.push(Op::Old(slots.outputs.len() as u32));
        let sum = expander.builder.prim(Prim::Add, &[old, value]);
        slots.outputs.push((NestOutput::Columns { node, entry }, sum));
    }

    /// Few columns are sums of the body, many multiply a tile of rows.
    fn matmul(&self, node: NodeId, expander: &mut Expander, slots: &mut Slots) {
        let Some(product) = self.planner.product(node) else { return };
        let stat = &self.planner.ir.shape(product.arg).stat;
        let entries = tuples(stat);
        let stored = self.planner.levels.array[product.mat.index()] == Some(self.level);
        if !stored && entries.len() <= NARROW {
            let mat = expander.entry(product.mat, &[], &[0, 1]);
            for (entry, at) in entries.iter().enumerate() {
                let label = if product.transpose { 0 } else { 1 };
                let x = expander.stored(product.arg, at, &[label]);
                let value = expander.builder.prim(Prim::Mul, &[mat, x]);
                if product.transpose {
                    Self::column(node, entry, value, expander, slots);
                } else {
                    slots.sums.push((NestSum { node, entry, kept: 1 }, value));
                }
            }
            return;
        }
        let here = |output: &NestOutput| match output {
            NestOutput::Array { node, .. } | NestOutput::Tile { node } => *node == product.mat,
            NestOutput::Columns { .. } => false,
        };
        if !stored && !slots.outputs.iter().any(|(output, _)| here(output)) {
            let value = expander.entry(product.mat, &[], &[0, 1]);
            slots.outputs.push((NestOutput::Tile { node: product.mat }, value));
        }
        slots.products.push(product);
    }
}
