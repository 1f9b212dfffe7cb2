//! `LATCH.AWAIT`, and what it has in common with the other commands that wait.

use border::command::{Call, Command};
use border::context::Context;
use border::reply::Reply;
use border::spec::{KeyUse, Spec};
use border::string::Str;

use super::options::{KEY, Missing, TIMEOUT};
use crate::args::Args;
use crate::error::Error;
use crate::latch::{Latch, State};
use crate::lot::{Rule, Target};
use crate::payload::Key;
use crate::stats;
use crate::time::Timeout;
use crate::wait::{self, Success};

/// Waits until the latch opens.
#[derive(Debug)]
pub(crate) struct Await;

impl Command for Await {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.await",
        flags: c"readonly blocking",
        categories: c"read slow blocking",
        summary: c"Waits until a latch opens, parked in the server, at most <timeout> seconds (0: for ever); an open or missing latch is OK at once.",
        complexity: c"O(1)",
        since: c"0.1.0",
        arity: -3,
        keys: KeyUse::READ,
        args: &[KEY, TIMEOUT, Missing::ARG],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let Request { name, timeout, missing } = Request::parse(Args::new(args))?;
        let found = find(*call, *name, missing)?;
        stats::AWAIT.count();
        Ok(match found {
            Found::Open => Reply::Ok,
            Found::Failed(error) => return Err(error),
            Found::Closed(target) => wait::begin(call, &[target], Rule::All, timeout, Success::Ok)?,
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Request<'a, S> {
    name: &'a S,
    timeout: Timeout,
    missing: Missing,
}

impl<'a, S: AsRef<[u8]>> Request<'a, S> {
    fn parse(mut args: Args<'a, S>) -> Result<Self, Error> {
        let name = args.next()?;
        let timeout = Timeout::parse(args.next()?.as_ref())?;
        let missing = Missing::read(&mut args)?;
        args.finish()?;
        Ok(Self { name, timeout, missing })
    }
}

/// What is at a key, to a wait that begins.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// An open latch, or what counts as one.
    Open,
    /// What ends the wait before it begins.
    Failed(Error),
    /// A closed latch, or one that is still to come.
    Closed(Target<'a>),
}

/// Looks at a key that a client wants to wait for.
///
/// # Errors
/// Of the command, not of the latch.
pub(super) fn find<'a>(
    ctx: Context<'_>,
    name: Str<'a>,
    missing: Missing,
) -> Result<Found<'a>, Error> {
    let key = Key::read(ctx, name);
    Ok(match (key.value()?, missing) {
        (None, Missing::Open) => Found::Open,
        (None, Missing::Error) => Found::Failed(Error::NoLatch),
        (None, Missing::Wait) => {
            Found::Closed(Target { key: name.bytes(), round: None, expires: None })
        }
        (Some(latch), _) => match latch.state() {
            State::Open => Found::Open,
            State::Aborted(reason) => Found::Failed(Error::Aborted(reason.into())),
            State::Closed => Found::Closed(target(name, latch, &key)),
        },
    })
}

/// The closed latch of a key, as something to wait for.
pub(super) fn target<'a>(name: Str<'a>, latch: &Latch, key: &Key<'_>) -> Target<'a> {
    Target { key: name.bytes(), round: Some(latch.round()), expires: key.expiry() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_a_timeout_are_needed() {
        let parse = |words| Request::parse(Args::new(words)).map(|request| request.missing);
        assert_eq!(parse(&["key", "1"]), Ok(Missing::Open));
        assert_eq!(parse(&["key", "1", "MISSING", "WAIT"]), Ok(Missing::Wait));
        assert_eq!(parse(&["key"]), Err(Error::Syntax));
        assert_eq!(parse(&["key", "1", "FOO"]), Err(Error::Syntax));
        assert_eq!(parse(&["key", "1", "WAIT"]), Err(Error::Syntax));
        let twice = &["key", "1", "MISSING", "OPEN", "MISSING", "OPEN"];
        assert_eq!(parse(twice), Err(Error::Syntax));
    }
}
