//! Countdowns that open nothing, as fast as the server takes them.

use anyhow::{Result, ensure};

use super::plot_names::RATES;
use super::{Bench, Row, micros, of};
use crate::command::line;
use crate::peers::{self, Latch, Peer, PubSub};
use crate::pump::{PIPELINE, Pump};
use crate::results::{Finding, Measure, Outcome, Target, Unit};
use crate::scene::KEY;
use crate::server::Server;

const DECR: &str = "DECR";

#[derive(Debug)]
pub(crate) struct Throughput;

impl Row for Throughput {
    fn name(&self) -> &'static str {
        RATES
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let (peers, count) = (peers::latches(), bench.sizes.commands);
        let server = Server::start(bench.recipe)?;
        let mut con = server.connect()?;
        let mut pump = Pump::connect(&server.socket())?;
        let what = format!("countdowns per second, {PIPELINE} pipelined");
        let names = || std::iter::once(DECR).chain(peers.iter().map(|peer| peer.name()));
        let mut rates: Vec<_> =
            names().map(|who| Measure::new(&what, who, Unit::PerSecond)).collect();
        let what = "CPU time of the server for a countdown";
        let mut cpu: Vec<_> = names().map(|who| Measure::new(what, who, Unit::Micros)).collect();
        for peer in &peers {
            peer.load(&mut con)?;
        }
        bench.repeat(bench.sizes.pairs, |counts| {
            // One more than is counted down, so that it stays closed.
            let set = [line(&format!("SET {KEY} {}", count + 1))];
            let sides = std::iter::once((set.to_vec(), line(&format!("DECR {KEY}")))).chain(
                peers.iter().map(|peer| (peer.create(KEY, count + 1), peer.countdown(KEY, 1))),
            );
            for (((create, countdown), rates), cpu) in sides.zip(&mut rates).zip(&mut cpu) {
                redis::cmd("DEL").arg(KEY).query::<()>(&mut con)?;
                for command in create {
                    redis::ConnectionLike::req_packed_command(&mut con, &command)?
                        .extract_error()?;
                }
                let (time, spent) = server.cpu_of(|| pump.repeat(&countdown, count, b':'))?;
                let get = if rates.who == Latch.name() { "LATCH.GET" } else { "GET" };
                let left: usize = redis::cmd(get).arg(KEY).query(&mut con)?;
                ensure!(left == 1, "{} left {left}, not 1", rates.who);
                if counts {
                    rates.samples.push(count as f64 / time.as_secs_f64());
                    cpu.samples.extend(spent.map(|spent| micros(spent) / count as f64));
                }
            }
            Ok(())
        })?;

        let latch = of(&rates, Latch.name());
        let findings = vec![
            Finding::ratio(
                format!("`LATCH.COUNTDOWN` throughput, {PIPELINE} pipelined, against `DECR`"),
                Target::AtLeast(0.95),
                latch,
                of(&rates, DECR),
            ),
            Finding::ratio(
                "… against the usual script (`DECR`; at zero `DEL` and `PUBLISH`) by `EVALSHA`",
                Target::AtLeast(2.3),
                latch,
                of(&rates, PubSub::new().name()),
            ),
        ];
        Ok(Outcome { findings, measures: [rates, cpu].concat(), ..Outcome::default() })
    }
}
