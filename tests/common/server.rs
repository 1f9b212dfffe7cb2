//! A server of the test's own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::builder::{Builder, free_port, server_binary};
use super::client::Client;
use super::clock::Clock;
use super::guard::{Process, temp_dir};
use super::resp::Reply;
use super::{PATIENCE, eventually};

/// A server in its own temporary directory, on a unix socket there.
///
/// Dropping it kills the process and removes the directory; in a test that
/// panics, the end of its log is shown first.
pub struct Server {
    builder: Builder,
    port: u16,
    clock: Option<Clock>,
    /// `None` while stopped. Before `dir`, so that it is dropped first.
    process: Option<Process>,
    dir: TempDir,
}

/// How many lines of the log a failed test shows.
const LOG_TAIL: usize = 80;

impl Server {
    /// Starts a server with the module and no special settings.
    #[track_caller]
    pub fn new() -> Server {
        Server::builder().start()
    }

    /// A server with settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn prepared(builder: Builder) -> Server {
        let dir = temp_dir();
        let clock = builder.wants_clock().then(|| Clock::new(dir.path()));
        let server = Server { builder, port: 0, clock, process: None, dir };
        server.write_config();
        server
    }

    // Connections

    /// A new connection, speaking RESP2.
    #[track_caller]
    pub fn client(&self) -> Client {
        match Client::connect(&self.socket()) {
            Ok(client) => client,
            Err(error) => panic!("cannot connect to the server: {error}"),
        }
    }

    /// A new connection, speaking RESP3.
    #[track_caller]
    pub fn client3(&self) -> Client {
        let mut client = self.client();
        client.hello3();
        client
    }

    /// A new connection in each protocol, with what is null in it.
    #[track_caller]
    pub fn clients(&self) -> [(Client, Reply); 2] {
        [(self.client(), Reply::NullBulk), (self.client3(), Reply::Null)]
    }

    /// A new connection that has sent `line` and is parked by it.
    #[track_caller]
    pub fn parked(&self, line: &str) -> Client {
        let mut client = self.client();
        client.send_line(line);
        self.wait_parked(&client);
        client
    }

    /// The reply to a command sent over a connection of its own.
    #[track_caller]
    pub fn run(&self, line: &str) -> Reply {
        self.client().run(line)
    }

    /// All it has logged, over all its starts: standard output and error both,
    /// so that the text of a panic is there too.
    pub fn log(&self) -> String {
        fs::read(self.dir().join("log"))
            .map_or_else(|_| String::new(), |log| String::from_utf8_lossy(&log).into_owned())
    }

    /// Its directory: data, log, configuration file and socket.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir().join("sock")
    }

    /// Its TCP port; panics if it has none.
    #[track_caller]
    pub fn port(&self) -> u16 {
        assert_ne!(self.port, 0, "build this server with .tcp()");
        self.port
    }

    /// Its clock, if it has one of its own.
    pub(super) fn clock(&self) -> Option<&Clock> {
        self.clock.as_ref()
    }

    /// Its process id; panics while it is stopped.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server is stopped").id()
    }

    // Life

    /// Ends the server with SHUTDOWN: it saves what its configuration says.
    #[track_caller]
    pub fn stop(&mut self) {
        // NOW: do not wait for a replica that lags, such as a `Stream`.
        let mut client = self.client();
        client.send_line("SHUTDOWN NOW");
        client.expect_closed();
        eventually("the server to end", PATIENCE, || self.has_ended().then_some(()));
        self.process = None;
    }

    /// Ends the server as a crash would.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Starts the stopped server again: same directory, configuration, port.
    #[track_caller]
    pub fn start_again(&mut self) {
        const ATTEMPTS: usize = 5;
        let choose_port = self.port == 0 && self.builder.wants_tcp();
        for _ in 0..ATTEMPTS {
            if choose_port {
                self.port = free_port();
                self.write_config();
            }
            if self.launch() {
                return;
            }
            if !choose_port || !self.log().contains("Address already in use") {
                break;
            }
        }
        panic!("the server does not start");
    }

    /// Starts the stopped server, expecting it to end by itself; its whole log.
    #[track_caller]
    pub fn refuses_to_start(&mut self) -> String {
        assert!(!self.launch(), "the server should have refused to start");
        self.log()
    }

    /// [`stop`](Self::stop) and [`start_again`](Self::start_again).
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Makes it a replica of `master`, which must listen on TCP.
    #[track_caller]
    pub fn replicate(&self, master: &Server) {
        assert_eq!(self.run(&format!("REPLICAOF 127.0.0.1 {}", master.port())), super::ok());
    }

    fn write_config(&self) {
        let text = self.builder.config_file(self.dir(), &self.socket(), self.port);
        fs::write(self.dir().join("conf"), text).expect("writing the configuration file");
    }

    /// Starts the process; is it ready (or has it ended)?
    #[track_caller]
    fn launch(&mut self) -> bool {
        assert!(self.process.is_none(), "the server is running already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir().join("log"))
            .expect("opening the log");
        let mut command = Command::new(server_binary());
        command
            .arg(self.dir().join("conf"))
            .args(self.builder.args())
            .envs(self.builder.environment())
            .stdout(log.try_clone().expect("sharing the log"))
            .stderr(log);
        if let Some(clock) = &self.clock {
            clock.preload(&mut command);
        }
        self.process = Some(Process::spawn(&mut command));
        let is_ready = eventually("the server to be ready", PATIENCE, || {
            if self.has_ended() { Some(false) } else { self.answers().then_some(true) }
        });
        if !is_ready {
            self.process = None;
        }
        is_ready
    }

    /// Has it ended, by itself or by the test?
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(Process::has_ended)
    }

    fn answers(&self) -> bool {
        let pong = Client::connect(&self.socket()).and_then(|mut client| client.try_call(["PING"]));
        pong.is_ok_and(|reply| reply == Reply::Simple("PONG".into()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process = None;
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_TAIL)..];
            eprintln!(
                "--- log of the server in {}\n{}\n---",
                self.dir().display(),
                tail.join("\n")
            );
        }
    }
}
