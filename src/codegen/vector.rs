//! Transcendental functions over blocks, written without branches so that the compiler vectorises them.
//!
//! Arguments are reduced to a small interval and a Taylor polynomial or an odd series finishes; errors are a few units
//! in the last place. Everything is `#[inline(always)]` so that `jit` can instantiate it for the instruction sets of
//! the machine. What is not a number stays so.

/// 2^k for integers k in the range of normal numbers.
trait PowerOfTwo {
    fn two_to(self) -> Self;
}

impl PowerOfTwo for f64 {
    #[inline(always)]
    fn two_to(self) -> f64 {
        // adding 2^52 + 2^51 leaves k + 1023 in the low bits of the mantissa
        let bits = (self + (6_755_399_441_055_744.0 + 1023.0)).to_bits();
        f64::from_bits(bits << 52)
    }
}

impl PowerOfTwo for f32 {
    #[inline(always)]
    fn two_to(self) -> f32 {
        let bits = (self + (12_582_912.0 + 127.0)).to_bits();
        f32::from_bits(bits << 23)
    }
}

macro_rules! shared {
    ($t:ident, $round:literal, $ln2_hi:literal, $ln2_lo:literal, $top:literal, $low:literal,
     $flat:literal, [$($exp:literal),*], $one:literal, [$($centre:expr),*], [$($side:literal),*]) => {
        #[inline(always)]
        fn clamp(x: $t, low: $t, high: $t) -> $t {
            let x = if x < low { low } else { x };
            if x > high { high } else { x }
        }

        /// k and e^r − 1 with x = k log 2 + r, |r| ≤ log 2 / 2.
        #[inline(always)]
        fn reduced(x: $t) -> ($t, $t) {
            let k = (x.mul_add(std::$t::consts::LOG2_E, $round)) - $round;
            let r = k.mul_add(-$ln2_lo, k.mul_add(-$ln2_hi, x));
            let mut p: $t = 0.0;
            $( p = p.mul_add(r, 1.0 / $exp); )*
            (k, (p * r).mul_add(r, r))
        }

        /// eˣ
        #[inline(always)]
        pub fn exp(x: $t) -> $t {
            let (k, p) = reduced(clamp(x, $low, $top));
            // two steps, for results below the normal numbers and near the largest
            let half = (k.mul_add(0.5, $round)) - $round;
            let y = p.mul_add(half.two_to(), half.two_to()) * (k - half).two_to();
            let y = if x < $low { 0.0 } else { y };
            if x > $top { $t::INFINITY } else { y }
        }

        /// Hyperbolic tangent: m/(m+2) with m = e^{2|x|} − 1.
        #[inline(always)]
        pub fn tanh(x: $t) -> $t {
            let (k, p) = reduced(clamp(2.0 * x.abs(), 0.0, $flat));
            let scale = k.two_to();
            let m = p.mul_add(scale, scale - 1.0);
            (m / (m + 2.0)).copysign(x)
        }

        /// Error function: x·P(x²) up to 1, then 1 − exp(−Q(|x|)) with Q ≈ −log erfc. P and Q are least squares fits,
        /// weighted for the relative error of the result.
        #[inline(always)]
        pub fn erf(x: $t) -> $t {
            let a = x.abs();
            let square = clamp(x * x, 0.0, 1.0);
            let mut p: $t = 0.0;
            $( p = p.mul_add(square, $centre); )*
            let s = clamp(a, 1.0, $one) - 2.0;
            let mut q: $t = 0.0;
            $( q = q.mul_add(s, $side); )*
            let side = (1.0 - exp(-q)).copysign(x);
            let value = if a < 1.0 { p * x } else { side };
            // what is not a number stays so
            if x == x { value } else { x }
        }

        /// 1/(1+e⁻ˣ)
        #[inline(always)]
        pub fn sigmoid(x: $t) -> $t {
            let small = exp(-x.abs());
            (if x < 0.0 { small } else { 1.0 }) / (1.0 + small)
        }

        /// log(1+eˣ) = max(x, 0) + log1p(e^{−|x|}), the latter as 2 artanh(u/(2+u)).
        #[inline(always)]
        pub fn softplus(x: $t) -> $t {
            let u = exp(-x.abs());
            let s = u / (2.0 + u);
            let log1p = 2.0 * s * artanh_series(s * s);
            (if x < 0.0 { 0.0 } else { x }) + log1p
        }
    };
}

/// Double precision.
pub mod double {
    use super::PowerOfTwo;

    shared!(
        f64,
        6_755_399_441_055_744.0,
        0.693_147_180_369_123_8,
        1.908_214_929_270_587_7e-10,
        709.782_712_893_384,
        -745.133_219_101_941_2,
        40.0,
        [
            87_178_291_200.0,
            6_227_020_800.0,
            479_001_600.0,
            39_916_800.0,
            3_628_800.0,
            362_880.0,
            40_320.0,
            5_040.0,
            720.0,
            120.0,
            24.0,
            6.0,
            2.0
        ],
        6.0,
        [
            -7.779_339_130_376_233e-10,
            1.371_090_883_109_721_7e-8,
            -1.620_629_665_014_874_4e-7,
            1.644_712_925_840_897e-6,
            -1.492_471_210_769_381e-5,
            1.205_529_356_640_302_6e-4,
            -8.548_325_928_949_866e-4,
            5.223_977_606_110_568e-3,
            -2.686_617_064_311_046_6e-2,
            1.128_379_167_094_417_8e-1,
            -3.761_263_890_318_352e-1,
            std::f64::consts::FRAC_2_SQRT_PI
        ],
        [
            -1.049_230_131_356_459_6e-12,
            1.017_111_805_576_501_9e-11,
            -3.741_273_443_993_635_6e-11,
            4.280_929_061_550_197e-11,
            2.746_910_438_247_922e-10,
            -2.538_532_464_700_198_4e-9,
            1.394_979_740_940_930_4e-8,
            -5.779_798_612_378_946e-8,
            1.732_057_835_354_654_6e-7,
            -2.036_418_330_345_392_5e-7,
            -1.952_194_287_886_304_6e-6,
            2.070_643_220_114_124_4e-5,
            -1.353_093_346_081_404_5e-4,
            7.323_993_858_404_607e-4,
            -3.570_756_346_165_819_6e-3,
            1.646_511_813_685_407e-2,
            9.237_508_418_238_047e-1,
            4.418_160_805_994_417,
            5.364_941_264_616_638
        ]
    );

    /// Σ qᵏ/(2k+1), good to q = 1/9.
    #[inline(always)]
    fn artanh_series(q: f64) -> f64 {
        let mut p = 1.0 / 35.0;
        let mut k = 33.0;
        for _ in 0..17 {
            p = q * p + 1.0 / k;
            k -= 2.0;
        }
        p
    }

    /// Natural logarithm.
    #[inline(always)]
    pub fn log(x: f64) -> f64 {
        let tiny = x < f64::MIN_POSITIVE;
        let y = if tiny { x * 18_014_398_509_481_984.0 } else { x };
        // the mantissa in [√½, √2)
        let bits = y.to_bits().wrapping_sub(0x3fe6_a09e_667f_3bcd);
        let k = ((bits as i64) >> 52) as i32;
        let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(0x3fe6_a09e_667f_3bcd));
        let k = f64::from(k) - if tiny { 54.0 } else { 0.0 };
        let s = (m - 1.0) / (m + 1.0);
        let q = s * s;
        let mut p = 1.0 / 25.0;
        let mut j = 23.0;
        for _ in 0..11 {
            p = q * p + 1.0 / j;
            j -= 2.0;
        }
        let small = 2.0 * s * q * p + k * 1.908_214_929_270_587_7e-10;
        let value = k * 0.693_147_180_369_123_8 + (2.0 * s + small);
        let value = if x == 0.0 { f64::NEG_INFINITY } else { value };
        let value = if x < 0.0 { f64::NAN } else { value };
        if x < f64::INFINITY { value } else { x }
    }

    /// π/2 in three parts of 33 bits, so that products with integers up to 2^20 are exact.
    const QUARTER: [f64; 3] =
        [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_7e-21];

    /// sin(x + shift π/2) for |x| up to about 10⁶.
    #[inline(always)]
    fn wave(x: f64, shift: f64) -> f64 {
        let round = 6_755_399_441_055_744.0;
        let k = x.mul_add(std::f64::consts::FRAC_2_PI, round) - round;
        let r = k.mul_add(-QUARTER[2], k.mul_add(-QUARTER[1], k.mul_add(-QUARTER[0], x)));
        let phase = ((k + shift) + round).to_bits();
        let q = r * r;
        let (mut sine, mut cosine) = (0.0, 0.0);
        for c in [
            -1.0 / 1_307_674_368_000.0,
            1.0 / 6_227_020_800.0,
            -1.0 / 39_916_800.0,
            1.0 / 362_880.0,
            -1.0 / 5_040.0,
            1.0 / 120.0,
            -1.0 / 6.0,
        ] {
            sine = q * sine + c;
        }
        for c in [
            1.0 / 20_922_789_888_000.0,
            -1.0 / 87_178_291_200.0,
            1.0 / 479_001_600.0,
            -1.0 / 3_628_800.0,
            1.0 / 40_320.0,
            -1.0 / 720.0,
            1.0 / 24.0,
            -0.5,
        ] {
            cosine = q * cosine + c;
        }
        let value = if phase & 1 == 0 { (sine * q).mul_add(r, r) } else { cosine.mul_add(q, 1.0) };
        if phase & 2 == 0 { value } else { -value }
    }

    /// Sine, up to 10⁵; `blocks` goes to `libm` beyond.
    #[inline(always)]
    pub fn sin(x: f64) -> f64 {
        if x == 0.0 { x } else { wave(x, 0.0) }
    }

    /// Cosine, as [`sin`].
    #[inline(always)]
    pub fn cos(x: f64) -> f64 {
        wave(x, 1.0)
    }
}

/// Single precision.
pub mod single {
    use super::PowerOfTwo;

    shared!(
        f32,
        12_582_912.0,
        0.693_359_4,
        -2.121_944_4e-4,
        88.722_83,
        -103.972_08,
        20.0,
        [40_320.0, 5_040.0, 720.0, 120.0, 24.0, 6.0, 2.0],
        4.0,
        [
            7.853_538e-5,
            -8.010_095e-4,
            5.188_316_5e-3,
            -2.685_380_6e-2,
            1.128_358_5e-1,
            -3.761_262_6e-1,
            std::f32::consts::FRAC_2_SQRT_PI
        ],
        [
            2.170_377_6e-5,
            -1.376_943_3e-4,
            7.302_135e-4,
            -3.570_528_5e-3,
            1.646_580_7e-2,
            9.237_51e-1,
            4.418_161,
            5.364_941
        ]
    );

    /// Σ qᵏ/(2k+1), good to q = 1/9.
    #[inline(always)]
    fn artanh_series(q: f32) -> f32 {
        let mut p = 1.0 / 17.0;
        let mut k = 15.0;
        for _ in 0..8 {
            p = q * p + 1.0 / k;
            k -= 2.0;
        }
        p
    }

    /// Natural logarithm.
    #[inline(always)]
    pub fn log(x: f32) -> f32 {
        let tiny = x < f32::MIN_POSITIVE;
        let y = if tiny { x * 33_554_432.0 } else { x };
        // the mantissa in [√½, √2)
        let bits = y.to_bits().wrapping_sub(0x3f35_04f3);
        let k = (bits as i32) >> 23;
        let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
        let k = k as f32 - if tiny { 25.0 } else { 0.0 };
        let f = m - 1.0;
        let s = f / (2.0 + f);
        let q = s * s;
        let r = q
            * (0.242_790_79_f32
                .mul_add(q, 0.284_987_87)
                .mul_add(q, 0.400_009_72)
                .mul_add(q, 0.666_666_6));
        // log(1+f) = f − (f²/2 − s(f²/2 + r)), the large term last
        let half = 0.5 * f * f;
        let small = k.mul_add(9.058_001e-6, s * (half + r));
        let value = k.mul_add(0.693_138_1, f - (half - small));
        let value = if x == 0.0 { f32::NEG_INFINITY } else { value };
        let value = if x < 0.0 { f32::NAN } else { value };
        if x < f32::INFINITY { value } else { x }
    }
}

#[cfg(test)]
mod tests {
    use super::{double, single};

    fn worst(points: impl Iterator<Item = f64>, f: fn(f64) -> f64, exact: fn(f64) -> f64) -> f64 {
        points.map(|x| ((f(x) - exact(x)) / exact(x)).abs()).fold(0.0, f64::max)
    }

    fn grid(low: f64, high: f64) -> impl Iterator<Item = f64> {
        (0..20_001).map(move |i| low + (high - low) * (f64::from(i) + 0.37) / 20_002.0)
    }

    #[test]
    fn double_functions_are_right_to_a_few_units() {
        use crate::num::special;
        assert!(worst(grid(-700.0, 700.0), double::exp, libm::exp) < 5e-16);
        assert!(worst(grid(-1.0, 1.0), double::exp, libm::exp) < 5e-16);
        assert!(worst(grid(-30.0, 30.0), double::tanh, libm::tanh) < 1e-15);
        assert!(worst(grid(-1e-3, 1e-3), double::tanh, libm::tanh) < 1e-15);
        assert!(worst(grid(-700.0, 40.0), double::sigmoid, special::sigmoid) < 1e-15);
        assert!(worst(grid(-700.0, 40.0), double::softplus, special::softplus) < 1e-15);
        assert!(worst(grid(1e-300, 2.0), double::log, libm::log) < 1e-15);
        assert!(worst(grid(0.5, 1e300), double::log, libm::log) < 1e-15);
        assert!(grid(-1e4, 1e4).all(|x| (double::sin(x) - libm::sin(x)).abs() < 3e-16));
        assert!(grid(-1e4, 1e4).all(|x| (double::cos(x) - libm::cos(x)).abs() < 3e-16));
    }

    #[test]
    fn single_functions_are_right_to_a_few_units() {
        let exp = |x| f64::from(single::exp(x as f32));
        let tanh = |x| f64::from(single::tanh(x as f32));
        assert!(worst(grid(-85.0, 85.0).map(|x| f64::from(x as f32)), exp, libm::exp) < 2e-7);
        assert!(worst(grid(-9.0, 9.0).map(|x| f64::from(x as f32)), tanh, libm::tanh) < 3e-7);
        assert!(worst(grid(-0.01, 0.01).map(|x| f64::from(x as f32)), tanh, libm::tanh) < 3e-7);
    }

    #[test]
    fn ends_of_the_range_are_exact() {
        assert_eq!(double::exp(710.0), f64::INFINITY);
        assert_eq!(double::exp(-800.0), 0.0);
        assert_eq!(double::exp(f64::INFINITY), f64::INFINITY);
        assert_eq!(double::log(0.0), f64::NEG_INFINITY);
        assert_eq!(double::tanh(f64::INFINITY), 1.0);
        assert!(double::log(-1.0).is_nan() && double::log(f64::NAN).is_nan());
        assert!(double::exp(f64::NAN).is_nan() && double::tanh(f64::NAN).is_nan());
        assert!(single::exp(f32::NAN).is_nan() && single::tanh(f32::NAN).is_nan());
        assert_eq!((single::exp(90.0), single::exp(-110.0)), (f32::INFINITY, 0.0));
        let tiny = 5e-310;
        assert!((double::log(tiny) - libm::log(tiny)).abs() < 1e-12);
    }
}
