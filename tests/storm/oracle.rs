//! What a command may be replied, whatever else goes on.

use std::time::{Duration, Instant};

use super::common::Reply;
use super::edges::{Timeout, is_lifetime, is_linger};
use super::weather::Weather;

/// A form that a reply may have.
#[derive(Clone, Debug)]
pub enum Form {
    /// `+OK`
    Ok,
    /// The null of the protocol of the client.
    Null,
    /// Null, if the timeout of the wait has passed or somebody unblocked it.
    TimedOut,
    /// An error, if somebody unblocked it.
    Unblocked,
    /// An integer from 0 up.
    Count,
    /// This integer.
    Exactly(i64),
    /// An integer.
    Number,
    /// A bulk string.
    Bulk,
    /// One of these, as a bulk string.
    OneOf(Vec<Vec<u8>>),
    /// A simple string that begins with this.
    Simple(&'static str),
    /// An error that begins with this.
    Error(&'static str),
    /// A refusal by `maxmemory`, while that is low.
    OutOfMemory,
    /// A refusal by `latch.max-waiters`, while that is low.
    Full,
    /// A refusal since a script is slow, where that is said so soon.
    Busy,
    /// `+QUEUED`
    Queued,
    /// An array.
    List,
    /// An array of a key, a count and a time each.
    Rows,
    /// The map of `LATCH.INFO`, in either protocol.
    Fields,
    /// What a transaction replies: for each command one of its own forms.
    Exec(Vec<Expected>),
    /// What it replies when it, or a command in it, has been refused.
    Discarded,
    /// What it replies when a key under `WATCH` has changed.
    NotExecuted,
    /// Whatever a server can say.
    Anything,
}

/// A command that may park its client.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// None: for ever.
    pub timeout: Option<Duration>,
    /// Does it wait for a latch that is still to come?
    pub to_come: bool,
}

/// A command that was sent, and what it may be replied.
#[derive(Clone, Debug)]
pub struct Expected {
    pub sent: String,
    pub forms: Vec<Form>,
    pub wait: Option<Wait>,
}

/// What an answer is judged by, besides the command.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Does the client speak RESP3?
    pub resp3: bool,
    /// Has anybody sent `CLIENT UNBLOCK` for it?
    pub unblocked: bool,
    /// Has a command of the transaction been refused?
    pub refused: bool,
    /// When the command was sent.
    pub sent: Instant,
    /// Since then.
    pub elapsed: Duration,
    /// How it is on the server.
    pub weather: Weather,
}

/// One command.
#[derive(Clone, Debug)]
pub struct Call {
    pub words: Vec<Vec<u8>>,
    pub kind: Kind,
}

/// How much is known of the reply to a command.
#[derive(Clone, Debug)]
pub enum Kind {
    /// It is in the table.
    Sense,
    /// Any answer will do.
    Nonsense,
    /// The reply to the last command of the script, if it has any.
    Script { last: Option<Box<Call>>, text: String },
}

impl Call {
    /// A command that makes sense.
    pub fn new(words: impl Into<Vec<Vec<u8>>>) -> Call {
        Call { words: words.into(), kind: Kind::Sense }
    }

    /// A command of words without spaces.
    pub fn line(line: &str) -> Call {
        Call::new(line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    /// The name of the command, which of a container is that of the command in it.
    pub fn name(&self) -> String {
        let word = |at: usize| self.words.get(at).map(|word| word.escape_ascii().to_string());
        match word(0) {
            Some(name) if matches!(name.as_str(), "CLIENT" | "CONFIG" | "DEBUG") => {
                format!("{name} {}", word(1).unwrap_or_default())
            }
            name => name.unwrap_or_default(),
        }
    }

    /// A command to which any answer will do.
    pub fn nonsense(words: impl Into<Vec<Vec<u8>>>) -> Call {
        Call { words: words.into(), kind: Kind::Nonsense }
    }

    /// Does a word of it say so?
    fn says(&self, word: &str) -> bool {
        self.words.iter().any(|it| it == word.as_bytes())
    }

    /// The command as text.
    pub fn text(&self) -> String {
        if let Kind::Script { text, .. } = &self.kind {
            return format!("EVAL ({text})");
        }
        let words =
            self.words.iter().map(|word| format!("{:.40}", word.escape_ascii().to_string()));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The timeout of a command that may park.
    fn timeout(&self) -> Option<Timeout> {
        let at = match self.name().as_str() {
            "LATCH.AWAIT" | "LATCH.ARRIVE" => 2,
            "LATCH.AWAITALL" | "LATCH.AWAITANY" => 1,
            _ => return None,
        };
        let is_nonsense = matches!(self.kind, Kind::Nonsense);
        Some(if is_nonsense { Timeout::Never } else { Timeout::read(&self.words[at]) })
    }

    /// How it waits, if it may.
    fn wait(&self) -> Option<Wait> {
        let timeout = match self.timeout()? {
            Timeout::Never => None,
            Timeout::After(timeout) => Some(timeout),
            Timeout::Negative | Timeout::OutOfRange => return None,
        };
        let to_come = matches!(self.kind, Kind::Nonsense) || self.says("WAIT");
        Some(Wait { timeout, to_come })
    }

    /// What it may be replied.
    pub fn expected(&self) -> Expected {
        let forms = match &self.kind {
            Kind::Nonsense => vec![Form::Anything],
            Kind::Script { last: None, .. } => vec![Form::Null],
            Kind::Script { last: Some(last), .. } => {
                let mut forms = last.expected_at_once().forms;
                forms.push(Form::OutOfMemory);
                forms
            }
            Kind::Sense => self.refusals().unwrap_or_else(|| self.forms()),
        };
        Expected { sent: self.text(), forms, wait: self.wait() }
    }

    /// What it must be replied if a duration in it is out of bounds.
    fn refusals(&self) -> Option<Vec<Form>> {
        match self.timeout() {
            Some(Timeout::Negative) => return Some(vec![Form::Error("ERR timeout is negative")]),
            Some(Timeout::OutOfRange) => {
                return Some(vec![Form::Error("ERR timeout is out of range")]);
            }
            _ => {}
        }
        let is_refused = self.name() == "LATCH.SET"
            && self.words.windows(2).any(|pair| match pair[0].as_slice() {
                b"LINGER" => !is_linger(&pair[1]),
                unit @ (b"EX" | b"PX" | b"EXAT" | b"PXAT") => {
                    !is_lifetime(std::str::from_utf8(unit).unwrap(), &pair[1])
                }
                _ => false,
            });
        let refused = Form::Error("ERR invalid expire time in 'latch.set' command");
        is_refused.then(|| vec![refused, Form::OutOfMemory])
    }

    /// What it may be replied where nobody blocks: in a transaction or script.
    pub fn expected_at_once(&self) -> Expected {
        let mut expected = self.expected();
        if expected.wait.take().is_some() {
            expected.forms.retain(|form| !matches!(form, Form::TimedOut | Form::Unblocked));
            expected.forms.push(Form::Null);
        }
        expected
    }

    /// The table.
    fn forms(&self) -> Vec<Form> {
        use Form::{
            Bulk, Count, Error, Fields, Full, List, Null, Number, Ok, OneOf, OutOfMemory, Rows,
            Simple, TimedOut, Unblocked,
        };
        const WRONG_TYPE: Form = Error("WRONGTYPE Operation against a key holding");
        const GONE: Form = Error("LATCHGONE the latch was removed before it opened");
        const EXPIRED: Form = Error("LATCHEXPIRED its time to live passed before it opened");
        const ABORTED: Form = Error("LATCHABORTED ");
        const OPEN: Form = Error("LATCHOPEN ");
        const NO_LATCH: Form = Error("NOLATCH ");

        let waits = |success: Form| {
            let mut forms = vec![success, TimedOut, Unblocked, GONE, EXPIRED, ABORTED];
            forms.extend([WRONG_TYPE, OutOfMemory, Full]);
            if self.says("ERROR") {
                forms.push(NO_LATCH);
            }
            forms
        };
        match self.name().as_str() {
            "LATCH.SET" => vec![Ok, Null, WRONG_TYPE, OutOfMemory],
            "LATCH.COUNTDOWN" if self.says("ERROR") => {
                vec![Count, NO_LATCH, OPEN, ABORTED, WRONG_TYPE]
            }
            "LATCH.COUNTDOWN" => vec![Count, ABORTED, WRONG_TYPE],
            "LATCH.ARRIVE" if self.says("ERROR") => [waits(Ok), vec![OPEN]].concat(),
            "LATCH.AWAIT" | "LATCH.AWAITALL" | "LATCH.ARRIVE" => waits(Ok),
            "LATCH.AWAITANY" => {
                let number: usize = std::str::from_utf8(&self.words[2]).unwrap().parse().unwrap();
                waits(OneOf(self.words[3..3 + number].to_vec()))
            }
            // A payload with a flipped byte may be a latch of any count. What adds
            // is allowed over `maxmemory`, as what counts down is.
            "LATCH.ADD" => {
                let overflow = Error("ERR increment would overflow");
                vec![Count, overflow, NO_LATCH, OPEN, ABORTED, WRONG_TYPE]
            }
            "LATCH.ABORT" => vec![Count, NO_LATCH, OPEN, WRONG_TYPE],
            "LATCH.GET" => vec![Count, WRONG_TYPE],
            "LATCH.INFO" => vec![Null, Fields, WRONG_TYPE],
            "LATCH.ARRIVED" | "LATCH.PENDING" => vec![List, WRONG_TYPE],
            "LATCH.WAITERS" => vec![Rows],
            "LATCH.HELP" | "KEYS" => vec![List],
            "SET" => vec![Ok, OutOfMemory],
            "RENAME" => vec![Ok, Error("ERR no such key")],
            "RENAMENX" => vec![Count, Error("ERR no such key")],
            "COPY" | "MOVE" => vec![Count, Error("ERR source and"), OutOfMemory],
            "RESTORE" => vec![
                Ok,
                Error("BUSYKEY "),
                Error("ERR DUMP payload version or checksum are wrong"),
                Error("ERR Bad data format"),
                OutOfMemory,
            ],
            "DUMP" | "OBJECT" => vec![Bulk, Null, Error("ERR no such key")],
            "MEMORY" => vec![Count, Null],
            "TYPE" => vec![Simple("")],
            "TTL" => vec![Number],
            "DEL" | "UNLINK" | "EXPIRE" | "PEXPIRE" | "PERSIST" | "EXISTS" | "CLIENT UNBLOCK"
            | "CLIENT KILL" | "CLIENT ID" => vec![Count],
            "FLUSHALL"
            | "FLUSHDB"
            | "SWAPDB"
            | "SELECT"
            | "CONFIG SET"
            | "CLIENT PAUSE"
            | "CLIENT UNPAUSE"
            | "CLIENT REPLY"
            | "WATCH"
            | "MULTI"
            | "DEBUG RELOAD"
            | "DEBUG CHANGE-REPL-ID"
            | "DEBUG SLEEP" => vec![Ok],
            "BGSAVE" => vec![
                Simple("Background saving"),
                Error("ERR Background save already in progress"),
                Error("ERR Another child process is active"),
                Error("ERR Can't BGSAVE"),
            ],
            "BGREWRITEAOF" => vec![
                Simple("Background append only file rewriting"),
                Error("ERR Background append only file rewriting already in progress"),
                Error("ERR Can't execute an AOF background rewriting"),
            ],
            "PING" => vec![Simple("PONG")],
            "INFO" | "DEBUG DIGEST" => vec![Bulk, Simple("")],
            "HELLO" => vec![Form::Anything],
            name => panic!("no forms for {name}"),
        }
    }
}

impl Expected {
    /// Is this an answer to it?
    pub fn allows(&self, reply: &Reply, so: Circumstances) -> bool {
        self.forms.iter().any(|form| form.fits(reply, self.wait, so))
    }

    /// After how long the server is at fault, if it ever is.
    pub fn patience(
        &self,
        patience: Duration,
        weather: &Weather,
        sent: Instant,
    ) -> Option<Duration> {
        match self.wait {
            None => Some(patience),
            Some(_) if weather.takes_timeouts.meets(sent) => None,
            Some(wait) => wait.timeout.map(|timeout| timeout + patience),
        }
    }

    /// Is it a command in a transaction?
    pub fn is_queued(&self) -> bool {
        self.forms.iter().any(|form| matches!(form, Form::Queued))
    }

    /// Does it end a transaction?
    pub fn is_exec(&self) -> bool {
        self.forms.iter().any(|form| matches!(form, Form::Exec(_)))
    }
}

impl Form {
    fn fits(&self, reply: &Reply, wait: Option<Wait>, so: Circumstances) -> bool {
        let null = if so.resp3 { Reply::Null } else { Reply::NullBulk };
        let timed_out = |wait: Wait| {
            // The clock of the server has steps of 1 ms.
            wait.timeout.is_some_and(|it| so.elapsed + Duration::from_millis(2) >= it)
        };
        match (self, reply) {
            (Form::Anything, _) => true,
            (Form::Ok, Reply::Simple(text)) => text == "OK",
            (Form::Null, _) => *reply == null,
            (Form::TimedOut, _) => *reply == null && (so.unblocked || wait.is_some_and(timed_out)),
            (Form::Unblocked, Reply::Error(text)) => so.unblocked && text.starts_with("UNBLOCKED "),
            (Form::Count, Reply::Int(count)) => *count >= 0,
            (Form::Exactly(number), Reply::Int(it)) => number == it,
            (Form::Number, Reply::Int(_)) | (Form::Bulk, Reply::Bulk(_) | Reply::Verbatim(..)) => {
                true
            }
            (Form::OneOf(names), Reply::Bulk(name)) => names.contains(name),
            (Form::Simple(start), Reply::Simple(text))
            | (Form::Error(start), Reply::Error(text)) => text.starts_with(start),
            (Form::Queued, Reply::Simple(text)) => text == "QUEUED",
            (Form::OutOfMemory | Form::Full | Form::Busy | Form::Discarded, Reply::Error(text)) => {
                self.refuses(text, so)
            }
            (Form::List, Reply::Array(_)) => true,
            (Form::Rows, Reply::Array(rows)) => rows.iter().all(is_row),
            (Form::Fields, Reply::Map(pairs)) => so.resp3 && pairs.len() == 11,
            (Form::Fields, Reply::Array(flat)) => flat.len() == 22,
            (Form::NotExecuted, Reply::NullArray) => !so.resp3,
            (Form::NotExecuted, Reply::Null) => so.resp3,
            (Form::Exec(all), Reply::Array(replies)) => {
                all.len() == replies.len()
                    && all.iter().zip(replies).all(|(one, reply)| one.allows(reply, so))
            }
            _ => false,
        }
    }
}

impl Form {
    /// Is this the text of such a refusal, at a time when it may be?
    fn refuses(&self, text: &str, so: Circumstances) -> bool {
        match self {
            Form::OutOfMemory => {
                text.starts_with("OOM command not allowed when used memory")
                    && so.weather.short_of_memory.meets(so.sent)
            }
            Form::Full => {
                text == "ERR max number of latch waiters reached"
                    && so.weather.few_waiters.meets(so.sent)
            }
            Form::Busy => text.starts_with("BUSY ") && so.weather.busy_by_scripts,
            Form::Discarded => {
                let Some(why) = text.strip_prefix("EXECABORT Transaction discarded because of")
                else {
                    return false;
                };
                match why.strip_prefix(": ") {
                    None => so.refused && why == " previous errors.",
                    Some(why) => {
                        why.starts_with("LOADING ")
                            || Form::OutOfMemory.refuses(why, so)
                            || Form::Busy.refuses(why, so)
                    }
                }
            }
            _ => false,
        }
    }
}

/// Is this a row of `LATCH.WAITERS`?
fn is_row(row: &Reply) -> bool {
    let Reply::Array(cells) = row else { return false };
    matches!(cells.as_slice(), [Reply::Bulk(_), Reply::Int(1..), Reply::Int(0..)])
}
