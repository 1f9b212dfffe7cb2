//! A connection that never waits, so that one thread can have many.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::resp::{Reply, encode};

/// A connection to a unix socket. Nothing in it blocks: bytes leave and come
/// in [`Pipe::turn`], as far as they can.
pub struct Pipe {
    socket: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

impl Pipe {
    /// Connects.
    pub fn connect(path: &Path) -> io::Result<Pipe> {
        let socket = UnixStream::connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(Pipe { socket, inbox: Vec::new(), outbox: Vec::new() })
    }

    /// Sends a command with the next turn.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) {
        self.send_raw(&encode(args));
    }

    /// Sends bytes as they are with the next turn.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
    }

    /// Has everything left?
    pub fn is_sent(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Writes and reads what can be at once, and answers with the replies that
    /// are whole. An error when the connection is closed and there are none.
    pub fn turn(&mut self) -> io::Result<Vec<Reply>> {
        self.write();
        let end = self.read();
        let mut unread = self.inbox.as_slice();
        let mut replies = Vec::new();
        while let Some(reply) = Reply::decode(&mut unread) {
            replies.push(reply);
        }
        let used = self.inbox.len() - unread.len();
        self.inbox.drain(..used);
        if replies.is_empty() { end.map(|()| replies) } else { Ok(replies) }
    }

    /// Writes what can be at once.
    pub fn write(&mut self) {
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(len) => drop(self.outbox.drain(..len)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // There may still be something to read; that tells the rest.
                Err(_) => self.outbox.clear(),
            }
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => self.inbox.extend_from_slice(&chunk[..len]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
