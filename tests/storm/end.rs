//! After the storm: what must be true of everybody.

use std::time::Duration;

use super::common::{PATIENCE, Reply, cmd, eventually};
use super::deeds::DATABASES;
use super::driver::{Side, Storm};
use super::oracle::Call;

/// How soon a wait ends whose latch has ended, a sweep and much else included.
const SOON: Duration = Duration::from_secs(5);

impl Storm<'_> {
    /// Nobody starts anything; all settings are as they were.
    pub fn calm_down(&mut self) {
        self.dismiss_probes();
        for repair in &mut self.repairs {
            repair.0 = std::time::Instant::now();
        }
        self.repair(std::time::Instant::now());
        for side in Side::BOTH {
            self.control(side, &Call::line("CLIENT UNPAUSE"), false);
        }
        self.until("everybody is idle or parked", PATIENCE, |storm| {
            storm.peers.iter().all(|peer| peer.is_idle() || peer.wait().is_some())
        });
    }

    /// Master and replica have the same data.
    pub fn compare_digests(&mut self) {
        let [master, replica] = self.servers;
        replica.wait_in_sync(master);
        // A key that expires meanwhile is gone from the master first.
        eventually("equal digests", PATIENCE, || {
            (master.digest() == replica.digest()).then_some(())
        });
    }

    /// Opens or deletes every latch there is. Whoever waited for one is told
    /// so; only who waits for one that is still to come may go on.
    pub fn end_every_latch(&mut self) {
        for db in 0..DATABASES {
            self.control(Side::Master, &Call::line(&format!("SELECT {db}")), false);
            let keys = self.control(Side::Master, &Call::line("KEYS *"), false);
            for key in bytes_of(&keys) {
                if self.random.once_in(2) {
                    let all = i64::MAX.to_string();
                    self.say(cmd!["LATCH.COUNTDOWN", key, all]);
                }
                self.say(cmd!["DEL", key]);
            }
        }
        self.until("waits for latches that are gone have ended", SOON, |storm| {
            storm.peers.iter().all(|peer| {
                peer.is_idle() || peer.leaves.is_some() || peer.wait().is_some_and(|it| it.to_come)
            })
        });
    }

    /// Makes and opens every latch that somebody waits for: that ends all.
    pub fn open_what_is_waited_for(&mut self) {
        for db in 0..DATABASES {
            let select = Call::line(&format!("SELECT {db}"));
            self.control(Side::Master, &select, false);
            for side in Side::BOTH {
                self.control(side, &select, false);
                let rows = self.control(side, &Call::line("LATCH.WAITERS COUNT 1000000"), false);
                let keys: Vec<_> = rows.items().iter().map(|row| row.items()[0].clone()).collect();
                for key in bytes_of(&Reply::Array(keys)) {
                    self.say(cmd!["LATCH.SET", key, "1"]);
                    self.say(cmd!["LATCH.COUNTDOWN", key]);
                }
            }
        }
        self.until("waits for latches that were still to come have ended", SOON, |storm| {
            storm.peers.iter().all(|peer| peer.is_idle() || peer.leaves.is_some())
        });
        for side in Side::BOTH {
            for db in 0..16 {
                self.control(side, &Call::line(&format!("SELECT {db}")), false);
                let rows = self.control(side, &Call::line("LATCH.WAITERS"), false);
                assert_eq!(rows, Reply::Array(Vec::new()), "waiters in database {db}");
            }
        }
    }

    /// Everybody is answered once more, and with nothing else.
    pub fn nobody_is_owed_anything(&mut self) {
        for _ in 0..2 {
            for peer in &mut self.peers {
                peer.ask(&Call::line("PING"));
            }
            self.until("everybody is answered", PATIENCE, |storm| {
                storm.peers.iter().all(|peer| peer.is_idle() || peer.leaves.is_some())
            });
        }
    }

    fn say(&mut self, words: impl Into<Vec<Vec<u8>>>) {
        let call = Call::nonsense(words);
        self.control(Side::Master, &call, false);
    }
}

/// The bulk strings in an array.
fn bytes_of(array: &Reply) -> Vec<Vec<u8>> {
    let bytes = |reply: &Reply| match reply {
        Reply::Bulk(bytes) => bytes.clone(),
        other => panic!("expected bytes, got {other:?}"),
    };
    array.items().iter().map(bytes).collect()
}
