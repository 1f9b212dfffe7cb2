//! Clients that wait for keys, and what ends that: the table in `waits.toml`,
//! which says what is what.

use std::collections::BTreeMap;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use itertools::Itertools;
use serde::Deserialize;

use super::Bench;
use super::keys::{Keys, key};
use crate::bystander::Bystander;
use crate::crowd::Replies;
use crate::peers::Wait;
use crate::results::Unit::{Bytes, Count, Millis};
use crate::scene::{Scene, run};
use crate::server::{Recipe, used_memory, wait_blocked};
use crate::wire::{command, reply};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    row: String,
    what: String,
    who: Option<String>,
    clients: Option<usize>,
    #[serde(default)]
    keys: Spread,
    make: Option<String>,
    wait: String,
    end: Option<String>,
    #[serde(default)]
    reply: String,
    told: Option<String>,
}

/// Which keys a client waits for.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Spread {
    #[default]
    Own,
    Shared,
    Apart,
}

pub(super) fn flush(bench: &mut Bench<'_>) -> Result<()> {
    row(bench, "flush", bench.sizes.each_own, 1, Duration::ZERO)
}

pub(super) fn two_latches(bench: &mut Bench<'_>) -> Result<()> {
    row(bench, "two-latches", bench.sizes.each_own, 1, Duration::ZERO)
}

pub(super) fn await_all(bench: &mut Bench<'_>) -> Result<()> {
    let (clients, keys_each) = bench.sizes.shared;
    row(bench, "await-all", clients, keys_each, Duration::ZERO)
}

pub(super) fn lot(bench: &mut Bench<'_>) -> Result<()> {
    bench.sizes.lot.iter().try_for_each(|&(clients, keys_each)| {
        row(bench, "lot", clients, keys_each, bench.sizes.settle)
    })
}

pub(super) fn own_key(bench: &mut Bench<'_>) -> Result<()> {
    row(bench, "own-key-memory", bench.sizes.memory_clients, 1, Duration::ZERO)
}

/// Measures all cases of a row in turn, and looks on for a while when one is over.
fn row(
    bench: &mut Bench<'_>,
    row: &str,
    clients: usize,
    keys_each: usize,
    settle: Duration,
) -> Result<()> {
    let mut table: BTreeMap<String, Vec<Case>> = toml::from_str(include_str!("waits.toml"))?;
    let mut cases = table.remove("case").context("no cases")?;
    cases.retain(|case| case.row == row);
    let at = [clients * keys_each, clients, keys_each];
    bench.runs(|bench| {
        for case in &cases {
            let recipes = match case.who.as_deref() {
                None => bench.recipe.of_latch(),
                Some(who) => vec![(who, bench.recipe.clone())],
            };
            for (who, recipe) in recipes {
                let stay =
                    case.stay(&recipe, case.clients.unwrap_or(clients), keys_each, settle)?;
                let mut add = |what: &str, unit, value| {
                    bench.add((&format!("{} {what}", case.what), &at, who), unit, value);
                };
                add("come", Millis, Some(Millis.of(stay.come)));
                add("memory", Bytes, Some(stay.memory));
                add("ping", Millis, Some(Millis.of(stay.go)));
                let of_told =
                    |time: fn(&Replies) -> Duration| Some(Millis.of(time(stay.replies.as_ref()?)));
                add("last", Millis, of_told(|replies| replies.last));
                add("first", Millis, of_told(|replies| replies.first));
                let displaced = stay.replies.map(|replies| replies.displaced as f64);
                add("displaced", Count, displaced);
            }
        }
        Ok(())
    })
}

/// Clients that have come and gone.
struct Stay {
    /// The worst PING of another client while they came, and while they went.
    come: Duration,
    go: Duration,
    /// Of each wait, in bytes.
    memory: f64,
    replies: Option<Replies>,
}

impl Case {
    fn stay(
        &self,
        recipe: &Recipe,
        clients: usize,
        keys_each: usize,
        settle: Duration,
    ) -> Result<Stay> {
        let mut scene = Scene::new(recipe, clients)?;
        // A module that has no such limit says so.
        let _ = run(&mut scene.con, [command("CONFIG SET latch.max-keys 1000000")]);
        let all = match self.keys {
            Spread::Own => clients * keys_each,
            Spread::Shared => keys_each,
            Spread::Apart => 2,
        };
        if let Some(make) = &self.make {
            Keys::new(make, all).make(&scene.server.socket())?;
        }
        let commands = (0..clients).map(|client| {
            let keys = match self.keys {
                Spread::Own => client * keys_each..(client + 1) * keys_each,
                Spread::Shared => 0..keys_each,
                Spread::Apart => usize::from(client == 0)..usize::from(client == 0) + 1,
            };
            let text = self.wait.replace("{count}", &keys.len().to_string());
            command(&text.replace("{keys}", &names(keys)))
        });
        let commands = commands.collect_vec();

        let before = used_memory(&mut scene.con)?;
        let come = worst(&mut scene, Duration::ZERO, |scene| {
            one_by_one(scene, clients, |scene, client| scene.crowd.tell(client, &commands[client]))
        })?;
        wait_blocked(&mut scene.con, clients)?;
        let memory = (used_memory(&mut scene.con)? - before) / (clients * keys_each) as f64;

        let mut replies = None;
        let go = worst(&mut scene, settle, |scene| {
            if let Some(end) = &self.end {
                replies = Some(self.end(scene, end, clients, all)?);
                return Ok(());
            }
            one_by_one(scene, clients, |scene, client| scene.crowd.close(client))?;
            wait_blocked(&mut scene.con, 0)
        })?;
        Ok(Stay { come, go, memory, replies })
    }

    fn end(&self, scene: &mut Scene, end: &str, clients: usize, all: usize) -> Result<Replies> {
        let fill = |text: &str| {
            text.replace("{first}", &key(0)).replace("{clients}", &clients.to_string())
        };
        let times = if end.contains("{key}") { all } else { 1 };
        let ends = (0..times).map(|number| {
            let keys = if end.contains("{keys}") { names(0..all) } else { String::new() };
            command(&fill(end).replace("{key}", &key(number)).replace("{keys}", &keys))
        });
        let ends = ends.collect_vec().concat();
        let released = self.told.as_deref().map(fill).unwrap_or_default();
        let told = if self.told.is_some() { clients } else { 0 };
        let wait = Wait::Blocked { blocked: String::new(), released };
        scene.crowd.end(&wait, &ends, &reply(&fill(&self.reply)).repeat(times), told)
    }
}

/// The keys of these numbers, as in a command.
fn names(numbers: Range<usize>) -> String {
    numbers.map(key).join(" ")
}

/// The worst PING of another client while this is done, and a while longer.
fn worst(
    scene: &mut Scene,
    settle: Duration,
    work: impl FnOnce(&mut Scene) -> Result<()>,
) -> Result<Duration> {
    let bystander = Bystander::start(&scene.server)?;
    let begin = Instant::now();
    work(scene)?;
    thread::sleep(settle);
    bystander.worst(begin, begin.elapsed())
}

/// Does something for each client, when the server is done with the one before:
/// the server looks after all that have come at once before it looks at anybody
/// else again, and that is not what is measured.
fn one_by_one(
    scene: &mut Scene,
    clients: usize,
    once: impl Fn(&mut Scene, usize) -> Result<()>,
) -> Result<()> {
    (0..clients).try_for_each(|client| {
        once(scene, client)?;
        run(&mut scene.con, [command("PING")])
    })
}
