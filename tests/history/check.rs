//! Judges a history: is there an order of all operations, each somewhere
//! between its sending and its answer, in which a latch would have answered so?
//!
//! A full search for that order is not needed. A latch counts down one way, so
//! these rules are enough, and each can be read by itself.

use std::collections::BTreeMap;
use std::time::Duration;

/// A moment, since the history began.
pub type Moment = Duration;

/// How late a wait may end after the last countdown was answered.
pub const SOON: Duration = Duration::from_secs(1);

/// Clocks of server and test have steps.
const STEP: Duration = Duration::from_millis(2);

/// From sending to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub sent: Moment,
    /// None: there was none.
    pub answered: Option<Moment>,
}

impl Span {
    /// Was it over before `other` began?
    fn is_before(&self, other: &Span) -> bool {
        self.answered.is_some_and(|answered| answered < other.sent)
    }
}

/// A countdown by one.
#[derive(Clone, Debug)]
pub struct Countdown {
    pub span: Span,
    /// Several with the same id count once.
    pub id: Option<u64>,
    /// What remained.
    pub remaining: Option<i64>,
}

/// A latch from being set to being set again.
#[derive(Clone, Debug)]
pub struct Round {
    pub count: i64,
    pub set: Span,
    pub countdowns: Vec<Countdown>,
}

/// What a wait was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Opened,
    TimedOut,
}

/// A wait for whatever round was current.
#[derive(Clone, Debug)]
pub struct Wait {
    pub span: Span,
    /// None: for ever.
    pub timeout: Option<Duration>,
    /// When the server was known to have parked it.
    pub parked: Option<Moment>,
    pub told: Option<Told>,
}

/// All that happened to one latch.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub rounds: Vec<Round>,
    pub waits: Vec<Wait>,
}

impl Round {
    /// Countdowns that are one and the same, by id.
    fn groups(&self) -> Vec<Vec<&Countdown>> {
        let mut by_id: BTreeMap<u64, Vec<&Countdown>> = BTreeMap::new();
        let mut groups = Vec::new();
        for countdown in &self.countdowns {
            match countdown.id {
                Some(id) => by_id.entry(id).or_default().push(countdown),
                None => groups.push(vec![countdown]),
            }
        }
        groups.extend(by_id.into_values());
        groups
    }

    /// It cannot have been open before this: when the last of its countdowns
    /// was first sent.
    fn opened_after(&self) -> Option<Moment> {
        let first_sent = |group: Vec<&Countdown>| group.iter().map(|it| it.span.sent).min();
        self.groups().into_iter().filter_map(first_sent).max()
    }

    /// It cannot have been closed after this: when each of its countdowns had
    /// been answered once.
    fn opened_by(&self) -> Option<Moment> {
        let first_answered =
            |group: Vec<&Countdown>| group.iter().filter_map(|it| it.span.answered).min();
        self.groups().into_iter().map(first_answered).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Each countdown was counted once: what remained after them is every
    /// number from count - 1 to 0, in the order of time.
    fn check_countdowns(&self) -> Result<(), String> {
        let mut effects = Vec::new();
        for group in self.groups() {
            // The one that counted came first, and so has the largest reply:
            // the others reply what remained when they came.
            let counted = group.iter().filter(|it| it.remaining.is_some());
            let Some(first) = counted.max_by_key(|it| it.remaining) else {
                return Err(format!("a countdown was not answered: {group:?}"));
            };
            let sent = group.iter().map(|it| it.span.sent).min().unwrap_or_default();
            effects.push((first.remaining, Span { sent, ..first.span }));
        }
        effects.sort_by_key(|(remaining, _)| std::cmp::Reverse(*remaining));
        let remaining: Vec<_> = effects.iter().filter_map(|(remaining, _)| *remaining).collect();
        let expected: Vec<_> = (0..self.count).rev().collect();
        if remaining != expected {
            return Err(format!("after the countdowns of {} remained {remaining:?}", self.count));
        }
        for (at, (later, span)) in effects.iter().enumerate() {
            for (earlier, before) in &effects[..at] {
                if span.is_before(before) {
                    return Err(format!("{later:?} was replied before {earlier:?} was asked for"));
                }
            }
        }
        Ok(())
    }
}

/// What there is to know of a round when its waits are judged.
struct Times {
    set: Span,
    opened_after: Option<Moment>,
    opened_by: Option<Moment>,
}

impl History {
    /// Judges all of it. `now` is when it ended.
    pub fn check(&self, now: Moment) -> Result<(), String> {
        self.rounds.iter().try_for_each(Round::check_countdowns)?;
        let times = |round: &Round| Times {
            set: round.set,
            opened_after: round.opened_after(),
            opened_by: round.opened_by(),
        };
        let rounds: Vec<_> = self.rounds.iter().map(times).collect();
        self.waits.iter().try_for_each(|wait| wait.check(&rounds, now))
    }
}

impl Wait {
    fn check(&self, rounds: &[Times], now: Moment) -> Result<(), String> {
        match (self.told, self.span.answered) {
            (Some(Told::Opened), Some(answered)) => self.check_success(answered, rounds)?,
            (Some(Told::TimedOut), Some(answered)) => self.check_timeout(answered, rounds)?,
            _ => {}
        }
        match self.ends_by(rounds) {
            Some(late) if self.span.answered.unwrap_or(now) > late + SOON => {
                Err(format!("{self:?} was still parked {SOON:?} after {late:?}"))
            }
            _ => Ok(()),
        }
    }

    /// No wait succeeds before the last countdown was sent. It would have if
    /// it began and ended within a time in which its latch was closed.
    fn check_success(&self, answered: Moment, rounds: &[Times]) -> Result<(), String> {
        let is_closed = |round: &Times| {
            round.set.is_before(&self.span)
                && round.opened_after.is_none_or(|opened| answered < opened)
        };
        match rounds.iter().position(is_closed) {
            Some(round) => Err(format!("{self:?} succeeded early, in round {round}")),
            None => Ok(()),
        }
    }

    /// No wait times out before its time, nor if its latch had opened by then.
    fn check_timeout(&self, answered: Moment, rounds: &[Times]) -> Result<(), String> {
        let Some(timeout) = self.timeout else {
            return Err(format!("{self:?} timed out early, it had no timeout"));
        };
        if answered + STEP < self.span.sent + timeout {
            return Err(format!("{self:?} timed out early"));
        }
        match self.ends_by(rounds) {
            Some(opened) if self.span.sent + timeout > opened + STEP => {
                Err(format!("{self:?} slept through the opening at {opened:?}"))
            }
            _ => Ok(()),
        }
    }

    /// When the round had opened that this is for. If nobody knows when it was
    /// parked, that may be the round after.
    fn ends_by(&self, rounds: &[Times]) -> Option<Moment> {
        let begin = self.parked.unwrap_or(self.span.sent);
        let may_be = |round: &Times| round.opened_by.is_none_or(|opened| opened >= begin);
        let at = rounds.iter().position(may_be)?;
        let opened = rounds[at].opened_by?;
        match rounds.get(at + 1) {
            Some(next) if self.parked.is_none() && next.set.sent < opened + SOON => next.opened_by,
            _ => Some(opened.max(begin)),
        }
    }
}
