//! `LATCH.AWAITALL` and `LATCH.AWAITANY`: waiting for several latches at once.

mod common;

use std::slice::from_ref;
use std::time::{Duration, Instant};

use common::*;

/// Runs all of these commands.
fn run_all(server: &Server, lines: &[&str]) {
    let mut client = server.client();
    for line in lines {
        let reply = client.run(line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
}

/// Panics if anybody is parked, or is said to be.
#[track_caller]
fn nobody_is_parked(server: &Server) {
    server.wait_blocked(0);
    assert_eq!(server.info("latch_waiters"), "0");
    assert_eq!(server.info("latch_waiting_keys"), "0");
    assert_eq!(server.run("LATCH.WAITERS"), array::<Reply>([]));
}

/// A server with a latch of every kind: `closed` and `other` want one
/// countdown, `open` lingers, `bad` and `worse` are aborted; `missing` is not
/// there, and `string` is none.
fn with_latches() -> Server {
    let server = Server::new();
    run_all(
        &server,
        &[
            "LATCH.SET closed 1",
            "LATCH.SET other 1",
            "LATCH.SET open 0 LINGER 1000",
            "LATCH.SET bad 1",
            "LATCH.ABORT bad no",
            "LATCH.SET worse 1",
            "LATCH.ABORT worse never",
            "SET string x",
        ],
    );
    server
}

#[test]
fn what_can_be_answered_is_answered_at_once() {
    let server = with_latches();
    let mut witness = Witness::open(&server);
    for (mut client, null) in server.clients() {
        for (line, answer) in [
            ("ALL 0 1 missing", ok()),
            ("ALL 0 1 open", ok()),
            ("ALL 0 3 missing open missing", ok()),
            ("ALL 0 2 missing open MISSING OPEN", ok()),
            ("ALL 0 1 bad", aborted("no")),
            ("ALL 0 2 bad worse", aborted("no")),
            ("ALL 0 4 closed worse open bad", aborted("never")),
            ("ALL 0 2 open missing MISSING ERROR", error(NO_LATCH)),
            ("ALL 0 2 closed missing missing error", error(NO_LATCH)),
            ("ALL 0 2 missing bad MISSING WAIT", aborted("no")),
            ("ALL 0 2 closed string", error(WRONG_TYPE)),
            ("ALL 0 2 open string", error(WRONG_TYPE)),
            ("ANY 0 1 missing", bulk("missing")),
            ("ANY 0 2 open missing", bulk("open")),
            ("ANY 0 2 missing open", bulk("missing")),
            ("ANY 0 5 closed bad worse open missing", bulk("open")),
            ("ANY 0 3 missing closed open MISSING WAIT", bulk("open")),
            ("ANY 0 3 missing closed open missing Error", bulk("open")),
            ("ANY 0 1 bad", aborted("no")),
            ("ANY 0 2 bad worse", aborted("never")),
            ("ANY 0 2 worse bad", aborted("no")),
            ("ANY 0 2 bad missing MISSING ERROR", error(NO_LATCH)),
            ("ANY 0 2 missing bad MISSING ERROR", aborted("no")),
            ("ANY 0 2 closed string", error(WRONG_TYPE)),
            ("ANY 0 2 open string", error(WRONG_TYPE)),
            ("ALL 0.01 1 closed", null.clone()),
            ("ALL 0.01 3 open closed missing", null.clone()),
            ("ALL 0.01 2 open missing MISSING WAIT", null.clone()),
            ("ANY 0.01 2 closed other", null.clone()),
            ("ANY 0.01 3 bad closed worse", null.clone()),
            ("ANY 0.01 2 missing closed MISSING ERROR", null.clone()),
            ("ANY 0.01 2 missing bad MISSING WAIT", null.clone()),
        ] {
            let line = format!("LATCH.AWAIT{line}");
            let reply = witness.sees_nothing("closed", || client.run(&line));
            assert_eq!(reply, answer, "{line}");
            let never = line.replace("0.01", "0");
            let replies = client.transaction(&[&never]);
            assert_eq!(replies.items(), from_ref(&answer), "{line} in a transaction");
            let script = "return redis.pcall(unpack(ARGV))";
            let eval = ["EVAL", script, "0"].into_iter().chain(never.split(' '));
            assert_eq!(client.call(eval), answer, "{line} in a script");
        }
    }
    nobody_is_parked(&server);
}

#[test]
fn what_is_wrong_is_refused() {
    const NONE: &str = "ERR numkeys should be greater than 0";
    const TOO_MANY: &str = "ERR Number of keys can't be greater than number of args";
    let server = with_latches();
    for (mut client, _) in server.clients() {
        for command in ["LATCH.AWAITALL", "LATCH.AWAITANY"] {
            for (rest, text) in [
                ("0 0 closed", NONE),
                ("0 -1 closed", NONE),
                ("0 x closed", NONE),
                ("0 1.5 closed", NONE),
                ("0 01 closed", NONE),
                ("0 9223372036854775808 closed", NONE),
                ("0 0 bad MISSING FOO", NONE),
                ("0 2 closed", TOO_MANY),
                ("0 3 closed other", TOO_MANY),
                ("0 9223372036854775807 closed", TOO_MANY),
                ("0 1 closed other", SYNTAX),
                ("0 2 closed MISSING WAIT", SYNTAX),
                ("0 1 closed MISSING", SYNTAX),
                ("0 1 closed MISSING FOO", SYNTAX),
                ("0 1 closed MISSING WAIT WAIT", SYNTAX),
                ("0 1 closed MISSING WAIT MISSING WAIT", SYNTAX),
                ("0 1 closed ID a", SYNTAX),
                ("x 1 closed", "ERR timeout is not a float or out of range"),
                ("-1 1 closed", "ERR timeout is negative"),
                ("1e400 1 closed", "ERR timeout is out of range"),
            ] {
                let reply = client.run(&format!("{command} {rest}"));
                assert_eq!(reply, error(text), "{command} {rest}");
            }
            let name = command.to_lowercase();
            for rest in ["", "0", "0 1"] {
                let text = format!("ERR wrong number of arguments for '{name}' command");
                assert_eq!(client.run(&format!("{command} {rest}")), error(&text), "{rest}");
            }
        }
    }
    nobody_is_parked(&server);
}

/// Parks a client by `line`, runs the rest, each in turn, and expects that the
/// last one ends the wait and none before it.
#[track_caller]
fn ends(server: &Server, line: &str, lines: &[&str], told: &Reply) {
    server.run("FLUSHALL");
    run_all(server, &["LATCH.SET a 1", "LATCH.SET b 1", "LATCH.SET c 1"]);
    let mut waiters = [server.client(), server.client3()];
    for waiter in &mut waiters {
        waiter.send_line(line);
        server.wait_parked(waiter);
    }
    for (index, command) in lines.iter().enumerate() {
        run_all(server, &[command]);
        if index + 1 < lines.len() {
            waiters[0].nothing_within(Duration::from_millis(1));
            server.wait_blocked(2);
        }
    }
    for waiter in &mut waiters {
        waiter.receives_within(PATIENCE, told);
    }
    nobody_is_parked(server);
}

const ALL: &str = "LATCH.AWAITALL 0 3 a b c";
const ANY: &str = "LATCH.AWAITANY 0 3 a b c";
const OPEN_A: &str = "LATCH.COUNTDOWN a";
const OPEN_B: &str = "LATCH.SET b 0";
const OPEN_C: &str = "LATCH.ARRIVE c 0 ID x";

#[test]
fn all_waits_until_every_one_has_opened_in_any_order() {
    let server = Server::new();
    for lines in [
        [OPEN_A, OPEN_B, OPEN_C],
        [OPEN_A, OPEN_C, OPEN_B],
        [OPEN_B, OPEN_A, OPEN_C],
        [OPEN_B, OPEN_C, OPEN_A],
        [OPEN_C, OPEN_A, OPEN_B],
        [OPEN_C, OPEN_B, OPEN_A],
    ] {
        ends(&server, ALL, &lines, &ok());
    }
}

#[test]
fn all_remembers_what_has_opened() {
    let server = Server::new();
    for later in ["LATCH.ABORT a no", "DEL a", "PEXPIREAT a 1", "RENAME a gone", "LATCH.ADD a 5"] {
        let lines = [OPEN_A, "LATCH.SET a 1", later, OPEN_B, OPEN_C];
        ends(&server, ALL, &lines, &ok());
    }
    // Also one that was open, or missing, when the client came.
    run_all(&server, &["FLUSHALL", "LATCH.SET a 0 LINGER 100", "LATCH.SET b 1"]);
    let mut waiter = server.parked(ALL);
    run_all(&server, &["LATCH.SET a 1", "LATCH.SET c 1", "LATCH.COUNTDOWN b"]);
    waiter.receives_only(&ok());
}

#[test]
fn all_ends_with_the_first_failure() {
    let server = Server::new();
    for (failure, told) in [
        ("DEL b", gone()),
        ("UNLINK b", gone()),
        ("SET b string", gone()),
        ("RENAME b elsewhere", gone()),
        ("MOVE b 1", gone()),
        ("FLUSHDB", gone()),
        ("FLUSHALL", gone()),
        ("SWAPDB 0 1", gone()),
        ("LATCH.ABORT b no", aborted("no")),
        // Not before its next look: where expiries are not told, that is when it is known.
        ("PEXPIRE b 200", expired()),
    ] {
        ends(&server, ALL, &[failure], &told);
        ends(&server, ALL, &[OPEN_A, failure], &told);
        ends(&server, ALL, &[OPEN_C, OPEN_A, failure], &told);
    }
}

#[test]
fn any_replies_the_first_that_opens() {
    let server = Server::new();
    ends(&server, ANY, &[OPEN_A], &bulk("a"));
    ends(&server, ANY, &[OPEN_B], &bulk("b"));
    ends(&server, ANY, &[OPEN_C], &bulk("c"));
    ends(&server, "LATCH.AWAITANY 0 3 a a a", &[OPEN_B, OPEN_C, OPEN_A], &bulk("a"));
}

#[test]
fn of_all_that_happens_in_one_transaction_the_order_counts() {
    let server = Server::new();
    for (command, lines, told) in [
        (ANY, ["LATCH.SET c 1", OPEN_B, OPEN_A], bulk("b")),
        (ANY, ["DEL a", OPEN_C, OPEN_B], bulk("c")),
        (ANY, ["LATCH.ABORT b x", "LATCH.ABORT c y", "DEL a"], gone()),
        (ANY, ["DEL a", "DEL b", "LATCH.ABORT c y"], aborted("y")),
        (ALL, ["DEL b", "LATCH.ABORT a x", "LATCH.ABORT c y"], gone()),
        (ALL, [OPEN_A, "LATCH.ABORT c y", "DEL b"], aborted("y")),
        (ALL, [OPEN_A, OPEN_B, OPEN_C], ok()),
    ] {
        run_all(&server, &["LATCH.SET a 1", "LATCH.SET b 1", "LATCH.SET c 1"]);
        let mut waiter = server.parked(command);
        server.client().transaction(&lines);
        waiter.receives_only(&told);
        server.run("FLUSHALL");
    }
}

#[test]
fn any_drops_what_fails_and_ends_with_the_last_failure() {
    let server = Server::new();
    ends(&server, ANY, &["DEL a", "LATCH.ABORT b no", OPEN_C], &bulk("c"));
    ends(&server, ANY, &["LATCH.ABORT a no", OPEN_B], &bulk("b"));
    ends(&server, ANY, &["LATCH.ABORT a one", "LATCH.ABORT c two", "DEL b"], &gone());
    ends(&server, ANY, &["DEL a", "DEL c", "LATCH.ABORT b no"], &aborted("no"));
    ends(&server, ANY, &["DEL a", "RENAME c d", "PEXPIRE b 200"], &expired());
    ends(&server, ANY, &["FLUSHALL"], &gone());
    // One that is made again is another latch.
    ends(&server, ANY, &["DEL a", "LATCH.SET a 1", OPEN_A, "DEL b", "DEL c"], &gone());
    ends(&server, ANY, &["DEL a", "LATCH.SET a 0 LINGER 100", OPEN_B], &bulk("b"));
}

#[test]
fn a_key_named_twice_is_one_latch() {
    let server = Server::new();
    ends(&server, "LATCH.AWAITALL 0 4 a b a a", &[OPEN_A, OPEN_B], &ok());
    ends(&server, "LATCH.AWAITALL 0 3 a a a", &["LATCH.ABORT a no"], &aborted("no"));
    ends(&server, "LATCH.AWAITANY 0 4 a b a b", &["DEL a", OPEN_B], &bulk("b"));
    ends(&server, "LATCH.AWAITANY 0 2 b b", &["DEL a", "DEL b"], &gone());
    run_all(&server, &["LATCH.SET a 2", "LATCH.SET b 1"]);
    let mut waiter = server.parked("LATCH.AWAITALL 0 3 a a b");
    assert_eq!(server.run("LATCH.INFO a").field("waiters"), &int(1));
    assert_eq!(server.run("LATCH.ABORT a"), int(1));
    waiter.receives_only(&aborted("aborted"));
}

#[test]
fn latches_that_are_still_to_come_are_waited_for() {
    let server = Server::new();
    let all = "LATCH.AWAITALL 0 3 a x y MISSING WAIT";
    let any = "LATCH.AWAITANY 0 3 a x y MISSING WAIT";
    let lines = ["LATCH.SET x 1", OPEN_A, "LATCH.COUNTDOWN x", "LATCH.SET y 0"];
    ends(&server, all, &lines, &ok());
    ends(&server, all, &["LATCH.SET x 1", "DEL x"], &gone());
    ends(&server, any, &["LATCH.SET x 2", "LATCH.COUNTDOWN x", "LATCH.SET y 0"], &bulk("y"));
    ends(&server, any, &["DEL a", "RENAME b x", "LATCH.COUNTDOWN x"], &bulk("x"));
    // What does not exist yet is not removed, either.
    ends(&server, any, &["FLUSHALL", "LATCH.SET y 1", "LATCH.COUNTDOWN y"], &bulk("y"));
    ends(&server, "LATCH.AWAITALL 0 2 a x", &[OPEN_A], &ok());
    ends(&server, "LATCH.AWAITANY 0 2 a x MISSING ERROR", &[OPEN_A], &bulk("a"));
}

#[test]
fn who_leaves_leaves_no_trace() {
    let server = with_latches();
    for command in ["AWAITALL", "AWAITANY"] {
        for (mut client, null) in server.clients() {
            let line =
                |timeout| format!("LATCH.{command} {timeout} 3 closed other new MISSING WAIT");
            assert_eq!(client.run(&line("0.01")), null);
            nobody_is_parked(&server);
            for (how, told) in [("", Some(null)), (" ERROR", None)] {
                client.send_line(&line("0"));
                server.wait_parked(&client);
                assert_eq!(server.info("latch_waiters"), "1");
                assert_eq!(server.info("latch_waiting_keys"), "3");
                let unblock = format!("CLIENT UNBLOCK {}{how}", client.id());
                assert_eq!(server.run(&unblock), int(1));
                let reply = client.receive();
                match told {
                    Some(told) => assert_eq!(reply, told),
                    None => assert!(reply.error().starts_with("UNBLOCKED "), "{reply:?}"),
                }
                nobody_is_parked(&server);
            }
            client.send_line(&line("1000"));
            server.wait_parked(&client);
            assert_eq!(server.run(&format!("CLIENT KILL ID {}", client.id())), int(1));
            client.expect_closed();
            nobody_is_parked(&server);
            drop(server.parked(&line("0")));
            nobody_is_parked(&server);
        }
    }
    for opening in ["LATCH.SET new 0", "LATCH.COUNTDOWN closed", "LATCH.ABORT other"] {
        assert!([ok(), int(0)].contains(&server.run(opening)), "{opening}");
    }
}

#[test]
fn it_takes_one_place_and_is_refused_where_there_is_none() {
    let server = with_latches();
    server.run("CONFIG SET latch.max-waiters 1");
    let mut waiter = server.parked("LATCH.AWAITALL 0 2 closed other");
    let mut client = server.client();
    for (setting, refusal) in [
        ("latch.max-waiters 1", error(FULL)),
        ("maxmemory 1", error("OOM command not allowed when used memory > 'maxmemory'.")),
    ] {
        client.run(&format!("CONFIG SET {setting}"));
        for command in ["LATCH.AWAITALL", "LATCH.AWAITANY"] {
            assert_eq!(client.run(&format!("{command} 0 2 closed other")), refusal, "{setting}");
        }
        assert_eq!(client.run("LATCH.AWAITALL 0 2 open missing"), ok());
        assert_eq!(client.run("LATCH.AWAITANY 0 2 closed open"), bulk("open"));
        client.run("CONFIG SET latch.max-waiters 0");
    }
    client.run("LATCH.COUNTDOWN closed");
    client.run("LATCH.COUNTDOWN other");
    waiter.receives_only(&ok());
}

#[test]
fn one_client_may_wait_for_fifty_keys() {
    let server = Server::new();
    let mut client = server.client();
    let keys: Vec<_> = (0..50).map(|key| format!("key:{key}")).collect();
    let set = |client: &mut Client| {
        keys.iter().for_each(|key| assert_eq!(client.call(["LATCH.SET", key, "1"]), ok()));
    };
    set(&mut client);
    let mut all = server.parked(&format!("LATCH.AWAITALL 0 50 {}", keys.join(" ")));
    let mut any = server.parked(&format!("LATCH.AWAITANY 0 50 {}", keys.join(" ")));
    assert_eq!(server.info("latch_waiters"), "2");
    assert_eq!(server.info("latch_waiting_keys"), "50");
    for (nth, key) in keys.iter().rev().enumerate() {
        server.wait_parked(&all);
        assert_eq!(client.call(["LATCH.COUNTDOWN", key]), int(0));
        if nth == 0 {
            any.receives_only(&bulk("key:49"));
        }
    }
    all.receives_only(&ok());
    nobody_is_parked(&server);
}

#[test]
fn clients_of_a_replica_wait_for_several_latches_too() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    run_all(&master, &["LATCH.SET a 1", "LATCH.SET b 1", "LATCH.SET c 1"]);
    replica.wait_in_sync(&master);
    let (mut all, mut any) = (replica.parked(ALL), replica.parked(ANY));
    master.run(OPEN_B);
    any.receives_only(&bulk("b"));
    master.client().transaction(&[OPEN_A, OPEN_C]);
    all.receives_only(&ok());
    nobody_is_parked(&replica);
}

#[test]
fn the_server_knows_the_keys() {
    let server = Server::new();
    server.run("ACL SETUSER reader on nopass ~a* %W~b* +@all");
    for (mut client, _) in server.clients() {
        for command in ["LATCH.AWAITALL", "LATCH.AWAITANY"] {
            let info = client.call(["COMMAND", "INFO", command]);
            let [spec] = info.items()[0].items()[8].items() else { panic!("one spec: {info:?}") };
            let flags: Vec<_> = spec.field("flags").items().iter().map(Reply::text).collect();
            assert_eq!(flags, ["RO", "access"]);
            let (begin, find) = (spec.field("begin_search"), spec.field("find_keys"));
            assert_eq!(begin.field("type").text(), "index");
            assert_eq!(begin.field("spec").field("index"), &int(2));
            assert_eq!(find.field("type").text(), "keynum");
            for (field, value) in [("keynumidx", 0), ("firstkey", 1), ("keystep", 1)] {
                assert_eq!(find.field("spec").field(field), &int(value), "{field}");
            }
            for (rest, keys) in [
                ("0 1 a", &["a"][..]),
                ("0 3 a b a", &["a", "b", "a"]),
                ("0 2 a b MISSING WAIT", &["a", "b"]),
            ] {
                let reply = client.run(&format!("COMMAND GETKEYS {command} {rest}"));
                assert_eq!(reply, array(keys.iter().copied()), "{command} {rest}");
            }

            assert_eq!(client.run("AUTH reader x"), ok());
            assert!(matches!(
                client.run(&format!("{command} 0 2 a1 a2")),
                Reply::Simple(_) | Reply::Bulk(_)
            ));
            for keys in ["2 a1 z", "2 z a1", "2 a1 b1", "1 z"] {
                let reply = client.run(&format!("{command} 0 {keys}"));
                assert!(reply.error().starts_with("NOPERM "), "{keys}: {reply:?}");
            }
            assert_eq!(client.run("AUTH default x"), ok());
        }
    }
}

#[test]
fn a_client_may_wait_for_very_many_latches() {
    const LATCHES: usize = 20_000;

    let server = Server::new();
    server.run(&format!("CONFIG SET latch.max-keys {LATCHES}"));
    let mut other = server.client();
    let mut for_each = |command: &str, remaining: &Reply| {
        let lines: Vec<_> = (0..LATCHES).map(|i| command.replace('#', &i.to_string())).collect();
        other.send_raw((lines.join("\r\n") + "\r\n").as_bytes());
        for line in lines {
            assert_eq!(&other.receive(), remaining, "{line}");
        }
    };
    for_each("LATCH.SET k# 1", &ok());
    let keys: Vec<_> = (0..LATCHES).map(|i| format!("k{i}")).collect();
    let keys = keys.join(" ");
    let mut all = server.parked(&format!("LATCH.AWAITALL 0 {LATCHES} {keys}"));
    let mut any = server.parked(&format!("LATCH.AWAITANY 0 {LATCHES} {keys}"));
    let begun = Instant::now();
    for_each("LATCH.COUNTDOWN k#", &int(0));
    // A look at all of them with each opening would take a minute.
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    all.receives_only(&ok());
    any.receives_only(&bulk("k0"));
    assert_eq!(server.info("latch_waiting_keys"), "0");
}
