//! Sobol points: the first 2^k of them, and every aligned run of 2^k, are spread evenly over the unit cube.
//!
//! Direction numbers: Joe & Kuo, SIAM J. Sci. Comput. 30, 2008 (`new-joe-kuo-6`). Scrambling is affine over two elements: every bit
//! is a random sum of itself and the bits above it, and is flipped at random (Matoušek, J. Complexity 14, 1998). Then
//! every point is uniform, and every two points have the joint law that Owen's scrambling gives them. So averages are
//! unbiased and have its variance (Owen, ACM TOMACS 13, 2003): of order N^(−3) for smooth functions of few
//! coordinates, and never much above that of independent points (Owen, Annals of Statistics 25, 1997).

use super::rng::Key;

/// Bits of a coordinate, and of the position of a point.
const BITS: usize = 32;

/// How many coordinates there are.
pub const COORDINATES: usize = TABLE.len() + 1;

/// For each coordinate after the first a primitive polynomial over two elements, its coefficients as bits, and the first
/// direction numbers.
#[rustfmt::skip]
const TABLE: [(u32, &[u32]); 31] = [
    (3, &[1]),
    (7, &[1, 3]),
    (11, &[1, 3, 1]),
    (13, &[1, 1, 1]),
    (19, &[1, 1, 3, 3]),
    (25, &[1, 3, 5, 13]),
    (37, &[1, 1, 5, 5, 17]),
    (41, &[1, 1, 5, 5, 5]),
    (47, &[1, 1, 7, 11, 19]),
    (55, &[1, 1, 5, 1, 1]),
    (59, &[1, 1, 1, 3, 11]),
    (61, &[1, 3, 5, 5, 31]),
    (67, &[1, 3, 3, 9, 7, 49]),
    (91, &[1, 1, 1, 15, 21, 21]),
    (97, &[1, 3, 1, 13, 27, 49]),
    (103, &[1, 1, 1, 15, 7, 5]),
    (109, &[1, 3, 1, 15, 13, 25]),
    (115, &[1, 1, 5, 5, 19, 61]),
    (131, &[1, 3, 7, 11, 23, 15, 103]),
    (137, &[1, 3, 7, 13, 13, 15, 69]),
    (143, &[1, 1, 3, 13, 7, 35, 63]),
    (145, &[1, 3, 5, 9, 1, 25, 53]),
    (157, &[1, 3, 1, 13, 9, 35, 107]),
    (167, &[1, 3, 1, 5, 27, 61, 31]),
    (171, &[1, 1, 5, 11, 19, 41, 61]),
    (185, &[1, 3, 5, 3, 3, 13, 69]),
    (191, &[1, 1, 7, 13, 1, 19, 1]),
    (193, &[1, 3, 7, 5, 13, 19, 59]),
    (203, &[1, 1, 3, 9, 25, 29, 41]),
    (211, &[1, 3, 5, 13, 23, 1, 55]),
    (213, &[1, 3, 7, 3, 13, 59, 17]),
];

/// One coordinate of scrambled points.
#[derive(Clone, Debug)]
pub struct Coordinate {
    directions: [u32; BITS],
    flipped: u32,
}

impl Coordinate {
    /// The coordinate at this position, scrambled at random; `None` where there are no more.
    pub fn new(position: usize, scramble: Key) -> Option<Self> {
        if position >= COORDINATES {
            return None;
        }
        let row = |k: usize| {
            let above = !(u32::MAX >> k);
            bit(k) | (scramble.bits32(k as u64) & above)
        };
        let rows: [u32; BITS] = std::array::from_fn(row);
        let scrambled = |direction: u32| {
            let odd = |k: &usize| (rows[*k] & direction).count_ones() % 2 == 1;
            (0..BITS).filter(odd).map(bit).sum()
        };
        let directions = directions(position).map(scrambled);
        Some(Self { directions, flipped: scramble.bits32(BITS as u64) })
    }

    /// Of the point at this position, in (0, 1).
    pub fn at(&self, point: u32) -> f64 {
        let (mut bits, mut rest) = (self.flipped, point);
        while rest != 0 {
            bits ^= self.directions[rest.trailing_zeros() as usize];
            rest &= rest - 1;
        }
        (f64::from(bits) + 0.5) / 4_294_967_296.0
    }
}

/// The k-th bit after the binary point.
fn bit(k: usize) -> u32 {
    1 << (BITS - 1 - k)
}

/// The direction numbers of a coordinate: what the bits of a point's position add, the lowest first.
fn directions(position: usize) -> [u32; BITS] {
    let mut directions = std::array::from_fn(bit);
    if position == 0 {
        return directions;
    }
    let (polynomial, first) = TABLE[position - 1];
    let degree = first.len();
    for (k, number) in first.iter().enumerate() {
        directions[k] = number * bit(k);
    }
    for k in degree..BITS {
        let oldest = directions[k - degree];
        let others = (1..degree).filter(|j| polynomial >> (degree - j) & 1 == 1);
        let start = oldest ^ (oldest >> degree);
        directions[k] = others.fold(start, |sum, j| sum ^ directions[k - j]);
    }
    directions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinate(position: usize) -> Coordinate {
        Coordinate::new(position, Key::new(77).split(position as u64)).expect("there is one")
    }

    #[test]
    fn every_aligned_run_has_one_point_in_each_part() {
        for position in 0..COORDINATES {
            let coordinate = coordinate(position);
            for run in 0..4 {
                let points = 256 * run..256 * (run + 1);
                let mut parts: Vec<usize> =
                    points.map(|k| (coordinate.at(k) * 256.0) as usize).collect();
                parts.sort_unstable();
                assert_eq!(parts, (0..256).collect::<Vec<_>>(), "{position}, {run}");
            }
        }
    }

    #[test]
    fn the_first_two_coordinates_are_even_together() {
        let (x, y) = (coordinate(0), coordinate(1));
        let part = |k| 16 * ((x.at(k) * 16.0) as usize) + (y.at(k) * 16.0) as usize;
        let mut parts: Vec<usize> = (0..256).map(part).collect();
        parts.sort_unstable();
        assert_eq!(parts, (0..256).collect::<Vec<_>>());
    }

    /// Property A of Sobol: of 2^d points in d dimensions one is in each orthant, so the highest bits of the first d
    /// directions of d coordinates are independent. It holds for these numbers and is lost with most typing errors.
    #[test]
    fn orthants_have_one_point_each() {
        for dimensions in 1..=COORDINATES {
            let highest = |position: usize| {
                let bits = directions(position).into_iter().take(dimensions).enumerate();
                bits.map(|(k, direction)| u64::from(direction >> (BITS - 1)) << k).sum()
            };
            let mut rows: Vec<u64> = (0..dimensions).map(highest).collect();
            for k in 0..dimensions {
                let pivot = (k..dimensions).find(|row| rows[*row] >> k & 1 == 1);
                rows.swap(k, pivot.unwrap_or_else(|| panic!("{dimensions}")));
                for row in k + 1..dimensions {
                    rows[row] ^= if rows[row] >> k & 1 == 1 { rows[k] } else { 0 };
                }
            }
        }
    }

    #[test]
    fn averages_have_no_bias_and_the_error_of_scrambled_points() {
        let (points, scrambles) = (64, 2000);
        let mean = |scramble: u64| {
            let coordinate = |k| Coordinate::new(k, Key::new(scramble).split(k as u64));
            let (x, y) =
                (coordinate(1).expect("there is one"), coordinate(2).expect("there is one"));
            (0..points).map(|k| x.at(k) * y.at(k)).sum::<f64>() / f64::from(points)
        };
        let errors: Vec<f64> = (0..scrambles).map(|scramble| mean(scramble) - 0.25).collect();
        let bias = errors.iter().sum::<f64>() / scrambles as f64;
        let square = errors.iter().map(|error| error * error).sum::<f64>() / scrambles as f64;
        assert!(bias.abs() < 4.0 * (square / scrambles as f64).sqrt(), "{bias}");
        // independent points: √(7/144)/8 = 0.028
        assert!(square.sqrt() < 0.002, "{}", square.sqrt());
    }
}
