//! Which key is looked at when, and what is made of what is found there.

use super::*;

#[test]
fn a_latch_that_vanished_with_nothing_told_ended_as_the_keeper_says() {
    let (mut lot, round, tickets) = parked("k", &[1]);
    let id = first_queue(&mut lot);
    assert!(!lot.observe(id, closed(round), 0));
    assert!(lot.observe(id, Sighting::Nothing, 0));
    assert_eq!(outcome(&lot, tickets[0]), None, "it is for the keeper to say");
    lot.vanish(id, Outcome::Expired);
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Expired));
    lot.vanish(id, Outcome::Gone);
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Expired));
}

#[test]
fn what_took_the_place_of_a_latch_was_its_removal() {
    for found in [closed(Round::next()), Sighting::Other] {
        let (mut lot, _, tickets) = parked("k", &[1]);
        let id = first_queue(&mut lot);
        assert!(!lot.observe(id, found, 0));
        assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Gone));
    }
}

#[test]
fn each_that_waits_has_its_turn_and_then_stands_last() {
    let mut lot = Lot::default();
    let mut tickets = Vec::new();
    for (handle, key) in (0..).zip(["a", "b", "c", "d"]) {
        tickets.push(park(&mut lot, 0, key, Round::next(), handle));
    }
    assert_eq!(looked_at(&mut lot, Kind::Present, 3), "abc");
    park(&mut lot, 0, "e", Round::next(), 9);
    lot.leave(tickets[1]);
    assert_eq!(looked_at(&mut lot, Kind::Present, 10), "dacedaceda");
}

#[test]
fn those_who_wait_for_a_latch_to_come_have_turns_of_their_own() {
    let mut lot = Lot::default();
    for (handle, key) in (0..).zip(["a", "b", "c", "d"]) {
        let round = (handle % 2 == 0).then(Round::next);
        park_on(&mut lot, 0, &[(key, round)], Rule::All, handle);
    }
    assert_eq!(looked_at(&mut lot, Kind::Coming, 3), "bdb");
    assert_eq!(looked_at(&mut lot, Kind::Present, 3), "aca");
    lot.create(0, b"b", Round::next(), 0);
    lot.open(0, b"d", None);
    assert_eq!(looked_at(&mut lot, Kind::Coming, 3), "");
    assert_eq!(looked_at(&mut lot, Kind::Present, 3), "cab");
    assert_eq!((lot.rota_len(Kind::Coming), lot.rota_len(Kind::Present)), (0, 3));
}

#[test]
fn nobody_is_overtaken_by_those_who_keep_coming() {
    let mut lot: Lot<Handle> = Lot::default();
    for (handle, key) in (0..).zip(["a", "b", "c"]) {
        park_on(&mut lot, 0, &[(key, None)], Rule::All, handle);
    }
    let mut seen = String::new();
    for key in ["p", "q", "r", "s", "t", "u"] {
        let ticket = park_on(&mut lot, 0, &[(key, None)], Rule::All, 9);
        seen += &looked_at(&mut lot, Kind::Coming, 2);
        lot.leave(ticket);
    }
    assert_eq!(seen, "abcabcabcabc");
}

#[test]
fn what_is_seen_at_a_key_is_nothing_to_those_whose_latch_went_just_before() {
    let (mut lot, round, tickets) = parked("k", &[1]);
    let id = first_queue(&mut lot);
    lot.displace(0, b"k", round, 0);
    assert!(!lot.observe(id, Sighting::Nothing, 0), "a load may bring it back");
    lot.reload();
    lot.open(0, b"k", Some(round));
    assert!(!lot.observe(id, closed(Round::next()), 0));
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Opened));
    assert_eq!(lot.next_batch(9), [1]);
}

#[test]
fn those_who_keep_coming_to_a_key_do_not_put_it_last() {
    let mut lot: Lot<Handle> = Lot::default();
    for (handle, key) in (0..).zip(["a", "b", "c"]) {
        park_on(&mut lot, 0, &[(key, None)], Rule::All, handle);
    }
    let mut seen = String::new();
    for handle in 3..9 {
        park_on(&mut lot, 0, &[("b", None)], Rule::All, handle);
        seen += &looked_at(&mut lot, Kind::Coming, 1);
    }
    assert_eq!(seen, "abcabc");
}
