//! What ends a round besides its opening: everything that can happen to a key
//! or a dataset behind the back of this module.
//!
//! None of it releases clients at once, since the server is in the middle of
//! something. It settles their outcome, or leaves that open until the end of the turn.

use std::sync::atomic::{AtomicBool, Ordering};

use border::context::{Context, now};
use border::events::{Events, are_expiries_told};
use border::lock::Locked;
use border::turns;

use crate::latch::Latch;
use crate::lot::Db;
use crate::parking::{self, with_lot};
use crate::reclaim;
use crate::sweep;

/// Whether the dataset was replaced and the keys have not been looked at since.
static RELOADED: AtomicBool = AtomicBool::new(false);

/// What this module does where the server tells of something.
#[derive(Debug)]
pub(crate) struct Lifecycle;

impl Events for Lifecycle {
    type Value = Latch;

    /// If the latch opened, its round is settled already.
    fn unlinked(lock: Locked<'_>, db: Db, key: &[u8], latch: &Latch) {
        let round = latch.round();
        if !with_lot(lock, |lot| lot.is_waited_for(db, key, round)) {
            return;
        }
        if Context::detached(lock).is_some_and(Context::is_loading) {
            // By a load into the dataset that there is. The end of it is told, too.
            with_lot(lock, |lot| lot.displace(db, key, round, now()));
        } else if are_expiries_told() {
            parking::removed_perhaps_by_expiry(lock, db, key, round, latch.arrived());
        } else {
            with_lot(lock, |lot| lot.remove(db, key, round, now()));
            parking::release_soon(lock);
        }
    }

    fn flushed(lock: Locked<'_>, db: Option<Db>) {
        let is_open = with_lot(lock, |lot| {
            lot.settle_suspended(); // a load has no more than one flush
            lot.flush(db, now());
            lot.has_suspended()
        });
        // It is a removal, or part of a load, which then has begun and ended by the end of
        // this turn.
        if is_open {
            turns::start(lock);
        }
    }

    fn swapped(lock: Locked<'_>, a: Db, b: Db) {
        with_lot(lock, |lot| lot.swap(a, b, now()));
        parking::release_soon(lock);
    }

    /// What was there before would be kept until the end of it.
    fn loading(lock: Locked<'_>) {
        reclaim::all(lock);
    }

    /// The keys may hold other values now: latches that survived are the same
    /// latches in new values.
    fn loaded(lock: Locked<'_>) {
        parking::reload(lock);
        let somebody_waits = with_lot(lock, |lot| lot.parked() > 0);
        RELOADED.store(somebody_waits, Ordering::Relaxed);
        if somebody_waits {
            turns::start(lock);
        }
    }

    fn expired(lock: Locked<'_>, db: Db, key: &[u8]) {
        parking::removed_by_expiry(lock, db, key);
    }

    /// What must go on does, whatever has held it up.
    fn tick(ctx: Context<'_>) {
        sweep::catch_up(ctx);
        parking::release_soon(ctx.lock());
    }
}

/// What is done at the end of each turn while there is something to decide, somebody to
/// release or memory to give back.
impl turns::Task for Lifecycle {
    fn run(ctx: Context<'_>) -> bool {
        decide(ctx);
        parking::release_in_turn(ctx.lock()) | reclaim::step_in_turn(ctx)
    }
}

/// Decides what flushes and loads have meant.
fn decide(ctx: Context<'_>) {
    with_lot(ctx.lock(), |lot| lot.settle_suspended());
    if RELOADED.swap(false, Ordering::Relaxed) {
        // All at once: it must be before anybody can change these keys,
        // and is nothing beside the load itself.
        sweep::look_at_all(ctx);
    }
}
