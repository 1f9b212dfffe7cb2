//! The states of a latch `k`, and what a row of a table says of a command to it.

use super::client::Client;
use super::resp::{Reply, ok};
use super::server::Server;
use super::witness::{Seen, Witness};

/// No latch, or none any more.
pub const MISSING: &[&str] = &[];
/// Closed, with a count of 5: the id `r` is recorded, and `p` is announced.
pub const CLOSED: &[&str] =
    &["LATCH.SET k 5 EX 1000 LINGER 100", "LATCH.ADD k 1 ID p", "LATCH.COUNTDOWN k ID r"];
/// Open for a while: the id `r` is recorded, and `p` is announced.
pub const OPEN: &[&str] = &[
    "LATCH.SET k 2 LINGER 100",
    "LATCH.ADD k 1 ID p",
    "LATCH.COUNTDOWN k",
    "LATCH.COUNTDOWN k 2 ID r",
];
/// Aborted: the id `r` is recorded, and `p` is announced.
pub const ABORTED: &[&str] =
    &["LATCH.SET k 5 EX 1000", "LATCH.ADD k 1 ID p", "LATCH.COUNTDOWN k ID r", "LATCH.ABORT k no"];
/// A value of another type.
pub const STRING: &[&str] = &["SET k string"];

/// What a table says of a command.
#[derive(Clone, Debug)]
pub enum Cell {
    /// This reply, and nothing else: nothing changes, nothing is propagated, there is no
    /// event, and who watches the key is not disturbed.
    Same(Reply),
    /// This reply, and a change: the events of `k`, and what is propagated, if anything is.
    Changed(Reply, &'static [&'static str], Option<String>),
}

impl Cell {
    /// Has a latch in this state, sends the command, and panics unless that is as the cell
    /// says.
    #[track_caller]
    pub fn check(&self, witness: &mut Witness, client: &mut Client, state: &[&str], line: &str) {
        prepare(client, state);
        self.check_call(witness, &format!("{line} after {state:?}"), || client.run(line));
    }

    /// Panics unless what `act` does is as the cell says.
    #[track_caller]
    pub fn check_call(&self, witness: &mut Witness, what: &str, act: impl FnOnce() -> Reply) {
        let (got, seen) = witness.see("k", act);
        let (reply, expected) = match self {
            Self::Same(reply) => (reply, Seen::default()),
            Self::Changed(reply, events, propagated) => {
                let events = events.iter().map(|event| format!("{event} k")).collect();
                let propagated = propagated.iter().cloned().collect();
                (reply, Seen { events, propagated, broke_watch: true, changed_data: true })
            }
        };
        assert_eq!((&got, seen), (reply, expected), "{what}");
    }
}

/// Has `k` in this state, and nothing else.
#[track_caller]
pub fn prepare(client: &mut Client, state: &[&str]) {
    client.run("FLUSHALL");
    for line in state {
        let reply = client.run(line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
}

/// What `LATCH.INFO k` says in these fields, as text.
#[track_caller]
pub fn fields<const N: usize>(client: &mut Client, names: [&str; N]) -> [String; N] {
    let info = client.run("LATCH.INFO k");
    names.map(|name| match info.field(name) {
        Reply::Int(number) => number.to_string(),
        text => text.text(),
    })
}

impl Server {
    /// Switches off that the server removes what has expired by itself.
    #[track_caller]
    pub fn keep_the_expired(&self) {
        assert_eq!(self.run("DEBUG SET-ACTIVE-EXPIRE 0"), ok());
    }
}
