//! `LATCH.ARRIVED`

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{KeyUse, Spec};
use border::string::Str;

use super::options::KEY;
use crate::args::Args;
use crate::error::Error;
use crate::latch::Latch;
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

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let key = Key::read(*call, *Args::new(args).only()?);
        match key.value()?.and_then(Latch::ids) {
            None => Ok(Reply::Array(Vec::new())),
            Some(ids) => Ok(call.reply_with(ids.recorded(), ids.sorted_recorded().into_iter())),
        }
    }
}
