//! Names by which the report finds what it plots.

/// Points of `curve`.
pub(crate) const LAST: &str = "released";
pub(crate) const PING: &str = "ping";
/// Points of `wake-batch`.
pub(crate) const BATCH_LAST: &str = "wake-batch: released";
pub(crate) const BATCH_PING: &str = "wake-batch: ping";
pub(crate) const BATCH_OWN: &str = "wake-batch: own reply";
/// The row whose measures are the bars.
pub(crate) const RATES: &str = "throughput";
