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
    /// The module as it was before: rows about stalls measure it, too
    #[arg(long, value_name = "PATH")]
    pub(crate) before: Option<PathBuf>,
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

/// Makes [`Sizes`] of a table: each is what it is in a quick run, and else.
macro_rules! sizes {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $quick:expr, $full:expr;)*) => {
        /// How much of everything.
        #[derive(Clone, Debug)]
        pub(crate) struct Sizes {
            $($(#[$doc])* pub(crate) $name: $type,)*
        }

        impl Sizes {
            fn of(is_quick: bool) -> Self {
                Self { $($name: if is_quick { $quick } else { $full },)* }
            }
        }
    };
}

sizes! {
    /// Times each pair is measured.
    pairs: usize = 2, 11;
    /// … where one takes many seconds.
    long_pairs: usize = 1, 7;
    /// Times the worst of something is looked for.
    runs: usize = 1, 5;
    /// Clients that are released together.
    clients: usize = 400, 8_000;
    /// Few and many clients, for what must not grow with them.
    few: usize = 50, 1_000;
    many: usize = 400, 16_000;
    /// Points of the curves over clients.
    curve: &'static [usize] = &[50, 400], &[1_000, 2_000, 4_000, 8_000, 16_000];
    /// Settings of `latch.wake-batch`.
    batches: &'static [usize] = &[16, 256], &[16, 64, 256, 1_024, 4_096, 16_000];
    /// Times one client is woken, for one sample.
    handoffs: usize = 20, 1_000;
    /// Pipelined commands, for one sample of the throughput.
    commands: usize = 6_400, 320_000;
    /// Clients of which the memory is measured.
    memory_clients: usize = 200, 4_000;
    /// Clients that wait while nothing happens, and for how many keys each.
    idle: [(usize, usize); 2] = [(200, 1), (10, 100)], [(15_000, 1), (20, 5_000)];
    /// How long nothing happens.
    idle_time: Duration = Duration::from_millis(200), Duration::from_secs(3);
    /// Keys that are created, saved and loaded.
    keys: usize = 10_000, 1_000_000;
    /// Ids of a latch.
    ids: &'static [usize] = &[1_000, 4_000], &[1_000, 10_000, 100_000, 1_000_000];
    /// Clients that wait for a key each, or many for one.
    each_own: usize = 300, 15_000;
    /// Clients that wait for the same keys, and how many.
    shared: (usize, usize) = (20, 100), (256, 5_000);
    /// Clients that wait for keys of their own, and for how many each.
    lot: &'static [(usize, usize)] =
        &[(5, 100), (10, 100)], &[(10, 1_000), (100, 1_000), (1_000, 1_000)];
    /// Commands, and clients, of which instructions are counted.
    counted_commands: usize = 320, 10_000;
    counted_clients: usize = 50, 1_000;
}

impl Sizes {
    pub(crate) fn new(options: &Options) -> Self {
        let sizes = Self::of(options.quick);
        let pairs = options.pairs.unwrap_or(sizes.pairs);
        let long_pairs = options.pairs.unwrap_or(sizes.long_pairs);
        let runs = options.pairs.unwrap_or(sizes.runs);
        Self { pairs, long_pairs, runs, ..sizes }
    }

    /// Clients that are connected at a time.
    pub(crate) fn most_clients(&self) -> usize {
        self.many.max(self.clients).max(self.idle[0].0).max(self.each_own)
    }
}
