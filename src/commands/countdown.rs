//! `LATCH.COUNTDOWN key [decrement] [ID id]`

use crate::args::Args;
use crate::error::Error;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::{Countdown, MAX_COUNT, is_id};
use crate::stats;

use super::Opening;

/// Counts down, and opens the latch at zero.
#[derive(Debug)]
pub(crate) struct CountDown;

impl Command for CountDown {
    const SPEC: Spec = Spec {
        name: c"latch.countdown",
        flags: c"write fast",
        categories: c"write fast",
        summary: c"Counts a latch down and returns what remains; at 0 it opens and its waiters are released.",
        complexity: c"O(1), or O(N) when it opens, where N is the number of parked clients, in bounded steps",
        since: c"0.1.0",
        arity: -2,
        keys: KeyUse::UPDATE,
        args: &[
            Arg::key(),
            Arg::integer(c"decrement").optional(),
            Arg::string(c"id").after(c"ID").optional(),
        ],
    };

    fn run(ctx: Context<'_>, mut args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let name = *args.next()?;
        let mut id = read_id(&mut args)?;
        let by = if id.is_some() || args.is_empty() { 1 } else { args.integer(1..=MAX_COUNT)? };
        if id.is_none() {
            id = read_id(&mut args)?;
        }
        args.finish()?;

        let key = Key::write(ctx, name);
        let countdown = count_down(ctx, name, key, by, id, || ctx.replicate_verbatim())?;
        Ok(Reply::Integer(match countdown {
            Countdown::Remaining(count) | Countdown::Duplicate(count) => count,
            Countdown::Opened | Countdown::WasOpen => 0,
        }))
    }
}

/// Reads the option `ID id`, if it comes next.
pub(super) fn read_id<'a>(args: &mut Args<'_, Str<'a>>) -> Result<Option<&'a [u8]>, Error> {
    match args.named("ID")?.map(|id| id.bytes()) {
        Some(id) if !is_id(id) => Err(Error::IdLength),
        id => Ok(id),
    }
}

/// Counts down the latch of a key, if there is one, and does all that follows;
/// `propagate` is called if anything has changed.
pub(super) fn count_down(
    ctx: Context<'_>,
    name: Str<'_>,
    mut key: Key<'_>,
    by: i64,
    id: Option<&[u8]>,
    propagate: impl FnOnce(),
) -> Result<Countdown, Error> {
    let Some(latch) = key.latch_mut()? else {
        return Ok(Countdown::WasOpen);
    };
    let countdown = latch.count_down(by, id)?;
    let opening = Opening { round: latch.round(), linger: latch.linger() };
    let event = c"latch.countdown";
    match countdown {
        Countdown::Duplicate(_) => stats::DUPLICATE.count(),
        Countdown::WasOpen => {}
        Countdown::Remaining(_) => {
            drop(key);
            propagate();
            super::changed(ctx, name, event);
            stats::COUNTDOWN.count();
        }
        Countdown::Opened => {
            propagate();
            super::opened(ctx, name, key, opening, event);
            stats::COUNTDOWN.count();
        }
    }
    Ok(countdown)
}
