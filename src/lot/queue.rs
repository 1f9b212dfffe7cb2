//! Queues: waiters for the same round of the same key.

use super::index::Indexed;
use super::list::{Linked, Links, List};
use super::slab::{Id, Place};
use super::{Kind, Outcome, Stand};
use crate::latch::Round;

/// A queue, also after it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueId(pub(super) Id);

/// The waiters for one round of one key, and how far their wait has come.
#[derive(Debug)]
pub(super) struct Queue<K> {
    pub(super) key: K,
    /// That of the database and the key.
    pub(super) hash: u32,
    /// The next queue in the bucket of the index.
    pub(super) chain: Option<Place>,
    /// Which says the database, and ends the queue when the database is emptied.
    pub(super) era: Place,
    pub(super) wanted: Wanted,
    /// When its latch expires, in Unix ms, as far as it is known.
    pub(super) expires: Time,
    pub(super) fate: Fate,
    /// Those who have not left, in the order they came. Never empty outside of the
    /// methods of the lot.
    pub(super) stands: List<Stand>,
    /// The first of them whom the walk has not passed.
    pub(super) unwalked: Option<Place>,
    /// How many of them stand in other queues, too.
    pub(super) several: u32,
    /// Its neighbours at its stage.
    pub(super) links: Links,
    pub(super) rota: Links,
    pub(super) is_in_rota: bool,
}

impl<K> Queue<K> {
    /// Whether the time of its latch has passed, as far as it is known: with the ms
    /// in which it ends, as Redis 8 has it, or right after that, as the others do.
    pub(super) fn has_expired(&self, now: i64) -> bool {
        self.expires.get().is_some_and(|at| at <= now)
    }

    /// Whether it is settled, and its latch opened: by itself, since no era ends like that.
    pub(super) fn has_opened(&self) -> bool {
        matches!(self.fate, Fate::Settled(_, Outcome::Opened))
    }

    /// What it is that its latch is removed at the time `now`.
    pub(super) fn removal(&self, now: i64) -> Outcome {
        if self.has_expired(now) { Outcome::Expired } else { Outcome::Gone }
    }
}

/// A time in Unix ms, or never. Half as large as an option: there is one in every queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(i64);

impl Time {
    const NEVER: Self = Self(i64::MAX);

    pub(super) fn get(self) -> Option<i64> {
        Some(self.0).filter(|_| self != Self::NEVER)
    }
}

impl From<Option<i64>> for Time {
    fn from(time: Option<i64>) -> Self {
        time.map_or(Self::NEVER, Self)
    }
}

/// Which latch the waiters of a queue wait for.
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

/// What has become of a queue by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// What has become of its era.
    OfItsEra,
    /// A load has taken its latch: a removal, with this outcome, unless that brings it back.
    Displaced(Outcome),
    /// The round is over. The number says which was first.
    Settled(u64, Outcome),
}

/// What has become of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The round goes on. Only these queues are found by key.
    Waiting,
    /// Its latch was taken by what may be the beginning of a load, or is in one: a removal,
    /// with this outcome, unless a load brings the latch back.
    Suspended(Outcome),
    /// The round is over.
    Settled(Outcome),
}

/// How far queues have come: those that wait in one era, or those that are settled.
#[derive(Debug)]
pub(super) struct Stage;

/// The order in which keys are looked at.
#[derive(Debug)]
pub(super) struct Rota;

impl<K> Linked<Stage> for Queue<K> {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl<K> Linked<Rota> for Queue<K> {
    fn links(&mut self) -> &mut Links {
        &mut self.rota
    }
}

impl<K> Indexed for Queue<K> {
    fn hash(&self) -> u32 {
        self.hash
    }

    fn next(&self) -> Option<Place> {
        self.chain
    }

    fn set_next(&mut self, next: Option<Place>) {
        self.chain = next;
    }
}

impl<K> Queue<K> {
    /// An empty queue.
    pub(super) fn new(key: K, hash: u32, era: Place, wanted: Wanted) -> Self {
        Self {
            key,
            hash,
            chain: None,
            era,
            wanted,
            expires: Time::NEVER,
            fate: Fate::OfItsEra,
            stands: List::default(),
            unwalked: None,
            several: 0,
            links: Links::default(),
            rota: Links::default(),
            is_in_rota: false,
        }
    }

    /// What kind of latch it is for.
    pub(super) fn kind(&self) -> Kind {
        Kind::of(self.wanted)
    }
}
