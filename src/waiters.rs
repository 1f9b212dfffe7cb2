//! The parking lot: who waits for what, and how each wait ends.
//!
//! A futex table. Clients parked on the same round of the same key form a
//! queue; whatever ends the round *settles* the queue, once, with one outcome
//! for everybody in it. That is O(1), whatever the number of clients. The
//! queue is then walked in bounded steps, oldest client first, to release
//! those whose wait is decided by it. A client that leaves in between, for
//! whatever reason, already has its verdict.
//!
//! A client may stand in several queues (`LATCH.AWAITALL`, `LATCH.AWAITANY`).
//! It is one client with one verdict, read from its queues and a rule.
//!
//! There is no server in here: a handle is whatever releases a client, and
//! the model test (`waiters/model.rs`) drives the lot with numbers.

use std::borrow::Borrow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash};
use std::ops::Bound::{Excluded, Unbounded};
use std::rc::Rc;

use crate::latch::Round;

mod queue;
mod ticket;

pub(crate) use queue::QueueId;
use queue::{Queue, Queues, State, Wanted};
pub(crate) use ticket::Ticket;
use ticket::TicketHasher;

/// The number of a database.
pub(crate) type Db = i32;

/// The name of a key: kept once, and shared by all that mean it.
pub(crate) trait Name: Clone + Eq + Hash + Borrow<[u8]> + for<'a> From<&'a [u8]> {}

impl<K: Clone + Eq + Hash + Borrow<[u8]> + for<'a> From<&'a [u8]>> Name for K {}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The count reached zero.
    Opened,
    /// The latch was removed before it opened.
    Gone,
    /// The time to live of the latch passed before it opened.
    Expired,
    /// Somebody aborted it, for this reason.
    Aborted(Rc<[u8]>),
}

/// How a wait ended, if not by the client or its timeout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict<K> {
    pub(crate) outcome: Outcome,
    /// The key that decided it.
    pub(crate) key: K,
}

/// A latch that somebody wants to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) key: &'a [u8],
    /// None is a latch that is still to come.
    pub(crate) round: Option<Round>,
    /// When it expires, in Unix ms, if it does.
    pub(crate) expires: Option<i64>,
}

/// What a client that waits for several latches needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// All of them must open; the first that fails ends the wait. This is the
    /// rule of a client that waits for one latch, too.
    All,
    /// One of them must open; the last that fails ends the wait.
    Any,
}

impl Rule {
    /// Whether this end of one of the latches is the end of the wait, however
    /// the others end.
    fn is_decided_by(self, outcome: &Outcome) -> bool {
        match self {
            Self::All => *outcome != Outcome::Opened,
            Self::Any => *outcome == Outcome::Opened,
        }
    }
}

/// A queue whose key is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched<K> {
    pub(crate) id: QueueId,
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

    fn of(wanted: Wanted) -> Self {
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

/// The clients parked on a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crowd<K> {
    pub(crate) key: K,
    pub(crate) waiters: usize,
    /// When the first of them came.
    pub(crate) since: i64,
}

#[derive(Debug)]
struct Waiter<H> {
    handle: H,
    /// When it came, in ms, by the clock of whoever parked it.
    since: i64,
    rule: Rule,
    queues: Queues,
    /// In how many of them it has not been walked past; 0 once something has
    /// decided its wait and it has been released.
    undecided: usize,
}

/// All parked clients of a server. `H` is what releases one of them, `K` a name.
#[derive(Debug)]
pub(crate) struct Lot<H, K = Rc<[u8]>> {
    /// Every client that has not left.
    waiters: HashMap<Ticket, Waiter<H>, BuildHasherDefault<TicketHasher>>,
    /// Every queue with somebody in it, oldest first.
    queues: BTreeMap<QueueId, Queue<K>>,
    /// The waiting queues. There is at most one for a key.
    by_key: HashMap<Db, HashMap<K, QueueId>>,
    /// Whose turn it is to be looked at: those that wait for a latch that is still to
    /// come, and the others. Each has its turn and then stands last. Queues that are
    /// gone or settled stand there until it is their turn.
    rota: [VecDeque<QueueId>; 2],
    /// The waiting queues for a latch that expires, by when that is to be looked at.
    due: BTreeSet<(i64, QueueId)>,
    /// Flushed queues, some perhaps left by all in the meantime.
    flushed: Vec<QueueId>,
    /// Settled queues that have not been walked to the end, likewise.
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
            flushed: Vec::new(),
            settled: VecDeque::new(),
            last: 0,
        }
    }
}

impl<H: Copy, K: Name> Lot<H, K> {
    /// Parks a client on latches of one database, at the time `now`. `block`
    /// blocks it, told the ticket, and answers with its handle; if it cannot,
    /// nobody is parked.
    pub(crate) fn park(
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
        let handle = handle?;
        let undecided = queues.as_slice().len();
        self.waiters.insert(ticket, Waiter { handle, since: now, rule, queues, undecided });
        Some(ticket)
    }

    /// How the wait of a client ended; `None` while it goes on.
    pub(crate) fn verdict(&self, ticket: Ticket) -> Option<Verdict<K>> {
        let waiter = self.waiters.get(&ticket)?;
        let queues = || waiter.queues.as_slice().iter().filter_map(|id| self.queues.get(id));
        let settled = || {
            queues().filter_map(|queue| match &queue.state {
                State::Settled(number, outcome) => Some((number, outcome, &queue.key)),
                State::Waiting | State::Flushed(_) => None,
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

    /// A latch is known to expire at this time, in Unix ms, or not to (any more).
    pub(crate) fn note_expiry(&mut self, db: Db, key: &[u8], round: Round, expires: Option<i64>) {
        if let Some(id) = self.find(db, key, Some(round)) {
            self.expect_expiry(id, expires, None);
        }
    }

    /// A latch opened: everybody parked on this round is to be told so. With
    /// no round, it opened as it was made. False if nobody was.
    pub(crate) fn open(&mut self, db: Db, key: &[u8], round: Option<Round>) -> bool {
        let queue = self.find(db, key, round);
        if let Some(id) = queue {
            self.settle_queue(id, Outcome::Opened);
        }
        queue.is_some()
    }

    /// A latch was aborted. Answers with the number of clients whose wait
    /// ends by that.
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
    /// it back. Until [`Lot::reload`] or [`Lot::conclude_flush`] says which, it is a
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
    /// [`Lot::conclude_flush`] says which, it is a removal or a load.
    pub(crate) fn flush(&mut self, db: Option<Db>, now: i64) {
        for id in self.take_rounds(db) {
            self.suspend(id, now);
        }
    }

    /// A dataset was loaded in place of the old one, or into it: all queues wait
    /// on, until their keys have been looked at.
    pub(crate) fn reload(&mut self, now: i64) {
        for id in std::mem::take(&mut self.flushed) {
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            let (db, key, expires) = (queue.db, queue.key.clone(), queue.expires);
            match self.by_key.entry(db).or_default().entry(key) {
                Entry::Vacant(place) => {
                    place.insert(id);
                    queue.state = State::Waiting;
                    self.expect_expiry(id, expires, None);
                }
                // Somebody has found it missing, or another one, since it was taken.
                Entry::Occupied(_) => self.settle_removed(id, now),
            }
        }
        for queue in self.queues.values_mut() {
            if let Wanted::This(_) = queue.wanted {
                queue.wanted = Wanted::Reloaded;
            }
        }
    }

    /// The flush was a removal.
    pub(crate) fn conclude_flush(&mut self) {
        for id in std::mem::take(&mut self.flushed) {
            if let Some(State::Flushed(outcome)) = self.queues.get(&id).map(|queue| &queue.state) {
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

    /// A queue whose latch should have expired before `now`. It is not answered
    /// again before it has been observed.
    pub(crate) fn next_due(&mut self, now: i64) -> Option<Watched<K>> {
        let &(at, id) = self.due.first()?;
        if at >= now {
            return None;
        }
        self.due.pop_first();
        self.queues.get(&id).map(|queue| queue.watched(id))
    }

    /// How many queues of this kind have a turn to be looked at, or had one until
    /// lately.
    pub(crate) fn in_turn(&self, kind: Kind) -> usize {
        self.rota[kind as usize].len()
    }

    /// The queue whose turn it is. `None` if it is gone, or not to be looked at.
    pub(crate) fn next_in_turn(&mut self, kind: Kind) -> Option<Watched<K>> {
        let id = self.rota[kind as usize].pop_front()?;
        let queue = self.queues.get(&id)?;
        if matches!(queue.state, State::Settled(..)) || Kind::of(queue.wanted) != kind {
            return None; // it has another turn, or none any more
        }
        self.rota[kind as usize].push_back(id);
        (queue.state == State::Waiting).then(|| queue.watched(id))
    }

    /// What was found at the key of a queue, at the time `now`. Another round
    /// means that the latch of this queue is gone. Answers whether the latch has
    /// vanished before its time, and nothing has told of its end: that is for
    /// [`Lot::vanish`].
    #[must_use]
    pub(crate) fn observe(&mut self, id: QueueId, found: Sighting, now: i64) -> bool {
        let Some(queue) = self.queues.get(&id).filter(|queue| queue.state == State::Waiting) else {
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

    /// How the latch of a waiting queue has ended that has vanished.
    pub(crate) fn vanish(&mut self, id: QueueId, outcome: Outcome) {
        if self.queues.get(&id).is_some_and(|queue| queue.state == State::Waiting) {
            self.settle_queue(id, outcome);
        }
    }

    /// Walks up to `limit` steps along the settled queues, and answers with
    /// the clients that are to be released, oldest first. No client is
    /// answered twice; it stays in the lot until it leaves.
    pub(crate) fn next_batch(&mut self, limit: usize) -> Vec<H> {
        let mut batch = Vec::new();
        for _ in 0..limit {
            let Some((ticket, outcome)) = self.step() else {
                break;
            };
            if let Some(waiter) = self.waiters.get_mut(&ticket)
                && waiter.undecided > 0
            {
                let decided = waiter.rule.is_decided_by(&outcome);
                waiter.undecided = if decided { 0 } else { waiter.undecided - 1 };
                if waiter.undecided == 0 {
                    batch.push(waiter.handle);
                }
            }
        }
        batch
    }

    /// Walks past the next client in the settled queues.
    fn step(&mut self) -> Option<(Ticket, Outcome)> {
        let ticket = self.next_in_line()?;
        let queue = self.queues.get_mut(self.settled.front()?)?;
        queue.walked = Some(ticket);
        match &queue.state {
            State::Settled(_, outcome) => Some((ticket, outcome.clone())),
            State::Waiting | State::Flushed(_) => None, // cannot be: it is in `settled`
        }
    }

    /// The next client in the settled queues. Forgets queues that have been
    /// walked to the end.
    fn next_in_line(&mut self) -> Option<Ticket> {
        loop {
            let id = *self.settled.front()?;
            if let Some(queue) = self.queues.get(&id) {
                let ahead = (queue.walked.map_or(Unbounded, Excluded), Unbounded);
                if let Some(&ticket) = queue.waiters.range(ahead).next() {
                    return Some(ticket);
                }
            }
            self.settled.pop_front();
        }
    }

    /// Whether somebody may still have to be released.
    pub(crate) fn has_releases(&mut self) -> bool {
        self.next_in_line().is_some()
    }

    /// Whether a flush waits for its meaning.
    pub(crate) fn has_flushed(&self) -> bool {
        !self.flushed.is_empty()
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

    /// The keys of a database that clients are parked on, in no order.
    pub(crate) fn crowds(&self, db: Db) -> Vec<Crowd<K>> {
        let ids = self.by_key.get(&db).into_iter().flat_map(HashMap::values);
        let queues = ids.filter_map(|id| self.queues.get(id));
        queues
            .filter_map(|queue| {
                let oldest = self.waiters.get(queue.waiters.first()?)?;
                let (key, waiters) = (queue.key.clone(), queue.waiters.len());
                Some(Crowd { key, waiters, since: oldest.since })
            })
            .collect()
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

    /// The waiting queue of a key, if it is for a latch of this round.
    fn find(&self, db: Db, key: &[u8], round: Option<Round>) -> Option<QueueId> {
        let id = self.waiting(db, key)?;
        self.queues.get(&id)?.wanted.is(round).then_some(id)
    }

    /// Whether somebody waits for the latch of this round.
    pub(crate) fn is_waited_for(&self, db: Db, key: &[u8], round: Round) -> bool {
        self.find(db, key, Some(round)).is_some()
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

    /// From now on a waiting queue is for this latch.
    fn want(&mut self, id: QueueId, wanted: Wanted) {
        if let Some(queue) = self.queues.get_mut(&id) {
            let kind = Kind::of(wanted);
            if kind != Kind::of(queue.wanted) {
                self.rota[kind as usize].push_back(id);
            }
            queue.wanted = wanted;
        }
    }

    /// From now on the latch of a waiting queue is known to expire at this time.
    /// That is looked at then, but not again before `seen` has passed.
    fn expect_expiry(&mut self, id: QueueId, expires: Option<i64>, seen: Option<i64>) {
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
    fn settle_removed(&mut self, id: QueueId, now: i64) {
        self.settle_queue(id, self.removal(id, now));
    }

    fn settle_queue(&mut self, id: QueueId, outcome: Outcome) {
        self.unlist(id);
        self.settle_unlisted(id, outcome);
    }

    /// A queue that is not found by key any more waits to hear whether its latch
    /// comes back.
    fn suspend(&mut self, id: QueueId, now: i64) {
        let outcome = self.removal(id, now);
        self.look_no_more(id);
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.state = State::Flushed(outcome);
            self.flushed.push(id);
        }
    }

    /// Settles a queue that is not found by key any more.
    fn settle_unlisted(&mut self, id: QueueId, outcome: Outcome) {
        let number = self.next_number();
        self.look_no_more(id);
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.state = State::Settled(number, outcome);
            self.settled.push_back(id);
        }
    }

    fn drop_if_empty(&mut self, id: QueueId) {
        if self.queues.get(&id).is_some_and(|queue| queue.waiters.is_empty()) {
            self.unlist(id);
            self.queues.remove(&id);
            if self.queues.is_empty() {
                self.rota.iter_mut().for_each(VecDeque::clear);
            }
        }
    }

    /// A waiting queue is not found by key any more, and not looked at.
    fn unlist(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get(&id).filter(|queue| queue.state == State::Waiting) else {
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

    /// The time of a queue that does not wait is not looked at any more.
    fn look_no_more(&mut self, id: QueueId) {
        if let Some(due) = self.queues.get_mut(&id).and_then(|queue| queue.due.take()) {
            self.due.remove(&(due, id));
        }
    }
}

#[cfg(test)]
#[path = "waiters/model.rs"]
mod model;
#[cfg(test)]
#[path = "waiters/tests.rs"]
mod tests;
