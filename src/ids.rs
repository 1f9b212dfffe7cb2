//! The ids of a latch: a set of any size that grows, is moved and is given back in small
//! steps.

mod segment;

use std::hash::{BuildHasher, RandomState};
use std::{iter, mem, slice, vec};

use crate::mover::Mover;
use segment::MOST_SLOTS;
pub(crate) use segment::{Mark, Segment};

/// A set of ids, which only grows. Each of them is *recorded*, *announced*, or both.
///
/// By extendible hashing: a directory of small open tables, the segments. One that is full
/// is split in two by one more bit of the hash, so that no id that is added moves more
/// than one segment's, however many there are. The table of the standard library doubles
/// in one go, and keeps its memory to itself: nobody could move it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    segments: Segments,
    /// With a secret in it: clients choose the ids, and could have them collide.
    hasher: RandomState,
}

#[derive(Clone, Debug)]
enum Segments {
    /// Few ids are one segment, with no memory beside it.
    One(Segment),
    Many {
        /// As many places as some number of the lowest bits of a hash can tell apart. The
        /// segment of all hashes that end with the same `depth` bits is in the place of
        /// just these bits; the other places that those hashes lead to are vacant.
        directory: Box<[Segment]>,
        recorded: usize,
        pending: usize,
    },
}

impl Default for Segments {
    fn default() -> Self {
        Self::One(Segment::default())
    }
}

impl Ids {
    /// The number of ids.
    pub(crate) fn len(&self) -> usize {
        self.recorded() + self.pending()
    }

    /// The number of ids that are recorded.
    pub(crate) fn recorded(&self) -> usize {
        self.segments.recorded()
    }

    /// The number of ids that are announced and not recorded.
    pub(crate) fn pending(&self) -> usize {
        self.segments.pending()
    }

    /// The number of ids that are announced, told from those of some hundred each.
    pub(crate) fn announced(&self) -> usize {
        self.segments.as_slice().iter().map(Segment::announced).sum()
    }

    /// Whether they are so few that all can be dropped in one go.
    pub(crate) fn is_small(&self) -> bool {
        matches!(self.segments, Segments::One(_))
    }

    /// The ids and what is known of each, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Mark)> {
        self.segments.as_slice().iter().flat_map(Segment::iter)
    }

    /// The ids of which just this is known, in no order.
    pub(crate) fn only(&self, mark: Mark) -> impl Iterator<Item = &[u8]> {
        self.segments.as_slice().iter().flat_map(move |segment| segment.only(mark))
    }

    /// The ids that are recorded, in the order of their bytes.
    pub(crate) fn sorted_recorded(&self) -> Vec<&[u8]> {
        let recorded = self.iter().filter(|(_, mark)| mark.is_recorded());
        let mut ids: Vec<_> = recorded.map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids
    }

    /// The first ids of all that are announced and not recorded, `most` of them, in the
    /// order of their bytes.
    pub(crate) fn first_pending(&self, most: usize) -> Vec<&[u8]> {
        let mut first = Vec::new();
        for id in self.only(Mark::Announced) {
            first.push(id);
            // Twice as many are kept, so that the selection costs little for each of them.
            if first.len() / 2 > most {
                first.select_nth_unstable(most);
                first.truncate(most);
            }
        }
        first.sort_unstable();
        first.truncate(most);
        first
    }

    /// The set in pieces that are small.
    pub(crate) fn into_segments(self) -> vec::IntoIter<Segment> {
        match self.segments {
            Segments::One(segment) => vec![segment].into_iter(),
            Segments::Many { directory, .. } => directory.into_iter(),
        }
    }

    /// The memory beside this and the ids themselves, in bytes.
    pub(crate) fn table_memory(&self) -> usize {
        let directory = match &self.segments {
            Segments::One(_) => 0,
            Segments::Many { directory, .. } => size_of_val(&**directory),
        };
        directory + self.segments.as_slice().iter().map(Segment::memory).sum::<usize>()
    }

    /// What is known of this id.
    pub(crate) fn get(&self, id: &[u8]) -> Option<Mark> {
        let hash = self.hasher.hash_one(id);
        self.segments.as_slice()[self.segments.place(hash)].get(hash, id)
    }

    /// Notes that an id has counted down. False if that was known.
    pub(crate) fn record(&mut self, id: &[u8]) -> bool {
        !self.mark(id, Mark::Recorded).is_some_and(Mark::is_recorded)
    }

    /// Notes that an id was added. False if that was known.
    pub(crate) fn announce(&mut self, id: &[u8]) -> bool {
        !self.mark(id, Mark::Announced).is_some_and(Mark::is_announced)
    }

    /// Adds a mark to an id, and the id if it is not there. Returns what was known before.
    pub(crate) fn mark(
        &mut self,
        id: impl AsRef<[u8]> + Into<Box<[u8]>>,
        mark: Mark,
    ) -> Option<Mark> {
        let hash = self.hasher.hash_one(id.as_ref());
        let mut place = self.segments.place(hash);
        while self.segments.as_slice()[place].needs_room(hash, id.as_ref()) {
            self.make_room(place);
            place = self.segments.place(hash);
        }
        let before = self.segments.as_mut_slice()[place].mark(hash, id, mark);
        if let Segments::Many { recorded, pending, .. } = &mut self.segments {
            match before {
                None if mark == Mark::Announced => *pending += 1,
                None => *recorded += 1,
                Some(Mark::Announced) if mark.is_recorded() => {
                    *recorded += 1;
                    *pending -= 1;
                }
                Some(_) => {}
            }
        }
        before
    }

    /// Moves the memory: in the first step, which is from 0, the directory, and the
    /// segments from this one on. Returns the segment where the next step starts, never 0,
    /// or with `None` when it was the last.
    ///
    /// Only ids that are added between two steps may be left out: what a split moves goes
    /// further back, where it has its turn, if it has had none.
    pub(crate) fn defragment(&mut self, from: usize, mover: &mut impl Mover) -> Option<usize> {
        if from == 0
            && let Segments::Many { directory, .. } = &mut self.segments
        {
            *directory = mover.slice(mem::take(directory));
        }
        for (nth, segment) in self.segments.as_mut_slice().iter_mut().enumerate().skip(from) {
            if nth > from && mover.should_stop() {
                return Some(nth);
            }
            segment.defragment(mover);
        }
        None
    }

    /// Has the full segment in this place grow or, if it is as large as they get, split.
    fn make_room(&mut self, place: usize) {
        let hash = |id: &[u8]| self.hasher.hash_one(id);
        let segment = &mut self.segments.as_mut_slice()[place];
        if segment.slots() < MOST_SLOTS {
            return segment.grow(hash);
        }
        let sibling = place | 1 << segment.depth();
        if sibling >= self.segments.as_slice().len() {
            self.segments.double();
        }
        let segments = self.segments.as_mut_slice();
        [segments[place], segments[sibling]] = mem::take(&mut segments[place]).split(hash);
    }
}

impl Segments {
    fn as_slice(&self) -> &[Segment] {
        match self {
            Self::One(segment) => slice::from_ref(segment),
            Self::Many { directory, .. } => directory,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Segment] {
        match self {
            Self::One(segment) => slice::from_mut(segment),
            Self::Many { directory, .. } => directory,
        }
    }

    fn recorded(&self) -> usize {
        match self {
            Self::One(segment) => segment.recorded(),
            Self::Many { recorded, .. } => *recorded,
        }
    }

    fn pending(&self) -> usize {
        match self {
            Self::One(segment) => segment.len() - segment.recorded(),
            Self::Many { pending, .. } => *pending,
        }
    }

    /// The place of the segment for ids with this hash.
    fn place(&self, hash: u64) -> usize {
        let segments = self.as_slice();
        #[expect(clippy::cast_possible_truncation, reason = "these bits are enough")]
        let mut place = hash as usize & (segments.len() - 1); // their number is a power of two
        // Of a vacant place the segment is in one of fewer bits. The first of all is never vacant.
        while place > 0 && segments[place].slots() == 0 {
            place ^= 1 << place.ilog2();
        }
        place
    }

    /// Makes as many places again, vacant ones. No id is moved.
    fn double(&mut self) {
        let (recorded, pending) = (self.recorded(), self.pending());
        let old = match mem::take(self) {
            Self::One(segment) => vec![segment],
            Self::Many { directory, .. } => directory.into_vec(),
        };
        let places = 2 * old.len();
        let vacant = iter::repeat_with(Segment::default);
        let directory = old.into_iter().chain(vacant).take(places).collect();
        *self = Self::Many { directory, recorded, pending };
    }
}

#[cfg(test)]
#[path = "ids/tests.rs"]
mod tests;
