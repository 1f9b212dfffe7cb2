//! The lot by example.

use super::*;

type Handle = u32;

/// A lot with `handles` parked on one round of `key` in database 0.
fn parked(key: &'static str, handles: &[Handle]) -> (Lot<Handle>, Round, Vec<Ticket>) {
    let mut lot = Lot::default();
    let round = Round::next();
    let tickets = handles.iter().map(|&handle| park(&mut lot, 0, key, round, handle)).collect();
    (lot, round, tickets)
}

fn park(lot: &mut Lot<Handle>, db: Db, key: &'static str, round: Round, handle: Handle) -> Ticket {
    park_on(lot, db, &[(key, Some(round))], Rule::All, handle)
}

fn park_on(
    lot: &mut Lot<Handle>,
    db: Db,
    rounds: &[(&'static str, Option<Round>)],
    rule: Rule,
    handle: Handle,
) -> Ticket {
    let target =
        |&(key, round): &(&'static str, _)| Target { key: key.as_bytes(), round, expires: None };
    let targets: Vec<_> = rounds.iter().map(target).collect();
    lot.join(db, &targets, rule, i64::from(handle), |_| Some(handle)).expect("blocked")
}

/// Where a latch of `key` is waited for that expires at a time.
fn parked_with_expiry(key: &'static str, expires: Option<i64>) -> (Lot<Handle>, Round, Ticket) {
    let mut lot = Lot::default();
    let round = Round::next();
    let target = Target { key: key.as_bytes(), round: Some(round), expires };
    let ticket = lot.join(0, &[target], Rule::All, 0, |_| Some(1)).expect("blocked");
    (lot, round, ticket)
}

/// The keys of this kind that are looked at in so many turns, by name.
fn looked_at(lot: &mut Lot<Handle>, kind: Kind, turns: usize) -> String {
    let queues = (0..turns).filter_map(|_| lot.next_in_rota(kind));
    queues.map(|queue| String::from_utf8_lossy(&queue.key).into_owned()).collect()
}

/// The first queue that there is to look at.
fn first_queue(lot: &mut Lot<Handle>) -> QueueId {
    let turns = Kind::ALL.map(|kind| vec![kind; lot.rota_len(kind)]).concat();
    let first = turns.into_iter().find_map(|kind| lot.next_in_rota(kind));
    first.expect("somebody waits").queue
}

fn outcome(lot: &Lot<Handle>, ticket: Ticket) -> Option<Outcome> {
    lot.verdict(ticket).map(|verdict| verdict.outcome)
}

fn closed(round: Round) -> Sighting {
    Sighting::Latch { round, outcome: None, expires: None }
}

fn aborted(reason: &str) -> Outcome {
    Outcome::Aborted(reason.as_bytes().into())
}

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
    lot.open(0, b"k", Some(Round::next()));
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
    assert_eq!(lot.join(0, &[target], Rule::All, 0, |_| None), None);
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

/// Every way in which a latch is removed, at a time.
const REMOVALS: [fn(&mut Lot<Handle>, Round, i64); 7] = [
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
        lot.reload(now);
        let id = first_queue(lot);
        assert!(!lot.observe(id, Sighting::Nothing, now));
    },
    |lot, _, now| lot.swap(0, 1, now),
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
            assert!(lot.due.is_empty());
        }
    }
}

#[test]
fn the_time_that_is_noted_last_counts() {
    for (noted, expected) in
        [(None, Outcome::Gone), (Some(300), Outcome::Gone), (Some(150), Outcome::Expired)]
    {
        let (mut lot, round, ticket) = parked_with_expiry("k", Some(100));
        lot.note_expiry(0, b"k", Round::next(), Some(0)); // of another round
        lot.note_expiry(0, b"k", round, noted);
        lot.remove(0, b"k", round, 200);
        assert_eq!(outcome(&lot, ticket), Some(expected), "{noted:?}");
    }
}

#[test]
fn what_is_due_is_looked_at_in_order_and_once() {
    let mut lot: Lot<Handle> = Lot::default();
    for (key, expires) in [("c", Some(30)), ("a", Some(10)), ("never", None), ("b", Some(20))] {
        let target = Target { key: key.as_bytes(), round: Some(Round::next()), expires };
        lot.join(0, &[target], Rule::All, 0, |_| Some(1)).expect("blocked");
    }
    let mut due =
        |now| lot.next_due(now).map(|queue| String::from_utf8(queue.key.to_vec()).unwrap());
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
    let queue = lot.next_due(15).expect("due");
    let same = || Sighting::Latch { round, outcome: None, expires: Some(10) };
    assert!(!lot.observe(queue.queue, same(), 15));
    assert_eq!(lot.next_due(15), None);
    let queue = lot.next_due(16).expect("due again");
    assert!(!lot.observe(queue.queue, Sighting::Latch { round, outcome: None, expires: None }, 16));
    assert_eq!(lot.next_due(i64::MAX), None, "it has lost its time to live");
    assert_eq!(outcome(&lot, ticket), None);
}

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
    lot.reload(0);
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
        lot.reload(0);
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
    lot.reload(0);
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
    lot.reload(0);
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Gone));
    assert_eq!(outcome(&lot, later), None);
}

#[test]
fn a_load_that_does_not_bring_the_latch_back_is_a_removal() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    lot.flush(None, 0);
    lot.reload(0);
    let id = first_queue(&mut lot);
    assert!(!lot.observe(id, Sighting::Nothing, 0));
    assert_eq!(outcome(&lot, tickets[0]), Some(Outcome::Gone));
}

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
    assert_eq!(
        looked_at(&mut lot, Kind::Present, 10),
        "dacedaced",
        "b had a turn and did not use it"
    );
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
    assert_eq!(seen, "abcabcab", "of six more, all of whom have left");
}

#[test]
fn who_came_between_a_flush_and_a_load_into_it_waits_on_and_who_was_there_does_not() {
    for round in [None, Some(Round::next())] {
        let (mut lot, _, tickets) = parked("k", &[1]);
        lot.flush(None, 0);
        let later = park_on(&mut lot, 0, &[("k", round)], Rule::All, 2);
        lot.reload(0);
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
    lot.reload(0);
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
    assert_eq!((verdict.outcome, &*verdict.key), (Outcome::Opened, &b"b"[..]));
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
fn a_walk_along_clients_that_are_not_to_be_released_is_bounded_too() {
    let mut lot = Lot::default();
    let (a, b) = (Round::next(), Round::next());
    for handle in 0..5 {
        park_on(&mut lot, 0, &[("a", Some(a)), ("b", Some(b))], Rule::All, handle);
    }
    lot.open(0, b"a", Some(a));
    assert_eq!(lot.next_batch(3), []);
    assert!(lot.has_releases());
    assert_eq!(lot.next_batch(3), []);
    assert!(!lot.has_releases());
}

#[test]
fn the_crowds_of_a_database_are_its_keys_with_their_first_client() {
    let (mut lot, round, tickets) = parked("a", &[7, 8]);
    park(&mut lot, 0, "b", Round::next(), 9);
    park(&mut lot, 1, "a", Round::next(), 10);
    lot.leave(tickets[0]);
    let mut crowds = lot.waited_keys(0);
    crowds.sort_by_key(|crowd| crowd.since);
    let key = |key: &str| Rc::from(key.as_bytes());
    assert_eq!(
        crowds,
        [
            WaitedKey { key: key("a"), waiters: 1, since: 8 },
            WaitedKey { key: key("b"), waiters: 1, since: 9 },
        ]
    );
    lot.open(0, b"a", Some(round));
    assert_eq!(lot.waited_keys(0).len(), 1, "who is about to be released is not parked on the key");
}
