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

#[test]
fn a_small_queue_does_not_wait_until_a_large_one_is_through() {
    let (mut lot, large, _) = parked("large", &(0..1_000).collect::<Vec<_>>());
    let small = Round::next();
    park(&mut lot, 0, "small", small, 1_000);
    lot.open(0, b"large", Some(large));
    lot.open(0, b"small", Some(small));
    let order = lot.next_batch(2_000);
    let turn = order.iter().position(|&handle| handle == 1_000);
    assert_eq!(turn, Some(64), "the large one has had a turn");
    let large: Vec<_> = order.into_iter().filter(|&handle| handle != 1_000).collect();
    assert!(large.into_iter().eq(0..1_000), "each queue in its order");
}

#[test]
fn queues_take_turns_over_several_batches() {
    let (mut lot, a, _) = parked("a", &(0..100).collect::<Vec<_>>());
    let b = Round::next();
    for handle in 100..200 {
        park(&mut lot, 0, "b", b, handle);
    }
    lot.open(0, b"a", Some(a));
    lot.open(0, b"b", Some(b));
    let order: Vec<_> =
        iter::repeat_with(|| lot.next_batch(10)).take_while(|batch| !batch.is_empty()).collect();
    let expected = (0..64).chain(100..164).chain(64..100).chain(164..200);
    assert!(order.concat().into_iter().eq(expected));
}

#[test]
fn a_client_is_charged_by_its_keys() {
    let mut lot: Lot<Handle> = Lot::default();
    let rounds: Vec<_> = (0..40).map(|nth| (format!("k{nth}"), Round::next())).collect();
    let targets: Vec<_> = rounds
        .iter()
        .map(|(key, round)| Target { key: key.as_bytes(), round: Some(*round), expires: None })
        .collect();
    for handle in 0..20 {
        lot.join_with(0, &targets, Rule::All, 0, handle);
    }
    assert_eq!(lot.abort(0, b"k0", rounds[0].1, b"why"), 20);
    // Each costs nearly as much as the release of eleven that wait for one key.
    assert_eq!(lot.next_batch(10), [0]);
    assert_eq!(lot.next_batch(20), [1], "the next one costs more than is left");
    assert_eq!(lot.next_batch(22), [2, 3]);
    assert_eq!(lot.next_batch(1), [4], "whatever it costs");
}

#[test]
fn those_of_an_emptied_database_are_released_oldest_first() {
    let waited = || {
        let mut lot: Lot<Handle> = Lot::default();
        for handle in 0..100 {
            let key = handle.to_string();
            let target = Target { key: key.as_bytes(), round: Some(Round::next()), expires: None };
            lot.join_with(0, &[target], Rule::All, 0, handle);
        }
        lot
    };
    let expected: Vec<_> = (0..100).collect();
    let mut lot = waited();
    lot.flush(Some(0), 0);
    assert!(!lot.has_releases(), "it may be a load");
    lot.settle_suspended();
    assert_eq!(lot.next_batch(1_000), expected);
    let mut lot = waited();
    lot.swap(0, 1, 0);
    assert_eq!(lot.next_batch(1_000), expected);
}

#[test]
fn the_end_of_a_walk_is_seen_also_if_the_last_client_leaves_before_it() {
    let (mut lot, round, tickets) = parked("k", &[1, 2]);
    lot.open(0, b"k", Some(round));
    assert_eq!(lot.next_batch(1), [1]);
    lot.leave(tickets[1]);
    assert!(!lot.has_releases());
    lot.leave(tickets[0]);
    assert!(lot.queues.is_empty());
}

#[test]
fn a_small_queue_does_not_wait_for_all_of_a_database_that_was_emptied() {
    let mut lot: Lot<Handle> = Lot::default();
    for handle in 0..1_000 {
        park_on(&mut lot, 0, &[(key_of(handle), Some(Round::next()))], Rule::All, handle);
    }
    let other = Round::next();
    park(&mut lot, 1, "other", other, 1_000);
    lot.flush(Some(0), 0);
    lot.settle_suspended();
    lot.open(1, b"other", Some(other));
    let order = lot.next_batch(2_000);
    assert_eq!(order.len(), 1_001);
    assert!(order.iter().position(|&handle| handle == 1_000) <= Some(64));
}

/// One of a thousand keys.
fn key_of(handle: Handle) -> &'static str {
    Box::leak(handle.to_string().into_boxed_str())
}

#[test]
fn who_has_been_released_costs_next_to_nothing_where_it_stands_too() {
    const CLIENTS: usize = 20;
    const KEYS: usize = 40;

    let mut lot: Lot<Handle> = Lot::default();
    let keys: Vec<_> = (0..KEYS).map(|nth| nth.to_string()).collect();
    let target = |key: &'static str| (key, Some(Round::next()));
    let targets: Vec<_> = keys.iter().map(|key| target(key.clone().leak())).collect();
    for handle in (0..).take(CLIENTS) {
        park_on(&mut lot, 0, &targets, Rule::All, handle);
    }
    lot.flush(None, 0);
    lot.settle_suspended();
    // Of a release, and for each other key a quarter of one, to leave it, and a sixteenth.
    let releases = CLIENTS + CLIENTS * (KEYS - 1) * 5 / 16 + 1;
    assert_eq!(lot.next_batch(releases).len(), CLIENTS);
    assert!(!lot.has_releases(), "all have been passed at all keys");
}
