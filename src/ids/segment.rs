//! A small part of a set of ids: an open table.

use std::{iter, mem};

use crate::mover::Mover;

/// The most slots that a segment has. What happens to a segment happens in one go, so
/// that it must be small; and large, so that there are few.
pub(crate) const MOST_SLOTS: usize = 512;

/// What is known of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It has counted down.
    Recorded = 0b01,
    /// It was added.
    Announced = 0b10,
    /// It has counted down and was added, in whichever order.
    Both = 0b11,
}

impl Mark {
    /// What is known of the id with this tag; `None` if the slot is free.
    fn of(tag: u8) -> Option<Self> {
        match tag & !HASH {
            0b01 => Some(Self::Recorded),
            0b10 => Some(Self::Announced),
            0b11 => Some(Self::Both),
            _ => None,
        }
    }

    /// Whether the id has counted down.
    pub(crate) fn is_recorded(self) -> bool {
        self != Self::Announced
    }

    /// Whether the id was added.
    pub(crate) fn is_announced(self) -> bool {
        self != Self::Recorded
    }
}

/// Some ids of a set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segment {
    /// For each slot [`FREE`], or the tag of its id: its mark, and some bits of its hash,
    /// which tell most other ids from the one looked for, without following the pointer
    /// to them.
    tags: Box<[u8]>,
    /// Each id in the first slot that was free, from the one of its hash on.
    slots: Box<[Option<Box<[u8]>>]>,
    len: u16,
    recorded: u16,
    announced: u16,
    /// How many of the lowest bits are the same in the hashes of all its ids.
    depth: u8,
}

/// The tag of a free slot. All others have a mark.
const FREE: u8 = 0;
/// The bits of a tag that come from the hash. The others are the mark.
const HASH: u8 = 0b1111_1100;

impl Segment {
    /// The number of ids.
    pub(crate) fn len(&self) -> usize {
        self.len.into()
    }

    /// The number of ids that are recorded.
    pub(crate) fn recorded(&self) -> usize {
        self.recorded.into()
    }

    /// The number of ids that are announced.
    pub(crate) fn announced(&self) -> usize {
        self.announced.into()
    }

    /// The number of slots, 0 or a power of two.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// How many of the lowest bits are the same in the hashes of all its ids.
    pub(crate) fn depth(&self) -> u8 {
        self.depth
    }

    /// The ids and what is known of each, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Mark)> {
        let ids = self.tags.iter().zip(&self.slots);
        ids.filter_map(|(tag, slot)| Some((slot.as_deref()?, Mark::of(*tag)?)))
    }

    /// The ids of which just this is known, in no order. The others are told by their tags.
    pub(crate) fn only(&self, mark: Mark) -> impl Iterator<Item = &[u8]> {
        let ids = self.tags.iter().zip(&self.slots);
        ids.filter(move |(tag, _)| Mark::of(**tag) == Some(mark))
            .filter_map(|(_, slot)| slot.as_deref())
    }

    /// The memory beside this and the ids themselves, in bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(&*self.tags) + size_of_val(&*self.slots)
    }

    /// Whether it must grow or be split before it has this id: at most 7/8 of the slots are
    /// taken.
    pub(crate) fn needs_room(&self, hash: u64, id: &[u8]) -> bool {
        let is_full = (self.len() + 1) * 8 > self.slots() * 7;
        is_full && self.get(hash, id).is_none()
    }

    /// What is known of this id.
    pub(crate) fn get(&self, hash: u64, id: &[u8]) -> Option<Mark> {
        if self.len == 0 {
            return None;
        }
        self.find(hash, id).ok().and_then(|slot| Mark::of(self.tags[slot]))
    }

    /// Adds a mark to an id, and the id if it is not there; it must not need room for it.
    /// Returns what was known before.
    pub(crate) fn mark(
        &mut self,
        hash: u64,
        id: impl AsRef<[u8]> + Into<Box<[u8]>>,
        mark: Mark,
    ) -> Option<Mark> {
        let (slot, before) = match self.find(hash, id.as_ref()) {
            Ok(slot) => (slot, Mark::of(self.tags[slot])),
            Err(free) => {
                self.tags[free] = hash_bits(hash);
                self.slots[free] = Some(id.into());
                self.len += 1;
                (free, None)
            }
        };
        let tag = self.tags[slot] | mark as u8;
        if tag == self.tags[slot] {
            return before;
        }
        self.tags[slot] = tag;
        let is_new = |is: fn(Mark) -> bool| is(mark) && !before.is_some_and(is);
        self.recorded += u16::from(is_new(Mark::is_recorded));
        self.announced += u16::from(is_new(Mark::is_announced));
        before
    }

    /// Doubles the number of slots. `hash` is that of the set.
    pub(crate) fn grow(&mut self, hash: impl Fn(&[u8]) -> u64) {
        let slots = (2 * self.slots()).max(4);
        let old = mem::replace(self, Self::with_slots(slots, self.depth));
        for (id, mark) in old.into_ids() {
            self.mark(hash(&id), id, mark);
        }
    }

    /// Divides the ids by one more bit of their hashes: where that is 0, and where it is 1.
    pub(crate) fn split(self, hash: impl Fn(&[u8]) -> u64) -> [Self; 2] {
        let depth = self.depth;
        let half = || Self::with_slots(self.slots.len(), depth + 1);
        let mut halves = [half(), half()];
        for (id, mark) in self.into_ids() {
            let hash = hash(&id);
            halves[usize::from(hash >> depth & 1 == 1)].mark(hash, id, mark);
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

    fn into_ids(self) -> impl Iterator<Item = (Box<[u8]>, Mark)> {
        let ids = self.tags.into_iter().zip(self.slots);
        ids.filter_map(|(tag, slot)| Some((slot?, Mark::of(tag)?)))
    }

    fn with_slots(slots: usize, depth: u8) -> Self {
        Self {
            tags: iter::repeat_n(FREE, slots).collect(),
            slots: iter::repeat_with(|| None).take(slots).collect(),
            depth,
            ..Self::default()
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
            if found & HASH == hash_bits(hash) && self.slots[slot].as_deref() == Some(id) {
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

/// What the tags of the ids with this hash have of it: the bits that are furthest from those
/// that choose segment and slot.
fn hash_bits(hash: u64) -> u8 {
    hash.to_be_bytes()[0] & HASH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_begin_at_one_slot_are_told_apart_by_their_tags() {
        let tags: Vec<_> = (0..64).map(|bits: u64| hash_bits(bits << 58)).collect();
        assert!((1..64).all(|nth| !tags[..nth].contains(&tags[nth])));
    }

    #[test]
    fn a_tag_has_a_mark_beside_the_hash_unless_its_slot_is_free() {
        assert_eq!(Mark::of(FREE), None);
        for hash in [0, u64::MAX, 1 << 57] {
            for mark in [Mark::Recorded, Mark::Announced, Mark::Both] {
                let tag = hash_bits(hash) | mark as u8;
                assert_eq!((Mark::of(tag), tag & HASH), (Some(mark), hash_bits(hash)));
            }
        }
    }
}
