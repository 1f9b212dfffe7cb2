//! Many clients, released by one countdown.

use anyhow::Result;

use super::{Bench, Row, millis, of, thousands};
use crate::peers::{self, Latch, Peer, Publish};
use crate::results::{Finding, Measure, Outcome, Target, Unit};
use crate::scene::Scene;

#[derive(Debug)]
pub(crate) struct Release;

impl Row for Release {
    fn name(&self) -> &'static str {
        "release"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let (peers, n) = (peers::all(), bench.sizes.clients);
        let mut scene = Scene::new(bench.recipe, n)?;
        let clients = thousands(n);
        let measures = |what: &str| -> Vec<_> {
            peers.iter().map(|peer| Measure::new(what, peer.name(), Unit::Millis)).collect()
        };
        let mut last = measures(&format!("{clients} clients released"));
        let mut ping = measures("… the worst `PING` of another client meanwhile");
        let mut own = measures("… the reply to the countdown itself");
        bench.repeat(bench.sizes.pairs, |counts| {
            for (i, peer) in peers.iter().enumerate() {
                let release = scene.release(&**peer, n)?;
                if counts {
                    last[i].samples.push(millis(release.last));
                    ping[i].samples.push(millis(release.ping));
                    own[i].samples.push(millis(release.own));
                }
            }
            Ok(())
        })?;

        let (latch, publish) = (Latch.name(), Publish.name());
        let findings = vec![
            Finding::ratio(
                format!(
                    "{clients} clients released by one countdown, until the last has its reply, \
                     against `PUBLISH` to {clients} subscribers"
                ),
                Target::AtMost(1.2),
                of(&last, latch),
                of(&last, publish),
            ),
            Finding::ratio(
                "the worst `PING` of another client during that release, against during that \
                 `PUBLISH`",
                Target::AtMost(0.2),
                of(&ping, latch),
                of(&ping, publish),
            ),
            Finding::ratio(
                "the countdown's own reply in that release, against the last waiter's",
                Target::AtMost(0.3),
                of(&own, latch),
                of(&last, latch),
            ),
        ];
        Ok(Outcome { findings, measures: [last, ping, own].concat(), ..Outcome::default() })
    }
}
