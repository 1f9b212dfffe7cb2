//! One client of the storm: what it has sent, and what it is still owed.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::common::{PATIENCE, Pipe, Reply, Server, encode};
use super::deeds::Deed;
use super::oracle::{Call, Circumstances, Expected, Form, Wait};
use super::weather::Weather;

/// How long a client that makes noise stays to hear what is said to it.
const NOISE: Duration = Duration::from_millis(100);

/// A connection, and the replies it waits for, in order.
pub struct Peer {
    pipe: Pipe,
    /// By which the server knows it.
    pub id: Option<i64>,
    /// Is it one of the replica's?
    pub on_replica: bool,
    resp3: bool,
    owed: VecDeque<(Expected, Instant)>,
    /// Since when the first of them is the first.
    first_since: Instant,
    /// May its connection be closed by the server?
    pub may_close: bool,
    /// Has anybody sent `CLIENT UNBLOCK` for it?
    pub unblocked: bool,
    /// Has a command of its transaction been refused?
    refused: bool,
    /// When it goes, if it has made noise.
    pub leaves: Option<Instant>,
    /// What `DUMP` and others have brought in the last turn.
    pub brought: Vec<(String, Reply)>,
}

/// How a turn of a peer ended.
pub enum Turn {
    /// It goes on.
    Open,
    /// The server has closed the connection, as it may.
    Closed,
}

impl Peer {
    /// Connects, asks for its id, and chooses protocol and database.
    pub fn connect(server: &Server, on_replica: bool, resp3: bool, db: usize) -> io::Result<Peer> {
        let pipe = Pipe::connect(&server.socket())?;
        let mut peer = Peer {
            pipe,
            id: None,
            on_replica,
            resp3: false,
            owed: VecDeque::new(),
            first_since: Instant::now(),
            may_close: false,
            unblocked: false,
            refused: false,
            leaves: None,
            brought: Vec::new(),
        };
        peer.ask(&Call::line("CLIENT ID"));
        if resp3 {
            peer.ask(&Call::line("HELLO 3"));
            peer.resp3 = true;
        }
        peer.ask(&Call::line(&format!("SELECT {db}")));
        Ok(peer)
    }

    /// Sends one command.
    pub fn ask(&mut self, call: &Call) {
        self.ask_for(call, call.expected());
    }

    /// Sends one command that must be replied so.
    pub fn ask_for(&mut self, call: &Call, expected: Expected) {
        self.pipe.send(&call.words);
        self.owe(expected);
    }

    /// Does what was drawn for it.
    pub fn perform(&mut self, deed: &Deed) {
        match deed {
            Deed::One(call) => self.ask(call),
            Deed::Select(db) => self.ask(&Call::line(&format!("SELECT {db}"))),
            Deed::Transaction(watched, calls) => self.transact(watched.as_ref(), calls),
            Deed::Silent(calls) => self.run_silently(calls),
            Deed::Noise(bytes) => {
                self.pipe.send_raw(bytes);
                self.may_close = true;
                self.leaves = Some(Instant::now() + NOISE);
            }
            Deed::Leave => self.leaves = Some(Instant::now()),
        }
    }

    fn transact(&mut self, watched: Option<&Call>, calls: &[Call]) {
        if let Some(watch) = watched {
            self.ask(watch);
        }
        self.ask(&Call::line("MULTI"));
        for call in calls {
            self.pipe.send(&call.words);
            let forms = vec![Form::Queued, Form::OutOfMemory];
            self.owe(Expected { sent: call.text(), forms, wait: None });
        }
        self.pipe.send(["EXEC"]);
        let all = calls.iter().map(|call| self.with_common(call.expected_at_once())).collect();
        let mut forms = vec![Form::Exec(all), Form::Discarded];
        if watched.is_some() {
            forms.push(Form::NotExecuted);
        }
        let texts: Vec<_> = calls.iter().map(Call::text).collect();
        self.owe(Expected { sent: format!("EXEC {}", texts.join("; ")), forms, wait: None });
    }

    fn run_silently(&mut self, calls: &[Call]) {
        let mut bytes = encode(["CLIENT", "REPLY", "OFF"]);
        for call in calls {
            bytes.extend(encode(&call.words));
        }
        bytes.extend(encode(["CLIENT", "REPLY", "ON"]));
        self.pipe.send_raw(&bytes);
        let texts: Vec<_> = calls.iter().map(Call::text).collect();
        let sent = format!("silently: {}", texts.join("; "));
        let waits = calls.iter().filter_map(|call| call.expected().wait);
        let wait = waits.reduce(|a, b| Wait { timeout: None, to_come: a.to_come || b.to_come });
        let wait = wait.map(|wait| Wait { timeout: None, ..wait });
        self.owe(Expected { sent, forms: vec![Form::Ok], wait });
    }

    fn owe(&mut self, expected: Expected) {
        if self.owed.is_empty() {
            self.first_since = Instant::now();
        }
        let expected = self.with_common(expected);
        self.owed.push_back((expected, Instant::now()));
    }

    /// With what any command may be told by this server.
    fn with_common(&self, mut expected: Expected) -> Expected {
        expected.forms.extend([Form::Error("LOADING "), Form::Busy]);
        if self.on_replica {
            expected.forms.push(Form::Error("READONLY "));
        }
        expected
    }

    /// Reads what has come, and compares it with what is owed. The error is
    /// what is wrong with it.
    pub fn turn(
        &mut self,
        weather: &Weather,
        mut trace: impl FnMut(String),
    ) -> Result<Turn, String> {
        let Ok(replies) = self.pipe.turn() else {
            return if self.may_close {
                Ok(Turn::Closed)
            } else {
                Err(format!("the connection was closed, and nobody said so; owed {:?}", self.owed))
            };
        };
        for reply in replies {
            trace(format!("{} <- {reply:?}", self.name()));
            if self.leaves.is_none() {
                self.take(reply, weather)?;
            }
        }
        match self.owed.front() {
            Some((expected, sent)) if self.leaves.is_none() => {
                let late = expected.patience(PATIENCE, weather, *sent);
                if late.is_some_and(|late| self.first_since.elapsed() > late) {
                    return Err(format!("no reply to {} in time", expected.sent));
                }
            }
            _ => {}
        }
        Ok(Turn::Open)
    }

    /// Compares a reply with what is owed first.
    fn take(&mut self, reply: Reply, weather: &Weather) -> Result<(), String> {
        let Some((expected, sent)) = self.owed.pop_front() else {
            return Err(format!("a reply nobody has asked for: {reply:?}"));
        };
        let so = Circumstances {
            resp3: self.resp3,
            unblocked: self.unblocked,
            refused: self.refused,
            sent,
            elapsed: sent.elapsed(),
            weather: *weather,
        };
        self.first_since = Instant::now();
        if !expected.allows(&reply, so) {
            return Err(format!("{} was replied {reply:?}; {so:?}", expected.sent));
        }
        let is_error = matches!(reply, Reply::Error(_));
        self.refused = !expected.is_exec() && (self.refused || is_error && expected.is_queued());
        match (expected.sent.as_str(), &reply) {
            ("CLIENT ID", Reply::Int(id)) => self.id = Some(*id),
            // Not now.
            ("CLIENT ID", _) => self.ask(&Call::line("CLIENT ID")),
            _ => {}
        }
        self.brought.push((expected.sent, reply));
        Ok(())
    }

    /// Has it got everything it is owed?
    pub fn is_idle(&self) -> bool {
        self.owed.is_empty()
    }

    /// The command whose reply is next, if it may park.
    pub fn wait(&self) -> Option<Wait> {
        self.owed.front()?.0.wait
    }

    /// What it is owed, if anything.
    pub fn owed(&self) -> Option<String> {
        let (expected, _) = self.owed.front()?;
        Some(format!("{}: {}", self.name(), expected.sent))
    }

    /// Is there such a command among those it waits for?
    pub fn is_owed(&self, text: &str) -> bool {
        self.owed.iter().any(|(expected, _)| expected.sent.contains(text))
    }

    /// Its name in a trace.
    pub fn name(&self) -> String {
        let server = if self.on_replica { "replica" } else { "master" };
        format!("{server}/{}", self.id.unwrap_or_default())
    }
}

impl Deed {
    /// The commands in it.
    pub fn calls(&self) -> Vec<&Call> {
        match self {
            Deed::One(call) => vec![call],
            Deed::Transaction(_, calls) | Deed::Silent(calls) => calls.iter().collect(),
            Deed::Select(_) | Deed::Noise(_) | Deed::Leave => Vec::new(),
        }
    }

    /// It as text, for a trace.
    pub fn text(&self) -> String {
        let kind = match self {
            Deed::One(_) => "",
            Deed::Transaction(Some(_), _) => "watched transaction: ",
            Deed::Transaction(None, _) => "transaction: ",
            Deed::Silent(_) => "silently: ",
            Deed::Select(db) => return format!("SELECT {db}"),
            Deed::Noise(bytes) => return format!("noise: {}", bytes.escape_ascii()),
            Deed::Leave => "leaves",
        };
        let texts: Vec<_> = self.calls().iter().map(|call| call.text()).collect();
        format!("{kind}{}", texts.join("; "))
    }
}
