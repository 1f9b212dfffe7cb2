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
#[cfg(feature = "fault-injection")]
mod hold;
mod info;
mod options;
#[cfg(feature = "fault-injection")]
mod panic;
mod pending;
mod set;
mod waiters;

use std::ffi::CStr;

use border::command::{Call, Entry};
use border::context::Context;
use border::entry::Loading;
use border::propagation::EventClass;
use border::string::Str;

use crate::error::Error;
use crate::latch::{Latch, Opening};
use crate::parking::{release, with_lot};
use crate::payload::Key;
use crate::stats;

/// Every command, in the order of `LATCH.HELP`.
static COMMANDS: [Entry; 14] = [
    Entry::of::<set::Set>(),
    Entry::of::<countdown::CountDown>(),
    Entry::of::<r#await::Await>(),
    Entry::of::<await_many::AwaitAll>(),
    Entry::of::<await_many::AwaitAny>(),
    Entry::of::<arrive::Arrive>(),
    Entry::of::<add::Add>(),
    Entry::of::<abort::Abort>(),
    Entry::of::<get::Get>(),
    Entry::of::<info::Info>(),
    Entry::of::<arrived::Arrived>(),
    Entry::of::<pending::Pending>(),
    Entry::of::<waiters::Waiters>(),
    Entry::of::<help::Help>(),
];

/// Registers all commands.
///
/// # Errors
/// What the server refused.
pub(crate) fn register(loading: &Loading<'_>) -> Result<(), String> {
    #[cfg(feature = "fault-injection")]
    for fault in [Entry::of::<hold::Hold>(), Entry::of::<panic::Panic>()] {
        fault.register(loading)?;
    }
    COMMANDS.iter().try_for_each(|command| command.register(loading))
}

/// The latch that a command needs.
fn existing<'k>(key: &'k mut Key<'_>) -> Result<&'k mut Latch, Error> {
    key.value_mut()?.ok_or(Error::NoLatch)
}

/// Tells everybody of a change. Who hears of it may do anything to the key, so it must
/// have been closed.
fn announce(ctx: Context<'_>, name: Str<'_>, event: &CStr) {
    ctx.signal_modified(name);
    ctx.notify(EventClass::Module, event, name);
}

/// Does all that follows when the latch of a key has opened. It leaves the key or begins to
/// linger, and those who wait for it are released. `event` is what opened it; the caller
/// has propagated that.
fn follow_opening(
    call: Call<'_>,
    name: Str<'_>,
    mut key: Key<'_>,
    Opening { round, linger }: Opening,
    event: &CStr,
) {
    stats::OPEN.count();
    // First of all: from here on the round has its outcome, and the removal
    // that may follow finds nobody.
    // What an AOF tells of that is loaded under waiters has been before they came.
    if !call.is_loading() {
        with_lot(call.lock(), |lot| lot.open(call.db(), name.bytes(), Some(round)));
    }
    if linger == 0 {
        key.delete();
    } else {
        begin_to_linger(call, name, &mut key, linger);
    }
    drop(key);
    announce(*call, name, event);
    call.notify(EventClass::Module, c"latch.open", name);
    if linger == 0 {
        call.notify(EventClass::Generic, c"del", name);
    }
    release(*call);
}

/// An open latch is to leave its key in so many ms: reckoned once, by the master,
/// and propagated as a time. A replayed command has that yet to come.
fn begin_to_linger(call: Call<'_>, name: Str<'_>, key: &mut Key<'_>, millis: i64) {
    if call.is_replaying() {
        key.set_expiry(None);
    } else {
        let until = key.expire_in(millis);
        call.replicate(c"PEXPIREAT", name, &[until.to_string().as_bytes()]);
    }
}
