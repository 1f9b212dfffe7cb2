//! `LATCH.ARRIVE key timeout [ID id]`

use crate::args::{Args, Timeout};
use crate::error::Error;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::{Countdown, Latch, State};
use crate::stats;
use crate::waiters::Rule;

use super::r#await::{Answer, may_park, park, target};
use super::countdown::{count_down, read_id};

/// Counts down by one and waits for the rest, in one step: a barrier.
#[derive(Debug)]
pub(crate) struct Arrive;

impl Command for Arrive {
    const SPEC: Spec = Spec {
        name: c"latch.arrive",
        flags: c"write blocking",
        categories: c"write slow blocking",
        summary: c"Counts a latch down by one and waits for the rest, in one atomic step.",
        complexity: c"O(1), or O(N) when it opens, where N is the number of parked clients, in bounded steps",
        since: c"0.1.0",
        arity: -3,
        keys: KeyUse::UPDATE,
        args: &[
            Arg::key(),
            Arg::double(c"timeout"),
            Arg::string(c"id").after(c"ID").optional(),
        ],
    };

    fn run(ctx: Context<'_>, mut args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let name = *args.next()?;
        let timeout = Timeout::parse(args.next()?.bytes())?;
        let id = read_id(&mut args)?;
        args.finish()?;

        let key = Key::write(ctx, name);
        let latch = key.latch()?;
        stats::AWAIT.count();
        let Some(latch) = latch else {
            return Ok(Reply::Ok);
        };
        // It parks before it counts: who is refused a place has not arrived, and
        // whatever the countdown's own event sets off finds it waiting.
        let parked = if must_wait(latch, id) && may_park(ctx, name)? {
            park(ctx, &[target(name, latch, &key)], Rule::All, timeout, Answer::Ok)?
        } else {
            Reply::Null
        };
        match count_down(ctx, name, key, 1, id, || propagate(ctx, name, id))? {
            Countdown::Opened | Countdown::WasOpen => Ok(Reply::Ok),
            Countdown::Remaining(_) | Countdown::Duplicate(_) => Ok(parked),
        }
    }
}

/// Whether the latch is still closed when this one has arrived.
fn must_wait(latch: &Latch, id: Option<&[u8]>) -> bool {
    let duplicate = id.is_some_and(|id| latch.has_arrived(id));
    latch.state() == State::Closed && (latch.count() > 1 || duplicate)
}

/// The countdown that an arrival contains; who waits here does not wait there.
fn propagate(ctx: Context<'_>, name: Str<'_>, id: Option<&[u8]>) {
    match id {
        None => ctx.replicate(c"LATCH.COUNTDOWN", name, &[]),
        Some(id) => ctx.replicate(c"LATCH.COUNTDOWN", name, &[b"1", b"ID", id]),
    }
}
