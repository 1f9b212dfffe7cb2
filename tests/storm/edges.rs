//! Durations at both ends of what is allowed, and one step beyond.
//!
//! The rules here are those of the command reference, written a second time:
//! a reply that disagrees with them is wrong, whatever the module thinks.

use std::time::{Duration, SystemTime};

use super::common::Random;

/// The longest timeout and time to linger, in ms: 2^50.
const LONGEST_MILLIS: f64 = 1_125_899_906_842_624.0;

/// Timeouts that a wait may have. What is less than 1 ms is 1 ms.
const TIMEOUTS: [&str; 6] =
    ["0.001", "0.0001", "1e-320", "1125899906842.623", "1125899906842.624", "1e12"];

/// Timeouts that are refused: one ms too long, and so long that a clock of 64
/// bits cannot hold the end, or not even the duration.
const REFUSED_TIMEOUTS: [&str; 8] = [
    "-0.001",
    "-1e-320",
    "1125899906842.625",
    "9223370000000000",
    "9223372036854775",
    "9223372036854776",
    "1e300",
    // As it is near the end of the clock, which moves.
    "",
];

/// Times to linger, the first four of them refused.
const LINGERS: [&str; 8] = [
    "0",
    "1125899906842.625",
    "1e300",
    "-0.001",
    "0.001",
    "0.0001",
    "1125899906842.624",
    "1125899906842.623",
];

/// Times to live, with their unit. A relative one of 9223368036854775807 ends
/// in time for some more decades.
const LIFETIMES: [(&str, &str); 12] = [
    ("PX", "1"),
    ("EX", "1"),
    ("PXAT", "1"),
    ("PX", "9223368036854775807"),
    ("EXAT", "9223372036854775"),
    ("PXAT", "9223372036854775807"),
    ("PX", "0"),
    ("EX", "-1"),
    ("PX", "9223372036854775807"),
    ("EX", "9223372036854775"),
    ("EX", "9223372036854775807"),
    ("EXAT", "9223372036854776"),
];

/// What a timeout means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Timeout {
    Never,
    After(Duration),
    Negative,
    OutOfRange,
}

impl Timeout {
    /// Reads a timeout in seconds, which is a number.
    pub fn read(text: &[u8]) -> Timeout {
        match number(text) {
            seconds if seconds < 0.0 => Timeout::Negative,
            0.0 => Timeout::Never,
            seconds if is_too_long(seconds) => Timeout::OutOfRange,
            seconds => Timeout::After(Duration::from_secs_f64(seconds)),
        }
    }
}

/// Is this a time to linger, in seconds?
pub fn is_linger(text: &[u8]) -> bool {
    let seconds = number(text);
    seconds > 0.0 && !is_too_long(seconds)
}

/// Is this a time to live, as core has it?
pub fn is_lifetime(unit: &str, text: &[u8]) -> bool {
    let value: i64 = std::str::from_utf8(text).unwrap().parse().unwrap();
    let factor = if unit.starts_with("EX") { 1000 } else { 1 };
    let start = if unit.ends_with("AT") { 0 } else { now() };
    let end = value.checked_mul(factor).and_then(|millis| millis.checked_add(start));
    value > 0 && end.is_some()
}

/// A timeout at one of the ends, perhaps beyond it.
pub fn timeout(random: &mut Random) -> String {
    if random.once_in(2) {
        return (*random.pick(&TIMEOUTS)).into();
    }
    let seconds = random.below(5);
    match *random.pick(&REFUSED_TIMEOUTS) {
        "" => ((i64::MAX - now()) / 1000 + 2 - i64::try_from(seconds).unwrap()).to_string(),
        text => text.into(),
    }
}

/// A time to linger at one of the ends, perhaps beyond it.
pub fn linger(random: &mut Random) -> &'static str {
    random.pick::<&str>(&LINGERS)
}

/// A time to live at one of the ends, perhaps beyond it, with its unit.
pub fn lifetime(random: &mut Random) -> (&'static str, &'static str) {
    *random.pick(&LIFETIMES)
}

fn is_too_long(seconds: f64) -> bool {
    seconds * 1000.0 > LONGEST_MILLIS
}

fn number(text: &[u8]) -> f64 {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

/// The time in Unix ms.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
