//! The machine's instruction set gives the bits of the plain instantiation.

use super::*;

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
