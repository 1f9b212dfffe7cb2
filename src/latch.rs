//! The value of a latch and its transitions, with no server in it.
//!
//! A stored latch is *closed* (countdowns are missing), *aborted*, or *open*
//! if it lingers; opening removes a latch that does not.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::ids::{Ids, Mark};
use crate::mover::Mover;

/// The largest count a latch can hold: the largest integer of the protocol.
pub(crate) const MAX_COUNT: i64 = i64::MAX;

/// The longest that anybody may ask to wait or to linger, in ms: 35,000 years.
/// So far from the end of 64 bits that nothing reckoned from it and a clock can
/// overflow. As seconds it is still exact to the ms in a double, so that it means
/// the same wherever it is replayed.
pub(crate) const MAX_DURATION: i64 = 1 << 50;

/// The longest id and the longest reason, in bytes.
pub(crate) const MAX_TEXT: usize = 1024;

/// The identity of one closed latch, until it opens, is aborted or goes.
///
/// Two latches that follow each other under the same key have different
/// rounds, which is how a client parked on the first is told from one parked
/// on the second. Resetting a closed latch keeps its round. Rounds are never
/// stored or copied: they mean something only in the process that made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round(u64);

impl Round {
    /// A round that no other latch of this process has had.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a countdown did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Countdown {
    /// Still closed, with so many countdowns missing (at least 1).
    Remaining(i64),
    /// The count reached zero: the latch is open.
    Opened,
    /// The latch was open already, and does not have the id, if there is one.
    WasOpen,
    /// The id was recorded already; so many countdowns are missing, 0 if the latch is open.
    Duplicate(i64),
}

/// What an addition did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addition {
    /// So many countdowns are missing now.
    Raised(i64),
    /// The id was announced already; so many countdowns are missing, 0 if the latch is open.
    Duplicate(i64),
}

/// What there is to know of a latch that opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    /// What clients are parked on.
    pub(crate) round: Round,
    /// How long it stays, in ms; 0: not at all.
    pub(crate) linger: i64,
}

/// What a latch is to somebody who comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State<'a> {
    /// Countdowns are missing.
    Closed,
    /// It has opened, and lingers.
    Open,
    /// It was aborted, for this reason.
    Aborted(&'a [u8]),
}

/// A latch.
///
/// Plain memory only: the server may free it on its lazy-free thread.
#[derive(Debug)]
pub(crate) struct Latch {
    /// Countdowns still missing, 0 if it is open. Never more than `total`.
    count: i64,
    /// The count it was set to and all that was added since.
    total: i64,
    round: Round,
    /// What most latches do without.
    extra: Option<Box<Extra>>,
}

#[derive(Clone, Debug, Default)]
struct Extra {
    /// Those that are recorded have each brought the count down by at least 1; those that
    /// are announced have each raised it by at least 1.
    ids: Ids,
    /// How long the latch lingers when it opens, in ms; 0: not at all.
    linger: i64,
    /// Who set it, if that is known.
    set_by: Option<Box<[u8]>>,
    /// Why it was aborted, if it was.
    reason: Option<Box<[u8]>>,
    /// Whose countdown opened it, if it is open and that is known.
    opened_by: Option<Box<[u8]>>,
}

/// A latch as it was saved: all that is to be kept of it.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    pub(crate) count: i64,
    pub(crate) total: i64,
    pub(crate) linger: i64,
    pub(crate) set_by: Option<Box<[u8]>>,
    pub(crate) reason: Option<Box<[u8]>>,
    pub(crate) opened_by: Option<Box<[u8]>>,
    pub(crate) ids: Ids,
}

impl Saved {
    /// Whether a latch can be like that. If so there are commands that make it (see
    /// `rebuild.rs`).
    fn is_possible(&self) -> bool {
        let Self { count, total, .. } = *self;
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let (recorded, announced) = (number(self.ids.recorded()), number(self.ids.announced()));
        let is_open = count == 0;
        0 <= count
            && count <= total
            && (0..=MAX_DURATION).contains(&self.linger)
            && (!is_open || (self.linger > 0 && self.reason.is_none()))
            && recorded <= total - count
            // It was closed when the first was added.
            && (announced == 0 || announced < total)
            && match self.opened_by.as_deref() {
                Some(id) => is_open && self.ids.get(id).is_some_and(Mark::is_recorded),
                // What opened it counted, too.
                None => !is_open || total == 0 || recorded < total,
            }
            && self.ids.iter().all(|(id, _)| is_id(id))
            && self.set_by.as_deref().is_none_or(is_id)
            && self.reason.as_deref().is_none_or(is_reason)
    }
}

impl Latch {
    /// A latch that opens after `count` countdowns, and then lingers for
    /// `linger` ms (0: not at all). It is open if `count` is 0. `set_by` says who set it.
    pub(crate) fn new(count: i64, linger: i64, set_by: Option<&[u8]>) -> Self {
        debug_assert!(count >= 0 && linger >= 0);
        let extra = (linger > 0 || set_by.is_some()).then(|| {
            Box::new(Extra { linger, set_by: set_by.map(Into::into), ..Extra::default() })
        });
        Self { count, total: count, round: Round::next(), extra }
    }

    /// A latch as it was saved, or `None` if no latch can be like that.
    pub(crate) fn restore(saved: Saved) -> Option<Self> {
        if !saved.is_possible() {
            return None;
        }
        let Saved { count, total, linger, set_by, reason, opened_by, ids } = saved;
        let needed = ids.len() > 0 || linger > 0 || set_by.is_some() || reason.is_some();
        let extra = needed.then(|| Box::new(Extra { ids, linger, set_by, reason, opened_by }));
        Some(Self { count, total, round: Round::next(), extra })
    }

    /// The same latch for another key: equal in all but its round.
    pub(crate) fn copy(&self) -> Self {
        Self { round: Round::next(), extra: self.extra.clone(), ..*self }
    }

    /// Countdowns still missing; 0 if it is open, and what it had when it was
    /// aborted.
    pub(crate) fn count(&self) -> i64 {
        self.count
    }

    /// The count it was set to and all that was added since.
    pub(crate) fn total(&self) -> i64 {
        self.total
    }

    /// Whether it has anything that most latches do without: ids, a time to
    /// linger, who set it, a reason.
    pub(crate) fn has_extra(&self) -> bool {
        self.extra.is_some()
    }

    /// What clients parked on this latch are parked on.
    pub(crate) fn round(&self) -> Round {
        self.round
    }

    /// What there is to know of it when it opens.
    pub(crate) fn opening(&self) -> Opening {
        Opening { round: self.round, linger: self.linger() }
    }

    /// What it is to somebody who comes to it.
    pub(crate) fn state(&self) -> State<'_> {
        match self.reason() {
            Some(reason) => State::Aborted(reason),
            None if self.count == 0 => State::Open,
            None => State::Closed,
        }
    }

    /// Why it was aborted, if it was.
    pub(crate) fn reason(&self) -> Option<&[u8]> {
        self.extra.as_ref()?.reason.as_deref()
    }

    /// How long it lingers when it opens, in ms; 0: not at all.
    pub(crate) fn linger(&self) -> i64 {
        self.extra.as_ref().map_or(0, |extra| extra.linger)
    }

    /// Who set it, if that is known.
    pub(crate) fn set_by(&self) -> Option<&[u8]> {
        self.extra.as_ref()?.set_by.as_deref()
    }

    /// Whether it was set by just this one: to set it again changes nothing, whatever has
    /// become of it.
    pub(crate) fn was_set_by(&self, id: Option<&[u8]>) -> bool {
        id.is_some() && self.set_by() == id
    }

    /// Whose countdown opened it, if it is open and that is known.
    pub(crate) fn opened_by(&self) -> Option<&[u8]> {
        self.extra.as_ref()?.opened_by.as_deref()
    }

    /// The ids, if it has any.
    pub(crate) fn ids(&self) -> Option<&Ids> {
        self.extra.as_ref().map(|extra| &extra.ids)
    }

    /// The number of recorded ids.
    pub(crate) fn arrived(&self) -> usize {
        self.ids().map_or(0, Ids::recorded)
    }

    /// The number of ids that are announced and not recorded.
    pub(crate) fn pending(&self) -> usize {
        self.ids().map_or(0, Ids::pending)
    }

    /// The memory beside the latch itself, in bytes, as the allocator is asked
    /// for it; estimated from `samples` ids (0: all of them).
    pub(crate) fn extra_memory(&self, samples: usize) -> usize {
        let Some(extra) = &self.extra else {
            return 0;
        };
        let sampled = match samples {
            0 => extra.ids.len(),
            samples => samples.min(extra.ids.len()),
        };
        let bytes: usize = extra.ids.iter().take(sampled).map(|(id, _)| id.len()).sum();
        let texts = [&extra.set_by, &extra.reason, &extra.opened_by];
        size_of::<Extra>()
            + extra.ids.table_memory()
            + bytes * extra.ids.len() / sampled.max(1)
            + texts.into_iter().flatten().map(|text| text.len()).sum::<usize>()
    }

    /// Whether this id has counted down.
    pub(crate) fn has_arrived(&self, id: &[u8]) -> bool {
        self.mark(id).is_some_and(Mark::is_recorded)
    }

    /// Counts down by `by` (at least 1), never below zero; with an id only if
    /// that has not counted down before.
    ///
    /// # Errors
    /// If the latch was aborted.
    pub(crate) fn count_down(&mut self, by: i64, id: Option<&[u8]>) -> Result<Countdown, Error> {
        debug_assert!(by >= 1);
        match self.state() {
            State::Aborted(reason) => return Err(Error::Aborted(reason.into())),
            State::Open if id.is_some_and(|id| self.has_arrived(id)) => {
                return Ok(Countdown::Duplicate(0));
            }
            State::Open => return Ok(Countdown::WasOpen),
            State::Closed => {}
        }
        if let Some(id) = id {
            let extra = self.extra.get_or_insert_default();
            if !extra.ids.record(id) {
                return Ok(Countdown::Duplicate(self.count));
            }
            if self.count <= by {
                extra.opened_by = Some(id.into());
            }
        }
        self.count -= by.min(self.count);
        Ok(match self.count {
            0 => Countdown::Opened,
            count => Countdown::Remaining(count),
        })
    }

    /// Raises the count by `by` (at least 1), and announces the id, if there is one; only
    /// if that was not announced before. Which id brought how much is not kept: each stands
    /// for 1, and what it brought beyond that is part of the total.
    ///
    /// # Errors
    /// If the latch is not closed, or the count would be too large.
    pub(crate) fn add(&mut self, by: i64, id: Option<&[u8]>) -> Result<Addition, Error> {
        debug_assert!(by >= 1);
        let is_announced = id.and_then(|id| self.mark(id)).is_some_and(Mark::is_announced);
        match self.state() {
            State::Aborted(reason) => return Err(Error::Aborted(reason.into())),
            _ if is_announced => return Ok(Addition::Duplicate(self.count)),
            State::Open => return Err(Error::Open),
            State::Closed => {}
        }
        // The count is never more than the total.
        self.total = self.total.checked_add(by).ok_or(Error::Overflow)?;
        self.count += by;
        if let Some(id) = id {
            self.extra.get_or_insert_default().ids.announce(id);
        }
        Ok(Addition::Raised(self.count))
    }

    /// Aborts a closed latch. False if it had been aborted before: the first
    /// reason stays.
    ///
    /// # Errors
    /// If the latch is open.
    pub(crate) fn abort(&mut self, reason: &[u8]) -> Result<bool, Error> {
        match self.expect_closed() {
            Ok(()) => {
                self.extra.get_or_insert_default().reason = Some(reason.into());
                Ok(true)
            }
            Err(Error::Aborted(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Starts over as a new latch, and returns what it was. A closed one keeps its round:
    /// clients that are parked now wait for the new count.
    pub(crate) fn reset(&mut self, count: i64, linger: i64, set_by: Option<&[u8]>) -> Self {
        let new = Self::new(count, linger, set_by);
        let new = match self.state() {
            State::Closed => Self { round: self.round, ..new },
            State::Open | State::Aborted(_) => new,
        };
        mem::replace(self, new)
    }

    /// The ids, of a latch that is needed no more.
    pub(crate) fn into_ids(self) -> Ids {
        self.extra.map(|extra| extra.ids).unwrap_or_default()
    }

    /// Moves the memory beside the latch itself: that of the ids in steps (see
    /// [`Ids::defragment`]), the rest with the first of them.
    pub(crate) fn defragment(&mut self, from: usize, mover: &mut impl Mover) -> Option<usize> {
        if from == 0 {
            self.extra = self.extra.take().map(|extra| mover.value(extra));
        }
        let extra = self.extra.as_mut()?;
        if from == 0 {
            for text in [&mut extra.set_by, &mut extra.reason, &mut extra.opened_by] {
                *text = text.take().map(|text| mover.slice(text));
            }
        }
        extra.ids.defragment(from, mover)
    }

    /// What is known of this id.
    fn mark(&self, id: &[u8]) -> Option<Mark> {
        self.ids()?.get(id)
    }

    fn expect_closed(&self) -> Result<(), Error> {
        match self.state() {
            State::Closed => Ok(()),
            State::Open => Err(Error::Open),
            State::Aborted(reason) => Err(Error::Aborted(reason.into())),
        }
    }
}

/// Whether these bytes can be an id.
pub(crate) fn is_id(id: &[u8]) -> bool {
    (1..=MAX_TEXT).contains(&id.len())
}

/// Whether these bytes can be the reason of an abort: one line of an error
/// reply.
pub(crate) fn is_reason(reason: &[u8]) -> bool {
    (1..=MAX_TEXT).contains(&reason.len()) && !reason.iter().any(|b| b"\r\n\0".contains(b))
}

#[cfg(test)]
#[path = "latch/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "latch/annex.rs"]
mod annex;
