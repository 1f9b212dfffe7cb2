//! `LATCH.ARRIVE key timeout ID id`: to count down and wait, in one step.

mod common;

use std::slice::from_ref;

use common::*;

/// What is propagated of an arrival.
fn counted(line: &str) -> Seen {
    Seen {
        events: vec!["latch.countdown k".into()],
        propagated: vec![line.into()],
        broke_watch: true,
        changed_data: true,
    }
}

#[test]
fn the_last_of_ten_releases_the_other_nine() {
    let server = Server::new();
    let mut stream = Stream::open(&server);
    for round in 0..5 {
        server.run("LATCH.SET k 10");
        let mut waiters: Vec<Client> = Vec::new();
        for nth in 1..10 {
            let mut client = if nth % 2 == 0 { server.client() } else { server.client3() };
            client.send_line(&format!("LATCH.ARRIVE k 0 ID {nth}"));
            server.wait_parked(&client);
            waiters.push(client);
            assert_eq!(server.run("LATCH.GET k"), int(10 - nth), "round {round}");
            server.wait_blocked(waiters.len());
        }
        assert_eq!(server.run("LATCH.INFO k").field("waiters"), &int(9));
        let mut last = server.client();
        assert_eq!(last.run("LATCH.ARRIVE k 0 ID 10"), ok());
        for waiter in &mut waiters {
            waiter.receives_only(&ok());
        }
        assert_eq!(server.run("EXISTS k"), int(0));
        let mut expected = vec!["LATCH.SET k 10".to_owned()];
        expected.extend((1..=10).map(|nth| format!("LATCH.COUNTDOWN k 1 ID {nth}")));
        let propagated: Vec<_> = stream.so_far().iter().map(|words| words.join(" ")).collect();
        assert_eq!(propagated, expected, "round {round}");
    }
}

#[test]
fn countdowns_and_other_waits_mix_with_arrivals() {
    let server = Server::new();
    server.run("LATCH.SET k 4");
    let mut waiters = [
        server.parked("LATCH.AWAIT k 0"),
        server.parked("LATCH.ARRIVE k 0 ID b"),
        server.parked("LATCH.AWAITALL 0 1 k"),
        server.parked("LATCH.ARRIVE k 1000 ID a"),
    ];
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(1));
    server.wait_blocked(waiters.len());
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    for waiter in &mut waiters {
        waiter.receives_only(&ok());
    }
}

#[test]
fn an_arrival_counts_even_if_its_wait_times_out() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, null) in server.clients() {
        client.run("LATCH.SET k 3 EX 1000");
        for id in ["a", "b"] {
            let arrive = || client.run(&format!("LATCH.ARRIVE k 0.01 ID {id}"));
            let (reply, seen) = witness.see("k", arrive);
            assert_eq!(reply, null, "{id}");
            assert_eq!(seen, counted(&format!("LATCH.COUNTDOWN k 1 ID {id}")), "{id}");
        }
        assert_eq!(client.run("LATCH.GET k"), int(1));
        assert_eq!(client.run("LATCH.ARRIVED k"), array(["a", "b"]));
    }
}

#[test]
fn an_arrival_counts_even_if_the_client_goes_away() {
    let server = Server::new();
    server.run("LATCH.SET k 5");
    let unblocked = server.parked("LATCH.ARRIVE k 0 ID a");
    assert_eq!(server.run(&format!("CLIENT UNBLOCK {} ERROR", unblocked.id())), int(1));
    let killed = server.parked("LATCH.ARRIVE k 0 ID b");
    assert_eq!(server.run(&format!("CLIENT KILL ID {}", killed.id())), int(1));
    drop(server.parked("LATCH.ARRIVE k 0 ID c"));
    server.wait_blocked(0);
    assert_eq!(server.run("LATCH.GET k"), int(2));
}

#[test]
fn with_an_id_that_is_recorded_it_only_waits() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, null) in server.clients() {
        client.run("LATCH.SET k 3");
        assert_eq!(client.run("LATCH.COUNTDOWN k ID a"), int(2));
        for line in ["LATCH.ARRIVE k 0.01 ID a", "LATCH.ARRIVE k 0.01 id a"] {
            assert_eq!(witness.sees_nothing("k", || client.run(line)), null, "{line}");
        }
        let mut first = server.parked("LATCH.ARRIVE k 0 ID b");
        let mut again = server.parked("LATCH.ARRIVE k 0 ID b");
        // Though one is missing, who has arrived does not open it.
        assert_eq!(client.run("LATCH.GET k"), int(1));
        let mut once_more = server.parked("LATCH.ARRIVE k 0 ID a");
        assert_eq!(client.run("LATCH.ARRIVE k 0 ID c"), ok());
        for waiter in [&mut first, &mut again, &mut once_more] {
            waiter.receives_only(&ok());
        }
    }
}

#[test]
fn the_last_arrival_opens() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    client.run("LATCH.SET k 1");
    let (reply, seen) = witness.see("k", || client.run("LATCH.ARRIVE k 0 ID a"));
    assert_eq!(reply, ok());
    assert_eq!(seen.events, ["latch.countdown k", "latch.open k", "del k"]);
    assert_eq!(seen.propagated, ["LATCH.COUNTDOWN k 1 ID a"]);
    assert!(seen.broke_watch && seen.changed_data);
}

#[test]
fn arriving_at_what_is_missing_or_open_is_ok_and_changes_nothing() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        for before in ["DEL k", "LATCH.SET k 0", "LATCH.SET k 0 LINGER 100"] {
            client.run(before);
            for line in ["LATCH.ARRIVE k 0 ID a", "LATCH.ARRIVE k 1.5 MISSING OPEN ID a"] {
                let reply = witness.sees_nothing("k", || client.run(line));
                assert_eq!(reply, ok(), "{line} after {before}");
            }
        }
        client.run("DEL k");
    }
}

#[test]
fn where_nobody_may_block_it_counts_and_answers_what_it_knows() {
    let server = Server::new();
    let script = "return redis.call('LATCH.ARRIVE', KEYS[1], 0, 'ID', ARGV[1])";
    for (mut client, null) in server.clients() {
        let mut waiters = Vec::new();
        for in_script in [false, true] {
            let arrive = |client: &mut Client, id: &str| match in_script {
                true => client.call(["EVAL", script, "1", "k", id]),
                false => {
                    let line = format!("LATCH.ARRIVE k 0 ID {id}");
                    client.transaction(&[&line]).items()[0].clone()
                }
            };
            client.run("LATCH.SET k 3");
            waiters.push(server.parked("LATCH.AWAIT k 0"));
            for (id, left) in [("a", 2), ("a", 2), ("b", 1)] {
                assert_eq!(arrive(&mut client, id), null, "in a script: {in_script}");
                assert_eq!(client.run("LATCH.GET k"), int(left));
            }
            assert_eq!(arrive(&mut client, "c"), ok(), "the last");
            assert_eq!(arrive(&mut client, "c"), ok(), "it is open");
            client.run("LATCH.SET k 2");
            client.run("LATCH.COUNTDOWN k ID a");
            assert_eq!(client.transaction(&["LATCH.ARRIVE k 0 ID a"]).items(), from_ref(&null));
            assert_eq!(client.run("LATCH.GET k"), int(1), "was counted before");
            client.run("DEL k");
        }
        for waiter in &mut waiters {
            waiter.receives_only(&ok());
        }
    }
}

#[test]
fn what_ends_other_waits_ends_this_one() {
    let server = Server::new();
    for (end, told) in [
        ("DEL k", gone()),
        ("FLUSHALL", gone()),
        ("RENAME k l", gone()),
        ("LATCH.ABORT k no", aborted("no")),
        ("LATCH.SET k 0", ok()),
        ("LATCH.COUNTDOWN k 2", ok()),
    ] {
        server.run("LATCH.SET k 3");
        let mut waiter = server.parked("LATCH.ARRIVE k 0 ID a");
        server.run(end);
        waiter.receives_only(&told);
    }
    server.run("LATCH.SET k 3 PX 200");
    server.parked("LATCH.ARRIVE k 0 ID a").receives_only(&expired());
}

#[test]
fn a_latch_that_is_set_again_has_the_arrivals_wait_for_the_new_count() {
    let server = Server::new();
    server.run("LATCH.SET k 2");
    let mut waiter = server.parked("LATCH.ARRIVE k 0 ID a");
    assert_eq!(server.run("LATCH.SET k 2"), ok());
    assert_eq!(server.run("LATCH.COUNTDOWN k ID a"), int(1), "ids were cleared");
    server.wait_parked(&waiter);
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
}

#[test]
fn who_finds_no_place_to_wait_has_not_arrived() {
    let server = Server::new();
    server.run("LATCH.SET k 3");
    server.run("LATCH.COUNTDOWN k ID a");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    for (setting, refusal) in [
        ("latch.max-waiters 1", error(FULL)),
        ("maxmemory 1", error("OOM command not allowed when used memory > 'maxmemory'.")),
    ] {
        assert_eq!(client.run(&format!("CONFIG SET {setting}")), ok());
        for line in [
            "LATCH.ARRIVE k 0.01 ID new",
            "LATCH.ARRIVE k 0 ID new",
            "LATCH.ARRIVE k 0 ID new MISSING ERROR",
            "LATCH.ARRIVE k 0 ID a",
        ] {
            let reply = witness.sees_nothing("k", || client.run(line));
            assert_eq!(reply, refusal, "{line} with {setting}");
        }
        let script = "return redis.call('LATCH.ARRIVE', KEYS[1], 0, 'ID', 'a')";
        assert_eq!(client.call(["EVAL", script, "1", "k"]), Reply::NullBulk, "parks nobody");
        server.wait_parked(&waiter);
    }
    // The last one does not wait, so there is place for it.
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(1));
    assert_eq!(client.run("LATCH.ARRIVE k 0 ID b"), ok());
    waiter.receives_only(&ok());
}

#[test]
fn what_is_wrong_is_refused_and_not_counted() {
    const NOT_A_FLOAT: &str = "ERR timeout is not a float or out of range";
    const WRONG_NUMBER: &str = "ERR wrong number of arguments for 'latch.arrive' command";
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        for before in ["LATCH.SET k 5", "LATCH.SET k 1", "DEL k", "LATCH.SET k 0 LINGER 100"] {
            client.run(before);
            for (line, text) in [
                ("LATCH.ARRIVE k x ID a", NOT_A_FLOAT),
                ("LATCH.ARRIVE k nan ID a", NOT_A_FLOAT),
                ("LATCH.ARRIVE k ID a b", NOT_A_FLOAT),
                ("LATCH.ARRIVE k -1 ID a", "ERR timeout is negative"),
                ("LATCH.ARRIVE k 1e400 ID a", "ERR timeout is out of range"),
                ("LATCH.ARRIVE k 0 ID a b", SYNTAX),
                ("LATCH.ARRIVE k 0 ID a ID a", SYNTAX),
                ("LATCH.ARRIVE k 0 ID a MISSING WAIT", SYNTAX),
                ("LATCH.ARRIVE k 0 ID a MISSING", SYNTAX),
                ("LATCH.ARRIVE k 0 MISSING ERROR", SYNTAX),
                ("LATCH.ARRIVE k 0 a b", SYNTAX),
                ("LATCH.ARRIVE k 0 ID", WRONG_NUMBER),
                ("LATCH.ARRIVE k 0", WRONG_NUMBER),
                ("LATCH.ARRIVE k", WRONG_NUMBER),
            ] {
                let reply = witness.sees_nothing("k", || client.run(line));
                assert_eq!(reply, error(text), "{line} after {before}");
            }
            for id in [&b""[..], &[b'x'; 1025]] {
                let call = || client.call(cmd!["LATCH.ARRIVE", "k", "0", "ID", id]);
                let reply = witness.sees_nothing("k", call);
                assert!(reply.error().starts_with("ERR "), "{reply:?}");
            }
        }
        client.run("DEL k");
        client.run("SET k 1");
        let reply = witness.sees_nothing("k", || client.run("LATCH.ARRIVE k 0 ID a"));
        assert_eq!(reply, error(WRONG_TYPE));
        client.run("DEL k");
    }
}

#[test]
fn nobody_arrives_on_a_replica_but_arrivals_are_seen_there() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    master.run("LATCH.SET k 2");
    replica.wait_in_sync(&master);
    let mut waiter = replica.parked("LATCH.AWAIT k 0");
    for line in ["LATCH.ARRIVE missing 0 ID a", "LATCH.ARRIVE k 0 ID a"] {
        let reply = replica.run(line);
        assert!(reply.error().starts_with("READONLY "), "{line}: {reply:?}");
    }
    assert_eq!(replica.run("LATCH.GET k"), int(2));
    let mut first = master.parked("LATCH.ARRIVE k 0 ID a");
    replica.wait_in_sync(&master);
    assert_eq!(replica.run("LATCH.ARRIVED k"), array(["a"]));
    assert_eq!(replica.digest(), master.digest());
    replica.wait_parked(&waiter);
    assert_eq!(master.run("LATCH.ARRIVE k 0 ID b"), ok());
    first.receives_only(&ok());
    waiter.receives_only(&ok());
}

#[test]
fn an_answered_arrival_survives_a_crash() {
    let mut server =
        Server::builder().config("appendonly", "yes").config("appendfsync", "always").start();
    server.run("LATCH.SET k 3");
    assert_eq!(server.run("LATCH.ARRIVE k 0.01 ID a"), Reply::NullBulk);
    server.kill9();
    server.start_again();
    assert_eq!(server.run("LATCH.ARRIVE k 0.01 ID a"), Reply::NullBulk, "asked again");
    assert_eq!(server.run("LATCH.GET k"), int(2));
    server.run("LATCH.COUNTDOWN k");
    assert_eq!(server.run("LATCH.ARRIVE k 0 ID b"), ok());
}
