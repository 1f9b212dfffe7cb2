//! `LATCH.GET`

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{KeyUse, Spec};
use border::string::Str;

use super::options::KEY;
use crate::args::Args;
use crate::error::Error;
use crate::latch::Latch;
use crate::payload::Key;

/// Returns the remaining count; 0 means open.
#[derive(Debug)]
pub(crate) struct Get;

impl Command for Get {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.get",
        flags: c"readonly fast",
        categories: c"read fast",
        summary: c"Returns the remaining count of a latch, 0 if it is open or missing.",
        complexity: c"O(1)",
        since: c"0.1.0",
        arity: 2,
        keys: KeyUse::READ,
        args: &[KEY],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let key = Key::read(*call, *Args::new(args).only()?);
        Ok(Reply::Integer(key.value()?.map_or(0, Latch::count)))
    }
}
