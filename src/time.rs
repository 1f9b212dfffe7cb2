//! Times and durations: timeouts, times to linger, times to live.

use crate::error::Error;
use crate::latch::MAX_DURATION;
use crate::numbers::parse_float;

/// How long a client is willing to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    /// Until the wait ends by itself.
    Never,
    /// So many ms, at least 1.
    Millis(i64),
}

impl Timeout {
    /// Reads a timeout in seconds, decimals allowed, as blocking commands of
    /// core do: rounded up to whole ms, and 0 is for ever; at most
    /// [`MAX_DURATION`].
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Error> {
        if text == b"0" {
            return Ok(Self::Never); // as most are
        }
        let seconds = parse_float(text).ok_or(Error::TimeoutNotAFloat)?;
        if seconds < 0.0 {
            return Err(Error::TimeoutNegative);
        }
        if seconds == 0.0 {
            return Ok(Self::Never);
        }
        match to_millis(seconds) {
            millis @ ..=MAX_DURATION => Ok(Self::Millis(millis)),
            _ => Err(Error::TimeoutOutOfRange),
        }
    }
}

/// Reads a time to linger in seconds, decimals allowed, as ms rounded up; more
/// than 0 and at most [`MAX_DURATION`].
pub(crate) fn parse_linger(text: &[u8]) -> Result<i64, Error> {
    let seconds = parse_float(text).ok_or(Error::NotAFloat)?;
    let millis = to_millis(seconds);
    (seconds > 0.0 && millis <= MAX_DURATION).then_some(millis).ok_or(Error::InvalidExpire)
}

/// Seconds as ms, rounded up; but a product that is off a whole number by no
/// more than its own rounding is that number. Saturates.
#[allow(clippy::cast_possible_truncation)]
fn to_millis(seconds: f64) -> i64 {
    let millis = seconds * 1000.0;
    let whole = millis.round();
    let is_whole = whole > 0.0 && (millis - whole).abs() <= whole * f64::EPSILON;
    if is_whole { whole as i64 } else { millis.ceil() as i64 }
}

/// Writes ms as seconds, so that they read back as the same ms.
pub(crate) fn format_seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// The unit and origin of a time to live, as the options of `SET` name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpireUnit {
    /// `EX`: seconds from now.
    Seconds,
    /// `PX`: ms from now.
    Millis,
    /// `EXAT`: Unix time in seconds.
    UnixSeconds,
    /// `PXAT`: Unix time in ms.
    UnixMillis,
}

impl ExpireUnit {
    /// The unit that an option names, if it is one of the four.
    pub(crate) fn from_option(option: &[u8]) -> Option<Self> {
        const UNITS: [(&[u8], ExpireUnit); 4] = [
            (b"EX", ExpireUnit::Seconds),
            (b"PX", ExpireUnit::Millis),
            (b"EXAT", ExpireUnit::UnixSeconds),
            (b"PXAT", ExpireUnit::UnixMillis),
        ];
        UNITS.iter().find(|(name, _)| option.eq_ignore_ascii_case(name)).map(|&(_, unit)| unit)
    }

    /// Whether it counts from now.
    pub(crate) fn is_relative(self) -> bool {
        matches!(self, Self::Seconds | Self::Millis)
    }

    /// The Unix time in ms that `value` of this unit means at the time `now`.
    /// Zero, negative and overflowing values are refused, as `SET` does.
    pub(crate) fn deadline(self, value: i64, now: i64) -> Result<i64, Error> {
        let millis = match self {
            Self::Seconds | Self::UnixSeconds => value.checked_mul(1000),
            Self::Millis | Self::UnixMillis => Some(value),
        };
        let origin = if self.is_relative() { now } else { 0 };
        millis
            .filter(|_| value > 0)
            .and_then(|millis| millis.checked_add(origin))
            .ok_or(Error::InvalidExpire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_700_000_000_000;

    #[test]
    fn times_to_linger_are_above_zero() {
        for (text, millis) in [
            ("1", 1000),
            ("0.25", 250),
            ("0.0001", 1),
            ("1e3", 1_000_000),
            ("1125899906842.624", MAX_DURATION),
        ] {
            assert_eq!(parse_linger(text.as_bytes()), Ok(millis), "{text}");
        }
        for (text, error) in [
            ("0", Error::InvalidExpire),
            ("-1", Error::InvalidExpire),
            ("-1e-400", Error::InvalidExpire),
            ("inf", Error::InvalidExpire),
            ("1125899906842.625", Error::InvalidExpire),
            ("x", Error::NotAFloat),
            ("nan", Error::NotAFloat),
            ("", Error::NotAFloat),
        ] {
            assert_eq!(parse_linger(text.as_bytes()), Err(error), "{text}");
        }
    }

    #[test]
    fn timeouts_are_rounded_up_to_whole_milliseconds() {
        for (text, millis) in [
            ("1", 1000),
            ("0.1", 100),
            ("0.001", 1),
            ("0.0001", 1),
            ("1e-400", 1),
            ("1.5", 1500),
            ("4.35", 4350),
            (".5", 500),
            ("5.", 5000),
            ("1e3", 1_000_000),
            ("+2", 2000),
            ("1125899906842.624", MAX_DURATION),
        ] {
            assert_eq!(Timeout::parse(text.as_bytes()), Ok(Timeout::Millis(millis)), "{text}");
        }
    }

    #[test]
    fn zero_waits_for_ever() {
        for text in ["0", "0.0", "-0", "0e9", ".0"] {
            assert_eq!(Timeout::parse(text.as_bytes()), Ok(Timeout::Never), "{text}");
        }
    }

    #[test]
    fn bad_timeouts_say_what_is_wrong() {
        for (text, error) in [
            ("", Error::TimeoutNotAFloat),
            ("x", Error::TimeoutNotAFloat),
            ("1s", Error::TimeoutNotAFloat),
            (" 1", Error::TimeoutNotAFloat),
            ("1 ", Error::TimeoutNotAFloat),
            ("nan", Error::TimeoutNotAFloat),
            ("1\0", Error::TimeoutNotAFloat),
            ("-1", Error::TimeoutNegative),
            ("-0.0001", Error::TimeoutNegative),
            ("-1e-400", Error::TimeoutNegative),
            ("-inf", Error::TimeoutNegative),
            ("inf", Error::TimeoutOutOfRange),
            ("1e400", Error::TimeoutOutOfRange),
            ("1125899906842.625", Error::TimeoutOutOfRange),
            ("9223372036854775", Error::TimeoutOutOfRange),
            ("9223372036854776", Error::TimeoutOutOfRange),
        ] {
            assert_eq!(Timeout::parse(text.as_bytes()), Err(error), "{text:?}");
        }
        assert_eq!(Timeout::parse(b"\xff"), Err(Error::TimeoutNotAFloat));
    }

    #[test]
    fn every_expire_option_becomes_a_unix_time_in_milliseconds() {
        for (option, value, at) in [
            ("EX", 10, NOW + 10_000),
            ("px", 10, NOW + 10),
            ("ExAt", 10, 10_000),
            ("PXAT", 10, 10),
            ("PXAT", i64::MAX, i64::MAX),
            ("PX", i64::MAX - NOW, i64::MAX),
        ] {
            let unit = ExpireUnit::from_option(option.as_bytes()).unwrap();
            assert_eq!(unit.deadline(value, NOW), Ok(at), "{option} {value}");
        }
        assert_eq!(ExpireUnit::from_option(b"KEEPTTL"), None);
    }

    #[test]
    fn times_to_live_that_are_not_positive_or_overflow_are_refused() {
        for (option, value) in [
            ("EX", 0),
            ("PX", -1),
            ("EXAT", 0),
            ("PXAT", i64::MIN),
            ("EX", i64::MAX),
            ("EX", i64::MIN),
            ("EX", i64::MAX / 1000),
            ("PX", i64::MAX - NOW + 1),
            ("EXAT", i64::MAX / 1000 + 1),
        ] {
            let unit = ExpireUnit::from_option(option.as_bytes()).unwrap();
            assert_eq!(unit.deadline(value, NOW), Err(Error::InvalidExpire), "{option} {value}");
        }
    }

    proptest! {
        #[test]
        fn seconds_read_back_as_the_same_milliseconds(millis in 1..=MAX_DURATION) {
            prop_assert_eq!(parse_linger(format_seconds(millis).as_bytes()), Ok(millis));
        }

        #[test]
        fn a_timeout_is_never_shorter_than_it_says(seconds in 0.000_001..1e9_f64) {
            let Ok(Timeout::Millis(millis)) = Timeout::parse(seconds.to_string().as_bytes()) else {
                return Err(TestCaseError::fail("not a timeout"));
            };
            #[allow(clippy::cast_precision_loss)]
            let millis = millis as f64;
            let asked = seconds * 1000.0;
            prop_assert!(millis >= asked * (1.0 - f64::EPSILON) && millis <= asked + 1.0);
        }
    }
}
