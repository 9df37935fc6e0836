//! Special functions against values of SciPy.

use super::*;

fn close(value: f64, exact: f64, tolerance: f64) {
    assert!((value - exact).abs() <= tolerance * exact.abs(), "{value} {exact}");
}

#[test]
fn tails_of_students_t() {
    let known = [
        (0.5, 1.0, 0.352_416_382_349_566_74),
        (2.0, 3.0, 0.069_662_984_279_421_52),
        (4.0, 7.0, 0.002_594_956_674_648_406_4),
        (12.0, 2.0, 0.003_436_466_838_579_23),
        (4.0, 7.5, 0.002_253_055_175_092_589),
        (30.0, 7.0, 5.894_234_440_366_572e-9),
        (3.0, 1e4, 0.001_353_224_094_998_833),
        (6.0, 100.0, 1.586_245_751_401_426e-8),
        (0.0, 5.0, 0.5),
    ];
    for (t, freedom, tail) in known {
        // the logarithms of the gamma function cancel
        close(student_tail(t, freedom), tail, 1e-14 * freedom.max(100.0));
        close(student_tail(-t, freedom), 1.0 - tail, 1e-12);
    }
    close(student_to_normal(4.0, 7.0), 2.795_003_623_469_341_4, 1e-12);
    close(student_to_normal(-4.0, 7.0), -2.795_003_623_469_341_4, 1e-12);
    close(student_to_normal(2.0, 1e12), 2.0, 1e-9);
    assert!(student_to_normal(1e300, 400.0).is_finite());
    assert_eq!(student_to_normal(0.0, 3.0), 0.0);
}

#[test]
fn incomplete_beta() {
    for (x, a, b, value) in [
        (0.3, 2.0, 5.0, 0.579_825),
        (0.9, 0.5, 0.5, 0.795_167_235_300_866_5),
        (0.01, 10.0, 0.5, 1.770_034_965_528_571e-21),
        (0.5, 50.0, 60.0, 0.830_907_293_901_669_3),
    ] {
        close(beta_regularised(x, a, b), value, 1e-12);
    }
}

#[test]
fn normal_distribution_and_its_inverse() {
    for (p, x) in [
        (1e-200, -30.205_594_179_579_64),
        (1e-20, -9.262_340_089_798_409),
        (1e-5, -4.264_890_793_922_825),
        (0.025, -1.959_963_984_540_054_5),
        (0.3, -0.524_400_512_708_040_9),
        (0.5, 0.0),
        (0.8, 0.841_621_233_572_914_3),
        (0.999, 3.090_232_306_167_813),
    ] {
        let close = (normal_quantile(p) - x).abs() <= 1e-13 * x.abs().max(1.0);
        assert!(close, "{p} {}", normal_quantile(p));
    }
    for (x, p) in [
        (-30.0, 4.906_713_927_147_908e-198),
        (-5.0, 2.866_515_718_791_933e-7),
        (0.5, 0.691_462_461_274_013_1),
        (3.0, 0.998_650_101_968_369_9),
    ] {
        close(normal_cdf(x), p, 1e-13);
    }
    for (x, y) in [
        (1e-9, 8.862_269_254_527_58e-10),
        (0.1, 0.088_855_990_494_257_69),
        (-0.4, -0.370_807_158_593_557_95),
        (0.6, 0.595_116_081_449_994_8),
        (0.99, 1.821_386_367_718_449_6),
        (-0.999_999_9, -3.766_562_581_638_471),
    ] {
        close(erf_inv(x), y, 1e-9_f64.min(1e-13 / (1.0 - x.abs())));
    }
    // the slope of Φ
    for x in [-3.0, 0.0, 1.5] {
        let slope = (normal_cdf(x + 1e-5) - normal_cdf(x - 1e-5)) / 2e-5;
        close(normal_density(x), slope, 1e-8);
    }
}
