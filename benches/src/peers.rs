//! What one could use for a latch: the table in `peers.toml`, which says what is
//! what.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use redis::{RedisResult, Value};
use serde::{Deserialize, Serialize};

use crate::wire::{command, reply};

/// One way to wait for a countdown.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    pub(crate) name: String,
    about: Option<String>,
    #[serde(default)]
    pub(crate) wait: Wait,
    create: Option<String>,
    countdown: String,
    again: Option<String>,
    opened: String,
    clean: Option<String>,
}

/// How a client waits.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Wait {
    Blocked {
        blocked: String,
        released: String,
    },
    Subscribed {
        channel: String,
    },
    Polling {
        ask: String,
        not_yet: String,
        released: String,
    },
    #[default]
    No,
}

/// How long a client that polls waits before it asks again.
pub(crate) const POLL_EVERY: Duration = Duration::from_millis(100);

/// The module's name.
pub(crate) const LATCH: &str = "redis-latch";

/// The same, as it was before.
pub(crate) const BEFORE: &str = "before";

#[derive(Deserialize)]
struct Table {
    peer: Vec<Peer>,
    script: BTreeMap<String, String>,
}

static TABLE: LazyLock<Table> =
    LazyLock::new(|| toml::from_str(include_str!("peers.toml")).expect("a table of peers"));

/// The peer of this name.
pub(crate) fn named(name: &str) -> &'static Peer {
    TABLE.peer.iter().find(|peer| peer.name == name).expect("the peer is in the table")
}

/// All that one could use, the latch first.
pub(crate) fn all() -> impl Iterator<Item = &'static Peer> {
    TABLE.peer.iter().filter(|peer| peer.about.is_some())
}

/// All that a client can wait for.
pub(crate) fn awaited() -> impl Iterator<Item = &'static Peer> {
    TABLE.peer.iter().filter(|peer| peer.waits())
}

/// All that count down.
pub(crate) fn counting() -> impl Iterator<Item = &'static Peer> {
    TABLE.peer.iter().filter(|peer| peer.create.is_some())
}

/// All scripts, and their names.
pub(crate) fn scripts() -> &'static BTreeMap<String, String> {
    &TABLE.script
}

impl Peer {
    /// The command that makes a latch, if there is one to make.
    pub(crate) fn create(&self, count: usize) -> Option<Vec<u8>> {
        Some(command(&self.create.as_ref()?.replace("{count}", &count.to_string())))
    }

    /// A countdown.
    pub(crate) fn countdown(&self, waiters: usize) -> Vec<u8> {
        command(&self.countdown.replace("{waiters}", &waiters.to_string()))
    }

    /// The same countdown as before.
    pub(crate) fn countdown_again(&self) -> Vec<u8> {
        self.again.as_ref().map_or_else(|| self.countdown(1), |again| command(again))
    }

    /// The reply to the countdown that opens.
    pub(crate) fn opened(&self, waiters: usize) -> Vec<u8> {
        reply(&self.opened.replace("{waiters}", &waiters.to_string()))
    }

    /// What a waiter is told when it is released, parsed.
    pub(crate) fn released(&self) -> RedisResult<Value> {
        redis::parse_redis_value(&self.wait.released())
    }

    /// The command that removes what is left.
    pub(crate) fn clean(&self) -> Option<Vec<u8>> {
        self.clean.as_deref().map(command)
    }

    pub(crate) fn waits(&self) -> bool {
        !matches!(self.wait, Wait::No)
    }

    pub(crate) fn polls(&self) -> bool {
        matches!(self.wait, Wait::Polling { .. })
    }

    pub(crate) fn blocks(&self) -> bool {
        matches!(self.wait, Wait::Blocked { .. })
    }
}

impl Wait {
    /// What a waiter is told when it is released.
    pub(crate) fn released(&self) -> Vec<u8> {
        match self {
            Self::Blocked { released, .. } | Self::Polling { released, .. } => reply(released),
            Self::Subscribed { channel } => of_channel("message", channel, "$1 0"),
            Self::No => Vec::new(),
        }
    }
}

/// What the server says of a channel.
pub(crate) fn of_channel(what: &str, channel: &str, rest: &str) -> Vec<u8> {
    reply(&format!("*3 ${} {what} ${} {channel} {rest}", what.len(), channel.len()))
}
