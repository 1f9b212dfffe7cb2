//! Latches in a cluster of three masters, each with a replica: slots that move or are
//! lost, and nodes that are the wrong ones. Its failovers are in `failover.rs`.
//!
//! What a parked client is told depends on what happens, and on the server;
//! run with `--nocapture` to see. That it ends right if it asks again does not.

mod common;

use common::*;

/// Keys that stress how a slot is found, and how a name for it is made.
const ODD_NAMES: [&[u8]; 16] = [
    b"job",
    b"{tag}x",
    b"a{b}c",
    b"{a}{b}",
    b"{a}}",
    b"{{a}}",
    b"a{b",
    b"{",
    b"}",
    b"a}b",
    b"{}x",
    b"{}",
    b"",
    b"\0\r\n\xff",
    b"{\xff}\0",
    b"{job}\0latch\0parked",
];

#[test]
fn keys_of_any_name_park_in_their_slot_and_move_with_it() {
    let cluster = Cluster::new();
    let park = |name: &[u8]| {
        let (home, ..) = cluster.around(name);
        let mut client = home.client();
        client.send(cmd!["LATCH.AWAIT", name, "0", "MISSING", "WAIT"]);
        home.wait_parked(&client);
        client
    };

    // The server looks at each blocked client once a second, and sends it
    // away if the name it is blocked on is not of a slot of this node.
    let mut waiters: Vec<_> = ODD_NAMES.iter().map(|name| park(name)).collect();
    cluster.nodes[0].wait_round();
    for (name, waiter) in ODD_NAMES.iter().zip(&mut waiters) {
        let (home, ..) = cluster.around(name);
        home.wait_parked(waiter);
        assert_eq!(home.client().call(cmd!["LATCH.SET", name, "1"]), ok());
    }
    cluster.nodes[0].wait_round();
    for (name, waiter) in ODD_NAMES.iter().zip(&mut waiters) {
        let (home, ..) = cluster.around(name);
        home.wait_parked(waiter);
        assert_eq!(home.client().call(cmd!["LATCH.COUNTDOWN", name]), int(0));
        waiter.receives_only(&ok());
    }

    let mut waiters: Vec<_> = ODD_NAMES.iter().map(|name| park(name)).collect();
    for name in ODD_NAMES {
        let (home, _, target) = cluster.around(name);
        cluster.end_move(cluster.slot(name), home, target);
    }
    for (name, waiter) in ODD_NAMES.iter().zip(&mut waiters) {
        let (_, _, target) = cluster.around(name);
        let moved = format!("MOVED {} 127.0.0.1:{}", cluster.slot(name), target.port());
        waiter.receives_only(&error(&moved));
        let mut waiter = target.client();
        waiter.send(cmd!["LATCH.AWAIT", name, "0", "MISSING", "WAIT"]);
        target.wait_parked(&waiter);
        assert_eq!(target.client().call(cmd!["LATCH.SET", name, "1"]), ok());
        assert_eq!(target.client().call(cmd!["LATCH.COUNTDOWN", name]), int(0));
        waiter.receives_only(&ok());
    }
}

#[test]
fn keys_of_several_slots_are_refused_and_the_wrong_node_tells_the_right_one() {
    let cluster = Cluster::new();
    let (home, replica, other) = cluster.around("{job}");
    let cross = error("CROSSSLOT Keys in request don't hash to the same slot");
    for node in [home, replica, other] {
        assert_eq!(node.run("LATCH.AWAITALL 0 2 {job}a b"), cross);
        assert_eq!(node.run("LATCH.AWAITANY 0 2 {job}a b MISSING WAIT"), cross);
        let too_few = error("ERR Number of keys can't be greater than number of args");
        assert_eq!(node.run("LATCH.AWAITALL 0 3 {job}a b"), too_few);
    }
    let script = "return redis.call('LATCH.AWAITALL', 0, 1, KEYS[1] .. 'x')";
    let reply = home.client().call(["EVAL", script, "1", "{job}a"]);
    assert_eq!(reply, ok(), "the same slot");
    let script = "return redis.call('LATCH.AWAITALL', 0, 1, 'a')";
    let reply = home.client().call(["EVAL", script, "1", "{job}a"]);
    assert!(reply.error().contains("non local key"), "{reply:?}");

    let moved = error(&format!("MOVED {} 127.0.0.1:{}", cluster.slot("{job}"), home.port()));
    for line in [
        "LATCH.SET {job}a 1",
        "LATCH.COUNTDOWN {job}a",
        "LATCH.AWAIT {job}a 0",
        "LATCH.AWAITALL 0 2 {job}a {job}b",
        "LATCH.AWAITANY 0 2 {job}a {job}b",
        "LATCH.ARRIVE {job}a 0 ID x",
        "LATCH.ADD {job}a 1",
        "LATCH.ABORT {job}a",
        "LATCH.GET {job}a",
        "LATCH.INFO {job}a",
        "LATCH.ARRIVED {job}a",
        "LATCH.PENDING {job}a",
    ] {
        for node in [replica, other] {
            assert_eq!(node.run(line), moved, "{line}");
        }
    }

    for key in ["{job}a", "{job}b"] {
        assert_eq!(cluster.run(&format!("LATCH.SET {key} 1")), ok());
    }
    let all = cluster.client().asks("LATCH.AWAITALL 0 2 {job}a {job}b");
    let any = cluster.client().asks("LATCH.AWAITANY 0 2 {job}a {job}b");
    home.wait_waiters("{job}a", 2);
    assert_eq!(cluster.run("LATCH.COUNTDOWN {job}b"), int(0));
    assert_eq!(any.answer().reply, bulk("{job}b"));
    assert_eq!(cluster.run("LATCH.COUNTDOWN {job}a"), int(0));
    assert_eq!(all.answer().reply, ok());
}

#[test]
fn a_slot_that_moves_takes_its_latch_along_and_its_waiters_follow() {
    let cluster = Cluster::new();
    let (home, replica, target) = cluster.around("{job}");
    let slot = cluster.slot("{job}");
    assert_eq!(home.run("LATCH.SET {job}a 3 EX 1000"), ok());
    assert_eq!(home.run("LATCH.SET {job}b 1"), ok());
    assert_eq!(home.run("LATCH.COUNTDOWN {job}a ID one"), int(2));
    let expires = home.run("PEXPIRETIME {job}a").int();
    replica.wait_in_sync(home);

    let mut parked = home.parked("LATCH.AWAIT {job}a 0");
    let mut parked_on_both = home.parked("LATCH.AWAITALL 0 2 {job}a {job}b");
    let mut parked_on_none = home.parked("LATCH.AWAIT {job}later 0 MISSING WAIT");
    let mut parked_on_replica = replica.parked_readonly("LATCH.AWAIT {job}a 0");
    let one = cluster.client().asks("LATCH.AWAIT {job}a 0");
    let both = cluster.client().asks("LATCH.AWAITALL 0 2 {job}a {job}b");
    home.wait_waiters("{job}a", 4);
    home.wait_waiters("{job}b", 2);

    let counting = count_down(&cluster, "{job}many");

    // A slot on the move is still here.
    cluster.begin_move(slot, home, target);
    home.wait_round();
    home.wait_waiters("{job}a", 4);

    // A latch that has moved is looked for there.
    cluster.migrate("{job}a", home, target);
    for client in [&mut parked, &mut parked_on_both, &mut parked_on_replica] {
        is_told("MIGRATE", client, &["LATCHGONE"]);
    }
    target.wait_blocked(1);
    asks_replica_in_between("MIGRATE", replica, "{job}a");
    let again = home.run("LATCH.AWAITALL 0 2 {job}a {job}b");
    assert!(again.error().starts_with("TRYAGAIN "), "{again:?}");
    cluster.migrate("{job}b", home, target);
    target.wait_blocked(2);
    target.wait_round();

    cluster.migrate("{job}many", home, target);

    // Both wait there already as the slot is handed over.
    cluster.end_move(slot, home, target);
    assert_counted(&cluster, "{job}many", counting);
    is_told("SETSLOT NODE, no latch", &mut parked_on_none, &["MOVED"]);
    target.wait_waiters("{job}a", 2);
    // MIGRATE takes along what is left of the time to live.
    let late = target.run("PEXPIRETIME {job}a").int() - expires;
    assert!((0..1000).contains(&late), "{late}");
    assert_eq!(arrived(target, "{job}a"), ["one"]);

    assert_eq!(cluster.run("LATCH.COUNTDOWN {job}a ID one"), int(2), "counted before");
    assert_eq!(cluster.run("LATCH.COUNTDOWN {job}a ID two"), int(1));
    assert_eq!(cluster.run("LATCH.COUNTDOWN {job}a ID three"), int(0));
    ends_right("MIGRATE", one);
    assert_eq!(cluster.run("LATCH.COUNTDOWN {job}b"), int(0));
    ends_right("MIGRATE, one key after the other", both);
}

/// Asks a replica for a latch that has left its master, before it may know
/// where to. On Redis it answers as for any key that does not exist: so ask
/// the master, or for an error.
fn asks_replica_in_between(event: &str, replica: &Server, key: &str) {
    let mut client = replica.client();
    assert_eq!(client.run("READONLY"), ok());
    client.send_line(&format!("LATCH.AWAIT {key} 1"));
    is_told(&format!("{event}, then asking a replica"), &mut client, &["OK", "ASK", "MOVED"]);
    client.send_line(&format!("LATCH.AWAIT {key} 1 MISSING ERROR"));
    is_told(
        &format!("{event}, then with MISSING ERROR"),
        &mut client,
        &["NOLATCH", "ASK", "MOVED"],
    );
}

#[test]
fn a_latch_that_opens_on_the_move_releases_those_who_asked_for_it_there() {
    let cluster = Cluster::new();
    let (home, _, target) = cluster.around("job");
    assert_eq!(home.run("LATCH.SET job 1"), ok());
    let waiter = cluster.client().asks("LATCH.AWAIT job 0");
    home.wait_waiters("job", 1);
    cluster.begin_move(cluster.slot("job"), home, target);
    cluster.migrate("job", home, target);
    target.wait_blocked(1);

    assert_eq!(cluster.run("LATCH.COUNTDOWN job"), int(0));
    ends_right("opened on the move", waiter);
    assert_eq!(cluster.run("LATCH.AWAIT job 0"), ok(), "none is open, wherever it is not");
    assert_eq!(cluster.run("LATCH.AWAIT job 0 MISSING ERROR"), error(NO_LATCH));
}

#[test]
fn a_move_that_is_called_off_sends_back_who_waits_there_already() {
    let cluster = Cluster::new();
    let (home, _, target) = cluster.around("job");
    let slot = cluster.slot("job");
    cluster.begin_move(slot, home, target);
    let waiter = cluster.client().asks("LATCH.AWAIT job 0 MISSING WAIT");
    target.wait_blocked(1);
    target.wait_round();
    target.wait_blocked(1);
    for node in [home, target] {
        assert_eq!(node.run(&format!("CLUSTER SETSLOT {slot} STABLE")), ok());
    }
    home.wait_blocked(1);
    assert_eq!(cluster.run("LATCH.SET job 1"), ok());
    assert_eq!(cluster.run("LATCH.COUNTDOWN job"), int(0));
    let answer = waiter.answer();
    assert_eq!(answer.reply, ok());
    assert!(answer.told.ends_with(&["ASK".into(), "MOVED".into()]), "{:?}", answer.told);
}

#[test]
fn waiters_are_told_when_nobody_serves_their_slot() {
    let cluster = Cluster::new();
    let (home, ..) = cluster.around("job");
    let slot = cluster.slot("job");
    assert_eq!(home.run("LATCH.SET job 1"), ok());
    let mut parked = home.parked("LATCH.AWAIT job 0");
    let waiter = cluster.client().asks("LATCH.AWAIT job 0");
    home.wait_waiters("job", 2);

    assert_eq!(home.run(&format!("CLUSTER DELSLOTS {slot}")), ok());
    is_told("DELSLOTS", &mut parked, &["CLUSTERDOWN"]);
    assert_eq!(home.run(&format!("CLUSTER ADDSLOTS {slot}")), ok());
    home.wait_waiters("job", 1);
    assert_eq!(cluster.run("LATCH.COUNTDOWN job"), int(0));
    ends_right("DELSLOTS", waiter);
}

#[test]
fn a_slot_taken_by_force_loses_its_latch_and_the_waiters_are_told() {
    let cluster = Cluster::new();
    let (home, _, other) = cluster.around("job");
    assert_eq!(home.run("LATCH.SET job 1"), ok());
    let mut parked = home.parked("LATCH.AWAIT job 0");
    let waiter = cluster.client().asks("LATCH.AWAIT job 0 MISSING ERROR");
    home.wait_waiters("job", 2);

    // Nobody asked the owner, who hears of it and deletes its keys.
    let line = format!("CLUSTER SETSLOT {} NODE {}", cluster.slot("job"), cluster.id(other));
    assert_eq!(other.run(&line), ok());
    other.run("CLUSTER BUMPEPOCH");
    is_told("slot lost to another", &mut parked, &["LATCHGONE", "MOVED"]);
    let answer = waiter.answer();
    assert_eq!(answer.reply, error(NO_LATCH));
    assert_eq!(answer.told.last().unwrap(), "MOVED");
}

#[test]
fn a_replica_parks_those_who_are_content_with_it() {
    let cluster = Cluster::new();
    let (home, replica, _) = cluster.around("{job}");
    for key in ["{job}opens", "{job}goes", "{job}stays"] {
        assert_eq!(home.run(&format!("LATCH.SET {key} 1")), ok());
    }
    replica.wait_in_sync(home);

    let mut on_opening = replica.parked_readonly("LATCH.AWAIT {job}opens 0");
    let mut on_going = replica.parked_readonly("LATCH.AWAIT {job}goes 0");
    let mut on_coming = replica.parked_readonly("LATCH.AWAIT {job}comes 0 MISSING WAIT");
    let mut on_staying = replica.parked_readonly("LATCH.AWAIT {job}stays 0");
    replica.wait_round();
    replica.wait_blocked(4);
    let mut client = replica.client();
    assert_eq!(client.run("READONLY"), ok());
    assert!(client.run("LATCH.ARRIVE {job}stays 0 ID x").error().starts_with("MOVED "));

    assert_eq!(home.run("LATCH.COUNTDOWN {job}opens"), int(0));
    on_opening.receives_only(&ok());
    assert_eq!(home.run("DEL {job}goes"), int(1));
    on_going.receives_only(&gone());
    assert_eq!(home.run("LATCH.SET {job}comes 1"), ok());
    assert_eq!(home.run("LATCH.COUNTDOWN {job}comes"), int(0));
    on_coming.receives_only(&ok());

    // It leaves the cluster, with nothing.
    assert_eq!(replica.run("CLUSTER RESET"), ok());
    let event = "CLUSTER RESET of a replica";
    is_told(event, &mut on_staying, &["LATCHGONE", "CLUSTERDOWN"]);
}

#[test]
fn an_atomic_slot_migration_takes_the_latch_along_and_its_waiters_follow() {
    // Redis leaves no latch's waiters to chance: who waits in a slot that has gone is
    // for the server to redirect.
    let server = Server::new();
    let (event, allowed): (_, &[&str]) = if server.has_command("cluster|migrateslots") {
        ("MIGRATESLOTS", &["MOVED", "LATCHGONE"])
    } else if server.has_command("cluster|migration") {
        ("MIGRATION", &["MOVED"])
    } else {
        return;
    };
    let cluster = Cluster::new();
    let (home, replica, target) = cluster.around("{job}");
    assert_eq!(home.run("LATCH.SET {job} 3 EX 1000 LINGER 100"), ok());
    assert_eq!(home.run("LATCH.COUNTDOWN {job} ID one"), int(2));
    let expires = home.run("PEXPIRETIME {job}");
    replica.wait_in_sync(home);
    let mut parked = home.crowd(100, "LATCH.AWAIT {job} 0");
    let mut on_none = home.parked("LATCH.AWAIT {job}later 0 MISSING WAIT");
    let mut on_replica = replica.parked_readonly("LATCH.AWAIT {job} 0");
    let waiter = cluster.client().asks("LATCH.AWAIT {job} 0");
    home.wait_waiters("{job}", 101);

    let counting = count_down(&cluster, "{job}many");
    let slot = cluster.slot("{job}");
    if event == "MIGRATESLOTS" {
        let range = format!("SLOTSRANGE {slot} {slot} NODE {}", cluster.id(target));
        assert_eq!(home.run(&format!("CLUSTER MIGRATESLOTS {range}")), ok());
    } else {
        let begun = target.run(&format!("CLUSTER MIGRATION IMPORT {slot} {slot}"));
        assert!(!matches!(begun, Reply::Error(_)), "{begun:?}");
    }
    for client in &mut parked {
        is_told(event, client, allowed);
    }
    is_told(&format!("{event}, no latch"), &mut on_none, &["MOVED"]);
    is_told(&format!("{event}, parked on a replica"), &mut on_replica, allowed);
    asks_replica_in_between(event, replica, "{job}");
    target.wait_waiters("{job}", 1);
    assert_counted(&cluster, "{job}many", counting);
    assert_eq!(target.run("PEXPIRETIME {job}"), expires);
    assert_eq!(arrived(target, "{job}"), ["one"]);
    assert_eq!(cluster.run("LATCH.COUNTDOWN {job} ID one"), int(2), "counted before");
    assert_eq!(cluster.run("LATCH.COUNTDOWN {job} ID two"), int(1));
    assert_eq!(cluster.run("LATCH.COUNTDOWN {job} ID three"), int(0));
    ends_right(event, waiter);
    assert_eq!(target.run("LATCH.INFO {job}").field("state"), &bulk("open"), "lingers");
}

#[test]
fn a_slot_that_is_flushed_tells_the_waiters_on_its_latches() {
    if !Server::new().has_command("cluster|flushslot") {
        return;
    }
    let cluster = Cluster::new();
    let (home, replica, _) = cluster.around("{job}");
    let slot = cluster.slot("{job}");
    for mode in ["SYNC", "ASYNC"] {
        assert_eq!(home.run("LATCH.SET {job} 1"), ok());
        replica.wait_in_sync(home);
        let mut parked = home.parked("LATCH.AWAIT {job} 0");
        let mut on_replica = replica.parked_readonly("LATCH.AWAIT {job} 0");
        let mut on_none = home.parked("LATCH.AWAIT {job}later 0 MISSING WAIT");
        assert_eq!(home.run(&format!("CLUSTER FLUSHSLOT {slot} {mode}")), ok());
        parked.receives_only(&gone());
        on_replica.receives_only(&gone());
        assert_eq!(home.run("LATCH.SET {job}later 1"), ok());
        assert_eq!(home.run("LATCH.COUNTDOWN {job}later"), int(0));
        on_none.receives_only(&ok());
    }
}
