//! What a waiter sees when things do not go as planned.

use std::time::Duration;

use anyhow::Result;
use redis::Connection;

use super::{Bench, Row};
use crate::command::line;
use crate::peers::{self, Peer, Wait};
use crate::results::{Fact, Outcome};
use crate::scene::KEY;
use crate::server::{Server, wait_blocked};
use crate::waiter::{Seen, Waiter};

/// How long the waiter waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(1);

/// What happens while a client waits for a count of 2: what it is called, and
/// the commands.
type Event = (&'static str, fn(&dyn Peer) -> Vec<Vec<u8>>);

const EVENTS: [Event; 4] = [
    ("both countdowns come", |peer| vec![peer.countdown(KEY, 1), peer.countdown(KEY, 1)]),
    ("the key is deleted", |_| vec![line(&format!("DEL {KEY}"))]),
    ("the key expires", |_| vec![line(&format!("PEXPIRE {KEY} 100"))]),
    ("one countdown is sent twice, the other not yet", |peer| {
        vec![peer.countdown_again(KEY, 1), peer.countdown_again(KEY, 1)]
    }),
];

#[derive(Debug)]
pub(crate) struct Events;

impl Row for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let server = Server::start(bench.recipe)?;
        let mut con = server.connect()?;
        let mut facts = Vec::new();
        for (event, commands) in EVENTS {
            for peer in peers::latches() {
                bench.progress.step(&format!("{event}, {}", peer.name()));
                let waiter = Waiter::connect(&server.socket(), peer.wait(KEY))?;
                let seen = see(&*peer, waiter, &mut con, commands(&*peer))?;
                facts.push(Fact { event: event.into(), who: peer.name().into(), seen });
                redis::cmd("FLUSHALL").query::<()>(&mut con)?;
                wait_blocked(&mut con, 0)?;
            }
        }
        Ok(Outcome { facts, ..Outcome::default() })
    }
}

fn see(
    peer: &dyn Peer,
    mut waiter: Waiter,
    con: &mut Connection,
    commands: Vec<Vec<u8>>,
) -> Result<String> {
    peer.load(con)?;
    run(con, peer.create(KEY, 2))?;
    waiter.begin()?;
    if let Wait::Blocked { .. } = peer.wait(KEY) {
        wait_blocked(con, 1)?;
    }
    run(con, commands)?;
    Ok(match waiter.finish(PATIENCE)? {
        Seen::Released => "released".into(),
        Seen::StillWaiting => "waits on".into(),
        Seen::Other(reply) => format!("`{}`", reply.trim_start_matches('-')),
    })
}

fn run(con: &mut Connection, commands: Vec<Vec<u8>>) -> Result<()> {
    for command in commands {
        redis::ConnectionLike::req_packed_command(con, &command)?.extract_error()?;
    }
    Ok(())
}
