//! Many clients on one thread.
//!
//! Reading 8,000 replies has to take less time than the server needs to write
//! them, so nothing is parsed: bytes are compared.

use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
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
    /// The one of the client that opened.
    pub(crate) own: Duration,
}

/// The replies that may come now.
#[derive(Clone, Copy, Default)]
struct Expected<'a> {
    released: &'a [u8],
    /// Of a client that polls.
    not_yet: &'a [u8],
    /// Of the one that opens.
    opened: &'a [u8],
}

/// Who has got which reply.
enum Got {
    Released,
    NotYet(usize),
    Opened,
}

impl Crowd {
    /// Connects `size` clients and one that opens.
    pub(crate) fn connect(socket: &Path, size: usize) -> Result<Self> {
        let sockets = Sockets::connect(socket, size + 1)?;
        let mut crowd = Self { sockets, inboxes: vec![Vec::new(); size + 1] };
        crowd.ask(size, b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n")?;
        Ok(crowd)
    }

    /// Sends the first `n` clients' command.
    pub(crate) fn tell(&mut self, n: usize, command: &[u8]) -> Result<()> {
        (0..n).try_for_each(|client| self.sockets.send(client, command))
    }

    /// Sends a client a command of its own.
    pub(crate) fn tell_one(&mut self, client: usize, command: &[u8]) -> Result<()> {
        self.sockets.send(client, command)
    }

    /// Sends the first `n` clients' command, and waits for their replies.
    pub(crate) fn ask(&mut self, n: usize, command: &[u8], reply: &[u8]) -> Result<()> {
        self.tell(n, command)?;
        let (mut left, deadline) = (n, Instant::now() + PATIENCE);
        while left > 0 {
            ensure!(Instant::now() < deadline, "gave up waiting for replies");
            let expected = Expected { released: reply, ..Expected::default() };
            self.receive(deadline, expected, |_| left -= 1)?;
        }
        Ok(())
    }

    /// Opens the latch of a peer, and waits until the first `n` clients, who
    /// wait for it, have been told so. If they poll they do so before that and
    /// until then.
    pub(crate) fn open(&mut self, peer: &Peer, n: usize) -> Result<Replies> {
        let (command, opened) = (peer.countdown(n), peer.opened(n));
        let released = peer.wait.released();
        let mut asks = Asks::new(peer.wait, n);
        let not_yet = asks.not_yet.clone();
        self.ask_while_closed(&mut asks)?;
        let expected = Expected { released: &released, not_yet: &not_yet, opened: &opened };
        let (mut left, mut last, mut own) = (n, None, None);
        let begin = Instant::now();
        self.sockets.send(self.inboxes.len() - 1, &command)?;
        loop {
            if let (Some(last), Some(own)) = (last, own) {
                return Ok(Replies { begin, last, own });
            }
            ensure!(begin.elapsed() < PATIENCE, "gave up waiting for replies");
            asks.send_due(&mut self.sockets)?;
            self.receive(asks.next_or(begin + PATIENCE), expected, |got| match got {
                Got::Opened => own = Some(begin.elapsed()),
                Got::NotYet(client) => asks.again(client),
                Got::Released => {
                    left -= 1;
                    if left == 0 {
                        last = Some(begin.elapsed());
                    }
                }
            })?;
        }
    }

    /// Lets clients that poll do so for two and a half rounds, to be in full
    /// swing and not at the beginning of one.
    fn ask_while_closed(&mut self, asks: &mut Asks) -> Result<()> {
        let Some(&(start, _)) = asks.due.front() else { return Ok(()) };
        let until = start + POLL_EVERY.mul_f64(2.5);
        let not_yet = asks.not_yet.clone();
        while Instant::now() < until {
            asks.send_due(&mut self.sockets)?;
            let expected = Expected { not_yet: &not_yet, ..Expected::default() };
            self.receive(asks.next_or(until), expected, |got| {
                if let Got::NotYet(client) = got {
                    asks.again(client);
                }
            })?;
        }
        Ok(())
    }

    /// Reads what comes next; `done` is told who has got a whole reply.
    fn receive(
        &mut self,
        until: Instant,
        expected: Expected<'_>,
        mut done: impl FnMut(Got),
    ) -> Result<()> {
        let opener = self.inboxes.len() - 1;
        let Expected { released, not_yet, opened } = expected;
        self.sockets.receive(until, |client, bytes| {
            let inbox = &mut self.inboxes[client];
            if client == opener {
                if take(inbox, bytes, [opened, &[]])?.is_some() {
                    done(Got::Opened);
                }
            } else if let Some(is_first) = take(inbox, bytes, [released, not_yet])? {
                done(if is_first { Got::Released } else { Got::NotYet(client) });
            }
            Ok(None)
        })
    }
}

/// Takes bytes of a reply that is one of two. If it is whole now: is it the
/// first?
fn take(inbox: &mut Vec<u8>, bytes: &[u8], [first, second]: [&[u8]; 2]) -> Result<Option<bool>> {
    // Nearly always a reply comes whole.
    if inbox.is_empty() && bytes == first {
        return Ok(Some(true));
    }
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
struct Asks {
    ask: Vec<u8>,
    not_yet: Rc<[u8]>,
    due: VecDeque<(Instant, usize)>,
}

impl Asks {
    /// All evenly spread.
    fn new(wait: Wait, n: usize) -> Self {
        let Wait::Polling { ask, not_yet, .. } = wait else {
            return Self { ask: Vec::new(), not_yet: Rc::default(), due: VecDeque::new() };
        };
        let start = Instant::now();
        let at = |client: usize| start + POLL_EVERY.mul_f64(client as f64 / n as f64);
        let due = (0..n).map(|client| (at(client), client)).collect();
        Self { ask: command(ask), not_yet: reply(not_yet).into(), due }
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
