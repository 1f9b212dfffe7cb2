//! A bad network: a proxy that loses replies, and a client that sends again.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use super::client::Client;
use super::guard::temp_dir;
use super::resp::Reply;
use super::server::Server;

/// What becomes of a command of the module, and of its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The reply comes.
    Pass,
    /// The server has done it and replied, and the connection is cut in place of the reply.
    LoseReply,
    /// The connection is cut as soon as the server has been sent the command, which it may
    /// park: to the server it stays open.
    Cut,
}

/// A proxy in front of a server. It lives as long as the test.
pub struct Proxy {
    dir: TempDir,
    fates: Arc<Mutex<VecDeque<Fate>>>,
}

impl Proxy {
    /// A proxy in front of `server` that has every reply pass for now.
    #[track_caller]
    pub fn before(server: &Server) -> Proxy {
        let dir = temp_dir();
        let fates = Arc::<Mutex<VecDeque<Fate>>>::default();
        let listener = UnixListener::bind(socket(dir.path())).expect("a socket for the proxy");
        let (server, shared) = (server.socket(), Arc::clone(&fates));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, fates) = (server.clone(), Arc::clone(&shared));
                // An error is the end of the connection, on either side.
                thread::spawn(move || _ = serve(client, &server, &fates));
            }
        });
        Proxy { dir, fates }
    }

    /// The next commands of the module have these fates, in order; those after them pass.
    pub fn plan(&self, fates: &[Fate]) {
        *self.fates.lock().expect("no panic") = fates.iter().copied().collect();
    }

    /// A client that sends again through this.
    pub fn client(&self) -> Resending {
        Resending { path: socket(self.dir.path()), connection: None, sent: 0 }
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("proxy")
}

/// Passes commands on, one after the other, until a fate says otherwise.
fn serve(mut client: UnixStream, server: &Path, fates: &Mutex<VecDeque<Fate>>) -> io::Result<()> {
    let mut server = UnixStream::connect(server)?;
    let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
    loop {
        let (command, bytes) = frame(&mut client, &mut from_client)?;
        let is_ours = command.items()[0].text().starts_with("LATCH.");
        let fate = if is_ours { fates.lock().expect("no panic").pop_front() } else { None };
        server.write_all(&bytes)?;
        if fate == Some(Fate::Cut) {
            drop(client);
            // Open until the server closes it.
            return io::copy(&mut server, &mut io::sink()).map(|_| ());
        }
        let (_, bytes) = frame(&mut server, &mut from_server)?;
        if fate == Some(Fate::LoseReply) {
            return Ok(());
        }
        client.write_all(&bytes)?;
    }
}

/// The next frame, and its bytes; `inbox` has what was read beyond the last one.
fn frame(from: &mut UnixStream, inbox: &mut Vec<u8>) -> io::Result<(Reply, Vec<u8>)> {
    loop {
        let mut unread = inbox.as_slice();
        if let Some(frame) = Reply::decode(&mut unread) {
            let used = inbox.len() - unread.len();
            return Ok((frame, inbox.drain(..used).collect()));
        }
        let mut chunk = [0; 4096];
        match from.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => inbox.extend_from_slice(&chunk[..len]),
        }
    }
}

/// A client that sends a command again, on a new connection, until there is a reply: what
/// client libraries do.
pub struct Resending {
    path: PathBuf,
    connection: Option<Client>,
    sent: usize,
}

impl Resending {
    /// The reply to a command, and how often it was sent.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> (Reply, usize) {
        const MOST: usize = 100;

        self.sent = 0;
        while self.sent < MOST {
            if self.connection.is_none() {
                self.connection = Client::connect(&self.path).ok();
            }
            let Some(connection) = &mut self.connection else { continue };
            self.sent += 1;
            match connection.try_call(line.split_whitespace()) {
                Ok(reply) => return (reply, self.sent),
                Err(_) => self.connection = None,
            }
        }
        panic!("no reply to {line}, though it was sent {MOST} times")
    }

    /// [`run`](Self::run) on a thread of its own: for a command that may park.
    pub fn runs(mut self, line: String) -> thread::JoinHandle<(Reply, usize)> {
        thread::spawn(move || self.run(&line))
    }
}
