//! Instructions of the server, counted by valgrind's callgrind: what the times
//! are made of, and the same on every machine. A client's are told apart by the
//! module's file and the names of the server's functions, so no symbol of the
//! module is named here.

use std::fs;

use anyhow::{Context, Result};

use super::keys::{Keys, key};
use super::{Bench, STRING, callgrind};
use crate::peers::{LATCH, Wait, named};
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
    for (who, module) in [(LATCH, 0), ("blocking API", 1), ("PUBLISH", 1), ("BLPOP", 1)] {
        let peer = named(who);
        let parts = in_steps(
            bench,
            &[
                &|scene| run(&mut scene.con, peer.create(1)),
                // Not until it is seen that they are parked: that costs, too.
                &|scene| {
                    if peer.blocks() {
                        return scene.tell_to_wait(peer, clients, |_| "latch".into());
                    }
                    scene.wait(peer, clients)
                },
                &|scene| scene.crowd.open(peer, clients).map(drop),
            ],
        )?;
        for (what, counted) in ["a client parked", "a client released"].iter().zip(parts) {
            add(bench, what, who, total_of(&counted)?, clients);
            of_module(bench, what, who, module, &counted)?;
        }
    }
    for (who, module) in [(LATCH, 0), ("blocking API", 1)] {
        let parts = in_steps(
            bench,
            &[
                &|scene| {
                    Keys::new("LATCH.SET {key} 1", clients).make(&scene.server.socket()).map(drop)
                },
                &|scene| scene.tell_to_wait(named(who), clients, key),
            ],
        )?;
        for counted in parts {
            of_module(bench, "a client parked, a key each", who, module, &counted)?;
        }
    }
    Ok(())
}

/// What each client has cost in a module, if it was one that did it.
fn of_module(
    bench: &mut Bench<'_>,
    what: &str,
    who: &str,
    module: usize,
    counted: &str,
) -> Result<()> {
    let file = bench.recipe.modules[module].file_name().unwrap_or_default();
    let cost = callgrind::cost(counted, &file.to_string_lossy())?;
    let clients = bench.sizes.counted_clients as f64;
    for (of, unit, count) in [
        ("own", Instructions, cost.own),
        ("calls", Instructions, cost.calls),
        ("allocations", Count, cost.allocations),
    ] {
        let each = (cost.own > 0).then_some(count as f64 / clients);
        bench.add((&format!("{what}: {of}"), &[], who), unit, each);
    }
    Ok(())
}

/// What is done to a server.
type Step<'a> = &'a dyn Fn(&mut Scene) -> Result<()>;

/// What callgrind has counted in each step after the first; nothing if the server's
/// functions have no names.
fn in_steps(bench: &Bench<'_>, steps: &[Step<'_>]) -> Result<Vec<String>> {
    let mut scene = under_callgrind(bench)?;
    for step in steps {
        step(&mut scene)?;
        // On a connection of the crowd, behind what all others have sent.
        scene.crowd.end(&Wait::No, &command(CUT.0), &reply("$3 cut"), 0)?;
    }
    scene.server.stop()?;
    let file = |step: usize| scene.server.dir().join(format!("{COUNT}.{step}"));
    if !file(1).exists() {
        eprintln!("a client's instructions are not counted: the server has no {}", CUT.1);
        return Ok(Vec::new());
    }
    (2..=steps.len()).map(|step| Ok(fs::read_to_string(file(step))?)).collect()
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
