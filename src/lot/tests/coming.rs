//! Clients that wait for a latch to come.

use super::*;

#[test]
fn a_client_waits_for_a_latch_to_come_and_then_to_open() {
    let mut lot = Lot::default();
    let ticket = park_on(&mut lot, 0, &[("k", None)], Rule::All, 1);
    lot.flush(None, 0);
    lot.swap(0, 1, 0);
    lot.settle_suspended();
    let id = first_queue(&mut lot);
    assert!(!lot.observe(id, Sighting::Nothing, 0));
    assert!(!lot.observe(id, Sighting::Other, 0));
    assert_eq!(outcome(&lot, ticket), None, "nothing was there to be removed");
    let round = Round::next();
    lot.create(0, b"k", round, 0);
    assert!(!lot.observe(id, closed(round), 0));
    lot.open(0, b"k", Some(round));
    assert_eq!(outcome(&lot, ticket), Some(Outcome::Opened));
}

#[test]
fn a_latch_to_come_that_comes_and_goes_is_gone() {
    let mut lot = Lot::default();
    let ticket = park_on(&mut lot, 0, &[("k", None)], Rule::All, 1);
    let round = Round::next();
    lot.create(0, b"k", round, 0);
    lot.remove(0, b"k", round, 0);
    assert_eq!(outcome(&lot, ticket), Some(Outcome::Gone));
}

#[test]
fn a_latch_to_come_may_come_open_or_aborted() {
    for came in [Outcome::Opened, aborted("why")] {
        let mut lot = Lot::default();
        let ticket = park_on(&mut lot, 0, &[("k", None)], Rule::All, 1);
        let id = first_queue(&mut lot);
        let round = Round::next();
        assert!(!lot.observe(
            id,
            Sighting::Latch { round, outcome: Some(came.clone()), expires: None },
            0
        ));
        assert_eq!(outcome(&lot, ticket), Some(came));
    }
    let mut lot = Lot::default();
    let ticket = park_on(&mut lot, 0, &[("k", None)], Rule::All, 1);
    lot.open(0, b"k", None);
    assert_eq!(outcome(&lot, ticket), Some(Outcome::Opened));
}

#[test]
fn a_latch_that_came_unseen_and_is_set_again_has_come() {
    let mut lot = Lot::default();
    let ticket = park_on(&mut lot, 0, &[("k", None)], Rule::All, 1);
    lot.note_expiry(0, b"k", Round::next(), Some(10)); // it came by RENAME
    lot.flush(None, 5);
    lot.settle_suspended();
    assert_eq!(outcome(&lot, ticket), Some(Outcome::Gone));
}

#[test]
fn a_latch_to_come_is_not_one_whose_time_had_passed() {
    let mut lot = Lot::default();
    let ticket = park_on(&mut lot, 0, &[("k", None)], Rule::All, 1);
    lot.end(0, b"k", Round::next(), Outcome::Expired);
    assert_eq!(outcome(&lot, ticket), None);
    assert!(lot.open(0, b"k", None));
}
