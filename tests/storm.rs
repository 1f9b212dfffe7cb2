//! A storm: many clients do everything at once to a master and its replica,
//! while databases are flushed, swapped and reloaded, clients killed, scripts
//! slow, servers paused, memory runs out and replicas lose their master, and
//! some clients do nothing but wait for ever-new keys. Whatever happens, every
//! client gets the replies it is owed, each of a form its command may have at
//! that time, every wait ends, and both servers live.
//!
//! | environment           | meaning                   | default        |
//! |-----------------------|---------------------------|----------------|
//! | `LATCH_STORM_SECONDS` | how long it lasts         | 20             |
//! | `LATCH_STORM_SEED`    | what is done, and by whom | new each time  |
//!
//! Servers have I/O threads where four divides the seed. One seed is one order of
//! deeds, though how the server interleaves them is up to chance: repeat a seed a
//! few times.

#![allow(
    unreachable_pub,
    clippy::panic,
    clippy::unwrap_used,
    reason = "`pub` marks what the parts use of each other; a panic is how a test fails"
)]

#[path = "storm/churn.rs"]
mod churn;
mod common;
#[path = "storm/deeds.rs"]
mod deeds;
#[path = "storm/driver.rs"]
mod driver;
#[path = "storm/edges.rs"]
mod edges;
#[path = "storm/end.rs"]
mod end;
#[path = "storm/nonsense.rs"]
mod nonsense;
#[path = "storm/oracle.rs"]
mod oracle;
#[path = "storm/peer.rs"]
mod peer;
#[path = "storm/probe.rs"]
mod probe;
#[path = "storm/scripts.rs"]
mod scripts;
#[path = "storm/trouble.rs"]
mod trouble;
#[path = "storm/weather.rs"]
mod weather;

use std::io::{Write, stderr};
use std::time::{Duration, Instant};

use common::*;
use driver::{Habits, Storm};

/// What is said even if the test succeeds, when the harness shows no output.
fn say(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// What differs from run to run in the servers.
struct Plan {
    appendonly: &'static str,
    diskless_load: &'static str,
    /// Are all data flushed, evicted or loaded anew now and then? That ends what a
    /// probe waits for, or makes a server look at all who wait: nobody would see
    /// that it does not do so by itself.
    upheavals: bool,
    /// After how many ms a script makes the server say that it is busy.
    patience_with_scripts: &'static str,
    /// How many I/O threads there are, the one of the server included.
    io_threads: &'static str,
}

impl Plan {
    fn draw(seed: u64, random: &mut Random) -> Plan {
        Plan {
            appendonly: random.pick::<&str>(&["yes", "no"]),
            diskless_load: random.pick::<&str>(&["disabled", "swapdb", "on-empty-db"]),
            upheavals: !random.once_in(3),
            patience_with_scripts: random.pick::<&str>(&["5000", "5", "15"]),
            io_threads: if seed.is_multiple_of(4) { "4" } else { "1" },
        }
    }

    fn habits(&self) -> Habits {
        Habits { upheavals: self.upheavals, busy_by_scripts: self.patience_with_scripts != "5000" }
    }

    fn builder(&self) -> Builder {
        Server::builder()
            .config("appendonly", self.appendonly)
            .config("repl-diskless-load", self.diskless_load)
            .config("busy-reply-threshold", self.patience_with_scripts)
            .config("io-threads", self.io_threads)
            // Redis 7 asks for this, too; later servers take no notice.
            .config("io-threads-do-reads", if self.io_threads == "1" { "no" } else { "yes" })
    }

    fn text(&self) -> String {
        let Plan { appendonly, diskless_load, upheavals, patience_with_scripts, io_threads } = self;
        format!(
            "appendonly {appendonly}, repl-diskless-load {diskless_load}, \
             busy-reply-threshold {patience_with_scripts}, upheavals {upheavals}, \
             io-threads {io_threads}"
        )
    }
}

#[test]
fn every_client_gets_its_replies_and_every_wait_ends() {
    let seed = seed_from("LATCH_STORM_SEED");
    let seconds = number_from("LATCH_STORM_SECONDS").unwrap_or(20);
    say(&format!("a storm of {seconds} s: LATCH_STORM_SEED={seed}"));

    let mut random = Random::new(seed);
    let plan = Plan::draw(seed, &mut random);
    say(&plan.text());
    let master = plan.builder().tcp().start();
    let replica = plan.builder().replica_of(&master).start();
    replica.wait_in_sync(&master);
    let lives = [&master, &replica].map(|server| (server.pid(), server.info("run_id")));

    let mut storm = Storm::new(seed, random, [&master, &replica], plan.habits());
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        storm.rage();
    }
    storm.calm_down();
    storm.compare_digests();
    storm.end_every_latch();
    storm.open_what_is_waited_for();
    storm.nobody_is_owed_anything();

    for (server, (pid, run_id)) in [&master, &replica].into_iter().zip(lives) {
        assert_eq!(server.info("process_id"), pid.to_string());
        assert_eq!(server.info("run_id"), run_id);
        assert_eq!(server.info("latch_waiters"), "0");
        assert_eq!(server.info("latch_waiting_keys"), "0");
        assert_eq!(server.info("blocked_clients"), "0");
        let log = server.log();
        for bad in
            ["a bug in the latch module", "BUG REPORT", "ASSERTION FAILED", "crashed by signal"]
        {
            assert!(!log.contains(bad), "the log says {bad:?}");
        }
    }
    say(&storm.tally());
}
