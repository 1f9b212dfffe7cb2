//! Queues: clients that wait for the same round of the same key.

use std::collections::BTreeSet;
use std::slice;

use super::{Db, Lookup, Outcome, Ticket};
use crate::latch::Round;

/// A queue, also after it is gone: ids are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueId(pub(super) u64);

/// The clients parked on a key, and how far their wait has come.
#[derive(Debug)]
pub(super) struct Queue<K> {
    pub(super) db: Db,
    pub(super) key: K,
    pub(super) wanted: Wanted,
    /// When its latch expires, in Unix ms, as far as it is known.
    pub(super) expires: Option<i64>,
    /// Where it stands in the lot's list of what is due.
    pub(super) due: Option<i64>,
    pub(super) phase: Phase,
    /// Those who have not left, in the order they came. Never empty outside
    /// of the methods of the lot.
    pub(super) waiters: BTreeSet<Ticket>,
    /// How far the walk along a settled queue has come.
    pub(super) walked: Option<Ticket>,
}

impl<K: Clone> Queue<K> {
    /// An empty queue of a key.
    pub(super) fn new(db: Db, key: K, wanted: Wanted) -> Self {
        Self {
            db,
            key,
            wanted,
            expires: None,
            due: None,
            phase: Phase::Waiting,
            waiters: BTreeSet::new(),
            walked: None,
        }
    }

    /// Whether the time of its latch has passed, as far as it is known: with the ms
    /// in which it ends, as Redis 8 has it, or right after that, as the others do.
    pub(super) fn has_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// What is to be looked at for it.
    pub(super) fn lookup(&self, id: QueueId) -> Lookup<K> {
        Lookup { queue: id, db: self.db, key: self.key.clone() }
    }
}

/// Which latch the clients of a queue wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One that is still to come.
    Coming,
    /// The one of this round.
    This(Round),
    /// The one that was at the key before a load, if it is there after it: as
    /// a new value, so of another round, which has not been seen yet.
    Reloaded,
}

impl Wanted {
    /// Whether a latch of this round is the one; no round is a latch that
    /// opened as it was made.
    pub(super) fn is(self, round: Option<Round>) -> bool {
        match self {
            Self::Coming => true,
            Self::This(wanted) => round == Some(wanted),
            Self::Reloaded => round.is_some(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The round goes on. Only these queues are found by key.
    Waiting,
    /// The database was emptied: a removal, with this outcome, unless a load
    /// follows and brings the latch back.
    Suspended(Outcome),
    /// The round is over. The number says which was first.
    Settled(u64, Outcome),
}

/// The queues of one client, each once. Nearly always it is one, which needs
/// no allocation of its own.
#[derive(Debug)]
pub(super) enum Queues {
    One(QueueId),
    Many(Box<[QueueId]>),
}

impl Queues {
    pub(super) fn as_slice(&self) -> &[QueueId] {
        match self {
            Self::One(id) => slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }
}

impl FromIterator<QueueId> for Queues {
    fn from_iter<I: IntoIterator<Item = QueueId>>(ids: I) -> Self {
        let mut ids = ids.into_iter();
        match (ids.next(), ids.next()) {
            (Some(id), None) => Self::One(id),
            (first, second) => {
                let all: BTreeSet<_> = first.into_iter().chain(second).chain(ids).collect();
                Self::Many(all.into_iter().collect())
            }
        }
    }
}
