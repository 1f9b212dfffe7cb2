//! Masters and replicas that change places, two of them or a cluster of six.
//!
//! What a parked client is told in a cluster depends on what happens, and on the
//! server; run with `--nocapture` to see. That it ends right if it asks again does
//! not.

mod common;

use common::*;

/// A master and a replica in sync, with a latch of 2 under `k`.
fn pair() -> (Server, Server) {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().tcp().replica_of(&master).start();
    master.run("LATCH.SET k 2");
    replica.wait_in_sync(&master);
    (master, replica)
}

#[test]
fn waits_on_a_replica_live_through_its_promotion() {
    let (master, replica) = pair();
    let mut waiter = replica.parked("LATCH.AWAIT k 0");
    assert_eq!(replica.run("REPLICAOF NO ONE"), ok());
    assert_eq!(replica.run("LATCH.COUNTDOWN k"), int(1));
    replica.wait_parked(&waiter);
    let mut late = replica.parked("LATCH.AWAIT k 0");
    assert_eq!(replica.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
    late.receives_only(&ok());
    assert_eq!(master.run("LATCH.GET k"), int(2), "knows nothing of it");
}

#[test]
fn a_master_that_becomes_a_replica_sends_its_waiters_away() {
    let (master, replica) = pair();
    let mut waiters = master.crowd(3, "LATCH.AWAIT k 0");
    let mut survivor = replica.parked("LATCH.AWAIT k 0");

    assert_eq!(replica.run("REPLICAOF NO ONE"), ok());
    master.replicate(&replica);
    for waiter in &mut waiters {
        let reply = waiter.receive();
        assert!(reply.error().starts_with("UNBLOCKED "), "{reply:?}");
        waiter.expect_closed();
    }
    master.wait_blocked(0);

    // They come back, and the roles are the other way round.
    master.wait_in_sync(&replica);
    let mut waiter = master.parked("LATCH.AWAIT k 0");
    assert_eq!(replica.run("LATCH.COUNTDOWN k 2"), int(0));
    waiter.receives_only(&ok());
    survivor.receives_only(&ok());
}

#[test]
fn a_client_that_is_not_sent_away_with_the_others_still_hears_of_its_latch() {
    let (master, replica) = pair();
    // To Valkey 9 this client is content with a replica.
    let mut waiter = master.client();
    waiter.run("READONLY");
    waiter.send_line("LATCH.AWAIT k 0");
    master.wait_parked(&waiter);
    assert_eq!(replica.run("REPLICAOF NO ONE"), ok());
    master.replicate(&replica);
    master.wait_in_sync(&replica);
    assert_eq!(replica.run("LATCH.COUNTDOWN k 2"), int(0));
    match waiter.receive() {
        Reply::Error(text) => assert!(text.starts_with("UNBLOCKED "), "{text}"),
        reply => assert_eq!(reply, ok()),
    }
}

#[test]
fn a_failover_sends_the_waiters_of_the_master_away_and_keeps_those_of_the_replica() {
    let (master, replica) = pair();
    let mut on_master = master.parked("LATCH.AWAIT k 0");
    let mut on_replica = replica.parked("LATCH.AWAIT k 0");
    assert_eq!(master.run("FAILOVER"), ok());
    let reply = on_master.receive();
    assert!(reply.error().starts_with("UNBLOCKED "), "{reply:?}");
    on_master.expect_closed();
    eventually("the roles to change", PATIENCE, || {
        let roles = [&master, &replica].map(|server| server.info("role"));
        (roles == ["slave", "master"]).then_some(())
    });
    replica.wait_parked(&on_replica);
    assert_eq!(replica.run("LATCH.COUNTDOWN k 2"), int(0));
    on_replica.receives_only(&ok());
    master.wait_in_sync(&replica);
    assert_eq!(master.contents(), replica.contents());
}

// In a cluster

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
