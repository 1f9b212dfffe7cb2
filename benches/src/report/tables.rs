//! Tables and the numbers in them.

use crate::results::{Samples, Target, Unit};
use crate::rows::thousands;

/// A table of Markdown. Its first column is text, the others are numbers.
pub(super) fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|---|{}\n", "---:|".repeat(head.len() - 1));
    line(head) + &rule + &rows.iter().map(|row| line(row)).collect::<String>()
}

/// The median, and from where to where if there is more than one.
pub(super) fn spread(samples: &Samples, unit: Option<Unit>) -> String {
    let (scale, unit) = match unit {
        Some(Unit::Micros) if samples.median() >= 10_000.0 => (1e-3, Some(Unit::Millis)),
        unit => (1.0, unit),
    };
    let show = |value: f64| number(value * scale, unit);
    let (median, min, max) = (show(samples.median()), show(samples.min()), show(samples.max()));
    let unit = unit.map_or("", suffix);
    if min == max { format!("{median}{unit}") } else { format!("{median}{unit} ({min} – {max})") }
}

pub(super) fn target(target: Target) -> String {
    match target {
        Target::AtMost(limit) => format!("≤ {limit}"),
        Target::AtLeast(limit) => format!("≥ {limit}"),
        Target::Bytes(limit) => format!("≤ {limit} bytes"),
        Target::Percent(limit) => format!("≤ {limit} %"),
    }
}

fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::Micros => " µs",
        Unit::Millis => " ms",
        Unit::Seconds => " s",
        Unit::Bytes => " B",
        Unit::PerSecond => " /s",
        Unit::Instructions => "",
        Unit::Percent => " %",
    }
}

fn number(value: f64, unit: Option<Unit>) -> String {
    match unit {
        None => format!("{value:.2}"),
        Some(Unit::Bytes | Unit::PerSecond | Unit::Instructions) if value >= 0.0 => {
            thousands(value.round() as usize)
        }
        _ if value.abs() >= 100.0 => format!("{value:.0}"),
        _ if value.abs() >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
