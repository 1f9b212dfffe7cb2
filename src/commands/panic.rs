//! `LATCH.PANIC`, with the feature `fault-injection` only.

use crate::args::Args;
use crate::error::Error;
use crate::ffi::command::{Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply};
use crate::ffi::string::Str;
use crate::parking;

/// Panics where it hurts: while the parking lot is lent out.
#[derive(Debug)]
pub(crate) struct Panic;

impl Command for Panic {
    const SPEC: Spec = Spec {
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
    fn run(_ctx: Context<'_>, _args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        parking::with_lot(|lot| panic!("on purpose, with {} clients parked", lot.parked()))
    }
}
