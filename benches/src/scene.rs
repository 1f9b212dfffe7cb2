//! A server with a crowd on it, where a peer's clients park and are released.

use std::time::Duration;

use anyhow::Result;
use redis::{Connection, ConnectionLike};

use crate::bystander::Bystander;
use crate::command::{array, bulk, command, integer};
use crate::crowd::{Crowd, Replies};
use crate::peers::{Peer, Wait};
use crate::server::{Recipe, Server, wait_blocked};

/// The key of every latch.
pub(crate) const KEY: &str = "latch";

pub(crate) struct Scene {
    pub(crate) crowd: Crowd,
    /// For what is not measured.
    pub(crate) con: Connection,
    pub(crate) server: Server,
}

/// One release.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    /// Until the last client has its reply.
    pub(crate) last: Duration,
    /// Until the one that has opened has its reply.
    pub(crate) own: Duration,
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

    /// Runs commands that are not measured.
    pub(crate) fn run(&mut self, commands: &[Vec<u8>]) -> Result<()> {
        for packed in commands {
            self.con.req_packed_command(packed)?.extract_error()?;
        }
        Ok(())
    }

    /// Makes the latch of a peer, which opens at the first countdown, and lets
    /// the first `n` clients wait for it. Those that poll begin later.
    pub(crate) fn park(&mut self, peer: &dyn Peer, n: usize) -> Result<()> {
        self.make(peer, 1)?;
        self.wait(peer, n)
    }

    /// Makes the latch of a peer.
    pub(crate) fn make(&mut self, peer: &dyn Peer, count: usize) -> Result<()> {
        peer.load(&mut self.con)?;
        self.run(&peer.create(KEY, count))
    }

    /// Lets the first `n` clients wait for the latch of a peer.
    pub(crate) fn wait(&mut self, peer: &dyn Peer, n: usize) -> Result<()> {
        match peer.wait(KEY) {
            Wait::Blocked { command, .. } => {
                self.crowd.tell(n, &command)?;
                wait_blocked(&mut self.con, n)
            }
            Wait::Subscribed { channel, .. } => {
                let reply = array(&[bulk("subscribe"), bulk(&channel), integer(1)]);
                self.crowd.ask(n, &command(&["SUBSCRIBE", &channel]), &reply)
            }
            Wait::Polling(_) => Ok(()),
        }
    }

    /// Opens the latch on which the first `n` clients were [parked](Self::park).
    pub(crate) fn open(&mut self, peer: &dyn Peer, n: usize) -> Result<Replies> {
        let opening = peer.opening(KEY, n);
        match peer.wait(KEY) {
            Wait::Blocked { released, .. } => self.crowd.open(n, &released, &opening),
            Wait::Subscribed { channel, message } => {
                let message = array(&[bulk("message"), bulk(&channel), bulk(&message)]);
                self.crowd.open(n, &message, &opening)
            }
            Wait::Polling(polling) => self.crowd.open_polled(n, &polling, &opening),
        }
    }

    /// Leaves nothing behind of a latch that was [opened](Self::open).
    pub(crate) fn clean(&mut self, peer: &dyn Peer, n: usize) -> Result<()> {
        if let Wait::Subscribed { channel, .. } = peer.wait(KEY) {
            let reply = array(&[bulk("unsubscribe"), bulk(&channel), integer(0)]);
            self.crowd.ask(n, &command(&["UNSUBSCRIBE", &channel]), &reply)?;
        }
        self.run(&peer.clean(KEY))
    }

    /// Parks the first `n` clients and opens, with a bystander.
    pub(crate) fn release(&mut self, peer: &dyn Peer, n: usize) -> Result<Release> {
        self.park(peer, n)?;
        let bystander = Bystander::start(&self.server.socket())?;
        let idle = self.server.cpu_time();
        let Replies { begin, last, own } = self.open(peer, n)?;
        let cpu = self.server.cpu_time().zip(idle).map(|(after, before)| after - before);
        let ping = bystander.worst(begin, last)?;
        self.clean(peer, n)?;
        Ok(Release { last, own, ping, cpu })
    }
}
