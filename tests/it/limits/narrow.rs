//! Exact limits of functions that change within less than the points of a panel are apart.

use super::{limits_by, normal_mean};
use std::f64::consts::PI;
use tpc::limit::Rungs;
use tpc::num::special::normal_density;

/// Within the error, which must be small beside the value.
fn assert_exact(text: &str, known: &[(&str, f64)]) {
    let found = limits_by(text, 256, Rungs::Exact);
    for (name, known) in known {
        let (value, error) = found[*name];
        let rounding = 4.0 * f64::EPSILON * known.abs();
        assert!((value - known).abs() <= error + rounding, "{name}: {value} ± {error:e}, {known}");
        assert!(error < 1e-9 * known.abs(), "{name}: {value} ± {error:e}");
    }
}

#[test]
fn steps_and_peaks_are_seen() {
    let text = "init x : vec ~ N(0, 1);\n\
                output avg(tanh(4708.710585 * (x + 1) + 1)) as \"step\", avg(tanh'(5000 * (x + 1))) as \"peak\",\n\
                avg(exp(-10^8 * (x - 0.3)^2)) as \"bell\", avg(sigmoid(10^5 * (x^3 - 1)) * x) as \"cube\";";
    let density = normal_density(1.0);
    // E tanh(k(x + a)) = 1 − 2Φ(−a) + O(1/k²); ∫ sech² = 2, ∫ t² sech²(t) dt = π²/6
    let (k, a) = (4708.710585, 1.0 + 1.0 / 4708.710585);
    let slope = a * normal_density(a); // of the density at −a
    let step = libm::erf(a / 2.0f64.sqrt()) - PI * PI / 12.0 * slope / (k * k);
    // φ″(1) = 0
    let bell =
        (PI / 1e8).sqrt() * (normal_density(0.3) + 0.25e-8 * (0.09 - 1.0) * normal_density(0.3));
    let cube = density * (1.0 + PI * PI / 6.0 / 9e10 * -2.0);
    assert_exact(text, &[("peak", 2.0 / 5000.0 * density), ("bell", bell)]);
    let found = limits_by(text, 256, Rungs::Exact);
    assert!((found["step"].0 - step).abs() < 1e-12, "{:?} {step}", found["step"]);
    assert!((found["cube"].0 - cube).abs() < 1e-9, "{:?} {cube}", found["cube"]);
}

#[test]
fn what_an_inner_integral_leaves_nearly_sharp_is_seen() {
    // x and w are nearly one number: E over x given w of relu(x) bends within 1/k of 0
    for k in [100.0, 1e3, 3e3, 1e4, 1e6] {
        let text = format!(
            "init x, z : vec ~ N(0, 1);\nlet w = x + z / {k};\n\
             output avg(relu(x) * tanh(w)) as \"relu\", avg(tanh(5000 * (x - 1.25)) * tanh(w - 1.25)) as \"step\";"
        );
        // E f(x + z/k) = E (f + f″/(2k²) + f⁗/(8k⁴))
        let smooth = |x: f64| {
            let t = libm::tanh(x);
            let (second, square) = (-2.0 * t * (1.0 - t * t), 1.0 - t * t);
            t + 0.5 * second / (k * k) + t * square * (2.0 - 3.0 * t * t) / k.powi(4)
        };
        let relu = normal_mean(|x| x.max(0.0) * smooth(x));
        // sign for the step; what that adds is π²/12 (f φ)′ 2/5000² at the step, with f′ = 1 there
        let signed = normal_mean(|x| (x - 1.25).signum() * smooth(x - 1.25));
        let slope = normal_density(1.25) * (1.0 - 2.0 / (k * k));
        let step = signed - PI * PI / 12.0 * slope / 5000.0f64.powi(2);
        let found = limits_by(&text, 256, Rungs::Exact);
        for (name, known) in [("relu", relu), ("step", step)] {
            let (value, error) = found[name];
            assert!((value - known).abs() < 5e-12, "{k}, {name}: {value} ± {error:e}, not {known}");
            assert!(error < 1e-11, "{k}, {name}: {value} ± {error:e}");
        }
    }
}

#[test]
fn entries_that_are_not_gaussian_have_narrow_functions_too() {
    let text = "init t, s : vec ~ uniform(0, 1);\ninit x : vec ~ N(0, 1);\n\
                output avg(tanh'(20000 * (t - 0.87))) as \"peak\", avg(exp(-10^7 * (t - 0.123)^2)) as \"bell\",\n\
                avg(tanh'(3000 * (t + s - 0.9))) as \"sum\", avg(tanh'(3000 * (t + x / 10^4 - 0.87))) as \"noise\",\n\
                avg(relu(t - s) * t) as \"kink\";";
    assert_exact(
        text,
        &[
            ("peak", 2.0 / 20000.0),
            ("bell", (PI / 1e7).sqrt()),
            ("sum", 0.9 * 2.0 / 3000.0),
            ("noise", 2.0 / 3000.0),
            ("kink", 0.125),
        ],
    );
}

#[test]
fn comparisons_of_equal_constants_are_made() {
    let text = "init x : vec ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\nlet k = W @ (step(x) * step(-x));\n\
                output avg(if k <= 0 then 3 else 1) as \"le\", avg(if k < 0 then 3 else 1) as \"lt\",\n\
                avg(if k >= 0 then 3 else 1) as \"ge\", avg(if k > 0 then 3 else 1) as \"gt\";";
    assert_exact(text, &[("le", 3.0), ("lt", 1.0), ("ge", 3.0), ("gt", 1.0)]);
}
