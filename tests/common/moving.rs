//! What becomes of clients while latches and masters move about: what they are
//! told, and whether everything counts once.

use super::client::Client;
use super::cluster::Cluster;
use super::resp::{Reply, int, ok};
use super::retrying::{Counting, Pending};
use super::server::Server;
use super::{PATIENCE, eventually};

/// Prints what a parked client is told, for the table in the documentation;
/// panics unless it is one of these codes, or `OK`, or `closed`.
#[track_caller]
pub fn is_told(event: &str, client: &mut Client, allowed: &[&str]) {
    let words = client.last_words();
    let code = match &words {
        None => "closed",
        Some(Reply::Error(text)) => text.split(' ').next().unwrap_or_default(),
        Some(reply) if reply == &ok() => "OK",
        Some(reply) => panic!("{event}: {reply:?}"),
    };
    println!("{event}: {words:?}");
    assert!(allowed.contains(&code), "{event}: {words:?}");
}

/// Prints what a client that asks again was told before its answer, which must
/// be `OK`.
#[track_caller]
pub fn ends_right(event: &str, waiter: Pending) {
    let answer = waiter.answer();
    println!("{event}, asking again: {:?}", answer.told);
    assert_eq!(answer.reply, ok(), "{event}");
}

/// The ids that a latch has recorded, in order.
#[track_caller]
pub fn arrived(server: &Server, key: &str) -> Vec<String> {
    let reply = server.run(&format!("LATCH.ARRIVED {key}"));
    let mut ids: Vec<_> = reply.items().iter().map(Reply::text).collect();
    ids.sort();
    ids
}

/// Panics unless the replica, once it is in sync, has the data of its master.
#[track_caller]
pub fn assert_same(replica: &Server, master: &Server) {
    replica.wait_in_sync(master);
    assert_eq!(replica.digest(), master.digest());
}

/// A key that `node` was given in the beginning.
pub fn a_key_at(cluster: &Cluster, node: &Server) -> String {
    let keys = (0..).map(|number| format!("key:{number}"));
    keys.into_iter().find(|key| cluster.around(key).0.port() == node.port()).unwrap()
}

/// How many countdowns a latch needs that is not to open.
const MANY: i64 = 1_000_000_000;

/// Clients that count `key` down, which needs many, while something happens.
pub fn count_down(cluster: &Cluster, key: &str) -> Vec<Counting> {
    assert_eq!(cluster.run(&format!("LATCH.SET {key} {MANY}")), ok());
    let counting = ["a", "b"].map(|name| cluster.client().counts_down(key, name)).into();
    eventually("the countdowns to begin", PATIENCE, || {
        (cluster.run(&format!("LATCH.GET {key}")).int() < MANY).then_some(())
    });
    counting
}

/// Panics unless each of the countdowns was counted, and counted once.
#[track_caller]
pub fn assert_counted(cluster: &Cluster, key: &str, counting: Vec<Counting>) {
    let total: i64 = counting.into_iter().map(Counting::stop).sum();
    assert_eq!(cluster.run(&format!("LATCH.GET {key}")), int(MANY - total));
    let info = cluster.run(&format!("LATCH.INFO {key}"));
    assert_eq!(info.field("arrived"), &int(total));
}
