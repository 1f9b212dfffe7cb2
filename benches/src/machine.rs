//! The machine: what it is, and what a process on it may do.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// What the numbers were measured on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) rustc: String,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|info| {
                let name = info.lines().find(|line| line.starts_with("model name"))?;
                Some(name.split_once(':')?.1.trim().to_owned())
            })
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let cores = cores();
        let system = first_line("uname", &["-sr"]);
        let rustc = first_line("rustc", &["--version"]);
        Self { cpu, cores, system, rustc }
    }
}

/// How many there are, whichever of them this process runs on.
fn cores() -> usize {
    let entries = fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let is_core = |name: &str| name.strip_prefix("cpu").is_some_and(|n| n.parse::<u32>().is_ok());
    let count = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_core)).count();
    if count > 0 { count } else { available_parallelism().map_or(1, Into::into) }
}

fn first_line(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.ok().and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_default()
}

/// Lets this process and those it starts open as many files as they may at
/// most, and answers how many that is: every client is one.
pub(crate) fn raise_open_files() -> Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.or(limit.current).unwrap_or(65_536);
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum })
        .context("raising the limit of open files")?;
    Ok(usize::try_from(most)?)
}

/// Which cores a thread, and what it starts, runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cores {
    /// All but the last: for the server.
    Server,
    /// The last: for the clients, so that they never stand in its way.
    Clients,
}

/// Moves this thread; where that cannot be done it stays where it is.
#[cfg(target_os = "linux")]
pub(crate) fn run_on(which: Cores) {
    use rustix::thread::{CpuSet, sched_setaffinity};

    let count = cores();
    if count < 2 {
        return;
    }
    let mut set = CpuSet::new();
    match which {
        Cores::Server => (0..count - 1).for_each(|cpu| set.set(cpu)),
        Cores::Clients => set.set(count - 1),
    }
    let _ = sched_setaffinity(None, &set);
}

/// Moves this thread; where that cannot be done it stays where it is.
#[cfg(not(target_os = "linux"))]
pub(crate) fn run_on(_: Cores) {}
