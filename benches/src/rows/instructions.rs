//! Instructions of the server, counted by valgrind's callgrind: what the times
//! are made of, and the same on every machine. All of the process are counted,
//! so no symbol of the module is named here.

use std::fs;

use anyhow::{Context, Result};

use super::keys::Keys;
use super::{Bench, STRING};
use crate::peers::{LATCH, named};
use crate::pump::Pump;
use crate::results::Unit::Instructions;
use crate::scene::{Scene, run};
use crate::server::Recipe;

/// Where callgrind leaves its count, in the directory of the server.
const COUNT: &str = "callgrind.out";

pub(super) fn row(bench: &mut Bench<'_>) -> Result<()> {
    if which::which("valgrind").is_err() {
        eprintln!("instructions are not counted: there is no valgrind");
        return Ok(());
    }
    let (commands, clients) = (bench.sizes.counted_commands, bench.sizes.counted_clients);
    let nothing = total(bench, |_| Ok(()))?;
    let add = |bench: &mut Bench<'_>, what: &str, who: &str, count: f64, times: usize| {
        bench.add((what, &[], who), Instructions, count / times as f64);
    };

    for (set, who) in [("LATCH.SET", LATCH), ("SET", STRING)] {
        let keys = Keys::new(&format!("{set} {{key}} 100"), commands);
        let count = total(bench, |scene| keys.make(&scene.server.socket()).map(drop))?;
        add(bench, "a key set", who, count - nothing, commands);
    }
    for peer in [LATCH, "DECR", "pub/sub latch"].map(named) {
        let count = total(bench, |scene| {
            run(&mut scene.con, peer.create(usize::MAX / 4))?;
            let mut pump = Pump::connect(&scene.server.socket())?;
            pump.repeat(&peer.countdown(1), commands, b':').map(drop)
        })?;
        add(bench, "a countdown", &peer.name, count - nothing, commands);
    }
    for peer in [LATCH, "blocking API", "PUBLISH", "BLPOP"].map(named) {
        let parked = total(bench, |scene| scene.park(peer, clients))?;
        let released = total(bench, |scene| {
            scene.park(peer, clients)?;
            scene.crowd.open(peer, clients).map(drop)
        })?;
        add(bench, "a client parked", &peer.name, parked - nothing, clients);
        add(bench, "a client released", &peer.name, released - parked, clients);
    }
    Ok(())
}

/// All instructions of a server on which this was done, from its start to its
/// end.
fn total(bench: &Bench<'_>, work: impl FnOnce(&mut Scene) -> Result<()>) -> Result<f64> {
    let file = format!("--callgrind-out-file={COUNT}");
    let under = ["valgrind", "--tool=callgrind", "--quiet", &file].map(Into::into).to_vec();
    let recipe = Recipe { under, ..bench.recipe.clone() };
    let mut scene = Scene::new(&recipe, bench.sizes.counted_clients)?;
    work(&mut scene)?;
    scene.server.stop()?;
    let file = fs::read_to_string(scene.server.dir().join(COUNT))?;
    let total = file.lines().find_map(|line| line.strip_prefix("summary: "));
    Ok(total.context("callgrind left no summary")?.trim().parse()?)
}
