//! Eras of databases: from one time that a database is emptied to the next.
//!
//! A database is emptied in one step, however many queues wait in it: its era ends, and
//! what has become of that is what has become of each of its queues.

use super::list::List;
use super::queue::{Fate, Phase, Queue, Stage, Wanted};
use super::slab::Place;
use super::{Db, Kind, Lot, Name};

/// The queues of a database for one kind of latch that have come in one era.
///
/// Latches to come are not there to be removed: their era never ends.
#[derive(Debug)]
pub(super) struct Era {
    pub(super) db: Db,
    pub(super) state: State,
    /// Those that wait, or are suspended with the era, in the order their latches came.
    pub(super) queues: List<Stage>,
    /// How many places in them are of waiters that stand in other queues, too.
    pub(super) several: usize,
    /// How many queues are of this era, also of those that have been settled since.
    pub(super) members: u32,
}

/// How far an era has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Current,
    /// The database was emptied then: a removal, unless a load follows.
    Suspended {
        at: i64,
    },
    /// The database was emptied then. The number says which settlement this was.
    Settled {
        number: u64,
        at: i64,
    },
}

impl<H, K: Name> Lot<H, K> {
    /// What has become of a queue.
    pub(super) fn phase(&self, queue: &Queue<K>) -> Phase {
        match (&queue.fate, self.eras[queue.era].state) {
            (Fate::OfItsEra, State::Current) => Phase::Waiting,
            (Fate::OfItsEra, State::Suspended { at }) => Phase::Suspended(queue.removal(at)),
            (Fate::OfItsEra, State::Settled { at, .. }) => Phase::Settled(queue.removal(at)),
            (Fate::Displaced(outcome), _) => Phase::Suspended(outcome.clone()),
            (Fate::Settled(_, outcome), _) => Phase::Settled(outcome.clone()),
        }
    }

    /// The number of the settlement of a queue, if it is settled.
    pub(super) fn settlement(&self, queue: &Queue<K>) -> Option<u64> {
        match (&queue.fate, self.eras[queue.era].state) {
            (Fate::Settled(number, _), _) => Some(*number),
            (Fate::OfItsEra, State::Settled { number, .. }) => Some(number),
            _ => None,
        }
    }

    pub(super) fn is_waiting(&self, queue: &Queue<K>) -> bool {
        matches!(queue.fate, Fate::OfItsEra) && self.eras[queue.era].state == State::Current
    }

    /// Whether a queue stands in the list of its era: it waits, or is suspended with that.
    pub(super) fn is_in_list_of_era(&self, queue: &Queue<K>) -> bool {
        let is_settled = matches!(self.eras[queue.era].state, State::Settled { .. });
        matches!(queue.fate, Fate::OfItsEra) && !is_settled
    }

    /// The current era of a database; made if need be.
    pub(super) fn current_era(&mut self, db: Db, kind: Kind) -> Place {
        *self.current[kind as usize].entry(db).or_insert_with(|| {
            let (state, queues) = (State::Current, List::default());
            self.eras.insert(Era { db, state, queues, several: 0, members: 0 }).place
        })
    }

    /// Has a queue wait in an era: behind the others, or before them, if it was there before.
    pub(super) fn enter_era(&mut self, place: Place, era: Place, returns: bool) {
        let queue = &mut self.queues[place];
        (queue.era, queue.fate) = (era, Fate::OfItsEra);
        let era = &mut self.eras[era];
        era.members += 1;
        era.several += queue.several as usize;
        if returns {
            era.queues.push_first(&mut self.queues, place);
        } else {
            era.queues.push(&mut self.queues, place);
        }
    }

    /// Takes a queue out of the list of its era, if it stands there.
    pub(super) fn leave_list_of_era(&mut self, place: Place) {
        let queue = &self.queues[place];
        if self.is_in_list_of_era(queue) {
            let era = &mut self.eras[queue.era];
            era.several -= queue.several as usize;
            era.queues.remove(&mut self.queues, place);
        }
    }

    /// One queue less is of this era. One that is over goes with its last queue.
    pub(super) fn leave_era(&mut self, era: Place) {
        let Era { members, state, .. } = &mut self.eras[era];
        *members -= 1;
        if *members == 0 && *state != State::Current {
            self.eras.remove(era);
        }
    }

    /// Suspends all queues of a database, at the time `at`. `None` if nobody waits in it.
    pub(super) fn suspend_era(&mut self, db: Db, at: i64) -> Option<Place> {
        let current = &mut self.current[Kind::Present as usize];
        let era = *current.get(&db)?;
        if self.eras[era].queues.is_empty() {
            return None;
        }
        current.remove(&db);
        self.eras[era].state = State::Suspended { at };
        Some(era)
    }

    /// Settles the queues of a suspended era, all in one step.
    pub(super) fn settle_era(&mut self, place: Place) {
        let number = self.next_settlement();
        let era = &mut self.eras[place];
        if let State::Suspended { at } = era.state {
            era.state = State::Settled { number, at };
            let queues = std::mem::take(&mut era.queues);
            self.settled.append(&mut self.queues, queues, std::mem::take(&mut era.several));
        }
    }

    /// Changes which latch a waiting queue is for. One whose latch has come stands behind
    /// those whose latch was there.
    pub(super) fn want(&mut self, place: Place, wanted: Wanted) {
        if self.queues[place].wanted != Wanted::Coming || wanted == Wanted::Coming {
            self.queues[place].wanted = wanted;
            return;
        }
        self.leave_rota(place);
        self.leave_list_of_era(place);
        let before = self.queues[place].era;
        self.leave_era(before);
        self.queues[place].wanted = wanted;
        let era = self.current_era(self.eras[before].db, Kind::Present);
        self.enter_era(place, era, false);
        self.enter_rota(place);
    }
}
