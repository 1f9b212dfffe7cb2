//! One waiter, as a client library is: a blocking socket.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use redis::{Connection, RedisResult, Value};

use crate::peers::{POLL_EVERY, Peer, Wait};
use crate::scene::run;
use crate::server::Server;
use crate::wire::{command, value};

pub(crate) struct Waiter {
    con: Connection,
    wait: &'static Wait,
    patience: Duration,
}

impl Waiter {
    /// One that waits no longer than its patience.
    pub(crate) fn connect(
        server: &Server,
        peer: &'static Peer,
        patience: Duration,
    ) -> Result<Self> {
        let mut con = server.connect()?;
        if let Wait::Subscribed { channel } = &peer.wait {
            run(&mut con, [command(&format!("SUBSCRIBE {channel}"))])?;
        }
        con.set_read_timeout(Some(patience))?;
        Ok(Self { con, wait: &peer.wait, patience })
    }

    /// Begins to wait.
    pub(crate) fn begin(&mut self) -> Result<()> {
        if let Wait::Blocked { blocked, .. } = self.wait {
            self.con.send_packed_command(&command(blocked))?;
        }
        Ok(())
    }

    /// What it is told in the end; nothing if its patience ends before.
    pub(crate) fn told(&mut self) -> Result<Option<Value>> {
        let Wait::Polling { ask, not_yet, .. } = self.wait else {
            return in_time(self.con.recv_response());
        };
        let (ask, not_yet) = (command(ask), value(not_yet)?);
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            self.con.send_packed_command(&ask)?;
            let told = in_time(self.con.recv_response())?;
            if told.as_ref() != Some(&not_yet) {
                return Ok(told);
            }
            thread::sleep(POLL_EVERY);
        }
        Ok(None)
    }
}

fn in_time(reply: RedisResult<Value>) -> Result<Option<Value>> {
    match reply {
        Err(error) if error.is_timeout() => Ok(None),
        reply => Ok(Some(reply?)),
    }
}
