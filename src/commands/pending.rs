//! `LATCH.PENDING`

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{KeyUse, Spec};
use border::string::Str;

use super::options::{COUNT, KEY, read_limit};
use crate::args::Args;
use crate::error::Error;
use crate::latch::Latch;
use crate::payload::Key;

/// How many ids are returned if nobody says.
const DEFAULT_COUNT: usize = 100;

/// Returns the ids that were announced and have not counted down.
#[derive(Debug)]
pub(crate) struct Pending;

impl Command for Pending {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.pending",
        flags: c"readonly",
        categories: c"read slow",
        summary: c"Returns which parts are still missing: the ids that were added and have not counted down, sorted.",
        complexity: c"O(N + M log M) where N is the number of ids of the latch, and M the number returned",
        since: c"0.1.0",
        arity: -2,
        keys: KeyUse::READ,
        args: &[KEY, COUNT],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let mut args = Args::new(args);
        let (name, most) = (*args.next()?, read_limit(args, DEFAULT_COUNT)?);
        let key = Key::read(*call, name);
        match key.value()?.and_then(Latch::ids) {
            None => Ok(Reply::Array(Vec::new())),
            Some(ids) => {
                let missing = ids.first_pending(most);
                Ok(call.reply_with(missing.len(), missing.into_iter()))
            }
        }
    }
}
