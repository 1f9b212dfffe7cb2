//! Clients that are released by one countdown.

use anyhow::Result;
use itertools::Itertools;

use super::Bench;
use crate::peers::{self, LATCH, Peer, named};
use crate::results::Unit::Millis;
use crate::scene::Scene;
use crate::wire::command;

/// More clients than this cannot poll on one thread.
const MOST_POLLING: usize = 8_000;

/// Many, in every way there is.
pub(super) fn of_all(bench: &mut Bench<'_>) -> Result<()> {
    let (n, peers) = (bench.sizes.clients, peers::all().collect_vec());
    let mut scene = Scene::new(bench.recipe, n)?;
    bench.pairs(|bench| release(bench, &mut scene, &peers, n, n))
}

/// Does another client wait longer when more are released?
pub(super) fn of_few_and_many(bench: &mut Bench<'_>) -> Result<()> {
    let sizes = [bench.sizes.few, bench.sizes.many];
    let mut scene = Scene::new(bench.recipe, bench.sizes.many)?;
    bench.pairs(|bench| {
        sizes.iter().try_for_each(|&n| release(bench, &mut scene, &[named(LATCH)], n, n))
    })
}

/// More and more of them, for the plots.
pub(super) fn of_more_and_more(bench: &mut Bench<'_>) -> Result<()> {
    for &n in bench.sizes.curve {
        let peers = peers::all().filter(|peer| n <= MOST_POLLING || !peer.polls()).collect_vec();
        let mut scene = Scene::new(bench.recipe, n)?;
        bench.long_pairs(|bench| release(bench, &mut scene, &peers, n, n))?;
    }
    Ok(())
}

/// How many to release in one step: what `latch.wake-batch` trades.
pub(super) fn in_steps(bench: &mut Bench<'_>) -> Result<()> {
    let (n, batches) = (bench.sizes.clients, bench.sizes.batches);
    let mut scene = Scene::new(bench.recipe, n)?;
    bench.pairs(|bench| {
        batches.iter().try_for_each(|&batch| {
            let set = command(&format!("CONFIG SET latch.wake-batch {batch}"));
            crate::scene::run(&mut scene.con, [set])?;
            release(bench, &mut scene, &[named(LATCH)], n, batch)
        })
    })
}

/// Releases the first `n` clients in each of these ways.
fn release(
    bench: &mut Bench<'_>,
    scene: &mut Scene,
    peers: &[&Peer],
    n: usize,
    at: usize,
) -> Result<()> {
    for peer in peers {
        let release = scene.release(peer, n)?;
        // Polling costs most before it opens.
        let cpu = release.cpu.filter(|_| !peer.polls());
        bench.add(("last", &[at], &peer.name), Millis, Millis.of(release.replies.last));
        bench.add(("ping", &[at], &peer.name), Millis, Millis.of(release.ping));
        bench.add(("own", &[at], &peer.name), Millis, Millis.of(release.replies.own));
        bench.add(("cpu", &[at], &peer.name), Millis, cpu.map(|cpu| Millis.of(cpu)));
    }
    Ok(())
}
