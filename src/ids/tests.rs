//! The set against the one of the standard library, and its steps.

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
        assert!(ids.insert(number.to_string().as_bytes()), "{number} is new");
    }
}

/// What is in it, each as often as it is.
fn sorted(ids: &Ids) -> Vec<&[u8]> {
    let mut ids: Vec<_> = ids.iter().collect();
    ids.sort_unstable();
    ids
}

fn addresses(ids: &Ids) -> BTreeSet<usize> {
    ids.iter().map(|id| id.as_ptr().addr()).collect()
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
    assert!(!ids.contains(b"a") && !ids.contains(b""));
}

#[test]
fn the_table_is_as_large_as_that_of_the_standard_library() {
    let sizes = [1, 3, 4, 7, 8, 14, 15, 1792, 1793].map(|len| numbered(0..len).table_memory() / 17);
    assert_eq!(sizes, [4, 4, 8, 8, 16, 16, 32, 2048, 4096]);
}

#[test]
fn over_many_steps_every_id_is_moved_once_and_none_is_lost() {
    const COUNT: usize = 10_000;
    let mut ids = numbered(0..COUNT);
    let before = addresses(&ids);
    let mut mover = Hasty::default();
    let steps = finish(&mut ids, 0, &mut mover);
    assert_eq!(steps, 16_384 / 64, "a look at the clock for each 64 slots");
    assert_eq!(mover.slices.len(), COUNT + 2, "the ids and the table, which is two");
    let given: BTreeSet<_> = mover.slices.iter().map(|(from, _)| *from).collect();
    assert!(before.is_subset(&given));
    assert_eq!(sorted(&ids), sorted(&numbered(0..COUNT)));
    assert!((0..COUNT).all(|number| ids.contains(number.to_string().as_bytes())));
    assert!(!ids.contains(b"10000"));
}

#[test]
fn ids_that_are_added_between_two_steps_are_not_lost() {
    let mut ids = numbered(0..1000);
    let mut mover = Hasty::default();
    let mut next = ids.defragment(0, &mut mover);
    let mut len = 1000;
    while let Some(from) = next {
        // The table grows five times.
        if len < 50_000 {
            add(&mut ids, len..len + 2000);
            len += 2000;
        }
        next = ids.defragment(from, &mut mover);
    }
    assert_eq!(len, 51_000, "came to the end after the last of them");
    assert_eq!(sorted(&ids), sorted(&numbered(0..len)));
    // What was left out has its turn the next time.
    let mut again = Hasty::default();
    finish(&mut ids, 0, &mut again);
    assert_eq!(again.slices.len(), len + 2);
}

#[test]
fn ids_that_begin_at_one_slot_are_told_apart_by_their_tags() {
    assert_ne!(tag(1 << 56), tag(2 << 56));
    assert_ne!(tag(0), FREE);
}

#[test]
fn a_step_from_behind_the_end_is_the_last() {
    let mut mover = Hasty::default();
    for from in [4, 5, usize::MAX] {
        assert_eq!(numbered(0..3).defragment(from, &mut mover), None);
    }
    assert_eq!(Ids::default().defragment(64, &mut mover), None);
    assert!(mover.slices.is_empty());
}

proptest! {
    #[test]
    fn it_is_a_set(given in prop::collection::vec(prop::collection::vec(0..4u8, 0..5), 0..300)) {
        let mut ids = Ids::default();
        let mut expected = BTreeSet::new();
        for (nth, id) in given.iter().enumerate() {
            let probe = given[given.len() - 1 - nth].as_slice();
            prop_assert_eq!(ids.contains(probe), expected.contains(probe));
            prop_assert_eq!(ids.insert(id.as_slice()), expected.insert(id.as_slice()));
            prop_assert_eq!(ids.len(), expected.len());
        }
        let copy = ids.clone();
        prop_assert_eq!(sorted(&copy), expected.into_iter().collect::<Vec<_>>());
    }
}
