//! Count, total, ids, reason, time to linger and time to live of a latch in
//! snapshots, append-only files, payloads and replicas.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::slice::from_ref;

use common::*;

/// Makes latches of all that is kept of one, alone and together.
const LATCHES: [&str; 38] = [
    "LATCH.SET plain 7",
    "LATCH.SET ids 7",
    "LATCH.COUNTDOWN ids ID a",
    "LATCH.COUNTDOWN ids 2 ID 12",
    "LATCH.SET ids-and-more 9",
    "LATCH.COUNTDOWN ids-and-more 3 ID a",
    "LATCH.COUNTDOWN ids-and-more 2",
    "LATCH.SET raised 5 LINGER 0.001",
    "LATCH.COUNTDOWN raised 2",
    "LATCH.ADD raised 9",
    "LATCH.SET aborted 5",
    "LATCH.ABORT aborted disk-full",
    "LATCH.SET timed-and-aborted 5 PXAT 99999999999999 LINGER 86400.5",
    "LATCH.COUNTDOWN timed-and-aborted 2 ID a",
    "LATCH.ABORT timed-and-aborted",
    "LATCH.SET lingering 3 EX 5000 LINGER 1000",
    "LATCH.COUNTDOWN lingering ID a",
    "LATCH.COUNTDOWN lingering ID b",
    "LATCH.COUNTDOWN lingering 100 ID c",
    "LATCH.SET lingering-for-ever 2 LINGER 1000",
    "LATCH.COUNTDOWN lingering-for-ever 2",
    "PERSIST lingering-for-ever",
    "LATCH.SET zero 0 LINGER 1000.005",
    "LATCH.SET again 1 LINGER 1000",
    "LATCH.COUNTDOWN again ID a",
    "LATCH.SET again 4 KEEPTTL LINGER 7",
    "LATCH.COUNTDOWN again ID a",
    "LATCH.SET largest 9223372036854775807",
    "LATCH.COUNTDOWN largest 9223372036854775806 ID a",
    "LATCH.SET planned 1 ID planner EX 5000",
    "LATCH.ADD planned 1 ID a",
    "LATCH.ADD planned 5 ID b",
    "LATCH.COUNTDOWN planned ID b",
    "LATCH.COUNTDOWN planned ID c",
    "LATCH.SET done 1 ID planner LINGER 1000",
    "LATCH.ADD done 1 ID missed",
    "LATCH.COUNTDOWN done ID a",
    "LATCH.COUNTDOWN done 7 ID b",
];

fn make(server: &Server) {
    let mut client = server.client();
    for line in LATCHES {
        let reply = client.run(line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
    client.run("LATCH.SET odd 100");
    for id in [&b"\0\r\n\xff"[..], &[b'x'; 1024], b"-1", b"007", b" "] {
        client.call(cmd!["LATCH.COUNTDOWN", "odd", "ID", id]);
    }
    client.call(cmd!["LATCH.ABORT", "odd", b"\xff\xfe \"'%s\\"]);
}

/// All that a client can see of every latch.
fn seen(server: &Server) -> BTreeMap<String, String> {
    let mut client = server.client();
    let keys = client.run("KEYS *");
    let seen = keys.items().iter().map(|key| {
        let Reply::Bulk(name) = key else { panic!("no name: {key:?}") };
        let info = client.call(cmd!["LATCH.INFO", name]);
        let [ids, pending] = ["LATCH.ARRIVED", "LATCH.PENDING"].map(|command| {
            let ids = client.call(cmd![command, name]);
            ids.items().iter().map(|id| format!("{id:?}")).collect::<BTreeSet<_>>()
        });
        let who = ["opened-by", "set-by"].map(|field| info.field(field));
        let fields = ["state", "count", "total", "arrived", "linger-ms", "reason"];
        let fields = fields.map(|field| info.field(field));
        let expires = client.call(cmd!["PEXPIRETIME", name]);
        let digest = client.call(cmd!["DEBUG", "DIGEST-VALUE", name]);
        let shown = format!("{fields:?} {ids:?} {who:?} {pending:?} {expires:?} {digest:?}");
        (key.text(), shown)
    });
    seen.collect()
}

/// Waits until nothing is being written.
fn wait_written(server: &Server) {
    eventually("the end of the writing", PATIENCE, || {
        let fields = ["aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress"];
        (fields.map(|field| server.info(field)) == ["0"; 3]).then_some(())
    });
    for field in ["aof_last_bgrewrite_status", "rdb_last_bgsave_status"] {
        assert_eq!(server.info(field), "ok", "{field}");
    }
}

#[test]
fn everything_can_be_seen_to_be_there() {
    let server = Server::new();
    make(&server);
    let seen = seen(&server);
    let shown = |key: &str| seen[key].as_str();
    for (key, expected) in [
        ("ids-and-more", r#"["closed", :4, :9, :1, :0, ""] {"\"a\""} ["", ""] {} :-1"#),
        ("raised", r#"["closed", :12, :14, :0, :1, ""] {} ["", ""] {} :-1"#),
        ("aborted", r#"["aborted", :5, :5, :0, :0, "disk-full"] {} ["", ""] {} :-1"#),
        ("zero", r#"["open", :0, :0, :0, :1000005, ""] {} ["", ""] {} :1"#),
        ("lingering", r#"["open", :0, :3, :3, :1000000, ""]"#),
        (
            "planned",
            r#"["closed", :5, :7, :2, :0, ""] {"\"b\"", "\"c\""} ["", "planner"] {"\"a\""} :1"#,
        ),
        (
            "done",
            r#"["open", :0, :2, :2, :1000000, ""] {"\"a\"", "\"b\""} ["b", "planner"] {"\"missed\""} :1"#,
        ),
    ] {
        assert!(shown(key).starts_with(expected), "{key}: {}", shown(key));
    }
}

#[test]
fn a_snapshot_keeps_everything() {
    let mut server = Server::builder().config("save", "3600 1").start();
    make(&server);
    let before = (server.contents(), seen(&server));
    server.restart();
    assert_eq!((server.contents(), seen(&server)), before);
    for reload in ["DEBUG RELOAD", "DEBUG RELOAD NOSAVE", "DEBUG RELOAD NOFLUSH MERGE"] {
        assert_eq!(server.run(reload), ok(), "{reload}");
        assert_eq!((server.contents(), seen(&server)), before, "{reload}");
    }
}

#[test]
fn the_append_only_file_keeps_everything_before_and_after_a_rewrite() {
    for preamble in ["yes", "no"] {
        let mut server = Server::builder()
            .config("appendonly", "yes")
            .config("appendfsync", "always")
            .config("aof-use-rdb-preamble", preamble)
            .start();
        make(&server);
        let before = (server.contents(), seen(&server));
        for rewrite in [false, true, true] {
            if rewrite {
                server.run("BGREWRITEAOF").text();
                wait_written(&server);
            }
            server.kill9();
            server.start_again();
            let now = (server.contents(), seen(&server));
            assert_eq!(now, before, "preamble: {preamble}, rewritten: {rewrite}");
        }
        assert_eq!(server.run("LATCH.COUNTDOWN ids ID a"), int(4));
        assert_eq!(server.run("LATCH.COUNTDOWN ids ID b"), int(3));
    }
}

#[test]
fn a_rewritten_file_has_only_commands_that_a_client_may_send() {
    let server =
        Server::builder().config("appendonly", "yes").config("aof-use-rdb-preamble", "no").start();
    make(&server);
    // Its time would begin again: a client cannot open it and set none.
    server.run("DEL lingering-for-ever");
    server.run("BGREWRITEAOF").text();
    wait_written(&server);
    let files = fs::read_dir(server.dir().join("appendonlydir")).unwrap();
    let base = files
        .map(|file| file.unwrap().path())
        .find(|path| path.to_string_lossy().ends_with(".base.aof"))
        .expect("a base file");
    let (file, mut lines) = (fs::read(base).unwrap(), Vec::new());
    let mut unread = file.as_slice();
    while !unread.is_empty() {
        let command = Reply::decode(&mut unread).expect("a whole command");
        let words: Vec<_> = command.items().iter().map(Reply::text).collect();
        lines.push(words.join(" "));
    }
    let names: BTreeSet<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let known = ["LATCH.ABORT", "LATCH.ADD", "LATCH.COUNTDOWN", "LATCH.SET", "PEXPIREAT", "SELECT"]
        .into_iter()
        .collect();
    assert_eq!(names, known);
    // Another server, which is told the same, has the same.
    let other = Server::new();
    let mut client = other.client();
    let mut unread = file.as_slice();
    while let Some(command) = Reply::decode(&mut unread) {
        let words = command.items().iter().map(|word| match word {
            Reply::Bulk(bytes) => bytes.clone(),
            other => panic!("no word: {other:?}"),
        });
        let reply = client.call(words);
        assert!(!matches!(reply, Reply::Error(_)), "{command:?}: {reply:?}");
    }
    assert_eq!(seen(&other), seen(&server));
}

#[test]
fn copies_and_payloads_are_equal() {
    let server = Server::builder().tcp().start();
    let there = Server::builder().tcp().start();
    make(&server);
    let mut client = server.client();
    let all = seen(&server);
    for name in all.keys() {
        let Reply::Bulk(payload) = client.call(["DUMP", name]) else { panic!("no payload") };
        let expires = client.call(["PEXPIRETIME", name]).int().max(0).to_string();
        let restore = cmd!["RESTORE", "restored", expires, payload, "ABSTTL"];
        assert_eq!(client.call(restore), ok(), "{name}");
        assert_eq!(client.call(["COPY", name, "copied"]), int(1));
        let now = seen(&server);
        for key in ["restored", "copied"] {
            assert_eq!(now[key], all[name], "{key} {name}");
        }
        client.run("DEL restored copied");
        let port = there.port().to_string();
        let migrate = ["MIGRATE", "127.0.0.1", &port, name, "0", "5000", "COPY"];
        assert_eq!(client.call(migrate), ok(), "{name}");
    }
    assert_eq!(seen(&server), all, "the originals are untouched");
    // It sends how long they have, so they may expire a little later there.
    let without_times = |server| -> Vec<_> {
        let digest = |seen: String| seen.rsplit(' ').next().map(str::to_owned);
        seen(server).into_iter().map(|(key, seen)| (key, digest(seen))).collect()
    };
    assert_eq!(without_times(&there), without_times(&server));
}

#[test]
fn a_copy_and_its_original_go_separate_ways() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 3");
    client.run("LATCH.COUNTDOWN k ID a");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    client.run("COPY k c");
    assert_eq!(client.run("LATCH.COUNTDOWN c ID b"), int(1));
    assert_eq!(client.run("LATCH.COUNTDOWN k ID c"), int(1));
    assert_eq!(client.run("LATCH.COUNTDOWN k ID b"), int(0));
    waiter.receives_only(&ok());
    assert_eq!(client.run("LATCH.GET c"), int(1));
}

#[test]
fn replicas_have_everything_by_the_stream_and_by_a_snapshot() {
    let master = Server::builder().tcp().start();
    let early = Server::builder().replica_of(&master).start();
    early.wait_in_sync(&master);
    make(&master);
    let late = Server::builder().replica_of(&master).start();
    for replica in [&early, &late] {
        replica.wait_in_sync(&master);
        assert_eq!(replica.contents(), master.contents());
        assert_eq!(seen(replica), seen(&master));
    }
    // All that can still be done to them.
    for line in [
        "LATCH.COUNTDOWN ids 1 ID new",
        "LATCH.ADD ids-and-more 100",
        "LATCH.ADD planned 1 ID d",
        "LATCH.COUNTDOWN planned ID a MISSING ERROR",
        "LATCH.SET done 1 IFOPEN ID planner-2 LINGER 1000",
        "LATCH.COUNTDOWN done ID a",
        "LATCH.SET aborted 3 LINGER 1",
        "LATCH.ABORT plain",
        "LATCH.COUNTDOWN again ID last",
        "LATCH.COUNTDOWN again 100",
        "LATCH.SET raised 0 LINGER 1000",
        "LATCH.SET lingering 5",
    ] {
        assert!(!matches!(master.run(line), Reply::Error(_)), "{line}");
        for replica in [&early, &late] {
            replica.wait_in_sync(&master);
            assert_eq!(replica.contents(), master.contents(), "{line}");
            assert_eq!(seen(replica), seen(&master), "{line}");
        }
    }
}

#[test]
fn what_happened_while_a_replica_was_away_is_told_to_its_clients() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    let mut client = master.client();
    client.transaction(&["LATCH.SET opened 1 LINGER 1000", "LATCH.SET broken 1", "LATCH.SET k 3"]);
    client.run("LATCH.COUNTDOWN k ID a");
    replica.wait_in_sync(&master);
    let mut waiters = ["opened", "broken", "k"]
        .map(|key| replica.parked(&format!("LATCH.AWAIT {key} 0 MISSING WAIT")));
    // It comes back to another history.
    client.transaction(&[
        "CLIENT KILL TYPE replica",
        "DEBUG CHANGE-REPL-ID",
        "LATCH.COUNTDOWN opened",
        "LATCH.ABORT broken no",
    ]);
    waiters[0].receives_only(&ok());
    waiters[1].receives_only(&aborted("no"));
    replica.wait_in_sync(&master);
    assert_eq!(seen(&replica), seen(&master));
    for (id, left) in [("a", 2), ("b", 1)] {
        assert_eq!(client.run(&format!("LATCH.COUNTDOWN k ID {id}")), int(left), "{id}");
    }
    replica.wait_in_sync(&master);
    replica.wait_parked(&waiters[2]);
    client.run("LATCH.COUNTDOWN k ID c");
    waiters[2].receives_only(&ok());
}

#[test]
fn equal_latches_have_equal_digests_and_others_have_not() {
    let server = Server::new();
    let mut client = server.client();
    let mut digest = |lines: &[&str]| {
        client.run("DEL k");
        for line in lines {
            let reply = client.run(line);
            assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
        }
        client.run("DEBUG DIGEST-VALUE k").items()[0].text()
    };
    let three = digest(&["LATCH.SET k 5", "LATCH.COUNTDOWN k 2"]);
    assert_eq!(three, digest(&["LATCH.SET k 4", "LATCH.COUNTDOWN k 2", "LATCH.ADD k 1"]));
    let ids = ["LATCH.COUNTDOWN k ID a", "LATCH.COUNTDOWN k ID b", "LATCH.COUNTDOWN k ID c"];
    let of = |order: [usize; 3]| [&["LATCH.SET k 9"][..], &order.map(|nth| ids[nth])].concat();
    assert_eq!(digest(&of([0, 1, 2])), digest(&of([2, 0, 1])));

    let different = [
        &["LATCH.SET k 5"][..],
        &["LATCH.SET k 6"],
        &["LATCH.SET k 6", "LATCH.COUNTDOWN k"],
        &["LATCH.SET k 6", "LATCH.COUNTDOWN k ID a"],
        &["LATCH.SET k 6", "LATCH.COUNTDOWN k ID b"],
        &["LATCH.SET k 7", "LATCH.COUNTDOWN k", "LATCH.COUNTDOWN k ID a"],
        &["LATCH.SET k 7", "LATCH.COUNTDOWN k ID a", "LATCH.COUNTDOWN k ID b"],
        &["LATCH.SET k 7", "LATCH.COUNTDOWN k 2 ID ab"],
        &["LATCH.SET k 7", "LATCH.COUNTDOWN k 2 ID ba"],
        &["LATCH.SET k 5 LINGER 1"],
        &["LATCH.SET k 5 LINGER 0.001"],
        &["LATCH.SET k 5", "LATCH.ABORT k"],
        &["LATCH.SET k 5", "LATCH.ABORT k a"],
        &["LATCH.SET k 6", "LATCH.COUNTDOWN k ID a", "LATCH.ABORT k"],
        &["LATCH.SET k 0 LINGER 1000"],
        &["LATCH.SET k 5 LINGER 1000", "LATCH.COUNTDOWN k 5"],
    ];
    let digests: BTreeMap<_, _> = different.iter().map(|lines| (digest(lines), lines)).collect();
    assert_eq!(digests.len(), different.len(), "{digests:?}");
}

#[test]
fn payloads_that_make_no_latch_are_refused() {
    const MAX: u64 = i64::MAX.cast_unsigned();
    let server = Server::builder().config("rdbcompression", "no").start();
    let mut client = server.client();
    client.run("LATCH.SET k 9 LINGER 1");
    client.run("LATCH.COUNTDOWN k 2 ID id");
    client.run("LATCH.ABORT k no");
    let payload = dump(&mut client, "k");
    let real = ModuleValue::of(&payload);
    let (number, bytes) = (Field::Number, |bytes: &[u8]| Field::Bytes(bytes.to_vec()));
    let fields = [
        vec![number(15), number(9), number(1000)],
        vec![number(0), number(1), bytes(b"no"), number(0)],
        vec![number(1), bytes(b"id"), number(0), number(0)],
    ];
    assert_eq!(real.fields, fields.concat());

    let latch =
        |count: u64, total, linger| vec![number(2 * count + 1), number(total), number(linger)];
    let closed = latch(7, 9, 0);
    // Of none who set or opened it, and of no ids but recorded ones.
    let with = |mut start: Vec<Field>, reason: Option<&[u8]>, ids: u64, rest: &[Field]| {
        start.extend([number(0), number(reason.is_some().into())]);
        start.extend(reason.map(bytes));
        start.extend([number(0), number(ids)]);
        start.extend_from_slice(rest);
        start.extend([number(0), number(0)]);
        start
    };
    let (a, b, c) = (bytes(b"a"), bytes(b"b"), bytes(b"c"));
    let (one, two, most) = (bytes(&[b'x'; 1024]), bytes(b"12"), [b'x'; 1024]);
    let lines = || server.log().matches("<latch> ").count();

    // These show that it is not the forging that is refused.
    for fields in [
        with(closed.clone(), None, 0, &[]),
        with(closed.clone(), None, 2, &[a.clone(), b.clone()]),
        with(closed.clone(), None, 2, &[one, Field::Packed(12)]),
        with(closed.clone(), Some(&most), 1, from_ref(&a)),
        with(closed.clone(), Some(b"\xff \t"), 0, &[]),
        with(latch(0, 0, 1), None, 0, &[]),
        with(latch(0, 3, 1 << 50), None, 2, &[a.clone(), b.clone()]),
        with(latch(1, MAX, 0), None, 0, &[]),
    ] {
        let forged = ModuleValue { fields, ..real.clone() };
        let reply = client.call(cmd!["RESTORE", "new", "0", forged.payload()]);
        assert_eq!(reply, ok(), "{forged:?}");
        let again = dump(&mut client, "new");
        assert_eq!(ModuleValue::of(&again).fields.len(), forged.fields.len());
        client.run("DEL new");
    }
    for (why, fields) in [
        ("an id twice", with(closed.clone(), None, 2, &[a.clone(), a.clone()])),
        ("an id twice, once packed", with(closed.clone(), None, 2, &[two, Field::Packed(12)])),
        ("an empty id", with(closed.clone(), None, 1, &[bytes(b"")])),
        ("a long id", with(closed.clone(), None, 1, &[bytes(&[b'x'; 1025])])),
        ("more ids than countdowns", with(closed.clone(), None, 3, &[a.clone(), b, c])),
        ("an id of no countdown", with(latch(9, 9, 0), None, 1, from_ref(&a))),
        ("an id too few", with(closed.clone(), None, 2, from_ref(&a))),
        ("an id too many", with(closed.clone(), None, 0, from_ref(&a))),
        ("a number for an id", with(closed.clone(), None, 1, &[number(1)])),
        ("a huge number of ids", with(closed.clone(), None, MAX, from_ref(&a))),
        ("a larger number of ids", with(closed.clone(), None, u64::MAX, from_ref(&a))),
        ("no countdowns missing", with(latch(0, 9, 0), None, 0, &[])),
        ("nothing at all", with(latch(0, 0, 0), None, 0, &[])),
        ("open as it was made", vec![number(0)]),
        ("open and aborted", with(latch(0, 9, 1), Some(b"no"), 0, &[])),
        ("a count above the total", with(latch(8, 7, 0), None, 0, &[])),
        ("a huge total", with(latch(7, MAX + 1, 0), None, 0, &[])),
        ("a huge time to linger", with(latch(7, 9, (1 << 50) + 1), None, 0, &[])),
        ("an empty reason", with(closed.clone(), Some(b""), 0, &[])),
        ("a long reason", with(closed.clone(), Some(&[b'x'; 1025]), 0, &[])),
        ("two lines of reason", with(closed.clone(), Some(b"a\nb"), 0, &[])),
        ("a reason with a return", with(closed.clone(), Some(b"a\rb"), 0, &[])),
        ("a reason with an end", with(closed.clone(), Some(b"a\0b"), 0, &[])),
        ("opened by nobody", with(latch(0, 1, 1), None, 1, from_ref(&a))),
        (
            "a reason that is 2",
            [closed.clone(), vec![number(0), number(2), a.clone()], vec![number(0); 4]].concat(),
        ),
        (
            "a reason that is a number",
            [closed.clone(), vec![number(0), number(1), number(1)], vec![number(0); 4]].concat(),
        ),
        ("a reason that is missing", [closed.clone(), vec![number(0), number(1)]].concat()),
        ("a string for a count", with(vec![a, number(9), number(0)], None, 0, &[])),
        ("three numbers", closed),
        ("no fields", vec![]),
    ] {
        let before = lines();
        let forged = ModuleValue { fields, ..real.clone() };
        for command in ["RESTORE new 0", "RESTORE k 0"] {
            let mut words: Vec<_> =
                command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            words.extend([forged.payload(), b"REPLACE".to_vec()]);
            assert_eq!(client.call(words), error("ERR Bad data format"), "{why}");
        }
        assert_eq!(client.run("EXISTS new"), int(0), "{why}");
        // The server sees by itself that there is more than a value.
        let found = lines() - before;
        assert!(found == 2 || why == "an id too many", "{why}: {found} lines in the log");
    }
    assert_eq!(client.run("DUMP k"), Reply::Bulk(payload), "is untouched");
    assert!(!server.log().contains("a bug in the latch module"));
}

#[test]
fn active_defragmentation_leaves_latches_as_they_are() {
    let server = Server::new();
    make(&server);
    let before = seen(&server);
    if !server.defragments() {
        return;
    }
    server.run("CONFIG SET activedefrag yes");
    for setting in ["ignore-bytes 1", "threshold-lower 0", "cycle-min 50"] {
        assert_eq!(server.run(&format!("CONFIG SET active-defrag-{setting}")), ok());
    }
    let script = "for i = 1, 20000 do redis.call('LATCH.SET', 'filler:' .. i, 5) end \
                  for i = 1, 20000, 2 do redis.call('DEL', 'filler:' .. i) end";
    server.client().call(["EVAL", script, "0"]);
    eventually("some of the others to be moved", PATIENCE, || {
        let moved: u64 = server.info("active_defrag_key_hits").parse().unwrap();
        (moved > 2000).then_some(())
    });
    let script = "local n = 0 for i = 2, 20000, 2 do \
                  n = n + redis.call('LATCH.COUNTDOWN', 'filler:' .. i, 3) end return n";
    assert_eq!(server.client().call(["EVAL", script, "0"]), int(2 * 10_000));
    let script = "for i = 2, 20000, 2 do redis.call('LATCH.COUNTDOWN', 'filler:' .. i, 2) end";
    server.client().call(["EVAL", script, "0"]);
    assert_eq!(seen(&server), before);
}
