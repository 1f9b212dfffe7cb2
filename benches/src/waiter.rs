//! One waiter, as a client library would be: a blocking socket.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::peers::{POLL_EVERY, Wait, of_channel};
use crate::server::PATIENCE;
use crate::wire::{command, reply};

#[derive(Debug)]
pub(crate) struct Waiter {
    line: Line,
    wait: Wait,
    /// What it is told when it is released.
    released: Vec<u8>,
    patience: Duration,
}

impl Waiter {
    /// One that waits no longer than its patience.
    pub(crate) fn connect(socket: &Path, wait: &Wait, patience: Duration) -> Result<Self> {
        let mut line = Line::connect(socket)?;
        if let Wait::Subscribed { channel } = wait {
            line.send(&command(&format!("SUBSCRIBE {channel}")))?;
            line.expect(&of_channel("subscribe", channel, ":1"))?;
        }
        line.0.set_read_timeout(Some(patience))?;
        Ok(Self { line, wait: wait.clone(), released: wait.released(), patience })
    }

    /// Begins to wait.
    pub(crate) fn begin(&mut self) -> Result<()> {
        match &self.wait {
            Wait::Blocked { blocked, .. } => self.line.send(&command(blocked)),
            Wait::Subscribed { .. } | Wait::Polling { .. } | Wait::No => Ok(()),
        }
    }

    /// What it is told in the end; nothing if its patience ends before.
    pub(crate) fn told(&mut self) -> Result<Vec<u8>> {
        let Wait::Polling { ask, not_yet, .. } = &self.wait else {
            return self.line.read(&self.released);
        };
        let (ask, not_yet) = (command(ask), reply(not_yet));
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            self.line.send(&ask)?;
            let told = self.line.read(&self.released)?;
            if told != not_yet {
                return Ok(told);
            }
            thread::sleep(POLL_EVERY);
        }
        Ok(Vec::new())
    }
}

/// A connection on which bytes are sent and compared.
#[derive(Debug)]
pub(crate) struct Line(UnixStream);

impl Line {
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.write_all(bytes)?)
    }

    /// Reads exactly this reply.
    pub(crate) fn expect(&mut self, reply: &[u8]) -> Result<()> {
        let got = self.read(reply)?;
        let (is, not) = (got.escape_ascii(), reply.escape_ascii());
        ensure!(got == reply, "a client got \"{is}\" instead of \"{not}\"");
        Ok(())
    }

    /// Reads as much as is expected, or an error; less if no more comes in time.
    fn read(&mut self, expected: &[u8]) -> Result<Vec<u8>> {
        let mut got = Vec::with_capacity(256);
        let mut buffer = [0; 256];
        let is_whole = |got: &[u8]| got.len() >= expected.len() || got.starts_with(b"-");
        while !(is_whole(&got) && got.ends_with(b"\r\n")) {
            match self.0.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                read => got.extend_from_slice(&buffer[..read?]),
            }
        }
        Ok(got)
    }
}
