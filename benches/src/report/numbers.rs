//! Numbers as they are written.

use indicatif::HumanCount;

use crate::results::{Samples, Unit};

/// The median, and from where to where if there is more than one.
pub(super) fn spread(samples: &Samples, unit: Option<Unit>) -> String {
    let (scale, unit) = match unit {
        Some(Unit::Micros) if samples.median() >= 10_000.0 => (1e-3, Some(Unit::Millis)),
        unit => (1.0, unit),
    };
    let show = |value: f64| number(value * scale, unit);
    let median = show(samples.median()) + unit.map_or("", suffix);
    let (min, max) = (show(samples.quantile(0.0)), show(samples.quantile(1.0)));
    if min == max { median } else { format!("{median} ({min} – {max})") }
}

fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::Micros => " µs",
        Unit::Millis => " ms",
        Unit::Seconds => " s",
        Unit::Bytes => " B",
        Unit::PerSecond => " /s",
        Unit::Instructions | Unit::Count => "",
        Unit::Percent => " %",
    }
}

fn number(value: f64, unit: Option<Unit>) -> String {
    match unit {
        None => format!("{value:.2}"),
        Some(Unit::Bytes | Unit::PerSecond | Unit::Instructions) if value >= 0.0 => {
            HumanCount(value.round() as u64).to_string()
        }
        _ if value.abs() >= 100.0 => format!("{value:.0}"),
        _ if value.abs() >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
