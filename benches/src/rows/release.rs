//! Many clients, released by one countdown.

use anyhow::Result;

use super::{Bench, Row, millis, of, thousands};
use crate::peers::{self, Latch, Peer, Publish, Wait};
use crate::results::{Finding, Measure, Outcome, Target, Unit};
use crate::scene::{KEY, Scene};

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
        let mut ping = measures("worst `PING` of another client meanwhile");
        let mut own = measures("the reply to the one that released them");
        let mut cpu = measures("… in CPU time of the server");
        bench.repeat(bench.sizes.pairs, |counts| {
            for (i, peer) in peers.iter().enumerate() {
                let release = scene.release(&**peer, n)?;
                if counts {
                    last[i].samples.push(millis(release.last));
                    ping[i].samples.push(millis(release.ping));
                    own[i].samples.push(millis(release.own));
                    // Polling costs most before it opens.
                    let polls = matches!(peer.wait(KEY), Wait::Polling(_));
                    if let Some(time) = release.cpu.filter(|_| !polls) {
                        cpu[i].samples.push(millis(time));
                    }
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
        Ok(Outcome { findings, measures: [last, cpu, ping, own].concat(), ..Outcome::default() })
    }
}
