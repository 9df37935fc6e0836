//! Orders contractions of products: sums move inside as far as factors allow.
//!
//! ```text
//! mean[b, c](f(a, b) g(b, c))      c first: h(b) = mean[c] g(b, c), then mean[b] f(a, b) h(b)     n² instead of n³
//! sum[b]((sum[i] u(i, a) v(i, b)) x(b))   b first: s(i) = sum[b] v(i, b) x(b), then sum[i] u(i, a) s(i)     n, not n²
//! ```
//!
//! A product is a list of factors over named axes; axes that no result keeps are eliminated one at a time, the
//! cheapest first. Sums of products are multiplied out only where that leaves no value over two width axes at all:
//! a nonlinear outer product that is a polynomial (the update of gradient descent) then never touches pairs.

use super::Tuples;
use crate::ir::{Arg, Ir, Node, NodeId, Prim, ReduceOp, Shape};
use std::collections::BTreeSet;

/// An axis of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Axis {
    Static(usize),
    Width(usize),
}

/// A value and its axes, in order.
#[derive(Clone, Debug)]
struct Factor {
    node: NodeId,
    stat: Vec<usize>,
    width: Vec<usize>,
}

impl Factor {
    fn axes(&self) -> BTreeSet<Axis> {
        let stat = self.stat.iter().map(|axis| Axis::Static(*axis));
        stat.chain(self.width.iter().map(|axis| Axis::Width(*axis))).collect()
    }
}

/// How many neurons there are, and what a mean over tuples of them may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    pub(super) n: usize,
    pub(super) tuples: Tuples,
}

/// A sum over some axes of a product.
#[derive(Clone, Debug, Default)]
struct Product {
    factors: Vec<Factor>,
    /// Sizes of static axes.
    sizes: Vec<usize>,
    /// How many width axes there are.
    widths: usize,
    /// Axes that are summed or averaged.
    summed: Vec<(Axis, ReduceOp)>,
    /// The axes of the result.
    kept: Vec<Axis>,
}

/// The contraction of some axes of `arg`, in a good order.
pub(super) fn contract(
    ir: &mut Ir,
    at: Width,
    op: ReduceOp,
    arg: NodeId,
    (stat, width): (&[usize], &[usize]),
) -> NodeId {
    let shape = ir.shape(arg).clone();
    let mut product = Product::over(&shape);
    for axis in 0..shape.stat.len() {
        product.place(Axis::Static(axis), stat.contains(&axis).then_some(op));
    }
    for axis in 0..shape.width {
        product.place(Axis::Width(axis), width.contains(&axis).then_some(op));
    }
    let whole = Factor {
        node: arg,
        stat: (0..shape.stat.len()).collect(),
        width: (0..shape.width).collect(),
    };
    product.flatten(ir, whole);
    let separated = product
        .separate(ir, at, &mut 64)
        .or_else(|| product.improves().then(|| product.clone().eliminate(ir, at)));
    separated.unwrap_or_else(|| {
        let inner = ir.reduce(op, arg, Vec::new(), width.to_vec());
        ir.reduce(op, inner, stat.to_vec(), Vec::new())
    })
}

/// The product of an outer product with columns, where it needs no value over pairs.
pub(super) fn apply_separated(
    ir: &mut Ir,
    at: Width,
    mat: NodeId,
    transpose: bool,
    arg: NodeId,
) -> Option<NodeId> {
    let shape = ir.shape(arg).clone();
    let mut product = Product { widths: 2, sizes: shape.stat.clone(), ..Product::default() };
    for axis in 0..shape.stat.len() {
        product.place(Axis::Static(axis), None);
    }
    product.place(Axis::Width(0), None);
    product.place(Axis::Width(1), Some(ReduceOp::Sum));
    let width = if transpose { vec![1, 0] } else { vec![0, 1] };
    product.flatten(ir, Factor { node: mat, stat: Vec::new(), width });
    let stat = (0..shape.stat.len()).collect();
    product.flatten(ir, Factor { node: arg, stat, width: vec![1] });
    product.separate(ir, at, &mut 64)
}

impl Product {
    fn over(shape: &Shape) -> Self {
        Self { sizes: shape.stat.clone(), widths: shape.width, ..Self::default() }
    }

    fn place(&mut self, axis: Axis, summed: Option<ReduceOp>) {
        match summed {
            Some(op) => self.summed.push((axis, op)),
            None => self.kept.push(axis),
        }
    }

    /// Adds a value, taking products, negations and static sums of products apart.
    fn flatten(&mut self, ir: &mut Ir, factor: Factor) {
        let through = |arg: &Arg| Factor {
            node: arg.node,
            stat: arg.stat.iter().map(|axis| factor.stat[*axis]).collect(),
            width: arg.width.iter().map(|axis| factor.width[*axis]).collect(),
        };
        match ir.node(factor.node).clone() {
            Node::Map { op: Prim::Id, args, .. } => self.flatten(ir, through(&args[0])),
            Node::Map { op: Prim::Mul, args, .. } => {
                self.flatten(ir, through(&args[0]));
                self.flatten(ir, through(&args[1]));
            }
            Node::Map { op: Prim::Neg, args, .. } => {
                let node = ir.constant(-1.0);
                self.factors.push(Factor { node, stat: Vec::new(), width: Vec::new() });
                self.flatten(ir, through(&args[0]));
            }
            Node::Map { op: Prim::Div, args, .. }
                if ir.shape(args[1].node).width < ir.shape(factor.node).width =>
            {
                self.flatten(ir, through(&args[0]));
                let one = ir.constant(1.0);
                let inverse = ir.apply(Prim::Div, &[one, args[1].node]);
                self.factors.push(Factor { node: inverse, ..through(&args[1]) });
            }
            Node::Reduce { op, arg, stat, width }
                if width.is_empty() && factor.width.len() > 1 && is_product(ir, arg) =>
            {
                let mut own = factor.stat.clone();
                for axis in stat {
                    let size = ir.shape(arg).stat[axis];
                    self.sizes.push(size);
                    own.insert(axis, self.sizes.len() - 1);
                    self.summed.push((Axis::Static(self.sizes.len() - 1), op));
                }
                self.flatten(ir, Factor { node: arg, stat: own, width: factor.width });
            }
            _ => self.factors.push(factor),
        }
    }

    /// The factors with an axis, and all their axes.
    fn touching(&self, axis: Axis) -> (Vec<usize>, BTreeSet<Axis>) {
        let with: Vec<usize> =
            (0..self.factors.len()).filter(|k| self.factors[*k].axes().contains(&axis)).collect();
        let union = with.iter().flat_map(|k| self.factors[*k].axes()).collect();
        (with, union)
    }

    /// The work of eliminating an axis: width axes first, then static entries.
    fn work(&self, axis: Axis) -> (usize, usize) {
        let (_, union) = self.touching(axis);
        let widths = union.iter().filter(|axis| matches!(axis, Axis::Width(_))).count();
        let entries = union.iter().map(|axis| match axis {
            Axis::Static(k) => self.sizes[*k],
            Axis::Width(_) => 1,
        });
        (widths, entries.product())
    }

    fn next(&self) -> Option<(Axis, ReduceOp)> {
        self.summed.iter().copied().min_by_key(|(axis, _)| (self.work(*axis), *axis))
    }

    /// Whether the first elimination leaves a factor out or an axis over.
    fn improves(&self) -> bool {
        let Some((axis, _)) = self.next() else { return false };
        let (with, union) = self.touching(axis);
        self.factors.len() > 1
            && (with.len() < self.factors.len()
                || self.is_matrix_product(&with, &union).is_some()
                || self.summed.iter().any(|(other, _)| !union.contains(other)))
    }

    /// Eliminates everything.
    fn eliminate(mut self, ir: &mut Ir, at: Width) -> NodeId {
        while let Some((axis, op)) = self.next() {
            self.step(ir, at, axis, op);
        }
        let (factors, kept) = (std::mem::take(&mut self.factors), self.kept.clone());
        self.multiply(ir, factors, &kept).node
    }

    /// Eliminates one axis, and those that occur in the same factors only.
    fn step(&mut self, ir: &mut Ir, at: Width, axis: Axis, op: ReduceOp) {
        let (mut with, mut union) = self.touching(axis);
        if at.tuples == Tuples::Independent {
            (with, union) = self.sampled_together(with, union);
        }
        if with.is_empty() {
            self.summed.retain(|(other, _)| *other != axis);
            if op == ReduceOp::Sum {
                let size = match axis {
                    Axis::Static(k) => self.sizes[k],
                    Axis::Width(_) => at.n,
                };
                let node = ir.constant(size as f64);
                self.factors.push(Factor { node, stat: Vec::new(), width: Vec::new() });
            }
            return;
        }
        let matrix_product = self.is_matrix_product(&with, &union);
        let inside = |this: &Self, other: Axis| {
            let same_kind = matches!(
                (axis, other),
                (Axis::Static(_), Axis::Static(_)) | (Axis::Width(_), Axis::Width(_))
            );
            same_kind
                && union.contains(&other)
                && this.touching(other).0.iter().all(|k| with.contains(k))
        };
        let gone: Vec<Axis> = self
            .summed
            .iter()
            .filter(|(other, by)| *by == op && inside(self, *other))
            .map(|(other, _)| *other)
            .collect();
        let mut together = Vec::new();
        for k in with.iter().rev() {
            together.push(self.factors.remove(*k));
        }
        let result = match matrix_product {
            Some(rows) if gone == [axis] => {
                self.matrix_product(ir, at.n, together, (axis, rows), op)
            }
            _ => self.reduce(ir, together, &union, &gone, op),
        };
        self.summed.retain(|(other, _)| !gone.contains(other));
        self.factors.push(result);
    }

    /// A mean over one axis of a function of three leaves n² means of n numbers; taken together with the other means
    /// it is one over n tuples. So factors are joined until no other mean is left.
    fn sampled_together(
        &self,
        mut with: Vec<usize>,
        mut union: BTreeSet<Axis>,
    ) -> (Vec<usize>, BTreeSet<Axis>) {
        let widths = union.iter().filter(|axis| matches!(axis, Axis::Width(_))).count();
        if widths < 3 {
            return (with, union);
        }
        loop {
            let before = with.len();
            for (axis, _) in &self.summed {
                if matches!(axis, Axis::Width(_)) && union.contains(axis) {
                    let (more, axes) = self.touching(*axis);
                    with.extend(more);
                    union.extend(axes);
                }
            }
            with.sort_unstable();
            with.dedup();
            if with.len() == before {
                return (with, union);
            }
        }
    }

    fn reduce(
        &self,
        ir: &mut Ir,
        together: Vec<Factor>,
        union: &BTreeSet<Axis>,
        gone: &[Axis],
        op: ReduceOp,
    ) -> Factor {
        let all: Vec<Axis> = union.iter().copied().collect();
        let whole = self.multiply(ir, together, &all);
        let position = |axes: &[usize], wrap: fn(usize) -> Axis| -> Vec<usize> {
            (0..axes.len()).filter(|k| gone.contains(&wrap(axes[*k]))).collect()
        };
        let stat = position(&whole.stat, Axis::Static);
        let width = position(&whole.width, Axis::Width);
        let node = ir.reduce(op, whole.node, stat, width);
        Factor {
            node,
            stat: whole.stat.into_iter().filter(|k| !gone.contains(&Axis::Static(*k))).collect(),
            width: whole.width.into_iter().filter(|k| !gone.contains(&Axis::Width(*k))).collect(),
        }
    }

    /// Whether Σ_b Q(a, b) x(s…, b): static axes s occur beside b alone. Gives a.
    fn is_matrix_product(&self, with: &[usize], union: &BTreeSet<Axis>) -> Option<Axis> {
        let widths: Vec<Axis> =
            union.iter().copied().filter(|axis| matches!(axis, Axis::Width(_))).collect();
        let statics = union.iter().any(|axis| matches!(axis, Axis::Static(_)));
        let (_, [first, second]) = (statics.then_some(())?, <[Axis; 2]>::try_from(widths).ok()?);
        let (axis, _) = self.next()?;
        let rows = if axis == first { second } else { first };
        let fits = |k: &usize| {
            let factor = &self.factors[*k];
            factor.stat.is_empty() || !factor.axes().contains(&rows)
        };
        let both = |k: &usize| self.factors[*k].width.len() == 2;
        (matches!(axis, Axis::Width(_)) && with.iter().all(fits) && with.iter().any(both))
            .then_some(rows)
    }

    fn matrix_product(
        &self,
        ir: &mut Ir,
        n: usize,
        together: Vec<Factor>,
        (axis, rows): (Axis, Axis),
        op: ReduceOp,
    ) -> Factor {
        let (mats, columns): (Vec<Factor>, Vec<Factor>) =
            together.into_iter().partition(|factor| factor.axes().contains(&rows));
        // the orientation of the first factor over both, so that its rows are read as they lie
        let transpose = mats
            .iter()
            .find(|factor| factor.width.len() == 2)
            .is_some_and(|factor| factor.width.first().map(|k| Axis::Width(*k)) == Some(axis));
        let order = if transpose { [axis, rows] } else { [rows, axis] };
        let mat = self.multiply(ir, mats, &order);
        let mut axes: BTreeSet<Axis> = columns.iter().flat_map(Factor::axes).collect();
        axes.remove(&axis);
        let axes: Vec<Axis> = axes.into_iter().chain([axis]).collect();
        let x = self.multiply(ir, columns, &axes);
        let mut node = ir.matmul(mat.node, transpose, x.node);
        if op == ReduceOp::Mean {
            let scale = ir.constant(1.0 / n as f64);
            node = ir.apply(Prim::Mul, &[node, scale]);
        }
        let Axis::Width(row) = rows else { unreachable!("rows are a width axis") };
        Factor { node, stat: x.stat, width: vec![row] }
    }

    /// The product of some factors as a value over exactly these axes, in this order; small factors first.
    fn multiply(&self, ir: &mut Ir, mut factors: Vec<Factor>, axes: &[Axis]) -> Factor {
        factors.sort_by_key(|factor| (factor.width.len(), factor.stat.len(), factor.node));
        let rank = |axis: &Axis| axes.iter().position(|other| other == axis);
        let mut product: Option<Factor> = None;
        for factor in factors {
            product = Some(match product {
                None => factor,
                Some(known) => {
                    let mut all: Vec<Axis> = known.axes().union(&factor.axes()).copied().collect();
                    all.sort_by_key(|axis| rank(axis));
                    self.map(ir, Prim::Mul, &[known, factor], &all)
                }
            });
        }
        match product {
            Some(product) => self.map(ir, Prim::Id, &[product], axes),
            None => {
                let node = ir.constant(1.0);
                let one = Factor { node, stat: Vec::new(), width: Vec::new() };
                self.map(ir, Prim::Id, &[one], axes)
            }
        }
    }

    fn map(&self, ir: &mut Ir, op: Prim, factors: &[Factor], axes: &[Axis]) -> Factor {
        let (mut stat, mut width) = (Vec::new(), Vec::new());
        for axis in axes {
            match axis {
                Axis::Static(k) => stat.push(*k),
                Axis::Width(k) => width.push(*k),
            }
        }
        let place = |axes: &[usize], own: &[usize]| -> Vec<usize> {
            let position = |axis: &usize| axes.iter().position(|other| other == axis);
            own.iter().map(|axis| position(axis).expect("the axes cover the factors")).collect()
        };
        let args = factors.iter().map(|factor| Arg {
            node: factor.node,
            stat: place(&stat, &factor.stat),
            width: place(&width, &factor.width),
        });
        let sizes: Vec<usize> = stat.iter().map(|k| self.sizes[*k]).collect();
        let node = ir.map(op, Shape::new(sizes, width.len()), args.collect());
        Factor { node, stat, width }
    }

    /// The result without any value over two width axes, multiplying out sums where needed; at most `budget` terms.
    fn separate(&self, ir: &mut Ir, at: Width, budget: &mut usize) -> Option<NodeId> {
        if self.widths < 2 || *budget == 0 {
            return None;
        }
        if self.factors.iter().all(|factor| factor.axes_over_width() < 2) {
            *budget -= 1;
            return Some(self.clone().eliminate(ir, at));
        }
        let k = self.factors.iter().position(|factor| factor.axes_over_width() > 1)?;
        let Node::Map { op: op @ (Prim::Add | Prim::Sub), args, .. } =
            ir.node(self.factors[k].node).clone()
        else {
            return None;
        };
        let mut parts = Vec::new();
        for arg in &args {
            let mut part = self.clone();
            let factor = part.factors.remove(k);
            let own = Factor {
                node: arg.node,
                stat: arg.stat.iter().map(|axis| factor.stat[*axis]).collect(),
                width: arg.width.iter().map(|axis| factor.width[*axis]).collect(),
            };
            part.flatten(ir, own);
            parts.push(part.separate(ir, at, budget)?);
        }
        Some(ir.apply(op, &parts))
    }
}

impl Factor {
    /// How many different width axes.
    fn axes_over_width(&self) -> usize {
        self.width.iter().collect::<BTreeSet<_>>().len()
    }
}

/// Whether a value is a product, perhaps negated or rearranged.
fn is_product(ir: &Ir, id: NodeId) -> bool {
    match ir.node(id) {
        Node::Map { op: Prim::Mul, .. } => true,
        Node::Map { op: Prim::Id | Prim::Neg, args, .. } => is_product(ir, args[0].node),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
