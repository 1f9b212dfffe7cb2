//! A removal that may turn out to be an expiry.
//!
//! Servers that tell of expiries do so right after the removal, which does not say what it
//! is. So a removal is held until the word comes, or something else happens.

use std::time::{Duration, Instant};

use crate::latch::Round;
use crate::lot::{Db, Lot, Name, Outcome};

/// A key that is set after a removal does not expire within this time, unless it
/// is given a time in the past.
const SHORTEST_LIFE: Duration = Duration::from_millis(1);
/// Far more than it takes to free an id.
const EACH: Duration = Duration::from_micros(1);

/// A latch that was taken from its key.
#[derive(Debug)]
pub(crate) struct Removal {
    pub(crate) db: Db,
    pub(crate) key: Box<[u8]>,
    pub(crate) round: Round,
    /// In Unix ms.
    pub(crate) at: i64,
}

/// The removal that is held, if there is one, and until when an expiry of its key means it.
#[derive(Debug, Default)]
pub(crate) struct Pending(Option<(Removal, Instant)>);

impl Pending {
    /// Whether one is held.
    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Holds a removal that happened `now`. There must be none.
    ///
    /// `ids` is how many ids the server may have to free before it tells.
    pub(crate) fn hold(&mut self, removal: Removal, ids: usize, now: Instant) {
        debug_assert!(self.0.is_none(), "a removal is lost");
        let patience = SHORTEST_LIFE + EACH * u32::try_from(ids).unwrap_or(u32::MAX);
        self.0 = Some((removal, now + patience));
    }

    /// A key expired `now`. If that is the removal, it is one by expiry.
    pub(crate) fn expired<H, K: Name>(
        &mut self,
        lot: &mut Lot<H, K>,
        db: Db,
        key: &[u8],
        now: Instant,
    ) {
        let held = self.0.take_if(|(removal, _)| removal.db == db && *removal.key == *key);
        if let Some((Removal { db, key, round, at }, deadline)) = held {
            if now < deadline {
                lot.end(db, &key, round, Outcome::Expired);
            } else {
                lot.remove(db, &key, round, at);
            }
        }
    }

    /// A removal of which nothing more was told was no expiry. But a replica is told of
    /// none: there it is judged by the time that is known.
    pub(crate) fn conclude<H, K: Name>(&mut self, lot: &mut Lot<H, K>, is_replica: bool) {
        if let Some((Removal { db, key, round, at }, _)) = self.0.take() {
            if is_replica {
                lot.remove(db, &key, round, at);
            } else {
                lot.end(db, &key, round, Outcome::Gone);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lot::{Rule, Target, Ticket};

    /// When the latch of the tests expires, in Unix ms.
    const EXPIRY: i64 = 10;

    struct Case {
        lot: Lot<()>,
        ticket: Ticket,
        pending: Pending,
        removed: Instant,
    }

    /// Somebody waits for a latch in database 0 that expires, and that is removed at this
    /// time.
    fn removed_at(at: i64) -> Case {
        let (mut lot, round) = (Lot::default(), Round::next());
        let target = Target { key: b"k", round: Some(round), expires: Some(EXPIRY) };
        let ticket = lot.join_with(0, &[target], Rule::All, 0, ());
        let (mut pending, removed) = (Pending::default(), Instant::now());
        pending.hold(Removal { db: 0, key: b"k"[..].into(), round, at }, 0, removed);
        Case { lot, ticket, pending, removed }
    }

    impl Case {
        fn outcome(&self) -> Option<Outcome> {
            self.lot.verdict(self.ticket).map(|verdict| verdict.outcome)
        }
    }

    #[test]
    fn a_removal_is_an_expiry_if_that_is_told_right_after_it() {
        let mut case = removed_at(EXPIRY - 5);
        assert_eq!(case.outcome(), None);
        case.pending.expired(&mut case.lot, 0, b"k", case.removed);
        assert_eq!(case.outcome(), Some(Outcome::Expired));
        assert!(!case.pending.is_some());
    }

    #[test]
    fn a_removal_of_which_nothing_more_is_told_is_just_that() {
        let mut case = removed_at(EXPIRY + 5);
        case.pending.conclude(&mut case.lot, false);
        assert_eq!(case.outcome(), Some(Outcome::Gone));
    }

    #[test]
    fn an_expiry_elsewhere_says_nothing_of_a_removal() {
        for (db, key) in [(1, b"k"), (0, b"j")] {
            let mut case = removed_at(EXPIRY - 5);
            case.pending.expired(&mut case.lot, db, key, case.removed);
            assert!(case.pending.is_some(), "{db} {key:?}");
            case.pending.conclude(&mut case.lot, false);
            assert_eq!(case.outcome(), Some(Outcome::Gone), "{db} {key:?}");
        }
    }

    #[test]
    fn an_expiry_long_after_a_removal_is_that_of_another_value() {
        for (at, outcome) in [(EXPIRY - 5, Outcome::Gone), (EXPIRY + 5, Outcome::Expired)] {
            let mut case = removed_at(at);
            let later = case.removed + SHORTEST_LIFE;
            case.pending.expired(&mut case.lot, 0, b"k", later);
            assert_eq!(case.outcome(), Some(outcome), "removed at {at}");
        }
    }

    #[test]
    fn a_replica_judges_a_removal_by_the_time_it_knows() {
        for (at, outcome) in [(EXPIRY - 5, Outcome::Gone), (EXPIRY + 5, Outcome::Expired)] {
            let mut case = removed_at(at);
            case.pending.conclude(&mut case.lot, true);
            assert_eq!(case.outcome(), Some(outcome), "removed at {at}");
        }
    }
}
