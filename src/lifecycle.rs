//! What ends a round besides its opening: everything that can happen to a key
//! or a dataset behind the back of this module.
//!
//! None of it releases clients at once, since the server is in the middle of
//! something: it only settles their outcome and asks for the end of the turn.

use crate::ffi::context::{Context, now};
use crate::ffi::events::are_expiries_told;
use crate::ffi::load::detached_context;
use crate::latch::Latch;
use crate::parking;
use crate::sweep;
use crate::waiters::Db;

/// A latch left its key. If it opened, its round is settled already.
pub(crate) fn unlinked(db: Db, key: &[u8], latch: &Latch) {
    let round = latch.round();
    if !parking::with_lot(|lot| lot.is_waited_for(db, key, round)) {
        return;
    }
    if detached_context().is_some_and(Context::is_loading) {
        // By a load into the dataset that there is. The end of it is told, too.
        parking::with_lot(|lot| lot.displace(db, key, round, now()));
    } else if are_expiries_told() {
        parking::removed_perhaps_by_expiry(db, key, round, latch.arrived());
    } else {
        parking::with_lot(|lot| lot.remove(db, key, round, now()));
        parking::release_soon();
    }
}

/// A key expired, where that is told. If it was a latch, `unlinked` was told just before.
pub(crate) fn expired(db: Db, key: &[u8]) {
    parking::removed_by_expiry(db, key);
}

/// A database is emptied, or all are (`None`). This comes from `FLUSHDB` and
/// `FLUSHALL`, and before a dataset is loaded in place of the old one.
pub(crate) fn flushed(db: Option<Db>) {
    parking::with_lot(|lot| {
        lot.conclude_flush(); // a load has no more than one
        lot.flush(db, now());
    });
    parking::decide_soon();
}

/// Two databases changed places.
pub(crate) fn swapped(a: Db, b: Db) {
    parking::with_lot(|lot| lot.swap(a, b, now()));
    parking::release_soon();
}

/// A dataset has been loaded, or could not be.
pub(crate) fn loaded() {
    parking::dataset_replaced();
}

/// Comes several times a second, by a clock that only goes forward: what must go on
/// does, whatever has held it up.
pub(crate) fn tick(ctx: Context<'_>) {
    sweep::catch_up(ctx);
    parking::release_soon();
}
