//! In which order clients are released, and how many at a time.

use super::*;

#[test]
fn clients_are_released_in_the_order_they_came() {
    let (mut lot, round, _) = parked("k", &[7, 3, 9, 1]);
    lot.open(0, b"k", Some(round));
    assert_eq!(lot.next_batch(3), [7, 3, 9]);
    assert!(lot.has_releases());
    assert_eq!(lot.next_batch(3), [1]);
    assert!(!lot.has_releases());
    assert_eq!(lot.next_batch(3), []);
}

#[test]
fn a_settled_queue_is_released_before_one_settled_later() {
    let (mut lot, first, _) = parked("a", &[1, 2]);
    let second = Round::next();
    park(&mut lot, 0, "b", second, 3);
    lot.open(0, b"b", Some(second));
    lot.remove(0, b"a", first, 0);
    assert_eq!(lot.next_batch(10), [3, 1, 2]);
}

#[test]
fn a_client_that_leaves_before_its_turn_is_not_released() {
    let (mut lot, round, tickets) = parked("k", &[1, 2, 3]);
    lot.open(0, b"k", Some(round));
    assert_eq!(lot.next_batch(1), [1]);
    lot.leave(tickets[1]);
    assert_eq!(lot.next_batch(9), [3]);
}

#[test]
fn a_client_whose_turn_has_not_come_already_has_its_outcome() {
    let (mut lot, round, tickets) = parked("k", &[1, 2]);
    assert_eq!(outcome(&lot, tickets[1]), None);
    lot.open(0, b"k", Some(round));
    lot.next_batch(1);
    assert_eq!(outcome(&lot, tickets[1]), Some(Outcome::Opened));
}

#[test]
fn a_walk_along_clients_that_are_not_to_be_released_is_bounded_too() {
    let mut lot = Lot::default();
    let (a, b) = (Round::next(), Round::next());
    for handle in 0..40 {
        park_on(&mut lot, 0, &[("a", Some(a)), ("b", Some(b))], Rule::All, handle);
    }
    lot.open(0, b"a", Some(a));
    assert_eq!(lot.next_batch(1), []);
    assert!(lot.has_releases());
    assert_eq!(lot.next_batch(2), []);
    assert!(!lot.has_releases());
}
