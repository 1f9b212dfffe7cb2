//! Pipelined commands, over a few connections so that the server never waits
//! for the client.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use memchr::memchr_iter;
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token};

use crate::server::PATIENCE;

/// Commands that are sent together.
pub(crate) const PIPELINE: usize = 32;
/// Connections that each send so many.
pub(crate) const LANES: usize = 16;

#[derive(Debug)]
pub(crate) struct Pump {
    poll: Poll,
    events: Events,
    lanes: Vec<Lane>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Lane {
    stream: UnixStream,
    /// Lines of replies that are missing.
    left: usize,
    at_line_start: bool,
}

impl Pump {
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let poll = Poll::new()?;
        let mut lanes = Vec::new();
        for index in 0..LANES {
            let stream = std::os::unix::net::UnixStream::connect(socket)?;
            stream.set_nonblocking(true)?;
            let mut stream = UnixStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            lanes.push(Lane { stream, left: 0, at_line_start: true });
        }
        Ok(Self { poll, events: Events::with_capacity(LANES), lanes, buffer: vec![0; 65_536] })
    }

    /// Sends the same command `count` times. See [`run`](Self::run).
    pub(crate) fn repeat(&mut self, command: &[u8], count: usize, kind: u8) -> Result<Duration> {
        let chunk = command.repeat(PIPELINE);
        self.run((0..count / PIPELINE).map(|_| (chunk.as_slice(), PIPELINE)), kind)
    }

    /// Sends chunks of commands, each answered by as many lines as its number
    /// says, and checks that every line is of a `kind` (`:`, `+`): from the
    /// first byte sent to the last received.
    pub(crate) fn run<'a>(
        &mut self,
        mut chunks: impl Iterator<Item = (&'a [u8], usize)>,
        kind: u8,
    ) -> Result<Duration> {
        let begin = Instant::now();
        let mut busy = 0;
        for lane in &mut self.lanes {
            if let Some((bytes, count)) = chunks.next() {
                lane.send(bytes, count)?;
                busy += 1;
            }
        }
        while busy > 0 {
            match self.poll.poll(&mut self.events, Some(PATIENCE)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            ensure!(!self.events.is_empty(), "gave up waiting for replies");
            for event in &self.events {
                let lane = &mut self.lanes[event.token().0];
                if !lane.receive(&mut self.buffer, kind)? {
                    continue;
                }
                match chunks.next() {
                    Some((bytes, count)) => lane.send(bytes, count)?,
                    None => busy -= 1,
                }
            }
        }
        Ok(begin.elapsed())
    }
}

impl Lane {
    fn send(&mut self, bytes: &[u8], count: usize) -> Result<()> {
        // A chunk is far smaller than the buffer of a socket that is empty.
        let written = self.stream.write(bytes)?;
        ensure!(written == bytes.len(), "a chunk does not fit into a socket");
        self.left = count;
        Ok(())
    }

    /// Reads what there is. Did the last reply come with it?
    fn receive(&mut self, buffer: &mut [u8], kind: u8) -> Result<bool> {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            let bytes = &buffer[..read];
            let mut start = 0;
            for end in memchr_iter(b'\n', bytes) {
                if self.at_line_start && bytes[start] != kind {
                    bail!("a reply is \"{}\"", bytes[start..end].escape_ascii());
                }
                self.left = self.left.checked_sub(1).context("a line too many")?;
                (start, self.at_line_start) = (end + 1, true);
            }
            if start < read {
                if self.at_line_start && bytes[start] != kind {
                    bail!("a reply is \"{}\"", bytes[start..].escape_ascii());
                }
                self.at_line_start = false;
            }
            if read < buffer.len() {
                return Ok(self.left == 0);
            }
        }
    }
}
