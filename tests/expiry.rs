//! Latches whose time to live passes before they open.

mod common;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::*;

/// How late clients of an idle server are told.
const SOON: Duration = Duration::from_millis(200);

/// How late they are told at most: by the sweep, on a busy server.
const SWEEP: Duration = Duration::from_millis(1200);

/// How long the latches here live: long enough to park on them.
const TIME_TO_LIVE: Duration = Duration::from_millis(300);

/// A point in time from now, for the server and for this test.
fn deadline(from_now: Duration) -> (u128, Instant) {
    // The clock of the test first: the server may be ahead of it, not behind.
    let at = Instant::now() + from_now;
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    // Rounded up: the server must not be ahead.
    let millis = (since_epoch + from_now).as_millis() + 1;
    (millis, at)
}

/// Waits until each client is told that its latch expired; how late the last
/// one was, of a deadline that must have passed.
#[track_caller]
fn lateness(waiters: &mut [Client], deadline: Instant) -> Duration {
    let mut latest = Duration::ZERO;
    for waiter in waiters {
        assert_eq!(waiter.receive(), expired());
        match Instant::now().checked_duration_since(deadline) {
            Some(late) => latest = latest.max(late),
            None => panic!("told before the deadline"),
        }
        assert_eq!(waiter.run("PING"), Reply::Simple("PONG".into()), "twice?");
    }
    latest
}

/// Panics unless nobody is parked, and the key is as good as any other.
#[track_caller]
fn works_as_ever(server: &Server, key: &str) {
    server.wait_blocked(0);
    assert_eq!(server.run(&format!("LATCH.COUNTDOWN {key}")), int(0));
    server.run(&format!("LATCH.SET {key} 1"));
    let mut waiter = server.parked(&format!("LATCH.AWAIT {key} 0"));
    assert_eq!(server.run(&format!("LATCH.COUNTDOWN {key}")), int(0));
    waiter.receives_only(&ok());
}

/// Sets a latch `k` that expires at a time that `expire` is told, and panics
/// unless its clients are told soon enough.
#[track_caller]
fn is_told_within(bound: Duration, server: &Server, expire: impl Fn(&mut Client, u128)) {
    undisturbed(|| {
        let mut client = server.client();
        client.run("LATCH.SET k 1");
        let (millis, at) = deadline(TIME_TO_LIVE);
        expire(&mut client, millis);
        let mut waiters = [
            server.parked("LATCH.AWAIT k 0"),
            server.parked("LATCH.AWAIT k 1000"),
            server.client3(),
        ];
        waiters[2].send_line("LATCH.AWAIT k 0");
        let late = lateness(&mut waiters, at);
        works_as_ever(server, "k");
        if late <= bound { Ok(()) } else { Err(late) }
    });
}

#[test]
fn clients_are_told_soon_after_the_deadline() {
    let server = Server::new();
    for set in ["LATCH.SET k 1 PXAT <at>", "PEXPIREAT k <at>", "LATCH.SET k 5 XX PXAT <at>"] {
        is_told_within(SOON, &server, |client, at| {
            client.run(&set.replace("<at>", &at.to_string()));
        });
    }
}

#[test]
fn a_deadline_relative_to_now_is_one_too() {
    let server = Server::new();
    let millis = TIME_TO_LIVE.as_millis() + 1;
    for set in ["LATCH.SET k 1 PX <ms>", "PEXPIRE k <ms>"] {
        is_told_within(SOON, &server, |client, _| {
            client.run(&set.replace("<ms>", &millis.to_string()));
        });
    }
}

#[test]
fn a_deadline_set_while_clients_wait_counts() {
    let server = Server::new();
    server.run("LATCH.SET k 2");
    let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
    let (millis, at) = deadline(Duration::from_millis(100));
    assert_eq!(server.run(&format!("PEXPIREAT k {millis}")), int(1));
    assert!(lateness(&mut waiters, at) <= SWEEP);
    works_as_ever(&server, "k");
}

#[test]
fn clients_are_told_though_the_server_does_not_look_for_expired_keys() {
    let server = Server::new();
    assert_eq!(server.run("DEBUG SET-ACTIVE-EXPIRE 0"), ok());
    is_told_within(SWEEP, &server, |client, at| {
        client.run(&format!("LATCH.SET k 1 PXAT {at}"));
    });
}

#[test]
fn clients_are_told_soon_though_the_server_rarely_does_anything_by_itself() {
    const TIMES: usize = 5;

    let server = Server::builder().config("hz", "1").config("dynamic-hz", "no").start();
    let mut client = server.client();
    assert_eq!(client.run("DEBUG SET-ACTIVE-EXPIRE 0"), ok());
    undisturbed(|| {
        let late = (0..TIMES).map(|_| {
            let (millis, at) = deadline(TIME_TO_LIVE);
            client.run(&format!("LATCH.SET k 1 PXAT {millis}"));
            lateness(&mut [server.parked("LATCH.AWAIT k 0")], at)
        });
        // In a second of its own some of them would be later.
        let latest = late.max().unwrap();
        if latest <= SOON { Ok(()) } else { Err(latest) }
    });
}

#[test]
fn clients_are_told_when_somebody_finds_the_latch_expired() {
    let server = Server::new();
    let mut client = server.client();
    assert_eq!(client.run("DEBUG SET-ACTIVE-EXPIRE 0"), ok());
    for access in ["LATCH.GET k", "LATCH.COUNTDOWN k", "GET k", "EXISTS k", "DEL k"] {
        let (millis, at) = deadline(TIME_TO_LIVE);
        client.run(&format!("LATCH.SET k 1000000 PXAT {millis}"));
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        eventually("the deadline to pass", PATIENCE, || (Instant::now() > at).then_some(()));
        // Whatever it is, it finds nothing.
        let reply = eventually("the latch to expire", PATIENCE, || {
            let reply = client.run("PTTL k").int();
            (reply < 0).then(|| client.run(access))
        });
        assert!(reply == int(0) || reply == Reply::NullBulk, "{access}: {reply:?}");
        assert!(lateness(&mut waiters, at) <= SWEEP);
        server.wait_blocked(0);
    }
}

#[test]
fn a_latch_that_is_set_again_after_its_time_is_a_new_one() {
    let server = Server::new();
    let mut client = server.client();
    assert_eq!(client.run("DEBUG SET-ACTIVE-EXPIRE 0"), ok());
    let (millis, at) = deadline(TIME_TO_LIVE);
    client.run(&format!("LATCH.SET k 1 PXAT {millis}"));
    let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
    eventually("the latch to be missing", PATIENCE, || {
        (client.run("LATCH.SET k 1 NX") == ok()).then_some(())
    });
    let mut late = server.parked("LATCH.AWAIT k 0");
    lateness(&mut waiters, at);
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
    late.receives_only(&ok());
}

#[test]
fn many_latches_may_expire_together() {
    const LATCHES: usize = 500;

    // With the help of the server, and without.
    for active in [1, 0] {
        let server = Server::new();
        let mut client = server.client();
        assert_eq!(client.run(&format!("DEBUG SET-ACTIVE-EXPIRE {active}")), ok());
        undisturbed(|| {
            let mut waiters = Vec::new();
            for latch in 0..LATCHES {
                client.run(&format!("LATCH.SET k{latch} 1"));
                let mut waiter = server.client();
                waiter.send_line(&format!("LATCH.AWAIT k{latch} 0"));
                waiters.push(waiter);
            }
            let bystander = {
                client.run("LATCH.SET k 1");
                server.parked("LATCH.AWAIT k 0")
            };
            server.wait_blocked(LATCHES + 1);
            // Far enough for each key to be looked at before: where expiries are not
            // told, that is how these times become known.
            let (millis, at) = deadline(Duration::from_millis(2500));
            for latch in 0..LATCHES {
                assert_eq!(client.run(&format!("PEXPIREAT k{latch} {millis}")), int(1));
            }
            let late = lateness(&mut waiters, at);
            server.wait_parked(&bystander);
            drop(bystander);
            server.wait_blocked(0);
            if late <= SWEEP { Ok(()) } else { Err(late) }
        });
    }
}

#[test]
fn a_crowd_is_told_of_the_deadline() {
    let server = Server::new();
    server.run("CONFIG SET latch.wake-batch 7");
    server.run("LATCH.SET k 1");
    let mut waiters = server.crowd(500, "LATCH.AWAIT k 0");
    let (millis, at) = deadline(Duration::from_millis(50));
    assert_eq!(server.run(&format!("PEXPIREAT k {millis}")), int(1));
    lateness(&mut waiters, at);
    works_as_ever(&server, "k");
}

#[test]
fn a_deadline_in_the_past_ends_the_waits_at_once() {
    let server = Server::new();
    for line in ["PEXPIREAT k 1", "EXPIREAT k 1", "PEXPIRE k -1", "LATCH.SET k 5 PXAT 1"] {
        server.run("LATCH.SET k 1");
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        let mut events = Events::open(&server);
        assert!(!matches!(server.run(line), Reply::Error(_)), "{line}");
        // The server's commands delete the key, and set no time.
        let expected = if line.starts_with("LATCH") { expired() } else { gone() };
        for waiter in &mut waiters {
            waiter.receives_within(SWEEP, &expected);
        }
        assert!(!events.so_far().is_empty(), "{line}");
        works_as_ever(&server, "k");
    }
}

#[test]
fn opening_in_time_is_an_opening() {
    let server = Server::new();
    let (millis, at) = deadline(TIME_TO_LIVE);
    server.run(&format!("LATCH.SET k 1 PXAT {millis}"));
    let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    for waiter in &mut waiters {
        waiter.receives_only(&ok());
    }
    assert!(Instant::now() < at, "or this shows nothing");
}

#[test]
fn a_deadline_that_is_moved_or_taken_away_does_not_count() {
    let server = Server::new();
    let mut client = server.client();
    let lines = [
        "PERSIST k",
        "EXPIRE k 1000",
        "PEXPIREAT k 99999999999999",
        "LATCH.SET k 1",
        "LATCH.SET k 1 EX 1000",
    ];
    for line in lines {
        let (millis, _) = deadline(TIME_TO_LIVE);
        client.run(&format!("LATCH.SET k 1 PXAT {millis}"));
        client.run(&format!("LATCH.SET control 1 PXAT {}", millis + 1));
        let mut waiter = server.parked("LATCH.AWAIT k 0");
        let mut control = server.parked("LATCH.AWAIT control 0");
        assert!(!matches!(client.run(line), Reply::Error(_)), "{line}");
        assert_eq!(control.receive(), expired());
        server.wait_parked(&waiter);
        assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0), "{line}");
        waiter.receives_only(&ok());
    }
}

#[test]
fn the_deadline_goes_with_a_latch_that_is_set_again_only_if_asked_to() {
    let server = Server::new();
    is_told_within(SOON, &server, |client, at| {
        client.run(&format!("LATCH.SET k 1 PXAT {at}"));
        client.run("LATCH.SET k 7 KEEPTTL");
    });
}

#[test]
fn a_deadline_that_passes_while_writes_are_paused_is_told_as_an_expiry() {
    let server = Server::new();
    let (millis, at) = deadline(TIME_TO_LIVE);
    server.run(&format!("LATCH.SET k 1 PXAT {millis}"));
    let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
    assert_eq!(server.run("CLIENT PAUSE 100000 WRITE"), ok());
    assert!(lateness(&mut waiters, at) <= SWEEP);
    server.run("CLIENT UNPAUSE");
    works_as_ever(&server, "k");
}

#[test]
fn a_latch_with_many_ids_expires_as_any_other() {
    const IDS: usize = 100_000;

    let server = Server::builder().config("lazyfree-lazy-expire", "no").start();
    let mut client = server.client();
    client.run(&format!("LATCH.SET k {}", 2 * IDS));
    let script = "for i = 1, ARGV[1] do redis.call('LATCH.COUNTDOWN', 'k', 'ID', 'id' .. i) end";
    client.call(["EVAL", script, "0", &IDS.to_string()]);
    let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
    let (millis, at) = deadline(TIME_TO_LIVE);
    assert_eq!(client.run(&format!("PEXPIREAT k {millis}")), int(1));
    lateness(&mut waiters, at);
}
