//! Latches in MULTI, scripts and functions: nothing waits there, and whatever
//! else the transaction does to a latch, who was parked hears of the first
//! thing that ended the round.

mod common;

use common::*;

/// Names that a tag can be made of, and that none can be made of (see `shadow.rs`).
const KEYS: [&str; 2] = ["k", "a}b"];

/// Runs each of these transactions on a latch `<k>` of count 1, and panics
/// unless they end with `expected` for the clients parked on it.
#[track_caller]
fn end_the_round(transactions: &[Vec<&str>], expected: &Reply) {
    let server = Server::new();
    // Released by the transaction itself, or most of them after it.
    for (key, batch) in KEYS.into_iter().flat_map(|key| [(key, 256), (key, 1)]) {
        server.run(&format!("CONFIG SET latch.wake-batch {batch}"));
        for lines in transactions {
            server.run("FLUSHALL");
            server.run(&format!("LATCH.SET {key} 1"));
            let mut waiters = server.crowd(3, &format!("LATCH.AWAIT {key} 0"));
            let lines: Vec<_> = lines.iter().map(|line| line.replace("<k>", key)).collect();
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            for reply in server.client().transaction(&lines).items() {
                assert!(!matches!(reply, Reply::Error(_)), "{lines:?}: {reply:?}");
            }
            for waiter in &mut waiters {
                assert_eq!(&waiter.receive(), expected, "{lines:?}");
                assert_eq!(waiter.run("PING"), Reply::Simple("PONG".into()), "{lines:?}: twice?");
            }
            server.wait_blocked(0);
        }
    }
}

// Nothing waits

#[test]
fn a_wait_in_a_transaction_is_answered_at_once() {
    let server = Server::new();
    server.run("LATCH.SET closed 1");
    server.run("SET string 1");
    for (mut client, null) in server.clients() {
        let replies = client.transaction(&[
            "LATCH.AWAIT missing 0",
            "LATCH.AWAIT closed 0",
            "LATCH.AWAIT closed 1000",
            "LATCH.AWAIT string 0",
            "LATCH.AWAIT closed -1",
            "LATCH.SET opened 1",
            "LATCH.AWAIT opened 0",
            "LATCH.COUNTDOWN opened",
            "LATCH.AWAIT opened 0",
        ]);
        let expected = [
            ok(),
            null.clone(),
            null.clone(),
            error(WRONG_TYPE),
            error("ERR timeout is negative"),
            ok(),
            null,
            int(0),
            ok(),
        ];
        assert_eq!(replies, array(expected));
    }
    server.wait_blocked(0);
}

#[test]
fn a_wait_in_a_script_is_answered_at_once() {
    let server = Server::new();
    server.run("LATCH.SET closed 1");
    server.run("SET string 1");
    for (mut client, null) in server.clients() {
        for how in ["EVAL", "EVAL_RO"] {
            let mut wait = |key: &str, timeout: &str| {
                let script = "return redis.call('latch.await', KEYS[1], ARGV[1])";
                client.call([how, script, "1", key, timeout])
            };
            assert_eq!(wait("missing", "0"), ok());
            assert_eq!(wait("closed", "0"), null);
            assert_eq!(wait("closed", "1000"), null);
            assert!(wait("string", "0").error().starts_with("WRONGTYPE Operation against"));
            assert!(wait("closed", "-1").error().starts_with("ERR timeout is negative"));
        }
        let script = "redis.call('latch.set', KEYS[1], 1)
                      local before = redis.call('latch.await', KEYS[1], 0)
                      redis.call('latch.countdown', KEYS[1])
                      return {tostring(before), redis.call('latch.await', KEYS[1], 0)}";
        let both = client.call(["EVAL", script, "1", "opened"]);
        assert_eq!(both, array([bulk("false"), ok()]));
    }
    server.wait_blocked(0);
}

#[test]
fn a_wait_in_a_function_is_answered_at_once() {
    let server = Server::new();
    server.run("LATCH.SET closed 1");
    server.run("SET string 1");
    let library = "#!lua name=waits
        local function wait(keys, args)
            return redis.call('latch.await', keys[1], args[1])
        end
        redis.register_function('wait', wait)
        redis.register_function{function_name='wait_ro', callback=wait, flags={'no-writes'}}";
    assert_eq!(server.client().call(["FUNCTION", "LOAD", library]), bulk("waits"));
    for (mut client, null) in server.clients() {
        for how in ["FCALL wait", "FCALL_RO wait_ro"] {
            assert_eq!(client.run(&format!("{how} 1 missing 0")), ok());
            assert_eq!(client.run(&format!("{how} 1 closed 0")), null);
            assert_eq!(client.run(&format!("{how} 1 closed 1000")), null);
            let refused = client.run(&format!("{how} 1 string 0"));
            assert!(refused.error().starts_with("WRONGTYPE Operation against"), "{refused:?}");
        }
    }
    server.wait_blocked(0);
}

#[test]
fn a_transaction_with_a_wait_in_it_propagates_nothing_of_it() {
    let server = Server::new();
    let mut stream = Stream::open(&server);
    let mut client = server.client();
    client.transaction(&["LATCH.AWAIT k 0", "LATCH.SET k 2", "LATCH.AWAIT k 0"]);
    client.transaction(&["LATCH.AWAIT k 0", "LATCH.GET k", "LATCH.COUNTDOWN missing"]);
    let propagated: Vec<_> = stream.so_far().iter().map(|words| words.join(" ")).collect();
    // A transaction of one command may be propagated as that command.
    let bare: Vec<_> =
        propagated.iter().filter(|line| !["MULTI", "EXEC"].contains(&line.as_str())).collect();
    assert_eq!(bare, ["LATCH.SET k 2"], "{propagated:?}");
}

// Opened, and then something else

#[test]
fn who_was_parked_when_the_latch_opened_is_told_so() {
    for open in ["LATCH.COUNTDOWN <k>", "LATCH.SET <k> 0"] {
        let transactions = [
            vec![open, "LATCH.SET <k> 5"],
            vec![open, "LATCH.SET <k> 5", "DEL <k>"],
            vec![open, "LATCH.SET <k> 1", open, "LATCH.SET <k> 5"],
            vec![open, "FLUSHALL"],
            vec![open, "FLUSHDB", "LATCH.SET <k> 5"],
            vec![open, "LATCH.SET <k> 5", "FLUSHALL"],
            vec![open, "SWAPDB 0 1"],
            vec![open, "LATCH.SET <k> 5", "SWAPDB 0 1"],
            vec![open, "SET <k> string"],
            vec![open, "LATCH.SET <k> 5", "PEXPIREAT <k> 1"],
            vec![open, "LATCH.SET <k> 5", "RENAME <k> elsewhere"],
        ];
        end_the_round(&transactions, &ok());
    }
}

#[test]
fn who_was_parked_when_the_latch_was_removed_is_told_so() {
    let transactions = [
        vec!["DEL <k>", "LATCH.SET <k> 1"],
        vec!["DEL <k>", "LATCH.SET <k> 1", "LATCH.COUNTDOWN <k>"],
        vec!["UNLINK <k>", "LATCH.COUNTDOWN <k>"],
        vec!["FLUSHALL", "LATCH.SET <k> 1"],
        vec!["FLUSHALL", "LATCH.SET <k> 1", "LATCH.COUNTDOWN <k>"],
        vec!["FLUSHDB ASYNC", "LATCH.SET <k> 1", "LATCH.SET <k> 0"],
        vec!["RENAME <k> elsewhere", "RENAME elsewhere <k>"],
        vec!["RENAME <k> elsewhere", "LATCH.COUNTDOWN elsewhere"],
        // The SELECT: some servers end a MOVE in the other database.
        vec!["MOVE <k> 1", "SELECT 0", "LATCH.SET <k> 1", "LATCH.COUNTDOWN <k>"],
        vec!["SWAPDB 0 1", "SWAPDB 0 1"],
        vec!["SWAPDB 0 1", "LATCH.SET <k> 1", "LATCH.COUNTDOWN <k>"],
        vec!["SET <k> string", "DEL <k>", "LATCH.SET <k> 1", "LATCH.COUNTDOWN <k>"],
        vec!["COPY <k> copy", "DEL <k>", "COPY copy <k>", "LATCH.COUNTDOWN <k>"],
    ];
    end_the_round(&transactions, &gone());
}

#[test]
fn what_expires_later_under_the_same_name_is_not_the_latch() {
    let transactions = [
        vec!["DEL <k>", "LATCH.SET <k> 5", "PEXPIREAT <k> 1"],
        vec!["DEL <k>", "SET <k> string", "PEXPIREAT <k> 1"],
        vec!["SET <k> string", "PEXPIREAT <k> 1"],
    ];
    end_the_round(&transactions, &gone());
}

#[test]
fn a_client_that_parks_after_the_latch_was_set_again_waits_for_that() {
    for key in KEYS {
        for script in [false, true] {
            let server = Server::new();
            server.run("CONFIG SET latch.wake-batch 1");
            let mut counter = server.client();
            counter.run(&format!("LATCH.SET {key} 1"));
            let wait = format!("LATCH.AWAIT {key} 0");
            let mut waiters = server.crowd(10, &wait);
            for round in 1..5 {
                if script {
                    let script = "redis.call('latch.countdown', KEYS[1])
                                  return redis.call('latch.set', KEYS[1], 1)";
                    assert_eq!(counter.call(["EVAL", script, "1", key]), ok());
                } else {
                    let (open, set) =
                        (format!("LATCH.COUNTDOWN {key}"), format!("LATCH.SET {key} 1"));
                    counter.transaction(&[&open, &set]).items();
                }
                // They park again at once, beside those not released yet.
                for waiter in &mut waiters {
                    assert_eq!(waiter.receive(), ok());
                    waiter.send_line(&wait);
                }
                server.wait_blocked(9 + round);
                waiters.push(server.parked(&wait));
            }
            counter.run(&format!("LATCH.COUNTDOWN {key}"));
            for waiter in &mut waiters {
                waiter.receives_only(&ok());
            }
            server.wait_blocked(0);
        }
    }
}

#[test]
fn clients_of_a_round_that_is_over_are_not_taken_for_those_of_the_next() {
    let server = Server::new();
    server.run("CONFIG SET latch.wake-batch 1");
    server.run("LATCH.SET k 1");
    let mut old: Vec<_> = (0..40)
        .map(|_| {
            // The release of all of them takes a second.
            let mut client = server.client();
            client.send_raw(b"LATCH.AWAIT k 0\r\nDEBUG SLEEP 0.025\r\n");
            server.wait_parked(&client);
            client
        })
        .collect();
    server.client().transaction(&["LATCH.COUNTDOWN k", "LATCH.SET k 1"]).items();
    let mut new = [server.parked("LATCH.AWAIT k 0"), server.parked("LATCH.AWAIT k 0")];
    server.run("DEL k");
    let blocked: usize = server.info("blocked_clients").parse().expect("a number");
    assert!(blocked > new.len(), "or this shows nothing");
    for client in &mut new {
        client.receives_only(&gone());
    }
    for client in &mut old {
        assert_eq!([client.receive(), client.receive()], [ok(), ok()], "one of DEBUG SLEEP");
    }
    server.wait_blocked(0);
}

// Counting

#[test]
fn countdowns_in_scripts_count() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 10");
    let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
    let script =
        "local left for _ = 1, ARGV[1] do left = redis.call('latch.countdown', KEYS[1]) end
                  return left";
    assert_eq!(client.call(["EVAL", script, "1", "k", "4"]), int(6));
    let countdown = "return redis.pcall('latch.countdown', KEYS[1], ARGV[1])";
    assert_eq!(client.call(["EVAL", countdown, "1", "k", "5"]), int(1));
    let refused = client.call(["EVAL", countdown, "1", "k", "0"]);
    assert!(refused.error().starts_with(NOT_AN_INTEGER), "{refused:?}");
    assert!(matches!(client.call(["EVAL_RO", countdown, "1", "k", "1"]), Reply::Error(_)));
    server.wait_blocked(3);
    assert_eq!(client.run("LATCH.GET k"), int(1));
    assert_eq!(client.call(["EVAL", script, "1", "k", "3"]), int(0));
    for waiter in &mut waiters {
        waiter.receives_only(&ok());
    }
}

#[test]
fn a_transaction_that_does_not_run_wakes_nobody() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");

    client.run("MULTI");
    client.run("LATCH.COUNTDOWN k");
    assert_eq!(client.run("DISCARD"), ok());
    server.wait_parked(&waiter);

    client.run("MULTI");
    client.run("LATCH.COUNTDOWN k");
    assert!(matches!(client.run("LATCH.COUNTDOWN"), Reply::Error(_)));
    assert!(client.run("EXEC").error().starts_with("EXECABORT"));
    server.wait_parked(&waiter);

    client.run("WATCH other");
    server.run("SET other 1");
    assert_eq!(client.transaction(&["LATCH.COUNTDOWN k"]), Reply::NullArray);
    server.wait_parked(&waiter);

    client.run("MULTI");
    client.run("LATCH.COUNTDOWN k");
    drop(client);
    server.wait_parked(&waiter);

    assert_eq!(server.run("LATCH.GET k"), int(1));
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
}

#[test]
fn a_change_of_a_latch_that_is_watched_breaks_the_transaction() {
    let server = Server::new();
    let mut client = server.client();
    for (line, breaks) in [
        ("LATCH.COUNTDOWN k", true),
        ("LATCH.COUNTDOWN k 9", true),
        ("LATCH.SET k 9", true),
        ("LATCH.SET k 0", true),
        ("LATCH.SET k 9 NX", false),
        ("LATCH.COUNTDOWN k 0", false),
        ("LATCH.COUNTDOWN missing", false),
        ("LATCH.GET k", false),
        ("LATCH.AWAIT k 0.001", false),
    ] {
        client.run("LATCH.SET k 3");
        client.run("WATCH k");
        server.run(line);
        let broken = client.transaction(&["PING"]) == Reply::NullArray;
        assert_eq!(broken, breaks, "{line}");
    }
    // Nor does somebody who waits, comes or goes.
    client.run("LATCH.SET k 3");
    client.run("WATCH k");
    drop(server.parked("LATCH.AWAIT k 0"));
    server.wait_blocked(0);
    assert_eq!(client.transaction(&["PING"]), array([Reply::Simple("PONG".into())]));
}

#[test]
fn a_transaction_is_propagated_as_it_is() {
    let server = Server::new();
    let mut waiters = Vec::new();
    let mut client = server.client();
    client.run("LATCH.SET other 1");
    waiters.push(server.parked("LATCH.AWAIT other 0"));
    let mut stream = Stream::open(&server);
    client.transaction(&[
        "LATCH.SET k 2",
        "LATCH.COUNTDOWN k",
        "LATCH.AWAIT k 0",
        "LATCH.COUNTDOWN missing",
        "LATCH.COUNTDOWN k",
        "LATCH.COUNTDOWN k",
        "LATCH.SET k 3 NX PXAT 99999999999999",
        "LATCH.SET k 4 NX",
        "LATCH.COUNTDOWN other",
    ]);
    let expected = [
        "MULTI",
        "LATCH.SET k 2",
        "LATCH.COUNTDOWN k",
        "LATCH.COUNTDOWN k",
        "LATCH.SET k 3 PXAT 99999999999999",
        "LATCH.COUNTDOWN other",
        "EXEC",
    ];
    for waiter in &mut waiters {
        waiter.receives_only(&ok());
    }
    let propagated: Vec<_> = stream.so_far().iter().map(|words| words.join(" ")).collect();
    assert_eq!(propagated, expected);
}
