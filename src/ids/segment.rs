//! A small part of a set of ids: an open table.

use std::{iter, mem};

use crate::mover::Mover;

/// The most slots that a segment has. What happens to a segment happens in one go, so
/// that it must be small; and large, so that there are few.
pub(crate) const MOST_SLOTS: usize = 512;

/// Some ids of a set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segment {
    /// For each slot [`FREE`], or the tag of its id: it tells most other ids from the one
    /// looked for, without following the pointer to them.
    tags: Box<[u8]>,
    /// Each id in the first slot that was free, from the one of its hash on.
    slots: Box<[Option<Box<[u8]>>]>,
    len: u32,
    /// How many of the lowest bits are the same in the hashes of all its ids.
    depth: u32,
}

/// The tag of a free slot.
const FREE: u8 = 0;
/// The bit that all other tags have.
const TAKEN: u8 = 1;
/// The bits of a tag that come from the hash. That leaves one bit more for something to
/// be noted of each id.
const HASH: u8 = 0b1111_1100;

impl Segment {
    /// The number of ids.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// The number of slots, 0 or a power of two.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// How many of the lowest bits are the same in the hashes of all its ids.
    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// The ids, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.slots.iter().flatten().map(|id| &**id)
    }

    /// The memory beside this and the ids themselves, in bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(&*self.tags) + size_of_val(&*self.slots)
    }

    /// Whether it must grow or be split before another id comes: at most 7/8 of the slots
    /// are taken.
    pub(crate) fn is_full(&self) -> bool {
        (self.len() + 1) * 8 > self.slots() * 7
    }

    /// Whether this id is there.
    pub(crate) fn contains(&self, hash: u64, id: &[u8]) -> bool {
        self.len > 0 && self.find(hash, id).is_ok()
    }

    /// Adds an id; the segment must not be full. False if it is there already.
    pub(crate) fn insert(&mut self, hash: u64, id: impl AsRef<[u8]> + Into<Box<[u8]>>) -> bool {
        let Err(free) = self.find(hash, id.as_ref()) else {
            return false;
        };
        self.tags[free] = tag(hash);
        self.slots[free] = Some(id.into());
        self.len += 1;
        true
    }

    /// Doubles the number of slots. `hash` is that of the set.
    pub(crate) fn grow(&mut self, hash: impl Fn(&[u8]) -> u64) {
        let slots = (2 * self.slots()).max(4);
        let old = mem::replace(self, Self::with_slots(slots, self.depth));
        for id in old.slots.into_iter().flatten() {
            self.insert(hash(&id), id);
        }
    }

    /// Divides the ids by one more bit of their hashes: where that is 0, and where it is 1.
    pub(crate) fn split(self, hash: impl Fn(&[u8]) -> u64) -> [Self; 2] {
        let half = || Self::with_slots(self.slots.len(), self.depth + 1);
        let mut halves = [half(), half()];
        for id in self.slots.into_iter().flatten() {
            let hash = hash(&id);
            halves[usize::from(hash >> self.depth & 1 == 1)].insert(hash, id);
        }
        halves
    }

    /// Moves the memory.
    pub(crate) fn defragment(&mut self, mover: &mut impl Mover) {
        self.tags = mover.slice(mem::take(&mut self.tags));
        self.slots = mover.slice(mem::take(&mut self.slots));
        for id in self.slots.iter_mut().flatten() {
            *id = mover.slice(mem::take(id));
        }
    }

    fn with_slots(slots: usize, depth: u32) -> Self {
        Self {
            tags: iter::repeat_n(FREE, slots).collect(),
            slots: iter::repeat_with(|| None).take(slots).collect(),
            len: 0,
            depth,
        }
    }

    /// The slot of an id or, as an error, the free one for it. There must be
    /// a free one.
    fn find(&self, hash: u64, id: &[u8]) -> Result<usize, usize> {
        let last = self.slots.len() - 1; // all ones: their number is a power of two
        let mut slot = first_slot(hash) & last;
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
}

/// The bits of a hash that choose the slot: the lowest choose the segment.
fn first_slot(hash: u64) -> usize {
    (hash >> 32) as usize
}

/// The tag of the ids with this hash, of the bits that are furthest from those that choose
/// segment and slot.
fn tag(hash: u64) -> u8 {
    hash.to_be_bytes()[0] & HASH | TAKEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_begin_at_one_slot_are_told_apart_by_their_tags() {
        let tags: Vec<_> = (0..64).map(|bits: u64| tag(bits << 58)).collect();
        assert!((1..64).all(|nth| !tags[..nth].contains(&tags[nth])));
        assert!(!tags.contains(&FREE));
    }

    #[test]
    fn a_tag_has_room_for_a_note() {
        for hash in [0, u64::MAX, 1 << 57] {
            assert_eq!(tag(hash) & !(HASH | TAKEN), 0);
        }
        assert_eq!((HASH | TAKEN).count_zeros(), 1);
    }
}
