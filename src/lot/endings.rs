//! What ends rounds: a latch that opens, is aborted or goes, and what happens to whole
//! databases.

use std::collections::hash_map::Entry;

use super::queue::{Phase, Queue, QueueId, Wanted};
use super::{Db, Lot, Name, Outcome, Ticket};
use crate::latch::Round;

impl<H, K: Name> Lot<H, K> {
    /// A latch was made where there was none: those who wait for one to come
    /// wait for this one. The latch of any others must have gone.
    pub(crate) fn create(&mut self, db: Db, key: &[u8], round: Round, now: i64) {
        if let Some(id) = self.waiting(db, key) {
            if self.queues.get(&id).is_some_and(|queue| queue.wanted == Wanted::Coming) {
                self.want(id, Wanted::This(round));
            } else {
                self.settle_removed(id, now);
            }
        }
    }

    /// A latch opened: everybody parked on this round is to be told so. With
    /// no round, it opened as it was made. Returns whether anybody was.
    pub(crate) fn open(&mut self, db: Db, key: &[u8], round: Option<Round>) -> bool {
        let queue = self.find(db, key, round);
        if let Some(id) = queue {
            self.settle_queue(id, Outcome::Opened);
        }
        queue.is_some()
    }

    /// A latch was aborted. Returns the number of clients whose wait ends by that.
    pub(crate) fn abort(&mut self, db: Db, key: &[u8], round: Round, reason: &[u8]) -> usize {
        let Some(id) = self.find(db, key, Some(round)) else {
            return 0;
        };
        let undecided: Vec<Ticket> = self.queues.get(&id).map_or_else(Vec::new, |queue| {
            queue
                .waiters
                .iter()
                .filter(|&&ticket| self.verdict(ticket).is_none())
                .copied()
                .collect()
        });
        self.settle_queue(id, Outcome::Aborted(reason.into()));
        undecided.into_iter().filter(|&ticket| self.verdict(ticket).is_some()).count()
    }

    /// A latch was taken from its key before it opened, at the time `now`: whether it
    /// had expired is judged by the time that is known.
    pub(crate) fn remove(&mut self, db: Db, key: &[u8], round: Round, now: i64) {
        if let Some(id) = self.find(db, key, Some(round)) {
            self.settle_removed(id, now);
        }
    }

    /// A latch was taken from its key before it opened, and what that was is known.
    pub(crate) fn end(&mut self, db: Db, key: &[u8], round: Round, outcome: Outcome) {
        if let Some(id) = self.find(db, key, Some(round)) {
            self.settle_queue(id, outcome);
        }
    }

    /// A latch was taken from its key, at the time `now`, by a load that may bring
    /// it back. Until [`Lot::reload`] or [`Lot::settle_suspended`] says which, it is a
    /// removal or not.
    pub(crate) fn displace(&mut self, db: Db, key: &[u8], round: Round, now: i64) {
        let to_come = |queue: &Queue<K>| queue.wanted == Wanted::Coming; // nothing to lose
        if let Some(id) = self.find(db, key, Some(round))
            && !self.queues.get(&id).is_some_and(to_come)
        {
            self.unlist(id);
            self.suspend(id, now);
        }
    }

    /// A database was emptied, or all (`None`). Until [`Lot::reload`] or
    /// [`Lot::settle_suspended`] says which, it is a removal or a load.
    pub(crate) fn flush(&mut self, db: Option<Db>, now: i64) {
        for id in self.take_rounds(db) {
            self.suspend(id, now);
        }
    }

    /// A dataset was loaded in place of the old one, or into it: all queues wait
    /// on, until their keys have been looked at.
    pub(crate) fn reload(&mut self) {
        // The youngest first: of two that were taken from one key, that may be back.
        for id in std::mem::take(&mut self.suspended).into_iter().rev() {
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            let Phase::Suspended(outcome) = queue.phase.clone() else {
                continue;
            };
            let (db, key, expires) = (queue.db, queue.key.clone(), queue.expires);
            match self.by_key.entry(db).or_default().entry(key) {
                Entry::Vacant(place) => {
                    place.insert(id);
                    queue.phase = Phase::Waiting;
                    self.expect_expiry(id, expires, None);
                }
                // Somebody has found it missing, or another one, since it was taken.
                Entry::Occupied(_) => self.settle_unlisted(id, outcome),
            }
        }
        for queue in self.queues.values_mut() {
            if let Wanted::This(_) = queue.wanted {
                queue.wanted = Wanted::Reloaded;
            }
        }
    }

    /// No load has followed: what is suspended has been removed.
    pub(crate) fn settle_suspended(&mut self) {
        for id in std::mem::take(&mut self.suspended) {
            if let Some(Phase::Suspended(outcome)) = self.queues.get(&id).map(|queue| &queue.phase)
            {
                let outcome = outcome.clone();
                self.settle_unlisted(id, outcome);
            }
        }
    }

    /// Two databases changed places: their clients stay where they were, with
    /// the latches gone from under them.
    pub(crate) fn swap(&mut self, a: Db, b: Db, now: i64) {
        if a == b {
            return;
        }
        for db in [a, b] {
            for id in self.take_rounds(Some(db)) {
                self.settle_unlisted(id, self.removal(id, now));
            }
        }
    }

    /// Whether queues are suspended.
    pub(crate) fn has_suspended(&self) -> bool {
        !self.suspended.is_empty()
    }

    /// Takes the queues of a database, or of all, from `by_key`; but not those
    /// whose latch is still to come: no removal takes it from them.
    fn take_rounds(&mut self, db: Option<Db>) -> Vec<QueueId> {
        let Self { by_key, queues, .. } = self;
        let mut taken = Vec::new();
        for (_, keys) in by_key.iter_mut().filter(|(of, _)| db.is_none_or(|db| db == **of)) {
            keys.retain(|_, id| {
                let stays = queues.get(id).is_some_and(|queue| queue.wanted == Wanted::Coming);
                if !stays {
                    taken.push(*id);
                }
                stays
            });
        }
        by_key.retain(|_, keys| !keys.is_empty());
        taken
    }

    /// What it is for a queue that its latch is removed at the time `now`.
    fn removal(&self, id: QueueId, now: i64) -> Outcome {
        match self.queues.get(&id) {
            Some(queue) if queue.has_expired(now) => Outcome::Expired,
            _ => Outcome::Gone,
        }
    }

    /// Settles a queue whose latch was removed.
    pub(super) fn settle_removed(&mut self, id: QueueId, now: i64) {
        self.settle_queue(id, self.removal(id, now));
    }

    /// Settles a waiting queue.
    pub(super) fn settle_queue(&mut self, id: QueueId, outcome: Outcome) {
        self.unlist(id);
        self.settle_unlisted(id, outcome);
    }

    /// Suspends a queue that is not found by key any more, until it is known whether its
    /// latch comes back.
    fn suspend(&mut self, id: QueueId, now: i64) {
        let outcome = self.removal(id, now);
        self.look_no_more(id);
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.phase = Phase::Suspended(outcome);
            self.suspended.push(id);
        }
    }

    /// Settles a queue that is not found by key any more.
    fn settle_unlisted(&mut self, id: QueueId, outcome: Outcome) {
        let number = self.next_number();
        self.look_no_more(id);
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.phase = Phase::Settled(number, outcome);
            self.settled.push_back(id);
        }
    }
}
