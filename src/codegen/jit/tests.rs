//! Every primitive, compiled, against its definition.

use super::super::body::{BodyBuilder, Op};
use super::*;
use crate::ir::{Exponent, Prim};

/// Every primitive, on vectors and tails, stored and summed.
#[test]
fn compiled_primitives_agree_with_their_definition() {
    use Prim::*;
    let half = |k| Pow(Exponent::new(k, 2));
    let prims = [
        Neg,
        Abs,
        Sign,
        Step,
        Relu,
        Sqrt,
        Exp,
        Log,
        Sin,
        Cos,
        Tanh,
        Erf,
        Sigmoid,
        Softplus,
        Not,
        half(6),
        half(-4),
        half(1),
        half(-1),
        half(3),
        half(-5),
        Pow(Exponent::new(1, 3)),
        Add,
        Sub,
        Mul,
        Div,
        Min,
        Max,
        Powf,
        Lt,
        Le,
        Eq,
        And,
        Or,
        Select,
    ];
    check::<f64>(&prims, 1e-14);
    check::<f32>(&prims, 2e-6);
}

fn check<T: Element>(prims: &[Prim], tolerance: f64) {
    let mut bodies = Bodies::default();
    let ids: Vec<LoopId> = prims
        .iter()
        .map(|prim| {
            let mut builder = BodyBuilder::default();
            let args = [0, 1, 2].map(|k| builder.push(Op::Stream(k)));
            let scale = builder.push(Op::Uniform(0));
            let value = builder.prim(*prim, &args[..prim.arity()]);
            let scaled = builder.prim(Prim::Mul, &[value, scale]);
            let more = builder.prim(Prim::Add, &[args[0], scaled]);
            bodies.add(builder.finish(&[value], &[more]).0)
        })
        .collect();
    let loops = bodies.compile::<T>().expect("the machine has a code generator");
    for len in [1, 3, 4, 19, 513, 1030] {
        let column = |k: f64| -> Vec<T> {
            (0..len).map(|i| T::of((k * 0.37 * (i + 1) as f64) % 2.5 + 0.01)).collect()
        };
        let signs = |x: Vec<T>| -> Vec<T> {
            x.into_iter().enumerate().map(|(i, x)| if i % 3 == 0 { -x } else { x }).collect()
        };
        for (prim, id) in prims.iter().zip(&ids) {
            let positive = matches!(prim, Prim::Sqrt | Prim::Log | Prim::Pow(_) | Prim::Powf);
            let base = if positive { column(1.0) } else { signs(column(1.0)) };
            let streams = [base, signs(column(1.7)), column(2.3)];
            let used: Vec<&[T]> = streams[..prim.arity()].iter().map(Vec::as_slice).collect();
            let (mut out, mut sums) = (vec![T::zero(); len], vec![0.0]);
            loops.run(
                *id,
                &mut Operands {
                    streams: &used,
                    uniforms: &[T::of(0.5)],
                    outputs: &mut [&mut out],
                    sums: &mut sums,
                    len,
                },
                &mut Vec::new(),
            );
            let (mut total, mut size) = (0.0, 0.1);
            for i in 0..len {
                let args: Vec<f64> = used.iter().map(|x| x[i].f64()).collect();
                let want = prim.eval(&args);
                let error = (out[i].f64() - want).abs();
                assert!(error <= tolerance * want.abs().max(0.1), "{prim:?}{args:?}: {want}");
                total += args[0] + 0.5 * want;
                size += args[0].abs() + want.abs();
            }
            assert!((sums[0] - total).abs() <= tolerance * size, "{prim:?}");
        }
    }
}

#[test]
fn an_output_can_be_updated_in_place() {
    let mut builder = BodyBuilder::default();
    let (old, x) = (builder.push(Op::Old(0)), builder.push(Op::Stream(0)));
    let tanh = builder.prim(Prim::Tanh, &[x]);
    let sum = builder.prim(Prim::Add, &[old, tanh]);
    let mut bodies = Bodies::default();
    let id = bodies.add(builder.finish(&[sum], &[]).0);
    let loops = bodies.compile::<f64>().expect("the machine has a code generator");
    let (x, mut y) = (vec![0.5; 1000], vec![1.0; 1000]);
    let mut operands = Operands {
        streams: &[&x],
        uniforms: &[],
        outputs: &mut [&mut y],
        sums: &mut [],
        len: 1000,
    };
    loops.run(id, &mut operands, &mut Vec::new());
    assert!(y.iter().all(|y| (y - 1.0 - libm::tanh(0.5)).abs() < 1e-15));
}
