//! Who has set a latch, which parts are announced, which have counted down and who has opened
//! it, through everything that keeps a latch: a command that is sent again does nothing
//! afterwards, too.

mod common;

use std::thread;

use common::states::{Cell, fields};
use common::*;

/// A latch that is closed, and one that lingers: `a` has counted down, `b` is missing, `c` was
/// never announced.
const MAKE: [&str; 9] = [
    "LATCH.SET k 2 ID me EX 5000 LINGER 100",
    "LATCH.ADD k 1 ID a",
    "LATCH.ADD k 1 ID b",
    "LATCH.COUNTDOWN k ID a",
    "LATCH.COUNTDOWN k ID c",
    "LATCH.SET done 1 ID me LINGER 5000",
    "LATCH.ADD done 1 ID b",
    "LATCH.COUNTDOWN done ID a",
    "LATCH.COUNTDOWN done ID c",
];

fn make(server: &Server) {
    for line in MAKE {
        assert!(!matches!(server.run(line), Reply::Error(_)), "{line}");
    }
}

/// Panics unless all is known, and whatever is sent again does nothing.
#[track_caller]
fn expect_all_known(server: &Server, how: &str) {
    let (mut witness, mut client) = (Witness::open(server), server.client());
    let names = ["count", "total", "arrived", "pending", "opened-by", "set-by"];
    assert_eq!(fields(&mut client, names), ["2", "4", "2", "1", "", "me"], "{how}");
    for (line, reply) in [
        ("LATCH.PENDING k", array(["b"])),
        ("LATCH.ARRIVED k", array(["a", "c"])),
        ("LATCH.ARRIVED k ID a b c", array([1, 0, 1])),
        ("LATCH.PENDING done", array(["b"])),
        ("LATCH.ARRIVED done", array(["a", "c"])),
        ("LATCH.SET k 2 NX ID me", ok()),
        ("LATCH.SET done 1 IFOPEN ID me", ok()),
        ("LATCH.ADD k 1 ID a", int(2)),
        ("LATCH.ADD k 1 ID b", int(2)),
        ("LATCH.ADD done 1 ID b", int(0)),
        ("LATCH.COUNTDOWN k ID a", int(2)),
        ("LATCH.COUNTDOWN k ID c MISSING ERROR", int(2)),
        ("LATCH.COUNTDOWN done ID a MISSING ERROR", int(0)),
        ("LATCH.COUNTDOWN done ID b MISSING ERROR", error(LATCH_OPEN)),
        ("LATCH.ARRIVE k 0.001 ID a", Reply::NullBulk),
        ("LATCH.ARRIVE done 0 ID c MISSING ERROR", ok()),
    ] {
        let what = format!("{line} after {how}");
        Cell::Same(reply).check_call(&mut witness, &what, || client.run(line));
    }
    let info = client.run("LATCH.INFO done");
    assert_eq!((info.field("opened-by"), info.field("set-by")), (&bulk("c"), &bulk("me")), "{how}");
}

/// Waits until no file is being rewritten.
fn wait_rewritten(server: &Server) {
    eventually("the end of the rewrite", PATIENCE, || {
        let fields = ["aof_rewrite_in_progress", "aof_rewrite_scheduled"];
        (fields.map(|field| server.info(field)) == ["0", "0"]).then_some(())
    });
    assert_eq!(server.info("aof_last_bgrewrite_status"), "ok");
}

/// A server that has written what it has answered.
fn that_appends(preamble: &str) -> Builder {
    Server::builder()
        .config("appendonly", "yes")
        .config("appendfsync", "always")
        .config("aof-use-rdb-preamble", preamble)
}

#[test]
fn all_is_known_after_a_restart() {
    let mut server = Server::builder().config("save", "3600 1").start();
    make(&server);
    expect_all_known(&server, "nothing");
    server.restart();
    expect_all_known(&server, "a snapshot");
    assert_eq!(server.run("DEBUG RELOAD"), ok());
    expect_all_known(&server, "a reload");
    for preamble in ["yes", "no"] {
        let mut server = that_appends(preamble).start();
        make(&server);
        server.kill9();
        server.start_again();
        expect_all_known(&server, "a crash");
        for _ in 0..2 {
            server.run("BGREWRITEAOF").text();
            wait_rewritten(&server);
            server.kill9();
            server.start_again();
            expect_all_known(&server, &format!("a rewrite, preamble: {preamble}"));
        }
    }
}

#[test]
fn all_is_known_of_copies_and_of_what_was_moved() {
    let server = Server::new();
    make(&server);
    let mut client = server.client();
    for key in ["k", "done"] {
        assert_eq!(client.run(&format!("COPY {key} copy REPLACE")), int(1));
        client.run(&format!("DEL {key}"));
        client.run(&format!("RENAME copy {key}"));
    }
    expect_all_known(&server, "a copy");
    for key in ["k", "done"] {
        let Reply::Bulk(payload) = client.call(["DUMP", key]) else { panic!("no payload") };
        let at = client.call(["PEXPIRETIME", key]).int().to_string();
        assert_eq!(client.call(cmd!["RESTORE", key, at, payload, "REPLACE", "ABSTTL"]), ok());
    }
    expect_all_known(&server, "a restored payload");
    client.run("MOVE k 1");
    client.run("MOVE done 1");
    client.run("SWAPDB 0 1");
    expect_all_known(&server, "a move");
}

#[test]
fn all_is_known_on_replicas_and_where_one_is_promoted() {
    let master = Server::builder().tcp().start();
    let early = Server::builder().tcp().replica_of(&master).start();
    early.wait_in_sync(&master);
    make(&master);
    let late = Server::builder().replica_of(&master).start();
    for replica in [&early, &late] {
        replica.wait_in_sync(&master);
        assert_eq!(replica.digest(), master.digest());
        assert_eq!(replica.contents(), master.contents());
    }
    expect_all_known(&master, "nothing");
    drop(master);
    for replica in [early, late] {
        assert_eq!(replica.run("REPLICAOF NO ONE"), ok());
        expect_all_known(&replica, "a promotion");
    }
}

/// What one of several planners has done when it is told to stop: it adds parts, and every
/// other one counts down, and all of it is answered. How many there are.
fn plan(server: &Server, planner: usize) -> i64 {
    let mut client = server.client();
    let mut parts = 0;
    while client.run("EXISTS over") == int(0) {
        do_part(&mut client, planner, parts);
        parts += 1;
    }
    parts
}

/// Adds a part, and counts it down if its number is even.
fn do_part(client: &mut Client, planner: usize, part: i64) {
    client.run(&format!("LATCH.ADD k 1 ID planner-{planner}-{part}")).int();
    if part % 2 == 0 {
        client.run(&format!("LATCH.COUNTDOWN k ID planner-{planner}-{part}")).int();
    }
}

/// Rewrites the file twice while so many planners are at work: how many parts each has done.
fn rewrite_meanwhile(server: &Server, planners: usize) -> Vec<i64> {
    thread::scope(|scope| {
        let planners: Vec<_> =
            (0..planners).map(|planner| scope.spawn(move || plan(server, planner))).collect();
        for _ in 0..2 {
            let total = || server.run("LATCH.INFO k").field("total").int();
            server.run("BGREWRITEAOF").text();
            let before = total();
            wait_rewritten(server);
            assert!(total() > before, "nothing was added meanwhile");
        }
        server.run("SET over 1");
        planners.into_iter().map(|planner| planner.join().expect("no panic")).collect()
    })
}

#[test]
fn what_is_added_and_counted_during_a_rewrite_counts_once() {
    for preamble in ["yes", "no"] {
        let mut server = that_appends(preamble).config("appendfsync", "no").start();
        server.run("LATCH.SET k 1 ID me");
        for n in 0..100 {
            server.run(&format!("LATCH.SET other-{n} 1"));
        }
        // Microseconds for each key: the child is busy meanwhile.
        assert_eq!(server.run("CONFIG SET rdb-key-save-delay 1000"), ok());
        let parts = rewrite_meanwhile(&server, 3);

        let added: i64 = parts.iter().sum();
        let counted: i64 = parts.iter().map(|parts| (parts + 1) / 2).sum();
        let expected = [1 + added - counted, 1 + added, counted, added - counted];
        let expected = expected.map(|number| number.to_string());
        let names = ["count", "total", "arrived", "pending"];
        assert_eq!(fields(&mut server.client(), names), expected);
        let before = server.contents();
        server.kill9();
        server.start_again();
        assert_eq!(server.contents(), before, "preamble: {preamble}");
        // Each is sent again.
        let mut client = server.client();
        for (planner, parts) in parts.into_iter().enumerate() {
            (0..parts).for_each(|part| do_part(&mut client, planner, part));
        }
        assert_eq!(fields(&mut client, names), expected, "preamble: {preamble}");
    }
}
