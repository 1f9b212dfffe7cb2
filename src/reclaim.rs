//! How the memory of latches that are needed no more is given back: that of many ids in
//! steps, at the ends of turns of the event loop.

use std::time::Instant;

use border::context::Context;
use border::lock::{Locked, Shared};
use border::turns;

use crate::backlog::Backlog;
use crate::latch::Latch;

static BACKLOG: Shared<Backlog> = Shared::new();

/// Is done with a latch. This is the main thread: of many ids the memory is given back
/// later, unless it is needed now, or there is nobody to do it.
pub(crate) fn give_back(lock: Locked<'_>, latch: Latch) {
    let ids = latch.into_ids();
    if !ids.is_small() && Context::detached(lock).is_some_and(may_wait) {
        BACKLOG.with(lock, |backlog| backlog.add(ids, Instant::now()));
        turns::start(lock);
    }
}

/// A server that is over `maxmemory` goes on evicting until it sees the memory come back.
fn may_wait(ctx: Context<'_>) -> bool {
    turns::are_ahead(ctx) && !ctx.is_over_maxmemory()
}

/// This is the end of a turn: gives back some of what waits. Returns whether there is more.
pub(crate) fn step_in_turn(ctx: Context<'_>) -> bool {
    let lock = ctx.lock();
    if BACKLOG.with(lock, |backlog| backlog.is_empty()) {
        return false;
    }
    if !may_wait(ctx) {
        all(lock);
    }
    BACKLOG.with(lock, |backlog| {
        backlog.step(Instant::now);
        !backlog.is_empty()
    })
}

/// Gives back at once all that waits.
pub(crate) fn all(lock: Locked<'_>) {
    drop(BACKLOG.with(lock, Backlog::take));
}
