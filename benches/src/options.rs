//! The command line, and how much of everything is measured.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures redis-latch side by side with what else one could use.
///
/// `make bench` runs this for every server and `make bench-quick` with --quick;
/// see scripts/bench.sh.
#[derive(Debug, Parser)]
#[command(name = "latch-bench")]
pub(crate) struct Options {
    /// A server program to measure on; may be given again
    #[arg(long = "server", value_name = "PATH", default_value = "redis-server")]
    pub(crate) servers: Vec<PathBuf>,
    /// The module
    #[arg(long, value_name = "PATH")]
    pub(crate) module: PathBuf,
    /// The control module, see control/lib.rs
    #[arg(long, value_name = "PATH")]
    pub(crate) control: PathBuf,
    /// Where benchmarks.md, benchmarks.json and the plots go
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Everything once and small: shows that the benchmark works, measures nothing
    #[arg(long)]
    pub(crate) quick: bool,
    /// How many times each pair is measured
    #[arg(long, value_name = "N")]
    pub(crate) pairs: Option<usize>,
    /// Measure only this row; may be given again
    #[arg(long = "only", value_name = "ROW")]
    pub(crate) only: Vec<String>,
    /// Measure nothing: write the report of what benchmarks.json has
    #[arg(long)]
    pub(crate) report: bool,
}

/// How much of everything.
#[derive(Clone, Debug)]
pub(crate) struct Sizes {
    /// Times each pair is measured.
    pub(crate) pairs: usize,
    /// … where one takes many seconds.
    pub(crate) long_pairs: usize,
    /// Clients that are released together.
    pub(crate) clients: usize,
    /// Few and many clients, for what must not grow with them.
    pub(crate) few: usize,
    pub(crate) many: usize,
    /// Points of the curves over clients.
    pub(crate) curve: &'static [usize],
    /// Settings of `latch.wake-batch`.
    pub(crate) batches: &'static [usize],
    /// Times one client is woken, for one sample.
    pub(crate) handoffs: usize,
    /// Pipelined commands, for one sample of the throughput.
    pub(crate) commands: usize,
    /// Clients of which the memory is measured.
    pub(crate) memory_clients: usize,
    /// Clients that wait while nothing happens, and for how many keys each.
    pub(crate) idle: [(usize, usize); 2],
    /// How long nothing happens.
    pub(crate) idle_time: Duration,
    /// Keys that are created, saved and loaded.
    pub(crate) keys: usize,
    /// Commands, and clients, of which instructions are counted.
    pub(crate) counted_commands: usize,
    pub(crate) counted_clients: usize,
}

impl Sizes {
    /// Those of a run that measures, or of a quick one.
    pub(crate) fn new(options: &Options) -> Self {
        let quick = options.quick;
        Self {
            pairs: options.pairs.unwrap_or(pick(quick, 2, 11)),
            long_pairs: options.pairs.unwrap_or(pick(quick, 1, 7)),
            clients: pick(quick, 400, 8_000),
            few: pick(quick, 50, 1_000),
            many: pick(quick, 400, 16_000),
            curve: pick(quick, &[50, 400], &[1_000, 2_000, 4_000, 8_000, 16_000]),
            batches: pick(quick, &[16, 256], &[16, 64, 256, 1_024, 4_096, 16_000]),
            handoffs: pick(quick, 20, 1_000),
            commands: pick(quick, 6_400, 320_000),
            memory_clients: pick(quick, 200, 4_000),
            idle: pick(quick, [(200, 1), (10, 100)], [(15_000, 1), (20, 5_000)]),
            idle_time: pick(quick, Duration::from_millis(200), Duration::from_secs(3)),
            keys: pick(quick, 10_000, 1_000_000),
            counted_commands: pick(quick, 320, 10_000),
            counted_clients: pick(quick, 50, 1_000),
        }
    }

    /// Clients that are connected at a time.
    pub(crate) fn most_clients(&self) -> usize {
        self.many.max(self.clients).max(self.idle[0].0)
    }
}

fn pick<T>(is_quick: bool, quick: T, full: T) -> T {
    if is_quick { quick } else { full }
}
