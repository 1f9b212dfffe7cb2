//! What was measured: all that the report is written from.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use itertools::Itertools;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// Everything, as it is in benchmarks.json: what each row has measured on each
/// server, when it ran there last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Results {
    pub(crate) rows: Vec<Outcome>,
}

/// What one row has measured on one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    #[serde(flatten)]
    pub(crate) run: Run,
    pub(crate) row: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) measures: Vec<Measure>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) facts: Vec<Fact>,
}

/// What was measured, and on what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Run {
    /// By name and version.
    pub(crate) server: String,
    pub(crate) module: String,
    #[serde(flatten)]
    pub(crate) machine: Machine,
}

/// One number, as often as it was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measure {
    pub(crate) what: String,
    /// With how many of what the row varies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) at: Vec<usize>,
    pub(crate) who: String,
    pub(crate) unit: Unit,
    pub(crate) samples: Samples,
}

/// What was seen to happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Of anything.
    Count,
    /// Of a core.
    Percent,
}

/// The values of one measurement, in the order they were taken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Samples(Vec<f64>);

impl Results {
    /// Reads them; there are none if there is no file.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = fs::read(file)?;
        serde_json::from_slice(&text).with_context(|| format!("reading {}", file.display()))
    }

    /// Writes them with a line for each row, so that a diff shows which were
    /// measured again.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let rows: Vec<_> = self.rows.iter().map(serde_json::to_string).try_collect()?;
        Ok(fs::write(file, format!("[\n{}\n]\n", rows.join(",\n")))?)
    }

    /// Takes a row in place of the same one on the same server.
    pub(crate) fn put(&mut self, row: Outcome) {
        self.rows.retain(|old| (&old.run.server, &old.row) != (&row.run.server, &row.row));
        self.rows.push(row);
        self.rows.sort_by(|a, b| (&a.run.server, &a.row).cmp(&(&b.run.server, &b.row)));
    }

    /// The servers of which there are results.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.run.server.as_str()).dedup()
    }

    /// What one row has measured on one server.
    pub(crate) fn measures(&self, server: &str, row: &str) -> impl Iterator<Item = &Measure> {
        let rows = self.rows.iter().filter(move |it| it.run.server == server && it.row == row);
        rows.flat_map(|row| &row.measures)
    }
}

impl Unit {
    /// So much time in this unit.
    pub(crate) fn of(self, time: Duration) -> f64 {
        match self {
            Self::Micros => time.as_secs_f64() * 1e6,
            Self::Millis => time.as_secs_f64() * 1e3,
            _ => time.as_secs_f64(),
        }
    }
}

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        // As much as is measured, and short in the file.
        let digits = 10_f64.powi(5 - value.abs().max(1e-9).log10().floor() as i32);
        self.0.push((value * digits).round() / digits);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let (below, above) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        sorted.get(above).map_or(f64::NAN, |&above| f64::midpoint(sorted[below], above))
    }

    /// The least that a part of them does not exceed; the smallest is at 0, the
    /// largest at 1.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let sorted = self.sorted();
        let rank = (part * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// What comes of these and the others, pair by pair.
    pub(crate) fn pairs(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        self.0.iter().zip(&other.0).map(|(&a, &b)| combine(a, b)).collect()
    }

    fn sorted(&self) -> Vec<f64> {
        self.0.iter().copied().sorted_by(f64::total_cmp).collect()
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut samples = Self::default();
        values.into_iter().for_each(|value| samples.push(value));
        samples
    }
}
