//! The wall clock of the server is set back or forward while clients wait.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::*;

/// How long a server may take to tell its clients of what has no event: it
/// looks once a second. The rest is for a busy machine.
const SOON: Duration = Duration::from_secs(3);

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
