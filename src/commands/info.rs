//! `LATCH.INFO key`

use crate::args::Args;
use crate::error::Error;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply, now};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::State;
use crate::parking;

/// Replies all there is to know about a latch.
#[derive(Debug)]
pub(crate) struct Info;

impl Command for Info {
    const SPEC: Spec = Spec {
        name: c"latch.info",
        flags: c"readonly fast",
        categories: c"read fast",
        summary: c"Returns state, counts, waiters and times of a latch.",
        complexity: c"O(1)",
        since: c"0.1.0",
        arity: 2,
        keys: KeyUse::READ,
        args: &[Arg::key()],
    };

    fn run(ctx: Context<'_>, mut args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let name = *args.next()?;
        args.finish()?;
        let key = Key::read(ctx, name);
        let Some(latch) = key.latch()? else {
            return Ok(Reply::Null);
        };
        let state = match latch.state() {
            State::Closed => "closed",
            State::Open => "open",
            State::Aborted(_) => "aborted",
        };
        let waiters = parking::with_lot(|lot| lot.parked_on(ctx.db(), name.bytes()));
        let ttl = key.expiry().map_or(-1, |at| at.saturating_sub(now()).max(0));
        let number = |n: usize| Reply::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        Ok(Reply::Map(vec![
            ("state", Reply::Bulk(state.as_bytes().into())),
            ("count", Reply::Integer(latch.count())),
            ("total", Reply::Integer(latch.total())),
            ("arrived", number(latch.arrived())),
            ("waiters", number(waiters)),
            ("ttl-ms", Reply::Integer(ttl)),
            ("linger-ms", Reply::Integer(latch.linger())),
            ("reason", Reply::Bulk(latch.reason().unwrap_or_default().into())),
        ]))
    }
}
