//! One waiter, as a client library would be: a blocking socket.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::command::{array, bulk, command, integer};
use crate::peers::Wait;
use crate::server::PATIENCE;

#[derive(Debug)]
pub(crate) struct Waiter {
    line: Line,
    wait: Wait,
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Released,
    StillWaiting,
    /// The reply, if it is another than that of being released.
    Other(String),
}

impl Waiter {
    pub(crate) fn connect(socket: &Path, wait: Wait) -> Result<Self> {
        let mut line = Line::connect(socket)?;
        if let Wait::Subscribed { channel, .. } = &wait {
            let reply = array(&[bulk("subscribe"), bulk(channel), integer(1)]);
            line.send(&command(&["SUBSCRIBE", channel]))?;
            line.expect(&reply)?;
        }
        Ok(Self { line, wait })
    }

    /// Begins to wait.
    pub(crate) fn begin(&mut self) -> Result<()> {
        match &self.wait {
            Wait::Blocked { command, .. } => self.line.send(command),
            Wait::Subscribed { .. } | Wait::Polling(_) => Ok(()),
        }
    }

    /// Waits to be released, and fails if anything else happens.
    pub(crate) fn released(&mut self) -> Result<()> {
        let seen = self.finish(PATIENCE)?;
        ensure!(seen == Seen::Released, "a waiter was not released: {seen:?}");
        Ok(())
    }

    /// Waits for whatever happens, for so long at most.
    pub(crate) fn finish(&mut self, patience: Duration) -> Result<Seen> {
        match &self.wait {
            Wait::Blocked { released, .. } => self.line.see(released, patience),
            Wait::Subscribed { channel, message } => {
                let message = array(&[bulk("message"), bulk(channel), bulk(message)]);
                self.line.see(&message, patience)
            }
            Wait::Polling(polling) => {
                let deadline = Instant::now() + patience;
                loop {
                    self.line.send(&polling.ask)?;
                    match self.line.see(&polling.open, PATIENCE)? {
                        Seen::Other(reply) if reply.as_bytes() == polling.not_yet.trim_ascii() => {}
                        seen => return Ok(seen),
                    }
                    if Instant::now() >= deadline {
                        return Ok(Seen::StillWaiting);
                    }
                    thread::sleep(polling.every);
                }
            }
        }
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
        let mut buffer = [0; 256];
        let mut left = reply;
        while !left.is_empty() {
            let read = self.0.read(&mut buffer)?;
            ensure!(read > 0, "the server closed a connection");
            let got = &buffer[..read];
            ensure!(
                left.starts_with(got),
                "a client got \"{}\" instead of \"{}\"",
                got.escape_ascii(),
                left.escape_ascii()
            );
            left = &left[read..];
        }
        Ok(())
    }

    /// Reads a reply, if there is one in time.
    fn see(&mut self, released: &[u8], patience: Duration) -> Result<Seen> {
        let mut got = Vec::new();
        let mut buffer = [0; 256];
        self.0.set_read_timeout(Some(patience))?;
        while got.len() < released.len() || !got.ends_with(b"\r\n") {
            match self.0.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => got.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
            if got[0] == b'-' && got.ends_with(b"\r\n") {
                break;
            }
        }
        self.0.set_read_timeout(Some(PATIENCE))?;
        Ok(match got {
            got if got == released => Seen::Released,
            got if got.is_empty() => Seen::StillWaiting,
            got => Seen::Other(String::from_utf8_lossy(&got).trim().to_owned()),
        })
    }
}
