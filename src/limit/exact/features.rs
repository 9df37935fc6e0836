//! Where functions have kinks, jumps or narrow changes: panels of integrals end there.

use super::tree::{AT_REST, Compiled, Tree, TreeId, Trees, rests};
use crate::ir::{Exponent, Prim};
use crate::num::quadrature::{reaching_grid, sign_changes};

/// Points of the grid on which zeros are looked for.
const GRID: usize = 1000;
/// How far the grid reaches.
const REACH: f64 = 1e4;
/// How far from known places zeros are looked for, each a third of the one before.
const CLOSEST: i32 = 34;
/// Combinations of minima and maxima in one tree.
const MOST_PIECES: usize = 16;
/// A number that is no zero and no end of anything.
const ELSEWHERE: f64 = 0.618_033_988_749_895;
/// A function that has made most of a change within this of a place is narrow there.
const NARROW: f64 = 0.01;

/// A tree at whose zeros a function has a feature.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Feature {
    tree: TreeId,
    /// How far from 0 the function comes to rest: nowhere, if it is a kink.
    rest: f64,
    /// Whether what is made of it is even, so that factors outside tell how narrow it is.
    even: bool,
}

impl Trees {
    fn features(&mut self, id: TreeId, found: &mut Vec<Feature>) {
        let (op, args) = match self.get(id).clone() {
            Tree::Apply(op, args) => (op, args),
            Tree::Table(table, arg) => {
                self.features(arg, found);
                for at in self.tabulated(table).breaks() {
                    let at = self.constant(at);
                    let tree = self.sub(arg, at);
                    self.add_feature(Feature { tree, rest: 0.0, even: false }, found);
                }
                return;
            }
            Tree::Argument(_) | Tree::Constant(_) => return,
        };
        args.iter().for_each(|arg| self.features(*arg, found));
        let whole = |p: Exponent| p.is_integer() && p > Exponent::from_integer(0);
        let (tree, rest, even) = match op {
            Prim::Abs
            | Prim::Sign
            | Prim::Step
            | Prim::Relu
            | Prim::Sqrt
            | Prim::Log
            | Prim::Not => (args[0], 0.0, false),
            op if rests(op) => (args[0], AT_REST, false),
            Prim::Pow(p) if !whole(p) => (args[0], 0.0, false),
            Prim::Pow(p) if p.to_integer() % 2 == 0 => (args[0], AT_REST, true),
            Prim::Mul if args[0] == args[1] => (args[0], AT_REST, true),
            Prim::Div => (args[1], 0.0, false),
            Prim::Min | Prim::Max | Prim::Lt | Prim::Le | Prim::Eq => {
                (self.sub(args[0], args[1]), 0.0, false)
            }
            _ => return,
        };
        self.add_feature(Feature { tree, rest, even }, found);
    }

    /// A feature for each piece of its tree.
    fn add_feature(&mut self, feature: Feature, found: &mut Vec<Feature>) {
        for tree in self.pieces(feature.tree) {
            let own = Feature { tree, ..feature };
            if self.value(tree).is_none() && !found.contains(&own) {
                found.push(own);
            }
        }
    }

    /// What a tree may be, as one or the other operand of minima and the like: affine pieces have zeros that are known.
    fn pieces(&mut self, id: TreeId) -> Vec<TreeId> {
        let Tree::Apply(op, args) = self.get(id).clone() else { return vec![id] };
        let pieces = match op {
            Prim::Min | Prim::Max => [self.pieces(args[0]), self.pieces(args[1])].concat(),
            Prim::Select => [self.pieces(args[1]), self.pieces(args[2])].concat(),
            Prim::Relu => {
                let zero = self.constant(0.0);
                [self.pieces(args[0]), vec![zero]].concat()
            }
            Prim::Abs => {
                let right = self.pieces(args[0]);
                let left = right.iter().map(|piece| self.apply(Prim::Neg, &[*piece]));
                [left.collect(), right.clone()].concat()
            }
            Prim::Add | Prim::Sub | Prim::Mul | Prim::Div | Prim::Neg => {
                let mut all = vec![Vec::new()];
                for arg in &args {
                    let own = self.pieces(*arg);
                    let with = |before: &Vec<TreeId>| -> Vec<Vec<TreeId>> {
                        own.iter().map(|piece| [before.as_slice(), &[*piece]].concat()).collect()
                    };
                    all = all.iter().flat_map(with).collect();
                }
                all.iter().map(|args| self.apply(op, args)).collect()
            }
            _ => return vec![id],
        };
        if pieces.len() > MOST_PIECES { vec![id] } else { pieces }
    }

    /// Where a function of one argument may have a kink, a jump or a narrow feature, and how wide that is to either side.
    pub(super) fn kinks(&mut self, id: TreeId) -> Vec<(f64, f64)> {
        if let Some(known) = self.kinks.get(&id) {
            return known.clone();
        }
        let mut features = Vec::new();
        self.features(id, &mut features);
        let points = self.places(id, features);
        self.kinks.insert(id, points.clone());
        points
    }

    /// The same along one argument of several, of features that read no other; the others are at no place of note.
    pub(super) fn kinks_along(&mut self, id: TreeId, argument: usize) -> Vec<(f64, f64)> {
        let mut features = Vec::new();
        self.features(id, &mut features);
        features.retain(|own| self.reads(own.tree, &|k| k == argument) == (true, false));
        if features.is_empty() {
            return Vec::new();
        }
        let elsewhere = self.constant(ELSEWHERE);
        let mut trees = vec![elsewhere; argument + 1];
        trees[argument] = self.argument(0);
        for feature in &mut features {
            feature.tree = self.with_arguments(feature.tree, &trees);
        }
        let along = self.with_arguments(id, &trees);
        self.places(along, features)
    }

    fn places(&mut self, id: TreeId, features: Vec<Feature>) -> Vec<(f64, f64)> {
        let whole = Compiled::new(self, id);
        let mut points: Vec<(f64, f64)> = Vec::new();
        for Feature { tree, rest, even } in features {
            let own = match self.affine(tree) {
                Some((_, a, b)) if a != 0.0 => vec![(-b / a, a)],
                _ => self.zeros(tree, &points),
            };
            for (at, slope) in own.into_iter().filter(|(at, _)| at.is_finite()) {
                points.push((at, rest / slope.abs()));
                // powers take their time to come to rest
                let mut reach = if even { AT_REST * width_at(&whole, at) } else { 1.0 };
                while reach < 1.0 {
                    points.push((at, reach));
                    reach *= 8.0;
                }
            }
        }
        points.sort_by(|(x, _), (y, _)| x.total_cmp(y));
        points.dedup();
        points
    }

    /// Zeros of a function of one argument, and slopes there; also those close to places that are known.
    fn zeros(&self, tree: TreeId, known: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let compiled = Compiled::new(self, tree);
        let f = |x: f64| compiled.one(&[x]);
        let mut grid = reaching_grid(GRID, REACH);
        for (at, _) in known {
            grid.push(*at);
            for k in 0..CLOSEST {
                let step = libm::pow(3.0, f64::from(-k));
                grid.extend([at - step, at + step]);
            }
        }
        grid.sort_by(f64::total_cmp);
        let slope = |at: f64| {
            let step = 1e-6 * (1.0 + at.abs());
            (f(at + step) - f(at - step)) / (2.0 * step)
        };
        sign_changes(&f, &grid).into_iter().map(|at| (at, slope(at))).collect()
    }

    /// The same of a function of several arguments where it is affine: coefficients, constant, and width times coefficients.
    pub(super) fn planes(&mut self, id: TreeId, arguments: usize) -> Vec<(Vec<f64>, f64, f64)> {
        let mut features = Vec::new();
        self.features(id, &mut features);
        let plane = |own: Feature| {
            let (row, at) = self.plane(own.tree, arguments)?;
            Some((row, at, own.rest))
        };
        features.into_iter().filter_map(plane).collect()
    }

    /// Σ aₖ xₖ + b.
    fn plane(&self, id: TreeId, arguments: usize) -> Option<(Vec<f64>, f64)> {
        let combine = |a: (Vec<f64>, f64), b: (Vec<f64>, f64), sign: f64| {
            (a.0.iter().zip(&b.0).map(|(x, y)| x + sign * y).collect(), a.1 + sign * b.1)
        };
        let scale = |(a, b): (Vec<f64>, f64), c: f64| (a.iter().map(|x| c * x).collect(), c * b);
        match self.get(id) {
            Tree::Argument(k) => {
                let mut unit = vec![0.0; arguments];
                unit[*k] = 1.0;
                Some((unit, 0.0))
            }
            Tree::Constant(c) => Some((vec![0.0; arguments], c.get())),
            Tree::Table(..) => None,
            Tree::Apply(op, args) => {
                let of = |k: usize| self.plane(args[k], arguments);
                match op {
                    Prim::Neg => Some(scale(of(0)?, -1.0)),
                    Prim::Add => Some(combine(of(0)?, of(1)?, 1.0)),
                    Prim::Sub => Some(combine(of(0)?, of(1)?, -1.0)),
                    Prim::Mul => match (self.value(args[0]), self.value(args[1])) {
                        (Some(c), _) => Some(scale(of(1)?, c)),
                        (_, Some(c)) => Some(scale(of(0)?, c)),
                        _ => None,
                    },
                    Prim::Div => Some(scale(of(0)?, 1.0 / self.value(args[1])?)),
                    _ => None,
                }
            }
        }
    }
}

/// How far from a place a function has made half of a change that is narrow; infinite if none is.
fn width_at(f: &Compiled, at: f64) -> f64 {
    let value = f.one(&[at]);
    let change = |step: f64| {
        let both = [at - step, at + step].map(|x| (f.one(&[x]) - value).abs());
        both[0].max(both[1])
    };
    // a smooth function goes on to change, ten times as much or more
    let whole = change(NARROW);
    if whole == 0.0 || whole < 0.5 * change(10.0 * NARROW) {
        return f64::INFINITY;
    }
    let mut step = NARROW;
    while step > 1e-14 && change(0.5 * step) > 0.5 * whole {
        step *= 0.5;
    }
    step
}
