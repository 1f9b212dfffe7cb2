//! `LATCH.ABORT key [reason]`

use std::borrow::Cow;

use crate::args::Args;
use crate::error::Error;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::MAX_TEXT;
use crate::parking;
use crate::stats;

/// What there is to say if nothing was said.
const DEFAULT_REASON: &[u8] = b"aborted";

/// Breaks a closed latch: everybody who waits or comes is told the reason.
#[derive(Debug)]
pub(crate) struct Abort;

impl Command for Abort {
    const SPEC: Spec = Spec {
        name: c"latch.abort",
        flags: c"write fast",
        categories: c"write fast",
        summary: c"Breaks a closed latch: its waiters, and all who come later, get an error with the reason.",
        complexity: c"O(N) where N is the number of parked clients; they are released in bounded steps",
        since: c"0.1.0",
        arity: -2,
        keys: KeyUse::UPDATE,
        args: &[Arg::key(), Arg::string(c"reason").optional()],
    };

    fn run(ctx: Context<'_>, mut args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let name = *args.next()?;
        let reason = if args.is_empty() { DEFAULT_REASON } else { args.next()?.bytes() };
        args.finish()?;
        let reason = one_line(reason)?;

        let mut key = Key::write(ctx, name);
        let latch = super::existing(&mut key)?;
        if !latch.abort(&reason)? {
            return Ok(Reply::Integer(0));
        }
        let round = latch.round();
        let (db, bytes) = (ctx.db(), name.bytes());
        let released = parking::with_lot(|lot| lot.abort(db, bytes, round, &reason));
        drop(key);
        ctx.replicate_verbatim();
        super::changed(ctx, name, c"latch.abort");
        stats::ABORT.count();
        parking::release(ctx);
        Ok(Reply::Integer(i64::try_from(released).unwrap_or(i64::MAX)))
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

    #[test]
    fn a_reason_is_one_line() {
        for (given, kept) in [
            (&b"disk full"[..], &b"disk full"[..]),
            (b"a\r\nb\0c", b"a  b c"),
            (b"\n", b" "),
            (b"\xff", b"\xff"),
            (b"", b"aborted"),
        ] {
            let line = one_line(given).unwrap();
            assert_eq!(*line, *kept);
            assert!(is_reason(&line));
        }
    }

    #[test]
    fn a_long_reason_is_refused() {
        assert!(one_line(&[b'x'; MAX_TEXT]).is_ok());
        assert_eq!(one_line(&[b'x'; MAX_TEXT + 1]), Err(Error::ReasonLength));
    }
}
