//! `LATCH.GET key`

use crate::args::Args;
use crate::error::Error;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::Latch;

/// Replies the remaining count; 0 means open.
#[derive(Debug)]
pub(crate) struct Get;

impl Command for Get {
    const SPEC: Spec = Spec {
        name: c"latch.get",
        flags: c"readonly fast",
        categories: c"read fast",
        summary: c"Returns the remaining count of a latch, 0 if it is open or missing.",
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
        Ok(Reply::Integer(key.latch()?.map_or(0, Latch::count)))
    }
}
