//! What a client that waits costs the server in memory.

use anyhow::Result;

use super::{Bench, Row, of};
use crate::peers::{self, Latch, Peer, PlainBlock};
use crate::results::{Finding, Measure, Outcome, Target, Unit};
use crate::scene::Scene;
use crate::server::used_memory;

#[derive(Debug)]
pub(crate) struct ParkedMemory;

impl Row for ParkedMemory {
    fn name(&self) -> &'static str {
        "parked-memory"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let (peers, n) = (peers::all(), bench.sizes.memory_clients);
        let what = "`used_memory` of one that waits, beside its connection";
        let mut memory: Vec<_> =
            peers.iter().map(|peer| Measure::new(what, peer.name(), Unit::Bytes)).collect();
        for turn in 0..bench.sizes.long_pairs {
            bench.progress.step(&format!("{turn} of {}", bench.sizes.long_pairs));
            for (peer, memory) in peers.iter().zip(&mut memory) {
                // A new server each time: what it has allocated for blocked
                // clients it keeps for a while.
                let mut scene = Scene::new(bench.recipe, n)?;
                scene.make(&**peer, 1)?;
                let before = used_memory(&mut scene.con)?;
                scene.wait(&**peer, n)?;
                let after = used_memory(&mut scene.con)?;
                memory.samples.push((after - before) / n as f64);
            }
        }

        let findings = vec![Finding::above(
            "`used_memory` per parked client above what the server's own blocking API costs a \
             module, in bytes",
            Target::Bytes(256.0),
            of(&memory, Latch.name()),
            of(&memory, PlainBlock.name()),
        )];
        Ok(Outcome { findings, measures: memory, ..Outcome::default() })
    }
}
