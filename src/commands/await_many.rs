//! `LATCH.AWAITALL` and `LATCH.AWAITANY timeout numkeys key [key ...]
//! [MISSING OPEN|ERROR|WAIT]`

use crate::args::{Args, Timeout};
use crate::error::Error;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply};
use crate::ffi::string::Str;
use crate::stats;
use crate::waiters::{Rule, Target};

use super::r#await::{Answer, Found, Missing, find, may_park, park};

const ARGS: &[Arg] =
    &[Arg::double(c"timeout"), Arg::integer(c"numkeys"), Arg::key().repeated(), Missing::ARG];

/// Waits until all of the latches have opened.
#[derive(Debug)]
pub(crate) struct AwaitAll;

impl Command for AwaitAll {
    const SPEC: Spec = Spec {
        name: c"latch.awaitall",
        flags: c"readonly blocking getkeys-api",
        categories: c"read slow blocking",
        summary: c"Waits until several latches have opened; the first that fails ends the wait.",
        complexity: c"O(N) where N is the number of keys",
        since: c"0.1.0",
        arity: -4,
        keys: KeyUse::READ_MANY,
        args: ARGS,
    };

    fn run(ctx: Context<'_>, args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let latches = Latches::find(ctx, args)?;
        match latches.failed.into_iter().next() {
            Some(error) => Err(error),
            None if latches.closed.is_empty() => Ok(Reply::Ok),
            None if !may_park(ctx, latches.first)? => Ok(Reply::Null),
            None => park(ctx, &latches.closed, Rule::All, latches.timeout, Answer::Ok),
        }
    }
}

/// Waits until one of the latches opens.
#[derive(Debug)]
pub(crate) struct AwaitAny;

impl Command for AwaitAny {
    const SPEC: Spec = Spec {
        name: c"latch.awaitany",
        flags: c"readonly blocking getkeys-api",
        categories: c"read slow blocking",
        summary: c"Waits until one of several latches opens and returns its name; fails when all have failed.",
        complexity: c"O(N) where N is the number of keys",
        since: c"0.1.0",
        arity: -4,
        keys: KeyUse::READ_MANY,
        args: ARGS,
    };

    fn run(ctx: Context<'_>, args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let latches = Latches::find(ctx, args)?;
        if let Some(name) = latches.open {
            return Ok(Reply::Bulk(name.into()));
        }
        match latches.failed.into_iter().next_back() {
            Some(error) if latches.closed.is_empty() => Err(error),
            _ if !may_park(ctx, latches.first)? => Ok(Reply::Null),
            _ => park(ctx, &latches.closed, Rule::Any, latches.timeout, Answer::Key),
        }
    }
}

/// What the keys of a command hold as its wait begins.
struct Latches<'a> {
    timeout: Timeout,
    /// The first key.
    first: Str<'a>,
    /// The first that is open.
    open: Option<&'a [u8]>,
    /// Why others are not, nor will be.
    failed: Vec<Error>,
    closed: Vec<Target<'a>>,
}

impl<'a> Latches<'a> {
    fn find(ctx: Context<'_>, mut args: Args<'a, Str<'a>>) -> Result<Self, Error> {
        let timeout = Timeout::parse(args.next()?.bytes())?;
        let keys = args.keys()?;
        let missing = Missing::parse(args)?;
        let &first = keys.first().ok_or(Error::NumKeys)?;

        let (failed, closed) = (Vec::new(), Vec::new());
        let mut latches = Self { timeout, first, open: None, failed, closed };
        for &name in keys {
            match find(ctx, name, missing)? {
                Found::Open => latches.open = latches.open.or(Some(name.bytes())),
                Found::Failed(error) => latches.failed.push(error),
                Found::Closed(target) => latches.closed.push(target),
            }
        }
        stats::AWAIT.count();
        Ok(latches)
    }
}
