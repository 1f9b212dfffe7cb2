//! One client that waits, from the countdown sent to its reply received.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use redis::{Connection, ConnectionLike};

use super::{Bench, Row, micros, of};
use crate::command::{array, bulk, integer, line};
use crate::peers::{self, Latch, Peer, Wait};
use crate::results::{Finding, Measure, Outcome, Samples, Target, Unit};
use crate::scene::KEY;
use crate::server::{Server, wait_blocked};
use crate::waiter::{Line, Waiter};

/// Times a polling client is woken for one sample: each takes 50 ms.
const POLLS: usize = 10;

#[derive(Debug)]
pub(crate) struct WakeOne;

impl Row for WakeOne {
    fn name(&self) -> &'static str {
        "wake-one"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let mut peers = peers::all();
        peers.insert(1, Box::new(PlainList));
        let server = Server::start(bench.recipe)?;
        let mut con = server.connect()?;
        let what = "one client released";
        let mut times: Vec<_> =
            peers.iter().map(|peer| Measure::new(what, peer.name(), Unit::Micros)).collect();
        bench.repeat(bench.sizes.pairs, |counts| {
            for (peer, times) in peers.iter().zip(&mut times) {
                let handoffs = match peer.wait(KEY) {
                    Wait::Polling(_) => bench.sizes.handoffs.min(POLLS),
                    _ => bench.sizes.handoffs,
                };
                let median = hand_off(&**peer, &server.socket(), &mut con, handoffs)?;
                if counts {
                    times.samples.push(median);
                }
            }
            Ok(())
        })?;

        let findings = vec![Finding::ratio(
            "one parked client, countdown sent to reply received, against `BLPOP` woken by `RPUSH`",
            Target::AtMost(1.05),
            of(&times, Latch.name()),
            of(&times, PlainList.name()),
        )];
        Ok(Outcome { findings, measures: times, ..Outcome::default() })
    }
}

/// Wakes one client so many times: the median, in µs.
fn hand_off(peer: &dyn Peer, socket: &Path, con: &mut Connection, handoffs: usize) -> Result<f64> {
    let mut waiter = Waiter::connect(socket, peer.wait(KEY))?;
    let mut worker = Line::connect(socket)?;
    let opening = peer.opening(KEY, 1);
    peer.load(con)?;
    let mut times = Samples::default();
    for turn in 0..handoffs {
        for command in peer.create(KEY, 1) {
            con.req_packed_command(&command)?.extract_error()?;
        }
        waiter.begin()?;
        let begin = match peer.wait(KEY) {
            Wait::Blocked { .. } => {
                wait_blocked(con, 1)?;
                let begin = Instant::now();
                worker.send(&opening.command)?;
                waiter.released()?;
                begin
            }
            Wait::Subscribed { .. } => {
                let begin = Instant::now();
                worker.send(&opening.command)?;
                waiter.released()?;
                begin
            }
            Wait::Polling(polling) => {
                // The countdown comes at any moment between two questions: here
                // at that many, evenly spread.
                let wait = polling.every.mul_f64((turn as f64 + 0.5) / handoffs as f64);
                let begin = Instant::now();
                worker.send(&opening.command)?;
                std::thread::sleep(wait);
                waiter.released()?;
                begin
            }
        };
        times.push(micros(begin.elapsed()));
        worker.expect(&opening.reply)?;
        for command in peer.clean(KEY) {
            con.req_packed_command(&command)?.extract_error()?;
        }
    }
    Ok(times.median())
}

/// `BLPOP` and `RPUSH`, with no count and no script.
struct PlainList;

impl Peer for PlainList {
    fn name(&self) -> &'static str {
        "RPUSH to BLPOP"
    }

    fn about(&self) -> &'static str {
        "no latch: one `RPUSH` for one client in `BLPOP`"
    }

    fn create(&self, _: &str, _: usize) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn wait(&self, key: &str) -> Wait {
        let released = array(&[bulk(key), bulk("1")]);
        Wait::Blocked { command: line(&format!("BLPOP {key} 0")), released }
    }

    fn countdown(&self, key: &str, _: usize) -> Vec<u8> {
        line(&format!("RPUSH {key} 1"))
    }

    fn opened(&self, waiters: usize) -> Vec<u8> {
        integer(waiters)
    }
}
