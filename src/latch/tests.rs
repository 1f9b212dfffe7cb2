//! The value by example, and its invariants under any sequence of commands.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

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

/// Count, total, time to linger, who set it, reason, who opened it, ids: all that makes two
/// latches equal.
type Content<'a> = (i64, i64, i64, [Option<&'a [u8]>; 3], BTreeMap<&'a [u8], Mark>);

fn content(latch: &Latch) -> Content<'_> {
    let ids = latch.ids().into_iter().flat_map(Ids::iter).collect();
    let texts = [latch.set_by(), latch.reason(), latch.opened_by()];
    (latch.count(), latch.total(), latch.linger(), texts, ids)
}

#[test]
fn a_latch_is_as_it_was_made() {
    assert_eq!(content(&Latch::new(3, 0, None)), (3, 3, 0, [None; 3], BTreeMap::new()));
    let by_somebody = Latch::new(3, 500, Some(b"p"));
    assert_eq!(content(&by_somebody), (3, 3, 500, [Some(&b"p"[..]), None, None], BTreeMap::new()));
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
    assert_eq!(content(&latch), (7, 7, 0, [None; 3], BTreeMap::new()));
    assert_eq!(latch.round(), round);
    let ids = [(&b"a"[..], Mark::Recorded)].into();
    assert_eq!(content(&old), (3, 5, 500, [None; 3], ids), "what is to be given back");
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

/// The ids, each as it is marked.
fn marked(ids: &[(&[u8], Mark)]) -> Ids {
    let mut set = Ids::default();
    for (id, mark) in ids {
        set.mark(*id, *mark);
    }
    set
}

fn is_restored(saved: Saved) -> bool {
    Latch::restore(saved).is_some()
}

#[test]
fn what_no_latch_can_be_is_not_restored() {
    let restore = |count, total, linger, reason: Option<&[u8]>| {
        let reason = reason.map(Into::into);
        is_restored(Saved { count, total, linger, reason, ..Saved::default() })
    };
    let long = [b'x'; MAX_TEXT + 1];
    assert!(restore(1, 1, 0, None));
    assert!(restore(MAX_COUNT, MAX_COUNT, MAX_DURATION, Some(b"why")));
    assert!(!restore(1, 1, MAX_DURATION + 1, None), "lingers too long");
    assert!(restore(0, 0, 1, None) && restore(0, 1, 1, None));
    assert!(restore(1, 2, 0, Some(&long[1..])), "as long as it may be");
    assert!(!restore(0, 0, 0, None), "open, but does not linger");
    assert!(!restore(0, 1, 1, Some(b"why")), "open and aborted");
    assert!(!restore(-1, 5, 0, None), "a negative count");
    assert!(!restore(6, 5, 0, None), "more than the total");
    assert!(!restore(1, 1, -1, None), "a negative time to linger");
    for reason in [&b""[..], b"a\nb", b"a\rb", b"a\0b", &long] {
        assert!(!restore(1, 1, 0, Some(reason)), "{reason:?}");
    }
    let set_by = |id: &[u8]| {
        is_restored(Saved { count: 1, total: 1, set_by: Some(id.into()), ..Saved::default() })
    };
    assert!(set_by(b"p") && set_by(&long[1..]) && !set_by(b"") && !set_by(&long));
}

#[test]
fn ids_that_no_latch_can_have_are_not_restored() {
    use Mark::{Announced, Both, Recorded};
    let restore = |count, total, ids: &[(&[u8], Mark)]| {
        is_restored(Saved { count, total, linger: 1, ids: marked(ids), ..Saved::default() })
    };
    let (a, b) = (&b"a"[..], &b"b"[..]);
    assert!(restore(1, 3, &[(a, Recorded), (b, Recorded)]));
    assert!(!restore(2, 3, &[(a, Recorded), (b, Recorded)]), "more than countdowns");
    assert!(!restore(2, 3, &[(a, Both), (b, Recorded)]), "more than countdowns");
    assert!(restore(3, 3, &[(a, Announced), (b, Announced)]));
    assert!(!restore(2, 2, &[(a, Announced), (b, Announced)]), "open when the first was added");
    assert!(!restore(1, 2, &[(a, Both), (b, Announced)]), "open when the first was added");
    assert!(!restore(0, 1, &[(a, Announced)]), "open when the first was added");
    assert!(restore(0, 2, &[(a, Announced)]) && restore(0, 2, &[(a, Both)]));
    assert!(!restore(0, 2, &[(a, Recorded), (b, Recorded)]), "opened by nobody");
    let long = [b'x'; MAX_TEXT + 1];
    for mark in [Recorded, Announced, Both] {
        assert!(restore(1, 2, &[(&long[1..], mark)]), "as long as it may be");
        assert!(!restore(1, 2, &[(&long, mark)]) && !restore(1, 2, &[(b"", mark)]), "{mark:?}");
    }
}

#[test]
fn only_an_open_latch_was_opened_by_one_that_it_has_recorded() {
    use Mark::{Announced, Both, Recorded};
    let restore = |count, opened_by: &[u8], mark| {
        let (total, opened_by) = (2, Some(opened_by.into()));
        let ids = marked(&[(b"a", mark)]);
        is_restored(Saved { count, total, linger: 1, opened_by, ids, ..Saved::default() })
    };
    assert!(restore(0, b"a", Recorded) && restore(0, b"a", Both));
    assert!(!restore(0, b"a", Announced), "has not counted down");
    assert!(!restore(0, b"b", Recorded) && !restore(0, b"", Recorded), "is not there");
    assert!(!restore(1, b"a", Recorded), "is not open");
    let all_that_counted = Saved {
        total: 1,
        linger: 1,
        opened_by: Some(b"a"[..].into()),
        ids: marked(&[(b"a", Recorded)]),
        ..Saved::default()
    };
    assert!(is_restored(all_that_counted));
}

#[test]
fn all_its_memory_can_be_moved_and_it_stays_what_it_is() {
    let mut latch = Latch::new(3000, 1000, Some(b"planner"));
    for id in 0..3000 {
        latch.count_down(1, Some(format!("id {id}").as_bytes())).unwrap();
    }
    assert_eq!(latch.opened_by(), Some(&b"id 2999"[..]));
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
    assert!(mover.slices.len() > 2 + 1 + 3000, "both texts, the directory, the ids, the tables");
    assert_eq!(content(&latch), content(&before));
    assert_eq!(Latch::new(1, 0, None).defragment(0, &mut mover), None);

    let mut aborted = Latch::new(1, 0, None);
    aborted.abort(b"why").unwrap();
    let reason = aborted.reason().unwrap().as_ptr().addr();
    assert_eq!(aborted.defragment(0, &mut mover), None);
    assert!(mover.slices.iter().any(|(from, _)| *from == reason));
    assert_eq!(aborted.reason(), Some(&b"why"[..]));
}

#[test]
fn only_a_latch_with_ids_a_time_to_linger_or_a_reason_takes_more_memory() {
    let plain = Latch::new(5, 0, None);
    let mut counted = Latch::new(5, 0, None);
    counted.count_down(1, Some(b"a")).unwrap();
    let mut aborted = Latch::new(5, 0, None);
    aborted.abort(b"why").unwrap();
    let mut added = Latch::new(5, 0, None);
    added.add(1, Some(b"a")).unwrap();
    let (lingering, by_somebody) = (Latch::new(5, 500, None), Latch::new(5, 0, Some(b"p")));
    for (latch, more) in [
        (plain, false),
        (lingering, true),
        (by_somebody, true),
        (counted, true),
        (added, true),
        (aborted, true),
    ] {
        assert_eq!(latch.has_extra(), more, "{latch:?}");
        assert_eq!(latch.extra_memory(0) > 0, more, "{latch:?}");
        assert_eq!(restored(&latch).unwrap().has_extra(), more, "{latch:?}");
    }
}

#[test]
fn its_memory_is_that_of_its_parts() {
    let mut latch = Latch::new(5, 500, None);
    assert_eq!(latch.extra_memory(0), size_of::<Extra>());
    latch.reset(5, 500, Some(b"planner"));
    assert_eq!(latch.extra_memory(0), size_of::<Extra>() + 7);
    latch.count_down(1, Some(b"a")).unwrap();
    latch.add(1, Some(b"bcd")).unwrap();
    let mut aborted = latch.copy();
    aborted.abort(b"reason").unwrap();
    let table = latch.ids().unwrap().table_memory();
    assert_eq!(aborted.extra_memory(0), size_of::<Extra>() + table + 7 + 4 + 6);
    latch.count_down(9, Some(b"bcd")).unwrap();
    assert_eq!(latch.extra_memory(0), size_of::<Extra>() + table + 7 + 4 + 3, "who opened it");
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
    Add(i64, Option<u8>),
    Abort,
    Reset(i64, i64, Option<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let id = || prop::option::of(0..8_u8);
    prop_oneof![
        6 => (1..4_i64, id()).prop_map(|(by, id)| Step::CountDown(by, id)),
        3 => (1..4_i64, id()).prop_map(|(by, id)| Step::Add(by, id)),
        1 => Just(Step::Abort),
        1 => (0..6_i64, 0..2_i64, id())
            .prop_map(|(count, linger, id)| Step::Reset(count, linger, id)),
    ]
}

/// What a latch should be, told from what was done to it.
#[derive(Debug, Default)]
struct Model {
    count: i64,
    total: i64,
    aborted: bool,
    set_by: Option<u8>,
    opened_by: Option<u8>,
    recorded: BTreeSet<u8>,
    announced: BTreeSet<u8>,
}

impl Model {
    fn is_closed(&self) -> bool {
        self.count > 0 && !self.aborted
    }

    fn count_down(&mut self, by: i64, id: Option<u8>) {
        if self.is_closed() && id.is_none_or(|id| self.recorded.insert(id)) {
            self.count = (self.count - by).max(0);
            self.opened_by = id.filter(|_| self.count == 0);
        }
    }

    fn add(&mut self, by: i64, id: Option<u8>) {
        if self.is_closed() && id.is_none_or(|id| self.announced.insert(id)) {
            self.count += by;
            self.total += by;
        }
    }

    fn check(&self, latch: &Latch) {
        let id = |id: Option<u8>| id.map(|id| vec![id]);
        assert_eq!((latch.count(), latch.total()), (self.count, self.total));
        assert_eq!(matches!(latch.state(), State::Aborted(_)), self.aborted);
        assert_eq!(latch.set_by().map(<[u8]>::to_vec), id(self.set_by));
        assert_eq!(latch.opened_by().map(<[u8]>::to_vec), id(self.opened_by));
        assert_eq!(latch.arrived(), self.recorded.len());
        assert_eq!(latch.pending(), self.announced.difference(&self.recorded).count());
        for id in 0..8 {
            assert_eq!(latch.has_arrived(&[id]), self.recorded.contains(&id));
        }
    }
}

proptest! {
    #[test]
    fn it_is_what_was_done_to_it_with_each_id_once_and_is_restored_as_it_was_saved(
        count in 1..20_i64,
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut latch = Latch::new(count, 1, None);
        let mut model = Model { count, total: count, ..Model::default() };
        for step in steps {
            let closed = model.is_closed();
            match step {
                Step::CountDown(by, id) => {
                    let done = latch.count_down(by, id.as_ref().map(slice::from_ref));
                    prop_assert_eq!(done.is_err(), model.aborted);
                    model.count_down(by, id);
                }
                Step::Add(by, id) => {
                    let added = latch.add(by, id.as_ref().map(slice::from_ref)).is_ok();
                    let again = id.is_some_and(|id| model.announced.contains(&id));
                    prop_assert_eq!(added, closed || (again && !model.aborted));
                    model.add(by, id);
                }
                Step::Abort => {
                    prop_assert_eq!(latch.abort(b"why") == Ok(true), closed);
                    model.aborted |= closed;
                }
                Step::Reset(count, linger, id) => {
                    let linger = linger.max(i64::from(count == 0));
                    latch.reset(count, linger, id.as_ref().map(slice::from_ref));
                    model = Model { count, total: count, set_by: id, ..Model::default() };
                }
            }
            model.check(&latch);
            if latch.linger() > 0 || latch.count() > 0 {
                let restored = restored(&latch);
                prop_assert_eq!(restored.as_ref().map(content), Some(content(&latch)));
            }
        }
    }
}
