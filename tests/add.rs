//! `LATCH.ADD key increment [ID id]`: more to count down. Its ids are in `parts_countdown.rs`.

mod common;

use common::*;

/// A field of `LATCH.INFO k`.
fn info(client: &mut Client, field: &str) -> Reply {
    client.run("LATCH.INFO k").field(field).clone()
}

#[test]
fn an_increment_raises_the_count_and_the_total_and_nothing_else() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        client.run("LATCH.SET k 5 EX 1000 LINGER 7");
        client.run("LATCH.COUNTDOWN k 2 ID a");
        let expires = client.run("PEXPIRETIME k");
        for (line, count, total) in [("LATCH.ADD k 1", 4, 6), ("latch.add k 10", 14, 16)] {
            let (reply, seen) = witness.see("k", || client.run(line));
            assert_eq!(reply, int(count), "{line}");
            let expected = Seen {
                events: vec!["latch.add k".into()],
                propagated: vec![line.into()],
                broke_watch: true,
                changed_data: true,
            };
            assert_eq!(seen, expected, "{line}");
            assert_eq!(info(&mut client, "count"), int(count), "{line}");
            assert_eq!(info(&mut client, "total"), int(total), "{line}");
        }
        assert_eq!(client.run("LATCH.GET k"), int(14));
        assert_eq!(client.run("PEXPIRETIME k"), expires);
        assert_eq!(info(&mut client, "state"), bulk("closed"));
        assert_eq!(info(&mut client, "linger-ms"), int(7000));
        assert_eq!(client.run("LATCH.ARRIVED k"), array(["a"]));
        assert_eq!(client.run("LATCH.COUNTDOWN k ID a"), int(14), "is still recorded");
    }
}

#[test]
fn parked_clients_wait_for_what_was_added_too() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut waiters = [
        server.parked("LATCH.AWAIT k 0"),
        server.parked("LATCH.AWAITALL 0 1 k"),
        server.parked("LATCH.AWAITANY 0 1 k"),
    ];
    assert_eq!(server.run("LATCH.ADD k 2"), int(3));
    for left in [2, 1] {
        assert_eq!(server.run("LATCH.COUNTDOWN k"), int(left));
        server.wait_blocked(waiters.len());
    }
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    for (waiter, answer) in waiters.iter_mut().zip([ok(), ok(), bulk("k")]) {
        waiter.receives_only(&answer);
    }
}

#[test]
fn what_is_not_a_positive_integer_is_refused() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    client.run("LATCH.SET k 5 EX 1000");
    for increment in NO_INTEGERS.iter().chain(&["0", "-1", "-9223372036854775808"]) {
        let call = || client.call(["LATCH.ADD", "k", increment]);
        let reply = witness.sees_nothing("k", call);
        assert_eq!(reply, error(NOT_AN_INTEGER), "{increment:?}");
    }
    const WRONG_NUMBER: &str = "ERR wrong number of arguments for 'latch.add' command";
    for (line, text) in [
        ("LATCH.ADD", WRONG_NUMBER),
        ("LATCH.ADD k", WRONG_NUMBER),
        ("LATCH.ADD k 1 2", SYNTAX),
        ("LATCH.ADD k 1 ID", SYNTAX),
        ("LATCH.ADD k 1 ID x ID x", SYNTAX),
        ("LATCH.ADD k ID x", NOT_AN_INTEGER),
    ] {
        let reply = witness.sees_nothing("k", || client.run(line));
        assert_eq!(reply, error(text), "{line}");
    }
}

#[test]
fn an_increment_that_would_overflow_is_refused() {
    const MAX: i64 = i64::MAX;

    let server = Server::new();
    let mut witness = Witness::open(&server);
    let overflow = error("ERR increment would overflow");
    for (mut client, _) in server.clients() {
        for (count, increment) in [(MAX, 1), (1, MAX), (2, MAX - 1), (MAX, MAX)] {
            client.run(&format!("LATCH.SET k {count}"));
            let line = format!("LATCH.ADD k {increment}");
            let reply = witness.sees_nothing("k", || client.run(&line));
            assert_eq!(reply, overflow, "{count} and {increment}");
        }
        for (count, increment) in [(MAX - 1, 1), (1, MAX - 1)] {
            client.run(&format!("LATCH.SET k {count}"));
            assert_eq!(client.run(&format!("LATCH.ADD k {increment}")), int(MAX));
        }
        // The count has room, but the total has not.
        assert_eq!(client.run("LATCH.COUNTDOWN k 10"), int(MAX - 10));
        let reply = witness.sees_nothing("k", || client.run("LATCH.ADD k 1"));
        assert_eq!(reply, overflow);
    }
}

#[test]
fn only_a_closed_latch_can_be_raised() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        for (before, refusal) in [
            (&["DEL k"][..], error(NO_LATCH)),
            (&["LATCH.SET k 1", "LATCH.COUNTDOWN k"], error(NO_LATCH)),
            (&["LATCH.SET k 1 LINGER 100", "LATCH.COUNTDOWN k"], error(LATCH_OPEN)),
            (&["LATCH.SET k 0 LINGER 100"], error(LATCH_OPEN)),
            (&["LATCH.SET k 1", "LATCH.ABORT k no"], aborted("no")),
            (&["DEL k", "SET k 1"], error(WRONG_TYPE)),
        ] {
            before.iter().for_each(|line| _ = client.run(line));
            for increment in ["1", "9223372036854775807"] {
                let call = || client.call(["LATCH.ADD", "k", increment]);
                assert_eq!(witness.sees_nothing("k", call), refusal, "after {before:?}");
            }
            client.run("DEL k");
        }
    }
}

#[test]
fn transactions_and_scripts_may_raise_a_latch() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    let lines = ["LATCH.ADD k 1", "LATCH.COUNTDOWN k", "LATCH.ADD k 1"];
    assert_eq!(client.transaction(&lines), array([2, 1, 2]));
    let script =
        "redis.call('LATCH.COUNTDOWN', KEYS[1]) return redis.call('LATCH.ADD', KEYS[1], 5)";
    assert_eq!(client.call(["EVAL", script, "1", "k"]), int(6));
    server.wait_parked(&waiter);
    // Once it is open, there is nothing to be raised.
    let replies = client.transaction(&["LATCH.COUNTDOWN k 6", "LATCH.ADD k 1"]);
    assert_eq!(replies, Reply::Array(vec![int(0), error(NO_LATCH)]));
    waiter.receives_only(&ok());
}
