//! Eras of databases: from one time that a database is emptied to the next.
//!
//! A database is emptied in one step, however many queues wait in it: its era ends, and
//! what has become of that is what has become of each of its queues.

use super::list::List;
use super::queue::{Fate, Phase, Queue, Wanted};
use super::slab::Place;
use super::{Db, Kind, Lot, Name};

/// The queues of a database for one kind of latch that have come in one era.
///
/// Latches to come are not there to be removed: their era never ends.
#[derive(Debug)]
pub(super) struct Era {
    pub(super) db: Db,
    pub(super) state: State,
    /// Those that wait, or are suspended with the era, oldest first.
    pub(super) queues: List<Era>,
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
        match &queue.fate {
            Fate::OfItsEra => match self.eras[queue.era].state {
                State::Current => Phase::Waiting,
                State::Suspended { at } => Phase::Suspended(queue.removal(at)),
                State::Settled { number, at } => Phase::Settled(number, queue.removal(at)),
            },
            Fate::Displaced(outcome) => Phase::Suspended(outcome.clone()),
            Fate::Settled(number, outcome) => Phase::Settled(*number, outcome.clone()),
        }
    }

    /// When a queue was settled, if it was: a number.
    pub(super) fn settled_as(&self, queue: &Queue<K>) -> Option<u64> {
        match (&queue.fate, &self.eras[queue.era].state) {
            (Fate::Settled(number, _), _) | (Fate::OfItsEra, State::Settled { number, .. }) => {
                Some(*number)
            }
            _ => None,
        }
    }

    pub(super) fn is_waiting(&self, queue: &Queue<K>) -> bool {
        matches!(queue.fate, Fate::OfItsEra) && self.eras[queue.era].state == State::Current
    }

    /// The current era of a database; made if need be.
    pub(super) fn current_era(&mut self, db: Db, kind: Kind) -> Place {
        *self.current[kind as usize].entry(db).or_insert_with(|| {
            let (state, queues) = (State::Current, List::default());
            self.eras.insert(Era { db, state, queues, members: 0 }).place
        })
    }

    /// Has a queue wait in the current era of a database.
    pub(super) fn enter_era(&mut self, place: Place, db: Db) {
        let era = self.current_era(db, self.queues[place].kind());
        let queue = &mut self.queues[place];
        (queue.era, queue.fate) = (era, Fate::OfItsEra);
        let era = &mut self.eras[era];
        era.members += 1;
        era.queues.push(&mut self.queues, place);
    }

    /// Takes a queue out of the list of its era, if it stands there.
    pub(super) fn leave_list_of_era(&mut self, place: Place) {
        let queue = &self.queues[place];
        let era = &mut self.eras[queue.era];
        if matches!(queue.fate, Fate::OfItsEra) && !matches!(era.state, State::Settled { .. }) {
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

    /// Ends the current era of a database. `None` if nobody waits in it.
    pub(super) fn end_era(&mut self, db: Db, state: State) -> Option<Place> {
        let current = &mut self.current[Kind::Present as usize];
        let era = *current.get(&db)?;
        if self.eras[era].queues.is_empty() {
            return None;
        }
        current.remove(&db);
        self.eras[era].state = state;
        Some(era)
    }

    /// Settles the queues of an era that has ended, all in one step.
    pub(super) fn settle_era(&mut self, era: Place, at: i64) {
        let number = self.next_number();
        let era = &mut self.eras[era];
        era.state = State::Settled { number, at };
        let queues = std::mem::take(&mut era.queues);
        self.settled.append(&mut self.queues, queues);
    }

    /// Changes which latch a waiting queue is for.
    pub(super) fn want(&mut self, place: Place, wanted: Wanted) {
        let queue = &mut self.queues[place];
        let has_come = queue.wanted == Wanted::Coming && wanted != Wanted::Coming;
        if has_come {
            self.leave_rota(place);
            let era = self.queues[place].era;
            let db = self.eras[era].db;
            self.leave_list_of_era(place);
            self.leave_era(era);
            self.queues[place].wanted = wanted;
            self.enter_era(place, db);
            self.enter_rota(place);
        } else {
            queue.wanted = wanted;
        }
    }
}
