//! Commands that open nothing, as fast as the server takes them.

use std::iter::once;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Bench;
use crate::peers::{self, LATCH, named};
use crate::pump::{PIPELINE, Pump};
use crate::results::Unit::{Micros, PerSecond};
use crate::scene::{Scene, run};
use crate::server::Server;
use crate::wire::command;

/// Countdowns, in every way there is.
pub(super) fn of_countdowns(bench: &mut Bench<'_>) -> Result<()> {
    let count = bench.sizes.commands;
    let server = Server::start(bench.recipe)?;
    let mut con = server.connect()?;
    let mut pump = Pump::connect(&server.socket())?;
    bench.pairs(|bench| {
        for peer in peers::counting() {
            // One more than is counted down, so that it stays closed.
            run(&mut con, once(command("DEL latch")).chain(peer.create(count + 1)))?;
            let countdown = peer.countdown(1);
            send(bench, &server, "countdown", &peer.name, || pump.repeat(&countdown, count, b':'))?;
            let get = if peer.name == LATCH { "LATCH.GET" } else { "GET" };
            let left: usize = redis::cmd(get).arg("latch").query(&mut con)?;
            ensure!(left == 1, "{} left {left}, not 1", peer.name);
        }
        Ok(())
    })
}

/// Does a countdown cost more when many are parked on the key?
pub(super) fn of_parked(bench: &mut Bench<'_>) -> Result<()> {
    let (sizes, count, latch) = (bench.sizes, bench.sizes.commands, named(LATCH));
    // All are connected all the time: only parking makes the difference.
    let mut scene = Scene::new(bench.recipe, sizes.many)?;
    let mut pump = Pump::connect(&scene.server.socket())?;
    bench.pairs(|bench| {
        for n in [0, sizes.few, sizes.many] {
            run(&mut scene.con, latch.create(count + 1))?;
            scene.wait(latch, n)?;
            let time = pump.repeat(&latch.countdown(n), count, b':')?;
            if n > 0 {
                scene.crowd.open(latch, n)?;
            } else {
                run(&mut scene.con, [command("DEL latch")])?;
            }
            bench.add(("cost", &[n], LATCH), Micros, Micros.of(time) / count as f64);
        }
        Ok(())
    })
}

/// Commands that have nothing to do with latches: what they are called, what
/// they are, and the lines of a reply and how each begins. The first makes what
/// the second reads: a value of which each line begins as the pump wants it.
const LOADS: [(&str, &str, usize, u8); 2] =
    [("SET", "SET latch $100", 1, b'+'), ("GET", "GET latch", 2, b'$')];

/// What the module costs a server that uses no latch.
pub(super) fn without_latches(bench: &mut Bench<'_>) -> Result<()> {
    let recipes = [bench.recipe, &bench.recipe.without_latch()];
    let servers = [Server::start(recipes[0])?, Server::start(recipes[1])?];
    let mut pumps = [Pump::connect(&servers[0].socket())?, Pump::connect(&servers[1].socket())?];
    bench.pairs(|bench| {
        for (name, text, lines, kind) in LOADS {
            let chunk = command(text).repeat(PIPELINE);
            let sides = ["with the module", "without"].into_iter().zip(&servers).zip(&mut pumps);
            for ((who, server), pump) in sides {
                let chunks = (0..bench.sizes.commands / PIPELINE)
                    .map(|_| (chunk.as_slice(), PIPELINE * lines));
                send(bench, server, name, who, || pump.run(chunks, kind))?;
            }
        }
        Ok(())
    })
}

/// Sends as many commands as are sent for one sample.
fn send(
    bench: &mut Bench<'_>,
    server: &Server,
    name: &str,
    who: &str,
    pump: impl FnOnce() -> Result<Duration>,
) -> Result<()> {
    let count = bench.sizes.commands;
    let (time, spent) = server.cpu_of(pump)?;
    let rate = count as f64 / time.as_secs_f64();
    bench.add((&format!("{name} rate"), &[], who), PerSecond, rate);
    let each = spent.map(|spent| Micros.of(spent) / count as f64);
    bench.add((&format!("{name} cpu"), &[], who), Micros, each);
    Ok(())
}
