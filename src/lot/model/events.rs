//! What happens to the server of the model.

use super::*;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A client waits for one key, or for all of its database. The server may refuse
    /// to block it.
    Park { key: usize, all: bool, rule: Rule, missing: bool, blocked: bool },
    /// A latch is made, or the one that is there is reset.
    Set { key: usize, life: Option<i64> },
    /// A latch opens, and goes or lingers.
    Open { key: usize, lingers: bool },
    /// A latch is aborted.
    Abort { key: usize },
    /// A latch is taken from its key. What that was is known, or judged by the time.
    Remove { key: usize, known: Option<Outcome> },
    /// Something else is at the key, and nothing tells of it.
    Change { key: usize, to: Change },
    /// A database is emptied, or all are.
    Flush { db: Option<Db> },
    /// A dataset is loaded, in place of the old one or into it.
    Load { replaces: bool, brings: [Option<bool>; KEYS.len()], millis: i64 },
    /// Two databases change places. The last of them has none of the keys.
    Swap { a: Db, b: Db },
    /// A turn of the event loop ends, and time passes.
    EndTurn { millis: i64 },
    /// The keys that are waited for are looked at.
    Look,
    /// Clients are released.
    Release { limit: usize },
    /// A client leaves, for whatever reason.
    Leave { client: usize },
}

/// What is found at a key after something that nothing tells of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// Another latch.
    Latch {
        life: Option<i64>,
    },
    /// The same latch, which expires at another time.
    Life {
        life: Option<i64>,
    },
    /// A value of another type.
    Other,
    Nothing,
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let key = || 0..KEYS.len();
    prop_oneof![
        6 => park(),
        3 => (key(), life()).prop_map(|(key, life)| Event::Set { key, life }),
        2 => (key(), any::<bool>()).prop_map(|(key, lingers)| Event::Open { key, lingers }),
        1 => key().prop_map(|key| Event::Abort { key }),
        2 => (key(), prop::option::of(removal()))
            .prop_map(|(key, known)| Event::Remove { key, known }),
        1 => (key(), change()).prop_map(|(key, to)| Event::Change { key, to }),
        1 => prop_oneof![Just(None), Just(Some(0)), Just(Some(1))]
            .prop_map(|db| Event::Flush { db }),
        1 => (any::<bool>(), any::<[Option<bool>; KEYS.len()]>(), millis())
            .prop_map(|(replaces, brings, millis)| Event::Load { replaces, brings, millis }),
        1 => (0..3, 0..3).prop_map(|(a, b)| Event::Swap { a, b }),
        2 => millis().prop_map(|millis| Event::EndTurn { millis }),
        1 => Just(Event::Look),
        3 => (1..4_usize).prop_map(|limit| Event::Release { limit }),
        3 => (0..64_usize).prop_map(|client| Event::Leave { client }),
    ]
}

fn park() -> impl Strategy<Value = Event> {
    let rule = prop_oneof![Just(Rule::All), Just(Rule::Any)];
    let blocked = prop::bool::weighted(0.9);
    (0..KEYS.len(), any::<bool>(), rule, any::<bool>(), blocked).prop_map(
        |(key, all, rule, missing, blocked)| Event::Park { key, all, rule, missing, blocked },
    )
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        life().prop_map(|life| Change::Latch { life }),
        life().prop_map(|life| Change::Life { life }),
        Just(Change::Other),
        Just(Change::Nothing),
    ]
}

fn removal() -> impl Strategy<Value = Outcome> {
    prop_oneof![Just(Outcome::Gone), Just(Outcome::Expired)]
}

/// How long a latch lives, if not for ever.
fn life() -> impl Strategy<Value = Option<i64>> {
    prop::option::of(0..12_i64)
}

/// So little that a life may end just then.
fn millis() -> impl Strategy<Value = i64> {
    0..6_i64
}
