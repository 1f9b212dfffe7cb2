//! What a server that crashes reports of this module, and that we stand in nobody's
//! way while it does.
//!
//! The report is written by a signal handler, on the thread that has crashed. The
//! others go on meanwhile.
#![cfg(target_os = "linux")] // where one thread can be found and told to crash

mod common;

use std::fs;
use std::process::Command;
use std::time::Duration;

use common::*;

/// A server whose `LATCH.HOLD` takes its time while the lot is lent out.
fn server_that_holds(memcheck: &str) -> Server {
    let faulty = faulty();
    Server::builder()
        .without_module()
        .config("loadmodule", &faulty)
        .config("crash-memcheck-enabled", memcheck)
        .start()
}

/// Has the server hold the lot for so many ms, and returns when it does. The client
/// that has asked for it is to be kept.
fn hold(server: &Server, millis: u32) -> Client {
    const SILENCE: Duration = Duration::from_millis(50);
    let (mut client, mut other) = (server.client(), server.client());
    client.send_line(&format!("LATCH.HOLD {millis}"));
    eventually("the server to be busy", PATIENCE, || {
        other.send_line("PING");
        other.receive_within(SILENCE).is_none().then_some(())
    });
    client
}

/// Has a thread of the server crash that does nothing else.
fn crash_in_the_background(server: &Server) {
    let tasks = format!("/proc/{}/task", server.pid());
    let idle = eventually("a thread in the background", PATIENCE, || {
        let mut tasks = fs::read_dir(&tasks).ok()?.filter_map(Result::ok);
        let task = tasks.find(|task| {
            let name = fs::read_to_string(task.path().join("comm"));
            name.is_ok_and(|name| name.starts_with("bio_"))
        });
        task.map(|task| task.file_name().into_string().expect("a number"))
    });
    // A signal for a process goes to the thread by whose id it was sent, if that one
    // lets it come.
    let sent = Command::new("sh").args(["-c", "kill -SEGV \"$0\"", &idle]).status();
    assert!(sent.expect("running sh").success(), "no thread {idle}");
}

/// The log of a server that has crashed once, when it has ended.
#[track_caller]
fn report(server: &mut Server) -> String {
    eventually("the end of the crash", PATIENCE, || server.has_ended().then_some(()));
    let log = server.log();
    let crashes: Vec<_> = log.lines().filter(|line| line.contains("crashed by signal")).collect();
    assert_eq!(crashes.len(), 1, "{crashes:?}");
    assert!(log.contains("BUG REPORT END"), "the report has no end");
    let panic = log.lines().find(|line| line.contains("a bug in the latch module"));
    assert_eq!(panic, None);
    log
}

/// What it says of us.
fn our_part(report: &str) -> Vec<&str> {
    let (_, modules) = report.split_once("\n------ MODULES INFO OUTPUT ------\n").expect("modules");
    let lines = modules.lines().take_while(|line| !line.starts_with("------"));
    lines.skip_while(|line| *line != "# latch").collect()
}

#[test]
fn a_crash_report_has_our_numbers() {
    let mut server = Server::builder().config("crash-memcheck-enabled", "no").start();
    server.run("LATCH.SET k 2");
    let _waiters = server.crowd(3, "LATCH.AWAIT k 0");
    server.client().send_line("DEBUG SEGFAULT");
    let report = report(&mut server);
    let ours = our_part(&report);
    let version = concat!("latch_version:", env!("CARGO_PKG_VERSION"));
    for field in [version, "latch_set_total:1", "latch_waiters_peak:3", "latch_await_total:3"] {
        assert!(ours.contains(&field), "no {field} in {ours:?}");
    }
}

#[test]
fn a_crash_on_another_thread_while_the_lot_is_in_use_leaves_it_alone() {
    let mut server = server_that_holds("no");
    server.run("LATCH.SET k 2");
    let _waiter = server.parked("LATCH.AWAIT k 0");
    let _client = hold(&server, 10_000);
    crash_in_the_background(&server);
    let report = report(&mut server);
    let ours = our_part(&report);
    for field in ["latch_set_total:1", "latch_waiters_peak:1", "latch_await_total:1"] {
        assert!(ours.contains(&field), "no {field} in {ours:?}");
    }
}

/// For the memory test of a report the server ends its other threads, wherever they
/// are, by an unwinding of their stacks. Where that meets ours, it is a second
/// crash: Valkey hangs in that one for ever, and nobody starts it again.
#[test]
fn a_thread_that_a_crash_report_ends_in_the_middle_of_us_ends() {
    let mut server = server_that_holds("yes");
    let _client = hold(&server, 1000);
    crash_in_the_background(&server);
    let report = report(&mut server);
    for line in ["main thread terminated", "Fast memory test PASSED"] {
        assert!(report.contains(line), "no line: {line}");
    }
}
