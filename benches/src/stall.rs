//! How long others wait while the server does something.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use redis::{Value, from_redis_value};

use crate::bystander::Bystander;
use crate::scene::run;
use crate::server::Server;
use crate::wire::command;

/// The server notes commands that take longer.
const SLOW: Duration = Duration::from_micros(500);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Stall {
    /// The worst PING of another client.
    pub(crate) ping: Duration,
    /// How long the longest command took by the server's own word, which knows
    /// nothing of the time before and after it; [`SLOW`] if none took longer.
    pub(crate) longest: Duration,
}

/// Does something, and tells what of it others could feel.
pub(crate) fn felt<T>(server: &Server, work: impl FnOnce() -> Result<T>) -> Result<(T, Stall)> {
    let mut con = server.connect()?;
    let slow =
        format!("CONFIG SET slowlog-max-len 100000 slowlog-log-slower-than {}", SLOW.as_micros());
    run(&mut con, [command(&slow), command("SLOWLOG RESET")])?;
    let bystander = Bystander::start(server)?;
    let begin = Instant::now();
    let done = work()?;
    let ping = bystander.worst(begin, begin.elapsed())?;

    let mut longest = SLOW;
    let slow: Vec<Vec<Value>> = redis::cmd("SLOWLOG").arg("GET").arg(100_000).query(&mut con)?;
    for entry in slow {
        let micros = entry.into_iter().nth(2).context("an entry has its time")?;
        longest = longest.max(Duration::from_micros(from_redis_value(micros)?));
    }
    // It takes memory.
    run(&mut con, [command("SLOWLOG RESET")])?;
    Ok((done, Stall { ping, longest }))
}
