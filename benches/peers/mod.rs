//! What one could use for a latch, one file each.
//!
//! A peer is a few commands and what to expect; the program around it is the
//! same for all. To add one, write its file and list it in [`all`]. A peer in
//! another language would start its program in a file of its own, too.

mod latch;
mod list;
mod plain_block;
mod polling;
mod publish;
mod pubsub;
mod stream;

use anyhow::Result;
use redis::{Connection, Script};

use crate::command::{integer, line};
use crate::crowd::{Opening, Polling};

pub(crate) use latch::Latch;
pub(crate) use list::List;
pub(crate) use plain_block::PlainBlock;
pub(crate) use publish::Publish;
pub(crate) use pubsub::PubSub;

/// One way to wait for a countdown.
pub(crate) trait Peer {
    /// Its name in tables and plots.
    fn name(&self) -> &'static str;

    /// What it does, in a sentence.
    fn about(&self) -> &'static str;

    /// Its scripts, which are loaded before they are called.
    fn scripts(&self) -> Vec<Script> {
        Vec::new()
    }

    /// The commands that make a latch of `count`, if there is one to make.
    fn create(&self, key: &str, count: usize) -> Vec<Vec<u8>>;

    /// How a client waits for it.
    fn wait(&self, key: &str) -> Wait;

    /// A countdown.
    fn countdown(&self, key: &str, waiters: usize) -> Vec<u8>;

    /// The same countdown as before, by a worker that does not know whether the
    /// first was received.
    fn countdown_again(&self, key: &str, waiters: usize) -> Vec<u8> {
        self.countdown(key, waiters)
    }

    /// The reply to the countdown that opens, with so many waiting.
    fn opened(&self, _waiters: usize) -> Vec<u8> {
        integer(0)
    }

    /// The commands that remove what is left after it has opened.
    fn clean(&self, _key: &str) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// The countdown that opens.
    fn opening(&self, key: &str, waiters: usize) -> Opening {
        Opening { command: self.countdown(key, waiters), reply: self.opened(waiters) }
    }

    /// Loads its scripts.
    fn load(&self, con: &mut Connection) -> Result<()> {
        for script in self.scripts() {
            script.load(con)?;
        }
        Ok(())
    }
}

/// How a client waits.
#[derive(Clone, Debug)]
pub(crate) enum Wait {
    /// In a command that blocks.
    Blocked { command: Vec<u8>, released: Vec<u8> },
    /// For a message.
    Subscribed { channel: String, message: String },
    /// By asking again and again.
    Polling(Polling),
}

/// Everything there is, the latch first.
pub(crate) fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(Latch),
        Box::new(Publish),
        Box::new(PlainBlock),
        Box::new(PubSub::new()),
        Box::new(List::new()),
        Box::new(stream::Stream::new()),
        Box::new(polling::EveryTenth::new()),
    ]
}

/// Those that count down to open: all that one could use for a latch.
pub(crate) fn latches() -> Vec<Box<dyn Peer>> {
    let counts = |peer: &dyn Peer| !peer.create("key", 1).is_empty();
    all().into_iter().filter(|peer| counts(&**peer)).collect()
}

/// `SET key count`, which all but the module use for the count.
fn set(key: &str, count: usize) -> Vec<Vec<u8>> {
    vec![line(&format!("SET {key} {count}"))]
}

/// The call of a script.
fn call(script: &Script, keys: &[&str], args: &[&str]) -> Vec<u8> {
    let count = keys.len().to_string();
    let words = [&["EVALSHA", script.get_hash(), &count], keys, args].concat();
    crate::command::command(&words)
}
