//! Parked clients, one or many, and what they are told in the end.

use std::time::Duration;

use super::client::Client;
use super::resp::{Reply, error, readable};
use super::server::Server;

/// What a parked client is told when the latch was removed.
pub fn gone() -> Reply {
    error("LATCHGONE the latch was removed before it opened")
}

/// What a parked client is told when the latch expired.
pub fn expired() -> Reply {
    error("LATCHEXPIRED its time to live passed before it opened")
}

/// What everybody is told of a latch that was aborted.
pub fn aborted(reason: impl AsRef<[u8]>) -> Reply {
    Reply::Error(readable(&[b"LATCHABORTED ", reason.as_ref()].concat()))
}

impl Server {
    /// `count` new connections that have sent `line` and are parked by it.
    #[track_caller]
    pub fn crowd(&self, count: usize, line: &str) -> Vec<Client> {
        let before: usize = self.info("blocked_clients").parse().expect("a number");
        let crowd = (0..count)
            .map(|_| {
                let mut client = self.client();
                client.send_line(line);
                client
            })
            .collect();
        self.wait_blocked(before + count);
        crowd
    }

    /// Panics unless nobody is parked after a few turns of the event loop. What only
    /// the next look at all keys would find is seldom found in so few.
    #[track_caller]
    pub fn expect_all_told(&self) {
        let mut client = self.client();
        for _ in 0..10 {
            client.run("PING");
        }
        assert_eq!(self.info("blocked_clients"), "0", "clients are still parked");
    }

    /// A new connection that has sent `line` in database `db` and is parked by it.
    #[track_caller]
    pub fn parked_in(&self, db: u32, line: &str) -> Client {
        let mut client = self.client();
        client.run(&format!("SELECT {db}"));
        client.send_line(line);
        self.wait_parked(&client);
        client
    }
}

impl Client {
    /// The reply to EXEC after MULTI and these commands.
    #[track_caller]
    pub fn transaction(&mut self, lines: &[&str]) -> Reply {
        assert_eq!(self.run("MULTI"), super::ok());
        for line in lines {
            assert_eq!(self.run(line), Reply::Simple("QUEUED".into()), "{line}");
        }
        self.run("EXEC")
    }

    /// Panics unless `expected` is the next frame, and the only one.
    #[track_caller]
    pub fn receives_only(&mut self, expected: &Reply) {
        assert_eq!(&self.receive(), expected);
        assert_eq!(self.run("PING"), Reply::Simple("PONG".into()), "twice?");
    }

    /// Panics unless `expected` comes within `patience`, and only that.
    #[track_caller]
    pub fn receives_within(&mut self, patience: Duration, expected: &Reply) {
        match self.receive_within(patience) {
            Some(reply) => assert_eq!(&reply, expected),
            None => panic!("no reply within {patience:?}, expected {expected:?}"),
        }
        assert_eq!(self.run("PING"), Reply::Simple("PONG".into()), "twice?");
    }
}
