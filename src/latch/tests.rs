//! The value by example, and its invariants under any sequence of commands.

use std::collections::BTreeSet;

use super::*;
use crate::mover::tests::Hasty;
use proptest::prelude::*;

fn ids(latch: &Latch) -> Vec<&[u8]> {
    latch.ids().map(Ids::sorted_recorded).unwrap_or_default()
}

/// Saves and restores.
fn restored(latch: &Latch) -> Option<Latch> {
    Latch::restore(Saved {
        count: latch.count(),
        total: latch.total(),
        linger: latch.linger(),
        set_by: latch.set_by().map(Into::into),
        reason: latch.reason().map(Into::into),
        opened_by: latch.opened_by().map(Into::into),
        ids: latch.ids().cloned().unwrap_or_default(),
    })
}

fn set<'a>(ids: impl IntoIterator<Item = &'a [u8]>) -> Ids {
    let mut set = Ids::default();
    for id in ids {
        set.record(id);
    }
    set
}

/// Count, total, time to linger, reason, ids: all that makes two latches equal.
type Content<'a> = (i64, i64, i64, Option<&'a [u8]>, Vec<&'a [u8]>);

fn content(latch: &Latch) -> Content<'_> {
    (latch.count(), latch.total(), latch.linger(), latch.reason(), ids(latch))
}

#[test]
fn a_latch_is_as_it_was_made() {
    assert_eq!(content(&Latch::new(3, 0, None)), (3, 3, 0, None, vec![]));
    assert_eq!(content(&Latch::new(3, 500, None)), (3, 3, 500, None, vec![]));
}

#[test]
fn counts_down_to_one_and_then_opens() {
    let mut latch = Latch::new(3, 0, None);
    assert_eq!(latch.count_down(1, None), Ok(Countdown::Remaining(2)));
    assert_eq!(latch.count_down(1, None), Ok(Countdown::Remaining(1)));
    assert_eq!(latch.state(), State::Closed);
    assert_eq!(latch.count_down(1, None), Ok(Countdown::Opened));
    assert_eq!(latch.state(), State::Open);
}

#[test]
fn a_countdown_past_zero_opens() {
    assert_eq!(Latch::new(2, 0, None).count_down(MAX_COUNT, None), Ok(Countdown::Opened));
    assert_eq!(Latch::new(MAX_COUNT, 0, None).count_down(MAX_COUNT, None), Ok(Countdown::Opened));
}

#[test]
fn an_open_latch_counts_nothing_and_records_nothing() {
    let mut latch = Latch::new(0, 500, None);
    assert_eq!(latch.state(), State::Open);
    assert_eq!(latch.count_down(1, Some(b"a")), Ok(Countdown::WasOpen));
    assert_eq!(latch.arrived(), 0);
}

#[test]
fn an_id_counts_once() {
    let mut latch = Latch::new(5, 0, None);
    assert_eq!(latch.count_down(2, Some(b"a")), Ok(Countdown::Remaining(3)));
    assert_eq!(latch.count_down(2, Some(b"a")), Ok(Countdown::Duplicate(3)));
    assert_eq!(latch.count_down(1, Some(b"b")), Ok(Countdown::Remaining(2)));
    assert_eq!(latch.count_down(1, None), Ok(Countdown::Remaining(1)));
    assert!(latch.has_arrived(b"a") && !latch.has_arrived(b"c"));
    assert_eq!(ids(&latch), [b"a", b"b"]);
}

#[test]
fn adding_raises_the_count_and_the_total() {
    let mut latch = Latch::new(2, 0, None);
    latch.count_down(1, None).unwrap();
    assert_eq!(latch.add(3, None), Ok(Addition::Raised(4)));
    assert_eq!((latch.count(), latch.total()), (4, 5));
}

#[test]
fn adding_too_much_changes_nothing() {
    let mut latch = Latch::new(2, 0, None);
    assert_eq!(latch.add(MAX_COUNT - 1, None), Err(Error::Overflow));
    assert_eq!((latch.count(), latch.total()), (2, 2));
    assert_eq!(latch.add(MAX_COUNT - 2, None), Ok(Addition::Raised(MAX_COUNT)));
    // The total cannot grow either, though the count could.
    latch.count_down(10, None).unwrap();
    assert_eq!(latch.add(1, None), Err(Error::Overflow));
}

#[test]
fn the_first_reason_of_an_abort_stays() {
    let mut latch = Latch::new(2, 0, None);
    assert_eq!(latch.abort(b"disk full"), Ok(true));
    assert_eq!(latch.abort(b"other"), Ok(false));
    assert_eq!(latch.state(), State::Aborted(b"disk full"));
    assert_eq!(latch.count(), 2);
}

#[test]
fn an_aborted_latch_refuses_with_the_reason() {
    let mut latch = Latch::new(2, 0, None);
    latch.abort(b"why").unwrap();
    let aborted = Error::Aborted(b"why"[..].into());
    assert_eq!(latch.count_down(1, Some(b"a")), Err(aborted.clone()));
    assert_eq!(latch.add(1, None), Err(aborted));
    assert_eq!((latch.count(), latch.arrived()), (2, 0));
}

#[test]
fn an_open_latch_can_be_neither_aborted_nor_raised() {
    let mut latch = Latch::new(0, 500, None);
    assert_eq!(latch.abort(b"why"), Err(Error::Open));
    assert_eq!(latch.add(1, None), Err(Error::Open));
    assert_eq!(latch.state(), State::Open);
}

#[test]
fn a_reset_forgets_everything_but_the_round_of_a_closed_latch() {
    let mut latch = Latch::new(5, 500, None);
    let round = latch.round();
    latch.count_down(2, Some(b"a")).unwrap();
    let old = latch.reset(7, 0, None);
    assert_eq!(content(&latch), (7, 7, 0, None, vec![]));
    assert_eq!(latch.round(), round);
    assert_eq!(content(&old), (3, 5, 500, None, vec![&b"a"[..]]), "what is to be given back");
    assert_eq!(old.into_ids().len(), 1);
}

#[test]
fn a_latch_that_was_open_or_aborted_is_reset_to_another_round() {
    let open = Latch::new(0, 500, None);
    let mut aborted = Latch::new(1, 0, None);
    aborted.abort(b"why").unwrap();
    for mut latch in [open, aborted] {
        let round = latch.round();
        latch.reset(1, 0, None);
        assert_eq!(latch.state(), State::Closed);
        assert_ne!(latch.round(), round);
    }
}

#[test]
fn a_copy_is_another_round() {
    let mut latch = Latch::new(5, 500, None);
    latch.count_down(2, Some(b"a")).unwrap();
    let copy = latch.copy();
    assert_eq!(content(&copy), content(&latch));
    assert_ne!(copy.round(), latch.round());
}

#[test]
fn what_no_latch_can_be_is_not_restored() {
    let restore = |count, total, linger, reason: Option<&[u8]>, ids: &[&[u8]]| {
        let ids = set(ids.iter().copied());
        let reason = reason.map(Into::into);
        Latch::restore(Saved { count, total, linger, reason, ids, ..Saved::default() }).is_some()
    };
    let long = [b'x'; MAX_TEXT + 1];
    assert!(restore(1, 1, 0, None, &[]));
    assert!(restore(MAX_COUNT, MAX_COUNT, MAX_DURATION, Some(b"why"), &[]));
    assert!(!restore(1, 1, MAX_DURATION + 1, None, &[]), "lingers too long");
    assert!(restore(0, 0, 1, None, &[]));
    assert!(restore(1, 3, 0, None, &[b"a", b"b"]));
    assert!(restore(1, 2, 0, Some(&long[1..]), &[&long[1..]]), "as long as it may be");
    assert!(!restore(0, 0, 0, None, &[]), "open, but does not linger");
    assert!(!restore(0, 1, 1, Some(b"why"), &[]), "open and aborted");
    assert!(!restore(-1, 5, 0, None, &[]), "a negative count");
    assert!(!restore(6, 5, 0, None, &[]), "more than the total");
    assert!(!restore(1, 1, -1, None, &[]), "a negative time to linger");
    assert!(!restore(2, 3, 0, None, &[b"a", b"b"]), "more ids than countdowns");
    assert!(!restore(1, 2, 0, None, &[b""]), "an empty id");
    assert!(!restore(1, 2, 0, None, &[&long]), "a long id");
    for reason in [&b""[..], b"a\nb", b"a\rb", b"a\0b", &long] {
        assert!(!restore(1, 1, 0, Some(reason), &[]), "{reason:?}");
    }
}

#[test]
fn all_its_memory_can_be_moved_and_it_stays_what_it_is() {
    let mut latch = Latch::new(5000, 1000, None);
    for id in 0..3000 {
        latch.count_down(1, Some(format!("id {id}").as_bytes())).unwrap();
    }
    latch.abort(b"why").unwrap();
    let before = latch.copy();
    let mut mover = Hasty::default();
    let mut steps = 1;
    let mut from = 0;
    while let Some(next) = latch.defragment(from, &mut mover) {
        from = next;
        steps += 1;
    }
    assert!(steps > 1);
    assert_eq!(mover.values, 1, "what most latches do without");
    assert!(mover.slices.len() > 1 + 1 + 3000, "the reason, the directory, the ids, the tables");
    assert_eq!(content(&latch), content(&before));
    assert_eq!(Latch::new(1, 0, None).defragment(0, &mut mover), None);
}

#[test]
fn only_a_latch_with_ids_a_time_to_linger_or_a_reason_takes_more_memory() {
    let plain = Latch::new(5, 0, None);
    let mut counted = Latch::new(5, 0, None);
    counted.count_down(1, Some(b"a")).unwrap();
    let mut aborted = Latch::new(5, 0, None);
    aborted.abort(b"why").unwrap();
    for (latch, more) in
        [(plain, false), (Latch::new(5, 500, None), true), (counted, true), (aborted, true)]
    {
        assert_eq!(latch.has_extra(), more, "{latch:?}");
        assert_eq!(latch.extra_memory(0) > 0, more, "{latch:?}");
        assert_eq!(restored(&latch).unwrap().has_extra(), more, "{latch:?}");
    }
}

#[test]
fn its_memory_is_that_of_its_parts() {
    let mut latch = Latch::new(5, 500, None);
    assert_eq!(latch.extra_memory(0), size_of::<Extra>());
    latch.count_down(1, Some(b"a")).unwrap();
    latch.count_down(1, Some(b"bcd")).unwrap();
    latch.abort(b"reason").unwrap();
    let table = latch.ids().unwrap().table_memory();
    assert_eq!(latch.extra_memory(0), size_of::<Extra>() + table + 4 + 6);
}

#[test]
fn its_memory_is_told_from_some_of_its_ids_if_they_are_alike() {
    let mut latch = Latch::new(500, 0, None);
    for id in 100..400 {
        latch.count_down(1, Some(format!("id {id}").as_bytes())).unwrap();
    }
    let all = latch.extra_memory(0);
    assert!(all > 300 * 6);
    assert_eq!([1, 7, 300, 1000].map(|samples| latch.extra_memory(samples)), [all; 4]);
}

#[test]
fn a_latch_is_four_words() {
    assert_eq!(size_of::<Latch>(), 32);
}

#[derive(Clone, Debug)]
enum Step {
    CountDown(i64, Option<u8>),
    Add(i64),
    Abort,
    Reset(i64, i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4_i64, prop::option::of(0..8_u8)).prop_map(|(by, id)| Step::CountDown(by, id)),
        2 => (1..4_i64).prop_map(Step::Add),
        1 => Just(Step::Abort),
        1 => (0..6_i64, 0..2_i64).prop_map(|(count, linger)| Step::Reset(count, linger)),
    ]
}

proptest! {
    #[test]
    fn the_count_is_what_was_set_and_added_less_what_was_counted_once(
        count in 1..20_i64,
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut latch = Latch::new(count, 1, None);
        let (mut expected, mut total) = (count, count);
        let mut counted: BTreeSet<u8> = BTreeSet::new();
        let mut aborted = false;
        for step in steps {
            match step {
                Step::CountDown(by, id) => {
                    let done = latch.count_down(by, id.as_ref().map(std::slice::from_ref));
                    prop_assert_eq!(done.is_err(), aborted);
                    let fresh = id.is_none_or(|id| !counted.contains(&id));
                    if !aborted && expected > 0 && fresh {
                        expected = (expected - by).max(0);
                        counted.extend(id);
                    }
                }
                Step::Add(by) => {
                    let added = latch.add(by, None).is_ok();
                    prop_assert_eq!(added, !aborted && expected > 0);
                    if added {
                        (expected, total) = (expected + by, total + by);
                    }
                }
                Step::Abort => aborted |= latch.abort(b"why") == Ok(true),
                Step::Reset(count, linger) => {
                    latch.reset(count, linger.max(i64::from(count == 0)), None);
                    (expected, total, aborted) = (count, count, false);
                    counted.clear();
                }
            }
            prop_assert_eq!((latch.count(), latch.total()), (expected, total));
            prop_assert_eq!(latch.arrived(), counted.len());
            prop_assert_eq!(matches!(latch.state(), State::Aborted(_)), aborted);
            if latch.linger() > 0 || latch.count() > 0 {
                let restored = restored(&latch);
                prop_assert_eq!(restored.as_ref().map(content), Some(content(&latch)));
            }
        }
    }
}
