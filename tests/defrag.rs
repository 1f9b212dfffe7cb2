//! Active defragmentation: the server closes the holes that removed ids have
//! left between those that stay.

mod common;

use std::ops::Range;
use std::time::Duration;

use common::*;

/// For what takes long on a loaded machine.
const LONG: Duration = Duration::from_secs(60);

/// Of how many latches one stays. Their ids have come in turns, so that there
/// are so many times the bytes of an id in memory for each that stays.
const ONE_IN: usize = 4;

/// Who sets them.
const SETTER: &str = "a planner whose id is somewhat long";

/// The count that latches are set to.
const COUNT: usize = 1_000_000;

fn id(number: usize) -> String {
    format!("an id that is somewhat long {number:012}")
}

/// Counts each of the latches down with each of the ids, in turns.
fn count_down(client: &mut Client, keys: &[String], ids: Range<usize>) {
    for nth in ids {
        for keys in keys.chunks(1000) {
            let commands = keys.iter().map(|key| encode(["LATCH.COUNTDOWN", key, "ID", &id(nth)]));
            client.send_raw(&commands.collect::<Vec<_>>().concat());
        }
    }
}

/// Makes `latches` latches with `ids` ids each, one after the other and all in
/// turns, and then removes most of them. `None` if the server would leave it at
/// that.
fn full_of_holes(latches: usize, ids: usize) -> Option<Server> {
    let server = Server::builder()
        .config("active-defrag-ignore-bytes", "1")
        .config("active-defrag-threshold-lower", "40")
        .start();
    if !server.defragments() {
        return None;
    }
    let mut client = server.client();
    let keys: Vec<_> = (0..latches).map(|latch| format!("k{latch}")).collect();
    client.send_line("CLIENT REPLY OFF");
    for key in &keys {
        client.send(["LATCH.SET", key, &COUNT.to_string(), "ID", SETTER]);
    }
    count_down(&mut client, &keys, 0..ids);
    for (nth, key) in keys.iter().enumerate() {
        if nth % ONE_IN != 0 {
            client.send(["DEL", key]);
        }
    }
    client.send_line("CLIENT REPLY ON");
    assert_eq!(client.receive_within(LONG), Some(ok()));
    eventually("the holes to show", PATIENCE, || (fragmentation(&server) > 2.0).then_some(()));
    Some(server)
}

/// The memory that the allocator has taken, for each byte that is in use.
fn fragmentation(server: &Server) -> f64 {
    server.info("allocator_frag_ratio").parse().unwrap()
}

/// Has the server close its holes, and calls `meanwhile` until it is done.
#[track_caller]
fn close_holes(server: &Server, mut meanwhile: impl FnMut()) {
    let before = fragmentation(server);
    assert_eq!(server.run("CONFIG SET activedefrag yes"), ok());
    eventually("the holes to be closed, and the server to see it", LONG, || {
        meanwhile();
        let is_done = server.info("active_defrag_running") == "0";
        (is_done && fragmentation(server) < 1.5).then_some(())
    });
    println!("fragmentation: {before} before, {} after", fragmentation(server));
}

/// Whether latch `k0` has exactly the ids up to this number. Each that it
/// finds counts nothing.
#[track_caller]
fn has_exactly(client: &mut Client, ids: usize) {
    client.send_line("CLIENT REPLY OFF");
    count_down(client, &["k0".into()], 0..ids);
    client.send_line("CLIENT REPLY ON");
    assert_eq!(client.receive_within(LONG), Some(ok()));
    let (ids, left) = (ids.try_into().unwrap(), (COUNT - ids).try_into().unwrap());
    let info = client.run("LATCH.INFO k0");
    assert_eq!((info.field("arrived"), info.field("count")), (&int(ids), &int(left)));
}

#[test]
fn one_latch_with_very_many_ids_closes_its_holes_and_has_them_all() {
    const IDS: usize = 111_000;

    let Some(server) = full_of_holes(ONE_IN, IDS) else { return };
    let mut client = server.client();
    let before = client.run("DEBUG DIGEST-VALUE k0");
    close_holes(&server, || {});
    assert_eq!(client.run("DEBUG DIGEST-VALUE k0"), before);
    has_exactly(&mut client, IDS);
}

#[test]
fn very_many_latches_with_some_ids_close_their_holes_and_stay_as_they_are() {
    const LATCHES: usize = 6_000;

    let Some(server) = full_of_holes(ONE_IN * LATCHES, 10) else { return };
    let mut client = server.client();
    for nth in 0..LATCHES {
        let key = format!("k{}", nth * ONE_IN);
        client.call(["LATCH.ADD", &key, "1", "ID", &id(1_000)]).int();
    }
    for nth in (0..LATCHES).step_by(2) {
        let (key, reason) = (format!("k{}", nth * ONE_IN), format!("for reason {nth}"));
        assert_eq!(client.call(["LATCH.ABORT", &key, &reason]), int(0));
    }
    let before = server.contents();
    close_holes(&server, || {});
    assert_eq!(server.contents(), before);
}

#[test]
fn very_many_latches_without_ids_close_their_holes_too() {
    const LATCHES: usize = 50_000;

    let Some(server) = full_of_holes(ONE_IN * LATCHES, 0) else { return };
    let before = server.digest();
    close_holes(&server, || {});
    assert_eq!(server.digest(), before);
}

#[test]
fn ids_that_come_between_two_steps_are_all_counted() {
    /// With some more the segments are full, and split.
    const IDS: usize = 57_000;

    let Some(server) = full_of_holes(ONE_IN, IDS) else { return };
    let mut client = server.client();
    let mut ids = IDS;
    close_holes(&server, || {
        for _ in 0..100 {
            client.call(["LATCH.COUNTDOWN", "k0", "ID", &id(ids)]).int();
            ids += 1;
        }
    });
    println!("{} ids came meanwhile", ids - IDS);
    has_exactly(&mut client, ids);
}
