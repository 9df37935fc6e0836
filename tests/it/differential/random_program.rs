//! Random well-shaped programs: static axes, outer products, initial and trained matrices, contractions of all kinds.

use tpc::ir::{Arg, Exponent, Init, Ir, Law, NodeId, Prim, ReduceOp, Shape};
use tpc::source::{FileId, Span};

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678)
    }
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

struct Generator {
    ir: Ir,
    random: Random,
    /// Values without an initial matrix in their entries.
    pool: Vec<NodeId>,
    /// Matrices that may be applied.
    mats: Vec<NodeId>,
    n: usize,
}

/// A program, its results and a width.
pub fn random_program(seed: u64) -> (Ir, Vec<NodeId>, usize) {
    let mut random = Random::new(seed);
    let n = 3 + random.below(17);
    let mut generator =
        Generator { ir: Ir::default(), random, pool: Vec::new(), mats: Vec::new(), n };
    generator.leaves();
    for _ in 0..6 + generator.random.below(12) {
        generator.step();
    }
    let roots = generator.roots();
    (generator.ir, roots, n)
}

impl Generator {
    fn leaves(&mut self) {
        for (stat, width) in
            [(vec![], 0), (vec![], 1), (vec![], 1), (vec![2], 1), (vec![3], 1), (vec![2, 3], 1)]
        {
            let node = self.init(&stat, width);
            self.pool.push(node);
        }
        let values = (0..6).map(|i| f64::from(i) * 0.25 - 0.5).collect();
        let array = ndarray::ArrayD::from_shape_vec(ndarray::IxDyn(&[2, 3]), values);
        let data = self.ir.data(array.expect("six values"));
        let iota = self.ir.iota(3);
        let constant = self.ir.constant(0.75);
        self.pool.extend([data, iota, constant]);
        let single = self.init(&[], 2);
        let several = self.init(&[2], 2);
        let first = self.ir.index(several, 0, 1);
        self.mats.extend([single, first]);
    }

    fn init(&mut self, stat: &[usize], width: usize) -> NodeId {
        let stream = self.ir.inits.len() as u32;
        self.ir.new_init(Init {
            name: format!("x{stream}"),
            shape: Shape::new(stat, width),
            law: Law::Normal,
            stream,
            span: Span::new(FileId(0), 0, 0),
        })
    }

    fn recent(&mut self, accept: impl Fn(&Shape) -> bool) -> Option<NodeId> {
        let fitting: Vec<NodeId> =
            self.pool.iter().copied().filter(|id| accept(self.ir.shape(*id))).collect();
        if fitting.is_empty() {
            return None;
        }
        // later values are likelier
        let one = self.random.below(fitting.len());
        let other = self.random.below(fitting.len());
        Some(fitting[one.max(other)])
    }

    fn any(&mut self) -> NodeId {
        self.recent(|_| true).expect("there are leaves")
    }

    fn step(&mut self) {
        let made = match self.random.below(100) {
            0..25 => Some(self.unary()),
            25..55 => self.binary(),
            55..75 => self.contraction(),
            75..90 => self.matmul(),
            90..97 => self.arrangement(),
            _ => self.selection(),
        };
        if let Some(node) = made {
            self.pool.push(node);
        }
    }

    fn unary(&mut self) -> NodeId {
        use Prim::*;
        let x = self.any();
        let shape = self.ir.shape(x).clone();
        let op = self.random.pick(&[
            Neg,
            Abs,
            Relu,
            Sin,
            Cos,
            Tanh,
            Tanh,
            Erf,
            Sigmoid,
            Softplus,
            Sign,
            Step,
            Exp,
            Log,
            Sqrt,
            Pow(Exponent::new(2, 1)),
            Pow(Exponent::new(3, 1)),
            Pow(Exponent::new(-1, 2)),
            Pow(Exponent::new(-1, 1)),
            Pow(Exponent::new(1, 3)),
            Not,
        ]);
        let safe = match op {
            Exp => self.ir.apply(Tanh, &[x]),
            Log | Sqrt | Pow(_) if !matches!(op, Pow(p) if p.is_integer() && *p.numer() > 0) => {
                let square = self.ir.apply(Mul, &[x, x]);
                let offset = self.ir.constant(0.5);
                self.ir.apply(Add, &[square, offset])
            }
            _ => x,
        };
        let whole = self.ir.whole(safe);
        self.ir.map(op, shape, vec![whole])
    }

    /// The axes of two values side by side or on top of each other.
    fn joined(&mut self, x: NodeId, y: NodeId) -> Option<(Shape, Vec<Arg>)> {
        let (sx, sy) = (self.ir.shape(x).clone(), self.ir.shape(y).clone());
        let mut stat = sx.stat.clone();
        let mut map = Vec::new();
        for size in &sy.stat {
            let free = (0..sx.stat.len()).find(|k| stat[*k] == *size && !map.contains(k));
            map.push(free.unwrap_or_else(|| {
                stat.push(*size);
                stat.len() - 1
            }));
        }
        if stat.len() > 2 {
            return None;
        }
        let limit = if self.n <= 7 && self.random.chance(30) { 3 } else { 2 };
        let mut width = sx.width;
        let mut widths: Vec<usize> = Vec::new();
        for _ in 0..sy.width {
            let mut axis = self.random.below(width + 1);
            if axis == width && width >= limit {
                axis = self.random.below(width.max(1));
            }
            if widths.contains(&axis) && axis < width && self.random.chance(70) && width < limit {
                axis = width;
            }
            width = width.max(axis + 1);
            widths.push(axis);
        }
        let args = vec![
            Arg { node: x, stat: (0..sx.stat.len()).collect(), width: (0..sx.width).collect() },
            Arg { node: y, stat: map, width: widths },
        ];
        Some((Shape { stat, width }, args))
    }

    fn binary(&mut self) -> Option<NodeId> {
        use Prim::*;
        let (x, y) = (self.any(), self.any());
        let op = self.random.pick(&[Add, Sub, Mul, Mul, Mul, Div, Min, Max, Lt, Le, And, Or, Powf]);
        if x == y && matches!(op, Lt | Le) {
            // a value against itself lies on the jump
            return None;
        }
        let y = match op {
            Div => {
                let square = self.ir.apply(Mul, &[y, y]);
                let one = self.ir.constant(1.0);
                self.ir.apply(Add, &[square, one])
            }
            Powf => self.ir.apply(Tanh, &[y]),
            _ => y,
        };
        let x = if op == Powf {
            let absolute = self.ir.apply(Abs, &[x]);
            let half = self.ir.constant(0.5);
            self.ir.apply(Add, &[absolute, half])
        } else {
            x
        };
        let (shape, args) = self.joined(x, y)?;
        Some(self.ir.map(op, shape, args))
    }

    fn contraction(&mut self) -> Option<NodeId> {
        let x = self.recent(|shape| shape.width + shape.stat.len() > 0)?;
        let shape = self.ir.shape(x).clone();
        let mut chosen = |count: usize, percent: usize| -> Vec<usize> {
            (0..count).filter(|_| self.random.chance(percent)).collect()
        };
        let stat = chosen(shape.stat.len(), 30);
        let mut width = chosen(shape.width, 60);
        if stat.is_empty() && width.is_empty() {
            width = (0..shape.width).rev().take(1).collect();
        }
        let sum = width.is_empty() || self.random.chance(20);
        Some(self.ir.reduce(if sum { ReduceOp::Sum } else { ReduceOp::Mean }, x, stat, width))
    }

    fn matmul(&mut self) -> Option<NodeId> {
        let x = self.recent(|shape| shape.width == 1)?;
        if self.random.chance(50) {
            self.train();
        }
        let count = self.mats.len();
        let mat = self.mats[self.random.below(count).max(self.random.below(count))];
        let transpose = self.random.chance(50);
        Some(self.ir.matmul(mat, transpose, x))
    }

    /// W + c K/n for an outer product K, or K/n alone.
    fn train(&mut self) {
        let Some(outer) = self.recent(|shape| shape.width == 2 && shape.stat.is_empty()) else {
            return;
        };
        let n = self.ir.width(Exponent::from_integer(-1));
        let scaled = self.ir.apply(Prim::Mul, &[outer, n]);
        let mat = if self.random.chance(75) {
            let count = self.mats.len();
            let old = self.mats[self.random.below(count)];
            let swapped = if self.random.chance(20) {
                let arg = Arg { node: old, stat: vec![], width: vec![1, 0] };
                self.ir.map(Prim::Id, Shape::new([], 2), vec![arg])
            } else {
                old
            };
            self.ir.apply(Prim::Sub, &[swapped, scaled])
        } else {
            scaled
        };
        self.mats.push(mat);
    }

    fn arrangement(&mut self) -> Option<NodeId> {
        let x = self.recent(|shape| !shape.stat.is_empty())?;
        let shape = self.ir.shape(x).clone();
        let axis = self.random.below(shape.stat.len());
        let size = shape.stat[axis];
        Some(match self.random.below(4) {
            0 => self.ir.index(x, axis, self.random.below(size)),
            1 => self.ir.slice(x, axis, size / 2, size),
            2 => self.ir.pad(x, axis, 1, 0),
            _ => {
                let other = self.ir.apply(Prim::Neg, &[x]);
                if shape.stat.len() > 1 {
                    return None;
                }
                self.ir.stack(vec![x, other])
            }
        })
    }

    fn selection(&mut self) -> Option<NodeId> {
        let x = self.any();
        let shape = self.ir.shape(x).clone();
        let y = self.recent(|other| *other == shape).filter(|y| *y != x)?;
        let condition = self.ir.apply(Prim::Lt, &[x, y]);
        Some(self.ir.apply(Prim::Select, &[condition, y, x]))
    }

    /// The last scalars and vecs, and means of the last values with more axes.
    fn roots(&mut self) -> Vec<NodeId> {
        let last: Vec<NodeId> = self.pool.iter().rev().take(4).copied().collect();
        last.into_iter()
            .map(|id| match self.ir.shape(id).width {
                0 | 1 => id,
                width => {
                    let axes = (self.random.below(2)..width).collect();
                    self.ir.reduce(ReduceOp::Mean, id, vec![], axes)
                }
            })
            .collect()
    }
}
