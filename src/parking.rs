//! The parking lot of this server: how clients are parked in it, and how they are released.
//!
//! A command that ends rounds releases a first batch itself, if it may. The rest follows
//! at the ends of turns of the event loop, one batch in every second turn.

use std::time::Instant;

use border::blocking::{self, Handle, Wait};
use border::command::Call;
use border::context::{Context, now};
use border::lock::{Locked, Shared};
use border::string::OwnedStr;
use border::turns;

use crate::config;
use crate::error::Error;
use crate::latch::Round;
use crate::lot::{Budget, Db, Lot, Rule, Target, Ticket};
use crate::removal::{Pending, Removal};
use crate::shadow::shadow_of;
use crate::stats;

static PARKING: Shared<Parking> = Shared::new();

/// The lot of this server.
pub(crate) type ServerLot = Lot<Handle, OwnedStr>;

#[derive(Debug, Default)]
struct Parking {
    lot: ServerLot,
    /// A removal of which the lot has not been told.
    removal: Pending,
    /// How many ends of turns are to pass before the next batch.
    pause: u32,
    /// Until when commands release nobody: as long as the last batch has taken, so that
    /// many that come in one turn do not hold up others.
    rest: Option<Instant>,
    /// When the releases that go on have begun.
    waking: Option<Instant>,
}

fn with<T>(lock: Locked<'_>, access: impl FnOnce(&mut Parking) -> T) -> T {
    PARKING.with(lock, |parking| {
        parking.conclude_removal(lock);
        access(parking)
    })
}

/// Lends the lot.
pub(crate) fn with_lot<T>(lock: Locked<'_>, access: impl FnOnce(&mut ServerLot) -> T) -> T {
    with(lock, |parking| access(&mut parking.lot))
}

/// Parks the client of a command on latches, at least one, for at most `timeout`
/// ms (`None`: for ever). Its wait is made from its ticket.
///
/// # Errors
/// If there is no room for one more client, or the server does not block this one.
pub(crate) fn park<W: Wait + 'static>(
    call: Call<'_>,
    targets: &[Target<'_>],
    rule: Rule,
    timeout: Option<i64>,
    wait: impl FnOnce(Ticket) -> W,
) -> Result<(), Error> {
    let first = targets.first().map_or(&b""[..], |target| target.key);
    let (db, shadow) = (call.db(), shadow_of(*call, first));
    let (parked, has_releases) = with_lot(call.lock(), |lot| {
        if lot.parked() >= config::max_waiters() {
            return (Err(Error::TooManyWaiters), false);
        }
        // To block a client calls nothing back: the lot may be lent meanwhile.
        let joined = lot.join(db, targets, rule, now(), |ticket| {
            blocking::block(call, &shadow, timeout.unwrap_or(0), wait(ticket))
        });
        let parked = if joined { Ok(lot.parked()) } else { Err(Error::CannotWait) };
        (parked, lot.has_releases())
    });
    if has_releases {
        release_soon(call.lock()); // of a latch that was replaced, unnoticed until now
    }
    let parked = parked.inspect_err(|_| stats::REFUSED.count())?;
    stats::PARKED.count();
    stats::PEAK.raise(parked as u64);
    Ok(())
}

/// Releases clients whose outcome a command has settled: a batch now, if the
/// command is all that is running and no other has just done so, and the rest in turns.
///
/// Nobody is told what a transaction, a script or a command of another module has
/// done before all of it is done.
pub(crate) fn release(ctx: Context<'_>) {
    if begin_release(ctx.lock()) {
        if ctx.is_outermost() && !with(ctx.lock(), |parking| parking.rests()) {
            // Of this turn, and of the next, in which others are served.
            release_batch(ctx.lock(), 2);
        }
        release_soon(ctx.lock());
    }
}

/// Releases clients whose outcome is settled at the ends of turns of the event
/// loop: for what happens where the server is in the middle of something.
pub(crate) fn release_soon(lock: Locked<'_>) {
    if begin_release(lock) {
        turns::start(lock);
    }
}

/// This is the end of a turn: releases a batch if it is time for one. Returns whether there
/// is somebody left to release.
///
/// What has come during a batch is served in the turn after it, and answered when
/// that has ended. There is no batch at that end: it waits for one, not for two.
pub(crate) fn release_in_turn(lock: Locked<'_>) -> bool {
    if begin_release(lock) && with(lock, Parking::is_time_for_a_batch) {
        release_batch(lock, 1);
    }
    with_lot(lock, |lot| lot.has_releases())
}

/// Whether there is somebody to release; the time that it takes is noted.
fn begin_release(lock: Locked<'_>) -> bool {
    with(lock, |parking| {
        let needed = parking.lot.has_releases();
        if needed {
            parking.waking.get_or_insert_with(Instant::now);
        }
        needed
    })
}

/// Releases a batch, and lets so many ends of turns pass before the next one.
fn release_batch(lock: Locked<'_>, pause: u32) {
    let begin = Instant::now();
    with(lock, |parking| parking.pause = pause);
    let mut budget = Budget::of_releases(config::wake_batch());
    while let Some(handle) = with_lot(lock, |lot| lot.next_release(&mut budget)) {
        handle.release(lock);
    }
    with(lock, |parking| parking.note_batch(begin, Instant::now()));
}

/// A latch left its key. Whether its time has passed is told right after this, by
/// [`removed_by_expiry`], or not at all.
///
/// `ids` is how many ids the server may have to free before it tells.
pub(crate) fn removed_perhaps_by_expiry(
    lock: Locked<'_>,
    db: Db,
    key: &[u8],
    round: Round,
    ids: usize,
) {
    let removal = Removal { db, key: key.into(), round, at: now() };
    with(lock, |parking| parking.removal.hold(removal, ids, Instant::now()));
    turns::start(lock);
}

/// A key expired.
pub(crate) fn removed_by_expiry(lock: Locked<'_>, db: Db, key: &[u8]) {
    PARKING.with(lock, |parking| {
        parking.removal.expired(&mut parking.lot, db, key, Instant::now());
        parking.conclude_removal(lock);
    });
}

impl Parking {
    /// What has not been told of a removal by now is not told of it any more.
    fn conclude_removal(&mut self, lock: Locked<'_>) {
        if self.removal.is_some() {
            let is_replica = Context::detached(lock).is_some_and(Context::is_replica);
            self.removal.conclude(&mut self.lot, is_replica);
        }
    }

    /// Whether enough ends of turns have passed since the last batch; this is one.
    fn is_time_for_a_batch(&mut self) -> bool {
        let passed = self.pause == 0;
        self.pause = self.pause.saturating_sub(1);
        passed
    }

    /// Whether a batch has just been released.
    fn rests(&self) -> bool {
        self.rest.is_some_and(|until| Instant::now() < until)
    }

    /// Notes how long a batch took, and all releases if they are over.
    fn note_batch(&mut self, begin: Instant, end: Instant) {
        self.rest = Some(end + (end - begin));
        if !self.lot.has_releases()
            && let Some(begin) = self.waking.take()
        {
            let micros = u64::try_from((end - begin).as_micros()).unwrap_or(u64::MAX);
            stats::WAKE_LAST.set(micros);
            stats::WAKE_MAX.raise(micros);
        }
    }
}
