//! `LATCH.COUNTDOWN`

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{Arg, KeyUse, Kind, Spec};
use border::string::Str;

use super::options::{Counting, ID, KEY};
use super::{announce, follow_opening};
use crate::args::Args;
use crate::error::Error;
use crate::latch::{Countdown, MAX_COUNT};
use crate::payload::Key;
use crate::stats;

/// Counts down, and opens the latch at zero.
#[derive(Debug)]
pub(crate) struct CountDown;

impl Command for CountDown {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.countdown",
        flags: c"write fast",
        categories: c"write fast",
        summary: c"Counts a latch down and returns what remains; at 0 it opens and its waiters are released. An id counts once.",
        complexity: c"O(1), or O(N) when it opens, where N is the number of parked clients, in bounded steps",
        since: c"0.1.0",
        arity: -2,
        keys: KeyUse::UPDATE,
        args: &[KEY, Arg::new(c"decrement", Kind::Integer).optional(), ID, Counting::MISSING],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let Request { name, by, counting } = Request::parse(Args::new(args))?;
        let countdown =
            count_down(call, *name, by, counting, || propagate(call, *name, by, counting))?;
        Ok(Reply::Integer(match countdown {
            Countdown::Remaining(count) | Countdown::Duplicate(count) => count,
            Countdown::Opened | Countdown::WasOpen => 0,
        }))
    }
}

/// The countdown that was counted. What to do without a latch is settled.
fn propagate(call: Call<'_>, name: Str<'_>, by: i64, counting: Counting<'_>) {
    match (counting.missing, counting.id) {
        (None, _) => call.replicate_verbatim(),
        (_, None) => call.replicate(c"LATCH.COUNTDOWN", name, &[by.to_string().as_bytes()]),
        (_, Some(id)) => propagate_with_id(call, name, by, id),
    }
}

/// A countdown with an id that was counted.
pub(super) fn propagate_with_id(call: Call<'_>, name: Str<'_>, by: i64, id: &[u8]) {
    call.replicate(c"LATCH.COUNTDOWN", name, &[by.to_string().as_bytes(), b"ID", id]);
}

/// Counts down the latch of a key, if there is one, and does all that follows;
/// `propagate` is called if anything has changed.
///
/// # Errors
/// If the latch was aborted; with `MISSING ERROR` also if there is none, or one that has
/// opened without this id: a part too many.
pub(super) fn count_down(
    call: Call<'_>,
    name: Str<'_>,
    by: i64,
    counting: Counting<'_>,
    propagate: impl FnOnce(),
) -> Result<Countdown, Error> {
    let event = c"latch.countdown";
    let mut key = Key::write(*call, name);
    let Some(latch) = key.value_mut()? else {
        return if counting.is_strict() { Err(Error::NoLatch) } else { Ok(Countdown::WasOpen) };
    };
    let countdown = latch.count_down(by, counting.id)?;
    let opening = latch.opening();
    match countdown {
        Countdown::Duplicate(_) => stats::DUPLICATE.count(),
        // Without an id it cannot be told from one that was sent again.
        Countdown::WasOpen if counting.is_strict() && counting.id.is_some() => {
            return Err(Error::Open);
        }
        Countdown::WasOpen => {}
        Countdown::Remaining(_) => {
            drop(key);
            propagate();
            announce(*call, name, event);
            stats::COUNTDOWN.count();
        }
        Countdown::Opened => {
            propagate();
            follow_opening(call, name, key, opening, event);
            stats::COUNTDOWN.count();
        }
    }
    Ok(countdown)
}

#[derive(Debug, PartialEq, Eq)]
struct Request<'a, S> {
    name: &'a S,
    by: i64,
    counting: Counting<'a>,
}

impl<'a, S: AsRef<[u8]>> Request<'a, S> {
    /// An option that comes right after the key is told from a decrement by its word.
    fn parse(mut args: Args<'a, S>) -> Result<Self, Error> {
        let name = args.next()?;
        let no_decrement = args.is_empty() || args.has_next("ID") || args.has_next("MISSING");
        let by = if no_decrement { 1 } else { args.integer(1..=MAX_COUNT)? };
        Ok(Self { name, by, counting: Counting::parse(args)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(words: &'a [&'a str]) -> Result<(i64, Option<&'a [u8]>), Error> {
        Request::parse(Args::new(words)).map(|request| (request.by, request.counting.id))
    }

    #[test]
    fn a_decrement_and_an_id_may_be_left_out() {
        assert_eq!(parse(&["key"]), Ok((1, None)));
        assert_eq!(parse(&["key", "3"]), Ok((3, None)));
        assert_eq!(parse(&["key", "ID", "x"]), Ok((1, Some(&b"x"[..]))));
        assert_eq!(parse(&["key", "3", "id", "x"]), Ok((3, Some(&b"x"[..]))));
        assert_eq!(parse(&["key", "missing", "ERROR"]), Ok((1, None)));
        assert_eq!(parse(&["key", "3", "MISSING", "OPEN", "ID", "x"]), Ok((3, Some(&b"x"[..]))));
    }

    #[test]
    fn a_decrement_is_at_least_1_and_comes_before_the_id() {
        for text in ["0", "-1", "9223372036854775808", "x", ""] {
            assert_eq!(parse(&["key", text]), Err(Error::NotAnInteger), "{text}");
        }
        assert_eq!(parse(&["key", "ID", "x", "3"]), Err(Error::Syntax));
        assert_eq!(parse(&["key", "MISSING", "WAIT"]), Err(Error::Syntax));
        assert_eq!(parse(&["key", "3", "4"]), Err(Error::Syntax));
        assert_eq!(parse(&["key", "ID", "x", "ID", "x"]), Err(Error::Syntax));
        assert_eq!(parse(&[]), Err(Error::Syntax));
    }
}
