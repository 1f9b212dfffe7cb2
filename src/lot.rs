//! The parking lot: who waits for what, and how each wait ends.
//!
//! A futex table. Waiters for the same round of the same key stand in one queue.
//! Whatever ends the round *settles* the queue: once, in O(1), with one outcome for
//! everybody in it; what empties a database settles all queues in it, also in O(1). Settled
//! queues are then walked in bounded steps, oldest waiter first, to release those whose wait
//! is decided by it; long ones take turns with the others. A waiter that leaves before the
//! walk has come to it has its verdict all the same.
//!
//! A waiter may stand in several queues (`LATCH.AWAITALL`, `LATCH.AWAITANY`). It has one
//! verdict, which follows from the outcomes of its queues by its rule.
//!
//! | | |
//! |---|---|
//! | [`Lot::join`], [`Lot::verdict`], [`Lot::leave`] | a wait, from its beginning to its end |
//! | `walk.rs` | the walk, and what it charges |
//! | `endings.rs`, `era.rs` | what ends rounds, one or all of a database |
//! | `stands.rs` | how queues come and go with those who stand in them |
//! | `looks.rs` | which keys are to be looked at, for what nothing tells of |
//! | `queue.rs`, `outcome.rs` | the parts |
//! | `slab.rs`, `list.rs`, `index.rs` | what they are kept in |
//!
//! There is no server in here. A handle is whatever releases a client, and the model
//! that the lot is tested against (`lot/model.rs`) drives it with numbers.
//!
//! # Sizes
//!
//! Everything is kept in slabs and linked through them, so each step is O(1) (O(log n) for
//! what expires) and moves nothing, whatever the size. Only a load and [`Lot::most_waited`] go
//! over all queues, and an abort goes over the waiters of its queue if some of them stand in
//! others, too; over all queues of these only while such waiters are about to be released.
//!
//! # Invariants
//!
//! Between any two calls:
//!
//! - A waiter stands in each of its queues, once, until it leaves. A queue in which nobody
//!   stands is dropped.
//! - A queue is *waiting*, *suspended* (taken by what may be the beginning of a load) or
//!   *settled*: by itself, or with its era. Only waiting ones are found by key, at most one
//!   for each key. A suspended one becomes one of the others; a settled one stays as it is.
//! - Settlements are numbered, so that it is known which came first. A verdict that was
//!   given does not change: what settles later has a higher number.
//! - A waiter is *undecided* in as many queues as the walk has not passed it in, or in
//!   none once it is known that one of them has decided its wait. Its handle is given out,
//!   once, where the walk finds that, or passes it next.
//! - A queue that waits, or is suspended with its era, stands in the list of that; a settled
//!   one in `settled`, until the walk has come to its end. Until then it is in the index.
//! - In the `rota` are all queues that wait or are suspended, and may be such that were
//!   settled with their era; in `due` none that is settled by itself or displaced.
//!   `suspended` may name what is there no more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::iter;
use std::rc::Rc;

use crate::latch::Round;

mod endings;
mod era;
mod index;
mod list;
mod looks;
mod outcome;
mod queue;
mod slab;
mod stands;
mod walk;

use endings::Suspended;
use era::Era;
use index::Index;
use list::{Linked, Links, List};
pub(crate) use looks::{Kind, Lookup, Sighting};
pub(crate) use outcome::{Outcome, Rule, Verdict};
use queue::{Phase, Queue, QueueId, Rota, Stage, Wanted};
use slab::{Id, Place, Slab};
pub(crate) use walk::Budget;
use walk::Settled;

/// The number of a database.
pub(crate) type Db = i32;

/// The name of a key.
pub(crate) trait Name: Clone + AsRef<[u8]> + for<'a> From<&'a [u8]> {}

impl<K: Clone + AsRef<[u8]> + for<'a> From<&'a [u8]>> Name for K {}

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

/// One waiter, from parking to leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(Id);

/// A client in the lot.
#[derive(Debug)]
struct Waiter<H> {
    /// What releases it; none once that was given out.
    handle: Option<H>,
    /// When it came, in ms, by the clock of whoever parked it.
    since: i64,
    rule: Rule,
    /// Where it stands: one of its places, and how many there are.
    stand: Option<Place>,
    stands: u32,
    /// In how many of its queues its wait is undecided.
    undecided: u32,
    /// The queue that has decided it, once the walk has found that.
    decided_by: Option<Place>,
}

/// A waiter in one of its queues.
#[derive(Debug)]
struct Stand {
    waiter: Place,
    queue: Place,
    links: Links,
    /// Where the waiter stands, too.
    next_of_waiter: Option<Place>,
}

impl Linked<Stand> for Stand {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// All parked clients of a server. `H` is what releases one of them, `K` the name of a key.
#[derive(Debug)]
pub(crate) struct Lot<H, K = Rc<[u8]>> {
    /// Every waiter that has not left, and where they stand.
    waiters: Slab<Waiter<H>>,
    stands: Slab<Stand>,
    /// Every queue with somebody in it.
    queues: Slab<Queue<K>>,
    /// By database and key.
    index: Index,
    /// With a secret in it: clients choose the keys, and could have them collide.
    hasher: RandomState,
    eras: Slab<Era>,
    /// The eras that have not ended, by kind of latch.
    current: [BTreeMap<Db, Place>; 2],
    /// The order in which keys are looked at, by kind. Who has been looked at stands last.
    rota: [List<Rota>; 2],
    /// The queues whose latch expires, by when that is to be looked at.
    due: BTreeSet<(i64, QueueId)>,
    /// What is suspended, in the order that it was.
    suspended: Vec<Suspended>,
    settled: Settled,
    /// How many settlements there have been.
    settlements: u64,
}

impl<H, K> Default for Lot<H, K> {
    fn default() -> Self {
        Self {
            waiters: Slab::default(),
            stands: Slab::default(),
            queues: Slab::default(),
            index: Index::default(),
            hasher: RandomState::new(),
            eras: Slab::default(),
            current: Default::default(),
            rota: Default::default(),
            due: BTreeSet::new(),
            suspended: Vec::new(),
            settled: Settled::default(),
            settlements: 0,
        }
    }
}

impl<H, K: Name> Lot<H, K> {
    /// A client joins the queues of latches of one database, at the time `now`. `block`
    /// blocks it, told its ticket, and returns its handle. Returns whether it could; else
    /// nobody has joined.
    pub(crate) fn join(
        &mut self,
        db: Db,
        targets: &[Target<'_>],
        rule: Rule,
        now: i64,
        block: impl FnOnce(Ticket) -> Option<H>,
    ) -> bool {
        let (handle, stand, decided_by) = (None, None, None);
        let new = Waiter { handle, since: now, rule, stand, stands: 0, undecided: 0, decided_by };
        let ticket = Ticket(self.waiters.insert(new));
        for target in targets {
            let queue = self.queue_for(db, target, now);
            self.stand_in(queue, ticket.0.place);
        }
        self.count_those_in_several(ticket.0.place);
        let handle = block(ticket);
        let waiter = &mut self.waiters[ticket.0.place];
        (waiter.undecided, waiter.handle) = (waiter.stands, handle);
        if waiter.handle.is_none() {
            self.leave(ticket);
            return false;
        }
        true
    }

    /// How the wait of a client ended; `None` while it goes on.
    pub(crate) fn verdict(&self, ticket: Ticket) -> Option<Verdict<&K>> {
        let waiter = &self.waiters[self.waiters.find(ticket.0)?];
        let queue = &self.queues[waiter.decided_by.or_else(|| self.judge(waiter))?];
        match self.phase(queue) {
            Phase::Settled(outcome) => Some(Verdict { outcome, key: &queue.key }),
            Phase::Waiting | Phase::Suspended(_) => None,
        }
    }

    /// Takes a client out: the one end of every wait.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        let Some(place) = self.waiters.find(ticket.0) else {
            return;
        };
        let Waiter { stand, stands, .. } = self.waiters.remove(place);
        let mut at = stand;
        while let Some(place) = at {
            at = self.stands[place].next_of_waiter;
            self.step_out(place, stands > 1);
        }
    }

    /// The queue that has decided a wait; `None` while that goes on.
    fn judge(&self, waiter: &Waiter<H>) -> Option<Place> {
        // What decides the wait by itself; if nothing does, the last one that
        // the client waits for does.
        let (mut first, mut last) = (None, None);
        let mut is_over = true;
        for place in self.queues_of(waiter) {
            let queue = &self.queues[place];
            let Some(number) = self.settlement(queue) else {
                is_over = false;
                continue;
            };
            let settled = Some((number, place));
            if waiter.rule.is_decided_by(queue.has_opened()) {
                first = first.min(settled).or(settled);
            } else {
                last = last.max(settled);
            }
        }
        let (_, place) = first.or(last.filter(|_| is_over))?;
        Some(place)
    }

    fn queues_of(&self, waiter: &Waiter<H>) -> impl Iterator<Item = Place> {
        let stands = iter::successors(waiter.stand, |&at| self.stands[at].next_of_waiter);
        stands.map(|at| self.stands[at].queue)
    }

    /// Clients that have parked and not left.
    pub(crate) fn parked(&self) -> usize {
        self.waiters.len()
    }

    /// Clients parked on this key.
    pub(crate) fn parked_on(&self, db: Db, key: &[u8]) -> usize {
        self.waiting(db, key).map_or(0, |queue| self.queues[queue].stands.len())
    }

    /// Whether somebody waits for the latch of this round.
    pub(crate) fn is_waited_for(&self, db: Db, key: &[u8], round: Round) -> bool {
        self.find(db, key, Some(round)).is_some()
    }

    /// The keys of a database on which most clients are parked, at most `limit` of them: most
    /// first, and of as many the one who has waited longest.
    pub(crate) fn most_waited(&self, db: Db, limit: usize) -> Vec<WaitedKey<K>> {
        let mut most = BinaryHeap::new();
        let eras = self.current.iter().filter_map(|eras| eras.get(&db));
        for place in eras.flat_map(|&era| self.queues_in(&self.eras[era].queues)) {
            let stands = &self.queues[place].stands;
            if let Some(oldest) = stands.first() {
                let since = self.waiters[self.stands[oldest].waiter].since;
                most.push(Reverse((stands.len(), Reverse(since), place)));
            }
            if most.len() > limit {
                most.pop(); // the least
            }
        }
        let waited = most.into_sorted_vec().into_iter();
        waited
            .map(|Reverse((waiters, Reverse(since), place))| WaitedKey {
                key: self.queues[place].key.clone(),
                waiters,
                since,
            })
            .collect()
    }

    /// How many keys clients are parked on.
    pub(crate) fn waited_key_count(&self) -> usize {
        self.current.iter().flat_map(BTreeMap::values).map(|&era| self.eras[era].queues.len()).sum()
    }

    fn queues_in(&self, list: &List<Stage>) -> impl Iterator<Item = Place> {
        iter::successors(list.first(), |&at| self.queues[at].links.next())
    }

    fn next_settlement(&mut self) -> u64 {
        self.settlements += 1;
        self.settlements
    }

    fn hash(&self, db: Db, key: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        // Only the keys need a secret. An odd number, so that databases differ in all bits.
        #[expect(clippy::cast_possible_truncation, reason = "all bits are as good")]
        {
            hasher.finish() as u32 ^ db.cast_unsigned().wrapping_mul(0x9e37_79b1)
        }
    }

    /// The waiting queue of a key, whatever its round.
    fn waiting(&self, db: Db, key: &[u8]) -> Option<Place> {
        if self.queues.is_empty() { None } else { self.waiting_at(self.hash(db, key), db, key) }
    }

    fn waiting_at(&self, hash: u32, db: Db, key: &[u8]) -> Option<Place> {
        iter::successors(self.index.first(hash), |&at| self.queues[at].chain).find(|&at| {
            let queue = &self.queues[at];
            queue.hash == hash
                && queue.key.as_ref() == key
                && self.eras[queue.era].db == db
                && self.is_waiting(queue)
        })
    }

    /// The waiting queue of a key, if it is for a latch of this round.
    fn find(&self, db: Db, key: &[u8], round: Option<Round>) -> Option<Place> {
        self.waiting(db, key).filter(|&place| self.queues[place].wanted.is(round))
    }

    /// The same, but not for a latch that is still to come.
    fn find_present(&self, db: Db, key: &[u8], round: Round) -> Option<Place> {
        let queue = self.find(db, key, Some(round))?;
        (self.queues[queue].wanted != Wanted::Coming).then_some(queue)
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
