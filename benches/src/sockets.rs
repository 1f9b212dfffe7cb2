//! Many sockets of one thread, with one poll for all of them.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token};

#[derive(Debug)]
pub(crate) struct Sockets {
    poll: Poll,
    events: Events,
    streams: Vec<UnixStream>,
    buffer: Vec<u8>,
}

impl Sockets {
    pub(crate) fn connect(path: &Path, count: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let mut streams = Vec::with_capacity(count);
        for index in 0..count {
            // Waits while the server has too many to accept.
            let stream = std::os::unix::net::UnixStream::connect(path)?;
            stream.set_nonblocking(true)?;
            let mut stream = UnixStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            streams.push(stream);
        }
        Ok(Self { poll, events: Events::with_capacity(1024), streams, buffer: vec![0; 65_536] })
    }

    pub(crate) fn send(&mut self, index: usize, bytes: &[u8]) -> Result<()> {
        send(&mut self.streams[index], bytes)
    }

    /// Closes it; nothing more can be received after that.
    pub(crate) fn close(&mut self, index: usize) -> Result<()> {
        Ok(self.streams[index].shutdown(Shutdown::Both)?)
    }

    /// Reads what comes next, or nothing if that is later than `until`. `took`
    /// gets what came on which socket, and answers what to send there at once.
    pub(crate) fn receive<'a>(
        &mut self,
        until: Instant,
        mut took: impl FnMut(usize, &[u8]) -> Result<Option<&'a [u8]>>,
    ) -> Result<()> {
        let timeout = until.saturating_duration_since(Instant::now());
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.events {
            let Token(index) = event.token();
            let stream = &mut self.streams[index];
            // A read that does not fill the buffer has read all there is.
            let mut read = self.buffer.len();
            while read == self.buffer.len() {
                read = match stream.read(&mut self.buffer) {
                    Ok(0) => bail!("the server closed a connection"),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    result => result?,
                };
                if let Some(next) = took(index, &self.buffer[..read])? {
                    send(stream, next)?;
                }
            }
        }
        Ok(())
    }
}

fn send(stream: &mut UnixStream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_micros(100));
            }
            written => bytes = &bytes[written?..],
        }
    }
    Ok(())
}
