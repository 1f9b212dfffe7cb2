//! A client that simply asks again.
//!
//! A wait is a question, and asking it twice does no harm. So whoever is sent
//! away, from a node that died, was demoted or gave its slot away, asks again
//! where the latch is now. That is all it takes:
//!
//! | told                                            | then                            |
//! |-------------------------------------------------|---------------------------------|
//! | `MOVED`                                         | ask there                       |
//! | `ASK`                                           | ask there, after `ASKING`       |
//! | `UNBLOCKED`, `LATCHGONE`                        | ask again                       |
//! | `CLUSTERDOWN`, `TRYAGAIN`, `LOADING`, `READONLY`, `MASTERDOWN` | ask again, in a while |
//! | the connection is closed, or refused            | find the node anew, ask again   |
//! | anything else                                   | that is the answer              |
//!
//! Countdowns may be sent the same way if they carry an `ID`: sent twice, they
//! count once.
//!
//! Whoever asks again may come after the latch has opened and gone, and finds
//! no latch, which means open. To tell that from a latch that somebody deleted,
//! make latches that linger, and ask with `MISSING ERROR`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::client::Client;
use super::eventually;
use super::resp::Reply;

/// How long asking may go on: a failover takes seconds.
const PERSEVERANCE: Duration = Duration::from_secs(45);

/// A client of a cluster, or of whatever else moves its masters about.
pub struct Retrying {
    /// The port of a node that may know, when there is no better idea.
    find: Box<dyn FnMut() -> Option<u16> + Send>,
    connection: Option<Client>,
    told: Vec<String>,
}

/// What a [`Retrying`] client got, and what it was told before.
#[derive(Debug)]
pub struct Answer {
    /// The reply that was not an invitation to ask again.
    pub reply: Reply,
    /// The codes of all the others in order, repeats left out: `closed` for a
    /// connection, else as in `MOVED`.
    pub told: Vec<String>,
}

/// A command that is being retried, on a thread of its own.
pub struct Pending(JoinHandle<Answer>);

impl Retrying {
    /// A client that starts over at a port that `find` tells.
    pub fn new(find: impl FnMut() -> Option<u16> + Send + 'static) -> Retrying {
        Retrying { find: Box::new(find), connection: None, told: Vec::new() }
    }

    /// Asks until there is an answer.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> Reply {
        eventually(line, PERSEVERANCE, || self.ask_once(line))
    }

    /// [`run`](Self::run), with what was told before.
    #[track_caller]
    pub fn ask(mut self, line: &str) -> Answer {
        let reply = self.run(line);
        Answer { reply, told: self.told }
    }

    /// [`ask`](Self::ask), without waiting for the answer.
    pub fn asks(self, line: &str) -> Pending {
        let line = line.to_owned();
        Pending(thread::spawn(move || self.ask(&line)))
    }

    /// Counts `key` down on a thread of its own, with one new id after the
    /// other that begins with `name`, until it is stopped.
    pub fn counts_down(mut self, key: &str, name: &str) -> Counting {
        let stop = Arc::new(AtomicBool::new(false));
        let (is_over, key, name) = (Arc::clone(&stop), key.to_owned(), name.to_owned());
        let thread = thread::spawn(move || {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                self.run(&format!("LATCH.COUNTDOWN {key} ID {name}:{count}")).int();
                count += 1;
            }
            count
        });
        Counting { stop, thread }
    }

    /// The answer, unless it is to ask again.
    fn ask_once(&mut self, line: &str) -> Option<Reply> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Client::connect_tcp((self.find)()?).ok()?),
        };
        let words = line.split_whitespace();
        let Ok(reply) = connection.try_call_within(words, PERSEVERANCE) else {
            self.connection = None;
            self.was_told("closed");
            return None;
        };
        let Reply::Error(text) = &reply else {
            return Some(reply);
        };
        let mut words = text.split(' ');
        let code = words.next().unwrap_or_default();
        match code {
            "MOVED" | "ASK" => self.connection = follow(code, words.next_back()?),
            "UNBLOCKED" | "LATCHGONE" | "CLUSTERDOWN" | "TRYAGAIN" | "LOADING" | "MASTERDOWN" => {}
            // Not the master any more.
            "READONLY" => self.connection = None,
            _ => return Some(reply),
        }
        self.was_told(code);
        None
    }

    fn was_told(&mut self, what: &str) {
        if self.told.last().is_none_or(|last| last != what) {
            self.told.push(what.into());
        }
    }
}

/// A connection to where a redirection points to, if one can be had.
fn follow(code: &str, address: &str) -> Option<Client> {
    let (_, port) = address.rsplit_once(':')?;
    let mut client = Client::connect_tcp(port.parse().ok()?).ok()?;
    if code == "ASK" {
        // It holds for one command.
        client.try_call(["ASKING"]).ok()?;
    }
    Some(client)
}

/// A client that counts down, on a thread of its own.
pub struct Counting {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<i64>,
}

impl Counting {
    /// Ends it after its last countdown was answered; how many were.
    #[track_caller]
    pub fn stop(self) -> i64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the client gave up")
    }
}

impl Pending {
    /// Waits for the answer.
    #[track_caller]
    pub fn answer(self) -> Answer {
        self.0.join().expect("the client gave up")
    }
}
