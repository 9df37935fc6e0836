//! Entrywise operations on labelled values: index variables meet by name, bare static axes broadcast as in NumPy, bare
//! width axes align with each other.

use super::Lowerer;
use super::number::Num;
use super::value::{At, Axis, IndexId, Val, Value, kind_word};
use crate::diag::{Diagnostic, codes};
use crate::ir::{Arg, Prim, Shape, passes::linear};
use crate::source::Span;

/// The axes of a result and where they come from.
struct Layout {
    stat_free: Vec<IndexId>,
    bare_sizes: Vec<usize>,
    width_free: Vec<IndexId>,
    bare_width: usize,
    sizes: Vec<usize>,
}

impl Lowerer<'_> {
    /// An entrywise operation; reports what does not fit.
    pub(super) fn combine(&mut self, op: Prim, args: &[At], span: Span) -> Value {
        if let Err(problem) = self.check_kinds(op, args) {
            return self.fail(*problem);
        }
        let layout = match self.layout(args) {
            Ok(layout) => layout,
            Err(problem) => return self.fail(*problem),
        };
        let known: Option<Vec<Num>> = args.iter().map(|arg| arg.val.known).collect();
        let known = known.map(|args| Num::apply(op, &args));
        if let Some(known) = known
            && !known.value.is_finite()
        {
            let problem = self
                .problem(codes::NOT_FINITE, span)
                .here(format!("this is {}", known.value))
                .help("constants are computed at compile time and must be finite");
            return self.fail(problem);
        }
        self.ir.here = Some(span);
        let operands = args.iter().map(|arg| self.operand(arg, &layout)).collect();
        let shape = Shape::new(layout.sizes.clone(), layout.width_free.len() + layout.bare_width);
        let node = self.ir.map(op, shape, operands);
        let label = |free: &[IndexId], bare: usize| {
            free.iter()
                .map(|id| Axis::Free(*id))
                .chain(std::iter::repeat_n(Axis::Bare, bare))
                .collect()
        };
        let stat = label(&layout.stat_free, layout.bare_sizes.len());
        let width = label(&layout.width_free, layout.bare_width);
        Value::Tensor(Val { node, stat, width, known })
    }

    /// Rules that concern width axes and initial matrices.
    fn check_kinds(&self, op: Prim, args: &[At]) -> Result<(), Box<Diagnostic>> {
        let wide: Vec<&At> = args.iter().filter(|arg| arg.val.kind() > 0).collect();
        if let Some((first, other)) =
            wide.first().zip(wide.iter().find(|arg| arg.val.kind() != wide[0].val.kind()))
        {
            return Err(Box::new(self
                .problem(codes::MIXED_KINDS, other.span)
                .here(format!("this is a {}", kind_word(other.val.kind())))
                .label(first.span, format!("this is a {}", kind_word(first.val.kind())))
                .help(
                    "say which axis is meant: `let y[a, b] = K[a, b] * v[a]` or `K[a, b] * v[b]`",
                )));
        }
        let free = |arg: &&At| arg.val.width.iter().any(|axis| self.is_open_width(*axis));
        if let Some(bare) = wide.first()
            && args.iter().any(|arg| free(&arg))
        {
            return Err(Box::new(self.bare_and_free(bare)));
        }
        let random =
            |arg: &&At| arg.val.width.len() >= 2 && linear::contains_matrix(&self.ir, arg.val.node);
        let Some(matrix) = args.iter().find(random) else { return Ok(()) };
        let others_scalar = || {
            let without = args.iter().filter(|arg| !random(arg));
            without.clone().count() + 1 == args.len()
                && without.into_iter().all(|arg| arg.val.width.is_empty())
        };
        let linear = match op {
            Prim::Id | Prim::Neg | Prim::Add | Prim::Sub => true,
            Prim::Mul => others_scalar(),
            Prim::Div => others_scalar() && random(&&args[0]),
            _ => false,
        };
        if linear {
            return Ok(());
        }
        Err(Box::new(self
            .problem(codes::MATRIX_NONLINEAR, matrix.span)
            .here("this contains an initial matrix")
            .note("found:    an entrywise operation on its entries")
            .note("expected: sums, multiples by scalars, and `@`")
            .help("only outer products may go through entrywise functions: their entries are functions of neurons")))
    }

    fn is_open_width(&self, axis: Axis) -> bool {
        axis.free().is_some_and(|id| !self.indices.get(id).bound)
    }

    pub(super) fn bare_and_free(&self, bare: &At) -> Diagnostic {
        self.problem(codes::BARE_AND_FREE, bare.span)
            .here(format!("this {} has a width axis without an index", kind_word(bare.val.kind())))
            .note("another value here is subscripted by a width index of the left side")
            .help("subscript both: `let y[a] = x[a] * v[a]`")
    }

    fn layout(&self, args: &[At]) -> Result<Layout, Box<Diagnostic>> {
        let mut layout = Layout {
            stat_free: Vec::new(),
            bare_sizes: Vec::new(),
            width_free: Vec::new(),
            bare_width: args.iter().map(|arg| arg.val.kind()).max().unwrap_or(0),
            sizes: Vec::new(),
        };
        let mut free_sizes = Vec::new();
        for arg in args {
            let shape = self.ir.shape(arg.val.node);
            for (axis, size) in arg.val.stat.iter().zip(&shape.stat) {
                if let Some(id) = axis.free()
                    && !layout.stat_free.contains(&id)
                {
                    layout.stat_free.push(id);
                    free_sizes.push(*size);
                }
            }
            for id in arg.val.width.iter().filter_map(|axis| axis.free()) {
                if !layout.width_free.contains(&id) {
                    layout.width_free.push(id);
                }
            }
        }
        layout.bare_sizes = self.broadcast(args)?;
        layout.sizes = free_sizes.into_iter().chain(layout.bare_sizes.iter().copied()).collect();
        Ok(layout)
    }

    /// Sizes of the bare static axes, aligned from the right; a size of 1 stretches.
    fn broadcast(&self, args: &[At]) -> Result<Vec<usize>, Box<Diagnostic>> {
        let sizes_of = |arg: &At| -> Vec<usize> {
            let stat = &self.ir.shape(arg.val.node).stat;
            arg.val.bare_stat().into_iter().map(|axis| stat[axis]).collect()
        };
        let mut sizes: Vec<(usize, Span)> = Vec::new();
        for arg in args {
            let own = sizes_of(arg);
            while sizes.len() < own.len() {
                sizes.insert(0, (1, arg.span));
            }
            let offset = sizes.len() - own.len();
            for (known, size) in sizes[offset..].iter_mut().zip(&own) {
                if known.0 != *size && known.0 != 1 && *size != 1 {
                    let other = args
                        .iter()
                        .find(|other| other.span == known.1)
                        .map_or_else(Vec::new, sizes_of);
                    return Err(Box::new(self
                        .problem(codes::SHAPE_MISMATCH, arg.span)
                        .here(format!("static axes {own:?}"))
                        .label(known.1, format!("static axes {other:?}"))
                        .note(format!("{size} and {} do not broadcast (axes align from the right, 1 stretches)", known.0))
                        .help("subscript the axes that belong together: `let y[i, j] = x[i] * z[j]`")));
                }
                if known.0 == 1 {
                    *known = (*size, arg.span);
                }
            }
        }
        Ok(sizes.into_iter().map(|(size, _)| size).collect())
    }

    /// An operand with its axes mapped to those of the result.
    fn operand(&mut self, arg: &At, layout: &Layout) -> Arg {
        let mut node = arg.val.node;
        let mut stat = Vec::new();
        let bare = arg.val.bare_stat();
        let offset = layout.bare_sizes.len() - bare.len();
        for axis in (0..arg.val.stat.len()).rev() {
            let size = self.ir.shape(arg.val.node).stat[axis];
            let place = match arg.val.stat[axis] {
                Axis::Free(id) => Some(
                    layout
                        .stat_free
                        .iter()
                        .position(|free| *free == id)
                        .expect("collected in layout"),
                ),
                Axis::Bare => {
                    let position =
                        offset + bare.iter().position(|own| *own == axis).expect("a bare axis");
                    (layout.bare_sizes[position] == size)
                        .then_some(layout.stat_free.len() + position)
                }
            };
            match place {
                Some(place) => stat.insert(0, place),
                None => node = self.ir.index(node, axis, 0),
            }
        }
        let mut bare = layout.width_free.len()..;
        let width = arg.val.width.iter().map(|axis| match axis {
            Axis::Free(id) => {
                layout.width_free.iter().position(|free| free == id).expect("collected in layout")
            }
            Axis::Bare => bare.next().expect("an open range never ends"),
        });
        Arg { node, stat, width: width.collect() }
    }
}
