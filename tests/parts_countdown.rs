//! `LATCH.COUNTDOWN key [decrement] [ID id] [MISSING OPEN|ERROR]` and `LATCH.ADD key
//! increment [ID id]`: every state of the key, with every kind of id.

mod common;

use common::states::{ABORTED, CLOSED, Cell, MISSING, OPEN, STRING, fields};
use common::*;

/// No id, one that the latch does not know, one that is recorded, one that is announced.
const IDS: [&str; 4] = ["", "new", "r", "p"];

fn with_id(line: &str, id: &str) -> String {
    if id.is_empty() { line.into() } else { format!("{line} ID {id}") }
}

fn same(reply: Reply) -> Cell {
    Cell::Same(reply)
}

/// A countdown by 1 leaves so many.
fn counts(left: i64, id: &str) -> Cell {
    Cell::Changed(int(left), &["latch.countdown"], Some(with_id("LATCH.COUNTDOWN k 1", id)))
}

/// What a countdown by 1 comes to, for each of the [`IDS`].
fn countdowns(state: &[&str], is_strict: bool) -> [Cell; 4] {
    let zero = || same(int(0));
    let all = |reply: Reply| [(); 4].map(|()| same(reply.clone()));
    match (state, is_strict) {
        (MISSING, false) | (OPEN, false) => all(int(0)),
        (MISSING, true) => all(error(NO_LATCH)),
        (CLOSED, _) => [counts(4, ""), counts(4, "new"), same(int(5)), counts(4, "p")],
        (OPEN, true) => [zero(), same(error(LATCH_OPEN)), zero(), same(error(LATCH_OPEN))],
        (ABORTED, _) => all(aborted("no")),
        _ => all(error(WRONG_TYPE)),
    }
}

#[test]
fn a_countdown_counts_once_and_with_missing_error_tells_of_a_mistake() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    for state in [MISSING, CLOSED, OPEN, ABORTED, STRING] {
        for (missing, is_strict) in [
            ("", false),
            (" MISSING OPEN", false),
            (" MISSING ERROR", true),
            (" missing error", true),
        ] {
            for (id, cell) in IDS.into_iter().zip(countdowns(state, is_strict)) {
                let options = with_id(missing, id);
                let line = format!("LATCH.COUNTDOWN k 1{options}");
                cell.check(&mut witness, &mut client, state, &line);
                // Sent again, whatever it counts by, it changes nothing.
                if !id.is_empty() && matches!(cell, Cell::Changed(..)) {
                    for by in [1, 3, i64::MAX] {
                        let again = || client.run(&format!("LATCH.COUNTDOWN k {by}{options}"));
                        same(int(4)).check_call(&mut witness, &line, again);
                    }
                }
            }
        }
    }
}

#[test]
fn the_last_countdown_opens_and_its_id_is_known_while_the_latch_lingers() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    for missing in ["", " MISSING ERROR"] {
        for id in ["", "new", "p"] {
            let line = with_id("LATCH.COUNTDOWN k 9", id);
            let sent = format!("{line}{missing}");
            for lingers in [false, true] {
                let set = if lingers { "LATCH.SET k 5 LINGER 100" } else { "LATCH.SET k 5 EX 100" };
                states::prepare(
                    &mut client,
                    &[set, "LATCH.ADD k 1 ID p", "LATCH.COUNTDOWN k ID r"],
                );
                let mut waiter = server.parked("LATCH.AWAIT k 0");
                let (reply, seen) = witness.see("k", || client.run(&sent));
                assert_eq!(reply, int(0), "{sent}");
                waiter.receives_only(&ok());
                if lingers {
                    let at = client.run("PEXPIRETIME k").int();
                    let expire = format!("PEXPIREAT k {at}");
                    assert_eq!(seen.propagated, ["MULTI", &line, &expire, "EXEC"], "{sent}");
                    assert_eq!(seen.events, ["latch.countdown k", "latch.open k"], "{sent}");
                    assert_eq!(fields(&mut client, ["opened-by"]), [id], "{sent}");
                } else {
                    assert_eq!(seen.propagated, [line.as_str()], "{sent}");
                    let events = ["latch.countdown k", "latch.open k", "del k"];
                    assert_eq!(seen.events, events, "{sent}");
                    let again = || client.run(&sent);
                    let gone = if missing.is_empty() { int(0) } else { error(NO_LATCH) };
                    same(gone).check_call(&mut witness, &sent, again);
                }
            }
            // The same one sees 0 again, and it is still the one that opened it.
            let again = || client.run(&sent);
            same(int(0)).check_call(&mut witness, &sent, again);
            assert_eq!(fields(&mut client, ["opened-by"]), [id], "{sent}");
        }
    }
}

#[test]
fn the_options_of_a_countdown_come_in_any_order_and_it_does_not_wait() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    for line in [
        "LATCH.COUNTDOWN k MISSING ERROR ID new",
        "LATCH.COUNTDOWN k ID new MISSING ERROR",
        "LATCH.COUNTDOWN k 1 MISSING OPEN ID new",
    ] {
        counts(4, "new").check(&mut witness, &mut client, CLOSED, line);
    }
    for state in [MISSING, CLOSED, OPEN, ABORTED, STRING] {
        for line in [
            "LATCH.COUNTDOWN k MISSING WAIT",
            "LATCH.COUNTDOWN k MISSING",
            "LATCH.COUNTDOWN k 1 MISSING FOO",
            "LATCH.COUNTDOWN k MISSING OPEN MISSING OPEN",
            "LATCH.COUNTDOWN k ID a ID a",
            "LATCH.COUNTDOWN k MISSING ERROR 1",
            "LATCH.COUNTDOWN k ID",
        ] {
            same(error(SYNTAX)).check(&mut witness, &mut client, state, line);
        }
    }
}

/// An addition of 2 leaves so many.
fn adds(count: i64, id: &str) -> Cell {
    Cell::Changed(int(count), &["latch.add"], Some(with_id("LATCH.ADD k 2", id)))
}

/// What an addition of 2 comes to, for each of the [`IDS`].
fn additions(state: &[&str]) -> [Cell; 4] {
    let all = |reply: Reply| [(); 4].map(|()| same(reply.clone()));
    let open = || same(error(LATCH_OPEN));
    match state {
        MISSING => all(error(NO_LATCH)),
        CLOSED => [adds(7, ""), adds(7, "new"), adds(7, "r"), same(int(5))],
        OPEN => [open(), open(), open(), same(int(0))],
        ABORTED => all(aborted("no")),
        _ => all(error(WRONG_TYPE)),
    }
}

#[test]
fn an_addition_counts_once_and_announces_the_part() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    for state in [MISSING, CLOSED, OPEN, ABORTED, STRING] {
        for (id, cell) in IDS.into_iter().zip(additions(state)) {
            let line = with_id("LATCH.ADD k 2", id);
            cell.check(&mut witness, &mut client, state, &line);
            if !id.is_empty() && matches!(cell, Cell::Changed(..)) {
                // Not compared, nor too much: it adds nothing.
                for by in ["2", "1", "9223372036854775807"] {
                    let again = || client.run(&with_id(&format!("LATCH.ADD k {by}"), id));
                    same(int(7)).check_call(&mut witness, &line, again);
                }
                // One that has counted down before is not pending.
                let pending = if id == "r" { vec!["p"] } else { vec!["new", "p"] };
                assert_eq!(client.run("LATCH.PENDING k"), array(pending), "{line}");
            }
        }
    }
}

#[test]
fn an_addition_is_too_much_unless_its_id_is_announced() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    let overflow = || same(error("ERR increment would overflow"));
    for (id, cell) in
        [("", overflow()), ("new", overflow()), ("r", overflow()), ("p", same(int(5)))]
    {
        let line = with_id("LATCH.ADD k 9223372036854775807", id);
        cell.check(&mut witness, &mut client, CLOSED, &line);
        assert_eq!(
            client.run("LATCH.PENDING k"),
            array(["p"]),
            "what was refused is not announced"
        );
    }
}

#[test]
fn a_full_server_adds_and_counts_down() {
    let server = Server::new();
    let mut client = server.client();
    states::prepare(&mut client, CLOSED);
    assert_eq!(client.run("CONFIG SET maxmemory 1"), ok());
    assert_eq!(client.run("LATCH.ADD k 1 ID new"), int(6));
    assert_eq!(client.run("LATCH.ADD k 1 ID new"), int(6));
    assert_eq!(client.run("LATCH.COUNTDOWN k 1 ID new MISSING ERROR"), int(5));
}

#[test]
fn a_replica_and_a_file_know_who_opened_the_latch() {
    let mut master =
        Server::builder().tcp().config("appendonly", "yes").config("appendfsync", "always").start();
    let replica = Server::builder().replica_of(&master).start();
    let mut client = master.client();
    states::prepare(&mut client, CLOSED);
    client.run("LATCH.SET k 2 ID me LINGER 100");
    client.run("LATCH.ADD k 1 ID p");
    client.run("LATCH.COUNTDOWN k 2 ID a MISSING ERROR");
    assert_eq!(client.run("LATCH.ARRIVE k 0 ID b MISSING ERROR"), ok());
    let expected = ["0", "2", "1", "b", "me"];
    let names = ["count", "arrived", "pending", "opened-by", "set-by"];
    assert_eq!(fields(&mut client, names), expected);
    replica.wait_in_sync(&master);
    assert_eq!(fields(&mut replica.client(), names), expected);
    assert_eq!(replica.digest(), master.digest());
    master.kill9();
    master.start_again();
    assert_eq!(fields(&mut master.client(), names), expected);
    assert_eq!(replica.digest(), master.digest());
}
