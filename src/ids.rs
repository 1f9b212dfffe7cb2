//! The ids that a latch has counted: a set all of whose memory can be moved.

use std::hash::{BuildHasher, RandomState};
use std::{iter, mem};

use crate::mover::Mover;

/// A set of ids, which only grows.
///
/// An open table as that of the standard library is, and as large. That one
/// keeps its memory to itself: nobody could move it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    /// For each slot a byte of the hash of its id, or [`FREE`]: it tells most
    /// other ids from the one looked for, without following the pointer to them.
    tags: Box<[u8]>,
    /// Each id in the first slot that was free, from the one of its hash on.
    slots: Box<[Option<Box<[u8]>>]>,
    len: usize,
    /// With a secret in it: clients choose the ids, and could have them collide.
    hasher: RandomState,
}

/// The tag of a free slot.
const FREE: u8 = 0;

impl Ids {
    /// The number of ids.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The ids, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.slots.iter().flatten().map(|id| &**id)
    }

    /// The memory beside this and the ids themselves, in bytes.
    pub(crate) fn table_memory(&self) -> usize {
        size_of_val(&*self.tags) + size_of_val(&*self.slots)
    }

    /// Whether this id is there.
    pub(crate) fn contains(&self, id: &[u8]) -> bool {
        self.len > 0 && self.find(self.hasher.hash_one(id), id).is_ok()
    }

    /// Adds an id. False if it is there already.
    pub(crate) fn insert(&mut self, id: impl AsRef<[u8]> + Into<Box<[u8]>>) -> bool {
        // At most 7/8 of the slots are taken.
        if (self.len + 1) * 8 > self.slots.len() * 7 {
            self.grow();
        }
        let bytes = id.as_ref();
        let hash = self.hasher.hash_one(bytes);
        let Err(free) = self.find(hash, bytes) else {
            return false;
        };
        self.tags[free] = tag(hash);
        self.slots[free] = Some(id.into());
        self.len += 1;
        true
    }

    /// Moves the memory: in the first step, which is from 0, the table, and
    /// the ids from this slot on. Returns the slot where the next step
    /// starts, never 0, or with `None` when it was the last.
    ///
    /// Ids that are added between two steps may be left out, and others as
    /// well if the table grows for them.
    pub(crate) fn defragment(&mut self, from: usize, mover: &mut impl Mover) -> Option<usize> {
        /// How many slots there are to one look at the clock.
        const RUN: usize = 64;

        if from == 0 {
            self.tags = mover.slice(mem::take(&mut self.tags));
            self.slots = mover.slice(mem::take(&mut self.slots));
        }
        let mut next = from;
        for run in self.slots.get_mut(from..)?.chunks_mut(RUN) {
            if next > from && mover.should_stop() {
                return Some(next);
            }
            for id in run.iter_mut().flatten() {
                *id = mover.slice(mem::take(id));
            }
            next += run.len();
        }
        None
    }

    /// The slot of an id or, as an error, the free one for it. There must be
    /// a free one.
    fn find(&self, hash: u64, id: &[u8]) -> Result<usize, usize> {
        let last = self.slots.len() - 1; // all ones: their number is a power of two
        #[expect(clippy::cast_possible_truncation, reason = "these bits are as good")]
        let mut slot = hash as usize & last;
        loop {
            let found = self.tags[slot];
            if found == FREE {
                return Err(slot);
            }
            if found == tag(hash) && self.slots[slot].as_deref() == Some(id) {
                return Ok(slot);
            }
            slot = (slot + 1) & last;
        }
    }

    /// Doubles the number of slots.
    fn grow(&mut self) {
        let slots = (2 * self.slots.len()).max(4);
        self.len = 0;
        self.tags = iter::repeat_n(FREE, slots).collect();
        let old = mem::replace(&mut self.slots, iter::repeat_with(|| None).take(slots).collect());
        for id in old.into_iter().flatten() {
            self.insert(id);
        }
    }
}

/// The byte of a hash that is furthest from those that choose the slot.
fn tag(hash: u64) -> u8 {
    hash.to_be_bytes()[0].max(FREE + 1)
}

#[cfg(test)]
#[path = "ids/tests.rs"]
mod tests;
