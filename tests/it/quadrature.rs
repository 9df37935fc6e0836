//! Gauss–Hermite quadrature for the standard normal law, from scratch: the roots interlace, so bisection finds them.

/// Nodes and weights: Σ w f(x) is E f(Z) exactly for polynomials of degree below 2·count.
pub fn gauss_hermite(count: usize) -> Vec<(f64, f64)> {
    let mut roots: Vec<f64> = Vec::new();
    for degree in 1..=count {
        let bound = 2.0 * (degree as f64).sqrt() + 1.0;
        let ends: Vec<f64> =
            std::iter::once(-bound).chain(roots).chain(std::iter::once(bound)).collect();
        roots = ends.windows(2).map(|pair| root(degree, pair[0], pair[1])).collect();
    }
    let weight = |x: f64| 1.0 / hermite(count, x)[..count].iter().map(|h| h * h).sum::<f64>();
    roots.into_iter().map(|x| (x, weight(x))).collect()
}

/// Orthonormal Hermite polynomials of degree 0…degree.
fn hermite(degree: usize, x: f64) -> Vec<f64> {
    let mut all = vec![1.0, x];
    for k in 1..degree {
        let next = (x * all[k] - (k as f64).sqrt() * all[k - 1]) / ((k + 1) as f64).sqrt();
        all.push(next);
    }
    all
}

fn root(degree: usize, mut low: f64, mut high: f64) -> f64 {
    let value = |x: f64| hermite(degree, x)[degree];
    let sign = value(low).signum();
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if value(middle).signum() == sign {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// E f(Z), by 96 nodes.
pub fn normal_mean(f: impl Fn(f64) -> f64) -> f64 {
    gauss_hermite(96).iter().map(|(x, w)| w * f(*x)).sum()
}

#[test]
fn moments_of_the_normal_law() {
    for (power, moment) in [(0, 1.0), (1, 0.0), (2, 1.0), (4, 3.0), (6, 15.0), (12, 10395.0)] {
        let got: f64 = gauss_hermite(7).iter().map(|(x, w)| w * x.powi(power)).sum();
        assert!((got - moment).abs() < 1e-10 * (1.0 + moment), "{power}: {got}");
    }
    assert!((normal_mean(libm::cos) - libm::exp(-0.5)).abs() < 1e-13);
}
