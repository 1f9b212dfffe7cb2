//! The lot by example, and against a model that keeps no queues at all.

use super::*;
use proptest::prelude::*;

type Handle = u32;

/// A lot with `handles` parked on one round of `key` in database 0.
fn parked(key: &str, handles: &[Handle]) -> (Lot<Handle>, Round, Vec<Ticket>) {
    let mut lot = Lot::default();
    let round = Round::next();
    let tickets = handles
        .iter()
        .map(|&handle| park(&mut lot, 0, key, round, handle))
        .collect();
    (lot, round, tickets)
}

fn park(lot: &mut Lot<Handle>, db: Db, key: &str, round: Round, handle: Handle) -> Ticket {
    lot.park(db, key.as_bytes(), round, |_| Some(handle))
        .expect("blocked")
}

#[test]
fn clients_are_released_in_the_order_they_came() {
    let (mut lot, round, _) = parked("k", &[7, 3, 9, 1]);
    lot.open(0, b"k", round);
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
    lot.open(0, b"b", second);
    lot.remove(0, b"a", first);
    assert_eq!(lot.next_batch(10), [3, 1, 2]);
}

#[test]
fn a_client_that_leaves_before_its_turn_is_not_released() {
    let (mut lot, round, tickets) = parked("k", &[1, 2, 3]);
    lot.open(0, b"k", round);
    assert_eq!(lot.next_batch(1), [1]);
    lot.leave(tickets[1]);
    assert_eq!(lot.next_batch(9), [3]);
}

#[test]
fn a_client_whose_turn_has_not_come_already_has_its_outcome() {
    let (mut lot, round, tickets) = parked("k", &[1, 2]);
    assert_eq!(lot.outcome(tickets[1]), None);
    lot.open(0, b"k", round);
    lot.next_batch(1);
    assert_eq!(lot.outcome(tickets[1]), Some(Outcome::Opened));
}

#[test]
fn clients_of_the_next_round_are_not_released_with_the_old_one() {
    let (mut lot, old, tickets) = parked("k", &[1]);
    lot.open(0, b"k", old);
    let new = Round::next();
    let late = park(&mut lot, 0, "k", new, 2);
    assert_eq!(lot.next_batch(9), [1]);
    assert_eq!(lot.outcome(tickets[0]), Some(Outcome::Opened));
    assert_eq!(lot.outcome(late), None);
}

#[test]
fn settling_another_round_of_the_key_does_nothing() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    lot.open(0, b"k", Round::next());
    assert_eq!(lot.outcome(tickets[0]), None);
    assert!(!lot.has_releases());
}

#[test]
fn parking_on_a_newer_round_tells_the_older_that_its_latch_is_gone() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    park(&mut lot, 0, "k", Round::next(), 2);
    assert_eq!(lot.outcome(tickets[0]), Some(Outcome::Gone));
}

#[test]
fn a_client_that_cannot_be_blocked_leaves_no_trace() {
    let mut lot: Lot<Handle> = Lot::default();
    assert_eq!(lot.park(0, b"k", Round::next(), |_| None), None);
    assert_eq!((lot.parked(), lot.waiting_keys()), (0, 0));
    assert!(lot.queues.is_empty());
}

#[test]
fn an_outcome_does_not_change() {
    let (mut lot, round, tickets) = parked("k", &[1]);
    lot.open(0, b"k", round);
    lot.remove(0, b"k", round);
    lot.expired(0, b"k");
    lot.flush(None);
    lot.conclude_flush();
    assert_eq!(lot.outcome(tickets[0]), Some(Outcome::Opened));
    assert_eq!(lot.next_batch(9), [1]);
}

#[test]
fn a_removal_that_was_an_expiry_says_so() {
    for (expired, outcome) in [("k", Outcome::Expired), ("other", Outcome::Gone)] {
        let (mut lot, round, tickets) = parked("k", &[1]);
        lot.remove(0, b"k", round);
        lot.expired(0, expired.as_bytes());
        assert_eq!(lot.outcome(tickets[0]), Some(outcome));
    }
}

#[test]
fn an_expiry_that_nobody_waited_for_does_not_rewrite_an_older_removal() {
    let (mut lot, round, tickets) = parked("k", &[1]);
    lot.remove(0, b"k", round);
    lot.remove(0, b"k", Round::next());
    lot.expired(0, b"k");
    assert_eq!(lot.outcome(tickets[0]), Some(Outcome::Gone));
}

#[test]
fn a_flush_of_one_database_leaves_the_others_alone() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    let other = park(&mut lot, 1, "k", Round::next(), 2);
    lot.flush(Some(1));
    assert_eq!(lot.outcome(other), None, "it may still be a load");
    lot.conclude_flush();
    assert_eq!(lot.outcome(other), Some(Outcome::Gone));
    assert_eq!(lot.outcome(tickets[0]), None);
}

#[test]
fn a_load_that_brings_the_latch_back_keeps_its_clients() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    lot.flush(None);
    lot.reload();
    lot.conclude_flush();
    let loaded = Round::next();
    let watched = lot.watch(None, 9);
    lot.observe(watched[0].id, Some(loaded), true);
    assert_eq!(lot.outcome(tickets[0]), None);
    lot.open(0, b"k", loaded);
    assert_eq!(lot.outcome(tickets[0]), Some(Outcome::Opened));
}

#[test]
fn a_load_that_does_not_bring_the_latch_back_is_a_removal() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    lot.flush(None);
    lot.reload();
    let watched = lot.watch(None, 9);
    lot.observe(watched[0].id, None, true);
    assert_eq!(lot.outcome(tickets[0]), Some(Outcome::Gone));
}

#[test]
fn a_look_at_the_key_finds_a_latch_that_vanished_or_was_replaced() {
    for found in [None, Some(Round::next())] {
        let (mut lot, round, tickets) = parked("k", &[1]);
        let id = lot.watch(None, 9)[0].id;
        lot.observe(id, Some(round), false);
        assert_eq!(lot.outcome(tickets[0]), None);
        lot.observe(id, found, false);
        assert_eq!(lot.outcome(tickets[0]), Some(Outcome::Gone));
    }
}

#[test]
fn the_watch_goes_around_in_slices() {
    let mut lot = Lot::default();
    for (handle, key) in (0..).zip(["a", "b", "c"]) {
        park(&mut lot, 0, key, Round::next(), handle);
    }
    let first = lot.watch(None, 2);
    assert_eq!(
        first.iter().map(|w| &*w.key).collect::<Vec<_>>(),
        [b"a", b"b"]
    );
    let rest = lot.watch(Some(first[1].id), 2);
    assert_eq!(rest.iter().map(|w| &*w.key).collect::<Vec<_>>(), [b"c"]);
    assert_eq!(lot.watch(Some(rest[0].id), 2), []);
}

#[test]
fn swapped_databases_lose_their_clients_and_no_other_does() {
    let (mut lot, _, tickets) = parked("k", &[1]);
    let swapped = park(&mut lot, 1, "k", Round::next(), 2);
    let apart = park(&mut lot, 2, "k", Round::next(), 3);
    lot.swap(0, 1);
    assert_eq!(lot.outcome(tickets[0]), Some(Outcome::Gone));
    assert_eq!(lot.outcome(swapped), Some(Outcome::Gone));
    assert_eq!(lot.outcome(apart), None);
}

/// One thing that happens to the server. Numbers pick a key, a client, ...
#[derive(Clone, Debug)]
enum Event {
    Park { key: usize },
    Open { key: usize },
    Remove { key: usize, expired: bool },
    Rearm { key: usize },
    ReplaceUnseen { key: usize },
    Flush { db: Option<Db> },
    Load { kept: [bool; KEYS.len()] },
    ConcludeFlush,
    Swap,
    Look,
    Release { limit: usize },
    Leave { client: usize },
}

/// Keys of two databases, one name in both.
const KEYS: [(Db, &str); 4] = [(0, "a"), (0, "b"), (1, "a"), (1, "c")];

fn event() -> impl Strategy<Value = Event> {
    let key = || 0..KEYS.len();
    prop_oneof![
        6 => key().prop_map(|key| Event::Park { key }),
        2 => key().prop_map(|key| Event::Open { key }),
        2 => (key(), any::<bool>()).prop_map(|(key, expired)| Event::Remove { key, expired }),
        2 => key().prop_map(|key| Event::Rearm { key }),
        1 => key().prop_map(|key| Event::ReplaceUnseen { key }),
        1 => prop_oneof![Just(None), Just(Some(0)), Just(Some(1))]
            .prop_map(|db| Event::Flush { db }),
        1 => any::<[bool; KEYS.len()]>().prop_map(|kept| Event::Load { kept }),
        2 => Just(Event::ConcludeFlush),
        1 => Just(Event::Swap),
        1 => Just(Event::Look),
        3 => (1..4_usize).prop_map(|limit| Event::Release { limit }),
        3 => (0..64_usize).prop_map(|client| Event::Leave { client }),
    ]
}

/// A client as the model knows it: nothing but its own fate.
#[derive(Debug)]
struct Client {
    ticket: Ticket,
    key: usize,
    /// The round it waits for; `None` once a flush made that unknown.
    round: Option<Round>,
    outcome: Option<Outcome>,
    releases: usize,
    left: bool,
}

#[derive(Default)]
struct Model {
    lot: Lot<usize>,
    keyspace: [Option<Round>; KEYS.len()],
    clients: Vec<Client>,
}

impl Model {
    /// Settles, in the model only, those who are undecided and match.
    fn decide(&mut self, outcome: Outcome, matches: impl Fn(&Client) -> bool) {
        for client in &mut self.clients {
            if !client.left && client.outcome.is_none() && matches(client) {
                client.outcome = Some(outcome);
            }
        }
    }

    fn decide_round(&mut self, key: usize, round: Round, outcome: Outcome) {
        self.decide(outcome, |client| {
            client.key == key && client.round == Some(round)
        });
    }

    fn end_round(&mut self, key: usize, outcome: Outcome) {
        let (db, name) = KEYS[key];
        if let Some(round) = self.keyspace[key].take() {
            match outcome {
                Outcome::Opened => self.lot.open(db, name.as_bytes(), round),
                Outcome::Gone | Outcome::Expired => self.lot.remove(db, name.as_bytes(), round),
            }
            if outcome == Outcome::Expired {
                self.lot.expired(db, name.as_bytes());
            }
            self.decide_round(key, round, outcome);
        }
    }

    /// What the keeper of the lot does: look at the key of every queue.
    fn look(&mut self, loaded: bool) {
        for watched in self.lot.watch(None, usize::MAX) {
            let key = KEYS
                .iter()
                .position(|&(db, name)| db == watched.db && name.as_bytes() == &*watched.key)
                .expect("a known key");
            self.lot.observe(watched.id, self.keyspace[key], loaded);
        }
        let keyspace = self.keyspace;
        for client in &mut self.clients {
            if loaded && client.outcome.is_none() {
                client.round = keyspace[client.key];
            }
        }
        self.decide(Outcome::Gone, |client| {
            client.round.is_none() || keyspace[client.key] != client.round
        });
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Park { key } => self.park(key),
            Event::Open { key } => self.end_round(key, Outcome::Opened),
            Event::Remove {
                key,
                expired: false,
            } => self.end_round(key, Outcome::Gone),
            Event::Remove { key, expired: true } => self.end_round(key, Outcome::Expired),
            Event::Rearm { key } => {
                self.keyspace[key].get_or_insert_with(Round::next);
            }
            Event::ReplaceUnseen { key } => self.keyspace[key] = Some(Round::next()),
            Event::Flush { db } => self.flush(db),
            Event::Load { kept } => self.load(kept),
            Event::ConcludeFlush => {
                self.lot.conclude_flush();
                self.decide(Outcome::Gone, |client| client.round.is_none());
            }
            Event::Swap => {
                self.lot.swap(0, 1);
                self.decide(Outcome::Gone, |client| client.round.is_some());
                self.keyspace = [None, None, None, None];
            }
            Event::Look => {
                self.apply(&Event::ConcludeFlush);
                self.look(false);
            }
            Event::Release { limit } => {
                for client in self.lot.next_batch(limit) {
                    self.clients[client].releases += 1;
                }
            }
            Event::Leave { client } if client < self.clients.len() => {
                self.lot.leave(self.clients[client].ticket);
                self.clients[client].left = true;
            }
            Event::Leave { .. } => {}
        }
    }

    fn park(&mut self, key: usize) {
        let (db, name) = KEYS[key];
        let Some(round) = self.keyspace[key] else {
            return; // an open latch: nobody parks
        };
        self.decide(Outcome::Gone, |client| {
            client.key == key && client.round.is_some_and(|old| old != round)
        });
        let handle = self.clients.len();
        let ticket = self
            .lot
            .park(db, name.as_bytes(), round, |_| Some(handle))
            .expect("blocked");
        let round = Some(round);
        self.clients.push(Client {
            ticket,
            key,
            round,
            outcome: None,
            releases: 0,
            left: false,
        });
    }

    fn flush(&mut self, db: Option<Db>) {
        self.lot.flush(db);
        let emptied = |key: usize| db.is_none_or(|db| KEYS[key].0 == db);
        for key in (0..KEYS.len()).filter(|&key| emptied(key)) {
            self.keyspace[key] = None;
        }
        for client in self.clients.iter_mut().filter(|client| emptied(client.key)) {
            if client.outcome.is_none() {
                client.round = None;
            }
        }
    }

    /// A load: everything is flushed, some latches come back, as new values.
    fn load(&mut self, kept: [bool; KEYS.len()]) {
        self.apply(&Event::ConcludeFlush); // what was flushed before is gone
        let before = self.keyspace;
        self.flush(None);
        for key in 0..KEYS.len() {
            self.keyspace[key] = before[key].filter(|_| kept[key]).map(|_| Round::next());
        }
        self.lot.reload();
        self.look(true);
    }

    /// What must be true at any time.
    fn check(&self) -> Result<(), TestCaseError> {
        for client in self.clients.iter().filter(|client| !client.left) {
            prop_assert_eq!(
                self.lot.outcome(client.ticket),
                client.outcome,
                "{:?}",
                client
            );
            prop_assert!(
                client.releases <= usize::from(client.outcome.is_some()),
                "{:?}",
                client
            );
        }
        let here = self.clients.iter().filter(|client| !client.left).count();
        prop_assert_eq!(self.lot.parked(), here);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_wait_ends_once_and_with_the_right_outcome(
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut model = Model::default();
        for event in &events {
            model.apply(event);
            model.check()?;
        }
        // In the end every latch opens or is gone: nobody may be left behind.
        for key in 0..KEYS.len() {
            model.apply(&Event::Open { key });
        }
        model.apply(&Event::Look);
        model.apply(&Event::Release { limit: usize::MAX });
        model.check()?;
        for client in 0..model.clients.len() {
            let Client { left, releases, .. } = model.clients[client];
            prop_assert!(left || releases == 1, "{:?}", model.clients[client]);
            model.apply(&Event::Leave { client });
        }
        prop_assert_eq!((model.lot.parked(), model.lot.waiting_keys()), (0, 0));
        prop_assert!(model.lot.queues.is_empty() && !model.lot.has_releases());
    }
}
