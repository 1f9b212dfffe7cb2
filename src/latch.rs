//! The value of a latch and its transitions, with no server in it.
//!
//! A latch that is stored is *closed*: countdowns are still missing. Opening
//! removes it from the keyspace, so there is no stored state for "open".

use std::sync::atomic::{AtomicU64, Ordering};

/// The largest count a latch can hold: the largest integer of the protocol.
pub(crate) const MAX_COUNT: i64 = i64::MAX;

/// The identity of one stored latch, from its creation until it opens or goes.
///
/// Two latches that follow each other under the same key have different
/// rounds, which is how a client parked on the first is told from one parked
/// on the second. Resetting a latch keeps its round. Rounds are never stored
/// or copied: they mean something only in the process that made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round(u64);

impl Round {
    /// A round that no other latch of this process has had.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a countdown did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Countdown {
    /// Still closed, with so many countdowns missing (at least 1).
    Remaining(i64),
    /// The count reached zero: the latch is open and must leave its key.
    Opened,
}

/// A closed latch.
///
/// Plain memory only: the server may drop it on its lazy-free thread.
#[derive(Debug)]
pub(crate) struct Latch {
    /// Countdowns still missing. Invariant: `1 <= count <= total`.
    count: i64,
    /// The count it was set to.
    total: i64,
    round: Round,
}

impl Latch {
    /// A latch that opens after `count` countdowns.
    ///
    /// # Panics
    /// If `count` is not positive: a count of zero is an open latch, which is
    /// not stored.
    pub(crate) fn new(count: i64) -> Self {
        Self::restore(count, count).expect("a stored latch has a positive count")
    }

    /// A latch as it was saved, or `None` if no latch can have these numbers.
    pub(crate) fn restore(count: i64, total: i64) -> Option<Self> {
        (1 <= count && count <= total).then(|| Self {
            count,
            total,
            round: Round::next(),
        })
    }

    /// The same latch for another key: equal in all but its round.
    pub(crate) fn copy(&self) -> Self {
        Self {
            round: Round::next(),
            ..*self
        }
    }

    /// Countdowns still missing, at least 1.
    pub(crate) fn count(&self) -> i64 {
        self.count
    }

    /// The count it was set to.
    pub(crate) fn total(&self) -> i64 {
        self.total
    }

    /// What clients parked on this latch are parked on.
    pub(crate) fn round(&self) -> Round {
        self.round
    }

    /// Counts down by `by` (at least 1), never below zero.
    pub(crate) fn count_down(&mut self, by: i64) -> Countdown {
        debug_assert!(by >= 1);
        if by >= self.count {
            return Countdown::Opened;
        }
        self.count -= by;
        Countdown::Remaining(self.count)
    }

    /// Starts over with `count` (at least 1), in the same round: clients that
    /// are parked now wait for the new count.
    pub(crate) fn reset(&mut self, count: i64) {
        *self = Self {
            round: self.round,
            ..Self::new(count)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_down_to_one_and_then_opens() {
        let mut latch = Latch::new(3);
        assert_eq!(latch.count_down(1), Countdown::Remaining(2));
        assert_eq!(latch.count_down(1), Countdown::Remaining(1));
        assert_eq!(latch.count_down(1), Countdown::Opened);
    }

    #[test]
    fn a_countdown_past_zero_opens() {
        assert_eq!(Latch::new(2).count_down(MAX_COUNT), Countdown::Opened);
        assert_eq!(
            Latch::new(MAX_COUNT).count_down(MAX_COUNT),
            Countdown::Opened
        );
    }

    #[test]
    fn the_total_stays_what_it_was_set_to() {
        let mut latch = Latch::new(MAX_COUNT);
        latch.count_down(MAX_COUNT - 1);
        assert_eq!((latch.count(), latch.total()), (1, MAX_COUNT));
    }

    #[test]
    fn a_reset_keeps_the_round_and_forgets_the_rest() {
        let mut latch = Latch::new(5);
        let round = latch.round();
        latch.count_down(2);
        latch.reset(7);
        assert_eq!((latch.count(), latch.total()), (7, 7));
        assert_eq!(latch.round(), round);
    }

    #[test]
    fn a_copy_is_another_round() {
        let mut latch = Latch::new(5);
        latch.count_down(2);
        let copy = latch.copy();
        assert_eq!((copy.count(), copy.total()), (3, 5));
        assert_ne!(copy.round(), latch.round());
    }

    #[test]
    fn impossible_numbers_are_not_restored() {
        for (count, total) in [(0, 0), (0, 5), (-1, 5), (6, 5), (i64::MIN, i64::MAX)] {
            assert!(Latch::restore(count, total).is_none(), "{count} of {total}");
        }
        for (count, total) in [(1, 1), (1, MAX_COUNT), (MAX_COUNT, MAX_COUNT)] {
            assert!(Latch::restore(count, total).is_some(), "{count} of {total}");
        }
    }

    #[test]
    fn a_latch_is_three_words() {
        assert_eq!(size_of::<Latch>(), 24);
    }

    proptest! {
        #[test]
        fn opens_exactly_when_the_countdowns_add_up_to_the_count(
            count in 1..=1_000_i64,
            steps in prop::collection::vec(1..=100_i64, 0..40),
        ) {
            let mut latch = Latch::new(count);
            let mut sum = 0;
            for by in steps {
                sum += by;
                match latch.count_down(by) {
                    Countdown::Remaining(left) => {
                        prop_assert_eq!(left, count - sum);
                        prop_assert!(left > 0);
                    }
                    Countdown::Opened => {
                        prop_assert!(sum >= count);
                        break;
                    }
                }
            }
        }
    }
}
