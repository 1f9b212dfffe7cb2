//! What other modules can do to this one, and what a bug of its own can.

mod common;

use common::{PATIENCE, Reply, Server, aborted, caller, error, eventually, faulty, gone, int, ok};

/// A server with the module of `modules/caller.rs` beside ours.
fn server_with_a_caller() -> Server {
    Server::builder().config("loadmodule", &caller()).start()
}

#[test]
fn a_module_that_calls_await_gets_an_answer_at_once() {
    let server = server_with_a_caller();
    let mut client = server.client();
    assert_eq!(client.run("CALLER.CALL LATCH.AWAIT job 0"), ok());
    assert_eq!(client.run("LATCH.SET job 2"), ok());
    for wait in [
        "LATCH.AWAIT job 0",
        "LATCH.AWAIT other 0 MISSING WAIT",
        "LATCH.AWAITALL 0 2 job other",
        "LATCH.AWAITANY 0 1 job",
    ] {
        assert_eq!(client.run(&format!("CALLER.CALL {wait}")), Reply::NullBulk, "{wait}");
    }
    assert_eq!(client.run("LATCH.GET job"), int(2));
    server.wait_blocked(0);
}

#[test]
fn a_module_that_calls_arrive_is_counted_and_not_parked() {
    let server = server_with_a_caller();
    let mut client = server.client();
    assert_eq!(client.run("LATCH.SET job 2"), ok());
    assert_eq!(client.run("CALLER.CALL LATCH.ARRIVE job 0 ID a"), Reply::NullBulk);
    assert_eq!(client.run("LATCH.GET job"), int(1));
    assert_eq!(client.run("CALLER.CALL LATCH.ARRIVE job 0 ID b"), ok());
    assert_eq!(client.run("EXISTS job"), int(0));
}

#[test]
fn a_countdown_that_a_module_calls_releases_the_clients_parked() {
    let server = server_with_a_caller();
    let mut client = server.client();
    assert_eq!(client.run("LATCH.SET job 1"), ok());
    let mut waiter = server.parked("LATCH.AWAIT job 0");
    assert_eq!(client.run("CALLER.CALL LATCH.COUNTDOWN job"), int(0));
    assert_eq!(waiter.receive(), ok());
}

#[test]
fn what_a_thread_of_a_module_does_to_a_latch_is_told_to_its_clients() {
    let server = server_with_a_caller();
    for batch in [256, 1] {
        server.run(&format!("CONFIG SET latch.wake-batch {batch}"));
        for (command, told) in [
            ("LATCH.COUNTDOWN job", ok()),
            ("LATCH.ABORT job no", error("LATCHABORTED no")),
            ("DEL job", error("LATCHGONE the latch was removed before it opened")),
            ("LATCH.SET job 0", ok()),
        ] {
            server.run("LATCH.SET job 1");
            let mut waiters = server.crowd(10, "LATCH.AWAIT job 0");
            assert_eq!(server.run(&format!("CALLER.THREAD {command}")), ok());
            for waiter in &mut waiters {
                waiter.receives_only(&told);
            }
            server.run("DEL job");
        }
    }
    server.wait_blocked(0);
    assert_eq!(server.info("latch_waiters"), "0");
}

#[test]
fn an_arrival_waits_for_the_round_that_its_own_event_ends() {
    let server = server_with_a_caller();
    let mut client = server.client();
    for (command, told) in [
        ("LATCH.COUNTDOWN job 5", ok()),
        ("LATCH.SET job 0", ok()),
        ("LATCH.ABORT job no", aborted("no")),
        ("DEL job", gone()),
    ] {
        client.run("LATCH.SET job 3");
        assert_eq!(client.run(&format!("CALLER.ONCE latch.countdown {command}")), ok());
        let mut arriving = server.client();
        arriving.send_line("LATCH.ARRIVE job 0 ID a");
        arriving.receives_only(&told);
        client.run("DEL job");
    }
    // A latch that is set again within is the next one, and nobody waits for it.
    client.run("LATCH.SET job 3");
    assert_eq!(client.run("CALLER.ONCE latch.countdown EVAL redis.call('LATCH.COUNTDOWN','job',5)redis.call('LATCH.SET','job',7) 0"), ok());
    let mut arriving = server.client();
    arriving.send_line("LATCH.ARRIVE job 0 ID a");
    arriving.receives_only(&ok());
    assert_eq!(client.run("LATCH.GET job"), int(7));
    server.wait_blocked(0);
}

#[test]
fn a_panic_in_a_command_is_an_error_reply_and_nothing_else() {
    let server = Server::builder()
        .without_module()
        .config("loadmodule", &faulty())
        // Where one is taken, it is what ends the server.
        .env("RUST_BACKTRACE", "full")
        .start();
    let mut client = server.client();
    assert_eq!(client.run("LATCH.SET job 1"), ok());
    let mut waiter = server.parked("LATCH.AWAIT job 0");
    let internal = error("ERR internal error of the latch module, see the server log");
    assert_eq!(client.run("LATCH.PANIC"), internal);
    assert_eq!(client.run("LATCH.PANIC"), internal);
    // One line of the server's own each, with the place, and nothing else.
    let log = server.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("on purpose")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    for line in lines {
        assert!(
            line.contains(" # <latch> a bug in the latch module, at src/commands/panic.rs:"),
            "{line}"
        );
        assert!(line.ends_with(": on purpose, with 1 clients parked"), "{line}");
    }
    assert!(!log.contains("panicked") && !log.contains("stack backtrace"), "{log}");
    // The state is whole, and goes on working.
    assert_eq!(client.run("LATCH.COUNTDOWN job"), int(0));
    assert_eq!(waiter.receive(), ok());
    server.wait_blocked(0);
}

#[test]
fn a_save_that_panics_fails_and_leaves_the_last_one_alone() {
    let mut server = Server::builder().without_module().config("loadmodule", &faulty()).start();
    assert_eq!(server.run("LATCH.SET job 3"), ok());
    assert_eq!(server.run("SAVE"), ok());
    assert_eq!(server.run("LATCH.COUNTDOWN job"), int(2));
    assert_eq!(server.run("LATCH.PANIC SAVE"), ok());
    server.run("BGSAVE").text();
    eventually("the end of BGSAVE", PATIENCE, || {
        (server.info("rdb_bgsave_in_progress") == "0").then_some(())
    });
    assert_eq!(server.info("rdb_last_bgsave_status"), "err");
    assert_eq!(server.run("LATCH.GET job"), int(2));
    server.kill9();
    server.start_again();
    assert_eq!(server.run("LATCH.GET job"), int(3));
}

#[test]
fn a_latch_that_a_module_takes_away_as_it_is_made_has_been_and_gone() {
    let server = server_with_a_caller();
    let mut client = server.client();
    for set in ["LATCH.SET job 2", "LATCH.SET job 2 EX 10", "LATCH.SET job 0 LINGER 10"] {
        for (command, left) in [("DEL job", 0), ("SET job x", 1), ("LATCH.SET job 7", 1)] {
            if left == 0 && !server.survives_deletions_of_new_keys() {
                continue;
            }
            assert_eq!(client.run(&format!("CALLER.ONCE new {command}")), ok());
            assert_eq!(client.run(set), ok(), "{command}");
            assert_eq!(client.run("EXISTS job"), int(left), "{set}, {command}");
            client.run("DEL job");
        }
    }
}

#[test]
fn what_a_module_puts_in_place_of_a_latch_as_it_is_made_keeps_its_own_time() {
    let server = server_with_a_caller();
    let mut client = server.client();
    assert_eq!(client.run("CALLER.ONCE new SET job x"), ok());
    assert_eq!(client.run("LATCH.SET job 2 EX 10"), ok());
    assert_eq!((client.run("GET job").text(), client.run("TTL job")), ("x".into(), int(-1)));
}
