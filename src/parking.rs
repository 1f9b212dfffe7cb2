//! The one parking lot of this server, and what keeps it going: turns of the
//! event loop and timers.
//!
//! Everything here runs under the lock of the server, nearly always on its
//! main thread. The lot is never borrowed while the server may call back.

use std::time::Instant;

use crate::config;
use crate::deadlines::Deadlines;
use crate::ffi::blocking::{self, Handle, Wait};
use crate::ffi::context::{Context, now};
use crate::ffi::key::Key;
use crate::ffi::shared::Shared;
use crate::ffi::string::OwnedStr;
use crate::ffi::timer::{self, Timer};
use crate::ffi::turns;
use crate::latch::{Latch, Round, State};
use crate::shadow::shadow_name;
use crate::stats;
use crate::waiters::{Lot, Outcome, QueueId, Rule, Sighting, Ticket, Watched};

/// Every key with clients parked on it is looked at in a sweep of so many
/// slices, and then again. It catches what no event tells: a latch that
/// expired on a replica, slots trimmed in the background, and whatever comes
/// in future.
const SLICES: usize = 3;
/// From slice to slice, in ms: a sweep takes a third of a second, and what
/// nothing tells of is noticed within a second also on a busy server.
const SLICE_MILLIS: i64 = 100;

static PARKING: Shared<Parking> = Shared::new();

#[derive(Debug, Default)]
struct Parking {
    lot: Lot<Handle>,
    deadlines: Deadlines,
    /// Whether the dataset was replaced and the keys were not looked at since.
    reloaded: bool,
    /// The last queue the sweep has looked at.
    swept: Option<QueueId>,
    /// Queues in a slice of this sweep.
    slice: usize,
    deciding: Option<Timer<Decide>>,
    sweeping: Option<Timer<Sweep>>,
    /// Whether there has been a turn for other clients since the last batch.
    others_served: bool,
    /// When the releases that go on have begun.
    waking: Option<Instant>,
    /// The timer for the nearest deadline, and when that is.
    pacing: Option<(i64, Timer<Pace>)>,
}

fn with<T>(access: impl FnOnce(&mut Parking) -> T) -> T {
    PARKING.with(access)
}

/// Lends the lot. `access` must not call the server.
pub(crate) fn with_lot<T>(access: impl FnOnce(&mut Lot<Handle>) -> T) -> T {
    with(|parking| access(&mut parking.lot))
}

/// Parks the client of a command on rounds of keys, for at most `timeout` ms
/// (`None`: for ever). Its wait is made from its ticket. False if the server
/// does not block it.
pub(crate) fn park<W: Wait>(
    ctx: Context<'_>,
    rounds: &[(&[u8], Option<Round>)],
    rule: Rule,
    timeout: Option<i64>,
    wait: impl FnOnce(Ticket) -> W,
) -> bool {
    let names: Vec<_> = rounds.iter().map(|(key, _)| OwnedStr::new(&shadow_name(key))).collect();
    let db = ctx.db();
    // The server only blocks here: it calls nothing back before it returns.
    let parked = with_lot(|lot| {
        lot.park(db, rounds, rule, now(), |ticket| {
            blocking::block(ctx, &names, timeout.unwrap_or(0), wait(ticket))
        })
    });
    if parked.is_some() {
        stats::PARKED.count();
        stats::PEAK.raise(with_lot(|lot| lot.parked()) as u64);
        sweep_soon(ctx);
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
            release_batch();
        }
        release_soon();
    }
}

/// Releases clients whose outcome is settled at the ends of turns of the event
/// loop: for what happens where the server is in the middle of something.
pub(crate) fn release_soon() {
    if begin_release() {
        turns::start::<Release>();
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

fn release_batch() {
    let batch = with(|parking| {
        parking.others_served = false;
        parking.lot.next_batch(config::wake_batch())
    });
    for handle in batch {
        handle.release();
    }
    with(Parking::note_wake);
}

/// What is done at the end of each turn while there is somebody to release.
#[derive(Debug)]
struct Release;

impl turns::Task for Release {
    /// A turn serves who is ready in any order. What has come during a batch is
    /// served in a turn without one: it waits for one batch, not for two.
    fn run() -> bool {
        if with(|parking| std::mem::replace(&mut parking.others_served, true)) {
            release_batch();
        }
        with_lot(|lot| lot.has_releases())
    }
}

/// Asks for what a flush or a load has meant, if that is still open.
pub(crate) fn decide_soon(ctx: Context<'_>) {
    with(|parking| {
        let needed = parking.lot.has_flushed() || parking.reloaded;
        if needed && parking.deciding.is_none() {
            parking.deciding = Some(Timer::start(ctx, 0));
        }
    });
}

/// The keys may hold other values now: latches that survived are the same
/// latches in new values.
pub(crate) fn dataset_replaced() {
    with(|parking| {
        parking.lot.reload();
        parking.reloaded = parking.lot.parked() > 0;
    });
}

/// In the turn of the event loop in which a flush or a load has come: decides
/// what it has meant.
#[derive(Debug)]
struct Decide;

impl timer::Task for Decide {
    fn run(ctx: Context<'_>) {
        with(|parking| parking.deciding = None);
        if ctx.is_loading() {
            return; // the end of the load asks again
        }
        let reloaded = with(|parking| {
            parking.lot.conclude_flush();
            std::mem::take(&mut parking.reloaded)
        });
        if reloaded {
            // All at once: it must be before anybody can change these keys,
            // and is nothing beside the load itself.
            let all = with_lot(|lot| lot.watch(None, usize::MAX));
            look(ctx, &all);
        }
        release_soon();
    }
}

/// Looks at the keys of queues. See [`Lot::observe`].
fn look(ctx: Context<'_>, queues: &[Watched]) {
    for queue in queues {
        ctx.select_db(queue.db);
        let name = OwnedStr::new(&queue.key);
        // Opening a key whose time has passed expires it: the lot hears of it
        // through `lifecycle` before the key is seen to be missing.
        let key = Key::peek(ctx, name.borrow());
        let found = key.latch().ok().flatten().map(|latch| sight(latch, key.expiry()));
        with_lot(|lot| lot.observe(queue.id, found, now()));
    }
}

fn sight(latch: &Latch, expires: Option<i64>) -> Sighting {
    let outcome = match latch.state() {
        State::Closed => None,
        State::Open => Some(Outcome::Opened),
        State::Aborted(reason) => Some(Outcome::Aborted(reason.into())),
    };
    Sighting { round: latch.round(), outcome, expires }
}

/// One slice of the sweep, and the next while anybody is parked.
#[derive(Debug)]
struct Sweep;

impl timer::Task for Sweep {
    fn run(ctx: Context<'_>) {
        with(|parking| parking.sweeping = None);
        if !ctx.is_loading() {
            let slice = with(Parking::next_slice);
            look(ctx, &slice);
            decide_soon(ctx);
            release_soon();
        }
        sweep_soon(ctx);
    }
}

fn sweep_soon(ctx: Context<'_>) {
    with(|parking| {
        if parking.sweeping.is_none() && parking.lot.parked() > 0 {
            parking.sweeping = Some(Timer::start(ctx, SLICE_MILLIS));
        }
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

    /// What the sweep is to look at next.
    fn next_slice(&mut self) -> Vec<Watched> {
        if self.swept.is_none() {
            // Once for the sweep: it must end in time though queues leave.
            self.slice = self.lot.waiting_keys().div_ceil(SLICES).max(1);
        }
        let slice = self.lot.watch(self.swept, self.slice);
        let at_the_end = slice.len() < self.slice;
        self.swept = slice.last().map(|queue| queue.id).filter(|_| !at_the_end);
        slice
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
