//! Many clients on one thread.
//!
//! A client is a socket, the reply it is to get, and how much of it has come.
//! Reading 8,000 replies has to take less time than the server needs to write
//! them, so nothing is parsed: bytes are compared.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token};

use crate::server::PATIENCE;

/// Clients 0, 1, …, and behind them the one that opens.
#[derive(Debug)]
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    /// The reply it is to get next, and another that would do.
    expected: Rc<[u8]>,
    or: Rc<[u8]>,
    inbox: Vec<u8>,
}

/// What a client that asks again and again asks, and what it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Polling {
    pub(crate) ask: Vec<u8>,
    pub(crate) not_yet: Vec<u8>,
    pub(crate) open: Vec<u8>,
    pub(crate) every: Duration,
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

/// What opens, and the reply to it.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) command: Vec<u8>,
    pub(crate) reply: Vec<u8>,
}

impl Crowd {
    /// Connects `size` clients and one that opens.
    pub(crate) fn connect(socket: &Path, size: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(size + 1);
        for index in 0..=size {
            // Waits while the server has too many to accept.
            let stream = std::os::unix::net::UnixStream::connect(socket)?;
            stream.set_nonblocking(true)?;
            let mut stream = UnixStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            let nothing: Rc<[u8]> = Rc::default();
            let (expected, or) = (Rc::clone(&nothing), nothing);
            clients.push(Client { stream, expected, or, inbox: Vec::new() });
        }
        let mut crowd =
            Self { poll, events: Events::with_capacity(1024), clients, buffer: vec![0; 65_536] };
        crowd.ask(size, b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n")?;
        Ok(crowd)
    }

    /// Sends the first `n` clients' command.
    pub(crate) fn tell(&mut self, n: usize, command: &[u8]) -> Result<()> {
        self.tell_each(n, |_| command)
    }

    /// Sends each of the first `n` clients a command of its own.
    pub(crate) fn tell_each<C: AsRef<[u8]>>(
        &mut self,
        n: usize,
        command: impl Fn(usize) -> C,
    ) -> Result<()> {
        let mut clients = self.clients[..n].iter_mut().enumerate();
        clients.try_for_each(|(index, client)| client.send(command(index).as_ref()))
    }

    /// Sends the first `n` clients' command, and waits for their replies.
    pub(crate) fn ask(&mut self, n: usize, command: &[u8], reply: &[u8]) -> Result<()> {
        self.expect(n, reply, &[]);
        self.tell(n, command)?;
        let (mut left, deadline) = (n, Instant::now() + PATIENCE);
        while left > 0 {
            self.turn(deadline, |_, _| left -= 1)?;
        }
        Ok(())
    }

    /// Opens, and waits until the first `n` clients have the reply `released`.
    pub(crate) fn open(&mut self, n: usize, released: &[u8], opening: &Opening) -> Result<Replies> {
        self.expect(n, released, &[]);
        let mut watch = self.begin(n, opening)?;
        while !watch.is_over() {
            self.turn(watch.deadline, |client, _| watch.note(client))?;
        }
        watch.replies()
    }

    /// Opens while the first `n` clients keep asking, each as often as it is
    /// told and all evenly spread, and waits until every one has been told that
    /// it is open.
    pub(crate) fn open_polled(
        &mut self,
        n: usize,
        polling: &Polling,
        opening: &Opening,
    ) -> Result<Replies> {
        self.expect(n, &polling.open, &polling.not_yet);
        let start = Instant::now();
        let spread = |i: usize| polling.every.mul_f64(i as f64 / n as f64);
        let mut due: VecDeque<_> = (0..n).map(|i| (start + spread(i), i)).collect();
        // Two and a half rounds, to be in full swing and not at the beginning
        // of one.
        let open_at = start + polling.every.mul_f64(2.5);
        let mut watch: Option<Watch> = None;
        while watch.as_ref().is_none_or(|watch| !watch.is_over()) {
            let now = Instant::now();
            ensure!(now < start + PATIENCE, "gave up waiting for polling clients");
            if watch.is_none() && now >= open_at {
                watch = Some(self.begin(n, opening)?);
            }
            while due.front().is_some_and(|&(at, _)| at <= now)
                && let Some((_, client)) = due.pop_front()
            {
                self.clients[client].send(&polling.ask)?;
            }
            let wake = due.front().map_or(start + PATIENCE, |&(at, _)| at);
            let wake = if watch.is_none() { wake.min(open_at) } else { wake };
            let mut early = false;
            self.turn_until(wake, |client, is_open| match &mut watch {
                Some(watch) if is_open => watch.note(client),
                None if is_open => early = true,
                _ => due.push_back((Instant::now() + polling.every, client)),
            })?;
            ensure!(!early, "a client was told that it is open before it was");
        }
        watch.context("never opened")?.replies()
    }

    /// Sends the opening.
    fn begin(&mut self, n: usize, opening: &Opening) -> Result<Watch> {
        let opener = self.clients.len() - 1;
        self.clients[opener].expect(opening.reply.as_slice().into(), Rc::default());
        let begin = Instant::now();
        self.clients[opener].send(&opening.command)?;
        Ok(Watch { begin, deadline: begin + PATIENCE, opener, left: n, last: None, own: None })
    }

    fn expect(&mut self, n: usize, reply: &[u8], or: &[u8]) {
        let (reply, or): (Rc<[u8]>, Rc<[u8]>) = (reply.into(), or.into());
        for client in &mut self.clients[..n] {
            client.expect(Rc::clone(&reply), Rc::clone(&or));
        }
    }

    /// Reads what comes next; `done` is told who has got a whole reply, and
    /// whether it is the expected one or the other.
    fn turn(&mut self, deadline: Instant, done: impl FnMut(usize, bool)) -> Result<()> {
        self.turn_until(deadline, done)?;
        ensure!(Instant::now() < deadline, "gave up waiting for replies");
        Ok(())
    }

    fn turn_until(&mut self, until: Instant, mut done: impl FnMut(usize, bool)) -> Result<()> {
        let timeout = until.saturating_duration_since(Instant::now());
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.events {
            let Token(index) = event.token();
            let client = &mut self.clients[index];
            // A read that does not fill the buffer has read all there is.
            loop {
                let read = match client.stream.read(&mut self.buffer) {
                    Ok(0) => bail!("the server closed a connection"),
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                };
                if let Some(as_expected) = client.take(&self.buffer[..read])? {
                    done(index, as_expected);
                }
                if read < self.buffer.len() {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Client {
    fn send(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_micros(100));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn expect(&mut self, reply: Rc<[u8]>, or: Rc<[u8]>) {
        (self.expected, self.or) = (reply, or);
        self.inbox.clear();
    }

    /// Takes bytes of a reply. If it is whole now: is it the expected one?
    fn take(&mut self, bytes: &[u8]) -> Result<Option<bool>> {
        // Nearly always a reply comes whole.
        if self.inbox.is_empty() && *bytes == *self.expected {
            return Ok(Some(true));
        }
        self.inbox.extend_from_slice(bytes);
        let result = match &self.inbox {
            inbox if **inbox == *self.expected => Some(true),
            inbox if **inbox == *self.or => Some(false),
            inbox if self.expected.starts_with(inbox) || self.or.starts_with(inbox) => {
                return Ok(None);
            }
            inbox => bail!(
                "a client got \"{}\" instead of \"{}\"",
                inbox.escape_ascii(),
                self.expected.escape_ascii()
            ),
        };
        self.inbox.clear();
        Ok(result)
    }
}

/// Who has got a reply since the opening was sent.
struct Watch {
    begin: Instant,
    deadline: Instant,
    opener: usize,
    left: usize,
    last: Option<Duration>,
    own: Option<Duration>,
}

impl Watch {
    fn note(&mut self, client: usize) {
        if client == self.opener {
            self.own = Some(self.begin.elapsed());
        } else {
            self.left -= 1;
            if self.left == 0 {
                self.last = Some(self.begin.elapsed());
            }
        }
    }

    fn is_over(&self) -> bool {
        self.last.is_some() && self.own.is_some()
    }

    fn replies(&self) -> Result<Replies> {
        match (self.last, self.own) {
            (Some(last), Some(own)) => Ok(Replies { begin: self.begin, last, own }),
            _ => bail!("a reply is missing"),
        }
    }
}
