//! What one could use for a latch.
//!
//! A peer is a few commands and what to expect; the program around it is the
//! same for all. The key of its latch is `latch`. To add one, write its entry
//! here and list it in [`ALL`]: its name and what it is about are all that the
//! page needs.

use std::time::Duration;

use serde::Serialize;

use crate::wire::{command, reply};

/// One way to wait for a countdown.
#[derive(Debug, Serialize)]
pub(crate) struct Peer {
    /// Its name in tables and plots.
    pub(crate) name: &'static str,
    /// What it does, in a sentence.
    pub(crate) about: &'static str,
    /// How a client waits.
    #[serde(skip)]
    pub(crate) wait: Wait,
    /// What makes a latch of `{count}`, if there is one to make.
    create: Option<&'static str>,
    /// A countdown, with `{waiters}` waiting.
    countdown: &'static str,
    /// The same countdown as before, by a worker that does not know whether the
    /// first was received; if that is another command.
    again: Option<&'static str>,
    /// The reply to the countdown that opens, with `{waiters}` waiting.
    opened: &'static str,
    /// What removes what is left after it has opened.
    clean: Option<&'static str>,
}

/// How a client waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Not at all.
    No,
    /// In a command that blocks.
    Blocked { command: &'static str, released: &'static str },
    /// For the message `0`.
    Subscribed { channel: &'static str },
    /// By asking again and again.
    Polling { ask: &'static str, not_yet: &'static str, open: &'static str },
}

/// How long a client that polls waits before it asks again.
pub(crate) const POLL_EVERY: Duration = Duration::from_millis(100);

/// What most have in common.
const PEER: Peer = Peer {
    name: "",
    about: "",
    wait: Wait::No,
    create: Some("SET latch {count}"),
    countdown: "",
    again: None,
    opened: ":0",
    clean: None,
};

/// Everything there is, the latch first.
pub(crate) static ALL: [&Peer; 7] =
    [&LATCH, &PUBLISH, &PLAIN_BLOCK, &PUBSUB, &LIST, &STREAM, &EVERY_TENTH];

/// The module.
pub(crate) static LATCH: Peer = Peer {
    name: "redis-latch",
    about: "this module: `LATCH.AWAIT` in the waiter, `LATCH.COUNTDOWN` in the worker",
    wait: Wait::Blocked { command: "LATCH.AWAIT latch 0", released: "+OK" },
    create: Some("LATCH.SET latch {count}"),
    countdown: "LATCH.COUNTDOWN latch",
    again: Some("LATCH.COUNTDOWN latch ID worker-1"),
    ..PEER
};

/// Not a latch, but the least it can take to tell so many clients something.
pub(crate) static PUBLISH: Peer = Peer {
    name: "PUBLISH",
    about: "no latch: one `PUBLISH` to clients that have subscribed",
    wait: Wait::Subscribed { channel: "latch" },
    create: None,
    countdown: "PUBLISH latch 0",
    opened: ":{waiters}",
    ..PEER
};

/// The blocking API that servers have for modules, with nothing on top: see
/// `control/lib.rs`.
pub(crate) static PLAIN_BLOCK: Peer = Peer {
    name: "blocking API",
    about: "no latch: a module that blocks clients and answers all of them in one go",
    wait: Wait::Blocked { command: "PLAIN.BLOCK latch 0", released: "+OK" },
    create: None,
    countdown: "PLAIN.WAKE",
    opened: ":{waiters}",
    ..PEER
};

/// As client libraries have it: the count is an integer, the waiter subscribes
/// and then reads the count again, lest it has missed the message.
pub(crate) static PUBSUB: Peer = Peer {
    name: "pub/sub latch",
    about: "a script of `DECR`, `DEL` and `PUBLISH` at zero; the waiter has subscribed and then \
            read the count again",
    wait: Wait::Subscribed { channel: "latch:opened" },
    countdown: "EVALSHA count-and-publish 2 latch latch:opened",
    ..PEER
};

/// Each waiter takes a token. Who opens has to know how many waiters there are.
pub(crate) static LIST: Peer = Peer {
    name: "BLPOP",
    about: "a script of `DECR` and, at zero, `RPUSH` of as many tokens as there are waiters, who \
            wait in `BLPOP`",
    wait: Wait::Blocked { command: "BLPOP latch:tokens 0", released: "*2 $12 latch:tokens $1 1" },
    countdown: "EVALSHA count-and-push 2 latch latch:tokens {waiters}",
    ..PEER
};

/// A stream of one entry, which is added at zero and read by all.
static STREAM: Peer = Peer {
    name: "XREAD BLOCK",
    about: "a script of `DECR` and, at zero, `XADD` to a stream that the waiters read with \
            `XREAD BLOCK`; somebody has to remove the stream later",
    wait: Wait::Blocked {
        command: "XREAD BLOCK 0 STREAMS latch:opened 0",
        released: "*1 *2 $12 latch:opened *1 *2 $3 1-1 *2 $4 open $1 1",
    },
    countdown: "EVALSHA count-and-append 2 latch latch:opened",
    clean: Some("DEL latch:opened"),
    ..PEER
};

/// Three scripts, and a client that asks every 100 ms.
static EVERY_TENTH: Peer = Peer {
    name: "polling",
    about: "three scripts (`SET`; `DECR` and `DEL` at zero; `EXISTS`), and waiters that call the \
            last every 100 ms",
    wait: Wait::Polling { ask: "EVALSHA is-closed 1 latch", not_yet: ":1", open: ":0" },
    create: Some("EVALSHA create 1 latch {count}"),
    countdown: "EVALSHA count 1 latch",
    ..PEER
};

/// Not a latch, and for one client only: no count and no script.
pub(crate) static ONE_TOKEN: Peer = Peer {
    name: "RPUSH to BLPOP",
    wait: Wait::Blocked { command: "BLPOP latch 0", released: "*2 $5 latch $1 1" },
    create: None,
    countdown: "RPUSH latch 1",
    opened: ":{waiters}",
    ..PEER
};

/// Not a latch: it counts, and nobody can wait.
pub(crate) static DECR: Peer = Peer { name: "DECR", countdown: "DECR latch", ..PEER };

/// The scripts, by the names that stand for their hashes above.
pub(crate) const SCRIPTS: [(&str, &str); 6] = [
    ("create", "return redis.call('SET', KEYS[1], ARGV[1])"),
    ("is-closed", "return redis.call('EXISTS', KEYS[1])"),
    (
        "count",
        "local left = redis.call('DECR', KEYS[1])
        if left <= 0 then redis.call('DEL', KEYS[1]) end
        return left",
    ),
    (
        "count-and-publish",
        "local left = redis.call('DECR', KEYS[1])
        if left <= 0 then redis.call('DEL', KEYS[1]) end
        if left == 0 then redis.call('PUBLISH', KEYS[2], '0') end
        return left",
    ),
    (
        "count-and-append",
        "local left = redis.call('DECR', KEYS[1])
        if left <= 0 then redis.call('DEL', KEYS[1]) end
        if left == 0 then redis.call('XADD', KEYS[2], '1-1', 'open', '1') end
        return left",
    ),
    (
        "count-and-push",
        "local left = redis.call('DECR', KEYS[1])
        if left <= 0 then redis.call('DEL', KEYS[1]) end
        local tokens = left == 0 and tonumber(ARGV[1]) or 0
        while tokens > 0 do
            local some = {}
            for i = 1, math.min(tokens, 1000) do some[i] = '1' end
            redis.call('RPUSH', KEYS[2], unpack(some))
            tokens = tokens - #some
        end
        return left",
    ),
];

/// Those that count down to open: all that one could use for a latch.
pub(crate) fn latches() -> impl Iterator<Item = &'static Peer> {
    ALL.into_iter().filter(|peer| peer.create.is_some())
}

impl Peer {
    pub(crate) fn create(&self, count: usize) -> Option<Vec<u8>> {
        Some(command(&self.create?.replace("{count}", &count.to_string())))
    }

    pub(crate) fn countdown(&self, waiters: usize) -> Vec<u8> {
        command(&self.countdown.replace("{waiters}", &waiters.to_string()))
    }

    pub(crate) fn countdown_again(&self) -> Vec<u8> {
        self.again.map_or_else(|| self.countdown(1), command)
    }

    pub(crate) fn opened(&self, waiters: usize) -> Vec<u8> {
        reply(&self.opened.replace("{waiters}", &waiters.to_string()))
    }

    pub(crate) fn clean(&self) -> Option<Vec<u8>> {
        self.clean.map(command)
    }

    pub(crate) fn polls(&self) -> bool {
        matches!(self.wait, Wait::Polling { .. })
    }
}

impl Wait {
    /// What a waiter is told when it is released.
    pub(crate) fn released(&self) -> Vec<u8> {
        match self {
            Self::No => Vec::new(),
            Self::Blocked { released, .. } => reply(released),
            Self::Subscribed { channel } => of_channel("message", channel, "$1 0"),
            Self::Polling { open, .. } => reply(open),
        }
    }
}

/// What the server says of a channel.
pub(crate) fn of_channel(what: &str, channel: &str, rest: &str) -> Vec<u8> {
    reply(&format!("*3 ${} {what} ${} {channel} {rest}", what.len(), channel.len()))
}
