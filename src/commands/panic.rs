//! `LATCH.PANIC`, with the feature `fault-injection` only.

use border::command::Command;
use border::context::Context;
use border::reply::Reply;
use border::spec::{KeyUse, Spec};
use border::string::Str;

use crate::error::Error;
use crate::parking::with_lot;

/// Panics where it hurts: while the parking lot is lent out.
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
        arity: 1,
        keys: KeyUse::NONE,
        args: &[],
    };

    #[allow(clippy::panic)]
    fn run(ctx: Context<'_>, _args: &[Str<'_>]) -> Result<Reply, Error> {
        with_lot(ctx.lock(), |lot| panic!("on purpose, with {} clients parked", lot.parked()))
    }
}
