//! `LATCH.ARRIVE`

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{KeyUse, Spec};
use border::string::Str;

use super::r#await::target;
use super::countdown::count_down;
use super::options::{ID, KEY, TIMEOUT, read_id};
use crate::args::Args;
use crate::error::Error;
use crate::latch::{Countdown, Latch, State};
use crate::lot::Rule;
use crate::payload::Key;
use crate::stats;
use crate::time::Timeout;
use crate::wait::{self, Success};

/// Counts down by one and waits for the rest, in one step: a barrier.
#[derive(Debug)]
pub(crate) struct Arrive;

impl Command for Arrive {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.arrive",
        flags: c"write blocking",
        categories: c"write slow blocking",
        summary: c"Counts a latch down by one and waits for the rest, in one atomic step.",
        complexity: c"O(1), or O(N) when it opens, where N is the number of parked clients, in bounded steps",
        since: c"0.1.0",
        arity: -3,
        keys: KeyUse::UPDATE,
        args: &[KEY, TIMEOUT, ID],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let Request { name, timeout, id } = Request::parse(Args::new(args))?;
        let key = Key::write(*call, *name);
        let latch = key.value()?;
        stats::AWAIT.count();
        let Some(latch) = latch else {
            return Ok(Reply::Ok);
        };
        let target = must_wait(latch, id).then(|| target(*name, latch, &key));
        drop(key);
        // It parks before it counts: who is refused a place has not arrived, and
        // whatever the countdown's own event sets off finds it waiting.
        let parked = match target {
            Some(target) => wait::begin(call, &[target], Rule::All, timeout, Success::Ok)?,
            None => Reply::Null,
        };
        match count_down(call, *name, 1, id, || propagate(call, *name, id))? {
            Countdown::Opened | Countdown::WasOpen | Countdown::Duplicate(0) => Ok(Reply::Ok),
            Countdown::Remaining(_) | Countdown::Duplicate(_) => Ok(parked),
        }
    }
}

/// Whether the latch is still closed when this one has arrived.
fn must_wait(latch: &Latch, id: Option<&[u8]>) -> bool {
    let duplicate = id.is_some_and(|id| latch.has_arrived(id));
    latch.state() == State::Closed && (latch.count() > 1 || duplicate)
}

/// The countdown that an arrival contains; who waits here does not wait there.
fn propagate(call: Call<'_>, name: Str<'_>, id: Option<&[u8]>) {
    match id {
        None => call.replicate(c"LATCH.COUNTDOWN", name, &[]),
        Some(id) => call.replicate(c"LATCH.COUNTDOWN", name, &[b"1", b"ID", id]),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Request<'a, S> {
    name: &'a S,
    timeout: Timeout,
    id: Option<&'a [u8]>,
}

impl<'a, S: AsRef<[u8]>> Request<'a, S> {
    fn parse(mut args: Args<'a, S>) -> Result<Self, Error> {
        let name = args.next()?;
        let timeout = Timeout::parse(args.next()?.as_ref())?;
        let id = read_id(&mut args)?;
        args.finish()?;
        Ok(Self { name, timeout, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_comes_last() {
        let parse = |words| Request::parse(Args::new(words)).map(|request| request.id);
        assert_eq!(parse(&["key", "1"]), Ok(None));
        assert_eq!(parse(&["key", "1", "id", "x"]), Ok(Some(&b"x"[..])));
        assert_eq!(parse(&["key", "1", "x"]), Err(Error::Syntax));
        assert_eq!(parse(&["key", "1", "ID", "x", "y"]), Err(Error::Syntax));
        assert_eq!(parse(&["key", "ID", "x"]), Err(Error::TimeoutNotAFloat));
    }

    #[test]
    fn who_arrives_waits_unless_it_is_the_last_or_the_latch_is_not_closed() {
        let mut latch = Latch::new(2, 0, None);
        assert!(must_wait(&latch, None) && must_wait(&latch, Some(b"a")));
        latch.count_down(1, Some(b"a")).unwrap();
        assert!(!must_wait(&latch, None) && !must_wait(&latch, Some(b"b")));
        assert!(must_wait(&latch, Some(b"a")), "it has arrived already, and the other has not");
        latch.abort(b"why").unwrap();
        assert!(!must_wait(&latch, Some(b"a")), "it fails");
    }
}
