//! Does a countdown cost more when many are parked on the key?

use anyhow::Result;

use super::{Bench, Row, thousands};
use crate::command::line;
use crate::peers::{Latch, Peer};
use crate::pump::Pump;
use crate::results::{Finding, Measure, Outcome, Target, Unit};
use crate::scene::{KEY, Scene};

#[derive(Debug)]
pub(crate) struct ParkedCost;

impl Row for ParkedCost {
    fn name(&self) -> &'static str {
        "parked-cost"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let (sizes, count) = (bench.sizes, bench.sizes.commands);
        // All are connected all the time: only parking makes the difference.
        let mut scene = Scene::new(bench.recipe, sizes.many)?;
        let mut pump = Pump::connect(&scene.server.socket())?;
        let parked = [0, sizes.few, sizes.many];
        let mut costs = parked.map(|n| {
            let what = format!("a countdown, {} clients parked", thousands(n));
            Measure::new(&what, Latch.name(), Unit::Micros)
        });
        bench.repeat(sizes.pairs, |counts| {
            for (n, cost) in parked.into_iter().zip(&mut costs) {
                scene.make(&Latch, count + 1)?;
                scene.wait(&Latch, n)?;
                let time = pump.repeat(&Latch.countdown(KEY, n), count, b':')?;
                if n > 0 {
                    scene.open(&Latch, n)?;
                } else {
                    scene.run(&[line(&format!("DEL {KEY}"))])?;
                }
                if counts {
                    cost.samples.push(time.as_secs_f64() * 1e6 / count as f64);
                }
            }
            Ok(())
        })?;

        let [none, few, many] = &costs;
        let finding = |n: usize, cost: &Measure| {
            let what = format!(
                "cost per countdown with {} clients parked on the key, against none (flat)",
                thousands(n)
            );
            Finding::ratio(what, Target::AtMost(1.1), cost, none)
        };
        let findings = vec![finding(sizes.few, few), finding(sizes.many, many)];
        Ok(Outcome { findings, ..Outcome::default() })
    }
}
