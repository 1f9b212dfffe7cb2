//! Latches of every kind, and all that can be seen of a dataset of latches.

use std::ops::Range;
use std::time::Duration;

use super::client::{Client, cmd};
use super::resp::{Reply, encode, ok};
use super::server::Server;

/// Has an aborted latch come to a key by a way of which no event tells, so that only
/// a look at the key finds it.
#[track_caller]
pub fn bring_an_aborted_latch(client: &mut Client, key: &str) {
    assert_eq!(client.run("LATCH.SET {aside} 1"), ok());
    client.run("LATCH.ABORT {aside} no").int();
    assert_eq!(client.run(&format!("RENAME {{aside}} {key}")), ok());
}

/// Makes latches that differ in everything in which latches can: fresh and
/// counted, reset, at the limit, with and without a time to live, with ids that
/// are recorded, announced or both, set and opened by somebody or nobody, aborted,
/// lingering, of any name, in two databases.
pub fn make_latches(server: &Server) {
    let mut client = server.client();
    for line in [
        "LATCH.SET fresh 7",
        "LATCH.SET counted 7",
        "LATCH.COUNTDOWN counted 3",
        "LATCH.SET last 2",
        "LATCH.COUNTDOWN last",
        "LATCH.SET largest 9223372036854775807",
        "LATCH.SET drained 9223372036854775807",
        "LATCH.COUNTDOWN drained 9223372036854775806",
        "LATCH.SET reset 9",
        "LATCH.COUNTDOWN reset ID forgotten",
        "LATCH.SET reset 4",
        "LATCH.SET raised 4",
        "LATCH.ADD raised 3",
        "LATCH.SET timed 5 EX 1000",
        "LATCH.COUNTDOWN timed",
        "LATCH.SET timed-for-long 5 PXAT 99999999999999",
        "LATCH.SET persisted 5 EX 1000",
        "PERSIST persisted",
        "LATCH.SET named 9 LINGER 1.25",
        "LATCH.COUNTDOWN named 3 ID one",
        "LATCH.COUNTDOWN named ID 2",
        "LATCH.COUNTDOWN named 2",
        "LATCH.SET planned 2 ID planner LINGER 1000",
        "LATCH.ADD planned 1 ID one",
        "LATCH.ADD planned 3 ID two",
        "LATCH.COUNTDOWN planned ID one",
        "LATCH.COUNTDOWN planned ID three",
        "LATCH.SET done 1 ID planner LINGER 1000",
        "LATCH.ADD done 1 ID one",
        "LATCH.ADD done 1 ID never",
        "LATCH.COUNTDOWN done ID two",
        "LATCH.COUNTDOWN done 2 ID one",
        "LATCH.SET aborted 4 EX 1000",
        "LATCH.COUNTDOWN aborted ID one",
        "LATCH.ABORT aborted unlucky",
        "LATCH.SET lingering 2 LINGER 1000",
        "LATCH.COUNTDOWN lingering ID one",
        "LATCH.COUNTDOWN lingering 5 ID two",
        "LATCH.SET ended-by-nobody 2 LINGER 1000",
        "LATCH.COUNTDOWN ended-by-nobody ID one",
        "LATCH.COUNTDOWN ended-by-nobody",
        "LATCH.SET lingering-at-once 0 ID planner LINGER 1000",
        "LATCH.SET opened 1",
        "LATCH.COUNTDOWN opened",
        "SELECT 3",
        "LATCH.SET fresh 8",
        "LATCH.SET other 300 PX 2000000",
        "SELECT 0",
    ] {
        let reply = client.run(line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
    let long = [b'x'; 20_000];
    for name in [&b""[..], b"\0\r\n\xff {}", &long] {
        client.call(cmd!["LATCH.SET", name, "3"]);
        client.call(cmd!["LATCH.COUNTDOWN", name, "ID", b"\0\r\n\xff"]);
        client.call(cmd!["LATCH.COUNTDOWN", name, "ID", &long[..1024]]);
        client.call(cmd!["LATCH.ABORT", name, b"\xff for\tno reason"]);
    }
}

/// Counts a latch down once with each of these ids, which have 16 bytes.
#[track_caller]
pub fn count_with_ids(client: &mut Client, key: &str, ids: Range<usize>) {
    /// For what takes long on a loaded machine.
    const LONG: Duration = Duration::from_secs(60);

    client.send_line("CLIENT REPLY OFF");
    let ids: Vec<_> = ids.collect();
    for ids in ids.chunks(1000) {
        let command = |id| encode(["LATCH.COUNTDOWN", key, "ID", &format!("{id:016}")]);
        client.send_raw(&ids.iter().map(command).collect::<Vec<_>>().concat());
    }
    client.send_line("CLIENT REPLY ON");
    assert_eq!(client.receive_within(LONG), Some(ok()));
}

/// What a client can see of a dataset, latches above all. Their digests are in
/// the one of everything; expiry times are not.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    digest: String,
    /// Each as database, key, expiry time and what there is to know of it.
    keys: Vec<String>,
}

impl Server {
    /// What is in all databases.
    #[track_caller]
    pub fn contents(&self) -> Contents {
        let mut client = self.client();
        let mut keys = Vec::new();
        for db in 0..16 {
            assert_eq!(client.run(&format!("SELECT {db}")), super::ok());
            for key in client.run("KEYS *").items() {
                keys.push(describe(&mut client, db, key));
            }
        }
        keys.sort();
        let digest = self.digest();
        Contents { digest, keys }
    }
}

fn describe(client: &mut Client, db: u32, key: &Reply) -> String {
    let Reply::Bulk(name) = key else { panic!("expected the name of a key, got {key:?}") };
    let expiry = client.call(cmd!["PEXPIRETIME", name]).int();
    let what = match client.call(cmd!["LATCH.INFO", name]) {
        info @ Reply::Array(_) => {
            let fields = ["state", "count", "total", "linger-ms", "reason", "opened-by", "set-by"];
            let fields = fields.map(|field| format!("{:.40?}", info.field(field)));
            let ids = ["LATCH.ARRIVED", "LATCH.PENDING"].map(|command| {
                let ids = client.call(cmd![command, name]);
                ids.items().iter().map(|id| format!("{:.40?}", id.text())).collect::<Vec<_>>()
            });
            format!("{fields:?} {ids:?}")
        }
        other => format!("{other:?}"), // another type, or it has just expired
    };
    format!("{db} {:.40} {expiry} {what}", key.text())
}
