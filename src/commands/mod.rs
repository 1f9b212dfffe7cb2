//! The commands, one file each, and what they share.

mod r#await;
mod countdown;
mod get;
mod set;

use crate::ffi::command;
use crate::ffi::context::{Context, EventClass};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::Round;
use crate::parking;

/// Registers all commands.
///
/// # Errors
/// What the server refused.
pub(crate) fn register(ctx: Context<'_>) -> Result<(), &'static str> {
    command::register::<set::Set>(ctx)?;
    command::register::<countdown::CountDown>(ctx)?;
    command::register::<r#await::Await>(ctx)?;
    command::register::<get::Get>(ctx)
}

/// Opens the latch of a key that is open for writing: deletes it, tells of it
/// and releases the clients parked on it. The caller propagates the command.
fn open(ctx: Context<'_>, name: Str<'_>, mut key: Key<'_>, round: Round) {
    // First of all: from here on the round has its outcome, and the removal
    // that follows finds nobody.
    parking::open(ctx.db(), name.bytes(), round);
    key.delete();
    drop(key);
    ctx.signal_modified(name);
    ctx.notify(EventClass::Module, c"latch.open", name);
    ctx.notify(EventClass::Generic, c"del", name);
    parking::release(ctx);
}
