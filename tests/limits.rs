//! `latch.max-waiters`, `latch.max-keys` and `latch.wake-batch`: how many clients may park,
//! for how many keys, and how many are released at a time.

mod common;

use std::time::Duration;

use common::*;

/// Changes a setting.
#[track_caller]
fn set(server: &Server, name: &str, value: i64) {
    let command = format!("CONFIG SET {name} {value}");
    assert_eq!(server.run(&command), ok(), "{command}");
}

/// A server where so many clients may park, and a latch `k` that is closed.
fn limited(limit: i64) -> Server {
    let server = Server::new();
    set(&server, "latch.max-waiters", limit);
    assert_eq!(server.run("LATCH.SET k 1"), ok());
    server
}

#[test]
fn beyond_the_limit_nobody_parks() {
    let server = limited(3);
    server.run("LATCH.SET other 1");
    // It is a limit of clients, whatever they wait for.
    let mut waiters = [
        server.parked("LATCH.AWAIT k 0"),
        server.parked("LATCH.AWAIT k 1000"),
        server.parked("LATCH.AWAIT other 0"),
    ];
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        for command in ["LATCH.AWAIT k 0", "LATCH.AWAIT k 0.01", "LATCH.AWAIT other 0"] {
            let reply = witness.sees_nothing("k", || client.run(command));
            assert_eq!(reply, error(FULL), "{command}");
        }
    }
    server.wait_blocked(3);
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    assert_eq!(server.run("LATCH.COUNTDOWN other"), int(0));
    for waiter in &mut waiters {
        waiter.receives_only(&ok());
    }
}

#[test]
fn a_wait_may_name_so_many_keys_and_no_more() {
    const TOO_MANY: &str = "ERR too many keys for one wait";
    let server = Server::new();
    set(&server, "latch.max-keys", 2);
    server.run("LATCH.SET k 1");
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        for command in [
            "LATCH.AWAITALL 0 3 k k k",
            "LATCH.AWAITANY 0 3 k open open",
            "LATCH.AWAITALL 0 3 open open open MISSING WAIT",
        ] {
            let reply = witness.sees_nothing("k", || client.run(command));
            assert_eq!(reply, error(TOO_MANY), "{command}");
        }
        let replies = client.transaction(&["LATCH.AWAITALL 0 3 k k k", "LATCH.GET k"]);
        assert_eq!(replies.items(), [error(TOO_MANY), int(1)]);
        assert_eq!(client.run("LATCH.AWAITALL 0 2 open open"), ok());
    }
    let mut waiter = server.parked("LATCH.AWAITALL 0 2 k k");
    // What is parked stays so.
    set(&server, "latch.max-keys", 1);
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
}

#[test]
fn answering_at_once_needs_no_place() {
    let server = limited(1);
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    server.run("SET string x");
    for (mut client, null) in server.clients() {
        assert_eq!(client.run("LATCH.AWAIT k 0"), error(FULL));
        assert_eq!(client.run("LATCH.AWAIT missing 0"), ok());
        assert_eq!(client.run("LATCH.AWAIT string 0"), error(WRONG_TYPE));
        assert_eq!(client.run("LATCH.AWAIT k x").error(), TIMEOUT_TEXT);
        assert_eq!(client.transaction(&["LATCH.AWAIT k 0"]).items(), [null]);
        assert_eq!(client.run("LATCH.GET k"), int(1));
        // Other blocking commands do not count.
        client.send_line("BLPOP list 0");
        server.wait_parked(&client);
    }
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
    assert_eq!(server.run("LATCH.AWAIT k 0"), ok());
}

const TIMEOUT_TEXT: &str = "ERR timeout is not a float or out of range";

#[test]
fn whoever_leaves_makes_room() {
    type Way = (&'static str, fn(&Server, Client));
    let ways: [Way; 8] = [
        ("released", |server, mut waiter| {
            assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
            waiter.receives_only(&ok());
        }),
        ("removed", |server, mut waiter| {
            assert_eq!(server.run("DEL k"), int(1));
            waiter.receives_only(&gone());
        }),
        ("flushed", |server, mut waiter| {
            assert_eq!(server.run("FLUSHALL"), ok());
            waiter.receives_only(&gone());
        }),
        ("unblocked", |server, mut waiter| {
            let unblock = format!("CLIENT UNBLOCK {}", waiter.id());
            assert_eq!(server.run(&unblock), int(1));
            waiter.receives_only(&Reply::NullBulk);
        }),
        ("unblocked with an error", |server, mut waiter| {
            let unblock = format!("CLIENT UNBLOCK {} ERROR", waiter.id());
            assert_eq!(server.run(&unblock), int(1));
            assert!(waiter.receive().error().starts_with("UNBLOCKED "));
        }),
        ("killed", |server, mut waiter| {
            let kill = format!("CLIENT KILL ID {}", waiter.id());
            assert_eq!(server.run(&kill), int(1));
            waiter.expect_closed();
        }),
        ("gone away", |_, waiter| drop(waiter)),
        ("gone away as the latch opens", |server, waiter| {
            drop(waiter);
            assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
        }),
    ];
    let server = limited(1);
    for (way, leave) in ways {
        assert_eq!(server.run("LATCH.SET k 1"), ok());
        let waiter = server.parked("LATCH.AWAIT k 0");
        assert_eq!(server.run("LATCH.AWAIT k 0"), error(FULL), "before it is {way}");
        leave(&server, waiter);
        server.wait_blocked(0);
        assert_eq!(server.run("LATCH.SET k 1"), ok());
        let mut next = server.parked("LATCH.AWAIT k 0");
        assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
        assert_eq!(next.receive(), ok(), "after one was {way}");
    }
}

#[test]
fn a_wait_that_times_out_makes_room() {
    let server = limited(1);
    let mut client = server.client();
    for _ in 0..5 {
        assert_eq!(client.run("LATCH.AWAIT k 0.01"), Reply::NullBulk);
    }
}

#[test]
fn lowering_the_limit_wakes_nobody() {
    let server = limited(0);
    let mut waiters = server.crowd(5, "LATCH.AWAIT k 0");
    for limit in [3, 1] {
        set(&server, "latch.max-waiters", limit);
        waiters[0].nothing_within(Duration::from_millis(20));
        server.wait_blocked(5);
        assert_eq!(server.run("LATCH.AWAIT k 0"), error(FULL));
    }
    // Room for one more than there are, then for as many as like.
    set(&server, "latch.max-waiters", 6);
    waiters.push(server.parked("LATCH.AWAIT k 0"));
    assert_eq!(server.run("LATCH.AWAIT k 0"), error(FULL));
    set(&server, "latch.max-waiters", 0);
    waiters.extend(server.crowd(5, "LATCH.AWAIT k 0"));
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    for waiter in &mut waiters {
        waiter.receives_only(&ok());
    }
}

#[test]
fn a_batch_of_any_size_releases_all() {
    let server = Server::new();
    for batch in [1, 7, 199, 200, 201, 1_000_000] {
        set(&server, "latch.wake-batch", batch);
        for (end, reply) in [("LATCH.COUNTDOWN k", ok()), ("DEL k", gone())] {
            server.run("LATCH.SET k 1");
            let mut waiters = server.crowd(200, "LATCH.AWAIT k 0");
            server.run(end);
            // All of them in the time that any single one may take.
            server.wait_blocked(0);
            for waiter in &mut waiters {
                waiter.receives_only(&reply);
            }
        }
    }
}

#[test]
fn clients_released_one_by_one_leave_even_if_the_latch_is_set_again() {
    let server = Server::builder().module_args(["latch.wake-batch", "1"]).start();
    let mut client = server.client();
    client.run("LATCH.SET k 1");
    let mut first = server.crowd(60, "LATCH.AWAIT k 0");
    // In one transaction, so that nobody is released in between.
    client.transaction(&["LATCH.COUNTDOWN k", "LATCH.SET k 1"]);
    let mut second = server.parked("LATCH.AWAIT k 0");
    for waiter in &mut first {
        waiter.receives_only(&ok());
    }
    server.wait_parked(&second);
    client.run("LATCH.COUNTDOWN k");
    second.receives_only(&ok());
}

#[test]
fn who_waits_for_one_latch_does_not_wait_until_a_crowd_is_released_from_another() {
    const CROWD: usize = 2_000;

    let server = Server::new();
    set(&server, "latch.wake-batch", 1);
    server.run("LATCH.SET large 1");
    server.run("LATCH.SET small 1");
    let _crowd = server.crowd(CROWD, "LATCH.AWAIT large 0");
    let mut waiter = server.parked("LATCH.AWAIT small 0");
    let mut client = server.client();
    client.send_raw(b"LATCH.COUNTDOWN large\r\nLATCH.COUNTDOWN small\r\n");
    waiter.receives_only(&ok());
    let left: usize = server.info("latch_waiters").parse().unwrap();
    assert!(left > 0, "the small one was told after all of the large one");
    server.wait_blocked(0);
}
