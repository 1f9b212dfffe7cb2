//! The machine: what it is, and where on it a thread runs.

use std::process::Command;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// What the numbers were measured on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// Moves this thread, and what it starts later, to the cores of servers, which
/// are all but the last, or to that of clients, so that they never stand in the
/// way of a server. Where that cannot be done it stays where it is.
pub(crate) fn run_on_cores(of_servers: bool) {
    #[cfg(target_os = "linux")]
    if let Some(last @ 1..) = THIS.cores.checked_sub(1) {
        let mut cores = rustix::thread::CpuSet::new();
        let wanted = if of_servers { 0..last } else { last..last + 1 };
        wanted.for_each(|core| cores.set(core));
        let _ = rustix::thread::sched_setaffinity(None, &cores);
    }
}
