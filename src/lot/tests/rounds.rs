//! Each round of a key has clients of its own.

use super::*;

#[test]
fn clients_of_the_next_round_are_not_released_with_the_old_one() {
    let (mut lot, old, tickets) = parked("k", &[1]);
    lot.open(0, b"k", Some(old));
    let new = Round::next();
    let late = park(&mut lot, 0, "k", new, 2);
    assert_eq!(lot.next_batch(9), [1]);
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Opened));
    assert_eq!(outcome(&lot, late), None);
}

#[test]
fn settling_another_round_of_the_key_does_nothing() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    let other = Round::next();
    assert!(!lot.open(0, b"k", Some(other)));
    assert_eq!(lot.abort(0, b"k", other, b"why"), 0);
    lot.remove(0, b"k", other, 0);
    lot.end(0, b"k", other, Outcome::Gone);
    lot.displace(0, b"k", other, 0);
    lot.settle_suspended();
    assert_eq!(outcome(&lot, tickets[0]), None);
    assert!(!lot.has_releases());
}

#[test]
fn parking_on_a_newer_round_tells_the_older_that_its_latch_is_gone() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    park(&mut lot, 0, "k", Round::next(), 2);
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Gone));
}

#[test]
fn a_client_that_cannot_be_blocked_leaves_no_trace() {
    let mut lot: Lot<Handle> = Lot::default();
    let target = Target { key: b"k", round: Some(Round::next()), expires: Some(9) };
    assert!(!lot.join(0, &[target], Rule::All, 0, |_| None));
    assert_eq!((lot.parked(), lot.waited_key_count()), (0, 0));
    assert!(lot.queues.is_empty() && lot.due.is_empty());
}

#[test]
fn an_outcome_does_not_change() {
    let (mut lot, round, tickets) = parked("k", &[1]);
    lot.open(0, b"k", Some(round));
    lot.remove(0, b"k", round, 0);
    lot.end(0, b"k", round, Outcome::Expired);
    lot.flush(None, 0);
    lot.settle_suspended();
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Opened));
    assert_eq!(lot.next_batch(9), [1]);
}

#[test]
fn the_crowds_of_a_database_are_its_keys_with_their_first_client() {
    let (mut lot, round, tickets) = parked("a", &[7, 8]);
    park(&mut lot, 0, "b", Round::next(), 9);
    park(&mut lot, 1, "a", Round::next(), 10);
    lot.leave(tickets[0]);
    let crowds = lot.most_waited(0, 9);
    let key = |key: &str| Rc::from(key.as_bytes());
    assert_eq!(
        crowds,
        [
            WaitedKey { key: key("a"), waiters: 1, since: 8 },
            WaitedKey { key: key("b"), waiters: 1, since: 9 },
        ]
    );
    assert_eq!(lot.most_waited(0, 1), &crowds[..1], "of as many, who has waited longer");
    lot.open(0, b"a", Some(round));
    assert_eq!(
        lot.most_waited(0, 9).len(),
        1,
        "who is about to be released is not parked on the key"
    );
}

#[test]
fn an_opening_answers_whether_somebody_was_there_for_it() {
    let (mut lot, round, _tickets) = parked("k", &[1]);
    assert!(!lot.open(0, b"k", None), "who waits for this one has not heard of another");
    assert!(!lot.open(0, b"k", Some(Round::next())));
    assert!(lot.open(0, b"k", Some(round)));
    assert!(!lot.open(0, b"k", Some(round)), "it has opened");
}

#[test]
fn a_key_is_waited_for_by_round_and_counts_its_clients() {
    let (lot, round, _tickets) = parked("k", &[1, 2, 3]);
    assert!(lot.is_waited_for(0, b"k", round));
    assert!(!lot.is_waited_for(0, b"k", Round::next()));
    assert_eq!((lot.parked_on(0, b"k"), lot.parked_on(1, b"k"), lot.parked_on(0, b"j")), (3, 0, 0));
}
