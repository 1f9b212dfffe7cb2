//! `LATCH.HOLD`, with the feature `fault-injection` only.

use std::thread;
use std::time::Duration;

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{Arg, KeyUse, Kind, Spec};
use border::string::Str;

use crate::args::Args;
use crate::error::Error;
use crate::parking::with_lot;

/// Takes its time while the parking lot is lent out.
#[derive(Debug)]
pub(crate) struct Hold;

impl Command for Hold {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.hold",
        flags: c"readonly",
        categories: c"read slow",
        summary: c"Holds the parking lot, for a crash in the middle of that.",
        complexity: c"O(1)",
        since: c"0.1.0",
        arity: 2,
        keys: KeyUse::NONE,
        args: &[Arg::new(c"milliseconds", Kind::Integer)],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let millis = Args::new(args).integer(0..=60_000)?;
        with_lot(call.lock(), |_| thread::sleep(Duration::from_millis(millis.cast_unsigned())));
        Ok(Reply::Ok)
    }
}
