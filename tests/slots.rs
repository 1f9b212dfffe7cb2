//! Slots that move by themselves, where nothing tells of the keys that go along.

mod common;

use common::*;

/// How many wait for the same.
const CLIENTS: usize = 40;

/// Whether slots of this server move as a whole, by the command of Redis 8.4.
fn moves_slots_by_itself(server: &Server) -> bool {
    matches!(server.run("COMMAND INFO cluster|migration").items(), [Reply::Array(_)])
}

#[test]
fn whose_slot_moves_by_itself_is_sent_after_it() {
    if !moves_slots_by_itself(&Server::new()) {
        return;
    }
    let cluster = Cluster::new();
    let (home, _, target) = cluster.around("{job}");
    assert_eq!(home.run("LATCH.SET {job} 1"), ok());
    let slot = cluster.slot("{job}");
    let moved = error(&format!("MOVED {slot} 127.0.0.1:{}", target.port()));
    let mut waiters = home.crowd(CLIENTS, "LATCH.AWAIT {job} 0");
    waiters.extend(home.crowd(CLIENTS, "LATCH.AWAITALL 0 2 {job} {job}later MISSING WAIT"));
    waiters.extend(home.crowd(CLIENTS, "LATCH.AWAIT {job}later 0 MISSING WAIT"));
    let mut elsewhere =
        target.parked(&format!("LATCH.AWAIT {} 0 MISSING WAIT", key_of(&cluster, target)));

    let import = target.run(&format!("CLUSTER MIGRATION IMPORT {slot} {slot}"));
    assert!(!matches!(import, Reply::Error(_)), "{import:?}");
    for waiter in &mut waiters {
        assert_eq!(waiter.receive(), moved);
    }
    assert_eq!(target.run("LATCH.GET {job}"), int(1), "the latch went along");
    let mut follower = target.parked("LATCH.AWAIT {job} 0");
    assert_eq!(target.run("LATCH.COUNTDOWN {job}"), int(0));
    follower.receives_only(&ok());
    elsewhere.nothing_within(std::time::Duration::from_millis(10));
}

/// A key that a node serves.
fn key_of(cluster: &Cluster, node: &Server) -> String {
    let home = cluster.nodes.iter().position(|other| other.port() == node.port());
    let mut names = (0..).map(|number| format!("key{number}"));
    names.find(|name| Some(cluster.home(name)) == home).expect("there are many")
}
