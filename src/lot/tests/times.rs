//! Times to live, and what they make of a removal.

use super::*;

/// Every way in which a latch is removed, at a time.
const REMOVALS: [fn(&mut Lot<Handle>, Round, i64); 10] = [
    |lot, round, now| lot.remove(0, b"k", round, now),
    |lot, _, now| {
        lot.flush(Some(0), now);
        lot.settle_suspended();
    },
    |lot, round, now| {
        lot.displace(0, b"k", round, now);
        lot.settle_suspended();
    },
    |lot, _, now| {
        lot.flush(None, 0);
        lot.reload();
        let id = first_queue(lot);
        assert!(!lot.observe(id, Sighting::Nothing, now));
    },
    |lot, _, now| {
        lot.flush(None, now);
        park(lot, 0, "k", Round::next(), 2);
        lot.reload();
    },
    |lot, _, now| lot.swap(0, 1, now),
    |lot, _, now| lot.create(0, b"k", Round::next(), now),
    |lot, _, now| {
        let target = Target { key: b"k", round: Some(Round::next()), expires: None };
        lot.join_with(0, &[target], Rule::All, now, 2);
    },
    |lot, _, now| {
        let id = first_queue(lot);
        assert!(!lot.observe(id, closed(Round::next()), now));
    },
    |lot, _, now| {
        let id = first_queue(lot);
        assert!(!lot.observe(id, Sighting::Other, now));
    },
];

#[test]
fn a_removal_after_its_time_is_an_expiry_in_whatever_way_it_is_told() {
    for remove in REMOVALS {
        for (expires, now, expected) in [
            (None, 100, Outcome::Gone),
            (Some(100), 99, Outcome::Gone),
            (Some(100), 100, Outcome::Expired),
        ] {
            let (mut lot, round, ticket) = parked_with_expiry("k", expires);
            remove(&mut lot, round, now);
            assert_eq!(outcome(&lot, ticket), Some(expected), "{expires:?} at {now}");
            assert_eq!(lot.next_due_before(i64::MAX), None, "nobody waits for it");
        }
    }
}

#[test]
fn the_time_that_is_noted_last_counts() {
    for (noted, expected) in
        [(None, Outcome::Gone), (Some(300), Outcome::Gone), (Some(150), Outcome::Expired)]
    {
        let (mut lot, round, ticket) = parked_with_expiry("k", Some(100));
        lot.note_expiry(0, b"k", round, noted);
        lot.note_expiry(0, b"k", Round::next(), Some(0)); // of another round
        lot.remove(0, b"k", round, 200);
        assert_eq!(outcome(&lot, ticket), Some(expected), "{noted:?}");
    }
}

#[test]
fn what_is_due_is_looked_at_in_order_and_once() {
    let mut lot: Lot<Handle> = Lot::default();
    for (key, expires) in [("c", Some(30)), ("a", Some(10)), ("never", None), ("b", Some(20))] {
        let target = Target { key: key.as_bytes(), round: Some(Round::next()), expires };
        lot.join_with(0, &[target], Rule::All, 0, 1);
    }
    let mut due =
        |now| lot.next_due_before(now).map(|queue| String::from_utf8(queue.key.to_vec()).unwrap());
    assert_eq!(due(10), None, "not before its ms has passed");
    assert_eq!(due(25).as_deref(), Some("a"));
    assert_eq!(due(25).as_deref(), Some("b"));
    assert_eq!(due(25), None);
    assert_eq!(due(i64::MAX).as_deref(), Some("c"));
    assert_eq!(due(i64::MAX), None);
}

#[test]
fn a_latch_that_is_still_there_when_it_is_due_is_looked_at_again_but_not_at_once() {
    let (mut lot, round, ticket) = parked_with_expiry("k", Some(10));
    let queue = lot.next_due_before(15).expect("due");
    let same = || Sighting::Latch { round, outcome: None, expires: Some(10) };
    assert!(!lot.observe(queue.queue, same(), 15));
    assert_eq!(lot.next_due_before(15), None);
    let queue = lot.next_due_before(16).expect("due again");
    assert!(!lot.observe(queue.queue, Sighting::Latch { round, outcome: None, expires: None }, 16));
    assert_eq!(lot.next_due_before(i64::MAX), None, "it has lost its time to live");
    assert_eq!(outcome(&lot, ticket), None);
}

#[test]
fn what_is_known_of_an_end_counts_more_than_the_time() {
    for known in [Outcome::Gone, Outcome::Expired] {
        for expires in [None, Some(0)] {
            let (mut lot, round, ticket) = parked_with_expiry("k", expires);
            lot.end(0, b"k", Round::next(), Outcome::Opened); // of another round
            lot.end(0, b"k", round, known.clone());
            assert_eq!(outcome(&lot, ticket), Some(known.clone()), "{expires:?}");
        }
    }
}

#[test]
fn a_latch_whose_time_has_passed_has_expired_if_it_is_not_there() {
    let (mut lot, _, ticket) = parked_with_expiry("k", Some(10));
    let queue = lot.next_due_before(11).expect("due");
    assert!(!lot.observe(queue.queue, Sighting::Nothing, 11), "that is known");
    assert_eq!(outcome(&lot, ticket), Some(Outcome::Expired));
}

#[test]
fn a_latch_that_was_taken_is_not_due_until_a_load_may_have_brought_it_back() {
    for take in [
        |lot: &mut Lot<Handle>, round| lot.displace(0, b"k", round, 5),
        |lot: &mut Lot<Handle>, _| lot.flush(None, 5),
    ] {
        let (mut lot, round, _) = parked_with_expiry("k", Some(10));
        take(&mut lot, round);
        assert_eq!(lot.next_due_before(11), None);
        lot.reload();
        assert!(lot.next_due_before(11).is_some());
    }
}

#[test]
fn who_was_there_before_a_flush_is_judged_by_when_that_was() {
    let (mut lot, _, ticket) = parked_with_expiry("k", Some(100));
    lot.flush(None, 50);
    park(&mut lot, 0, "k", Round::next(), 2);
    lot.reload();
    assert_eq!(outcome(&lot, ticket), Some(Outcome::Gone));
}

#[test]
fn a_time_at_the_end_of_all_times_is_as_good_as_none() {
    let (mut lot, round, ticket) = parked_with_expiry("k", Some(i64::MAX));
    assert_eq!(lot.next_due_before(i64::MAX), None);
    lot.note_expiry(0, b"k", round, Some(5));
    lot.leave(ticket);
    assert!(lot.due.is_empty());
}
