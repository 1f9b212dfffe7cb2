//! `LATCH.WAITERS`

use border::command::{Call, Command};
use border::context::now;
use border::reply::Reply;
use border::spec::{KeyUse, Spec};
use border::string::Str;

use super::options::{COUNT, read_limit};
use crate::args::Args;
use crate::error::Error;
use crate::parking::with_lot;

/// How many keys are returned if nobody says.
const DEFAULT_COUNT: usize = 10;

/// Returns where the clients are parked.
#[derive(Debug)]
pub(crate) struct Waiters;

impl Command for Waiters {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.waiters",
        flags: c"readonly admin",
        categories: c"admin dangerous slow",
        summary:
            c"Returns the keys of this database that clients are parked on, most waiters first.",
        complexity: c"O(N log M) where N is the number of such keys, and M the number returned",
        since: c"0.1.0",
        arity: -1,
        keys: KeyUse::NONE,
        args: &[COUNT],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let limit = read_limit(Args::new(args), DEFAULT_COUNT)?;
        let now = now();
        let keys = with_lot(call.lock(), |lot| lot.most_waited(call.db(), limit));
        let rows = keys.into_iter().map(|waited| {
            let waiters = i64::try_from(waited.waiters).unwrap_or(i64::MAX);
            let oldest = Reply::Integer((now - waited.since).max(0));
            let key = Reply::Bulk(waited.key.as_str().bytes().into());
            Reply::Array(vec![key, Reply::Integer(waiters), oldest])
        });
        Ok(Reply::Array(rows.collect()))
    }
}
