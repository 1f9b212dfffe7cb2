//! The lot by example; what the examples share.

use super::*;

mod coming;
mod loads;
mod looks;
mod releases;
mod rounds;
mod several;
mod times;

type Handle = u32;

impl<H, K: Name> Lot<H, K> {
    /// Joins with this handle.
    pub(crate) fn join_with(
        &mut self,
        db: Db,
        targets: &[Target<'_>],
        rule: Rule,
        now: i64,
        handle: H,
    ) -> Ticket {
        let mut joined = None;
        self.join(db, targets, rule, now, |ticket| {
            joined = Some(ticket);
            Some(handle)
        });
        joined.expect("it has joined")
    }

    /// Releases what is in the budget of so many clients.
    pub(super) fn next_batch(&mut self, clients: usize) -> Vec<H> {
        let mut budget = Budget::of_releases(clients);
        iter::from_fn(|| self.next_release(&mut budget)).collect()
    }

    /// The next that is due, of those that are to be looked at.
    pub(super) fn next_due_before(&mut self, now: i64) -> Option<Lookup<K>> {
        while self.is_due(now) {
            if let Some(lookup) = self.next_due() {
                return Some(lookup);
            }
        }
        None
    }
}

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
    lot.join_with(db, &targets, rule, i64::from(handle), handle)
}

/// Where a latch of `key` is waited for that expires at a time.
fn parked_with_expiry(key: &'static str, expires: Option<i64>) -> (Lot<Handle>, Round, Ticket) {
    let mut lot = Lot::default();
    let round = Round::next();
    let target = Target { key: key.as_bytes(), round: Some(round), expires };
    let ticket = lot.join_with(0, &[target], Rule::All, 0, 1);
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
