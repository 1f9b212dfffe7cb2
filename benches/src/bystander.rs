//! Another client, which has nothing to do with any latch and sends a PING
//! again and again: how long does it wait while others are released, or parked?

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::waiter::Line;

/// From a PONG to the next PING.
pub(crate) const PAUSE: Duration = Duration::from_micros(200);

/// Pings before anything is measured.
const WARM_UP: usize = 5;

#[derive(Debug)]
pub(crate) struct Bystander {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Ping>>>,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    sent: Instant,
    answered: Instant,
}

impl Bystander {
    /// Starts pinging, and returns when it is in its stride.
    pub(crate) fn start(socket: &Path) -> Result<Self> {
        let line = Line::connect(socket)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (warm, is_warm) = sync_channel(1);
        let of_thread = Arc::clone(&stop);
        let thread = thread::spawn(move || ping_on(line, &of_thread, &warm));
        // If there is no answer it has failed, and tells why when it is ended.
        let _ = is_warm.recv();
        Ok(Self { stop, thread })
    }

    /// Ends it: the longest that a PONG took in a time that is over now.
    pub(crate) fn worst(self, begin: Instant, length: Duration) -> Result<Duration> {
        self.times(begin, length)?.into_iter().max().context("the bystander sent no PING")
    }

    /// Ends it: how long each PONG took in a time that is over now.
    pub(crate) fn times(self, begin: Instant, length: Duration) -> Result<Vec<Duration>> {
        self.stop.store(true, Ordering::Relaxed);
        let pings = self.thread.join().map_err(|_| anyhow!("the bystander panicked"))??;
        let mut pings = pings.iter().skip_while(|ping| ping.answered < begin);
        let first = pings.next().into_iter();
        let others = pings.take_while(|ping| ping.sent <= begin + length);
        Ok(first.chain(others).map(|ping| ping.answered - ping.sent).collect())
    }
}

fn ping_on(mut line: Line, stop: &AtomicBool, warm: &SyncSender<()>) -> Result<Vec<Ping>> {
    // Clients that read what they got must not keep it from noticing its own;
    // it stays as it is where that is not allowed.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -15);

    let mut pings = Vec::with_capacity(4096);
    loop {
        // One more after it was told to stop, so that there is one also if all
        // was over between two of them.
        let is_last = stop.load(Ordering::Relaxed);
        let sent = Instant::now();
        line.send(b"*1\r\n$4\r\nPING\r\n")?;
        line.expect(b"+PONG\r\n")?;
        pings.push(Ping { sent, answered: Instant::now() });
        if is_last {
            return Ok(pings);
        }
        if pings.len() == WARM_UP {
            warm.send(())?;
        }
        thread::sleep(PAUSE);
    }
}
