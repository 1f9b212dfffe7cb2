//! The same under crashes: a server that answers only what is on disk is
//! killed again and again, and everybody asks again until answered.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::check::SOON;
use super::common::{Client, PATIENCE, Pipe, Random, Reply, Server, int, ok};

const WORKERS: usize = 4;
const WAITERS: usize = 8;
/// Countdowns in a round.
const COUNT: usize = 30;

/// Workers and waiters that live through crashes of their server.
pub struct Survivors {
    seed: u64,
    random: Random,
    rounds: usize,
    crashes: usize,
    asked_again: usize,
}

/// A client that may have no connection, and what it wants to know.
struct Asker<T> {
    pipe: Option<Pipe>,
    /// Asked, and not answered.
    asked: Option<T>,
}

impl<T> Asker<T> {
    fn new() -> Asker<T> {
        Asker { pipe: None, asked: None }
    }

    /// The reply, if it has come. A connection that is gone takes the question
    /// with it: the caller finds it unanswered.
    fn hear(&mut self) -> Option<(T, Reply)> {
        let pipe = self.pipe.as_mut()?;
        match pipe.turn() {
            Ok(replies) => {
                let reply = replies.into_iter().next()?;
                Some((self.asked.take().expect("a reply nobody has asked for"), reply))
            }
            Err(_) => {
                self.pipe = None;
                None
            }
        }
    }

    /// Asks, if there is a server to ask.
    fn ask(&mut self, server: &Server, question: T, words: &[String]) {
        if self.pipe.is_none() {
            self.pipe = Pipe::connect(&server.socket()).ok();
        }
        if let Some(pipe) = &mut self.pipe {
            pipe.send(words);
            pipe.write();
            self.asked = Some(question);
        }
    }
}

/// What is to be done in a round, and what has been.
struct Round {
    key: String,
    to_do: Vec<usize>,
    /// The ids that were answered.
    done: BTreeSet<usize>,
    /// When the last id was sent for the first time.
    last_sent: Option<Instant>,
}

impl Survivors {
    /// Everybody, with nothing done yet.
    pub fn new(seed: u64) -> Survivors {
        let random = Random::new(seed);
        Survivors { seed, random, rounds: 0, crashes: 0, asked_again: 0 }
    }

    /// How much there was of everything.
    pub fn summary(&self) -> String {
        let Survivors { rounds, crashes, asked_again, .. } = self;
        format!("{rounds} rounds, {crashes} crashes, {asked_again} countdowns sent again")
    }

    /// One latch, from being set to being open.
    pub fn live_through_a_round(&mut self, server: &mut Server) {
        self.rounds += 1;
        let key = format!("round:{}", self.rounds);
        let mut admin = server.client();
        // It lingers: who asks again after a crash can tell that it opened.
        let set = format!("LATCH.SET {key} {COUNT} LINGER 60");
        assert_eq!(admin.run(&set), ok());

        let mut to_do: Vec<_> = (0..COUNT).collect();
        self.random.shuffle(&mut to_do);
        let mut round = Round { key, to_do, done: BTreeSet::new(), last_sent: None };
        let mut workers: Vec<_> = (0..WORKERS).map(|_| Asker::new()).collect();
        let mut waiters: Vec<_> = (0..WAITERS).map(|_| Asker::new()).collect();
        // The last is held back: without it the latch stays closed.
        let last = round.to_do.remove(0);
        self.count_down(server, &mut round, &mut workers, &mut waiters);
        let count = ["LATCH.GET", &round.key];
        assert_eq!(server.client().call(count), int(1), "{}", self.hint("counted twice or lost"));

        round.to_do.push(last);
        round.last_sent = Some(Instant::now());
        self.count_down(server, &mut round, &mut workers, &mut waiters);
        self.expect_open(server, &round, &mut waiters);
    }

    /// Does what is to be done, whatever it takes.
    fn count_down(
        &mut self,
        server: &mut Server,
        round: &mut Round,
        workers: &mut [Asker<usize>],
        waiters: &mut [Asker<Instant>],
    ) {
        let deadline = Instant::now() + PATIENCE;
        let goal = round.done.len() + round.to_do.len();
        let mut done = 0;
        while round.done.len() < goal {
            assert!(Instant::now() < deadline, "{}", self.hint("it takes too long"));
            for worker in &mut *workers {
                self.work(server, round, worker);
            }
            self.wait(server, round, waiters);
            // Not before something was done since, or it may never end.
            if round.done.len() > done && self.random.once_in(40) {
                done = round.done.len();
                self.crash(server);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn work(&mut self, server: &Server, round: &mut Round, worker: &mut Asker<usize>) {
        match worker.hear() {
            Some((id, Reply::Int(remaining))) => {
                let allowed = 0..i64::try_from(COUNT).unwrap();
                assert!(allowed.contains(&remaining), "{}", self.hint("an impossible remainder"));
                round.done.insert(id);
            }
            Some((id, Reply::Error(text))) if text.starts_with("LOADING ") => round.to_do.push(id),
            Some((_, reply)) => panic!("{}", self.hint(&format!("a countdown got {reply:?}"))),
            None => {}
        }
        if worker.pipe.is_none()
            && let Some(id) = worker.asked.take()
        {
            // Nobody knows whether it was counted.
            round.to_do.push(id);
            self.asked_again += 1;
        }
        if worker.asked.is_none()
            && self.random.once_in(3)
            && let Some(id) = round.to_do.pop()
        {
            let words = ["LATCH.COUNTDOWN", &round.key, "ID", &id.to_string()].map(String::from);
            worker.ask(server, id, &words);
            if worker.asked.is_none() {
                round.to_do.push(id);
            }
        }
    }

    /// Lets everybody wait who does not.
    fn wait(&mut self, server: &Server, round: &Round, waiters: &mut [Asker<Instant>]) {
        for waiter in waiters {
            match waiter.hear() {
                Some((_, reply)) if reply == ok() => {
                    let early = round.last_sent.is_none();
                    assert!(!early, "{}", self.hint("a wait succeeded early"));
                }
                Some((_, Reply::Error(text))) if text.starts_with("LOADING ") => {}
                Some((_, reply)) => panic!("{}", self.hint(&format!("a wait got {reply:?}"))),
                None => {}
            }
            if waiter.pipe.is_none() {
                waiter.asked = None;
            }
            if waiter.asked.is_none() {
                // An error if it is not there: it always is.
                let words = ["LATCH.AWAIT", &round.key, "0", "MISSING", "ERROR"].map(String::from);
                waiter.ask(server, Instant::now(), &words);
            }
        }
    }

    /// All was answered, so the latch is open and stays so, also for whoever
    /// was parked before.
    fn expect_open(&mut self, server: &mut Server, round: &Round, waiters: &mut [Asker<Instant>]) {
        let answered = Instant::now();
        for waiter in &mut *waiters {
            let asked_before = |waiter: &Asker<Instant>| {
                waiter.pipe.is_some() && waiter.asked.is_some_and(|asked| asked < answered)
            };
            while asked_before(waiter) {
                assert!(answered.elapsed() < SOON, "{}", self.hint("a wait did not end"));
                if let Some((_, reply)) = waiter.hear() {
                    assert_eq!(reply, ok(), "{}", self.hint("a wait failed"));
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        self.expect_all_counted(&mut server.client(), &round.key);
        self.crash(server);
        self.expect_all_counted(&mut server.client(), &round.key);
    }

    fn crash(&mut self, server: &mut Server) {
        server.kill9();
        server.start_again();
        self.crashes += 1;
    }

    fn expect_all_counted(&self, client: &mut Client, key: &str) {
        let info = client.call(["LATCH.INFO", key]);
        let all = i64::try_from(COUNT).unwrap();
        assert_eq!(info.field("state").text(), "open", "{}", self.hint("it is not open"));
        assert_eq!(info.field("arrived"), &int(all), "{}", self.hint("ids were lost"));
        let late = client.call(["LATCH.AWAIT", key, "0", "MISSING", "ERROR"]);
        assert_eq!(late, ok(), "{}", self.hint("a late wait failed"));
    }

    fn hint(&self, problem: &str) -> String {
        format!("{problem}; LATCH_HISTORY_SEED={}", self.seed)
    }
}
