//! The set against the one of the standard library, what an insertion moves, and steps.

use std::collections::BTreeSet;

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

/// What is done to a set.
#[derive(Clone, Debug)]
enum Deed {
    /// Adds ids of a small range, so that many come twice.
    Add(Vec<u16>),
    /// Moves memory for so many steps.
    Move(usize),
    Copy,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => prop::collection::vec(0..4000_u16, 0..300).prop_map(Deed::Add),
        3 => (1..5_usize).prop_map(Deed::Move),
        1 => Just(Deed::Copy),
    ]
}

proptest! {
    #[test]
    fn it_is_a_set(given in prop::collection::vec(prop::collection::vec(0..4u8, 0..5), 0..300)) {
        let mut ids = Ids::default();
        let mut expected = BTreeSet::new();
        for (nth, id) in given.iter().enumerate() {
            let probe = given[given.len() - 1 - nth].as_slice();
            prop_assert_eq!(ids.get(probe).is_some(), expected.contains(probe));
            prop_assert_eq!(ids.record(id.as_slice()), expected.insert(id.as_slice()));
            prop_assert_eq!(ids.len(), expected.len());
        }
        let copy = ids.clone();
        prop_assert_eq!(sorted(&copy), expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn it_is_a_set_while_it_grows_and_is_moved(deeds in prop::collection::vec(deed(), 0..20)) {
        let (mut ids, mut expected) = (Ids::default(), BTreeSet::new());
        let (mut mover, mut cursor) = (Hasty::default(), 0);
        for deed in deeds {
            match deed {
                Deed::Add(numbers) => for number in numbers {
                    let id = number.to_be_bytes();
                    prop_assert_eq!(ids.get(&id).is_some(), expected.contains(&id));
                    prop_assert_eq!(ids.record(&id), expected.insert(id));
                },
                Deed::Move(steps) => for _ in 0..steps {
                    cursor = ids.defragment(cursor, &mut mover).unwrap_or(0);
                },
                Deed::Copy => ids = ids.clone(),
            }
            prop_assert_eq!(ids.len(), expected.len());
        }
        let expected: Vec<_> = expected.iter().map(|id| &id[..]).collect();
        prop_assert_eq!(sorted(&ids), expected);
    }
}
