//! The commands, one file each, and what they share.

mod abort;
mod add;
mod arrive;
mod arrived;
mod r#await;
mod await_many;
mod countdown;
mod get;
mod help;
mod info;
#[cfg(feature = "fault-injection")]
mod panic;
mod set;
mod waiters;

use std::ffi::CStr;

use crate::error::Error;
use crate::ffi::command;
use crate::ffi::context::{Context, EventClass};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::{Latch, Round};
use crate::parking;
use crate::stats;

/// Registers all commands.
///
/// # Errors
/// What the server refused.
pub(crate) fn register(ctx: Context<'_>) -> Result<(), String> {
    command::register::<set::Set>(ctx)?;
    command::register::<countdown::CountDown>(ctx)?;
    command::register::<r#await::Await>(ctx)?;
    command::register::<await_many::AwaitAll>(ctx)?;
    command::register::<await_many::AwaitAny>(ctx)?;
    command::register::<arrive::Arrive>(ctx)?;
    command::register::<add::Add>(ctx)?;
    command::register::<abort::Abort>(ctx)?;
    command::register::<get::Get>(ctx)?;
    command::register::<info::Info>(ctx)?;
    command::register::<arrived::Arrived>(ctx)?;
    command::register::<waiters::Waiters>(ctx)?;
    #[cfg(feature = "fault-injection")]
    command::register::<panic::Panic>(ctx)?;
    command::register::<help::Help>(ctx)
}

/// The latch that a command needs.
fn existing<'k>(key: &'k mut Key<'_>) -> Result<&'k mut Latch, Error> {
    key.latch_mut()?.ok_or(Error::NoLatch)
}

/// Tells of a change. The key must have been closed: who hears of it may do
/// anything to it.
fn changed(ctx: Context<'_>, name: Str<'_>, event: &CStr) {
    ctx.signal_modified(name);
    ctx.notify(EventClass::Module, event, name);
}

/// The latch of this key, open for writing, has just opened: it leaves the key
/// or begins to linger, and the clients parked on it are released. `event` is
/// what opened it; the caller has propagated that.
fn opened(ctx: Context<'_>, name: Str<'_>, mut key: Key<'_>, opening: Opening, event: &CStr) {
    stats::OPEN.count();
    // First of all: from here on the round has its outcome, and the removal
    // that may follow finds nobody.
    // What an AOF tells of that is loaded under waiters has been before they came.
    if !ctx.is_loading() {
        parking::with_lot(|lot| lot.open(ctx.db(), name.bytes(), Some(opening.round)));
    }
    if opening.linger == 0 {
        key.delete();
    } else {
        linger(ctx, name, &mut key, opening.linger);
    }
    drop(key);
    changed(ctx, name, event);
    ctx.notify(EventClass::Module, c"latch.open", name);
    if opening.linger == 0 {
        ctx.notify(EventClass::Generic, c"del", name);
    }
    parking::release(ctx);
}

/// What there is to know of a latch that opens.
#[derive(Clone, Copy, Debug)]
struct Opening {
    /// What clients are parked on.
    round: Round,
    /// How long it stays, in ms; 0: not at all.
    linger: i64,
}

/// An open latch is to leave its key in so many ms: reckoned once, by the master,
/// and propagated as a time. A replayed command has that yet to come.
fn linger(ctx: Context<'_>, name: Str<'_>, key: &mut Key<'_>, millis: i64) {
    if ctx.is_replaying() {
        key.set_expiry(None);
    } else {
        let until = key.expire_in(millis);
        ctx.replicate(c"PEXPIREAT", name, &[until.to_string().as_bytes()]);
    }
}
