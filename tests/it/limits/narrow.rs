//! Exact limits of functions that change within less than the points of a panel are apart.

use super::{limits_by, normal_mean};
use crate::sketch::check;
use std::f64::consts::PI;
use tpc::limit::{LimitOptions, Rungs, evaluate};
use tpc::num::special::{normal_cdf, normal_density};

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
    for k in [100.0, 1e3, 3e3, 1e4] {
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
fn kinks_in_pairs_are_found() {
    let text = "init x, z : vec ~ N(0, 1);\ninit t : vec ~ uniform(0, 1);\n\
                output avg(if abs(x - 1) < 0.005 then 1 else 0) as \"box\", avg(max(0, 1 - 3000 * abs(x - 0.3))) as \"hat\",\n\
                avg(relu(1 - 10^6 * (x - 0.3)^2)) as \"cap\", avg(relu(1 - (160000 * (t - 0.813))^2)) as \"uniform\",\n\
                avg(if x < -0.14 then clamp(500 * (z - 0.456), -1, 1) else 0) as \"clamp\";";
    let (at, second) = (normal_density(0.3), (0.09 - 1.0) * normal_density(0.3));
    // ∫ t²(1 − k|t|) dt = 1/(6k³), ∫ t²(1 − k²t²) dt = 4/(15k³)
    let hat = at / 3e3 + second / (12.0 * 2.7e10);
    let cap = 4.0 / 3e3 * at + 2.0 / 15.0 * second / 1e9;
    // a clamp is the sign of a sum with a uniform number of variance 1/(3k²)
    let c = 0.456;
    let clamp = 1.0 - 2.0 * normal_cdf(c) + c * normal_density(c) / (3.0 * 250_000.0);
    assert_exact(text, &[("hat", hat), ("cap", cap), ("uniform", 4.0 / 3.0 / 160_000.0)]);
    let found = limits_by(text, 256, Rungs::Exact);
    let width = normal_cdf(1.005) - normal_cdf(0.995);
    assert!((found["box"].0 - width).abs() < 1e-15, "{:?}", found["box"]);
    let clamp = normal_cdf(-0.14) * clamp;
    assert!((found["clamp"].0 - clamp).abs() < 5e-12, "{:?}", found["clamp"]);
}

#[test]
fn dips_and_bumps_of_outer_directions_are_found() {
    let text = "init x, z : vec ~ N(0, 1);\ninit t : vec ~ uniform(0, 1);\n\
                output avg(tanh(1000 * (x^2 + z^2 - 1))^2) as \"ring\", avg(exp(-(10^4 * (t - 0.3) + x)^2)) as \"moved\",\n\
                avg(sin(exp(-(10^4 * (t - 0.3))^2) + x)) as \"inside\", avg(1 / (1 + 10^14 * (x - 0.3)^2)) as \"power\";";
    // x² + z² has the density e^(−s/2)/2
    let ring = 1.0 - libm::exp(-0.5) / 1000.0;
    // ∫ sin e^(−u²) du, term by term
    let (mut sum, mut factorial) = (0.0, 1.0);
    for m in 0..8 {
        let odd = f64::from(2 * m + 1);
        if m > 0 {
            factorial *= -(odd - 1.0) * odd;
        }
        sum += (PI / odd).sqrt() / factorial;
    }
    let power = PI / 1e7 * normal_density(0.3);
    let found = limits_by(text, 256, Rungs::Exact);
    for (name, known, size) in [
        ("ring", ring, 1e-9),
        ("moved", PI.sqrt() / 1e4, 1e-15),
        ("inside", libm::exp(-0.5) * sum / 1e4, 1e-15),
        ("power", power, 1e-13),
    ] {
        let (value, error) = found[name];
        assert!((value - known).abs() < error + size, "{name}: {value} ± {error:e}, not {known}");
    }
}

#[test]
fn tables_are_as_steep_as_their_functions() {
    let text = "init x : vec ~ N(0, 1);\nlet y[a] = mean[b](tanh(1000 * (x[a] - 0.3) + x[b]));\noutput avg(y^2);";
    let steep = |u: f64| normal_mean(|z| libm::tanh(u + z));
    // odd, so twice the right side; beyond 25 it has come to rest
    let rest: f64 = (0..500).map(|k| 1.0 - steep(0.05 * (f64::from(k) + 0.5)).powi(2)).sum();
    let known = 1.0 - 2.0 * 0.05 * rest * normal_density(0.3) / 1000.0;
    let (value, error) = limits_by(text, 256, Rungs::Exact)["avg(y^2)"];
    assert!((value - known).abs() < 5e-9, "{value} ± {error:e}, not {known}");
}

#[test]
fn powers_have_their_mass_far_out() {
    let text = "init x : vec ~ N(0, 1);\noutput avg(relu(x)^80) as \"power\", avg(softplus(1000 * (x - 10))) as \"tail\",\n\
                avg(relu(tanh(x - 11))) as \"beyond\";";
    let odd = (1..80).step_by(2).map(f64::from).product::<f64>();
    // E (x − 10)₊ = φ(10) − 10 Φ(−10), and π²/6 φ(10)/k² more
    let tail = 1000.0 * (normal_density(10.0) - 10.0 * normal_cdf(-10.0))
        + PI * PI / 6.0 / 1000.0 * normal_density(10.0);
    let found = limits_by(text, 256, Rungs::Exact);
    assert!((found["power"].0 / (0.5 * odd) - 1.0).abs() < 1e-12, "{:?}", found["power"]);
    assert!((found["tail"].0 / tail - 1.0).abs() < 1e-7, "{:?} {tail}", found["tail"]);
    // by Simpson's rule; nothing is left up to ten deviations
    let at = |k: i32| {
        let (x, weight) = (1e-3 * f64::from(k), f64::from(if k % 2 == 0 { 2 } else { 4 }) / 3.0);
        1e-3 * weight * libm::tanh(x) * normal_density(11.0 + x)
    };
    let beyond: f64 = (0..5000).map(at).sum();
    assert!((found["beyond"].0 / beyond - 1.0).abs() < 1e-9, "{:?} {beyond}", found["beyond"]);
}

#[test]
fn peaks_of_what_bends_between_points_are_seen() {
    let text = "init x : vec ~ N(0, 1);\noutput avg(cos(x - 0.3)^1000) as \"power\", avg(exp(1000 * (sin(3 * x) - 1))) as \"exp\";";
    // exact to rounding for analytic functions
    let mean = |f: &dyn Fn(f64) -> f64| -> f64 {
        let at = |k: i32| 2e-4 * f(2e-4 * f64::from(k)) * normal_density(2e-4 * f64::from(k));
        (-50_000..=50_000).map(at).sum()
    };
    let known = [
        ("power", mean(&|x| libm::cos(x - 0.3).powi(1000))),
        ("exp", mean(&|x| libm::exp(1000.0 * (libm::sin(3.0 * x) - 1.0)))),
    ];
    assert_exact(text, &known);
}

#[test]
fn what_changes_beyond_the_last_point_of_a_panel_is_seen() {
    // circles touch the ends of panels; both numbers are not defined at 0 and 2
    let text = "init x, z : vec ~ N(0, 1);\noutput avg(step(x^2 + z^2 - 1)) as \"circle\", avg(relu(x^2 + z^2 - 1)) as \"bowl\",\n\
                avg(exp(-1e5 * (x - 2)^2 / abs(x - 2))) as \"cusp\";";
    let found = limits_by(text, 256, Rungs::Exact);
    let circle = libm::exp(-0.5); // x² + z² is exponential with mean 2
    let cusp = 2e-5 * normal_density(2.0) * (1.0 + 3e-10);
    for (name, known) in [("circle", circle), ("bowl", 2.0 * circle), ("cusp", cusp)] {
        let (value, error) = found[name];
        assert!((value - known).abs() < error + 1e-15, "{name}: {value} ± {error:e}, not {known}");
        assert!(error < 1e-9 * known, "{name}: ± {error:e}");
    }
}

#[test]
fn exponents_that_cancel_are_counted() {
    // E exp(−(k u)²) = (1 + 2k²v)^(−1/2) exp(−k²m²/(1 + 2k²v)), a difference of exponents near k²m²/(2v)
    let text = "init x : vec ~ N(0, 1);\noutput avg(exp(-(116 * (0.83 * x + 0.28 - 0.211))^2)) as \"bell\";";
    let (k, m, v) = (116.0_f64 * 116.0, 0.28 - 0.211_f64, 0.83 * 0.83);
    let wider = 1.0 + 2.0 * k * v;
    let (value, error) = limits_by(text, 256, Rungs::Exact)["bell"];
    let known = libm::exp(-k * m * m / wider) / wider.sqrt();
    assert!((value - known).abs() <= error + 1e-17, "{value} ± {error:e}, not {known}");
}

#[test]
fn what_rounding_hides_is_refused() {
    let nearly = |k: f64| {
        format!("init x, z : vec ~ N(0, 1);\nlet w = x + z / {k};\noutput avg(step(w) * step(-x));")
    };
    let (value, error) = limits_by(&nearly(1e3), 256, Rungs::Exact)["avg(step(w) * step(-x))"];
    let known = libm::atan(1e-3) / (2.0 * PI);
    assert!((value - known).abs() <= error && error < 1e-9 * known, "{value} ± {error:e}, {known}");
    // three numbers, of which each two are not nearly dependent
    let three = "init x, z, v : vec ~ N(0, 1);\nlet w = x + z + v / 1e7;\noutput avg(sign(w) * tanh(x) * abs(z));";
    for text in [&nearly(1e7), three] {
        let (checked, _) = check(text).expect("it is a program");
        let options = LimitOptions { rungs: Rungs::Exact, ..LimitOptions::default() };
        assert!(evaluate(&checked.facts.leading, &options).is_err(), "{text}");
    }
}

#[test]
fn what_is_hardly_known_keeps_its_error() {
    // E tanh² = 0.394294490397841…, of which the program takes all known digits away
    let text = "init x : vec ~ N(0, 1);\nlet q = 1e12 * (avg(tanh(x)^2) - 0.39429449039784);\n\
                output avg((q * x)^2) as \"square\", avg(tanh(q + x)) as \"tanh\";";
    let found = limits_by(text, 256, Rungs::Exact);
    let q = 1e12 * (normal_mean(|x| libm::tanh(x).powi(2)) - 0.394_294_490_397_84);
    for (name, known) in
        [("square", q * q), ("tanh", q * normal_mean(|x| 1.0 - libm::tanh(x).powi(2)))]
    {
        let (value, error) = found[name];
        assert!(
            error > 1e-6 && (value - known).abs() < error,
            "{name}: {value} ± {error:e}, {known}"
        );
    }
}

#[test]
fn comparisons_of_equal_constants_are_made() {
    let text = "init x : vec ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\nlet k = W @ (step(x) * step(-x));\n\
                output avg(if k <= 0 then 3 else 1) as \"le\", avg(if k < 0 then 3 else 1) as \"lt\",\n\
                avg(if k >= 0 then 3 else 1) as \"ge\", avg(if k > 0 then 3 else 1) as \"gt\";";
    assert_exact(text, &[("le", 3.0), ("lt", 1.0), ("ge", 3.0), ("gt", 1.0)]);
}
