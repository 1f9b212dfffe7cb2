//! A round has one end, and it is told as what it was: nothing that happens to the
//! key afterwards changes it, and whatever removes a latch after its time finds that
//! it has expired.

mod common;

use std::time::Duration;

use common::*;

/// How late clients are told of an expiry, and a little for a busy machine.
const SOON: Duration = Duration::from_millis(1200 + 500);

/// Sends all of this in one go, so that nobody looks at a key in between; the
/// replies.
#[track_caller]
fn in_one_go(client: &mut Client, lines: &[&str]) -> Vec<Reply> {
    client.send_raw((lines.join("\r\n") + "\r\n").as_bytes());
    lines.iter().map(|_| client.receive()).collect()
}

/// Panics with how many were told what, unless all of them were told this.
#[track_caller]
fn all_receive(waiters: &mut [Client], expected: &Reply, what: &str) {
    let told: Vec<_> = waiters.iter_mut().map(Client::receive).collect();
    let others: Vec<_> = told.iter().filter(|reply| *reply != expected).collect();
    assert!(
        others.is_empty(),
        "{what}: {} of {} were told {:?}",
        others.len(),
        told.len(),
        others.first()
    );
    for waiter in waiters {
        assert_eq!(waiter.run("PING"), Reply::Simple("PONG".into()), "{what}: twice?");
    }
}

// What comes after the end

/// A removal is told to a crowd one by one, while a string takes the place of the
/// latch and expires.
fn a_crowd_is_told_of_the_removal(removal: &[&str], when_it_expires: &[&str]) {
    const CROWD: usize = 300;

    let server = Server::new();
    server.run("CONFIG SET latch.wake-batch 1");
    server.run("LATCH.SET k 1");
    let mut waiters = server.crowd(CROWD, "LATCH.AWAIT k 0");
    let mut client = server.client();
    let lines = [removal, when_it_expires].concat();
    for (line, reply) in lines.iter().zip(in_one_go(&mut client, &lines)) {
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
    // Whoever finds it expired: this, or the server.
    eventually("the string to expire", PATIENCE, || {
        (client.run("EXISTS k") == int(0)).then_some(())
    });
    all_receive(&mut waiters, &gone(), &lines.join(", "));
}

#[test]
fn who_was_told_of_a_removal_is_not_told_of_what_expires_afterwards() {
    let removals: [&[&str]; 7] = [
        &["DEL k", "SET k v PX 1"],
        &["SET k v PX 1"],
        &["MULTI", "DEL k", "SET k v PX 1", "EXEC"],
        &["MULTI", "SET k v", "PEXPIRE k 1", "EXEC"],
        &["DEL k", "LATCH.SET k 1 PX 1"],
        &["RENAME k elsewhere", "LATCH.SET k 1 PX 1"],
        &["FLUSHALL", "SET k v PX 1"],
    ];
    for removal in removals {
        a_crowd_is_told_of_the_removal(removal, &[]);
        a_crowd_is_told_of_the_removal(removal, &["DEBUG SLEEP 0.01", "GET k"]);
    }
}

#[test]
fn what_expires_under_the_same_name_in_another_database_is_not_the_latch() {
    let server = Server::new();
    let mut client = server.client();
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    for removal in ["DEL k", "SET k v", "RENAME k elsewhere"] {
        client.run("SELECT 1");
        client.run("SET k v PX 1");
        let over = client.time() + 2;
        eventually("the string to expire", PATIENCE, || (client.time() > over).then_some(()));
        client.run("SELECT 0");
        client.run("LATCH.SET k 1");
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        // Where the server tells of expiries, it tells of this one right after.
        let done = client.transaction(&[removal, "SELECT 1", "GET k"]);
        assert_eq!(done.items()[2], Reply::NullBulk);
        all_receive(&mut waiters, &gone(), removal);
        server.run("FLUSHALL");
    }
}

#[test]
fn a_removal_that_another_expiry_has_followed_is_none() {
    let server = Server::new();
    let mut client = server.client();
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    client.run("SET other v PX 1");
    let over = client.time() + 2;
    eventually("the string to expire", PATIENCE, || (client.time() > over).then_some(()));
    client.run("LATCH.SET k 1");
    let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
    // A string of a time in the past takes the place of the latch, and expires at once.
    client.transaction(&["DEL k", "GET other", "SET k v PXAT 1", "GET k"]);
    all_receive(&mut waiters, &gone(), "an expiry of another key");
}

// Whose time has passed has expired

/// Sets a latch `k` that lives for 60 ms, and parks a client on it before they are
/// over. Is made again where that took too long.
#[track_caller]
fn parked_on_a_short_life(server: &Server, mut set: impl FnMut()) -> Client {
    eventually("a client that is parked in time", PATIENCE, || {
        set();
        let mut waiter = server.client();
        waiter.send_line("LATCH.AWAIT k 0");
        // The next command is served after it.
        server.run("PING");
        waiter.receive_within(Duration::from_millis(1)).is_none().then_some(waiter)
    })
}

#[test]
fn a_latch_whose_time_passes_in_a_pause_has_expired() {
    let server = Server::new();
    let mut client = server.client();
    for _ in 0..5 {
        let set = || assert_eq!(server.run("LATCH.SET k 1 PX 60"), ok());
        let mut waiter = parked_on_a_short_life(&server, set);
        assert_eq!(client.run("CLIENT PAUSE 100000 WRITE"), ok());
        waiter.receives_within(SOON, &expired());
        assert_eq!(client.run("CLIENT UNPAUSE"), ok());
    }
}

#[test]
fn and_so_it_has_if_it_was_given_that_time_while_clients_wait() {
    let server = Server::new();
    let mut client = server.client();
    for _ in 0..5 {
        client.run("LATCH.SET k 1");
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        let done = in_one_go(&mut client, &["PEXPIRE k 60", "CLIENT PAUSE 100000 WRITE"]);
        assert_eq!(done, [int(1), ok()]);
        for waiter in &mut waiters {
            waiter.receives_within(SOON, &expired());
        }
        assert_eq!(client.run("CLIENT UNPAUSE"), ok());
    }
}

#[test]
fn who_comes_to_wait_for_the_next_latch_finds_that_the_last_has_expired() {
    let server = Server::new();
    let mut client = server.client();
    for _ in 0..5 {
        let set = || assert_eq!(server.run("LATCH.SET k 1 PX 60"), ok());
        let mut waiter = parked_on_a_short_life(&server, set);
        // Its key stays where it is: nothing tells of the end but a look.
        assert_eq!(client.run("CLIENT PAUSE 100000 WRITE"), ok());
        eventually("its time to pass", PATIENCE, || {
            (client.run("EXISTS k") == int(0)).then_some(())
        });
        let next = server.parked("LATCH.AWAIT k 0 MISSING WAIT");
        // It was told before that one was parked.
        waiter.receives_within(Duration::from_millis(1), &expired());
        server.wait_parked(&next);
        assert_eq!(client.run("CLIENT UNPAUSE"), ok());
        drop(next);
    }
}

#[test]
fn whatever_removes_a_latch_after_its_time_finds_that_it_has_expired() {
    for removal in [
        "DEL k",
        "UNLINK k",
        "SET k v",
        "LATCH.SET k 2",
        "COPY other k REPLACE",
        "RENAME other k",
        "RENAME k elsewhere",
        "MOVE k 1",
        "FLUSHALL",
        "FLUSHALL ASYNC",
        "FLUSHDB",
        "FLUSHDB ASYNC",
        "SWAPDB 0 1",
        "SWAPDB 1 0",
        "DEBUG RELOAD",
    ] {
        let server = Server::new();
        server.run("SET other v");
        server.run("LATCH.SET k 1 PX 300");
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        // Nobody looks at it, before or after its time.
        let mut client = server.client();
        let replies = in_one_go(&mut client, &["DEBUG SLEEP 0.4", removal]);
        assert_eq!(replies[0], ok());
        all_receive(&mut waiters, &expired(), removal);
    }
}

#[test]
fn a_latch_of_a_silent_master_that_is_over_before_any_look_has_expired() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    replica.wait_in_sync(&master);
    master.run("DEBUG SET-ACTIVE-EXPIRE 0");
    for _ in 0..5 {
        let set = || {
            let mut client = master.client();
            client.run("DEL k");
            assert_eq!(client.run("LATCH.SET k 1 PX 60"), ok());
            assert_eq!(client.run("WAIT 1 5000"), int(1));
        };
        let mut waiter = parked_on_a_short_life(&replica, set);
        waiter.receives_within(SOON, &expired());
        assert_eq!(replica.run("DBSIZE"), int(1), "nobody has deleted it");
    }
}

#[test]
fn a_latch_whose_ids_take_long_to_free_has_expired_also_if_nobody_knew_its_time() {
    const IDS: usize = 100_000;

    let server = Server::builder().config("lazyfree-lazy-expire", "no").start();
    if !server.tells_of_expiries() {
        return; // a time that is given while clients wait counts from the next look on
    }
    let mut client = server.client();
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    client.run(&format!("LATCH.SET k {}", 2 * IDS));
    let script = "for i = 1, ARGV[1] do redis.call('LATCH.COUNTDOWN', 'k', 'ID', 'id' .. i) end";
    client.call(["EVAL", script, "0", &IDS.to_string()]);
    let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
    // Nobody looks at it in between.
    let replies = in_one_go(&mut client, &["PEXPIRE k 1", "DEBUG SLEEP 0.01", "GET k"]);
    assert_eq!(replies, [int(1), ok(), Reply::NullBulk]);
    all_receive(&mut waiters, &expired(), "an expiry that takes long");
}

// Whose time was taken away has not

#[test]
fn a_latch_that_outlives_its_time_is_gone_when_it_is_removed() {
    const CHANGES: [&str; 5] = [
        "PERSIST <k>",
        "EXPIRE <k> 1000",
        "PEXPIREAT <k> 99999999999999",
        "LATCH.SET <k> 1",
        "LATCH.SET <k> 1 EX 1000",
    ];

    for removal in ["DEL <k>", "SET <k> v", "RENAME <k> elsewhere", "FLUSHALL", "SWAPDB 0 1"] {
        let server = Server::new();
        let mut client = server.client();
        // So that it is the look at what clients wait for that finds what is due,
        // which is when it learns of these changes.
        client.run("DEBUG SET-ACTIVE-EXPIRE 0");
        let keys: Vec<_> = (0..CHANGES.len()).map(|number| format!("k{number}")).collect();
        let mut waiters = Vec::new();
        for key in keys.iter().map(String::as_str).chain(["control"]) {
            assert_eq!(client.run(&format!("LATCH.SET {key} 1 PX 300")), ok());
            waiters.push(server.parked(&format!("LATCH.AWAIT {key} 0")));
        }
        for (key, change) in keys.iter().zip(CHANGES) {
            let reply = client.run(&change.replace("<k>", key));
            assert!(!matches!(reply, Reply::Error(_) | Reply::Int(0)), "{change}: {reply:?}");
        }
        let mut control = waiters.pop().expect("one that is told when their time has passed");
        control.receives_within(SOON, &expired());
        server.wait_blocked(waiters.len());
        for key in &keys {
            let reply = client.run(&removal.replace("<k>", key));
            assert!(!matches!(reply, Reply::Error(_) | Reply::Int(0)), "{removal}: {reply:?}");
        }
        all_receive(&mut waiters, &gone(), removal);
    }
}

#[test]
fn nor_has_one_whose_time_was_taken_away_just_before_it_is_removed() {
    let server = Server::new();
    // Else what its own commands change is known by the next look.
    let changes: &[&str] =
        if server.tells_of_expiries() { &["PERSIST k", "EXPIRE k 1000"] } else { &[] };
    for change in changes.iter().chain(&["LATCH.SET k 1", "LATCH.SET k 1 EX 1000"]) {
        for removal in ["DEL k", "SET k v", "RENAME k elsewhere"] {
            server.run("LATCH.SET k 1 PX 300");
            let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
            let mut client = server.client();
            let replies = in_one_go(&mut client, &[change, "DEBUG SLEEP 0.4", removal]);
            assert!([int(1), ok()].contains(&replies[2]), "{replies:?}");
            all_receive(&mut waiters, &gone(), &format!("{change}, {removal}"));
            server.run("FLUSHALL");
        }
    }
}

#[test]
fn what_follows_a_flush_at_once_comes_after_it() {
    let server = Server::new();
    for (wait, told, aborted_waits) in [
        ("LATCH.AWAITALL 0 2 a b MISSING WAIT", gone(), 0),
        ("LATCH.AWAITANY 0 2 a b MISSING WAIT", aborted("why"), 1),
    ] {
        server.run("DEL b");
        server.run("LATCH.SET a 1");
        let mut waiter = server.parked(wait);
        let replies =
            server.client().transaction(&["FLUSHDB", "LATCH.SET b 1", "LATCH.ABORT b why"]);
        assert_eq!(replies.items(), [ok(), ok(), int(aborted_waits)], "{wait}");
        waiter.receives_only(&told);
    }
    server.run("LATCH.SET a 1");
    let mut waiter = server.parked("LATCH.AWAIT a 0");
    let unblock = format!("CLIENT UNBLOCK {}", waiter.id());
    server.client().transaction(&["FLUSHDB", &unblock]);
    waiter.receives_only(&gone());
}
