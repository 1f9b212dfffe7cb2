//! What has happened since the server started, and the section `INFO latch` that shows it.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};

use border::info::{Fields, Section};
use border::lock::Locked;

use crate::parking::with_lot;

/// A number that anybody may change and read at any time.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets it.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Raises it to `value`, if it is lower.
    pub(crate) fn raise(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    /// Its value.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Commands that did something; propagated ones count on replicas, too.
pub(crate) static SET: Counter = Counter::new();
/// Countdowns that were counted.
pub(crate) static COUNTDOWN: Counter = Counter::new();
/// Countdowns whose id had been counted before.
pub(crate) static DUPLICATE: Counter = Counter::new();
/// Latches that opened.
pub(crate) static OPEN: Counter = Counter::new();
/// Latches that were aborted.
pub(crate) static ABORT: Counter = Counter::new();
/// Commands that wait, answered at once or parked.
pub(crate) static AWAIT: Counter = Counter::new();
/// Those that were parked.
pub(crate) static PARKED: Counter = Counter::new();
/// Parked ones whose timeout passed, or that were unblocked as if it had.
pub(crate) static TIMED_OUT: Counter = Counter::new();
/// Parked ones whose latch was aborted, removed or expired.
pub(crate) static FAILED: Counter = Counter::new();
/// Those that would have been parked, had there been room or had the server been
/// willing.
pub(crate) static REFUSED: Counter = Counter::new();
/// The largest number of clients that were parked at the same time.
pub(crate) static PEAK: Counter = Counter::new();
/// From the first outcome settled to the last client released, in us: of the
/// last time, and the longest.
pub(crate) static WAKE_LAST: Counter = Counter::new();
/// See [`WAKE_LAST`].
pub(crate) static WAKE_MAX: Counter = Counter::new();

/// What is counted, in the order it is shown.
const COUNTERS: [(&CStr, &Counter); 12] = [
    (c"set_total", &SET),
    (c"countdown_total", &COUNTDOWN),
    (c"duplicate_total", &DUPLICATE),
    (c"open_total", &OPEN),
    (c"abort_total", &ABORT),
    (c"await_total", &AWAIT),
    (c"await_parked_total", &PARKED),
    (c"await_timedout_total", &TIMED_OUT),
    (c"await_failed_total", &FAILED),
    (c"refused_total", &REFUSED),
    (c"wake_last_usec", &WAKE_LAST),
    (c"wake_max_usec", &WAKE_MAX),
];

/// The version, as text.
const VERSION: &CStr = {
    let text = concat!(env!("CARGO_PKG_VERSION"), "\0");
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(version) => version,
        Err(_) => unreachable!(),
    }
};

/// The section.
#[derive(Debug)]
pub(crate) struct Stats;

impl Section for Stats {
    /// A crash report has all but what the lot would have to be asked for.
    fn show(fields: &mut Fields, lock: Option<Locked<'_>>) {
        fields.text(c"version", VERSION);
        let lot = lock.map(|lock| with_lot(lock, |lot| (lot.parked(), lot.waited_key_count())));
        if let Some((parked, _)) = lot {
            fields.number(c"waiters", parked as u64);
        }
        fields.number(c"waiters_peak", PEAK.get());
        if let Some((_, keys)) = lot {
            fields.number(c"waiting_keys", keys as u64);
        }
        for (name, counter) in COUNTERS {
            fields.number(name, counter.get());
        }
    }
}
