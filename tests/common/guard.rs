//! The two things that must not outlive a test: a process and a directory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A server process that ends when this is dropped, or when the test process
/// ends in any way.
pub(super) struct Process {
    server: Child,
    watchdog: Child,
}

impl Process {
    /// Starts `command`; panics with what to do if there is no such program.
    pub(super) fn spawn(command: &mut Command) -> Process {
        let server = command.stdin(Stdio::null()).spawn().unwrap_or_else(|error| {
            let program = command.get_program().to_string_lossy();
            panic!("cannot start {program}: {error}; install it or set LATCH_SERVER")
        });
        // Its standard input is a pipe from the test process. When that is
        // killed, and no destructor runs, the pipe closes and `read` returns.
        // (The kernel's way, PR_SET_PDEATHSIG, takes unsafe code and watches
        // the thread of one test instead of the process.)
        let watchdog = Command::new("sh")
            .args(["-c", "read _; kill -9 \"$0\"", &server.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cannot start sh");
        Process { server, watchdog }
    }

    /// The server's process id.
    pub(super) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Has the server ended by itself?
    pub(super) fn has_ended(&mut self) -> bool {
        self.server.try_wait().expect("asking after the server process").is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watchdog first: once the server is waited for, its id may be
        // given to somebody else. Failing to kill means it has ended already.
        for child in [&mut self.watchdog, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A fresh directory that is removed, with its contents, when this is dropped.
pub struct TempDir(PathBuf);

impl TempDir {
    /// Creates one with a short path: a unix socket's may not exceed 108 bytes.
    pub fn new() -> TempDir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("latch-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return TempDir(path),
                // Left by a process that was killed and had our id.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot create {}: {error}", path.display()),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
