//! Means of functions of up to three independent directions, by nested adaptive integrals.
//!
//! The forms that functions read are written as µ + L ξ with independent standard normal ξ (Cholesky, largest variance
//! first). The innermost integral is split where a form passes a kink; the next one also where two such points meet, because the
//! inner integral is not smooth there. Powers of other forms are averaged in closed form at each point, given ξ.

use super::tree::Compiled;
use crate::codegen::simd::normal_densities;
use crate::num::gaussian::Normal;
use crate::num::quadrature::{Integral, POINTS, RULE, Values, integrate};
use crate::num::special::normal_density;
use smallvec::SmallVec;

/// A residual variance below this fraction of the whole is rounding.
const DEPENDENT: f64 = 1e-14;
/// More directions are left to particles.
pub(super) const MOST_DIRECTIONS: usize = 3;
/// Panels of every integral: the density at the ends is 1e-22 of the one at 0.
const ENDS: [f64; 7] = [-REACH, -5.0, -2.0, 0.0, 2.0, 5.0, REACH];
/// How many deviations integrals reach over.
pub(super) const REACH: f64 = 10.0;
/// Further panels for functions that grow like exponentials.
const FAR_ENDS: [f64; 6] = [-38.0, -26.0, -16.0, 16.0, 26.0, 38.0];
/// The integrand at the ends of the innermost integral, at most, over the integral of its size.
const OUTSIDE: f64 = 1e-11;
/// What is asked of integrals over three directions, which are many times longer.
const LONG_TOLERANCE: f64 = 1e-10;
/// Panels of one integral, at most, by how deep it is inside others.
const PANELS: [usize; MOST_DIRECTIONS] = [400, 150, 60];
/// What is wider than this need not be looked for: points of a panel see it.
const NARROW: f64 = 1.0;
/// Where more features end in one direction, the places where two of them meet are not looked for.
const MOST_MEETING: usize = 24;
/// A combination of forms, and a constant, at whose zeros a function has a kink or comes to rest, and how far from 0 it does.
pub(super) type Feature = (Vec<(usize, f64)>, f64, f64);
/// The same in directions: L · ξ + µ.
type Plane = (Vec<f64>, f64, f64);

/// A function and the forms that it reads.
#[derive(Debug)]
pub(super) struct Integrand<'a> {
    pub(super) functions: Vec<(&'a Compiled, Vec<usize>)>,
    /// Forms that are factors themselves, once for each power.
    pub(super) linear: Vec<usize>,
    /// Where functions change quickly.
    pub(super) features: Vec<Feature>,
    /// Whether functions grow like exponentials.
    pub(super) far: bool,
    /// Whether one is a table, which reaches no further than integrals of others do.
    pub(super) tabulated: bool,
    /// Whether nothing changes when all forms change their signs.
    pub(super) even: bool,
}

/// The state of one nested integral.
struct Nest<'a> {
    integrand: &'a Integrand<'a>,
    /// µ and the rows of L, for each form.
    mean: Vec<f64>,
    rows: Vec<Vec<f64>>,
    /// Covariances of the linear factors given ξ.
    residual: Vec<Vec<f64>>,
    /// For each direction, planes that end in it.
    planes: Vec<Vec<Plane>>,
    /// For each direction, functions that depend on it and not on later ones.
    functions: Vec<Vec<usize>>,
    ends: Vec<f64>,
    tolerance: f64,
    left: usize,
    /// The largest value at an end of the innermost integral.
    outside: f64,
    scratch: Vec<[f64; POINTS]>,
}

/// Ends of panels for a feature at a place, which reaches some way to both sides.
pub(super) fn around(place: f64, reach: f64) -> Vec<f64> {
    match reach {
        0.0 => vec![place],
        _ if reach < NARROW => vec![place - reach, place, place + reach],
        _ => Vec::new(),
    }
}

/// E of the integrand, with `left` panels to spend; `None` with too many directions or none left, or if there is more outside.
pub(super) fn mean(
    integrand: &Integrand,
    law: &Normal,
    tolerance: f64,
    left: &mut [usize; 2],
) -> Option<Integral> {
    let reaches = match (integrand.far, integrand.tabulated) {
        (true, true) => [].as_slice(),
        (true, false) => &[true],
        (false, true) => &[false],
        (false, false) => &[false, true],
    };
    for (k, far) in reaches.iter().enumerate() {
        let (integral, outside) = reaching(integrand, law, tolerance, left, *far)?;
        // what is 0 everywhere may not be so further out
        let is_seen = integral.size > 0.0 || k + 1 == reaches.len();
        if is_seen && outside <= OUTSIDE * integral.size {
            return Some(integral);
        }
    }
    None
}

/// The same with what is left outside.
fn reaching(
    integrand: &Integrand,
    law: &Normal,
    tolerance: f64,
    left: &mut [usize; 2],
    far: bool,
) -> Option<(Integral, f64)> {
    let mut forms: Vec<usize> = integrand.functions.iter().flat_map(|(_, of)| of.clone()).collect();
    forms.sort_unstable();
    forms.dedup();
    let (rows, count) = factor(law, &forms)?;
    let linear = &integrand.linear;
    let inner =
        |x: usize, y: usize| -> f64 { rows[x].iter().zip(&rows[y]).map(|(a, b)| a * b).sum() };
    let residual = |x: &usize| -> Vec<f64> {
        let one = |y: &usize| {
            let rest = law.covariance(*x, *y) - inner(*x, *y);
            let size = law.deviation(*x) * law.deviation(*y);
            if rest.abs() <= 1e-15 * size { 0.0 } else { rest }
        };
        linear.iter().map(one).collect()
    };
    let mut ends = ENDS.to_vec();
    if far {
        ends.extend(FAR_ENDS);
        ends.sort_by(f64::total_cmp);
    }
    let mut nest = Nest {
        integrand,
        mean: (0..law.count()).map(|k| law.mean(k)).collect(),
        residual: linear.iter().map(residual).collect(),
        planes: Vec::new(),
        functions: by_direction(integrand, &rows, count),
        rows,
        ends,
        tolerance: if count < 3 { tolerance } else { tolerance.max(LONG_TOLERANCE) },
        left: left[usize::from(count == 3)],
        outside: 0.0,
        scratch: Vec::new(),
    };
    nest.planes = nest.all_planes(count);
    let result = match count {
        0 => Some(nest.at_one_point()),
        _ => nest.integral(&mut Vec::new(), count, 1.0),
    };
    left[usize::from(count == 3)] = nest.left;
    result.map(|integral| (integral, nest.outside))
}

/// Rows of L for all forms, from a pivoted Cholesky factorisation of the chosen ones, and the number of directions.
fn factor(law: &Normal, forms: &[usize]) -> Option<(Vec<Vec<f64>>, usize)> {
    let mut rows = vec![Vec::new(); law.count()];
    let rest = |rows: &[Vec<f64>], x: usize, y: usize| -> f64 {
        let along: f64 = rows[x].iter().zip(&rows[y]).map(|(a, b)| a * b).sum();
        law.covariance(x, y) - along
    };
    for direction in 0.. {
        let share = |x: &usize| match law.is_constant(*x) {
            true => 0.0,
            false => rest(&rows, *x, *x) / law.covariance(*x, *x),
        };
        let pivot = forms.iter().copied().max_by(|x, y| share(x).total_cmp(&share(y)));
        let Some(pivot) = pivot.filter(|pivot| share(pivot) > DEPENDENT) else {
            return Some((rows, direction));
        };
        if direction == MOST_DIRECTIONS {
            return None;
        }
        let deviation = rest(&rows, pivot, pivot).sqrt();
        let column: Vec<f64> = (0..law.count())
            .map(|x| match forms.contains(&x) && share(&x) <= DEPENDENT {
                true => 0.0,
                false => rest(&rows, x, pivot) / deviation,
            })
            .collect();
        rows.iter_mut().zip(column).for_each(|(row, entry)| row.push(entry));
    }
    None
}

/// The functions whose last direction is each of them; those of constants are with the first.
fn by_direction(integrand: &Integrand, rows: &[Vec<f64>], count: usize) -> Vec<Vec<usize>> {
    let last = |forms: &[usize]| {
        let of = |form: &usize| rows[*form].iter().rposition(|entry| *entry != 0.0).unwrap_or(0);
        forms.iter().map(of).max().unwrap_or(0)
    };
    let functions = integrand.functions.iter().enumerate();
    let lasts: Vec<(usize, usize)> = functions.map(|(k, (_, forms))| (k, last(forms))).collect();
    let of =
        |direction| lasts.iter().filter(|(_, own)| *own == direction).map(|(k, _)| *k).collect();
    (0..count).map(of).collect()
}

impl Nest<'_> {
    /// Planes by the last direction that they depend on. For directions before it also what is left of them after an integral over
    /// it, less sharp, and the places where two of them meet.
    fn all_planes(&self, count: usize) -> Vec<Vec<Plane>> {
        let plane = |(parts, constant, reach): &Feature| {
            let mut row = vec![0.0; count];
            let mut at = *constant;
            for (form, factor) in parts {
                row.iter_mut()
                    .zip(&self.rows[*form])
                    .for_each(|(sum, entry)| *sum += factor * entry);
                at += factor * self.mean[*form];
            }
            (row, at, *reach)
        };
        let mut planes = vec![Vec::new(); count];
        let mut pending: Vec<Plane> = self.integrand.features.iter().map(plane).collect();
        for direction in (0..count).rev() {
            let size = |row: &[f64]| row.iter().map(|x| x.abs()).fold(0.0, f64::max);
            let (own, others): (Vec<Plane>, Vec<Plane>) = pending
                .into_iter()
                .partition(|(row, ..)| row[direction].abs() > DEPENDENT * size(row));
            pending = others;
            let mut here: Vec<Plane> = Vec::new();
            for (row, at, reach) in own {
                let factor = 1.0 / row[direction];
                let mut row: Vec<f64> = row.iter().map(|x| x * factor).collect();
                let (at, reach) = (at * factor, reach * factor.abs());
                let scaled = (row.clone(), at, reach);
                if here.contains(&scaled) {
                    continue;
                }
                if reach < NARROW {
                    here.push(scaled);
                }
                row[direction] = 0.0;
                let reach = reach + self.ends[self.ends.len() - 1];
                if reach < NARROW * size(&row) {
                    pending.push((row, at, reach));
                }
            }
            let meeting = if here.len() > MOST_MEETING { &[] } else { here.as_slice() };
            for (k, (a, x, near)) in meeting.iter().enumerate() {
                for (b, y, far) in &meeting[..k] {
                    let row = a.iter().zip(b).map(|(a, b)| a - b).collect();
                    pending.push((row, x - y, near + far));
                }
            }
            planes[direction] = here;
        }
        planes
    }

    /// The integral over all directions from the depth of `outer` on.
    fn integral(&mut self, outer: &mut Vec<f64>, count: usize, weight: f64) -> Option<Integral> {
        let depth = outer.len();
        let mut ends = self.ends.clone();
        let within = |x: &f64| x.abs() < self.ends[self.ends.len() - 1];
        for (row, at, reach) in &self.planes[depth] {
            let place: f64 = -(at + row.iter().zip(outer.iter()).map(|(a, x)| a * x).sum::<f64>());
            ends.extend(around(place, *reach).into_iter().filter(within));
        }
        let halved = self.integrand.even && depth == 0;
        ends.retain(|x| !halved || *x >= 0.0);
        ends.sort_by(f64::total_cmp);
        ends.dedup();
        // far out, where the density is small, less will do
        let tolerance = (self.tolerance / weight).clamp(self.tolerance, 0.1);
        let (mut failed, mut inner_error) = (false, 0.0_f64);
        let mut on_panel = |points: &[f64; POINTS], values: &mut Values| {
            if self.left == 0 || failed {
                failed = true;
                return;
            }
            self.left -= 1;
            values.hidden = self.on_panel(outer, points, &mut values.of);
            if depth + 1 == count {
                self.times_moments(outer, points, &mut values.of);
                values.sizes = values.of.map(f64::abs);
                return;
            }
            // inner integrals are not taken there
            values.of[RULE..].fill(f64::NAN);
            for (k, point) in points[..RULE].iter().enumerate() {
                let value = &mut values.of[k];
                if *value == 0.0 {
                    continue;
                }
                outer.push(*point);
                let inner = self.integral(outer, count, weight * normal_density(*point));
                outer.pop();
                match inner {
                    Some(inner) => {
                        inner_error = inner_error.max((*value * inner.error).abs());
                        values.sizes[k] = value.abs() * inner.size;
                        *value *= inner.value;
                    }
                    None => failed = true,
                }
            }
        };
        let mut integral = integrate(&mut on_panel, &ends, tolerance, PANELS[depth]);
        if depth + 1 == count {
            self.look_outside(outer, weight);
        }
        // a range of about ten deviations
        integral.error += 10.0 * inner_error;
        if halved {
            let Integral { value, error, size } = integral;
            integral = Integral { value: 2.0 * value, error: 2.0 * error, size: 2.0 * size };
        }
        (!failed && integral.value.is_finite()).then_some(integral)
    }

    /// Remembers how large the integrand is where the innermost integral ends.
    fn look_outside(&mut self, outer: &[f64], weight: f64) {
        let reach = self.ends[self.ends.len() - 1];
        let points = std::array::from_fn(|k| if k % 2 == 0 { reach } else { -reach });
        let mut values = [0.0; POINTS];
        self.on_panel(outer, &points, &mut values);
        self.times_moments(outer, &points, &mut values);
        self.outside = values[..2].iter().fold(self.outside, |most, x| most.max(weight * x.abs()));
    }

    /// Writes a form at the points of a panel.
    fn form(&self, form: usize, outer: &[f64], points: &[f64; POINTS], out: &mut [f64; POINTS]) {
        let along: f64 = self.rows[form].iter().zip(outer).map(|(a, x)| a * x).sum();
        let (base, slope) = (self.mean[form] + along, self.rows[form][outer.len()]);
        out.iter_mut().zip(points).for_each(|(value, x)| *value = base + slope * x);
    }

    /// The density times the functions that depend on this direction last, and what these may hide.
    fn on_panel(
        &mut self,
        outer: &[f64],
        points: &[f64; POINTS],
        values: &mut [f64; POINTS],
    ) -> f64 {
        normal_densities(points, values);
        let (mut scratch, mut hidden) = (std::mem::take(&mut self.scratch), 0.0_f64);
        for at in &self.functions[outer.len()] {
            let (function, forms) = &self.integrand.functions[*at];
            let argument = |k: usize, out: &mut _| self.form(forms[k], outer, points, out);
            let (result, own) = function.many(&argument, &mut scratch);
            hidden = hidden.max(own);
            // far out 0 · ∞ is 0
            let times = |x: f64, y: f64| if x == 0.0 { 0.0 } else { x * y };
            values.iter_mut().zip(result).for_each(|(value, y)| *value = times(*value, *y));
        }
        self.scratch = scratch;
        // the density is largest at the point that is nearest to 0
        let nearest = points.iter().map(|x| x.abs()).fold(f64::INFINITY, f64::min);
        if hidden == 0.0 { 0.0 } else { hidden * normal_density(nearest) }
    }

    /// Times the mean of the linear factors given all directions.
    fn times_moments(&self, outer: &[f64], points: &[f64; POINTS], values: &mut [f64; POINTS]) {
        if self.integrand.linear.is_empty() {
            return;
        }
        let mut linear = vec![[0.0; POINTS]; self.integrand.linear.len()];
        for (form, out) in self.integrand.linear.iter().zip(&mut linear) {
            self.form(*form, outer, points, out);
        }
        for (k, value) in values.iter_mut().enumerate() {
            let means: SmallVec<[f64; 4]> = linear.iter().map(|form| form[k]).collect();
            *value *= moment(&means, &self.residual);
        }
    }

    /// Functions of constants.
    fn at_one_point(&mut self) -> Integral {
        let mut value = 1.0;
        for (function, forms) in &self.integrand.functions {
            let arguments: Vec<f64> = forms.iter().map(|form| self.mean[*form]).collect();
            value *= function.one(&arguments);
        }
        let means: Vec<f64> = self.integrand.linear.iter().map(|form| self.mean[*form]).collect();
        value *= moment(&means, &self.residual);
        Integral { value, error: 8.0 * f64::EPSILON * value.abs(), size: value.abs() }
    }
}

/// E of the product of Gaussian numbers, by Isserlis' theorem with means.
pub(super) fn moment(means: &[f64], covariance: &[Vec<f64>]) -> f64 {
    fn of(left: &[usize], means: &[f64], covariance: &[Vec<f64>]) -> f64 {
        let [first, rest @ ..] = left else { return 1.0 };
        let mut total =
            means[*first] * if means[*first] == 0.0 { 0.0 } else { of(rest, means, covariance) };
        for (k, other) in rest.iter().enumerate() {
            let pair = covariance[*first][*other];
            if pair != 0.0 {
                let mut without = SmallVec::<[usize; 8]>::from_slice(rest);
                without.remove(k);
                total += pair * of(&without, means, covariance);
            }
        }
        total
    }
    let all: SmallVec<[usize; 8]> = (0..means.len()).collect();
    of(&all, means, covariance)
}
