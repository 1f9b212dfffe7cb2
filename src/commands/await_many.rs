//! `LATCH.AWAITALL` and `LATCH.AWAITANY`

use border::command::{Call, Command};
use border::context::Context;
use border::reply::Reply;
use border::spec::{Arg, KeyUse, Kind, Spec};
use border::string::Str;

use super::r#await::{Found, find};
use super::options::{KEY, Missing, TIMEOUT};
use crate::args::Args;
use crate::config::max_keys;
use crate::error::Error;
use crate::lot::{Rule, Target};
use crate::stats;
use crate::time::Timeout;
use crate::wait::{self, Success};

const ARGS: &[Arg] = &[TIMEOUT, Arg::new(c"numkeys", Kind::Integer), KEY.repeated(), Missing::ARG];

/// Waits until all of the latches have opened.
#[derive(Debug)]
pub(crate) struct AwaitAll;

impl Command for AwaitAll {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.awaitall",
        flags: c"readonly blocking",
        categories: c"read slow blocking",
        summary: c"Waits until several latches have opened; the first that fails ends the wait.",
        complexity: c"O(N) where N is the number of keys",
        since: c"0.1.0",
        arity: -4,
        keys: KeyUse::READ_MANY,
        args: ARGS,
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let Latches { timeout, failed, closed, .. } = Latches::find(*call, args)?;
        Ok(match failed.into_iter().next() {
            Some(error) => return Err(error),
            None if closed.is_empty() => Reply::Ok,
            None => wait::begin(call, &closed, Rule::All, timeout, Success::Ok)?,
        })
    }
}

/// Waits until one of the latches opens.
#[derive(Debug)]
pub(crate) struct AwaitAny;

impl Command for AwaitAny {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.awaitany",
        flags: c"readonly blocking",
        categories: c"read slow blocking",
        summary: c"Waits until one of several latches opens and returns its name; fails when all have failed.",
        complexity: c"O(N) where N is the number of keys",
        since: c"0.1.0",
        arity: -4,
        keys: KeyUse::READ_MANY,
        args: ARGS,
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let Latches { timeout, open, failed, closed } = Latches::find(*call, args)?;
        if let Some(name) = open {
            return Ok(Reply::Bulk(name.into()));
        }
        Ok(match failed.into_iter().next_back() {
            Some(error) if closed.is_empty() => return Err(error),
            _ => wait::begin(call, &closed, Rule::Any, timeout, Success::Key)?,
        })
    }
}

/// What the keys of a command hold as its wait begins.
struct Latches<'a> {
    timeout: Timeout,
    /// The first that is open.
    open: Option<&'a [u8]>,
    /// Why others are not, nor will be.
    failed: Vec<Error>,
    closed: Vec<Target<'a>>,
}

impl<'a> Latches<'a> {
    fn find(ctx: Context<'_>, args: &'a [Str<'a>]) -> Result<Self, Error> {
        let Request { timeout, keys, missing } = Request::parse(Args::new(args), max_keys())?;
        let (failed, closed) = (Vec::new(), Vec::new());
        let mut latches = Self { timeout, open: None, failed, closed };
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

#[derive(Debug, PartialEq, Eq)]
struct Request<'a, S> {
    timeout: Timeout,
    keys: &'a [S],
    missing: Missing,
}

impl<'a, S: AsRef<[u8]>> Request<'a, S> {
    /// Reads the arguments, with at most so many keys.
    fn parse(mut args: Args<'a, S>, max_keys: usize) -> Result<Self, Error> {
        let timeout = Timeout::parse(args.next()?.as_ref())?;
        let keys = args.keys(max_keys)?;
        let missing = Missing::read(&mut args)?;
        args.finish()?;
        Ok(Self { timeout, keys, missing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_as_many_as_their_number_says() {
        let parse = |words: &'static [&str]| {
            Request::parse(Args::new(words), 2).map(|request| (request.keys, request.missing))
        };
        let ab: &[&str] = &["a", "b"];
        assert_eq!(parse(&["1", "2", "a", "b"]), Ok((ab, Missing::Open)));
        assert_eq!(parse(&["1", "2", "a", "b", "MISSING", "WAIT"]), Ok((ab, Missing::Wait)));
        assert_eq!(parse(&["1", "1", "a", "b"]), Err(Error::Syntax));
        assert_eq!(parse(&["1", "3", "a", "b"]), Err(Error::TooFewKeys));
        assert_eq!(parse(&["a", "2", "b", "c"]), Err(Error::TimeoutNotAFloat));
        assert_eq!(parse(&["1", "0", "a"]), Err(Error::NumKeys));
        assert_eq!(parse(&["1", "3", "a", "b", "c"]), Err(Error::TooManyKeys));
        assert_eq!(parse(&["1", "3", "a", "b"]), Err(Error::TooFewKeys));
    }
}
