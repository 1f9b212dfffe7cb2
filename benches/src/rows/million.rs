//! A million of them: made, saved and loaded.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::key_memory::STRING;
use super::{Bench, Row, thousands};
use crate::command::line;
use crate::peers::{Latch, Peer};
use crate::pump::{PIPELINE, Pump};
use crate::results::{Finding, Measure, Outcome, Target, Unit};
use crate::server::{Recipe, Server, used_memory};

#[derive(Debug)]
pub(crate) struct Million;

/// What is measured of one kind of key.
struct Life {
    create: Measure,
    cpu: Measure,
    memory: Measure,
    save: Measure,
    load: Measure,
}

impl Row for Million {
    fn name(&self) -> &'static str {
        "million"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let count = bench.sizes.keys;
        let sides = [("LATCH.SET", Latch.name()), ("SET", STRING)];
        let commands = sides.map(|(set, _)| Commands::new(set, count));
        let mut lives = sides.map(|(_, who)| Life::new(count, who));
        for turn in 0..bench.sizes.long_pairs {
            bench.progress.step(&format!("{turn} of {}", bench.sizes.long_pairs));
            for (commands, life) in commands.iter().zip(&mut lives) {
                life.live(bench.recipe, commands, count)?;
            }
        }

        let keys = thousands(count);
        let [latch, string] = &lives;
        let finding = |what: String, of: fn(&Life) -> &Measure| {
            Finding::ratio(what, Target::AtMost(1.5), of(latch), of(string))
        };
        let findings = vec![
            finding(
                format!("{keys} latches with a TTL: creation, against as many integer strings"),
                |life| &life.create,
            ),
            finding("… RDB save".into(), |life| &life.save),
            finding("… RDB load".into(), |life| &life.load),
        ];
        let measures = lives.into_iter().flat_map(|life| [life.memory, life.cpu]).collect();
        Ok(Outcome { findings, measures, ..Outcome::default() })
    }
}

impl Life {
    fn new(count: usize, who: &str) -> Self {
        let keys = thousands(count);
        let measure = |what: &str, unit| Measure::new(what, who, unit);
        Self {
            create: measure(&format!("{keys} keys created"), Unit::Seconds),
            cpu: measure(&format!("CPU time of the server to create {keys} keys"), Unit::Seconds),
            memory: measure(
                &format!("`used_memory` of each of {keys} keys with a TTL"),
                Unit::Bytes,
            ),
            save: measure(&format!("{keys} keys saved"), Unit::Seconds),
            load: measure(&format!("{keys} keys loaded"), Unit::Seconds),
        }
    }

    fn live(&mut self, recipe: &Recipe, commands: &Commands, count: usize) -> Result<()> {
        let mut server = Server::start(recipe)?;
        let mut con = server.connect()?;
        let before = used_memory(&mut con)?;
        let create = || Pump::connect(&server.socket())?.run(commands.chunks(), b'+');
        let (create, spent) = server.cpu_of(create)?;
        self.create.samples.push(create.as_secs_f64());
        self.cpu.samples.extend(spent.map(|spent| spent.as_secs_f64()));
        self.memory.samples.push((used_memory(&mut con)? - before) / count as f64);

        let begin = Instant::now();
        redis::cmd("SAVE").query::<()>(&mut con)?;
        self.save.samples.push(begin.elapsed().as_secs_f64());

        server.stop()?;
        server.start_again()?;
        let log = server.log()?;
        let (_, after) = log.split_once("DB loaded from disk: ").context("nothing was loaded")?;
        let seconds: f64 = after.split(' ').next().unwrap_or_default().parse()?;
        self.load.samples.push(seconds.max(0.000_5)); // it counts in ms
        let keys: usize = redis::cmd("DBSIZE").query(&mut server.connect()?)?;
        ensure!(keys == count, "{keys} keys are left of {count}");
        Ok(())
    }
}

/// The key of a number.
pub(super) fn key(number: usize) -> String {
    format!("latch:{number:010}")
}

/// The commands that make the keys, and where each pipeline of them begins.
pub(super) struct Commands {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    count: usize,
}

impl Commands {
    pub(super) fn new(set: &str, count: usize) -> Self {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for number in 0..count {
            if number % PIPELINE == 0 {
                starts.push(bytes.len());
            }
            bytes.extend(line(&format!("{set} {} 100 EX 86400", key(number))));
        }
        starts.push(bytes.len());
        Self { bytes, starts, count }
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = (&[u8], usize)> {
        self.starts.windows(2).enumerate().map(|(chunk, bounds)| {
            let count = PIPELINE.min(self.count - chunk * PIPELINE);
            (&self.bytes[bounds[0]..bounds[1]], count)
        })
    }
}
