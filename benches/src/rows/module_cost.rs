//! What the module costs a server that uses no latch.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, Row, micros};
use crate::command::line;
use crate::pump::{PIPELINE, Pump};
use crate::results::{Finding, Measure, Outcome, Target, Unit};
use crate::scene::KEY;
use crate::server::Server;

/// Each line of the reply to its `GET` begins with a `$`, as the pump wants it.
const VALUE: &str = "$100";

#[derive(Debug)]
pub(crate) struct ModuleCost;

impl Row for ModuleCost {
    fn name(&self) -> &'static str {
        "module-cost"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let loads = Load::all();
        let recipes = [bench.recipe, &bench.recipe.without_latch()];
        let mut servers = Vec::new();
        for recipe in recipes {
            let server = Server::start(recipe)?;
            let pump = Pump::connect(&server.socket())?;
            servers.push((server, pump));
        }
        let names = ["with the module", "without"];
        let mut costs = loads.each_ref().map(|load| names.map(|who| Cost::new(load, who)));
        bench.repeat(bench.sizes.pairs, |counts| {
            for (load, costs) in loads.iter().zip(&mut costs) {
                for ((server, pump), cost) in servers.iter_mut().zip(costs) {
                    cost.measure(load, server, pump, bench.sizes.commands, counts)?;
                }
            }
            Ok(())
        })?;

        let findings = loads.iter().zip(&costs).map(|(load, [with, without])| {
            let what = format!(
                "`{}` throughput, {PIPELINE} pipelined, with the module loaded and no latch used, \
                 against without the module",
                load.name
            );
            Finding::ratio(what, Target::AtLeast(0.98), &with.rate, &without.rate)
        });
        let findings = findings.collect();
        let measures = costs.into_iter().flatten().flat_map(|cost| [cost.rate, cost.cpu]).collect();
        Ok(Outcome { findings, measures, ..Outcome::default() })
    }
}

/// A command that has nothing to do with latches.
struct Load {
    name: &'static str,
    /// So many that they are sent together.
    chunk: Vec<u8>,
    /// The lines of a reply, and how each begins.
    lines: usize,
    kind: u8,
}

impl Load {
    /// The first makes what the second reads.
    fn all() -> [Self; 2] {
        let chunk = |command: String| line(&command).repeat(PIPELINE);
        let (set, get) = (chunk(format!("SET {KEY} {VALUE}")), chunk(format!("GET {KEY}")));
        [
            Self { name: "SET", chunk: set, lines: 1, kind: b'+' },
            Self { name: "GET", chunk: get, lines: 2, kind: b'$' },
        ]
    }

    /// Sends `count` of them.
    fn run(&self, pump: &mut Pump, count: usize) -> Result<Duration> {
        let chunk = (self.chunk.as_slice(), PIPELINE * self.lines);
        pump.run((0..count / PIPELINE).map(|_| chunk), self.kind)
    }
}

/// What is measured of one command on one server.
struct Cost {
    rate: Measure,
    cpu: Measure,
}

impl Cost {
    fn new(load: &Load, who: &str) -> Self {
        let rate = format!("`{}` per second, {PIPELINE} pipelined", load.name);
        let cpu = format!("CPU time of the server for a `{}`", load.name);
        Self {
            rate: Measure::new(&rate, who, Unit::PerSecond),
            cpu: Measure::new(&cpu, who, Unit::Micros),
        }
    }

    fn measure(
        &mut self,
        load: &Load,
        server: &Server,
        pump: &mut Pump,
        count: usize,
        counts: bool,
    ) -> Result<()> {
        let (time, spent) = server.cpu_of(|| load.run(pump, count))?;
        if counts {
            self.rate.samples.push(count as f64 / time.as_secs_f64());
            self.cpu.samples.extend(spent.map(|spent| micros(spent) / count as f64));
        }
        Ok(())
    }
}
