//! What all commands have in common, `LATCH.GET`, and the answers that
//! `LATCH.AWAIT` gives without parking anybody.

mod common;

use std::time::Duration;

use common::*;

/// Long enough for a reply to cross a local socket.
const SHORT: Duration = Duration::from_millis(20);

#[test]
fn get_replies_what_remains() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        for (command, left) in [
            ("DEL k", 0),
            ("LATCH.SET k 3 EX 1000", 3),
            ("LATCH.COUNTDOWN k", 2),
            ("LATCH.COUNTDOWN k 2", 0),
            ("LATCH.SET k 9223372036854775807", i64::MAX),
            ("LATCH.SET k 0", 0),
        ] {
            client.run(command);
            let reply = witness.sees_nothing("k", || client.run("LATCH.GET k"));
            assert_eq!(reply, int(left), "after {command}");
        }
    }
}

#[test]
fn awaiting_what_is_open_or_missing_is_ok_at_once() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        for opening in ["DEL k", "LATCH.COUNTDOWN k", "LATCH.SET k 0"] {
            client.run("LATCH.SET k 1");
            client.run(opening);
            for timeout in ["0", "0.0", "1", "1.5", ".5", "1e3", "0.0001", "9223372036"] {
                let reply =
                    witness.sees_nothing("k", || client.call(["LATCH.AWAIT", "k", timeout]));
                assert_eq!(reply, ok(), "{timeout} after {opening}");
            }
        }
    }
    assert_eq!(server.info("blocked_clients"), "0");
}

#[test]
fn a_wait_that_times_out_is_null_and_changes_nothing() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    server.run("LATCH.SET k 1 EX 1000");
    for (mut client, null) in server.clients() {
        for timeout in ["0.01", "1e-2", "0.0001", "1e-400"] {
            let reply = witness.sees_nothing("k", || client.call(["LATCH.AWAIT", "k", timeout]));
            assert_eq!(reply, null, "{timeout}");
        }
    }
}

#[test]
fn a_bad_timeout_is_refused_whatever_the_key_holds() {
    const NOT_A_FLOAT: &str = "ERR timeout is not a float or out of range";
    const NEGATIVE: &str = "ERR timeout is negative";
    const OUT_OF_RANGE: &str = "ERR timeout is out of range";
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for before in ["DEL k", "LATCH.SET k 1 EX 1000", "SET k string"] {
        server.run(before);
        for (mut client, _) in server.clients() {
            for (timeout, text) in [
                ("", NOT_A_FLOAT),
                ("x", NOT_A_FLOAT),
                (" 1", NOT_A_FLOAT),
                ("1 ", NOT_A_FLOAT),
                ("1s", NOT_A_FLOAT),
                ("1,5", NOT_A_FLOAT),
                ("1.5.", NOT_A_FLOAT),
                ("1\0", NOT_A_FLOAT),
                ("nan", NOT_A_FLOAT),
                ("\u{661}", NOT_A_FLOAT),
                ("-1", NEGATIVE),
                ("-0.001", NEGATIVE),
                ("-0.0001", NEGATIVE),
                ("-9223372036854775808", NEGATIVE),
                ("-inf", NEGATIVE),
                ("1125899906842.625", OUT_OF_RANGE),
                ("9223372036854775", OUT_OF_RANGE),
                ("9223372036854775807", OUT_OF_RANGE),
                ("1e400", OUT_OF_RANGE),
                ("inf", OUT_OF_RANGE),
            ] {
                let reply =
                    witness.sees_nothing("k", || client.call(["LATCH.AWAIT", "k", timeout]));
                assert_eq!(reply, error(text), "{timeout:?} after {before}");
            }
        }
    }
}

#[test]
fn where_nobody_may_block_a_wait_answers_what_it_knows() {
    let server = Server::new();
    for (mut client, null) in server.clients() {
        for (before, answer) in [
            ("DEL k", ok()),
            ("LATCH.SET k 1", null),
            ("LATCH.SET k 0", ok()),
            ("SET k string", error(WRONG_TYPE)),
        ] {
            client.run(before);
            for timeout in ["0", "1000"] {
                let queued = format!("LATCH.AWAIT k {timeout}");
                let replies = client.transaction(&[&queued]);
                assert_eq!(replies, Reply::Array(vec![answer.clone()]), "{before}");
                let script = "return redis.pcall('LATCH.AWAIT', KEYS[1], ARGV[1])";
                let reply = client.call(["EVAL", script, "1", "k", timeout]);
                assert_eq!(reply, answer, "{before}, in a script");
            }
        }
        client.run("DEL k");
    }
}

#[test]
fn any_bytes_are_a_key() {
    let server = Server::new();
    let large = vec![b'x'; 1 << 20];
    let keys: [&[u8]; 16] = [
        b"",
        b" ",
        b"\0",
        b"\r\n",
        b"$-1\r\n",
        b"\xff\xfe",
        b"%s%n",
        b"{",
        b"}",
        b"{}",
        b"{}x",
        b"{tag}",
        b"{tag}x",
        b"a}b",
        b"a{b}c{d}",
        &large,
    ];
    let on = |key: &[u8], command: &str, rest: &[&str]| {
        let mut client = server.client();
        let command = [command.as_bytes(), key].into_iter();
        client.call(command.chain(rest.iter().map(|word| word.as_bytes())))
    };
    let mut waiters = Vec::new();
    for (key, count) in keys.into_iter().zip(10..) {
        assert_eq!(on(key, "LATCH.SET", &[&format!("{count}")]), ok());
        let mut waiter = server.client();
        waiter.send(cmd!["LATCH.AWAIT", key, "0"]);
        server.wait_parked(&waiter);
        waiters.push(waiter);
    }
    for (index, (key, count)) in keys.into_iter().zip(10..).enumerate() {
        let case = String::from_utf8_lossy(&key[..key.len().min(10)]);
        assert_eq!(on(key, "TYPE", &[]), Reply::Simple("countdown".into()));
        assert_eq!(on(key, "LATCH.GET", &[]), int(count), "{case:?}");
        // Setting it again is no reason to go.
        assert_eq!(on(key, "LATCH.SET", &["2", "XX"]), ok());
        assert_eq!(on(key, "LATCH.COUNTDOWN", &[]), int(1), "{case:?}");
        server.wait_parked(&waiters[index]);
        assert_eq!(on(key, "LATCH.COUNTDOWN", &[]), int(0), "{case:?}");
        assert_eq!(waiters[index].receive(), ok(), "{case:?}");
        assert_eq!(on(key, "EXISTS", &[]), int(0), "{case:?}");
        // Nor is it one for the others.
        server.wait_blocked(keys.len() - 1 - index);
    }
}

#[test]
fn latches_with_similar_names_are_strangers() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET job 1");
    let mut waiter = server.parked("LATCH.AWAIT job 0");
    let strangers: [&[u8]; 6] = [
        b"jo",
        b"job1",
        b"JOB",
        b"{job}",
        b"job\0",
        // What a client of `job` is blocked on in the server.
        b"{job}\0latch\0parked",
    ];
    for key in strangers {
        assert_eq!(client.call(cmd!["LATCH.SET", key, "1"]), ok());
        assert_eq!(client.call(cmd!["LATCH.COUNTDOWN", key]), int(0));
        assert_eq!(client.call(cmd!["RPUSH", key, "x"]), int(1));
        assert_eq!(client.call(cmd!["DEL", key]), int(1));
    }
    // The same name in another database is another latch too.
    client.run("SELECT 1");
    assert_eq!(client.run("LATCH.GET job"), int(0));
    assert_eq!(client.run("LATCH.SET job 1"), ok());
    let mut there = server.parked_in(1, "LATCH.AWAIT job 0");
    assert_eq!(client.run("LATCH.COUNTDOWN job"), int(0));
    assert_eq!(there.receive(), ok());
    waiter.nothing_within(SHORT);
    server.wait_parked(&waiter);
    client.run("SELECT 0");
    assert_eq!(client.run("LATCH.COUNTDOWN job"), int(0));
    assert_eq!(waiter.receive(), ok());
}

#[test]
fn a_key_of_another_type_is_refused_and_kept() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut others = vec![
        "SET k 1 EX 1000",
        "RPUSH k 1",
        "SADD k 1",
        "HSET k f 1",
        "ZADD k 1 m",
        "XADD k * f 1",
    ];
    // Some servers have types of other modules.
    let has_vectors =
        !matches!(server.run("COMMAND INFO VADD").items(), [Reply::NullArray | Reply::NullBulk]);
    if has_vectors {
        others.push("VADD k VALUES 1 1 m");
    }
    for other in others {
        server.run("DEL k");
        let made = server.run(other);
        assert!(!matches!(made, Reply::Error(_)), "{other}: {made:?}");
        for (mut client, _) in server.clients() {
            for command in [
                "LATCH.SET k 5",
                "LATCH.SET k 5 NX",
                "LATCH.SET k 5 XX",
                "LATCH.SET k 0",
                "LATCH.SET k 5 EX 100",
                "LATCH.COUNTDOWN k",
                "LATCH.COUNTDOWN k 5",
                "LATCH.AWAIT k 0",
                "LATCH.AWAIT k 0.01",
                "LATCH.GET k",
            ] {
                let reply = witness.sees_nothing("k", || client.run(command));
                assert_eq!(reply, error(WRONG_TYPE), "{command} after {other}");
            }
        }
    }
}

#[test]
fn commands_of_other_types_refuse_a_latch() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    server.run("LATCH.SET k 5 EX 1000");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    for (mut client, _) in server.clients() {
        for command in [
            "GET k",
            "GETDEL k",
            "INCR k",
            "DECRBY k 2",
            "APPEND k x",
            "STRLEN k",
            "SETRANGE k 0 x",
            "LPUSH k x",
            "LLEN k",
            "BLPOP k 0",
            "SADD k x",
            "HSET k f x",
            "ZADD k 1 x",
            "XADD k * f x",
            "PFADD k x",
            "SET k x GET",
        ] {
            let reply = witness.sees_nothing("k", || client.run(command));
            assert_eq!(reply, error(WRONG_TYPE), "{command}");
        }
    }
    server.wait_parked(&waiter);
    assert_eq!(server.run("LATCH.COUNTDOWN k 5"), int(0));
    assert_eq!(waiter.receive(), ok());
}

#[test]
fn the_wrong_number_of_arguments_is_refused_as_the_server_does() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    client.run("LATCH.SET k 5 EX 1000");
    for command in [
        "LATCH.SET",
        "LATCH.SET k",
        "LATCH.COUNTDOWN",
        "LATCH.AWAIT",
        "LATCH.AWAIT k",
        "LATCH.GET",
        "LATCH.GET k FOO",
    ] {
        let name = command.split(' ').next().unwrap().to_lowercase();
        let text = format!("ERR wrong number of arguments for '{name}' command");
        let reply = witness.sees_nothing("k", || client.run(command));
        assert_eq!(reply, error(&text), "{command}");
    }
}

#[test]
fn what_follows_a_timeout_must_be_an_option() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    for before in ["DEL k", "LATCH.SET k 5"] {
        client.run(before);
        for command in ["LATCH.AWAIT k 0 FOO", "LATCH.AWAIT k 0 1", "LATCH.AWAIT k 0 FOO OPEN"] {
            let reply = witness.sees_nothing("k", || client.run(command));
            assert_eq!(reply, error(SYNTAX), "{command} after {before}");
        }
    }
}

#[test]
fn over_maxmemory_nothing_is_made_and_nobody_parks_but_the_rest_works() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 3");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    let mut witness = Witness::open(&server);

    assert_eq!(client.run("CONFIG SET maxmemory 1"), ok());
    let out_of_memory = client.run("SET string x");
    assert!(out_of_memory.error().starts_with("OOM "));
    for command in ["LATCH.SET new 1", "LATCH.SET k 4", "LATCH.AWAIT k 0", "LATCH.AWAIT k 0.01"] {
        let reply = witness.sees_nothing("k", || client.run(command));
        assert_eq!(reply, out_of_memory, "{command}");
    }
    assert_eq!(client.run("LATCH.AWAIT missing 0"), ok());
    assert_eq!(client.run("LATCH.GET k"), int(3));
    assert_eq!(client.run("LATCH.COUNTDOWN missing"), int(0));
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(2));
    // In a script it would not park. (Redis 7.0 runs no transactions now.)
    let script = "return redis.call('LATCH.AWAIT', KEYS[1], 0)";
    assert_eq!(client.call(["EVAL", script, "1", "k"]), Reply::NullBulk);
    server.wait_parked(&waiter);
    assert_eq!(client.run("LATCH.COUNTDOWN k 2"), int(0));
    assert_eq!(waiter.receive(), ok());
    assert_eq!(client.run("LATCH.AWAIT k 0"), ok());

    assert_eq!(client.run("CONFIG SET maxmemory 0"), ok());
    assert_eq!(client.run("LATCH.SET k 1"), ok());
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
    assert_eq!(waiter.receive(), ok());
}
