//! Flushes, loads and databases that change places.

use super::*;

#[test]
fn a_flush_of_one_database_leaves_the_others_alone() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    let other = park(&mut lot, 1, "k", Round::next(), 2);
    lot.flush(Some(1), 0);
    assert_eq!(outcome(&lot, other), None, "it may still be a load");
    lot.settle_suspended();
    assert_eq!(outcome(&lot, other), Some(Outcome::Gone));
    assert_eq!(outcome(&lot, tickets[0]), None);
}

#[test]
fn a_load_that_brings_the_latch_back_keeps_its_clients() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    lot.flush(None, 0);
    lot.reload();
    lot.settle_suspended();
    let loaded = Round::next();
    let id = first_queue(&mut lot);
    assert!(!lot.observe(id, closed(loaded), 0));
    assert_eq!(outcome(&lot, tickets[0]), None);
    lot.open(0, b"k", Some(loaded));
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Opened));
}

#[test]
fn what_happens_to_a_latch_right_after_a_load_happens_to_the_one_that_came_back() {
    let reloaded = || {
        let (mut lot, _, tickets) = parked("k", &[1]);
        lot.flush(None, 0);
        lot.reload();
        (lot, Round::next(), tickets[0])
    };
    let (mut lot, loaded, ticket) = reloaded();
    lot.open(0, b"k", Some(loaded));
    assert_eq!(outcome(&lot, ticket), Some(Outcome::Opened));

    let (mut lot, loaded, ticket) = reloaded();
    lot.remove(0, b"k", loaded, 0);
    assert_eq!(outcome(&lot, ticket), Some(Outcome::Gone));

    let (mut lot, loaded, ticket) = reloaded();
    park(&mut lot, 0, "k", loaded, 2);
    lot.open(0, b"k", Some(loaded));
    assert_eq!(outcome(&lot, ticket), Some(Outcome::Opened));
    assert_eq!(lot.next_batch(9), [1, 2]);
}

#[test]
fn a_latch_made_right_after_a_load_is_not_the_one_before_it() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    lot.reload();
    lot.create(0, b"k", Round::next(), 0);
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Gone));
}

#[test]
fn a_flush_before_that_of_a_load_was_a_removal() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    lot.flush(None, 0);
    let made = Round::next();
    let later = park(&mut lot, 0, "k", made, 2);
    lot.settle_suspended();
    lot.flush(None, 0);
    lot.reload();
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Gone));
    assert_eq!(outcome(&lot, later), None);
}

#[test]
fn a_load_that_does_not_bring_the_latch_back_is_a_removal() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    lot.flush(None, 0);
    lot.reload();
    let id = first_queue(&mut lot);
    assert!(!lot.observe(id, Sighting::Nothing, 0));
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Gone));
}

#[test]
fn who_came_between_a_flush_and_a_load_into_it_waits_on_and_who_was_there_does_not() {
    for round in [None, Some(Round::next())] {
        let (mut lot, _, tickets) = parked("k", &[1]);
        lot.flush(None, 0);
        let later = park_on(&mut lot, 0, &[("k", round)], Rule::All, 2);
        lot.reload();
        assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Gone));
        assert_eq!(outcome(&lot, later), None);
        lot.open(0, b"k", Some(Round::next()));
        assert_eq!(outcome(&lot, later), Some(Outcome::Opened));
    }
}

#[test]
fn a_queue_that_waits_for_the_end_of_a_load_keeps_its_turn() {
    let (mut lot, _, _tickets) = parked("k", &[1]);
    lot.flush(None, 0);
    assert_eq!(looked_at(&mut lot, Kind::Present, 2), "");
    lot.reload();
    assert_eq!(looked_at(&mut lot, Kind::Present, 2), "kk");
}

#[test]
fn swapped_databases_lose_their_clients_and_no_other_does() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    let swapped = park(&mut lot, 1, "k", Round::next(), 2);
    let apart = park(&mut lot, 2, "k", Round::next(), 3);
    lot.swap(0, 0, 0);
    assert_eq!(outcome(&lot, tickets[0]), None);
    lot.swap(0, 1, 0);
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Gone));
    assert_eq!(outcome(&lot, swapped), Some(Outcome::Gone));
    assert_eq!(outcome(&lot, apart), None);
}

#[test]
fn a_load_takes_latches_one_by_one_and_may_bring_them_back() {
    let (mut lot, round, tickets) = parked("k", &[1]);
    lot.displace(0, b"k", Round::next(), 0); // of another round
    assert!(!lot.has_suspended());
    lot.displace(0, b"k", round, 0);
    assert!(lot.has_suspended());
    assert!(!lot.is_waited_for(0, b"k", round), "until it is back");
    assert_eq!(outcome(&lot, tickets[0]), None);
    lot.reload();
    assert!(!lot.has_suspended());
    let loaded = Round::next();
    assert!(lot.open(0, b"k", Some(loaded)));
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Opened));
}

#[test]
fn a_latch_that_a_load_takes_was_not_there_for_those_who_wait_for_one_to_come() {
    let mut lot = Lot::default();
    let ticket = park_on(&mut lot, 0, &[("k", None)], Rule::All, 1);
    lot.displace(0, b"k", Round::next(), 0);
    lot.settle_suspended();
    assert_eq!(outcome(&lot, ticket), None);
    assert!(lot.open(0, b"k", None));
}

#[test]
fn what_one_load_has_brought_back_the_next_may_bring_back_too() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    lot.flush(None, 0);
    lot.reload();
    lot.reload();
    assert_eq!(outcome(&lot, tickets[0]), None);
}

#[test]
fn of_two_latches_that_were_taken_from_a_key_the_last_may_be_back() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    lot.flush(None, 0);
    let made = Round::next();
    let younger = park(&mut lot, 0, "k", made, 2);
    lot.displace(0, b"k", made, 0);
    lot.reload();
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Gone));
    assert_eq!(outcome(&lot, younger), None);
}

#[test]
fn who_was_there_before_a_load_is_still_before_who_came_after() {
    type Take = fn(&mut Lot<Handle>, &[(&'static str, Round)]);
    let takings: [Take; 2] = [
        |lot, _| lot.flush(None, 0),
        |lot, latches| {
            for (key, round) in latches {
                lot.displace(0, key.as_bytes(), *round, 0);
            }
        },
    ];
    for take in takings {
        let mut lot = Lot::default();
        let latches = ["a", "b", "c"].map(|key| (key, Round::next()));
        for (handle, (key, round)) in (0..).zip(latches) {
            park(&mut lot, 0, key, round, handle);
        }
        take(&mut lot, &latches);
        park(&mut lot, 0, "late", Round::next(), 3);
        lot.reload();
        lot.flush(None, 0);
        lot.settle_suspended();
        assert_eq!(lot.next_batch(9), [0, 1, 2, 3]);
    }
}
