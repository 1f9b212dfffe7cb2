//! What a server may refuse, and when: only while somebody has made it so.

use std::time::Instant;

use super::common::Server;

/// Something that comes and goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spell {
    goes_on: bool,
    ended: Option<Instant>,
}

impl Spell {
    /// To be said before the server is told.
    pub fn begin(&mut self) {
        self.goes_on = true;
    }

    /// To be said when the server has confirmed it.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.goes_on) {
            self.ended = Some(Instant::now());
        }
    }

    /// May a command that was sent at this time, and is answered now, have met
    /// it?
    pub fn meets(&self, sent: Instant) -> bool {
        self.goes_on || self.ended.is_some_and(|ended| ended >= sent)
    }
}

/// How it is on one of the servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// `maxmemory` is below, or about, what is used, and the server cares.
    pub short_of_memory: Spell,
    /// `latch.max-waiters` is low.
    pub few_waiters: Spell,
    /// A pause takes the timeouts of waits that come in it.
    pub takes_timeouts: Spell,
    /// Is the server busy when a script is slow?
    pub busy_by_scripts: bool,
}

impl Weather {
    /// Nothing is wrong, but for what is so all the time.
    pub fn new(busy_by_scripts: bool) -> Weather {
        Weather { busy_by_scripts, ..Weather::default() }
    }
}

/// Does a wait that arrives in `CLIENT PAUSE ALL` lose its timeout for good? So
/// it is for every blocking command on Redis 7.2 to 8.0, and on Valkey up to
/// some version between 8.1.1 and 8.1.8.
pub fn pauses_take_timeouts(server: &Server) -> bool {
    let version = server.version();
    if server.is_valkey() { version < (8, 1, 8) } else { ((7, 2, 0)..(8, 2, 0)).contains(&version) }
}
