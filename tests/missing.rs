//! `LATCH.AWAIT key timeout MISSING OPEN|ERROR|WAIT`: what a key that does not
//! exist is to a client that comes to wait.

mod common;

use std::slice::from_ref;
use std::time::Duration;

use common::*;

/// How long it may take until a latch is seen that came by a way for which
/// there is no event: a look within a second, and time for the rest.
const SOON: Duration = Duration::from_secs(4);

/// What parks until there is a latch at `k`.
const WAIT: &str = "LATCH.AWAIT k 0 MISSING WAIT";

#[test]
fn a_missing_latch_is_what_the_client_says() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, null) in server.clients() {
        for (line, answer) in [
            ("LATCH.AWAIT k 0", ok()),
            ("LATCH.AWAIT k 0 MISSING OPEN", ok()),
            ("LATCH.AWAIT k 0 missing open", ok()),
            ("LATCH.AWAIT k 0 MISSING ERROR", error(NO_LATCH)),
            ("LATCH.AWAIT k 1 Missing Error", error(NO_LATCH)),
            ("LATCH.AWAIT k 0.01 MISSING WAIT", null.clone()),
            ("LATCH.AWAIT k 0.01 missing wait", null.clone()),
        ] {
            let reply = witness.sees_nothing("k", || client.run(line));
            assert_eq!(reply, answer, "{line}");
            if !line.contains("0.01") {
                let replies = client.transaction(&[line]);
                assert_eq!(replies.items(), [answer], "{line} in a transaction");
            }
        }
        assert_eq!(client.transaction(&[WAIT]).items(), from_ref(&null));
        let script = "return redis.pcall('LATCH.AWAIT', KEYS[1], 0, 'MISSING', ARGV[1])";
        for (missing, answer) in [("OPEN", ok()), ("ERROR", error(NO_LATCH)), ("WAIT", null)] {
            let reply = client.call(["EVAL", script, "1", "k", missing]);
            assert_eq!(reply, answer, "{missing} in a script");
        }
    }
}

#[test]
fn a_latch_that_is_there_is_the_same_to_all() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, null) in server.clients() {
        for missing in ["OPEN", "ERROR", "WAIT"] {
            for (before, answer) in [
                (&["LATCH.SET k 1"][..], null.clone()),
                (&["LATCH.SET k 0 LINGER 100"], ok()),
                (&["LATCH.SET k 1", "LATCH.ABORT k no"], aborted("no")),
                (&["DEL k", "SET k 1"], error(WRONG_TYPE)),
            ] {
                before.iter().for_each(|line| _ = client.run(line));
                let line = format!("LATCH.AWAIT k 0.01 MISSING {missing}");
                let reply = witness.sees_nothing("k", || client.run(&line));
                assert_eq!(reply, answer, "{missing} after {before:?}");
                client.run("DEL k");
            }
        }
    }
}

#[test]
fn options_that_are_none_are_refused() {
    let server = Server::new();
    let mut client = server.client();
    for before in ["DEL k", "LATCH.SET k 1"] {
        client.run(before);
        for options in [
            "MISSING",
            "MISSING FOO",
            "MISSING WAITING",
            "OPEN",
            "WAIT",
            "MISSING OPEN ERROR",
            "MISSING OPEN MISSING OPEN",
            "MISSING OPEN MISSING WAIT",
            "ID a",
        ] {
            let reply = client.run(&format!("LATCH.AWAIT k 0 {options}"));
            assert_eq!(reply, error(SYNTAX), "{options} after {before}");
        }
    }
    assert_eq!(server.info("blocked_clients"), "0");
}

#[test]
fn a_client_waits_for_the_latch_to_come_and_then_to_open() {
    let server = Server::new();
    let mut client = server.client();
    let mut waiters = server.crowd(3, WAIT);
    let mut third = server.client3();
    third.send_line("LATCH.AWAIT k 1000 MISSING WAIT");
    server.wait_parked(&third);
    waiters.push(third);
    for refused in ["LATCH.SET k 2 XX", "LATCH.SET k 2 EX 0", "LATCH.COUNTDOWN k", "DEL k"] {
        client.run(refused);
        server.wait_blocked(4);
    }
    assert_eq!(client.run("LATCH.SET k 2 NX"), ok());
    waiters.push(server.parked("LATCH.AWAIT k 0"));
    assert_eq!(client.run("LATCH.INFO k").field("waiters"), &int(5));
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(1));
    server.wait_blocked(5);
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
    for waiter in &mut waiters {
        waiter.receives_only(&ok());
    }
}

#[test]
fn a_latch_that_is_made_open_is_told_of_if_it_releases() {
    let server = Server::new();
    let mut events = Events::open(&server);
    server.run("LATCH.SET k 0");
    assert_eq!(events.so_far(), [""; 0], "nobody waited");
    let mut waiter = server.parked(WAIT);
    server.run("LATCH.SET k 0");
    waiter.receives_only(&ok());
    assert_eq!(events.so_far(), ["latch.set k", "latch.open k"]);
}

#[test]
fn a_latch_that_is_made_open_releases() {
    let server = Server::new();
    for line in ["LATCH.SET k 0", "LATCH.SET k 0 NX", "LATCH.SET k 0 LINGER 100"] {
        let mut waiters = server.crowd(3, WAIT);
        let mut elsewhere = server.parked_in(1, WAIT);
        assert_eq!(server.run(line), ok());
        for waiter in &mut waiters {
            waiter.receives_only(&ok());
        }
        server.wait_parked(&elsewhere);
        assert_eq!(server.run("EXISTS k"), int(line.contains("LINGER").into()), "{line}");
        server.run("FLUSHALL");
        server.run("SWAPDB 0 1");
        server.wait_parked(&elsewhere);
        let unblock = format!("CLIENT UNBLOCK {}", elsewhere.id());
        assert_eq!(server.run(&unblock), int(1));
        elsewhere.receives_only(&Reply::NullBulk);
    }
    server.wait_blocked(0);
}

#[test]
fn made_and_opened_in_one_transaction_it_has_opened() {
    let server = Server::new();
    let mut client = server.client();
    let mut waiter = server.parked(WAIT);
    client.transaction(&["LATCH.SET k 2", "LATCH.COUNTDOWN k 2"]);
    waiter.receives_only(&ok());
    // One that follows is another round.
    let mut waiter = server.parked(WAIT);
    client.transaction(&["LATCH.SET k 1", "LATCH.COUNTDOWN k", "LATCH.SET k 1"]);
    waiter.receives_only(&ok());
    client.run("DEL k");
    // And one that was set to wait for stays: nothing has opened.
    let mut waiter = server.parked(WAIT);
    client.transaction(&["LATCH.SET k 1", "LATCH.SET k 2", "LATCH.COUNTDOWN k"]);
    server.wait_parked(&waiter);
    client.run("LATCH.COUNTDOWN k");
    waiter.receives_only(&ok());
}

#[test]
fn a_latch_that_came_and_went_is_gone() {
    let server = Server::new();
    for (lines, told) in [
        (&["LATCH.SET k 2", "DEL k"][..], gone()),
        (&["LATCH.SET k 2", "UNLINK k"], gone()),
        (&["LATCH.SET k 2", "RENAME k l"], gone()),
        (&["LATCH.SET k 2", "SET k string"], gone()),
        (&["LATCH.SET k 2", "FLUSHALL"], gone()),
        (&["LATCH.SET k 2", "SWAPDB 0 1"], gone()),
        (&["LATCH.SET l 2", "RENAME l k", "DEL k"], gone()),
        (&["LATCH.SET k 2", "LATCH.ABORT k no"], aborted("no")),
        (&["LATCH.SET l 2", "COPY l k", "LATCH.ABORT k no"], aborted("no")),
    ] {
        let mut client = server.client();
        let mut waiter = server.parked(WAIT);
        for line in lines {
            assert!(!matches!(client.run(line), Reply::Error(_)), "{line}");
        }
        assert_eq!(waiter.receive_within(SOON), Some(told), "{lines:?}");
        client.run("FLUSHALL");
    }
    let mut waiter = server.parked(WAIT);
    server.run("LATCH.SET k 2 PX 50");
    assert_eq!(waiter.receive_within(SOON), Some(expired()));
}

#[test]
fn what_removes_nothing_of_theirs_keeps_the_clients_waiting() {
    let server = Server::new();
    let mut client = server.client();
    let mut waiter = server.parked(WAIT);
    for line in [
        "FLUSHALL",
        "FLUSHDB ASYNC",
        "DEL k",
        "SWAPDB 0 1",
        "DEBUG RELOAD",
        "SET k string",
        "DEL k",
        "RPUSH k x",
        "FLUSHALL",
        "LATCH.SET l 1",
        "RENAME l m",
        "DEL m",
    ] {
        client.run(line);
        waiter.nothing_within(Duration::from_millis(1));
        server.wait_parked(&waiter);
    }
    // Nor does the sweep find anything in the meantime.
    waiter.nothing_within(Duration::from_millis(1200));
    client.run("LATCH.SET k 1");
    client.run("LATCH.COUNTDOWN k");
    waiter.receives_only(&ok());
}

/// Ways by which a latch comes to `k` from elsewhere, with no `LATCH.SET`.
/// Before each, `l` and `k` of database 1 hold it.
const ARRIVALS: [&[&str]; 6] = [
    &["RENAME l k"],
    &["RENAMENX l k"],
    &["COPY l k"],
    &["SELECT 1", "MOVE k 0"],
    &["SWAPDB 0 1"],
    &["RESTORE"],
];

/// Runs one of them.
fn bring(client: &mut Client, lines: &[&str]) {
    let Reply::Bulk(payload) = client.run("DUMP l") else { panic!("no payload") };
    for line in lines {
        let reply = match *line {
            "RESTORE" => client.call(cmd!["RESTORE", "k", "0", payload]),
            line => client.run(line),
        };
        assert!(matches!(reply, Reply::Simple(_) | Reply::Int(1)), "{line}: {reply:?}");
    }
    client.run("SELECT 0");
}

/// Makes latches in both places by these commands on `k`, and leaves none at
/// `k` of database 0.
fn make(client: &mut Client, lines: &[&str]) {
    client.run("FLUSHALL");
    for db in [1, 0] {
        client.run(&format!("SELECT {db}"));
        lines.iter().for_each(|line| _ = client.run(line));
    }
    assert_eq!(client.run("RENAME k l"), ok());
}

#[test]
fn a_latch_that_comes_in_any_way_is_waited_for() {
    let server = Server::new();
    let mut client = server.client();
    for lines in ARRIVALS {
        make(&mut client, &["LATCH.SET k 2"]);
        let mut waiters = server.crowd(2, WAIT);
        bring(&mut client, lines);
        assert_eq!(client.run("LATCH.COUNTDOWN k"), int(1), "{lines:?}");
        server.wait_blocked(2);
        assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0), "{lines:?}");
        for waiter in &mut waiters {
            waiter.receives_only(&ok());
        }
    }
}

#[test]
fn a_latch_that_came_without_a_word_is_soon_known() {
    let server = Server::new();
    let mut client = server.client();
    make(&mut client, &["LATCH.SET k 2"]);
    let mut waiter = server.parked(WAIT);
    bring(&mut client, &["RENAME l k"]);
    // The sweep has seen it by then.
    waiter.nothing_within(Duration::from_millis(1200));
    server.wait_parked(&waiter);
    assert_eq!(client.run("FLUSHALL"), ok());
    waiter.receives_only(&gone());
}

#[test]
fn a_latch_that_comes_open_or_aborted_is_found() {
    let server = Server::new();
    let mut client = server.client();
    for lines in ARRIVALS {
        for (made, told) in [
            (&["LATCH.SET k 0 LINGER 100"][..], ok()),
            (&["LATCH.SET k 1", "LATCH.ABORT k no"], aborted("no")),
        ] {
            make(&mut client, made);
            let mut waiters = server.crowd(2, WAIT);
            bring(&mut client, lines);
            for waiter in &mut waiters {
                waiter.receives_within(SOON, &told);
            }
        }
    }
}

#[test]
fn a_latch_that_came_from_elsewhere_may_go_again() {
    let server = Server::new();
    let mut client = server.client();
    for lines in ARRIVALS {
        make(&mut client, &["LATCH.SET k 2"]);
        let mut waiter = server.parked(WAIT);
        bring(&mut client, lines);
        assert_eq!(client.run("DEL k"), int(1));
        waiter.receives_only(&gone());
    }
}

#[test]
fn clients_of_a_replica_wait_for_a_latch_of_the_master() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    replica.wait_in_sync(&master);
    for (opening, told) in [
        (&["LATCH.SET k 2", "LATCH.COUNTDOWN k", "LATCH.COUNTDOWN k"][..], ok()),
        (&["LATCH.SET k 2", "LATCH.SET k 0"], ok()),
        (&["LATCH.SET k 0 LINGER 1000"], ok()),
        (&["LATCH.SET l 1", "RENAME l k", "LATCH.COUNTDOWN k"], ok()),
        (&["LATCH.SET k 2", "LATCH.ABORT k no"], aborted("no")),
        (&["LATCH.SET k 2", "DEL k"], gone()),
    ] {
        let mut waiter = replica.parked(WAIT);
        assert_eq!(replica.run("LATCH.AWAIT k 0 MISSING ERROR"), error(NO_LATCH));
        opening.iter().for_each(|line| _ = master.run(line));
        waiter.receives_only(&told);
        master.run("FLUSHALL");
        replica.wait_in_sync(&master);
    }
    // One who waits on the master has a share in what the replica is told.
    let mut waiters = [&master, &replica].map(|server| server.parked(WAIT));
    assert_eq!(master.run("LATCH.SET k 0"), ok());
    for waiter in &mut waiters {
        waiter.receives_only(&ok());
    }
}

#[test]
fn a_latch_that_comes_with_a_whole_dataset_is_waited_for() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    replica.wait_in_sync(&master);
    let mut waiter = replica.parked(WAIT);
    let lines = ["CLIENT KILL TYPE replica", "DEBUG CHANGE-REPL-ID", "LATCH.SET k 2"];
    master.client().transaction(&lines);
    replica.wait_in_sync(&master);
    replica.wait_parked(&waiter);
    assert_eq!(replica.run("LATCH.GET k"), int(2));
    master.run("LATCH.COUNTDOWN k 2");
    waiter.receives_only(&ok());
}

#[test]
fn a_latch_that_was_over_before_a_client_came_is_not_the_one_that_it_waits_for() {
    let server = Server::new();
    if !server.tells_of_expiries() {
        return; // there it is a removal, as any other
    }
    server.run("LATCH.SET k 1 PX 1");
    // Meanwhile nothing is removed.
    assert_eq!(server.run("CLIENT PAUSE 100000 WRITE"), ok());
    eventually("the time to pass", PATIENCE, || {
        let reply = server.run("LATCH.AWAIT k 0.001 MISSING ERROR");
        (reply == error("NOLATCH there is no latch at this key")).then_some(())
    });
    let mut waiter = server.parked("LATCH.AWAIT k 0 MISSING WAIT");
    assert_eq!(server.run("CLIENT UNPAUSE"), ok());
    eventually("the removal", PATIENCE, || (server.run("DBSIZE") == int(0)).then_some(()));
    server.wait_parked(&waiter);
    assert_eq!(server.run("LATCH.SET k 1"), ok());
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
}
