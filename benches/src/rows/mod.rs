//! The rows: one measurement each, in a file of its own.

mod curve;
mod events;
mod growth;
mod idle_cost;
mod instructions;
mod key_memory;
mod million;
mod module_cost;
mod parked_cost;
mod parked_memory;
pub(crate) mod plot_names;
mod release;
mod throughput;
mod wake_batch;
mod wake_one;

use std::time::Duration;

use anyhow::Result;

use crate::options::Sizes;
use crate::progress::Progress;
use crate::results::{Measure, Outcome};
use crate::server::Recipe;

/// What a row is measured with.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) sizes: &'a Sizes,
    pub(crate) progress: &'a Progress,
}

/// One measurement, of all its sides in turn: A B A B.
pub(crate) trait Row {
    /// What it is called on the command line and in the results.
    fn name(&self) -> &'static str;

    /// Measures on servers of its own. Fails if a reply is not what it has to
    /// be; how long it took is no failure.
    fn run(&self, bench: &Bench<'_>) -> Result<Outcome>;
}

/// All rows, in the order they are measured.
pub(crate) fn all() -> Vec<Box<dyn Row>> {
    vec![
        Box::new(release::Release),
        Box::new(growth::Growth),
        Box::new(wake_one::WakeOne),
        Box::new(throughput::Throughput),
        Box::new(parked_cost::ParkedCost),
        Box::new(parked_memory::ParkedMemory),
        Box::new(idle_cost::IdleCost),
        Box::new(module_cost::ModuleCost),
        Box::new(key_memory::KeyMemory),
        Box::new(million::Million),
        Box::new(wake_batch::WakeBatch),
        Box::new(curve::Curve),
        Box::new(events::Events),
        Box::new(instructions::Instructions),
    ]
}

impl Bench<'_> {
    /// Does something once without looking, and then `times` times.
    fn repeat(&self, times: usize, mut once: impl FnMut(bool) -> Result<()>) -> Result<()> {
        for turn in 0..=times {
            self.progress.step(&format!("{turn} of {times}"));
            once(turn > 0)?;
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// `8000` as `8,000`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> =
        digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(",")
}

/// What a peer's measure is, among those of all.
fn of<'m>(measures: &'m [Measure], who: &str) -> &'m Measure {
    measures.iter().find(|measure| measure.who == who).expect("every peer was measured")
}
