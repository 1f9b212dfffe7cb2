//! The one parking lot of this server: who is parked in it, and how they are
//! released.
//!
//! Everything here runs under the lock of the server, nearly always on its
//! main thread. The lot is never borrowed while the server may call back.

use std::time::{Duration, Instant};

use crate::config;
use crate::deadlines::Deadlines;
use crate::ffi::blocking::{self, Handle, Wait};
use crate::ffi::context::{Context, now};
use crate::ffi::load::detached_context;
use crate::ffi::shared::Shared;
use crate::ffi::string::SharedStr;
use crate::ffi::timer::{self, Timer};
use crate::ffi::turns;
use crate::latch::Round;
use crate::shadow::shadow_of;
use crate::stats;
use crate::sweep::{self, Sweep};
use crate::waiters::{Db, Lot, Outcome, Rule, Target, Ticket};

static PARKING: Shared<Parking> = Shared::new();

/// The lot of this server.
pub(crate) type ServerLot = Lot<Handle, SharedStr>;

#[derive(Debug, Default)]
struct Parking {
    lot: ServerLot,
    sweep: Sweep,
    deadlines: Deadlines,
    /// A removal of which the lot has not been told: it may be an expiry.
    removal: Option<Removal>,
    /// Whether the dataset was replaced and the keys were not looked at since.
    reloaded: bool,
    /// How many ends of turns are to pass before the next batch.
    pause: u32,
    /// When the releases that go on have begun.
    waking: Option<Instant>,
    /// The timer for the nearest deadline, and when that is.
    pacing: Option<(i64, Timer<Pace>)>,
}

/// A latch that was taken from its key.
#[derive(Debug)]
struct Removal {
    db: Db,
    key: Box<[u8]>,
    round: Round,
    /// In Unix ms.
    at: i64,
    /// Until when it may be told that it was an expiry.
    deadline: Instant,
}

fn with<T>(access: impl FnOnce(&mut Parking) -> T) -> T {
    PARKING.with(|parking| {
        parking.conclude_removal();
        access(parking)
    })
}

/// Lends the lot. `access` must not call the server.
pub(crate) fn with_lot<T>(access: impl FnOnce(&mut ServerLot) -> T) -> T {
    with(|parking| access(&mut parking.lot))
}

/// Lends the sweep, and the lot to look into.
pub(crate) fn with_sweep<T>(access: impl FnOnce(&mut Sweep, &ServerLot) -> T) -> T {
    with(|parking| access(&mut parking.sweep, &parking.lot))
}

/// Parks the client of a command on latches, at least one, for at most `timeout`
/// ms (`None`: for ever). Its wait is made from its ticket. False if the server
/// does not block it.
pub(crate) fn park<W: Wait>(
    ctx: Context<'_>,
    targets: &[Target<'_>],
    rule: Rule,
    timeout: Option<i64>,
    wait: impl FnOnce(Ticket) -> W,
) -> bool {
    let first = targets.first().map_or(&b""[..], |target| target.key);
    let (db, shadow) = (ctx.db(), shadow_of(ctx, first));
    // The server only blocks here: it calls nothing back before it returns.
    let parked = with_lot(|lot| {
        lot.park(db, targets, rule, now(), |ticket| {
            blocking::block(ctx, &shadow, timeout.unwrap_or(0), wait(ticket))
        })
    });
    if parked.is_some() {
        stats::PARKED.count();
        stats::PEAK.raise(with_lot(|lot| lot.parked()) as u64);
        with_sweep(|sweep, _| sweep.begin(ctx));
    }
    release_soon(); // of a latch that was replaced, unnoticed until now
    parked.is_some()
}

/// Releases clients whose outcome a command has settled: a batch now, if the
/// command is all that is running, and the rest in turns.
///
/// Nobody is told what a transaction, a script or a command of another module has
/// done before all of it is done.
pub(crate) fn release(ctx: Context<'_>) {
    if begin_release() {
        if ctx.is_outermost() {
            // Of this turn, and of the next, in which others are served.
            release_batch(2);
        }
        release_soon();
    }
}

/// Releases clients whose outcome is settled at the ends of turns of the event
/// loop: for what happens where the server is in the middle of something.
pub(crate) fn release_soon() {
    if begin_release() {
        turns::start::<EndOfTurn>();
    }
}

/// Whether there is somebody to release; the time that it takes is noted.
fn begin_release() -> bool {
    with(|parking| {
        let needed = parking.lot.has_releases();
        if needed {
            parking.waking.get_or_insert_with(Instant::now);
        }
        needed
    })
}

/// Releases a batch, and lets so many ends of turns pass before the next one.
fn release_batch(pause: u32) {
    let batch = with(|parking| {
        parking.pause = pause;
        parking.lot.next_batch(config::wake_batch())
    });
    for handle in batch {
        handle.release();
    }
    with(Parking::note_wake);
}

/// What is done at the end of each turn while there is something to decide or
/// somebody to release.
#[derive(Debug)]
struct EndOfTurn;

impl turns::Task for EndOfTurn {
    /// What has come during a batch is served in the turn after it, and answered when
    /// that has ended. There is no batch at that end: it waits for one, not for two.
    fn run(ctx: Context<'_>) -> bool {
        decide(ctx);
        if begin_release() && with(Parking::is_time_for_a_batch) {
            release_batch(1);
        }
        with_lot(|lot| lot.has_releases())
    }
}

/// A removal whose meaning is open: it is one, or it is part of a load, which then
/// has begun and ended by the end of this turn.
pub(crate) fn decide_soon() {
    if with(|parking| parking.lot.has_flushed() || parking.reloaded) {
        turns::start::<EndOfTurn>();
    }
}

/// The keys may hold other values now: latches that survived are the same
/// latches in new values.
pub(crate) fn dataset_replaced() {
    with(|parking| {
        parking.lot.reload(now());
        parking.reloaded = parking.lot.parked() > 0;
    });
    decide_soon();
}

/// Decides what flushes and loads have meant.
fn decide(ctx: Context<'_>) {
    let reloaded = with(|parking| {
        parking.lot.conclude_flush();
        std::mem::take(&mut parking.reloaded)
    });
    if reloaded {
        // All at once: it must be before anybody can change these keys,
        // and is nothing beside the load itself.
        sweep::look_at_all(ctx);
    }
}

/// A latch left its key. Whether its time has passed is told right after this, by
/// [`removed_by_expiry`], or not at all.
///
/// `ids` is how many ids the server may have to free before it tells.
pub(crate) fn removed_perhaps_by_expiry(db: Db, key: &[u8], round: Round, ids: usize) {
    /// A key that is set after a removal does not expire within this time, unless it
    /// is given a time in the past.
    const SHORTEST_LIFE: Duration = Duration::from_millis(1);
    /// Far more than it takes to free an id.
    const EACH: Duration = Duration::from_micros(1);

    let patience = SHORTEST_LIFE + EACH * u32::try_from(ids).unwrap_or(u32::MAX);
    let deadline = Instant::now() + patience;
    let removal = Removal { db, key: key.into(), round, at: now(), deadline };
    with(|parking| parking.removal = Some(removal));
    turns::start::<EndOfTurn>();
}

/// A key expired.
pub(crate) fn removed_by_expiry(db: Db, key: &[u8]) {
    PARKING.with(|parking| {
        if let Some(removal) = parking.removal.take_if(|it| (it.db, &*it.key) == (db, key)) {
            if Instant::now() < removal.deadline {
                parking.lot.end(db, key, removal.round, Outcome::Expired);
            } else {
                parking.lot.remove(db, key, removal.round, removal.at);
            }
        }
        parking.conclude_removal();
    });
}

/// Keeps the server awake for a timeout of a client, in Unix ms.
pub(crate) fn add_deadline(ctx: Context<'_>, at: i64) {
    with(|parking| {
        parking.deadlines.add(at);
        if parking.pacing.as_ref().is_none_or(|&(nearest, _)| at < nearest) {
            if let Some((_, later)) = parking.pacing.take() {
                later.stop(ctx);
            }
            parking.pace(ctx);
        }
    });
}

/// The client's wait is over.
pub(crate) fn remove_deadline(at: i64) {
    with(|parking| parking.deadlines.remove(at));
}

impl Parking {
    /// A removal of which nothing more was told was no expiry; but a replica is told
    /// of none, so there it is judged by the time that is known.
    fn conclude_removal(&mut self) {
        if let Some(Removal { db, key, round, at, .. }) = self.removal.take() {
            if detached_context().is_some_and(Context::is_replica) {
                self.lot.remove(db, &key, round, at);
            } else {
                self.lot.end(db, &key, round, Outcome::Gone);
            }
        }
    }

    /// Whether enough ends of turns have passed since the last batch; this is one.
    fn is_time_for_a_batch(&mut self) -> bool {
        let passed = self.pause == 0;
        self.pause = self.pause.saturating_sub(1);
        passed
    }

    /// Notes how long the releases took, if they are over.
    fn note_wake(&mut self) {
        if !self.lot.has_releases()
            && let Some(begin) = self.waking.take()
        {
            let micros = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
            stats::WAKE_LAST.set(micros);
            stats::WAKE_MAX.raise(micros);
        }
    }

    /// Starts a timer for the nearest deadline.
    fn pace(&mut self, ctx: Context<'_>) {
        /// A timer for later is started when that is near. Servers reckon in
        /// us, Redis 7.0 with 32 bits: one that is more than 35 minutes away
        /// would fire at once, again and again.
        const FARTHEST_MILLIS: i64 = 60 * 1000;

        let now = now();
        if let Some(at) = self.deadlines.next(now) {
            // The server ends a wait when the deadline is past, not reached.
            let millis = (at - now).min(FARTHEST_MILLIS) + 1;
            self.pacing = Some((at, Timer::start(ctx, millis)));
        }
    }
}

/// The nearest deadline has passed. Being awake is all that is needed: the
/// server looks at the timeouts of its clients before it sleeps again.
#[derive(Debug)]
struct Pace;

impl timer::Task for Pace {
    fn run(ctx: Context<'_>) {
        with(|parking| {
            parking.pacing = None;
            parking.pace(ctx);
        });
    }
}
