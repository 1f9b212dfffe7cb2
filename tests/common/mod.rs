//! The integration-test fixture: a server of its own for each test, and a
//! client that shows every frame exactly as it came.
//!
//! ```text
//! let server = Server::new();
//! let mut client = server.client();
//! assert_eq!(client.run("LATCH.SET k 1"), ok());
//! let mut waiter = server.parked("LATCH.AWAIT k 0");
//! assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
//! assert_eq!(waiter.receive(), ok());
//! ```
//!
//! | environment    | meaning           | default                      |
//! |----------------|-------------------|------------------------------|
//! | `LATCH_SERVER` | the server binary | `redis-server` on `PATH`     |
//! | `LATCH_MODULE` | the module        | `target/release/liblatch.so` |
//!
//! Nothing in a test should sleep: wait for what you mean with [`eventually`]
//! or one of the `wait_…` methods of [`Server`].

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test binary uses a part of the fixture"
)]
#![allow(
    unreachable_pub,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "`pub` marks the interface; a panic is how a test fails"
)]

mod abilities;
mod builder;
mod client;
mod clock;
mod cluster;
mod crowd;
mod events;
mod guard;
mod latches;
mod library;
mod module_value;
mod moving;
mod observe;
mod pipe;
mod proxy;
mod random;
mod resp;
mod retrying;
mod server;
pub mod states;
mod stream;
mod texts;
mod timing;
mod witness;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use builder::{Builder, free_port, module};
pub use client::Client;
pub(crate) use client::cmd;
pub use cluster::Cluster;
pub use crowd::{aborted, expired, gone};
pub use events::Events;
pub use guard::{is_alive, temp_dir};
pub use latches::{Contents, bring_an_aborted_latch, count_with_ids, make_latches};
pub use library::{caller, faulty};
pub use module_value::{Field, ModuleValue, crc64, dump, dumped};
pub use moving::{a_key_at, arrived, assert_counted, assert_same, count_down, ends_right, is_told};
pub use pipe::Pipe;
pub use proxy::{Fate, Proxy, Resending};
pub use random::{Random, number_from, seed_from};
pub use resp::{Reply, array, bulk, encode, error, int, ok};
pub use retrying::{Answer, Counting, Pending, Retrying};
pub use server::Server;
pub use stream::Stream;
pub use texts::{FULL, LATCH_OPEN, NO_INTEGERS, NO_LATCH, NOT_AN_INTEGER, SYNTAX, WRONG_TYPE};
pub use timing::undisturbed;
pub use witness::{Seen, Witness};

/// How long anything may take before the test fails: far longer than a loaded
/// machine needs, so that only a real hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Probes until there is an answer, and returns it; panics with `what` once
/// `patience` is over.
#[track_caller]
pub fn eventually<T>(what: &str, patience: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        if Instant::now() >= deadline {
            panic!("gave up after {patience:?} waiting for {what}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The channel of the marks by which [`Stream`] and [`Events`] know that they
/// have seen everything up to now.
const MARK_CHANNEL: &str = "fixture:mark";

/// Publishes a fresh mark: it reaches subscribers and replicas in order, and
/// changes no key.
fn publish_mark(client: &mut Client) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mark = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    client.call(["PUBLISH", MARK_CHANNEL, &mark]).int();
    mark
}
