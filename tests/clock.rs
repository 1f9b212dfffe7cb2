//! The wall clock of the server is set back or forward while clients wait.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::*;

/// A time by which clocks are set back: far more than a test may wait.
const BACK: Duration = Duration::from_secs(30);

/// How long a server may take to tell its clients of what has no event: it
/// looks within a second. The rest is for a busy machine.
const SOON: Duration = Duration::from_secs(3);

/// What parks until there is a latch at `k`.
const WAIT: &str = "LATCH.AWAIT k 0 MISSING WAIT";

fn server_with_a_clock() -> Server {
    Server::builder().with_clock().start()
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the clock of a server can be set on Linux only")]
fn a_clock_is_set_for_one_server_and_stays_so() {
    let (mut server, other) = (server_with_a_clock(), server_with_a_clock());
    let hour = Duration::from_secs(3600);
    // What it is ahead of the other, in whole seconds.
    let ahead = |server: &Server| {
        let before = other.client().time();
        let time = server.client().time();
        let after = other.client().time();
        assert!(before <= after);
        (time - after).div_euclid(1000)..=(time - before).div_euclid(1000)
    };
    assert!(ahead(&server).contains(&0));
    server.set_clock_back(hour);
    assert!(ahead(&server).contains(&-3600));
    server.restart();
    assert!(ahead(&server).contains(&-3600));
    server.set_clock_forward(2 * hour);
    assert!(ahead(&server).contains(&3600));
    // It goes by the same clock itself.
    eventually("an uptime of more than an hour", PATIENCE, || {
        let uptime: u64 = server.info("uptime_in_seconds").parse().expect("a number");
        (uptime >= 3600).then_some(())
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the clock of a server can be set on Linux only")]
fn timeouts_end_when_the_clock_says_so_as_that_of_blpop_does() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    const SHIFT: Duration = Duration::from_secs(2);
    const LATE: Duration = Duration::from_millis(300);

    let server = server_with_a_clock();
    server.run("LATCH.SET k 1");
    undisturbed(|| {
        let begun = Instant::now();
        let waits =
            ["LATCH.AWAIT k 1", "LATCH.AWAIT missing 1 MISSING WAIT", "BLPOP list 1"].map(|line| {
                let mut client = server.client3();
                client.send_line(line);
                client
            });
        server.wait_blocked(3);
        server.set_clock_back(SHIFT);
        let ends = waits.map(|mut client| {
            thread::spawn(move || {
                assert_eq!(client.receive(), Reply::Null);
                begun.elapsed()
            })
        });
        let late = ends.map(|end| {
            let waited = end.join().expect("a client that was told null");
            waited.checked_sub(TIMEOUT + SHIFT)
        });
        let good = late.iter().all(|late| late.is_some_and(|late| late <= LATE));
        if good { Ok(()) } else { Err(late) }
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the clock of a server can be set on Linux only")]
fn a_clock_that_is_set_forward_ends_what_is_over_by_then() {
    let server = server_with_a_clock();
    let mut client = server.client();
    client.run("LATCH.SET k 1");
    client.run("LATCH.SET mortal 1 EX 1800");
    let null = Reply::NullBulk;
    let mut ended = [
        ("LATCH.AWAIT k 1800", null.clone()),
        ("LATCH.AWAIT missing 1800 MISSING WAIT", null.clone()),
        ("LATCH.AWAITANY 1800 1 k", null),
        ("BLPOP list 1800", Reply::NullArray),
        ("LATCH.AWAIT mortal 0", expired()),
        ("LATCH.AWAIT mortal 7200", expired()),
    ]
    .map(|(line, told)| (server.parked(line), told));
    let mut others = ["LATCH.AWAIT k 0", "LATCH.AWAIT k 7200"].map(|line| server.parked(line));
    server.set_clock_forward(Duration::from_secs(3600));
    for (waiter, told) in &mut ended {
        waiter.receives_within(SOON, told);
    }
    others.iter().for_each(|waiter| server.wait_parked(waiter));
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
    for waiter in &mut others {
        waiter.receives_only(&ok());
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the clock of a server can be set on Linux only")]
fn a_clock_that_is_set_back_does_not_stop_the_look_at_what_is_waited_for() {
    let server = server_with_a_clock();
    let mut waiter = server.parked(WAIT);
    server.set_clock_back(BACK);
    bring_an_aborted_latch(&mut server.client(), "k");
    waiter.receives_within(SOON, &aborted("no"));
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the clock of a server can be set on Linux only")]
fn nor_does_it_keep_those_who_come_later_from_it() {
    let server = server_with_a_clock();
    // So that there is a look when the clock is set.
    let early = server.parked("LATCH.AWAIT early 0 MISSING WAIT");
    server.set_clock_back(BACK);
    let mut late = server.parked(WAIT);
    bring_an_aborted_latch(&mut server.client(), "k");
    late.receives_within(SOON, &aborted("no"));
    // One that has nobody to look for any more, when it is set again.
    server.set_clock_back(BACK);
    drop(early);
    server.wait_blocked(0);
    server.run("DEL k");
    let mut late = server.parked(WAIT);
    bring_an_aborted_latch(&mut server.client(), "k");
    late.receives_within(SOON, &aborted("no"));
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the clock of a server can be set on Linux only")]
fn nor_those_who_come_when_nobody_else_waits() {
    let server = server_with_a_clock();
    server.set_clock_back(BACK);
    let mut waiter = server.parked(WAIT);
    bring_an_aborted_latch(&mut server.client(), "k");
    waiter.receives_within(SOON, &aborted("no"));
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the clock of a server can be set on Linux only")]
fn nor_those_who_wait_on_a_replica_for_a_latch_that_expires_while_the_master_is_silent() {
    const TIME_TO_LIVE: Duration = Duration::from_millis(1500);

    let master = Server::builder().tcp().with_clock().start();
    let replica = Server::builder().replica_of(&master).with_clock().start();
    replica.wait_in_sync(&master);
    master.run("DEBUG SET-ACTIVE-EXPIRE 0");
    // So that there is a look when the clock is set.
    let early = replica.parked("LATCH.AWAIT early 0 MISSING WAIT");
    // Both, as the master says when the latch expires, and the replica whether
    // that is over.
    for server in [&master, &replica] {
        server.set_clock_back(BACK);
    }
    master.run(&format!("LATCH.SET k 5 PX {}", TIME_TO_LIVE.as_millis()));
    replica.wait_in_sync(&master);
    let mut waiter = replica.parked("LATCH.AWAIT k 0");
    waiter.receives_within(TIME_TO_LIVE + SOON, &expired());
    for server in [&master, &replica] {
        assert_eq!(server.run("DBSIZE"), int(1), "nobody has deleted it");
    }
    replica.wait_parked(&early);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the clock of a server can be set on Linux only")]
fn nobody_has_waited_for_less_than_no_time() {
    let server = server_with_a_clock();
    let _waiter = server.parked(WAIT);
    server.set_clock_back(BACK);
    let reply = server.run("LATCH.WAITERS");
    assert_eq!(reply.items()[0].items()[2], int(0), "{reply:?}");
}
