//! `LATCH.COUNTDOWN key [decrement]`

use crate::args::Args;
use crate::error::Error;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, EventClass, Reply};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::{Countdown, MAX_COUNT};

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
        key: KeyUse::Update,
        args: &[Arg::key(), Arg::integer(c"decrement").optional()],
    };

    fn run(ctx: Context<'_>, mut args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let name = *args.next()?;
        let by = if args.is_empty() {
            1
        } else {
            args.integer(1..=MAX_COUNT)?
        };
        args.finish()?;

        let mut key = Key::write(ctx, name);
        let Some(latch) = key.latch_mut()? else {
            return Ok(Reply::Integer(0));
        };
        let (countdown, round) = (latch.count_down(by), latch.round());
        ctx.replicate_verbatim();
        ctx.notify(EventClass::Module, c"latch.countdown", name);
        match countdown {
            Countdown::Remaining(count) => {
                ctx.signal_modified(name);
                Ok(Reply::Integer(count))
            }
            Countdown::Opened => {
                super::open(ctx, name, key, round);
                Ok(Reply::Integer(0))
            }
        }
    }
}
