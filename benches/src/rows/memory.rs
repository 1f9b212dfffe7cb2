//! What those that wait, and keys, cost the server in memory.

use anyhow::Result;

use super::keys::{Keys, key};
use super::{Bench, STRING};
use crate::peers::{self, LATCH, named};
use crate::results::Unit::Bytes;
use crate::scene::{Scene, run};
use crate::server::{Server, used_memory, wait_blocked};

/// Of a client that waits, in every way there is.
pub(super) fn of_waiters(bench: &mut Bench<'_>) -> Result<()> {
    let n = bench.sizes.memory_clients;
    bench.long_pairs(|bench| {
        for peer in peers::all() {
            // A new server each time: what it has allocated for blocked clients
            // it keeps for a while.
            let mut scene = Scene::new(bench.recipe, n)?;
            run(&mut scene.con, peer.create(1))?;
            let before = used_memory(&mut scene.con)?;
            scene.wait(peer, n)?;
            let each = (used_memory(&mut scene.con)? - before) / n as f64;
            bench.add(("memory", &[], &peer.name), Bytes, each);
        }
        // And of one that waits for a key of its own.
        let mut scene = Scene::new(bench.recipe, n)?;
        Keys::new("LATCH.SET {key} 1", n).make(&scene.server.socket())?;
        let before = used_memory(&mut scene.con)?;
        scene.tell_to_wait(named(LATCH), n, key)?;
        wait_blocked(&mut scene.con, n)?;
        let each = (used_memory(&mut scene.con)? - before) / n as f64;
        bench.add(("memory of its own key", &[], LATCH), Bytes, each);
        Ok(())
    })
}

/// Of a key, as the server says itself.
pub(super) fn of_keys(bench: &mut Bench<'_>) -> Result<()> {
    let server = Server::start(bench.recipe)?;
    let mut con = server.connect()?;
    for length in [5, 16, 40] {
        let key = "k".repeat(length);
        for (set, who) in [("LATCH.SET", LATCH), ("SET", STRING)] {
            redis::cmd("DEL").arg(&key).query::<()>(&mut con)?;
            redis::cmd(set).arg(&key).arg(100).query::<()>(&mut con)?;
            let usage: f64 = redis::cmd("MEMORY").arg("USAGE").arg(&key).query(&mut con)?;
            bench.add(("usage", &[length], who), Bytes, usage);
        }
    }
    Ok(())
}
