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
    pub(crate) curve: Vec<usize>,
    /// Settings of `latch.wake-batch`.
    pub(crate) batches: Vec<usize>,
    /// Times one client is woken, for one sample.
    pub(crate) handoffs: usize,
    /// Pipelined commands, for one sample of the throughput.
    pub(crate) commands: usize,
    /// Clients of which the memory is measured.
    pub(crate) memory_clients: usize,
    /// Clients that wait for a key each while nothing happens.
    pub(crate) idle_clients: usize,
    /// Keys that are waited for while nothing happens, and how many by one
    /// client.
    pub(crate) idle_keys: usize,
    pub(crate) keys_per_wait: usize,
    /// How long nothing happens.
    pub(crate) idle_time: Duration,
    /// Keys that are created, saved and loaded.
    pub(crate) keys: usize,
    /// Commands, and clients, of which instructions are counted.
    pub(crate) counted_commands: usize,
    pub(crate) counted_clients: usize,
}

impl Sizes {
    pub(crate) fn new(options: &Options) -> Self {
        let mut sizes = if options.quick { Self::quick() } else { Self::full() };
        if let Some(pairs) = options.pairs {
            (sizes.pairs, sizes.long_pairs) = (pairs, pairs);
        }
        sizes
    }

    fn full() -> Self {
        Self {
            pairs: 11,
            long_pairs: 7,
            clients: 8_000,
            few: 1_000,
            many: 16_000,
            curve: vec![1_000, 2_000, 4_000, 8_000, 16_000],
            batches: vec![16, 64, 256, 1_024, 4_096, 16_000],
            handoffs: 1_000,
            commands: 320_000,
            memory_clients: 4_000,
            idle_clients: 15_000,
            idle_keys: 100_000,
            keys_per_wait: 5_000,
            idle_time: Duration::from_secs(3),
            keys: 1_000_000,
            counted_commands: 10_000,
            counted_clients: 1_000,
        }
    }

    fn quick() -> Self {
        Self {
            pairs: 2,
            long_pairs: 1,
            clients: 400,
            few: 50,
            many: 400,
            curve: vec![50, 400],
            batches: vec![16, 256],
            handoffs: 20,
            commands: 6_400,
            memory_clients: 200,
            idle_clients: 200,
            idle_keys: 1_000,
            keys_per_wait: 100,
            idle_time: Duration::from_millis(200),
            keys: 10_000,
            counted_commands: 320,
            counted_clients: 50,
        }
    }
}
