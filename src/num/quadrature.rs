//! Adaptive integration over an interval: Gauss–Kronrod panels, the worst one halved until the error is small.
//!
//! Nodes, weights and the error estimate are those of QUADPACK's `qk21` (Piessens et al., 1983). Values are asked for by
//! the panel, so that an integrand can work on all points of one together.

/// Points of the rule.
pub const RULE: usize = 21;
/// Points at which functions are asked for: those of the rule in order, two just inside the ends of the panel, and one more so that
/// vectors are full.
pub const POINTS: usize = 24;

/// Nodes of the 21-point Kronrod rule; every second is one of the 10-point Gauss rule.
pub const NODES: [f64; RULE] = both_sides(
    [
        0.995_657_163_025_808_1,
        0.973_906_528_517_171_7,
        0.930_157_491_355_708_2,
        0.865_063_366_688_984_5,
        0.780_817_726_586_416_9,
        0.679_409_568_299_024_4,
        0.562_757_134_668_604_7,
        0.433_395_394_129_247_2,
        0.294_392_862_701_460_2,
        0.148_874_338_981_631_22,
        0.0,
    ],
    -1.0,
);
const WEIGHTS: [f64; RULE] = both_sides(
    [
        0.011_694_638_867_371_874,
        0.032_558_162_307_964_725,
        0.054_755_896_574_351_995,
        0.075_039_674_810_919_96,
        0.093_125_454_583_697_6,
        0.109_387_158_802_297_64,
        0.123_491_976_262_065_84,
        0.134_709_217_311_473_34,
        0.142_775_938_577_060_09,
        0.147_739_104_901_338_49,
        0.149_445_554_002_916_9,
    ],
    1.0,
);
/// Of the Gauss rule, 0 at the other nodes.
const GAUSS: [f64; RULE] = both_sides(
    [
        0.0,
        0.066_671_344_308_688_14,
        0.0,
        0.149_451_349_150_580_6,
        0.0,
        0.219_086_362_515_982_04,
        0.0,
        0.269_266_719_309_996_35,
        0.0,
        0.295_524_224_714_752_87,
        0.0,
    ],
    1.0,
);
/// How far the points at the ends are inside, of half a panel: functions may jump at the ends or not be defined there.
const INSIDE: f64 = 1e-7;
/// The half panel that no node of the rule sees at an end.
const UNSEEN: f64 = 1.0 + NODES[0];
/// Factors of the values at the nodes in the polynomial through them, at the right end; backwards at the left end.
const AT_END: [f64; RULE] = at_end();
/// The scale on which a reaching grid becomes coarser.
const FINEST: f64 = 0.05;
/// What a value is off by, relative to itself: functions are right to a few units in the last place.
const ROUNDING: f64 = 4.0 * f64::EPSILON;
/// A panel of less than this share of the whole is not halved.
const NARROWEST: f64 = 1e-13;

/// From the outermost to the middle, on the right; on the left with a sign.
const fn both_sides(right: [f64; 11], sign: f64) -> [f64; RULE] {
    let (mut all, mut k) = ([0.0; RULE], 0);
    while k < right.len() {
        all[k] = sign * right[k];
        all[RULE - 1 - k] = right[k];
        k += 1;
    }
    all
}

const fn at_end() -> [f64; RULE] {
    let (mut factors, mut k) = ([1.0; RULE], 0);
    while k < RULE {
        let mut j = 0;
        while j < RULE {
            if j != k {
                factors[k] *= (1.0 - INSIDE - NODES[j]) / (NODES[k] - NODES[j]);
            }
            j += 1;
        }
        k += 1;
    }
    factors
}

/// An integral with what is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Integral {
    /// The value.
    pub value: f64,
    /// An estimate of its error, from above.
    pub error: f64,
    /// The integral of the sizes of the values.
    pub size: f64,
}

/// Values at the points of a panel, and what their errors are relative to: absolute values, or integrals of these.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// The values.
    pub of: [f64; POINTS],
    /// Their sizes.
    pub sizes: [f64; POINTS],
    /// How much they may change between the points unseen.
    pub hidden: f64,
}

impl Values {
    /// Values that are no integrals themselves.
    pub fn plain(of: [f64; POINTS]) -> Self {
        Self { of, sizes: of.map(f64::abs), hidden: 0.0 }
    }
}

/// One panel and its part of the integral.
struct Panel {
    start: f64,
    end: f64,
    part: Integral,
    /// What the rounding of points does, which no finer panel makes less.
    noise: f64,
}

/// ∫ f from the first to the last of `ends`, with panels that end at each of them: where f has kinks or is narrow.
///
/// Halves panels until the error is at most `tolerance` times the integral of sizes, or `most` panels were evaluated; the
/// error says how far that came. `f` is given the points of a panel and writes the values there.
pub fn integrate(
    f: &mut dyn FnMut(&[f64; POINTS], &mut Values),
    ends: &[f64],
    tolerance: f64,
    most: usize,
) -> Integral {
    let pairs = ends.windows(2).filter(|pair| pair[0] < pair[1]);
    let mut panels: Vec<Panel> = pairs.map(|pair| panel(f, pair[0], pair[1])).collect();
    let mut evaluated = panels.len();
    let total = |panels: &[Panel]| {
        panels.iter().fold(Integral::default(), |sum, panel| Integral {
            value: sum.value + panel.part.value,
            error: sum.error + panel.part.error,
            size: sum.size + panel.part.size,
        })
    };
    let with_noise = |sum: Integral, panels: &[Panel]| Integral {
        error: sum.error + panels.iter().map(|panel| panel.noise).sum::<f64>(),
        ..sum
    };
    let whole = ends.last().copied().unwrap_or(0.0) - ends.first().copied().unwrap_or(0.0);
    loop {
        let sum = total(&panels);
        let wide = |panel: &&mut Panel| panel.end - panel.start > NARROWEST * whole;
        let worst = panels
            .iter_mut()
            .filter(wide)
            .max_by(|a, b| a.part.error.total_cmp(&b.part.error))
            .filter(|worst| worst.part.error > ROUNDING * worst.part.size);
        let fine = sum.error <= tolerance * sum.size || !sum.value.is_finite();
        let (Some(worst), false) = (worst, fine || evaluated >= most) else {
            return with_noise(sum, &panels);
        };
        let (middle, end) = (0.5 * (worst.start + worst.end), worst.end);
        *worst = panel(f, worst.start, middle);
        panels.push(panel(f, middle, end));
        evaluated += 2;
    }
}

fn panel(f: &mut dyn FnMut(&[f64; POINTS], &mut Values), start: f64, end: f64) -> Panel {
    let (centre, half) = (0.5 * (start + end), 0.5 * (end - start));
    let mut points = [centre; POINTS];
    points.iter_mut().zip(&NODES).for_each(|(point, x)| *point = centre + half * x);
    (points[RULE], points[RULE + 1]) = (start + INSIDE * half, end - INSIDE * half);
    let mut found = Values::default();
    f(&points, &mut found);
    let (mut kronrod, mut gauss, mut size, mut spread) = (0.0, 0.0, 0.0, 0.0);
    for k in 0..RULE {
        kronrod += WEIGHTS[k] * found.of[k];
        gauss += GAUSS[k] * found.of[k];
        size += WEIGHTS[k] * found.sizes[k];
    }
    for (weight, value) in WEIGHTS.iter().zip(&found.of) {
        spread += weight * (value - 0.5 * kronrod).abs();
    }
    let mut error = (kronrod - gauss).abs();
    if spread > 0.0 && error > 0.0 {
        let ratio = 200.0 * error / spread;
        error = spread * (ratio * ratio.sqrt()).min(1.0);
    }
    error = error.max(ROUNDING * size).max(2.0 * found.hidden) + UNSEEN * unexpected(&found.of);
    let part = Integral { value: half * kronrod, error: half * error, size: half * size };
    let variation: f64 = found.of[..RULE].windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
    let noise = f64::EPSILON * start.abs().max(end.abs()) * variation;
    Panel { start, end, part, noise }
}

/// How far the values at both ends are from what the nodes of the rule expect there: a function may change beyond the last node.
fn unexpected(values: &[f64; POINTS]) -> f64 {
    let (mut left, mut right) = (-values[RULE], -values[RULE + 1]);
    for k in 0..RULE {
        left += AT_END[RULE - 1 - k] * values[k];
        right += AT_END[k] * values[k];
    }
    // values that are not there are no surprise
    [left, right].into_iter().filter(|x| x.is_finite()).map(f64::abs).sum()
}

/// Where a function of one number changes its sign between neighbours of a grid, or begins or ends to be 0, to the last bit.
pub fn sign_changes(f: &dyn Fn(f64) -> f64, grid: &[f64]) -> Vec<f64> {
    let mut found = Vec::new();
    let values: Vec<f64> = grid.iter().map(|x| f(*x)).collect();
    for (ends, values) in grid.windows(2).zip(values.windows(2)) {
        let left_is_zero = values[0] == 0.0;
        if left_is_zero != (values[1] == 0.0) {
            found.push(last(&|x| (f(x) == 0.0) == left_is_zero, ends[0], ends[1]));
        } else if values[0] * values[1] < 0.0 {
            found.push(last(&|x| f(x) * values[0] > 0.0, ends[0], ends[1]));
        }
    }
    found
}

/// The last number of an interval, from its start on, of which something holds.
fn last(holds: &dyn Fn(f64) -> bool, mut low: f64, mut high: f64) -> f64 {
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if holds(middle) { low = middle } else { high = middle }
    }
}

/// The points of a grid that is dense near 0 and reaches far, for functions of Gaussian numbers: ± sinh(t) with even t.
pub fn reaching_grid(count: usize, reach: f64) -> Vec<f64> {
    let (middle, last) = (count as f64 / 2.0, libm::asinh(reach / FINEST));
    // off 0, where many functions have exact zeros that are no sign changes
    let point = |k: usize| (k as f64 + 0.37 - middle) / middle * last;
    (0..count).map(|k| libm::sinh(point(k)) * FINEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integral(f: impl Fn(f64) -> f64, ends: &[f64]) -> Integral {
        let mut on_panel = |points: &[f64; POINTS], values: &mut Values| {
            *values = Values::plain(points.map(&f));
        };
        integrate(&mut on_panel, ends, 1e-14, 1000)
    }

    #[test]
    fn rules_are_exact_for_polynomials() {
        for power in 0..32 {
            let exact = if power % 2 == 0 { 2.0 / f64::from(power + 1) } else { 0.0 };
            let found = integral(|x| x.powi(power), &[-1.0, 1.0]);
            assert!((found.value - exact).abs() < 1e-15, "{power}: {found:?}");
        }
    }

    #[test]
    fn jumps_beyond_the_last_node_are_seen() {
        for at in [0.9999, 0.998, -0.9999] {
            let found = integral(|x| if x < at { 1.0 } else { 0.0 }, &[-1.0, 1.0]);
            assert!((found.value - 1.0 - at).abs() <= found.error + 1e-15, "{at}: {found:?}");
            assert!(found.error < 1e-12, "{at}: {found:?}");
        }
    }

    #[test]
    fn errors_are_bounds() {
        type Case<'a> = (&'a dyn Fn(f64) -> f64, f64, f64);
        let cases: [Case; 4] = [
            (&libm::exp, 1.0, std::f64::consts::E - 1.0),
            (&f64::sqrt, 1.0, 2.0 / 3.0),
            (&|x| (x - 0.3).abs(), 1.0, 0.29),
            (&|x| 1.0 / (1e-6 + x * x), 1.0, 1e3 * libm::atan(1e3)),
        ];
        for (f, end, exact) in cases {
            let found = integral(f, &[0.0, end]);
            assert!((found.value - exact).abs() <= found.error + 1e-15, "{found:?} {exact}");
            assert!(found.error < 1e-10 * exact, "{found:?}");
        }
    }

    #[test]
    fn zeros_are_found() {
        let zeros = sign_changes(&|x| x * x - 2.0, &reaching_grid(100, 10.0));
        assert_eq!(zeros.len(), 2);
        assert!((zeros[1] - 2.0f64.sqrt()).abs() < 1e-15);
        let ends = sign_changes(&|x| (x - 1.0).max(0.0), &reaching_grid(100, 10.0));
        assert!(ends.len() == 1 && (ends[0] - 1.0).abs() < 1e-15, "{ends:?}");
    }
}
