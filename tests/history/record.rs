//! Makes histories: latches that are armed again and again, workers that count
//! them down, and clients that wait.

use std::time::{Duration, Instant};

use super::check::{Countdown, History, Moment, Round, SOON, Span, Told, Wait};
use super::common::{PATIENCE, Pipe, Random, Reply, Server, array, int, ok};

const WORKERS: usize = 8;
const WAITERS: usize = 24;

/// The keys of the latches; the last has no shadow name of the usual kind.
const KEYS: [&str; 4] = ["one", "two", "{three}", "fo}ur"];

/// How often to ask whether all waiters are parked before giving up on that.
const ASKED: u32 = 20;

/// What the answer to a client is about.
#[derive(Clone, Copy)]
enum Job {
    /// A latch, and its countdown, by number.
    Countdown(usize, usize),
    /// A latch, and its wait, by number.
    Wait(usize, usize),
}

struct Client {
    pipe: Pipe,
    job: Option<Job>,
}

/// What the coordinator of a latch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It has sent `LATCH.SET`.
    Setting,
    /// The workers count down.
    Counting,
    /// It has asked how many clients are parked; there should be so many.
    Asking(usize),
    /// It has sent a transaction that opens the latch and sets it again.
    Rearming,
    /// It waits for all waits to end, since this moment.
    Draining(Moment),
}

struct Lane {
    key: &'static str,
    history: History,
    coordinator: Pipe,
    phase: Phase,
    /// The countdowns of this round that have not been sent, by id.
    to_do: Vec<Option<u64>>,
    /// Does it keep the last countdown for itself, to set the latch again in
    /// the same transaction?
    hasty: bool,
    asked: u32,
    /// Replies of the coordinator that are still to come.
    replies: usize,
}

/// All that is going on, in one thread.
pub struct Recorder {
    random: Random,
    began: Instant,
    workers: Vec<Client>,
    waiters: Vec<Client>,
    lanes: Vec<Lane>,
    next_id: u64,
}

impl Recorder {
    /// Connects everybody.
    pub fn new(server: &Server, seed: u64) -> Recorder {
        let pipe = || Pipe::connect(&server.socket()).expect("connecting");
        let client = |_| Client { pipe: pipe(), job: None };
        let lane = |key| Lane {
            key,
            history: History::default(),
            coordinator: pipe(),
            phase: Phase::Draining(Moment::ZERO),
            to_do: Vec::new(),
            hasty: false,
            asked: 0,
            replies: 0,
        };
        Recorder {
            random: Random::new(seed),
            began: Instant::now(),
            workers: (0..WORKERS).map(client).collect(),
            waiters: (0..WAITERS).map(client).collect(),
            lanes: KEYS.map(lane).into(),
            next_id: 0,
        }
    }

    /// The histories so far, by key.
    pub fn histories(&self) -> impl Iterator<Item = (&str, &History)> {
        self.lanes.iter().map(|lane| (lane.key, &lane.history))
    }

    /// Ends the rounds that have begun; returns the time when nothing more can
    /// come.
    pub fn finish(&mut self) -> Moment {
        let deadline = Instant::now() + PATIENCE;
        let is_over = |lane: &Lane| matches!(lane.phase, Phase::Draining(_)) && lane.is_drained();
        while !self.lanes.iter().all(is_over) && Instant::now() < deadline {
            self.go_on(false);
        }
        self.began.elapsed()
    }

    /// A turn for everybody; do new rounds and waits begin?
    pub fn go_on(&mut self, begin: bool) {
        let mut quiet = true;
        for client in self.workers.iter_mut().chain(&mut self.waiters) {
            let replies = client.pipe.turn().expect("the connection of a client");
            for reply in replies {
                quiet = false;
                let job = client.job.take().expect("a reply nobody has asked for");
                note(&mut self.lanes, job, &reply, self.began.elapsed());
            }
        }
        for at in 0..self.lanes.len() {
            quiet &= !self.coordinate(at, begin);
        }
        self.count_down();
        if begin {
            self.wait();
        }
        if quiet {
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Gives countdowns to idle workers.
    fn count_down(&mut self) {
        for worker in self.workers.iter_mut().filter(|worker| worker.job.is_none()) {
            let lane_at = self.random.below(self.lanes.len());
            let lane = &mut self.lanes[lane_at];
            if lane.phase != Phase::Counting || self.random.once_in(2) {
                continue;
            }
            let Some(id) = lane.to_do.pop() else { continue };
            let mut words = vec!["LATCH.COUNTDOWN".into(), lane.key.to_owned()];
            if let Some(id) = id {
                words.extend(["ID".into(), id.to_string()]);
            }
            let countdowns = &mut lane.round().countdowns;
            worker.job = Some(Job::Countdown(lane_at, countdowns.len()));
            let span = Span { sent: self.began.elapsed(), answered: None };
            countdowns.push(Countdown { span, id, remaining: None });
            worker.pipe.send(&words);
            worker.pipe.write();
        }
    }

    /// Lets idle clients wait for some latch.
    fn wait(&mut self) {
        for waiter in self.waiters.iter_mut().filter(|waiter| waiter.job.is_none()) {
            let lane_at = self.random.below(self.lanes.len());
            let lane = &mut self.lanes[lane_at];
            let counted = matches!(lane.phase, Phase::Asking(_) | Phase::Rearming);
            if counted || !self.random.once_in(8) {
                continue;
            }
            let millis = self.random.once_in(3).then(|| 1 + self.random.below(30) as u64);
            let timeout = millis.map(Duration::from_millis);
            let seconds = timeout.map_or(0.0, |timeout| timeout.as_secs_f64()).to_string();
            waiter.job = Some(Job::Wait(lane_at, lane.history.waits.len()));
            let span = Span { sent: self.began.elapsed(), answered: None };
            lane.history.waits.push(Wait { span, timeout, parked: None, told: None });
            waiter.pipe.send(["LATCH.AWAIT", lane.key, &seconds]);
            waiter.pipe.write();
        }
    }

    /// A step of the coordinator of a latch. Was there one?
    fn coordinate(&mut self, at: usize, begin: bool) -> bool {
        let lane = &mut self.lanes[at];
        let replies = lane.coordinator.turn().expect("the connection of a coordinator");
        let now = self.began.elapsed();
        let last = replies.last().cloned();
        lane.replies -= replies.len();
        match (lane.phase, last) {
            _ if lane.replies > 0 => return false,
            (Phase::Setting, Some(reply)) => {
                assert_eq!(reply, ok());
                lane.round().set.answered = Some(now);
                lane.phase = Phase::Counting;
            }
            (Phase::Counting, None) if lane.is_counted() => {
                if lane.hasty {
                    lane.ask();
                } else {
                    lane.phase = Phase::Draining(now);
                }
            }
            (Phase::Asking(expected), Some(reply)) => {
                let all = reply.field("waiters") == &int(i64::try_from(expected).unwrap());
                if all {
                    let waits = lane.history.waits.iter_mut();
                    for wait in waits.filter(|wait| wait.span.answered.is_none()) {
                        wait.parked.get_or_insert(now);
                    }
                }
                if all || lane.asked == ASKED {
                    self.rearm(at);
                } else {
                    lane.ask();
                }
            }
            (Phase::Rearming, Some(reply)) => {
                assert_eq!(reply, array([int(0), ok()]));
                lane.round().set.answered = Some(now);
                let rounds = &mut lane.history.rounds;
                let before = rounds.len() - 2;
                let last = rounds[before].countdowns.last_mut().expect("the last countdown");
                (last.span.answered, last.remaining) = (Some(now), Some(0));
                lane.phase = Phase::Counting;
            }
            (Phase::Draining(since), None) => {
                let over = lane.is_drained() || now > since + 2 * SOON;
                if over && begin {
                    self.set(at);
                } else {
                    return false;
                }
            }
            _ => return false,
        }
        true
    }

    /// Sets the latch for a new round.
    fn set(&mut self, at: usize) {
        let count = self.new_round(at);
        let lane = &mut self.lanes[at];
        lane.coordinator.send(["LATCH.SET", lane.key, &count.to_string()]);
        lane.coordinator.write();
        lane.replies = 1;
        lane.phase = Phase::Setting;
    }

    /// Opens the latch and sets it again, in one transaction.
    fn rearm(&mut self, at: usize) {
        let span = Span { sent: self.began.elapsed(), answered: None };
        let last = Countdown { span, id: None, remaining: None };
        self.lanes[at].round().countdowns.push(last);
        let count = self.new_round(at).to_string();
        let lane = &mut self.lanes[at];
        lane.coordinator.send(["MULTI"]);
        lane.coordinator.send(["LATCH.COUNTDOWN", lane.key]);
        lane.coordinator.send(["LATCH.SET", lane.key, &count]);
        lane.coordinator.send(["EXEC"]);
        lane.coordinator.write();
        lane.replies = 4;
        lane.phase = Phase::Rearming;
    }

    /// Plans a round; returns its count.
    fn new_round(&mut self, at: usize) -> i64 {
        let count = 1 + self.random.below(12);
        let hasty = self.random.once_in(2);
        let mut to_do = Vec::new();
        for _ in 0..count - usize::from(hasty) {
            let id = self.random.once_in(2).then(|| {
                self.next_id += 1;
                self.next_id
            });
            to_do.push(id);
            // Perhaps it is sent again, perhaps while the first is on its way.
            let again = if id.is_some() { self.random.below(3) } else { 0 };
            to_do.extend(std::iter::repeat_n(id, again));
        }
        self.random.shuffle(&mut to_do);
        let sent = self.began.elapsed();
        let lane = &mut self.lanes[at];
        let count = i64::try_from(count).unwrap();
        let set = Span { sent, answered: None };
        lane.history.rounds.push(Round { count, set, countdowns: Vec::new() });
        (lane.to_do, lane.hasty, lane.asked) = (to_do, hasty, 0);
        count
    }
}

impl Lane {
    /// The current round.
    fn round(&mut self) -> &mut Round {
        self.history.rounds.last_mut().expect("a round")
    }

    /// Has every countdown been sent and answered?
    fn is_counted(&self) -> bool {
        let round = self.history.rounds.last().expect("a round");
        let answered = |countdown: &Countdown| countdown.span.answered.is_some();
        self.to_do.is_empty() && round.countdowns.iter().all(answered)
    }

    /// Has every wait ended?
    fn is_drained(&self) -> bool {
        // Those of long ago have.
        let latest = self.history.waits.iter().rev().take(20 * WAITERS);
        latest.clone().all(|wait| wait.span.answered.is_some())
    }

    /// Asks how many are parked.
    fn ask(&mut self) {
        let waits = self.history.waits.iter().rev().take(20 * WAITERS);
        let waiting = waits.filter(|wait| wait.span.answered.is_none()).count();
        self.coordinator.send(["LATCH.INFO", self.key]);
        self.coordinator.write();
        self.replies = 1;
        self.asked += 1;
        self.phase = Phase::Asking(waiting);
    }
}

/// Notes what the answer to a job was.
fn note(lanes: &mut [Lane], job: Job, reply: &Reply, now: Moment) {
    match job {
        Job::Countdown(lane, at) => {
            let countdown = &mut lanes[lane].round().countdowns[at];
            countdown.span.answered = Some(now);
            countdown.remaining = Some(reply.int());
        }
        Job::Wait(lane, at) => {
            let wait = &mut lanes[lane].history.waits[at];
            wait.span.answered = Some(now);
            wait.told = Some(match reply {
                Reply::NullBulk => Told::TimedOut,
                reply => {
                    assert_eq!(*reply, ok(), "{wait:?}");
                    Told::Opened
                }
            });
        }
    }
}
