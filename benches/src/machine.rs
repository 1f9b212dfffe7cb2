//! The machine: what it is, and where on it a thread runs.

use std::process::Command;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// What the numbers were measured on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    cpu: String,
    /// Whichever of them this process runs on.
    cores: usize,
    system: String,
    rustc: String,
}

static THIS: LazyLock<Machine> = LazyLock::new(|| {
    let system =
        System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let brand = system.cpus().first().map(|cpu| cpu.brand()).filter(|brand| !brand.is_empty());
    let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout);
    Machine {
        cpu: brand.unwrap_or(std::env::consts::ARCH).to_owned(),
        cores: system.cpus().len(),
        system: System::kernel_long_version(),
        rustc: String::from_utf8_lossy(&rustc.unwrap_or_default()).trim().to_owned(),
    }
});

impl Machine {
    pub(crate) fn this() -> Self {
        THIS.clone()
    }
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

    let Some(last @ 1..) = THIS.cores.checked_sub(1) else { return };
    let mut set = CpuSet::new();
    match which {
        Cores::Server => (0..last).for_each(|cpu| set.set(cpu)),
        Cores::Clients => set.set(last),
    }
    let _ = sched_setaffinity(None, &set);
}

/// Moves this thread; where that cannot be done it stays where it is.
#[cfg(not(target_os = "linux"))]
pub(crate) fn run_on(_: Cores) {}
