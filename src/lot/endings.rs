//! What ends rounds: a latch that opens, is aborted or goes, and what happens to whole
//! databases.

use std::mem;

use super::queue::{Fate, Phase, Queue, QueueId, Wanted};
use super::slab::{Id, Place};
use super::{Db, Kind, Lot, Name, Outcome, Rule, Waiter};
use crate::latch::Round;

/// What was taken, and may be brought back by a load.
#[derive(Clone, Copy, Debug)]
pub(super) enum Suspended {
    Queue(QueueId),
    Era(Id),
}

impl<H, K: Name> Lot<H, K> {
    /// A latch was made where there was none: those who wait for one to come
    /// wait for this one. The latch of any others must have gone.
    pub(crate) fn create(&mut self, db: Db, key: &[u8], round: Round, now: i64) {
        if let Some(queue) = self.waiting(db, key) {
            if self.queues[queue].wanted == Wanted::Coming {
                self.want(queue, Wanted::This(round));
            } else {
                self.settle_removed(queue, now);
            }
        }
    }

    /// A latch opened: everybody parked on this round is to be told so. With
    /// no round, it opened as it was made. Returns whether anybody was.
    pub(crate) fn open(&mut self, db: Db, key: &[u8], round: Option<Round>) -> bool {
        let queue = self.find(db, key, round);
        if let Some(queue) = queue {
            self.settle(queue, Outcome::Opened);
        }
        queue.is_some()
    }

    /// A latch was aborted. Returns the number of clients whose wait ends by that.
    pub(crate) fn abort(&mut self, db: Db, key: &[u8], round: Round, reason: &[u8]) -> usize {
        let Some(queue) = self.find(db, key, Some(round)) else {
            return 0;
        };
        let ends = self.ends_by_a_failure(queue);
        self.settle(queue, Outcome::Aborted(reason.into()));
        ends
    }

    /// How many waits end if the round of this waiting queue fails.
    fn ends_by_a_failure(&self, place: Place) -> usize {
        let Queue { stands, several, .. } = &self.queues[place];
        let mut ends = stands.len() - *several as usize;
        if *several > 0 {
            // Who stands in others may wait on, or have been decided.
            let mut at = stands.first();
            while let Some(stand) = at.map(|at| &self.stands[at]) {
                let waiter = &self.waiters[stand.waiter];
                ends += usize::from(waiter.stands > 1 && self.would_end(waiter));
                at = stand.links.next();
            }
        }
        ends
    }

    /// Whether the wait goes on, and would end if one more of its rounds failed.
    fn would_end(&self, waiter: &Waiter<H>) -> bool {
        let open = if self.settled.several == 0 || waiter.undecided == 0 {
            waiter.undecided // the walk has passed all that is settled
        } else if self.judge(waiter).is_some() {
            0
        } else {
            let queues = self.queues_of(waiter).map(|place| &self.queues[place]);
            queues.map(|queue| u32::from(self.settlement(queue).is_none())).sum()
        };
        match waiter.rule {
            Rule::All => open > 0,
            Rule::Any => open == 1,
        }
    }

    /// A latch was taken from its key before it opened, at the time `now`: whether it
    /// had expired is judged by the time that is known.
    pub(crate) fn remove(&mut self, db: Db, key: &[u8], round: Round, now: i64) {
        if let Some(queue) = self.find(db, key, Some(round)) {
            self.settle_removed(queue, now);
        }
    }

    /// A latch was taken from its key before it opened, and what that was is known.
    pub(crate) fn end(&mut self, db: Db, key: &[u8], round: Round, outcome: Outcome) {
        if let Some(queue) = self.find(db, key, Some(round)) {
            self.settle(queue, outcome);
        }
    }

    /// A latch was taken from its key, at the time `now`, by a load that may bring
    /// it back. Until [`Lot::reload`] or [`Lot::settle_suspended`] says which, it is a
    /// removal or not.
    pub(crate) fn displace(&mut self, db: Db, key: &[u8], round: Round, now: i64) {
        if let Some(place) = self.find(db, key, Some(round))
            && self.queues[place].wanted != Wanted::Coming
        {
            self.leave_list_of_era(place);
            self.forget_due(place);
            let queue = &mut self.queues[place];
            queue.fate = Fate::Displaced(queue.removal(now));
            self.suspended.push(Suspended::Queue(QueueId(self.queues.id(place))));
        }
    }

    /// A database was emptied, or all (`None`). Until [`Lot::reload`] or
    /// [`Lot::settle_suspended`] says which, it is a removal or a load.
    pub(crate) fn flush(&mut self, db: Option<Db>, now: i64) {
        let all = || self.current[Kind::Present as usize].keys().copied().collect();
        for db in db.map_or_else(all, |db| vec![db]) {
            if let Some(era) = self.suspend_era(db, now) {
                self.suspended.push(Suspended::Era(self.eras.id(era)));
            }
        }
    }

    /// A dataset was loaded in place of the old one, or into it: all queues wait
    /// on, until their keys have been looked at.
    pub(crate) fn reload(&mut self) {
        // The youngest first: of two that were taken from one key, that may be back.
        for suspended in mem::take(&mut self.suspended).into_iter().rev() {
            match suspended {
                Suspended::Queue(id) => {
                    self.queues.find(id.0).into_iter().for_each(|place| self.bring_back(place));
                }
                Suspended::Era(id) => {
                    while let Some(era) = self.eras.find(id)
                        && let Some(place) = self.eras[era].queues.last()
                    {
                        self.bring_back(place);
                    }
                }
            }
        }
        for era in self.current[Kind::Present as usize].values() {
            let mut at = self.eras[*era].queues.first();
            while let Some(place) = at {
                let queue = &mut self.queues[place];
                queue.wanted = Wanted::Reloaded;
                at = queue.links.next();
            }
        }
    }

    /// Has a suspended queue wait again, if nobody has found its key missing, or another
    /// latch there, since it was taken.
    fn bring_back(&mut self, place: Place) {
        let queue = &self.queues[place];
        let (db, expires) = (self.eras[queue.era].db, queue.expires.get());
        if self.waiting_at(queue.hash, db, queue.key.as_ref()).is_some() {
            if let Phase::Suspended(outcome) = self.phase(queue) {
                self.settle(place, outcome);
            }
            return;
        }
        self.leave_list_of_era(place);
        let (before, era) = (self.queues[place].era, self.current_era(db, Kind::Present));
        self.enter_era(place, era, true);
        self.leave_era(before);
        self.expect_expiry(place, expires);
    }

    /// No load has followed: what is suspended has been removed.
    pub(crate) fn settle_suspended(&mut self) {
        for suspended in mem::take(&mut self.suspended) {
            match suspended {
                Suspended::Queue(id) => {
                    if let Some(place) = self.queues.find(id.0)
                        && let Phase::Suspended(outcome) = self.phase(&self.queues[place])
                    {
                        self.settle(place, outcome);
                    }
                }
                Suspended::Era(id) => {
                    self.eras.find(id).into_iter().for_each(|era| self.settle_era(era));
                }
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
            if let Some(era) = self.suspend_era(db, now) {
                self.settle_era(era);
            }
        }
    }

    /// Whether queues are suspended.
    pub(crate) fn has_suspended(&self) -> bool {
        !self.suspended.is_empty()
    }

    /// Settles a waiting queue whose latch was removed.
    pub(super) fn settle_removed(&mut self, place: Place, now: i64) {
        self.settle(place, self.queues[place].removal(now));
    }

    /// Settles a queue that is not settled.
    pub(super) fn settle(&mut self, place: Place, outcome: Outcome) {
        let number = self.next_settlement();
        self.leave_list_of_era(place);
        self.look_no_more(place);
        self.queues[place].fate = Fate::Settled(number, outcome);
        self.settled.push(&mut self.queues, place);
    }
}
