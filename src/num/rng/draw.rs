//! From bits to numbers: standardised laws, one entry or a block of entries at a time.
//!
//! Single precision takes 32 bits, double precision 64. A uniform number on (−1, 1) comes from the top 23 or 52 bits; a
//! normal number is √2·erfinv of it by the polynomials of Giles (*Approximating the erfinv function*, 2012), as in JAX.
//! Every multiplication and addition that may be fused is written as fused, so all instruction sets give the same bits.
//! Blocks are written for vectorisation and instantiated for the machine's instruction set by `codegen::simd`.

use super::Key;

/// The law of an entry, with mean 0 and variance 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// N(0, 1).
    Normal,
    /// Uniform on (−√3, √3).
    Uniform,
    /// ±1 with probability 1/2 each.
    Rademacher,
}

/// √3
const SQRT_3: f64 = 1.732_050_807_568_877_2;

/// Entries per block.
pub const BLOCK: usize = 64;

/// `f32` or `f64`.
pub trait Draw: Copy + Send + Sync + Default + 'static {
    /// Fills at most [`BLOCK`] entries with `scale` times the numbers at positions `start`, `start + 1`, ….
    fn block(key: Key, law: Law, scale: Self, start: u64, out: &mut [Self]);
}

/// The positions of a block as the cipher's two words.
#[inline(always)]
fn words(key: Key, start: u64) -> ([u32; BLOCK], [u32; BLOCK]) {
    let (mut a, mut b) = ([0; BLOCK], [0; BLOCK]);
    let (high, low) = ((start >> 32) as u32, start as u32);
    for i in 0..BLOCK {
        b[i] = low.wrapping_add(i as u32);
        a[i] = high.wrapping_add(u32::from(b[i] < low));
    }
    key.blocks(&mut a, &mut b);
    (a, b)
}

macro_rules! draw {
    ($t:ident, $bits:ident, |$a:ident, $b:ident| $join:expr, $one:literal, $shift:literal, $below:literal) => {
        impl Draw for $t {
            #[inline(always)]
            fn block(key: Key, law: Law, scale: $t, start: u64, out: &mut [$t]) {
                let (a, b) = words(key, start);
                let mut bits: [$bits; BLOCK] = [0; BLOCK];
                for i in 0..BLOCK {
                    let ($a, $b) = (a[i], b[i]);
                    bits[i] = $join;
                }
                // the law is chosen outside of the loops, which stay free of branches
                let values = match law {
                    Law::Normal => {
                        let mut values = bits.map($bits::uniform);
                        $t::normal(&mut values, scale);
                        values
                    }
                    Law::Uniform => {
                        let scale = scale * SQRT_3 as $t;
                        bits.map(|bits| $bits::uniform(bits) * scale)
                    }
                    Law::Rademacher => {
                        let sign = !($bits::MAX >> 1);
                        bits.map(|bits| $t::from_bits(scale.to_bits() ^ (bits & sign)))
                    }
                };
                out.copy_from_slice(&values[..out.len()]);
            }
        }

        impl Uniform<$t> for $bits {
            #[inline(always)]
            fn uniform(self) -> $t {
                // a number in [1, 2), then in [−1, 1), then above −1
                let unit = $t::from_bits((self >> $shift) | $one) - 1.0;
                unit.mul_add(2.0, $below)
            }
        }
    };
}

trait Uniform<T> {
    fn uniform(self) -> T;
}

trait Normal: Sized {
    /// √2·`scale`·erfinv of each number.
    fn normal(values: &mut [Self; BLOCK], scale: Self);
}

draw!(f32, u32, |a, b| a ^ b, 0x3f80_0000, 9, -0.999_999_94);
draw!(
    f64,
    u64,
    |a, b| (u64::from(a) << 32) | u64::from(b),
    0x3ff0_0000_0000_0000,
    12,
    -0.999_999_999_999_999_9
);

macro_rules! horner {
    ($x:expr, $first:expr $(, $c:expr)*) => {{
        let x = $x;
        let p = $first;
        $( let p = p.mul_add(x, $c); )*
        p
    }};
}

/// −log(1 − u²) from the rounded square; the argument is at least 2^-24.
#[inline(always)]
fn minus_log_single(t: f32) -> f32 {
    let bits = t.to_bits().wrapping_sub(0x3f35_04f3);
    let k = (bits as i32) >> 23;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let p = horner!(q, 0.242_790_79_f32, 0.284_987_87, 0.400_009_72, 0.666_666_6, 2.0);
    (k as f32).mul_add(-std::f32::consts::LN_2, -(s * p))
}

/// A polynomial at many places side by side, the highest coefficient first: one place would wait for each sum.
#[inline(always)]
fn polynomial<const N: usize>(x: &[f64; BLOCK], coefficients: [f64; N]) -> [f64; BLOCK] {
    let mut p = [coefficients[0]; BLOCK];
    for c in &coefficients[1..] {
        for i in 0..BLOCK {
            p[i] = p[i].mul_add(x[i], *c);
        }
    }
    p
}

/// As above in double precision; the arguments are at least 2^-53.
#[inline(always)]
fn minus_log_double(t: [f64; BLOCK]) -> [f64; BLOCK] {
    let bits = t.map(|t| t.to_bits().wrapping_sub(0x3fe6_a09e_667f_3bcd));
    let s = bits.map(|bits| {
        let m = (bits & 0x000f_ffff_ffff_ffff).wrapping_add(0x3fe6_a09e_667f_3bcd);
        let m = f64::from_bits(m);
        (m - 1.0) / (m + 1.0)
    });
    let p = polynomial(
        &s.map(|s| s * s),
        [
            1.479_819_860_511_658_6e-1,
            1.531_383_769_920_937_3e-1,
            1.818_357_216_161_805e-1,
            2.222_219_843_214_978_4e-1,
            2.857_142_874_366_239e-1,
            3.999_999_999_940_942e-1,
            6.666_666_666_666_735e-1,
            2.0,
        ],
    );
    let mut logs = [0.0; BLOCK];
    for i in 0..BLOCK {
        let k = f64::from(((bits[i] as i64) >> 52) as i32);
        logs[i] = k.mul_add(-std::f64::consts::LN_2, -(s[i] * p[i]));
    }
    logs
}

impl Normal for f32 {
    #[inline(always)]
    fn normal(values: &mut [f32; BLOCK], scale: f32) {
        let scale = scale * std::f32::consts::SQRT_2;
        for value in values {
            let x = *value;
            let w = minus_log_single(1.0 - x * x);
            let near = horner!(
                w - 2.5,
                2.810_226_4e-8_f32,
                3.432_739_4e-7,
                -3.523_387_7e-6,
                -4.391_506_5e-6,
                2.185_808_7e-4,
                -1.253_725_e-3,
                -4.177_681_6e-3,
                2.466_407_3e-1,
                1.501_409_4
            );
            let far = horner!(
                w.sqrt() - 3.0,
                -2.002_142_6e-4_f32,
                1.009_505_6e-4,
                1.349_343_2e-3,
                -3.673_428_4e-3,
                5.739_507_7e-3,
                -7.622_461_3e-3,
                9.438_870_5e-3,
                1.001_674,
                2.832_976_8
            );
            *value = (if w < 5.0 { near } else { far }) * x * scale;
        }
    }
}

impl Normal for f64 {
    #[inline(always)]
    fn normal(values: &mut [f64; BLOCK], scale: f64) {
        let scale = scale * std::f64::consts::SQRT_2;
        let uniforms = *values;
        let logs = minus_log_double(uniforms.map(|x| 1.0 - x * x));
        let near = centre(logs.map(|w| w - 3.125));
        for i in 0..BLOCK {
            values[i] = near[i] * uniforms[i] * scale;
        }
        // one in a thousand
        if logs.iter().fold(false, |far, w| far | (*w >= CENTRE)) {
            for i in (0..BLOCK).filter(|i| logs[*i] >= CENTRE) {
                values[i] = tail(logs[i]) * uniforms[i] * scale;
            }
        }
    }
}

/// Where the polynomial of the centre ends.
const CENTRE: f64 = 6.25;

#[inline(always)]
fn centre(x: [f64; BLOCK]) -> [f64; BLOCK] {
    let coefficients = [
        -3.644_412_064_017_82e-21,
        -1.685_059_138_182_016_6e-19,
        1.285_848_071_525_64e-18,
        1.115_787_767_802_518e-17,
        -1.333_171_662_854_621e-16,
        2.097_276_787_596_856_4e-17,
        6.637_638_134_358_324e-15,
        -4.054_566_272_975_207e-14,
        -8.151_934_197_605_472e-14,
        2.633_509_315_308_232_3e-12,
        -1.297_513_325_345_353_2e-11,
        -5.415_412_054_294_628e-11,
        1.051_212_273_321_532_3e-9,
        -4.112_633_980_346_984e-9,
        -2.907_036_995_788_200_5e-8,
        4.234_787_782_793_24e-7,
        -1.365_469_200_083_467_9e-6,
        -1.388_252_336_278_646_9e-5,
        1.867_342_080_340_571_4e-4,
        -7.407_025_341_662_67e-4,
        -6.033_670_871_430_149e-3,
        2.401_581_824_255_896e-1,
        1.653_654_562_683_102_7,
    ];
    polynomial(&x, coefficients)
}

#[inline(never)]
fn tail(w: f64) -> f64 {
    if w < 16.0 {
        return horner!(
            w.sqrt() - 3.25,
            2.213_737_692_177_578_7e-9_f64,
            9.075_656_193_888_539e-8,
            -2.751_740_629_706_454_3e-7,
            1.823_962_921_438_922_8e-8,
            1.502_740_396_890_982_8e-6,
            -4.013_867_526_981_546e-6,
            2.923_444_908_995_544_6e-6,
            1.247_530_448_167_177_9e-5,
            -4.731_822_900_905_573_4e-5,
            6.828_485_145_957_318e-5,
            2.403_111_038_709_74e-5,
            -3.550_375_203_628_475e-4,
            9.532_893_797_373_805e-4,
            -1.688_275_556_023_504_7e-3,
            2.491_442_096_107_851e-3,
            -3.751_208_507_569_241e-3,
            5.370_914_553_590_064e-3,
            1.005_258_967_694_159_2,
            3.083_885_610_492_220_8
        );
    }
    horner!(
        w.sqrt() - 5.0,
        -2.710_992_061_643_857_3e-11_f64,
        -2.555_641_816_996_525e-10,
        1.507_657_269_350_054_8e-9,
        -3.789_465_440_126_737e-9,
        7.615_701_208_078_34e-9,
        -1.496_002_662_714_924e-8,
        2.914_795_345_090_108_3e-8,
        -6.771_199_775_845_234e-8,
        2.290_048_222_802_665_5e-7,
        -9.929_827_294_231_7e-7,
        4.526_062_597_223_154e-6,
        -1.968_177_810_553_167e-5,
        7.599_527_703_001_776e-5,
        -2.150_301_193_004_447_7e-4,
        -1.387_193_183_162_312_2e-4,
        1.010_300_464_864_534_4,
        4.849_906_401_408_584
    )
}
