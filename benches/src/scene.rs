//! A server with a crowd on it, where a peer's clients park and are released.

use std::time::Duration;

use anyhow::Result;
use redis::{Connection, ConnectionLike};

use crate::bystander::Bystander;
use crate::crowd::{Crowd, Replies};
use crate::peers::{Peer, Wait, of_channel};
use crate::server::{Recipe, Server, wait_blocked};
use crate::wire::command;

pub(crate) struct Scene {
    pub(crate) crowd: Crowd,
    /// For what is not measured.
    pub(crate) con: Connection,
    pub(crate) server: Server,
}

/// One release.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    pub(crate) replies: Replies,
    /// The worst PING of another client in that time.
    pub(crate) ping: Duration,
    /// What the server has computed for it, where that is known.
    pub(crate) cpu: Option<Duration>,
}

impl Scene {
    /// A new server with `size` clients connected to it.
    pub(crate) fn new(recipe: &Recipe, size: usize) -> Result<Self> {
        let server = Server::start(recipe)?;
        let con = server.connect()?;
        let crowd = Crowd::connect(&server.socket(), size)?;
        Ok(Self { crowd, con, server })
    }

    /// Makes the latch of a peer, which opens at the first countdown, and lets
    /// the first `n` clients wait for it. Those that poll begin later.
    pub(crate) fn park(&mut self, peer: &Peer, n: usize) -> Result<()> {
        run(&mut self.con, peer.create(1))?;
        self.wait(peer, n)
    }

    /// Lets the first `n` clients wait for the latch of a peer.
    pub(crate) fn wait(&mut self, peer: &Peer, n: usize) -> Result<()> {
        match &peer.wait {
            Wait::Blocked { .. } => {
                self.tell_to_wait(peer, n, |_| "latch".into())?;
                wait_blocked(&mut self.con, n)
            }
            Wait::Subscribed { channel } => {
                let subscribed = of_channel("subscribe", channel, ":1");
                self.crowd.ask(n, &command(&format!("SUBSCRIBE {channel}")), &subscribed)
            }
            Wait::Polling { .. } | Wait::No => Ok(()),
        }
    }

    /// Sends the command that blocks to the first `n` clients, each with its key.
    pub(crate) fn tell_to_wait(
        &mut self,
        peer: &Peer,
        n: usize,
        key: fn(usize) -> String,
    ) -> Result<()> {
        let Wait::Blocked { blocked, .. } = &peer.wait else { return Ok(()) };
        (0..n).try_for_each(|client| {
            let blocked = blocked.replace(" latch ", &format!(" {} ", key(client)));
            self.crowd.tell(client, &command(&blocked))
        })
    }

    /// Parks the first `n` clients and opens, with a bystander; nothing is left
    /// behind.
    pub(crate) fn release(&mut self, peer: &Peer, n: usize) -> Result<Release> {
        self.park(peer, n)?;
        let bystander = Bystander::start(&self.server)?;
        let Self { crowd, server, .. } = self;
        let (replies, cpu) = server.cpu_of(|| crowd.open(peer, n))?;
        let ping = bystander.worst(replies.begin, replies.last)?;
        if let Wait::Subscribed { channel } = &peer.wait {
            let unsubscribed = of_channel("unsubscribe", channel, ":0");
            self.crowd.ask(n, &command(&format!("UNSUBSCRIBE {channel}")), &unsubscribed)?;
        }
        run(&mut self.con, peer.clean())?;
        Ok(Release { replies, ping, cpu })
    }
}

/// Runs commands that are not measured.
pub(crate) fn run(con: &mut Connection, commands: impl IntoIterator<Item = Vec<u8>>) -> Result<()> {
    for packed in commands {
        con.req_packed_command(&packed)?.extract_error()?;
    }
    Ok(())
}
