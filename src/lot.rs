//! The parking lot: who waits for what, and how each wait ends.
//!
//! A futex table. Waiters for the same round of the same key stand in one queue.
//! Whatever ends the round *settles* the queue: once, in O(1), with one outcome for
//! everybody in it. The queue is then walked in bounded steps, oldest waiter first, to
//! release those whose wait is decided by it. A waiter that leaves before the walk has
//! come to it has its verdict all the same.
//!
//! A waiter may stand in several queues (`LATCH.AWAITALL`, `LATCH.AWAITANY`). It has one
//! verdict, which follows from the outcomes of its queues by its rule.
//!
//! | | |
//! |---|---|
//! | [`Lot::join`], [`Lot::verdict`], [`Lot::leave`] | a wait, from its beginning to its end |
//! | [`Lot::next_batch`] | the walk |
//! | `endings.rs` | what ends rounds |
//! | `looks.rs` | which keys are to be looked at, for what nothing tells of |
//! | `queue.rs`, `ticket.rs`, `outcome.rs` | the parts |
//!
//! There is no server in here. A handle is whatever releases a client, and the model
//! that the lot is tested against (`lot/model.rs`) drives it with numbers.
//!
//! # Invariants
//!
//! Between any two calls:
//!
//! - A waiter stands in each of its queues until it leaves. A queue in which nobody
//!   stands is dropped.
//! - A queue is *waiting*, *suspended* (emptied by what may be the beginning of a load) or
//!   *settled*. Only waiting ones are found by key, at most one for each key. A
//!   suspended one becomes one of the others; a settled one stays as it is.
//! - Settlements are numbered, so that it is known which came first. A verdict that was
//!   given does not change: what settles later has a higher number.
//! - A waiter is *undecided* in as many queues as the walk has not passed it in, or in
//!   none once one of them has decided its wait. Then its handle has been given out, once.
//! - The lists of what is to be done (`rota`, `suspended`, `settled`) may name queues that
//!   are not there any more, or have become something else: numbers are not used twice,
//!   and each is checked when it comes up. `due` names waiting queues only.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash};
use std::ops::Bound::{Excluded, Unbounded};
use std::rc::Rc;

use crate::latch::Round;

mod endings;
mod looks;
mod outcome;
mod queue;
mod ticket;

pub(crate) use looks::{Kind, Lookup, Sighting};
pub(crate) use outcome::{Outcome, Rule, Verdict};
use queue::{Phase, Queue, QueueId, Queues, Wanted};
pub(crate) use ticket::Ticket;
use ticket::TicketHasher;

/// The number of a database.
pub(crate) type Db = i32;

/// The name of a key: kept once, and shared by all that mean it.
pub(crate) trait Name: Clone + Eq + Hash + Borrow<[u8]> + for<'a> From<&'a [u8]> {}

impl<K: Clone + Eq + Hash + Borrow<[u8]> + for<'a> From<&'a [u8]>> Name for K {}

/// A latch that somebody wants to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) key: &'a [u8],
    /// None is a latch that is still to come.
    pub(crate) round: Option<Round>,
    /// When it expires, in Unix ms, if it does.
    pub(crate) expires: Option<i64>,
}

/// A key that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitedKey<K> {
    pub(crate) key: K,
    pub(crate) waiters: usize,
    /// When the first of them came.
    pub(crate) since: i64,
}

/// A client in the lot.
#[derive(Debug)]
struct Waiter<H> {
    /// What releases it; none once that was given out.
    handle: Option<H>,
    /// When it came, in ms, by the clock of whoever parked it.
    since: i64,
    rule: Rule,
    queues: Queues,
    /// In how many of them its wait is undecided.
    undecided: usize,
}

/// All parked clients of a server. `H` is what releases one of them, `K` a name.
#[derive(Debug)]
pub(crate) struct Lot<H, K = Rc<[u8]>> {
    /// Every waiter that has not left.
    waiters: HashMap<Ticket, Waiter<H>, BuildHasherDefault<TicketHasher>>,
    /// Every queue with somebody in it, oldest first.
    queues: BTreeMap<QueueId, Queue<K>>,
    /// The waiting queues.
    by_key: HashMap<Db, HashMap<K, QueueId>>,
    /// The order in which keys are looked at, by kind. Who has been looked at stands last.
    rota: [VecDeque<QueueId>; 2],
    /// The waiting queues whose latch expires, by when that is to be looked at.
    due: BTreeSet<(i64, QueueId)>,
    /// The suspended queues.
    suspended: Vec<QueueId>,
    /// The settled queues that have not been walked to the end.
    settled: VecDeque<QueueId>,
    /// The last number given out, to a queue, a ticket or a settlement.
    last: u64,
}

impl<H, K> Default for Lot<H, K> {
    fn default() -> Self {
        Self {
            waiters: HashMap::default(),
            queues: BTreeMap::new(),
            by_key: HashMap::new(),
            rota: Default::default(),
            due: BTreeSet::new(),
            suspended: Vec::new(),
            settled: VecDeque::new(),
            last: 0,
        }
    }
}

impl<H, K: Name> Lot<H, K> {
    /// A client joins the queues of latches of one database, at the time `now`. `block`
    /// blocks it, told its ticket, and returns its handle; if it cannot, nobody has joined.
    pub(crate) fn join(
        &mut self,
        db: Db,
        targets: &[Target<'_>],
        rule: Rule,
        now: i64,
        block: impl FnOnce(Ticket) -> Option<H>,
    ) -> Option<Ticket> {
        let queues: Queues = targets.iter().map(|target| self.queue_for(db, target, now)).collect();
        let ticket = Ticket(self.next_number());
        let handle = block(ticket);
        for id in queues.as_slice() {
            if handle.is_some()
                && let Some(queue) = self.queues.get_mut(id)
            {
                queue.waiters.insert(ticket);
            }
            self.drop_if_empty(*id);
        }
        handle.as_ref()?;
        let undecided = queues.as_slice().len();
        self.waiters.insert(ticket, Waiter { handle, since: now, rule, queues, undecided });
        Some(ticket)
    }

    /// How the wait of a client ended; `None` while it goes on.
    pub(crate) fn verdict(&self, ticket: Ticket) -> Option<Verdict<K>> {
        let waiter = self.waiters.get(&ticket)?;
        let queues = || waiter.queues.as_slice().iter().filter_map(|id| self.queues.get(id));
        let settled = || {
            queues().filter_map(|queue| match &queue.phase {
                Phase::Settled(number, outcome) => Some((number, outcome, &queue.key)),
                Phase::Waiting | Phase::Suspended(_) => None,
            })
        };
        // What decides the wait by itself; if nothing does, the last one that
        // the client waits for does.
        let (_, outcome, key) = settled()
            .filter(|(_, outcome, _)| waiter.rule.is_decided_by(outcome))
            .min_by_key(|(number, ..)| *number)
            .or_else(|| {
                let over = settled().count() == waiter.queues.as_slice().len();
                settled().filter(|_| over).max_by_key(|(number, ..)| *number)
            })?;
        Some(Verdict { outcome: outcome.clone(), key: key.clone() })
    }

    /// Takes a client out: the one end of every wait.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        let Some(waiter) = self.waiters.remove(&ticket) else {
            return;
        };
        for &id in waiter.queues.as_slice() {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.waiters.remove(&ticket);
            }
            self.drop_if_empty(id);
        }
    }

    /// Walks up to `limit` steps along the settled queues, and returns the handles of
    /// those who are to be released, oldest first. Each is returned once; its waiter stays
    /// until it leaves.
    pub(crate) fn next_batch(&mut self, limit: usize) -> Vec<H> {
        let mut batch = Vec::new();
        for _ in 0..limit {
            let Some(Step { queue, ticket, outcome }) = self.next_step() else {
                break;
            };
            if let Some(queue) = self.queues.get_mut(&queue) {
                queue.walked = Some(ticket);
            }
            if let Some(waiter) = self.waiters.get_mut(&ticket) {
                let decided = waiter.rule.is_decided_by(&outcome);
                waiter.undecided = if decided { 0 } else { waiter.undecided.saturating_sub(1) };
                if waiter.undecided == 0 {
                    batch.extend(waiter.handle.take());
                }
            }
        }
        batch
    }

    /// The next step of the walk. Forgets queues that have been walked to the end.
    fn next_step(&mut self) -> Option<Step> {
        loop {
            let id = *self.settled.front()?;
            if let Some(queue) = self.queues.get(&id)
                && let Phase::Settled(_, outcome) = &queue.phase
            {
                let ahead = (queue.walked.map_or(Unbounded, Excluded), Unbounded);
                if let Some(&ticket) = queue.waiters.range(ahead).next() {
                    return Some(Step { queue: id, ticket, outcome: outcome.clone() });
                }
            }
            self.settled.pop_front();
        }
    }

    /// Whether somebody may still have to be released.
    pub(crate) fn has_releases(&mut self) -> bool {
        self.next_step().is_some()
    }

    /// Clients that have parked and not left.
    pub(crate) fn parked(&self) -> usize {
        self.waiters.len()
    }

    /// Clients parked on this key.
    pub(crate) fn parked_on(&self, db: Db, key: &[u8]) -> usize {
        let queue = self.waiting(db, key).and_then(|id| self.queues.get(&id));
        queue.map_or(0, |queue| queue.waiters.len())
    }

    /// Whether somebody waits for the latch of this round.
    pub(crate) fn is_waited_for(&self, db: Db, key: &[u8], round: Round) -> bool {
        self.find(db, key, Some(round)).is_some()
    }

    /// The keys of a database that clients are parked on, in no order.
    pub(crate) fn waited_keys(&self, db: Db) -> Vec<WaitedKey<K>> {
        let ids = self.by_key.get(&db).into_iter().flat_map(HashMap::values);
        let queues = ids.filter_map(|id| self.queues.get(id));
        queues
            .filter_map(|queue| {
                let oldest = self.waiters.get(queue.waiters.first()?)?;
                let (key, waiters) = (queue.key.clone(), queue.waiters.len());
                Some(WaitedKey { key, waiters, since: oldest.since })
            })
            .collect()
    }

    /// How many keys clients are parked on.
    pub(crate) fn waited_key_count(&self) -> usize {
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

    /// The waiting queue of a key, if it is for a latch of this round.
    fn find(&self, db: Db, key: &[u8], round: Option<Round>) -> Option<QueueId> {
        let id = self.waiting(db, key)?;
        self.queues.get(&id)?.wanted.is(round).then_some(id)
    }

    /// The waiting queue for this latch; made if need be.
    fn queue_for(&mut self, db: Db, target: &Target<'_>, now: i64) -> QueueId {
        let &Target { key, round, expires } = target;
        let wanted = round.map_or(Wanted::Coming, Wanted::This);
        let id = self.find(db, key, round).unwrap_or_else(|| {
            if let Some(older) = self.waiting(db, key) {
                // The latch was replaced and nothing told us; see `observe`.
                self.settle_removed(older, now);
            }
            let id = QueueId(self.next_number());
            let key = K::from(key);
            self.by_key.entry(db).or_default().insert(key.clone(), id);
            self.queues.insert(id, Queue::new(db, key, wanted));
            self.rota[Kind::of(wanted) as usize].push_back(id);
            id
        });
        self.want(id, wanted);
        self.expect_expiry(id, expires, None);
        id
    }

    /// Drops a queue in which nobody stands.
    fn drop_if_empty(&mut self, id: QueueId) {
        if self.queues.get(&id).is_some_and(|queue| queue.waiters.is_empty()) {
            self.unlist(id);
            self.queues.remove(&id);
            if self.queues.is_empty() {
                self.rota.iter_mut().for_each(VecDeque::clear);
            }
        }
    }

    /// Takes a waiting queue out of what is found by key, and of what is due.
    fn unlist(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get(&id).filter(|queue| queue.phase == Phase::Waiting) else {
            return;
        };
        if let Some(keys) = self.by_key.get_mut(&queue.db) {
            keys.remove(queue.key.borrow());
            if keys.is_empty() {
                self.by_key.remove(&queue.db);
            }
        }
        self.look_no_more(id);
    }
}

/// A step of the walk: past a waiter, in a settled queue.
struct Step {
    queue: QueueId,
    ticket: Ticket,
    outcome: Outcome,
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
