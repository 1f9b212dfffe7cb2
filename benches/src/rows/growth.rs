//! Does another client wait longer when more are released?

use anyhow::Result;

use super::{Bench, Row, millis, thousands};
use crate::peers::{Latch, Peer};
use crate::results::{Finding, Measure, Outcome, Target, Unit};
use crate::scene::Scene;

#[derive(Debug)]
pub(crate) struct Growth;

impl Row for Growth {
    fn name(&self) -> &'static str {
        "growth"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let sizes = [bench.sizes.few, bench.sizes.many];
        let mut scene = Scene::new(bench.recipe, bench.sizes.many)?;
        let mut ping = sizes.map(|n| {
            let what = format!("the worst `PING` while {} are released", thousands(n));
            Measure::new(&what, Latch.name(), Unit::Millis)
        });
        bench.repeat(bench.sizes.pairs, |counts| {
            for (n, ping) in sizes.into_iter().zip(&mut ping) {
                let release = scene.release(&Latch, n)?;
                if counts {
                    ping.samples.push(millis(release.ping));
                }
            }
            Ok(())
        })?;

        let [few, many] = &ping;
        let what = format!(
            "the worst `PING` of another client while {} are released, against while {} are",
            thousands(sizes[1]),
            thousands(sizes[0])
        );
        let findings = vec![Finding::ratio(what, Target::AtMost(2.0), many, few)];
        Ok(Outcome { findings, ..Outcome::default() })
    }
}
