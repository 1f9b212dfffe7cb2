//! The ids that a latch has counted: a set of any size that grows, is moved and is given
//! back in small steps.

mod segment;

use std::hash::{BuildHasher, RandomState};
use std::{iter, mem, slice, vec};

use crate::mover::Mover;
use segment::MOST_SLOTS;
pub(crate) use segment::Segment;

/// A set of ids, which only grows.
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
        len: usize,
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
        match &self.segments {
            Segments::One(segment) => segment.len(),
            Segments::Many { len, .. } => *len,
        }
    }

    /// Whether they are so few that all can be dropped in one go.
    pub(crate) fn is_small(&self) -> bool {
        matches!(self.segments, Segments::One(_))
    }

    /// The ids, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.segments.as_slice().iter().flat_map(Segment::iter)
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

    /// Whether this id is there.
    pub(crate) fn contains(&self, id: &[u8]) -> bool {
        let hash = self.hasher.hash_one(id);
        self.segments.as_slice()[self.segments.place(hash)].contains(hash, id)
    }

    /// Adds an id. False if it is there already.
    pub(crate) fn insert(&mut self, id: impl AsRef<[u8]> + Into<Box<[u8]>>) -> bool {
        let hash = self.hasher.hash_one(id.as_ref());
        let mut place = self.segments.place(hash);
        while self.segments.as_slice()[place].is_full() {
            self.make_room(place);
            place = self.segments.place(hash);
        }
        let is_new = self.segments.as_mut_slice()[place].insert(hash, id);
        if let Segments::Many { len, .. } = &mut self.segments {
            *len += usize::from(is_new);
        }
        is_new
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
        let (old, len) = match mem::take(self) {
            Self::One(segment) => {
                let len = segment.len();
                (vec![segment], len)
            }
            Self::Many { directory, len } => (directory.into_vec(), len),
        };
        let places = 2 * old.len();
        let vacant = iter::repeat_with(Segment::default);
        *self = Self::Many { directory: old.into_iter().chain(vacant).take(places).collect(), len };
    }
}

#[cfg(test)]
#[path = "ids/tests.rs"]
mod tests;
