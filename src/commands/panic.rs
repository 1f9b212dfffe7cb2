//! `LATCH.PANIC`, with the feature `fault-injection` only.

use std::sync::atomic::Ordering;

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{Arg, KeyUse, Spec};
use border::string::Str;

use crate::args::Args;
use crate::error::Error;
use crate::parking::with_lot;
use crate::payload::PANICS_ON_SAVE;

/// Panics where it hurts: while the parking lot is lent out; or has each save of a latch
/// panic from now on.
#[derive(Debug)]
pub(crate) struct Panic;

impl Command for Panic {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.panic",
        flags: c"readonly",
        categories: c"read slow",
        summary: c"Panics, to show that a bug does not end the server.",
        complexity: c"O(1)",
        since: c"0.1.0",
        arity: -1,
        keys: KeyUse::NONE,
        args: &[Arg::word(c"on-save", c"SAVE").optional()],
    };

    #[allow(clippy::panic)]
    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        if Args::new(args).next().is_ok() {
            PANICS_ON_SAVE.store(true, Ordering::Relaxed);
            return Ok(Reply::Ok);
        }
        with_lot(call.lock(), |lot| panic!("on purpose, with {} clients parked", lot.parked()))
    }
}
