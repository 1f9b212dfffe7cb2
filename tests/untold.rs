//! Nobody is told what a script, a transaction or a command of another module has
//! done before all of it is done.

mod common;

use std::time::Duration;

use common::*;

/// Takes a while, after which the key `done` is there.
const TAKES_ITS_TIME: &str = "for i = 1, 1e8 do end redis.call('SET', 'done', 1)";

/// What opens, aborts or removes the latch `k`, and what its waiters are told.
fn endings() -> [(&'static str, Reply); 4] {
    [
        ("LATCH.COUNTDOWN k", ok()),
        ("LATCH.SET k 0", ok()),
        ("LATCH.ABORT k no", aborted("no")),
        ("DEL k", gone()),
    ]
}

/// A server with `k`, which looks after its clients while a command is slow.
fn server() -> Server {
    let server = Server::builder().config("loadmodule", &caller()).start();
    assert_eq!(server.run("CONFIG SET busy-reply-threshold 1"), ok());
    server
}

/// `runner` has sent a slow command that ends the round of `k`. Its waiters are
/// told `told`, and not before the slow command has replied.
#[track_caller]
fn told_when_it_is_done(
    server: &Server,
    runner: &mut Client,
    waiters: &mut [Client],
    told: &Reply,
) {
    let mut other = server.client();
    let mut is_busy =
        || matches!(other.run("GET done"), Reply::Error(text) if text.starts_with("BUSY "));
    eventually("a slow command", PATIENCE, || is_busy().then_some(()));
    // Turns of the event loop, each of which could tell somebody.
    for _ in 0..5 {
        for waiter in &mut *waiters {
            waiter.nothing_within(Duration::from_millis(1));
        }
    }
    assert!(is_busy(), "or this shows nothing");
    let reply = runner.receive();
    assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
    for waiter in waiters {
        waiter.receives_only(told);
    }
    server.run("DEL k done");
}

#[test]
fn a_script_that_ends_a_round_has_ended_when_the_first_is_told() {
    let server = server();
    let mut runner = server.client();
    for (ending, told) in endings() {
        server.run("LATCH.SET k 1");
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        let words = ending.split(' ').map(|word| format!("'{word}'")).collect::<Vec<_>>().join(",");
        let script = format!("redis.call({words}) {TAKES_ITS_TIME} return 1");
        runner.send(["EVAL", &script, "0"]);
        told_when_it_is_done(&server, &mut runner, &mut waiters, &told);
    }
}

#[test]
fn a_transaction_that_ends_a_round_has_ended_when_the_first_is_told() {
    let server = server();
    let mut runner = server.client();
    for (ending, told) in endings() {
        server.run("LATCH.SET k 1");
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        assert_eq!(runner.run("MULTI"), ok());
        runner.run(ending);
        runner.call(["EVAL", &format!("{TAKES_ITS_TIME} return 1"), "0"]);
        runner.send_line("EXEC");
        told_when_it_is_done(&server, &mut runner, &mut waiters, &told);
    }
}

#[test]
fn another_modules_command_that_ends_a_round_has_ended_when_the_first_is_told() {
    let server = server();
    let mut runner = server.client();
    for (ending, told) in endings() {
        server.run("LATCH.SET k 1");
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        runner.send_line(&format!("CALLER.YIELD 1500 {ending}"));
        told_when_it_is_done(&server, &mut runner, &mut waiters, &told);
    }
}

#[test]
fn who_was_told_of_an_opening_finds_it_after_a_crash() {
    let mut server = Server::builder()
        .config("appendonly", "yes")
        .config("appendfsync", "always")
        .config("busy-reply-threshold", "1")
        .start();
    server.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    let mut runner = server.client();
    let script = "redis.call('LATCH.COUNTDOWN', 'k') for i = 1, 1e8 do end";
    runner.send(["EVAL", script, "0"]);
    assert_eq!(waiter.receive(), ok());
    server.kill9();
    server.start_again();
    assert_eq!(server.run("EXISTS k"), int(0));
}
