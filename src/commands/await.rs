//! `LATCH.AWAIT key timeout`
//!
//! A wait from its beginning to its end: [`Await::run`] answers at once or
//! parks the client in the lot (`waiters.rs`). There its round is settled, by
//! `LATCH.COUNTDOWN` or by what `lifecycle.rs` hears of, and the client is
//! released; or it times out, or goes away. [`Parked::verdict`] is what it is
//! told, and [`Parked::end`] is where it leaves the lot, in every case.

use crate::args::{Args, Timeout};
use crate::config;
use crate::error::Error;
use crate::ffi::blocking::Wait;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply, now};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::{Latch, Round};
use crate::parking;
use crate::waiters::{Outcome, Ticket};

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
        arity: 3,
        key: KeyUse::Read,
        args: &[Arg::key(), Arg::double(c"timeout")],
    };

    fn run(ctx: Context<'_>, mut args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let name = *args.next()?;
        let timeout = Timeout::parse(args.next()?.bytes(), now())?;
        args.finish()?;

        let round = Key::read(ctx, name).latch()?.map(Latch::round);
        match round {
            None => Ok(Reply::Ok),
            Some(round) => park(ctx, name, round, timeout),
        }
    }
}

/// Parks the client, if it may be.
fn park(ctx: Context<'_>, name: Str<'_>, round: Round, timeout: Timeout) -> Result<Reply, Error> {
    if ctx.denies_blocking() {
        return Ok(Reply::Null); // as if the timeout had passed
    }
    if ctx.is_out_of_memory() {
        return Err(Error::OutOfMemory);
    }
    if !config::may_park(parking::parked()) {
        return Err(Error::TooManyWaiters);
    }
    let millis = match timeout {
        Timeout::Never => None,
        Timeout::Millis(millis) => Some(millis),
    };
    let deadline = millis.map(|millis| now() + millis);
    if !parking::park(ctx, name, round, millis, |ticket| Parked {
        ticket,
        deadline,
    }) {
        return Ok(Reply::Null);
    }
    if let Some(deadline) = deadline {
        parking::add_deadline(ctx, deadline);
    }
    Ok(Reply::Later)
}

/// A client that is parked.
#[derive(Debug)]
struct Parked {
    ticket: Ticket,
    /// When its timeout passes, in Unix ms.
    deadline: Option<i64>,
}

impl Wait for Parked {
    fn verdict(&self) -> Option<Reply> {
        let outcome = parking::with_lot(|lot| lot.outcome(self.ticket))?;
        Some(match outcome {
            Outcome::Opened => Reply::Ok,
            Outcome::Gone => Reply::Error(Error::Gone),
            Outcome::Expired => Reply::Error(Error::Expired),
        })
    }

    fn end(self) {
        parking::with_lot(|lot| lot.leave(self.ticket));
        if let Some(deadline) = self.deadline {
            parking::remove_deadline(deadline);
        }
    }
}
