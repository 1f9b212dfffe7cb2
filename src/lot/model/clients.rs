//! The clients of the model, each of which knows its own fate, key by key.

use super::*;

/// What a client wants of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// A latch that is still to come.
    Coming,
    /// The latch of this round.
    Round(Round),
    /// The latch that was taken then, and is gone in this way unless a load brings it
    /// back.
    Taken(usize, Outcome),
    /// The latch that a load may have brought back.
    Reloaded,
}

impl Want {
    /// Whether a latch of this round is the one; no round is a latch that opened as
    /// it was made.
    pub(super) fn is(&self, round: Option<Round>) -> bool {
        match self {
            Self::Coming => true,
            Self::Round(wanted) => round == Some(*wanted),
            Self::Reloaded => round.is_some(),
            Self::Taken(..) => false,
        }
    }
}

/// A client at one of its keys.
#[derive(Debug)]
pub(super) struct Stand {
    pub(super) key: usize,
    pub(super) want: Want,
    /// When the latch expires, as far as anything has told.
    pub(super) expires: Option<i64>,
    /// When it ended, and how.
    pub(super) fate: Option<(usize, Outcome)>,
}

impl Stand {
    /// Whether it waits at the key: neither has it ended, nor was the latch taken.
    pub(super) fn is_waiting(&self) -> bool {
        self.fate.is_none() && !matches!(self.want, Want::Taken(..))
    }

    /// When its latch was taken; at the end of all times if it was not.
    pub(super) fn taken_at(&self) -> usize {
        match self.want {
            Want::Taken(when, _) => when,
            _ => usize::MAX,
        }
    }

    pub(super) fn is_due(&self, now: i64) -> bool {
        self.expires.is_some_and(|at| at < now)
    }

    /// What it is to lose the latch now.
    pub(super) fn loss(&self, now: i64) -> Outcome {
        match self.expires {
            Some(at) if at <= now => Outcome::Expired,
            _ => Outcome::Gone,
        }
    }

    fn verdict(&self) -> Option<(usize, Verdict<Rc<[u8]>>)> {
        let (when, outcome) = self.fate.clone()?;
        Some((when, Verdict { outcome, key: KEYS[self.key].1.as_bytes().into() }))
    }
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) ticket: Ticket,
    pub(super) since: i64,
    pub(super) rule: Rule,
    pub(super) stands: Vec<Stand>,
    /// What the lot says of it, once it says something.
    pub(super) told: Option<Verdict<Rc<[u8]>>>,
    pub(super) released: bool,
    pub(super) left: bool,
}

impl Client {
    /// When its wait ended and with which verdict, by the rule as the documentation
    /// words it. There are several if they came at one time, and none while the wait
    /// goes on.
    pub(super) fn verdicts(&self) -> (usize, Vec<Verdict<Rc<[u8]>>>) {
        let ends: Vec<_> = self.stands.iter().filter_map(Stand::verdict).collect();
        let over = ends.len() == self.stands.len();
        let (opened, failed): (Vec<_>, Vec<_>) =
            ends.into_iter().partition(|(_, verdict)| verdict.outcome == Outcome::Opened);
        let first = |ends: &[(usize, _)]| ends.iter().map(|(when, _)| *when).min();
        let last = |ends: &[(usize, _)]| ends.iter().map(|(when, _)| *when).max();
        let (when, ends) = match self.rule {
            Rule::All if failed.is_empty() => (last(&opened).filter(|_| over), opened),
            Rule::All => (first(&failed), failed),
            Rule::Any if opened.is_empty() => (last(&failed).filter(|_| over), failed),
            Rule::Any => (first(&opened), opened),
        };
        let then = ends.into_iter().filter(|(at, _)| Some(*at) == when);
        (when.unwrap_or(0), then.map(|(_, verdict)| verdict).collect())
    }

    /// Whether nothing has ended its wait.
    pub(super) fn waits(&self) -> bool {
        self.verdicts().1.is_empty()
    }
}

/// What the clients know, without the lot.
impl Model {
    pub(super) fn present(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().filter(|client| !client.left)
    }

    /// Those at a key of whom it is open how they end.
    pub(super) fn open_at(&self, key: usize) -> impl Iterator<Item = &Stand> {
        let stands = self.present().flat_map(|client| &client.stands);
        stands.filter(move |stand| stand.key == key && stand.fate.is_none())
    }

    /// Those of them who wait at the key.
    pub(super) fn waiting(&self, key: usize) -> impl Iterator<Item = &Stand> {
        self.open_at(key).filter(|stand| stand.is_waiting())
    }

    pub(super) fn has_taken(&self, key: usize) -> bool {
        self.open_at(key).any(|stand| !stand.is_waiting())
    }

    /// Whether somebody waits for a latch of this round, or for one that opened as it
    /// was made.
    pub(super) fn is_waited_for(&self, key: usize, round: Option<Round>) -> bool {
        self.waiting(key).any(|stand| stand.want.is(round))
    }

    pub(super) fn undecided(&mut self) -> impl Iterator<Item = &mut Stand> {
        let clients = self.clients.iter_mut().filter(|client| !client.left);
        clients.flat_map(|client| &mut client.stands).filter(|stand| stand.fate.is_none())
    }

    /// Ends, in the model only, what `how` says an outcome of, all of it at one time.
    pub(super) fn decide(&mut self, how: impl Fn(&Stand) -> Option<Outcome>) {
        self.time += 1;
        let time = self.time;
        for stand in self.undecided() {
            stand.fate = how(stand).map(|outcome| (time, outcome));
        }
    }

    /// Ends the waits for this round.
    pub(super) fn decide_round(
        &mut self,
        key: usize,
        round: Option<Round>,
        how: impl Fn(&Stand) -> Outcome,
    ) {
        self.decide(|stand| (stand.key == key && stand.want.is(round)).then(|| how(stand)));
    }

    /// What waits at the key for a latch of this round is now known to be for it, and
    /// when that expires.
    pub(super) fn learn(&mut self, key: usize, round: Option<Round>, expires: Option<i64>) {
        let here = |stand: &&mut Stand| stand.key == key && stand.want.is(round);
        for stand in self.undecided().filter(here) {
            stand.want = round.map_or(Want::Coming, Want::Round);
            stand.expires = expires;
        }
    }

    /// Everybody at the key who can only be there for another latch than this one has
    /// lost theirs.
    pub(super) fn lose_others(&mut self, key: usize, round: Option<Round>) {
        let now = self.now;
        self.decide(|stand| {
            let lost = stand.key == key && stand.is_waiting() && !stand.want.is(round);
            lost.then(|| stand.loss(now))
        });
    }

    /// Takes their latches from those who wait at some keys, until it is known what
    /// that was.
    pub(super) fn take(&mut self, from: impl Fn(&Stand) -> bool) {
        self.time += 1;
        let (time, now) = (self.time, self.now);
        for stand in self.undecided().filter(|stand| stand.is_waiting() && from(stand)) {
            if stand.want != Want::Coming {
                stand.want = Want::Taken(time, stand.loss(now));
            }
        }
    }
}
