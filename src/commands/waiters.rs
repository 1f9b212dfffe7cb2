//! `LATCH.WAITERS [COUNT n]`

use crate::args::Args;
use crate::error::Error;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply, now};
use crate::ffi::string::Str;
use crate::latch::MAX_COUNT;
use crate::parking;

/// How many keys are replied if nobody says.
const DEFAULT_COUNT: usize = 10;

/// Replies where the clients are parked.
#[derive(Debug)]
pub(crate) struct Waiters;

impl Command for Waiters {
    const SPEC: Spec = Spec {
        name: c"latch.waiters",
        flags: c"readonly admin",
        categories: c"admin dangerous slow",
        summary:
            c"Returns the keys of this database that clients are parked on, most waiters first.",
        complexity: c"O(N log N) where N is the number of such keys",
        since: c"0.1.0",
        arity: -1,
        keys: KeyUse::NONE,
        args: &[Arg::integer(c"count").after(c"COUNT").optional()],
    };

    fn run(ctx: Context<'_>, mut args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let limit = match args.named("COUNT")? {
            None => DEFAULT_COUNT,
            Some(count) => {
                let count = Args::new(&[*count]).integer(1..=MAX_COUNT)?;
                usize::try_from(count).unwrap_or(usize::MAX)
            }
        };
        args.finish()?;

        let (db, now) = (ctx.db(), now());
        let mut crowds = parking::with_lot(|lot| lot.crowds(db));
        crowds.sort_by(|a, b| b.waiters.cmp(&a.waiters).then(a.since.cmp(&b.since)));
        crowds.truncate(limit);
        let rows = crowds.into_iter().map(|crowd| {
            let waiters = i64::try_from(crowd.waiters).unwrap_or(i64::MAX);
            let oldest = Reply::Integer((now - crowd.since).max(0));
            Reply::Array(vec![
                Reply::Bulk(crowd.key.as_str().bytes().into()),
                Reply::Integer(waiters),
                oldest,
            ])
        });
        Ok(Reply::Array(rows.collect()))
    }
}
