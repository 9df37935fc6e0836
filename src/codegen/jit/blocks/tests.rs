//! Every function against `libm` over the whole range, in units in the last place, and what is special about it.

use super::*;

fn address<T>(name: &str) -> Block<T> {
    let found = table().into_iter().find(|(known, _)| *known == name).expect("a name").1;
    // SAFETY: the table holds functions of this signature for the type in their name.
    unsafe { std::mem::transmute::<*const u8, Block<T>>(found) }
}

fn call<T: Default + Clone>(name: &str, x: &[T]) -> Vec<T> {
    let mut out = vec![T::default(); x.len()];
    // SAFETY: all blocks have the same length.
    unsafe { address::<T>(name)(x.as_ptr(), x.as_ptr(), out.as_mut_ptr(), x.len()) };
    out
}

type Function = (&'static str, fn(f64) -> f64);

const FUNCTIONS: [Function; 8] = [
    ("exp", libm::exp),
    ("log", libm::log),
    ("sin", libm::sin),
    ("cos", libm::cos),
    ("tanh", libm::tanh),
    ("erf", libm::erf),
    ("sigmoid", special::sigmoid),
    ("softplus", special::softplus),
];

/// Arguments of every size and sign, dense where functions bend.
fn arguments() -> Vec<f64> {
    let mut x: Vec<f64> = (-400..400).map(|k| libm::exp2(f64::from(k) * 0.77)).collect();
    x.extend((0..40_000).map(|k| f64::from(k) * 2.173e-4));
    x.extend((0..4_000).map(|k| f64::from(k) * 0.187));
    x.extend([0.0, 1.0, f64::MIN_POSITIVE, 5e-324, 1e-310, f64::MAX, f64::INFINITY]);
    let negative: Vec<f64> = x.iter().map(|x| -x).collect();
    x.extend(negative);
    x
}

/// The distance in units in the last place; near the zeros of sine and cosine it is judged absolutely.
fn distance(value: f64, exact: f64, (epsilon, least): (f64, f64), floor: f64) -> f64 {
    if value == exact || value.is_nan() && exact.is_nan() {
        return 0.0;
    }
    if !exact.is_finite() || !value.is_finite() {
        return f64::INFINITY;
    }
    (value - exact).abs() / (exact.abs().max(floor) * epsilon).max(least)
}

#[test]
fn functions_are_within_four_units_of_libm() {
    let x = arguments();
    let single: Vec<f32> = x.iter().map(|x| *x as f32).collect();
    let mut problems = Vec::new();
    for (name, exact) in FUNCTIONS {
        let floor = if matches!(name, "sin" | "cos") { 1.0 } else { 0.0 };
        let mut report = |kind, pairs: Vec<(f64, f64)>, units| {
            let off = |(x, y): &(f64, f64)| (distance(*y, exact(*x), units, floor), *x, *y);
            let worst = pairs.iter().map(off).max_by(|a, b| a.0.total_cmp(&b.0));
            let worst = worst.expect("there are arguments");
            if worst.0 > 4.0 {
                problems.push(format!("{name} {kind}: {worst:?} {}", exact(worst.1)));
            }
        };
        let values = call(&format!("{name}_f64"), &x);
        report("f64", x.iter().copied().zip(values).collect(), (f64::EPSILON, 5e-324));
        let values = call(&format!("{name}_f32"), &single).into_iter().map(f64::from);
        let pairs = single.iter().map(|x| f64::from(*x)).zip(values);
        // what rounds to infinity
        let inside = pairs.filter(|(x, _)| exact(*x) <= f64::from(f32::MAX));
        report("f32", inside.collect(), (f64::from(f32::EPSILON), 1.4e-45));
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn what_is_not_a_number_stays_so() {
    for (name, _) in FUNCTIONS {
        let double = call(&format!("{name}_f64"), &[0.5, f64::NAN, 0.5]);
        let single = call(&format!("{name}_f32"), &[0.5, f32::NAN, 0.5]);
        assert!(double[1].is_nan() && single[1].is_nan(), "{name}");
        assert!(double[0] == double[2] && single[0] == single[2], "{name}");
    }
}

#[test]
fn signs_of_zero_are_kept_by_odd_functions() {
    for name in ["sin_f64", "tanh_f64", "erf_f64"] {
        let zeros: Vec<f64> = call(name, &[0.0, -0.0]);
        let signs: Vec<bool> = zeros.iter().map(|x| x.is_sign_negative()).collect();
        assert_eq!(signs, [false, true], "{name}");
    }
}

#[test]
fn a_ratio_by_a_root_is_within_two_units() {
    let y: Vec<f64> = arguments().into_iter().filter(|y| *y >= 0.0).collect();
    let singles: Vec<f32> = y.iter().map(|y| *y as f32).collect();
    let x: Vec<f32> = (0..y.len()).map(|k| 0.3 + k as f32 * 1e-3).collect();
    let mut out = vec![0.0_f32; y.len()];
    // SAFETY: all blocks have the same length.
    unsafe {
        address::<f32>("ratio_f32")(x.as_ptr(), singles.as_ptr(), out.as_mut_ptr(), out.len());
    }
    for ((value, x), y) in out.iter().zip(&x).zip(&singles) {
        let exact = f64::from(*x) / f64::from(*y).sqrt();
        let (epsilon, least) = (f64::from(f32::EPSILON), f64::from(f32::MIN_POSITIVE));
        let off = distance(f64::from(*value), exact, (epsilon, least), 0.0);
        assert!(off <= 2.0, "{x} {y}: {value} {exact}");
    }
}

#[test]
fn a_soft_sign_is_within_three_units() {
    let x: Vec<f32> =
        arguments().into_iter().map(|x| x as f32).filter(|x| x.abs() < 1e10).collect();
    let mut out = vec![0.0_f32; x.len()];
    for e in [1e-8_f32, 0.3, 2.0] {
        // SAFETY: both blocks have the same length; the second operand is one number.
        unsafe { address::<f32>("soft_sign_f32")(x.as_ptr(), &e, out.as_mut_ptr(), out.len()) };
        for (value, x) in out.iter().zip(&x).filter(|(_, x)| **x != 0.0) {
            let wide = f64::from(*x);
            let exact = wide / (wide * wide + f64::from(e)).sqrt();
            let (epsilon, least) = (f64::from(f32::EPSILON), f64::from(f32::MIN_POSITIVE));
            assert!(
                distance(f64::from(*value), exact, (epsilon, least), 0.0) <= 3.0,
                "{x} {e}: {value}"
            );
        }
    }
}
