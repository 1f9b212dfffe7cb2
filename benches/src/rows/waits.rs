//! Crowds that wait for keys, and what ends that: the table in `waits.toml`, which
//! says what is what.

use std::collections::BTreeMap;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use itertools::Itertools;
use redis::Connection;
use serde::Deserialize;

use super::Bench;
use super::keys::{Keys, key};
use crate::crowd::{self, Replies};
use crate::peers::{LATCH, Wait};
use crate::results::Unit::{Bytes, Count, Millis};
use crate::scene::{Scene, run};
use crate::server::{used_memory, wait_blocked};
use crate::stall::felt;
use crate::wire::{command, reply};

/// How long something may still be given back when all is over.
const AFTER: Duration = Duration::from_millis(100);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Crowd {
    row: String,
    who: Option<String>,
    clients: Option<usize>,
    #[serde(default)]
    keys: Spread,
    make: Option<String>,
    wait: String,
    ends: Vec<[String; 4]>,
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

/// Measures all crowds of a row in turn, with so many clients and keys for each.
pub(super) fn row(bench: &mut Bench<'_>, row: &str, sizes: &[(usize, usize)]) -> Result<()> {
    let mut table: BTreeMap<String, Vec<Crowd>> = toml::from_str(include_str!("waits.toml"))?;
    let mut crowds = table.remove("crowd").context("no crowds")?;
    crowds.retain(|crowd| crowd.row == row);
    let ends = crowds.iter().flat_map(|crowd| crowd.ends.iter().map(move |end| (crowd, end)));
    let ends = ends.collect_vec();
    sizes.iter().try_for_each(|&size| {
        bench.runs(|bench| ends.iter().try_for_each(|(crowd, end)| crowd.measure(bench, end, size)))
    })
}

impl Crowd {
    fn measure(
        &self,
        bench: &mut Bench<'_>,
        end: &[String; 4],
        (clients, keys_each): (usize, usize),
    ) -> Result<()> {
        // Where there are fewer, it is beside those of whom there are more.
        let at = [clients * keys_each, clients, keys_each];
        let clients = self.clients.unwrap_or(clients);
        for (who, recipe) in bench.recipe.of(self.who.as_deref().unwrap_or(LATCH)) {
            let Scene { crowd, con, server } = &mut Scene::new(&recipe, clients)?;
            // A module that has no such limit says so.
            let _ = run(con, [command("CONFIG SET latch.max-keys 1000000")]);
            let of = |client| self.keys.of(client, keys_each);
            let all = (0..clients).fold(0, |all, client| of(client).end.max(all));
            if let Some(make) = &self.make {
                Keys::new(make, all).make(&server.socket())?;
            }
            let waits = (0..clients).map(|client| {
                let text = self.wait.replace("{count}", &keys_each.to_string());
                command(&text.replace("{keys}", &names(of(client))))
            });
            let waits = waits.collect_vec();

            let before = used_memory(con)?;
            let ((), come) = felt(server, || {
                one_by_one(con, clients, |client| crowd.tell(client, &waits[client]))
            })?;
            wait_blocked(con, clients)?;
            let memory = (used_memory(con)? - before) / (clients * keys_each) as f64;
            let (replies, go) = felt(server, || {
                let replies = go(end, crowd, con, clients, all)?;
                thread::sleep(AFTER);
                Ok(replies)
            })?;

            let what = &end[0];
            let mut add = |of: &str, unit, value: Option<f64>| {
                bench.add((&format!("{what} {of}"), &at, who), unit, value);
            };
            add("come", Millis, Some(Millis.of(come.ping)));
            add("memory", Bytes, Some(memory));
            add("ping", Millis, Some(Millis.of(go.ping)));
            add("last", Millis, replies.map(|replies| Millis.of(replies.last)));
            add("first", Millis, replies.map(|replies| Millis.of(replies.first)));
            add("displaced", Count, replies.map(|replies| replies.displaced as f64));
        }
        Ok(())
    }
}

impl Spread {
    fn of(self, client: usize, keys_each: usize) -> Range<usize> {
        let first = match self {
            Self::Own => client * keys_each,
            Self::Shared => 0,
            Self::Apart => usize::from(client == 0),
        };
        first..first + keys_each
    }
}

/// The names of these keys, as in a command.
fn names(keys: Range<usize>) -> String {
    keys.map(key).join(" ")
}

/// Ends the wait of all clients: what they are told, if they are.
fn go(
    [_, end, answer, told]: &[String; 4],
    crowd: &mut crowd::Crowd,
    con: &mut Connection,
    clients: usize,
    all: usize,
) -> Result<Option<Replies>> {
    if end.is_empty() {
        one_by_one(con, clients, |client| crowd.close(client))?;
        return wait_blocked(con, 0).map(|()| None);
    }
    let fill =
        |text: &str| text.replace("{first}", &key(0)).replace("{clients}", &clients.to_string());
    let times = if end.contains("{key}") { all } else { 1 };
    let keys = if end.contains("{keys}") { names(0..all) } else { String::new() };
    let end = fill(end).replace("{keys}", &keys);
    let ends = (0..times).flat_map(|number| command(&end.replace("{key}", &key(number))));
    let (blocked, released) = (String::new(), fill(told));
    let told = if told.is_empty() { 0 } else { clients };
    let answers = reply(&fill(answer)).repeat(times);
    crowd.end(&Wait::Blocked { blocked, released }, &ends.collect_vec(), &answers, told).map(Some)
}

/// Does something for each client, when the server is done with the one before: it
/// looks after all that have come at once before it looks at anybody else again,
/// and that is not what is measured.
fn one_by_one(
    con: &mut Connection,
    clients: usize,
    mut once: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    (0..clients).try_for_each(|client| {
        once(client)?;
        run(con, [command("PING")])
    })
}
