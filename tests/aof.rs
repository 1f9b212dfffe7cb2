//! What the append-only file keeps, and what is written to it.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use common::*;

/// A server that has written what it has answered.
fn that_appends() -> Builder {
    Server::builder().config("appendonly", "yes").config("appendfsync", "always")
}

/// The part of the append-only file that the manifest calls `kind`: `b` is the
/// base, `i` what was appended since.
fn part(server: &Server, kind: &str) -> PathBuf {
    let dir = server.dir().join("appendonlydir");
    let manifest = fs::read_to_string(dir.join("appendonly.aof.manifest")).unwrap();
    let names: Vec<_> = (manifest.lines())
        .filter_map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            (words[5] == kind).then(|| dir.join(words[1]))
        })
        .collect();
    match names.as_slice() {
        [name] => name.clone(),
        _ => panic!("expected one part {kind} in {manifest}"),
    }
}

/// The commands in a file.
fn commands(file: &[u8]) -> Vec<Vec<String>> {
    let mut unread = file;
    let mut commands = Vec::new();
    while !unread.is_empty() {
        let command = Reply::decode(&mut unread).expect("a whole command");
        commands.push(command.items().iter().map(Reply::text).collect());
    }
    commands
}

/// Starts a rewrite and waits until it is over.
fn rewrite(server: &Server) {
    server.run("BGREWRITEAOF").text();
    wait_rewritten(server);
}

fn wait_rewritten(server: &Server) {
    eventually("the end of the rewrite", PATIENCE, || {
        let fields = ["aof_rewrite_in_progress", "aof_rewrite_scheduled"];
        (fields.map(|field| server.info(field)) == ["0", "0"]).then_some(())
    });
    assert_eq!(server.info("aof_last_bgrewrite_status"), "ok");
}

#[test]
fn everything_answered_survives_a_crash() {
    let mut server = that_appends().start();
    make_latches(&server);
    let before = server.contents();
    server.kill9();
    server.start_again();
    assert_eq!(server.contents(), before);
    assert_eq!(server.run("LATCH.GET counted"), int(4));
    assert_eq!(server.run("EXISTS opened"), int(0));
    assert_eq!(server.run("LATCH.COUNTDOWN drained"), int(0));
    server.kill9();
    server.start_again();
    assert_eq!(server.run("EXISTS drained"), int(0), "opened");
}

#[test]
fn a_crash_in_a_stream_of_countdowns_loses_none_that_was_answered() {
    const SENT: i64 = 20_000;
    const TOTAL: i64 = 1_000_000;
    for answered in [1, 500, 3_000] {
        let mut server = that_appends().start();
        let mut client = server.client();
        client.run(&format!("LATCH.SET k {TOTAL}"));
        let one = encode(["LATCH.COUNTDOWN", "k"]);
        client.send_raw(&one.repeat(usize::try_from(SENT).unwrap()));
        for nth in 1..=answered {
            assert_eq!(client.receive(), int(TOTAL - nth));
        }
        server.kill9();
        server.start_again();
        let counted = TOTAL - server.run("LATCH.GET k").int();
        assert!(
            (answered..=SENT).contains(&counted),
            "{answered} were answered, {SENT} sent and {counted} kept"
        );
    }
}

#[test]
fn a_replay_does_not_look_at_the_clock() {
    const TIME_TO_LIVE: Duration = Duration::from_millis(1500);
    let mut server = that_appends().start();
    let start = SystemTime::now();
    let millis = TIME_TO_LIVE.as_millis();
    server.run(&format!("LATCH.SET k 5 PX {millis}"));
    server.run(&format!("LATCH.SET opened 1 PX {millis}"));
    assert_eq!(server.run("LATCH.COUNTDOWN k 2"), int(3));
    assert_eq!(server.run("LATCH.COUNTDOWN opened"), int(0));
    assert_eq!(server.run("PERSIST k"), int(1));
    let before = server.contents();
    server.kill9();
    eventually("the time to live to pass", PATIENCE, || {
        (start.elapsed().unwrap() > 2 * TIME_TO_LIVE).then_some(())
    });
    server.start_again();
    assert_eq!(server.contents(), before);
}

#[test]
fn a_replica_writes_down_the_end_of_a_linger_once_and_as_its_master_reckoned_it() {
    let master = Server::builder().tcp().start();
    let replica = that_appends().replica_of(&master).start();
    replica.wait_in_sync(&master);
    // It begins a new file with the dataset of its master.
    wait_rewritten(&replica);
    for line in ["LATCH.SET k 1 LINGER 1000", "LATCH.COUNTDOWN k", "LATCH.SET l 0 LINGER 1000"] {
        assert!(!matches!(master.run(line), Reply::Error(_)), "{line}");
    }
    replica.wait_in_sync(&master);
    let file = fs::read(part(&replica, "i")).unwrap();
    let ends: Vec<_> =
        commands(&file).into_iter().filter(|command| command[0] == "PEXPIREAT").collect();
    let expected = ["k", "l"].map(|key| {
        let at = master.run(&format!("PEXPIRETIME {key}")).int();
        vec!["PEXPIREAT".to_owned(), key.to_owned(), at.to_string()]
    });
    assert_eq!(ends, expected);
}

#[test]
fn a_latch_that_expired_is_not_brought_back() {
    let mut server = that_appends().start();
    server.run("LATCH.SET k 5 PX 1");
    eventually("the latch to expire", PATIENCE, || (server.run("DBSIZE") == int(0)).then_some(()));
    server.kill9();
    server.start_again();
    assert_eq!(server.run("DBSIZE"), int(0));
}

#[test]
fn a_rewrite_keeps_everything() {
    for preamble in ["yes", "no"] {
        let mut server = that_appends().config("aof-use-rdb-preamble", preamble).start();
        make_latches(&server);
        let before = server.contents();
        rewrite(&server);
        assert_eq!(fs::read(part(&server, "i")).unwrap(), b"", "all in the base");
        let base = fs::read(part(&server, "b")).unwrap();
        assert_eq!(base.starts_with(b"*"), preamble == "no", "of commands");
        server.kill9();
        server.start_again();
        assert_eq!(server.contents(), before, "preamble: {preamble}");
    }
}

#[test]
fn a_rewritten_file_has_nothing_but_commands_that_a_client_could_send() {
    let server = that_appends().config("aof-use-rdb-preamble", "no").start();
    for line in [
        "LATCH.SET fresh 7",
        "LATCH.SET counted 7",
        "LATCH.COUNTDOWN counted",
        "LATCH.COUNTDOWN counted 2",
        "LATCH.SET timed 5 PXAT 99999999999999",
        "LATCH.COUNTDOWN timed",
        "LATCH.SET drained 9223372036854775807",
        "LATCH.COUNTDOWN drained 9223372036854775806",
        "LATCH.SET aborted 9 LINGER 1.5",
        "LATCH.COUNTDOWN aborted 2 ID one",
        "LATCH.ADD aborted 1",
        "LATCH.ABORT aborted unlucky",
        "LATCH.SET planned 1 ID planner",
        "LATCH.ADD planned 3 ID part",
        "LATCH.COUNTDOWN planned ID part",
        "LATCH.SET parted 1 LINGER 1000",
        "LATCH.ADD parted 1 ID part",
        "LATCH.ADD parted 1",
        "LATCH.COUNTDOWN parted 9 ID part",
        "PERSIST parted",
    ] {
        assert!(!matches!(server.run(line), Reply::Error(_)), "{line}");
    }
    rewrite(&server);
    let mut by_key = BTreeMap::<String, Vec<String>>::new();
    for command in commands(&fs::read(part(&server, "b")).unwrap()) {
        let lines = by_key.entry(command[1].clone()).or_default();
        lines.push(command.join(" "));
    }
    let all: Vec<_> = by_key.into_values().flatten().collect();
    assert_eq!(
        all,
        [
            "SELECT 0",
            "LATCH.SET aborted 10 LINGER 1.500",
            "LATCH.COUNTDOWN aborted 1",
            "LATCH.COUNTDOWN aborted 1 ID one",
            "LATCH.ABORT aborted unlucky",
            "LATCH.SET counted 7",
            "LATCH.COUNTDOWN counted 3",
            "LATCH.SET drained 9223372036854775807",
            "LATCH.COUNTDOWN drained 9223372036854775806",
            "LATCH.SET fresh 7",
            "LATCH.SET parted 2 LINGER 1000.000",
            "LATCH.ADD parted 1 ID part",
            "LATCH.COUNTDOWN parted 2",
            "LATCH.COUNTDOWN parted 1 ID part",
            "LATCH.SET planned 3 ID planner",
            "LATCH.ADD planned 1 ID part",
            "LATCH.COUNTDOWN planned 1 ID part",
            "LATCH.SET timed 5",
            "LATCH.COUNTDOWN timed 1",
            "PEXPIREAT timed 99999999999999",
        ]
    );
}

#[test]
fn what_is_counted_down_during_a_rewrite_is_kept() {
    for preamble in ["yes", "no"] {
        let mut server = that_appends().config("aof-use-rdb-preamble", preamble).start();
        make_latches(&server);
        // Microseconds for each key: the child is busy while we count.
        assert_eq!(server.run("CONFIG SET rdb-key-save-delay 30000"), ok());
        server.run("BGREWRITEAOF").text();
        server.run("LATCH.COUNTDOWN counted");
        server.run("LATCH.COUNTDOWN timed 9");
        server.run("LATCH.SET fresh 70 EX 1000");
        server.run("LATCH.SET new 6");
        server.run("LATCH.COUNTDOWN new");
        assert_eq!(server.info("aof_rewrite_in_progress"), "1");
        wait_rewritten(&server);
        let before = server.contents();
        server.kill9();
        server.start_again();
        assert_eq!(server.contents(), before, "preamble: {preamble}");
        assert_eq!(server.run("LATCH.GET counted"), int(3));
        assert_eq!(server.run("LATCH.GET new"), int(5));
    }
}

#[test]
fn debug_loadaof_changes_nothing() {
    let server = that_appends().start();
    make_latches(&server);
    let before = server.contents();
    assert_eq!(server.run("DEBUG LOADAOF"), ok());
    assert_eq!(server.contents(), before);
    rewrite(&server);
    assert_eq!(server.run("LATCH.COUNTDOWN counted"), int(3));
    let before = server.contents();
    assert_eq!(server.run("DEBUG LOADAOF"), ok());
    assert_eq!(server.contents(), before);
}

#[test]
fn a_load_of_the_file_keeps_the_clients_of_its_latches() {
    let server = that_appends().start();
    server.run("LATCH.SET k 3");
    server.run("LATCH.COUNTDOWN k");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    assert_eq!(server.run("DEBUG LOADAOF"), ok());
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(1));
    server.wait_parked(&waiter);
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    assert_eq!(waiter.receive(), ok());
}

#[test]
fn a_file_that_was_cut_off_is_loaded_up_to_its_last_whole_command() {
    let mut server = that_appends().start();
    server.run("LATCH.SET k 100");
    server.run("LATCH.COUNTDOWN k 10");
    let whole = server.contents();
    let last = encode(["LATCH.COUNTDOWN", "k", "25"]);
    server.run("LATCH.COUNTDOWN k 25");
    server.kill9();
    let name = part(&server, "i");
    let file = fs::read(&name).unwrap();
    assert!(file.ends_with(&last), "the last command is in the file");
    // To the middle of each part of a command, and to its end.
    for cut in [1, 2, 5, 12, 20, last.len() - 2, last.len() - 1, last.len()] {
        fs::write(&name, &file[..file.len() - cut]).unwrap();
        server.start_again();
        assert_eq!(server.contents(), whole, "{cut} bytes cut off");
        server.kill9();
    }
    fs::write(&name, &file).unwrap();
    server.start_again();
    assert_eq!(server.run("LATCH.GET k"), int(65), "nothing cut off");
}
