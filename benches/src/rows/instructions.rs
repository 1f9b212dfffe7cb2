//! Instructions of the server, counted by valgrind's callgrind: what the times
//! are made of, and the same on every machine. A client's are told apart by the
//! module's file and the names of the server's functions, so no symbol of the
//! module is named here.

use std::fs;

use anyhow::{Context, Result};

use super::keys::Keys;
use super::{Bench, STRING, callgrind};
use crate::peers::{LATCH, Peer, Wait, named};
use crate::pump::Pump;
use crate::results::Unit::{Count, Instructions};
use crate::scene::{Scene, run};
use crate::server::Recipe;
use crate::wire::{command, reply};

/// Where callgrind leaves its count, in the directory of the server.
const COUNT: &str = "callgrind.out";

/// What makes it leave what it has counted so far, in a file of its own, and begin
/// anew: the command, and the function that runs it.
const CUT: (&str, &str) = ("ECHO cut", "echoCommand");

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
    for (peer, module) in [(LATCH, 0), ("blocking API", 1), ("PUBLISH", 1), ("BLPOP", 1)] {
        let peer = named(peer);
        let Some(counted) = of_clients(bench, peer)? else {
            eprintln!("a client's instructions are not counted: the server has no {}", CUT.1);
            return Ok(());
        };
        for (what, counted) in ["a client parked", "a client released"].iter().zip(counted) {
            add(bench, what, &peer.name, total_of(&counted)?, clients);
            let file = bench.recipe.modules[module].file_name().unwrap_or_default();
            let cost = callgrind::cost(&counted, &file.to_string_lossy())?;
            let each = |count: u64| (cost.own > 0).then_some(count as f64 / clients as f64);
            let who = peer.name.as_str();
            bench.add((&format!("{what}: own"), &[], who), Instructions, each(cost.own));
            bench.add((&format!("{what}: calls"), &[], who), Instructions, each(cost.calls));
            let allocations = each(cost.allocations);
            bench.add((&format!("{what}: allocations"), &[], who), Count, allocations);
        }
    }
    Ok(())
}

/// What callgrind has counted while all clients parked, and while they were
/// released; nothing if the server's functions have no names.
fn of_clients(bench: &Bench<'_>, peer: &Peer) -> Result<Option<[String; 2]>> {
    let clients = bench.sizes.counted_clients;
    let mut scene = under_callgrind(bench)?;
    run(&mut scene.con, peer.create(1))?;
    // Right behind each other, so that little else happens in between.
    let (cut, is_cut) = (command(CUT.0), reply("$3 cut"));
    scene.crowd.end(&Wait::No, &cut, &is_cut, 0)?;
    if let Wait::Blocked { blocked, .. } = &peer.wait {
        let blocked = command(blocked);
        (0..clients).try_for_each(|client| scene.crowd.tell(client, &blocked))?;
    } else {
        scene.wait(peer, clients)?;
    }
    scene.crowd.end(&Wait::No, &cut, &is_cut, 0)?;
    scene.crowd.open(peer, clients)?;
    scene.crowd.end(&Wait::No, &cut, &is_cut, 0)?;
    scene.server.stop()?;
    // The first is of all that was before.
    let files = [2, 3].map(|part| scene.server.dir().join(format!("{COUNT}.{part}")));
    if !files.iter().all(|file| file.exists()) {
        return Ok(None);
    }
    let [parked, released] = files.map(fs::read_to_string);
    Ok(Some([parked?, released?]))
}

/// All instructions of a server on which this was done, from its start to its
/// end.
fn total(bench: &Bench<'_>, work: impl FnOnce(&mut Scene) -> Result<()>) -> Result<f64> {
    let mut scene = under_callgrind(bench)?;
    work(&mut scene)?;
    scene.server.stop()?;
    total_of(&fs::read_to_string(scene.server.dir().join(COUNT))?)
}

fn total_of(counted: &str) -> Result<f64> {
    let total = counted.lines().find_map(|line| line.strip_prefix("summary: "));
    Ok(total.context("callgrind left no summary")?.trim().parse()?)
}

fn under_callgrind(bench: &Bench<'_>) -> Result<Scene> {
    let (file, cut) = (format!("--callgrind-out-file={COUNT}"), format!("--dump-before={}", CUT.1));
    let under = ["valgrind", "--tool=callgrind", "--quiet", &file, &cut].map(Into::into).to_vec();
    let recipe = Recipe { under, ..bench.recipe.clone() };
    Scene::new(&recipe, bench.sizes.counted_clients)
}
