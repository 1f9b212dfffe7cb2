//! Numbers, as core Redis writes and reads them.

/// An integer as core Redis writes and reads it: decimal digits, perhaps a
/// minus, no plus, no space, no leading zero, no `-0` (`string2ll` in core).
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        b"0" => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}

/// A finite or infinite decimal number; not a NaN, no spaces.
///
/// What is too small for a float but not zero stays not zero: the caller must
/// not take a tiny timeout for the endless one.
pub(crate) fn parse_float(text: &[u8]) -> Option<f64> {
    let number: f64 = str::from_utf8(text).ok()?.parse().ok()?;
    let mantissa = text.split(|b| matches!(b, b'e' | b'E')).next()?;
    let vanished = number == 0.0 && mantissa.iter().any(|b| matches!(b, b'1'..=b'9'));
    if vanished {
        return Some(f64::MIN_POSITIVE.copysign(number));
    }
    (!number.is_nan()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_are_written_as_core_writes_them() {
        for (text, value) in [
            ("0", 0),
            ("7", 7),
            ("-7", -7),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_integer(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            " 1",
            "1 ",
            "01",
            "-0",
            "00",
            "1.0",
            "1e3",
            "0x10",
            "one",
            "1\0",
            "9223372036854775808",
            "-9223372036854775809",
            "--1",
            "\u{661}",
        ] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_integer(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn every_integer_reads_back_as_itself(n: i64) {
            prop_assert_eq!(parse_integer(n.to_string().as_bytes()), Some(n));
        }

        #[test]
        fn no_bytes_make_a_parser_panic(text: Vec<u8>) {
            parse_integer(&text);
            parse_float(&text);
        }
    }
}
