//! A process that does not outlive the benchmark.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Result;

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    watchdog: Option<Child>,
}

impl Process {
    /// Starts it in a directory, with what it writes in a log.
    pub(crate) fn spawn(words: &[OsString], dir: &Path, log: File) -> Result<Self> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(dir).stdin(Stdio::null());
        let child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut process = Self { child, watchdog: None };
        // Its standard input is a pipe from the benchmark. When that is killed,
        // and nothing is dropped, the pipe closes and `read` returns.
        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", "read _; kill -9 \"$0\"", &process.child.id().to_string()]);
        watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        process.watchdog = Some(watchdog.spawn()?);
        Ok(process)
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// How long its main thread has run, where the system tells.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        let id = self.child.id();
        let stat = fs::read_to_string(format!("/proc/{id}/task/{id}/schedstat")).ok()?;
        stat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watchdog first: the id of a server that has been waited for may
        // be somebody else's. What has ended already cannot be killed.
        for child in self.watchdog.iter_mut().chain([&mut self.child]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
