//! When parked clients time out, so that the server can be awake then.
//!
//! A server that has nothing to do looks at the timeouts of blocked clients
//! once in `1000 / hz` ms only: a wait of 1 ms ends up to 100 ms late. A timer
//! at the nearest deadline makes it look in time (see `parking.rs`).

use std::collections::BTreeMap;

/// A multiset of points in time, in ms.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeMap<i64, usize>);

impl Deadlines {
    /// Adds one deadline.
    pub(crate) fn add(&mut self, at: i64) {
        *self.0.entry(at).or_default() += 1;
    }

    /// Takes back one deadline that was added.
    pub(crate) fn remove(&mut self, at: i64) {
        if let Some(times) = self.0.get_mut(&at) {
            *times -= 1;
            if *times == 0 {
                self.0.remove(&at);
            }
        }
    }

    /// The nearest deadline that is not before `now`.
    pub(crate) fn next(&self, now: i64) -> Option<i64> {
        self.0.range(now..).next().map(|(&at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_is_the_earliest_that_was_not_removed_and_has_not_passed() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.next(0), None);
        for at in [30, 10, 20, 10] {
            deadlines.add(at);
        }
        assert_eq!(deadlines.next(0), Some(10));
        assert_eq!(deadlines.next(10), Some(10));
        assert_eq!(deadlines.next(11), Some(20));
        deadlines.remove(10);
        assert_eq!(deadlines.next(0), Some(10));
        deadlines.remove(10);
        assert_eq!(deadlines.next(0), Some(20));
        assert_eq!(deadlines.next(31), None);
    }

    #[test]
    fn removing_what_was_never_added_does_nothing() {
        let mut deadlines = Deadlines::default();
        deadlines.add(10);
        deadlines.remove(20);
        assert_eq!(deadlines.next(0), Some(10));
    }
}
