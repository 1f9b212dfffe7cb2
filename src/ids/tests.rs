//! The set against two of the standard library, what an insertion moves, and steps.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::mover::tests::Hasty;
use proptest::prelude::*;

/// The ids `0`, `1` and so on.
fn numbered(numbers: impl IntoIterator<Item = usize>) -> Ids {
    let mut ids = Ids::default();
    add(&mut ids, numbers);
    ids
}

fn add(ids: &mut Ids, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        assert!(ids.record(number.to_string().as_bytes()), "{number} is new");
    }
}

/// What is in it, each as often as it is.
fn sorted(ids: &Ids) -> Vec<&[u8]> {
    let mut ids: Vec<_> = ids.iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids
}

fn addresses(ids: &Ids) -> BTreeSet<usize> {
    ids.iter().map(|(id, _)| id.as_ptr().addr()).collect()
}

/// How many segments there are.
fn segments(ids: &Ids) -> usize {
    ids.segments.as_slice().iter().filter(|segment| segment.slots() > 0).count()
}

/// Goes all the way from `from`, and counts the steps.
fn finish(ids: &mut Ids, mut from: usize, mover: &mut Hasty) -> usize {
    let mut steps = 1;
    while let Some(next) = ids.defragment(from, mover) {
        assert!(next > from, "gets on");
        from = next;
        steps += 1;
    }
    steps
}

#[test]
fn an_empty_set_has_nothing_and_takes_nothing() {
    let ids = Ids::default();
    assert_eq!((ids.len(), ids.iter().count(), ids.table_memory()), (0, 0, 0));
    assert!(ids.get(b"a").is_none() && ids.get(b"").is_none());
}

#[test]
fn few_ids_take_as_much_as_in_the_standard_library() {
    let sizes = [1, 3, 4, 7, 8, 14, 15, 448].map(|len| numbered(0..len).table_memory() / 17);
    assert_eq!(sizes, [4, 4, 8, 8, 16, 16, 32, 512]);
    assert_eq!(size_of::<Ids>(), 56, "seven words, as two tables and a length would be");
}

#[test]
fn many_ids_take_nearly_as_much_as_in_the_standard_library() {
    const SLOT: usize = 17;
    for len in [449, 1000, 10_000, 50_000] {
        let slots = (len * 8 / 7_usize).next_power_of_two();
        let memory = numbered(0..len).table_memory();
        // Where one large table would be about to double, some segments have split.
        assert!(memory <= slots * SLOT * 3 / 2, "{len} ids take {memory}");
        assert!(memory >= len * SLOT * 8 / 7, "{len} ids take {memory}");
    }
}

#[test]
fn one_more_id_never_moves_more_than_a_segment() {
    /// As many as a segment takes.
    const MOST: usize = MOST_SLOTS * 7 / 8;
    const COUNT: usize = 4000;

    let mut ids = Ids::default();
    let mut before = vec![None; COUNT];
    let mut most = 0;
    for number in 0..COUNT {
        add(&mut ids, [number]);
        let mut after = vec![None; COUNT];
        for (place, segment) in ids.segments.as_slice().iter().enumerate() {
            for (id, _) in segment.iter() {
                let number: usize = str::from_utf8(id).unwrap().parse().unwrap();
                // Where the id is, and of which table that is the place.
                after[number] = Some((place, segment.memory()));
            }
        }
        let moved = before.iter().zip(&after).filter(|(b, a)| b.is_some() && b != a).count();
        assert!(moved <= MOST, "id {number} moved {moved}");
        most = most.max(moved);
        before = after;
    }
    assert!(segments(&ids) > 4 && most > MOST / 4, "{most}: or this shows nothing");
}

#[test]
fn each_id_is_in_the_segment_that_its_hash_leads_to() {
    for len in [0, 448, 449, 5000, 20_000] {
        let ids = numbered(0..len);
        let segments = ids.segments.as_slice();
        assert!(segments.len().is_power_of_two());
        for (place, segment) in segments.iter().enumerate() {
            assert!(place < 1 << segment.depth() || segment.slots() == 0);
            for (id, _) in segment.iter() {
                let hash = ids.hasher.hash_one(id);
                assert_eq!(ids.segments.place(hash), place);
                assert_eq!(hash & ((1 << segment.depth()) - 1), place as u64);
            }
        }
    }
}

#[test]
fn its_pieces_are_small_and_are_all_there_is() {
    for len in [0, 10, 448, 449, 10_000] {
        let ids = numbered(0..len);
        assert_eq!(ids.is_small(), len <= 448, "{len}");
        let pieces: Vec<_> = ids.into_segments().map(|segment| segment.len()).collect();
        assert_eq!(pieces.iter().sum::<usize>(), len);
        assert!(pieces.iter().all(|piece| *piece <= 448), "{pieces:?}");
    }
}

#[test]
fn over_many_steps_every_id_is_moved_once_and_none_is_lost() {
    const COUNT: usize = 10_000;
    let mut ids = numbered(0..COUNT);
    let (before, places) = (addresses(&ids), ids.segments.as_slice().len());
    let mut mover = Hasty::default();
    let steps = finish(&mut ids, 0, &mut mover);
    assert_eq!(steps, places, "a look at the clock for each segment");
    assert!(places > 16, "{places}");
    let tables = 2 * places; // of a vacant place there is nothing to move
    assert_eq!(mover.slices.len(), COUNT + 1 + tables, "the ids, the directory, the segments");
    let given: BTreeSet<_> = mover.slices.iter().map(|(from, _)| *from).collect();
    assert!(before.is_subset(&given));
    assert_eq!(sorted(&ids), sorted(&numbered(0..COUNT)));
    assert!((0..COUNT).all(|number| ids.get(number.to_string().as_bytes()).is_some()));
    assert!(ids.get(b"10000").is_none());
}

#[test]
fn few_ids_are_moved_in_one_step() {
    let mut mover = Hasty::default();
    assert_eq!(finish(&mut numbered(0..448), 0, &mut mover), 1);
    assert_eq!(mover.slices.len(), 448 + 2, "the ids and the table, which is two");
}

#[test]
fn all_that_was_there_at_the_first_step_is_moved_though_more_comes_between_steps() {
    let mut ids = numbered(0..1000);
    let before = addresses(&ids);
    let mut mover = Hasty::default();
    let mut next = ids.defragment(0, &mut mover);
    let mut len = 1000;
    while let Some(from) = next {
        // The directory doubles five times.
        if len < 50_000 {
            add(&mut ids, len..len + 2000);
            len += 2000;
        }
        next = ids.defragment(from, &mut mover);
    }
    assert_eq!(len, 51_000, "came to the end after the last of them");
    assert_eq!(sorted(&ids), sorted(&numbered(0..len)));
    let given: BTreeSet<_> = mover.slices.iter().map(|(from, _)| *from).collect();
    assert!(before.is_subset(&given), "what a split moves back has its turn");
}

#[test]
fn a_step_from_behind_the_end_is_the_last() {
    let mut mover = Hasty::default();
    for from in [1, 5, usize::MAX] {
        assert_eq!(numbered(0..3).defragment(from, &mut mover), None);
    }
    assert_eq!(Ids::default().defragment(64, &mut mover), None);
    assert!(mover.slices.is_empty());
}

/// The set as two of the standard library.
#[derive(Debug, Default)]
struct Model {
    recorded: BTreeSet<Vec<u8>>,
    announced: BTreeSet<Vec<u8>>,
}

impl Model {
    fn get(&self, id: &[u8]) -> Option<Mark> {
        match (self.recorded.contains(id), self.announced.contains(id)) {
            (false, false) => None,
            (true, false) => Some(Mark::Recorded),
            (false, true) => Some(Mark::Announced),
            (true, true) => Some(Mark::Both),
        }
    }

    /// Does the same to both; what they say to it must be the same.
    fn mark(&mut self, ids: &mut Ids, id: &[u8], mark: Mark) {
        let before = self.get(id);
        assert_eq!(ids.get(id), before);
        match mark {
            Mark::Recorded => assert_eq!(ids.record(id), self.recorded.insert(id.into())),
            Mark::Announced => assert_eq!(ids.announce(id), self.announced.insert(id.into())),
            Mark::Both => {
                assert_eq!(ids.mark(id, mark), before);
                self.recorded.insert(id.into());
                self.announced.insert(id.into());
            }
        }
        assert_eq!(ids.get(id), self.get(id));
        self.check_counts(ids);
    }

    fn check_counts(&self, ids: &Ids) {
        let both = self.recorded.intersection(&self.announced).count();
        let (recorded, announced) = (self.recorded.len(), self.announced.len());
        assert_eq!((ids.recorded(), ids.announced()), (recorded, announced));
        assert_eq!((ids.pending(), ids.len()), (announced - both, recorded + announced - both));
    }

    /// Compares all there is.
    fn check(&self, ids: &Ids) {
        self.check_counts(ids);
        let all: BTreeMap<_, _> = ids.iter().collect();
        assert_eq!(all.len(), ids.iter().count(), "each once");
        let expected = self.recorded.union(&self.announced);
        assert!(all.into_iter().eq(expected.map(|id| (&id[..], self.get(id).unwrap()))));
        assert_eq!(ids.sorted_recorded(), self.recorded.iter().collect::<Vec<_>>());
        let pending: Vec<_> = self.announced.difference(&self.recorded).collect();
        let len = pending.len();
        for most in [0, 1, 2, len / 2, len.saturating_sub(1), len, len + 1, usize::MAX] {
            assert_eq!(ids.first_pending(most), pending[..most.min(len)], "{most} of {len}");
        }
    }
}

#[test]
fn an_id_is_recorded_and_announced_once_each_in_any_order() {
    let mut ids = Ids::default();
    assert!(ids.record(b"a") && !ids.record(b"a"));
    assert!(ids.announce(b"b") && !ids.announce(b"b"));
    assert_eq!([b"a", b"b"].map(|id| ids.get(id)), [Some(Mark::Recorded), Some(Mark::Announced)]);
    assert!(ids.announce(b"a") && !ids.announce(b"a") && !ids.record(b"a"));
    assert!(ids.record(b"b") && !ids.record(b"b") && !ids.announce(b"b"));
    assert_eq!([b"a", b"b"].map(|id| ids.get(id)), [Some(Mark::Both); 2]);
    assert_eq!((ids.len(), ids.recorded(), ids.announced(), ids.pending()), (2, 2, 2, 0));
}

#[test]
fn another_mark_takes_no_more_memory_however_full_it_is() {
    for len in [3, 7, 14, 448, 5000] {
        let mut ids = numbered(0..len);
        let before = ids.table_memory();
        for number in 0..len {
            assert!(ids.announce(number.to_string().as_bytes()));
        }
        assert_eq!((ids.len(), ids.table_memory()), (len, before));
    }
}

#[test]
fn the_first_of_very_many_that_are_pending_are_found() {
    let mut ids = Ids::default();
    let mut model = Model::default();
    for number in 0..20_000 {
        let id = format!("{number:05}");
        ids.announce(id.as_bytes());
        model.announced.insert(id.clone().into_bytes());
        if number % 7 != 3 {
            ids.record(id.as_bytes());
            model.recorded.insert(id.into_bytes());
        }
    }
    model.check(&ids);
    assert_eq!(ids.first_pending(3), [b"00003", b"00010", b"00017"]);
}

/// What is done to a set.
#[derive(Clone, Debug)]
enum Deed {
    /// Marks ids of a small range, so that many come twice.
    Mark(Vec<(u16, Mark)>),
    /// Moves memory for so many steps.
    Move(usize),
    Copy,
}

fn mark() -> impl Strategy<Value = Mark> {
    prop_oneof![Just(Mark::Recorded), Just(Mark::Announced), Just(Mark::Both)]
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => prop::collection::vec((0..4000_u16, mark()), 0..300).prop_map(Deed::Mark),
        3 => (1..5_usize).prop_map(Deed::Move),
        1 => Just(Deed::Copy),
    ]
}

proptest! {
    #[test]
    fn it_is_two_sets(
        given in prop::collection::vec((prop::collection::vec(0..4u8, 0..5), mark()), 0..300),
    ) {
        let (mut ids, mut model) = (Ids::default(), Model::default());
        for (id, mark) in &given {
            model.mark(&mut ids, id, *mark);
        }
        model.check(&ids);
        model.check(&ids.clone());
    }

    #[test]
    fn it_is_two_sets_while_it_grows_and_is_moved(deeds in prop::collection::vec(deed(), 0..20)) {
        let (mut ids, mut model) = (Ids::default(), Model::default());
        let (mut mover, mut cursor) = (Hasty::default(), 0);
        for deed in deeds {
            match deed {
                Deed::Mark(numbers) => for (number, mark) in numbers {
                    model.mark(&mut ids, &number.to_be_bytes(), mark);
                },
                Deed::Move(steps) => for _ in 0..steps {
                    cursor = ids.defragment(cursor, &mut mover).unwrap_or(0);
                },
                Deed::Copy => ids = ids.clone(),
            }
        }
        model.check(&ids);
    }
}
