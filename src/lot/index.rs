//! A hash table of the values of a slab, chained through them.
//!
//! It grows by one bucket at a time (*linear hashing*, Litwin 1980): no step has to move more
//! than one bucket, of one or two values, whatever the size. It does not shrink before it is
//! empty: a bucket is four bytes.

use super::slab::{Place, Slab};

/// How many buckets are allocated at a time.
const CHUNK: usize = 512;

/// A value that can stand in an index.
pub(super) trait Indexed {
    fn hash(&self) -> u32;
    /// The next value of its bucket.
    fn next(&self) -> Option<Place>;
    fn set_next(&mut self, next: Option<Place>);
}

/// Which values have a hash.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The first value of each bucket.
    chunks: Vec<Box<[Option<Place>]>>,
    /// How many buckets there are: as many as there were values at most.
    buckets: usize,
    len: usize,
}

impl Index {
    /// The first of the values that may have this hash; the others follow it.
    pub(super) fn first(&self, hash: u32) -> Option<Place> {
        if self.len == 0 { None } else { self.head(bucket(hash, self.buckets)) }
    }

    /// Puts a value in.
    pub(super) fn insert<T: Indexed>(&mut self, slab: &mut Slab<T>, place: Place) {
        self.len += 1;
        if self.len > self.buckets {
            self.add_bucket(slab);
        }
        self.push(slab, place);
    }

    /// Takes a value out.
    pub(super) fn remove<T: Indexed>(&mut self, slab: &mut Slab<T>, place: Place) {
        let bucket = bucket(slab[place].hash(), self.buckets);
        let next = slab[place].next();
        let mut before = None;
        let mut at = self.head(bucket);
        while let Some(other) = at.filter(|other| *other != place) {
            (before, at) = (at, slab[other].next());
        }
        match before {
            Some(before) => slab[before].set_next(next),
            None => self.set_head(bucket, next),
        }
        self.len -= 1;
        if self.len == 0 {
            // One chunk is kept, so that who comes and goes has none made each time.
            self.chunks.truncate(1);
            self.buckets = 0;
        }
    }

    /// Adds a bucket, which takes its values from the one that had them until now.
    fn add_bucket<T: Indexed>(&mut self, slab: &mut Slab<T>) {
        if self.buckets == self.chunks.len() * CHUNK {
            self.chunks.push(vec![None; CHUNK].into());
        }
        let new = self.buckets;
        self.buckets += 1;
        if new > 0 {
            self.spread(slab, sibling(new));
        }
    }

    /// Puts each value of a bucket into the bucket where it belongs.
    fn spread<T: Indexed>(&mut self, slab: &mut Slab<T>, bucket: usize) {
        let mut at = self.head(bucket);
        self.set_head(bucket, None);
        while let Some(place) = at {
            at = slab[place].next();
            self.push(slab, place);
        }
    }

    fn push<T: Indexed>(&mut self, slab: &mut Slab<T>, place: Place) {
        let bucket = bucket(slab[place].hash(), self.buckets);
        slab[place].set_next(self.head(bucket));
        self.set_head(bucket, Some(place));
    }

    fn head(&self, bucket: usize) -> Option<Place> {
        self.chunks[bucket / CHUNK][bucket % CHUNK]
    }

    fn set_head(&mut self, bucket: usize, place: Option<Place>) {
        self.chunks[bucket / CHUNK][bucket % CHUNK] = place;
    }
}

/// The bucket of a hash where there are so many of them: by as many bits as number them all,
/// or by one less, if that bucket is not there yet.
fn bucket(hash: u32, len: usize) -> usize {
    let all = len.next_power_of_two() - 1;
    let bucket = hash as usize & all;
    if bucket < len { bucket } else { bucket & (all >> 1) }
}

/// The bucket that had the values of this one before it came.
fn sibling(bucket: usize) -> usize {
    bucket - (bucket + 1).next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug)]
    struct Value(u32, Option<Place>);

    impl Indexed for Value {
        fn hash(&self) -> u32 {
            self.0
        }

        fn next(&self) -> Option<Place> {
            self.1
        }

        fn set_next(&mut self, next: Option<Place>) {
            self.1 = next;
        }
    }

    fn chain(index: &Index, slab: &Slab<Value>, hash: u32) -> Vec<Place> {
        std::iter::successors(index.first(hash), |&at| slab[at].next()).collect()
    }

    #[test]
    fn a_bucket_has_a_bit_more_than_the_one_it_comes_from() {
        let siblings: Vec<_> = (1..9).map(sibling).collect();
        assert_eq!(siblings, [0, 0, 1, 0, 1, 2, 3, 0]);
    }

    #[test]
    fn buckets_stay_short_and_memory_is_given_back() {
        let (mut index, mut slab) = (Index::default(), Slab::default());
        // Hashes of a good function, each once: an odd number has an inverse.
        let hash = |n: u32| n.wrapping_mul(0x9e37_79b1).reverse_bits();
        let places: Vec<_> = (0..10_000)
            .map(|n| {
                let place = slab.insert(Value(hash(n), None)).place;
                index.insert(&mut slab, place);
                place
            })
            .collect();
        let longest = (0..10_000).map(|n| chain(&index, &slab, hash(n)).len()).max();
        assert!(longest <= Some(12), "{longest:?}");
        for place in places {
            index.remove(&mut slab, place);
        }
        assert!(index.buckets == 0 && index.chunks.len() <= 1);
    }

    proptest! {
        #[test]
        fn whatever_comes_and_goes_is_found_while_it_is_there(
            steps in prop::collection::vec((any::<bool>(), 0..40_u32), 1..300),
        ) {
            let (mut index, mut slab) = (Index::default(), Slab::default());
            let mut there: Vec<(u32, Place)> = Vec::new();
            for (comes, number) in steps {
                if comes {
                    let hash = number.wrapping_mul(0x9e37_79b1);
                    let place = slab.insert(Value(hash, None)).place;
                    index.insert(&mut slab, place);
                    there.push((hash, place));
                } else if !there.is_empty() {
                    let (_, place) = there.swap_remove(number as usize % there.len());
                    index.remove(&mut slab, place);
                    slab.remove(place);
                }
                for &(hash, place) in &there {
                    prop_assert!(chain(&index, &slab, hash).contains(&place));
                }
                let buckets = (0..index.buckets).filter_map(|bucket| index.head(bucket));
                let count = |at| std::iter::successors(Some(at), |&at: &Place| slab[at].next()).count();
                prop_assert_eq!(buckets.map(count).sum::<usize>(), there.len());
            }
        }
    }
}
