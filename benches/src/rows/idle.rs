//! What those that wait cost the server while nothing happens.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use itertools::Itertools;

use super::Bench;
use super::keys::{Keys, key};
use crate::bystander::Bystander;
use crate::peers::LATCH;
use crate::results::Samples;
use crate::results::Unit::{Micros, Percent};
use crate::scene::Scene;
use crate::server::{Server, wait_blocked};
use crate::wire::command;

/// One way to wait.
struct Side {
    who: &'static str,
    /// What makes a key, with a time to live as latches have.
    set: &'static str,
    /// What waits for these keys.
    wait: fn(&[String]) -> String,
}

const SIDES: [Side; 2] = [
    Side {
        who: LATCH,
        set: "LATCH.SET {key} 100 EX 86400",
        wait: |keys| match keys {
            [key] => format!("LATCH.AWAIT {key} 0"),
            keys => format!("LATCH.AWAITALL 0 {} {}", keys.len(), keys.join(" ")),
        },
    },
    Side {
        who: "BLPOP",
        set: "SET {key} 100 EX 86400",
        wait: |keys| format!("BLPOP {}:tokens 0", keys.join(":tokens ")),
    },
];

/// Many clients, and few for many keys.
pub(super) fn row(bench: &mut Bench<'_>) -> Result<()> {
    for (clients, keys_each) in bench.sizes.idle {
        let sides = SIDES.map(|side| (Keys::new(side.set, clients * keys_each), side));
        bench.long_pairs(|bench| {
            sides.iter().try_for_each(|(keys, side)| wait(bench, keys, side, clients, keys_each))
        })?;
    }
    Ok(())
}

/// Measures on a server of its own: it keeps for a while what it has allocated
/// for waiters.
fn wait(
    bench: &mut Bench<'_>,
    keys: &Keys,
    side: &Side,
    clients: usize,
    keys_each: usize,
) -> Result<()> {
    let (time, at) = (bench.sizes.idle_time, [clients, keys_each]);
    let mut scene = Scene::new(bench.recipe, clients)?;
    keys.make(&scene.server.socket())?;
    let nobody = cpu_share(&scene.server, time)?;

    for client in 0..clients {
        let own = (client * keys_each..).take(keys_each).map(key).collect_vec();
        scene.crowd.tell(client, &command(&(side.wait)(&own)))?;
    }
    wait_blocked(&mut scene.con, clients)?;
    if let (Some(nobody), Some(waiting)) = (nobody, cpu_share(&scene.server, time)?) {
        bench.add(("nobody", &at, side.who), Percent, nobody);
        bench.add(("waiting", &at, side.who), Percent, waiting);
        bench.add(("above", &at, side.who), Percent, waiting - nobody);
    }
    let pings = pings(&scene.server, time)?;
    bench.add(("99 %", &at, side.who), Micros, pings.quantile(0.99));
    bench.add(("99.9 %", &at, side.who), Micros, pings.quantile(0.999));
    bench.add(("worst", &at, side.who), Micros, pings.quantile(1.0));
    // That nothing has happened: all wait.
    wait_blocked(&mut scene.con, clients)
}

/// The part of a core that a server takes which is left alone, in per cent,
/// where the system tells.
fn cpu_share(server: &Server, time: Duration) -> Result<Option<f64>> {
    // It may still be growing tables and shrinking buffers.
    thread::sleep(time / 3);
    let begin = Instant::now();
    let ((), spent) = server.cpu_of(|| {
        thread::sleep(time);
        Ok(())
    })?;
    Ok(spent.map(|spent| 100.0 * spent.as_secs_f64() / begin.elapsed().as_secs_f64()))
}

/// How long the PINGs of another client take, in µs.
fn pings(server: &Server, time: Duration) -> Result<Samples> {
    let bystander = Bystander::start(server)?;
    let begin = Instant::now();
    thread::sleep(time);
    let pings = bystander.times(begin, time)?;
    Ok(pings.into_iter().map(|ping| Micros.of(ping)).collect())
}
