//! Latches that remember many ids: how they grow, and how they are given up.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use itertools::Itertools;
use redis::Connection;

use super::Bench;
use super::keys::{Keys, key};
use crate::peers::LATCH;
use crate::results::Unit::{Micros, Millis};
use crate::scene::run;
use crate::server::{PATIENCE, Recipe, Server, used_memory};
use crate::stall::felt;
use crate::wire::command;

/// What remembers ids.
struct Side {
    who: &'static str,
    /// Makes an empty one, if that has to be, which opens at the countdown after
    /// `{count}`.
    make: Option<&'static str>,
    add: &'static str,
    /// What tells that all ids were new, and what that is of `n`.
    look: &'static str,
    all: fn(usize) -> usize,
}

const SIDES: [Side; 2] = [
    Side {
        who: LATCH,
        make: Some("LATCH.SET {key} {count}"),
        add: "LATCH.COUNTDOWN {key} 1 ID {id}",
        look: "LATCH.GET",
        all: |_| 1,
    },
    Side { who: "a set", make: None, add: "SADD {key} {id}", look: "SCARD", all: |n| n },
];

/// Ids are text of one width: in order, or not.
type Order = (&'static str, fn(usize) -> String);

const ORDERED: Order = ("ordered", |number| format!("{number:016}"));
const RANDOM: Order = ("random", |number| format!("{:016x}", mix(number as u64)));

/// Small ones are grown again and again, until so many ids were sent.
const IDS: usize = 100_000;

/// The commands that fill latches or sets with ids.
struct Filling<'a> {
    side: &'a Side,
    size: usize,
    makes: Keys,
    adds: Keys,
}

impl<'a> Filling<'a> {
    fn new(side: &'a Side, size: usize, times: usize, id: fn(usize) -> String) -> Self {
        let make = side.make.map(|make| make.replace("{count}", &(size + 1).to_string()));
        let makes = make.map_or_else(|| Keys::new("", 0), |make| Keys::new(&make, times));
        let adds = (0..times).cartesian_product(0..size).map(|(latch, number)| {
            command(&side.add.replace("{key}", &key(latch)).replace("{id}", &id(number)))
        });
        Self { side, size, makes, adds: Keys::of(adds) }
    }

    fn fill(&self, server: &Server) -> Result<Duration> {
        let time = self.adds.send(&server.socket(), b':')?;
        let Side { who, look, all, .. } = self.side;
        let seen: usize = redis::cmd(look).arg(key(0)).query(&mut server.connect()?)?;
        ensure!(seen == all(self.size), "{look} of {who} is {seen}");
        Ok(time)
    }
}

/// Runs on a new server, of each module for a latch.
fn each(
    bench: &mut Bench<'_>,
    side: &Side,
    once: impl Fn(&mut Bench<'_>, &str, Server) -> Result<()>,
) -> Result<()> {
    let of_core = || vec![(side.who, bench.recipe.clone())];
    let recipes: Vec<(_, Recipe)> =
        if side.who == LATCH { bench.recipe.of_latch() } else { of_core() };
    recipes.iter().try_for_each(|(who, recipe)| once(bench, who, Server::start(recipe)?))
}

/// What an id costs, and how long others wait at worst while a latch grows.
pub(super) fn grow(bench: &mut Bench<'_>) -> Result<()> {
    for (&size, (order, id)) in bench.sizes.ids.iter().cartesian_product([ORDERED, RANDOM]) {
        let most = bench.sizes.ids.iter().fold(0, |most, &size| most.max(size)).min(IDS);
        let times = (most / size).max(1);
        let fillings = SIDES.each_ref().map(|side| Filling::new(side, size, times, id));
        bench.runs(|bench| {
            fillings.iter().try_for_each(|filling| {
                each(bench, filling.side, |bench, who, server| {
                    filling.makes.make(&server.socket())?;
                    let fill = || server.cpu_of(|| filling.fill(&server));
                    let ((time, cpu), stall) = felt(&server, fill)?;
                    let each = |time| Micros.of(time) / (size * times) as f64;
                    let mut add = |what: &str, unit, value| {
                        bench.add((&format!("{order} {what}"), &[size], who), unit, value);
                    };
                    add("cost", Micros, Some(each(time)));
                    add("cpu", Micros, cpu.map(each));
                    add("ping", Millis, Some(Millis.of(stall.ping)));
                    add("longest", Millis, Some(Millis.of(stall.longest)));
                    Ok(())
                })
            })
        })?;
    }
    Ok(())
}

/// How a latch with many ids ends, and what comes nearest to it for a set.
const ENDS: [(&str, &str, &str); 5] = [
    ("opened", "LATCH.COUNTDOWN {key}", "UNLINK {key}"),
    ("set again", "LATCH.SET {key} 5", "SET {key} 5"),
    ("deleted", "DEL {key}", "DEL {key}"),
    ("overwritten", "SET {key} 5", "SET {key} 5"),
    ("expired", "PEXPIRE {key} 1", "PEXPIRE {key} 1"),
];

/// How long others wait at worst until all its ids are given back.
pub(super) fn give_up(bench: &mut Bench<'_>) -> Result<()> {
    let size = bench.sizes.ids.iter().fold(0, |most, &size| most.max(size));
    let fillings = SIDES.each_ref().map(|side| Filling::new(side, size, 1, RANDOM.1));
    bench.runs(|bench| {
        for ((end, of_latch, of_set), filling) in ENDS.into_iter().cartesian_product(&fillings) {
            let text = if filling.side.who == LATCH { of_latch } else { of_set };
            let ending = command(&text.replace("{key}", &key(0)));
            each(bench, filling.side, |bench, who, server| {
                let mut con = server.connect()?;
                let before = used_memory(&mut con)?;
                filling.makes.make(&server.socket())?;
                filling.fill(&server)?;
                let full = used_memory(&mut con)?;
                let give_back = || {
                    run(&mut con, [ending.clone()])?;
                    wait_given_back(&mut con, before + (full - before) / 20.0)
                };
                let (time, stall) = felt(&server, give_back)?;
                let mut add = |what: &str, time| {
                    bench.add((&format!("{end} {what}"), &[size], who), Millis, Millis.of(time));
                };
                add("ping", stall.ping);
                add("longest", stall.longest);
                add("back", time);
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// What connections may take.
const SLACK: f64 = 300_000.0;

/// Waits until the server has no more than that, and how long it took.
fn wait_given_back(con: &mut Connection, bytes: f64) -> Result<Duration> {
    let begin = Instant::now();
    loop {
        // Time to live is noticed by those who look.
        thread::sleep(Duration::from_millis(2));
        let _: bool = redis::cmd("EXISTS").arg(key(0)).query(con)?;
        if used_memory(con)? < bytes + SLACK {
            return Ok(begin.elapsed());
        }
        ensure!(begin.elapsed() < PATIENCE, "gave up waiting until memory is given back");
    }
}

/// A number that has nothing of the order of the one it is made of: the finish of
/// splitmix64, of which no two are the same.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
