//! Random numbers that are the same in every run.

use std::env;

use fastrand::Rng;

/// A generator that repeats itself for the same seed.
pub struct Random(Rng);

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Random {
        Random(Rng::with_seed(seed))
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0.usize(..limit)
    }

    /// Puts the items in any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Up to `limit` bytes of any value.
    pub fn bytes(&mut self, limit: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.below(limit + 1)];
        self.0.fill(&mut bytes);
        bytes
    }
}

/// The number that an environment variable holds, if it is set.
#[track_caller]
pub fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// The seed that an environment variable holds; else a new one in each run, short
/// enough to be typed.
#[track_caller]
pub fn seed_from(variable: &str) -> u64 {
    number_from(variable).unwrap_or_else(|| fastrand::u32(..).into())
}
