//! `LATCH.ARRIVED`

use border::command::Command;
use border::context::Context;
use border::reply::Reply;
use border::spec::{KeyUse, Spec};
use border::string::Str;

use super::options::KEY;
use crate::args::Args;
use crate::error::Error;
use crate::payload::Key;

/// Returns the recorded ids.
#[derive(Debug)]
pub(crate) struct Arrived;

impl Command for Arrived {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.arrived",
        flags: c"readonly",
        categories: c"read slow",
        summary: c"Returns the ids that were counted, in any order.",
        complexity: c"O(N) where N is the number of ids",
        since: c"0.1.0",
        arity: 2,
        keys: KeyUse::READ,
        args: &[KEY],
    };

    fn run(ctx: Context<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let key = Key::read(ctx, *Args::new(args).only()?);
        match key.value()? {
            None => ctx.reply_array(0),
            Some(latch) => {
                ctx.reply_array(latch.arrived());
                latch.ids().for_each(|id| ctx.reply_bulk(id));
            }
        }
        Ok(Reply::Sent)
    }
}
