//! The commands that make a latch what it is.

use std::iter;

use crate::ids::Mark;
use crate::latch::{Latch, State};

/// A command to make a latch with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Sets it; `linger` is in ms, 0: not at all.
    Set { count: i64, linger: i64, set_by: Option<&'a [u8]> },
    /// Raises the count by 1 and announces this id.
    Add(&'a [u8]),
    /// Counts it down, by 1 if there is an id.
    CountDown { by: i64, id: Option<&'a [u8]> },
    /// Aborts it for this reason.
    Abort(&'a [u8]),
}

/// The commands that make a latch equal to this one, in this order.
///
/// Which id brought how much is not known, nor does it matter: each that is announced has
/// raised the count by at least 1, each that is recorded has brought it down by at least 1.
/// The rest is in the count that it is set to, and in a countdown without an id. What opened
/// it comes last.
pub(crate) fn steps(latch: &Latch) -> impl Iterator<Item = Step<'_>> {
    let ids = || latch.ids().into_iter().flat_map(|ids| ids.iter());
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let announced = latch.ids().map_or(0, |ids| number(ids.announced()));
    let set = Step::Set {
        count: latch.total() - announced,
        linger: latch.linger(),
        set_by: latch.set_by(),
    };
    let additions = ids().filter(|(_, mark)| mark.is_announced()).map(|(id, _)| Step::Add(id));

    let opened_by = latch.opened_by();
    let count_down = |id| Step::CountDown { by: 1, id: Some(id) };
    let recorded = move |(id, mark): (_, Mark)| mark.is_recorded() && Some(id) != opened_by;
    let countdowns = ids().filter(move |it| recorded(*it)).map(move |(id, _)| count_down(id));
    let rest = latch.total() - latch.count() - number(latch.arrived());
    let rest = (rest > 0).then_some(Step::CountDown { by: rest, id: None });
    let (first, last) = if latch.state() == State::Open && opened_by.is_none() {
        (None, rest)
    } else {
        (rest, opened_by.map(count_down))
    };
    let abort = latch.reason().map(Step::Abort);
    iter::once(set).chain(additions).chain(first).chain(countdowns).chain(last).chain(abort)
}

#[cfg(test)]
#[path = "rebuild/tests.rs"]
mod tests;
