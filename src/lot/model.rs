//! The lot against a model that keeps no queues: every client knows its own
//! fate, key by key.

use super::*;
use proptest::prelude::*;

/// Keys of two databases, one name in both.
const KEYS: [(Db, &str); 4] = [(0, "a"), (0, "b"), (1, "a"), (1, "c")];

/// One thing that happens to the server.
#[derive(Clone, Debug)]
enum Event {
    /// A client waits for one key, or for all of its database.
    Park {
        key: usize,
        all: bool,
        rule: Rule,
        missing: bool,
    },
    Create {
        key: usize,
    },
    Open {
        key: usize,
    },
    Abort {
        key: usize,
    },
    Remove {
        key: usize,
        expired: bool,
    },
    /// Another latch is at the key, and nothing told of it.
    Replace {
        key: usize,
    },
    Flush {
        db: Option<Db>,
    },
    Load {
        kept: [bool; KEYS.len()],
    },
    ConcludeFlush,
    Swap,
    Look,
    Release {
        limit: usize,
    },
    Leave {
        client: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let key = || 0..KEYS.len();
    let park = (key(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(key, all, any, missing)| {
            let rule = if any { Rule::Any } else { Rule::All };
            Event::Park { key, all, rule, missing }
        },
    );
    prop_oneof![
        6 => park,
        3 => key().prop_map(|key| Event::Create { key }),
        2 => key().prop_map(|key| Event::Open { key }),
        1 => key().prop_map(|key| Event::Abort { key }),
        2 => (key(), any::<bool>()).prop_map(|(key, expired)| Event::Remove { key, expired }),
        1 => key().prop_map(|key| Event::Replace { key }),
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

/// What a client wants of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Coming,
    Round(Round),
    /// The round before a flush, which may be a load.
    Flushed,
    /// The round before a load.
    Reloaded,
}

impl Want {
    fn is(self, round: Option<Round>) -> bool {
        match self {
            Want::Coming => true,
            Want::Round(wanted) => round == Some(wanted),
            Want::Reloaded => round.is_some(),
            Want::Flushed => false,
        }
    }
}

#[derive(Debug)]
struct Stand {
    key: usize,
    want: Want,
    /// How it ended, and when.
    fate: Option<(usize, Outcome)>,
}

#[derive(Debug)]
struct Client {
    ticket: Ticket,
    rule: Rule,
    stands: Vec<Stand>,
    releases: usize,
    left: bool,
}

impl Client {
    /// The rule, as the documentation words it.
    fn outcome(&self) -> Option<Outcome> {
        let mut fates: Vec<_> = self.stands.iter().filter_map(|stand| stand.fate.clone()).collect();
        fates.sort_by_key(|(when, _)| *when);
        let over = fates.len() == self.stands.len();
        let mut outcomes = fates.into_iter().map(|(_, outcome)| outcome);
        let (opened, failed): (Vec<_>, Vec<_>) =
            outcomes.by_ref().partition(|outcome| *outcome == Outcome::Opened);
        match self.rule {
            Rule::All => failed.into_iter().next().or(over.then_some(Outcome::Opened)),
            Rule::Any => opened.into_iter().next().or(failed.into_iter().last().filter(|_| over)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    round: Round,
    aborted: bool,
}

#[derive(Default)]
struct Model {
    lot: Lot<usize>,
    keyspace: [Option<Stored>; KEYS.len()],
    clients: Vec<Client>,
    time: usize,
}

fn aborted() -> Outcome {
    Outcome::Aborted(b"why"[..].into())
}

fn fresh() -> Stored {
    Stored { round: Round::next(), aborted: false }
}

impl Model {
    fn undecided(&mut self) -> impl Iterator<Item = &mut Stand> {
        let clients = self.clients.iter_mut().filter(|client| !client.left);
        clients.flat_map(|client| &mut client.stands).filter(|stand| stand.fate.is_none())
    }

    /// Ends, in the model only, what matches. All of it ends at one time,
    /// except that the lot settles one key after the other.
    fn decide(&mut self, outcome: &Outcome, matches: impl Fn(&Stand) -> bool) {
        self.time += 1;
        let time = self.time;
        for stand in self.undecided().filter(|stand| matches(stand)) {
            stand.fate = Some((time, outcome.clone()));
        }
    }

    fn decide_round(&mut self, key: usize, round: Round, outcome: &Outcome) {
        self.decide(outcome, |stand| stand.key == key && stand.want.is(Some(round)));
    }

    /// Everybody at the key who can be there for another latch than this one
    /// has lost theirs; the others wait for this one, or for one to come.
    fn settle_on(&mut self, key: usize, round: Option<Round>) {
        self.decide(&Outcome::Gone, |stand| {
            stand.key == key && stand.want != Want::Flushed && !stand.want.is(round)
        });
        let want = round.map_or(Want::Coming, Want::Round);
        for stand in self.undecided().filter(|stand| stand.key == key) {
            if stand.want != Want::Flushed {
                stand.want = want;
            }
        }
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Park { key, all, rule, missing } => self.park(key, all, rule, missing),
            Event::Create { key } => self.create(key),
            Event::Open { key } => self.open(key),
            Event::Abort { key } => self.abort(key),
            Event::Remove { key, expired } => self.remove(key, expired),
            Event::Replace { key } => self.keyspace[key] = Some(fresh()),
            Event::Flush { db } => self.flush(db),
            Event::Load { kept } => self.load(kept),
            Event::ConcludeFlush => {
                self.lot.settle_suspended();
                self.decide(&Outcome::Gone, |stand| stand.want == Want::Flushed);
            }
            Event::Swap => {
                self.lot.swap(0, 1, 0);
                self.decide(&Outcome::Gone, |stand| {
                    matches!(stand.want, Want::Round(_) | Want::Reloaded)
                });
                self.keyspace = [None; KEYS.len()];
            }
            Event::Look => {
                self.apply(&Event::ConcludeFlush);
                self.look();
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

    /// Parks where the latch is closed, or missing if that is wanted.
    fn park(&mut self, key: usize, all: bool, rule: Rule, missing: bool) {
        let db = KEYS[key].0;
        let keys = (0..KEYS.len()).filter(|&other| other == key || (all && KEYS[other].0 == db));
        let mut stands = Vec::new();
        for key in keys {
            let want = match self.keyspace[key] {
                Some(Stored { round, aborted: false }) => Want::Round(round),
                None if missing => Want::Coming,
                _ => continue, // answered at once
            };
            stands.push(Stand { key, want, fate: None });
        }
        if stands.is_empty() {
            return;
        }
        let mut rounds = Vec::new();
        for stand in &stands {
            let round = match stand.want {
                Want::Round(round) => Some(round),
                _ => None,
            };
            self.settle_on(stand.key, round);
            rounds.push(Target { key: KEYS[stand.key].1.as_bytes(), round, expires: None });
        }
        let handle = self.clients.len();
        let ticket = self.lot.join(db, &rounds, rule, 0, |_| Some(handle)).expect("blocked");
        self.clients.push(Client { ticket, rule, stands, releases: 0, left: false });
    }

    fn create(&mut self, key: usize) {
        if self.keyspace[key].is_none() {
            let stored = fresh();
            self.keyspace[key] = Some(stored);
            let (db, name) = KEYS[key];
            self.lot.create(db, name.as_bytes(), stored.round, 0);
            // One that was loaded would have been there.
            self.decide(&Outcome::Gone, |stand| stand.key == key && stand.want == Want::Reloaded);
            self.settle_on(key, Some(stored.round));
        }
    }

    fn open(&mut self, key: usize) {
        let (db, name) = KEYS[key];
        match self.keyspace[key] {
            Some(Stored { round, aborted: false }) => {
                self.keyspace[key] = None;
                self.lot.open(db, name.as_bytes(), Some(round));
                self.decide_round(key, round, &Outcome::Opened);
            }
            Some(_) => {}
            None => {
                self.lot.open(db, name.as_bytes(), None);
                self.decide(&Outcome::Opened, |stand| {
                    stand.key == key && stand.want == Want::Coming
                });
            }
        }
    }

    fn abort(&mut self, key: usize) {
        if let Some(Stored { round, aborted: aborted_before @ false }) = self.keyspace[key] {
            let (db, name) = KEYS[key];
            self.keyspace[key] = Some(Stored { round, aborted: !aborted_before });
            self.lot.abort(db, name.as_bytes(), round, b"why");
            self.decide_round(key, round, &aborted());
        }
    }

    fn remove(&mut self, key: usize, expired: bool) {
        let (db, name) = KEYS[key];
        if let Some(Stored { round, .. }) = self.keyspace[key].take() {
            self.lot.note_expiry(db, name.as_bytes(), round, expired.then_some(0));
            self.lot.remove(db, name.as_bytes(), round, 1);
            let outcome = if expired { Outcome::Expired } else { Outcome::Gone };
            self.decide_round(key, round, &outcome);
        }
    }

    /// What the keeper of the lot does: look at the key of every queue.
    fn look(&mut self) {
        let turns = Kind::ALL.map(|kind| vec![kind; self.lot.rota_len(kind)]).concat();
        for kind in turns {
            let Some(watched) = self.lot.next_in_rota(kind) else {
                continue;
            };
            let key = KEYS
                .iter()
                .position(|&(db, name)| db == watched.db && name.as_bytes() == &*watched.key)
                .expect("a known key");
            let stored = self.keyspace[key];
            let found = match stored {
                None => Sighting::Nothing,
                Some(Stored { round, aborted }) => {
                    let outcome = aborted.then(self::aborted);
                    Sighting::Latch { round, outcome, expires: None }
                }
            };
            if self.lot.observe(watched.queue, found, 0) {
                self.lot.vanish(watched.queue, Outcome::Gone);
            }
            self.settle_on(key, stored.map(|stored| stored.round));
            if let Some(Stored { round, aborted: true }) = stored {
                self.decide_round(key, round, &aborted());
            }
        }
    }

    fn flush(&mut self, db: Option<Db>) {
        self.decide(&Outcome::Gone, |stand| stand.want == Want::Flushed);
        self.lot.settle_suspended();
        self.lot.flush(db, 0);
        let emptied = |key: usize| db.is_none_or(|db| KEYS[key].0 == db);
        for key in (0..KEYS.len()).filter(|&key| emptied(key)) {
            self.keyspace[key] = None;
        }
        for stand in self.undecided().filter(|stand| emptied(stand.key)) {
            if stand.want != Want::Coming {
                stand.want = Want::Flushed;
            }
        }
    }

    /// A load: everything is flushed, some latches come back, as new values.
    fn load(&mut self, kept: [bool; KEYS.len()]) {
        let before = self.keyspace;
        self.flush(None);
        for key in 0..KEYS.len() {
            let back = before[key].filter(|_| kept[key]);
            self.keyspace[key] = back.map(|stored| Stored { round: Round::next(), ..stored });
        }
        self.lot.reload(0);
        for stand in self.undecided().filter(|stand| stand.want == Want::Flushed) {
            stand.want = Want::Reloaded;
        }
    }

    /// What must be true at any time.
    fn check(&self) -> Result<(), TestCaseError> {
        for client in self.clients.iter().filter(|client| !client.left) {
            let verdict = self.lot.verdict(client.ticket);
            let expected = client.outcome();
            if let (Rule::Any, Some(Verdict { outcome: Outcome::Opened, key })) =
                (client.rule, &verdict)
            {
                let opened = client.stands.iter().any(|stand| {
                    KEYS[stand.key].1.as_bytes() == &**key
                        && matches!(stand.fate, Some((_, Outcome::Opened)))
                });
                prop_assert!(opened, "{:?} is told {:?}", client, key);
            }
            prop_assert_eq!(verdict.map(|verdict| verdict.outcome), expected, "{:?}", client);
            prop_assert!(client.releases <= usize::from(client.outcome().is_some()));
        }
        let here = self.clients.iter().filter(|client| !client.left).count();
        prop_assert_eq!(self.lot.parked(), here);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn every_wait_ends_once_and_with_the_right_outcome(
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut model = Model::default();
        for event in &events {
            model.apply(event);
            model.check()?;
        }
        // In the end every latch comes, and opens: nobody may be left behind.
        model.apply(&Event::Look);
        for key in 0..KEYS.len() {
            model.apply(&Event::Create { key });
            model.apply(&Event::Open { key });
        }
        model.apply(&Event::Release { limit: usize::MAX });
        model.check()?;
        for client in 0..model.clients.len() {
            let Client { left, releases, .. } = model.clients[client];
            prop_assert!(left || releases == 1, "{:?}", model.clients[client]);
            model.apply(&Event::Leave { client });
        }
        prop_assert_eq!((model.lot.parked(), model.lot.waited_key_count()), (0, 0));
        prop_assert!(Kind::ALL.iter().all(|&kind| model.lot.rota_len(kind) == 0));
        prop_assert!(model.lot.due.is_empty());
        prop_assert!(model.lot.queues.is_empty() && model.lot.next_batch(1).is_empty());
    }
}
