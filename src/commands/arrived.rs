//! `LATCH.ARRIVED key`

use crate::args::Args;
use crate::error::Error;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply};
use crate::ffi::key::Key;
use crate::ffi::string::Str;

/// Replies the recorded ids.
#[derive(Debug)]
pub(crate) struct Arrived;

impl Command for Arrived {
    const SPEC: Spec = Spec {
        name: c"latch.arrived",
        flags: c"readonly",
        categories: c"read slow",
        summary: c"Returns the ids that were counted, in any order.",
        complexity: c"O(N) where N is the number of ids",
        since: c"0.1.0",
        arity: 2,
        keys: KeyUse::READ,
        args: &[Arg::key()],
    };

    fn run(ctx: Context<'_>, mut args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let name = *args.next()?;
        args.finish()?;
        let key = Key::read(ctx, name);
        match key.latch()? {
            None => ctx.reply_array(0),
            Some(latch) => {
                ctx.reply_array(latch.arrived());
                latch.ids().for_each(|id| ctx.reply_bulk(id));
            }
        }
        Ok(Reply::Sent)
    }
}
