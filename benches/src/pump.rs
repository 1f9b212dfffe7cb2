//! Pipelined commands, over a few connections so that the server never waits
//! for the client.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::server::PATIENCE;
use crate::sockets::Sockets;

/// Commands that are sent together.
pub(crate) const PIPELINE: usize = 32;
/// Connections that each send so many.
pub(crate) const LANES: usize = 16;

#[derive(Debug)]
pub(crate) struct Pump(Sockets);

/// What is missing on one connection.
#[derive(Clone, Copy)]
struct Lane {
    lines: usize,
    at_line_start: bool,
}

impl Pump {
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        Ok(Self(Sockets::connect(socket, LANES)?))
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
        let mut lanes = [Lane { lines: 0, at_line_start: true }; LANES];
        let mut busy = 0;
        for (index, (bytes, lines)) in chunks.by_ref().take(LANES).enumerate() {
            self.0.send(index, bytes)?;
            lanes[index].lines = lines;
            busy += 1;
        }
        while busy > 0 {
            let deadline = Instant::now() + PATIENCE;
            self.0.receive(deadline, |index, bytes| {
                let lane = &mut lanes[index];
                lane.take(bytes, kind)?;
                if lane.lines > 0 {
                    return Ok(None);
                }
                let next = chunks.next();
                match next {
                    Some((_, lines)) => lane.lines = lines,
                    None => busy -= 1,
                }
                Ok(next.map(|(bytes, _)| bytes))
            })?;
            ensure!(Instant::now() < deadline, "gave up waiting for replies");
        }
        Ok(begin.elapsed())
    }
}

impl Lane {
    fn take(&mut self, bytes: &[u8], kind: u8) -> Result<()> {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let right = !self.at_line_start || line[0] == kind;
            ensure!(right, "a reply is \"{}\"", line.escape_ascii());
            self.at_line_start = line.ends_with(b"\n");
            if self.at_line_start {
                self.lines = self.lines.checked_sub(1).context("a line too many")?;
            }
        }
        Ok(())
    }
}
