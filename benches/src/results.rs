//! What was measured: all that the report is written from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// Everything, as it is in benchmarks.json.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// By name and version.
    pub(crate) servers: BTreeMap<String, Run>,
}

/// What was measured on one server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) machine: Machine,
    pub(crate) module: String,
    /// By the name of the row.
    pub(crate) rows: BTreeMap<String, Outcome>,
}

/// What a row has measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Compared with targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) findings: Vec<Finding>,
    /// As they are, for the tables of all peers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) measures: Vec<Measure>,
    /// Over something, for the plots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) points: Vec<Point>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) facts: Vec<Fact>,
}

/// One row of the table of targets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) what: String,
    pub(crate) target: Target,
    pub(crate) measured: Samples,
    /// The two sides, as they were measured.
    pub(crate) sides: Vec<Measure>,
}

/// What a finding has to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// At most so many bytes.
    Bytes(f64),
    /// At most so many per cent of a core.
    Percent(f64),
}

impl Target {
    pub(crate) fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) | Self::Bytes(limit) | Self::Percent(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

/// One number, as often as it was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measure {
    pub(crate) what: String,
    pub(crate) who: String,
    pub(crate) unit: Unit,
    pub(crate) samples: Samples,
}

/// One number of a curve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) plot: String,
    pub(crate) series: String,
    pub(crate) x: f64,
    pub(crate) y: Samples,
}

/// What was seen to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fact {
    pub(crate) event: String,
    pub(crate) who: String,
    pub(crate) seen: String,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    Micros,
    Millis,
    Seconds,
    Bytes,
    PerSecond,
    Instructions,
    /// Of a core.
    Percent,
}

/// The values of one measurement, in the order they were taken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        // As much as is measured, and short in the file.
        let digits = 10_f64.powi(5 - value.abs().max(1e-9).log10().floor() as i32);
        self.0.push((value * digits).round() / digits);
    }

    pub(crate) fn extend(&mut self, values: impl IntoIterator<Item = f64>) {
        values.into_iter().for_each(|value| self.push(value));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    pub(crate) fn min(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn max(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }

    /// The least that a part of them does not exceed.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let sorted = self.sorted();
        let rank = (part * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// The quotients, pair by pair.
    pub(crate) fn ratios(&self, to: &Self) -> Self {
        self.pairs(to, |a, b| a / b)
    }

    /// The differences, pair by pair.
    pub(crate) fn above(&self, other: &Self) -> Self {
        self.pairs(other, |a, b| a - b)
    }

    fn pairs(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        let mut pairs = Self::default();
        for (&a, &b) in self.0.iter().zip(&other.0) {
            pairs.push(combine(a, b));
        }
        pairs
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl Measure {
    pub(crate) fn new(what: &str, who: &str, unit: Unit) -> Self {
        Self { what: what.into(), who: who.into(), unit, samples: Samples::default() }
    }
}

impl Finding {
    /// A against B, as a ratio.
    pub(crate) fn ratio(what: impl Into<String>, target: Target, a: &Measure, b: &Measure) -> Self {
        let measured = a.samples.ratios(&b.samples);
        Self { what: what.into(), target, measured, sides: vec![a.clone(), b.clone()] }
    }

    /// How much A is above B.
    pub(crate) fn above(what: impl Into<String>, target: Target, a: &Measure, b: &Measure) -> Self {
        let measured = a.samples.above(&b.samples);
        Self { what: what.into(), target, measured, sides: vec![a.clone(), b.clone()] }
    }
}
