//! Which keys are to be looked at, and what follows from what was found.

use super::queue::{QueueId, Wanted};
use super::slab::Place;
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
        if let Some(place) = self.find(db, key, Some(round)) {
            self.want(place, Wanted::This(round));
            self.expect_expiry(place, expires);
        }
    }

    /// Whether there is a queue whose latch should have expired before `now`.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        self.due.first().is_some_and(|&(at, _)| at < now)
    }

    /// The queue whose latch should have expired first. It is not due again before it has
    /// been observed. `None` if it is not to be looked at now.
    pub(crate) fn next_due(&mut self) -> Option<Lookup<K>> {
        let (_, id) = self.due.pop_first()?;
        self.lookup(self.queues.find(id.0)?)
    }

    /// How many queues of this kind are in the rota, with those that are settled.
    pub(crate) fn rota_len(&self, kind: Kind) -> usize {
        self.rota[kind as usize].len()
    }

    /// The next queue of this kind in the rota, where it stands last from now on. `None` if
    /// it is settled, and leaves, or is not to be looked at now.
    pub(crate) fn next_in_rota(&mut self, kind: Kind) -> Option<Lookup<K>> {
        let rota = &mut self.rota[kind as usize];
        let place = rota.first()?;
        rota.rotate(&mut self.queues);
        if self.settlement(&self.queues[place]).is_some() {
            self.leave_rota(place);
        }
        self.lookup(place)
    }

    /// What is to be looked at for a queue that waits.
    fn lookup(&self, place: Place) -> Option<Lookup<K>> {
        let queue = Some(&self.queues[place]).filter(|queue| self.is_waiting(queue))?;
        let (id, db) = (QueueId(self.queues.id(place)), self.eras[queue.era].db);
        Some(Lookup { queue: id, db, key: queue.key.clone() })
    }

    /// Takes note of what was found at the key of a queue, at the time `now`. Another round
    /// means that the latch of this queue is gone. Returns whether the latch has vanished
    /// before its time, and nothing has told of its end: that is for [`Lot::vanish`].
    #[must_use]
    pub(crate) fn observe(&mut self, id: QueueId, found: Sighting, now: i64) -> bool {
        let Some(place) = self.waiting_of(id) else {
            return false;
        };
        let queue = &self.queues[place];
        match found {
            Sighting::Latch { round, outcome, expires } if queue.wanted.is(Some(round)) => {
                self.want(place, Wanted::This(round));
                // It is there: if its time has passed, it is looked at again, but not at once.
                self.expect_expiry(place, expires.map(|at| at.max(now)));
                if let Some(outcome) = outcome {
                    self.settle(place, outcome);
                }
            }
            Sighting::Nothing | Sighting::Other if queue.wanted == Wanted::Coming => {}
            Sighting::Nothing if queue.wanted != Wanted::Reloaded && !queue.has_expired(now) => {
                return true;
            }
            _ => self.settle_removed(place, now),
        }
        false
    }

    /// Settles a waiting queue whose latch has vanished.
    pub(crate) fn vanish(&mut self, id: QueueId, outcome: Outcome) {
        if let Some(place) = self.waiting_of(id) {
            self.settle(place, outcome);
        }
    }

    fn waiting_of(&self, id: QueueId) -> Option<Place> {
        self.queues.find(id.0).filter(|&place| self.is_waiting(&self.queues[place]))
    }

    /// Notes when the latch of a waiting queue expires. It is looked at then.
    pub(super) fn expect_expiry(&mut self, place: Place, expires: Option<i64>) {
        if self.queues[place].expires.get() != expires {
            self.forget_due(place);
            self.queues[place].expires = expires.into();
        }
        if let Some(at) = self.queues[place].expires.get() {
            self.due.insert((at, QueueId(self.queues.id(place))));
        }
    }

    /// Forgets when a queue is to be looked at.
    pub(super) fn forget_due(&mut self, place: Place) {
        if let Some(at) = self.queues[place].expires.get() {
            self.due.remove(&(at, QueueId(self.queues.id(place))));
        }
    }

    pub(super) fn enter_rota(&mut self, place: Place) {
        let queue = &mut self.queues[place];
        queue.is_in_rota = true;
        let kind = queue.kind();
        self.rota[kind as usize].push(&mut self.queues, place);
    }

    pub(super) fn leave_rota(&mut self, place: Place) {
        let queue = &mut self.queues[place];
        if std::mem::take(&mut queue.is_in_rota) {
            let kind = queue.kind();
            self.rota[kind as usize].remove(&mut self.queues, place);
        }
    }

    /// Forgets that the key of a queue was to be looked at.
    pub(super) fn look_no_more(&mut self, place: Place) {
        self.forget_due(place);
        self.leave_rota(place);
    }
}
