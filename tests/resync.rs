//! Replicas that lose their master for a while.

mod common;

use std::time::Duration;

use common::*;

/// How long a replica may take to tell its clients that their latch did not
/// survive: a look within a second, and time for the rest.
const SOON: Duration = Duration::from_secs(2);

/// A master that soon forgets what it has propagated, and a replica in sync.
fn pair() -> (Server, Server) {
    let master = Server::builder().tcp().config("repl-backlog-size", "16kb").start();
    let replica = Server::builder().tcp().replica_of(&master).start();
    replica.wait_in_sync(&master);
    (master, replica)
}

/// In what way a replica comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Return {
    /// It is told what it has missed.
    Partial,
    /// It has missed too much, and loads everything again.
    Full,
    /// It meets a dataset with another history, and loads that.
    ToAnotherHistory,
}

/// Cuts the link to the replica, and before it can come back does all of
/// `lines` on the master. Returns when the replica is about to be back.
#[track_caller]
fn cut(master: &Server, how: Return, lines: &[&str]) {
    wait_saving(master, false); // for the first synchronisation, still
    let counter = match how {
        Return::Partial => "sync_partial_ok",
        Return::Full | Return::ToAnotherHistory => "sync_full",
    };
    let before = master.info(counter);
    let filler = format!("SET filler {}", "x".repeat(10_000));
    let mut all = vec!["CLIENT KILL TYPE replica"];
    all.extend(lines);
    match how {
        Return::Partial => {}
        Return::Full => all.extend([filler.as_str(); 20]),
        Return::ToAnotherHistory => all.push("DEBUG CHANGE-REPL-ID"),
    }
    let replies = master.client().transaction(&all);
    assert_eq!(replies.items()[0], int(1), "one replica is gone");
    eventually("the replica to come back", PATIENCE, || {
        (master.info(counter) != before).then_some(())
    });
}

/// Waits until there is a child that writes a snapshot, or none.
#[track_caller]
fn wait_saving(server: &Server, saving: bool) {
    let expected = if saving { "1" } else { "0" };
    eventually("a snapshot to begin or end", PATIENCE, || {
        (server.info("rdb_bgsave_in_progress") == expected).then_some(())
    });
}

/// Panics with what the client was told, if it is not parked any more.
#[track_caller]
fn expect_parked(server: &Server, waiter: &mut Client) {
    waiter.nothing_within(Duration::from_millis(1));
    server.wait_parked(waiter);
}

/// Switches to a way of loading, or of synchronising, if the servers have it.
fn can(servers: [&Server; 2], name: &str, value: &str) -> bool {
    let is_set = |server: &Server| server.run(&format!("CONFIG SET {name} {value}")) == ok();
    let can = servers.into_iter().all(is_set);
    if !can {
        eprintln!("this server has no {name} {value}: nothing to check");
    }
    can
}

/// Cuts the link, and checks who is told what once the replica is back.
fn check_waits_across(how: Return, diskless_load: &str) {
    let (master, replica) = pair();
    if !can([&replica, &replica], "repl-diskless-load", diskless_load) {
        return;
    }
    for key in ["counted", "untouched", "deleted", "opened", "replaced"] {
        master.run(&format!("LATCH.SET {key} 5"));
    }
    let mut elsewhere = master.client();
    elsewhere.run("SELECT 3");
    elsewhere.run("LATCH.SET untouched 1");
    replica.wait_in_sync(&master);

    let parked = |key: &str| replica.parked(&format!("LATCH.AWAIT {key} 0"));
    let mut of_kept = ["counted", "counted", "untouched"].map(parked);
    let mut of_elsewhere = replica.parked_in(3, "LATCH.AWAIT untouched 0");
    let mut of_removed = ["deleted", "replaced"].map(parked);
    let mut of_opened = parked("opened");

    let lines = [
        "LATCH.COUNTDOWN counted 2",
        "DEL deleted",
        "SET replaced string",
        "LATCH.COUNTDOWN opened 5",
    ];
    cut(&master, how, &lines);
    replica.wait_in_sync(&master);

    for waiter in &mut of_removed {
        waiter.receives_within(SOON, &gone());
    }
    // Only who was told of the countdown can know that it opened.
    let end = if how == Return::Partial { ok() } else { gone() };
    of_opened.receives_within(SOON, &end);
    for waiter in of_kept.iter_mut().chain([&mut of_elsewhere]) {
        expect_parked(&replica, waiter);
    }
    assert_eq!(replica.contents(), master.contents());

    assert_eq!(master.run("LATCH.COUNTDOWN counted 3"), int(0));
    assert_eq!(master.run("LATCH.COUNTDOWN untouched 5"), int(0));
    assert_eq!(elsewhere.run("LATCH.COUNTDOWN untouched"), int(0));
    for waiter in of_kept.iter_mut().chain([&mut of_elsewhere]) {
        waiter.receives_only(&ok());
    }
    let swapped = replica.log().contains("Swapping active DB");
    let expected = how != Return::Partial && diskless_load == "swapdb";
    assert_eq!(swapped, expected, "the way it was meant to load");
}

#[test]
fn waits_go_on_when_a_replica_is_told_what_it_missed() {
    check_waits_across(Return::Partial, "disabled");
}

#[test]
fn waits_go_on_when_a_replica_loads_everything_from_a_file() {
    check_waits_across(Return::Full, "disabled");
}

#[test]
fn waits_go_on_when_a_replica_loads_everything_unless_it_has_something() {
    check_waits_across(Return::Full, "on-empty-db");
}

#[test]
fn waits_go_on_when_a_replica_loads_everything_while_it_serves_what_it_has() {
    check_waits_across(Return::Full, "swapdb");
}

#[test]
fn waits_go_on_when_a_replica_empties_itself_to_load_everything() {
    check_waits_across(Return::Full, "flush-before-load"); // of Valkey
}

#[test]
fn waits_go_on_when_a_replica_loads_another_history_from_a_file() {
    check_waits_across(Return::ToAnotherHistory, "disabled");
}

#[test]
fn waits_go_on_when_a_replica_loads_another_history_beside_its_own() {
    check_waits_across(Return::ToAnotherHistory, "swapdb");
}

/// Cuts the link with clients parked on the replica, while their latch opens and is
/// set again.
fn check_the_next_round(how: Return) {
    let (master, replica) = pair();
    master.run("LATCH.SET k 2");
    master.run("LATCH.SET control 1");
    replica.wait_in_sync(&master);
    let mut waiter = replica.parked("LATCH.AWAIT k 0");
    let mut control = replica.parked("LATCH.AWAIT control 0");
    cut(&master, how, &["LATCH.COUNTDOWN k 2", "LATCH.SET k 3", "DEL control"]);
    replica.wait_in_sync(&master);
    // Everything has been looked at by then.
    control.receives_within(SOON, &gone());
    if how == Return::Partial {
        waiter.receives_only(&ok());
        return;
    }
    // Nothing tells the latch that it has from the one that it had.
    expect_parked(&replica, &mut waiter);
    for left in [2, 1] {
        assert_eq!(master.run("LATCH.COUNTDOWN k"), int(left));
        replica.wait_in_sync(&master);
        expect_parked(&replica, &mut waiter);
    }
    assert_eq!(master.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
}

#[test]
fn a_latch_that_opened_and_was_set_again_has_opened_for_those_who_are_told_of_it() {
    check_the_next_round(Return::Partial);
}

#[test]
fn a_latch_that_opened_and_was_set_again_is_waited_for_by_those_who_load_everything() {
    check_the_next_round(Return::Full);
    check_the_next_round(Return::ToAnotherHistory);
}

/// Cuts the link with a client parked on a replica, and counts down on the
/// master while the replica loads everything again.
fn check_countdown_during_the_load(ways: &[(&str, &str)]) {
    let (master, replica) = pair();
    if !ways.iter().all(|(name, value)| can([&master, &replica], name, value)) {
        return;
    }
    for key in ["a", "b", "c", "d", "e"] {
        master.run(&format!("LATCH.SET {key} 2"));
    }
    replica.wait_in_sync(&master);
    let mut opened = replica.parked("LATCH.AWAIT a 0");
    let mut reset = replica.parked("LATCH.AWAIT b 0");
    let mut deleted = replica.parked("LATCH.AWAIT c 0");
    // Microseconds for each key: the child is busy while we count.
    assert_eq!(master.run("CONFIG SET rdb-key-save-delay 100000"), ok());
    cut(&master, Return::Full, &[]);
    wait_saving(&master, true);
    assert_eq!(master.run("LATCH.COUNTDOWN a 2"), int(0));
    assert_eq!(master.run("LATCH.SET b 3"), ok());
    assert_eq!(master.run("DEL c"), int(1));
    assert_eq!(master.info("rdb_bgsave_in_progress"), "1");
    replica.wait_in_sync(&master);
    opened.receives_within(SOON, &ok());
    deleted.receives_within(SOON, &gone());
    expect_parked(&replica, &mut reset);
    assert_eq!(master.run("LATCH.COUNTDOWN b 3"), int(0));
    reset.receives_within(SOON, &ok());
}

#[test]
fn a_countdown_during_a_load_from_a_file_releases_with_ok() {
    check_countdown_during_the_load(&[("repl-diskless-load", "disabled")]);
}

#[test]
fn a_countdown_during_a_load_from_the_file_of_the_master_releases_with_ok() {
    check_countdown_during_the_load(&[("repl-diskless-sync", "no")]);
}

#[test]
fn a_countdown_during_a_load_beside_what_there_is_releases_with_ok() {
    check_countdown_during_the_load(&[("repl-diskless-load", "swapdb")]);
}

#[test]
fn a_countdown_during_a_load_over_a_second_channel_releases_with_ok() {
    check_countdown_during_the_load(&[("repl-rdb-channel", "yes")]); // of Redis 8
    check_countdown_during_the_load(&[("dual-channel-replication-enabled", "yes")]); // of Valkey
}

#[test]
fn a_countdown_during_a_load_beside_what_there_is_over_a_second_channel_releases_with_ok() {
    let swapdb = ("repl-diskless-load", "swapdb");
    check_countdown_during_the_load(&[swapdb, ("repl-rdb-channel", "yes")]);
    check_countdown_during_the_load(&[swapdb, ("dual-channel-replication-enabled", "yes")]);
}

#[test]
fn an_await_that_comes_with_the_end_of_a_load_joins_those_who_wait() {
    let (master, replica) = pair();
    master.run("LATCH.SET k 1");
    replica.wait_in_sync(&master);
    let mut earlier = replica.parked("LATCH.AWAIT k 0");
    let (mut sleeper, mut later) = (replica.client(), replica.client());
    let begun = "receiving streamed RDB from";
    let loads_before = replica.log().matches(begun).count();
    assert_eq!(master.run("CONFIG SET rdb-key-save-delay 300000"), ok());
    cut(&master, Return::Full, &[]);
    // Once the replica has heard that a snapshot comes, it sleeps until there
    // are both the snapshot and a command to be read, in this order.
    eventually("the snapshot to begin", PATIENCE, || {
        (replica.log().matches(begun).count() > loads_before).then_some(())
    });
    sleeper.send_line("DEBUG SLEEP 2");
    wait_saving(&master, false);
    later.send_line("LATCH.AWAIT k 0");
    assert_eq!(sleeper.receive(), ok());
    replica.wait_in_sync(&master);
    for waiter in [&mut earlier, &mut later] {
        expect_parked(&replica, waiter);
    }
    assert_eq!(master.run("LATCH.COUNTDOWN k"), int(0));
    later.receives_only(&ok());
    earlier.receives_only(&ok());
}

#[test]
fn a_client_that_parks_while_a_load_goes_on_beside_what_there_is_waits_on() {
    let (master, replica) = pair();
    let mut client = master.client();
    // Nothing to compress: the more there is to read, the more often the
    // replica serves others meanwhile.
    assert_eq!(client.run("CONFIG SET rdbcompression no"), ok());
    for i in 0..500 {
        client.run(&format!("SET {i} {}", "x".repeat(200)));
    }
    client.run("LATCH.SET kept 2");
    client.run("LATCH.SET deleted 2");
    replica.wait_in_sync(&master);
    for setting in [
        "repl-diskless-load swapdb",
        "key-load-delay 5000", // microseconds
        "loading-process-events-interval-bytes 1024",
    ] {
        assert_eq!(replica.run(&format!("CONFIG SET {setting}")), ok());
    }
    cut(&master, Return::Full, &["DEL deleted"]);
    eventually("the load to begin", PATIENCE, || {
        (replica.info("async_loading") == "1").then_some(())
    });
    let mut kept = replica.parked("LATCH.AWAIT kept 0");
    let mut deleted = replica.parked("LATCH.AWAIT deleted 0");
    assert_eq!(replica.info("async_loading"), "1", "still");
    replica.wait_in_sync(&master);
    deleted.receives_within(SOON, &gone());
    expect_parked(&replica, &mut kept);
    assert_eq!(client.run("LATCH.COUNTDOWN kept 2"), int(0));
    kept.receives_only(&ok());
}
