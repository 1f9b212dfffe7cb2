//! What those that wait cost the server while nothing happens.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::million::{Commands, key};
use super::{Bench, Row, micros, thousands};
use crate::bystander::Bystander;
use crate::options::Sizes;
use crate::peers::{Latch, List, Peer};
use crate::pump::Pump;
use crate::results::{Finding, Measure, Outcome, Samples, Target, Unit};
use crate::scene::Scene;
use crate::server::{Server, wait_blocked};

#[derive(Debug)]
pub(crate) struct IdleCost;

impl Row for IdleCost {
    fn name(&self) -> &'static str {
        "idle-cost"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for waits in Waits::all(bench.sizes) {
            let sides = [
                Side::new("LATCH.SET", Latch.name(), Latch::waiting_for, &waits),
                Side::new("SET", List::new().name(), List::waiting_for, &waits),
            ];
            let mut costs = sides.each_ref().map(|side| Cost::new(&waits, side.who));
            for turn in 0..bench.sizes.long_pairs {
                bench.progress.step(&format!("{}, {turn}", waits.title()));
                for (side, cost) in sides.iter().zip(&mut costs) {
                    cost.measure(bench, &waits, side)?;
                }
            }
            for cost in &mut costs {
                cost.above.samples = cost.waiting.samples.above(&cost.nobody.samples);
            }
            let [latch, list] = &costs;
            outcome.findings.extend(findings(&waits, latch, list));
            outcome.measures.extend(costs.into_iter().flat_map(Cost::measures));
        }
        Ok(outcome)
    }
}

/// How many wait, and each for how many keys that are its own.
struct Waits {
    clients: usize,
    keys_each: usize,
}

impl Waits {
    /// Many clients, and few for many keys.
    fn all(sizes: &Sizes) -> [Self; 2] {
        let keys_each = sizes.keys_per_wait;
        [
            Self { clients: sizes.idle_clients, keys_each: 1 },
            Self { clients: sizes.idle_keys / keys_each, keys_each },
        ]
    }

    fn title(&self) -> String {
        let clients = thousands(self.clients);
        match self.keys_each {
            1 => format!("{clients} clients, a key each"),
            keys => format!("{clients} clients, {} keys each", thousands(keys)),
        }
    }

    fn keys(&self) -> usize {
        self.clients * self.keys_each
    }

    fn keys_of(&self, client: usize) -> Vec<String> {
        (client * self.keys_each..).take(self.keys_each).map(key).collect()
    }
}

/// One way to wait.
struct Side {
    who: &'static str,
    /// The commands that make the keys, with a time to live as latches have.
    create: Commands,
    /// The command that waits for keys.
    wait: fn(&[String]) -> Vec<u8>,
}

impl Side {
    fn new(set: &str, who: &'static str, wait: fn(&[String]) -> Vec<u8>, waits: &Waits) -> Self {
        Self { who, create: Commands::new(set, waits.keys()), wait }
    }
}

/// What is measured of one way to wait.
struct Cost {
    /// CPU of the server before anybody waits, while all do, and the difference.
    nobody: Measure,
    waiting: Measure,
    above: Measure,
    /// The PINGs of another client while all wait.
    p99: Measure,
    p999: Measure,
    worst: Measure,
}

impl Cost {
    fn new(waits: &Waits, who: &str) -> Self {
        let title = waits.title();
        let measure = |what: &str, unit| Measure::new(&format!("{title}: {what}"), who, unit);
        Self {
            nobody: measure("CPU, nobody waiting", Unit::Percent),
            waiting: measure("CPU, all waiting", Unit::Percent),
            above: measure("CPU above that, all waiting", Unit::Percent),
            p99: measure("99 % of another client's `PING`s within", Unit::Micros),
            p999: measure("99.9 % of them within", Unit::Micros),
            worst: measure("the worst of them", Unit::Micros),
        }
    }

    /// Measures on a server of its own: it keeps for a while what it has
    /// allocated for waiters.
    fn measure(&mut self, bench: &Bench<'_>, waits: &Waits, side: &Side) -> Result<()> {
        let (clients, time) = (waits.clients, bench.sizes.idle_time);
        let mut scene = Scene::new(bench.recipe, clients)?;
        Pump::connect(&scene.server.socket())?.run(side.create.chunks(), b'+')?;
        self.nobody.samples.extend(cpu_share(&scene.server, time)?);

        scene.crowd.tell_each(clients, |client| (side.wait)(&waits.keys_of(client)))?;
        wait_blocked(&mut scene.con, clients)?;
        self.waiting.samples.extend(cpu_share(&scene.server, time)?);
        let pings = pings(&scene.server, time)?;
        self.p99.samples.push(pings.quantile(0.99));
        self.p999.samples.push(pings.quantile(0.999));
        self.worst.samples.push(pings.max());
        // That nothing has happened: all wait.
        wait_blocked(&mut scene.con, clients)
    }

    fn measures(self) -> [Measure; 5] {
        [self.nobody, self.above, self.p99, self.p999, self.worst]
    }
}

/// The part of a core that a server takes which is left alone, in per cent,
/// where the system tells.
fn cpu_share(server: &Server, time: Duration) -> Result<Option<f64>> {
    // It may still be growing tables and shrinking buffers.
    thread::sleep(time / 3);
    let begin = Instant::now();
    let ((), spent) = server.cpu_of(|| {
        thread::sleep(time);
        Ok(())
    })?;
    Ok(spent.map(|spent| 100.0 * spent.as_secs_f64() / begin.elapsed().as_secs_f64()))
}

/// How long the PINGs of a client take, in µs.
fn pings(server: &Server, time: Duration) -> Result<Samples> {
    let bystander = Bystander::start(&server.socket())?;
    let begin = Instant::now();
    thread::sleep(time);
    let mut pings = Samples::default();
    pings.extend(bystander.times(begin, time)?.into_iter().map(micros));
    Ok(pings)
}

fn findings(waits: &Waits, latch: &Cost, list: &Cost) -> Vec<Finding> {
    let title = waits.title();
    let cpu = Finding::above(
        format!(
            "{title}, and nothing happens: CPU of the server's main thread while all wait, above \
             that while nobody does, in per cent of a core"
        ),
        Target::Percent(1.0),
        &latch.waiting,
        &latch.nobody,
    );
    let ping = |what: &str, limit, of: fn(&Cost) -> &Measure| {
        Finding::ratio(what, Target::AtMost(limit), of(latch), of(list))
    };
    let pings = [
        ping(
            "… 99 % of another client's `PING`s within, against while as many wait for as many \
             keys in `BLPOP`",
            1.1,
            |cost| &cost.p99,
        ),
        ping("… 99.9 % of them within", 1.2, |cost| &cost.p999),
        ping("… the worst of them", 2.0, |cost| &cost.worst),
    ];
    // It has no samples where the system does not tell.
    let cpu = Some(cpu).filter(|cpu| !cpu.measured.is_empty());
    cpu.into_iter().chain(pings).collect()
}
