//! Clients that watch whether the servers look after those who wait, whatever
//! else they have to do: that a latch has expired is told in time, and that one
//! has come by `RENAME`, of which no event tells, is noticed.
//!
//! They have a database of their own, in which nobody else does anything but
//! `FLUSHALL`, and time and memory what they do everywhere.

use std::time::{Duration, Instant};

use super::common::{Reply, Server, cmd};
use super::deeds::Deed;
use super::driver::Side;
use super::oracle::{Call, Expected, Form};
use super::peer::Peer;

/// Where nobody else is.
const DATABASE: usize = 5;

/// How long a probe waits, in seconds. An expiry is told within 1.2 s, and an
/// arrival within one; but pauses, slow scripts and, on a replica, lost links and
/// loads take their time, too.
const LONG_ENOUGH: [&str; 2] = ["4", "6"];

/// An arrival that is so old has been noticed.
const NOTICED: [Duration; 2] = [Duration::from_millis(2500), Duration::from_secs(4)];

/// How long a latch lives that is to expire.
const LIFETIME_MILLIS: &str = "300";

/// So long after one step comes the next, that it may have reached the replica,
/// or the lot.
const STEP: Duration = Duration::from_millis(50);

/// So long after it has begun to wait a latch comes: what looks after waiters has
/// been there by then, and has to come again.
const SEEN: Duration = Duration::from_millis(500);

/// One of these clients, and another that does to the master what it waits for.
pub struct Probe {
    pub side: Side,
    waiter: Peer,
    maker: Peer,
    /// How many probes there were.
    number: usize,
    step: Step,
    /// Not before then.
    next: Instant,
    /// What the waiter was told last.
    told: Option<Reply>,
    /// How many arrivals it was told of.
    pub noticed: u64,
    /// When a latch has come.
    came: Option<Instant>,
}

/// What is to be done next, of an expiry and of an arrival.
#[derive(Clone, Copy, Debug)]
enum Step {
    MakeMortal,
    AwaitItsEnd,
    AwaitArrival,
    Rename,
    SeeArrival,
    LookForIt,
}

impl Probe {
    /// A probe of one of the servers.
    pub fn new(servers: [&Server; 2], side: Side) -> Probe {
        let connect = |side: Side| {
            let server = servers[side as usize];
            let mut peer = Peer::connect(server, side == Side::Replica, false, DATABASE).unwrap();
            peer.may_close = true;
            peer
        };
        Probe {
            side,
            waiter: connect(side),
            maker: connect(Side::Master),
            number: 0,
            step: Step::MakeMortal,
            next: Instant::now(),
            told: None,
            noticed: 0,
            came: None,
        }
    }

    /// The same, after it has lost a connection.
    pub fn again(self, servers: [&Server; 2]) -> Probe {
        Probe { number: self.number + 1, noticed: self.noticed, ..Probe::new(servers, self.side) }
    }

    /// Both of its clients.
    pub fn peers(&mut self) -> [&mut Peer; 2] {
        [&mut self.waiter, &mut self.maker]
    }

    /// Does its next step, if it is time, and tells what.
    pub fn go_on(&mut self) -> Option<String> {
        self.take_replies();
        if !self.is_ready() {
            return None;
        }
        let step = self.step;
        self.step = self.do_step();
        let pause = if matches!(step, Step::AwaitArrival) { SEEN } else { STEP };
        self.next = Instant::now() + pause;
        Some(format!("probe {} of the {:?}: {step:?}", self.number, self.side))
    }

    /// Is nothing missing for the next step?
    fn is_ready(&self) -> bool {
        let may_wait_meanwhile = matches!(self.step, Step::Rename);
        Instant::now() >= self.next
            && self.maker.is_idle()
            && (self.waiter.is_idle() || may_wait_meanwhile)
    }

    /// Notes what has come since.
    fn take_replies(&mut self) {
        if let Some((_, reply)) = self.waiter.brought.drain(..).next_back() {
            self.told = Some(reply);
        }
        let done = self.maker.brought.drain(..).next_back();
        if matches!((self.step, done), (Step::SeeArrival, Some((_, Reply::Array(_))))) {
            self.came = Some(Instant::now());
        }
    }

    /// Does it, and answers what comes after it.
    fn do_step(&mut self) -> Step {
        let key = self.key();
        match self.step {
            Step::MakeMortal => {
                let words = cmd!["LATCH.SET", key, "1", "PX", LIFETIME_MILLIS];
                self.maker.ask(&Call::new(words));
                Step::AwaitItsEnd
            }
            Step::AwaitItsEnd => {
                self.await_its_end();
                self.number += 1;
                Step::AwaitArrival
            }
            Step::AwaitArrival => {
                let words = cmd!["LATCH.AWAIT", key, self.patience(), "MISSING", "WAIT"];
                self.waiter.ask(&Call::new(words));
                Step::Rename
            }
            Step::Rename => {
                self.came = None;
                self.rename();
                Step::SeeArrival
            }
            Step::SeeArrival if self.told == Some(Reply::NullBulk) && self.came_long_ago() => {
                Step::LookForIt
            }
            Step::SeeArrival => {
                let is_noticed = self.told == Some(Reply::Simple("OK".into()));
                self.noticed += u64::from(is_noticed);
                self.number += 1;
                Step::MakeMortal
            }
            Step::LookForIt => {
                self.look_for_it();
                self.number += 1;
                Step::MakeMortal
            }
        }
    }

    fn key(&self) -> String {
        format!("probe:{:?}:{}", self.side, self.number)
    }

    fn patience(&self) -> &'static str {
        LONG_ENOUGH[self.side as usize]
    }

    /// Whatever becomes of the latch, it has ended in time: null will not do.
    fn await_its_end(&mut self) {
        let call = Call::new(cmd!["LATCH.AWAIT", self.key(), self.patience()]);
        let mut expected = call.expected();
        expected.forms.retain(|form| !matches!(form, Form::TimedOut));
        self.waiter.ask_for(&call, expected);
    }

    /// An open latch comes to the key, and no event says so.
    fn rename(&mut self) {
        let (key, origin) = (self.key(), format!("from:{:?}", self.side));
        self.maker.perform(&Deed::Transaction(
            None,
            vec![
                Call::new(cmd!["LATCH.SET", origin, "0", "LINGER", "20"]),
                Call::new(cmd!["RENAME", origin, key]),
            ],
        ));
    }

    fn came_long_ago(&self) -> bool {
        self.came.is_some_and(|came| came.elapsed() >= NOTICED[self.side as usize])
    }

    /// The wait for an arrival has ended as if it had never come: it must not be
    /// there.
    fn look_for_it(&mut self) {
        let call = Call::new(cmd!["EXISTS", self.key()]);
        let sent = format!("{}, whose arrival nobody was told of,", call.text());
        let expected = Expected { sent, forms: vec![Form::Exactly(0)], wait: None };
        self.waiter.ask_for(&call, expected);
    }
}
