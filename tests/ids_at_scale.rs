//! Ids in use: workers that send until they are answered, and very many ids.

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use common::*;

/// Sends a command until somebody answers it.
fn until_answered(socket: &Path, words: &[&str]) -> Reply {
    eventually("an answer", PATIENCE, || {
        let reply = Client::connect(socket).and_then(|mut client| client.try_call(words)).ok()?;
        let is_loading = matches!(&reply, Reply::Error(text) if text.starts_with("LOADING "));
        (!is_loading).then_some(reply)
    })
}

#[test]
fn workers_that_send_until_answered_open_the_latch_when_the_last_arrives() {
    const WORKERS: usize = 6;
    const JOBS: usize = 150;
    const CRASHES: usize = 12;
    let total = i64::try_from(WORKERS * JOBS).unwrap() + 1;

    let mut server =
        Server::builder().config("appendonly", "yes").config("appendfsync", "always").start();
    server.run(&format!("LATCH.SET k {total}"));
    let (sent, answered) = (AtomicI64::new(0), AtomicI64::new(0));
    let socket = server.socket();
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (socket, sent, answered) = (&socket, &sent, &answered);
            scope.spawn(move || {
                let mut random = Random::new(worker as u64);
                for job in 0..JOBS {
                    let id = format!("{worker}:{job}");
                    sent.fetch_add(1, Ordering::SeqCst);
                    // Some are not content with one answer.
                    for _ in 0..1 + random.below(3) {
                        let before = answered.load(Ordering::SeqCst);
                        let reply = until_answered(socket, &["LATCH.COUNTDOWN", "k", "ID", &id]);
                        let arrived = total - reply.int();
                        assert!(arrived >= before, "an answered countdown was lost");
                        assert!(arrived <= sent.load(Ordering::SeqCst), "counted twice");
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let mut random = Random::new(17);
        for crash in 0..CRASHES {
            let share = (total - 1) / i64::try_from(CRASHES + 1).unwrap();
            let wanted = share * i64::try_from(crash).unwrap() + random.below(50) as i64;
            eventually("the workers to go on", PATIENCE, || {
                (answered.load(Ordering::SeqCst) >= wanted).then_some(())
            });
            server.kill9();
            server.start_again();
        }
    });

    let mut client = server.client();
    assert_eq!(client.run("LATCH.GET k"), int(1), "all but the last have arrived");
    assert_eq!(client.run("LATCH.INFO k").field("arrived"), &int(total - 1));
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    assert_eq!(client.run("LATCH.COUNTDOWN k ID 0:0"), int(1));
    server.wait_parked(&waiter);
    assert_eq!(client.run("LATCH.COUNTDOWN k ID last"), int(0));
    waiter.receives_only(&ok());
}

/// How long one command about a million ids may take on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// The reply to a command that may take long.
fn run_long(client: &mut Client, line: &str) -> Reply {
    client.send_line(line);
    client.receive_within(LONG).unwrap_or_else(|| panic!("no reply to {line} within {LONG:?}"))
}

#[test]
fn a_million_ids_take_less_than_64_mb_and_go_at_once() {
    const IDS: usize = 1_000_000;
    const MB: usize = 1 << 20;

    let server = Server::new();
    let mut client = server.client();
    let used = || server.info("used_memory").parse::<usize>().unwrap();
    client.run(&format!("LATCH.SET k {}", IDS + 1));
    let before = used();
    count_with_ids(&mut client, "k", 0..IDS);
    assert_eq!(run_long(&mut client, "LATCH.GET k"), int(1));

    let grown = used() - before;
    let usage = usize::try_from(run_long(&mut client, "MEMORY USAGE k SAMPLES 0").int()).unwrap();
    println!("{IDS} ids: MEMORY USAGE {usage}, used_memory grown by {grown}");
    assert!(usage < 64 * MB, "MEMORY USAGE {usage}");
    assert!(grown < 64 * MB, "used_memory grown by {grown}");
    assert!(usage > IDS * 16 && grown > IDS * 16, "the ids are somewhere");

    let digest = run_long(&mut client, "DEBUG DIGEST-VALUE k");
    assert_eq!(run_long(&mut client, "COPY k c"), int(1));
    assert_eq!(run_long(&mut client, "DEBUG DIGEST-VALUE c"), digest);
    assert_eq!(client.run("UNLINK c"), int(1));
    let unlink = server.run("INFO commandstats").text();
    let unlink = unlink.split("cmdstat_unlink:calls=1,usec=").nth(1).unwrap();
    let usec: usize = unlink.split(',').next().unwrap().parse().unwrap();
    println!("UNLINK took {usec} us");
    assert!(usec < 50_000, "UNLINK took {usec} us");
    eventually("the memory to come back", LONG, || (used() < before + grown + MB).then_some(()));

    client.run("CONFIG SET aof-use-rdb-preamble no");
    assert_eq!(client.run("CONFIG SET appendonly yes"), ok());
    eventually("the end of the rewrite", LONG, || {
        let fields = ["aof_rewrite_in_progress", "aof_rewrite_scheduled"];
        (fields.map(|field| server.info(field)) == ["0", "0"]).then_some(())
    });
    assert_eq!(run_long(&mut client, "DEBUG LOADAOF"), ok());
    assert_eq!(run_long(&mut client, "DEBUG DIGEST-VALUE k"), digest, "from the append-only file");
    client.run("BGSAVE").text();
    eventually("the end of the snapshot", LONG, || {
        (server.info("rdb_bgsave_in_progress") == "0").then_some(())
    });
    assert_eq!(server.info("rdb_last_bgsave_status"), "ok");
    assert_eq!(run_long(&mut client, "DEBUG RELOAD NOSAVE"), ok());
    assert_eq!(run_long(&mut client, "DEBUG DIGEST-VALUE k"), digest, "from the snapshot");
    assert_eq!(run_long(&mut client, &format!("LATCH.COUNTDOWN k ID {:016}", IDS / 2)), int(1));
    assert_eq!(client.run(&format!("LATCH.COUNTDOWN k ID {IDS:016}")), int(0));
    eventually("the memory to come back", LONG, || (used() < before + MB).then_some(()));
}

#[test]
fn the_memory_of_a_latch_is_estimated_from_a_sample_of_its_ids() {
    const IDS: i64 = 100;
    const BYTES: usize = 1000;

    let server = Server::new();
    let mut client = server.client();
    let mut usage = |key: &str, samples: &str| {
        client.run(&format!("MEMORY USAGE {key} SAMPLES {samples}")).int()
    };
    let mut counter = server.client();
    for key in ["short", "long"] {
        counter.run(&format!("LATCH.SET {key} {}", IDS + 1));
        let len = if key == "long" { BYTES } else { 2 };
        for id in 0..IDS {
            counter.run(&format!("LATCH.COUNTDOWN {key} ID {id:0len$}"));
        }
        // They are all of one length, so any of them stands for the others.
        let all = usage(key, "0");
        for samples in ["1", "5", "7", "100", "1000"] {
            assert_eq!(usage(key, samples), all, "{key}, {samples} samples");
        }
    }
    let more = usage("long", "5") - usage("short", "5");
    // The allocator rounds up, and the names of the keys differ.
    let least = IDS * (BYTES as i64 - 2);
    assert!((least - 8..least * 5 / 4).contains(&more), "{more}, expected {least}");
}

#[test]
fn a_latch_without_ids_takes_40_bytes_more_than_an_integer_at_most() {
    let server = Server::new();
    // Else up to 16 bytes of the integer are not told.
    let more = if server.knows_what_a_key_takes() { 40 } else { 40 + 16 };
    let mut client = server.client();
    for key in ["k", "a-key-of-some-length", &"k".repeat(100)] {
        client.call(["SET", key, "12345"]);
        let integer = client.call(["MEMORY", "USAGE", key]).int();
        client.call(["DEL", key]);
        client.call(["LATCH.SET", key, "12345"]);
        client.call(["LATCH.COUNTDOWN", key]);
        let latch = client.call(["MEMORY", "USAGE", key]).int();
        println!("MEMORY USAGE of {key:.20}: latch {latch}, integer {integer}");
        assert!((1..=more).contains(&(latch - integer)), "{key}: latch {latch}, integer {integer}");
    }
}
