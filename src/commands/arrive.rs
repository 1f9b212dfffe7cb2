//! `LATCH.ARRIVE`

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{KeyUse, Spec};
use border::string::Str;

use super::r#await::target as target_of;
use super::countdown::{count_down, propagate_with_id};
use super::options::{Counting, KEY, OWN_ID, TIMEOUT};
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
        summary: c"Counts a latch down by one and waits for the rest, in one atomic step. The id counts once: sent again it only waits.",
        complexity: c"O(1), or O(N) when it opens, where N is the number of parked clients, in bounded steps",
        since: c"0.1.0",
        arity: -5,
        keys: KeyUse::UPDATE,
        args: &[KEY, TIMEOUT, OWN_ID, Counting::MISSING],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let Request { name, timeout, id, counting } = Request::parse(Args::new(args))?;
        let key = Key::write(*call, *name);
        let latch = key.value()?;
        stats::AWAIT.count();
        let target = latch.filter(|latch| must_wait(latch, id));
        let target = target.map(|latch| target_of(*name, latch, &key));
        drop(key);
        // It parks before it counts: who is refused a place has not arrived, and
        // whatever the countdown's own event sets off finds it waiting.
        let parked = match target {
            Some(target) => wait::begin(call, &[target], Rule::All, timeout, Success::Ok)?,
            None => Reply::Null,
        };
        // Others see the countdown that an arrival contains; who waits here does not wait
        // there.
        match count_down(call, *name, 1, counting, || propagate_with_id(call, *name, 1, id))? {
            Countdown::Opened | Countdown::WasOpen | Countdown::Duplicate(0) => Ok(Reply::Ok),
            Countdown::Remaining(_) | Countdown::Duplicate(_) => Ok(parked),
        }
    }
}

/// Whether the latch is still closed when this one has arrived.
fn must_wait(latch: &Latch, id: &[u8]) -> bool {
    latch.state() == State::Closed && (latch.count() > 1 || latch.has_arrived(id))
}

#[derive(Debug, PartialEq, Eq)]
struct Request<'a, S> {
    name: &'a S,
    timeout: Timeout,
    id: &'a [u8],
    /// It has the id, too.
    counting: Counting<'a>,
}

impl<'a, S: AsRef<[u8]>> Request<'a, S> {
    /// The id is required. The reply is late by design, so client libraries send the
    /// command again; without an id one process would pass a barrier by itself.
    fn parse(mut args: Args<'a, S>) -> Result<Self, Error> {
        let name = args.next()?;
        let timeout = Timeout::parse(args.next()?.as_ref())?;
        let counting = Counting::parse(args)?;
        let id = counting.id.ok_or(Error::Syntax)?;
        Ok(Self { name, timeout, id, counting })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_needed() {
        let parse =
            |words| Request::parse(Args::new(words)).map(|it| (it.id, it.counting.is_strict()));
        assert_eq!(parse(&["key", "1", "id", "x"]), Ok((&b"x"[..], false)));
        assert_eq!(parse(&["key", "1", "ID", "x", "MISSING", "ERROR"]), Ok((&b"x"[..], true)));
        assert_eq!(parse(&["key", "1", "MISSING", "OPEN", "ID", "x"]), Ok((&b"x"[..], false)));
        for words in [
            &["key", "1"][..],
            &["key", "1", "x"],
            &["key", "1", "MISSING", "ERROR"],
            &["key", "1", "ID", "x", "y"],
            &["key", "1", "ID", "x", "MISSING", "WAIT"],
        ] {
            assert_eq!(parse(words), Err(Error::Syntax), "{words:?}");
        }
        assert_eq!(parse(&["key", "ID", "x"]), Err(Error::TimeoutNotAFloat));
    }

    #[test]
    fn who_arrives_waits_unless_it_is_the_last_or_the_latch_is_not_closed() {
        let mut latch = Latch::new(2, 0, None);
        assert!(must_wait(&latch, b"a"));
        latch.count_down(1, Some(b"a")).unwrap();
        assert!(!must_wait(&latch, b"b"));
        assert!(must_wait(&latch, b"a"), "it has arrived already, and the other has not");
        latch.abort(b"why").unwrap();
        assert!(!must_wait(&latch, b"a"), "it fails");
    }
}
