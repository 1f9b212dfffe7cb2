//! What 100,000 waits leave behind, ended in every way there is: nothing.

mod common;

use std::cell::Cell;
use std::time::{Duration, Instant};

use common::*;

/// Has clients park and leave, round after round, and compares what is left.
/// `act` does a round, with a latch `k` in place.
#[track_caller]
fn leaves_no_memory_behind(act: impl Fn(&Server)) {
    const ROUNDS: usize = 100;
    /// In these the server allocates what it keeps.
    const WARM_UP: usize = 5;
    /// About 3 bytes for each of the other waits.
    const SLACK: usize = 60_000;

    let server = Server::builder().config("slowlog-log-slower-than", "-1").start();
    let mut early = 0;
    for round in 1..=ROUNDS {
        server.run("LATCH.SET k 1");
        act(&server);
        server.wait_blocked(0);
        if round == WARM_UP {
            early = settled_memory(&server);
        }
    }
    let late = settled_memory(&server);
    assert!(late < early + SLACK, "{early} bytes after {WARM_UP} rounds, {late} after {ROUNDS}");
}

/// The memory that the server uses when it has given back what it can: it
/// frees what it keeps for parked clients little by little.
#[track_caller]
fn settled_memory(server: &Server) -> usize {
    const LONG: Duration = Duration::from_millis(500);

    let mut observer = server.client();
    let mut least = (usize::MAX, Instant::now());
    eventually("the memory to settle", PATIENCE, || {
        let info = observer.run("INFO memory").text();
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")?.parse().ok())?;
        if used < least.0 {
            least = (used, Instant::now());
        }
        (least.1.elapsed() > LONG).then_some(least.0)
    })
}

/// How many clients wait in each round.
const CROWD: usize = 200;

#[test]
fn clients_that_are_released_leave_no_memory_behind() {
    leaves_no_memory_behind(|server| {
        let mut crowd = server.crowd(CROWD, "LATCH.AWAIT k 0");
        server.run("LATCH.COUNTDOWN k");
        crowd.iter_mut().for_each(|client| assert_eq!(client.receive(), ok()));
    });
}

#[test]
fn clients_that_are_released_long_before_their_timeouts_leave_no_memory_behind() {
    let timeouts = Cell::new(1000);
    leaves_no_memory_behind(|server| {
        let mut crowd: Vec<_> = (0..CROWD).map(|_| server.client()).collect();
        for client in &mut crowd {
            // Each in another ms, and none comes to pass.
            timeouts.update(|timeout| timeout + 1);
            client.send_line(&format!("LATCH.AWAIT k {}", timeouts.get()));
        }
        server.wait_blocked(CROWD);
        server.run("LATCH.COUNTDOWN k");
        crowd.iter_mut().for_each(|client| assert_eq!(client.receive(), ok()));
    });
}

#[test]
fn clients_whose_latch_is_removed_leave_no_memory_behind() {
    leaves_no_memory_behind(|server| {
        let mut crowd = server.crowd(CROWD, "LATCH.AWAIT k 0");
        server.run("DEL k");
        crowd.iter_mut().for_each(|client| assert_eq!(client.receive(), gone()));
    });
}

#[test]
fn clients_that_time_out_leave_no_memory_behind() {
    leaves_no_memory_behind(|server| {
        let mut crowd: Vec<_> = (0..CROWD).map(|_| server.client()).collect();
        crowd.iter_mut().for_each(|client| client.send_line("LATCH.AWAIT k 0.02"));
        crowd.iter_mut().for_each(|client| assert_eq!(client.receive(), Reply::NullBulk));
    });
}

#[test]
fn clients_that_are_unblocked_leave_no_memory_behind() {
    leaves_no_memory_behind(|server| {
        let mut crowd = server.crowd(CROWD, "LATCH.AWAIT k 0");
        let mut admin = server.client();
        for (client, how) in crowd.iter_mut().zip(["TIMEOUT", "ERROR"].into_iter().cycle()) {
            assert_eq!(admin.run(&format!("CLIENT UNBLOCK {} {how}", client.id())), int(1));
            client.receive();
        }
    });
}

#[test]
fn clients_that_close_or_are_killed_leave_no_memory_behind() {
    leaves_no_memory_behind(|server| {
        let mut crowd = server.crowd(CROWD, "LATCH.AWAIT k 0");
        let mut admin = server.client();
        for mut client in crowd.split_off(CROWD / 2) {
            assert_eq!(admin.run(&format!("CLIENT KILL ID {}", client.id())), int(1));
            client.expect_closed();
        }
    });
}

#[test]
fn waits_for_very_many_keys_leave_no_memory_behind() {
    let ends: [fn(&Server, Vec<Client>); 2] = [
        |server, waiters| {
            drop(waiters);
            server.wait_blocked(0);
        },
        |server, mut waiters| {
            server.run("FLUSHALL");
            waiters.iter_mut().for_each(|waiter| assert_eq!(waiter.receive(), gone()));
        },
    ];
    for end in ends {
        let round = Cell::new(0);
        leaves_no_memory_behind(|server| {
            round.update(|round| round + 1);
            let waiters = (0..4).map(|client| {
                let name = |key: usize| format!("{}:{client}:{key}", round.get());
                let keys: Vec<_> = (1..1_000).map(name).collect();
                server.parked(&format!("LATCH.AWAITALL 0 1000 k {} MISSING WAIT", keys.join(" ")))
            });
            end(server, waiters.collect());
        });
    }
}
