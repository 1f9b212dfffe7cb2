//! Many clients count down and wait at once; every operation is recorded with
//! the times at which it was sent and answered, and the history is judged:
//! no wait succeeds before the last countdown was sent, none is still parked a
//! second after the last countdown was answered, each countdown counts once.
//!
//! | environment             | meaning                   | default        |
//! |-------------------------|---------------------------|----------------|
//! | `LATCH_HISTORY_SECONDS` | how long each part lasts  | 8              |
//! | `LATCH_HISTORY_SEED`    | what is done, and by whom | new each time  |

#![allow(
    unreachable_pub,
    clippy::panic,
    clippy::unwrap_used,
    reason = "`pub` marks what the parts use of each other; a panic is how a test fails"
)]

#[path = "history/check.rs"]
mod check;
mod common;
#[path = "history/crashes.rs"]
mod crashes;
#[path = "history/judged.rs"]
mod judged;
#[path = "history/record.rs"]
mod record;

use std::io::{Write, stderr};
use std::time::{Duration, Instant};

use common::*;
use crashes::Survivors;
use record::Recorder;

/// The seed, announced even if the test succeeds, and the end of the test.
fn begin(what: &str) -> (u64, Instant) {
    let seed = seed_from("LATCH_HISTORY_SEED");
    let seconds = number_from("LATCH_HISTORY_SECONDS").unwrap_or(8);
    say(&format!("{what}, {seconds} s: LATCH_HISTORY_SEED={seed}"));
    (seed, Instant::now() + Duration::from_secs(seconds))
}

fn say(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

#[test]
fn every_history_has_an_order_in_which_latches_work() {
    let (seed, end) = begin("histories");
    let server = Server::new();
    let mut recorder = Recorder::new(&server, seed);
    while Instant::now() < end {
        recorder.go_on(true);
    }
    let now = recorder.finish();
    for (key, history) in recorder.histories() {
        let (rounds, waits) = (history.rounds.len(), history.waits.len());
        let ops: usize = history.rounds.iter().map(|round| round.countdowns.len()).sum();
        say(&format!("{key}: {rounds} rounds, {ops} countdowns, {waits} waits"));
        assert!(rounds > 10 && waits > 10, "that is no history");
        if let Err(problem) = history.check(now) {
            panic!("{key}: {problem}\nLATCH_HISTORY_SEED={seed}");
        }
    }
}

#[test]
fn nothing_is_lost_or_counted_twice_when_the_server_crashes() {
    let (seed, end) = begin("crashes");
    let mut server =
        Server::builder().config("appendonly", "yes").config("appendfsync", "always").start();
    let mut survivors = Survivors::new(seed);
    while Instant::now() < end {
        survivors.live_through_a_round(&mut server);
    }
    say(&survivors.summary());
}
