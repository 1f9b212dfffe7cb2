//! The lot against a model that keeps no queues: every client knows its own
//! fate, key by key.

use std::collections::BTreeSet;
use std::env;

use super::*;
use proptest::prelude::*;

mod clients;
mod events;
mod invariants;

use clients::{Client, Stand, Want};
use events::{Change, Event, event};

/// Keys of two databases, the same names in both.
const KEYS: [(Db, &str); 5] = [(0, "a"), (0, "b"), (1, "a"), (1, "b"), (0, "c")];

/// How many sequences of events are tried. `PROPTEST_CASES=50 cargo test --lib` is
/// quick; a number far above this one is for a night.
const CASES: u32 = 1_500;

fn config() -> ProptestConfig {
    let default = ProptestConfig::default(); // has read the environment
    let cases = if env::var_os("PROPTEST_CASES").is_some() { default.cases } else { CASES };
    ProptestConfig { cases, ..default }
}

type Checked = Result<(), TestCaseError>;

/// What is at a key.
#[derive(Clone, Debug, Default)]
enum Value {
    #[default]
    Nothing,
    Latch(Stored),
    Other,
}

#[derive(Clone, Debug)]
struct Stored {
    round: Round,
    /// How it ended, if it is not closed.
    ended: Option<Outcome>,
    expires: Option<i64>,
}

#[derive(Default)]
struct Model {
    lot: Lot<usize>,
    keyspace: [Value; KEYS.len()],
    clients: Vec<Client>,
    /// The clock of the server, in ms.
    now: i64,
    /// Counts what ends waits: which came first.
    time: usize,
    /// Who was released last of those of one round: by key, and when that ended.
    last: BTreeMap<(usize, usize), usize>,
}

impl Model {
    fn apply(&mut self, event: &Event) -> Checked {
        match *event {
            Event::Park { key, all, rule, missing, blocked } => {
                self.park(key, all, rule, missing, blocked)?;
            }
            Event::Set { key, life } => self.set(key, life),
            Event::Open { key, lingers } => self.open(key, lingers)?,
            Event::Abort { key } => self.abort(key)?,
            Event::Remove { key, ref known } => self.remove(key, known.as_ref()),
            Event::Change { key, to } => self.change(key, to),
            Event::Flush { db } => self.flush(db),
            Event::Load { replaces, brings, millis } => self.load(replaces, brings, millis),
            Event::Swap { a, b } => self.swap(a, b),
            Event::EndTurn { millis } => {
                self.conclude();
                self.now += millis;
            }
            Event::Look => {
                self.conclude();
                self.look()?;
            }
            Event::Release { limit } => self.release(limit)?,
            Event::Leave { client } if client < self.clients.len() => {
                self.lot.leave(self.clients[client].ticket);
                self.clients[client].left = true;
            }
            Event::Leave { .. } => {}
        }
        Ok(())
    }

    /// Parks where the latch is closed, or missing if that is wanted.
    fn park(&mut self, key: usize, all: bool, rule: Rule, missing: bool, blocked: bool) -> Checked {
        let db = KEYS[key].0;
        let keys = (0..KEYS.len()).filter(|&other| other == key || (all && KEYS[other].0 == db));
        let mut stands = Vec::new();
        let mut targets = Vec::new();
        for key in keys {
            let (round, expires) = match self.keyspace[key] {
                Value::Latch(Stored { round, ended: None, expires }) => (Some(round), expires),
                Value::Nothing if missing => (None, None),
                _ => continue, // answered at once
            };
            let want = round.map_or(Want::Coming, Want::Round);
            stands.push(Stand { key, want, expires, fate: None });
            targets.push(Target { key: KEYS[key].1.as_bytes(), round, expires });
            self.lose_others(key, round);
            self.learn(key, round, expires);
        }
        if stands.is_empty() {
            return Ok(());
        }
        let handle = self.clients.len();
        let mut ticket = None;
        let joined = self.lot.join(db, &targets, rule, self.now, |joining| {
            ticket = blocked.then_some(joining);
            blocked.then_some(handle)
        });
        prop_assert_eq!(joined, blocked);
        self.clients.extend(ticket.map(|ticket| Client {
            ticket,
            since: self.now,
            rule,
            stands,
            told: None,
            released: false,
            left: false,
        }));
        Ok(())
    }

    fn set(&mut self, key: usize, life: Option<i64>) {
        let (db, name) = KEYS[key];
        let expires = life.map(|life| self.now + life);
        let round = match self.keyspace[key] {
            Value::Other => return,
            Value::Latch(Stored { round, ended: None, .. }) => round,
            Value::Latch(_) => Round::next(),
            Value::Nothing => {
                let round = Round::next();
                self.lot.create(db, name.as_bytes(), round, self.now);
                // Who waits for one that a load brought back has lost it: it is not there.
                self.lose_others(key, None);
                self.learn(key, Some(round), None);
                round
            }
        };
        self.lot.note_expiry(db, name.as_bytes(), round, expires);
        self.learn(key, Some(round), expires);
        self.keyspace[key] = Value::Latch(Stored { round, ended: None, expires });
    }

    fn open(&mut self, key: usize, lingers: bool) -> Checked {
        let (db, name) = KEYS[key];
        let round = match self.keyspace[key] {
            Value::Latch(Stored { round, ended: None, .. }) => Some(round),
            Value::Nothing => None,
            _ => return Ok(()),
        };
        if let Some(round) = round {
            let open = Stored { round, ended: Some(Outcome::Opened), expires: None };
            self.keyspace[key] = if lingers { Value::Latch(open) } else { Value::Nothing };
        }
        let told = self.is_waited_for(key, round);
        prop_assert_eq!(self.lot.open(db, name.as_bytes(), round), told);
        self.decide_round(key, round, |_| Outcome::Opened);
        Ok(())
    }

    fn abort(&mut self, key: usize) -> Checked {
        if let Value::Latch(Stored { round, ended: ended @ None, .. }) = &mut self.keyspace[key] {
            let aborted = Outcome::Aborted(b"why"[..].into());
            let round = *round;
            *ended = Some(aborted.clone());
            let waited = self.present().filter(|client| client.waits()).count();
            self.decide_round(key, Some(round), |_| aborted.clone());
            let wait = self.present().filter(|client| client.waits()).count();
            let (db, name) = KEYS[key];
            prop_assert_eq!(self.lot.abort(db, name.as_bytes(), round, b"why"), waited - wait);
        }
        Ok(())
    }

    fn remove(&mut self, key: usize, known: Option<&Outcome>) {
        let (db, name) = KEYS[key];
        let now = self.now;
        if let Value::Latch(Stored { round, .. }) = self.keyspace[key] {
            self.keyspace[key] = Value::Nothing;
            match known {
                Some(outcome) => self.lot.end(db, name.as_bytes(), round, outcome.clone()),
                None => self.lot.remove(db, name.as_bytes(), round, now),
            }
            self.decide_round(key, Some(round), |stand| {
                known.cloned().unwrap_or_else(|| stand.loss(now))
            });
        }
    }

    /// The lot is not told.
    fn change(&mut self, key: usize, to: Change) {
        let expires = |life: Option<i64>| life.map(|life| self.now + life);
        let latch = |round, expires| Value::Latch(Stored { round, ended: None, expires });
        self.keyspace[key] = match (to, &self.keyspace[key]) {
            (Change::Latch { life }, _) => latch(Round::next(), expires(life)),
            (Change::Life { life }, Value::Latch(stored)) => {
                Value::Latch(Stored { expires: expires(life), ..stored.clone() })
            }
            (Change::Life { .. }, other) => other.clone(),
            (Change::Other, _) => Value::Other,
            (Change::Nothing, _) => Value::Nothing,
        };
    }

    /// What was taken has gone.
    fn conclude(&mut self) {
        self.lot.settle_suspended();
        self.decide(|stand| match &stand.want {
            Want::Taken(_, outcome) => Some(outcome.clone()),
            _ => None,
        });
    }

    fn flush(&mut self, db: Option<Db>) {
        self.conclude();
        self.lot.flush(db, self.now);
        let emptied = |key: usize| db.is_none_or(|db| KEYS[key].0 == db);
        for key in (0..KEYS.len()).filter(|&key| emptied(key)) {
            self.keyspace[key] = Value::Nothing;
        }
        self.take(|stand| emptied(stand.key));
    }

    /// A load, which says of each key nothing, or that there is no latch, or brings
    /// the one that was there, as a new value.
    fn load(&mut self, replaces: bool, brings: [Option<bool>; KEYS.len()], millis: i64) {
        let before = self.keyspace.clone();
        if replaces {
            self.flush(None);
        }
        for key in 0..KEYS.len() {
            if let Some(back) = brings[key] {
                self.displace(key);
                self.keyspace[key] = match &before[key] {
                    Value::Latch(stored) if back => {
                        Value::Latch(Stored { round: Round::next(), ..stored.clone() })
                    }
                    _ => Value::Nothing,
                };
            }
        }
        self.now += millis;
        self.reload();
    }

    fn displace(&mut self, key: usize) {
        let (db, name) = KEYS[key];
        if let Value::Latch(Stored { round, .. }) = self.keyspace[key] {
            self.lot.displace(db, name.as_bytes(), round, self.now);
            self.take(|stand| stand.key == key && stand.want.is(Some(round)));
        }
    }

    /// Whoever came last to a key waits for the latch that may be back.
    fn reload(&mut self) {
        self.lot.reload();
        let last: [_; KEYS.len()] =
            std::array::from_fn(|key| self.open_at(key).map(Stand::taken_at).max());
        self.decide(|stand| match &stand.want {
            Want::Taken(_, outcome) if last[stand.key] != Some(stand.taken_at()) => {
                Some(outcome.clone())
            }
            _ => None,
        });
        for stand in self.undecided().filter(|stand| stand.want != Want::Coming) {
            stand.want = Want::Reloaded;
        }
    }

    fn swap(&mut self, a: Db, b: Db) {
        self.lot.swap(a, b, self.now);
        let now = self.now;
        if a != b {
            self.decide(|stand| {
                let lost = [a, b].contains(&KEYS[stand.key].0) && stand.is_waiting();
                (lost && stand.want != Want::Coming).then(|| stand.loss(now))
            });
        }
        let before = self.keyspace.clone();
        for (key, (db, name)) in KEYS.into_iter().enumerate() {
            let from = if db == a { b } else { a };
            if [a, b].contains(&db) {
                let source = KEYS.iter().position(|&other| other == (from, name));
                self.keyspace[key] = source.map_or(Value::Nothing, |source| before[source].clone());
            }
        }
    }

    /// What the keeper of the lot does: look at what is due, and then at every key.
    fn look(&mut self) -> Checked {
        self.now += 1; // what was seen is not due again before that
        let due: BTreeSet<_> = (0..KEYS.len())
            .filter(|&key| self.waiting(key).any(|stand| stand.is_due(self.now)))
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(watched) = self.lot.next_due_before(self.now) {
            prop_assert!(seen.insert(self.look_at(&watched)?), "due twice");
        }
        prop_assert_eq!(seen, due);

        let waited: BTreeSet<_> =
            (0..KEYS.len()).filter(|&key| self.waiting(key).next().is_some()).collect();
        let mut seen = BTreeSet::new();
        for kind in Kind::ALL {
            for _ in 0..self.lot.rota_len(kind) {
                if let Some(watched) = self.lot.next_in_rota(kind) {
                    seen.insert(self.look_at(&watched)?);
                }
            }
        }
        prop_assert_eq!(seen, waited);
        Ok(())
    }

    /// Looks at the key of a queue, and answers which that is.
    fn look_at(&mut self, watched: &Lookup<Rc<[u8]>>) -> Result<usize, TestCaseError> {
        let is_it = |&(db, name): &(Db, &str)| (db, name.as_bytes()) == (watched.db, &*watched.key);
        let key = KEYS.iter().position(is_it).expect("a known key");
        let now = self.now;
        let found = match &self.keyspace[key] {
            Value::Nothing => Sighting::Nothing,
            Value::Other => Sighting::Other,
            Value::Latch(Stored { round, ended, expires }) => {
                Sighting::Latch { round: *round, outcome: ended.clone(), expires: *expires }
            }
        };
        // It was there, nothing told of its end, and its time has not come.
        let has_vanished = found == Sighting::Nothing
            && self.waiting(key).any(|stand| {
                matches!(stand.want, Want::Round(_)) && stand.loss(now) == Outcome::Gone
            });
        prop_assert_eq!(self.lot.observe(watched.queue, found, now), has_vanished);
        if has_vanished {
            self.lot.vanish(watched.queue, Outcome::Expired);
            self.decide(|stand| {
                let lost = stand.key == key && matches!(stand.want, Want::Round(_));
                lost.then_some(Outcome::Expired)
            });
        }
        let Value::Latch(Stored { round, ended, expires }) = self.keyspace[key].clone() else {
            self.lose_others(key, None);
            return Ok(key);
        };
        self.lose_others(key, Some(round));
        self.learn(key, Some(round), expires);
        if let Some(outcome) = ended {
            self.decide_round(key, Some(round), |_| outcome.clone());
        }
        Ok(key)
    }

    /// Nobody is released twice, and nobody before those who have waited longer for the same
    /// round.
    fn release(&mut self, limit: usize) -> Checked {
        let batch = self.lot.next_batch(limit);
        prop_assert!(batch.len() <= limit);
        for handle in batch {
            let client = &mut self.clients[handle];
            prop_assert!(!client.left && !client.released, "{:?}", client);
            client.released = true;
            prop_assert!(client.told.is_some(), "its wait goes on: {:?}", client);
            // Who waits for several keys may be found earlier, at another of them.
            if let [stand] = &client.stands[..] {
                let (when, _) = client.verdicts();
                let last = self.last.insert((stand.key, when), handle);
                prop_assert!(last.is_none_or(|last| handle > last), "{} after {:?}", handle, last);
            }
        }
        Ok(())
    }

    /// What must be true at any time.
    fn check(&mut self) -> Checked {
        for client in self.clients.iter_mut().filter(|client| !client.left) {
            let verdict = self
                .lot
                .verdict(client.ticket)
                .map(|Verdict { outcome, key }| Verdict { outcome, key: Rc::clone(key) });
            let (_, expected) = client.verdicts();
            prop_assert_eq!(verdict.is_none(), expected.is_empty(), "{:?}", client);
            prop_assert!(verdict.iter().all(|verdict| expected.contains(verdict)), "{:?}", client);
            prop_assert!(client.told.is_none() || client.told == verdict, "{:?}", client);
            client.told = verdict;
        }
        let all_released = self.present().all(|client| client.released || client.waits());
        prop_assert!(all_released || self.lot.has_releases());
        prop_assert_eq!(self.lot.parked(), self.present().count());
        let any_taken = (0..KEYS.len()).any(|key| self.has_taken(key));
        prop_assert!(!any_taken || self.lot.has_suspended());
        self.check_keys()
    }

    fn check_keys(&self) -> Checked {
        let mut crowds = Vec::new();
        for (key, (db, name)) in KEYS.into_iter().enumerate() {
            let here = |client: &&Client| {
                client.stands.iter().any(|stand| stand.key == key && stand.is_waiting())
            };
            let waiters = self.present().filter(here).count();
            prop_assert_eq!(self.lot.parked_on(db, name.as_bytes()), waiters);
            if let Value::Latch(Stored { round, .. }) = self.keyspace[key] {
                let waited_for = self.is_waited_for(key, Some(round));
                prop_assert_eq!(self.lot.is_waited_for(db, name.as_bytes(), round), waited_for);
            }
            if let Some(first) = self.present().find(here) {
                let key: Rc<[u8]> = name.as_bytes().into();
                crowds.push((db, WaitedKey { key, waiters, since: first.since }));
            }
        }
        prop_assert_eq!(self.lot.waited_key_count(), crowds.len());
        for db in 0..2 {
            let mut told = self.lot.most_waited(db, KEYS.len());
            told.sort_by(|a, b| a.key.cmp(&b.key));
            let expected = crowds.iter().filter(|(of, _)| *of == db).map(|(_, crowd)| crowd);
            prop_assert!(told.iter().eq(expected), "{:?} {:?}", told, crowds);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_wait_ends_once_and_with_the_right_outcome(
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut model = Model::default();
        for event in &events {
            model.apply(event)?;
            model.check()?;
            invariants::check(&model.lot)?;
        }
        // In the end every latch comes, and opens: nobody may be left behind.
        model.apply(&Event::Look)?;
        for key in 0..KEYS.len() {
            if let Value::Other = model.keyspace[key] {
                model.apply(&Event::Change { key, to: Change::Nothing })?;
            }
            model.apply(&Event::Set { key, life: None })?;
            model.apply(&Event::Open { key, lingers: false })?;
        }
        model.check()?;
        model.apply(&Event::Release { limit: 1_000 })?;
        model.check()?;
        for client in 0..model.clients.len() {
            let Client { left, released, .. } = model.clients[client];
            prop_assert!(left || released, "{:?}", model.clients[client]);
            model.apply(&Event::Leave { client })?;
        }
        let Model { mut lot, .. } = model;
        prop_assert_eq!((lot.parked(), lot.waited_key_count(), lot.has_releases()), (0, 0, false));
        prop_assert!(Kind::ALL.iter().all(|&kind| lot.rota_len(kind) == 0));
        prop_assert!(lot.waiters.is_empty() && lot.stands.is_empty() && lot.queues.is_empty());
        prop_assert!(lot.due.is_empty() && lot.rota.iter().all(List::is_empty));
        let current: usize = lot.current.iter().map(BTreeMap::len).sum();
        prop_assert_eq!(lot.eras.len(), current, "an era is left");
        prop_assert!(lot.next_batch(1).is_empty());
    }
}
