//! A wall clock of the server's own, which the test sets while it runs.

use std::fs::File;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::library::example;
use super::server::Server;
use super::{PATIENCE, eventually};

/// The clock of a server that preloads the library of `modules/clock.rs`.
pub(super) struct Clock {
    /// How many ms it is ahead, for the library to read: see there. It is
    /// never truncated, as the server has it in its memory.
    file: File,
    path: PathBuf,
    /// The library, under a name that needs no quoting.
    library: PathBuf,
}

impl Clock {
    /// A clock that is right, for a server in this directory.
    pub(super) fn new(dir: &Path) -> Clock {
        static LIBRARY: OnceLock<String> = OnceLock::new();

        if !cfg!(all(target_os = "linux", target_pointer_width = "64")) {
            panic!("the clock of a server can be set on 64-bit Linux only");
        }
        let (path, library) = (dir.join("clock"), dir.join("clock.so"));
        let built = LIBRARY.get_or_init(|| example("clock"));
        symlink(built, &library).expect("linking to the library of the clock");
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let clock = Clock { file: file.expect("creating the file of the clock"), path, library };
        clock.set(0);
        clock
    }

    /// Lets a server that is to be started, and only that, go by this clock.
    pub(super) fn preload(&self, server: &mut Command) {
        server.env("LD_PRELOAD", &self.library).env("LATCH_CLOCK", &self.path);
    }

    /// How many ms it is ahead.
    fn ahead(&self) -> i64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, 0).expect("reading the clock");
        i64::from_ne_bytes(bytes)
    }

    fn set(&self, ahead: i64) {
        let bytes = [ahead; 2].map(i64::to_ne_bytes).concat();
        self.file.write_all_at(&bytes, 0).expect("setting the clock");
    }
}

impl Server {
    /// Sets its wall clock back by so much; the server must be built with
    /// [`with_clock`](super::Builder::with_clock).
    #[track_caller]
    pub fn set_clock_back(&self, by: Duration) {
        self.move_clock(-millis(by));
    }

    /// Sets its wall clock forward by so much; the server must be built with
    /// [`with_clock`](super::Builder::with_clock).
    #[track_caller]
    pub fn set_clock_forward(&self, by: Duration) {
        self.move_clock(millis(by));
    }

    /// Returns when the server goes by the new time; it must be running.
    #[track_caller]
    fn move_clock(&self, by: i64) {
        let clock = self.clock().expect("build this server with .with_clock()");
        let ahead = clock.ahead() + by;
        clock.set(ahead);
        let mut client = self.client();
        eventually("the server to go by its new clock", PATIENCE, || {
            let earliest = now() + ahead;
            let time = client.time();
            (earliest..=now() + ahead).contains(&time).then_some(())
        });
    }
}

/// The time by the clock of the test, in Unix ms.
fn now() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set"))
}

fn millis(time: Duration) -> i64 {
    time.as_millis().try_into().expect("a time of fewer ms")
}
