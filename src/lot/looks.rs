//! Which keys are to be looked at, and what follows from what was found.

use super::queue::{Phase, QueueId, Wanted};
use super::{Db, Lot, Name, Outcome};
use crate::latch::Round;

/// A queue whose key is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lookup<K> {
    pub(crate) queue: QueueId,
    pub(crate) db: Db,
    pub(crate) key: K,
}

/// What kind of latch a queue waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One that is still to come: nothing but a look may tell of it.
    Coming,
    /// One that there is.
    Present,
}

impl Kind {
    /// Both, those first that are to be looked at first.
    pub(crate) const ALL: [Self; 2] = [Self::Coming, Self::Present];

    pub(super) fn of(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Coming => Self::Coming,
            Wanted::This(_) | Wanted::Reloaded => Self::Present,
        }
    }
}

/// What was found at the key of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// A latch.
    Latch {
        round: Round,
        /// Its outcome, if it is not closed.
        outcome: Option<Outcome>,
        /// When it expires, in Unix ms, if it does.
        expires: Option<i64>,
    },
    /// Nothing.
    Nothing,
    /// A value of another type.
    Other,
}

impl<H, K: Name> Lot<H, K> {
    /// The latch of this round is there. Notes when it expires, in Unix ms; `None`: never, or
    /// not any more.
    pub(crate) fn note_expiry(&mut self, db: Db, key: &[u8], round: Round, expires: Option<i64>) {
        if let Some(id) = self.find(db, key, Some(round)) {
            self.want(id, Wanted::This(round));
            self.expect_expiry(id, expires, None);
        }
    }

    /// A queue whose latch should have expired before `now`. It is not returned
    /// again before it has been observed.
    pub(crate) fn next_due(&mut self, now: i64) -> Option<Lookup<K>> {
        let &(at, id) = self.due.first()?;
        if at >= now {
            return None;
        }
        self.due.pop_first();
        self.queues.get(&id).map(|queue| queue.lookup(id))
    }

    /// How many queues of this kind are in the rota, with those that have left it.
    pub(crate) fn rota_len(&self, kind: Kind) -> usize {
        self.rota[kind as usize].len()
    }

    /// The next queue of this kind in the rota, where it stands last from now on. `None` if
    /// it has left, or is not to be looked at now.
    pub(crate) fn next_in_rota(&mut self, kind: Kind) -> Option<Lookup<K>> {
        let id = self.rota[kind as usize].pop_front()?;
        let queue = self.queues.get(&id)?;
        if matches!(queue.phase, Phase::Settled(..)) || Kind::of(queue.wanted) != kind {
            return None; // it stands in the other rota, or in none
        }
        self.rota[kind as usize].push_back(id);
        (queue.phase == Phase::Waiting).then(|| queue.lookup(id))
    }

    /// Takes note of what was found at the key of a queue, at the time `now`. Another round
    /// means that the latch of this queue is gone. Returns whether the latch has vanished
    /// before its time, and nothing has told of its end: that is for [`Lot::vanish`].
    #[must_use]
    pub(crate) fn observe(&mut self, id: QueueId, found: Sighting, now: i64) -> bool {
        let Some(queue) = self.queues.get(&id).filter(|queue| queue.phase == Phase::Waiting) else {
            return false;
        };
        match found {
            Sighting::Latch { round, outcome, expires } if queue.wanted.is(Some(round)) => {
                self.want(id, Wanted::This(round));
                self.expect_expiry(id, expires, Some(now));
                if let Some(outcome) = outcome {
                    self.settle_queue(id, outcome);
                }
            }
            Sighting::Nothing | Sighting::Other if queue.wanted == Wanted::Coming => {}
            Sighting::Nothing if queue.wanted != Wanted::Reloaded && !queue.has_expired(now) => {
                return true;
            }
            _ => self.settle_removed(id, now),
        }
        false
    }

    /// Settles a waiting queue whose latch has vanished.
    pub(crate) fn vanish(&mut self, id: QueueId, outcome: Outcome) {
        if self.queues.get(&id).is_some_and(|queue| queue.phase == Phase::Waiting) {
            self.settle_queue(id, outcome);
        }
    }

    /// Changes which latch a waiting queue is for.
    pub(super) fn want(&mut self, id: QueueId, wanted: Wanted) {
        if let Some(queue) = self.queues.get_mut(&id) {
            let kind = Kind::of(wanted);
            if kind != Kind::of(queue.wanted) {
                self.rota[kind as usize].push_back(id);
            }
            queue.wanted = wanted;
        }
    }

    /// Notes when the latch of a waiting queue expires. It is looked at then, but not
    /// before `seen` has passed.
    pub(super) fn expect_expiry(&mut self, id: QueueId, expires: Option<i64>, seen: Option<i64>) {
        if let Some(queue) = self.queues.get_mut(&id) {
            if let Some(due) = queue.due.take() {
                self.due.remove(&(due, id));
            }
            queue.expires = expires;
            queue.due = expires.map(|at| at.max(seen.unwrap_or(i64::MIN)));
            if let Some(due) = queue.due {
                self.due.insert((due, id));
            }
        }
    }

    /// Forgets when a queue is to be looked at.
    pub(super) fn look_no_more(&mut self, id: QueueId) {
        if let Some(due) = self.queues.get_mut(&id).and_then(|queue| queue.due.take()) {
            self.due.remove(&(due, id));
        }
    }
}
