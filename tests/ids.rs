//! `LATCH.COUNTDOWN key [decrement] ID id`: what was counted is not counted
//! again, whatever happens to the client, the server or the key.

mod common;

use std::collections::BTreeSet;

use common::*;

/// The recorded ids.
fn arrived(client: &mut Client, key: &str) -> BTreeSet<Vec<u8>> {
    let reply = client.call(["LATCH.ARRIVED", key]);
    let ids: BTreeSet<_> = (reply.items().iter())
        .map(|id| match id {
            Reply::Bulk(id) => id.clone(),
            other => panic!("expected an id, got {other:?}"),
        })
        .collect();
    assert_eq!(ids.len(), reply.items().len(), "an id is there twice");
    ids
}

fn set(ids: &[&str]) -> BTreeSet<Vec<u8>> {
    ids.iter().map(|id| id.as_bytes().to_vec()).collect()
}

/// A server that has written what it has answered.
fn that_appends() -> Server {
    Server::builder().config("appendonly", "yes").config("appendfsync", "always").start()
}

#[test]
fn an_id_counts_once_and_then_replies_the_count() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        client.run("LATCH.SET k 9 EX 1000");
        for (line, left) in [
            ("LATCH.COUNTDOWN k ID a", 8),
            ("LATCH.COUNTDOWN k 2 ID b", 6),
            ("LATCH.COUNTDOWN k", 5),
            ("LATCH.COUNTDOWN k ID A", 4),
        ] {
            let (reply, seen) = witness.see("k", || client.run(line));
            assert_eq!(reply, int(left), "{line}");
            let expected = Seen {
                events: vec!["latch.countdown k".into()],
                propagated: vec![line.into()],
                broke_watch: true,
                changed_data: true,
            };
            assert_eq!(seen, expected, "{line}");
            let reply = witness.sees_nothing("k", || client.run("LATCH.COUNTDOWN k ID a"));
            assert_eq!(reply, int(left), "again after {line}");
        }
        for again in ["LATCH.COUNTDOWN k 1000 ID a", "LATCH.COUNTDOWN k ID b"] {
            let reply = witness.sees_nothing("k", || client.run(again));
            assert_eq!(reply, int(4), "{again}");
        }
        assert_eq!(arrived(&mut client, "k"), set(&["a", "b", "A"]));
    }
}

#[test]
fn a_repeated_id_does_not_open_and_a_new_one_does() {
    let server = Server::new();
    server.run("LATCH.SET k 2");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    for _ in 0..3 {
        assert_eq!(server.run("LATCH.COUNTDOWN k ID a"), int(1));
        server.wait_parked(&waiter);
    }
    assert_eq!(server.run("LATCH.COUNTDOWN k ID b"), int(0));
    waiter.receives_only(&ok());
    for id in ["a", "b", "c"] {
        assert_eq!(server.run(&format!("LATCH.COUNTDOWN k ID {id}")), int(0), "is missing");
    }
    assert_eq!(server.run("EXISTS k"), int(0));
}

#[test]
fn the_option_has_one_place_and_any_case() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        client.run("LATCH.SET k 100");
        for (line, left) in [
            ("LATCH.COUNTDOWN k ID x", 99),
            ("LATCH.COUNTDOWN k 2 id y", 97),
            ("LATCH.COUNTDOWN k 2 iD ID", 95),
            ("LATCH.COUNTDOWN k Id 2", 94),
        ] {
            assert_eq!(client.run(line), int(left), "{line}");
        }
        for (line, text) in [
            ("LATCH.COUNTDOWN k ID", SYNTAX),
            ("LATCH.COUNTDOWN k 2 ID", SYNTAX),
            ("LATCH.COUNTDOWN k ID new 2", SYNTAX),
            ("LATCH.COUNTDOWN k ID new ID new", SYNTAX),
            ("LATCH.COUNTDOWN k ID new ID other", SYNTAX),
            ("LATCH.COUNTDOWN k 2 ID new ID new", SYNTAX),
            ("LATCH.COUNTDOWN k 2 ID new 2", SYNTAX),
            ("LATCH.COUNTDOWN k 2 new", SYNTAX),
            ("LATCH.COUNTDOWN k 2 IDS new", SYNTAX),
            ("LATCH.COUNTDOWN k 2 2 ID new", SYNTAX),
            ("LATCH.COUNTDOWN k new ID", NOT_AN_INTEGER),
            ("LATCH.COUNTDOWN k 0 ID new", NOT_AN_INTEGER),
            ("LATCH.COUNTDOWN k -1 ID new", NOT_AN_INTEGER),
            ("LATCH.COUNTDOWN k x ID new", NOT_AN_INTEGER),
        ] {
            let reply = witness.sees_nothing("k", || client.run(line));
            assert_eq!(reply, error(text), "{line}");
        }
        assert_eq!(client.run("LATCH.GET k"), int(94));
        assert_eq!(arrived(&mut client, "k"), set(&["x", "y", "ID", "2"]));
    }
}

#[test]
fn an_id_has_1_to_1024_bytes() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        client.run("LATCH.SET k 5");
        for id in [&b""[..], &[b'x'; 1025], &[0; 1 << 20]] {
            for key in ["k", "missing"] {
                let call = || client.call(cmd!["LATCH.COUNTDOWN", key, "ID", id]);
                let reply = witness.sees_nothing("k", call);
                assert!(reply.error().starts_with("ERR "), "{} bytes: {reply:?}", id.len());
            }
        }
        assert_eq!(client.call(cmd!["LATCH.COUNTDOWN", "k", "ID", [b'x'; 1]]), int(4));
        assert_eq!(client.call(cmd!["LATCH.COUNTDOWN", "k", "ID", [b'x'; 1024]]), int(3));
        assert_eq!(client.call(cmd!["LATCH.COUNTDOWN", "k", "ID", [b'x'; 1024]]), int(3));
    }
}

#[test]
fn any_bytes_are_an_id_and_no_two_are_the_same() {
    let mut ids: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
    let odd =
        ["00", "-1", "127", "12345", "2147483648", "01", " 1", "\r\n", "id", "ID", "a\0", "%s"];
    ids.extend(odd.map(|id| id.as_bytes().to_vec()));
    ids.extend([vec![0; 2], vec![b'a'; 1024], vec![0xff; 1024], vec![b'a'; 1023]]);

    let server = that_appends();
    let mut client = server.client();
    client.run("LATCH.SET k 1000");
    for (id, left) in ids.iter().zip((0..1000).rev()) {
        for _ in 0..2 {
            assert_eq!(client.call(cmd!["LATCH.COUNTDOWN", "k", "ID", id]), int(left), "{id:?}");
        }
    }
    let all: BTreeSet<_> = ids.into_iter().collect();
    assert_eq!(arrived(&mut client, "k"), all);
    for line in ["DEBUG RELOAD", "DEBUG LOADAOF", "COPY k copy", "RENAME copy k"] {
        assert!(!matches!(client.run(line), Reply::Error(_)), "{line}");
        assert_eq!(arrived(&mut client, "k"), all, "{line}");
    }
}

#[test]
fn ids_belong_to_one_latch() {
    let server = Server::new();
    let mut client = server.client();
    for (key, db) in [("k", 0), ("l", 0), ("k", 1)] {
        client.run(&format!("SELECT {db}"));
        client.run(&format!("LATCH.SET {key} 5"));
        assert_eq!(client.run(&format!("LATCH.COUNTDOWN {key} ID a")), int(4), "{key} of {db}");
    }
}

#[test]
fn a_latch_that_is_set_again_has_no_ids() {
    let server = Server::new();
    let mut client = server.client();
    for end in [
        "LATCH.SET k 2",
        "LATCH.SET k 2 XX KEEPTTL",
        "LATCH.SET k 2 LINGER 100",
        "LATCH.COUNTDOWN k 2",
        "LATCH.ABORT k",
        "DEL k",
    ] {
        client.run("LATCH.SET k 2");
        assert_eq!(client.run("LATCH.COUNTDOWN k ID a"), int(1));
        client.run(end);
        assert_eq!(client.run("LATCH.SET k 2"), ok(), "{end}");
        assert_eq!(arrived(&mut client, "k"), set(&[]), "{end}");
        assert_eq!(client.run("LATCH.COUNTDOWN k ID a"), int(1), "{end}");
    }
    assert_eq!(client.run("LATCH.SET k 3 NX"), Reply::NullBulk);
    assert_eq!(arrived(&mut client, "k"), set(&["a"]), "nothing was set");
}

#[test]
fn an_open_latch_records_nothing() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    client.run("LATCH.SET k 2 LINGER 1000");
    client.run("LATCH.COUNTDOWN k ID a");
    assert_eq!(client.run("LATCH.COUNTDOWN k ID last"), int(0));
    for line in ["LATCH.COUNTDOWN k ID late", "LATCH.COUNTDOWN k ID a", "LATCH.ARRIVE k 0 ID late"]
    {
        witness.sees_nothing("k", || client.run(line));
    }
    assert_eq!(client.run("LATCH.COUNTDOWN k ID late"), int(0));
    assert_eq!(arrived(&mut client, "k"), set(&["a", "last"]));
}

#[test]
fn an_aborted_latch_refuses_any_id() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    server.run("LATCH.SET k 5");
    server.run("LATCH.COUNTDOWN k ID a");
    server.run("LATCH.ABORT k broken");
    for (mut client, _) in server.clients() {
        for id in ["a", "b"] {
            let line = format!("LATCH.COUNTDOWN k ID {id}");
            let reply = witness.sees_nothing("k", || client.run(&line));
            assert_eq!(reply, aborted("broken"), "{id}");
        }
        assert_eq!(arrived(&mut client, "k"), set(&["a"]));
    }
}

#[test]
fn an_id_counts_once_in_transactions_and_scripts() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 9");
    let twice = ["LATCH.COUNTDOWN k ID a"; 2];
    assert_eq!(client.transaction(&twice), array([8, 8]));
    assert_eq!(client.transaction(&twice), array([8, 8]));
    let script = "return {redis.call('LATCH.COUNTDOWN', KEYS[1], 'ID', 'b'), \
                  redis.call('LATCH.COUNTDOWN', KEYS[1], 'ID', 'b')}";
    for _ in 0..2 {
        assert_eq!(client.call(["EVAL", script, "1", "k"]), array([7, 7]));
    }
}

#[test]
fn ids_are_counted_over_maxmemory_too() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 3");
    client.run("CONFIG SET maxmemory 1");
    assert!(client.run("SET s x").error().starts_with("OOM "));
    for left in [2, 2] {
        assert_eq!(client.run("LATCH.COUNTDOWN k ID a"), int(left));
    }
    assert_eq!(client.run("LATCH.COUNTDOWN k 2 ID b"), int(0));
}

#[test]
fn ids_outlive_connections_moves_and_crashes() {
    let mut server = that_appends();
    let mut other = server.client();
    other.run("LATCH.SET k 5");
    let counted = other.run("LATCH.COUNTDOWN k 2 ID a");
    drop(other);
    for way in [
        "reconnect",
        "COPY k c",
        "RENAME k r",
        "MOVE k 1",
        "DUMP",
        "DEBUG RELOAD",
        "DEBUG LOADAOF",
        "crash",
        "rewrite",
        "crash",
    ] {
        let mut client = server.client();
        let key = match way {
            "reconnect" => "k",
            "DUMP" => {
                let Reply::Bulk(payload) = client.run("DUMP k") else { panic!("no payload") };
                assert_eq!(client.call(cmd!["RESTORE", "d", "0", payload]), ok());
                "d"
            }
            "crash" => {
                server.kill9();
                server.start_again();
                client = server.client();
                "k"
            }
            "rewrite" => {
                client.run("CONFIG SET aof-use-rdb-preamble no");
                client.run("BGREWRITEAOF");
                eventually("the end of the rewrite", PATIENCE, || {
                    let fields = ["aof_rewrite_in_progress", "aof_rewrite_scheduled"];
                    (fields.map(|field| server.info(field)) == ["0", "0"]).then_some(())
                });
                "k"
            }
            line => {
                assert!(!matches!(client.run(line), Reply::Error(_)), "{line}");
                line.split(' ').nth(2).filter(|word| *word != "1").unwrap_or("k")
            }
        };
        if way == "MOVE k 1" {
            client.run("SELECT 1");
        }
        assert_eq!(client.call(["LATCH.COUNTDOWN", key, "ID", "a"]), counted, "{way}");
        assert_eq!(arrived(&mut client, key), set(&["a"]), "{way}");
        match way {
            "RENAME k r" => _ = client.run("RENAME r k"),
            "MOVE k 1" => _ = client.run("MOVE k 0"),
            _ => {}
        }
    }
}

#[test]
fn ids_survive_a_failover() {
    let master = Server::builder().tcp().start();
    master.run("LATCH.SET k 3");
    master.run("LATCH.COUNTDOWN k ID before");
    let mut replica = Server::builder().tcp().replica_of(&master).start();
    replica.wait_in_sync(&master);
    assert_eq!(master.run("LATCH.COUNTDOWN k ID after"), int(1));
    replica.wait_in_sync(&master);
    let mut waiter = replica.parked("LATCH.AWAIT k 0");
    drop(master);
    assert_eq!(replica.run("REPLICAOF NO ONE"), ok());
    for id in ["before", "after"] {
        assert_eq!(replica.run(&format!("LATCH.COUNTDOWN k ID {id}")), int(1), "{id}");
        replica.wait_parked(&waiter);
    }
    assert_eq!(replica.run("LATCH.COUNTDOWN k ID new"), int(0));
    waiter.receives_only(&ok());
    replica.stop();
}
