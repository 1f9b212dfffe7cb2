//! The rows: what is measured, of all its sides in turn: A B A B.

mod callgrind;
mod events;
mod idle;
mod ids;
mod instructions;
mod keys;
mod memory;
mod million;
mod releases;
mod throughput;
mod waits;
mod wake_one;

use std::ops::RangeInclusive;

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use itertools::Itertools;

use crate::options::Sizes;
use crate::results::{Fact, Measure, Outcome, Run, Samples, Unit};
use crate::server::Recipe;

/// Measures on servers of its own. Fails if a reply is not what it has to be;
/// how long it took is no failure.
type Row = fn(&mut Bench<'_>) -> Result<()>;

/// All rows, in the order they are measured, by the names that they have on the
/// command line and in the results.
///
/// To add one that differs from another in data only, add its entry: here and
/// beside the rows of its kind, or, if it is a way to wait, to `peers.toml`, if it
/// ends the wait of a crowd, to `waits.toml`, or a size to `options.rs`. Then add
/// what the page says of it to `report/page.md.jinja`, as a line of the targets, or
/// a line or column of a table, and if it is plotted, to `report/plots.toml`.
const ROWS: [(&str, Row); 20] = [
    ("release", releases::of_all),
    ("growth", releases::of_few_and_many),
    ("wake-one", wake_one::row),
    ("throughput", throughput::of_countdowns),
    ("parked-cost", throughput::of_parked),
    ("parked-memory", memory::of_waiters),
    ("idle-cost", idle::row),
    ("module-cost", throughput::without_latches),
    ("key-memory", memory::of_keys),
    ("million", million::row),
    ("wake-batch", releases::in_steps),
    ("curve", releases::of_more_and_more),
    ("ids", ids::grow),
    ("give-up", ids::give_up),
    ("flush", |bench| waits::row(bench, "flush", &[(bench.sizes.each_own, 1)])),
    ("two-latches", |bench| waits::row(bench, "two-latches", &[(bench.sizes.each_own, 1)])),
    ("await-all", |bench| waits::row(bench, "await-all", &[bench.sizes.shared])),
    ("lot", |bench| waits::row(bench, "lot", bench.sizes.lot)),
    ("events", events::row),
    ("instructions", instructions::row),
];

/// What an integer string is called.
const STRING: &str = "integer string";

/// The rows of these names; all if there are none.
pub(crate) fn chosen(only: &[String]) -> Result<Vec<(&'static str, Row)>> {
    if let Some(unknown) = only.iter().find(|name| ROWS.iter().all(|row| row.0 != **name)) {
        bail!("there is no row {unknown}, only {}", ROWS.iter().map(|row| row.0).join(", "));
    }
    let is_chosen = |row: &(&str, Row)| only.is_empty() || only.iter().any(|name| name == row.0);
    Ok(ROWS.into_iter().filter(is_chosen).collect())
}

/// What a row is measured with, and what it has measured.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    recipe: &'a Recipe,
    sizes: &'a Sizes,
    bar: &'a ProgressBar,
    is_warming_up: bool,
    measures: Vec<Measure>,
    facts: Vec<Fact>,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(recipe: &'a Recipe, sizes: &'a Sizes, bar: &'a ProgressBar) -> Self {
        let (measures, facts) = (Vec::new(), Vec::new());
        Self { recipe, sizes, bar, is_warming_up: false, measures, facts }
    }

    /// All that was measured.
    pub(crate) fn outcome(self, run: Run, row: &str) -> Outcome {
        Outcome { run, row: row.into(), measures: self.measures, facts: self.facts }
    }

    /// Does something once without looking, and then for each pair.
    fn pairs(&mut self, once: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.repeat(0..=self.sizes.pairs, once)
    }

    /// The same for what takes long, and nothing of that without looking.
    fn long_pairs(&mut self, once: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.repeat(1..=self.sizes.long_pairs, once)
    }

    /// For what is judged by its worst, as often as that is looked for.
    fn runs(&mut self, once: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.repeat(1..=self.sizes.runs, once)
    }

    /// Turn 0 warms up.
    fn repeat(
        &mut self,
        turns: RangeInclusive<usize>,
        mut once: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        for turn in turns.clone() {
            self.bar.set_message(format!("{turn} of {}", turns.end()));
            self.is_warming_up = turn == 0;
            once(self)?;
        }
        Ok(())
    }

    /// Takes one sample: of what, with how many of what the row varies, whose it
    /// is, and its value, if there is one.
    fn add(
        &mut self,
        (what, at, who): (&str, &[usize], &str),
        unit: Unit,
        value: impl Into<Option<f64>>,
    ) {
        let Some(value) = value.into().filter(|_| !self.is_warming_up) else { return };
        let known =
            self.measures.iter_mut().find(|it| it.what == what && it.at == at && it.who == who);
        if let Some(measure) = known {
            return measure.samples.push(value);
        }
        let (what, at, who) = (what.into(), at.into(), who.into());
        self.measures.push(Measure { what, at, who, unit, samples: Samples::from_iter([value]) });
    }
}
