//! `LATCH.ABORT key [reason]`: a latch that nobody will open any more.

mod common;

use common::*;

/// Every command that an aborted latch refuses.
const REFUSED: [&str; 14] = [
    "LATCH.AWAIT k 0",
    "LATCH.AWAIT k 1 MISSING OPEN",
    "LATCH.AWAIT k 0 MISSING ERROR",
    "LATCH.AWAIT k 0 MISSING WAIT",
    "LATCH.AWAITALL 0 1 k",
    "LATCH.AWAITANY 0 1 k",
    "LATCH.COUNTDOWN k",
    "LATCH.COUNTDOWN k 100",
    "LATCH.COUNTDOWN k ID new",
    "LATCH.ARRIVE k 0 ID z",
    "LATCH.ARRIVE k 0 ID new",
    "LATCH.ARRIVE k 0 ID a",
    "LATCH.ADD k 1",
    "LATCH.ADD k 1 ID a",
];

#[test]
fn every_parked_client_is_told_the_reason() {
    let server = Server::new();
    for (mut client, _) in server.clients() {
        client.run("LATCH.SET k 5");
        client.run("LATCH.SET other 5");
        let mut waiters = Vec::new();
        for line in [
            "LATCH.AWAIT k 0",
            "LATCH.AWAIT k 1000 MISSING ERROR",
            "LATCH.AWAIT k 0 MISSING WAIT",
            "LATCH.AWAITALL 0 1 k",
            "LATCH.AWAITALL 0 2 other k",
            "LATCH.AWAITANY 0 1 k",
            "LATCH.ARRIVE k 0 ID z",
        ] {
            waiters.push(server.parked(line));
            let mut third = server.client3();
            third.send_line(line);
            server.wait_parked(&third);
            waiters.push(third);
        }
        let mut bystander = server.parked("LATCH.AWAIT other 0");
        assert_eq!(client.call(["LATCH.ABORT", "k", "disk full"]), int(14));
        for waiter in &mut waiters {
            waiter.receives_only(&aborted("disk full"));
        }
        server.wait_blocked(1);
        client.run("LATCH.SET other 0");
        bystander.receives_only(&ok());
    }
}

#[test]
fn the_reply_is_the_number_of_clients_whose_wait_has_ended() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 2");
    client.run("LATCH.SET l 2");
    let mut any = server.parked("LATCH.AWAITANY 0 2 k l");
    let mut all = server.parked("LATCH.AWAITALL 0 2 k l");
    let mut there = server.parked_in(1, "LATCH.AWAIT k 0 MISSING WAIT");
    assert_eq!(client.run("LATCH.ABORT k first"), int(1), "the one that needs all");
    all.receives_only(&aborted("first"));
    server.wait_parked(&any);
    assert_eq!(client.run("LATCH.ABORT l second"), int(1), "the last hope of the other");
    any.receives_only(&aborted("second"));
    server.wait_blocked(1);
    client.run("SELECT 1");
    client.run("LATCH.SET k 1");
    client.run("LATCH.COUNTDOWN k");
    there.receives_only(&ok());
}

#[test]
fn a_crowd_is_released_in_steps_and_counted_at_once() {
    const CLIENTS: usize = 500;

    let server = Server::builder().module_args(["latch.wake-batch", "7"]).start();
    server.run("LATCH.SET k 1");
    let mut waiters = server.crowd(CLIENTS, "LATCH.AWAIT k 0");
    assert_eq!(server.run("LATCH.ABORT k no"), int(CLIENTS.try_into().unwrap()));
    for waiter in &mut waiters {
        waiter.receives_only(&aborted("no"));
    }
    server.wait_blocked(0);
}

#[test]
fn who_comes_later_is_told_the_reason_and_changes_nothing() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, null) in server.clients() {
        client.run("LATCH.SET k 5 EX 1000 LINGER 10");
        client.run("LATCH.COUNTDOWN k 2 ID a");
        let (reply, seen) = witness.see("k", || client.run("LATCH.ABORT k no"));
        assert_eq!(reply, int(0), "nobody was parked");
        let expected = Seen {
            events: vec!["latch.abort k".into()],
            propagated: vec!["LATCH.ABORT k no".into()],
            broke_watch: true,
            changed_data: true,
        };
        assert_eq!(seen, expected);
        for line in REFUSED {
            let reply = witness.sees_nothing("k", || client.run(line));
            assert_eq!(reply, aborted("no"), "{line}");
            if !line.contains("COUNTDOWN") && !line.contains("ADD") {
                let replies = client.transaction(&[line]);
                assert_eq!(replies.items(), [aborted("no")], "{line} in a transaction");
            }
        }
        // What is not a use of it as a latch goes on.
        assert_eq!(client.run("LATCH.GET k"), int(3));
        assert_eq!(client.run("LATCH.ARRIVED k"), array(["a"]));
        let info = client.run("LATCH.INFO k");
        assert_eq!(info.field("state"), &bulk("aborted"));
        assert_eq!(info.field("reason"), &bulk("no"));
        assert_eq!((info.field("count"), info.field("total")), (&int(3), &int(5)));
        assert_eq!(client.run("LATCH.SET k 9 NX"), null, "it exists");
    }
}

#[test]
fn the_first_reason_stays_and_a_repeat_does_nothing() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    server.run("LATCH.SET k 5");
    server.run("LATCH.ABORT k first");
    for (mut client, _) in server.clients() {
        for again in ["LATCH.ABORT k", "LATCH.ABORT k second", "LATCH.ABORT k first"] {
            let reply = witness.sees_nothing("k", || client.run(again));
            assert_eq!(reply, int(0), "{again}");
            assert_eq!(client.run("LATCH.AWAIT k 0"), aborted("first"), "{again}");
        }
    }
}

#[test]
fn setting_deleting_and_expiring_clear_it() {
    let server = Server::new();
    let mut client = server.client();
    for clearing in [
        "LATCH.SET k 2",
        "LATCH.SET k 2 XX",
        "LATCH.SET k 2 KEEPTTL",
        "LATCH.SET k 2 LINGER 100",
        "DEL k",
        "PEXPIREAT k 1",
        "RENAME k gone",
        "FLUSHALL",
    ] {
        client.run("LATCH.SET k 2");
        client.run("LATCH.ABORT k no");
        assert!(!matches!(client.run(clearing), Reply::Error(_)), "{clearing}");
        if clearing.starts_with("LATCH.SET") {
            assert_eq!(client.run("LATCH.INFO k").field("reason"), &bulk(""), "{clearing}");
            let mut waiter = server.parked("LATCH.AWAIT k 0");
            assert_eq!(client.run("LATCH.COUNTDOWN k"), int(1), "{clearing}");
            assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0), "{clearing}");
            waiter.receives_only(&ok());
        } else {
            assert_eq!(client.run("LATCH.AWAIT k 0"), ok(), "{clearing}");
            assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0), "{clearing}");
        }
    }
}

#[test]
fn an_aborted_latch_that_is_set_to_zero_is_open() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 2");
    client.run("LATCH.ABORT k no");
    assert_eq!(client.run("LATCH.SET k 0 LINGER 100"), ok());
    assert_eq!(client.run("LATCH.AWAIT k 0 MISSING ERROR"), ok());
    client.run("LATCH.SET k 2");
    client.run("LATCH.ABORT k no");
    assert_eq!(client.run("LATCH.SET k 0"), ok());
    assert_eq!(client.run("EXISTS k"), int(0));
}

#[test]
fn an_aborted_latch_expires_as_any_other() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 2 PX 50");
    client.run("LATCH.ABORT k no");
    eventually("the latch to expire", PATIENCE, || {
        (client.run("LATCH.AWAIT k 0") == ok()).then_some(())
    });
    assert_eq!(client.run("EXISTS k"), int(0));
}

#[test]
fn a_reason_is_one_line_of_any_bytes() {
    let server = Server::new();
    let all: Vec<u8> = (1..=u8::MAX).collect();
    let in_one_line: Vec<u8> =
        all.iter().map(|&byte| if b"\r\n".contains(&byte) { b' ' } else { byte }).collect();
    for (mut client, _) in server.clients() {
        for (given, kept) in [
            (&b"disk full"[..], &b"disk full"[..]),
            (b"a\r\nb\nc\rd", b"a  b c d"),
            (b"\r\n+OK\r\n", b"  +OK  "),
            (b"%s%n%d", b"%s%n%d"),
            (b" ", b" "),
            (b"-ERR x", b"-ERR x"),
            ("größer".as_bytes(), "größer".as_bytes()),
            (&all, &in_one_line),
            (&[b'x'; 1024], &[b'x'; 1024]),
            (&[b'\n'; 1024], &[b' '; 1024]),
            // It would end the text of an error reply.
            (b"a\0b", b"a b"),
        ] {
            let shown = given.escape_ascii();
            client.run("LATCH.SET k 2");
            let mut waiter = server.parked("LATCH.AWAIT k 0");
            assert_eq!(client.call(cmd!["LATCH.ABORT", "k", given]), int(1), "{shown}");
            waiter.receives_only(&aborted(kept));
            assert_eq!(client.run("LATCH.COUNTDOWN k"), aborted(kept), "{shown}");
            assert_eq!(client.run("LATCH.INFO k").field("reason"), &bulk(kept), "{shown}");
        }
    }
}

#[test]
fn without_a_reason_it_is_aborted() {
    let server = Server::new();
    for words in [&["LATCH.ABORT", "k"][..], &["LATCH.ABORT", "k", ""]] {
        server.run("LATCH.SET k 2");
        let mut waiter = server.parked("LATCH.AWAIT k 0");
        assert_eq!(server.client().call(words), int(1));
        waiter.receives_only(&aborted("aborted"));
        assert_eq!(server.run("LATCH.ADD k 1"), error("LATCHABORTED aborted"));
    }
}

#[test]
fn what_cannot_be_aborted_is_refused() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        for (before, refusal) in [
            (&["DEL k"][..], error(NO_LATCH)),
            (&["LATCH.SET k 1", "LATCH.COUNTDOWN k"], error(NO_LATCH)),
            (&["LATCH.SET k 1 LINGER 100", "LATCH.COUNTDOWN k"], error(LATCH_OPEN)),
            (&["LATCH.SET k 0 LINGER 100"], error(LATCH_OPEN)),
            (&["DEL k", "SET k 1"], error(WRONG_TYPE)),
        ] {
            before.iter().for_each(|line| _ = client.run(line));
            for line in ["LATCH.ABORT k", "LATCH.ABORT k no"] {
                let reply = witness.sees_nothing("k", || client.run(line));
                assert_eq!(reply, refusal, "{line} after {before:?}");
            }
            client.run("DEL k");
        }
        client.run("LATCH.SET k 5");
        let waiter = server.parked("LATCH.AWAIT k 1000");
        let long = vec![b'x'; 1025];
        let reply = witness.sees_nothing("k", || client.call(cmd!["LATCH.ABORT", "k", long]));
        assert!(reply.error().starts_with("ERR "), "{reply:?}");
        for line in ["LATCH.ABORT k two words", "LATCH.ABORT k no LINGER 5"] {
            let reply = witness.sees_nothing("k", || client.run(line));
            assert_eq!(reply, error(SYNTAX), "{line}");
        }
        let reply = witness.sees_nothing("k", || client.run("LATCH.ABORT"));
        assert_eq!(reply, error("ERR wrong number of arguments for 'latch.abort' command"));
        server.wait_parked(&waiter);
    }
}

#[test]
fn aborting_and_setting_again_in_one_go_releases_the_old_round_only() {
    let script = "local n = redis.call('LATCH.ABORT', KEYS[1], 'no') \
                  redis.call('LATCH.SET', KEYS[1], 1) return n";
    let server = Server::builder().module_args(["latch.wake-batch", "1"]).start();
    let mut client = server.client();
    for in_script in [false, true] {
        client.run("LATCH.SET k 1");
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        if in_script {
            assert_eq!(client.call(["EVAL", script, "1", "k"]), int(3));
        } else {
            let replies = client.transaction(&["LATCH.ABORT k no", "LATCH.SET k 1"]);
            assert_eq!(replies, Reply::Array(vec![int(3), ok()]));
        }
        let mut next = server.parked("LATCH.AWAIT k 0");
        for waiter in &mut waiters {
            waiter.receives_only(&aborted("no"));
        }
        server.wait_parked(&next);
        assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
        next.receives_only(&ok());
    }
}

#[test]
fn what_ends_the_wait_is_the_first_thing_that_happened() {
    let server = Server::new();
    let mut client = server.client();
    for (lines, told) in [
        (["LATCH.ABORT k no", "DEL k"], aborted("no")),
        (["LATCH.ABORT k no", "LATCH.SET k 0"], aborted("no")),
        (["LATCH.SET k 0", "LATCH.SET k 1"], ok()),
        (["DEL k", "LATCH.SET k 1"], gone()),
    ] {
        client.run("LATCH.SET k 1");
        let mut waiter = server.parked("LATCH.AWAIT k 0");
        client.transaction(&lines);
        waiter.receives_only(&told);
        client.run("DEL k");
    }
}

#[test]
fn clients_on_a_replica_are_told_too() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    master.run("LATCH.SET k 5");
    replica.wait_in_sync(&master);
    let mut waiters = [&master, &replica].map(|server| server.parked("LATCH.AWAIT k 0"));
    assert!(replica.run("LATCH.ABORT k no").error().starts_with("READONLY "));
    assert_eq!(master.client().call(["LATCH.ABORT", "k", "a\nb"]), int(1), "here");
    for waiter in &mut waiters {
        waiter.receives_only(&aborted("a b"));
    }
    replica.wait_in_sync(&master);
    assert_eq!(replica.run("LATCH.AWAIT k 0"), aborted("a b"));
    assert_eq!(replica.digest(), master.digest());
}
