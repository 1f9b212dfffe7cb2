//! What is propagated, to the letter, and life on a replica.

mod common;

use std::time::Duration;

use common::*;

/// What is propagated, a line for each command.
fn lines(stream: &mut Stream) -> Vec<String> {
    let commands = stream.so_far();
    commands.iter().map(|words| words.join(" ")).collect()
}

/// What the server propagates when it deletes a key that has expired.
fn deletion_of(server: &Server, key: &str) -> String {
    let lazily = server.run("CONFIG GET lazyfree-lazy-expire");
    let verb = match lazily.items()[1].text().as_str() {
        "yes" => "UNLINK",
        _ => "DEL",
    };
    format!("{verb} {key}")
}

/// Runs `line` after `before`, and expects `propagated` of it and no more.
#[track_caller]
fn expect(server: &Server, before: &[&str], line: &str, propagated: &[&str]) {
    let (mut client, mut stream) = (server.client(), Stream::open(server));
    client.run("FLUSHALL");
    for line in before {
        client.run(line);
    }
    stream.so_far();
    let reply = client.run(line);
    assert_eq!(lines(&mut stream), propagated, "{line}: {reply:?}");
}

#[test]
fn a_relative_time_to_live_is_propagated_as_a_point_in_time() {
    let server = Server::new();
    let (mut client, mut stream) = (server.client(), Stream::open(&server));
    for (options, millis) in
        [("EX 100", 100_000), ("PX 5000", 5_000), ("XX PX 7000", 7_000), ("ex 1000", 1_000_000)]
    {
        let earliest = client.time() + millis;
        assert_eq!(client.run(&format!("LATCH.SET k 5 {options}")), ok());
        let latest = client.time() + millis;
        let at = client.run("PEXPIRETIME k").int();
        assert!((earliest..=latest).contains(&at), "{options}");
        assert_eq!(lines(&mut stream), [format!("LATCH.SET k 5 PXAT {at}")]);
    }
}

#[test]
fn a_point_in_time_is_propagated_in_milliseconds() {
    let server = Server::new();
    let at = "LATCH.SET k 5 PXAT 99999999999000";
    expect(&server, &[], "LATCH.SET k 5 PXAT 99999999999000", &[at]);
    expect(&server, &[], "LATCH.SET k 5 EXAT 99999999999", &[at]);
    expect(&server, &[], "latch.set k 5 nx exat 99999999999", &[at]);
}

#[test]
fn a_condition_that_was_met_is_left_out() {
    let server = Server::new();
    let there = ["LATCH.SET k 3 EX 1000"];
    let set = "LATCH.SET k 5";
    expect(&server, &[], set, &[set]);
    expect(&server, &there, set, &[set]);
    expect(&server, &[], "LATCH.SET k 5 NX", &[set]);
    expect(&server, &there, "LATCH.SET k 5 XX", &[set]);
    for line in ["LATCH.SET k 5 KEEPTTL", "LATCH.SET k 5 XX KEEPTTL", "LATCH.SET k 5 keepttl xx"] {
        expect(&server, &there, line, &["LATCH.SET k 5 KEEPTTL"]);
    }
    expect(&server, &[], "LATCH.SET k 5 KEEPTTL NX", &["LATCH.SET k 5 KEEPTTL"]);
}

#[test]
fn a_countdown_is_propagated_as_it_came() {
    let server = Server::new();
    let there = ["LATCH.SET k 9 EX 1000"];
    for line in ["LATCH.COUNTDOWN k", "LATCH.COUNTDOWN k 3"] {
        expect(&server, &there, line, &[line]);
    }
}

#[test]
fn an_opening_is_propagated_as_what_opened_the_latch_and_not_as_a_deletion() {
    let server = Server::new();
    let there = ["LATCH.SET k 9 EX 1000"];
    for line in ["LATCH.COUNTDOWN k 9", "LATCH.COUNTDOWN k 9223372036854775807", "LATCH.SET k 0"] {
        expect(&server, &there, line, &[line]);
    }
    for line in ["LATCH.SET k 0 XX", "LATCH.SET k 0 EX 5"] {
        expect(&server, &there, line, &["LATCH.SET k 0"]);
    }
}

#[test]
fn what_changes_nothing_is_not_propagated() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 5 EX 1000");
    client.run("SET string x");
    let before = server.digest();
    let mut stream = Stream::open(&server);
    for line in [
        // Without effect.
        "LATCH.COUNTDOWN missing",
        "LATCH.COUNTDOWN missing 5",
        "LATCH.SET k 7 NX",
        "LATCH.SET k 0 NX",
        "LATCH.SET missing 7 XX",
        "LATCH.SET missing 0",
        "LATCH.SET missing 0 EX 10",
        "LATCH.SET missing 0 XX",
        "LATCH.GET k",
        "LATCH.GET missing",
        "LATCH.AWAIT missing 0",
        "LATCH.AWAIT k 0.001",
        // Refused.
        "LATCH.SET k",
        "LATCH.SET k x",
        "LATCH.SET k -1",
        "LATCH.SET k 7 EX 0",
        "LATCH.SET k 7 NX XX",
        "LATCH.SET k 7 FOO",
        "LATCH.COUNTDOWN k 0",
        "LATCH.COUNTDOWN k x",
        "LATCH.COUNTDOWN k 1 1",
        "LATCH.AWAIT k -1",
        "LATCH.SET string 7",
        "LATCH.SET string 0",
        "LATCH.SET string 7 NX",
        "LATCH.COUNTDOWN string",
        "LATCH.AWAIT string 0",
        "LATCH.GET string",
    ] {
        let reply = client.run(line);
        assert_eq!(lines(&mut stream), [""; 0], "{line}: {reply:?}");
    }
    let nothing = client.transaction(&["LATCH.COUNTDOWN missing", "LATCH.AWAIT k 0"]);
    assert_eq!(nothing, array([int(0), Reply::NullBulk]));
    assert_eq!(lines(&mut stream), [""; 0]);
    assert_eq!(server.digest(), before);
}

#[test]
fn a_wait_is_not_propagated_and_neither_is_its_end() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut stream = Stream::open(&server);
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    assert_eq!(lines(&mut stream), [""; 0]);
    server.run("LATCH.COUNTDOWN k");
    assert_eq!(waiter.receive(), ok());
    assert_eq!(lines(&mut stream), ["LATCH.COUNTDOWN k"]);
}

#[test]
fn a_transaction_and_a_script_are_propagated_as_one() {
    let server = Server::new();
    let (mut client, mut stream) = (server.client(), Stream::open(&server));
    let one = ["MULTI", "LATCH.SET k 2", "LATCH.COUNTDOWN k", "LATCH.COUNTDOWN k", "EXEC"];
    client.transaction(&[
        "LATCH.SET k 2 NX",
        "LATCH.COUNTDOWN k",
        "LATCH.COUNTDOWN missing",
        "LATCH.COUNTDOWN k",
        "LATCH.COUNTDOWN k",
    ]);
    assert_eq!(lines(&mut stream), one);
    let script = "redis.call('LATCH.SET', KEYS[1], 2, 'NX')
        for _ = 1, 3 do redis.call('LATCH.COUNTDOWN', KEYS[1]) end";
    client.call(["EVAL", script, "1", "k"]);
    assert_eq!(lines(&mut stream), one);
}

#[test]
fn expiry_is_propagated_as_a_deletion() {
    let server = Server::new();
    let (mut client, mut stream) = (server.client(), Stream::open(&server));
    let set = "LATCH.SET k 5 PXAT 1";
    let deletion = deletion_of(&server, "k");
    client.run(set);
    eventually("the latch to expire", PATIENCE, || (server.run("DBSIZE") == int(0)).then_some(()));
    assert_eq!(lines(&mut stream), [set, &deletion]);

    // Found to have expired by a command, which then goes on.
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    for (line, propagated) in [
        ("LATCH.COUNTDOWN k", None),
        ("LATCH.AWAIT k 0", None),
        ("LATCH.GET k", None),
        ("LATCH.SET k 0", None),
        ("LATCH.SET k 7 XX", None),
        ("LATCH.SET k 7 NX", Some("LATCH.SET k 7")),
    ] {
        client.run(set);
        assert_eq!(lines(&mut stream), [set]);
        client.run(line);
        let mut found = lines(&mut stream);
        found.retain(|line| line != "MULTI" && line != "EXEC");
        let expected = [Some(deletion.as_str()), propagated];
        assert!(found.iter().eq(expected.iter().flatten()), "{line}: {found:?}");
    }
}

/// A master, and a replica that is in sync.
fn pair() -> (Server, Server) {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    replica.wait_in_sync(&master);
    (master, replica)
}

#[test]
fn a_replica_has_what_its_master_has() {
    let (master, early) = pair();
    make_latches(&master);
    let late = Server::builder().replica_of(&master).start();
    for replica in [&early, &late] {
        replica.wait_in_sync(&master);
        assert_eq!(replica.contents(), master.contents());
    }
    assert_eq!(late.run("LATCH.GET counted"), int(4));
}

#[test]
fn a_replica_is_read_only() {
    let (master, replica) = pair();
    master.run("LATCH.SET k 5");
    replica.wait_in_sync(&master);
    for line in ["LATCH.SET k 3", "LATCH.SET new 3", "LATCH.COUNTDOWN k"] {
        let reply = replica.run(line);
        assert!(reply.error().starts_with("READONLY "), "{line}: {reply:?}");
    }
    assert_eq!(replica.run("LATCH.GET k"), int(5));
    assert_eq!(replica.run("LATCH.AWAIT missing 0"), ok());
    assert_eq!(replica.run("LATCH.AWAIT k 0.001"), Reply::NullBulk);
}

#[test]
fn a_countdown_on_the_master_releases_those_who_wait_on_replicas() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().tcp().replica_of(&master).start();
    let second = Server::builder().replica_of(&replica).start();
    master.run("LATCH.SET k 2");
    master.run("LATCH.SET reset 2");
    second.wait_in_sync(&master);
    for (key, opening) in [("k", "LATCH.COUNTDOWN k 2"), ("reset", "LATCH.SET reset 0")] {
        let await_key = format!("LATCH.AWAIT {key} 0");
        let mut waiters = [&master, &replica, &second].map(|server| server.parked(&await_key));
        master.run(opening);
        for waiter in &mut waiters {
            waiter.receives_only(&ok());
        }
        second.wait_in_sync(&master);
        assert_eq!(second.run(&format!("EXISTS {key}")), int(0));
    }
}

/// How long a replica may take to tell its clients of something for which
/// the server has no event: a look within a second, and time for the rest.
const SOON: Duration = Duration::from_secs(2);

#[test]
fn whatever_removes_a_latch_on_the_master_ends_the_waits_on_a_replica() {
    let (master, replica) = pair();
    for removal in [
        "DEL k",
        "UNLINK k",
        "SET k string",
        "RENAME k other",
        "MOVE k 1",
        "COPY source k REPLACE",
        "FLUSHDB",
        "FLUSHALL ASYNC",
        "SWAPDB 0 1",
        "SWAPDB 5 0",
        "PEXPIREAT k 1",
        "PEXPIRE k 1",
        "LATCH.SET k 5 PXAT 1",
    ] {
        let mut client = master.client();
        client.run("FLUSHALL");
        client.run("LATCH.SET k 5");
        client.run("LATCH.SET source 5");
        replica.wait_in_sync(&master);
        let mut waiter = replica.parked("LATCH.AWAIT k 0");
        assert!(!matches!(client.run(removal), Reply::Error(_)), "{removal}");
        let reply = waiter.receive_within(SOON);
        let by_time = removal.contains("PEXPIRE") || removal.contains("PXAT");
        assert!(
            reply == Some(gone()) || by_time && reply == Some(expired()),
            "{removal}: {reply:?}"
        );
    }
}

#[test]
fn a_latch_that_expires_while_the_master_is_silent_ends_the_waits_on_a_replica() {
    let (master, replica) = pair();
    master.run("DEBUG SET-ACTIVE-EXPIRE 0");
    master.run("LATCH.SET k 5");
    replica.wait_in_sync(&master);
    let mut waiter = replica.parked("LATCH.AWAIT k 0");
    master.run("PEXPIRE k 100");
    let reply = waiter.receive_within(SOON);
    assert!([Some(gone()), Some(expired())].contains(&reply), "{reply:?}");
    for server in [&master, &replica] {
        assert_eq!(server.run("DBSIZE"), int(1), "nobody has deleted it");
    }
    assert_eq!(replica.run("LATCH.AWAIT k 0"), ok());
    assert_eq!(replica.run("LATCH.GET k"), int(0));
}

#[test]
fn what_the_master_did_in_time_counts_on_a_replica_that_is_late() {
    let (master, replica) = pair();
    let mut sleeper = replica.client();
    sleeper.send_line("DEBUG SLEEP 1.2");
    let mut client = master.client();
    client.run("LATCH.SET k 5 PX 600");
    client.run("LATCH.SET opened 1 PX 600");
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(4));
    assert_eq!(client.run("LATCH.COUNTDOWN opened"), int(0));
    assert_eq!(client.run("PERSIST k"), int(1));
    assert_eq!(sleeper.receive(), ok());
    replica.wait_in_sync(&master);
    assert_eq!(replica.run("LATCH.GET k"), int(4));
    assert_eq!(replica.contents(), master.contents());
}
