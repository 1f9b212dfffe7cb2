//! How a server is to be started.

use std::env::{self, consts};
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use super::server::Server;

/// The settings of a [`Server`] to be.
#[derive(Default)]
pub struct Builder {
    config: Vec<(String, String)>,
    module_args: Vec<String>,
    env: Vec<(String, String)>,
    without_module: bool,
    tcp: bool,
    sentinel: bool,
    clock: bool,
}

impl Builder {
    /// Adds a line to the configuration file; it may override the fixture's own.
    /// `value` is written as it would be there, so `"3600 1"` is two words.
    pub fn config(mut self, name: &str, value: &str) -> Builder {
        self.config.push((name.into(), value.into()));
        self
    }

    /// Starts the server with an environment variable set.
    pub fn env(mut self, name: &str, value: &str) -> Builder {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Passes arguments to the module.
    pub fn module_args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Builder {
        self.module_args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Starts a plain server.
    pub fn without_module(mut self) -> Builder {
        self.without_module = true;
        self
    }

    /// Listens on a free TCP port of 127.0.0.1 too, as a master must.
    pub fn tcp(mut self) -> Builder {
        self.tcp = true;
        self
    }

    /// Starts as a replica of `master`, which must listen on TCP.
    pub fn replica_of(self, master: &Server) -> Builder {
        self.config("replicaof", &format!("127.0.0.1 {}", master.port()))
    }

    /// Starts a sentinel, which is a server without data, on TCP.
    pub fn sentinel(mut self) -> Builder {
        self.sentinel = true;
        self.without_module().tcp()
    }

    /// Gives it a wall clock of its own, for [`Server::set_clock_back`] and
    /// [`Server::set_clock_forward`]. On Linux only.
    pub fn with_clock(mut self) -> Builder {
        self.clock = true;
        self
    }

    /// Starts the server and returns when it answers; panics, showing its log,
    /// if it does not.
    #[track_caller]
    pub fn start(self) -> Server {
        let mut server = self.prepare();
        server.start_again();
        server
    }

    /// Everything but the process, so that a test can put files into
    /// [`Server::dir`] before [`Server::start_again`] or
    /// [`Server::refuses_to_start`].
    pub fn prepare(self) -> Server {
        Server::prepared(self)
    }

    /// Does it listen on TCP?
    pub(super) fn wants_tcp(&self) -> bool {
        self.tcp
    }

    /// What it finds in its environment besides ours.
    pub(super) fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.env.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Has it a clock of its own?
    pub(super) fn wants_clock(&self) -> bool {
        self.clock
    }

    /// What follows the configuration file on the command line.
    pub(super) fn args(&self) -> &'static [&'static str] {
        if self.sentinel { &["--sentinel"] } else { &[] }
    }

    /// The configuration file. A file, not the command line, so that CONFIG
    /// REWRITE has something to rewrite.
    pub(super) fn config_file(&self, dir: &Path, socket: &Path, port: u16) -> String {
        let mut lines = vec![
            format!("dir {}", quoted(&dir.to_string_lossy())),
            format!("unixsocket {}", quoted(&socket.to_string_lossy())),
            "bind 127.0.0.1".into(),
            format!("port {port}"),
            "daemonize no".into(),
            "save \"\"".into(),
            "enable-debug-command yes".into(),
            // Else a replica waits five seconds for others to join it.
            "repl-diskless-sync-delay 0".into(),
        ];
        if !self.without_module {
            let path = module();
            let words = std::iter::once(path.to_string_lossy().into_owned())
                .chain(self.module_args.iter().cloned());
            lines.push(format!(
                "loadmodule {}",
                words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
            ));
        }
        for (name, value) in &self.config {
            lines.push(format!("{name} {}", if value.is_empty() { "\"\"" } else { value }));
        }
        lines.join("\n") + "\n"
    }
}

/// The server binary.
pub(super) fn server_binary() -> OsString {
    env::var_os("LATCH_SERVER").unwrap_or_else(|| "redis-server".into())
}

/// A port of 127.0.0.1 that is free now; somebody else may still be faster.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binding a free port");
    listener.local_addr().expect("asking for the port").port()
}

/// The module, as an absolute path.
pub fn module() -> PathBuf {
    let path = env::var_os("LATCH_MODULE").map_or_else(built_module, PathBuf::from);
    match path.canonicalize() {
        Ok(path) => path,
        Err(error) => panic!("{}: {error}; build the module first: make build", path.display()),
    }
}

fn built_module() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let file = format!("{}latch{}", consts::DLL_PREFIX, consts::DLL_SUFFIX);
    Path::new(env!("CARGO_MANIFEST_DIR")).join(target).join("release").join(file)
}

/// `word` as one word of a configuration file.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.as_bytes().escape_ascii())
}
