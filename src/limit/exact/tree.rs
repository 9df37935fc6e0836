//! Functions of a few numbers, as interned trees.

use super::number::{Method, Number};
use crate::codegen::simd;
use crate::ir::range::Range;
use crate::ir::{Prim, Real};
use crate::num::chebyshev::Chebyshev;
use crate::num::quadrature::{NODES, POINTS, RULE};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::rc::Rc;

/// Where the exponential function and all that come to rest like it have done so, to 1e-16.
pub(super) const AT_REST: f64 = 37.0;
/// Changes of a function, relative to 1 or to its size, that need not be seen.
const UNSEEN: f64 = 1e-13;
/// Powers from this one on are narrow where their argument is largest.
const HIGH: i64 = 8;
/// An argument that is this far from a line, relative to its range, may be larger between points.
const BENT: f64 = 1e-3;

/// A tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TreeId(u32);

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tree {
    /// An argument of the function.
    Argument(usize),
    /// A number.
    Constant(Real),
    /// An operation on trees.
    Apply(Prim, Vec<TreeId>),
    /// A tabulated function of a tree.
    Table(usize, TreeId),
}

/// What is known of the numbers in a tree.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    /// The largest relative error of a number.
    pub(super) error: f64,
    /// The least good method of a number.
    pub(super) method: Method,
    /// How large the tree is, shared parts counted wherever they stand.
    pub(super) size: u32,
}

/// How a function of one number behaves when the number changes its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parity {
    Even,
    Odd,
    None,
}

impl Parity {
    /// Of a product.
    pub(super) fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => Self::None,
            _ if self == other => Self::Even,
            _ => Self::Odd,
        }
    }

    /// Of a power with a whole exponent.
    pub(super) fn to_the(self, power: u32) -> Self {
        if self == Self::Odd && power.is_multiple_of(2) { Self::Even } else { self }
    }
}

/// The derivative by one argument: a function, and jumps f · δ(w).
#[derive(Clone, Debug)]
pub(super) struct Slope {
    pub(super) regular: TreeId,
    pub(super) jumps: Vec<(TreeId, TreeId)>,
}

/// All trees.
#[derive(Debug, Default)]
pub(super) struct Trees {
    nodes: IndexMap<Tree, Origin>,
    /// See `features`.
    pub(super) kinks: HashMap<TreeId, Vec<(f64, f64)>>,
    /// Tabulated functions, and what is known of their parity.
    tables: Vec<(Rc<Chebyshev>, Parity)>,
}

impl Trees {
    pub(super) fn get(&self, id: TreeId) -> &Tree {
        self.nodes.get_index(id.0 as usize).expect("ids come from here").0
    }

    pub(super) fn origin(&self, id: TreeId) -> Origin {
        self.nodes[id.0 as usize]
    }

    fn intern(&mut self, tree: Tree, origin: Origin) -> TreeId {
        let (index, old) = self.nodes.insert_full(tree, origin);
        if let Some(old) = old {
            let kept = &mut self.nodes[index];
            kept.error = kept.error.max(old.error);
            kept.method = kept.method.max(old.method);
        }
        TreeId(u32::try_from(index).expect("memory ends before"))
    }

    pub(super) fn argument(&mut self, k: usize) -> TreeId {
        self.intern(Tree::Argument(k), Origin { size: 1, ..Origin::default() })
    }

    pub(super) fn number(&mut self, number: Number) -> TreeId {
        let relative = if number.error == 0.0 { 0.0 } else { number.error / number.value.abs() };
        let origin = Origin { error: relative, method: number.method, size: 1 };
        self.intern(Tree::Constant(Real::new(number.value)), origin)
    }

    pub(super) fn constant(&mut self, value: f64) -> TreeId {
        self.number(Number::exact(value))
    }

    pub(super) fn value(&self, id: TreeId) -> Option<f64> {
        match self.get(id) {
            Tree::Constant(value) => Some(value.get()),
            _ => None,
        }
    }

    /// An operation on trees; trivial ones are done.
    pub(super) fn apply(&mut self, op: Prim, args: &[TreeId]) -> TreeId {
        let values: Option<Vec<f64>> = args.iter().map(|arg| self.value(*arg)).collect();
        let mut origin = Origin { size: 1, ..Origin::default() };
        for arg in args {
            let own = self.origin(*arg);
            origin.size = origin.size.saturating_add(own.size);
            origin.error = origin.error.max(own.error);
            origin.method = origin.method.max(own.method);
        }
        if let Some(values) = values {
            return self.intern(Tree::Constant(Real::new(op.eval(&values))), origin);
        }
        let is = |k: usize, value: f64| self.value(args[k]) == Some(value);
        match op {
            Prim::Id => return args[0],
            Prim::Add if is(0, 0.0) => return args[1],
            Prim::Add | Prim::Sub if is(1, 0.0) => return args[0],
            Prim::Mul if is(0, 0.0) || is(1, 1.0) => return args[0],
            Prim::Mul if is(1, 0.0) || is(0, 1.0) => return args[1],
            Prim::Div if is(1, 1.0) || is(0, 0.0) => return args[0],
            _ => {}
        }
        self.intern(Tree::Apply(op, args.to_vec()), origin)
    }

    /// A tabulated function of a tree; its error counts relative to the mean of its absolute value, which is `size`.
    pub(super) fn table(
        &mut self,
        (table, parity): (Chebyshev, Parity),
        argument: TreeId,
        size: f64,
    ) -> TreeId {
        let error = table.error / size;
        self.tables.push((Rc::new(table), parity));
        self.of_table(self.tables.len() - 1, argument, error)
    }

    fn of_table(&mut self, table: usize, argument: TreeId, error: f64) -> TreeId {
        let own = self.origin(argument);
        let method = own.method.max(Method::Quadrature);
        let origin =
            Origin { error: own.error.max(error), method, size: own.size.saturating_add(1) };
        let tree = match self.value(argument) {
            Some(value) => Tree::Constant(Real::new(self.tabulated(table).value(value))),
            None => Tree::Table(table, argument),
        };
        self.intern(tree, origin)
    }

    pub(super) fn tabulated(&self, table: usize) -> &Chebyshev {
        &self.tables[table].0
    }

    /// Whether a tabulated function is in a tree.
    pub(super) fn is_tabulated(&self, id: TreeId) -> bool {
        match self.get(id) {
            Tree::Argument(_) | Tree::Constant(_) => false,
            Tree::Apply(_, args) => args.iter().any(|arg| self.is_tabulated(*arg)),
            Tree::Table(..) => true,
        }
    }

    pub(super) fn sub(&mut self, a: TreeId, b: TreeId) -> TreeId {
        self.apply(Prim::Sub, &[a, b])
    }

    pub(super) fn mul(&mut self, a: TreeId, b: TreeId) -> TreeId {
        self.apply(Prim::Mul, &[a, b])
    }

    pub(super) fn add(&mut self, a: TreeId, b: TreeId) -> TreeId {
        self.apply(Prim::Add, &[a, b])
    }

    /// The tree with other arguments.
    pub(super) fn with_arguments(&mut self, id: TreeId, arguments: &[TreeId]) -> TreeId {
        match self.get(id).clone() {
            Tree::Argument(k) => arguments[k],
            Tree::Constant(_) => id,
            Tree::Apply(op, args) => {
                let args: Vec<TreeId> =
                    args.iter().map(|arg| self.with_arguments(*arg, arguments)).collect();
                self.apply(op, &args)
            }
            Tree::Table(table, arg) => {
                let moved = self.with_arguments(arg, arguments);
                self.of_table(table, moved, self.origin(id).error)
            }
        }
    }

    /// The tree with another one in the place of a subtree.
    pub(super) fn with(&mut self, id: TreeId, old: TreeId, new: TreeId) -> TreeId {
        if id == old {
            return new;
        }
        match self.get(id).clone() {
            Tree::Argument(_) | Tree::Constant(_) => id,
            Tree::Apply(op, args) => {
                let args: Vec<TreeId> = args.iter().map(|arg| self.with(*arg, old, new)).collect();
                self.apply(op, &args)
            }
            Tree::Table(table, arg) => {
                let moved = self.with(arg, old, new);
                self.of_table(table, moved, self.origin(id).error)
            }
        }
    }

    /// k, a and b of a·xₖ + b.
    pub(super) fn affine(&self, id: TreeId) -> Option<(usize, f64, f64)> {
        match self.get(id) {
            Tree::Argument(k) => Some((*k, 1.0, 0.0)),
            Tree::Constant(_) | Tree::Table(..) => None,
            Tree::Apply(op, args) => {
                let value = |k: usize| self.value(args[k]);
                let of = |k: usize| self.affine(args[k]);
                match op {
                    Prim::Neg => of(0).map(|(k, a, b)| (k, -a, -b)),
                    Prim::Add | Prim::Sub => {
                        let sign = if *op == Prim::Add { 1.0 } else { -1.0 };
                        match (value(0), value(1)) {
                            (Some(c), _) => of(1).map(|(k, a, b)| (k, sign * a, c + sign * b)),
                            (_, Some(c)) => of(0).map(|(k, a, b)| (k, a, b + sign * c)),
                            _ => {
                                let ((k, a, b), (j, c, d)) = (of(0)?, of(1)?);
                                (k == j).then_some((k, a + sign * c, b + sign * d))
                            }
                        }
                    }
                    Prim::Mul => match (value(0), value(1)) {
                        (Some(c), _) => of(1).map(|(k, a, b)| (k, c * a, c * b)),
                        (_, Some(c)) => of(0).map(|(k, a, b)| (k, c * a, c * b)),
                        _ => None,
                    },
                    Prim::Div => of(0).zip(value(1)).map(|((k, a, b), c)| (k, a / c, b / c)),
                    _ => None,
                }
            }
        }
    }

    /// What happens when these arguments change their signs.
    pub(super) fn parity(&self, id: TreeId, flipped: &dyn Fn(usize) -> bool) -> Parity {
        use Parity::{Even, None, Odd};
        match self.get(id) {
            Tree::Argument(k) if flipped(*k) => Odd,
            Tree::Argument(_) | Tree::Constant(_) => Even,
            Tree::Table(table, arg) => match self.parity(*arg, flipped) {
                Odd => self.tables[*table].1,
                other => other,
            },
            Tree::Apply(op, args) => {
                let of = |k: usize| self.parity(args[k], flipped);
                if (0..args.len()).all(|k| of(k) == Even) {
                    return Even;
                }
                match op {
                    Prim::Neg | Prim::Sign | Prim::Sin | Prim::Tanh | Prim::Erf => of(0),
                    Prim::Abs | Prim::Cos if of(0) == Odd => Even,
                    Prim::Pow(p) if of(0) == Odd && p.is_integer() => {
                        if p.to_integer() % 2 == 0 {
                            Even
                        } else {
                            Odd
                        }
                    }
                    Prim::Add | Prim::Sub if of(0) == Odd && of(1) == Odd => Odd,
                    Prim::Mul | Prim::Div => of(0).times(of(1)),
                    Prim::Select if of(0) == Even && of(1) == Odd && of(2) == Odd => Odd,
                    _ => None,
                }
            }
        }
    }
}

/// A function made ready for many points.
#[derive(Debug)]
pub(super) struct Compiled {
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Argument(usize),
    Constant(f64),
    Apply(Prim, [usize; 3], usize),
    Table(Rc<Chebyshev>, usize),
}

impl Compiled {
    pub(super) fn new(trees: &Trees, root: TreeId) -> Self {
        let (mut steps, mut known) = (Vec::new(), HashMap::new());
        Self::add(trees, root, &mut steps, &mut known);
        Self { steps }
    }

    fn add(
        trees: &Trees,
        id: TreeId,
        steps: &mut Vec<Step>,
        known: &mut HashMap<TreeId, usize>,
    ) -> usize {
        if let Some(at) = known.get(&id) {
            return *at;
        }
        let step = match trees.get(id) {
            Tree::Argument(k) => Step::Argument(*k),
            Tree::Constant(value) => Step::Constant(value.get()),
            Tree::Apply(op, args) => {
                let mut at = [0; 3];
                for (at, arg) in at.iter_mut().zip(args) {
                    *at = Self::add(trees, *arg, steps, known);
                }
                Step::Apply(*op, at, args.len())
            }
            Tree::Table(table, arg) => {
                let at = Self::add(trees, *arg, steps, known);
                Step::Table(trees.tables[*table].0.clone(), at)
            }
        };
        steps.push(step);
        known.insert(id, steps.len() - 1);
        steps.len() - 1
    }

    /// The value at one point.
    pub(super) fn one(&self, arguments: &[f64]) -> f64 {
        let mut values = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            values.push(match step {
                Step::Argument(k) => arguments[*k],
                Step::Constant(value) => *value,
                Step::Table(table, at) => table.value(values[*at]),
                Step::Apply(op, at, count) => {
                    op.eval(&at.map(|k| *values.get(k).unwrap_or(&0.0))[..*count])
                }
            });
        }
        values.last().copied().unwrap_or(0.0)
    }

    /// The values at the points of a panel, and how much they may change between these unseen; `argument` writes those of
    /// the k-th argument.
    pub(super) fn many<'a>(
        &self,
        argument: &dyn Fn(usize, &mut [f64; POINTS]),
        scratch: &'a mut Vec<[f64; POINTS]>,
    ) -> (&'a [f64; POINTS], f64) {
        scratch.resize(self.steps.len(), [0.0; POINTS]);
        let mut hidden = 0.0_f64;
        for (at, step) in self.steps.iter().enumerate() {
            let (before, rest) = scratch.split_at_mut(at);
            let out = &mut rest[0];
            match step {
                Step::Argument(k) => argument(*k, out),
                Step::Constant(value) => *out = [*value; POINTS],
                Step::Table(table, at) => *out = table.values(&before[*at]),
                Step::Apply(Prim::Mul, [a, b, _], _) => {
                    *out = std::array::from_fn(|k| before[*a][k] * before[*b][k]);
                }
                Step::Apply(Prim::Add, [a, b, _], _) => {
                    *out = std::array::from_fn(|k| before[*a][k] + before[*b][k]);
                }
                Step::Apply(op, [a, ..], 1) => {
                    simd::apply(*op, &before[*a], out);
                    hidden = hidden.max(change_unseen(*op, &before[*a], out));
                }
                Step::Apply(op, at, count) => {
                    *out = std::array::from_fn(|k| op.eval(&at.map(|j| before[j][k])[..*count]));
                }
            }
        }
        (&scratch[self.steps.len() - 1], hidden)
    }
}

/// Whether a function comes to rest like an exponential, so that a change cannot be seen from afar.
pub(super) fn rests(op: Prim) -> bool {
    matches!(op, Prim::Exp | Prim::Tanh | Prim::Erf | Prim::Sigmoid | Prim::Softplus)
}

/// How much a function may change between points of a panel where it seems not to.
fn change_unseen(op: Prim, x: &[f64; POINTS], y: &[f64; POINTS]) -> f64 {
    let is_high = matches!(op, Prim::Pow(p) if p >= HIGH.into());
    if !rests(op) && !is_high {
        return 0.0;
    }
    // with the ends of the panel, and what the argument may reach between points; all these functions are monotone, or even
    let seen = extent(y, RULE);
    let mut within = extent(y, POINTS);
    let (reached, beyond) = (extent(x, POINTS), bend(x));
    if beyond > BENT * reached.width() {
        let ends = [reached.lo - beyond, reached.hi + beyond].map(|end| op.eval(&[end]));
        within = Range::of(&[within.lo, within.hi, ends[0], ends[1]]);
    }
    let largest = seen.lo.abs().max(seen.hi.abs());
    let change = largest_of(|k| (y[k + 1] - y[k]).abs());
    // from one point to the next it may come back in a function of this one
    let jumps = rests(op) && change > 0.5 * within.width() && change > 0.1 * largest;
    let missed = within.width() > 4.0 * seen.width() || jumps;
    if missed && within.width() > UNSEEN * largest.max(1.0) { within.width() } else { 0.0 }
}

/// How far the points of a panel are at most from lines through their neighbours; about four times as far as a smooth function
/// goes beyond its largest value there.
fn bend(x: &[f64; POINTS]) -> f64 {
    largest_of(|k| {
        let (before, after) = (k.saturating_sub(1), k + 1);
        (x[k] - x[before] - ALONG[k] * (x[after] - x[before])).abs()
    })
}

/// Where a node is between its neighbours.
const ALONG: [f64; RULE - 1] = {
    let (mut along, mut k) = ([0.0; RULE - 1], 1);
    while k < RULE - 1 {
        along[k] = (NODES[k] - NODES[k - 1]) / (NODES[k + 1] - NODES[k - 1]);
        k += 1;
    }
    along
};
/// Numbers that are compared side by side.
const LANES: usize = 4;

/// The largest for all points but the last.
fn largest_of(f: impl Fn(usize) -> f64) -> f64 {
    let mut most = [0.0; LANES];
    for first in (0..RULE - 1).step_by(LANES) {
        for (lane, most) in most.iter_mut().enumerate() {
            let value = f(first + lane);
            *most = if value > *most { value } else { *most };
        }
    }
    most.into_iter().fold(0.0, f64::max)
}

/// The smallest and the largest of the first numbers; what is not a number is left out.
fn extent(values: &[f64; POINTS], count: usize) -> Range {
    let (mut lo, mut hi) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    for (first, chunk) in values.chunks_exact(LANES).enumerate() {
        for (lane, value) in chunk.iter().enumerate() {
            let counts = first * LANES + lane < count;
            lo[lane] = if counts && *value < lo[lane] { *value } else { lo[lane] };
            hi[lane] = if counts && *value > hi[lane] { *value } else { hi[lane] };
        }
    }
    Range { lo: Range::of(&lo).lo, hi: Range::of(&hi).hi }
}
