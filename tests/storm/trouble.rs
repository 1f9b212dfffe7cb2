//! What befalls the servers.

use std::time::{Duration, Instant};

use super::common::{PATIENCE, Reply};
use super::deeds::DATABASES;
use super::driver::{Repair, Side, Storm};
use super::oracle::Call;

/// Far more than any storm uses.
const PLENTY: &str = "100gb";

impl Storm<'_> {
    /// Draws one trouble.
    pub fn make_trouble(&mut self) {
        let side = *self.random.pick(&[Side::Master, Side::Master, Side::Replica]);
        match self.random.below(100) {
            0..8 => self.empty_all(),
            8..18 => self.swap(),
            18..26 => self.reload(),
            26..32 => self.lose_the_replica(),
            32..42 => self.pause(side),
            42..54 => self.change_batch(side),
            54..58 => self.allow_few_waiters(side),
            58..64 => self.limit_memory(),
            64..70 => drop(self.do_now(side, "BGSAVE")),
            70..76 => drop(self.do_now(side, "BGREWRITEAOF")),
            76..80 => self.fall_asleep(side),
            80 if self.random.once_in(4) => self.kill_everybody(side),
            81..90 => self.run_a_slow_script(side),
            90..96 if self.unblocking_races => self.unblock_with_error_in_a_still_moment(),
            _ => drop(self.do_now(side, "INFO everything")),
        }
    }

    fn empty_all(&mut self) {
        if !self.upheavals {
            return;
        }
        let how = *self.random.pick(&["FLUSHALL", "FLUSHALL SYNC", "FLUSHALL ASYNC"]);
        self.do_now(Side::Master, how);
    }

    fn swap(&mut self) {
        let (one, other) = (self.random.below(DATABASES), self.random.below(DATABASES));
        self.do_now(Side::Master, &format!("SWAPDB {one} {other}"));
    }

    /// The master loads its own snapshot. It drops keys that have expired by
    /// then and tells nobody, so the replica has to start over.
    ///
    /// Not in a pause. A `BGSAVE` that ends after `DEBUG RELOAD` makes servers
    /// count changes below zero; the next `DEBUG RELOAD` sets them right, takes
    /// that for a change of its own, and propagates itself; and whatever is
    /// propagated in a pause ends the server.
    fn reload(&mut self) {
        if !self.upheavals || self.no_unblocking_until.is_some() {
            return;
        }
        self.do_now(Side::Master, "DEBUG RELOAD");
        self.do_now(Side::Master, "DEBUG CHANGE-REPL-ID");
        self.do_now(Side::Master, "CLIENT KILL TYPE replica");
    }

    /// The replica comes back by itself, told what it missed or all.
    fn lose_the_replica(&mut self) {
        if self.random.once_in(2) && self.upheavals {
            self.do_now(Side::Master, "DEBUG CHANGE-REPL-ID");
        }
        self.do_now(Side::Master, "CLIENT KILL TYPE replica");
    }

    /// Some servers crash when a client is unblocked that a pause holds back, so
    /// nobody is unblocked meanwhile.
    fn pause(&mut self, side: Side) {
        let before = self.no_unblocking_until.replace(Instant::now() + 2 * PATIENCE);
        let is_owed = |storm: &Self| storm.peers.iter().any(|it| it.is_owed("CLIENT UNBLOCK"));
        let deadline = Instant::now() + PATIENCE;
        while is_owed(self) && Instant::now() < deadline {
            self.pass(true);
        }
        let mut over = Instant::now();
        // Else it is behind a wait without end.
        if !is_owed(self) {
            let longest = if self.random.once_in(6) { 400 } else { 60 };
            let millis = 1 + self.random.below(longest);
            let what = *self.random.pick(&["WRITE", "ALL"]);
            if self.pauses_take_timeouts && what == "ALL" {
                self.weather[side as usize].takes_timeouts.begin();
            }
            self.do_now(side, &format!("CLIENT PAUSE {millis} {what}"));
            over = Instant::now() + Duration::from_millis(millis as u64);
        }
        self.no_unblocking_until = before.max(Some(over));
    }

    fn change_batch(&mut self, side: Side) {
        let batch = *self.random.pick(&["1", "2", "3", "7", "256"]);
        self.do_now(side, &format!("CONFIG SET latch.wake-batch {batch}"));
    }

    fn allow_few_waiters(&mut self, side: Side) {
        let limit = 1 + self.random.below(20);
        self.weather[side as usize].few_waiters.begin();
        self.do_now(side, &format!("CONFIG SET latch.max-waiters {limit}"));
        self.repair_soon(side, Repair::FewWaiters);
    }

    /// There is too little memory, or just enough for now, or plenty. Without
    /// enough writes are refused, or keys are evicted.
    fn limit_memory(&mut self) {
        const POLICIES: [&str; 5] =
            ["noeviction", "noeviction", "allkeys-lru", "allkeys-random", "volatile-ttl"];
        let side = *self.random.pick(&[Side::Master, Side::Master, Side::Replica]);
        let policies = if self.upheavals { &POLICIES[..] } else { &POLICIES[..1] };
        let policy = *self.random.pick(policies);
        self.do_now(side, &format!("CONFIG SET maxmemory-policy {policy}"));
        let limit = match self.random.below(4) {
            0 | 1 => "1".into(),
            2 => (self.memory_used(side) + self.random.below(200_000)).to_string(),
            _ => PLENTY.into(),
        };
        self.set_memory(side, &limit);
        self.repair_soon(side, Repair::Memory);
    }

    fn set_memory(&mut self, side: Side, limit: &str) {
        // A replica takes no notice (`replica-ignore-maxmemory`).
        let is_short = side == Side::Master && !matches!(limit, "0" | PLENTY);
        if is_short {
            self.weather[side as usize].short_of_memory.begin();
        }
        self.do_now(side, &format!("CONFIG SET maxmemory {limit}"));
        if !is_short {
            self.weather[side as usize].short_of_memory.end();
        }
    }

    fn memory_used(&mut self, side: Side) -> usize {
        let info = match self.do_now(side, "INFO memory") {
            Reply::Bulk(text) => String::from_utf8(text).unwrap(),
            _ => return 1,
        };
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.unwrap().parse().unwrap()
    }

    /// Meanwhile much piles up, to be done in one turn of the event loop.
    fn fall_asleep(&mut self, side: Side) {
        let millis = 1 + self.random.below(40);
        self.do_now(side, &format!("DEBUG SLEEP 0.{millis:03}"));
    }

    fn kill_everybody(&mut self, side: Side) {
        for peer in &mut self.peers {
            peer.may_close |= peer.on_replica == (side == Side::Replica);
        }
        self.killing_all = Some(side);
        self.do_now(side, "CLIENT KILL TYPE normal");
        self.killing_all = None;
    }

    /// Where `CLIENT UNBLOCK … ERROR` must not meet a release in the same turn
    /// of the event loop: when everybody is idle or parked, and nothing is on
    /// its way.
    fn unblock_with_error_in_a_still_moment(&mut self) {
        self.until("a still moment", PATIENCE, |storm| {
            storm.peers.iter().all(|peer| peer.is_idle() || peer.wait().is_some())
        });
        for _ in 0..2 {
            // What was sent before it is done before it, or with it.
            self.control(Side::Master, &Call::line("PING"), false);
        }
        let parked: Vec<_> = self
            .peers
            .iter()
            .filter(|peer| !peer.on_replica && !peer.is_idle())
            .filter_map(|peer| peer.id)
            .collect();
        if !parked.is_empty() && self.no_unblocking_until.is_none() {
            let id = *self.random.pick(&parked);
            let call = Call::line(&format!("CLIENT UNBLOCK {id} ERROR"));
            self.mark_targets(Side::Master, &call);
            self.control(Side::Master, &call, false);
        }
    }

    fn repair_soon(&mut self, side: Side, repair: Repair) {
        let millis = 1 + self.random.below(60) as u64;
        self.repairs.push((Instant::now() + Duration::from_millis(millis), side, repair));
    }

    /// Sets right what is due.
    pub fn repair(&mut self, now: Instant) {
        if self.no_unblocking_until.is_some_and(|until| now >= until) {
            for side in Side::BOTH {
                // It is over, but the server need not have noticed.
                self.do_now(side, "CLIENT UNPAUSE");
                self.weather[side as usize].takes_timeouts.end();
            }
            self.no_unblocking_until = None;
        }
        while let Some(at) = self.repairs.iter().position(|(at, ..)| now >= *at) {
            let (_, side, repair) = self.repairs.remove(at);
            match repair {
                Repair::Memory => self.set_memory(side, "0"),
                Repair::FewWaiters => {
                    self.do_now(side, "CONFIG SET latch.max-waiters 0");
                    self.weather[side as usize].few_waiters.end();
                }
            }
        }
    }
}
