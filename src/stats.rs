//! What has happened since the server started.

use std::sync::atomic::{AtomicU64, Ordering};

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
/// Commands with an id that were sent again, and did nothing.
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
