//! One client that waits, from the countdown sent to its reply received.

use std::thread;
use std::time::Instant;

use anyhow::{Result, ensure};
use redis::{Connection, parse_redis_value};

use super::Bench;
use crate::peers::{self, POLL_EVERY, Peer};
use crate::results::Samples;
use crate::results::Unit::Micros;
use crate::scene::run;
use crate::server::{PATIENCE, Server, wait_blocked};
use crate::waiter::Waiter;

/// Times a polling client is woken for one sample: each takes 50 ms.
const POLLS: usize = 10;

pub(super) fn row(bench: &mut Bench<'_>) -> Result<()> {
    let server = Server::start(bench.recipe)?;
    let mut con = server.connect()?;
    bench.pairs(|bench| {
        for peer in peers::awaited() {
            let most = if peer.polls() { POLLS } else { usize::MAX };
            let median = hand_off(peer, &server, &mut con, bench.sizes.handoffs.min(most))?;
            bench.add(("woken", &[], &peer.name), Micros, median);
        }
        Ok(())
    })
}

/// Wakes one client so many times: the median, in µs.
fn hand_off(
    peer: &'static Peer,
    server: &Server,
    con: &mut Connection,
    handoffs: usize,
) -> Result<f64> {
    let mut waiter = Waiter::connect(server, peer, PATIENCE)?;
    let (mut worker, countdown) = (server.connect()?, peer.countdown(1));
    let (opened, released) = (parse_redis_value(&peer.opened(1))?, peer.released()?);
    let mut times = Samples::default();
    for turn in 0..handoffs {
        run(con, peer.create(1))?;
        waiter.begin()?;
        if peer.blocks() {
            wait_blocked(con, 1)?;
        }
        let begin = Instant::now();
        worker.send_packed_command(&countdown)?;
        if peer.polls() {
            // The countdown comes at any moment between two questions: here at
            // that many, evenly spread.
            thread::sleep(POLL_EVERY.mul_f64((turn as f64 + 0.5) / handoffs as f64));
        }
        let told = waiter.told()?;
        times.push(Micros.of(begin.elapsed()));
        ensure!(told.as_ref() == Some(&released), "a waiter was told {told:?}");
        let own = worker.recv_response()?;
        ensure!(own == opened, "the worker was told {own:?}");
        run(con, peer.clean())?;
    }
    Ok(times.median())
}
