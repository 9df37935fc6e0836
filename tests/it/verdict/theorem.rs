//! Section 2.8 of [TP4b] on exponents alone: the classification of L-hidden-layer perceptrons.

use tpc::analyze::verdict::Regime;
use tpc::ir::Exponent;

/// a whole number.
pub fn int(value: i64) -> Exponent {
    Exponent::from_integer(value)
}

/// A quotient.
pub fn frac(p: i64, q: i64) -> Exponent {
    Exponent::new(p, q)
}

/// a, b, c, d of layers 1, …, L + 1; a of the last one contains a_out.
pub type Table = Vec<[Exponent; 4]>;

/// What the theorems say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    pub stable_at_init: bool,
    /// Given stability at initialisation.
    pub faithful_at_init: bool,
    /// Stable and faithful at all times, given both at initialisation.
    pub stays: bool,
    /// Given the above.
    pub nontrivial: bool,
    pub regime: Regime,
    /// r_1, …, r_(L+1) and r, given stability and faithfulness at initialisation.
    pub layers: Vec<Exponent>,
    pub r: Exponent,
}

/// The d that is faithful at initialisation (Lemma 2.8.11).
pub fn faithful(table: &Table) -> Vec<Exponent> {
    let [a, b, ..] = table[table.len() - 1];
    let hidden = table[..table.len() - 1].iter().map(|layer| layer[0] + a + b);
    hidden.chain([a]).collect()
}

/// For SGD, (a, b, c, d) acts like (a, b, c − d) (Remark 2.2.4): the theorems speak of the faithful d, and of the c
/// that goes with it.
pub fn normalised(table: &Table) -> Table {
    let faithful = faithful(table);
    let layers = table.iter().zip(faithful);
    layers.map(|([a, b, c, d], wanted)| [*a, *b, *c - *d + wanted, wanted]).collect()
}

/// Definition 2.8.5.
pub fn r_of(table: &Table) -> Vec<Exponent> {
    let one = |l: usize| int(i64::from(l > 0));
    table.iter().enumerate().map(|(l, [a, _, c, _])| *c + *a - one(l)).collect()
}

/// Lemmas 2.8.10–11, Theorems 2.8.12, 2.8.15 and 2.8.19.
pub fn classify(table: &Table) -> Classified {
    let zero = int(0);
    let depth = table.len() - 1;
    let [a, b, c, _] = table[depth];
    let layers = r_of(table);
    let r = *layers[..depth].iter().min().expect("there is a hidden layer");
    let initial = |l: usize| if l == 0 { zero } else { frac(1, 2) };
    let stable_at_init =
        (0..depth).all(|l| table[l][0] + table[l][1] == initial(l)) && a + b >= frac(1, 2);
    let wanted = faithful(table);
    let faithful_at_init = table.iter().zip(wanted).all(|(layer, d)| layer[3] == d);
    let stays = layers.iter().all(|r| *r >= zero) && a + b + r >= int(1) && b <= c;
    let nontrivial = a + c == int(1) || a + b + r == int(1);
    let regime = if !(stable_at_init && faithful_at_init && stays && nontrivial) {
        Regime::None
    } else if r == zero {
        Regime::FeatureLearning
    } else {
        Regime::Operator
    };
    Classified { stable_at_init, faithful_at_init, stays, nontrivial, regime, layers, r }
}

fn table(first: [Exponent; 4], hidden: [Exponent; 4], last: [Exponent; 4], depth: usize) -> Table {
    let mut table = vec![first];
    table.resize(depth, hidden);
    table.push(last);
    table
}

/// Example 2.2.2.
pub fn sp(depth: usize) -> Table {
    let (zero, half) = (int(0), frac(1, 2));
    let inner = [zero, half, zero, zero];
    table([zero; 4], inner, inner, depth)
}

/// Definition 2.4.1.
pub fn ntp(depth: usize) -> Table {
    let (zero, half, one) = (int(0), frac(1, 2), int(1));
    table([zero, zero, half, half], [half, zero, one, one], [half, zero, half, half], depth)
}

/// Definition 2.5.1.
pub fn mup(depth: usize) -> Table {
    let (zero, half, one) = (int(0), frac(1, 2), int(1));
    table([zero, zero, zero, one], [zero, half, one, one], [one, zero, zero, one], depth)
}

/// UP_s: r_l = s, a + c = 1 and a + b = 1 − s in the last layer (Remark 2.8.25, with r_(L+1) = 0).
pub fn ups(s: Exponent, depth: usize) -> Table {
    let (zero, half, one) = (int(0), frac(1, 2), int(1));
    let (a, b) = (one - s, zero);
    let d = |own: Exponent| own + a + b;
    table([zero, zero, s, d(zero)], [zero, half, s + one, d(zero)], [a, b, one - a, a], depth)
}

/// The symmetry (2.5), one θ for each layer.
pub fn shifted(table: &Table, theta: &[Exponent]) -> Table {
    let layers = table.iter().zip(theta);
    layers.map(|([a, b, c, d], t)| [a + t, b - t, c - t, d + t]).collect()
}
