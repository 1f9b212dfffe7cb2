//! Replies that are lost, and clients that send again: each command with an id counts once.

mod common;

use common::Fate::{Cut, LoseReply};
use common::*;

/// What becomes of the first commands that are sent.
const FATES: [&[Fate]; 6] = [
    &[],
    &[LoseReply],
    &[Cut],
    &[LoseReply, LoseReply, LoseReply],
    &[Cut, LoseReply, Cut],
    &[Cut, Cut, Cut, Cut, Cut, Cut, Cut, Cut, Cut],
];

/// Runs these lines, the last of which, a command of a kind of its own, is sent through a bad
/// network until there is a reply: the reply, and the server.
fn send(lines: &[&str], fates: &[Fate]) -> (Reply, Server) {
    let server = Server::new();
    let proxy = Proxy::before(&server);
    let (last, before) = lines.split_last().expect("a line");
    before.iter().for_each(|line| _ = server.run(line));
    proxy.plan(fates);
    let (reply, sent) = proxy.client().run(last);
    assert_eq!(sent, fates.len() + 1, "{last}");
    // What was cut off may come last.
    let name = format!("cmdstat_{}", last.split(' ').next().unwrap().to_lowercase());
    eventually("all that was sent to be done", PATIENCE, || {
        server.info(&name).starts_with(&format!("calls={sent},")).then_some(())
    });
    (reply, server)
}

#[test]
fn each_command_with_an_id_counts_once() {
    for fates in FATES {
        let (reply, server) = send(&["LATCH.SET k 5 NX ID me"], fates);
        assert_eq!((reply, server.run("LATCH.GET k")), (ok(), int(5)), "{fates:?}");

        let (reply, server) = send(&["LATCH.SET k 5", "LATCH.ADD k 2 ID a"], fates);
        assert_eq!((reply, server.run("LATCH.GET k")), (int(7), int(7)), "{fates:?}");
        assert_eq!(server.run("LATCH.PENDING k"), array(["a"]), "{fates:?}");

        let (reply, server) = send(&["LATCH.SET k 5", "LATCH.COUNTDOWN k 2 ID a"], fates);
        assert_eq!((reply, server.run("LATCH.GET k")), (int(3), int(3)), "{fates:?}");

        let arrival = "LATCH.ARRIVE k 0.05 ID a";
        let (reply, server) = send(&["LATCH.SET k 5", arrival], fates);
        assert_eq!((reply, server.run("LATCH.GET k")), (Reply::NullBulk, int(4)), "{fates:?}");
        let duplicates = server.info("latch_duplicate_total");
        assert_eq!(duplicates, fates.len().to_string(), "{fates:?}");
    }
}

#[test]
fn without_one_it_counts_as_often_as_it_is_sent() {
    for fates in FATES {
        let times = i64::try_from(fates.len()).unwrap() + 1;
        let (reply, _) = send(&["LATCH.SET k 5 NX"], fates);
        assert_eq!(reply == ok(), fates.is_empty(), "its own first try: {fates:?}");
        let (_, server) = send(&["LATCH.SET k 5", "LATCH.ADD k 2"], fates);
        assert_eq!(server.run("LATCH.GET k"), int(5 + 2 * times), "{fates:?}");
        let (_, server) = send(&["LATCH.SET k 50", "LATCH.COUNTDOWN k 2"], fates);
        assert_eq!(server.run("LATCH.GET k"), int(50 - 2 * times), "{fates:?}");
    }
}

#[test]
fn a_set_that_is_sent_again_throws_nothing_away() {
    for fates in [&[LoseReply][..], &[LoseReply; 5]] {
        let server = Server::new();
        let proxy = Proxy::before(&server);
        let mut planner = proxy.client();
        assert_eq!(planner.run("LATCH.SET k 3 ID run-7 LINGER 100"), (ok(), 1));
        server.run("LATCH.COUNTDOWN k ID a");
        // Another planner, or the same one after a crash.
        proxy.plan(fates);
        let again = planner.run("LATCH.SET k 3 ID run-7 LINGER 100");
        assert_eq!(again, (ok(), fates.len() + 1));
        assert_eq!(server.run("LATCH.GET k"), int(2));
        server.run("LATCH.COUNTDOWN k 2 ID b");
        assert_eq!(planner.run("LATCH.SET k 3 IFOPEN ID run-7 LINGER 100").0, ok());
        assert_eq!(server.run("LATCH.INFO k").field("state"), &bulk("open"), "it is over");
    }
}

#[test]
fn no_process_passes_a_barrier_of_ten_by_itself() {
    let server = Server::new();
    let proxy = Proxy::before(&server);
    server.run("LATCH.SET start 10 LINGER 100");
    // Ten times, for one of them: each time its reply is late, and it sends again.
    proxy.plan(&[Cut; 10]);
    let hasty = proxy.client().runs("LATCH.ARRIVE start 0 ID 1 MISSING ERROR".into());
    server.wait_blocked(11);
    assert_eq!(server.run("LATCH.GET start"), int(9));
    // The replies of others are lost as it opens; they ask again, and pass.
    let others: Vec<_> = (2..=10)
        .map(|id| {
            let line = format!("LATCH.ARRIVE start 0 ID {id} MISSING ERROR");
            proxy.plan(if id % 2 == 0 { &[LoseReply] } else { &[] });
            let waiting = proxy.client().runs(line);
            if id < 10 {
                server.wait_blocked(10 + id);
            }
            (waiting, if id % 2 == 0 { 2 } else { 1 })
        })
        .collect();
    assert_eq!(hasty.join().expect("no panic"), (ok(), 11));
    for (waiting, times) in others {
        assert_eq!(waiting.join().expect("no panic"), (ok(), times));
    }
    let info = server.run("LATCH.INFO start");
    assert_eq!((info.field("arrived"), info.field("opened-by")), (&int(10), &bulk("10")));
}

#[test]
fn one_worker_knows_that_it_was_the_last_and_again_if_it_asks_again() {
    let server = Server::new();
    let proxy = Proxy::before(&server);
    server.run("LATCH.SET k 20 LINGER 100");
    let mut zeros = 0;
    let mut last = Vec::new();
    for worker in 0..20 {
        let mut client = proxy.client();
        let id = worker.to_string();
        let line = format!("LATCH.COUNTDOWN k ID {id}");
        proxy.plan(&[LoseReply]);
        for _ in 0..2 {
            zeros += usize::from(client.run(&line).0 == int(0));
            let (info, _) = client.run("LATCH.INFO k");
            if info.field("opened-by") == &bulk(&id) {
                last.push(worker);
            }
        }
    }
    // Who was late with sending it again sees 0 as well, but has not opened it.
    for worker in 0..20 {
        let (reply, _) = proxy.client().run(&format!("LATCH.COUNTDOWN k ID {worker}"));
        zeros += usize::from(reply == int(0));
    }
    assert_eq!(last, [19, 19]);
    assert_eq!(zeros, 22);
}

#[test]
fn a_recipe_survives_a_network_that_loses_every_other_reply() {
    let server = Server::new();
    let proxy = Proxy::before(&server);
    let mut waiter = server.parked("LATCH.AWAIT job:7 0 MISSING WAIT");
    let mut client = proxy.client();
    let mut run = |line: &str| {
        proxy.plan(&[LoseReply, Cut]);
        let (reply, sent) = client.run(line);
        assert_eq!(sent, 3, "{line}");
        reply
    };
    assert_eq!(run("LATCH.SET job:7 1 NX ID planner EX 86400 LINGER 3600"), ok());
    for part in 1..=10 {
        assert_eq!(run(&format!("LATCH.ADD job:7 1 ID part-{part}")), int(2));
        assert_eq!(run(&format!("LATCH.COUNTDOWN job:7 ID part-{part}")), int(1));
        server.wait_parked(&waiter);
    }
    assert_eq!(run("LATCH.COUNTDOWN job:7 ID planner"), int(0));
    waiter.receives_only(&ok());
}
