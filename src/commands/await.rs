//! `LATCH.AWAIT key timeout [MISSING OPEN|ERROR|WAIT]`
//!
//! A wait from its beginning to its end: [`Await::run`] answers at once or
//! parks the client in the lot (`waiters.rs`). There its round is settled, by
//! the command that opens or aborts the latch or by what `lifecycle.rs` hears
//! of, and the client is released; or it times out, or goes away.
//! [`Parked::reply`] is what it is told, and [`Parked::end`] is where it
//! leaves the lot, in every case. The other commands that wait do it with
//! [`find`] and [`park`], too.

use crate::args::{Args, Timeout};
use crate::config;
use crate::error::Error;
use crate::ffi::blocking::Wait;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply, now};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::{Latch, State};
use crate::parking;
use crate::shadow::unused_name;
use crate::stats;
use crate::waiters::{Outcome, Rule, Target, Ticket};

/// Waits until the latch opens.
#[derive(Debug)]
pub(crate) struct Await;

impl Command for Await {
    const SPEC: Spec = Spec {
        name: c"latch.await",
        flags: c"readonly blocking",
        categories: c"read slow blocking",
        summary: c"Waits until a latch opens, parked in the server; an open or missing latch is OK at once.",
        complexity: c"O(1)",
        since: c"0.1.0",
        arity: -3,
        keys: KeyUse::READ,
        args: &[Arg::key(), Arg::double(c"timeout"), Missing::ARG],
    };

    fn run(ctx: Context<'_>, mut args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let name = *args.next()?;
        let timeout = Timeout::parse(args.next()?.bytes())?;
        let missing = Missing::parse(args)?;

        let found = find(ctx, name, missing)?;
        stats::AWAIT.count();
        match found {
            Found::Open => Ok(Reply::Ok),
            Found::Failed(error) => Err(error),
            Found::Closed(_) if !may_park(ctx, name)? => Ok(Reply::Null),
            Found::Closed(target) => park(ctx, &[target], Rule::All, timeout, Answer::Ok),
        }
    }
}

/// What a key that does not exist is to a wait that begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Missing {
    /// An open latch.
    #[default]
    Open,
    /// A mistake.
    Error,
    /// A latch that is still to come.
    Wait,
}

impl Missing {
    pub(super) const ARG: Arg = Arg::one_of(
        c"missing",
        &[Arg::word(c"open", c"OPEN"), Arg::word(c"error", c"ERROR"), Arg::word(c"wait", c"WAIT")],
    )
    .after(c"MISSING")
    .optional();

    /// Reads the option, the last there is, if it is there.
    pub(super) fn parse<S: AsRef<[u8]>>(mut args: Args<'_, S>) -> Result<Self, Error> {
        let missing = match args.named("MISSING")?.map(AsRef::as_ref) {
            None => Self::default(),
            Some(word) if word.eq_ignore_ascii_case(b"OPEN") => Self::Open,
            Some(word) if word.eq_ignore_ascii_case(b"ERROR") => Self::Error,
            Some(word) if word.eq_ignore_ascii_case(b"WAIT") => Self::Wait,
            Some(_) => return Err(Error::Syntax),
        };
        args.finish().map(|()| missing)
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

/// Looks at a key that a client wants to wait for. An error is one of the
/// command, not of the latch.
pub(super) fn find<'a>(
    ctx: Context<'_>,
    name: Str<'a>,
    missing: Missing,
) -> Result<Found<'a>, Error> {
    let key = Key::read(ctx, name);
    Ok(match (key.latch()?, missing) {
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

/// Whether the client is to be parked. If not, it is told null, as if its
/// timeout had passed.
///
/// # Errors
/// If it would be, but there is no room. `name` is one of the keys to wait for.
pub(super) fn may_park(ctx: Context<'_>, name: Str<'_>) -> Result<bool, Error> {
    if ctx.denies_blocking() {
        Ok(false)
    } else if ctx.refuses_memory(|| unused_name(ctx, name.bytes())) {
        Err(Error::OutOfMemory)
    } else if !config::may_park(parking::with_lot(|lot| lot.parked())) {
        stats::REFUSED.count();
        Err(Error::TooManyWaiters)
    } else {
        Ok(true)
    }
}

/// Parks the client until the rule is met, or its timeout passes.
///
/// # Errors
/// If the server does not park this client, for a reason of its own.
pub(super) fn park(
    ctx: Context<'_>,
    targets: &[Target<'_>],
    rule: Rule,
    timeout: Timeout,
    answer: Answer,
) -> Result<Reply, Error> {
    let millis = match timeout {
        Timeout::Never => None,
        Timeout::Millis(millis) => Some(millis),
    };
    let deadline = millis.map(|millis| now() + millis);
    let wait = |ticket| Parked { ticket, deadline, answer };
    if !parking::park(ctx, targets, rule, millis, wait) {
        stats::REFUSED.count();
        return Err(Error::CannotWait);
    }
    if let Some(deadline) = deadline {
        parking::add_deadline(ctx, deadline);
    }
    Ok(Reply::Later)
}

/// How a client is told that its wait was a success.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// `OK`
    Ok,
    /// The key of the latch that opened.
    Key,
}

/// A client that is parked.
#[derive(Debug)]
struct Parked {
    ticket: Ticket,
    /// When its timeout passes, in Unix ms.
    deadline: Option<i64>,
    answer: Answer,
}

impl Wait for Parked {
    fn reply(&self) -> Reply {
        let Some(verdict) = parking::with_lot(|lot| lot.verdict(self.ticket)) else {
            stats::TIMED_OUT.count();
            return Reply::Null;
        };
        let error = match (verdict.outcome, self.answer) {
            (Outcome::Opened, Answer::Ok) => return Reply::Ok,
            (Outcome::Opened, Answer::Key) => {
                return Reply::Bulk(verdict.key.as_str().bytes().into());
            }
            (Outcome::Gone, _) => Error::Gone,
            (Outcome::Expired, _) => Error::Expired,
            (Outcome::Aborted(reason), _) => Error::Aborted(reason),
        };
        stats::FAILED.count();
        Reply::Error(error)
    }

    fn end(self) {
        parking::with_lot(|lot| lot.leave(self.ticket));
        if let Some(deadline) = self.deadline {
            parking::remove_deadline(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_open_unless_told_otherwise() {
        for (words, missing) in [
            (&[][..], Ok(Missing::Open)),
            (&["MISSING", "OPEN"], Ok(Missing::Open)),
            (&["missing", "Error"], Ok(Missing::Error)),
            (&["Missing", "wait"], Ok(Missing::Wait)),
            (&["MISSING"], Err(Error::Syntax)),
            (&["MISSING", "FOO"], Err(Error::Syntax)),
            (&["MISSING", "OPEN", "MISSING", "OPEN"], Err(Error::Syntax)),
            (&["FOO"], Err(Error::Syntax)),
        ] {
            assert_eq!(Missing::parse(Args::new(words)), missing, "{words:?}");
        }
    }
}
