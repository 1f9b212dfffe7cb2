//! `LATCH.INFO`, `LATCH.ARRIVED`, `LATCH.WAITERS`, `LATCH.HELP` and `INFO
//! latch`: what there is to see.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;

/// The largest count.
const LARGEST: &str = "9223372036854775807";

/// The fields of `LATCH.INFO`, in order.
const FIELDS: [&str; 11] = [
    "state",
    "count",
    "total",
    "arrived",
    "waiters",
    "ttl-ms",
    "linger-ms",
    "reason",
    "pending",
    "opened-by",
    "set-by",
];

#[test]
fn info_tells_all_about_a_latch_in_order() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (lines, values) in [
        (&["LATCH.SET k 3"][..], ["closed", "3", "3", "0", "0", "-1", "0", "", "0", "", ""]),
        (
            &[
                "LATCH.SET k 5 LINGER 1.5 ID me",
                "LATCH.ADD k 2",
                "LATCH.ADD k 1 ID a",
                "LATCH.ADD k 1 ID b",
                "LATCH.COUNTDOWN k 3 ID a",
                "LATCH.COUNTDOWN k",
            ],
            ["closed", "5", "9", "1", "0", "-1", "1500", "", "1", "", "me"],
        ),
        (
            &["LATCH.SET k 5", "LATCH.COUNTDOWN k ID a", "LATCH.ABORT k disk-full"],
            ["aborted", "4", "5", "1", "0", "-1", "0", "disk-full", "0", "", ""],
        ),
        (
            &["LATCH.SET k 2 LINGER 9", "LATCH.COUNTDOWN k 5 ID a", "PERSIST k"],
            ["open", "0", "2", "1", "0", "-1", "9000", "", "0", "a", ""],
        ),
        (
            &["LATCH.SET k 9223372036854775807"],
            ["closed", LARGEST, LARGEST, "0", "0", "-1", "0", "", "0", "", ""],
        ),
    ] {
        server.run("DEL k");
        lines.iter().for_each(|line| _ = server.run(line));
        let is_text = |name| ["state", "reason", "opened-by", "set-by"].contains(&name);
        let fields = FIELDS.into_iter().zip(values).map(|(name, value)| {
            let value = if is_text(name) { bulk(value) } else { int(value.parse().unwrap()) };
            (bulk(name), value)
        });
        let map = Reply::Map(fields.clone().collect());
        let flat = array(fields.flat_map(|(name, value)| [name, value]));
        for (mut client, shown) in [(server.client(), flat), (server.client3(), map)] {
            let reply = witness.sees_nothing("k", || client.run("LATCH.INFO k"));
            assert_eq!(reply, shown, "{lines:?}");
        }
    }
}

#[test]
fn info_of_a_missing_latch_is_null() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, null) in server.clients() {
        for before in ["DEL k", "LATCH.SET k 0"] {
            client.run(before);
            let reply = witness.sees_nothing("k", || client.run("LATCH.INFO k"));
            assert_eq!(reply, null, "{before}");
            for ids in ["LATCH.ARRIVED k", "LATCH.PENDING k"] {
                let reply = witness.sees_nothing("k", || client.run(ids));
                assert_eq!(reply, array::<Reply>([]), "{ids} after {before}");
            }
        }
        client.run("SET k 1");
        for command in ["LATCH.INFO", "LATCH.ARRIVED", "LATCH.PENDING"] {
            assert_eq!(client.run(&format!("{command} k")), error(WRONG_TYPE));
            let name = command.to_lowercase();
            let text = format!("ERR wrong number of arguments for '{name}' command");
            assert_eq!(client.run(command), error(&text));
            let text = if command == "LATCH.INFO" { &text } else { SYNTAX };
            assert_eq!(client.run(&format!("{command} k k")), error(text));
        }
        client.run("DEL k");
    }
}

#[test]
fn info_counts_whoever_is_parked_on_the_latch() {
    let server = Server::new();
    let mut client = server.client();
    for key in ["k", "l"] {
        client.run(&format!("LATCH.SET {key} 9"));
    }
    let mut waiters = Vec::new();
    for (line, on_k, on_l) in [
        ("LATCH.AWAIT k 0", 1, 0),
        ("LATCH.ARRIVE k 0 ID a", 2, 0),
        ("LATCH.AWAITALL 0 2 k l", 3, 1),
        ("LATCH.AWAITANY 0 2 l k", 4, 2),
        ("LATCH.AWAITALL 0 2 k k", 5, 2),
        ("LATCH.AWAIT l 0 MISSING WAIT", 5, 3),
    ] {
        waiters.push(server.parked(line));
        for (key, number) in [("k", on_k), ("l", on_l)] {
            let info = client.run(&format!("LATCH.INFO {key}"));
            assert_eq!(info.field("waiters"), &int(number), "{key} after {line}");
        }
    }
    client.run("SELECT 1");
    client.run("LATCH.SET k 1");
    assert_eq!(client.run("LATCH.INFO k").field("waiters"), &int(0), "of another database");
    client.run("SELECT 0");
    // The one that waits for both waits for the other now, in a new round too.
    client.transaction(&["LATCH.SET k 0", "LATCH.SET k 1"]);
    server.wait_blocked(2);
    assert_eq!(client.run("LATCH.INFO k").field("waiters"), &int(0));
    assert_eq!(client.run("LATCH.INFO l").field("waiters"), &int(2));
    client.run("LATCH.SET l 0");
    for waiter in &mut waiters {
        let answer = waiter.receive();
        assert!([ok(), bulk("k")].contains(&answer), "{answer:?}");
    }
}

#[test]
fn info_tells_how_long_there_is_left() {
    let server = Server::new();
    let mut client = server.client();
    let mut ttl = |line: &str| {
        client.run(line);
        client.run("LATCH.INFO k").field("ttl-ms").int()
    };
    assert_eq!(ttl("LATCH.SET k 1"), -1);
    assert!((90_000..=100_000).contains(&ttl("LATCH.SET k 1 EX 100")));
    assert!((9_000..=10_000).contains(&ttl("PEXPIRE k 10000")));
    assert_eq!(ttl("PERSIST k"), -1);
    assert!((40_000..=50_000).contains(&ttl("LATCH.SET k 0 LINGER 50")));
}

#[test]
fn info_tells_that_there_is_nothing_left_of_a_time_that_has_passed() {
    let server = Server::new();
    // To a script no time passes: what was there as it began stays to its end.
    let script = "redis.call('LATCH.SET', KEYS[1], 1, 'PX', 1) for i = 1, 3e7 do end
        return redis.call('LATCH.INFO', KEYS[1])";
    let info = server.client().call(["EVAL", script, "1", "k"]);
    assert_eq!(info.field("count"), &int(1));
    assert_eq!(info.field("ttl-ms"), &int(0));
}

#[test]
fn help_is_like_that_of_other_commands() {
    let server = Server::new();
    for mut client in [server.client(), server.client3()] {
        let (help, model) = (client.run("LATCH.HELP"), client.run("XINFO HELP"));
        let kind = |reply: &Reply| std::mem::discriminant(reply);
        assert_eq!(kind(&help), kind(&model));
        let (lines, model) = (help.items(), model.items());
        assert!(lines.iter().all(|line| kind(line) == kind(&model[0])), "{help:?}");
        assert_eq!(lines[lines.len() - 2], model[model.len() - 2]);
        assert_eq!(lines[lines.len() - 1].text(), "    Print this help.");
        assert!(lines.iter().all(|line| line.text().len() < 80), "{help:?}");
        // Every command is in it, and nothing else.
        let listed: BTreeSet<_> = (lines[1..].iter().map(Reply::text))
            .filter(|line| !line.starts_with(' '))
            .map(|line| format!("latch.{}", line.split(' ').next().unwrap().to_lowercase()))
            .collect();
        let there = client.run("COMMAND LIST FILTERBY MODULE latch");
        let there: BTreeSet<_> = there.items().iter().map(Reply::text).collect();
        assert!(there.is_superset(&listed), "{there:?}");
        assert_eq!(listed.len(), 14, "{listed:?}");
        let text = "ERR wrong number of arguments for 'latch.help' command";
        assert_eq!(client.run("LATCH.HELP SET"), error(text));
    }
}

/// A row of `LATCH.WAITERS`, and how long the oldest has waited.
fn row(reply: &Reply) -> (String, i64, i64) {
    let [key, waiters, oldest] = reply.items() else { panic!("no row: {reply:?}") };
    (key.text(), waiters.int(), oldest.int())
}

/// The rows of `LATCH.WAITERS`, without the times.
fn rows(client: &mut Client, line: &str) -> Vec<(String, i64)> {
    let reply = client.run(line);
    reply.items().iter().map(row).map(|(key, waiters, _)| (key, waiters)).collect()
}

#[test]
fn waiters_lists_the_most_waited_for_first() {
    let server = Server::new();
    let mut clients = Vec::new();
    for (nth, key) in (1..=12).map(|nth| (nth, format!("k{nth}"))) {
        server.run(&format!("LATCH.SET {key} 1"));
        clients.extend(server.crowd(nth, &format!("LATCH.AWAIT {key} 0")));
    }
    for mut client in [server.client(), server.client3()] {
        let expected: Vec<_> = (1..=12).rev().map(|nth| (format!("k{nth}"), nth)).collect();
        assert_eq!(rows(&mut client, "LATCH.WAITERS"), expected[..10]);
        for (count, shown) in [("1", 1), ("2", 2), ("12", 12), ("9223372036854775807", 12)] {
            let line = format!("LATCH.WAITERS count {count}");
            assert_eq!(rows(&mut client, &line), expected[..shown], "{line}");
        }
        for count in ["0", "-1", "x", "1.5", "9223372036854775808"] {
            let reply = client.run(&format!("LATCH.WAITERS COUNT {count}"));
            assert_eq!(reply, error(NOT_AN_INTEGER), "{count}");
        }
        for rest in ["k1", "COUNT", "COUNT 1 2", "COUNT 1 COUNT 1", "1"] {
            assert_eq!(client.run(&format!("LATCH.WAITERS {rest}")), error(SYNTAX), "{rest}");
        }
        assert_eq!(client.run("SELECT 1"), ok());
        assert_eq!(rows(&mut client, "LATCH.WAITERS"), []);
    }
    server.run("FLUSHALL");
    clients.iter_mut().for_each(|client| client.receives_only(&gone()));
    assert_eq!(rows(&mut server.client(), "LATCH.WAITERS"), []);
}

#[test]
fn waiters_lists_keys_of_this_database_whatever_they_hold() {
    let server = Server::new();
    let mut client = server.client();
    let _missing = server.parked("LATCH.AWAIT missing 0 MISSING WAIT");
    let mut odd = server.client();
    odd.send(cmd!["LATCH.AWAIT", b"\0\r\n\xff", "0", "MISSING", "WAIT"]);
    server.wait_parked(&odd);
    let _there = server.crowd(2, "LATCH.AWAITANY 0 2 missing x MISSING WAIT");
    let _elsewhere = server.parked_in(3, "LATCH.AWAIT missing 0 MISSING WAIT");
    client.run("SET x string");
    let mut listed = rows(&mut client, "LATCH.WAITERS");
    assert_eq!(listed.remove(0), ("missing".into(), 3));
    assert_eq!(listed.remove(0), ("x".into(), 2));
    assert_eq!(client.run("LATCH.WAITERS").items()[2].items()[0], bulk(b"\0\r\n\xff"));
    client.run("SELECT 3");
    assert_eq!(rows(&mut client, "LATCH.WAITERS"), [("missing".into(), 1)]);
}

#[test]
fn waiters_tells_how_long_the_oldest_has_waited() {
    let server = Server::new();
    let mut client = server.client();
    server.run("LATCH.SET k 1");
    let mut first = server.parked("LATCH.AWAIT k 0");
    let mut oldest = || row(&client.run("LATCH.WAITERS").items()[0]).2;
    let begin = oldest();
    eventually("the wait to grow older", PATIENCE, || (oldest() >= begin + 50).then_some(()));
    let second = server.parked("LATCH.AWAIT k 0");
    assert!(oldest() >= begin + 50, "of the first, not of the second");
    server.run(&format!("CLIENT UNBLOCK {}", first.id()));
    first.receives_only(&Reply::NullBulk);
    let younger = oldest();
    server.wait_parked(&second);
    assert!((0..begin + 50_000).contains(&younger));
    eventually("the other to be as old", PATIENCE, || (oldest() > younger).then_some(()));
}

#[test]
fn waiters_lists_who_has_waited_longest_first_among_equals() {
    let server = Server::new();
    let mut client = server.client();
    let keys = ["e", "b", "d", "a", "c", "f"].map(str::to_owned);
    let mut waiters = Vec::new();
    for key in &keys {
        client.run(&format!("LATCH.SET {key} 1"));
        waiters.push(server.parked(&format!("LATCH.AWAIT {key} 0")));
        let now = client.time();
        eventually("the time to pass", PATIENCE, || (client.time() > now).then_some(()));
    }
    let listed = rows(&mut client, "LATCH.WAITERS");
    assert_eq!(listed, keys.map(|key| (key, 1)));
}

#[test]
fn waiters_is_for_those_who_may_use_dangerous_commands() {
    let server = Server::new();
    if !server.has_module_categories() {
        assert_eq!(server.run("LATCH.WAITERS"), array::<Reply>([]), "knows no such categories");
        return;
    }
    for category in ["admin", "dangerous", "slow"] {
        let listed = server.run(&format!("ACL CAT {category}"));
        let is_listed = listed.items().contains(&bulk("latch.waiters"));
        assert_eq!(is_listed, server.lists_module_categories(), "{category}");
        server.run(&format!("ACL SETUSER user reset on nopass ~* +@all -@{category}"));
        let mut client = server.client();
        assert_eq!(client.run("AUTH user x"), ok());
        assert!(client.run("LATCH.WAITERS").error().starts_with("NOPERM "), "{category}");
    }
}

/// The numbers of `INFO latch`, by name.
fn numbers(server: &Server) -> BTreeMap<String, i64> {
    let info = server.run("INFO latch").text();
    let fields = info.lines().filter_map(|line| line.strip_prefix("latch_")?.split_once(':'));
    fields.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

/// What has become of the numbers since, as in `"set_total+1"`; without those
/// that are times, or never sink.
fn moved(server: &Server, before: &BTreeMap<String, i64>) -> String {
    let changes = numbers(server).into_iter().filter_map(|(name, value)| {
        let by = value - before[&name];
        (by != 0 && !name.starts_with("wake_") && !name.ends_with("_peak"))
            .then(|| format!("{}{by:+}", name.trim_end_matches("_total")))
    });
    changes.collect::<Vec<_>>().join(" ")
}

#[test]
fn info_latch_has_these_fields() {
    let server = Server::new();
    let info = server.run("INFO latch").text();
    let names: Vec<_> = info.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let expected = [
        "latch_version",
        "latch_waiters",
        "latch_waiters_peak",
        "latch_waiting_keys",
        "latch_set_total",
        "latch_countdown_total",
        "latch_duplicate_total",
        "latch_open_total",
        "latch_abort_total",
        "latch_await_total",
        "latch_await_parked_total",
        "latch_await_timedout_total",
        "latch_await_failed_total",
        "latch_refused_total",
        "latch_wake_last_usec",
        "latch_wake_max_usec",
    ];
    assert_eq!(names, expected);
    assert_eq!(server.info("latch_version"), env!("CARGO_PKG_VERSION"));
    assert!(numbers(&server).values().all(|&value| value == 0), "{info}");
}

#[test]
fn info_latch_counts_what_is_done() {
    let server = Server::new();
    let mut client = server.client();
    for (line, expected) in [
        ("LATCH.SET k 3", "set+1"),
        ("LATCH.SET k 3 NX", ""),
        ("LATCH.SET k x", ""),
        ("LATCH.COUNTDOWN k", "countdown+1"),
        ("LATCH.COUNTDOWN k ID a", "countdown+1"),
        ("LATCH.COUNTDOWN k ID a", "duplicate+1"),
        ("LATCH.COUNTDOWN k 0", ""),
        ("LATCH.COUNTDOWN missing", ""),
        ("LATCH.COUNTDOWN missing ID a", ""),
        ("LATCH.COUNTDOWN k 5", "countdown+1 open+1"),
        ("LATCH.SET k 0", ""),
        ("LATCH.SET k 1", "set+1"),
        ("LATCH.SET k 0", "open+1 set+1"),
        ("LATCH.SET k 0 LINGER 1000", "open+1 set+1"),
        ("LATCH.COUNTDOWN k", ""),
        ("LATCH.AWAIT k 0", "await+1"),
        ("LATCH.AWAIT missing 0", "await+1"),
        ("LATCH.AWAITALL 0 2 k missing", "await+1"),
        ("LATCH.AWAITANY 0 2 k missing", "await+1"),
        ("LATCH.ARRIVE k 0 ID a", "await+1"),
        ("LATCH.AWAIT k x", ""),
        ("LATCH.SET k 5", "set+1"),
        ("LATCH.ADD k 1", ""),
        ("LATCH.ABORT k", "abort+1"),
        ("LATCH.ABORT k", ""),
        ("LATCH.COUNTDOWN k", ""),
        ("LATCH.SET k 2", "set+1"),
        ("LATCH.AWAIT k 0.01", "await+1 await_parked+1 await_timedout+1"),
        ("LATCH.AWAITALL 0.01 2 k missing", "await+1 await_parked+1 await_timedout+1"),
        ("LATCH.AWAITANY 0.01 2 k k", "await+1 await_parked+1 await_timedout+1"),
        ("LATCH.ARRIVE k 0.01 ID a", "await_parked+1 await_timedout+1 await+1 countdown+1"),
        ("LATCH.ARRIVE k 0.01 ID a", "await_parked+1 await_timedout+1 await+1 duplicate+1"),
        ("LATCH.ARRIVE k 0 ID b", "await+1 countdown+1 open+1"),
        ("LATCH.SET k 1 ID me LINGER 1000", "set+1"),
        ("LATCH.SET k 1 ID me", "duplicate+1"),
        ("LATCH.SET k 1 IFOPEN", ""),
        ("LATCH.ADD k 1 ID a", ""),
        ("LATCH.ADD k 1 ID a", "duplicate+1"),
        ("LATCH.COUNTDOWN k 2 ID a", "countdown+1 open+1"),
        ("LATCH.COUNTDOWN k ID a MISSING ERROR", "duplicate+1"),
        ("LATCH.COUNTDOWN k ID b MISSING ERROR", ""),
        ("LATCH.ARRIVE k 0 ID a", "await+1 duplicate+1"),
        ("LATCH.ADD k 1 ID a", "duplicate+1"),
        ("LATCH.GET k", ""),
        ("LATCH.INFO k", ""),
    ] {
        let before = numbers(&server);
        client.run(line);
        let sorted = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(sorted(&moved(&server, &before)), sorted(expected), "{line}");
    }
}

#[test]
fn info_latch_counts_how_waits_end() {
    let server = Server::new();
    let mut client = server.client();
    for (end, expected) in [
        ("LATCH.COUNTDOWN k", "await+1 await_parked+1 countdown+1 open+1"),
        ("LATCH.ABORT k", "abort+1 await_failed+1 await+1 await_parked+1"),
        ("DEL k", "await_failed+1 await+1 await_parked+1"),
        ("FLUSHALL", "await_failed+1 await+1 await_parked+1"),
        ("PEXPIRE k 10", "await_failed+1 await+1 await_parked+1"),
        ("CLIENT UNBLOCK", "await+1 await_parked+1 await_timedout+1"),
        ("CLIENT KILL ID", "await+1 await_parked+1"),
    ] {
        client.run("LATCH.SET k 1");
        let before = numbers(&server);
        let waiter = server.parked("LATCH.AWAITALL 0 2 k l");
        let sorted = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        let parked = "await+1 await_parked+1 waiters+1 waiting_keys+1";
        assert_eq!(sorted(&moved(&server, &before)), sorted(parked));
        match end.starts_with("CLIENT") {
            true => client.run(&format!("{end} {}", waiter.id())),
            false => client.run(end),
        };
        server.wait_blocked(0);
        assert_eq!(sorted(&moved(&server, &before)), sorted(expected), "{end}");
    }
}

#[test]
fn info_latch_is_not_reset_with_the_numbers_of_the_server() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    server.run("LATCH.COUNTDOWN k");
    waiter.receives_only(&ok());
    let before = numbers(&server);
    assert_eq!(server.run("CONFIG RESETSTAT"), ok());
    assert_eq!(numbers(&server), before);
    assert_eq!((before["open_total"], before["waiters_peak"]), (1, 1));
}

#[test]
fn info_latch_remembers_the_largest_crowd_and_the_longest_release() {
    let server = Server::builder().module_args(["latch.wake-batch", "1"]).start();
    let (mut peak, mut last, mut longest) = (0, 0, 0);
    for size in [3, 40, 5] {
        server.run("LATCH.SET k 1");
        let mut crowd = server.crowd(size, "LATCH.AWAIT k 0");
        peak = peak.max(size as i64);
        let now = numbers(&server);
        assert_eq!((now["waiters"], now["waiters_peak"]), (size as i64, peak));
        server.run("LATCH.COUNTDOWN k");
        crowd.iter_mut().for_each(|client| client.receives_only(&ok()));
        // The end of the release is noted when nobody is left to be released.
        let now = eventually("the end of the release", PATIENCE, || {
            let now = numbers(&server);
            (now["wake_last_usec"] != last).then_some(now)
        });
        last = now["wake_last_usec"];
        assert_eq!((now["waiters"], now["waiters_peak"], now["waiting_keys"]), (0, peak, 0));
        longest = longest.max(last);
        assert_eq!(now["wake_max_usec"], longest);
    }
}
