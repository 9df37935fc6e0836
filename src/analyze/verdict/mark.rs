//! Prepares a trained program: every step that is subtracted from a parameter gets a mark, and the program is built a
//! second time with all of them replaced by 0.
//!
//! Both graphs are hash-consed, so the forward pass of the second, the net at rest, is one and the same at every step
//! (but for weight decay, which rests on no gradient and therefore stays).

use super::contract::Contraction;
use super::{TrainedParam, Training};
use crate::analyze::parity::Parities;
use crate::analyze::split::split_matrices;
use crate::ir::passes::entries::take_mats_apart;
use crate::ir::{Arg, BindId, InitId, Ir, Named, Node, NodeId, Prim, Program};
use crate::source::Span;
use std::collections::HashMap;

/// What is marked: a step of a parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Its position in [`Training::params`].
    pub(super) param: usize,
    /// Which of its steps, from 0.
    pub(super) step: usize,
}

/// Nodes of one parameter.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    /// The input of Q, at each step; several where an array of mats was taken apart.
    pub(super) gradients: Vec<Vec<NodeId>>,
    /// Initial objects that it starts from.
    pub(super) inits: Vec<InitId>,
    /// Its values w_0, w_1, … as far as they are used.
    pub(super) values: Vec<NodeId>,
}

/// Both graphs.
#[derive(Clone, Debug)]
pub(super) struct Marked {
    /// The program; a `Bind` around every step, its id the position in `marks`.
    pub(super) full: Ir,
    /// What is needed of it, operands before users.
    pub(super) order: Vec<NodeId>,
    pub(super) marks: Vec<Mark>,
    pub(super) params: Vec<Nodes>,
    /// The prediction at each step.
    pub(super) predictions: Vec<NodeId>,
    pub(super) names: HashMap<NodeId, String>,
    /// The program at rest.
    pub(super) frozen: Ir,
    /// For each node of `full`, the one of `frozen`.
    pub(super) twins: Vec<NodeId>,
    /// Contractions over width axes, of both graphs.
    pub(super) full_contractions: HashMap<NodeId, Contraction>,
    pub(super) frozen_contractions: HashMap<NodeId, Contraction>,
}

/// Places of the named values that matter in `Program::named`.
struct Places {
    predictions: Vec<usize>,
    /// For each parameter: at each step, the entries.
    gradients: Vec<Vec<Vec<usize>>>,
    updates: Vec<Vec<Vec<usize>>>,
}

pub(super) fn mark(program: &Program, training: &Training) -> Marked {
    let mut program = Program { outputs: Vec::new(), expects: Vec::new(), ..program.clone() };
    let names = program.named.len();
    let mut places = Places {
        predictions: positions(&program, &training.prediction),
        gradients: Vec::new(),
        updates: Vec::new(),
    };
    for param in &training.params {
        places.gradients.push(entries(&mut program, &param.gradient));
        places.updates.push(entries(&mut program, &param.update));
    }
    if program.named.len() > names {
        program = take_mats_apart(&program);
    }
    let (program, marks) = with_marks(&program, &places);
    let program = split_matrices(&program);
    let at = |place: &usize| program.named[*place].node;
    let mut params = Vec::new();
    for gradients in &places.gradients {
        let gradients = gradients.iter().map(|entries| entries.iter().map(at).collect()).collect();
        params.push(Nodes { gradients, ..Nodes::default() });
    }
    let predictions: Vec<NodeId> = places.predictions.iter().map(at).collect();
    let mut roots = predictions.clone();
    roots.extend(params.iter().flat_map(|param| param.gradients.iter().flatten().copied()));
    let updates = places.updates.iter().flatten().flatten();
    roots.extend(updates.map(at));
    let named = program.named[..names].iter().rev();
    let names = named.map(|named| (named.node, named.name.clone())).collect();
    let order = program.ir.reachable(&roots);
    find_values(&program.ir, &marks, &mut params);
    find_inits(&program.ir, &training.params, &mut params);
    freeze(program.ir, order, (marks, params, predictions, names))
}

/// The steps of a named value.
fn positions(program: &Program, name: &str) -> Vec<usize> {
    let named = program.named.iter().enumerate();
    named.filter(|(_, named)| named.name == name).map(|(place, _)| place).collect()
}

/// The same; of an array of mats its entries, which are given names for that.
fn entries(program: &mut Program, name: &str) -> Vec<Vec<usize>> {
    let mut steps = Vec::new();
    for place in positions(program, name) {
        let Named { node, span, .. } = program.named[place];
        let shape = program.ir.shape(node).clone();
        if shape.width < 2 || shape.stat.is_empty() {
            steps.push(vec![place]);
            continue;
        }
        let mut nodes = vec![node];
        for size in shape.stat {
            let entry = |ir: &mut Ir, node| (0..size).map(|at| ir.index(node, 0, at)).collect();
            let ir = &mut program.ir;
            nodes = nodes.into_iter().flat_map(|node| -> Vec<NodeId> { entry(ir, node) }).collect();
        }
        let first = program.named.len();
        for node in nodes {
            program.named.push(Named { name: String::new(), node, span, declared: None });
        }
        steps.push((first..program.named.len()).collect());
    }
    steps
}

/// Puts a mark around the second operand of every `w - update`.
fn with_marks(program: &Program, places: &Places) -> (Program, Vec<Mark>) {
    let old = &program.ir;
    let mut marks = Vec::new();
    let mut known: HashMap<NodeId, BindId> = HashMap::new();
    for (param, steps) in places.updates.iter().enumerate() {
        let places =
            steps.iter().enumerate().flat_map(|(step, e)| e.iter().map(move |p| (step, p)));
        for (step, place) in places {
            let node = program.named[*place].node;
            known.entry(old.through_copies(old.whole(node)).node).or_insert_with(|| {
                marks.push(Mark { param, step });
                BindId::from_index(marks.len() - 1)
            });
        }
    }
    let mut ir = old.without_nodes();
    let mut map = vec![NodeId::default(); old.len()];
    for id in old.reachable(&program.roots()) {
        ir.here = old.origins(id).first().copied();
        let mut node = old.node(id).with_children(|child| map[child.index()]);
        if let (Some((k, bind)), Node::Map { args, .. }) = (step_of(old, id, &known), &mut node) {
            let arg = args[k].node;
            let shape = ir.shape(arg).clone();
            args[k].node = ir.intern(Node::Bind { id: bind, arg }, shape);
        }
        map[id.index()] = ir.rebuild(node, old.shape(id).clone());
        ir.add_origins(map[id.index()], old.origins(id));
    }
    let mut program = Program { ir, ..program.clone() };
    program.map_roots(|id| map[id.index()]);
    (program, marks)
}

/// The operand of a difference that is a step, and which one it is. A parameter that starts at 0 becomes −step.
fn step_of(ir: &Ir, id: NodeId, known: &HashMap<NodeId, BindId>) -> Option<(usize, BindId)> {
    let Node::Map { op, args, .. } = ir.node(id) else { return None };
    let operand = match op {
        Prim::Sub => 1,
        Prim::Neg => 0,
        _ => return None,
    };
    known.get(&args[operand].node).map(|bind| (operand, *bind))
}

/// Values of parameters: what a step is subtracted from, and the differences.
fn find_values(ir: &Ir, marks: &[Mark], params: &mut [Nodes]) {
    for id in ir.ids() {
        let Node::Map { op: Prim::Sub | Prim::Neg, args, .. } = ir.node(id) else { continue };
        let Some(Node::Bind { id: bind, .. }) = args.last().map(|arg| ir.node(arg.node)) else {
            continue;
        };
        let values = &mut params[marks[bind.index()].param].values;
        if args.len() == 2 {
            values.push(args[0].node);
        }
        values.push(id);
    }
}

/// Initial objects of the kind of a parameter that its values are multiples of.
fn find_inits(ir: &Ir, trained: &[TrainedParam], params: &mut [Nodes]) {
    for (param, nodes) in trained.iter().zip(params) {
        let mut pending = nodes.values.clone();
        while let Some(id) = pending.pop() {
            match ir.node(id) {
                Node::Init(init)
                    if ir.init(*init).shape.width == param.width && !nodes.inits.contains(init) =>
                {
                    nodes.inits.push(*init);
                }
                Node::Map {
                    op: Prim::Mul | Prim::Div | Prim::Id | Prim::Neg | Prim::Add,
                    args,
                    ..
                } => {
                    pending.extend(args.iter().map(|arg| arg.node));
                }
                Node::Index { arg, .. } | Node::Slice { arg, .. } => pending.push(*arg),
                Node::Stack(args) => pending.extend(args),
                _ => {}
            }
        }
    }
}

type Found = (Vec<Mark>, Vec<Nodes>, Vec<NodeId>, HashMap<NodeId, String>);

/// Builds the net at rest and takes all contractions apart.
fn freeze(full: Ir, order: Vec<NodeId>, (marks, params, predictions, names): Found) -> Marked {
    let mut frozen = full.without_nodes();
    let mut twins = vec![NodeId::default(); full.len()];
    for id in &order {
        let shape = full.shape(*id).clone();
        twins[id.index()] = match full.node(*id).with_children(|child| twins[child.index()]) {
            Node::Bind { .. } => frozen.zeros(shape),
            node => frozen.rebuild(node, shape),
        };
    }
    let mut parities = Parities::new(frozen.inits.len());
    let mut full_contractions = HashMap::new();
    for id in &order {
        if let Some(mut found) = Contraction::of(&full, *id) {
            let space = space(&full, *id);
            found.settle(&mut frozen, &mut parities, (space.0, &space.1), |id| twins[id.index()]);
            full_contractions.insert(*id, found);
        }
    }
    let mut frozen_contractions = HashMap::new();
    for id in frozen.ids() {
        if let Some(mut found) = Contraction::of(&frozen, id) {
            let space = space(&frozen, id);
            found.settle(&mut frozen, &mut parities, (space.0, &space.1), |id| id);
            frozen_contractions.insert(id, found);
        }
    }
    Marked {
        full,
        order,
        marks,
        params,
        predictions,
        names,
        frozen,
        twins,
        full_contractions,
        frozen_contractions,
    }
}

/// The number of width axes that a contraction reads, and those that go away.
fn space(ir: &Ir, id: NodeId) -> (usize, Vec<usize>) {
    match ir.node(id) {
        Node::Reduce { arg, width, .. } => (ir.shape(*arg).width, width.clone()),
        _ => (0, Vec::new()),
    }
}

impl Marked {
    /// The same value at rest.
    pub(super) fn twin(&self, id: NodeId) -> NodeId {
        self.twins[id.index()]
    }

    /// The operands of a node that belong to the same forward pass: earlier steps are behind marks.
    pub(super) fn forward(&self, id: NodeId) -> Vec<NodeId> {
        let mut children = Vec::new();
        let node = self.full.node(id);
        if !matches!(node, Node::Bind { .. }) {
            node.children(|child| children.push(child));
        }
        children
    }

    /// The marks of one step of a parameter.
    pub(super) fn steps(&self, param: usize, step: usize) -> impl Iterator<Item = NodeId> + '_ {
        self.order.iter().copied().filter(move |id| match self.full.node(*id) {
            Node::Bind { id, .. } => {
                let mark = self.marks[id.index()];
                mark.param == param && mark.step == step
            }
            _ => false,
        })
    }

    /// Where a node came from.
    pub(super) fn origin(&self, id: NodeId) -> Option<Span> {
        self.full.origins(id).first().copied()
    }

    /// Looks through numbers: multiples of a value, and what differs from it by a number.
    pub(super) fn core(&self, mut id: NodeId) -> NodeId {
        let number = |arg: &Arg| self.full.constant_value(arg.node).is_some();
        loop {
            let Node::Map { op, args, .. } = self.full.node(id) else { return id };
            id = match (op, args.as_slice()) {
                (Prim::Id | Prim::Neg, [x]) => x.node,
                (Prim::Mul | Prim::Add | Prim::Sub, [c, x]) if number(c) => x.node,
                (Prim::Mul | Prim::Div | Prim::Add | Prim::Sub, [x, c]) if number(c) => x.node,
                _ => return id,
            };
        }
    }
}
