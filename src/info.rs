//! The section `INFO latch`.

use std::ffi::CStr;

use crate::parking;
use crate::stats::{self, Counter};

/// What is counted, in the order it is shown.
const COUNTERS: [(&CStr, &Counter); 12] = [
    (c"set_total", &stats::SET),
    (c"countdown_total", &stats::COUNTDOWN),
    (c"duplicate_total", &stats::DUPLICATE),
    (c"open_total", &stats::OPEN),
    (c"abort_total", &stats::ABORT),
    (c"await_total", &stats::AWAIT),
    (c"await_parked_total", &stats::PARKED),
    (c"await_timedout_total", &stats::TIMED_OUT),
    (c"await_failed_total", &stats::FAILED),
    (c"refused_total", &stats::REFUSED),
    (c"wake_last_usec", &stats::WAKE_LAST),
    (c"wake_max_usec", &stats::WAKE_MAX),
];

/// The version, as text.
pub(crate) const VERSION: &CStr = {
    let text = concat!(env!("CARGO_PKG_VERSION"), "\0");
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(version) => version,
        Err(_) => unreachable!(),
    }
};

/// Hands every number to `field`; the server puts `latch_` before its name.
pub(crate) fn numbers(mut field: impl FnMut(&CStr, u64)) {
    let (parked, keys) = parking::with_lot(|lot| (lot.parked(), lot.waiting_keys()));
    field(c"waiters", parked as u64);
    field(c"waiters_peak", stats::PEAK.get());
    field(c"waiting_keys", keys as u64);
    for (name, counter) in COUNTERS {
        field(name, counter.get());
    }
}
