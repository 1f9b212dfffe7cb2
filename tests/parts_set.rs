//! `LATCH.SET key count [NX | XX | IFOPEN] [ID id]`: every state of the key, every condition,
//! with the id that has set the latch and without.

mod common;

use std::fs;

use common::states::{Cell, STRING, fields, prepare};
use common::*;

/// What a `SET` comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// A latch is made, or takes the place of one that was open or aborted: `OK`.
    Made,
    /// A closed latch is set again, and its waiters stay: `OK`.
    Reset,
    /// The condition is not met: null, and nothing changes.
    Null,
    /// The id has set it: `OK`, and nothing changes.
    Same,
    /// `WRONGTYPE`
    Wrong,
}

use Deed::{Made, Null, Reset, Same, Wrong};

/// A state of the key, by the commands that lead to it; and what comes of a `SET` without a
/// condition, with `NX`, with `XX` and with `IFOPEN`; then the same with `ID x`.
type Row = (&'static [&'static str], [Deed; 4], [Deed; 4]);

const CONDITIONS: [&str; 4] = ["", "NX", "XX", "IFOPEN"];

const TABLE: [Row; 11] = [
    (&[], [Made, Made, Null, Made], [Made, Made, Null, Made]),
    (
        &["LATCH.SET k 5 EX 1000", "LATCH.COUNTDOWN k ID a"],
        [Reset, Null, Reset, Null],
        [Reset, Null, Reset, Null],
    ),
    (
        &["LATCH.SET k 5 ID y EX 1000 LINGER 50", "LATCH.ADD k 1 ID a"],
        [Reset, Null, Reset, Null],
        [Reset, Null, Reset, Null],
    ),
    (
        &["LATCH.SET k 5 ID x EX 1000 LINGER 50", "LATCH.COUNTDOWN k ID a"],
        [Reset, Null, Reset, Null],
        [Same, Same, Same, Same],
    ),
    (
        &["LATCH.SET k 1 LINGER 50", "LATCH.COUNTDOWN k"],
        [Made, Null, Made, Made],
        [Made, Null, Made, Made],
    ),
    (
        &["LATCH.SET k 1 ID y LINGER 50", "LATCH.COUNTDOWN k ID a"],
        [Made, Null, Made, Made],
        [Made, Null, Made, Made],
    ),
    (
        &["LATCH.SET k 1 ID x LINGER 50", "LATCH.COUNTDOWN k ID a"],
        [Made, Null, Made, Made],
        [Same, Same, Same, Same],
    ),
    (
        &["LATCH.SET k 5 EX 1000", "LATCH.ABORT k no"],
        [Made, Null, Made, Null],
        [Made, Null, Made, Null],
    ),
    (
        &["LATCH.SET k 5 ID y EX 1000", "LATCH.COUNTDOWN k ID a", "LATCH.ABORT k no"],
        [Made, Null, Made, Null],
        [Made, Null, Made, Null],
    ),
    (
        &["LATCH.SET k 5 ID x EX 1000", "LATCH.COUNTDOWN k ID a", "LATCH.ABORT k no"],
        [Made, Null, Made, Null],
        [Same, Same, Same, Same],
    ),
    (STRING, [Wrong; 4], [Wrong; 4]),
];

/// A state, a `SET` without its count: its words before and after that, its id, what comes of it.
struct Case {
    state: &'static [&'static str],
    options: String,
    id: &'static str,
    deed: Deed,
}

/// Every cell of the table. The id comes before the condition, or after it.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (state, without, with) in TABLE {
        for (at, condition) in CONDITIONS.into_iter().enumerate() {
            let mut add = |options: String, id, deed| {
                cases.push(Case { state, options, id, deed });
            };
            add(condition.into(), "", without[at]);
            add(format!("{condition} ID x"), "x", with[at]);
            add(format!("id x {condition}"), "x", with[at]);
        }
    }
    cases
}

/// The reply where nothing changes, if it does not.
fn unchanged(deed: Deed) -> Option<Reply> {
    match deed {
        Made | Reset => None,
        Null => Some(Reply::NullBulk),
        Same => Some(ok()),
        Wrong => Some(error(WRONG_TYPE)),
    }
}

/// A `SET` of this count as it is propagated.
fn propagated(count: &str, id: &str) -> String {
    let id = if id.is_empty() { String::new() } else { format!(" ID {id}") };
    format!("LATCH.SET k {count}{id}")
}

#[test]
fn a_count_makes_a_latch_resets_it_or_changes_nothing() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    for Case { state, options, id, deed } in cases() {
        let line = format!("LATCH.SET k 7 {options}");
        let cell = match unchanged(deed) {
            Some(reply) => Cell::Same(reply),
            None => Cell::Changed(ok(), &["latch.set"], Some(propagated("7", id))),
        };
        cell.check(&mut witness, &mut client, state, &line);
        if unchanged(deed).is_none() {
            let names = [
                "state",
                "count",
                "total",
                "arrived",
                "pending",
                "opened-by",
                "set-by",
                "linger-ms",
            ];
            let found = fields(&mut client, names);
            assert_eq!(
                found,
                ["closed", "7", "7", "0", "0", "", id, "0"],
                "{line} after {state:?}"
            );
            assert_eq!(client.run("PTTL k"), int(-1), "{line} after {state:?}");
        }
    }
}

#[test]
fn waiters_of_a_closed_latch_stay_and_wait_for_what_it_is_set_to() {
    let server = Server::new();
    let mut client = server.client();
    for Case { state, options, deed, .. } in cases() {
        // At no other latch, and at no string, does anybody wait.
        prepare(&mut client, state);
        if !state.is_empty() && !matches!(client.run("LATCH.AWAIT k 0.001"), Reply::NullBulk) {
            continue;
        }
        let mut waiter = server.parked("LATCH.AWAIT k 0 MISSING WAIT");
        let line = format!("LATCH.SET k 2 {options}");
        client.run(&line);
        server.wait_parked(&waiter);
        if unchanged(deed).is_none() {
            assert_eq!(client.run("LATCH.COUNTDOWN k ID a"), int(1), "{line} after {state:?}");
            server.wait_parked(&waiter);
        }
        client.run("LATCH.COUNTDOWN k 9");
        if client.run("EXISTS k") == int(0) && state.is_empty() && deed == Null {
            client.run("LATCH.SET k 0"); // it is still to come
        }
        waiter.receives_only(&ok());
    }
}

#[test]
fn a_count_of_0_opens_what_it_would_make_or_reset() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    for Case { state, options, id, deed } in cases() {
        let line = format!("LATCH.SET k 0 {options}");
        let cell = match unchanged(deed) {
            Some(reply) => Cell::Same(reply),
            // No key goes, and nobody has waited for one.
            None if state.is_empty() => Cell::Same(ok()),
            None => {
                let events = &["latch.set", "latch.open", "del"];
                Cell::Changed(ok(), events, Some(propagated("0", id)))
            }
        };
        cell.check(&mut witness, &mut client, state, &line);
        if unchanged(deed).is_none() {
            assert_eq!(client.run("EXISTS k"), int(0), "{line} after {state:?}");
            assert_eq!(client.run("LATCH.SET k 3 NX ID x"), ok(), "the id went with it");
            assert_eq!(client.run("LATCH.GET k"), int(3));
        }
    }
}

#[test]
fn a_count_of_0_with_a_linger_leaves_an_open_latch_that_nobody_has_opened() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    let times = ["EX 5000", "KEEPTTL"];
    let all = times.into_iter().flat_map(|time| cases().into_iter().map(move |case| (time, case)));
    for (time, Case { state, options, id, deed }) in all {
        let line = format!("LATCH.SET k 0 {options} LINGER 100 {time}");
        if let Some(reply) = unchanged(deed) {
            Cell::Same(reply).check(&mut witness, &mut client, state, &line);
            continue;
        }
        prepare(&mut client, state);
        let (reply, seen) = witness.see("k", || client.run(&line));
        let at = client.run("PEXPIRETIME k").int();
        let set = format!("{} LINGER 100.000", propagated("0", id));
        let expected = Seen {
            events: vec!["latch.set k".into(), "latch.open k".into()],
            propagated: vec!["MULTI".into(), set, format!("PEXPIREAT k {at}"), "EXEC".into()],
            broke_watch: true,
            changed_data: true,
        };
        assert_eq!((reply, seen), (ok(), expected), "{line} after {state:?}");
        let found = fields(&mut client, ["state", "count", "total", "opened-by", "set-by"]);
        assert_eq!(found, ["open", "0", "0", "", id], "{line} after {state:?}");
        assert!((90_000..=100_000).contains(&client.run("PTTL k").int()), "the linger: {line}");
    }
}

#[test]
fn a_count_of_0_releases_the_waiters_unless_nothing_changes() {
    let server = Server::new();
    let mut stream = Stream::open(&server);
    let mut client = server.client();
    for Case { state, options, id, deed } in cases() {
        let is_closed = state.first().is_some_and(|line| line.contains("SET k 5"))
            && !state.contains(&"LATCH.ABORT k no");
        if !is_closed && !state.is_empty() {
            continue;
        }
        prepare(&mut client, state);
        let mut waiter = server.parked("LATCH.AWAIT k 0 MISSING WAIT");
        stream.so_far();
        let line = format!("LATCH.SET k 0 {options}");
        client.run(&line);
        let sent: Vec<_> = stream.so_far().iter().map(|words| words.join(" ")).collect();
        if unchanged(deed).is_some() {
            assert_eq!(sent, Vec::<String>::new(), "{line} after {state:?}");
            server.wait_parked(&waiter);
            client.run("LATCH.SET k 0");
        } else {
            // Also where there was no latch: somebody was released.
            assert_eq!(sent, [propagated("0", id)], "{line} after {state:?}");
        }
        waiter.receives_only(&ok());
    }
}

/// What becomes of a time to live with `KEEPTTL`, by the table.
#[test]
fn a_time_to_live_is_kept_with_keepttl_and_only_if_anything_changes() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    for Case { state, options, id, deed } in cases() {
        let line = format!("LATCH.SET k 7 {options} KEEPTTL");
        prepare(&mut client, state);
        let before = client.run("PEXPIRETIME k").int();
        let cell = match unchanged(deed) {
            Some(reply) => Cell::Same(reply),
            None => {
                let set = format!("{} KEEPTTL", propagated("7", id));
                Cell::Changed(ok(), &["latch.set"], Some(set))
            }
        };
        cell.check_call(&mut witness, &format!("{line} after {state:?}"), || client.run(&line));
        // There is none at a missing key, and after an opening it is the rest of the linger.
        let expected = if state.is_empty() && deed != Null { -1 } else { before };
        assert_eq!(client.run("PEXPIRETIME k"), int(expected), "{line} after {state:?}");
    }
}

#[test]
fn an_id_that_is_sent_again_leaves_the_time_to_live_whatever_is_asked_for() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    let before = &["LATCH.SET k 5 ID x PXAT 99999999999999", "LATCH.COUNTDOWN k ID a"];
    for options in ["EX 5", "PX 5", "PXAT 1", "EXAT 99999999999", "KEEPTTL", "LINGER 5", "NX EX 9"]
    {
        // Count and options are not compared.
        for count in ["5", "0", "9223372036854775807"] {
            let line = format!("LATCH.SET k {count} {options} ID x");
            Cell::Same(ok()).check(&mut witness, &mut client, before, &line);
        }
    }
    // But they are checked.
    for (options, text) in [
        ("FOO", SYNTAX),
        ("NX XX", SYNTAX),
        ("ID x", SYNTAX),
        ("EX x", NOT_AN_INTEGER),
        ("EX 0", "ERR invalid expire time in 'latch.set' command"),
    ] {
        let line = format!("LATCH.SET k 5 ID x {options}");
        Cell::Same(error(text)).check(&mut witness, &mut client, before, &line);
    }
    let too_much = Cell::Same(error(NOT_AN_INTEGER));
    too_much.check(&mut witness, &mut client, before, "LATCH.SET k -1 ID x");
}

#[test]
fn an_id_that_is_too_short_or_too_long_is_refused() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    for id in [&b""[..], &[b'x'; 1025]] {
        let call = || client.call(cmd!["LATCH.SET", "k", "5", "ID", id]);
        let refused = Cell::Same(error("ERR id must have 1 to 1024 bytes"));
        refused.check_call(&mut witness, "an id", call);
    }
    for id in [&b"\0"[..], b"\r\n\xff", &[b'x'; 1024]] {
        client.run("DEL k");
        for _ in 0..2 {
            assert_eq!(client.call(cmd!["LATCH.SET", "k", "5", "NX", "ID", id]), ok());
        }
        assert_eq!(client.run("LATCH.INFO k").field("set-by"), &bulk(id));
    }
}

#[test]
fn a_latch_that_has_expired_is_missing_to_its_own_id() {
    let server = Server::new();
    server.keep_the_expired();
    let mut client = server.client();
    for (condition, reply, count) in
        [("XX", Reply::NullBulk, 0), ("IFOPEN", ok(), 6), ("NX", ok(), 6), ("", ok(), 6)]
    {
        client.run("LATCH.SET k 5 ID x PXAT 1");
        assert_eq!(client.run(&format!("LATCH.SET k 6 {condition} ID x")), reply, "{condition}");
        assert_eq!(client.run("LATCH.GET k"), int(count), "{condition}");
        client.run("DEL k");
    }
}

#[test]
fn a_full_server_refuses_it_whoever_has_set_the_latch() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 5 ID x");
    assert_eq!(client.run("CONFIG SET maxmemory 1"), ok());
    assert!(client.run("LATCH.SET k 5 ID x").error().starts_with("OOM "));
}

#[test]
fn what_the_master_says_was_done() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).config("replica-read-only", "no").start();
    replica.wait_in_sync(&master);
    // They differ: to the replica it would be a command that was sent again.
    assert_eq!(replica.run("LATCH.SET k 3 ID x"), ok());
    assert_eq!(replica.run("LATCH.SET k 4 ID x"), ok());
    assert_eq!(replica.run("LATCH.GET k"), int(3), "of a client of its own it is");
    assert_eq!(master.run("LATCH.SET k 5 ID x"), ok());
    replica.wait_in_sync(&master);
    assert_eq!(replica.run("LATCH.GET k"), int(5));
    assert_eq!(replica.digest(), master.digest());
}

#[test]
fn what_the_file_says_was_done() {
    let server = Server::builder().config("appendonly", "yes").prepare();
    let dir = server.dir().join("appendonlydir");
    fs::create_dir(&dir).unwrap();
    let manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    fs::write(dir.join("appendonly.aof.manifest"), manifest).unwrap();
    let lines = ["SELECT 0", "LATCH.SET k 3 ID x", "LATCH.COUNTDOWN k ID a", "LATCH.SET k 5 ID x"];
    let commands: Vec<_> = lines.iter().map(|line| encode(line.split(' '))).collect();
    fs::write(dir.join("appendonly.aof.1.incr.aof"), commands.concat()).unwrap();
    let mut server = server;
    server.start_again();
    assert_eq!(server.run("LATCH.GET k"), int(5));
    assert_eq!(server.run("LATCH.ARRIVED k"), array::<Reply>([]));
}

#[test]
fn in_a_transaction_or_a_script_the_next_round_does_not_take_the_waiters_of_the_last() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 1 ID run-1 LINGER 100");
    let mut first = server.parked("LATCH.AWAIT k 0");
    let lines = ["LATCH.COUNTDOWN k ID a", "LATCH.SET k 1 IFOPEN ID run-2 LINGER 100"];
    assert_eq!(client.transaction(&lines), array([int(0), ok()]));
    first.receives_only(&ok());
    let mut second = server.parked("LATCH.AWAIT k 0");
    let script = "redis.call('LATCH.COUNTDOWN', KEYS[1], 'ID', 'a')
                  return redis.call('LATCH.SET', KEYS[1], 1, 'IFOPEN', 'ID', 'run-2')";
    assert_eq!(client.call(["EVAL", script, "1", "k"]), ok(), "it is run 2 still");
    second.receives_only(&ok());
    assert_eq!(fields(&mut client, ["state", "opened-by", "set-by"]), ["open", "a", "run-2"]);
}
