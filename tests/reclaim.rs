//! The memory of a latch with many ids is given back in steps, and at once where it has to
//! be.

mod common;

use std::time::Duration;

use common::*;

/// The latch `source` has so many ids.
const IDS: usize = 100_000;

/// What they take at least, in bytes.
const THEIRS: usize = IDS * 16;

/// What a server may keep, of whatever it does.
const SLACK: usize = THEIRS / 4;

/// A server that frees on its main thread, and has the latch `source`.
fn with_a_large_latch() -> Server {
    let lazy = ["user-del", "user-flush", "server-del", "expire", "eviction"];
    let server = lazy
        .iter()
        .fold(Server::builder(), |it, when| it.config(&format!("lazyfree-lazy-{when}"), "no"))
        .start();
    let mut client = server.client();
    client.run(&format!("LATCH.SET source {}", IDS + 1));
    count_with_ids(&mut client, "source", 0..IDS);
    server
}

fn used(info: &Reply) -> usize {
    let text = info.text();
    let used = text.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.expect("a field of INFO").trim().parse().expect("a number")
}

fn used_now(client: &mut Client) -> usize {
    used(&client.run("INFO memory"))
}

#[track_caller]
fn comes_back_to(client: &mut Client, before: usize, what: &str) {
    eventually(what, PATIENCE, || (used_now(client) < before + SLACK).then_some(()));
}

/// What removes the latch `k` or all that it is, in a database of its own.
const ENDS: [&str; 9] = [
    "LATCH.COUNTDOWN k 1000000",
    "LATCH.SET k 5",
    "DEL k",
    "SET k x",
    "PEXPIRE k 1",
    "RENAME other k",
    "EVAL redis.call('DEL',KEYS[1]) 1 k",
    "FLUSHDB SYNC",
    "UNLINK k",
];

#[test]
fn all_memory_comes_back_whatever_ends_a_latch_with_many_ids() {
    let server = with_a_large_latch();
    let mut client = server.client();
    client.run("SELECT 1");
    for end in ENDS {
        client.run("LATCH.SET other 1");
        let before = used_now(&mut client);
        client.run("SELECT 0");
        assert_eq!(client.run("COPY source k DB 1"), int(1));
        client.run("SELECT 1");
        assert!(used_now(&mut client) > before + THEIRS, "{end}");
        assert!(!matches!(client.run(end), Reply::Error(_)), "{end}");
        comes_back_to(&mut client, before, end);
        client.run("FLUSHDB");
    }
}

/// Sends both in one go, so that no turn of the event loop ends between them: what is used
/// after the first.
fn used_right_after(client: &mut Client, line: &str) -> usize {
    let words: Vec<_> = line.split(' ').collect();
    client.send_raw(&[encode(words), encode(["INFO", "memory"])].concat());
    assert!(!matches!(client.receive(), Reply::Error(_)), "{line}");
    used(&client.receive())
}

#[test]
fn a_command_that_ends_a_latch_leaves_its_memory_to_the_turns_that_follow() {
    let server = with_a_large_latch();
    let mut client = server.client();
    for end in ["LATCH.COUNTDOWN k 1000000", "LATCH.SET k 5", "DEL k", "SET k x"] {
        let before = used_now(&mut client);
        assert_eq!(client.run("COPY source k"), int(1));
        let after = used_right_after(&mut client, end);
        assert!(after > before + THEIRS, "{end}: {before} before, {after} right after");
        comes_back_to(&mut client, before, end);
        client.run("DEL k");
    }
}

#[test]
fn a_server_that_is_out_of_memory_has_it_back_at_once() {
    let server = with_a_large_latch();
    let mut client = server.client();
    for end in ["LATCH.COUNTDOWN k 1000000", "DEL k"] {
        let before = used_now(&mut client);
        assert_eq!(client.run("COPY source k"), int(1));
        client.run("CONFIG SET maxmemory 1");
        let after = used_right_after(&mut client, end);
        assert!(after < before + SLACK, "{end}: {before} before, {after} right after");
        client.run("CONFIG SET maxmemory 0");
    }
}

#[test]
fn eviction_sees_what_a_latch_with_many_ids_has_given_back() {
    const SMALL: usize = 1000;

    let server = with_a_large_latch();
    let mut client = server.client();
    for (setting, value) in [
        ("maxmemory-policy", "volatile-ttl"),
        ("maxmemory-samples", "64"),
        ("maxmemory-eviction-tenacity", "100"), // in one go
    ] {
        assert_eq!(client.call(["CONFIG", "SET", setting, value]), ok());
    }
    // Together they take as much as the latch, which is the first to go.
    let value = "x".repeat(2 * THEIRS / SMALL);
    for nth in 0..SMALL {
        client.call(["SET", &format!("small:{nth}"), &value, "EX", "10000"]);
    }
    client.run("EXPIRE source 1000");
    let limit = used_now(&mut client) - THEIRS;
    assert_eq!(client.run(&format!("CONFIG SET maxmemory {limit}")), ok());
    eventually("the latch to be evicted", PATIENCE, || {
        client.run("SET trigger x");
        (client.run("EXISTS source") == int(0)).then_some(())
    });
    client.run("SET trigger x");
    let evicted: usize = server.info("evicted_keys").parse().unwrap();
    println!("{evicted} keys were evicted");
    assert!(evicted < SMALL / 4, "{evicted} keys were evicted");
}

#[test]
fn a_latch_that_comes_and_goes_leaves_no_memory_behind() {
    const ROUNDS: usize = 100;

    let server = with_a_large_latch();
    let mut client = server.client();
    let before = used_now(&mut client);
    let mut most = 0;
    for _ in 0..ROUNDS {
        assert_eq!(client.run("COPY source k"), int(1));
        most = most.max(used_now(&mut client));
        assert_eq!(client.run("DEL k"), int(1));
    }
    comes_back_to(&mut client, before, "the memory to come back");
    println!("{before} bytes before, {most} at most");
    assert!(most < before + ROUNDS / 2 * THEIRS, "{most} bytes: the backlog only grows");
}

#[test]
fn a_server_that_has_given_back_all_sleeps() {
    const WHILE: Duration = Duration::from_millis(300);

    let server = with_a_large_latch();
    let mut client = server.client();
    let before = used_now(&mut client);
    client.run("COPY source k");
    client.run("DEL k");
    comes_back_to(&mut client, before, "the memory to come back");
    undisturbed(|| {
        let busy = server.processor_time();
        client.nothing_within(WHILE);
        let busy = server.processor_time() - busy;
        if busy < WHILE / 4 { Ok(()) } else { Err(busy) }
    });
}

#[test]
fn a_load_does_not_keep_what_was_there_before() {
    let server = with_a_large_latch();
    let mut client = server.client();
    let digest = client.run("DEBUG DIGEST-VALUE source");
    let before = used_now(&mut client);
    // Valkey may be late by itself with what it empties for a load.
    undisturbed(|| {
        // In one go: no turn ends until the load is over.
        let commands = ["COPY source k", "DEL k", "DEBUG RELOAD", "INFO memory"];
        client.send_raw(&commands.map(|line| encode(line.split(' '))).concat());
        assert_eq!([(); 3].map(|()| client.receive()), [int(1), int(1), ok()]);
        let after = used(&client.receive());
        if after < before + THEIRS { Ok(()) } else { Err((before, after)) }
    });
    assert_eq!(client.run("DEBUG DIGEST-VALUE source"), digest);
    comes_back_to(&mut client, before, "the memory to come back");
}

#[test]
fn a_process_that_the_server_forks_has_no_turns_and_frees_at_once() {
    let server = with_a_large_latch();
    let mut debugger = server.client();
    assert_eq!(debugger.run("SCRIPT DEBUG YES"), ok());
    let script = "redis.call('DEL', KEYS[1])
        local used = string.match(redis.call('INFO', 'memory'), 'used_memory:(%d+)')
        return redis.call('ECHO', 'used=' .. used)";
    let before = used_now(&mut server.client());
    debugger.send(["EVAL", script, "1", "source"]);
    debugger.receive();
    debugger.send(["continue"]);
    let told = format!("{:?}", debugger.receive_to_the_end());
    let used = told
        .split("used=")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    let used: usize = used.unwrap_or_else(|| panic!("{told}")).parse().unwrap();
    assert!(used + THEIRS < before, "{before} before, {used} right after");
    assert_eq!(server.run("LATCH.GET source"), int(1), "it was a copy");
}

#[test]
fn a_server_that_is_shut_down_in_the_middle_of_it_ends() {
    let mut server = with_a_large_latch();
    let mut client = server.client();
    client.send_raw(&[encode(["DEL", "source"]), encode(["SHUTDOWN", "NOW"])].concat());
    client.receive_to_the_end();
    eventually("the server to end", PATIENCE, || server.has_ended().then_some(()));
    assert!(server.log().contains("bye bye"), "it ended in good order");
}
