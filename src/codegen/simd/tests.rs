use super::*;
use std::time::Instant;

#[test]
fn every_instruction_set_draws_the_same_bits() {
    let key = Key::new(2).fold_in(1);
    for law in [Law::Normal, Law::Uniform, Law::Rademacher] {
        let mut fast = vec![0.0_f32; 1000];
        draw(key, law, 0.3, 7, &mut fast);
        let mut plain = vec![0.0_f32; 1000];
        for (i, block) in plain.chunks_mut(draw::BLOCK).enumerate() {
            f32::block(key, law, 0.3, 7 + (i * draw::BLOCK) as u64, block);
        }
        assert_eq!(fast, plain);
        let mut fast = vec![0.0_f64; 1000];
        draw(key, law, 0.3, 7, &mut fast);
        let mut plain = vec![0.0_f64; 1000];
        for (i, block) in plain.chunks_mut(draw::BLOCK).enumerate() {
            f64::block(key, law, 0.3, 7 + (i * draw::BLOCK) as u64, block);
        }
        assert_eq!(fast, plain);
    }
}

#[test]
#[ignore = "measures"]
fn speed_of_drawing() {
    let mut single = vec![0.0_f32; 1 << 20];
    let mut double = vec![0.0_f64; 1 << 20];
    let (mut first, mut second) = (f64::MAX, f64::MAX);
    for _ in 0..40 {
        let clock = Instant::now();
        draw(Key::new(1), Law::Normal, 1.0, 0, &mut single);
        first = first.min(clock.elapsed().as_secs_f64());
        let clock = Instant::now();
        draw(Key::new(1), Law::Normal, 1.0, 0, &mut double);
        second = second.min(clock.elapsed().as_secs_f64());
    }
    println!("G/s f32 {:.3}, f64 {:.3}", 1.048_576e-3 / first, 1.048_576e-3 / second);
}
