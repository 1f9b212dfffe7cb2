//! `LATCH.SET … LINGER seconds`: an open latch that stays for a while.

mod common;

use common::*;

#[test]
fn an_open_latch_is_there_to_be_seen() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, null) in server.clients() {
        client.run("LATCH.SET k 3 LINGER 100");
        client.run("LATCH.ADD k 1");
        client.run("LATCH.COUNTDOWN k ID a");
        assert_eq!(client.run("LATCH.COUNTDOWN k 3 ID b"), int(0));
        assert_eq!(client.run("TYPE k"), Reply::Simple("countdown".into()));
        assert_eq!(client.run("LATCH.GET k"), int(0));
        let info = client.run("LATCH.INFO k");
        for (field, value) in [
            ("state", bulk("open")),
            ("count", int(0)),
            ("total", int(4)),
            ("arrived", int(2)),
            ("waiters", int(0)),
            ("linger-ms", int(100_000)),
            ("reason", bulk("")),
        ] {
            assert_eq!(info.field(field), &value, "{field}");
        }
        for (line, answer) in [
            ("LATCH.AWAIT k 0", ok()),
            ("LATCH.AWAIT k 0 MISSING ERROR", ok()),
            ("LATCH.AWAIT k 0 MISSING WAIT", ok()),
            ("LATCH.AWAITALL 0 2 k k MISSING ERROR", ok()),
            ("LATCH.AWAITANY 0 1 k MISSING WAIT", bulk("k")),
            ("LATCH.ARRIVE k 0 ID c", ok()),
            ("LATCH.COUNTDOWN k", int(0)),
            ("LATCH.COUNTDOWN k 9", int(0)),
            ("LATCH.COUNTDOWN k ID c", int(0)),
            ("LATCH.SET k 5 NX", null.clone()),
            ("LATCH.SET k 0 NX LINGER 1", null.clone()),
            ("LATCH.ADD k 1", error(LATCH_OPEN)),
            ("LATCH.ABORT k", error(LATCH_OPEN)),
        ] {
            let reply = witness.sees_nothing("k", || client.run(line));
            assert_eq!(reply, answer, "{line}");
        }
        client.run("DEL k");
    }
}

#[test]
fn opening_replaces_the_time_to_live_and_is_propagated_in_one_piece() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    for (made, opening, propagated) in [
        ("LATCH.SET k 1 LINGER 100", "LATCH.COUNTDOWN k", "LATCH.COUNTDOWN k"),
        ("LATCH.SET k 3 EX 5 LINGER 100", "LATCH.COUNTDOWN k 3", "LATCH.COUNTDOWN k 3"),
        ("LATCH.SET k 1 EX 5000 LINGER 100", "LATCH.COUNTDOWN k ID a", "LATCH.COUNTDOWN k ID a"),
        ("LATCH.SET k 1 LINGER 100 EX 5000", "LATCH.ARRIVE k 0 ID b", "LATCH.COUNTDOWN k 1 ID b"),
        ("LATCH.SET k 1 LINGER 100", "LATCH.ARRIVE k 0 ID a", "LATCH.COUNTDOWN k 1 ID a"),
    ] {
        client.run(made);
        let earliest = client.time() + 100_000;
        let (_, seen) = witness.see("k", || client.run(opening));
        let latest = client.time() + 100_000;
        let at = client.run("PEXPIRETIME k").int();
        assert!((earliest..=latest).contains(&at), "{opening}");
        assert_eq!(seen.events, ["latch.countdown k", "latch.open k"], "{opening}");
        let expire = format!("PEXPIREAT k {at}");
        assert_eq!(seen.propagated, ["MULTI", propagated, &expire, "EXEC"], "{opening}");
        assert!(seen.broke_watch, "{opening}");
    }
}

#[test]
fn opening_in_a_transaction_or_script_is_propagated_with_the_rest() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    let script = "redis.call('LATCH.COUNTDOWN', KEYS[1]) redis.call('LATCH.COUNTDOWN', KEYS[1]) \
                  return redis.call('APPEND', 'other', 'x')";
    for in_script in [false, true] {
        client.run("LATCH.SET k 1 LINGER 100");
        let (_, seen) = witness.see("k", || match in_script {
            true => client.call(["EVAL", script, "1", "k"]),
            false => {
                client.transaction(&["LATCH.COUNTDOWN k", "LATCH.COUNTDOWN k", "APPEND other x"])
            }
        });
        let expire = format!("PEXPIREAT k {}", client.run("PEXPIRETIME k").int());
        let expected = ["MULTI", "LATCH.COUNTDOWN k", &expire, "APPEND other x", "EXEC"];
        assert_eq!(seen.propagated, expected, "in a script: {in_script}");
    }
}

#[test]
fn a_latch_that_is_set_to_zero_lingers_if_the_command_says_so() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    for (before, options) in [
        ("DEL k", "LINGER 100"),
        ("DEL k", "NX LINGER 100"),
        ("LATCH.SET k 5 EX 5", "LINGER 100"),
        ("LATCH.SET k 5 EX 5", "KEEPTTL LINGER 100"),
        ("LATCH.SET k 5 LINGER 7", "XX EX 5 LINGER 100"),
        ("LATCH.SET k 0 LINGER 7", "LINGER 100"),
    ] {
        client.run(before);
        let waiter = (before.contains(" 5")).then(|| server.parked("LATCH.AWAIT k 0"));
        let (reply, seen) = witness.see("k", || client.run(&format!("LATCH.SET k 0 {options}")));
        assert_eq!(reply, ok());
        assert_eq!(seen.events, ["latch.set k", "latch.open k"], "{options} after {before}");
        let at = client.run("PEXPIRETIME k");
        assert_eq!(seen.propagated.len(), 4, "{seen:?}");
        assert_eq!(seen.propagated[2], format!("PEXPIREAT k {}", at.int()));
        let ttl = client.run("LATCH.INFO k").field("ttl-ms").int();
        assert!((50_000..=100_000).contains(&ttl), "{options} after {before}: {ttl}");
        assert_eq!(client.run("LATCH.AWAIT k 0 MISSING ERROR"), ok());
        if let Some(mut waiter) = waiter {
            waiter.receives_only(&ok());
        }
        client.run("DEL k");
    }
    // Without the option it does not, whatever it was to do before.
    client.run("LATCH.SET k 5 LINGER 100");
    assert_eq!(client.run("LATCH.SET k 0"), ok());
    assert_eq!(client.run("EXISTS k"), int(0));
}

#[test]
fn an_open_latch_expires_and_is_then_missing() {
    let server = Server::new();
    let mut events = Events::open(&server);
    let mut client = server.client();
    client.run("LATCH.SET k 1 EX 1000 LINGER 0.05");
    client.run("LATCH.COUNTDOWN k");
    assert_eq!(client.run("LATCH.AWAIT k 0 MISSING ERROR"), ok());
    eventually("it to expire", PATIENCE, || {
        (client.run("LATCH.AWAIT k 0 MISSING ERROR") == error(NO_LATCH)).then_some(())
    });
    assert_eq!(client.run("LATCH.AWAIT k 0"), ok(), "is open to those who say so");
    assert_eq!(client.run("LATCH.SET k 1 NX"), ok());
    let expected = ["latch.set k", "latch.countdown k", "latch.open k", "expired k", "latch.set k"];
    let seen: Vec<_> = events.so_far().into_iter().filter(|event| event != "expire k").collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_time_to_linger_may_have_decimals() {
    let server = Server::new();
    let mut client = server.client();
    for (seconds, millis) in [
        ("1", 1000),
        ("0.5", 500),
        (".25", 250),
        ("1e1", 10_000),
        ("0.29", 290),
        ("1.005", 1005),
        ("0.001", 1),
        ("0.0001", 1),
        ("1e-400", 1),
        ("86400.123", 86_400_123),
        ("9000000000", 9_000_000_000_000),
    ] {
        client.call(["LATCH.SET", "k", "1", "linger", seconds]);
        assert_eq!(client.run("LATCH.INFO k").field("linger-ms"), &int(millis), "{seconds}");
    }
}

#[test]
fn a_time_to_linger_that_is_none_is_refused() {
    const INVALID: &str = "ERR invalid expire time in 'latch.set' command";
    const NOT_A_FLOAT: &str = "ERR value is not a valid float";
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for before in ["DEL k", "LATCH.SET k 5 EX 1000 LINGER 7", "LATCH.SET k 0 LINGER 1000"] {
        server.run(before);
        for (mut client, _) in server.clients() {
            for (seconds, text) in [
                ("0", INVALID),
                ("0.0", INVALID),
                ("-0", INVALID),
                ("-1", INVALID),
                ("-0.001", INVALID),
                ("inf", INVALID),
                ("-inf", INVALID),
                ("1e300", INVALID),
                ("9223372036854775807", INVALID),
                ("x", NOT_A_FLOAT),
                ("", NOT_A_FLOAT),
                ("nan", NOT_A_FLOAT),
                (" 1", NOT_A_FLOAT),
                ("1s", NOT_A_FLOAT),
            ] {
                for count in ["0", "5"] {
                    let call = || client.call(["LATCH.SET", "k", count, "LINGER", seconds]);
                    let reply = witness.sees_nothing("k", call);
                    assert_eq!(reply, error(text), "{seconds:?} after {before}");
                }
            }
            for options in
                ["LINGER", "LINGER 1 LINGER 1", "LINGER 1 NX LINGER 2", "EX 1 LINGER", "LINGER 1 2"]
            {
                let line = format!("LATCH.SET k 5 {options}");
                let reply = witness.sees_nothing("k", || client.run(&line));
                assert_eq!(reply, error(SYNTAX), "{options} after {before}");
            }
        }
    }
}

#[test]
fn an_open_latch_that_is_set_again_is_a_new_one() {
    let server = Server::new();
    let mut client = server.client();
    for (options, linger) in [("", 0), ("XX", 0), ("LINGER 7", 7000), ("EX 9 LINGER 7", 7000)] {
        client.run("LATCH.SET k 2 LINGER 100");
        client.run("LATCH.COUNTDOWN k ID a");
        client.run("LATCH.COUNTDOWN k");
        assert_eq!(client.run(&format!("LATCH.SET k 2 {options}")), ok());
        let info = client.run("LATCH.INFO k");
        assert_eq!(info.field("state"), &bulk("closed"), "{options}");
        assert_eq!(info.field("arrived"), &int(0), "{options}");
        assert_eq!(info.field("linger-ms"), &int(linger), "{options}");
        let expires = info.field("ttl-ms").int() >= 0;
        assert_eq!(expires, options.contains("EX "), "{options}");
        let mut waiter = server.parked("LATCH.AWAIT k 0");
        assert_eq!(client.run("LATCH.COUNTDOWN k ID a"), int(1), "{options}");
        assert_eq!(client.run("LATCH.COUNTDOWN k ID b"), int(0), "{options}");
        waiter.receives_only(&ok());
        assert_eq!(client.run("EXISTS k"), int((linger > 0).into()), "{options}");
    }
    // The time that was left of lingering is a time to live like any other.
    client.run("LATCH.SET k 0 LINGER 100");
    let expires = client.run("PEXPIRETIME k");
    client.run("LATCH.SET k 2 KEEPTTL");
    assert_eq!(client.run("PEXPIRETIME k"), expires);
}

#[test]
fn opened_and_set_again_in_one_go_it_releases_the_old_round_only() {
    let server = Server::builder().module_args(["latch.wake-batch", "1"]).start();
    let mut client = server.client();
    client.run("LATCH.SET k 1 LINGER 100");
    let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
    client.transaction(&["LATCH.COUNTDOWN k", "LATCH.SET k 1 LINGER 100"]);
    let mut next = server.parked("LATCH.AWAIT k 0");
    for waiter in &mut waiters {
        waiter.receives_only(&ok());
    }
    server.wait_parked(&next);
    client.run("LATCH.COUNTDOWN k");
    next.receives_only(&ok());
}

#[test]
fn a_latch_that_would_linger_still_expires_while_it_is_closed() {
    let server = Server::new();
    server.run("LATCH.SET k 1 PX 100 LINGER 1000");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    waiter.receives_only(&expired());
    assert_eq!(server.run("LATCH.AWAIT k 0 MISSING ERROR"), error(NO_LATCH));
}

#[test]
fn it_lingers_on_a_replica_until_the_same_moment() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    for (made, opening) in [
        ("LATCH.SET k 2 EX 1000 LINGER 100.5", "LATCH.COUNTDOWN k 2"),
        ("LATCH.SET k 1 LINGER 200", "LATCH.ARRIVE k 0 ID a"),
        ("LATCH.SET k 5 EX 1000", "LATCH.SET k 0 LINGER 300"),
    ] {
        master.run(made);
        replica.wait_in_sync(&master);
        assert_eq!(replica.contents(), master.contents());
        let mut waiter = replica.parked("LATCH.AWAIT k 0");
        master.run(opening);
        waiter.receives_only(&ok());
        replica.wait_in_sync(&master);
        let at = master.run("PEXPIRETIME k");
        assert!(at.int() > 0);
        assert_eq!(replica.run("PEXPIRETIME k"), at, "{opening}");
        assert_eq!(replica.contents(), master.contents());
        assert_eq!(replica.run("LATCH.AWAIT k 0 MISSING ERROR"), ok());
        assert_eq!(replica.run("LATCH.INFO k").field("state"), &bulk("open"));
    }
}

#[test]
fn it_lingers_through_crashes_and_reloads_until_the_same_moment() {
    let mut server =
        Server::builder().config("appendonly", "yes").config("appendfsync", "always").start();
    server.run("LATCH.SET k 2 EX 1000 LINGER 100.5");
    server.run("LATCH.COUNTDOWN k ID a");
    server.run("LATCH.COUNTDOWN k ID b");
    server.client().transaction(&["LATCH.SET l 1 LINGER 50", "LATCH.COUNTDOWN l"]);
    server.run("LATCH.SET zero 0 LINGER 1000");
    let before = server.contents();
    for way in ["crash", "DEBUG RELOAD", "DEBUG LOADAOF", "BGREWRITEAOF", "crash"] {
        match way {
            "crash" => {
                server.kill9();
                server.start_again();
            }
            line => {
                assert!(!matches!(server.run(line), Reply::Error(_)), "{line}");
            }
        }
        eventually("the end of the rewrite", PATIENCE, || {
            let fields = ["aof_rewrite_in_progress", "aof_rewrite_scheduled"];
            (fields.map(|field| server.info(field)) == ["0", "0"]).then_some(())
        });
        assert_eq!(server.contents(), before, "{way}");
        assert_eq!(server.run("LATCH.AWAIT k 0 MISSING ERROR"), ok(), "{way}");
    }
}
