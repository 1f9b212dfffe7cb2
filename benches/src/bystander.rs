//! Another client, which has nothing to do with any latch and sends a PING
//! again and again: how long does it wait while others are released, or parked?

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use redis::{Connection, Value};

use crate::server::Server;
use crate::wire::command;

/// From a PONG to the next PING.
pub(crate) const PAUSE: Duration = Duration::from_micros(200);

/// Pings before anything is measured.
const WARM_UP: usize = 5;

/// It stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Bystander(Receiver<Result<Ping>>);

#[derive(Clone, Copy, Debug)]
struct Ping {
    sent: Instant,
    answered: Instant,
}

impl Bystander {
    /// Starts pinging, and returns when it is in its stride.
    pub(crate) fn start(server: &Server) -> Result<Self> {
        let (sender, receiver) = channel();
        let con = server.connect()?;
        thread::spawn(move || ping_on(con, &sender));
        let bystander = Self(receiver);
        (0..WARM_UP).try_for_each(|_| bystander.next().map(drop))?;
        Ok(bystander)
    }

    /// Ends it: how long each PONG took in a time that is over now. There is at
    /// least one, also if all was over between two of them.
    pub(crate) fn times(self, begin: Instant, length: Duration) -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        loop {
            let Ping { sent, answered } = self.next()?;
            if !times.is_empty() && sent > begin + length {
                return Ok(times);
            }
            if answered >= begin {
                times.push(answered - sent);
            }
        }
    }

    /// Ends it: the worst of these.
    pub(crate) fn worst(self, begin: Instant, length: Duration) -> Result<Duration> {
        self.times(begin, length)?.into_iter().max().context("the bystander sent no PING")
    }

    fn next(&self) -> Result<Ping> {
        self.0.recv().context("the bystander has ended")?
    }
}

fn ping_on(mut con: Connection, sender: &Sender<Result<Ping>>) {
    // Clients that read what they got must not keep it from noticing its own;
    // it stays as it is where that is not allowed.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -15);

    let packed = command("PING");
    while sender.send(ping(&mut con, &packed)).is_ok() {
        thread::sleep(PAUSE);
    }
}

fn ping(con: &mut Connection, packed: &[u8]) -> Result<Ping> {
    let sent = Instant::now();
    con.send_packed_command(packed)?;
    let pong = con.recv_response()?;
    let answered = Instant::now();
    ensure!(pong == Value::SimpleString("PONG".into()), "PING was answered with {pong:?}");
    Ok(Ping { sent, answered })
}
