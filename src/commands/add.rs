//! `LATCH.ADD key increment`

use crate::args::Args;
use crate::error::Error;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::MAX_COUNT;

/// Raises the count of a closed latch.
#[derive(Debug)]
pub(crate) struct Add;

impl Command for Add {
    const SPEC: Spec = Spec {
        name: c"latch.add",
        flags: c"write fast",
        categories: c"write fast",
        summary: c"Raises the count of a closed latch and returns it.",
        complexity: c"O(1)",
        since: c"0.1.0",
        arity: 3,
        keys: KeyUse::UPDATE,
        args: &[Arg::key(), Arg::integer(c"increment")],
    };

    fn run(ctx: Context<'_>, mut args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let name = *args.next()?;
        let by = args.integer(1..=MAX_COUNT)?;
        args.finish()?;

        let mut key = Key::write(ctx, name);
        let count = super::existing(&mut key)?.add(by)?;
        drop(key);
        ctx.replicate_verbatim();
        super::changed(ctx, name, c"latch.add");
        Ok(Reply::Integer(count))
    }
}
