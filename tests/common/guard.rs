//! The two things that must not outlive a test: a process and a directory.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, test_kill_process};
use tempfile::{Builder, TempDir};

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
        // (The kernel's way, PR_SET_PDEATHSIG, takes unsafe code, is Linux only
        // and watches the thread of one test instead of the process.)
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

/// Is there a process with this id?
pub fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    test_kill_process(pid.expect("the id of a process")).is_ok()
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

/// A fresh directory that is removed, with its contents, when it is dropped. Its path
/// is short: that of a unix socket may not exceed 108 bytes.
#[track_caller]
pub fn temp_dir() -> TempDir {
    match Builder::new().prefix("latch-").tempdir() {
        Ok(dir) => dir,
        Err(error) => panic!("cannot create a directory: {error}"),
    }
}
