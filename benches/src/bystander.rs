//! Another client, which has nothing to do with any latch and sends a PING
//! again and again: how long does it wait while others are released, or parked?

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::server::PATIENCE;

/// From a PONG to the next PING.
pub(crate) const PAUSE: Duration = Duration::from_micros(200);

/// Pings before anything is measured.
const WARM_UP: usize = 5;

#[derive(Debug)]
pub(crate) struct Bystander {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Vec<Ping>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    pings: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    sent: Instant,
    answered: Instant,
}

impl Bystander {
    /// Starts pinging, and returns when it is in its stride.
    pub(crate) fn start(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = thread::spawn(move || ping_on(stream, &of_thread));
        let bystander = Self { shared, thread };
        bystander.await_pings(WARM_UP);
        Ok(bystander)
    }

    /// Ends it: the longest that a PONG took in a time that is over now.
    pub(crate) fn worst(self, begin: Instant, length: Duration) -> Result<Duration> {
        self.times(begin, length)?.into_iter().max().context("the bystander sent no PING")
    }

    /// Ends it: how long each PONG took in a time that is over now.
    pub(crate) fn times(self, begin: Instant, length: Duration) -> Result<Vec<Duration>> {
        // So that there is one also if all was over between two of them.
        self.await_pings(self.shared.pings.load(Ordering::Relaxed) + 1);
        self.shared.stop.store(true, Ordering::Relaxed);
        let pings = self.thread.join().map_err(|_| anyhow!("the bystander panicked"))??;
        let mut pings = pings.iter().skip_while(|ping| ping.answered < begin);
        let first = pings.next().into_iter();
        let others = pings.take_while(|ping| ping.sent <= begin + length);
        Ok(first.chain(others).map(|ping| ping.answered - ping.sent).collect())
    }

    fn await_pings(&self, count: usize) {
        while self.shared.pings.load(Ordering::Relaxed) < count && !self.thread.is_finished() {
            thread::sleep(PAUSE);
        }
    }
}

fn ping_on(mut stream: UnixStream, shared: &Shared) -> Result<Vec<Ping>> {
    // Clients that read what they got must not keep it from noticing its own;
    // it stays as it is where that is not allowed.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -15);

    let mut pings = Vec::with_capacity(4096);
    let mut pong = [0; 7];
    while !shared.stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        stream.write_all(b"*1\r\n$4\r\nPING\r\n")?;
        stream.read_exact(&mut pong)?;
        ensure!(&pong == b"+PONG\r\n", "PING was answered with {}", pong.escape_ascii());
        pings.push(Ping { sent, answered: Instant::now() });
        shared.pings.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PAUSE);
    }
    Ok(pings)
}
