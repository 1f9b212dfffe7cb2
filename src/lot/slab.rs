//! A slab: values that stay where they are for as long as they are there.
//!
//! It grows and shrinks by a chunk at a time and moves nothing, so no step takes longer
//! than another, however many values there are.

use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

/// How many values a chunk has: some KB of them. In tests few, so that chunks come and go.
const CHUNK: u32 = if cfg!(test) { 4 } else { 256 };

/// Where a value is, while it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(NonZeroU32);

impl Place {
    fn new(chunk: usize, slot: u32) -> Self {
        let before = u32::try_from(chunk).ok().and_then(|chunk| chunk.checked_mul(CHUNK));
        let number = before.and_then(|before| before.checked_add(slot + 1));
        Self(number.and_then(NonZeroU32::new).expect("fewer than 2^32 values"))
    }

    /// The chunk, and the slot in it.
    fn parts(self) -> (usize, usize) {
        let number = self.0.get() - 1;
        ((number / CHUNK) as usize, (number % CHUNK) as usize)
    }
}

/// Which value, also when it is gone: its place is used again, but with another generation.
/// The number of that comes again after 2^32 values. Ids are kept beyond a turn of the event
/// loop only where the value is known to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(super) place: Place,
    generation: u32,
}

#[derive(Debug)]
enum Slot<T> {
    /// The next one that is free; [`CHUNK`] if there is none.
    Free {
        next: u32,
    },
    Taken {
        generation: u32,
        value: T,
    },
}

#[derive(Debug)]
struct Chunk<T> {
    /// None at all while nothing is in it.
    slots: Box<[Slot<T>]>,
    taken: u32,
    /// The first slot that is free; [`CHUNK`] if there is none.
    free: u32,
}

/// Values, each in its place.
#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// The chunks with a free slot. The last is used first, until it has none.
    roomy: Vec<usize>,
    /// What is left of a chunk that has become empty, for the next one: its slots, and the
    /// first of them that is free.
    spare: Option<(Box<[Slot<T>]>, u32)>,
    len: usize,
    /// The generation of the value that came last.
    generation: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        let (chunks, roomy) = (Vec::new(), Vec::new());
        Self { chunks, roomy, spare: None, len: 0, generation: 0 }
    }
}

impl<T> Slab<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn insert(&mut self, value: T) -> Id {
        let at = self.roomy.last().copied().unwrap_or_else(|| self.add_chunk());
        let chunk = &mut self.chunks[at];
        if chunk.slots.is_empty() {
            (chunk.slots, chunk.free) = self.spare.take().unwrap_or_else(|| (free_slots(), 0));
        }
        self.generation = self.generation.wrapping_add(1);
        let (slot, generation) = (chunk.free, self.generation);
        let free = &mut chunk.slots[slot as usize];
        if let Slot::Free { next } = *free {
            chunk.free = next;
        }
        *free = Slot::Taken { generation, value };
        chunk.taken += 1;
        if chunk.taken == CHUNK {
            self.roomy.pop();
        }
        self.len += 1;
        Id { place: Place::new(at, slot), generation }
    }

    /// Takes the value out that is there.
    pub(super) fn remove(&mut self, place: Place) -> T {
        let (at, slot) = place.parts();
        let chunk = &mut self.chunks[at];
        let free = Slot::Free { next: chunk.free };
        let Slot::Taken { value, .. } = std::mem::replace(&mut chunk.slots[slot], free) else {
            unreachable!("nothing is in this place");
        };
        #[expect(clippy::cast_possible_truncation, reason = "there are not so many")]
        {
            chunk.free = slot as u32;
        }
        chunk.taken -= 1;
        self.len -= 1;
        if chunk.taken == CHUNK - 1 {
            self.roomy.push(at);
        } else if chunk.taken == 0 {
            self.give_back(at);
        }
        value
    }

    /// The place of a value, if it is still there.
    pub(super) fn find(&self, id: Id) -> Option<Place> {
        let (at, slot) = id.place.parts();
        match self.chunks.get(at)?.slots.get(slot)? {
            Slot::Taken { generation, .. } if *generation == id.generation => Some(id.place),
            _ => None,
        }
    }

    /// The id of the value that is there.
    pub(super) fn id(&self, place: Place) -> Id {
        let (at, slot) = place.parts();
        match self.chunks[at].slots[slot] {
            Slot::Taken { generation, .. } => Id { place, generation },
            Slot::Free { .. } => unreachable!("nothing is in this place"),
        }
    }

    /// Where something is.
    #[cfg(test)]
    pub(super) fn places(&self) -> Vec<Place> {
        let chunks = self.chunks.iter().enumerate();
        let slots = chunks.flat_map(|(at, chunk)| (0..).zip(&chunk.slots).map(move |it| (at, it)));
        let taken = slots.filter(|(_, (_, slot))| matches!(slot, Slot::Taken { .. }));
        taken.map(|(at, (slot, _))| Place::new(at, slot)).collect()
    }

    fn add_chunk(&mut self) -> usize {
        self.chunks.push(Chunk { slots: Box::default(), taken: 0, free: CHUNK });
        self.roomy.push(self.chunks.len() - 1);
        self.chunks.len() - 1
    }

    /// Gives back the memory of a chunk in which nothing is, but one, so that who comes and
    /// goes does not have one made each time.
    fn give_back(&mut self, at: usize) {
        let slots = std::mem::take(&mut self.chunks[at].slots);
        if self.spare.is_none() {
            self.spare = Some((slots, self.chunks[at].free));
        }
    }
}

/// Slots that are all free, each linked to the next.
fn free_slots<T>() -> Box<[Slot<T>]> {
    (1..=CHUNK).map(|next| Slot::Free { next }).collect()
}

impl<T> Index<Place> for Slab<T> {
    type Output = T;

    fn index(&self, place: Place) -> &T {
        let (at, slot) = place.parts();
        match &self.chunks[at].slots[slot] {
            Slot::Taken { value, .. } => value,
            Slot::Free { .. } => unreachable!("nothing is in this place"),
        }
    }
}

impl<T> IndexMut<Place> for Slab<T> {
    fn index_mut(&mut self, place: Place) -> &mut T {
        let (at, slot) = place.parts();
        match &mut self.chunks[at].slots[slot] {
            Slot::Taken { value, .. } => value,
            Slot::Free { .. } => unreachable!("nothing is in this place"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_place_is_used_again_and_an_id_is_not() {
        let mut slab = Slab::default();
        let first = slab.insert("a");
        assert_eq!(slab.find(first), Some(first.place));
        assert_eq!(slab.remove(first.place), "a");
        let second = slab.insert("b");
        assert_eq!(second.place, first.place);
        assert_eq!((slab.find(first), slab.find(second)), (None, Some(second.place)));
        assert_eq!(slab.id(second.place), second);
        assert_eq!(slab[second.place], "b");
    }

    #[test]
    fn values_stay_where_they_are_however_many_come_and_go() {
        let mut slab = Slab::default();
        let ids: Vec<_> = (0..3 * CHUNK).map(|value| slab.insert(value)).collect();
        for id in ids.iter().step_by(3) {
            slab.remove(id.place);
        }
        let more: Vec<_> = (0..CHUNK).map(|value| slab.insert(value)).collect();
        assert_eq!(slab.chunks.len(), 3, "the free places were used");
        for (value, id) in (0..).zip(&ids).filter(|(value, _)| value % 3 != 0) {
            assert_eq!(slab[id.place], value);
        }
        for (value, id) in (0..).zip(more) {
            assert_eq!(slab.remove(id.place), value);
        }
        assert_eq!(slab.len(), 2 * CHUNK as usize);
    }

    #[test]
    fn memory_is_given_back_by_the_chunk_but_for_one() {
        let mut slab = Slab::default();
        let ids: Vec<_> = (0..3 * CHUNK).map(|value| slab.insert(value)).collect();
        for id in &ids {
            slab.remove(id.place);
        }
        assert!(slab.is_empty() && slab.spare.is_some());
        assert!(slab.chunks.iter().all(|chunk| chunk.slots.is_empty()));
        slab.insert(7);
        assert!(slab.spare.is_none(), "it was used");
        assert!(ids.iter().all(|&id| slab.find(id).is_none()));
    }

    proptest! {
        #[test]
        fn whatever_comes_and_goes_is_in_its_place(
            steps in prop::collection::vec((prop::bool::weighted(0.55), 0..64_usize), 1..300),
        ) {
            let (mut slab, mut there, mut gone) = (Slab::default(), Vec::new(), Vec::new());
            for (number, (comes, which)) in (0..).zip(steps) {
                if comes {
                    there.push((number, slab.insert(number)));
                } else if !there.is_empty() {
                    let (value, id) = there.swap_remove(which % there.len());
                    prop_assert_eq!(slab.remove(id.place), value);
                    gone.push(id);
                }
                prop_assert_eq!(slab.len(), there.len());
                prop_assert_eq!(slab.places().len(), there.len());
                for &(value, id) in &there {
                    prop_assert_eq!((slab.find(id), slab[id.place]), (Some(id.place), value));
                }
                prop_assert!(gone.iter().all(|&id| slab.find(id).is_none()));
            }
        }
    }

    #[test]
    fn a_chunk_of_links_has_no_byte_too_many() {
        // What tells a free slot from a taken one is in the value itself.
        assert_eq!(size_of::<Slot<(Place, u32)>>(), 12);
    }
}
