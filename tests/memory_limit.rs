//! `maxmemory`: who is refused a place is exactly who the server would refuse
//! memory, and nothing that needs none is.

mod common;

use common::*;

const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";

/// The commands that wait for the latch `k`, none of which counts.
const WAITS: [&str; 3] =
    ["LATCH.AWAIT k 0", "LATCH.AWAITALL 0 1 k", "LATCH.AWAITANY 0 2 k other MISSING WAIT"];

#[test]
fn a_replica_that_leaves_memory_to_its_master_parks() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).config("maxmemory", "1").start();
    replica.wait_in_sync(&master);
    master.run("LATCH.SET k 1");
    replica.wait_in_sync(&master);
    // The default: what its master has accepted it accepts, and its clients read.
    let mut waiters = WAITS.map(|wait| replica.parked(wait));
    assert_eq!(replica.run("CONFIG SET replica-ignore-maxmemory no"), ok());
    for wait in WAITS {
        assert_eq!(replica.run(wait), error(OOM), "{wait}");
    }
    replica.wait_blocked(WAITS.len());
    assert_eq!(master.run("LATCH.COUNTDOWN k"), int(0));
    for (waiter, told) in waiters.iter_mut().zip([ok(), ok(), bulk("k")]) {
        waiter.receives_only(&told);
    }
}

#[test]
fn a_replica_in_a_cluster_that_leaves_memory_to_its_master_parks() {
    let cluster = Cluster::new();
    let (home, replica, _) = cluster.around("{job}");
    assert_eq!(home.run("LATCH.SET {job} 1"), ok());
    replica.wait_in_sync(home);
    assert_eq!(replica.run("CONFIG SET maxmemory 1"), ok());
    let mut waiter = replica.parked_readonly("LATCH.AWAIT {job} 0");
    assert_eq!(home.run("LATCH.COUNTDOWN {job}"), int(0));
    waiter.receives_only(&ok());
}

#[test]
fn a_server_that_is_busy_evicting_parks() {
    let server = Server::builder().config("maxmemory-eviction-tenacity", "0").start();
    let mut client = server.client();
    client.run("LATCH.SET k 1");
    client.run("DEBUG POPULATE 400000 filler 50");
    client.call([
        "EVAL",
        "for i = 0, 399999 do redis.call('EXPIRE', 'filler:' .. i, 1000) end",
        "0",
    ]);
    client.run("CONFIG SET maxmemory-policy volatile-random");
    let used: usize = server.info("used_memory").parse().unwrap();
    // All at once, before the server has evicted much; what it would do with a
    // command that needs memory is asked on both sides of it.
    let mut waiter = server.client();
    client.send_raw(
        &[
            encode(["CONFIG", "SET", "maxmemory", &(used / 2).to_string()]),
            encode(["SET", "probe", "1"]),
            encode(["LATCH.AWAIT", "k", "0.001"]),
            encode(["SET", "probe", "2"]),
        ]
        .concat(),
    );
    for _ in 0..2 {
        assert_eq!(client.receive(), ok(), "of a command that needs memory");
    }
    assert_eq!(client.receive(), Reply::NullBulk, "it parked");
    assert_eq!(client.receive(), ok(), "of a command that needs memory");
    let evicted: u64 = server.info("evicted_keys").parse().unwrap();
    assert!(evicted > 0, "or this shows nothing");
    client.run("CONFIG SET maxmemory 0");
    waiter.send_line("LATCH.AWAIT k 0");
    server.wait_parked(&waiter);
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
}

#[test]
fn a_full_server_refuses_places_and_lets_jobs_grow_and_finish() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 2");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    assert_eq!(client.run("CONFIG SET maxmemory 1"), ok());
    for wait in WAITS.into_iter().chain(["LATCH.ARRIVE k 0 ID x"]) {
        assert_eq!(client.run(wait), error(OOM), "{wait}");
    }
    assert_eq!(client.run("LATCH.GET k"), int(2), "who was refused has not arrived");
    // A fan-out that could not grow would open early.
    assert_eq!(client.run("LATCH.ADD k 1"), int(3));
    assert_eq!(client.run("LATCH.COUNTDOWN k 2 ID a"), int(1));
    assert_eq!(client.run("LATCH.ARRIVE k 0 ID b"), ok());
    waiter.receives_only(&ok());
}

#[test]
fn a_server_without_the_command_that_is_asked_about_refuses_when_it_is_full() {
    let server = Server::builder().config("rename-command", "LPUSHX \"\"").start();
    server.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    assert_eq!(server.run("CONFIG SET maxmemory 1"), ok());
    assert_eq!(server.run("LATCH.AWAIT k 0"), error(OOM));
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
}
