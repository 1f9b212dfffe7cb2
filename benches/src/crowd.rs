//! Many clients on one thread.
//!
//! Reading 8,000 replies has to take less time than the server needs to write
//! them, so nothing is parsed: bytes are compared.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::peers::{POLL_EVERY, Peer, Wait};
use crate::server::PATIENCE;
use crate::sockets::Sockets;
use crate::wire::{command, reply};

/// Clients 0, 1, …, and behind them the one that opens.
#[derive(Debug)]
pub(crate) struct Crowd {
    sockets: Sockets,
    /// What has come of each one's reply.
    inboxes: Vec<Vec<u8>>,
}

/// When the replies to an opening came, from right before it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replies {
    pub(crate) begin: Instant,
    /// The last client's.
    pub(crate) last: Duration,
    /// The one of client 0.
    pub(crate) first: Duration,
    /// How far from its place the client came that was farthest from it, if each
    /// is to be told after those before it.
    pub(crate) displaced: usize,
    /// The one of the client that opened.
    pub(crate) own: Duration,
}

impl Crowd {
    /// Connects `size` clients and one that opens.
    pub(crate) fn connect(socket: &Path, size: usize) -> Result<Self> {
        let sockets = Sockets::connect(socket, size + 1)?;
        let mut crowd = Self { sockets, inboxes: vec![Vec::new(); size + 1] };
        crowd.ask(size, &command("PING"), &reply("+PONG"))?;
        Ok(crowd)
    }

    /// Sends a client's command.
    pub(crate) fn tell(&mut self, client: usize, command: &[u8]) -> Result<()> {
        self.sockets.send(client, command)
    }

    /// Closes a client's connection.
    pub(crate) fn close(&mut self, client: usize) -> Result<()> {
        self.sockets.close(client)
    }

    /// Sends the first `n` clients' command, and waits for their replies.
    pub(crate) fn ask(&mut self, n: usize, command: &[u8], reply: &[u8]) -> Result<()> {
        (0..n).try_for_each(|client| self.tell(client, command))?;
        let (mut left, deadline) = (n, Instant::now() + PATIENCE);
        while left > 0 {
            ensure!(Instant::now() < deadline, "gave up waiting for replies");
            self.receive(deadline, |_| [reply, &[]], |_, _| left -= 1)?;
        }
        Ok(())
    }

    /// Opens the latch of a peer, and waits until the first `n` clients, who
    /// wait for it, have been told so. If they poll they do so before that and
    /// until then.
    pub(crate) fn open(&mut self, peer: &Peer, n: usize) -> Result<Replies> {
        self.end(&peer.wait, &peer.countdown(n), &peer.opened(n), n)
    }

    /// The same for whatever ends the wait of the first `n` clients, and for the
    /// replies to that.
    pub(crate) fn end(
        &mut self,
        wait: &Wait,
        opening: &[u8],
        opened: &[u8],
        n: usize,
    ) -> Result<Replies> {
        let opener = self.inboxes.len() - 1;
        let (mut asks, released) = (Asks::new(wait, n), wait.released());
        let not_yet = asks.not_yet.clone();
        let (mut begin, mut left, mut own, mut displaced) = (None, n, None, 0);
        let (mut first, mut last) = (None, None);
        loop {
            if let (Some(begin), Some(own), 0) = (begin, own, left) {
                let [first, last] = [first, last].map(|at| at.unwrap_or(own) - begin);
                return Ok(Replies { begin, last, first, displaced, own: own - begin });
            }
            asks.send_due(&mut self.sockets)?;
            if begin.is_none() && Instant::now() >= asks.open_at {
                ensure!(left == n, "a client was told that it is open before it was");
                begin = Some(Instant::now());
                self.sockets.send(opener, opening)?;
            }
            let deadline = asks.open_at + PATIENCE;
            ensure!(Instant::now() < deadline, "gave up waiting for replies");
            let wake = if begin.is_none() { asks.open_at } else { deadline };
            let expected =
                |client| if client == opener { [opened, &[]] } else { [&*released, &*not_yet] };
            self.receive(asks.next_or(wake), expected, |client, is_open| {
                if client == opener {
                    own = Some(Instant::now());
                } else if is_open {
                    displaced = displaced.max(client.abs_diff(n - left));
                    left -= 1;
                    last = (left == 0).then(Instant::now);
                    if client == 0 {
                        first = Some(Instant::now());
                    }
                } else {
                    asks.again(client);
                }
            })?;
        }
    }

    /// Reads what comes next of replies that are one of two. `done` is told who
    /// has got a whole one, and whether it is the first.
    fn receive<'e>(
        &mut self,
        until: Instant,
        expected: impl Fn(usize) -> [&'e [u8]; 2],
        mut done: impl FnMut(usize, bool),
    ) -> Result<()> {
        self.sockets.receive(until, |client, bytes| {
            if let Some(first) = take(&mut self.inboxes[client], bytes, expected(client))? {
                done(client, first);
            }
            Ok(None)
        })
    }
}

/// Takes bytes of a reply that is one of two. If it is whole now: is it the
/// first?
fn take(inbox: &mut Vec<u8>, bytes: &[u8], [first, second]: [&[u8]; 2]) -> Result<Option<bool>> {
    inbox.extend_from_slice(bytes);
    let is_first = inbox == first;
    if is_first || inbox == second {
        inbox.clear();
        return Ok(Some(is_first));
    }
    if !first.starts_with(inbox) && !second.starts_with(inbox) {
        let (inbox, first) = (inbox.escape_ascii(), first.escape_ascii());
        bail!("a client got \"{inbox}\" instead of \"{first}\"");
    }
    Ok(None)
}

/// Who asks next, and when; nobody if they do not poll.
#[derive(Debug)]
struct Asks {
    ask: Vec<u8>,
    not_yet: Vec<u8>,
    due: VecDeque<(Instant, usize)>,
    open_at: Instant,
}

impl Asks {
    fn new(wait: &Wait, n: usize) -> Self {
        let start = Instant::now();
        let mut asks =
            Self { ask: Vec::new(), not_yet: Vec::new(), due: VecDeque::new(), open_at: start };
        if let Wait::Polling { ask, not_yet, .. } = wait {
            (asks.ask, asks.not_yet) = (command(ask), reply(not_yet));
            // All evenly spread.
            let at = |client: usize| start + POLL_EVERY.mul_f64(client as f64 / n as f64);
            asks.due.extend((0..n).map(|client| (at(client), client)));
            // Two and a half rounds, to be in full swing and not at the
            // beginning of one.
            asks.open_at = start + POLL_EVERY.mul_f64(2.5);
        }
        asks
    }

    fn send_due(&mut self, sockets: &mut Sockets) -> Result<()> {
        let now = Instant::now();
        while let Some(&(at, client)) = self.due.front()
            && at <= now
        {
            self.due.pop_front();
            sockets.send(client, &self.ask)?;
        }
        Ok(())
    }

    /// A client that was told that it is not open yet asks again later.
    fn again(&mut self, client: usize) {
        self.due.push_back((Instant::now() + POLL_EVERY, client));
    }

    fn next_or(&self, until: Instant) -> Instant {
        self.due.front().map_or(until, |&(at, _)| at.min(until))
    }
}
