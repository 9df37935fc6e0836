//! Random numbers by counter: Threefry-2x32 with 20 rounds in JAX's layout.
//!
//! A number is a pure function of a key and its position, so results do not depend on threads, order or lane width,
//! and any entry can be drawn again. Keys come from a seed by [`Key::fold_in`], positions are row-major indices; 32 bits are
//! the exclusive or of the two words, 64 bits their concatenation, as in JAX with partitionable keys. Reference: Salmon
//! et al., *Parallel random numbers: as easy as 1, 2, 3* (2011).

pub mod draw;

use rand::rand_core::{Infallible, TryRng};

const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
const PARITY: u32 = 0x1BD1_1BDA;

/// A key: names one stream of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(pub u32, pub u32);

impl Key {
    /// The key of a seed.
    pub fn new(seed: u64) -> Self {
        Self((seed >> 32) as u32, seed as u32)
    }

    /// A key for the part of this stream that `data` names.
    #[must_use]
    pub fn fold_in(self, data: u32) -> Self {
        let (a, b) = self.block(0, data);
        Self(a, b)
    }

    /// The `index`-th of the keys that this one splits into.
    #[must_use]
    pub fn split(self, index: u64) -> Self {
        let (a, b) = self.words(index);
        Self(a, b)
    }

    /// The two words at a position.
    pub fn words(self, position: u64) -> (u32, u32) {
        self.block((position >> 32) as u32, position as u32)
    }

    /// The 32 bits at a position.
    pub fn bits32(self, position: u64) -> u32 {
        let (a, b) = self.words(position);
        a ^ b
    }

    /// The 64 bits at a position.
    pub fn bits64(self, position: u64) -> u64 {
        let (a, b) = self.words(position);
        (u64::from(a) << 32) | u64::from(b)
    }

    /// The cipher at one position.
    pub fn block(self, x: u32, y: u32) -> (u32, u32) {
        let (mut x, mut y) = ([x], [y]);
        self.blocks(&mut x, &mut y);
        (x[0], y[0])
    }

    /// The cipher at several positions side by side: 20 rounds, the key added after every fourth.
    #[inline(always)]
    pub fn blocks<const N: usize>(self, x: &mut [u32; N], y: &mut [u32; N]) {
        let keys = [self.0, self.1, self.0 ^ self.1 ^ PARITY];
        add(x, keys[0]);
        add(y, keys[1]);
        for group in 0..5 {
            for rotation in ROTATIONS[group % 2] {
                for i in 0..N {
                    x[i] = x[i].wrapping_add(y[i]);
                    y[i] = y[i].rotate_left(rotation) ^ x[i];
                }
            }
            add(x, keys[(group + 1) % 3]);
            add(y, keys[(group + 2) % 3].wrapping_add(group as u32 + 1));
        }
    }

    /// The numbers of this key one after another, as a generator of the `rand` crate.
    pub fn stream(self) -> Stream {
        Stream { key: self, position: 0, second: None }
    }
}

#[inline(always)]
fn add(words: &mut [u32], key: u32) {
    words.iter_mut().for_each(|word| *word = word.wrapping_add(key));
}

/// A generator of the `rand` crate: the two words at positions 0, 1, 2, ….
#[derive(Clone, Debug)]
pub struct Stream {
    key: Key,
    position: u64,
    second: Option<u32>,
}

impl Stream {
    fn word(&mut self) -> u32 {
        if let Some(word) = self.second.take() {
            return word;
        }
        let (first, second) = self.key.words(self.position);
        self.position += 1;
        self.second = Some(second);
        first
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok((u64::from(self.word()) << 32) | u64::from(self.word()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.word().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
