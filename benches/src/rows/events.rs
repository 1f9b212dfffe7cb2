//! What a waiter sees when things do not go as planned.

use std::time::Duration;

use anyhow::Result;
use redis::Value;

use super::Bench;
use crate::peers::{self, Peer};
use crate::results::Fact;
use crate::scene::run;
use crate::server::{Server, wait_blocked};
use crate::waiter::Waiter;
use crate::wire::command;

/// How long the waiter waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(1);

/// What it is called, and the commands.
type Event = (&'static str, fn(&Peer) -> Vec<Vec<u8>>);

/// What happens while a client waits for a count of 2.
const EVENTS: [Event; 4] = [
    ("both countdowns come", |peer| vec![peer.countdown(1); 2]),
    ("the key is deleted", |_| vec![command("DEL latch")]),
    ("the key expires", |_| vec![command("PEXPIRE latch 100")]),
    ("one countdown is sent twice, the other not yet", |peer| vec![peer.countdown_again(); 2]),
];

pub(super) fn row(bench: &mut Bench<'_>) -> Result<()> {
    let server = Server::start(bench.recipe)?;
    let mut con = server.connect()?;
    for (event, commands) in EVENTS {
        for peer in peers::counting().filter(|peer| peer.waits()) {
            let mut waiter = Waiter::connect(&server, peer, PATIENCE)?;
            run(&mut con, peer.create(2))?;
            waiter.begin()?;
            if peer.blocks() {
                wait_blocked(&mut con, 1)?;
            }
            run(&mut con, commands(peer))?;
            let seen = match waiter.told()? {
                Some(told) if told == peer.released()? => "released".into(),
                Some(Value::ServerError(told)) => {
                    format!("`{} {}`", told.code(), told.details().unwrap_or_default())
                }
                Some(told) => format!("`{told:?}`"),
                None => "waits on".into(),
            };
            bench.facts.push(Fact { event: event.into(), who: peer.name.clone(), seen });
            drop(waiter);
            redis::cmd("FLUSHALL").query::<()>(&mut con)?;
            wait_blocked(&mut con, 0)?;
        }
    }
    Ok(())
}
