//! `LATCH.ABORT`

use std::borrow::Cow;

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{Arg, KeyUse, Kind, Spec};
use border::string::Str;

use super::options::KEY;
use super::{announce, existing};
use crate::args::Args;
use crate::error::Error;
use crate::latch::MAX_TEXT;
use crate::parking::{release, with_lot};
use crate::payload::Key;
use crate::stats;

/// What there is to say if nothing was said.
const DEFAULT_REASON: &[u8] = b"aborted";

/// Breaks a closed latch: everybody who waits or comes is told the reason.
#[derive(Debug)]
pub(crate) struct Abort;

impl Command for Abort {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.abort",
        flags: c"write fast",
        categories: c"write fast",
        summary: c"Breaks a closed latch: its waiters, and all who come later, get an error with the reason. Returns the number of waiters.",
        complexity: c"O(N) where N is the number of parked clients; they are released in bounded steps",
        since: c"0.1.0",
        arity: -2,
        keys: KeyUse::UPDATE,
        args: &[KEY, Arg::new(c"reason", Kind::String).optional()],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let Request { name, reason } = Request::parse(Args::new(args))?;
        let mut key = Key::write(*call, *name);
        let latch = existing(&mut key)?;
        if !latch.abort(&reason)? {
            return Ok(Reply::Integer(0));
        }
        let round = latch.round();
        drop(key);
        let released =
            with_lot(call.lock(), |lot| lot.abort(call.db(), name.bytes(), round, &reason));
        call.replicate_verbatim();
        announce(*call, *name, c"latch.abort");
        stats::ABORT.count();
        release(*call);
        Ok(Reply::Integer(i64::try_from(released).unwrap_or(i64::MAX)))
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Request<'a, S> {
    name: &'a S,
    reason: Cow<'a, [u8]>,
}

impl<'a, S: AsRef<[u8]>> Request<'a, S> {
    fn parse(mut args: Args<'a, S>) -> Result<Self, Error> {
        let name = args.next()?;
        let reason = if args.is_empty() { DEFAULT_REASON } else { args.next()?.as_ref() };
        args.finish()?;
        Ok(Self { name, reason: one_line(reason)? })
    }
}

/// A reason as an error reply can carry it: CR and LF would end the reply, and
/// a NUL its text.
fn one_line(reason: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    let breaks = |byte: &u8| matches!(byte, b'\r' | b'\n' | b'\0');
    match reason {
        [] => Ok(Cow::Borrowed(DEFAULT_REASON)),
        _ if reason.len() > MAX_TEXT => Err(Error::ReasonLength),
        _ if reason.iter().any(breaks) => {
            let line = reason.iter().map(|byte| if breaks(byte) { b' ' } else { *byte });
            Ok(Cow::Owned(line.collect()))
        }
        _ => Ok(Cow::Borrowed(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latch::is_reason;

    fn reason<'a>(words: &'a [&'a [u8]]) -> Result<Vec<u8>, Error> {
        Request::parse(Args::new(words)).map(|request| request.reason.to_vec())
    }

    #[test]
    fn a_reason_is_one_line() {
        for (given, kept) in [
            (&b"disk full"[..], &b"disk full"[..]),
            (b"a\r\nb\0c", b"a  b c"),
            (b"\n", b" "),
            (b"\xff", b"\xff"),
            (b"", b"aborted"),
        ] {
            let reason = reason(&[b"key", given]).unwrap();
            assert_eq!(reason, kept);
            assert!(is_reason(&reason));
        }
    }

    #[test]
    fn a_reason_may_be_left_out_but_is_one_argument() {
        assert_eq!(reason(&[b"key"]), Ok(b"aborted".to_vec()));
        assert_eq!(reason(&[b"key", b"disk", b"full"]), Err(Error::Syntax));
    }

    #[test]
    fn a_long_reason_is_refused() {
        assert!(reason(&[b"key", &[b'x'; MAX_TEXT]]).is_ok());
        assert_eq!(reason(&[b"key", &[b'x'; MAX_TEXT + 1]]), Err(Error::ReasonLength));
    }
}
