//! Latches in a cluster: three masters, each with a replica.
//!
//! What a parked client is told depends on what happens, and on the server;
//! run with `--nocapture` to see. That it ends right if it asks again does not.

mod common;

use common::*;

/// Prints what a parked client is told, for the table in the documentation;
/// panics unless it is one of these codes, or `OK`, or `closed`.
#[track_caller]
fn is_told(event: &str, client: &mut Client, allowed: &[&str]) {
    let words = client.last_words();
    let code = match &words {
        None => "closed",
        Some(Reply::Error(text)) => text.split(' ').next().unwrap_or_default(),
        Some(reply) if reply == &ok() => "OK",
        Some(reply) => panic!("{event}: {reply:?}"),
    };
    println!("{event}: {words:?}");
    assert!(allowed.contains(&code), "{event}: {words:?}");
}

/// Prints what a client that asks again was told before its answer, which must
/// be `OK`.
#[track_caller]
fn ends_right(event: &str, waiter: Pending) {
    let answer = waiter.answer();
    println!("{event}, asking again: {:?}", answer.told);
    assert_eq!(answer.reply, ok(), "{event}");
}

/// The ids that a latch has recorded, in order.
#[track_caller]
fn arrived(server: &Server, key: &str) -> Vec<String> {
    let reply = server.run(&format!("LATCH.ARRIVED {key}"));
    let mut ids: Vec<_> = reply.items().iter().map(Reply::text).collect();
    ids.sort();
    ids
}

/// Does the server have this command? Says so if not.
fn has(server: &Server, command: &str) -> bool {
    let reply = server.client().call(["COMMAND", "INFO", command]);
    let known = matches!(reply.items()[0], Reply::Array(_));
    if !known {
        println!("this server has no {command}: nothing to test");
    }
    known
}

/// Panics unless the replica, once it is in sync, has the data of its master.
#[track_caller]
fn assert_same(replica: &Server, master: &Server) {
    replica.wait_in_sync(master);
    assert_eq!(replica.digest(), master.digest());
}

/// A key that `node` was given in the beginning.
fn a_key_at(cluster: &Cluster, node: &Server) -> String {
    let keys = (0..).map(|number| format!("key:{number}"));
    keys.into_iter().find(|key| cluster.around(key).0.port() == node.port()).unwrap()
}

/// How many countdowns a latch needs that is not to open.
const MANY: i64 = 1_000_000_000;

/// Clients that count `key` down, which needs many, while something happens.
fn count_down(cluster: &Cluster, key: &str) -> Vec<Counting> {
    assert_eq!(cluster.run(&format!("LATCH.SET {key} {MANY}")), ok());
    let counting = ["a", "b"].map(|name| cluster.client().counts_down(key, name)).into();
    eventually("the countdowns to begin", PATIENCE, || {
        (cluster.run(&format!("LATCH.GET {key}")).int() < MANY).then_some(())
    });
    counting
}

/// Panics unless each of the countdowns was counted, and counted once.
#[track_caller]
fn assert_counted(cluster: &Cluster, key: &str, counting: Vec<Counting>) {
    let total: i64 = counting.into_iter().map(Counting::stop).sum();
    assert_eq!(cluster.run(&format!("LATCH.GET {key}")), int(MANY - total));
    let info = cluster.run(&format!("LATCH.INFO {key}"));
    assert_eq!(info.field("arrived"), &int(total));
}

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
        "LATCH.ARRIVE {job}a 0",
        "LATCH.ADD {job}a 1",
        "LATCH.ABORT {job}a",
        "LATCH.GET {job}a",
        "LATCH.INFO {job}a",
        "LATCH.ARRIVED {job}a",
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
    assert!(client.run("LATCH.ARRIVE {job}stays 0").error().starts_with("MOVED "));

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
fn a_manual_failover_loses_nobody_and_counts_nobody_twice() {
    let cluster = Cluster::new();
    let (home, replica, _) = cluster.around("{job}");
    let counting = count_down(&cluster, "{job}many");
    fail_over(&cluster, "CLUSTER FAILOVER", home, replica);
    fail_over(&cluster, "CLUSTER FAILOVER", replica, home);
    assert_counted(&cluster, "{job}many", counting);
    assert_same(replica, home);
    // The old master is not asked.
    fail_over(&cluster, "CLUSTER FAILOVER TAKEOVER", home, replica);
    assert_same(home, replica);
}

/// Makes `to` the master instead of `from`, and sees what becomes of clients
/// parked on the latch `{job}`.
fn fail_over(cluster: &Cluster, command: &str, from: &Server, to: &Server) {
    let mut client = from.client();
    assert_eq!(client.run("LATCH.SET {job} 4 EX 1000"), ok());
    assert_eq!(client.run("LATCH.COUNTDOWN {job} ID one"), int(3));
    assert_eq!(client.run("WAIT 1 5000"), int(1));

    let mut parked = from.parked("LATCH.AWAIT {job} 0");
    let mut content = from.parked_readonly("LATCH.AWAIT {job} 0");
    let mut on_replica = to.parked_readonly("LATCH.AWAIT {job} 0");
    let waiter = cluster.client().asks("LATCH.AWAIT {job} 0");
    let arrival = cluster.client().asks("LATCH.ARRIVE {job} 0 ID two");
    from.wait_waiters("{job}", 4);
    let (_, _, other) = cluster.around("{job}");
    let bystander_key = a_key_at(cluster, other);
    assert_eq!(other.run(&format!("LATCH.SET {bystander_key} 1")), ok());
    let bystander = other.parked(&format!("LATCH.AWAIT {bystander_key} 0"));

    assert_eq!(to.run(command), ok());
    cluster.wait_role(to, "master");
    is_told(command, &mut parked, &["UNBLOCKED", "MOVED"]);
    to.wait_waiters("{job}", 3);
    cluster.wait_ready();
    other.wait_parked(&bystander);

    assert_eq!(arrived(to, "{job}"), ["one", "two"]);
    for (id, left) in [("one", 2), ("two", 2), ("three", 1), ("four", 0)] {
        let line = format!("LATCH.COUNTDOWN {{job}} ID {id}");
        assert_eq!(cluster.run(&line), int(left), "{id}");
    }
    on_replica.receives_only(&ok());
    ends_right(command, waiter);
    ends_right(command, arrival);
    is_told(&format!("{command}, after READONLY"), &mut content, &["UNBLOCKED", "OK"]);
}

#[test]
fn a_master_that_dies_loses_nothing_that_its_replica_has() {
    let mut cluster = Cluster::new();
    let (home, replica, other) = cluster.around("{job}");
    let mut client = home.client();
    assert_eq!(client.run("LATCH.SET {job} 4 EX 1000"), ok());
    let mut parked = home.parked("LATCH.AWAIT {job} 0");
    let waiter = cluster.client().asks("LATCH.AWAIT {job} 0");
    let arrival = cluster.client().asks("LATCH.ARRIVE {job} 0 ID one");
    home.wait_waiters("{job}", 3);
    let bystander_key = a_key_at(&cluster, other);
    let await_bystander = format!("LATCH.AWAIT {bystander_key} 0");
    assert_eq!(other.run(&format!("LATCH.SET {bystander_key} 1")), ok());
    let mut bystander = other.parked(&await_bystander);
    let asking_bystander = cluster.client().asks(&await_bystander);
    other.wait_blocked(2);
    assert_eq!(client.run("LATCH.COUNTDOWN {job} ID two"), int(2));
    assert_eq!(client.run("WAIT 1 5000"), int(1));
    assert_eq!(client.run("LATCH.SET {job}held 1"), ok());
    assert_eq!(client.run("WAIT 1 5000"), int(1));
    let mut on_replica = replica.parked_readonly("LATCH.AWAIT {job}held 0");

    let dead = cluster.home("{job}");
    cluster.nodes[dead].kill9();
    let (_, replica, _) = cluster.around("{job}");
    parked.expect_closed();
    cluster.wait_role(replica, "master");
    replica.wait_waiters("{job}", 2);
    for (id, left) in [("one", 2), ("two", 2), ("three", 1), ("four", 0)] {
        let line = format!("LATCH.COUNTDOWN {{job}} ID {id}");
        assert_eq!(cluster.run(&line), int(left), "{id}");
    }
    ends_right("kill -9", waiter);
    ends_right("kill -9", arrival);

    // For a moment no node served anybody: those who were looked at in that
    // moment have been told so.
    for key in ["{job}held", &bystander_key] {
        assert_eq!(cluster.run(&format!("LATCH.COUNTDOWN {key}")), int(0));
    }
    is_told("kill -9, parked on the replica", &mut on_replica, &["CLUSTERDOWN", "OK"]);
    is_told("kill -9, parked on another master", &mut bystander, &["CLUSTERDOWN", "OK"]);
    ends_right("kill -9 of another master", asking_bystander);

    assert_eq!(cluster.run("LATCH.SET {job} 3 EX 1000"), ok());
    assert_eq!(cluster.run("LATCH.COUNTDOWN {job} ID five"), int(2));
    cluster.nodes[dead].start_again();
    cluster.wait_ready();
    let (home, replica, _) = cluster.around("{job}");
    assert_same(home, replica);
    let mut waiter = home.parked_readonly("LATCH.AWAIT {job} 0");
    assert_eq!(replica.run("LATCH.COUNTDOWN {job} 2"), int(0));
    waiter.receives_only(&ok());
}

#[test]
fn an_atomic_slot_migration_takes_the_latch_along_and_its_waiters_follow() {
    // Redis leaves no latch's waiters to chance: who waits in a slot that has gone is
    // for the server to redirect.
    let server = Server::new();
    let (event, allowed): (_, &[&str]) = if has(&server, "cluster|migrateslots") {
        ("MIGRATESLOTS", &["MOVED", "LATCHGONE"])
    } else if has(&server, "cluster|migration") {
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
    if !has(&Server::new(), "cluster|flushslot") {
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
