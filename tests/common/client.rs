//! A client that blurs nothing: bytes out, frames in, one at a time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::resp::{Reply, encode};

/// One connection. No method waits longer than [`PATIENCE`]: a hang is a
/// failed test, never a hung suite.
pub struct Client {
    socket: Box<dyn Socket>,
    /// Received and not yet decoded. A frame leaves only when it is whole, so
    /// a wait that times out in the middle of one loses nothing.
    inbox: Vec<u8>,
    id: Option<i64>,
    /// The last thing sent, for the text of a failure.
    last: String,
}

/// What the two kinds of socket have in common.
trait Socket: Read + Write + Send {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()>;
}

impl Socket for UnixStream {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))
    }
}

impl Socket for TcpStream {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))
    }
}

impl Client {
    /// Connects to a unix socket.
    pub fn connect(path: &Path) -> io::Result<Client> {
        let socket = UnixStream::connect(path)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Client::over(socket)
    }

    /// Connects to a TCP port of this machine.
    pub fn connect_tcp(port: u16) -> io::Result<Client> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Client::over(socket)
    }

    fn over(socket: impl Socket + 'static) -> io::Result<Client> {
        let mut client =
            Client { socket: Box::new(socket), inbox: Vec::new(), id: None, last: String::new() };
        // Asked now, because a parked client could not be asked any more.
        if let Reply::Int(id) = client.try_call(["CLIENT", "ID"])? {
            client.id = Some(id);
        }
        Ok(client)
    }

    /// The id by which the server knows this client.
    pub fn id(&self) -> i64 {
        self.id.expect("the server did not tell this client its id")
    }

    /// Switches to RESP3.
    #[track_caller]
    pub fn hello3(&mut self) {
        assert_eq!(self.run("HELLO 3").field("proto"), &Reply::Int(3));
    }

    /// Sends a command and returns the next frame. Arguments are strings or
    /// bytes; wrap mixed ones in [`cmd!`](super::cmd).
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) -> Reply {
        self.send(args);
        self.receive()
    }

    /// [`call`](Self::call) with a line that is split at white space.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> Reply {
        self.call(line.split_whitespace())
    }

    /// Sends a command and waits for nothing.
    #[track_caller]
    pub fn send<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) {
        self.send_raw(&encode(args));
    }

    /// [`send`](Self::send) with a line that is split at white space.
    #[track_caller]
    pub fn send_line(&mut self, line: &str) {
        self.send(line.split_whitespace());
    }

    /// Sends bytes as they are: parts of a command, several, or nonsense.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        if let Err(error) = self.try_send(bytes) {
            panic!("cannot send {}: {error}", self.last);
        }
    }

    /// The next frame; panics if none comes.
    #[track_caller]
    pub fn receive(&mut self) -> Reply {
        match self.receive_within(PATIENCE) {
            Some(reply) => reply,
            None => panic!("no reply within {PATIENCE:?}; last sent: {}", self.last),
        }
    }

    /// The next frame, if it comes in time; panics if the connection is closed.
    #[track_caller]
    pub fn receive_within(&mut self, patience: Duration) -> Option<Reply> {
        match self.try_receive(patience) {
            Ok(reply) => reply,
            Err(error) => panic!("the connection is gone ({error}); last sent: {}", self.last),
        }
    }

    /// Panics if anything comes, or the connection closes, within `patience`.
    ///
    /// Says that a client is *still* parked; that it got as far as parking is
    /// for [`Server::wait_parked`](super::Server::wait_parked) to say. There
    /// is no PING in it, as that would queue behind the wait. Silence can only
    /// be sampled, so keep it short and prefer a fact the server can tell
    /// (`wait_parked` again, or `LATCH.INFO`) where there is one.
    #[track_caller]
    pub fn nothing_within(&mut self, patience: Duration) {
        if let Some(reply) = self.receive_within(patience) {
            panic!("expected silence, got {reply:?}; last sent: {}", self.last);
        }
    }

    /// Waits until the server closes the connection; panics if it sends
    /// something first, or does not close.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        match self.try_receive(PATIENCE) {
            Err(_) => {}
            Ok(Some(reply)) => panic!("expected the connection to close, got {reply:?}"),
            Ok(None) => panic!("the connection is still open after {PATIENCE:?}"),
        }
    }

    /// All that comes until the server closes the connection; panics if it
    /// does not.
    #[track_caller]
    pub fn receive_to_the_end(&mut self) -> Vec<Reply> {
        let mut frames = Vec::new();
        loop {
            match self.try_receive(PATIENCE) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => panic!("the connection is still open after {PATIENCE:?}"),
                Err(_) => return frames,
            }
        }
    }

    /// [`call`](Self::call) for callers that expect the connection to fail.
    pub fn try_call<A: AsRef<[u8]>>(
        &mut self,
        args: impl IntoIterator<Item = A>,
    ) -> io::Result<Reply> {
        self.try_send(&encode(args))?;
        self.try_receive(PATIENCE)?.ok_or_else(|| ErrorKind::TimedOut.into())
    }

    /// [`try_call`](Self::try_call) for a command that may park.
    pub(super) fn try_call_within<A: AsRef<[u8]>>(
        &mut self,
        args: impl IntoIterator<Item = A>,
        patience: Duration,
    ) -> io::Result<Reply> {
        self.try_send(&encode(args))?;
        self.try_receive(patience)?.ok_or_else(|| ErrorKind::TimedOut.into())
    }

    /// The next frame, or `None` if the server closes the connection instead;
    /// panics if it does neither.
    #[track_caller]
    pub fn last_words(&mut self) -> Option<Reply> {
        match self.try_receive(PATIENCE) {
            Ok(Some(reply)) => Some(reply),
            Ok(None) => panic!("silence for {PATIENCE:?}; last sent: {}", self.last),
            Err(_) => None,
        }
    }

    /// Takes a line, with its end, off the connection, for what is not a frame.
    pub(super) fn take_line(&mut self) -> Vec<u8> {
        self.take_raw(|inbox| Some(1 + inbox.iter().position(|byte| *byte == b'\n')?))
    }

    /// Takes `len` bytes off the connection, for what is not a frame.
    pub(super) fn take_exactly(&mut self, len: usize) -> Vec<u8> {
        self.take_raw(|inbox| (inbox.len() >= len).then_some(len))
    }

    /// Takes as many bytes as `measure` says, once it can say.
    fn take_raw(&mut self, measure: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(len) = measure(&self.inbox) {
                return self.inbox.drain(..len).collect();
            }
            let more = self.fill(deadline).expect("reading raw bytes");
            assert!(more, "no more bytes within {PATIENCE:?}; last sent: {}", self.last);
        }
    }

    fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.last = bytes.escape_ascii().take(200).map(char::from).collect();
        self.socket.write_all(bytes)
    }

    /// The next frame, `None` if it does not come in time, an error if the
    /// connection is closed.
    fn try_receive(&mut self, patience: Duration) -> io::Result<Option<Reply>> {
        let deadline = Instant::now() + patience;
        loop {
            let mut unread = self.inbox.as_slice();
            if let Some(reply) = Reply::decode(&mut unread) {
                let used = self.inbox.len() - unread.len();
                self.inbox.drain(..used);
                return Ok(Some(reply));
            }
            if !self.fill(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Reads what there is into the inbox; `false` if nothing comes in time.
    fn fill(&mut self, deadline: Instant) -> io::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        self.socket.set_read_timeout(left)?;
        let mut chunk = [0; 64 * 1024];
        match self.socket.read(&mut chunk) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(len) => {
                self.inbox.extend_from_slice(&chunk[..len]);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(false)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// A command of arguments that differ in type, such as
/// `cmd!["LATCH.SET", b"\xff", 3.to_string()]`, for [`Client::call`].
macro_rules! cmd {
    ($($arg:expr),+ $(,)?) => {
        [$(AsRef::<[u8]>::as_ref(&$arg).to_vec()),+]
    };
}
pub(crate) use cmd;
