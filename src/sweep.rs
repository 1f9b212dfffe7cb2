//! Looking at the keys that clients wait for, to find what nothing tells of: a
//! latch that came by `RENAME`, `RESTORE` or `COPY`, one whose time has passed
//! though the server has not removed it, slots that were trimmed in the background.
//!
//! What is due is looked at when it is due: the times to live are known. Of all the
//! rest each is looked at once in a lap, so many keys in a pass, within a fixed time. A look
//! counts nothing and announces nothing; but it is an access, so that what clients
//! wait for does not look idle to eviction.

use std::time::{Duration, Instant};

use border::context::{Context, now};
use border::lock::Shared;
use border::string::OwnedStr;
use border::timer::{Alarm, Timer};

use crate::latch::{Latch, State};
use crate::lot::{Kind, Lookup, Outcome, Sighting};
use crate::parking::{release_soon, with_lot};
use crate::payload::Key;
use crate::slot::slot_of;

/// From pass to pass, in ms.
const PASS_MILLIS: i64 = 25;
/// How long it takes until each key has been looked at, if there is the time for it.
const LAP: Duration = Duration::from_millis(800);
/// How long a pass looks in any case: so about a hundred keys are looked at in every pass.
const EAGER: Duration = Duration::from_micros(50);
/// How long a pass may look at what is due, and again at the rest. With less than
/// 1 us a look that is 10,000 keys in a lap, and at most 1.2 % of a core.
const BUDGET: Duration = Duration::from_micros(300);
/// What part of the time the looking may take: a budget in a pass.
const PASSES_TO_A_BUDGET: u32 = 80;
/// How much of that is for latches to come, if there are so many: the others are not
/// to be forgotten over them.
const BUDGET_OF_COMING: Duration = Duration::from_micros(200);
/// When a pass follows one that could not look at all that is due, in ms.
const SOON_MILLIS: i64 = 1;

static SWEEP: Shared<Sweep> = Shared::new();

/// What drives the looking, as long as somebody waits.
#[derive(Debug, Default)]
struct Sweep {
    timer: Option<Timer<Pass>>,
    /// When the last pass was.
    last: Option<Instant>,
    /// By how much passes took longer than they may: the server hashes a name each
    /// time, whatever its length.
    debt: Duration,
}

impl Sweep {
    /// Makes the next pass in so many ms.
    fn next_in(&mut self, ctx: Context<'_>, millis: i64) {
        self.timer = Some(Timer::start(ctx, millis));
    }

    /// How long ago the last pass was, at most a lap. This is one.
    fn since_the_last(&mut self) -> Duration {
        let now = Instant::now();
        self.last.replace(now).map_or(LAP, |last| (now - last).min(LAP))
    }

    /// Whether passes that took too long are paid for, now that so much time has passed.
    fn is_paid(&mut self, since: Duration) -> bool {
        self.debt = self.debt.saturating_sub(since / PASSES_TO_A_BUDGET);
        self.debt.is_zero()
    }

    /// A pass has looked for so long.
    fn charge(&mut self, took: Duration) {
        self.debt += took.saturating_sub(BUDGET);
    }
}

/// Begins, if it has not begun.
pub(crate) fn begin(ctx: Context<'_>) {
    with_sweep(ctx, |sweep| {
        if sweep.timer.is_none() {
            sweep.next_in(ctx, PASS_MILLIS);
        }
    });
}

fn with_sweep<T>(ctx: Context<'_>, access: impl FnOnce(&mut Sweep) -> T) -> T {
    SWEEP.with(ctx.lock(), access)
}

/// Makes a pass that its timer has held back.
///
/// Timers go by the clock of the server. One that was set back would hold them for as
/// long; lateness is told by a clock that only goes forward.
pub(crate) fn catch_up(ctx: Context<'_>) {
    let late = with_sweep(ctx, |sweep| sweep.timer.take_if(|timer| timer.is_late()));
    if let Some(timer) = late {
        timer.stop(ctx);
        make_pass(ctx);
    }
}

/// One pass of looking.
#[derive(Debug)]
struct Pass;

impl Alarm for Pass {
    fn ring(ctx: Context<'_>) {
        with_sweep(ctx, |sweep| sweep.timer = None);
        make_pass(ctx);
    }
}

fn make_pass(ctx: Context<'_>) {
    let all_seen = ctx.is_loading() || {
        let all_seen = look_at_what_is_due(ctx);
        look_at_the_next(ctx);
        release_soon(ctx.lock());
        all_seen
    };
    if with_lot(ctx.lock(), |lot| lot.parked() > 0) {
        let millis = if all_seen { PASS_MILLIS } else { SOON_MILLIS };
        with_sweep(ctx, |sweep| sweep.next_in(ctx, millis));
    }
}

/// Whether that was all that is due.
fn look_at_what_is_due(ctx: Context<'_>) -> bool {
    let begun = Instant::now();
    let mut all_seen = true;
    while with_lot(ctx.lock(), |lot| lot.is_due(now())) {
        if let Some(lookup) = with_lot(ctx.lock(), |lot| lot.next_due()) {
            look(ctx, &lookup);
        }
        if begun.elapsed() > BUDGET {
            all_seen = false;
            break;
        }
    }
    with_sweep(ctx, |sweep| sweep.charge(begun.elapsed()));
    all_seen
}

/// Goes on with the rest, each once in a lap.
fn look_at_the_next(ctx: Context<'_>) {
    let since = with_sweep(ctx, |sweep| sweep.since_the_last());
    if with_sweep(ctx, |sweep| sweep.is_paid(since)) {
        let begun = Instant::now();
        for (kind, budget) in [(Kind::Coming, BUDGET_OF_COMING), (Kind::Present, BUDGET)] {
            look_at_some(
                ctx,
                kind,
                since,
                || begun.elapsed() <= budget,
                || begun.elapsed() <= EAGER,
            );
        }
        with_sweep(ctx, |sweep| sweep.charge(begun.elapsed()));
    }
}

/// Looks at as many keys of a kind as it was time for since the last pass, however long
/// ago that was, while there is the time; and at more while there is plenty.
fn look_at_some(
    ctx: Context<'_>,
    kind: Kind,
    since: Duration,
    has_time: impl Fn() -> bool,
    has_plenty: impl Fn() -> bool,
) {
    let all = with_lot(ctx.lock(), |lot| lot.rota_len(kind));
    let share = (all as u128 * since.as_micros()).div_ceil(LAP.as_micros());
    for nth in 0..all {
        if !(if (nth as u128) < share { has_time() } else { has_plenty() }) {
            break;
        }
        if let Some(lookup) = with_lot(ctx.lock(), |lot| lot.next_in_rota(kind)) {
            look(ctx, &lookup);
        }
    }
}

/// Looks at everything that is waited for, at once.
pub(crate) fn look_at_all(ctx: Context<'_>) {
    for kind in Kind::ALL {
        for _ in 0..with_lot(ctx.lock(), |lot| lot.rota_len(kind)) {
            if let Some(lookup) = with_lot(ctx.lock(), |lot| lot.next_in_rota(kind)) {
                look(ctx, &lookup);
            }
        }
    }
}

fn look(ctx: Context<'_>, lookup: &Lookup<OwnedStr>) {
    ctx.select_db(lookup.db);
    let key = Key::look(ctx, lookup.key.as_str());
    let found = match key.value() {
        Ok(Some(latch)) => sight(latch, key.expiry()),
        Ok(None) => Sighting::Nothing,
        Err(_) => Sighting::Other,
    };
    drop(key);
    if with_lot(ctx.lock(), |lot| lot.observe(lookup.queue, found, now()))
        && let Some(outcome) = end_of_the_vanished(ctx, lookup)
    {
        with_lot(ctx.lock(), |lot| lot.vanish(lookup.queue, outcome));
    }
}

/// Whatever removes a latch is told, but for two things: its time has passed, or its
/// slot has gone. Those who wait where that has gone are redirected by the server.
fn end_of_the_vanished(ctx: Context<'_>, lookup: &Lookup<OwnedStr>) -> Option<Outcome> {
    if !ctx.is_cluster() {
        return Some(Outcome::Expired);
    }
    match ctx.serves_slot(slot_of(lookup.key.as_str().bytes())) {
        Some(true) => Some(Outcome::Expired),
        Some(false) => None,
        None => Some(Outcome::Gone),
    }
}

fn sight(latch: &Latch, expires: Option<i64>) -> Sighting {
    let outcome = match latch.state() {
        State::Closed => None,
        State::Open => Some(Outcome::Opened),
        State::Aborted(reason) => Some(Outcome::Aborted(reason.into())),
    };
    Sighting::Latch { round: latch.round(), outcome, expires }
}
