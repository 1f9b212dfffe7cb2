//! Whoever is to be told something is told at once, within turns of the event loop.
//!
//! Every 25 ms the module looks at what clients wait for, and releases all it finds
//! settled: nobody waits for ever, whatever was forgotten before. So here is shown that
//! nothing was.

mod common;

use common::*;

/// What ends the wait for a latch of 1 at `k`, and what its clients are told.
fn endings() -> [(&'static str, Reply); 7] {
    [
        ("LATCH.COUNTDOWN k", ok()),
        ("LATCH.ARRIVE k 0 ID a", ok()),
        ("LATCH.SET k 0", ok()),
        ("LATCH.SET k 0 LINGER 1000", ok()),
        ("LATCH.ABORT k no", aborted("no")),
        ("DEL k", gone()),
        ("SWAPDB 0 1", gone()),
    ]
}

/// A command by itself, in a transaction, and in a script.
#[track_caller]
fn does(client: &mut Client, how: &str, line: &str) {
    let reply = match how {
        "transaction" => client.transaction(&[line]).items()[0].clone(),
        "script" => client.call(
            ["EVAL", "return redis.call(unpack(ARGV))", "0"].into_iter().chain(line.split(' ')),
        ),
        _ => client.run(line),
    };
    assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
}

#[test]
fn who_waits_for_a_latch_is_told_at_once_how_its_round_ended() {
    let server = Server::new();
    let mut client = server.client();
    for how in ["command", "transaction", "script"] {
        for (line, told) in endings() {
            assert_eq!(client.run("FLUSHALL"), ok());
            client.run("LATCH.SET k 1");
            let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
            does(&mut client, how, line);
            server.expect_all_told();
            waiters.iter_mut().for_each(|waiter| waiter.receives_only(&told));
        }
    }
}

#[test]
fn who_waits_for_a_latch_to_come_is_told_at_once_that_it_came_open() {
    let server = Server::new();
    let mut client = server.client();
    for how in ["command", "transaction", "script"] {
        for line in ["LATCH.SET k 0", "LATCH.SET k 0 LINGER 1000", "LATCH.SET k 0 NX"] {
            client.run("DEL k");
            let mut waiters = server.crowd(3, "LATCH.AWAIT k 0 MISSING WAIT");
            does(&mut client, how, line);
            server.expect_all_told();
            waiters.iter_mut().for_each(|waiter| waiter.receives_only(&ok()));
        }
    }
}

#[test]
fn who_waits_for_a_latch_that_a_load_does_not_bring_back_is_told_at_once() {
    let server = Server::new();
    let mut client = server.client();
    assert_eq!(client.run("SAVE"), ok());
    for _ in 0..5 {
        client.run("LATCH.SET k 1");
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        assert_eq!(client.run("DEBUG RELOAD NOSAVE"), ok());
        server.expect_all_told();
        waiters.iter_mut().for_each(|waiter| waiter.receives_only(&gone()));
    }
}

#[test]
fn every_second_turn_of_a_release_is_for_the_others() {
    const CLIENTS: usize = 100;

    let server = Server::builder().module_args(["latch.wake-batch", "1"]).start();
    if !server.counts_turns() {
        return;
    }
    let turns = || server.info("eventloop_cycles").parse::<usize>().unwrap();
    server.run("LATCH.SET k 1");
    let mut waiters = server.crowd(CLIENTS, "LATCH.AWAIT k 0");
    let before = turns();
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    waiters.iter_mut().for_each(|waiter| assert_eq!(waiter.receive(), ok()));
    // The first was released by the countdown itself.
    let taken = turns() - before;
    assert!(taken >= 2 * (CLIENTS - 1), "{CLIENTS} clients in {taken} turns");
}
