//! Masters and replicas that change places.

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
