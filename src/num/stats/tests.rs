//! Statistics against values of SciPy and NumPy.

use super::*;

fn close(value: f64, exact: f64, tolerance: f64) {
    assert!((value - exact).abs() <= tolerance, "{value} {exact}");
}

#[test]
fn moments_of_few_numbers() {
    let moments = Moments::of([1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
    assert_eq!((moments.count(), moments.mean(), moments.variance()), (4, 1e9 + 10.0, Some(30.0)));
    close(moments.stderr().expect("four numbers"), 7.5_f64.sqrt(), 1e-12);
    assert_eq!(Moments::of([2.0]).stderr(), None);
}

#[test]
fn power_and_its_error() {
    let known = [(256.0, 0.1), (512.0, 0.068), (1024.0, 0.052), (2048.0, 0.034)];
    let points = known.map(|(width, value)| Deviation { width, value, stderr: 0.0 });
    let fit = fit_power(&points).expect("four widths");
    // scipy.stats.linregress of the logarithms
    close(fit.power, -0.505_620_316_868_240_6, 1e-13);
    close(fit.stderr, 0.029_350_428_185_956_755, 1e-13);
    assert_eq!(fit_power(&points[..2]), None);
    // an exact power: the error is that of the points, 1/√Σw(x−x̄)²
    let exact = [1.0, 2.0, 4.0].map(|width| Deviation {
        width,
        value: 3.0 * width * width,
        stderr: 0.03 * width * width,
    });
    let fit = fit_power(&exact).expect("three widths");
    close(fit.power, 2.0, 1e-13);
    close(fit.factor, 3.0, 1e-12);
    close(fit.stderr, 0.01 / (2.0_f64.sqrt() * std::f64::consts::LN_2), 1e-13);
}

#[test]
fn points_with_smaller_errors_weigh_more() {
    let point = |width: f64, value, stderr| Deviation { width, value, stderr };
    let points = [point(1.0, 1.0, 1e-6), point(2.0, 0.5, 1e-6), point(4.0, 1.0, 1.0)];
    close(fit_power(&points).expect("three widths").power, -1.0, 1e-6);
}

#[test]
fn threshold_for_many_tests() {
    close(sidak(4.0, 1), 4.0, 1e-12);
    close(sidak(4.0, 10), 4.514_907_898_288_246_5, 1e-11);
    close(sidak(4.0, 1000), 5.409_093_688_638_542, 1e-11);
}

#[test]
fn quantiles_and_histogram() {
    let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
    let summary = Summary::of(&values);
    // numpy.quantile
    for (q, exact) in summary.quantiles.iter().zip([1.0, 1.75, 3.5, 5.25, 7.95]) {
        close(*q, exact, 1e-13);
    }
    let histogram = Histogram::of(&values, 4);
    assert_eq!((histogram.low, histogram.high), (1.0, 9.0));
    assert_eq!(histogram.counts, [3, 2, 2, 1]);
    assert_eq!(Histogram::of(&[2.0, 2.0], 3).counts, [2, 0, 0]);
    close(summary.mean, 3.875, 1e-14);
}
