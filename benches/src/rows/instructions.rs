//! Instructions of the server, counted by valgrind's callgrind: what the times
//! are made of, and the same on every machine.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::key_memory::STRING;
use super::{Bench, Row};
use crate::command::line;
use crate::peers::{Latch, List, Peer, PlainBlock, PubSub, Publish};
use crate::pump::{PIPELINE, Pump};
use crate::results::{Measure, Outcome, Unit};
use crate::scene::{KEY, Scene};
use crate::server::Recipe;

/// Where callgrind leaves its count, in the directory of the server.
const COUNT: &str = "callgrind.out";

#[derive(Debug)]
pub(crate) struct Instructions;

impl Row for Instructions {
    fn name(&self) -> &'static str {
        "instructions"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            eprintln!("instructions are not counted: there is no valgrind");
            return Ok(Outcome::default());
        }
        let count = Count::new(bench);
        let nothing = count.total("a server with clients", |_| Ok(()))?;
        let mut measures = Vec::new();

        for (set, who) in [("LATCH.SET", Latch.name()), ("SET", STRING)] {
            let commands: Vec<_> =
                (0..count.commands).map(|i| line(&format!("{set} latch:{i:010} 100"))).collect();
            let total = count.total(set, |scene| {
                let chunks: Vec<_> =
                    commands.chunks(PIPELINE).map(|c| (c.concat(), c.len())).collect();
                let chunks = chunks.iter().map(|(bytes, len)| (bytes.as_slice(), *len));
                Pump::connect(&scene.server.socket())?.run(chunks, b'+').map(drop)
            })?;
            measures.push(count.measure("a key set", who, total - nothing, count.commands));
        }

        let decr =
            (vec![line(&format!("SET {KEY} {}", usize::MAX / 4))], line(&format!("DECR {KEY}")));
        let pubsub = PubSub::new();
        let many = usize::MAX / 4;
        let sides = [
            (Latch.name(), (Latch.create(KEY, many), Latch.countdown(KEY, 1))),
            ("DECR", decr),
            (pubsub.name(), (pubsub.create(KEY, many), pubsub.countdown(KEY, 1))),
        ];
        for (who, (create, countdown)) in sides {
            let total = count.total(who, |scene| {
                pubsub.load(&mut scene.con)?;
                scene.run(&create)?;
                let mut pump = Pump::connect(&scene.server.socket())?;
                pump.repeat(&countdown, count.commands, b':').map(drop)
            })?;
            measures.push(count.measure("a countdown", who, total - nothing, count.commands));
        }

        let list = List::new();
        for peer in [&Latch as &dyn Peer, &PlainBlock, &Publish, &list] {
            let who = peer.name();
            let parked =
                count.total(&format!("{who}, parked"), |scene| scene.park(peer, count.clients))?;
            let released = count.total(&format!("{who}, released"), |scene| {
                scene.park(peer, count.clients)?;
                scene.open(peer, count.clients).map(drop)
            })?;
            measures.push(count.measure("a client parked", who, parked - nothing, count.clients));
            measures.push(count.measure(
                "a client released",
                who,
                released - parked,
                count.clients,
            ));
        }
        Ok(Outcome { measures, ..Outcome::default() })
    }
}

struct Count<'a> {
    bench: &'a Bench<'a>,
    recipe: Recipe,
    commands: usize,
    clients: usize,
}

impl<'a> Count<'a> {
    fn new(bench: &'a Bench<'a>) -> Self {
        let words = ["valgrind", "--tool=callgrind", "--quiet"].map(Into::into);
        let file = format!("--callgrind-out-file={COUNT}").into();
        let under = [words.to_vec(), vec![file]].concat();
        let recipe = Recipe { under, ..bench.recipe.clone() };
        let (commands, clients) = (bench.sizes.counted_commands, bench.sizes.counted_clients);
        Self { bench, recipe, commands, clients }
    }

    /// All instructions of a server on which this was done, from its start to
    /// its end.
    fn total(&self, step: &str, work: impl FnOnce(&mut Scene) -> Result<()>) -> Result<f64> {
        self.bench.progress.step(step);
        let mut scene = Scene::new(&self.recipe, self.clients)?;
        work(&mut scene)?;
        scene.server.stop()?;
        let file = fs::read_to_string(scene.server.dir().join(COUNT))?;
        let total = file.lines().find_map(|line| line.strip_prefix("summary: "));
        Ok(total.context("callgrind left no summary")?.trim().parse()?)
    }

    fn measure(&self, what: &str, who: &str, instructions: f64, times: usize) -> Measure {
        let mut measure = Measure::new(what, who, Unit::Instructions);
        measure.samples.push(instructions / times as f64);
        measure
    }
}
