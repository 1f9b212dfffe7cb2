//! The section `INFO latch`.

use std::ffi::CStr;

use border::info::{Fields, Section};
use border::lock::Locked;

use crate::parking::with_lot;
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
const VERSION: &CStr = {
    let text = concat!(env!("CARGO_PKG_VERSION"), "\0");
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(version) => version,
        Err(_) => unreachable!(),
    }
};

/// See the module.
#[derive(Debug)]
pub(crate) struct LatchSection;

impl Section for LatchSection {
    /// A crash report has all but what the lot would have to be asked for.
    fn show(fields: &mut Fields, lock: Option<Locked<'_>>) {
        fields.text(c"version", VERSION);
        let lot = lock.map(|lock| with_lot(lock, |lot| (lot.parked(), lot.waited_key_count())));
        if let Some((parked, _)) = lot {
            fields.number(c"waiters", parked as u64);
        }
        fields.number(c"waiters_peak", stats::PEAK.get());
        if let Some((_, keys)) = lot {
            fields.number(c"waiting_keys", keys as u64);
        }
        for (name, counter) in COUNTERS {
            fields.number(name, counter.get());
        }
    }
}
