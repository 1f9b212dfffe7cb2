//! What a snapshot keeps, and which snapshots are refused.

mod common;

use std::fs;
use std::ops::Range;

use common::*;

/// A server that saves a snapshot when it is told to stop.
fn that_saves() -> Builder {
    Server::builder().config("save", "3600 1")
}

#[test]
fn a_restart_keeps_every_latch_and_when_it_expires() {
    let mut server = that_saves().start();
    make_latches(&server);
    let before = server.contents();
    server.restart();
    assert_eq!(server.contents(), before);
    assert_eq!(server.run("LATCH.GET counted"), int(4));
    assert_eq!(server.run("LATCH.GET opened"), int(0));
    assert_eq!(server.run("PEXPIRETIME timed-for-long"), int(99_999_999_999_999));
}

#[test]
fn a_latch_goes_on_counting_after_a_restart() {
    let mut server = that_saves().start();
    make_latches(&server);
    server.restart();
    let mut waiters =
        [server.parked("LATCH.AWAIT counted 0"), server.parked("LATCH.AWAIT largest 0")];
    assert_eq!(server.run("LATCH.COUNTDOWN counted 3"), int(1));
    assert_eq!(server.run("LATCH.COUNTDOWN counted"), int(0));
    let all = i64::MAX;
    assert_eq!(server.run(&format!("LATCH.COUNTDOWN largest {}", all - 1)), int(1));
    assert_eq!(server.run("LATCH.COUNTDOWN largest"), int(0));
    for waiter in &mut waiters {
        assert_eq!(waiter.receive(), ok());
    }
}

#[test]
fn a_latch_whose_time_has_passed_is_not_loaded() {
    let mut server = that_saves().start();
    assert_eq!(server.run("DEBUG SET-ACTIVE-EXPIRE 0"), ok());
    server.run("LATCH.SET passed 5 PXAT 1");
    server.run("LATCH.SET lasting 5");
    assert_eq!(server.run("DBSIZE"), int(2), "both are in the snapshot");
    server.restart();
    assert_eq!(server.run("DBSIZE"), int(1));
    assert_eq!(server.run("LATCH.GET passed"), int(0));
    assert_eq!(server.run("LATCH.GET lasting"), int(5));
}

#[test]
fn debug_reload_changes_nothing() {
    let server = Server::new();
    make_latches(&server);
    let before = server.contents();
    for reload in ["DEBUG RELOAD", "DEBUG RELOAD NOSAVE", "DEBUG RELOAD NOFLUSH MERGE"] {
        assert_eq!(server.run(reload), ok(), "{reload}");
        assert_eq!(server.contents(), before, "{reload}");
    }
    assert_eq!(server.run("LATCH.COUNTDOWN drained"), int(0));
    assert_eq!(server.run("LATCH.COUNTDOWN counted 2"), int(2));
}

#[test]
fn a_snapshot_taken_while_counting_down_is_of_the_moment_it_began() {
    const LATCHES: usize = 20;
    let mut server = Server::new();
    let mut client = server.client();
    for i in 0..LATCHES {
        client.run(&format!("LATCH.SET k{i} 100"));
        client.run(&format!("LATCH.COUNTDOWN k{i} {}", i + 1));
    }
    let at_the_fork = server.contents();
    // Microseconds for each key: the child is busy while we count.
    assert_eq!(client.run("CONFIG SET rdb-key-save-delay 20000"), ok());
    client.run("BGSAVE").text();
    for i in 0..LATCHES {
        client.run(&format!("LATCH.COUNTDOWN k{i} 10"));
    }
    client.run("LATCH.COUNTDOWN k0 1000");
    assert_eq!(server.info("rdb_bgsave_in_progress"), "1");
    eventually("the end of BGSAVE", PATIENCE, || {
        (server.info("rdb_bgsave_in_progress") == "0").then_some(())
    });
    assert_eq!(server.info("rdb_last_bgsave_status"), "ok");
    server.kill9();
    server.start_again();
    assert_eq!(server.contents(), at_the_fork);
}

#[test]
fn a_snapshot_with_a_latch_is_not_loaded_without_the_module() {
    let mut with = that_saves().start();
    with.run("LATCH.SET k 5");
    with.stop();
    let snapshot = fs::read(with.dir().join("dump.rdb")).unwrap();

    let mut without = Server::builder().without_module().prepare();
    let file = without.dir().join("dump.rdb");
    fs::write(&file, &snapshot).unwrap();
    let log = without.refuses_to_start();
    assert!(log.contains("countdown"), "names the type: {log}");
    assert_eq!(fs::read(file).unwrap(), snapshot, "and leaves the file alone");
}

/// The snapshot of a server with the latch `k`, of 297 left of 300, without a
/// checksum; the value of `k`, and where in the snapshot it is.
fn snapshot() -> (Vec<u8>, ModuleValue, Range<usize>) {
    let mut server = that_saves().config("rdbchecksum", "no").start();
    server.run("LATCH.SET k 300");
    server.run("LATCH.COUNTDOWN k 3");
    let Reply::Bulk(payload) = server.run("DUMP k") else { panic!("no payload") };
    server.stop();
    let snapshot = fs::read(server.dir().join("dump.rdb")).unwrap();
    assert!(snapshot.ends_with(&[0; 8]), "no checksum");
    let value = ModuleValue::of(&payload);
    let bytes = bytes_of(&value);
    let start = snapshot.windows(bytes.len()).position(|window| window == bytes);
    let start = start.expect("the latch in the snapshot");
    (snapshot, value, start..start + bytes.len())
}

/// A value as a snapshot has it: its payload without the type, which stands
/// before the key, and without version and checksum.
fn bytes_of(value: &ModuleValue) -> Vec<u8> {
    let payload = value.payload();
    payload[1..payload.len() - 10].to_vec()
}

/// A server that is to load the snapshot with `change` made to its latch.
fn with_changed_latch(change: impl FnOnce(&mut ModuleValue)) -> Server {
    let (mut snapshot, mut value, place) = snapshot();
    change(&mut value);
    snapshot.splice(place, bytes_of(&value));
    let server = Server::builder().prepare();
    fs::write(server.dir().join("dump.rdb"), &snapshot).unwrap();
    server
}

/// The line of the module in the log of a server that refuses to load it.
#[track_caller]
fn refusal(change: impl FnOnce(&mut ModuleValue)) -> String {
    let log = with_changed_latch(change).refuses_to_start();
    for crash in ["crashed by signal", "ASSERTION FAILED", "a bug in the latch module"] {
        assert!(!log.contains(crash), "{log}");
    }
    match log.lines().find(|line| line.contains("<latch> ")) {
        Some(line) => line.into(),
        None => panic!("no line of the module in {log}"),
    }
}

#[test]
fn a_snapshot_with_another_latch_in_its_place_is_loaded() {
    let mut server = with_changed_latch(|value| value.fields[0] = Field::Number(2 * 100 + 1));
    server.start_again();
    assert_eq!(server.run("LATCH.GET k"), int(100));
    assert_eq!(server.run("LATCH.INFO k").field("total"), &int(300));
}

#[test]
fn a_snapshot_of_a_newer_module_is_refused_and_the_log_names_both_versions() {
    for version in [2, 1023] {
        let line = refusal(|value| value.id = value.id & !0x3ff | version);
        assert!(line.contains(&format!("encoding {version}")), "{line}");
        assert!(line.contains("reads 1"), "{line}");
    }
}

#[test]
fn a_snapshot_with_an_impossible_latch_is_refused_with_a_line_in_the_log() {
    let changes: [(&str, usize, Field); 8] = [
        ("nothing to count", 0, Field::Number(1)),
        ("more than there was", 0, Field::Number(2 * 301 + 1)),
        ("open as it was made", 0, Field::Number(0)),
        ("beyond the limit", 1, Field::Number(u64::MAX)),
        ("text for a number", 1, Field::Bytes(b"300".to_vec())),
        ("neither aborted nor not", 3, Field::Number(2)),
        ("no reason", 3, Field::Number(1)),
        ("ids that are not there", 4, Field::Number(3)),
    ];
    for (what, index, field) in changes {
        let line = refusal(|value| value.fields[index] = field);
        assert!(line.contains("<latch> a saved latch "), "{what}: {line}");
    }
}
