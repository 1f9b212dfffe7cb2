//! Clients that wait for several keys.

use super::*;

#[test]
fn a_client_that_needs_all_is_released_by_the_last_that_opens() {
    let mut lot = Lot::default();
    let (a, b) = (Round::next(), Round::next());
    let ticket = park_on(&mut lot, 0, &[("a", Some(a)), ("b", Some(b))], Rule::All, 1);
    lot.open(0, b"b", Some(b));
    assert_eq!(lot.next_batch(9), []);
    park(&mut lot, 0, "b", Round::next(), 2); // b is closed again: that it opened counts
    lot.open(0, b"a", Some(a));
    assert_eq!(lot.next_batch(9), [1]);
    assert_eq!(outcome(&lot, ticket), Some(Outcome::Opened));
}

#[test]
fn a_client_that_needs_all_is_released_by_the_first_that_fails() {
    let mut lot = Lot::default();
    let (a, b) = (Round::next(), Round::next());
    let ticket = park_on(&mut lot, 0, &[("a", Some(a)), ("b", Some(b))], Rule::All, 1);
    assert_eq!(lot.abort(0, b"b", b, b"why"), 1);
    lot.remove(0, b"a", a, 0);
    assert_eq!(outcome(&lot, ticket), Some(aborted("why")));
    assert_eq!(lot.next_batch(9), [1]);
}

#[test]
fn a_client_that_needs_any_is_told_the_first_that_opened() {
    let mut lot = Lot::default();
    let (a, b) = (Round::next(), Round::next());
    let ticket = park_on(&mut lot, 0, &[("a", Some(a)), ("b", Some(b))], Rule::Any, 1);
    lot.open(0, b"b", Some(b));
    lot.open(0, b"a", Some(a));
    let verdict = lot.verdict(ticket).unwrap();
    assert_eq!((verdict.outcome, &**verdict.key), (Outcome::Opened, &b"b"[..]));
    assert_eq!(lot.next_batch(9), [1]);
}

#[test]
fn a_client_that_needs_any_fails_with_the_last_that_failed() {
    let mut lot = Lot::default();
    let (a, b) = (Round::next(), Round::next());
    let ticket = park_on(&mut lot, 0, &[("a", Some(a)), ("b", Some(b))], Rule::Any, 1);
    lot.remove(0, b"b", b, 0);
    assert_eq!((outcome(&lot, ticket), lot.next_batch(9)), (None, vec![]));
    assert_eq!(lot.abort(0, b"a", a, b"why"), 1);
    assert_eq!(outcome(&lot, ticket), Some(aborted("why")));
    assert_eq!(lot.next_batch(9), [1]);
}

#[test]
fn an_abort_counts_only_those_whose_wait_it_ends() {
    let mut lot = Lot::default();
    let (a, b) = (Round::next(), Round::next());
    park_on(&mut lot, 0, &[("a", Some(a)), ("b", Some(b))], Rule::Any, 1);
    park_on(&mut lot, 0, &[("a", Some(a)), ("b", Some(b))], Rule::All, 2);
    park(&mut lot, 0, "a", a, 3);
    assert_eq!(lot.abort(0, b"a", a, b"why"), 2);
    assert_eq!(lot.next_batch(9), [2, 3]);
}

#[test]
fn a_client_that_names_a_key_twice_stands_there_once() {
    for rule in [Rule::All, Rule::Any] {
        let mut lot = Lot::default();
        let round = Round::next();
        let ticket = park_on(&mut lot, 0, &[("k", Some(round)), ("k", Some(round))], rule, 1);
        assert_eq!(lot.parked_on(0, b"k"), 1);
        lot.open(0, b"k", Some(round));
        assert_eq!(lot.next_batch(9), [1]);
        lot.leave(ticket);
        assert!(lot.queues.is_empty());
    }
}

#[test]
fn an_abort_does_not_count_who_has_been_released_but_has_not_left() {
    let mut lot = Lot::default();
    let (a, b) = (Round::next(), Round::next());
    for (handle, rule) in [(1, Rule::All), (2, Rule::Any)] {
        park_on(&mut lot, 0, &[("a", Some(a)), ("b", Some(b))], rule, handle);
    }
    assert_eq!(lot.abort(0, b"a", a, b"why"), 1);
    assert_eq!(lot.abort(0, b"b", b, b"why"), 1, "the one that has waited on");
    assert_eq!(lot.next_batch(9), [1, 2]);
}

#[test]
fn a_client_may_wait_for_any_number_of_keys() {
    let mut lot = Lot::default();
    let rounds = ["a", "b", "c", "d"].map(|key| (key, Round::next()));
    let targets = rounds.map(|(key, round)| (key, Some(round)));
    let ticket = park_on(&mut lot, 0, &targets, Rule::All, 1);
    for (nth, (key, round)) in rounds.into_iter().enumerate() {
        assert_eq!(lot.waited_key_count(), 4 - nth);
        assert_eq!(outcome(&lot, ticket), None);
        assert!(lot.open(0, key.as_bytes(), Some(round)));
    }
    assert_eq!(outcome(&lot, ticket), Some(Outcome::Opened));
}

#[test]
fn an_abort_counts_right_while_others_are_yet_to_be_released() {
    for (rule, aborted_first, expected) in
        [(Rule::All, false, 1), (Rule::All, true, 0), (Rule::Any, true, 1)]
    {
        let mut lot = Lot::default();
        let [a, b] = [(); 2].map(|()| Round::next());
        park_on(&mut lot, 0, &[("a", Some(a)), ("b", Some(b))], rule, 1);
        if aborted_first {
            lot.remove(0, b"a", a, 0);
        } else {
            lot.open(0, b"a", Some(a));
        }
        assert!(lot.has_releases(), "nobody has walked there");
        assert_eq!(lot.abort(0, b"b", b, b"why"), expected, "{rule:?} {aborted_first}");
    }
}

#[test]
fn the_first_failure_is_told_also_if_the_walk_comes_to_a_later_one_before() {
    let mut lot = Lot::default();
    let [a, b] = [(); 2].map(|()| Round::next());
    for handle in 0..100 {
        park(&mut lot, 0, "a", a, handle);
    }
    let ticket = park_on(&mut lot, 0, &[("a", Some(a)), ("b", Some(b))], Rule::All, 100);
    lot.abort(0, b"a", a, b"first");
    lot.abort(0, b"b", b, b"second");
    let order = lot.next_batch(1_000);
    assert_eq!(order.iter().position(|&handle| handle == 100), Some(64), "found in b");
    assert_eq!(outcome(&lot, ticket), Some(aborted("first")));
}

#[test]
fn many_aborts_in_a_row_count_each_wait_once() {
    const KEYS: usize = 30;

    for (rule, expected) in [(Rule::All, 0), (Rule::Any, KEYS - 1)] {
        let mut lot = Lot::default();
        let name = |nth: usize| -> &'static str { nth.to_string().leak() };
        let keys: Vec<_> = (0..KEYS).map(|nth| (name(nth), Some(Round::next()))).collect();
        for handle in 0..3 {
            park_on(&mut lot, 0, &keys, rule, handle);
        }
        for (nth, (key, round)) in keys.into_iter().enumerate() {
            let ended = lot.abort(0, key.as_bytes(), round.expect("a round"), b"why");
            assert_eq!(ended, if nth == expected { 3 } else { 0 }, "{rule:?} {nth}");
        }
        assert_eq!(lot.next_batch(1_000), [0, 1, 2]);
    }
}
