//! Everything by which a change of data can be noticed from outside.

use super::client::{Client, cmd};
use super::events::Events;
use super::resp::{Reply, array};
use super::server::Server;
use super::stream::Stream;

/// Watches database 0 of a server while something is done to it.
pub struct Witness {
    observer: Client,
    watcher: Client,
    events: Events,
    stream: Stream,
}

/// What a [`Witness`] saw.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The keyspace events, as of [`Events::so_far`].
    pub events: Vec<String>,
    /// The commands propagated, each joined with spaces.
    pub propagated: Vec<String>,
    /// Was a transaction broken that had the key under WATCH?
    pub broke_watch: bool,
    /// Is any value, or the time to live of the key, not what it was?
    pub changed_data: bool,
}

impl Witness {
    /// A witness of `server`, which sends events from now on.
    #[track_caller]
    pub fn open(server: &Server) -> Witness {
        Witness {
            observer: server.client(),
            watcher: server.client(),
            events: Events::open(server),
            stream: Stream::open(server),
        }
    }

    /// The reply that `act` returns, and what can be seen of it. It is
    /// expected to be about `key`.
    #[track_caller]
    pub fn see(&mut self, key: impl AsRef<[u8]>, act: impl FnOnce() -> Reply) -> (Reply, Seen) {
        let key = key.as_ref();
        // What was done before this is nobody's business here.
        self.events.so_far();
        self.stream.so_far();
        let before = self.data(key);
        assert_eq!(self.watcher.call(cmd!["WATCH", key]), super::ok());
        let reply = act();
        assert_eq!(self.watcher.run("MULTI"), super::ok());
        let broke_watch = match self.watcher.run("EXEC") {
            Reply::NullArray => true,
            answer => {
                assert_eq!(answer, array::<Reply>([]));
                false
            }
        };
        let commands = self.stream.so_far();
        let seen = Seen {
            events: self.events.so_far(),
            propagated: commands.iter().map(|words| words.join(" ")).collect(),
            broke_watch,
            changed_data: self.data(key) != before,
        };
        (reply, seen)
    }

    /// The reply that `act` returns; panics if anything else can be seen of it.
    #[track_caller]
    pub fn sees_nothing(&mut self, key: impl AsRef<[u8]>, act: impl FnOnce() -> Reply) -> Reply {
        let (reply, seen) = self.see(key, act);
        assert_eq!(seen, Seen::default(), "more than the reply {reply:?}");
        reply
    }

    /// The digest has no expiry times in it.
    fn data(&mut self, key: &[u8]) -> [Reply; 2] {
        [self.observer.run("DEBUG DIGEST"), self.observer.call(cmd!["PEXPIRETIME", key])]
    }
}
