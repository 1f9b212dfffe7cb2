//! Clients that park in LATCH.AWAIT, and are released when the latch opens.

mod common;

use std::time::Duration;

use common::*;

/// Panics unless each of these clients gets `OK`, and nothing else.
#[track_caller]
fn all_receive_ok(clients: &mut [Client]) {
    for client in clients {
        client.receives_only(&ok());
    }
}

#[test]
fn a_client_waits_until_the_count_is_zero_and_not_before() {
    let server = Server::new();
    let mut counter = server.client();
    assert_eq!(counter.run("LATCH.SET k 20"), ok());
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    for count in (1..20).rev() {
        assert_eq!(counter.run("LATCH.COUNTDOWN k"), int(count));
        server.wait_parked(&waiter);
    }
    assert_eq!(counter.run("LATCH.GET k"), int(1));
    assert_eq!(counter.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
    server.wait_blocked(0);
    assert_eq!(counter.run("EXISTS k"), int(0));
}

#[test]
fn a_countdown_by_more_than_is_left_opens() {
    let server = Server::new();
    server.run("LATCH.SET k 5");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    assert_eq!(server.run("LATCH.COUNTDOWN k 4"), int(1));
    server.wait_parked(&waiter);
    assert_eq!(server.run("LATCH.COUNTDOWN k 9223372036854775807"), int(0));
    waiter.receives_only(&ok());
}

#[test]
fn both_protocols_are_told_the_same() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut clients = [server.client(), server.client3()];
    for client in &mut clients {
        client.send_line("LATCH.AWAIT k 0");
        server.wait_parked(client);
    }
    server.run("LATCH.COUNTDOWN k");
    all_receive_ok(&mut clients);
}

#[test]
fn one_countdown_releases_two_thousand_clients_once_each() {
    const CLIENTS: usize = 2000;

    let server = Server::new();
    server.run("LATCH.SET k 2");
    let mut waiters = server.crowd(CLIENTS, "LATCH.AWAIT k 0");
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(1));
    server.wait_blocked(CLIENTS);
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    all_receive_ok(&mut waiters);
    server.wait_blocked(0);
}

#[test]
fn the_clients_of_two_latches_do_not_mix() {
    // The second pair is blocked under one name (see `shadow.rs`).
    for (a, b) in [("a", "b"), ("k", "{k}")] {
        let server = Server::new();
        let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
        server.run(&format!("LATCH.SET {a} 1"));
        server.run(&format!("LATCH.SET {b} 1"));
        for _ in 0..20 {
            of_a.push(server.parked(&format!("LATCH.AWAIT {a} 0")));
            of_b.push(server.parked(&format!("LATCH.AWAIT {b} 0")));
        }
        server.run(&format!("LATCH.COUNTDOWN {b}"));
        all_receive_ok(&mut of_b);
        for waiter in &of_a {
            server.wait_parked(waiter);
        }
        server.run(&format!("LATCH.COUNTDOWN {a}"));
        all_receive_ok(&mut of_a);
    }
}

#[test]
fn a_latch_of_the_same_name_in_another_database_is_another_latch() {
    let server = Server::new();
    let mut here = server.client();
    let mut there = server.client();
    there.run("SELECT 3");
    here.run("LATCH.SET k 1");
    there.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    let mut other = server.parked_in(3, "LATCH.AWAIT k 0");
    assert_eq!(there.run("LATCH.COUNTDOWN k"), int(0));
    other.receives_only(&ok());
    server.wait_parked(&waiter);
    assert_eq!(here.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
}

#[test]
fn many_latches_have_one_client_each() {
    const LATCHES: usize = 500;

    let server = Server::new();
    let mut counter = server.client();
    let mut waiters = Vec::new();
    for latch in 0..LATCHES {
        counter.run(&format!("LATCH.SET k{latch} 1"));
        let mut waiter = server.client();
        waiter.send_line(&format!("LATCH.AWAIT k{latch} 0"));
        waiters.push(waiter);
    }
    server.wait_blocked(LATCHES);
    for (latch, waiter) in waiters.iter_mut().enumerate() {
        assert_eq!(counter.run(&format!("LATCH.COUNTDOWN k{latch}")), int(0));
        waiter.receives_only(&ok());
        server.wait_blocked(LATCHES - latch - 1);
    }
}

#[test]
fn a_key_of_any_bytes_can_be_waited_for() {
    let server = Server::new();
    let mut counter = server.client();
    let long = vec![b'x'; 20_000];
    let names = [
        &b""[..],
        b"\0\r\n\xff \"",
        b"{tag}k",
        b"{}k",
        b"a}b",
        b"{",
        b"{k}",
        b"{k}\0latch\0parked",
        &long,
    ];
    for name in names {
        counter.call(cmd!["LATCH.SET", name, "1"]);
        let mut waiter = server.client();
        waiter.send(cmd!["LATCH.AWAIT", name, "0"]);
        server.wait_parked(&waiter);
        assert_eq!(counter.call(cmd!["LATCH.COUNTDOWN", name]), int(0));
        waiter.receives_only(&ok());
    }
}

#[test]
fn a_key_named_as_what_clients_are_blocked_under_is_just_another_key() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    let name = b"{k}\0latch\0parked"; // see `shadow.rs`
    for make in [
        cmd!["SET", name, "v"],
        cmd!["RPUSH", name, "v"],
        cmd!["LATCH.SET", name, "1"],
        cmd!["COPY", "k", name],
    ] {
        assert!(!matches!(client.call(make), Reply::Error(_)));
        server.wait_parked(&waiter);
        assert_eq!(client.call(cmd!["DEL", name]), int(1));
        server.wait_parked(&waiter);
    }
    client.run("LATCH.COUNTDOWN k");
    waiter.receives_only(&ok());
}

#[test]
fn setting_a_latch_again_keeps_its_clients_for_the_new_count() {
    let server = Server::new();
    let mut counter = server.client();
    counter.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    for reset in ["LATCH.SET k 3", "LATCH.SET k 2 XX", "LATCH.SET k 2 EX 1000"] {
        assert_eq!(counter.run(reset), ok());
        server.wait_parked(&waiter);
    }
    assert_eq!(counter.run("LATCH.SET k 1 NX"), Reply::NullBulk);
    assert_eq!(counter.run("LATCH.COUNTDOWN k"), int(1));
    server.wait_parked(&waiter);
    assert_eq!(counter.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
}

#[test]
fn setting_a_latch_to_zero_releases() {
    let server = Server::new();
    server.run("LATCH.SET k 7");
    let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
    assert_eq!(server.run("LATCH.SET k 0"), ok());
    all_receive_ok(&mut waiters);
    server.wait_blocked(0);
}

#[test]
fn a_refused_command_releases_nobody() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    for refused in [
        "LATCH.COUNTDOWN k 0",
        "LATCH.COUNTDOWN k -1",
        "LATCH.COUNTDOWN k x",
        "LATCH.COUNTDOWN k 1 1",
        "LATCH.SET k 0 EX 0",
        "LATCH.SET k 0 NX XX",
        "LATCH.SET k -1",
        "LPUSH k x",
    ] {
        assert!(matches!(server.run(refused), Reply::Error(_)), "{refused}");
        server.wait_parked(&waiter);
    }
    assert_eq!(server.run("LATCH.GET k"), int(1));
    server.run("LATCH.COUNTDOWN k");
    waiter.receives_only(&ok());
}

#[test]
fn who_comes_after_the_opening_does_not_wait() {
    let server = Server::new();
    let mut client = server.client();
    assert_eq!(client.run("LATCH.AWAIT never-set 0"), ok());
    client.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    client.run("LATCH.COUNTDOWN k");
    for _ in 0..2 {
        assert_eq!(client.run("LATCH.AWAIT k 0"), ok());
    }
    waiter.receives_only(&ok());
}

#[test]
fn the_client_that_counts_down_last_may_wait_too() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 2");
    let mut other = server.parked("LATCH.AWAIT k 0");
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(1));
    client.send_line("LATCH.AWAIT k 0");
    server.wait_blocked(2);
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    client.receives_only(&ok());
    other.receives_only(&ok());
}

#[test]
fn one_connection_may_wait_again_and_again() {
    let server = Server::new();
    let mut counter = server.client();
    let mut waiters = [server.client(), server.client3()];
    for _ in 0..20 {
        counter.run("LATCH.SET k 1");
        for waiter in &mut waiters {
            waiter.send_line("LATCH.AWAIT k 0");
            server.wait_parked(waiter);
        }
        counter.run("LATCH.COUNTDOWN k");
        all_receive_ok(&mut waiters);
    }
    server.wait_blocked(0);
}

#[test]
fn what_is_pipelined_behind_a_wait_runs_after_it_and_in_order() {
    let server = Server::new();
    server.run("LATCH.SET first 1");
    server.run("LATCH.SET second 1");
    let mut client = server.client();
    client.send_raw(
        b"LATCH.AWAIT first 0\r\nRPUSH list a\r\nLATCH.AWAIT second 0\r\n\
          RPUSH list b\r\nLRANGE list 0 -1\r\n",
    );
    server.wait_parked(&client);
    assert_eq!(server.run("EXISTS list"), int(0));
    server.run("LATCH.COUNTDOWN first");
    assert_eq!(client.receive(), ok());
    assert_eq!(client.receive(), int(1));
    server.wait_parked(&client);
    assert_eq!(server.run("LLEN list"), int(1));
    server.run("LATCH.COUNTDOWN second");
    assert_eq!(client.receive(), ok());
    assert_eq!(client.receive(), int(2));
    assert_eq!(client.receive(), array(["a", "b"]));
}

#[test]
fn the_order_of_release_is_the_order_of_arrival() {
    const CLIENTS: usize = 60;

    let server = Server::new();
    let mut counter = server.client();
    // All in one step, one a step, and a number that divides nothing.
    for batch in [256, 1, 7] {
        counter.run(&format!("CONFIG SET latch.wake-batch {batch}"));
        counter.run("LATCH.SET k 1");
        counter.run("DEL order");
        let mut waiters: Vec<_> = (0..CLIENTS)
            .map(|number| {
                // The server itself notes the order.
                let mut waiter = server.client();
                let lines = format!("LATCH.AWAIT k 0\r\nRPUSH order {number}\r\n");
                waiter.send_raw(lines.as_bytes());
                server.wait_parked(&waiter);
                waiter
            })
            .collect();
        counter.run("LATCH.COUNTDOWN k");
        for waiter in &mut waiters {
            assert_eq!(waiter.receive(), ok());
            waiter.receive().int();
        }
        let arrived = (0..CLIENTS).map(|number| bulk(number.to_string()));
        assert_eq!(counter.run("LRANGE order 0 -1"), array(arrived), "{batch}");
    }
}

#[test]
fn other_clients_are_served_while_a_crowd_is_released() {
    const CLIENTS: usize = 1000;
    /// In one go the release would take a second, and the first PING as long.
    const PONGS: usize = 10;

    let server = Server::new();
    let mut other = server.client();
    assert_eq!(other.run("CONFIG SET latch.wake-batch 10"), ok());
    other.run("LATCH.SET k 1");
    let mut waiters: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut waiter = server.client();
            // Makes a turn of each client long enough to be seen.
            waiter.send_raw(b"LATCH.AWAIT k 0\r\nDEBUG SLEEP 0.001\r\n");
            waiter
        })
        .collect();
    server.wait_blocked(CLIENTS);
    assert_eq!(other.run("LATCH.COUNTDOWN k"), int(0));
    let mut pongs = 0;
    while pongs < PONGS {
        assert_eq!(other.run("PING"), Reply::Simple("PONG".into()));
        assert_ne!(server.info("blocked_clients"), "0", "after {pongs} PINGs");
        pongs += 1;
    }
    for waiter in &mut waiters {
        assert_eq!(waiter.receive(), ok());
        assert_eq!(waiter.receive(), ok(), "of DEBUG SLEEP");
    }
}

#[test]
fn a_slow_script_that_opens_has_ended_when_the_crowd_is_told() {
    const CLIENTS: usize = 100;
    /// It takes 5 s on an idle machine.
    const LONG: Duration = Duration::from_secs(60);
    const OPENS_AND_TAKES_ITS_TIME: &str = "local count = redis.call('LATCH.COUNTDOWN', KEYS[1]) \
        redis.call('LATCH.SET', KEYS[1], 1) \
        for i = 1, 5e8 do end \
        return count";

    let server = Server::new();
    // From then on it looks after its clients while the script runs.
    server.run("CONFIG SET busy-reply-threshold 1");
    // Redis before 7.4 may tell the first batch, which is released within.
    server.run("CONFIG SET latch.wake-batch 1");
    server.run("LATCH.SET k 1");
    let mut waiters = server.crowd(CLIENTS, "LATCH.AWAIT k 0");
    let (mut runner, mut other) = (server.client(), server.client());
    runner.send(["EVAL", OPENS_AND_TAKES_ITS_TIME, "1", "k"]);
    let mut is_busy =
        || matches!(other.run("PING"), Reply::Error(text) if text.starts_with("BUSY "));
    eventually("a slow script", PATIENCE, || is_busy().then_some(()));
    // Turns of the event loop, each of which could tell one more.
    for _ in 0..10 {
        assert!(is_busy(), "or this shows nothing");
    }
    for waiter in &mut waiters[1..10] {
        waiter.nothing_within(Duration::from_millis(1));
    }
    assert!(is_busy(), "or this shows nothing");
    assert_eq!(runner.receive_within(LONG), Some(int(0)));
    for waiter in &mut waiters {
        waiter.receives_only(&ok());
    }
    server.wait_blocked(0);
    let mut next = server.parked("LATCH.AWAIT k 0");
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    next.receives_only(&ok());
}

#[test]
fn the_idle_timeout_of_the_server_does_not_close_a_client_that_waits() {
    let server = Server::builder().config("timeout", "1").start();
    server.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    // Came later, so it has been idle for less time when it is closed.
    let mut idle = server.client();
    idle.expect_closed();
    server.wait_parked(&waiter);
    server.run("LATCH.COUNTDOWN k");
    waiter.receives_only(&ok());
}

#[test]
fn a_client_that_waits_still_gets_pushes() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    server.run("SET cached 1");
    let mut waiter = server.client3();
    assert_eq!(waiter.run("CLIENT TRACKING ON"), ok());
    waiter.run("GET cached");
    waiter.send_line("LATCH.AWAIT k 0");
    server.wait_parked(&waiter);
    server.run("SET cached 2");
    let invalid = Reply::Push(vec![bulk("invalidate"), array(["cached"])]);
    assert_eq!(waiter.receive(), invalid);
    server.wait_parked(&waiter);
    server.run("LATCH.COUNTDOWN k");
    // The latch was read, so its opening is pushed as well, before or after.
    let opened = Reply::Push(vec![bulk("invalidate"), array(["k"])]);
    let mut frames = [waiter.receive(), waiter.receive()];
    frames.sort_by_key(|frame| *frame == ok());
    assert_eq!(frames, [opened, ok()]);
}
