//! Latches that remember many ids: how they grow, and how they are given up.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use itertools::{Itertools, iproduct};

use super::Bench;
use super::keys::{Keys, key};
use crate::peers::LATCH;
use crate::results::Unit::{Micros, Millis};
use crate::scene::run;
use crate::server::{Server, patiently, used_memory};
use crate::stall::felt;
use crate::wire::command;

/// What remembers ids: what makes an empty one, what adds an id, and what tells how
/// many a set has, or a latch is missing: one `{more}` than ids that come.
struct Side {
    who: &'static str,
    make: &'static str,
    add: &'static str,
    look: &'static str,
}

const SIDES: [Side; 2] = [
    Side {
        who: LATCH,
        make: "LATCH.SET {key} {more}",
        add: "LATCH.COUNTDOWN {key} 1 ID {id}",
        look: "LATCH.GET",
    },
    Side { who: "a set", make: "DEL {key}", add: "SADD {key} {id}", look: "SCARD" },
];

/// Ids are text of one width, in order or not.
type Order = (&'static str, fn(usize) -> String);

const ORDERED: Order = ("ordered", |number| format!("{number:016}"));
const RANDOM: Order = ("random", |number| format!("{:016x}", mix(number as u64)));

/// Small ones are filled one after another, until so many ids were sent.
const IDS: usize = 100_000;

/// Commands that fill so many latches or sets with so many ids each.
struct Filling<'a> {
    side: &'a Side,
    times: usize,
    size: usize,
    adds: Keys,
}

impl<'a> Filling<'a> {
    fn new(side: &'a Side, times: usize, size: usize, id: fn(usize) -> String) -> Self {
        let adds = iproduct!(0..times, 0..size).map(|(number, id_number)| {
            let text = side.add.replace("{key}", &key(number));
            command(&text.replace("{id}", &id(id_number)))
        });
        Self { side, times, size, adds: Keys::of(adds) }
    }

    fn make(&self, server: &Server) -> Result<()> {
        let make = self.side.make.replace("{more}", &(self.size + 1).to_string());
        let makes = (0..self.times).map(|number| command(&make.replace("{key}", &key(number))));
        run(&mut server.connect()?, makes)
    }

    fn fill(&self, server: &Server) -> Result<Duration> {
        let time = self.adds.send(&server.socket(), b':')?;
        let Side { who, look, .. } = self.side;
        let seen: usize = redis::cmd(look).arg(key(0)).query(&mut server.connect()?)?;
        // That all ids were new.
        ensure!(seen == if *who == LATCH { 1 } else { self.size }, "{look} of {who} is {seen}");
        Ok(time)
    }
}

/// What an id costs, and how long others wait at worst while a latch grows.
pub(super) fn grow(bench: &mut Bench<'_>) -> Result<()> {
    let most = largest(bench).min(IDS);
    for (&size, (order, id)) in iproduct!(bench.sizes.ids, [ORDERED, RANDOM]) {
        let times = (most / size).max(1);
        let fillings = SIDES.each_ref().map(|side| Filling::new(side, times, size, id));
        bench.runs(|bench| {
            let sides = fillings
                .iter()
                .flat_map(|it| bench.recipe.of(it.side.who).into_iter().map(move |of| (it, of)));
            for (filling, (who, recipe)) in sides.collect_vec() {
                let server = Server::start(&recipe)?;
                filling.make(&server)?;
                let ((time, cpu), stall) =
                    felt(&server, || server.cpu_of(|| filling.fill(&server)))?;
                let each = |time| Micros.of(time) / (size * times) as f64;
                let mut add = |what: &str, unit, value: Option<f64>| {
                    bench.add((&format!("{order} {what}"), &[size], who), unit, value);
                };
                add("cost", Micros, Some(each(time)));
                add("cpu", Micros, cpu.map(each));
                add("ping", Millis, Some(Millis.of(stall.ping)));
                add("longest", Millis, Some(Millis.of(stall.longest)));
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// How a latch with many ids ends, and what comes nearest to it for a set.
const ENDS: [(&str, [&str; 2]); 5] = [
    ("opened", ["LATCH.COUNTDOWN {key}", "UNLINK {key}"]),
    ("set again", ["LATCH.SET {key} 5", "SET {key} 5"]),
    ("deleted", ["DEL {key}", "DEL {key}"]),
    ("overwritten", ["SET {key} 5", "SET {key} 5"]),
    ("expired", ["PEXPIRE {key} 1", "PEXPIRE {key} 1"]),
];

/// What connections may take of the memory.
const SLACK: f64 = 300_000.0;

/// How long others wait at worst until all its ids are given back.
pub(super) fn give_up(bench: &mut Bench<'_>) -> Result<()> {
    let size = largest(bench);
    let fillings = SIDES.each_ref().map(|side| Filling::new(side, 1, size, RANDOM.1));
    bench.runs(|bench| {
        let ends = ENDS.into_iter().flat_map(|(end, texts)| {
            fillings.iter().zip(texts).map(move |(filling, text)| (end, filling, text))
        });
        for (end, filling, text) in ends {
            for (who, recipe) in bench.recipe.of(filling.side.who) {
                let server = Server::start(&recipe)?;
                let mut con = server.connect()?;
                let before = used_memory(&mut con)?;
                filling.make(&server)?;
                filling.fill(&server)?;
                let few = before + (used_memory(&mut con)? - before) / 20.0 + SLACK;
                let ending = command(&text.replace("{key}", &key(0)));
                let (back, stall) = felt(&server, || {
                    let begin = Instant::now();
                    run(&mut con, [ending])?;
                    patiently("memory is given back", || {
                        // That a key has expired is noticed by those who look.
                        run(&mut con, [command(&format!("EXISTS {}", key(0)))])?;
                        Ok((used_memory(&mut con)? < few).then(|| begin.elapsed()))
                    })
                })?;
                for (what, time) in
                    [("ping", stall.ping), ("longest", stall.longest), ("back", back)]
                {
                    let what = format!("{end} {what}");
                    bench.add((&what, &[size], who), Millis, Millis.of(time));
                }
            }
        }
        Ok(())
    })
}

fn largest(bench: &Bench<'_>) -> usize {
    bench.sizes.ids.iter().fold(0, |most, &size| most.max(size))
}

/// A number that has nothing of the order of the one it is made of, and is no
/// other's: the end of splitmix64.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
