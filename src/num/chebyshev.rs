//! Piecewise Chebyshev interpolants on an interval (Trefethen, Approximation Theory and Approximation Practice, 2013).

use std::cell::Cell;
use std::f64::consts::PI;

/// On each piece Σ cₖ Tₖ; at its ends outside.
#[derive(Clone, Debug)]
pub struct Chebyshev {
    /// From left to right.
    pieces: Vec<Piece>,
    /// A bound of the error anywhere in the interval.
    pub error: f64,
}

#[derive(Clone, Debug)]
struct Piece {
    coefficients: Vec<f64>,
    low: f64,
    high: f64,
    error: f64,
}

/// Points less one of the first grid of a piece, and of the last.
const DEGREES: (usize, usize) = (16, 128);
/// The last quarter of the coefficients, relative to the largest value, when a grid is enough.
const ENOUGH: f64 = 2e-14;
/// What the last grid must promise of this to be tried.
const LEAST: f64 = 1e-11;
/// More pieces are not made.
const MOST_PIECES: usize = 100;

impl Chebyshev {
    /// Interpolates values, which have an error bound each, from the first to the last of `ends`, with pieces that end at each of
    /// them. Pieces are halved, those around 0 there, until the coefficients of each die out and the values at these places are met;
    /// `None` if that fails, or if there is no value.
    pub fn new(
        ends: &[f64],
        places: &[f64],
        mut f: impl FnMut(f64) -> Option<(f64, f64)>,
    ) -> Option<Self> {
        let largest = Cell::new(0.0_f64);
        let mut pieces = Vec::new();
        let mut pending: Vec<[f64; 2]> = ends.windows(2).map(|pair| [pair[0], pair[1]]).collect();
        pending.reverse();
        while let Some([low, high]) = pending.pop() {
            if let Some(piece) = Piece::new([low, high], places, &largest, &mut f)? {
                pieces.push(piece);
                continue;
            }
            if pieces.len() + pending.len() >= MOST_PIECES {
                return None;
            }
            // functions of products are rarely smooth at 0
            let middle = if low < 0.0 && high > 0.0 { 0.0 } else { 0.5 * (low + high) };
            pending.push([middle, high]);
            pending.push([low, middle]);
        }
        let error = pieces.iter().map(|piece: &Piece| piece.error).fold(0.0, f64::max);
        Some(Self { pieces, error })
    }

    /// The values at many points, together where these are in one piece.
    pub fn values<const N: usize>(&self, x: &[f64; N]) -> [f64; N] {
        let at = |x: f64| self.piece(x);
        let first = at(x[0]);
        match x.iter().all(|x| at(*x) == first) {
            true => self.pieces[first].values(x),
            false => x.map(|x| self.value(x)),
        }
    }

    fn piece(&self, x: f64) -> usize {
        self.pieces.partition_point(|piece| piece.high < x).min(self.pieces.len() - 1)
    }

    /// Of an interpolant on [0, h] the one on [−h, h] with f(−x) = f(x), or −f(x) where `is_odd`.
    pub fn mirrored(mut self, is_odd: bool) -> Self {
        let right = std::mem::take(&mut self.pieces);
        self.pieces.extend(right.iter().rev().map(|piece| piece.mirrored(is_odd)));
        self.pieces.extend(right);
        self
    }

    /// The value.
    pub fn value(&self, x: f64) -> f64 {
        self.pieces[self.piece(x)].value(x)
    }

    /// A bound of its absolute value.
    pub fn size(&self) -> f64 {
        let sum = |piece: &Piece| piece.coefficients.iter().map(|c| c.abs()).sum();
        self.pieces.iter().map(sum).fold(0.0, f64::max)
    }

    /// Where two pieces meet.
    pub fn breaks(&self) -> Vec<f64> {
        self.pieces[1..].iter().map(|piece| piece.low).collect()
    }
}

impl Piece {
    /// `Some(None)` where the last grid is not enough.
    fn new(
        [low, high]: [f64; 2],
        places: &[f64],
        largest: &Cell<f64>,
        f: &mut impl FnMut(f64) -> Option<(f64, f64)>,
    ) -> Option<Option<Self>> {
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
        let worst = Cell::new(0.0_f64);
        let mut at = |k: usize, degree: usize| -> Option<f64> {
            let (value, own) = f(middle + half * libm::cos(PI * k as f64 / degree as f64))?;
            worst.set(worst.get().max(own));
            largest.set(largest.get().max(value.abs()));
            value.is_finite().then_some(value)
        };
        let mut degree = DEGREES.0;
        let mut values: Vec<f64> = (0..=degree).map(|k| at(k, degree)).collect::<Option<_>>()?;
        loop {
            let coefficients = coefficients(&values);
            let rest: f64 = coefficients[degree - degree / 4..].iter().map(|c| c.abs()).sum();
            // what values are off by does not die out
            if rest <= ENOUGH * largest.get() + worst.get() {
                // the norm of interpolation at these points is at most 1 + 2/π log(degree + 1) (Theorem 15.2)
                let norm = 1.0 + 2.0 / PI * libm::log(degree as f64 + 1.0);
                let error = rest + norm * worst.get() + 4.0 * f64::EPSILON * largest.get();
                let piece = Self { coefficients, low, high, error };
                for place in places.iter().filter(|x| (low..=high).contains(x)) {
                    let (value, own) = f(*place)?;
                    // a narrow feature may lie between all points of a grid
                    if (piece.value(*place) - value).abs() > error + own {
                        return Some(None);
                    }
                }
                return Some(Some(piece));
            }
            // coefficients die out like powers of a number, so with twice the points the rest is squared
            let doublings = (DEGREES.1 / degree) as f64;
            if degree == DEGREES.1 || libm::pow(rest / largest.get(), doublings) > LEAST {
                return Some(None);
            }
            degree *= 2;
            let old = std::mem::take(&mut values);
            for k in 0..=degree {
                values.push(if k % 2 == 0 { old[k / 2] } else { at(k, degree)? });
            }
        }
    }

    fn value(&self, x: f64) -> f64 {
        self.values(&[x])[0]
    }

    /// By Clenshaw's recurrence, at many points side by side.
    fn values<const N: usize>(&self, x: &[f64; N]) -> [f64; N] {
        let half = 0.5 * (self.high - self.low);
        let x = x.map(|x| ((x - 0.5 * (self.low + self.high)) / half).clamp(-1.0, 1.0));
        let (mut next, mut after) = ([0.0; N], [0.0; N]);
        for c in self.coefficients[1..].iter().rev() {
            for k in 0..N {
                (next[k], after[k]) = (2.0 * x[k] * next[k] - after[k] + c, next[k]);
            }
        }
        std::array::from_fn(|k| x[k] * next[k] - after[k] + self.coefficients[0])
    }

    fn mirrored(&self, is_odd: bool) -> Self {
        // Tₖ(−x) = (−1)ᵏ Tₖ(x)
        let term = |(k, c): (usize, &f64)| if (k % 2 == 1) == is_odd { *c } else { -c };
        let coefficients = self.coefficients.iter().enumerate().map(term).collect();
        Self { coefficients, low: -self.high, high: -self.low, error: self.error }
    }
}

/// From values at cos(π k/N).
fn coefficients(values: &[f64]) -> Vec<f64> {
    let degree = values.len() - 1;
    let cosines: Vec<f64> =
        (0..2 * degree).map(|k| libm::cos(PI * k as f64 / degree as f64)).collect();
    let one = |j: usize| {
        let term = |k: usize| {
            let weight = if k == 0 || k == degree { 0.5 } else { 1.0 };
            weight * values[k] * cosines[j * k % (2 * degree)]
        };
        let sum: f64 = (0..=degree).map(term).sum();
        sum * if j == 0 || j == degree { 1.0 } else { 2.0 } / degree as f64
    };
    (0..=degree).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolants_have_their_errors() {
        let f = |x: f64| libm::tanh(x) * libm::cos(2.0 * x);
        let table =
            Chebyshev::new(&[-5.0, 7.0], &[], |x| Some((f(x), 1e-16))).expect("it is smooth");
        assert!(table.error < 1e-12, "{}", table.error);
        for k in 0..200 {
            let x = -5.0 + 0.06 * f64::from(k);
            assert!((table.value(x) - f(x)).abs() <= table.error, "{x}");
        }
        assert_eq!(table.value(9.0), table.value(7.0));
        let right = Chebyshev::new(&[0.0, 2.0, 5.0], &[], |x| Some((f(x), 0.0)));
        let right = right.expect("it is smooth");
        let (odd, even) = (right.clone().mirrored(true), right.mirrored(false));
        for x in [0.3, 1.9, 2.4] {
            let known = f(x);
            assert_eq!((odd.value(-x), even.value(-x)), (-odd.value(x), even.value(x)));
            assert_eq!(odd.values(&[x, 0.1, -x]), [odd.value(x), odd.value(0.1), odd.value(-x)]);
            assert!((odd.value(x) - known).abs() <= odd.error, "{x}");
        }
        let bent = Chebyshev::new(&[-1.0, 2.0], &[], |x| Some((x.abs(), 0.0)))
            .expect("it is smooth beside 0");
        let smooth =
            Chebyshev::new(&[-1.0, 2.0], &[], |x| Some((libm::exp(x), 0.0))).expect("it is smooth");
        assert_eq!((bent.breaks(), smooth.breaks()), (vec![0.0], Vec::new()));
        assert!((bent.value(-0.3) - 0.3).abs() < 1e-15 && (bent.value(0.7) - 0.7).abs() < 1e-15);
        let narrow = |x: f64| Some((libm::exp(-x * x), 0.0));
        let seen = Chebyshev::new(&[-500.0, 800.0], &[0.3], narrow).expect("it is smooth");
        assert!((seen.value(0.7) - libm::exp(-0.49)).abs() < 1e-13, "{}", seen.value(0.7));
        assert!(Chebyshev::new(&[-1.0, 1.0], &[], |x| Some((libm::sin(1e6 * x), 0.0))).is_none());
    }
}
