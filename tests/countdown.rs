//! `LATCH.COUNTDOWN`: what remains, and when it opens.

mod common;

use std::thread;

use common::*;

#[test]
fn replies_what_remains_and_opens_at_zero() {
    let server = Server::new();
    for (mut client, _) in server.clients() {
        assert_eq!(client.run("LATCH.SET k 6"), ok());
        for (command, left) in [
            ("LATCH.COUNTDOWN k", 5),
            ("latch.countdown k 1", 4),
            ("LATCH.COUNTDOWN k 3", 1),
            ("LATCH.COUNTDOWN k", 0),
            ("LATCH.COUNTDOWN k", 0),
            ("LATCH.COUNTDOWN k 3", 0),
        ] {
            assert_eq!(client.run(command), int(left), "{command}");
            assert_eq!(client.run("LATCH.GET k"), int(left), "{command}");
            assert_eq!(client.run("EXISTS k"), int((left > 0).into()), "{command}");
        }
    }
}

#[test]
fn never_counts_below_zero() {
    let server = Server::new();
    let mut client = server.client();
    for decrement in [3, 4, 1_000_000, i64::MAX] {
        client.run("LATCH.SET k 3");
        let mut waiter = server.parked("LATCH.AWAIT k 0");
        let reply = client.run(&format!("LATCH.COUNTDOWN k {decrement}"));
        assert_eq!(reply, int(0), "{decrement}");
        assert_eq!(waiter.receive(), ok(), "{decrement}");
        assert_eq!(client.run("EXISTS k"), int(0), "{decrement}");
    }
}

#[test]
fn counts_exactly_where_a_float_could_not() {
    let server = Server::new();
    for (mut client, _) in server.clients() {
        client.run(&format!("LATCH.SET k {}", i64::MAX));
        let mut left = i64::MAX;
        for decrement in [1, 1, 2, 1 << 53, (1 << 53) + 1, 1 << 62, 1] {
            left -= decrement;
            let reply = client.run(&format!("LATCH.COUNTDOWN k {decrement}"));
            assert_eq!(reply, int(left), "by {decrement}");
            assert_eq!(client.run("LATCH.GET k"), int(left), "by {decrement}");
        }
        assert_eq!(client.run(&format!("LATCH.COUNTDOWN k {left}")), int(0));
        client.run(&format!("LATCH.SET k {}", i64::MAX));
        let reply = client.run(&format!("LATCH.COUNTDOWN k {}", i64::MAX));
        assert_eq!(reply, int(0));
        assert_eq!(client.run("EXISTS k"), int(0));
    }
}

#[test]
fn what_can_be_seen_of_a_countdown() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    for (before, command, left, events) in [
        (3, "LATCH.COUNTDOWN k", 2, &["latch.countdown k"][..]),
        (3, "LATCH.COUNTDOWN k 2", 1, &["latch.countdown k"]),
        (3, "LATCH.COUNTDOWN k 3", 0, &["latch.countdown k", "latch.open k", "del k"]),
        (1, "LATCH.COUNTDOWN k", 0, &["latch.countdown k", "latch.open k", "del k"]),
    ] {
        client.run(&format!("LATCH.SET k {before}"));
        let (reply, seen) = witness.see("k", || client.run(command));
        assert_eq!(reply, int(left));
        assert_eq!(seen.events, events, "{command}");
        assert_eq!(seen.propagated, [command]);
        assert!(seen.broke_watch, "{command}");
    }
}

#[test]
fn events_of_latches_are_of_class_d_and_the_deletion_is_generic() {
    let server = Server::new();
    let mut events = Events::open(&server);
    let mut client = server.client();
    for (class, expected) in [
        ("Ed", &["latch.set k", "latch.countdown k", "latch.open k"][..]),
        ("Eg", &["del k"]),
        ("E$lshzxet", &[]),
    ] {
        client.run(&format!("CONFIG SET notify-keyspace-events {class}"));
        client.run("LATCH.SET k 1");
        client.run("LATCH.COUNTDOWN k");
        assert_eq!(events.so_far(), expected, "{class}");
    }
}

#[test]
fn nothing_can_be_seen_of_a_countdown_of_what_is_missing_or_open() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        for command in ["LATCH.COUNTDOWN k", "LATCH.COUNTDOWN k 9223372036854775807"] {
            assert_eq!(witness.sees_nothing("k", || client.run(command)), int(0));
        }
        for opening in ["LATCH.COUNTDOWN k", "LATCH.SET k 0"] {
            client.run("LATCH.SET k 1");
            client.run(opening);
            let reply = witness.sees_nothing("k", || client.run("LATCH.COUNTDOWN k"));
            assert_eq!(reply, int(0), "after {opening}");
        }
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let numbers = NO_INTEGERS.iter().copied();
    let numbers = numbers.chain(["0", "-1", "-9223372036854775808"]);
    let mut refusals: Vec<_> = numbers.map(|n| (vec![n], NOT_AN_INTEGER)).collect();
    for args in [&["1", "FOO"][..], &["1", "1"], &["1", "FOO", "x"], &["1", ""]] {
        refusals.push((args.to_vec(), SYNTAX));
    }
    for before in ["DEL k", "LATCH.SET k 1 PXAT 33333333333333"] {
        server.run(before);
        let exists = server.run("EXISTS k") == int(1);
        let waiter = exists.then(|| server.parked("LATCH.AWAIT k 0"));
        for (mut client, _) in server.clients() {
            for (args, text) in &refusals {
                let reply = witness.sees_nothing("k", || {
                    let command = ["LATCH.COUNTDOWN", "k"];
                    client.call(command.iter().chain(args))
                });
                assert_eq!(reply, error(text), "{args:?} after {before}");
            }
        }
        if let Some(mut waiter) = waiter {
            server.wait_parked(&waiter);
            server.run("LATCH.COUNTDOWN k");
            assert_eq!(waiter.receive(), ok());
        }
    }
}

#[test]
fn many_clients_count_down_one_latch_and_none_is_lost() {
    const CLIENTS: i64 = 8;
    const EACH: i64 = 250;
    let server = Server::new();
    server.run(&format!("LATCH.SET k {}", CLIENTS * EACH));
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    let replies = thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let mut client = server.client();
                scope.spawn(move || {
                    let mut count_down = || client.run("LATCH.COUNTDOWN k").int();
                    (0..EACH).map(|_| count_down()).collect::<Vec<_>>()
                })
            })
            .collect();
        let replies = threads.into_iter().map(|thread| thread.join());
        replies.collect::<Result<Vec<_>, _>>().expect("no panic")
    });
    for own in &replies {
        assert!(own.is_sorted_by(|a, b| a > b), "{own:?}");
    }
    let mut all: Vec<_> = replies.concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..CLIENTS * EACH), "each count once");
    assert_eq!(waiter.receive(), ok());
}
