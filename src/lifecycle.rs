//! What ends a round besides its opening: everything that can happen to a key
//! or a dataset behind the back of this module.
//!
//! None of it releases clients at once, since the server is in the middle of
//! something: it only settles their outcome and asks for a turn of the event
//! loop.

use crate::ffi::context::{Context, now};
use crate::ffi::events::are_expiries_told;
use crate::ffi::key::Key;
use crate::ffi::load::detached_context;
use crate::ffi::string::OwnedStr;
use crate::latch::Round;
use crate::parking;
use crate::waiters::Db;

/// A latch left its key. If it opened, its round is settled already.
pub(crate) fn unlinked(db: Db, key: &[u8], round: Round) {
    if !parking::with_lot(|lot| lot.remove(db, key, round)) {
        return;
    }
    if !are_expiries_told() && has_expired(db, key) {
        expired(db, key);
    }
    parking::release_soon();
}

/// Whether the time of a key that is just being removed has passed.
fn has_expired(db: Db, key: &[u8]) -> bool {
    let Some(ctx) = detached_context() else {
        return false;
    };
    ctx.select_db(db);
    let name = OwnedStr::new(key);
    let expiry = Key::peek_expired(ctx, name.borrow()).expiry();
    expiry.is_some_and(|at| at < now())
}

/// A key expired, where that is told. If it was a latch, `unlinked` was told just before.
pub(crate) fn expired(db: Db, key: &[u8]) {
    parking::with_lot(|lot| lot.expired(db, key));
}

/// A database is emptied, or all are (`None`). This comes from `FLUSHDB` and
/// `FLUSHALL`, and before a dataset is loaded in place of the old one.
pub(crate) fn flushed(ctx: Context<'_>, db: Option<Db>) {
    parking::with_lot(|lot| lot.flush(db));
    parking::decide_soon(ctx);
}

/// Two databases changed places.
pub(crate) fn swapped(a: Db, b: Db) {
    parking::with_lot(|lot| lot.swap(a, b));
    parking::release_soon();
}

/// A dataset has been loaded, or could not be.
pub(crate) fn loaded(ctx: Context<'_>) {
    parking::dataset_replaced();
    parking::decide_soon(ctx);
}
