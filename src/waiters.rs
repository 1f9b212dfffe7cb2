//! The parking lot: who waits for what, and how each wait ends.
//!
//! A futex table. Clients parked on the same round of the same key form a
//! queue; whatever ends the round *settles* the queue, once, with one outcome
//! for everybody in it. That is O(1), whatever the number of clients. They are
//! then taken out in batches and released, oldest first. A client that leaves
//! in between, for whatever reason, already has its outcome.
//!
//! There is no server in here: a handle is whatever releases a client, and
//! the model test below drives the lot with numbers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::rc::Rc;

use crate::latch::Round;

/// The number of a database.
pub(crate) type Db = i32;

/// How a wait ended, if not by the client or its timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The count reached zero.
    Opened,
    /// The latch was removed before it opened.
    Gone,
    /// The time to live of the latch passed before it opened.
    Expired,
}

/// One client's place in the lot, from parking to leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    queue: QueueId,
    seat: u64,
}

/// A queue, also after it is gone: ids are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueId(u64);

/// What the keeper of the lot compares with the keyspace from time to time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) id: QueueId,
    pub(crate) db: Db,
    pub(crate) key: Rc<[u8]>,
}

#[derive(Debug)]
struct Queue<H> {
    db: Db,
    key: Rc<[u8]>,
    round: Round,
    state: State,
    /// The handles of those who have not left, by seat: in order of arrival.
    /// Never empty outside of the methods of the lot.
    waiters: BTreeMap<u64, H>,
    /// The last seat that was released.
    released: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The round goes on. Only these queues are found by key.
    Waiting,
    /// The database was emptied: a removal, unless a load follows and brings
    /// the latch back.
    Flushed,
    /// The round is over.
    Settled(Outcome),
}

/// All parked clients of a server. `H` is what releases one of them.
#[derive(Debug)]
pub(crate) struct Lot<H> {
    /// Every queue with somebody in it, oldest first.
    queues: BTreeMap<QueueId, Queue<H>>,
    /// The waiting queues. There is at most one for a key.
    by_key: HashMap<Db, HashMap<Rc<[u8]>, QueueId>>,
    /// Flushed queues, some perhaps left by all in the meantime.
    flushed: Vec<QueueId>,
    /// Settled queues with clients still to be released, likewise.
    settled: VecDeque<QueueId>,
    /// The queue that the last removal settled: its expiry, if that is what it
    /// was, is told right after it.
    removed: Option<QueueId>,
    /// The last number given out, to a queue or a seat.
    last: u64,
    /// Clients that have not left.
    parked: usize,
}

impl<H> Default for Lot<H> {
    fn default() -> Self {
        Self {
            queues: BTreeMap::new(),
            by_key: HashMap::new(),
            flushed: Vec::new(),
            settled: VecDeque::new(),
            removed: None,
            last: 0,
            parked: 0,
        }
    }
}

impl<H: Copy> Lot<H> {
    /// Parks a client on a round of a key. `block` blocks it, told the ticket,
    /// and answers with its handle; if it cannot, nobody is parked.
    pub(crate) fn park(
        &mut self,
        db: Db,
        key: &[u8],
        round: Round,
        block: impl FnOnce(Ticket) -> Option<H>,
    ) -> Option<Ticket> {
        let queue = self.queue_for(db, key, round);
        let seat = self.next_number();
        let ticket = Ticket { queue, seat };
        if let Some(handle) = block(ticket) {
            let queue = self.queues.get_mut(&queue)?;
            queue.waiters.insert(seat, handle);
            self.parked += 1;
            Some(ticket)
        } else {
            self.drop_if_empty(queue);
            None
        }
    }

    /// How the wait of a client ended; `None` while its round goes on.
    pub(crate) fn outcome(&self, ticket: Ticket) -> Option<Outcome> {
        match self.queues.get(&ticket.queue)?.state {
            State::Settled(outcome) => Some(outcome),
            State::Waiting | State::Flushed => None,
        }
    }

    /// Takes a client out: the one end of every wait.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        let Some(queue) = self.queues.get_mut(&ticket.queue) else {
            return;
        };
        if queue.waiters.remove(&ticket.seat).is_some() {
            self.parked -= 1;
        }
        self.drop_if_empty(ticket.queue);
    }

    /// A latch opened: everybody parked on this round is to be told so.
    pub(crate) fn open(&mut self, db: Db, key: &[u8], round: Round) {
        if let Some(id) = self.find(db, key, round) {
            self.settle_queue(id, Outcome::Opened);
        }
    }

    /// A latch was taken from its key before it opened.
    pub(crate) fn remove(&mut self, db: Db, key: &[u8], round: Round) {
        self.removed = self.find(db, key, round);
        if let Some(id) = self.removed {
            self.settle_queue(id, Outcome::Gone);
        }
    }

    /// The removal of this key, the last one seen, was its expiry.
    pub(crate) fn expired(&mut self, db: Db, key: &[u8]) {
        if let Some(queue) = self.removed.take().and_then(|id| self.queues.get_mut(&id))
            && (queue.db, &*queue.key) == (db, key)
        {
            queue.state = State::Settled(Outcome::Expired);
        }
    }

    /// A database was emptied, or all (`None`). Until [`Lot::reload`] or
    /// [`Lot::conclude_flush`] says which, it is a removal or a load.
    pub(crate) fn flush(&mut self, db: Option<Db>) {
        let emptied: Vec<QueueId> = match db {
            Some(db) => self
                .by_key
                .remove(&db)
                .into_iter()
                .flat_map(HashMap::into_values)
                .collect(),
            None => self
                .by_key
                .drain()
                .flat_map(|(_, queues)| queues.into_values())
                .collect(),
        };
        for id in &emptied {
            if let Some(queue) = self.queues.get_mut(id) {
                queue.state = State::Flushed;
            }
        }
        self.flushed.extend(emptied);
    }

    /// The flush was part of a load: its queues wait on, until the keeper has
    /// looked whether their latches are back.
    pub(crate) fn reload(&mut self) {
        for id in std::mem::take(&mut self.flushed) {
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            let (db, key) = (queue.db, Rc::clone(&queue.key));
            queue.state = State::Waiting;
            if let Some(newer) = self.by_key.entry(db).or_default().insert(key, id) {
                self.settle_queue_unlisted(newer, Outcome::Gone);
            }
        }
    }

    /// The flush was a removal.
    pub(crate) fn conclude_flush(&mut self) {
        for id in std::mem::take(&mut self.flushed) {
            self.settle_queue_unlisted(id, Outcome::Gone);
        }
    }

    /// Two databases changed places: their clients stay where they were, with
    /// the latches gone from under them.
    pub(crate) fn swap(&mut self, a: Db, b: Db) {
        for db in [a, b] {
            for id in self
                .by_key
                .remove(&db)
                .into_iter()
                .flat_map(HashMap::into_values)
            {
                self.settle_queue_unlisted(id, Outcome::Gone);
            }
        }
    }

    /// Up to `limit` waiting queues that come after `last`, oldest first.
    pub(crate) fn watch(&self, last: Option<QueueId>, limit: usize) -> Vec<Watched> {
        self.queues
            .range((last.map_or(Unbounded, Excluded), Unbounded))
            .filter(|(_, queue)| queue.state == State::Waiting)
            .take(limit)
            .map(|(&id, queue)| Watched {
                id,
                db: queue.db,
                key: Rc::clone(&queue.key),
            })
            .collect()
    }

    /// What the keeper found at the key of a queue: a latch of this round, or
    /// no latch. Another round means that the latch of this queue is gone;
    /// after a load it is the same latch, which the load has made anew.
    pub(crate) fn observe(&mut self, id: QueueId, found: Option<Round>, loaded: bool) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        if queue.state != State::Waiting {
            return;
        }
        match found {
            Some(round) if round == queue.round => {}
            Some(round) if loaded => queue.round = round,
            _ => self.settle_queue(id, Outcome::Gone),
        }
    }

    /// Takes up to `limit` clients that are to be released, oldest first. No
    /// client is taken twice; it stays in the lot until it leaves.
    pub(crate) fn next_batch(&mut self, limit: usize) -> Vec<H> {
        let mut batch = Vec::new();
        while let Some(&id) = self.settled.front() {
            if let Some(queue) = self.queues.get_mut(&id) {
                let unreleased = (queue.released.map_or(Unbounded, Excluded), Unbounded);
                for (&seat, &handle) in queue.waiters.range(unreleased) {
                    if batch.len() == limit {
                        return batch;
                    }
                    batch.push(handle);
                    queue.released = Some(seat);
                }
            }
            self.settled.pop_front();
        }
        batch
    }

    /// Whether somebody is still to be released.
    pub(crate) fn has_releases(&self) -> bool {
        !self.settled.is_empty()
    }

    /// Whether a flush waits for its meaning.
    pub(crate) fn has_flushed(&self) -> bool {
        !self.flushed.is_empty()
    }

    /// Clients that have parked and not left.
    pub(crate) fn parked(&self) -> usize {
        self.parked
    }

    /// Keys with clients parked on them.
    pub(crate) fn waiting_keys(&self) -> usize {
        self.by_key.values().map(HashMap::len).sum()
    }

    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The waiting queue of a key, whatever its round.
    fn waiting(&self, db: Db, key: &[u8]) -> Option<QueueId> {
        self.by_key.get(&db)?.get(key).copied()
    }

    /// The waiting queue of this round.
    fn find(&self, db: Db, key: &[u8], round: Round) -> Option<QueueId> {
        let id = self.waiting(db, key)?;
        (self.queues.get(&id)?.round == round).then_some(id)
    }

    /// The waiting queue of this round, made if need be.
    fn queue_for(&mut self, db: Db, key: &[u8], round: Round) -> QueueId {
        if let Some(id) = self.find(db, key, round) {
            return id;
        }
        if let Some(older) = self.waiting(db, key) {
            // The latch was replaced and nothing told us; see `observe`.
            self.settle_queue(older, Outcome::Gone);
        }
        let id = QueueId(self.next_number());
        let key: Rc<[u8]> = key.into();
        self.by_key
            .entry(db)
            .or_default()
            .insert(Rc::clone(&key), id);
        self.queues.insert(
            id,
            Queue {
                db,
                key,
                round,
                state: State::Waiting,
                waiters: BTreeMap::new(),
                released: None,
            },
        );
        id
    }

    fn settle_queue(&mut self, id: QueueId, outcome: Outcome) {
        self.forget_key(id);
        self.settle_queue_unlisted(id, outcome);
    }

    /// Settles a queue that is not found by key any more.
    fn settle_queue_unlisted(&mut self, id: QueueId, outcome: Outcome) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.state = State::Settled(outcome);
            self.settled.push_back(id);
        }
    }

    fn drop_if_empty(&mut self, id: QueueId) {
        if self
            .queues
            .get(&id)
            .is_some_and(|queue| queue.waiters.is_empty())
        {
            self.forget_key(id);
            self.queues.remove(&id);
        }
    }

    /// A waiting queue is not found by key any more.
    fn forget_key(&mut self, id: QueueId) {
        let Some(queue) = self
            .queues
            .get(&id)
            .filter(|queue| queue.state == State::Waiting)
        else {
            return;
        };
        if let Some(keys) = self.by_key.get_mut(&queue.db) {
            keys.remove(&queue.key);
            if keys.is_empty() {
                self.by_key.remove(&queue.db);
            }
        }
    }
}

#[cfg(test)]
#[path = "waiters/tests.rs"]
mod tests;
